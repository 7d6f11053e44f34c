"""The HTTP side of a sandbox: the port, and the handler that reads, records and answers each request."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ._control import CONTROL, ControlRequest, answer_control
from ._exchange import CLOSE, Exchange, SentResponse, send
from ._operations import Answer
from ._request_bodies import read_recipients
from ._request_log import RecordedRequest
from ._routing import Router, read_query
from ._state import State

_LOGGER: Final = logging.getLogger("campaigns_async.sandbox")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# Seconds in which the write buffers are flushed. A stop waits for nothing else.
_SHUTDOWN: Final = 0.1
# Iterations of the loop between accept() and connection_made(). asyncio needs three.
_ITERATIONS_TO_CONNECT: Final = 5


class _Server(web.Server):
    """aiohttp's server, with the number, from 1, and the transport of each open connection."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], **options: Any) -> None:
        super().__init__(handler, **options)
        self.open: dict[web.RequestHandler, tuple[int, asyncio.Transport]] = {}
        self._numbers = itertools.count(1)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.open[handler] = next(self._numbers), transport

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.open.pop(handler, None)


class RequestHandler:
    """The handler of the requests that arrive at a port.

    A request that has arrived completely is carried out, even if its client has disconnected.
    """

    is_running = False
    _server: _Server
    _listening: asyncio.Server | None = None

    def __init__(self, state: State) -> None:
        settings = state.settings
        self._state = state
        self._router = Router(settings.update_method, settings.delete_method, settings.prefix)

    async def start(self) -> None:
        if self.is_running:
            raise RuntimeError("this sandbox is running already")
        state, loop = self._state, asyncio.get_running_loop()
        make_request = functools.partial(web.BaseRequest, loop=loop, client_max_size=state.settings.max_body)
        self._server = _Server(self._handle, request_factory=make_request, access_log=None, logger=_LOGGER)
        self.is_running = True
        try:
            self._listening = await loop.create_server(self._server, state.settings.host, state.port)
        except BaseException:  # including a cancellation: it may be started again
            self.is_running = False
            raise
        # The port is kept, so that a restarted sandbox has the same URL.
        state.port = self._listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await asyncio.gather(*self._state.cancel_waiting(), return_exceptions=True)
        self.is_running = False
        listening, self._listening = self._listening, None
        if listening is None:
            return
        await _close(listening)
        server = self._server
        server.pre_shutdown()
        await server.shutdown(_SHUTDOWN)
        # Connections that could not be flushed in time would stay open.
        for _, transport in server.open.values():
            transport.abort()
        while server.open:  # noqa: ASYNC110 - for an iteration of the loop
            await asyncio.sleep(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        log = self._state.log
        log.begin()
        try:
            connection = self._server.open.get(request.protocol)
            return CLOSE if connection is None else await self._serve(request, *connection)
        except (ConnectionError, web.RequestPayloadError):
            # The client disconnected before the request was complete.
            return CLOSE
        finally:
            log.end()

    async def _serve(self, request: web.BaseRequest, number: int, transport: asyncio.Transport) -> SentResponse:
        state, now = self._state, asyncio.get_running_loop().time
        content = await self._read(request, transport)
        path, _, query = request.raw_path.partition("?")
        control_path = self._router.strip_base(CONTROL, path)
        if control_path is not None:
            control = ControlRequest(request.method, control_path, read_query(query), request.headers, content)
            return send(answer_control(state, control), request, transport, content)
        routed = self._router.route(request.method, request.raw_path, has_body=content != b"")
        record = RecordedRequest(
            number=len(state.log.requests) + 1,
            method=request.method,
            path=path,
            query=routed.query,
            headers=request.headers,
            operation=routed.operation,
            content=content if content is not None and state.settings.keep_bodies else b"",
            connection=number,
            arrived=now(),
        )
        state.log.add(record)
        if number in state.stale:
            transport.close()
            return CLOSE
        exchange = Exchange(state, request, transport, record, routed, content)
        if state.limiter is not None and (wait := state.limiter.take(now())):
            limit = state.limiter.limit
            headers = {"Retry-After": str(math.ceil(wait))} if limit.retry_after else {}
            return exchange.send(Answer(limit.status, headers=headers))
        return await self._answer(exchange)

    async def _read(self, request: web.BaseRequest, transport: asyncio.Transport) -> bytes | None:
        """Read the body. Return None if it is larger than `max_body`."""
        if not request.body_exists:
            return b""
        if (request.content_length or 0) > self._state.settings.max_body:
            return None
        if not transport.is_closing() and request.headers.get("Expect", "").lower() == "100-continue":
            transport.write(_CONTINUE)
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return None

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
        return await exchange.send_with_fault(rule)


async def _close(listening: asyncio.Server) -> None:
    """Accept no more connections, and close the port once those being accepted are known.

    If the port is closed at once, asyncio up to Python 3.12 loses the connections between accept() and
    connection_made(): they stay open without a protocol (gh-109564).
    """
    loop = asyncio.get_running_loop()
    for port in listening.sockets:
        loop.remove_reader(port.fileno())
    for _ in range(_ITERATIONS_TO_CONNECT):
        await asyncio.sleep(0)
    listening.close()


def _drop_traceback(record: logging.LogRecord) -> bool:
    # aiohttp logs a request that is not HTTP with a traceback of its own parser.
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
    return True


_LOGGER.addFilter(_drop_traceback)
