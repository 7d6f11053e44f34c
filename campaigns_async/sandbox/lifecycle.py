"""How a created campaign goes from Pending to Completed as its time comes."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from .checks import seconds
from .schema import STATUSES
from .values import TICKS_PER_SECOND

if TYPE_CHECKING:
    from .schema import Row

PENDING: Final = STATUSES["pending"]
SENDING: Final = STATUSES["sending"]
SUBMITTED: Final = STATUSES["submitted"]
COMPLETED: Final = STATUSES["completed"]
BEGUN: Final = frozenset({SENDING, SUBMITTED, COMPLETED})
"""What can be changed and deleted no more."""


@frozen
class Lifecycle:
    """How long a created campaign stays in a state, once its start time has come.

    Attributes:
        sending: Seconds from the start until it is Submitted.
        submitted: Seconds from then on until it is Completed.
    """

    sending: float = field(default=5.0, validator=seconds)
    submitted: float = field(default=30.0, validator=seconds)

    def moves(self, start: int) -> tuple[tuple[int, int], ...]:
        """For a start in ticks: when which status is reached."""
        submitted = start + round(self.sending * TICKS_PER_SECOND)
        completed = submitted + round(self.submitted * TICKS_PER_SECOND)
        return (start, SENDING), (submitted, SUBMITTED), (completed, COMPLETED)


class Schedule:
    """Moves campaigns on when they are due. What has begun never goes back.

    Args:
        lifecycle: How long each state lasts.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._due: list[tuple[int, int, Row, int]] = []
        self._order = itertools.count()

    def put(self, row: Row) -> None:
        """Have a campaign move from its start time on; to be called again when that was changed."""
        if row.ticks is not None:
            at, status = self._lifecycle.moves(row.ticks)[0]
            heapq.heappush(self._due, (at, next(self._order), row, status))

    def run(self, now: int) -> None:
        """Move on what is due by now, in ticks."""
        due = self._due
        while due and due[0][0] <= now:
            at, _, row, status = heapq.heappop(due)
            if not self._is_current(row, at, status):
                continue
            row.replace({**row.wire, "status": status})
            for later, following in self._lifecycle.moves(at)[1:] if status == SENDING else ():
                heapq.heappush(due, (later, next(self._order), row, following))

    @staticmethod
    def _is_current(row: Row, at: int, status: int) -> bool:
        # A campaign that was put off has an older entry, too early now; a deleted one has entries as well.
        if row.deleted:
            return False
        return status != SENDING or (row.wire["status"] == PENDING and row.ticks == at)
