"""The progress of a send, as figures to show."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from attrs import define, field

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli.bars import Figures, Rate, format_duration
from campaigns_async.jobs.progress import Phase, Progress

_DOING: Final = {
    Phase.CHECKING: "checking the plan",
    Phase.RECONCILING: "looking for rows that may have been sent",
    Phase.SENDING: "sending",
}


@define
class SendFigures:
    """Turns the reports of a job into figures."""

    _stats: Callable[[], Stats]
    _clock: Callable[[], float] = time.monotonic
    latest: Progress | None = field(default=None, init=False)
    _began: float = field(init=False)
    _rate: Rate = field(factory=Rate, init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self._clock()

    @property
    def is_checked(self) -> bool:
        """True if the run went beyond the check of the plan."""
        return self.latest is not None and self.latest.phase is not Phase.CHECKING

    def update(self, progress: Progress) -> bool:
        """Take a report of the job, and return True if a new phase began."""
        is_new = self.latest is None or progress.phase is not self.latest.phase
        if is_new:
            self._rate.restart()
        self.latest = progress
        return is_new

    def now(self) -> Figures | None:
        """Return the figures as they are now, None before the first report."""
        progress, now = self.latest, self._clock()
        if progress is None:
            return None
        doing = _DOING[progress.phase]
        if progress.phase is Phase.CHECKING:
            elapsed = now - self._began
            return Figures(doing, details=(f"{format_duration(elapsed)} so far",) if elapsed >= 1 else ())
        done, stats = progress.total - progress.planned - progress.sending, self._stats()
        rate = self._rate.update(now, done)
        # While rows are looked for, none is on its way: an earlier run was cut off.
        unknown = progress.unknown + (progress.sending if progress.phase is Phase.RECONCILING else 0)
        details = [f"{stats.retries:,} retries", f"held back {format_duration(progress.held_back)}"]
        if stats.held_for >= 0.05:
            details.append(f"the server asks for {format_duration(stats.held_for)} more")
        details += [f"{progress.failed:,} failed", f"{unknown:,} unknown"]
        return Figures(
            doing, done, progress.total, "rows", rate if progress.phase is Phase.SENDING else None, tuple(details)
        )
