"""Comparing a plan with a journal in SQLite, a million rows at a time."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Mapping
from typing import Final

from campaigns_async.effects import State
from campaigns_async.jobs.schema import INDEXED_WHERE
from campaigns_async.jobs.store import Known

_AHEAD: Final = 500
"""Rows read at once while a plan comes in the journal's order."""
_STATES: Final[dict[int, State]] = {int(state): state for state in State}  # looked up quicker than State(number)
_KEPT: Final = 500
"""New rows kept before they are written together."""


class SqlitePlanning:
    """See `Planning`.

    A plan mostly comes in the order in which it was added: then rows are read ahead by their ids and need not be
    looked up one by one. Nothing here grows with the plan.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._last: int
        ((self._last,),) = connection.execute("SELECT coalesce(max(id), 0) FROM rows").fetchall()
        self._stored: int = self._last
        self._ahead: deque[tuple[int, str, int, int]] = deque()
        self._next = 1
        """The id which the next key has, if the plan goes on in order."""
        self._in_order = True
        self._new: dict[str, tuple[int, int]] = {}

    def find(self, key: str) -> Known | None:
        """See `Planning.find`."""
        ahead = self._ahead
        if not ahead and self._in_order and self._next <= self._stored:
            query = f"SELECT id, key, content, state FROM rows WHERE id >= ? ORDER BY id LIMIT {_AHEAD}"  # noqa: S608 - a number
            ahead.extend(self._open.execute(query, (self._next,)).fetchall())
        if ahead and ahead[0][1] == key:
            row_id, _, content, state = ahead.popleft()
            self._next = row_id + 1
            return Known(row_id, content, _STATES[state])
        return self._look_up(key)

    def _look_up(self, key: str) -> Known | None:
        new = self._new.get(key)
        if new is not None:
            return Known(*new, State.PLANNED)
        query = "SELECT id, content, state FROM rows WHERE key = ?"
        for row_id, content, state in self._open.execute(query, (key,)).fetchall():
            self._ahead.clear()
            self._in_order = row_id == self._next  # two in a row are an order again
            self._next = row_id + 1
            return Known(row_id, content, _STATES[state])
        return None

    def add(self, key: str, content: int) -> int:
        """See `Planning.add`."""
        self._last += 1
        self._new[key] = self._last, content
        if len(self._new) >= _KEPT:
            self.flush()
        return self._last

    def key_of(self, row_id: int) -> str:
        """See `Planning.key_of`."""
        self.flush()
        for (key,) in self._open.execute("SELECT key FROM rows WHERE id = ?", (row_id,)).fetchall():
            return str(key)
        raise KeyError(row_id)

    def last_id(self) -> int:
        """See `Planning.last_id`."""
        return self._last

    def set_options(self, options: Mapping[str, str]) -> None:
        """See `Planning.set_options`."""
        self._open.execute("DELETE FROM options")
        self._open.executemany("INSERT INTO options (name, value) VALUES (?, ?)", list(options.items()))

    def retry_failed(self) -> int:
        """See `Planning.retry_failed`."""
        self._ahead.clear()
        retried: int = self._open.execute(
            f"UPDATE rows SET state = {int(State.PLANNED)}, reason = NULL, leads = NULL, payload = NULL "  # noqa: S608 - numbers
            f"WHERE state = {int(State.FAILED)} AND {INDEXED_WHERE}"
        ).rowcount
        return retried

    def flush(self) -> None:
        """Write what is kept."""
        if self._new:
            rows = [(row_id, key, content) for key, (row_id, content) in self._new.items()]
            self._new.clear()
            self._open.executemany("INSERT INTO rows (id, key, content) VALUES (?, ?, ?)", rows)
            self._stored = self._last

    def end(self) -> None:
        """Refuse whatever comes after the block."""
        self._connection = None
        self._ahead.clear()
        self._new.clear()

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("planning is over: its block was left")
        return self._connection
