"""Requests on their way in: read, recorded, and handed on, by a rule or as they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web

from .app import read_call
from .connections import ConnectionServer
from .exchange import CLOSES, Exchange
from .faults import Rules
from .journal import Journal, RecordedRequest

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage

    from .app import Campaigns, Verbs
    from .connections import Connection, Sent
    from .faults import Fault

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Serving:
    """Serves requests, and keeps what goes on meanwhile.

    A request that was read whole is carried out, even if its client went away.
    """

    def __init__(self, *, api: Campaigns, api_key: str, verbs: Verbs, max_body: int, keep_bodies: bool) -> None:
        self.api = api
        self.api_key = api_key
        self.journal: Journal = Journal()
        self.rules: Rules = Rules()
        self._verbs = verbs
        self._max_body = max_body
        self._keep_bodies = keep_bodies
        self._misbehaving: set[asyncio.Task[Any]] = set()
        self._late: set[asyncio.Task[None]] = set()
        self._server: ConnectionServer | None = None

    def make_server(self) -> ConnectionServer:
        """Build the server whose requests come here, in the running loop."""
        self._server = ConnectionServer(self._handle, request_factory=self._make_request, access_log=None)
        return self._server

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=self._max_body)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.journal.begin()
        try:
            connection = self._server.connection_of(request) if self._server else None
            return CLOSES if connection is None else await self._serve(request, connection)
        except (ConnectionError, web.RequestPayloadError):
            # The client went away, or broke off, before the request was whole.
            return CLOSES
        finally:
            self.journal.end()

    async def _serve(self, request: web.BaseRequest, connection: Connection) -> Sent:
        content = await self._read(request, connection)
        target = request.raw_path
        call = read_call(request.method, target, has_body=content != b"", verbs=self._verbs)
        record = RecordedRequest(
            number=self.journal.count + 1,
            method=request.method,
            path=target.partition("?")[0],
            query=call.query,
            headers=request.headers,
            operation=call.operation,
            content=content if content is not None and self._keep_bodies else b"",
            connection=connection.number,
            arrived=asyncio.get_running_loop().time(),
        )
        self.journal.add(record)
        if connection.stale:
            connection.close()
            return CLOSES
        exchange = Exchange(self.api, self.api_key, self.journal, request, connection, record, call, content)
        fault = self.rules.pick(record)
        if fault is None:
            return exchange.send(exchange.act())
        return await self._misbehave(exchange, fault)

    async def _read(self, request: web.BaseRequest, connection: Connection) -> bytes | None:
        """Read the body; None when it is larger than is taken."""
        if not request.body_exists:
            return b""
        if (request.content_length or 0) > self._max_body:
            return None
        if connection.is_open and request.headers.get("Expect", "").lower() == "100-continue":
            connection.transport.write(_CONTINUE)
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return None

    async def _misbehave(self, exchange: Exchange, fault: Fault) -> Sent:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        # Noted, so that stopping need not wait for a fault that waits itself.
        self._misbehaving.add(task)
        try:
            return await exchange.meet(fault)
        finally:
            self._misbehaving.discard(task)
            if fault.act_after is not None and not task.cancelling():
                self._start(_act_late(exchange, fault.act_after))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def give_up_late_acts(self) -> None:
        """Have nothing carried out any more that was answered already."""
        for task in self._late:
            task.cancel()

    async def cancel(self) -> None:
        """Give up whatever waits for a time or an event."""
        tasks = [*self._misbehaving, *self._late]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _act_late(exchange: Exchange, after: float | asyncio.Event) -> None:
    if isinstance(after, asyncio.Event):
        await after.wait()
    else:
        await asyncio.sleep(after)
    exchange.act()
