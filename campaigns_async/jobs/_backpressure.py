"""The pauses of a run whose server cannot be reached or throttles, and its decision to give up. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

_FIRST: Final = 0.5
_LONGEST: Final = 30.0
_OUTAGE: Final = 500
"""The number of consecutive unknown creates that counts as an outage."""


@define(eq=False)
class Backoff:
    """An exponential backoff over all creates of a run. The first response resets it.

    Attributes:
        give_up_after: The seconds without a response after which the run gives up, above 0.
        clock: Returns monotonic seconds.
        error: The latest failure.
        waited: The total of all pauses, in seconds.
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

    def record_failure(self, error: BaseException) -> None:
        """Record that the server could not be reached, or throttled."""
        now = self.clock()
        self.error = error
        if self._since is None:
            self._since = now
        if now < self._until:
            return  # one of several that were in flight together
        retry_after = getattr(error, "retry_after", None)
        pause = max(self._step, retry_after if isinstance(retry_after, (int, float)) else 0.0)
        self._until = now + pause
        self.waited += pause
        self._step = min(2 * self._step, _LONGEST)

    def record_response(self) -> None:
        """Record a response."""
        self._since, self._until, self._step, self._unknown = None, 0.0, _FIRST, 0

    def record_unknown(self, error: BaseException) -> None:
        """Record an unknown create. After 500 in a row, back off: each further create would be unknown too."""
        self._unknown += 1
        if self._unknown >= _OUTAGE:
            self.record_failure(error)

    @property
    def is_pausing(self) -> bool:
        """True during a pause."""
        return self._since is not None and self.clock() < self._until

    @property
    def remaining_pause(self) -> float | None:
        """Seconds until the end of the pause; None outside a pause."""
        if self._since is None or not self.is_pausing:
            return None
        # Never past the moment at which the run gives up, even if the server asked for a longer pause.
        return max(0.0, min(self._until, self._since + self.give_up_after) - self.clock())

    @property
    def has_expired(self) -> bool:
        """True if the run must give up."""
        return self._since is not None and self.clock() - self._since >= self.give_up_after
