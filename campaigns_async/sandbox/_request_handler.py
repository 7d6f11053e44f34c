"""The HTTP side of a sandbox: the handler that reads, records and answers each request."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ._connections import CLOSE, Connection, ConnectionServer, SentResponse
from ._control import CONTROL, Control, ControlRequest
from ._exchange import Exchange, send
from ._fault_timing import apply_fault
from ._operations import Answer
from ._request_bodies import read_recipients
from ._request_log import RecordedRequest
from ._routing import Router, read_query
from ._state import State

_LOGGER: Final = logging.getLogger("campaigns_async.sandbox")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestHandler:
    """The handler of the requests that arrive at a port.

    A request that has arrived completely is carried out, even if its client has disconnected.
    """

    def __init__(self, state: State) -> None:
        settings = state.settings
        self._state = state
        self._control = Control(state)
        self._router = Router(settings.update_method, settings.delete_method, settings.prefix)
        self._server: ConnectionServer | None = None

    @property
    def is_running(self) -> bool:
        """True if the port is open."""
        return self._server is not None and self._server.is_running

    async def start(self) -> None:
        """Start to listen on the port.

        Raises:
            RuntimeError: If the sandbox is already running.
            OSError: If the port is in use.
        """
        if self.is_running:
            raise RuntimeError("this sandbox is running already")
        state = self._state
        make_request = functools.partial(
            web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=state.settings.max_body
        )
        self._server = ConnectionServer(self._handle, request_factory=make_request, access_log=None, logger=_LOGGER)
        # The port is kept, so that a restarted sandbox has the same URL.
        state.port = await self._server.start(state.settings.host, state.port)

    async def stop(self) -> None:
        """Close the port and every connection, within a second. Waiting requests are cancelled."""
        await asyncio.gather(*self._state.cancel_waiting(), return_exceptions=True)
        if self._server is not None:
            await self._server.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        log = self._state.log
        log.begin()
        try:
            connection = self._server.find_connection(request) if self._server else None
            return CLOSE if connection is None else await self._serve(request, connection)
        except (ConnectionError, web.RequestPayloadError):
            # The client disconnected before the request was complete.
            return CLOSE
        finally:
            log.end()

    async def _serve(self, request: web.BaseRequest, connection: Connection) -> SentResponse:
        content = await self._read(request, connection)
        path, _, query = request.raw_path.partition("?")
        control_path = self._router.strip_base(CONTROL, path)
        if control_path is not None:
            answer = self._control.answer(
                ControlRequest(request.method, control_path, read_query(query), request.headers, content)
            )
            keep_alive = request.keep_alive and content is not None
            return send(answer, connection, method=request.method, keep_alive=keep_alive)
        exchange = self._record(request, connection, path, content)
        if connection in self._state.stale:
            connection.close()
            return CLOSE
        if (refusal := self._refuse_over_limit()) is not None:
            return exchange.send(refusal)
        return await self._answer(exchange)

    async def _read(self, request: web.BaseRequest, connection: Connection) -> bytes | None:
        """Read the body. Return None if it is larger than `max_body`."""
        if not request.body_exists:
            return b""
        if (request.content_length or 0) > self._state.settings.max_body:
            return None
        if connection.is_open and request.headers.get("Expect", "").lower() == "100-continue":
            connection.write(_CONTINUE)
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return None

    def _record(self, request: web.BaseRequest, connection: Connection, path: str, content: bytes | None) -> Exchange:
        state = self._state
        routed = self._router.route(request.method, request.raw_path, has_body=content != b"")
        record = RecordedRequest(
            number=state.log.count + 1,
            method=request.method,
            path=path,
            query=routed.query,
            headers=request.headers,
            operation=routed.operation,
            content=content if content is not None and state.settings.keep_bodies else b"",
            connection=connection.number,
            arrived=asyncio.get_running_loop().time(),
        )
        state.log.add(record)
        return Exchange(state, request, connection, record, routed, content)

    def _refuse_over_limit(self) -> Answer | None:
        limiter = self._state.limiter
        if limiter is None or not (wait := limiter.take(asyncio.get_running_loop().time())):
            return None
        limit = limiter.limit
        return Answer(limit.status, headers={"Retry-After": str(math.ceil(wait))} if limit.retry_after else {})

    async def _answer(self, exchange: Exchange) -> SentResponse:
        record, content = exchange.record, exchange.content
        is_create = record.operation == "create"
        try:
            rule = self._state.rules.pick(
                record, functools.cache(lambda: read_recipients(content) if is_create and content else ())
            )
        except Exception as error:  # any exception that a `when` raises
            record.problem = f"a fault's `when` raised {type(error).__name__}"
            _LOGGER.exception("%s on request %s", record.problem, record.number)
            return exchange.send(Answer(500))
        if rule is None:
            return exchange.send(exchange.execute())
        return await apply_fault(rule, exchange)


def _drop_traceback(record: logging.LogRecord) -> bool:
    # aiohttp logs a request that is not HTTP with a traceback of its own parser.
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
    return True


_LOGGER.addFilter(_drop_traceback)
