"""Reads a journal in a file of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from campaigns_async.effects import State
from campaigns_async.jobs import _sqlite_files as sqlite_files
from campaigns_async.jobs._sqlite_files import reading
from campaigns_async.jobs.journal import JournalRow, PossibleMatch, decompress

UNSETTLED: Final = frozenset({State.SENDING, State.FAILED, State.UNKNOWN})
UNSETTLED_WHERE: Final = "state IN (1, 3, 4)"
"""The condition of the index, word for word: SQLite uses the index for a query that repeats it."""
_PAGE: Final = 500
"""Rows read at once; between two pages no cursor is open, so that commits may come between."""
_COLUMNS: Final = "id, key, content, state, attempts, attempted_at, ended_at, campaign_id, reason, candidates, created_without_id, refused"
_STATES: Final[dict[int, State]] = {int(state): state for state in State}  # faster than State(number)


def open_journal(path: str | Path) -> JournalReader:
    """Open a journal to read it, whether a run is writing to it or not.

        with open_journal("run.sqlite") as journal:
            print(journal.counts())

    Raises:
        JournalError: If the file is not a journal, is one of another version, or is damaged; it was left unchanged.
    """
    sqlite_files.check_sqlite()
    return JournalReader(sqlite_files.open_to_read(Path(path), sqlite3.connect))


class JournalReader:
    """An open journal, for one thread at a time. Get one by `open_journal`; close it, or use `with`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal. May be called again."""
        sqlite_files.close(self._connection)

    def options(self) -> Mapping[str, str]:
        """Return what every run of this journal must be started with; empty in a new one."""
        with reading():
            return dict(self._connection.execute("SELECT name, value FROM options ORDER BY name").fetchall())

    def counts(self) -> Mapping[State, int]:
        """Count the rows in each state; every state is named."""
        with reading():
            found = dict(self._connection.execute("SELECT state, count(*) FROM rows GROUP BY +state").fetchall())
        return {state: found.get(int(state), 0) for state in State}

    def rows(self, *states: State, payload: bool = False) -> Iterator[JournalRow]:
        """Yield rows in the order of the plan.

        Commits may be made meanwhile: each row is as it stood when it was reached.

        Args:
            states: Only rows in these; none for all rows.
            payload: Read payloads too.
        """
        source = f"{_COLUMNS}, payload FROM rows JOIN contents ON row_id = id" if payload else f"{_COLUMNS} FROM rows"
        among = ", ".join(str(int(state)) for state in states)
        which = f"AND state IN ({among})" if states else ""
        if states and UNSETTLED.issuperset(states):
            which += f" AND {UNSETTLED_WHERE}"
        return (_entry(*row) for row in self._pages(f"SELECT {source} WHERE id > ? {which} ORDER BY id"))

    def entry(self, key: str) -> JournalRow | None:
        """Return the row with that key, without its payload."""
        query = f"SELECT {_COLUMNS} FROM rows WHERE key = ?"  # noqa: S608 - a constant
        with reading():
            for row in self._connection.execute(query, (key,)).fetchall():
                return _entry(*row)
        return None

    def campaigns(self) -> Iterator[tuple[str, int]]:
        """Yield the campaign ids of created rows, each with the row's content."""
        query = "SELECT id, campaign_id, content FROM rows WHERE id > ? AND campaign_id IS NOT NULL ORDER BY id"
        return ((campaign_id, content) for _, campaign_id, content in self._pages(query))

    def _pages(self, query: str) -> Iterator[Any]:
        last = 0
        while True:
            with reading():
                rows = self._connection.execute(f"{query} LIMIT {_PAGE}", (last,)).fetchall()
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]


def _entry(
    row_id: int,
    key: str,
    content: int,
    state: int,
    attempts: int,
    attempted_at: float | None,
    ended_at: float | None,
    campaign_id: str | None,
    reason: str | None,
    candidates: str | None,
    created_without_id: int,
    refused: str | None,
    payload: bytes | None = None,
) -> JournalRow:
    return JournalRow(
        row_id,
        key,
        content,
        _STATES[state],
        attempts,
        attempted_at,
        ended_at,
        campaign_id,
        reason,
        tuple(PossibleMatch(*candidate) for candidate in msgspec.json.decode(candidates)) if candidates else (),
        bool(created_without_id),
        tuple(msgspec.json.decode(refused)) if refused else (),
        None if payload is None else decompress(payload),
    )
