"""The sandbox's clock, and the statuses that campaigns reach over time."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import field, frozen

from ._dotnet import TICKS_PER_SECOND, to_ticks
from ._rows import COMPLETED, PENDING, SENDING, SUBMITTED, Row
from ._validators import seconds

_START = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


class Clock:
    """The clock of the sandbox, running or stopped. Any thread may use it.

    Args:
        now: The time at which the clock is stopped; None for a clock that shows the machine's time.
        machine: Returns the machine's time, in seconds since 1970.

    Raises:
        ValueError: If `now` has no time zone.
    """

    _stopped_at: datetime | None = None

    def __init__(self, now: datetime | None = None, *, machine: Callable[[], float] = time.time) -> None:
        self._machine = machine
        self._lock = threading.RLock()
        self.reset(now)

    def __repr__(self) -> str:
        return f"<Clock {self.now().isoformat()}, {'running' if self.running else 'stopped'}>"

    @property
    def running(self) -> bool:
        """True if the clock is running, False if it is stopped."""
        return self._stopped_at is None

    def now(self) -> datetime:
        """Return the time, in UTC."""
        with self._lock:
            if self._stopped_at is not None:
                return self._stopped_at
            try:
                return datetime.fromtimestamp(self._machine(), UTC) + self._offset
            except OverflowError:  # the clock was moved to the end of a datetime's range
                return _END if self._offset > timedelta() else _START

    def now_ticks(self) -> int:
        """Return the current time as .NET ticks."""
        return to_ticks(self.now())

    def set(self, moment: datetime) -> None:
        """Stop the clock at a time. Started campaigns stay started, even if the clock is set back.

        Raises:
            ValueError: If `moment` has no time zone, or is outside the years 1 to 9999 in UTC.
        """
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise ValueError("the clock needs a time with a time zone, such as datetime(2031, 1, 1, tzinfo=UTC)")
        try:
            self._stopped_at = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("the clock cannot be set outside the years 1 to 9999 in UTC") from None

    def move(self, by: timedelta | float) -> None:
        """Move the clock, running or stopped, forwards or backwards by a span or a number of seconds.

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
            if self._stopped_at is None:
                self._offset += span
            else:
                self._stopped_at = moved

    def reset(self, now: datetime | None = None) -> None:
        """Show the machine's time again, or stop the clock at `now`."""
        with self._lock:
            self._offset = timedelta()
            self._stopped_at = None
            if now is not None:
                self.set(now)

    def run(self) -> None:
        """Let a stopped clock run, from the time at which it is stopped."""
        with self._lock:
            if self._stopped_at is not None:
                self._offset = self._stopped_at - datetime.fromtimestamp(self._machine(), UTC)
                self._stopped_at = None


@frozen
class Lifecycle:
    """The time that a created campaign stays in each status after its start time.

    Attributes:
        sending: Seconds from the start until the campaign is Submitted.
        submitted: Seconds from then until the campaign is Completed.
    """

    sending: float = field(default=5.0, validator=seconds)
    submitted: float = field(default=30.0, validator=seconds)


class Schedule:
    """The next status of each campaign. A started campaign never returns to Pending."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._submitted_after = round(lifecycle.sending * TICKS_PER_SECOND)
        self._completed_after = self._submitted_after + round(lifecycle.submitted * TICKS_PER_SECOND)
        self._due: list[tuple[int, int, Row, int]] = []
        self._order = itertools.count()

    def add(self, row: Row) -> None:
        """Add the start of a campaign. Call it again after the start time was changed."""
        if row.ticks is not None:
            self._push(row.ticks, row, SENDING)

    def _push(self, at: int, row: Row, status: int) -> None:
        heapq.heappush(self._due, (at, next(self._order), row, status))

    def advance(self, now: int) -> None:
        """Move on the campaigns that are due by now, in ticks."""
        due = self._due
        while due and due[0][0] <= now:
            at, _, row, status = heapq.heappop(due)
            # Entries of deleted campaigns, and those of a previous start time, stay in the queue.
            if row.deleted or (status == SENDING and (row.wire["status"] != PENDING or row.ticks != at)):
                continue
            row.replace({**row.wire, "status": status})
            if status == SENDING:
                self._push(at + self._submitted_after, row, SUBMITTED)
                self._push(at + self._completed_after, row, COMPLETED)
