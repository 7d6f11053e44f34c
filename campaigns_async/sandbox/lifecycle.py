"""How a created campaign goes from Pending to Completed as its time comes."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any, Final

from attrs import Attribute, field, frozen

if TYPE_CHECKING:
    from .schema import Row

PENDING: Final = 0
SENDING: Final = 1
SUBMITTED: Final = 2
COMPLETED: Final = 5
BEGUN: Final = frozenset({SENDING, SUBMITTED, COMPLETED})
"""What can be changed and deleted no more."""
_TICKS_PER_SECOND: Final = 10_000_000


def _seconds(_: object, attribute: Attribute[Any], value: float) -> None:
    if not 0 <= value < float("inf"):
        raise ValueError(f"{attribute.name} must be 0 seconds or more, not {value}")


@frozen
class Lifecycle:
    """How long a created campaign stays in a state, once its start time has come.

    Attributes:
        sending: Seconds from the start until it is Submitted.
        submitted: Seconds from then on until it is Completed.
    """

    sending: float = field(default=5.0, validator=_seconds)
    submitted: float = field(default=30.0, validator=_seconds)

    def moves(self, start: int) -> tuple[tuple[int, int], ...]:
        """For a start in ticks: when which status is reached."""
        submitted = start + round(self.sending * _TICKS_PER_SECOND)
        completed = submitted + round(self.submitted * _TICKS_PER_SECOND)
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
