"""A model of the server, and a transport to it, without sockets and in virtual time.

Once a request has left, the server acts, even if the client no longer waits for the response. What the client gets is
another matter: see `replies` and `connections`.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from attrs import define, evolve, field

from campaigns_async._engine.call import Clock
from campaigns_async._http.api_key import Credentials
from campaigns_async._http.request import Request
from campaigns_async._http.response import Response
from campaigns_async._http.transport import Failure, FailureKind, SendMarker
from campaigns_async.sandbox import Quirks
from campaigns_async.sandbox._operations import Answer, Operations
from campaigns_async.sandbox._routing import Router
from campaigns_async.settings import Timeouts
from campaigns_async.values import Operation
from simulation.altering import AlteringStore
from simulation.connections import Connection, Connections, Pending, Reply
from simulation.faults import Plan, Weather
from simulation.foreign import Foreign
from simulation.lists import Lists
from simulation.loop import VirtualLoop
from simulation.replies import write_reply, write_response
from simulation.server_time import time_of_day
from simulation.surroundings import NOTHING, Surroundings
from simulation.tokens import strip_tokens

_ROUTER = Router()


class VirtualClock(Clock):
    """A clock whose time of day is the loop's.

    Args:
        jumps: Times of the loop at which the clock is set, each with the seconds by which it is set forward.
    """

    def __init__(self, jumps: Sequence[tuple[float, float]] = ()) -> None:
        self._jumps = jumps

    def now(self) -> datetime:
        passed = self.monotonic()
        return time_of_day(passed) + timedelta(seconds=sum(seconds for at, seconds in self._jumps if at <= passed))


@define(eq=False)
class Sent:
    """A request that was handed to the transport.

    Attributes:
        reply: The reply that answered it, which may have been meant for another request; None without one.
        result: The response or the failure that the client got; None if it was cut off.
        was_given_anothers_id: True if the response is a documented success with an id that another create was given.
    """

    number: int
    began: float
    turn: int
    request: Request
    task: asyncio.Task[object]
    plan: Plan
    deadline: float
    departed: float | None = None
    reply: Reply | None = None
    result: Response | Failure | None = None
    was_given_anothers_id: bool = False
    ended: float = 0.0
    ended_turn: int = 0

    @property
    def content(self) -> bytes:
        """The body, as its create was given it."""
        return strip_tokens(self.request.body or b"")

    @property
    def got_its_own_reply(self) -> bool:
        """True if a documented response that was meant for this request answered it."""
        return self.reply is not None and self.reply.documented and self.reply.request == self.number

    @property
    def got_a_created_without_id(self) -> bool:
        """True if a 201 that is cut short or empty answered this request, for which it was meant."""
        if self.reply is None or self.reply.request != self.number or self.reply.result.status != 201:
            return False
        result = self.reply.result
        return isinstance(result, Failure) or not result.body.strip()


@define(eq=False)
class Hold:
    """A pause that the server has asked for.

    Attributes:
        requests: The number of requests that had been sent when the response arrived.
    """

    requests: int
    at: float
    turn: int
    until: float


@define(eq=False)
class Act:
    """The creation of a campaign by a request."""

    sent: int
    campaign_id: str


@define(eq=False)
class Server:
    """The model of the server.

    Attributes:
        longest_wait: The longest Retry-After that the client obeys.
        after_each: Called when a request has ended, before a waiting call can get its slot.
        limit: The number of requests that it accepts within a second.
        given: Ids that creates were given in documented responses, the newest last.
        around: What the server does to campaigns and lists, and what others do.
    """

    loop: VirtualLoop
    weather: Weather
    quirks: Quirks
    seed: int
    longest_wait: float
    after_each: Callable[[], object]
    limit: int | None = None
    key: str = "key0"
    around: Surroundings = NOTHING
    store: AlteringStore = field(init=False)
    lists: Lists = field(init=False)
    sent: list[Sent] = field(factory=list)
    acts: dict[bytes, list[Act]] = field(factory=lambda: defaultdict(list))
    holds: list[Hold] = field(factory=list)
    trace: list[object] = field(factory=list)
    kinds: Counter[str] = field(factory=Counter)
    given: list[str] = field(factory=list)
    _operations: Operations = field(init=False)
    _arrived: deque[float] = field(factory=deque)

    def __attrs_post_init__(self) -> None:
        around, quirks = self.around, self.around.adapt(self.quirks)
        self.store = AlteringStore(
            around.alteration,
            lambda: time_of_day(self.loop.time()),
            self.kinds,
            marking=around.marking,
            seed=self.seed,
            quirks=quirks,
        )
        self.lists = Lists(around.list_fault, self.loop.time, self.kinds)
        self._operations = Operations(self.store, quirks)

    def note(self, *what: object) -> None:
        """Record something that must be the same in each run of the seed."""
        self.trace.append((self.loop.time(), *what))

    def act(self, sent: Sent, credentials: Credentials) -> Answer:
        """Execute a request."""
        request, plan = sent.request, sent.plan
        path = request.path
        if plan.names == "other" and request.operation is Operation.GET and self.given:
            path = f"{path.rpartition('/')[0]}/{self.given[-1]}"  # the object of another campaign
        query = self.around.marking.rewrite(self.lists.rewrite(request))
        routed = _ROUTER.route(request.method, f"{path}?{query}", has_body=bool(request.body))
        if credentials.headers.get("Authorization") != f"Bearer {self.key}":
            return Answer(401)
        answer = self.lists.answer(
            request,
            lambda: self._operations.execute(routed, content_type="application/json", body=request.body or b""),
        )
        if answer.acted and request.operation is Operation.CREATE:
            made = self.store.all[-1]
            self.hide_made(made.wire["id"], plan.hidden)
            assert request.body is not None
            self.acts[sent.content].append(Act(sent.number, made.wire["id"]))
            if sent.content != request.body and self.around.marking.kind is not None:
                self.kinds[self.around.marking.kind] += 1
            self.note("act", made.wire["id"])
        return answer

    def hide_made(self, campaign_id: str, seconds: float) -> None:
        """Let lists lack the campaign that was made now, for a while."""
        self.lists.note_made(campaign_id)
        seconds = max(seconds, self.lists.lag)
        end = self.loop.time() + seconds
        if seconds:
            self.store.hide_newest(lambda: self.loop.time() < end)

    def note_jumps(self) -> None:
        """Count the jumps of the client's clock."""
        if self.around.jumps:
            self.kinds["clock jumps"] += len(self.around.jumps)

    def put_foreign(self, foreign: Foreign) -> None:
        """Add a campaign that somebody else has made."""
        self.store.seed(foreign.wire, foreign.contacts, None)
        self.kinds[foreign.kind] += 1

    def remove_foreign(self, foreign: Foreign) -> None:
        """Delete a campaign, as its owner does."""
        if self.store.delete(foreign.campaign_id):
            self.kinds["foreign: gone"] += 1

    def schedule_foreign(self) -> None:
        """Add the campaigns of others that are there now, and let the others come and go."""
        now = self.loop.time()
        for foreign in self.around.foreign:
            if foreign.is_there(now):
                self.put_foreign(foreign)
            elif foreign.appears > now:
                self.loop.call_at(foreign.appears, self.put_foreign, foreign)
            if now < foreign.leaves < math.inf:
                self.loop.call_at(foreign.leaves, self.remove_foreign, foreign)

    def is_full(self) -> bool:
        """Count a request; return True if it is one too many within a second."""
        now = self.loop.time()
        while self._arrived and self._arrived[0] <= now - 1.0:
            self._arrived.popleft()
        if self.limit is None or len(self._arrived) < self.limit:
            self._arrived.append(now)
            return False
        return True


