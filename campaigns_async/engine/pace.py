"""Requests a second: never more than so many in any window, evenly spaced from the first on.

Spaced by what was really sent, not by slots booked ahead: after the loop has stalled, booked slots would
all be due at once.
"""

from __future__ import annotations

from collections import deque

_MARGIN = 0.01
"""Seconds by which the window is longer than it must be: clocks and networks are not exact."""
_CATCH_UP = 0.01
"""Seconds of lateness that are made up for: timers fire late, by a millisecond or so."""


class Pace:
    """Decides when the next request may go. Pure: the time is handed in.

    A request that was let go and has not left yet counts as if it left at any moment. So at most `rate`
    lie within any second: those counted when the last of them was let go, and that one.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._most = max(1, int(rate))
        self._window = max(1.0, 1.0 / rate) + _MARGIN
        self._gap = 1.0 / rate
        self._due: float | None = None
        self._left: deque[float] = deque()
        self._leaving = 0

    def delay(self, now: float) -> float | None:
        """Seconds until the next may go, 0 for now; None: not before one that was let go has left."""
        while self._left and self._left[0] <= now - self._window:
            self._left.popleft()
        wait = 0.0 if self._due is None else max(0.0, self._due - now)
        if len(self._left) + self._leaving < self._most:
            return wait
        return max(wait, self._left[0] + self._window - now) if self._left else None

    def let_go(self, now: float) -> None:
        """One was told to go."""
        late = self._due is None or now - self._due > _CATCH_UP
        self._due = (now if late or self._due is None else self._due) + self._gap
        self._leaving += 1

    def left(self, now: float) -> None:
        """One that was told to go has begun to leave."""
        self._leaving -= 1
        self._left.append(now)

    def stayed(self) -> None:
        """One that was told to go never left."""
        self._leaving -= 1

    def recent(self, now: float) -> int:
        """How many left within the last second."""
        return sum(moment > now - 1.0 for moment in self._left)
