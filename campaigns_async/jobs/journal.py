"""The journal of a job: its rows, and the protocol that the sender and the recovery use.

`Journal` is private. It is asynchronous so that a database server can replace the SQLite file.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import IntEnum
from hashlib import blake2s
from typing import Final, NamedTuple, Protocol, Self

from attrs import define, field, frozen

from campaigns_async._phone_numbers import read_numbers
from campaigns_async.effects import State
from campaigns_async.jobs._plan_rules import Finding
from campaigns_async.jobs.plans import Plan
from campaigns_async.models import Campaign

_MOST_CACHED: Final = 500
_COMPRESSED_FROM: Final = 256
"""The size of a body, in bytes, from which compression is worth its time."""


@frozen
class PossibleMatch:
    """A campaign on the server that may be a row's. Contains no texts and no phone numbers.

    Attributes:
        campaign_id: The campaign's id.
        recipient_count: The number of recipients, if the server gave it.
        status: The number of the campaign's status.
        start: The start time in ISO 8601.
    """

    campaign_id: str
    recipient_count: int | None = None
    status: int | None = None
    start: str | None = None

    @classmethod
    def of(cls, campaign: Campaign) -> Self:
        """Return a campaign as a possible match."""
        start, status = campaign.start_date_time, campaign.status
        return cls(
            campaign.id,
            recipient_count=campaign.recipient_count,
            status=None if status is None else int(status),
            start=None if start is None else start.isoformat(),
        )


class Mark(IntEnum):
    """A note on a row, in addition to its state.

    Attributes:
        NONE: Nothing.
        ADOPTED: A created row whose campaign was on the server before the row was sent.
        HELD: An unknown row that was not sent, because a campaign like it is on the server. Only a person settles it.
            A planned row with this mark is sent: a person settled it as not sent.
    """

    NONE = 0
    ADOPTED = 1
    HELD = 2


class StartGroup(NamedTuple):
    """The planned rows with one start."""

    starts_at: int  # the start in milliseconds since 1970
    texts: set[int]  # digests of the messages
    counts: set[int]  # the numbers of contacts


@frozen
class JournalRow:
    """A row of a journal.

    Attributes:
        row_id: The row's id, from 1, in the order of the plan.
        key: The row's key in the plan.
        content: A digest of the request body. Rows with equal bodies have equal digests.
        state: The row's state.
        attempts: The number of creates that were started.
        attempted_at: The start of the latest create, in seconds since 1970.
        ended_at: The time of the row's latest outcome, in seconds since 1970.
        campaign_id: The campaign's id, if the row is created.
        reason: Why the row failed or is unknown.
        candidates: The campaigns that may be the row's, if the row is unknown.
        created_without_id: True if the server created the campaign, but its id is not known.
        refused_contacts: The indexes of the contacts that the server refused, from 0, if the row failed.
        first_claim: The journal's generation at the row's first create: a campaign id with a lower position (see
            `Journal.record_seen`) was seen before it, so it is another create's. None if the row was never sent.
        payload: The request body. None if it was not read, or was dropped.
        server_reason: The server's own words if the row failed. The row's texts, names and numbers are hidden in them.
        mark: A note on the row.
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
    first_claim: int | None = None
    payload: bytes | None = field(default=None, repr=False)
    server_reason: str | None = field(default=None, repr=False)
    mark: Mark = Mark.NONE


@frozen
class ClaimedRow:
    """A row that may be sent now: its state in the journal is *sending*."""

    row_id: int
    payload: bytes = field(repr=False)

    def body(self) -> bytes:
        """Return the request body."""
        return decompress(self.payload)


@frozen
class Transition:
    """A row's next state, with the fields of `JournalRow` that belong to it. Those of the previous state are cleared.

    Attributes:
        created_without_id: Once True, it stays so while the row is unknown.
        exceptional: True to allow a move that no run makes by itself: to adopt a campaign, to restore a journal, to
            revoke an id that two rows were given, or a user's decision on a created row.
    """

    row_id: int
    state: State
    campaign_id: str | None = None
    reason: str | None = None
    candidates: tuple[PossibleMatch, ...] = ()
    created_without_id: bool = False
    exceptional: bool = False
    refused_contacts: tuple[int, ...] = ()
    server_reason: str | None = None
    mark: Mark = Mark.NONE


class DuplicateIdError(ValueError):
    """Rows of a commit have a campaign's id that another row has, or that was on the server before. Nothing was written.

    Attributes:
        row_ids: The ids of these rows. Of two rows of the commit that have the same id, the later one.
    """

    def __init__(self, row_ids: frozenset[int]) -> None:
        super().__init__("a campaign belongs to one row")
        self.row_ids = row_ids


class LoadedPlan(NamedTuple):
    """The number of unknown rows that may have been sent after an older copy was made, and the contacts left out."""

    restored: int
    left_out: Finding


