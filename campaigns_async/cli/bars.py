"""The progress of a run on standard error: a bar on a terminal, a line every five seconds elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn

from attrs import define, field, frozen
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from campaigns_async.cli.console import get_invocation, print_line

_LINE_INTERVAL: Final = 5.0
_REFRESH_INTERVAL: Final = 0.25
_BAR_WIDTH: Final = 24
_RATE_WINDOW: Final = 20.0


@frozen
class ProgressFigures:
    """The progress of a run at one moment. What is not known yet is not shown.

    Attributes:
        activity: The current activity, such as `sending`.
        done: The number of units that are done.
        total: The number of all units.
        unit: The plural noun of the units.
        rate: Units per second.
        details: Further facts, in words.
    """

    activity: str
    done: int = 0
    total: int | None = None
    unit: str = "rows"
    rate: float | None = None
    details: tuple[str, ...] = ()

    @property
    def count(self) -> str:
        """The count in words; empty if nothing is counted yet."""
        if self.total is not None:
            return f"{self.done:,} of {self.total:,} {self.unit}"
        return f"{self.done:,} {self.unit}" if self.done else ""

    @property
    def speed(self) -> str:
        """The rate in words; empty if nothing is counted yet."""
        return format_rate(self.rate) if self.rate is not None and self.count else ""

    @property
    def extra(self) -> str:
        """The details, and the time left at this rate."""
        left = (self.total - self.done) / self.rate if self.total is not None and self.rate else 0
        return ", ".join(filter(None, [*self.details, f"{format_duration(left)} left" if left > 0 else ""]))

    @property
    def line(self) -> str:
        """All figures in one line."""
        parts = ", ".join(filter(None, (self.count, self.speed, self.extra)))
        return f"{self.activity}{': ' if self.count else ', '}{parts}" if parts else self.activity


@define
class Lines:
    """Lines for logs, one every five seconds."""

    say: Callable[[str], object]
    _clock: Callable[[], float] = time.monotonic
    _due: float = field(default=0.0, init=False)
    _printed: tuple[str, str] | None = field(default=None, init=False)

    def show(self, figures: ProgressFigures, *, at_once: bool) -> None:
        """Print the figures if a line is due, or at once."""
        now = self._clock()
        if at_once or now >= self._due:
            self._due = now + _LINE_INTERVAL
            self._printed = figures.activity, figures.count
            self.say(figures.line)

    def end(self, figures: ProgressFigures) -> None:
        """Print the last figures unless their counts were printed."""
        if (figures.activity, figures.count) != self._printed:
            self.show(figures, at_once=True)


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:  # the base would end the process, and close its standard output
        raise BrokenPipeError


class Bar:
    """A bar with a line of details below it."""

    def __init__(self, console: Console) -> None:
        # Standard output is for data: rich must not redirect it.
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)

    def show(self, figures: ProgressFigures, *, at_once: bool = True) -> None:
        """Draw the bar."""
        cells = figures.activity, figures.count.replace(" of ", "/"), figures.speed
        activity, count, speed = (Text(cell, no_wrap=True) for cell in cells)
        row = Table.grid(padding=(0, 1))
        row.add_row(activity, ProgressBar(figures.total, figures.done, _BAR_WIDTH), count, speed)
        details = Text(f"  {figures.extra}", overflow="ellipsis", no_wrap=True)
        self._live.start()
        self._live.update(Group(row, details) if figures.extra else row, refresh=True)

    def say(self, text: str) -> None:
        """Print a line of text above the bar."""
        self._live.console.print(Text(text))

    def end(self, figures: ProgressFigures) -> None:
        """Draw the bar for the last time; it stays on the screen."""
        try:
            self.show(figures)
        finally:
            self._live.stop()


@define
class Rate:
    """The rate of a count over the last 20 seconds."""

    _past: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]], init=False)

    def update(self, now: float, done: int) -> float | None:
        """Take a new count, and return the rate per second; None before the second count."""
        self._past.append((now, done))
        while now - self._past[0][0] > _RATE_WINDOW:
            self._past.popleft()
        since, before = self._past[0]
        return (done - before) / (now - since) if now > since else None


@define
class ProgressView:
    """The view of a run's figures. A terminal or pipe that is gone never harms the run."""

    _display: Bar | Lines
    _figures: Callable[[], ProgressFigures | None]

    def refresh(self, *, at_once: bool = False) -> None:
        """Show the current figures, if there are any."""
        self._show(lambda figures: self._display.show(figures, at_once=at_once))

    def say(self, text: str) -> None:
        """Print a line of text between the figures."""
        with suppress(OSError, ValueError):
            self._display.say(text)

    async def run(self) -> None:
        """Show the figures regularly, until cancelled."""
        while True:
            await asyncio.sleep(_REFRESH_INTERVAL)
            self.refresh()

    def end(self) -> None:
        """Show the last figures."""
        self._show(self._display.end)

    def _show(self, show: Callable[[ProgressFigures], None]) -> None:
        figures = self._figures()
        if figures is not None:
            with suppress(OSError, ValueError):
                show(figures)


@asynccontextmanager
async def show_progress(
    figures: Callable[[], ProgressFigures | None], *, bar: bool = True
) -> AsyncGenerator[ProgressView]:
    """Show a run's figures on standard error while the block runs. Without `bar`, a terminal gets lines too."""
    invocation = get_invocation()
    console = _Console(stderr=True, color_system=None if invocation.no_color else "auto")
    display = Bar(console) if bar and console.is_interactive else Lines(print_line)
    view = ProgressView(display, (lambda: None) if invocation.quiet else figures)
    showing = asyncio.ensure_future(view.run())
    try:
        yield view
    finally:
        showing.cancel()
        view.end()


def format_duration(seconds: float) -> str:
    """Return a duration in words."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def format_rate(rate: float) -> str:
    """Return a rate in words."""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
