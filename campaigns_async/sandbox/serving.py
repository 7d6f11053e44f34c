"""Requests on their way in: read, recorded, and handed on, by a rule or as they are."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .answers import Answer, write_body, write_head
from .app import read_call
from .connections import ConnectionServer
from .control import BASE, Control, ControlRequest
from .exchange import CLOSES, STAYS, Exchange
from .faults import Rule, Rules
from .journal import Journal, RecordedRequest
from .keys import Auth
from .limiter import Bucket
from .magic import magic_fault
from .recipients import recipients

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage

    from .app import Campaigns, Verbs
    from .connections import Connection, Sent

_LOGGER: Final = logging.getLogger("campaigns_async.sandbox")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Serving:
    """Serves requests, and keeps what goes on meanwhile.

    A request that was read whole is carried out, even if its client went away.
    """

    def __init__(
        self,
        *,
        api: Campaigns,
        api_key: str,
        auth: Auth,
        verbs: Verbs,
        max_body: int,
        keep_bodies: bool,
        magic_recipients: bool,
        control: Control,
    ) -> None:
        self.api = api
        self.api_key = api_key
        self.auth: Auth = auth
        self.bucket: Bucket | None = None
        self.journal: Journal = Journal()
        self.rules: Rules = Rules()
        self.verbs = verbs
        self._magic = magic_recipients
        self._control = control
        self._max_body = max_body
        self._keep_bodies = keep_bodies
        self._misbehaving: set[asyncio.Task[Any]] = set()
        self._late: set[asyncio.Task[None]] = set()
        self._server: ConnectionServer | None = None

    def make_server(self) -> ConnectionServer:
        """Build the server whose requests come here, in the running loop."""
        self._server = ConnectionServer(
            self._handle, request_factory=self._make_request, access_log=None, logger=_LOGGER
        )
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
        if is_control(target, self.verbs.prefix):
            return self._answer_control(request, connection, content)
        call = read_call(request.method, target, has_body=content != b"", verbs=self.verbs)
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
        exchange = Exchange(self.api, self.api_key, self.auth, self.journal, request, connection, record, call, content)
        if (refusal := self._over_the_limit()) is not None:
            return exchange.send(refusal)
        try:
            rule = self._pick(exchange, record, content)
        except Exception as error:  # whatever a `when` raises
            record.problem = f"a fault's `when` raised {type(error).__name__}"
            _LOGGER.exception("%s on request %s", record.problem, record.number)
            return exchange.send(Answer(500))
        if rule is None:
            return exchange.send(exchange.act())
        return await self._misbehave(exchange, rule)

    def _over_the_limit(self) -> Answer | None:
        wait = 0.0 if self.bucket is None else self.bucket.take(asyncio.get_running_loop().time())
        if self.bucket is None or not wait:
            return None
        limit = self.bucket.limit
        return Answer(limit.status, headers={"Retry-After": str(math.ceil(wait))} if limit.retry_after else {})

    def _pick(self, exchange: Exchange, record: RecordedRequest, content: bytes | None) -> Rule | None:
        is_create = record.operation == "create"
        goes_to = functools.cache(lambda: recipients(content) if is_create and content else ())
        rule = self.rules.pick(record, goes_to)
        if rule is not None or not self._magic or not is_create:
            return rule
        if not exchange.would_be_taken():
            return None
        fault = magic_fault(goes_to())
        return None if fault is None else Rule(fault)

    def _answer_control(self, request: web.BaseRequest, connection: Connection, content: bytes | None) -> Sent:
        path, _, query = request.raw_path.partition("?")
        answer = self._control.answer(
            ControlRequest(
                method=request.method,
                path=path[len(self.verbs.prefix) + len(BASE) :],
                query={name.lower(): value for name, value in reversed(parse_qsl(query, keep_blank_values=True))},
                headers=request.headers,
                body=content,
            )
        )
        if not connection.is_open:
            return CLOSES
        keep_alive = request.keep_alive and content is not None
        head = write_head(answer, keep_alive=keep_alive)
        connection.transport.write(head + write_body(answer, method=request.method))
        return STAYS if keep_alive else CLOSES

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

    async def _misbehave(self, exchange: Exchange, rule: Rule) -> Sent:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        # Noted, so that stopping need not wait for a fault that waits itself.
        self._misbehaving.add(task)
        try:
            return await exchange.meet(rule)
        finally:
            self._misbehaving.discard(task)
            late = rule.fault.act_after
            if late is not None and not task.cancelling():
                self._start(_act_late(exchange, late))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    @property
    def still_due(self) -> int:
        """How many requests were answered, and are carried out later."""
        return sum(not task.done() for task in self._late)

    def give_up(self) -> list[asyncio.Task[Any]]:
        """Give up whatever waits for a time or an event, to be answered or carried out; no connection stays stale."""
        if self._server is not None:
            self._server.refresh()
        tasks = [*self._misbehaving, *self._late]
        for task in tasks:
            task.cancel()
        return tasks

    async def cancel(self) -> None:
        """Give up what waits, and see it end."""
        await asyncio.gather(*self.give_up(), return_exceptions=True)


def _without_traceback(record: logging.LogRecord) -> bool:
    # What is no HTTP is told in a line; aiohttp adds a traceback, of its own parser.
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
    return True


_LOGGER.addFilter(_without_traceback)


def is_control(target: str, prefix: str) -> bool:
    """Whether a request is to the sandbox itself, and not to the API that it plays."""
    path = target.partition("?")[0].lower()
    base = (prefix + BASE).lower()
    return path == base or path.startswith(base + "/")


async def _act_late(exchange: Exchange, after: float | asyncio.Event) -> None:
    if isinstance(after, asyncio.Event):
        await after.wait()
    else:
        await asyncio.sleep(after)
    exchange.act()