@define(eq=False)
class ModelTransport:
    """A transport to the model."""

    server: Server
    connections: Connections = field(init=False)
    _waiting: dict[Pending, Sent] = field(factory=dict)
    closed: bool = False

    def __attrs_post_init__(self) -> None:
        self.connections = Connections(self.server.loop)

    async def send(
        self,
        request: Request,
        credentials: Credentials,
        timeouts: Timeouts,
        marker: SendMarker,
        headers: Mapping[str, str] | None = None,
    ) -> Response | Failure:
        """Send a request once, by the plan that is drawn for it."""
        server, loop = self.server, self.server.loop
        assert not self.closed, "a request after the transport was closed"
        task = asyncio.current_task()
        assert task is not None
        plan = server.weather.plan(loop.time(), request)
        deadline = 10_000.0 if timeouts.deadline is None else timeouts.deadline
        sent = Sent(len(server.sent), loop.time(), loop.turn, request, task, plan, deadline)
        server.sent.append(sent)
        server.kinds[plan.kind] += 1
        server.note("send", sent.number, request.method, request.path, request.query, plan.kind)
        try:
            result = sent.result = await self._exchange(sent, credentials, timeouts, marker)
        finally:
            sent.ended, sent.ended_turn = loop.time(), loop.turn
            loop.call_soon(server.after_each)
        server.note("response", sent.number, result.kind if isinstance(result, Failure) else result.status)
        if isinstance(result, Response):
            self._on_response(sent, result)
        return result

    def _on_response(self, sent: Sent, response: Response) -> None:
        assert isinstance(response.connection, Connection)
        self.connections.unjudged[response.connection] = response
        if response.status in (429, 503):
            self._hold(response)
        if response.status == 201 and sent.request.operation is Operation.CREATE:
            campaign_id = response.body.decode().strip('"')
            sent.was_given_anothers_id = campaign_id in self.server.given
            if sent.got_its_own_reply:
                self.server.given.append(campaign_id)

    async def _exchange(
        self, sent: Sent, credentials: Credentials, timeouts: Timeouts, marker: SendMarker
    ) -> Response | Failure:
        plan, loop = sent.plan, self.server.loop
        if plan.kind == "connect_timeout" or plan.connecting >= timeouts.connect:
            await asyncio.sleep(timeouts.connect)
            return Failure(FailureKind.CONNECT_TIMEOUT, sent=False)
        if plan.connecting:
            await asyncio.sleep(plan.connecting)
        if plan.kind == "refused":
            return Failure(FailureKind.CONNECT, sent=False, detail="ClientConnectorError: Connection refused")
        if plan.kind == "untrusted":
            return Failure(FailureKind.CERTIFICATE, sent=False, detail="certificate has expired")
        if plan.kind == "unsent" or self.closed:
            return Failure(FailureKind.DROPPED, sent=False)
        marker.mark()
        sent.departed = loop.time()
        self.server.note("departed", sent.number)
        connection = self.connections.take(fresh=bool(plan.connecting), reads=sent.request.method == "GET")
        pending = connection.expect()
        acting = loop.call_later(plan.travel, self._arrive, sent, credentials, connection)
        silence: asyncio.TimerHandle | None = None
        if plan.drops_after is not None:
            broken = Reply(sent.number, Failure(FailureKind.DROPPED, sent=True, detail="ServerDisconnectedError"))
            loop.call_later(plan.drops_after, _answer, pending, broken)
        if plan.kind != "crawling":  # its bytes arrive one by one, and none is late
            late = Reply(sent.number, Failure(FailureKind.READ_TIMEOUT, sent=True))
            silence = loop.call_later(timeouts.read, _answer, pending, late)
        self._waiting[pending] = sent
        try:
            sent.reply = await pending
        except asyncio.CancelledError:
            connection.close()
            if plan.forgets:
                acting.cancel()
            raise
        finally:
            del self._waiting[pending]
            if silence is not None:
                silence.cancel()
        if isinstance(sent.reply.result, Failure):
            connection.close()
        return sent.reply.result

    def reuse(self, response: Response) -> None:
        """Let the response's connection carry another request."""
        self.connections.reuse(response.connection)

    def discard(self, response: Response) -> None:
        """Close the response's connection."""
        self.connections.discard(response.connection)

    async def close(self) -> None:
        """Drop all open requests."""
        self.closed = True
        for pending, sent in self._waiting.items():
            _answer(pending, Reply(sent.number, Failure(FailureKind.DROPPED, sent=True)))

    def _arrive(self, sent: Sent, credentials: Credentials, connection: Connection) -> None:
        plan, server = sent.plan, self.server
        if plan.kind == "same id" and not server.given:
            plan = sent.plan = evolve(plan, kind="fine", acts=True, status=0, body=None)
        if plan.kind in ("fine", "slow") and server.is_full():
            result: Response | Failure = write_response(Answer(429), {"retry-after": "1"} if sent.number % 3 else {})
        else:
            answer = server.act(sent, credentials) if plan.acts else Answer(plan.status or 500)
            if plan.kind in ("silent", "unread", "late acts"):
                return
            result = write_reply(plan, answer, self._ask_to_wait(plan), server.given)
        reply = Reply(sent.number, result, plan.is_documented)
        server.loop.call_later(plan.back, connection.deliver, reply)
        if plan.again is not None:
            server.loop.call_later(plan.back + plan.again, connection.deliver, reply)

    def _ask_to_wait(self, plan: Plan) -> Mapping[str, str]:
        """Return the headers that ask to wait: seconds, or a date by the server's clock."""
        if plan.retry_after is None:
            return {}
        if not plan.as_date:
            return {"retry-after": f"{plan.retry_after:g}"}
        now = self.server.loop.time() + self.server.weather.skew
        return {"date": _write_date(now), "retry-after": _write_date(now + plan.retry_after)}

    def _hold(self, response: Response) -> None:
        text = response.headers.get("Retry-After")
        if text is None:
            return
        if text[0].isalpha():
            wait = (_read_date(text) - _read_date(response.headers["date"])).total_seconds()
        else:
            wait = float(text)
        if 0 < wait <= self.server.longest_wait:
            at = self.server.loop.time()
            self.server.holds.append(Hold(len(self.server.sent), at, self.server.loop.turn, at + wait))


def _write_date(seconds: float) -> str:
    return format_datetime(time_of_day(seconds).replace(microsecond=0), usegmt=True)


def _read_date(text: str) -> datetime:
    return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)


def _answer(pending: Pending, reply: Reply) -> None:
    if not pending.done():
        pending.set_result(reply)


def source(seed: int, what: str) -> random.Random:
    """Return a source of random numbers for one purpose, so that a draw for one changes no other."""
    return random.Random(f"{what} {seed}")
