"""What a sandbox in another thread gives out: each use of it is carried out there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import define

from .loop import LoopThread

if TYPE_CHECKING:
    from ..clock import Clock
    from ..faults import Fault, Rule


@define(eq=False)
class ThreadedRule:
    """A fault that was added: how often it fitted a request, and how often it fired."""

    _thread: LoopThread
    _rule: Rule

    @property
    def fault(self) -> Fault:
        """What it does."""
        return self._rule.fault

    @property
    def number(self) -> int:
        """The rule's number, from 1 in the order in which they were added."""
        return self._rule.number

    @property
    def seen(self) -> int:
        """How many requests it fitted."""
        return self._thread.look(lambda: self._rule.seen)

    @property
    def fired(self) -> int:
        """How many of those met the fault."""
        return self._thread.look(lambda: self._rule.fired)

    @property
    def stopped(self) -> bool:
        """Whether it meets no more."""
        return self._thread.look(lambda: self._rule.stopped)

    def stop(self) -> None:
        """Meet no more requests; the counts stay."""
        self._thread.do(self._rule.stop)

    def release(self) -> None:
        """Answer what hangs, and have nothing hang any more."""
        self._thread.do(self._rule.release)


@define(eq=False)
class ThreadedClock:
    """The sandbox's time, by which created campaigns begin and end."""

    _thread: LoopThread
    _clock: Clock

    @property
    def running(self) -> bool:
        """Whether time goes by."""
        return self._thread.do(lambda: self._clock.running)

    def now(self) -> datetime:
        """The time, in UTC."""
        return self._thread.do(self._clock.now)

    def set(self, moment: datetime) -> None:
        """Stand still at a time.

        Raises:
            ValueError: It has no time zone.
        """
        self._thread.do(lambda: self._clock.set(moment))

    def move(self, by: timedelta | float) -> None:
        """Go on, or back, by so many seconds or such a span, standing or running.

        Raises:
            ValueError: The seconds are not finite, or lead out of the years 1 to 9999.
        """
        self._thread.do(lambda: self._clock.move(by))

    def run(self) -> None:
        """Run on from where it stands."""
        self._thread.do(self._clock.run)
