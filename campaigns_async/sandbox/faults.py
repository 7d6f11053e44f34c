"""Faults: the requests that they apply to, and their effects. `_exchange` applies a fault to a request."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal, TypedDict, get_args

from attrs import define, field, frozen
from attrs.validators import and_, ge, le, optional

from . import _validators as valid
from ._mobile_numbers import parse_mobile
from ._request_log import RecordedRequest
from ._routing import OPERATIONS, Operation

Drop = Literal["close", "reset", "cut_headers", "cut_body"]

# These kinds send a part of an answer, so they need an answer.
_CUTS: Final = frozenset({"cut_headers", "cut_body"})


class Where(TypedDict, total=False):
    """The fields of `Fault` that select requests."""

    operation: Operation | None
    when: Callable[[RecordedRequest], bool] | None
    nth: int
    every: int
    times: int | None
    share: float
    seed: int
    recipient: str | None


class FaultFields(Where, total=False):
    """The fields of `Fault`, for functions that build one."""

    act: bool | None
    act_after: float | asyncio.Event | None
    status: int | None
    headers: Mapping[str, str]
    body: bytes | str | None
    content_type: str | None
    drop: Drop | None
    delay: float
    hold: asyncio.Event | None
    hang: bool
    slow_body: float
    stale: bool
    hidden_for: float | asyncio.Event | None


def _encode_body(body: bytes | str | None) -> bytes | None:
    return body.encode() if isinstance(body, str) else body


@frozen(kw_only=True)
class Fault:
    """A fault, and the requests that it applies to. Times are in seconds, counts from 1.

    A request that gets its normal answer, even late or cut, is carried out on arrival, before any waiting. A request
    that gets another `status`, or no answer at all, is not carried out, unless `act` or `act_after` is set. A fault with
    no effect changes nothing: its requests are served as usual, and counted.

    Attributes:
        operation: Selects requests of this operation; None for any operation.
        when: Selects requests for which this function returns True.
        recipient: Selects creates that have this phone number, in any notation, among their contacts.
        nth: The number of the first request that the fault applies to, among those selected since it was added.
        every: The step to the next requests: 2 for every other request.
        times: The maximum number of requests that the fault applies to; None for no limit.
        share: The probability, from 0 to 1, that the fault applies to one of these requests.
        seed: The seed of the random numbers for `share`.
        act: True to carry the request out before the faulty answer, False never to carry it out; None to carry it
            out if it gets its normal answer.
        act_after: Carry the request out this long after the faulty answer, or once the event is set.
        status: Answer with this status, 200 to 599, and with `body`.
        headers: Headers to add to the answer.
        body: The body of the answer; by default the normal one, or an empty one with `status`.
        content_type: The type of `body`; ``text/plain`` by default.
        drop: Send nothing and close ("close") or reset ("reset") the connection; or send half of the head
            ("cut_headers"), or the head and half of the body ("cut_body"), and close.
        delay: Wait this long before the answer.
        hold: Wait for this event before the answer.
        hang: Wait until the rule is released before the answer.
        slow_body: Wait this long before each byte of the body.
        stale: Answer normally, and close the connection when the next request arrives over it.
        hidden_for: Hide a campaign that the request creates from lists for this long, or until the event is set.

    Raises:
        ValueError: If a field is out of range or of another type, or the fields do not fit together.
    """

    operation: Operation | None = field(default=None, validator=optional(valid.one_of(OPERATIONS)))
    when: Callable[[RecordedRequest], bool] | None = field(default=None, validator=optional(valid.function))
    nth: int = field(default=1, validator=valid.count)
    every: int = field(default=1, validator=valid.count)
    times: int | None = field(default=None, validator=optional(valid.count))
    share: float = field(default=1.0, validator=and_(valid.number, ge(0), le(1)))
    seed: int = field(default=0, validator=valid.whole)
    recipient: str | None = field(default=None, repr=False, validator=optional(valid.mobile))
    act: bool | None = field(default=None, validator=optional(valid.flag))
    act_after: float | asyncio.Event | None = field(default=None, validator=optional(valid.seconds_or_event))
    status: int | None = field(default=None, validator=optional(and_(valid.whole, ge(200), le(599))))
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False, validator=valid.headers)
    body: bytes | None = field(
        default=None, repr=False, converter=_encode_body, validator=optional(valid.of_type("bytes or text", bytes))
    )
    content_type: str | None = field(default=None, validator=optional(valid.line))
    drop: Drop | None = field(default=None, validator=optional(valid.one_of(get_args(Drop))))
    delay: float = field(default=0, validator=valid.seconds)
    hold: asyncio.Event | None = field(
        default=None, validator=optional(valid.of_type("an asyncio.Event", asyncio.Event))
    )
    hang: bool = field(default=False, validator=valid.flag)
    slow_body: float = field(default=0, validator=valid.seconds)
    stale: bool = field(default=False, validator=valid.flag)
    hidden_for: float | asyncio.Event | None = field(default=None, validator=optional(valid.seconds_or_event))

    def __attrs_post_init__(self) -> None:
        if self.recipient is not None and self.operation not in {None, "create"}:
            raise ValueError("recipient needs operation='create': no other request has recipients")
        if self.act_after is not None and (self.is_carried_out_first or self.is_answered_normally):
            raise ValueError("act_after needs a status or a drop, and act left out")
        if self.act is False and self.is_answered_normally:
            raise ValueError(
                "act=False needs a status or a drop: a request that is not carried out has no normal answer"
            )
        if self.hidden_for is not None and self.operation != "create":
            raise ValueError("hidden_for needs operation='create'")
        if self.stale and self.drop is not None:
            raise ValueError("stale needs an answer: leave drop out")

    @property
    def is_answered_normally(self) -> bool:
        """True if the request gets its normal answer, even late or cut."""
        return self.status is None and (self.drop is None or self.drop in _CUTS)

    @property
    def is_carried_out_first(self) -> bool:
        """True if the request is carried out before the answer."""
        return self.is_answered_normally if self.act is None else self.act


@define(eq=False)
class Rule:
    """A fault that was added, with its counts. Any thread may use it.

    Attributes:
        fault: The fault.
        number: The number of the rule, from 1 in the order in which rules were added.
        seen: The number of requests that the fault's fields have selected.
        fired: The number of requests that the fault was applied to.
        stopped: True if the fault applies to no more requests.
    """

    fault: Fault
    number: int
    seen: int = 0
    fired: int = 0
    stopped: bool = False
    _released: bool = field(init=False, repr=False, default=False)
    _hanging: dict[asyncio.Event, asyncio.AbstractEventLoop] = field(init=False, repr=False, factory=dict[Any, Any])
    _recipient: str | None = field(init=False, repr=False)
    _random: random.Random = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._recipient = parse_mobile(self.fault.recipient)
        self._random = random.Random(self.fault.seed)

    def stop(self) -> None:
        """End the fault: it applies to no more requests. The counts are kept."""
        self.stopped = True

    def release(self) -> None:
        """Answer the requests that hang. The rule's later requests do not hang."""
        self._released = True
        for event, loop in tuple(self._hanging.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def wait_released(self) -> None:
        """Wait until the rule is released."""
        event = asyncio.Event()
        self._hanging[event] = asyncio.get_running_loop()
        try:
            # Checked after the event is registered, as another thread may release the rule at any time.
            if not self._released:
                await event.wait()
        finally:
            del self._hanging[event]

    def count(self, request: RecordedRequest, recipients: Callable[[], Collection[str]]) -> bool:
        """Count a request if the fault's fields select it. Return True if the fault applies to it."""
        fault = self.fault
        if (
            self.stopped
            or (fault.operation is not None and fault.operation != request.operation)
            or (fault.when is not None and not fault.when(request))
            or (self._recipient is not None and self._recipient not in recipients())
        ):
            return False
        self.seen += 1
        # Drawn for each selected request, so that other rules do not alter the sequence.
        is_drawn = fault.share >= 1 or self._random.random() < fault.share
        if self.seen < fault.nth or (self.seen - fault.nth) % fault.every:
            return False
        return is_drawn and (fault.times is None or self.fired < fault.times)


class Rules(list[Rule]):
    """The rules in the order in which they were added, including stopped ones. The first rule that applies is used."""

    def add(self, fault: Fault) -> Rule:
        """Add a rule after the others."""
        if not isinstance(fault, Fault):
            hint = "a function: call the preset, as in presets.lost_answer()"
            raise TypeError(f"add_fault takes a Fault, not {hint if callable(fault) else type(fault).__name__}")
        rule = Rule(fault, len(self) + 1)
        self.append(rule)
        return rule

    def pick(self, request: RecordedRequest, recipients: Callable[[], Collection[str]]) -> Rule | None:
        """Return the first rule that applies to a request to these recipients, in international digits."""
        # Every rule counts the request, including those after the first one.
        applicable = [rule for rule in self if rule.count(request, recipients)]
        if not applicable:
            return None
        applicable[0].fired += 1
        return applicable[0]
