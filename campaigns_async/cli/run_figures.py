"""The progress of an export and of a send, as figures to show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from attrs import Factory, define, field

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli.bars import Figures, Rate, format_duration
from campaigns_async.cli.console import count_of
from campaigns_async.jobs.progress import Phase, Progress

if TYPE_CHECKING:
    from campaigns_async.export import ExportProgress

_QUICK: Final = 1.0
"""Seconds in which an answer may come before anything is shown."""
_DOING: Final = {
    Phase.CHECKING: "checking the plan",
    Phase.RECONCILING: "looking for rows that may have been sent",
    Phase.SENDING: "sending",
}


@define
class _RunFigures:
    _stats: Callable[[], Stats]
    _clock: Callable[[], float] = time.monotonic
    _began: float = field(default=Factory(lambda self: self._clock(), takes_self=True), init=False)
    _rate: Rate = field(factory=Rate, init=False)

    def _held_by_server(self) -> Iterator[str]:
        held_for = self._stats().held_for
        if held_for >= 0.05:
            yield f"the server asks for {format_duration(held_for)} more"


@define
class ExportFigures(_RunFigures):
    """Turns the reports of an export into figures."""

    latest: ExportProgress | None = field(default=None, init=False)

    def update(self, progress: ExportProgress) -> None:
        """Take a report of the export."""
        if self.latest is None:  # from here on: rows of an earlier run are no speed
            counts_campaigns = progress.total is None and progress.campaigns_total is not None
            self._rate.update(self._began, 0 if counts_campaigns else progress.resumed)
        self.latest = progress

    def now(self) -> Figures | None:
        """Return the figures as they are now; None while a quick answer may still come."""
        now, progress, retries = self._clock(), self.latest, self._stats().retries
        details = [count_of(retries, "retry", "retries")] if retries else []
        details += self._held_by_server()
        if progress is None:
            return Figures("asking the server", details=tuple(details)) if now - self._began >= _QUICK else None
        done, total, unit = progress.rows, progress.total, "rows"
        if progress.campaigns_total is not None:
            if total is None:
                details.insert(0, count_of(progress.rows, "row"))
                done, total, unit = progress.campaigns or 0, progress.campaigns_total, "campaigns"
            else:
                details.insert(0, f"{progress.campaigns or 0:,} of {progress.campaigns_total:,} campaigns")
        return Figures("exporting", done, total, unit, self._rate.update(now, done), tuple(details))


@define
class SendFigures(_RunFigures):
    """Turns the reports of a job into figures."""

    latest: Progress | None = field(default=None, init=False)

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
        done = progress.total - progress.planned - progress.sending
        rate = self._rate.update(now, done)
        # While rows are looked for, none is on its way: an earlier run was cut off.
        unknown = progress.unknown + (progress.sending if progress.phase is Phase.RECONCILING else 0)
        details = (
            f"{self._stats().retries:,} retries",
            f"held back {format_duration(progress.held_back)}",
            *self._held_by_server(),
            f"{progress.failed:,} failed",
            f"{unknown:,} unknown",
        )
        return Figures(doing, done, progress.total, "rows", rate if progress.phase is Phase.SENDING else None, details)
