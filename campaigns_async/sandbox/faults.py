"""Rules by which the sandbox misbehaves: which requests they meet, and what happens then."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal, TypedDict, get_args

from attrs import Attribute, Factory, define, field, frozen
from attrs.validators import and_, ge, le, optional

from . import _validators as valid
from ._bodies import phone_digits
from ._request_log import RecordedRequest
from ._routing import OPERATIONS, Operation

Drop = Literal["close", "reset", "cut_headers", "cut_body"]

_LINE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# These send part of an answer, so there must be one.
_CUTS: Final = frozenset({"cut_headers", "cut_body"})


class Where(TypedDict, total=False):
    """The fields of `Fault` that say which requests it meets."""

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


def _as_bytes(body: bytes | str | None) -> bytes | None:
    return body.encode() if isinstance(body, str) else body


def _seconds_or_event(_: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, asyncio.Event):
        valid.seconds(_, attribute, value)


def _line(_: object, attribute: Attribute[Any], value: object) -> None:
    valid.text(_, attribute, value)
    if not _LINE.fullmatch(str(value)):
        raise ValueError(f"{attribute.name} must be one line, in Latin-1")


def _headers(_: object, attribute: Attribute[Any], value: Mapping[str, str]) -> None:
    valid.of_type("a mapping of names to texts", Mapping)(_, attribute, value)
    for name, each in value.items():
        valid.text(_, attribute, name)
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("headers must have names of letters, digits and dashes")
        if name.lower() in {"content-type", "content-length"}:
            raise ValueError("headers must leave out what content_type and body say")
        _line(_, attribute, each)


def _mobile(_: object, attribute: Attribute[Any], value: object) -> None:
    valid.text(_, attribute, value)
    if phone_digits(value) is None:
        raise ValueError("recipient must be a phone number, such as 07700 900123")


@frozen(kw_only=True)
class Fault:
    """A fault, and the requests that meet it. Times are in seconds, counts from 1.

    A request that gets its proper answer, late or cut, is carried out on arrival, before
    any waiting. One that gets another `status`, or no answer at all, is not, unless `act` or
    `act_after` say so. A fault without any effect lets the request be served as usual.

    Attributes:
        operation: Only requests of this operation; None for any.
        when: Only requests for which this returns True.
        nth: From the nth request on that the rule fits, counted since it was added.
        every: Of those, the first and then every such one.
        times: The highest number of requests that it meets; None for no limit.
        share: The share of those requests that it meets, 0 to 1, drawn from `seed`.
        seed: Seed of the draws for `share`.
        recipient: Only creates with this phone number among their contacts, in any notation.
        act: True to carry the request out before the faulty answer, False not to. None: only if the answer is
            the proper one.
        act_after: Carry the request out this long after the faulty answer, or once the event is set.
        status: Answer with this status, 200 to 599, and with `body`.
        headers: Headers to add to the answer.
        body: The body of the answer; by default the proper one, or an empty one with `status`.
        content_type: The type of `body`; ``text/plain`` by default.
        drop: Send nothing and close ("close") or reset ("reset") the connection, or send half
            of the headers ("cut_headers"), or the headers and half of the body ("cut_body"), and close.
        delay: Wait this long before the answer.
        hold: Wait for this event before the answer.
        hang: Wait until the rule is released before the answer.
        slow_body: Wait this long between the bytes of the body.
        stale: Answer properly, and close the connection when the next request comes over it.
        hidden_for: Leave a campaign that the request creates out of lists for this long, or until the event is set.

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
    recipient: str | None = field(default=None, repr=False, validator=optional(_mobile))
    act: bool | None = field(default=None, validator=optional(valid.flag))
    act_after: float | asyncio.Event | None = field(default=None, validator=optional(_seconds_or_event))
    status: int | None = field(default=None, validator=optional(and_(valid.whole, ge(200), le(599))))
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False, validator=_headers)
    body: bytes | None = field(
        default=None, repr=False, converter=_as_bytes, validator=optional(valid.of_type("bytes or text", bytes))
    )
    content_type: str | None = field(default=None, validator=optional(_line))
    drop: Drop | None = field(default=None, validator=optional(valid.one_of(get_args(Drop))))
    delay: float = field(default=0, validator=valid.seconds)
    hold: asyncio.Event | None = field(
        default=None, validator=optional(valid.of_type("an asyncio.Event", asyncio.Event))
    )
    hang: bool = field(default=False, validator=valid.flag)
    slow_body: float = field(default=0, validator=valid.seconds)
    stale: bool = field(default=False, validator=valid.flag)
    hidden_for: float | asyncio.Event | None = field(default=None, validator=optional(_seconds_or_event))

    def __attrs_post_init__(self) -> None:
        if self.recipient is not None and self.operation not in {None, "create"}:
            raise ValueError("recipient goes with operation='create': no other request names any")
        if self.act_after is not None and (self.acts or self.proper):
            raise ValueError("act_after needs a status or a drop, and act left out")
        if self.act is False and self.proper:
            raise ValueError("act=False needs a status or a drop: a proper answer comes from acting")
        if self.hidden_for is not None and self.operation != "create":
            raise ValueError("hidden_for needs operation='create'")
        if self.stale and self.drop is not None:
            raise ValueError("stale needs an answer: leave drop out")

    @property
    def proper(self) -> bool:
        """True if the answer is that of the request, be it late or cut."""
        return self.status is None and (self.drop is None or self.drop in _CUTS)

    @property
    def acts(self) -> bool:
        """True if the request is carried out before the answer."""
        return self.proper if self.act is None else self.act


