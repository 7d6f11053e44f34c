"""When a server that cannot be reached, or throttles, is tried again, and when a run gives up. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

_FIRST: Final = 0.5
_LONGEST: Final = 30.0
_OUTAGE: Final = 500
"""Creates in a row whose outcome is unknown that count as an outage."""


@define(eq=False)
class Backoff:
    """Grows with each failure to reach the server, and ends with the first response.

    Attributes:
        give_up_after: Seconds without a response after which a run gives up, above 0.
        clock: Monotonic seconds.
        error: The latest failure.
        waited: Seconds that the run was held back, in all.
    """

    give_up_after: float
    clock: Callable[[], float]
    error: BaseException | None = None
    waited: float = 0.0
    _since: float | None = field(init=False, default=None)
    _until: float = field(init=False, default=0.0)
    _step: float = field(init=False, default=_FIRST)
    _unknown: int = field(init=False, default=0)

    @property
    def is_active(self) -> bool:
        """True if the latest outcome was a failure."""
        return self._since is not None

    def failed(self, error: BaseException) -> None:
        """Record that the server cannot be reached, or throttles."""
        now = self.clock()
        self.error = error
        if self._since is None:
            self._since = now
        if now < self._until:
            return  # one of many that were in flight together
        asked = getattr(error, "retry_after", None)
        pause = max(self._step, asked if isinstance(asked, (int, float)) else 0.0)
        self._until = now + pause
        self.waited += pause
        self._step = min(2 * self._step, _LONGEST)

    def succeeded(self) -> None:
        """Record a response."""
        self._since, self._until, self._step, self._unknown = None, 0.0, _FIRST, 0

    def unknown(self, error: BaseException) -> None:
        """Record a create whose outcome is unknown. Many in a row are an outage: each further one would be unknown too."""
        self._unknown += 1
        if self._unknown >= _OUTAGE:
            self.failed(error)

    def is_holding(self) -> bool:
        """Return True if nothing may be sent for now."""
        return self._since is not None and self.clock() < self._until

    def pause(self) -> float | None:
        """Return the seconds until something may be sent again; None if nothing holds it back."""
        if self._since is None or not self.is_holding():
            return None
        # No longer than the run waits at all, whatever the server asked for.
        return max(0.0, min(self._until, self._since + self.give_up_after) - self.clock())

    def is_over(self) -> bool:
        """Return True if the failures have lasted longer than the run waits."""
        return self._since is not None and self.clock() - self._since >= self.give_up_after
