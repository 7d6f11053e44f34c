"""How far a run has come, on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn, Protocol

import click
from attrs import define, field
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

_EVERY: Final = 5.0
"""Seconds between two lines."""
_TICK: Final = 0.25
"""Seconds between two looks."""
_WIDTH: Final = 24
"""Columns of a bar."""
_WINDOW: Final = 20.0
"""Seconds over which the rate is taken."""


class Figures(Protocol):
    """What is shown of a run."""

    @property
    def doing(self) -> str:
        """What the run is at, in words."""
        ...

    @property
    def part(self) -> tuple[int, int | None]:
        """How much of it is done, and of how much; None: nobody knows."""
        ...

    @property
    def unit(self) -> str:
        """What that is counted in."""
        ...

    @property
    def speed(self) -> str:
        """In words."""
        ...

    @property
    def counts(self) -> object:
        """What is worth telling again once it changes."""
        ...

    def details(self) -> str:
        """The rest of it, in words, for the line below a bar."""
        ...

    def line(self) -> str:
        """All of it."""
        ...


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


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:  # the base would end the process, and close its standard output
        raise BrokenPipeError


class _Bar(Progress):
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
            BarColumn(bar_width=_WIDTH),
            TextColumn("{task.fields[part]}", markup=False),
            TextColumn("{task.fields[speed]}", markup=False),
        )
        # What others print to standard output is data, and stays there.
        self._bar = _Bar(*columns, console=console, auto_refresh=False, redirect_stdout=False)
        self._task: TaskID | None = None

    def show(self, figures: Figures, *, at_once: bool) -> None:
        """Draw it."""
        done, total = figures.part
        part = f"{done:,}/{total:,} {figures.unit}" if total is not None else f"{done:,} {figures.unit}" if done else ""
        if self._task is None:
            self._task = self._bar.add_task(figures.doing, total=None, part="", speed="")
            self._bar.start()
        self._bar.details = figures.details()
        self._bar.update(
            self._task, description=figures.doing, completed=done, total=total, part=part, speed=figures.speed
        )
        self._bar.refresh()

    def say(self, text: str) -> None:
        """Tell a line above it."""
        self._bar.console.print(Text(text))

    def end(self) -> None:
        """Leave it as it stands."""
        self._bar.stop()


@define
class Rate:
    """How fast it goes of late."""

    _past: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]], init=False)

    def restart(self) -> None:
        """What was before is another matter."""
        self._past.clear()

    def at(self, now: float, done: int) -> float | None:
        """A second, now that so many are done; None: there is none yet."""
        self._past.append((now, done))
        while now - self._past[0][0] > _WINDOW:
            self._past.popleft()
        since, before = self._past[0]
        return (done - before) / (now - since) if now > since else None


@define
class Watch(ABC):
    """Knows the figures of a run, and has them shown. What cannot be shown any more never harms the run."""

    _display: Display
    _clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    _rate: Rate = field(factory=Rate, init=False)
    _began: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self._clock()

    @abstractmethod
    def figures(self) -> Figures | None:
        """As they are now; None: there are none yet."""

    def tick(self, *, at_once: bool = False) -> None:
        """Show them."""
        figures = self.figures()
        if figures is not None:
            with suppress(OSError, ValueError):  # nobody reads it any more: the terminal is gone, or the pipe
                self._display.show(figures, at_once=at_once)

    def say(self, text: str) -> None:
        """Tell a line in between."""
        with suppress(OSError, ValueError):  # as above
            self._display.say(text)


def display_on_stderr(*, bar: bool = True) -> Display:
    """A bar on a terminal, lines elsewhere.

    Args:
        bar: False: lines on a terminal too.
    """
    console = _Console(stderr=True)
    return Bar(console) if bar and console.is_interactive else Lines(lambda line: click.echo(line, err=True))


@asynccontextmanager
async def shown_on(display: Display, watch: Watch) -> AsyncGenerator[None]:
    """Has it shown again and again, and a last time at the end."""

    async def look() -> None:
        while True:
            await asyncio.sleep(_TICK)
            watch.tick()

    looking = asyncio.ensure_future(look())
    try:
        yield
    finally:
        looking.cancel()
        watch.tick(at_once=isinstance(display, Bar))
        with suppress(OSError, ValueError):  # as above
            display.end()


def span(seconds: float) -> str:
    """A time in words."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def speed_of(rate: float | None) -> str:
    """A rate in words."""
    return "" if rate is None else f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
