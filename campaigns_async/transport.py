"""The session: the only module of the client that knows aiohttp.

Sends each request once. aiohttp's own habits that would blur what the server saw are switched off: its
silent resend over a dropped connection, its redirects (it posts again on 307 and 308, and carries keys to
other hosts), its total timeout that counts the wait for a connection.
"""

from __future__ import annotations

import errno

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from campaigns_async.engine.ports import Credentials, Failure, FailureKind, Progress
from campaigns_async.errors import ClientClosedError, ConfigurationError
from campaigns_async.settings import Timeouts
from campaigns_async.wire.messages import Request, Response

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
            raise ConfigurationError(f"session must be an aiohttp.ClientSession, not {type(session).__name__}")
        self._session = session
        self._borrowed = session is not None
        self._standing: Credentials | None = None
        """Those that the session sends by itself, which costs less than to name them in each request."""
        self._timeouts: tuple[Timeouts, aiohttp.ClientTimeout] | None = None

    async def send(
        self, request: Request, credentials: Credentials, timeouts: Timeouts, progress: Progress
    ) -> Response | Failure:
        """Send a request once and read the whole answer."""
        session = self._session or self._open(credentials)
        if session.closed:
            raise ClientClosedError("the aiohttp session that was handed in has been closed by its owner")
        try:
            # A request without a body is given an empty one, for its mark: nothing else tells when headers go out.
            response = await session.request(
                request.method,
                self._url(request, credentials),
                headers=None if credentials is self._standing else credentials.headers,
                skip_auto_headers=None if request.body else ("Content-Type",),
                data=_Body(request.body or b"", progress),
                timeout=self._client_timeout(timeouts),
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(_send_once,),
            )
            body = await self._read(response)
            if body is None:
                return Failure(FailureKind.DROPPED, sent=True, detail="the answer is larger than max_response_size")
            return Response.of(response.status, response.headers, body)
        except aiohttp.ClientConnectorError as error:
            return Failure(FailureKind.CONNECT, sent=False, detail=_detail(error))
        except aiohttp.ConnectionTimeoutError:
            return Failure(FailureKind.CONNECT_TIMEOUT, sent=False)
        except TimeoutError:
            return Failure(FailureKind.READ_TIMEOUT, sent=progress.sent)
        except (aiohttp.ClientError, _DroppedError, OSError) as error:
            return Failure(FailureKind.DROPPED, sent=progress.sent, detail=_detail(error))
        except Exception as error:  # a session that was handed in may run anything
            if progress.sent:
                return Failure(FailureKind.DROPPED, sent=True, detail=_detail(error))
            name = type(error).__name__
        raise ConfigurationError(f"the aiohttp session refused to send the request ({name})")

    async def close(self) -> None:
        """Close the session, unless it is borrowed."""
        if self._session is not None and not self._borrowed:
            await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """The whole body; None where it is larger than may be."""
        length = response.content_length
        if length is not None and length <= self._max_response_size and _ENCODING not in response.headers:
            return await response.read()
        chunks, size = list[bytes](), 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > self._max_response_size:
                response.close()
                return None
            chunks.append(chunk)
        return b"".join(chunks)

    def _open(self, credentials: Credentials) -> aiohttp.ClientSession:
        self._standing = credentials
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the gate bounds, before aiohttp is asked
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=credentials.headers,
        )
        return self._session

    def _url(self, request: Request, credentials: Credentials) -> URL:
        url = self._base_url + request.path
        if request.query or credentials.query:
            url += "?" + "&".join(filter(None, (request.query, credentials.query)))
        return URL(url, encoded=True)

    def _client_timeout(self, timeouts: Timeouts) -> aiohttp.ClientTimeout:
        if self._timeouts is None or self._timeouts[0] is not timeouts:
            made = aiohttp.ClientTimeout(
                total=None, connect=None, sock_connect=timeouts.connect, sock_read=timeouts.read
            )
            self._timeouts = (timeouts, made)
        return self._timeouts[1]


class _Body(Payload):
    """A JSON body that marks the moment before its first byte, and so the headers', can leave.

    aiohttp holds the headers back until the body's first write.
    """

    _default_content_type = "application/json"

    def __init__(self, value: bytes, progress: Progress) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)
        self._progress = progress

    @property
    def begun(self) -> bool:
        """Whether anything of the request has gone out."""
        return self._progress.sent

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
            # Something came before anything was asked: whatever it is, it answers another request.
            raise ConnectionResetError(errno.ECONNRESET, _STRAY)
        self._progress.mark()
        await writer.write(self._value)


class _DroppedError(Exception):
    """Stands in for what aiohttp would take as a reason to send again by itself."""


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    if request.method in _BODILESS:
        request.headers.pop("Content-Length", None)  # of a body that is there for its mark alone
    try:
        response = await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        name = type(error).__name__
    else:
        if not isinstance(request.body, _Body) or request.body.begun:
            return response
        response.close()  # an answer to nothing: it lay in wait on the connection
        name = _STRAY
    raise _DroppedError(name)


def _detail(error: BaseException) -> str:
    """What may be told of an aiohttp error: its text can hold the URL, and so the key."""
    if isinstance(error, _DroppedError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else None
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror
    name = type(error).__name__
    return f"{name}: {reason}" if reason and len(reason) <= 100 else name
