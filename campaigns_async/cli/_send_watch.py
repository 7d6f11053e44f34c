"""How far a send has come, as it is shown."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from attrs import define, field, frozen

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli._progress import Watch, display_on_stderr, shown_on, span, speed_of
from campaigns_async.jobs.progress import Phase, Progress

_DOING: Final = {
    Phase.CHECKING: "checking the plan",
    Phase.RECONCILING: "looking for rows in doubt",
    Phase.SENDING: "sending",
}


@frozen
class SendFigures:
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
    def part(self) -> tuple[int, int | None]:
        """Rows done, and of how many."""
        return (0, None) if self.phase is Phase.CHECKING else (self.done, self.total)

    @property
    def unit(self) -> str:
        """What is counted."""
        return "rows"

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
        return speed_of(self.rate)

    def details(self) -> str:
        """The rest of it, in words."""
        return "" if self.phase is Phase.CHECKING else self._details()

    def line(self) -> str:
        """All of it."""
        if self.phase is Phase.CHECKING:
            return f"{self.doing}, {span(self.elapsed)} so far" if self.elapsed >= 1 else self.doing
        speed = f", {self.speed}" if self.speed else ""
        return f"{self.doing}: {self.done:,} of {self.total:,} rows{speed}, {self._details()}"

    def _details(self) -> str:
        parts = [f"{self.retries:,} retries", f"held back {span(self.held_back)}"]
        if self.held_for >= 0.05:
            parts.append(f"the server asks for {span(self.held_for)} more")
        parts += [f"{self.failed:,} failed", f"{self.in_doubt:,} in doubt"]
        if self.left:
            parts.append(f"{span(self.left)} left")
        return ", ".join(parts)


@define
class SendWatch(Watch):
    """Takes a job's progress, and has it shown."""

    _stats: Callable[[], Stats] | None = None
    latest: Progress | None = field(default=None, init=False)
    """What the job told last."""

    def follow(self, stats: Callable[[], Stats]) -> None:
        """Where to ask for retries and holds."""
        self._stats = stats

    def told(self, progress: Progress) -> None:
        """The job has come so far."""
        new = self.latest is None or progress.phase is not self.latest.phase
        if new:
            self._rate.restart()
        self.latest = progress
        if new:
            self.tick(at_once=True)

    def figures(self) -> SendFigures | None:
        """As they are now."""
        progress = self.latest
        if progress is None:
            return None
        now = self._clock()
        done = progress.total - progress.planned - progress.sending
        rate = self._rate.at(now, done)
        stats = None if self._stats is None else self._stats()
        return SendFigures(
            phase=progress.phase,
            done=done,
            total=progress.total,
            failed=progress.failed,
            # While it looks for them, none is on its way: an earlier run was cut off.
            in_doubt=progress.unknown + (progress.sending if progress.phase is Phase.RECONCILING else 0),
            retries=0 if stats is None else stats.retries,
            held_back=progress.held_back,
            held_for=0.0 if stats is None else stats.held_for,
            rate=rate if progress.phase is Phase.SENDING else None,
            elapsed=now - self._began,
        )


@asynccontextmanager
async def watching() -> AsyncGenerator[SendWatch]:
    """Shows progress on stderr."""
    display = display_on_stderr()
    watch = SendWatch(display)
    async with shown_on(display, watch):
        yield watch
