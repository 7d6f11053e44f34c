"""Counts what a run does, and tells of it."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from attrs import define, field

from campaigns_async.effects import State
from campaigns_async.jobs.pressure import Pressure
from campaigns_async.jobs.store import Begin, Move, Store
from campaigns_async.jobs.summary import Phase, Progress, Summary, progress

_log = logging.getLogger("campaigns_async")
_SHOWN = 20


@define(eq=False)
class Tally:
    """The rows of the journal by their state, and what this run did to them."""

    pressure: Pressure
    on_progress: Callable[[Progress], object] | None
    counts: Counter[State] = field(factory=Counter[State])
    created_now: int = 0
    found: int = 0
    absent: int = 0

    def begin(self, counts: Mapping[State, int]) -> None:
        """The journal as it stands once the plan is in it."""
        self.counts.update(counts)

    def committed(self, begins: list[Begin], moves: list[Move]) -> None:
        """A group was written."""
        self.counts[State.PLANNED] -= len(begins)
        self.counts[State.SENDING] += len(begins) - len(moves)
        for move in moves:
            self.counts[move.state] += 1
            self.created_now += move.state is State.CREATED

    def recovered(self, moves: Iterable[tuple[Move, State]]) -> None:
        """Rows in doubt were looked for; each with its state before."""
        for move, before in moves:
            self.counts[before] -= 1
            self.counts[move.state] += 1
            self.found += move.state is State.CREATED
            self.absent += move.state is State.PLANNED

    def tell(self, phase: Phase) -> None:
        """Say where the run stands. What is raised then may harm no send."""
        if self.on_progress is None:
            return
        held_back = self.pressure.waited
        try:
            self.on_progress(progress(phase, self.counts, created_now=self.created_now, held_back=held_back))
        except Exception as error:
            _log.warning("on_progress raised %s", type(error).__name__)

    def summary(self, store: Store, *, elapsed: float, stopped: str | None) -> Summary:
        """How it ended."""
        counts = store.counts()
        return Summary(
            planned=counts[State.PLANNED],
            sending=counts[State.SENDING],
            created=counts[State.CREATED],
            failed=counts[State.FAILED],
            unknown=counts[State.UNKNOWN],
            created_now=self.created_now,
            found=self.found,
            absent=self.absent,
            elapsed=elapsed,
            held_back=self.pressure.waited,
            stopped=stopped,
            failures=tuple(itertools.islice(store.entries(State.FAILED), _SHOWN)),
            doubts=tuple(itertools.islice(store.entries(State.SENDING, State.UNKNOWN), _SHOWN)),
        )
