"""The journal of a job: the values it holds, and the calls that the sender and the recovery make.

`Journal` is private and asynchronous, so that a database behind a network can stand in for the file of
`campaigns_async.jobs.sqlite`. Each call that writes is durable when it returns.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

import msgspec
from attrs import field, frozen

from campaigns_async.effects import State
from campaigns_async.jobs.plan_lines import Plan

_COMPRESSED_FROM: Final = 256
"""Bytes of a body from which compressing saves more than it costs."""


@frozen
class PossibleMatch:
    """A campaign on the server that may be a row's. Holds no texts and no numbers."""

    campaign_id: str
    recipient_count: int | None = None
    status: int | None = None
    start: str | None = None
    """As the server wrote it."""


@frozen
class JournalRow:
    """A row of a journal.

    Attributes:
        key: The row's key in the plan.
        content: A digest of the request body. Rows with equal bodies have equal digests.
        attempts: How many times a create of the row began.
        attempted_at: When the latest create began, in seconds since 1970.
        ended_at: When the row's state was last settled, in seconds since 1970.
        campaign_id: The campaign on the server, of a row that is created.
        reason: Why the row failed or is unknown.
        candidates: The campaigns on the server that may be this row's, of a row that is unknown.
        created_without_id: True if the server created the campaign but its id is not known.
        refused_contacts: The contacts that the server refused, from 0, of a row that failed.
        payload: The request body; None unless it was asked for, or once it was dropped.
    """

    row_id: int
    key: str = field(repr=False)
    content: int
    state: State
    attempts: int = 0
    attempted_at: float | None = None
    ended_at: float | None = None
    campaign_id: str | None = None
    reason: str | None = field(default=None, repr=False)
    candidates: tuple[PossibleMatch, ...] = ()
    created_without_id: bool = False
    refused_contacts: tuple[int, ...] = ()
    payload: bytes | None = field(default=None, repr=False)

    def plan_line(self) -> bytes | None:
        """Return the row as a line of an NDJSON plan; None without a payload."""
        if self.payload is None:
            return None
        return msgspec.json.encode({"key": self.key, **msgspec.json.decode(self.payload)}) + b"\n"


@frozen
class ClaimedRow:
    """A row whose create may leave now: the journal holds it as *sending*."""

    row_id: int
    payload: bytes = field(repr=False)

    def body(self) -> bytes:
        """Return the request body."""
        return decompress(self.payload)


@frozen
class Transition:
    """A row's next state. It replaces what the row held of the earlier one.

    Attributes:
        created_without_id: True if the server created the campaign but its id is not known. Stays true while the row
            is unknown.
        exceptional: True for a move that no run makes by itself: a campaign that is adopted, a journal that was
            restored, an id that was given twice, a person's word on a created row.
    """

    row_id: int
    state: State
    campaign_id: str | None = None
    reason: str | None = None
    candidates: tuple[PossibleMatch, ...] = ()
    created_without_id: bool = False
    exceptional: bool = False
    refused_contacts: tuple[int, ...] = ()


class Journal(Protocol):
    """The calls that a run makes. One run at a time writes to a journal."""

    async def add_plan(
        self, plan: Plan, settings: Mapping[str, str], *, retry_failed: bool, stopping: Callable[[], bool]
    ) -> None:
        """Compare a plan with the journal and add its new rows, or leave the journal unchanged.

        Args:
            plan: Read once, as a stream.
            settings: What must be equal in every run, besides the plan's own options.
            retry_failed: Plan failed rows again.
            stopping: Asked at every line whether to give up.

        Raises:
            StoppedError: If `stopping` returned true.
            PlanError: If lines are wrong, or there are none.
            PlanChangedError: If rows that the journal knows have changed, or are missing.
            JournalError: If the journal was begun with another plan, or other options.
        """
        ...

    async def commit(self, transitions: Sequence[Transition], *, claim: int, now: float) -> list[ClaimedRow]:
        """Record a group as a whole, or nothing of it, and move up to `claim` planned rows to *sending*.

        A row without payload is not claimed: it stays planned until a plan brings the payload.

        Args:
            transitions: Each row at most once.
            claim: Rows are claimed in the order of the plan; those put back come first.
            now: Seconds since 1970.

        Raises:
            ValueError: If a row is unknown or twice in the group, or cannot go to the state. Nothing was written.
            JournalWriteError: If the group cannot be written. A later commit may succeed.
        """
        ...

    async def counts(self) -> Mapping[State, int]:
        """Count the rows in each state; every state is named."""
        ...

    async def rows(self, *states: State, limit: int | None = None, payload: bool = False) -> list[JournalRow]:
        """Return the rows in these states, in the order of the plan."""
        ...

    async def latest_campaigns(self, limit: int, *, except_for: Collection[str]) -> list[str]:
        """Return the campaigns that the latest created rows have, except for those named."""
        ...

    async def owners(self, campaigns: Collection[str]) -> Mapping[str, int]:
        """Map each campaign that a created row has to that row's content."""
        ...

    async def drop_payloads(self) -> None:
        """Drop the payloads of created rows."""
        ...

    async def close(self) -> None:
        """Close the journal and release its lock."""
        ...


def compress(body: bytes) -> bytes:
    """Return a request body as a journal keeps it."""
    return zlib.compress(body, 1) if len(body) >= _COMPRESSED_FROM else body


def decompress(payload: bytes) -> bytes:
    """Return the request body of a payload. JSON begins with a brace, which zlib never does."""
    return payload if payload.startswith(b"{") else zlib.decompress(payload)
