"""When a server that cannot be reached, or throttles, is tried again, and when a run gives up. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

_FIRST = 0.5
_LONGEST = 30.0
_OUTAGE = 500
"""Rows in doubt, with no answer between them, that make an outage."""


@define(eq=False)
class Pressure:
    """Grows with each failure to reach the server, and is gone with the first answer.

    Attributes:
        patience: Seconds without an answer after which a run gives up, above 0.
        clock: Monotonic seconds.
    """

    patience: float
    clock: Callable[[], float]
    error: BaseException | None = None
    """The latest failure."""
    waited: float = 0.0
    """Seconds that the run was held back, in all."""
    _since: float | None = field(init=False, default=None)
    _until: float = field(init=False, default=0.0)
    _step: float = field(init=False, default=_FIRST)
    _in_doubt: int = field(init=False, default=0)

    @property
    def is_felt(self) -> bool:
        """Whether the last that was heard was a failure."""
        return self._since is not None

    def felt(self, error: BaseException) -> None:
        """The server cannot be reached, or throttles."""
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

    def eased(self) -> None:
        """The server answered."""
        self._since, self._until, self._step, self._in_doubt = None, 0.0, _FIRST, 0

    def doubted(self, error: BaseException) -> None:
        """The server left a row in doubt. Many in a row are an outage, and every further one is another row in doubt."""
        self._in_doubt += 1
        if self._in_doubt >= _OUTAGE:
            self.felt(error)

    def is_holding(self) -> bool:
        """Whether nothing may be sent for now."""
        return self._since is not None and self.clock() < self._until

    def pause(self) -> float | None:
        """Seconds until something may be sent again; None when nothing holds it back."""
        if self._since is None or not self.is_holding():
            return None
        # No longer than the run waits at all, whatever the server asked for.
        return max(0.0, min(self._until, self._since + self.patience) - self.clock())

    def is_over(self) -> bool:
        """Whether it has lasted too long."""
        return self._since is not None and self.clock() - self._since >= self.patience
