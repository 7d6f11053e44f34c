"""The progress of an export, as figures to show."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from attrs import define, field

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli.bars import Figures, Rate, format_duration
from campaigns_async.cli.console import count_of
from campaigns_async.export import ExportProgress

_QUICK: Final = 1.0
"""Seconds in which an answer may come before anything is shown."""


@define
class ExportFigures:
    """Turns the reports of an export into figures."""

    _stats: Callable[[], Stats]
    _clock: Callable[[], float] = time.monotonic
    latest: ExportProgress | None = field(default=None, init=False)
    _began: float = field(init=False)
    _rate: Rate = field(factory=Rate, init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self._clock()

    def update(self, progress: ExportProgress) -> None:
        """Take a report of the export."""
        if self.latest is None:  # from here on: rows of an earlier run are no speed
            counts_campaigns = progress.total is None and progress.campaigns_total is not None
            self._rate.update(self._began, 0 if counts_campaigns else progress.resumed)
        self.latest = progress

    def now(self) -> Figures | None:
        """Return the figures as they are now; None while a quick answer may still come."""
        now, progress, stats = self._clock(), self.latest, self._stats()
        details: list[str] = []
        if stats.retries:
            details.append(count_of(stats.retries, "retry", "retries"))
        if stats.held_for >= 0.05:
            details.append(f"the server asks for {format_duration(stats.held_for)} more")
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
