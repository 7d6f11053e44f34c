"""The transport: the only module of the client that imports aiohttp.

Each request is sent once. These features of aiohttp are off, since they hide how often the server saw a request, and
when: the silent resend after a dropped connection, redirects (aiohttp posts again on 307 and 308, and sends keys to
other hosts), and the total timeout, which includes the wait for a connection.

A connection carries another request only after `reuse`. aiohttp itself returns a connection to its pool as soon as the
body of a response ends, before anybody has read it: a body that doubles, or answers another request, would then shift
the responses of all later requests by one.
"""

from __future__ import annotations

import asyncio
import errno
import warnings
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import cast
from weakref import WeakKeyDictionary, WeakSet

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.payload import Payload
from attrs import evolve
from multidict import CIMultiDict
from yarl import URL

from campaigns_async._http.aiohttp_settings import Tls, find_request_options, prepare_borrowed
from campaigns_async._http.api_key import Credentials
from campaigns_async._http.body_forms import find_cut_form
from campaigns_async._http.connect_errors import explain_connect_error, explain_proxy_refusal, shorten
from campaigns_async._http.deadlines import Deadline, TimeoutQueue, TimeoutQueues
from campaigns_async._http.request import Request
from campaigns_async._http.response import Response
from campaigns_async._http.transport import Failure, FailureKind, SendMarker
from campaigns_async.errors import ClientClosedError, ConfigurationError
from campaigns_async.settings import Timeouts

_SENT_AGAIN = "a middleware of session tried to send the request twice, which the client never allows"
_STRAY = "a response arrived before the request was sent"
_HEADERS = CIMultiDict({"Content-Type": "application/json"})
_BODILESS = ("GET", "HEAD", "OPTIONS")
_STRAYS = 3
"""Connections that a request may find unusable before it fails: a server may send a response as soon as one opens."""
_TURNS = 10
"""Iterations of the loop that a request waits for the verdict on the response before it, which is due in one or two."""
_CHUNK = 2**15
"""Bytes of a body that are written at once: aiohttp waits for the server to read only above 64 KiB."""

_UNPROVEN: WeakKeyDictionary[aiohttp.BaseConnector, set[object]] = WeakKeyDictionary()
"""The connections that wait for `reuse` or `discard`, by aiohttp's pool: clients may share a borrowed session."""
_READ_OVER: WeakSet[ResponseHandler] = WeakSet()
"""The connections that have carried a read. They carry no create: if a page arrives twice, and the same page is requested
again, nothing shows that the connection is one response late. A 429 to that read would then answer the create."""


