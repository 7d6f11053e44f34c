"""Read the SQLite file of a journal, also while a run writes to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from campaigns_async._ids import normalize_id
from campaigns_async.effects import State
from campaigns_async.jobs import _sqlite_files as sqlite_files
from campaigns_async.jobs._sqlite_files import reading
from campaigns_async.jobs.journal import Digests, JournalRow, Mark, PossibleMatch, StartGroup, decompress

UNSETTLED: Final = frozenset({State.SENDING, State.FAILED, State.UNKNOWN})
UNSETTLED_WHERE: Final = "state IN (1, 3, 4)"
"""The condition of the partial index. SQLite uses that index only for a query that repeats the condition."""
NORMALIZED: Final = """
    iif(length(campaign_id) BETWEEN 32 AND 36 AND campaign_id NOT GLOB '*[^0-9A-Fa-f-]*', lower(campaign_id), campaign_id)
"""
"""`normalize_id` in SQL. SQLite uses the index of campaigns only for a query that repeats it."""
_EARLIEST: Final = -(2**63)
_PAGE: Final = 500
"""Rows read by one query. No cursor is open between two queries, so that the writer can commit in between."""
_COLUMNS: Final = (
    "id, key, content, state, attempts, attempted_at, ended_at, campaign_id, reason, candidates, created_without_id, "
    "refused, first_claim, server_reason, mark"
)
_FIELDS: Final = (
    *("row_id", "key", "content", "state", "attempts", "attempted_at", "ended_at", "campaign_id", "reason"),
    *("candidates", "created_without_id", "refused_contacts", "first_claim", "server_reason", "mark", "payload"),
)
"""The fields of a row, in the order of the columns."""
_CONVERTERS: Final[dict[str, Callable[[Any], object]]] = {
    "state": {int(state): state for state in State}.__getitem__,  # faster than State(number)
    "candidates": lambda text: tuple(PossibleMatch(*each) for each in msgspec.json.decode(text)) if text else (),
    "created_without_id": bool,
    "refused_contacts": lambda text: tuple(msgspec.json.decode(text)) if text else (),
    "mark": {int(mark): mark for mark in Mark}.__getitem__,
    "payload": lambda payload: None if payload is None else decompress(payload),
}


def open_journal(path: str | Path) -> JournalReader:
    """Open a journal for reading. A run may be writing to it.

        with open_journal("run.sqlite") as journal:
            print(journal.counts())

    Raises:
        JournalError: If the file does not exist, is not a journal, is of another version, or is damaged. It was left
            unchanged.
    """
    sqlite_files.check_sqlite()
    return JournalReader(sqlite_files.open_to_read(Path(path), sqlite3.connect))


class JournalReader:
    """An open journal, for one thread at a time. Returned by `open_journal`; use it in a `with` block, or close it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return "<JournalReader>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal. Further calls do nothing."""
        sqlite_files.close(self._connection)

    def options(self) -> Mapping[str, str]:
        """Return the options that every run of this journal must be given. A new journal has none."""
        return dict(self._query("SELECT name, value FROM options ORDER BY name"))

    def identity(self) -> bytes:
        """Return bytes that only this journal has, wherever its file is."""
        ((key,),) = self._query("SELECT digest_key FROM journal")
        return blake2b(key, digest_size=8).digest()

    def purge_time(self) -> float | None:
        """Return when the journal was purged, in seconds since 1970; None if it was not. It then refuses every send."""
        ((purged_at,),) = self._query("SELECT purged_at FROM journal")
        return None if purged_at is None else float(purged_at)

    def counts(self) -> Mapping[State, int]:
        """Count the rows in each state. The mapping has every state."""
        found = dict(self._query("SELECT state, count(*) FROM rows GROUP BY +state"))
        return {state: found.get(int(state), 0) for state in State}

    def rows(self, *states: State, payload: bool = False) -> Iterator[JournalRow]:
        """Yield rows in the order of the plan.

        A run may commit in the meantime, so that rows are not of one moment.

        Args:
            states: The states of the rows; by default all states.
            payload: Read the request bodies too.
        """
        source = f"{_COLUMNS}, payload FROM rows JOIN contents ON row_id = id" if payload else f"{_COLUMNS} FROM rows"
        among = ", ".join(str(int(state)) for state in states)
        which = f"AND state IN ({among})" if states else ""
        if states and UNSETTLED.issuperset(states):
            which += f" AND {UNSETTLED_WHERE}"
        return (_to_row(row) for row in self._read_pages(f"SELECT {source} WHERE id > ? {which} ORDER BY id"))

    def row(self, key: str) -> JournalRow | None:
        """Return the row with a key, without its request body; None if there is no such row."""
        query = f"SELECT {_COLUMNS} FROM rows WHERE key = ?"  # noqa: S608 - a constant
        ((salt, purged_at),) = self._query("SELECT digest_key, purged_at FROM journal")
        stored = key if purged_at is None else digest_key(salt, key)
        return next(map(_to_row, self._query(query, stored)), None)

    def find_owner(self, campaign_id: str) -> JournalRow | None:
        """Return the created row that has a campaign, without its request body; None if there is no such row."""
        query = f"SELECT {_COLUMNS} FROM rows WHERE {NORMALIZED} = ? AND state = 2"  # noqa: S608 - a constant
        return next(map(_to_row, self._query(query, normalize_id(campaign_id))), None)

    def owners(self, campaign_ids: Collection[str]) -> Mapping[str, int]:
        """Map each of the campaigns that is a created row's to that row's content digest."""
        if not campaign_ids:
            return {}
        query = f"""
            SELECT {NORMALIZED}, content FROM rows
            WHERE {NORMALIZED} IN (SELECT value FROM json_each(?)) AND state = 2 ORDER BY id
        """  # noqa: S608 - a constant
        normalized = {each: normalize_id(each) for each in campaign_ids}
        found = dict(self._query(query, to_json(normalized.values())))
        return {each: found[same] for each, same in normalized.items() if same in found}

    def latest_campaigns(self, limit: int, *, since: float | None = None) -> list[str]:
        """Return the ids of the campaigns that were created last; see `Journal.latest_campaigns`."""
        query = "SELECT campaign_id FROM rows WHERE campaign_id IS NOT NULL AND starts_at > ? ORDER BY id DESC LIMIT ?"
        found = self._query(query, _EARLIEST if since is None else since * 1000, limit)
        return [campaign_id for (campaign_id,) in found]

    def list_created(self) -> list[tuple[str, int, int]]:
        """Return the campaigns of the created rows; see `Journal.list_created`."""
        query = """
            SELECT campaign_id, starts_at, planned_count FROM rows
            WHERE state = 2 AND campaign_id IS NOT NULL ORDER BY starts_at
        """
        return self._query(query)

    def list_starts(self) -> list[StartGroup]:
        """Return the planned rows by their starts; see `Journal.list_starts`."""
        query = "SELECT DISTINCT starts_at, text, planned_count FROM rows WHERE state = 0"
        groups: dict[int, StartGroup] = {}
        for start, text, count in self._query(query):
            group = groups.setdefault(start, StartGroup(start, set(), set()))
            group.texts.add(text)
            group.counts.add(count)
        return list(groups.values())

    def list_recipients(self, starts: Sequence[int], after: int) -> list[tuple[int, int, bytes, int]]:
        """Return the next planned rows with one of these starts; see `Journal.list_recipients`."""
        query = f"""
            SELECT id, starts_at, recipients, mark FROM rows JOIN contents ON row_id = id WHERE id > ? AND +state = 0
            AND starts_at IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT {_PAGE}
        """  # noqa: S608 - a constant
        return self._query(query, after, to_json(starts))

    def load_payload(self, row_id: int) -> bytes | None:
        """Return a row's request body; None if it was dropped."""
        ((payload,),) = self._query("SELECT payload FROM contents WHERE row_id = ?", row_id)
        return None if payload is None else decompress(payload)

    def digests(self) -> Digests:
        """Return the digests that the journal has of texts and numbers."""
        ((key,),) = self._query("SELECT digest_key FROM journal")
        return Digests(key)

    def _query(self, query: str, *parameters: object) -> list[Any]:
        with reading():
            return self._connection.execute(query, parameters).fetchall()

    def _read_pages(self, query: str) -> Iterator[Any]:
        last = 0
        while True:
            rows = self._query(f"{query} LIMIT {_PAGE}", last)
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]


def to_json(values: Iterable[str | int]) -> str:
    """Return an array for json_each()."""
    return msgspec.json.encode(list(values)).decode()


def _to_row(row: Sequence[Any]) -> JournalRow:
    values = dict(zip(_FIELDS, row, strict=False))  # the payload may not have been read
    for name in values.keys() & _CONVERTERS.keys():
        values[name] = _CONVERTERS[name](values[name])
    return JournalRow(**values)


def digest_key(salt: bytes, key: str) -> str:
    """Return what a purged journal holds in place of a row's key."""
    return blake2b(key.encode(), digest_size=16, key=salt).hexdigest()
