"""The sandbox's own time, and how campaigns begin and end by it."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import field, frozen

from ._dotnet import TICKS_PER_SECOND, ticks_of
from ._sieve import STATUSES, Row
from ._validators import seconds

_START = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)

PENDING: Final = STATUSES["pending"]
SENDING: Final = STATUSES["sending"]
SUBMITTED: Final = STATUSES["submitted"]
COMPLETED: Final = STATUSES["completed"]
BEGUN: Final = frozenset({SENDING, SUBMITTED, COMPLETED})
"""The statuses in which a campaign can no longer be changed or deleted."""


class Clock:
    """The time of the sandbox: it runs, or stands still where it was set. Any thread may use it.

    Args:
        now: The time at which it stands; None to run with the machine's time.
        machine: Returns the machine's time, in seconds since 1970.

    Raises:
        ValueError: If `now` has no time zone.
    """

    def __init__(self, now: datetime | None = None, *, machine: Callable[[], float] = time.time) -> None:
        self._machine = machine
        self._ahead = timedelta()
        self._stands_at: datetime | None = None
        self._lock = threading.RLock()
        if now is not None:
            self.set(now)

    def __repr__(self) -> str:
        return f"<Clock {self.now().isoformat()}, {'running' if self.running else 'standing'}>"

    @property
    def running(self) -> bool:
        """True if time passes."""
        return self._stands_at is None

    def now(self) -> datetime:
        """Return the time, in UTC."""
        with self._lock:
            if self._stands_at is not None:
                return self._stands_at
            try:
                return datetime.fromtimestamp(self._machine(), UTC) + self._ahead
            except OverflowError:
                return _END if self._ahead > timedelta() else _START  # and there it stands

    def ticks(self) -> int:
        """Return the time in ticks of 100 ns since year 1, as start times are kept."""
        return ticks_of(self.now())

    def set(self, moment: datetime) -> None:
        """Stand still at a time. Campaigns that have begun stay so, even if the clock is set back.

        Raises:
            ValueError: If `moment` has no time zone, or is outside the years 1 to 9999 in UTC.
        """
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise ValueError("the clock needs a time with a zone, such as datetime(2031, 1, 1, tzinfo=UTC)")
        try:
            self._stands_at = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("the clock cannot be set outside the years 1 to 9999 in UTC") from None

    def move(self, by: timedelta | float) -> None:
        """Move by a span or a number of seconds, forwards or backwards, standing or running.

        Raises:
            ValueError: If the seconds are not finite, or lead outside the years 1 to 9999.
        """
        if not isinstance(by, timedelta) and not math.isfinite(by):
            raise ValueError("the clock moves by a finite number of seconds")
        with self._lock:
            try:
                span = by if isinstance(by, timedelta) else timedelta(seconds=by)
                moved = self.now() + span
            except OverflowError:
                raise ValueError("the clock cannot be moved outside the years 1 to 9999") from None
            if self._stands_at is None:
                self._ahead += span
            else:
                self._stands_at = moved

    def reset(self) -> None:
        """Run with the machine's time again."""
        with self._lock:
            self._ahead, self._stands_at = timedelta(), None

    def run(self) -> None:
        """Run on from the time at which it stands."""
        with self._lock:
            if self._stands_at is not None:
                self._ahead = self._stands_at - datetime.fromtimestamp(self._machine(), UTC)
                self._stands_at = None


@frozen
class Lifecycle:
    """The time that a created campaign stays in each state, once its start time has come.

    Attributes:
        sending: Seconds from the start until it is Submitted.
        submitted: Seconds from then on until it is Completed.
    """

    sending: float = field(default=5.0, validator=seconds)
    submitted: float = field(default=30.0, validator=seconds)

    def moves(self, start: int) -> tuple[tuple[int, int], ...]:
        """Return, for a start in ticks, when each status is reached."""
        submitted = start + round(self.sending * TICKS_PER_SECOND)
        completed = submitted + round(self.submitted * TICKS_PER_SECOND)
        return (start, SENDING), (submitted, SUBMITTED), (completed, COMPLETED)


class Schedule:
    """Moves campaigns on when they are due. A campaign that has begun never goes back.

    Args:
        lifecycle: The time that each state lasts.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._due: list[tuple[int, int, Row, int]] = []
        self._order = itertools.count()

    def put(self, row: Row) -> None:
        """Let a campaign move from its start time on. Call it again when that was changed."""
        if row.ticks is not None:
            at, status = self._lifecycle.moves(row.ticks)[0]
            heapq.heappush(self._due, (at, next(self._order), row, status))

    def run(self, now: int) -> None:
        """Move on the campaigns that are due by now, in ticks."""
        due = self._due
        while due and due[0][0] <= now:
            at, _, row, status = heapq.heappop(due)
            if not self._is_current(row, at, status):
                continue
            row.replace({**row.wire, "status": status})
            for later, following in self._lifecycle.moves(at)[1:] if status == SENDING else ():
                heapq.heappush(due, (later, next(self._order), row, following))

    @staticmethod
    def _is_current(row: Row, at: int, status: int) -> bool:
        # A campaign whose start was changed has an outdated entry too; a deleted one has entries as well.
        if row.deleted:
            return False
        return status != SENDING or (row.wire["status"] == PENDING and row.ticks == at)
