"""How far an export has come, as it is shown."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from attrs import define, field, frozen

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli._progress import Rate, Watch, display_on_stderr, shown_on, span, speed_of
from campaigns_async.cli.console import count_of
from campaigns_async.export.summary import ExportProgress

_QUICK: Final = 1.0
"""Seconds."""


@frozen
class ExportFigures:
    """What is shown. Rows, campaigns and seconds."""

    progress: ExportProgress | None
    """None: nothing has come yet."""
    rate: float | None
    """Rows a second of late; None: there is none yet."""
    campaigns_rate: float | None
    retries: int
    held_for: float

    @property
    def doing(self) -> str:
        """In words."""
        return "asking the server" if self.progress is None else "exporting"

    @property
    def part(self) -> tuple[int, int | None]:
        """Rows done, and of how many; or campaigns, where only those are counted beforehand."""
        progress = self.progress
        if progress is None:
            return 0, None
        if self._counts_campaigns:
            return progress.campaigns or 0, progress.campaigns_total
        return progress.rows, progress.total

    @property
    def unit(self) -> str:
        """Which of them."""
        return "campaigns" if self._counts_campaigns else "rows"

    @property
    def left(self) -> float | None:
        """Seconds to go, if it goes on like this."""
        done, total = self.part
        rate = self.campaigns_rate if self._counts_campaigns else self.rate
        return max(0, total - done) / rate if total is not None and rate else None

    @property
    def speed(self) -> str:
        """In words."""
        return speed_of(self.rate)

    @property
    def counts(self) -> object:
        """What is worth telling again once it changes."""
        return self.progress

    def details(self) -> str:
        """What the bar does not say."""
        return ", ".join([*([self._rows()] if self._counts_campaigns else []), *self._rest()])

    def line(self) -> str:
        """All of it."""
        if self.progress is None:
            return ", ".join([self.doing, *self._rest()])
        parts = [self._rows()]
        if self.progress.campaigns_total is not None:
            parts.append(f"{self.progress.campaigns or 0:,} of {self.progress.campaigns_total:,} campaigns")
        return f"{self.doing}: {', '.join([*parts, *([self.speed] if self.speed else []), *self._rest()])}"

    @property
    def _counts_campaigns(self) -> bool:
        progress = self.progress
        return progress is not None and progress.total is None and progress.campaigns_total is not None

    def _rows(self) -> str:
        assert self.progress is not None
        if self.progress.total is None:
            return count_of(self.progress.rows, "row")
        return f"{self.progress.rows:,} of {count_of(self.progress.total, 'row')}"

    def _rest(self) -> list[str]:
        parts: list[str] = []
        if self.retries:
            parts.append(count_of(self.retries, "retry", "retries"))
        if self.held_for >= 0.05:
            parts.append(f"the server asks for {span(self.held_for)} more")
        if self.left:
            parts.append(f"{span(self.left)} left")
        return parts


@define
class ExportWatch(Watch):
    """Takes an export's progress, and has it shown."""

    _stats: Callable[[], Stats] | None = None
    latest: ExportProgress | None = field(default=None, init=False)
    """What the export told last."""
    _campaigns_rate: Rate = field(factory=Rate, init=False)

    def follow(self, stats: Callable[[], Stats]) -> None:
        """Where to ask for retries and holds."""
        self._stats = stats

    def told(self, progress: ExportProgress) -> None:
        """The export has come so far."""
        if self.latest is None:  # from here on, so that what an earlier run wrote is not taken for speed
            self._rate.at(self._began, progress.resumed)
        self.latest = progress

    def figures(self) -> ExportFigures | None:
        """As they are now; None while a quick answer may still come first."""
        now, progress = self._clock(), self.latest
        if progress is None and now - self._began < _QUICK:
            return None
        stats = None if self._stats is None else self._stats()
        return ExportFigures(
            progress=progress,
            rate=None if progress is None else self._rate.at(now, progress.rows),
            campaigns_rate=(
                None if progress is None or progress.campaigns is None
                else self._campaigns_rate.at(now, progress.campaigns)
            ),
            retries=0 if stats is None else stats.retries,
            held_for=0.0 if stats is None else stats.held_for,
        )  # fmt: skip


@asynccontextmanager
async def watching(*, bar: bool) -> AsyncGenerator[ExportWatch]:
    """Shows progress on stderr.

    Args:
        bar: Whether there may be a bar; False where the data goes to the same terminal.
    """
    display = display_on_stderr(bar=bar)
    watch = ExportWatch(display)
    async with shown_on(display, watch):
        yield watch
