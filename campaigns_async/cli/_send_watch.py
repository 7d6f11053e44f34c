"""How far a run has come, on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

import click
from attrs import define, field, frozen
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress as RichProgress, TaskID, TextColumn
from rich.text import Text

from campaigns_async.engine.stats import Stats
from campaigns_async.jobs.summary import Phase, Progress

_EVERY: Final = 5.0
"""Seconds between two lines."""
_TICK: Final = 0.25
"""Seconds between two looks."""
_WINDOW: Final = 20.0
"""Seconds over which the rate is taken."""
_DOING: Final = {
    Phase.CHECKING: "checking the plan",
    Phase.RECONCILING: "looking for rows in doubt",
    Phase.SENDING: "sending",
}


@frozen
class Figures:
    """What is shown. Rows, and seconds."""

    phase: Phase
    done: int
    total: int
    failed: int
    in_doubt: int
    retries: int
    held_back: float
    held_for: float
    rate: float | None
    """Rows a second of late; None: there is none yet."""
    elapsed: float

    @property
    def left(self) -> float | None:
        """Seconds to go, if it goes on like this."""
        return (self.total - self.done) / self.rate if self.rate and self.phase is Phase.SENDING else None

    @property
    def counts(self) -> tuple[Phase, int, int, int, int]:
        """What is worth telling again once it changes."""
        return self.phase, self.done, self.total, self.failed, self.in_doubt

    @property
    def doing(self) -> str:
        """In words."""
        return _DOING[self.phase]

    @property
    def speed(self) -> str:
        """In words."""
        return "" if self.rate is None else f"{self.rate:,.0f}/s" if self.rate >= 10 else f"{self.rate:.1f}/s"

    def details(self) -> str:
        """The rest of it, in words."""
        parts = [f"{self.retries:,} retries", f"held back {_span(self.held_back)}"]
        if self.held_for >= 0.05:
            parts.append(f"the server asks for {_span(self.held_for)} more")
        parts += [f"{self.failed:,} failed", f"{self.in_doubt:,} in doubt"]
        if self.left:
            parts.append(f"{_span(self.left)} left")
        return ", ".join(parts)

    def line(self) -> str:
        """All of it."""
        if self.phase is Phase.CHECKING:
            return f"{self.doing}, {_span(self.elapsed)} so far" if self.elapsed >= 1 else self.doing
        speed = f", {self.speed}" if self.speed else ""
        return f"{self.doing}: {self.done:,} of {self.total:,} rows{speed}, {self.details()}"


def _span(seconds: float) -> str:
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


class Display(Protocol):
    """Shows figures."""

    def show(self, figures: Figures, *, at_once: bool) -> None:
        """They may have changed; `at_once`: something new has begun."""
        ...

    def say(self, text: str) -> None:
        """Tell a line in between."""
        ...

    def end(self) -> None:
        """Nothing more comes."""
        ...


@define
class Lines:
    """A line every few seconds, for logs."""

    _print: Callable[[str], None]
    _clock: Callable[[], float] = time.monotonic
    _due: float = field(default=0.0, init=False)
    _latest: Figures | None = field(default=None, init=False)
    _told: Figures | None = field(default=None, init=False)

    def show(self, figures: Figures, *, at_once: bool) -> None:
        """Tell a line, if it is time."""
        self._latest = figures
        now = self._clock()
        if at_once or now >= self._due:
            self._due = now + _EVERY
            self._told = figures
            self._print(figures.line())

    def say(self, text: str) -> None:
        """Tell a line in between."""
        self._print(text)

    def end(self) -> None:
        """Tell how far it came, unless that was told."""
        latest, told = self._latest, self._told
        if latest is not None and told is not None and latest.counts != told.counts:
            self._print(latest.line())


class _Bar(RichProgress):
    details = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.details:
            yield Text(f"  {self.details}", overflow="ellipsis", no_wrap=True)


class Bar:
    """A bar, and a line below it."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
        )
        self._bar = _Bar(*columns, console=console, auto_refresh=False)
        self._task: TaskID = self._bar.add_task(_DOING[Phase.CHECKING], total=None, speed="")
        self._bar.start()

    def show(self, figures: Figures, *, at_once: bool) -> None:
        """Draw it."""
        checking = figures.phase is Phase.CHECKING
        self._bar.details = "" if checking else figures.details()
        total = None if checking else figures.total
        self._bar.update(
            self._task, description=figures.doing, completed=figures.done, total=total, speed=figures.speed
        )
        self._bar.refresh()

    def say(self, text: str) -> None:
        """Tell a line above it."""
        self._bar.console.print(Text(text))

    def end(self) -> None:
        """Leave it as it stands."""
        self._bar.stop()


@define
class Watch:
    """Takes a job's progress, and has it shown. What cannot be shown any more never harms the run."""

    _display: Display
    _stats: Callable[[], Stats] | None = None
    _clock: Callable[[], float] = time.monotonic
    latest: Progress | None = field(default=None, init=False)
    """What the job told last."""
    _began: float = field(default=0.0, init=False)
    _past: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]], init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self._clock()

    def follow(self, stats: Callable[[], Stats]) -> None:
        """Where to ask for retries and holds."""
        self._stats = stats

    def told(self, progress: Progress) -> None:
        """The job has come so far."""
        new = self.latest is None or progress.phase is not self.latest.phase
        if new:
            self._past.clear()
        self.latest = progress
        if new:
            self.tick(at_once=True)

    def tick(self, *, at_once: bool = False) -> None:
        """Show it."""
        if self.latest is not None:
            with suppress(OSError, ValueError):  # nobody reads it any more: the terminal is gone, or the pipe
                self._display.show(self._figures(self.latest), at_once=at_once)

    def say(self, text: str) -> None:
        """Tell a line in between."""
        with suppress(OSError, ValueError):  # as above
            self._display.say(text)

    def _figures(self, progress: Progress) -> Figures:
        now = self._clock()
        done = progress.total - progress.planned - progress.sending
        self._past.append((now, done))
        while now - self._past[0][0] > _WINDOW:
            self._past.popleft()
        since, before = self._past[0]
        stats = None if self._stats is None else self._stats()
        return Figures(
            phase=progress.phase,
            done=done,
            total=progress.total,
            failed=progress.failed,
            # While it looks for them, none is on its way: an earlier run was cut off.
            in_doubt=progress.unknown + (progress.sending if progress.phase is Phase.RECONCILING else 0),
            retries=0 if stats is None else stats.retries,
            held_back=progress.held_back,
            held_for=0.0 if stats is None else stats.held_for,
            rate=(done - before) / (now - since) if progress.phase is Phase.SENDING and now > since else None,
            elapsed=now - self._began,
        )


@asynccontextmanager
async def watching() -> AsyncGenerator[Watch]:
    """Shows progress on stderr."""
    console = Console(stderr=True)
    display: Display = Bar(console) if console.is_interactive else Lines(lambda line: click.echo(line, err=True))
    watch = Watch(display)

    async def look() -> None:
        while True:
            await asyncio.sleep(_TICK)
            watch.tick()

    looking = asyncio.ensure_future(look())
    try:
        yield watch
    finally:
        looking.cancel()
        watch.tick(at_once=isinstance(display, Bar))
        with suppress(OSError, ValueError):  # as above
            display.end()