class AiohttpTransport:
    """A transport over an aiohttp session, which it opens on first use or borrows. It never closes a borrowed session.

    Args:
        base_url: The API's address.
        session: The session to borrow, which `check_borrowed` has checked.
        network: The proxy and the argument `ssl` of the sessions that the transport opens.
        max_response_size: Bytes of a response's body at most, after decompression.
    """

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession | None = None,
        *,
        network: tuple[URL | None, Tls] | None = None,
        max_response_size: int = 64 * 2**20,
    ) -> None:
        self._max_response_size = max_response_size
        self._base_url = base_url
        self._proxy, self._tls = network or (None, True)
        self._borrowed = session
        # Reads have a session of their own, so that creates and reads do not close each other's connections.
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        # The session sends the headers of these itself, which costs less than passing them with each request.
        self._session_credentials: Credentials | None = None
        self._read_timeouts = TimeoutQueues()
        self._timeouts: tuple[Timeouts, tuple[aiohttp.ClientTimeout, TimeoutQueue]] | None = None
        self._build_url = lru_cache(maxsize=8)(partial(_build_url, base_url))  # almost all creates go to one URL
        connector = None if session is None else session.connector
        self._unproven: set[object] = set() if connector is None else _UNPROVEN.setdefault(connector, set())
        self._is_first_contact = True

    async def send(
        self,
        request: Request,
        credentials: Credentials,
        timeouts: Timeouts,
        marker: SendMarker,
        headers: Mapping[str, str] | None = None,
    ) -> Response | Failure:
        session = self._borrowed or self._sessions.get(request.method in _BODILESS) or self._open(request, credentials)
        timeout, read_timeouts = self._timeouts_for(timeouts)
        middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = ()
        send: Callable[..., Awaitable[aiohttp.ClientResponse]] = session.request
        if credentials is not self._session_credentials:
            headers = {**credentials.headers, **(headers or {})}
            if self._borrowed is not None:
                middlewares = prepare_borrowed(self._borrowed, headers, has_body=bool(request.body))
                send = partial(send, **find_request_options(self._borrowed))
        strays = 0
        while True:
            # A request without a body gets an empty one: only the write of a body shows when headers leave.
            body = _Body(request, marker, read_timeouts.for_current_task(), self._unproven)
            response: aiohttp.ClientResponse | None = None
            chunks: list[bytes] = []  # `list[bytes]()` costs 1 % of a create
            try:
                response = await send(
                    request.method,
                    self._build_url(request.path, request.query, credentials.query),
                    headers=headers,
                    skip_auto_headers=None if request.body else ("Content-Type",),
                    data=body,
                    timeout=timeout,
                    allow_redirects=False,
                    raise_for_status=False,
                    middlewares=(*middlewares, body.send_once, body.send_without_resend)
                    if middlewares
                    else (body.send_without_resend,),
                )
                stream = response.content
                if stream.is_eof() and not self._borrowed and stream.total_bytes <= self._max_response_size:
                    content: bytes | None = stream.read_nowait()  # the whole body has arrived
                else:
                    content = await self._read(response, timeouts.read, chunks)
                if content is not None:
                    self._is_first_contact = False
                    return Response(response.status, response.headers, content, body.connection)
                detail = "the response is larger than max_response_size"
                failure: Failure | Exception = Failure(FailureKind.DROPPED, sent=True, detail=detail)
            except Exception as error:
                failure = _add_head(self._build_failure(error, body), response, chunks)
            except BaseException:  # a cancellation too leaves a connection that owes a response
                body.abort()
                raise
            body.abort()
            strays += not body.is_early
            if body.is_refused and strays < _STRAYS:
                continue  # nothing was sent: another connection may carry the request
            if isinstance(failure, Failure):
                return failure
            raise failure  # not within `except`: the error of aiohttp may hold the key

    def reuse(self, response: Response) -> None:
        self._unproven.discard(response.connection)
        response.connection = None

    def discard(self, response: Response) -> None:
        """Close the response's connection now. aiohttp hands out no connection that is closed."""
        connection, response.connection = response.connection, None
        if isinstance(connection, ResponseHandler):
            self._unproven.discard(connection)
            connection.close()

    def __del__(self) -> None:
        sessions: dict[bool, aiohttp.ClientSession] = self.__dict__.get("_sessions", {})  # absent where __init__ raised
        if not all(session.closed for session in sessions.values()):
            warnings.warn(
                f"CampaignsClient of {self._base_url} was never closed: use 'async with', or await aclose()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    async def _read(self, response: aiohttp.ClientResponse, seconds: float, chunks: list[bytes]) -> bytes | None:
        """Read the whole body, and keep what arrives in `chunks`. Return None if it is larger than `max_response_size`."""
        content, most = response.content, self._max_response_size
        if content.is_eof():
            # `read` calls the hooks that a borrowed session may have.
            return await response.read() if content.total_bytes <= most else None
        protocol = None if response.connection is None else response.connection.protocol
        if protocol is not None:  # aiohttp bounds the wait for each next byte
            protocol.read_timeout = seconds
            protocol.start_timeout()
        size = 0
        try:
            async for chunk in content.iter_any():
                size += len(chunk)
                if size > most:
                    return None
                chunks.append(chunk)
        finally:
            if not content.at_eof():
                response.close()  # the rest must not be read as the next response
        for trace in getattr(response, "_traces", ()):  # as `read` does
            await trace.send_response_chunk_received(response.method, response.url, b"".join(chunks))
        return b"".join(chunks)

    def _build_failure(self, error: Exception, body: _Body) -> Failure | Exception:
        """Return the failure that an exception of the session means, or the error to raise if it refused the request."""
        sent = body.marker.sent
        if body.connection is not None:
            self._is_first_contact = False
        if isinstance(error, aiohttp.ClientConnectorError):
            is_dns = isinstance(error, aiohttp.ClientConnectorDNSError)
            kind, detail = explain_connect_error(
                getattr(error, "certificate_error", None)
                or error.os_error,  # before aiohttp 3.13.4, it has only the first
                is_dns=is_dns,
                is_first_contact=self._is_first_contact,
                is_proxy=isinstance(error, aiohttp.ClientProxyConnectionError)
                or (is_dns and error.host != URL(self._base_url).raw_host),
            )
            return Failure(kind, sent=sent, detail=detail)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            kind, detail = explain_proxy_refusal(error.status)
            return Failure(kind, sent=sent, detail=detail)
        if isinstance(error, aiohttp.ServerFingerprintMismatch):
            detail = "the server's certificate does not have the fingerprint that the session asks for"
            return Failure(FailureKind.CERTIFICATE, sent=False, detail=detail)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Failure(FailureKind.CONNECT_TIMEOUT, sent=False)
        if isinstance(error, TimeoutError):
            detail = "the server did not take the whole body of the request" if body.is_writing else ""
            return Failure(FailureKind.READ_TIMEOUT, sent=sent, detail=detail)
        # Hooks of a borrowed session may raise anything.
        if sent or isinstance(error, (aiohttp.ClientError, _DroppedError, OSError)):
            return Failure(FailureKind.DROPPED, sent=sent, detail=_describe(error))
        if isinstance(error, ConfigurationError):  # of `send_once`
            return error
        if self._borrowed is not None and self._borrowed.closed:
            return ClientClosedError("the aiohttp session passed as session was closed by its owner")
        return ConfigurationError(f"the aiohttp session refused to send the request ({type(error).__name__})")

    def _open(self, request: Request, credentials: Credentials) -> aiohttp.ClientSession:
        if self._proxy is None:  # aiohttp would send the headers of a session with proxy to the proxy too, before TLS
            self._session_credentials = self._session_credentials or credentials
        session = self._sessions[request.method in _BODILESS] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),  # the limiter bounds requests before aiohttp
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=None if self._session_credentials is None else self._session_credentials.headers,
            proxy=self._proxy,
        )
        return session

    def _timeouts_for(self, timeouts: Timeouts) -> tuple[aiohttp.ClientTimeout, TimeoutQueue]:
        """Return aiohttp's timeout for connecting, and our queue, at a third of the cost, for the head of the response."""
        if self._timeouts is None or self._timeouts[0] is not timeouts:
            # `connect` covers DNS and a proxy's tunnel, but also the wait for the pool of a session that has a limit.
            pool = None if self._borrowed is None else self._borrowed.connector
            whole = None if pool is not None and (pool.limit or pool.limit_per_host) else timeouts.connect
            connect = aiohttp.ClientTimeout(total=None, connect=whole, sock_connect=timeouts.connect, sock_read=None)
            self._timeouts = (timeouts, (connect, self._read_timeouts.for_seconds(timeouts.read)))
        return self._timeouts[1]


