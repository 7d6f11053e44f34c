"""A journal in memory: for simulations, and to hold the real one against."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from attrs import evolve

from campaigns_async.effects import State, check_move
from campaigns_async.jobs.errors import PlanChangedError
from campaigns_async.jobs.store import Begin, Entry, Known, Move

Rows = dict[int, Entry]


class MemoryStore:
    """See `Store`.

    Args:
        rows: What it begins with.
        options: What it begins with.
        on_write: Called before and after each transaction that writes. What it raises is a crash there: "before",
            nothing was written; "after", it was written but nobody was told. `survivor` is what then is on the disk.
    """

    def __init__(
        self,
        rows: Rows | None = None,
        options: Mapping[str, str] | None = None,
        *,
        on_write: Callable[[Literal["before", "after"]], None] | None = None,
    ) -> None:
        self.rows: Rows = dict(rows or {})
        self.writes = 0
        """Transactions that were written."""
        self.closed = False
        self.on_write = on_write
        self._options = dict(options or {})

    def survivor(self, *, on_write: Callable[[Literal["before", "after"]], None] | None = None) -> MemoryStore:
        """The journal that the next process finds."""
        return MemoryStore(self.rows, self._options, on_write=on_write)

    def snapshot(self) -> tuple[Entry, ...]:
        """All rows, payloads too."""
        return tuple(self.rows[row_id] for row_id in sorted(self.rows))

    def _write(self, rows: Rows, options: Mapping[str, str] | None = None) -> None:
        if self.closed:
            raise RuntimeError("the journal is closed")
        if self.on_write is not None:
            self.on_write("before")
        self.rows = rows
        if options is not None:
            self._options = dict(options)
        self.writes += 1
        if self.on_write is not None:
            self.on_write("after")

    @contextmanager
    def planning(self) -> Generator[MemoryPlanning]:
        planning = MemoryPlanning(dict(self.rows), dict(self._options))
        yield planning
        self._write(planning.rows, planning.options)

    def options(self) -> Mapping[str, str]:
        return dict(self._options)

    def commit(self, begins: Sequence[Begin], moves: Sequence[Move], now: float) -> None:
        if not begins and not moves:
            return
        rows = dict(self.rows)
        for ids in ([row.row_id for row in begins], [row.row_id for row in moves]):
            if len(set(ids)) < len(ids) or not rows.keys() >= set(ids):
                raise ValueError("a row that is not there, or is in the group twice")
        changed = [rows[begin.row_id].key for begin in begins if rows[begin.row_id].content != begin.content]
        if changed:
            raise PlanChangedError("not what was planned", tuple(changed[:20]), len(changed))
        for begin in begins:
            rows[begin.row_id] = _begun(rows[begin.row_id], now)
        for move in moves:
            rows[move.row_id] = _moved(rows[move.row_id], move, now)
        self._write(rows)

    def counts(self) -> Mapping[State, int]:
        return {state: sum(row.state is state for row in self.rows.values()) for state in State}

    def entries(self, *states: State, payload: bool = False) -> Iterator[Entry]:
        last = 0
        while after := [row_id for row_id in self.rows if row_id > last]:
            last = min(after)
            row = self.rows[last]
            if not states or row.state in states:
                yield row if payload else evolve(row, payload=None)

    def entry(self, key: str) -> Entry | None:
        for row in self.rows.values():
            if row.key == key:
                return evolve(row, payload=None)
        return None

    def campaign_ids(self) -> Iterator[str]:
        return iter([row.campaign_id for row in self.snapshot() if row.campaign_id is not None])

    def close(self) -> None:
        self.closed = True


class MemoryPlanning:
    """See `Planning`."""

    def __init__(self, rows: Rows, options: dict[str, str]) -> None:
        self.rows = rows
        self.options = options
        self._ids = {row.key: row.row_id for row in rows.values()}

    def find(self, key: str) -> Known | None:
        if key not in self._ids:
            return None
        row = self.rows[self._ids[key]]
        return Known(row.row_id, row.content, row.state)

    def add(self, key: str, content: int) -> int:
        assert key not in self._ids
        row_id = self.last_id() + 1
        self.rows[row_id] = Entry(row_id, key, content, State.PLANNED)
        self._ids[key] = row_id
        return row_id

    def key_of(self, row_id: int) -> str:
        return self.rows[row_id].key

    def last_id(self) -> int:
        return len(self.rows)

    def set_options(self, options: Mapping[str, str]) -> None:
        self.options = dict(options)

    def retry_failed(self) -> int:
        failed = [row for row in self.rows.values() if row.state is State.FAILED]
        for row in failed:
            self.rows[row.row_id] = evolve(row, state=State.PLANNED, reason=None, leads=(), payload=None)
        return len(failed)


def _begun(row: Entry, now: float) -> Entry:
    check_move(row.state, State.SENDING)
    return evolve(
        row,
        state=State.SENDING,
        attempts=row.attempts + 1,
        attempted_at=now,
        campaign_id=None,
        surely_done=False,
        reason=None,
        leads=(),
    )


def _moved(row: Entry, move: Move, now: float) -> Entry:
    check_move(row.state, move.state)
    keeps = move.state not in {State.CREATED, State.PLANNED}
    payload = row.payload if move.payload is None else move.payload
    return evolve(
        row,
        state=move.state,
        ended_at=now,
        campaign_id=move.campaign_id,
        reason=move.reason,
        leads=move.leads,
        surely_done=move.surely_done or (row.surely_done and move.state is State.UNKNOWN),
        payload=payload if keeps else None,
    )
