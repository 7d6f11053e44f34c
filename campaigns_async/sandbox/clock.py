"""The sandbox's own time, which tests can set and move."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from .values import ticks_of

_START = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


class Clock:
    """Says what time it is for the sandbox: it runs, or stands still where it was set.

    Args:
        now: Where it stands; None: it runs with the machine's time.
        machine: The machine's time, in seconds since 1970.

    Raises:
        ValueError: `now` has no time zone.
    """

    def __init__(self, now: datetime | None = None, *, machine: Callable[[], float] = time.time) -> None:
        self._machine = machine
        self._ahead = timedelta()
        self._stands_at: datetime | None = None
        if now is not None:
            self.set(now)

    def __repr__(self) -> str:
        return f"<Clock {self.now().isoformat()}, {'running' if self.running else 'standing'}>"

    @property
    def running(self) -> bool:
        """Whether time goes by."""
        return self._stands_at is None

    def now(self) -> datetime:
        """The time, in UTC."""
        if self._stands_at is not None:
            return self._stands_at
        try:
            return datetime.fromtimestamp(self._machine(), UTC) + self._ahead
        except OverflowError:
            return _END if self._ahead > timedelta() else _START  # there it stands

    def ticks(self) -> int:
        """The time in ticks of 100 ns since year 1, as start times are kept."""
        return ticks_of(self.now())

    def set(self, moment: datetime) -> None:
        """Stand still at a time. Campaigns that have begun stay so, even if it is set back.

        Raises:
            ValueError: It has no time zone, or lies out of the years 1 to 9999 in UTC.
        """
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise ValueError("the clock needs a time with a zone, such as datetime(2031, 1, 1, tzinfo=UTC)")
        try:
            self._stands_at = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("the clock cannot be set out of the years 1 to 9999 in UTC") from None

    def move(self, by: timedelta | float) -> None:
        """Go on, or back, by so many seconds or such a span, standing or running.

        Raises:
            ValueError: The seconds are not finite, or lead out of the years 1 to 9999.
        """
        if not isinstance(by, timedelta) and not math.isfinite(by):
            raise ValueError("the clock moves by a finite number of seconds")
        try:
            span = by if isinstance(by, timedelta) else timedelta(seconds=by)
            moved = self.now() + span
        except OverflowError:
            raise ValueError("the clock cannot be moved out of the years 1 to 9999") from None
        if self._stands_at is None:
            self._ahead += span
        else:
            self._stands_at = moved

    def reset(self) -> None:
        """Run with the machine's time again."""
        self._ahead, self._stands_at = timedelta(), None

    def run(self) -> None:
        """Run on from where it stands."""
        if self._stands_at is not None:
            self._ahead = self._stands_at - datetime.fromtimestamp(self._machine(), UTC)
            self._stands_at = None
