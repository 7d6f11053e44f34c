"""Rules by which the sandbox misbehaves: which requests they meet, and what happens then."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, Literal

from attrs import Factory, define, field, frozen
from attrs.validators import optional

from . import checks
from .app import OPERATIONS, Operation
from .numbers import phone_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .journal import RecordedRequest

Drop = Literal["close", "reset", "cut_headers", "cut_body"]
DROPS: Final = ("close", "reset", "cut_headers", "cut_body")

_LATIN: Final = 256
# These send part of an answer, so there must be one.
_CUTS: Final = frozenset({"cut_headers", "cut_body"})


def _as_bytes(body: bytes | str | None) -> bytes | None:
    return body.encode() if isinstance(body, str) else body


@frozen(kw_only=True)
class Fault:
    """What goes wrong, and with which requests. Seconds, and counts from 1.

    A request that gets its proper answer, late or cut, is carried out on arrival, before
    any waiting. One that gets another `status`, or none at all, is not, unless `act` or
    `act_after` say so. Without any effect a request is served as ever.

    Attributes:
        operation: Only such requests; None: any.
        when: Only requests of which this holds.
        nth: From the nth request on that the rule fits, counted since it was added.
        every: Of those, the first and then one in so many.
        times: How often at most; None: always.
        share: The part of those requests that it meets, 0 to 1, drawn from `seed`.
        recipient: Only creates with this phone number among their contacts, in any notation.
        act: Carry the request out before the faulty answer. None: only when the answer is
            the proper one.
        act_after: Carry it out so long after the faulty answer, or once the event is set.
        status: Answer with this, 200 to 599, and with `body`.
        headers: Added to the answer.
        body: In place of the answer's own; with `status`, empty unless given.
        content_type: Of `body`; ``text/plain`` unless given.
        drop: Send nothing and close ("close") or reset ("reset") the connection, or send half
            of the headers ("cut_headers"), or those and half of the body ("cut_body"), and close.
        delay: Wait so long before the answer.
        hold: Wait for this event before the answer.
        hang: Wait until the rule is released before the answer.
        slow_body: Wait so long between the bytes of the body.
        stale: Answer properly, and close the connection when the next request comes over it.
        hidden_for: Lists leave a campaign that this creates out so long, or till the event is set.

    Raises:
        ValueError: A field is out of range or of another type, or the fields do not fit together.
    """

    operation: Operation | None = field(default=None, validator=checks.one_of(*OPERATIONS))
    when: Callable[[RecordedRequest], bool] | None = field(default=None, validator=optional(checks.function))
    nth: int = field(default=1, validator=checks.at_least_one)
    every: int = field(default=1, validator=checks.at_least_one)
    times: int | None = field(default=None, validator=optional(checks.at_least_one))
    share: float = 1.0
    seed: int = field(default=0, validator=checks.whole)
    recipient: str | None = field(default=None, repr=False, validator=optional(checks.text))
    act: bool | None = field(default=None, validator=optional(checks.flag))
    act_after: float | asyncio.Event | None = field(default=None, validator=optional(checks.seconds_or_event))
    status: int | None = None
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False, validator=checks.texts_by_name)
    body: bytes | None = field(
        default=None, repr=False, converter=_as_bytes, validator=optional(checks.of_type("bytes or text", bytes))
    )
    content_type: str | None = field(default=None, validator=optional(checks.text))
    drop: Drop | None = field(default=None, validator=checks.one_of(*DROPS))
    delay: float = field(default=0, validator=checks.seconds)
    hold: asyncio.Event | None = field(
        default=None, validator=optional(checks.of_type("an asyncio.Event", asyncio.Event))
    )
    hang: bool = field(default=False, validator=checks.flag)
    slow_body: float = field(default=0, validator=checks.seconds)
    stale: bool = field(default=False, validator=checks.flag)
    hidden_for: float | asyncio.Event | None = field(default=None, validator=optional(checks.seconds_or_event))

    def __attrs_post_init__(self) -> None:
        if self.recipient is not None:
            if self.operation not in {None, "create"}:
                raise ValueError("recipient goes with operation='create': no other request names any")
            if phone_digits(self.recipient) is None:
                raise ValueError("recipient must be a phone number, such as 07700 900123")
        if not checks.is_number(self.share):
            raise checks.wrong("share", "a number from 0 to 1", self.share)
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be from 0 to 1, not {self.share}")
        if self.status is not None:
            checks.check_whole("status", self.status, least=200, most=599)
        texts = [*self.headers, *self.headers.values(), self.content_type or ""]
        if not all(text.isprintable() and all(ord(each) < _LATIN for each in text) for text in texts):
            raise ValueError("headers and content_type must be of one line each, in Latin-1")
        if {"content-type", "content-length"} & {name.lower() for name in self.headers}:
            raise ValueError("headers must leave out what content_type and body say")
        self._check_fit()

    def _check_fit(self) -> None:
        if self.act_after is not None and (self.acts or self.proper):
            raise ValueError("act_after needs a status or a drop, and act left out")
        if self.act is False and self.proper:
            raise ValueError("act=False needs a status or a drop: a proper answer comes of acting")
        if self.hidden_for is not None and self.operation != "create":
            raise ValueError("hidden_for needs operation='create'")
        if self.stale and self.drop is not None:
            raise ValueError("stale needs an answer: leave drop out")

    @property
    def proper(self) -> bool:
        """Whether the answer comes of the request, be it late or cut."""
        return self.status is None and (self.drop is None or self.drop in _CUTS)

    @property
    def acts(self) -> bool:
        """Whether the request is carried out before the answer."""
        return self.proper if self.act is None else self.act


@define(eq=False)
class Rule:
    """A fault that was added: how often it fitted a request, and how often it fired.

    Attributes:
        fault: What it does.
        number: Of the rule, from 1 in the order in which they were added.
        seen: How many requests it fitted.
        fired: How many of those met the fault.
        stopped: Whether it meets no more.
    """

    fault: Fault
    number: int = 0
    seen: int = 0
    fired: int = 0
    stopped: bool = False
    _released: asyncio.Event = field(init=False, repr=False, factory=asyncio.Event)
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
        """Answer what hangs, and have nothing hang any more."""
        self._released.set()

    async def until_released(self) -> None:
        """Hang till then."""
        await self._released.wait()

    def is_due(self, request: RecordedRequest, recipients: Callable[[], Collection[str]]) -> bool:
        """Count the request if the rule fits it, and say whether the fault is its due.

        Args:
            request: What arrived.
            recipients: Gives the international digits that it goes to.
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
        self._count = 0

    @property
    def all(self) -> tuple[Rule, ...]:
        """Every rule, the stopped ones too."""
        return tuple(self._rules)

    def add(self, fault: Fault) -> Rule:
        """Add a rule behind the others.

        Raises:
            TypeError: It is no fault.
        """
        if not isinstance(fault, Fault):
            kind = (
                "a function: call the preset, as in presets.lost_answer()" if callable(fault) else type(fault).__name__
            )
            raise TypeError(f"add_fault takes a Fault, not {kind}")
        self._count += 1
        rule = Rule(fault, self._count)
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Take all away."""
        self._rules.clear()
        self._count = 0

    def pick(self, request: RecordedRequest, recipients: Callable[[], Collection[str]]) -> Rule | None:
        """The rule that meets this request, which goes to these international digits."""
        # Every rule counts, those behind the winner too.
        due = [rule for rule in self._rules if rule.is_due(request, recipients)]
        if not due:
            return None
        due[0].fired += 1
        return due[0]