@define(eq=False)
class Rule:
    """A fault that was added, with its counts. Any thread may use it.

    Attributes:
        fault: The fault.
        number: The number of the rule, from 1 in the order in which rules were added.
        seen: Number of requests that the rule fitted.
        fired: Number of those that met the fault.
        stopped: True if the rule meets no more requests.
    """

    fault: Fault
    number: int
    seen: int = 0
    fired: int = 0
    stopped: bool = False
    _released: bool = field(init=False, repr=False, default=False)
    _hanging: dict[asyncio.Event, asyncio.AbstractEventLoop] = field(init=False, repr=False, factory=dict[Any, Any])
    _recipient: str | None = field(
        init=False,
        repr=False,
        default=Factory(lambda self: phone_digits(self.fault.recipient), takes_self=True),
    )
    _random: random.Random = field(
        init=False,
        repr=False,
        default=Factory(lambda self: random.Random(self.fault.seed), takes_self=True),
    )

    def stop(self) -> None:
        """Meet no more requests; the counts stay."""
        self.stopped = True

    def release(self) -> None:
        """Answer the requests that hang, and let no more hang."""
        self._released = True
        for event, loop in tuple(self._hanging.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def until_released(self) -> None:
        """Wait until the rule is released."""
        event = asyncio.Event()
        self._hanging[event] = asyncio.get_running_loop()
        try:
            # After the line above, as another thread may release the rule between the two.
            if not self._released:
                await event.wait()
        finally:
            del self._hanging[event]

    def is_due(self, request: RecordedRequest, recipients: Callable[[], Collection[str]]) -> bool:
        """Count the request if the rule fits it, and return whether it is to meet the fault.

        Args:
            request: The request that arrived.
            recipients: Returns the international digits that it goes to.
        """
        fault = self.fault
        if self.stopped:
            return False
        if fault.operation is not None and fault.operation != request.operation:
            return False
        if fault.when is not None and not fault.when(request):
            return False
        if self._recipient is not None and self._recipient not in recipients():
            return False
        self.seen += 1
        # Drawn for each request that fits, so that other rules do not alter the sequence.
        drawn = fault.share >= 1 or self._random.random() < fault.share
        if self.seen < fault.nth or (self.seen - fault.nth) % fault.every:
            return False
        return drawn and (fault.times is None or self.fired < fault.times)


class Rules:
    """The rules in the order in which they were added; the first that is due wins."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    @property
    def all(self) -> tuple[Rule, ...]:
        """Every rule, including those that were stopped."""
        return tuple(self._rules)

    def add(self, fault: Fault) -> Rule:
        """Add a rule after the others.

        Raises:
            TypeError: If `fault` is not a `Fault`.
        """
        if not isinstance(fault, Fault):
            kind = (
                "a function: call the preset, as in presets.lost_answer()" if callable(fault) else type(fault).__name__
            )
            raise TypeError(f"add_fault takes a Fault, not {kind}")
        rule = Rule(fault, len(self._rules) + 1)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def pick(self, request: RecordedRequest, recipients: Callable[[], Collection[str]]) -> Rule | None:
        """Return the rule that meets a request to these recipients, in international digits."""
        # Every rule counts the request, including those after the winner.
        due = [rule for rule in self._rules if rule.is_due(request, recipients)]
        if not due:
            return None
        due[0].fired += 1
        return due[0]
