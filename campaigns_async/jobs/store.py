"""What a journal must be able to do, wherever it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from attrs import field, frozen

from campaigns_async.effects import State


@frozen
class Begin:
    """A row whose request is about to leave."""

    row_id: int
    content: int
    """The digest of what will be sent; must be the one that was planned."""


@frozen
class Lead:
    """A campaign on the server that may be a row's. Holds no texts and no numbers."""

    campaign_id: str
    recipient_count: int | None = None
    status: int | None = None
    start: str | None = None
    """As the server wrote it."""


@frozen
class Move:
    """What became of a row. It replaces what an earlier move said, but for what is named here."""

    row_id: int
    state: State
    campaign_id: str | None = None
    reason: str | None = None
    leads: tuple[Lead, ...] = ()
    payload: bytes | None = field(default=None, repr=False)
    """The row as a line of a plan. None keeps what is there; a row that is created or planned again keeps none."""
    surely_done: bool = False
    """Created for certain, but its id is not known. Stays so while the row is UNKNOWN."""


@frozen
class Entry:
    """A row of the journal."""

    row_id: int
    key: str = field(repr=False)
    content: int
    state: State
    attempts: int = 0
    """How often its request began."""
    attempted_at: float | None = None
    """Of the latest begin, in seconds since 1970."""
    ended_at: float | None = None
    """Of the latest move, in seconds since 1970."""
    campaign_id: str | None = None
    reason: str | None = field(default=None, repr=False)
    leads: tuple[Lead, ...] = ()
    surely_done: bool = False
    payload: bytes | None = field(default=None, repr=False)
    """None unless asked for."""


@frozen
class Known:
    """What planning must know of a row that is there."""

    row_id: int
    content: int
    state: State


class Planning(Protocol):
    """A journal while a plan is compared with it: inside one transaction."""

    def find(self, key: str) -> Known | None:
        """The row with that key. Quickest when keys are asked for in the order in which they were added."""
        ...

    def add(self, key: str, content: int) -> int:
        """Add a planned row; its id. Ids count up.

        Args:
            key: Not in the journal yet: `find` it first.
            content: A digest, -2**63 to 2**63 - 1.
        """
        ...

    def key_of(self, row_id: int) -> str:
        """The key of a row.

        Raises:
            KeyError: There is no such row.
        """
        ...

    def last_id(self) -> int:
        """The id of the latest row; 0: there is none."""
        ...

    def set_options(self, options: Mapping[str, str]) -> None:
        """Replace the options."""
        ...

    def retry_failed(self) -> int:
        """Plan the failed rows again; how many they are."""
        ...


class Store(Protocol):
    """A journal. Used by one thread at a time, whichever."""

    def planning(self) -> AbstractContextManager[Planning]:
        """Compare a plan. Committed at the end of the block; an exception takes all of it back.

        Raises:
            JournalWriteError: Nothing of it was written.
        """
        ...

    def options(self) -> Mapping[str, str]:
        """What every run of this journal must be started with; empty in a new one."""
        ...

    def commit(self, begins: Sequence[Begin], moves: Sequence[Move], now: float) -> None:
        """Record a group as a whole, or nothing of it; durable on return. Begins come before moves.

        Args:
            begins: Rows that go from PLANNED to SENDING.
            moves: What became of others. A row is in a group only once.
            now: Seconds since 1970.

        Raises:
            PlanChangedError: A begin's content is not what was planned. Nothing was written.
            ValueError: A row is not there, is in the group twice, or cannot go where it is to go. Nothing was written.
            JournalWriteError: It could not be written. A later commit may succeed.
        """
        ...

    def counts(self) -> Mapping[State, int]:
        """How many rows are in each state; all states are named."""
        ...

    def entries(self, *states: State, payload: bool = False) -> Iterator[Entry]:
        """Rows in the order of their ids.

        Commits may be made while it runs: each row is as it stood when it was reached.

        Args:
            states: Only rows in these; none: all rows.
            payload: Read payloads too.
        """
        ...

    def entry(self, key: str) -> Entry | None:
        """The row with that key, without its payload."""
        ...

    def campaign_ids(self) -> Iterator[str]:
        """The ids of all campaigns that rows are known to have created."""
        ...

    def close(self) -> None:
        """Close it. May be called again."""
        ...
