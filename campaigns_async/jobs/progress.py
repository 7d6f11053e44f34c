"""The counts of a run, during the run and at its end."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from attrs import define, field, frozen

from campaigns_async.effects import State
from campaigns_async.jobs._backpressure import Backoff
from campaigns_async.jobs._plan_rules import Finding
from campaigns_async.jobs.journal import Journal, JournalRow, Mark, Transition

_log = logging.getLogger("campaigns_async")
_SHOWN: Final = 20


class Phase(StrEnum):
    """The current part of a run."""

    CHECKING = "checking"
    RECONCILING = "reconciling"
    COMPARING = "comparing"
    SENDING = "sending"


@frozen
class Progress:
    """A snapshot of a run.

    Attributes:
        phase: The current part of the run.
        planned: Rows that are not sent yet.
        sending: Rows that are being sent.
        created: Rows that are on the server.
        failed: Rows that the server refused.
        unknown: Rows that may have been sent.
        created_now: Rows that this run created.
        held_back: Seconds that the run paused because the server could not be reached or throttled.
        left_out: Contacts that are not sent because their phone numbers cannot be read.
    """

    phase: Phase
    planned: int
    sending: int
    created: int
    failed: int
    unknown: int
    created_now: int
    held_back: float
    left_out: Finding = field(factory=Finding)

    @property
    def total(self) -> int:
        """The number of all rows."""
        return self.planned + self.sending + self.created + self.failed + self.unknown


@frozen
class Summary:
    """The result of a run, with the number of the journal's rows in each state.

    Attributes:
        planned: Rows that are not sent: the run was stopped before.
        sending: Rows that may have been sent: their requests were cancelled, and not searched for.
        created: Rows that are on the server.
        failed: Rows that the server refused. `retry_failed` sends them again.
        unknown: Rows that may have been sent, and are still unknown after a search.
        created_now: Rows that this run created.
        found: Unknown rows that this run found on the server.
        absent: Unknown rows that this run did not find on the server, and so planned again.
        adopted: Rows whose campaigns were on the server before they were sent, so that this run did not send them.
        held: Rows that this run did not send because a campaign like them is on the server. They are unknown.
        near: Campaigns on the server that start with a row and share recipients with it, but have another text.
        elapsed: The duration of the run, in seconds.
        held_back: Seconds that the run paused because the server could not be reached or throttled.
        stopped: Why the run stopped before its end: "interrupted", or the error that every further row would meet.
            None if it did not.
        failures: The first 20 rows that failed.
        unknown_rows: The first 20 rows that may have been sent, with the campaigns that may be theirs.
        restored: Rows that were searched for before they were sent, because the journal is an older copy of itself, or its
            `.lock` file is missing: they may have been sent since the copy was made.
        left_out: Contacts that are not sent because their phone numbers cannot be read (`invalid_numbers="report"`).
        recipients: The recipients that were sent in the created rows whose campaigns the server lists. Counted only with
            `ignore_invalid_phone_numbers=True`.
        accepted: The recipients that the server lists for these rows; None if they were not counted.
        warnings: What you should know, such as that the journal was sent with another API key before.
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
    adopted: int = 0
    held: int = 0
    near: int = 0
    stopped: str | None = None
    failures: tuple[JournalRow, ...] = field(default=(), repr=lambda rows: f"<{len(rows)}>")
    unknown_rows: tuple[JournalRow, ...] = field(default=(), repr=lambda rows: f"<{len(rows)}>")
    restored: int = 0
    left_out: Finding = field(factory=Finding)
    recipients: int = 0
    accepted: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True if the whole plan was checked and every row is on the server."""
        return self.stopped is None and not (self.planned or self.sending or self.failed or self.unknown)


@define(eq=False)
class ProgressTracker:
    """The counts of a run in progress, by the names of `Summary`."""

    backoff: Backoff
    on_progress: Callable[[Progress], object] | None
    counts: Counter[State] = field(factory=Counter[State])  # of the rows in each state
    created_now: int = 0
    found: int = 0
    absent: int = 0
    restored: int = 0
    adopted: int = 0
    held: int = 0
    near: int = 0
    left_out: Finding = field(factory=Finding)
    recipients: int = 0
    accepted: int | None = None
    warnings: list[str] = field(factory=list[str])

    def count_preflight(self, transitions: Iterable[Transition], *, near: int) -> None:
        """Count the rows that are adopted or held."""
        for each in transitions:
            self._move(State.PLANNED, each.state)
            self.adopted += each.mark is Mark.ADOPTED
            self.held += each.mark is Mark.HELD
        self.near = near

    def count_commit(self, claimed: int, transitions: Iterable[Transition]) -> None:
        """Count the rows of a commit."""
        self._move(State.PLANNED, State.SENDING, claimed)
        for each in transitions:
            self._move(State.SENDING, each.state)
            self.created_now += each.state is State.CREATED

    def count_recovery(self, transitions: Sequence[tuple[Transition, State]]) -> None:
        """Count the rows of a search, each with its previous state."""
        for each, before in transitions:
            self._move(before, each.state)
            self.found += each.state is State.CREATED
            self.absent += each.state is State.PLANNED

    def count_revoked(self, *, created_now: bool) -> None:
        """Count a created row that became unknown, because its id was given to another create too."""
        self._move(State.CREATED, State.UNKNOWN)
        self.created_now -= created_now

    def count_proven(self) -> None:
        """Count an unknown row that was proven to be created."""
        self._move(State.UNKNOWN, State.CREATED)
        self.created_now += 1

    def _move(self, before: State, after: State, count: int = 1) -> None:
        self.counts[before] -= count
        self.counts[after] += count

    def report(self, phase: Phase) -> None:
        """Call `on_progress`. Its exceptions are logged: they must not stop a send."""
        if self.on_progress is None:
            return
        progress = Progress(
            phase,
            **counts_by_field(self.counts),
            created_now=self.created_now,
            held_back=self.backoff.waited,
            left_out=self.left_out,
        )
        try:
            self.on_progress(progress)
        except Exception as error:
            _log.warning("on_progress raised %s", type(error).__name__)

    def note_restored(self, count: int) -> None:
        """Note the rows that may have been sent after the journal's copy was made."""
        self.restored = count
        if count:
            rows = "1 row" if count == 1 else f"{count:,} rows"
            self.warn(
                f"the journal is an older copy than its .lock file says, or has no .lock file: {rows} may have been sent "
                "since, and are searched for before anything is sent. If you moved the journal, move its .lock file too; "
                "without it the run is as safe, but slower"
            )

    def warn(self, text: str) -> None:
        """Note a warning, and log it."""
        if text not in self.warnings:
            self.warnings.append(text)
            _log.warning(text)

    async def summary(
        self, journal: Journal, counts: Mapping[State, int], *, elapsed: float, stopped: str | None
    ) -> Summary:
        """Return the result of the run."""
        return Summary(
            **counts_by_field(counts),
            created_now=self.created_now,
            found=self.found,
            absent=self.absent,
            restored=self.restored,
            warnings=tuple(self.warnings),
            elapsed=elapsed,
            held_back=self.backoff.waited,
            adopted=self.adopted,
            held=self.held,
            near=self.near,
            stopped=stopped,
            failures=tuple(await journal.rows(State.FAILED, limit=_SHOWN)),
            unknown_rows=tuple(await journal.rows(State.SENDING, State.UNKNOWN, limit=_SHOWN)),
            left_out=self.left_out,
            recipients=self.recipients,
            accepted=self.accepted,
        )


def counts_by_field(counts: Mapping[State, int]) -> dict[str, int]:
    """Return the counts as the fields of `Progress` and `Summary`."""
    return {state.name.lower(): counts[state] for state in State}
