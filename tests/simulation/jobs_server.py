"""The server as the crash simulation needs it: one that outlives the process which talks to it.

A process that died leaves what the server holds, and the requests that are still on their way. Both are kept
as plain values, so that any moment of a run can be gone back to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, field, frozen

from campaigns_async._http.api_key import Credentials
from campaigns_async._http.request import Request
from campaigns_async._http.response import Response
from campaigns_async._http.transport import Failure
from campaigns_async.sandbox._operations import Answer
from campaigns_async.sandbox._rows import Row
from campaigns_async.values import Operation
from simulation.connections import Connection
from simulation.server import _ROUTER, ModelTransport, Sent, Server, VirtualClock


@frozen
class Made:
    """A campaign on the server."""

    campaign_id: str
    body: bytes = field(repr=False)
    """What was sent."""
    wire: dict[str, Any] = field(repr=False)
    contacts: tuple[dict[str, Any], ...] = field(repr=False)
    hidden_until: float = 0.0


@frozen
class OnItsWay:
    """A create that has left, and that nobody waits for."""

    acts_at: float
    request: Request = field(repr=False)
    hidden: float = 0.0


@frozen
class Standing:
    """The content of the server at some moment, and what will reach it yet."""

    made: tuple[Made, ...] = ()
    coming: tuple[OnItsWay, ...] = ()
    first_left: Mapping[bytes, float] = field(factory=dict[bytes, float], repr=len)
    """The times at which the first request of each body left."""


@define(eq=False)
class JobServer(Server):
    """The model, with what outlives a process."""

    on_left: Callable[[Sent], object] = field(kw_only=True)
    """A create is about to leave; nothing of it has happened."""
    on_made: Callable[[bytes], object] = field(kw_only=True)
    """A campaign of this body was made; no response was sent."""
    on_begun: Callable[[Sent], object] = field(kw_only=True)
    """A create was handed to the transport."""
    on_ended: Callable[[Sent], object] = field(kw_only=True)
    """A request has ended."""
    made: list[Made] = field(init=False, factory=list)
    first_left: dict[bytes, float] = field(init=False, factory=dict)
    _left: dict[int, Sent] = field(init=False, factory=dict)
    """Creates that have left and have not arrived."""
    _coming: list[OnItsWay] = field(init=False, factory=list)
    """Of processes that have died."""
    _arriving: Sent | None = field(init=False, default=None)

    def begin(self, standing: Standing) -> None:
        """Start from what an earlier process left."""
        for made in standing.made:
            self._put(made)
        self.first_left.update(standing.first_left)
        self.schedule_foreign()
        for coming in standing.coming:
            self._coming.append(coming)
            self.loop.call_at(max(coming.acts_at, self.loop.time()), self._arrive_late, coming)

    def _put(self, made: Made) -> None:
        self.store.seed(made.wire, made.contacts, None)
        if made.hidden_until > self.loop.time():
            self.store.hide_newest(lambda: self.loop.time() < made.hidden_until)
        self.made.append(made)

    def standing(self, forced: Sent | None = None) -> Standing:
        """Return what outlives the process if it dies now: a connection that breaks takes some requests with it.

        Args:
            forced: A request that is to act after that, however it was meant.
        """
        coming = list(self._coming)
        for sent in self._left.values():
            if sent is not forced and sent.plan.acts and not sent.plan.forgets:
                coming.append(_on_its_way(sent))
        if forced is not None:
            coming.append(_on_its_way(forced))
        return Standing(tuple(self.made), tuple(coming), dict(self.first_left))

    def still_coming(self) -> Iterator[bytes]:
        """Yield the bodies of what will act yet."""
        for coming in self._coming:
            yield coming.request.body or b""
        for sent in self._left.values():
            if sent.plan.acts:
                yield sent.request.body or b""

    def note(self, *what: object) -> None:
        super().note(*what)
        if what[0] == "departed":
            sent = self.sent[what[1]]  # type: ignore[index]
            if sent.request.operation is Operation.CREATE:
                self._left[sent.number] = sent
                self.first_left.setdefault(sent.request.body or b"", self.loop.time())
                self.on_left(sent)
        elif what[0] == "send":
            sent = self.sent[what[1]]  # type: ignore[index]
            if sent.request.operation is Operation.CREATE:
                self.on_begun(sent)
        elif what[0] == "response":
            self.on_ended(self.sent[what[1]])  # type: ignore[index]
        elif what[0] == "act":
            assert self._arriving is not None
            hidden = max(self._arriving.plan.hidden, self.lists.lag)
            self._keep(self.store.all[-1], self._arriving.request.body or b"", hidden)

    def arrives(self, sent: Sent) -> None:
        """Record that a request has arrived."""
        self._left.pop(sent.number, None)
        self._arriving = sent

    def forget(self, sent: Sent) -> None:
        """Drop a request that did not arrive."""
        self._left.pop(sent.number, None)

    def _keep(self, row: Row, body: bytes, hidden: float) -> None:
        campaign_id = row.wire["id"]
        contacts = tuple(contact.wire for contact in self.store.get_contacts(campaign_id) or ())
        self.made.append(Made(campaign_id, body, dict(row.wire), contacts, self.loop.time() + hidden))
        self.on_made(body)

    def _arrive_late(self, coming: OnItsWay) -> None:
        self._coming.remove(coming)
        request = coming.request
        routed = _ROUTER.route(request.method, f"{request.path}?{request.query}", has_body=True)
        body = request.body or b""
        answer: Answer = self._operations.execute(routed, content_type="application/json", body=body)
        if answer.acted:
            made = self.store.all[-1]
            self.hide_made(made.wire["id"], coming.hidden)
            self._keep(made, body, max(coming.hidden, self.lists.lag))


def _on_its_way(sent: Sent) -> OnItsWay:
    assert sent.departed is not None
    return OnItsWay(sent.departed + sent.plan.travel, sent.request, sent.plan.hidden)


@define(eq=False)
class JobTransport(ModelTransport):
    """Leads to it."""

    async def _exchange(self, sent: Sent, *others: Any) -> Response | Failure:
        try:
            return await super()._exchange(sent, *others)
        except asyncio.CancelledError:
            if sent.plan.forgets:
                assert isinstance(self.server, JobServer)
                self.server.forget(sent)
            raise

    def _arrive(self, sent: Sent, credentials: Credentials, connection: Connection) -> None:
        assert isinstance(self.server, JobServer)
        self.server.arrives(sent)
        super()._arrive(sent, credentials, connection)


class JobClock(VirtualClock):
    """The clock on the wall, which may be set between two lives."""

    def __init__(self, set_back: float, jumps: Sequence[tuple[float, float]] = ()) -> None:
        super().__init__(jumps)
        self._set_back = timedelta(seconds=set_back)

    def now(self) -> datetime:
        return (super().now() - self._set_back).astimezone(UTC)
