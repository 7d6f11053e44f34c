"""The figures of a run: while it goes on, and at its end."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from attrs import define, field, frozen

from campaigns_async.effects import State
from campaigns_async.jobs._backpressure import Backoff
from campaigns_async.jobs.journal import Journal, JournalRow, Transition

_log = logging.getLogger("campaigns_async")
_SHOWN: Final = 20


class Phase(StrEnum):
    """The part of a run that goes on."""

    CHECKING = "checking"
    RECONCILING = "reconciling"
    SENDING = "sending"


@frozen
class Progress:
    """Where a run stands: the rows of the journal, by their state.

    Attributes:
        created_now: Rows created by this run.
        held_back: Seconds that the run waited for a server that could not be reached, or throttled.
    """

    phase: Phase
    planned: int
    sending: int
    created: int
    failed: int
    unknown: int
    created_now: int
    held_back: float

    @property
    def total(self) -> int:
        """All rows."""
        return self.planned + self.sending + self.created + self.failed + self.unknown


@frozen
class Summary:
    """How a run ended: the rows of the journal, by their state.

    Attributes:
        planned: Not sent: left over when the run was stopped.
        sending: Possibly sent: cut off, and not looked for.
        created: On the server.
        failed: Refused by the server; `retry_failed` sends them again.
        unknown: Possibly sent, and still unknown after they were looked for.
        created_now: Created by this run.
        found: Of the unknown rows: found on the server by this run.
        absent: Of the unknown rows: not on the server, and so planned again by this run.
        elapsed: Seconds.
        held_back: Seconds that the run waited for a server that could not be reached, or throttled.
        stopped: Why rows may be left that were not sent: "interrupted", or what every row would have met. None if
            none are left.
        failures: The first 20 of the rows that failed.
        unknown_rows: The first 20 of the rows that are possibly sent, with what they may be on the server.
    """

    planned: int
    sending: int
    created: int
    failed: int
    unknown: int
    created_now: int
    found: int
    absent: int
    elapsed: float
    held_back: float
    stopped: str | None = None
    failures: tuple[JournalRow, ...] = field(default=(), repr=lambda rows: f"<{len(rows)}>")
    unknown_rows: tuple[JournalRow, ...] = field(default=(), repr=lambda rows: f"<{len(rows)}>")

    @property
    def ok(self) -> bool:
        """True if the whole plan was checked, and every row of it is on the server."""
        return self.stopped is None and not (self.planned or self.sending or self.failed or self.unknown)


@define(eq=False)
class ProgressTracker:
    """Counts what a run does, and reports it.

    Attributes:
        backoff: Knows how long the run was held back.
        on_progress: Called with each report.
        counts: Rows of the journal by their state.
    """

    backoff: Backoff
    on_progress: Callable[[Progress], object] | None
    counts: Counter[State] = field(factory=Counter[State])
    created_now: int = 0
    found: int = 0
    absent: int = 0

    def committed(self, claimed: int, transitions: Iterable[Transition]) -> None:
        """Count a group that was written."""
        self._move(State.PLANNED, State.SENDING, claimed)
        for each in transitions:
            self._move(State.SENDING, each.state)
            self.created_now += each.state is State.CREATED

    def recovered(self, transitions: Sequence[tuple[Transition, State]]) -> None:
        """Count rows that were looked for, each with its state before."""
        for each, before in transitions:
            self._move(before, each.state)
            self.found += each.state is State.CREATED
            self.absent += each.state is State.PLANNED

    def _move(self, before: State, after: State, count: int = 1) -> None:
        self.counts[before] -= count
        self.counts[after] += count

    def report(self, phase: Phase) -> None:
        """Report where the run stands. What the callback raises must harm no send."""
        if self.on_progress is None:
            return
        progress = Progress(phase, **by_name(self.counts), created_now=self.created_now, held_back=self.backoff.waited)
        try:
            self.on_progress(progress)
        except Exception as error:
            _log.warning("on_progress raised %s", type(error).__name__)

    async def summary(
        self, journal: Journal, counts: Mapping[State, int], *, elapsed: float, stopped: str | None
    ) -> Summary:
        """Return how the run ended."""
        return Summary(
            **by_name(counts),
            created_now=self.created_now,
            found=self.found,
            absent=self.absent,
            elapsed=elapsed,
            held_back=self.backoff.waited,
            stopped=stopped,
            failures=tuple(await journal.rows(State.FAILED, limit=_SHOWN)),
            unknown_rows=tuple(await journal.rows(State.SENDING, State.UNKNOWN, limit=_SHOWN)),
        )


def by_name(counts: Mapping[State, int]) -> dict[str, int]:
    """Return counts by the names that Progress and Summary have for the states."""
    return {state.name.lower(): counts[state] for state in State}
