"""The transport: the only module of the client that imports aiohttp.

Each request is sent once. What aiohttp does by itself and would hide how often the server saw a request is switched
off: its silent resend over a dropped connection, its redirects (it posts again on 307 and 308, and carries keys to
other hosts), its total timeout that counts the wait for a connection.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from campaigns_async._http.deadlines import Deadline, TimeoutQueue, TimeoutQueues
from campaigns_async._http.request import Credentials, Request
from campaigns_async._http.response import Response
from campaigns_async._http.transport import Failure, FailureKind, SendMarker
from campaigns_async.errors import ClientClosedError, ConfigurationError
from campaigns_async.settings import Timeouts

_ENCODING = aiohttp.hdrs.CONTENT_ENCODING
_STRAY = "an answer came before the request"
_BODILESS = ("GET", "HEAD", "OPTIONS")


class AiohttpTransport:
    """Opens a session on first use, or borrows one, which it never closes."""

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession | None = None, *, max_response_size: int = 64 * 2**20
    ) -> None:
        self._max_response_size = max_response_size
        self._base_url = base_url
        if session is not None and not isinstance(session, aiohttp.ClientSession):
            raise ConfigurationError(
                f"session must be an aiohttp.ClientSession, not {type(session).__name__}", parameter="session"
            )
        if session is not None and aiohttp.hdrs.EXPECT in session.headers:
            raise ConfigurationError(  # the headers would leave before the body, which marks the request as sent
                "session must not send Expect: what became of a create could not be known", parameter="session"
            )
        self._session = session
        self._borrowed = session is not None
        self._session_credentials: Credentials | None = None
        """Sent by the session itself, which costs less than to name them in each request."""
        self._read_timeouts = TimeoutQueues()
        self._timeouts: tuple[Timeouts, tuple[aiohttp.ClientTimeout, TimeoutQueue]] | None = None
        self._latest_url: tuple[tuple[str, str, str], URL] | None = None
        """The latest URL: almost all creates go to one."""

    async def send(
        self,
        request: Request,
        credentials: Credentials,
        timeouts: Timeouts,
        marker: SendMarker,
        headers: Mapping[str, str] | None = None,
    ) -> Response | Failure:
        """Send a request once and read the whole response."""
        session = self._session or self._open(credentials)
        if session.closed:
            raise ClientClosedError("the aiohttp session that was handed in has been closed by its owner")
        timeout, read_timeouts = self._timeouts_for(timeouts)
        if credentials is not self._session_credentials:
            headers = {**credentials.headers, **(headers or {})}
        # A request without a body gets an empty one, which marks it: nothing else shows when headers leave.
        body = _Body(request.body or b"", marker, read_timeouts.for_current_task())
        try:
            response = await session.request(
                request.method,
                self._url(request, credentials),
                headers=headers,
                skip_auto_headers=None if request.body else ("Content-Type",),
                data=body,
                timeout=timeout,
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(body.send_without_resend,),
            )
            answer = await self._read(response, timeouts.read)
            if answer is None:
                return Failure(FailureKind.DROPPED, sent=True, detail="the answer is larger than max_response_size")
            return Response(response.status, response.headers, answer)
        except aiohttp.ClientConnectorError as error:
            return Failure(FailureKind.CONNECT, sent=False, detail=_detail(error))
        except aiohttp.ConnectionTimeoutError:
            return Failure(FailureKind.CONNECT_TIMEOUT, sent=False)
        except TimeoutError:
            return Failure(FailureKind.READ_TIMEOUT, sent=marker.sent)
        except (aiohttp.ClientError, _DroppedError, OSError) as error:
            return Failure(FailureKind.DROPPED, sent=marker.sent, detail=_detail(error))
        except Exception as error:  # a borrowed session may run anything
            if marker.sent:
                return Failure(FailureKind.DROPPED, sent=True, detail=_detail(error))
            name = type(error).__name__
        raise ConfigurationError(f"the aiohttp session refused to send the request ({name})")

    async def close(self) -> None:
        """Close the session, unless it is borrowed."""
        if self._session is not None and not self._borrowed:
            await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse, seconds: float) -> bytes | None:
        """Return the whole body; None if it is larger than `max_response_size`."""
        content, most = response.content, self._max_response_size
        if content.is_eof() and content.total_bytes <= most:  # all of it has arrived
            # A borrowed session may have hooks, which `read` calls.
            return await response.read() if self._borrowed else content.read_nowait()
        protocol = None if response.connection is None else response.connection.protocol
        if protocol is not None:  # aiohttp times the rest
            protocol.read_timeout = seconds
            protocol.start_timeout()
        length = response.content_length
        if length is not None and length <= most and _ENCODING not in response.headers:
            return await response.read()
        chunks, size = list[bytes](), 0
        try:
            async for chunk in content.iter_any():
                size += len(chunk)
                if size > most:
                    return None
                chunks.append(chunk)
        finally:
            if not content.at_eof():
                response.close()  # the rest must not be read as the next response
        return b"".join(chunks)

    def _open(self, credentials: Credentials) -> aiohttp.ClientSession:
        self._session_credentials = credentials
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the limiter bounds requests before aiohttp
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=credentials.headers,
        )
        return self._session

    def _url(self, request: Request, credentials: Credentials) -> URL:
        asked = (request.path, request.query, credentials.query)
        if self._latest_url is None or self._latest_url[0] != asked:
            query = "&".join(filter(None, asked[1:]))
            url = f"{self._base_url}{request.path}{'?' if query else ''}{query}"
            self._latest_url = (asked, URL(url, encoded=True))
        return self._latest_url[1]

    def _timeouts_for(self, timeouts: Timeouts) -> tuple[aiohttp.ClientTimeout, TimeoutQueue]:
        """Return aiohttp's timeout for the connection, and our queue for the response's head, at a third of the cost."""
        if self._timeouts is None or self._timeouts[0] is not timeouts:
            made = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=timeouts.connect, sock_read=None)
            self._timeouts = (timeouts, (made, self._read_timeouts.for_seconds(timeouts.read)))
        return self._timeouts[1]


class _Body(Payload):
    """A JSON body that marks its request just before the first byte leaves.

    aiohttp holds the headers back until the body's first write, so that this is the first byte of the headers too.
    """

    _default_content_type = "application/json"

    def __init__(self, value: bytes, marker: SendMarker, read_timeout: Deadline) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)
        self._marker = marker
        self._read_timeout = read_timeout

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,
    ) -> None:
        protocol = getattr(writer, "protocol", None)
        if protocol is not None and protocol.should_close:
            # A response came before the request was sent: it answers another request.
            raise ConnectionResetError(errno.ECONNRESET, _STRAY)
        self._marker.mark()
        await writer.write(self._value)
        self._read_timeout.begin(asyncio.get_running_loop().time())

    async def send_without_resend(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request up to the head of the response: a client middleware that keeps aiohttp from resending."""
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
                response.close()  # an upgrade that nobody asked for has no end
            if self._marker.sent:
                return response
            response.close()  # it was on the connection before the request
            name = _STRAY
        finally:
            self._read_timeout.stop()
        raise _DroppedError(name)


class _DroppedError(Exception):
    """Replaces an error on which aiohttp would send again by itself."""


def _detail(error: BaseException) -> str:
    """Return what is safe to tell of an aiohttp error: its text can hold the URL, and so the key."""
    if isinstance(error, _DroppedError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else None
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror
    name = type(error).__name__
    return f"{name}: {reason}" if reason and len(reason) <= 100 else name