@define
class Digests:
    """Keyed digests of 8 bytes each, as in the journal's columns."""

    _key: bytes = field(repr=False)
    _by_text: dict[str, int] = field(init=False, factory=dict[str, int], repr=False)

    def of_text(self, text: str) -> int:
        """Return the digest of a message or a sender ID. Most rows share them."""
        if (found := self._by_text.get(text)) is None:
            if len(self._by_text) >= _MOST_CACHED:
                self._by_text.clear()
            content = blake2s(text.encode(), digest_size=8, key=self._key).digest()
            found = self._by_text[text] = int.from_bytes(content, "big", signed=True)
        return found

    def of_numbers(self, numbers: Sequence[str]) -> bytes:
        """Return the digests of canonical phone numbers, joined."""
        copy = blake2s(digest_size=8, key=self._key).copy
        digests: list[bytes] = []
        for number, text in zip(read_numbers(numbers), numbers, strict=True):
            hasher = copy()
            hasher.update((number or text.strip()).encode())
            digests.append(hasher.digest())
        return b"".join(digests)


class Journal(Protocol):
    """The journal of one run. A method that writes returns once the data is durable."""

    async def add_plan(
        self, plan: Plan, settings: Mapping[str, str], *, retry_failed: bool, stopping: Callable[[], bool]
    ) -> LoadedPlan:
        """Compare a plan with the journal and add the new rows. After an error the journal is unchanged.

        Args:
            plan: The plan. It is read once.
            settings: Options that must be equal in every run, besides the plan's own.
            retry_failed: Plan failed rows again.
            stopping: Called for each line; return True to give up.

        Raises:
            StoppedError: If `stopping` returned True.
            PlanError: If lines are wrong, or the plan is empty.
            PlanChangedError: If rows of the journal differ from the plan's, or are missing from it.
            JournalError: If the journal belongs to another plan, or was started with other options.
        """
        ...

    async def commit(self, transitions: Sequence[Transition], *, claim: int, now: float) -> list[ClaimedRow]:
        """Record transitions and move planned rows to *sending*, all in one transaction.

        A row without a payload is not claimed. It stays planned until a plan provides the payload.

        Args:
            transitions: The transitions of different rows.
            claim: The largest number of rows to claim, in the order of the plan.
            now: The time, in seconds since 1970.

        Returns:
            The claimed rows.

        Raises:
            DuplicateIdError: If another created row has the campaign of a row that becomes created, or if the response of
                a create has the id of a campaign that was seen before the row was sent. Nothing was written.
            ValueError: If a row does not exist, has two transitions, or cannot make the move. Nothing was written.
            JournalWriteError: If the journal cannot be written. A later commit may succeed.
        """
        ...

    async def identity(self) -> bytes:
        """Return bytes that only this journal has, wherever its file is."""
        ...

    async def record_key(self, fingerprint: bytes) -> bool:
        """Record the API key of a run by its fingerprint; return True if all earlier runs had other keys."""
        ...

    async def counts(self) -> Mapping[State, int]:
        """Count the rows in each state. The mapping has every state."""
        ...

    async def rows(self, *states: State, limit: int | None = None, payload: bool = False) -> list[JournalRow]:
        """Return up to `limit` rows in these states, in the order of the plan."""
        ...

    async def latest_campaigns(self, limit: int, *, since: float | None = None) -> list[str]:
        """Return the ids of the campaigns that were created last, and start after `since`, in seconds since 1970."""
        ...

    async def list_created(self) -> list[tuple[str, int, int]]:
        """Return each created row's campaign, start in milliseconds since 1970, and number of recipients, by start."""
        ...

    async def list_starts(self) -> list[StartGroup]:
        """Return the planned rows by their starts."""
        ...

    async def list_recipients(self, starts: Sequence[int], after: int) -> list[tuple[int, int, bytes, int]]:
        """Return the next planned rows with one of these starts: id, start, the digests of the recipients, and mark."""
        ...

    async def load_payload(self, row_id: int) -> bytes | None:
        """Return a row's request body; None if it was dropped."""
        ...

    async def digests(self) -> Digests:
        """Return the digests that the journal has of texts and numbers."""
        ...

    async def find_owner(self, campaign_id: str) -> JournalRow | None:
        """Return the created row that has a campaign; None if there is no such row."""
        ...

    async def owners(self, campaign_ids: Collection[str]) -> Mapping[str, int]:
        """Map each of the campaigns that is a created row's to that row's content digest."""
        ...

    async def record_seen(self, campaign_ids: Collection[str]) -> Mapping[str, int]:
        """Record that the server listed these campaigns, and return each one's position in the order of first sights.

        Compare a position with `JournalRow.first_claim`. Positions do not change when an id is recorded again.

        Raises:
            JournalWriteError: If the journal cannot be written.
        """
        ...

    def check_lock(self) -> None:
        """Check that no other run can have locked the journal. Takes a few microseconds: called before each create.

        Raises:
            JournalError: If the lock was lost.
        """
        ...

    async def drop_payloads(self) -> None:
        """Delete the payloads of the rows that are created or failed."""
        ...

    async def close(self) -> None:
        """Close the journal and release its lock."""
        ...


def compress(body: bytes) -> bytes:
    """Return a request body as it is stored."""
    return zlib.compress(body, 1) if len(body) >= _COMPRESSED_FROM else body


def decompress(payload: bytes) -> bytes:
    """Return the request body of a stored payload. JSON starts with a brace, zlib data never does."""
    return payload if payload.startswith(b"{") else zlib.decompress(payload)
