"""Requests on their way through the sandbox: read, recorded, carried out, and answered as they should be or by a fault."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from attrs import define, evolve, field, frozen

from ._bodies import phone_digits, recipients
from ._clock import Clock
from ._connections import CLOSE, KEEP_ALIVE, Connection, ConnectionServer, Sent
from ._dotnet import read_json
from ._provider import TEXT, Answer, Provider, write_body, write_head
from ._request_log import RecordedRequest, RequestLog
from ._routing import Call, Verbs, carries_key, read_call, read_query
from ._settings import RateLimit, Settings
from ._store import Store, magic_digits
from .faults import Fault, Rule, Rules

CONTROL: Final = "/_sandbox"
"""The path of the control, after the prefix."""

_LOGGER: Final = logging.getLogger("campaigns_async.sandbox")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNAUTHORISED: Final = Answer(401, headers={"WWW-Authenticate": "Bearer"})
_NO_SUCH_PATH: Final = Answer(404)


@frozen
class ControlRequest:
    """A request to the control.

    Attributes:
        method: The verb, in upper case.
        path: The path after ``/_sandbox``, such as ``/journal``.
        query: Parameters by name in lower case.
        headers: Headers; names are found in any case.
        body: The body; None where it was too large to read.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: If it is not JSON.
        """
        return read_json(self.body or b"")


@define(eq=False)
class Bucket:
    """A token bucket with one token a request. The time, in seconds, is passed in and never goes back."""

    limit: RateLimit
    _tokens: float = field(init=False)
    _at: float | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._tokens = self._size

    @property
    def _size(self) -> float:
        limit = self.limit
        return float(max(1, math.floor(limit.requests_per_second)) if limit.burst is None else limit.burst)

    def take(self, now: float) -> float:
        """Take a token and return 0; if there is none, return the seconds until there is."""
        rate = self.limit.requests_per_second
        if self._at is not None:
            self._tokens = min(self._size, self._tokens + (now - self._at) * rate)
        self._at = now
        # A token that rounding made a little less than whole counts as one.
        if self._tokens < 1 - 1e-9:
            return (1 - self._tokens) / rate
        self._tokens = max(0.0, self._tokens - 1)
        return 0.0


class RequestHandler:
    """Handles requests, and keeps the state of the sandbox.

    A request that was read completely is carried out, even if its client has gone away.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock(settings.now)
        self.log = RequestLog()
        self.rules = Rules()
        self.control: Callable[[ControlRequest], Answer] | None = None
        self._given = (settings.api_key, settings.rate_limit)
        self._verbs = Verbs(settings.update_method, settings.delete_method, settings.prefix)
        self._faulty: set[asyncio.Task[Any]] = set()
        self._late: set[asyncio.Task[None]] = set()
        self._server: ConnectionServer | None = None
        self._bucket: Bucket | None = None
        self.provider: Provider = self._fresh_provider()
        self._add_given()

    def _add_given(self) -> None:
        for fault in self.settings.faults:
            self.rules.add(fault)
        self.limit_rate(self.settings.rate_limit)

    def _fresh_provider(self) -> Provider:
        settings = self.settings
        store = Store(seed=settings.seed, quirks=settings.quirks, clock=self.clock, lifecycle=settings.lifecycle)
        for wire in settings.campaigns:
            store.seed(wire, settings.contacts.get(str(wire["id"]), ()), None)
        for key in settings.contacts:
            if store.get(key) is None:
                raise ValueError(f"there are contacts for {key!r}, but no such campaign")
        return Provider(store, settings.quirks, magic_digits if settings.magic_recipients else phone_digits)

    def reset(self) -> None:
        """Go back to the state in which the sandbox was built; requests that wait are given up."""
        self._give_up()
        if self.settings.now is None:
            self.clock.reset()
        else:
            self.clock.set(self.settings.now)
        self.settings.api_key, self.settings.rate_limit = self._given
        self.provider = self._fresh_provider()
        self.log.clear()
        self.rules.clear()
        self._add_given()

    def limit_rate(self, limit: RateLimit | None) -> None:
        """Limit the requests a second from now on."""
        self.settings.rate_limit = limit
        self._bucket = None if limit is None else Bucket(limit)

    @property
    def is_running(self) -> bool:
        """True if it listens."""
        return self._server is not None and self._server.is_running

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: If it listens already.
            OSError: If the port is taken.
        """
        if self.is_running:
            raise RuntimeError("this sandbox is running already")
        settings = self.settings
        make_request = functools.partial(
            web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=settings.max_body
        )
        self._server = ConnectionServer(self._handle, request_factory=make_request, access_log=None, logger=_LOGGER)
        # The port is kept, so that a sandbox that is started again is found where it was.
        settings.port = await self._server.start(settings.host, settings.port)

    async def stop(self) -> None:
        """Close the port and every connection, within a second; requests that wait are given up."""
        await asyncio.gather(*self._give_up(), return_exceptions=True)
        if self._server is not None:
            await self._server.stop()

    @property
    def still_due(self) -> int:
        """Number of requests that were answered, and are to be carried out later."""
        return sum(not task.done() for task in self._late)

    def _give_up(self) -> list[asyncio.Task[Any]]:
        """Cancel the requests that wait to be answered or carried out; no connection stays stale."""
        if self._server is not None:
            self._server.refresh()
        tasks = [*self._faulty, *self._late]
        for task in tasks:
            task.cancel()
        return tasks

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.log.begin()
        try:
            connection = self._server.connection_of(request) if self._server else None
            return CLOSE if connection is None else await self._serve(request, connection)
        except (ConnectionError, web.RequestPayloadError):
            # The client went away before the request was complete.
            return CLOSE
        finally:
            self.log.end()

    async def _serve(self, request: web.BaseRequest, connection: Connection) -> Sent:
        content = await self._read(request, connection)
        target = request.raw_path
        if self.control is not None and _is_for_control(target, self._verbs.prefix):
            return self._answer_control(self.control, request, connection, content)
        call = read_call(request.method, target, has_body=content != b"", verbs=self._verbs)
        record = RecordedRequest(
            number=self.log.count + 1,
            method=request.method,
            path=target.partition("?")[0],
            query=call.query,
            headers=request.headers,
            operation=call.operation,
            content=content if content is not None and self.settings.keep_bodies else b"",
            connection=connection.number,
            arrived=asyncio.get_running_loop().time(),
        )
        self.log.add(record)
        if connection.stale:
            connection.close()
            return CLOSE
        exchange = Exchange(self.provider, self.settings, self.log, request, connection, record, call, content)
        if (refusal := self._over_the_limit()) is not None:
            return exchange.send(refusal)
        is_create = call.operation == "create"
        try:
            rule = self.rules.pick(
                record, functools.cache(lambda: recipients(content) if is_create and content else ())
            )
        except Exception as error:  # any exception that a `when` raises
            record.problem = f"a fault's `when` raised {type(error).__name__}"
            _LOGGER.exception("%s on request %s", record.problem, record.number)
            return exchange.send(Answer(500))
        if rule is None:
            return exchange.send(exchange.execute())
        return await self._apply(rule, exchange)

    def _over_the_limit(self) -> Answer | None:
        wait = 0.0 if self._bucket is None else self._bucket.take(asyncio.get_running_loop().time())
        if self._bucket is None or not wait:
            return None
        limit = self._bucket.limit
        return Answer(limit.status, headers={"Retry-After": str(math.ceil(wait))} if limit.retry_after else {})

    def _answer_control(
        self,
        control: Callable[[ControlRequest], Answer],
        request: web.BaseRequest,
        connection: Connection,
        content: bytes | None,
    ) -> Sent:
        path, _, query = request.raw_path.partition("?")
        path = path[len(self._verbs.prefix + CONTROL) :]
        answer = control(ControlRequest(request.method, path, read_query(query), request.headers, content))
        keep_alive = request.keep_alive and content is not None
        return _send(answer, connection, method=request.method, keep_alive=keep_alive)

    async def _read(self, request: web.BaseRequest, connection: Connection) -> bytes | None:
        """Read the body; return None when it is larger than is taken."""
        if not request.body_exists:
            return b""
        if (request.content_length or 0) > self.settings.max_body:
            return None
        if connection.is_open and request.headers.get("Expect", "").lower() == "100-continue":
            connection.transport.write(_CONTINUE)
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return None

    async def _apply(self, rule: Rule, exchange: Exchange) -> Sent:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        # Noted, so that stop() need not wait for a fault that waits itself.
        self._faulty.add(task)
        try:
            return await exchange.apply(rule)
        finally:
            self._faulty.discard(task)
            late = rule.fault.act_after
            if late is not None and not task.cancelling():
                work = asyncio.create_task(_execute_late(exchange, late))
                self._late.add(work)
                work.add_done_callback(self._late.discard)


@define(eq=False, repr=False)
class Exchange:
    """One request and its answer; `content` is None where the body was too large to read."""

    provider: Provider
    settings: Settings
    log: RequestLog
    request: web.BaseRequest
    connection: Connection
    record: RecordedRequest
    call: Call
    content: bytes | None

    def execute(self) -> Answer:
        """Carry the request out, or refuse it."""
        answer = self._answer()
        if answer.acted:
            self.log.mark_acted(self.record)
        return answer

    def _answer(self) -> Answer:
        call = self.call
        if call.allow is None:
            return _NO_SUCH_PATH
        if call.operation is None:
            return Answer(405, headers={"Allow": ", ".join(call.allow)})
        headers = self.request.headers
        if not carries_key(self.settings.api_key, headers, call.query, self.settings.auth):
            return _UNAUTHORISED
        if self.content is None:
            return self.provider.problem(413)
        return self.provider.answer(call, content_type=headers.get("Content-Type", ""), body=self.content)

    def send(self, answer: Answer) -> Sent:
        """Send the whole answer at once."""
        if self.connection.is_open:
            self.record.status = answer.status
        return _send(answer, self.connection, method=self.call.method, keep_alive=self._stays_open)

    @property
    def _stays_open(self) -> bool:
        # A body that was not read to its end would be taken for the next request.
        return self.request.keep_alive and self.content is not None

    async def apply(self, rule: Rule) -> Sent:
        """Answer as the rule's fault has it, waiting for its seconds and events."""
        fault = rule.fault
        self.record.fault = rule.number
        answer = self._faulty_answer(fault)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hold is not None:
            await fault.hold.wait()
        if fault.hang:
            await rule.until_released()
        if not self.connection.is_open:
            return CLOSE
        if fault.stale:
            self.connection.stale = True
        if fault.drop is not None:
            self._drop(fault, answer)
            return CLOSE
        if fault.slow_body:
            return await self._send_slowly(answer, fault.slow_body)
        return self.send(answer)

    def _faulty_answer(self, fault: Fault) -> Answer:
        answer = self._execute_hidden(fault) if fault.acts else None
        if answer is None or fault.status is not None:
            answer = Answer(fault.status or 200, content_type=TEXT)
        headers = {**answer.headers, **fault.headers}
        body = answer.body if fault.body is None else fault.body
        kind = fault.content_type or (answer.content_type if fault.body is None else TEXT)
        return evolve(answer, headers=headers, body=body, content_type=kind)

    def _execute_hidden(self, fault: Fault) -> Answer:
        answer = self.execute()
        if fault.hidden_for is not None and answer.acted:
            self.provider.store.hide_newest(_is_still_to_come(fault.hidden_for))
        return answer

    def _drop(self, fault: Fault, answer: Answer) -> None:
        connection = self.connection
        if fault.drop == "reset":
            connection.reset()
            return
        if fault.drop != "close":
            head = write_head(answer, keep_alive=self._stays_open)
            body = write_body(answer, method=self.call.method)
            if fault.drop == "cut_body" and body:
                self.record.status = answer.status
                connection.transport.write(head + body[: len(body) // 2])
            else:
                # Without a body there is only the head to cut.
                connection.transport.write(head[: len(head) // 2])
        connection.close()

    async def _send_slowly(self, answer: Answer, pause: float) -> Sent:
        write = self.connection.transport.write
        write(write_head(answer, keep_alive=self._stays_open))
        self.record.status = answer.status
        for byte in write_body(answer, method=self.call.method):
            await asyncio.sleep(pause)
            if not self.connection.is_open:
                return CLOSE
            write(bytes((byte,)))
        return KEEP_ALIVE if self._stays_open else CLOSE


def _send(answer: Answer, connection: Connection, *, method: str, keep_alive: bool) -> Sent:
    if not connection.is_open:
        return CLOSE
    connection.transport.write(write_head(answer, keep_alive=keep_alive) + write_body(answer, method=method))
    return KEEP_ALIVE if keep_alive else CLOSE


def _without_traceback(record: logging.LogRecord) -> bool:
    # aiohttp logs a request that is not HTTP with a traceback of its own parser.
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
    return True


_LOGGER.addFilter(_without_traceback)


def _is_for_control(target: str, prefix: str) -> bool:
    path = target.partition("?")[0].lower()
    base = (prefix + CONTROL).lower()
    return path == base or path.startswith(base + "/")


async def _execute_late(exchange: Exchange, after: float | asyncio.Event) -> None:
    if isinstance(after, asyncio.Event):
        await after.wait()
    else:
        await asyncio.sleep(after)
    exchange.execute()


def _is_still_to_come(limit: float | asyncio.Event) -> Callable[[], bool]:
    """Return a function that says whether a time, in seconds from now, or an event is still to come."""
    if isinstance(limit, asyncio.Event):
        return lambda: not limit.is_set()
    clock = asyncio.get_running_loop().time
    end = clock() + limit
    return lambda: clock() < end
