"""What a run reports: while it goes on, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from campaigns_async.effects import State
from campaigns_async.jobs.store import Entry


class Phase(StrEnum):
    """What a run is doing."""

    CHECKING = "checking"
    RECONCILING = "reconciling"
    SENDING = "sending"


@frozen
class Progress:
    """Where a run stands. Rows of the journal, by their state."""

    phase: Phase
    planned: int
    sending: int
    created: int
    failed: int
    unknown: int
    created_now: int
    """Created by this run."""
    held_back: float
    """Seconds that the run waited for a server that could not be reached, or throttled."""

    @property
    def total(self) -> int:
        """All rows."""
        return self.planned + self.sending + self.created + self.failed + self.unknown


@frozen
class Summary:
    """How a run ended. Rows of the journal, by their state."""

    planned: int
    """Not sent: left over when the run was stopped."""
    sending: int
    """Possibly sent: cut off, and not looked for."""
    created: int
    failed: int
    """Refused by the server; `retry_failed` takes them up."""
    unknown: int
    """Possibly sent, and in doubt even after they were looked for."""
    created_now: int
    """Created by this run."""
    found: int
    """Of those in doubt: found on the server by this run."""
    absent: int
    """Of those in doubt: surely not on the server, and so planned again by this run."""
    elapsed: float
    """Seconds."""
    held_back: float
    """Seconds that the run waited for a server that could not be reached, or throttled."""
    stopped: str | None = None
    """Why rows may be left that were not sent: "interrupted", or what every row would have met. None: none are."""
    failures: tuple[Entry, ...] = field(default=(), repr=lambda rows: f"<{len(rows)}>")
    """The first 20 of the rows that failed."""
    doubts: tuple[Entry, ...] = field(default=(), repr=lambda rows: f"<{len(rows)}>")
    """The first 20 of the rows in doubt, with what they may be on the server."""

    @property
    def ok(self) -> bool:
        """Whether the whole plan was checked, and every row of it stands on the server."""
        return self.stopped is None and not (self.planned or self.sending or self.failed or self.unknown)


def progress(phase: Phase, counts: Mapping[State, int], *, created_now: int, held_back: float) -> Progress:
    """Where a run stands."""
    return Progress(
        phase,
        planned=counts[State.PLANNED],
        sending=counts[State.SENDING],
        created=counts[State.CREATED],
        failed=counts[State.FAILED],
        unknown=counts[State.UNKNOWN],
        created_now=created_now,
        held_back=held_back,
    )