def _build_url(base_url: str, path: str, query: str, key: str) -> URL:
    query = "&".join(filter(None, (query, key)))
    return URL(f"{base_url}{path}{'?' if query else ''}{query}", encoded=True)


class _Writer(AbstractStreamWriter):
    """The type of aiohttp's writer, which has what its abstract class does not declare."""

    protocol: ResponseHandler


class _Body(Payload):
    """A JSON body that marks its request as sent just before the first byte leaves.

    aiohttp buffers the headers until the first write of the body, so that this covers the headers too.
    """

    connection: ResponseHandler | None = None  # that the request went out over
    is_refused: bool = False  # True if the connection that aiohttp chose could not carry the request: nothing was sent
    is_early: bool = False  # True if that was because of an earlier request over it, and not of a stray response
    is_writing: bool = False  # True while a body of several chunks is written
    is_unfinished: bool = False  # True until the last of several chunks is handed to the connection
    is_in_flight: bool = False  # True while a middleware waits for the response
    headers: CIMultiDict[str] = _HEADERS  # pyright: ignore[reportIncompatibleMethodOverride]  # a property costs calls
    _headers = _HEADERS
    _autoclose = True  # nothing is open
    _value: bytes
    _transport: asyncio.Transport

    def __init__(self, request: Request, marker: SendMarker, read_timeout: Deadline, unproven: set[object]) -> None:
        # Not of the base class, whose `__init__` builds headers: 0.3 % of a create.
        self._value = content = request.body or b""
        self._size = len(content)
        self._is_read = request.method in _BODILESS
        self.marker = marker
        self._read_timeout = read_timeout
        self._unproven = unproven

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    def __deepcopy__(self, _: object) -> bytes:
        return self._value  # vcrpy records a copy

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self._value  # a middleware may sign it

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        connection = cast("_Writer", writer).protocol
        if connection in self._unproven:
            await self._wait_for_verdict(connection)
        transport = connection.transport
        if transport is None or transport.is_closing() or connection.should_close:
            raise ConnectionResetError(errno.ECONNRESET, _STRAY)
        if self._is_read:
            _READ_OVER.add(connection)
        elif connection in _READ_OVER:
            self.is_early = True
            raise ConnectionResetError(errno.ECONNRESET, "the connection has carried a read")
        self._unproven.add(connection)
        self.connection, self._transport = connection, transport
        self.marker.mark()
        if len(self._value) > _CHUNK:
            await self._write_in_chunks(writer)
        else:
            await writer.write(self._value)
            self._read_timeout.begin(asyncio.get_running_loop().time())

    async def _write_in_chunks(self, writer: AbstractStreamWriter) -> None:
        """Write a large body, and bound each wait for the server to read more of it."""
        loop = asyncio.get_running_loop()
        self.is_writing = self.is_unfinished = True
        for start in range(0, len(self._value), _CHUNK):
            self.is_unfinished = start + _CHUNK < len(self._value)
            self._read_timeout.restart(loop.time())
            await writer.write(self._value[start : start + _CHUNK])
            await writer.drain()
        self.is_writing = False
        self._read_timeout.restart(loop.time())

    async def _wait_for_verdict(self, connection: ResponseHandler) -> None:
        """Wait until the last response over a connection has been judged.

        Raises:
            ConnectionResetError: If that takes too long: a hook of a borrowed session may wait for anything.
        """
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if connection not in self._unproven:
                return
        self.is_early = True
        self._unproven.discard(connection)  # aiohttp closes a connection on which a write has failed
        raise ConnectionResetError(errno.ECONNRESET, "the last response has not been judged yet")

    def abort(self) -> None:
        """Close the connection at once, without sending the rest of the request. Does nothing if nothing was sent."""
        if self.connection is not None:
            self._unproven.discard(self.connection)
            self.connection.close()
            self._transport.abort()  # `close` alone waits until the server has read the rest

    async def send_once(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request unless a middleware of a borrowed session has sent it before, or has replaced its body."""
        if request.body is not self:
            raise ConfigurationError(
                "a middleware of session replaced the body of the request: its outcome could not be known",
                parameter="session",
            )
        if self.is_in_flight or self.marker.sent:
            raise _DroppedError(_SENT_AGAIN)
        self.is_in_flight = True
        self._read_timeout = self._read_timeout.queue.for_current_task()  # a middleware may have changed the task
        try:
            return await handler(request)
        finally:
            self.is_in_flight = False

    async def send_without_resend(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request and read the head of the response: a client middleware that prevents aiohttp's resend."""
        if request.method in _BODILESS:
            request.headers.pop("Content-Length", None)  # of the empty body
        try:
            response = await handler(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            name = type(error).__name__
        except asyncio.CancelledError:
            if not self._read_timeout.consume_cancellation():
                raise
            raise TimeoutError from None
        else:
            if response.status == 101:
                response.close()  # the body of an upgraded connection has no end
            is_too_early = self.is_unfinished and 200 <= response.status < 300  # a refusal may come early
            if self.marker.sent and not is_too_early:
                return response
            response.close()
            name = _STRAY
        finally:
            self._read_timeout.stop()
        self.is_refused = not self.marker.sent
        raise _DroppedError(name)


class _DroppedError(Exception):
    """A stand-in for an error after which aiohttp would resend the request by itself."""


def _add_head(
    failure: Failure | Exception, response: aiohttp.ClientResponse | None, chunks: list[bytes]
) -> Failure | Exception:
    """Return a failure with what is known of a response whose body was cut."""
    if response is None or not isinstance(failure, Failure):
        return failure
    return evolve(failure, status=response.status, form=find_cut_form(response.headers, b"".join(chunks)))


def _describe(error: Exception) -> str:
    """Return a description of an aiohttp error without its text, which may contain the URL, and so the API key."""
    if isinstance(error, _DroppedError):
        return str(error)
    name, reason = type(error).__name__, shorten(error.strerror if isinstance(error, OSError) else None)
    return f"{name}: {reason}" if reason else name
