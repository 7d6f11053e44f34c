"""The figures that show the progress of an export and of a send."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import Factory, define, field

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli.bars import ProgressFigures, Rate, format_duration
from campaigns_async.cli.console import format_count
from campaigns_async.jobs.progress import Phase, Progress

if TYPE_CHECKING:
    from campaigns_async.export import ExportProgress

_QUIET_SECONDS: Final = 1.0
"""Nothing is shown for an export whose first answer comes within this time."""
_ACTIVITIES: Final = {
    Phase.CHECKING: "checking the plan",
    Phase.RECONCILING: "searching the server",
    Phase.COMPARING: "comparing the plan with the server",
    Phase.SENDING: "sending",
}


@define
class _RunFigures:
    _stats: Callable[[], Stats]
    _clock: Callable[[], float] = time.monotonic
    _began: float = field(default=Factory(lambda self: self._clock(), takes_self=True), init=False)
    _rate: Rate = field(factory=Rate, init=False)

    def _describe_waits(self, held_back: float = 0.0) -> tuple[str, ...]:
        stats = self._stats()
        return (
            format_count(stats.retries, "retry", "retries") if stats.retries else "",
            f"held back for {format_duration(held_back)}" if held_back >= 1 else "",
            f"the server asks for {format_duration(stats.held_for)} more" if stats.held_for >= 0.05 else "",
        )


@define
class ExportFigures(_RunFigures):
    """The figures of an export."""

    latest: ExportProgress | None = field(default=None, init=False)

    def update(self, progress: ExportProgress) -> None:
        """Take the export's latest progress."""
        if self.latest is None:  # rows of an earlier run do not count for the rate
            counts_campaigns = progress.total is None and progress.campaigns_total is not None
            self._rate.update(self._began, 0 if counts_campaigns else progress.resumed)
        self.latest = progress

    def now(self) -> ProgressFigures | None:
        """Return the current figures; None while a quick answer may still come."""
        now, progress, waits = self._clock(), self.latest, self._describe_waits()
        if progress is None:
            return ProgressFigures("asking the server", details=waits) if now - self._began >= _QUIET_SECONDS else None
        done, total, unit, known = progress.rows, progress.total, "rows", ""
        if progress.campaigns_total is not None:
            if total is None:
                known = format_count(progress.rows, "row")
                done, total, unit = progress.campaigns or 0, progress.campaigns_total, "campaigns"
            else:
                known = f"{progress.campaigns or 0:,} of {progress.campaigns_total:,} campaigns"
        return ProgressFigures("exporting", done, total, unit, self._rate.update(now, done), (known, *waits))


@define
class SendFigures(_RunFigures):
    """The figures of a send."""

    latest: Progress | None = field(default=None, init=False)

    @property
    def is_checked(self) -> bool:
        """True if the check of the plan is over."""
        return self.latest is not None and self.latest.phase is not Phase.CHECKING

    def update(self, progress: Progress) -> bool:
        """Take the job's latest progress, and return True if a new phase began."""
        is_new = self.latest is None or progress.phase is not self.latest.phase
        if is_new:
            self._rate = Rate()
        self.latest = progress
        return is_new

    def now(self) -> ProgressFigures | None:
        """Return the current figures; None before the first progress."""
        progress, now = self.latest, self._clock()
        if progress is None:
            return None
        activity = _ACTIVITIES[progress.phase]
        if progress.phase is Phase.CHECKING:
            elapsed = now - self._began
            return ProgressFigures(activity, details=(f"{format_duration(elapsed)} so far",) if elapsed >= 1 else ())
        done = progress.total - progress.planned - progress.sending
        rate = self._rate.update(now, done)
        # Before this run sends, rows in the state `sending` were cut off in an earlier run.
        unknown = progress.unknown + (progress.sending if progress.phase is Phase.RECONCILING else 0)
        waits = self._describe_waits(progress.held_back)
        return ProgressFigures(
            activity,
            done,
            progress.total,
            rate=rate if progress.phase is Phase.SENDING else None,
            details=(*waits, f"{progress.failed:,} failed", f"{unknown:,} unknown"),
        )
