"""A journal in a file of SQLite: nothing acknowledged is lost, whatever dies."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import orjson

from campaigns_async.effects import State, check_move
from campaigns_async.jobs import opening, schema
from campaigns_async.jobs.errors import JournalError, JournalWriteError, PlanChangedError
from campaigns_async.jobs.identity import Identity, check_names
from campaigns_async.jobs.lock import JournalLock, lock
from campaigns_async.jobs.opening import reading, writing
from campaigns_async.jobs.sqlite_planning import SqlitePlanning
from campaigns_async.jobs.store import Begin, Entry, Lead, Move

_PAGE: Final = 500
"""Rows read at once; between two pages no cursor is open, so that commits may come between."""
_COLUMNS: Final = "id, key, content, state, attempts, attempted_at, ended_at, campaign_id, reason, leads, surely_done"
_STATES: Final[dict[int, State]] = {int(state): state for state in State}  # looked up quicker than State(number)
_KEYS_TOLD: Final = 20


class SqliteStore:
    """A journal in a file. Used by one thread at a time, whichever. Get one by `open` or `scratch_copy`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        held_lock: JournalLock | None = None,
        identity: Identity | None = None,
        scratch: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self._connection = connection
        self._lock = held_lock
        self._scratch = scratch
        self._identity = identity

    @classmethod
    def open(cls, path: str | Path, *, connect: opening.Connect = sqlite3.connect, read_only: bool = False) -> Self:
        """Open a journal, or begin a new one.

        Args:
            path: Of the file. Beside it stand, while it is open, `-wal` and `-shm`, and for good `.lock`.
            connect: `sqlite3.connect`, or what looks like it.
            read_only: Only look; needs no lock, so another run may be writing.

        Raises:
            JournalInUseError: Another run writes to it.
            JournalWriteError: A new one cannot be written.
            JournalError: It is no journal, of a newer version or damaged; it was left as it is.
        """
        if sqlite3.sqlite_version_info < schema.OLDEST_SQLITE:
            needed = ".".join(map(str, schema.OLDEST_SQLITE))
            raise JournalError(f"a journal needs SQLite {needed}; this Python has {sqlite3.sqlite_version}")
        path = Path(path)
        if read_only:
            return cls(opening.open_to_read(path, connect))
        held_lock = lock(path)
        try:
            check_names(path)
            connection = opening.open_to_write(path, connect)
            return cls(connection, held_lock=held_lock, identity=Identity.of(path))
        except BaseException:  # interrupted too: the lock must not outlive this
            held_lock.release()
            raise

    @classmethod
    def scratch_copy(cls, path: str | Path | None = None) -> Self:
        """A copy of a journal as it stands, or a new one, that is deleted when it is closed.

        The original is neither locked nor changed, and another run may be writing to it.

        Raises:
            JournalError: As `open`.
        """
        scratch = tempfile.TemporaryDirectory(prefix="campaigns-async-")
        copy = Path(scratch.name, "journal")
        try:
            if path is not None and Path(path).exists() and Path(path).stat().st_size:
                opening.copy(Path(path), copy)
            connection = opening.open_to_write(copy, sqlite3.connect)
            connection.execute("PRAGMA synchronous = OFF")  # it goes anyway
        except BaseException:  # interrupted too: the copy must not outlive this
            scratch.cleanup()
            raise
        return cls(connection, scratch=scratch)

    @contextmanager
    def planning(self) -> Generator[SqlitePlanning]:
        """See `Store.planning`."""
        self._check_writes()
        connection = self._connection
        with writing():
            connection.execute("BEGIN IMMEDIATE")
            planning = SqlitePlanning(connection)
        try:
            with writing():
                yield planning
                planning.flush()
                connection.execute("COMMIT")
        except BaseException:  # interrupted too: all or nothing
            with suppress(sqlite3.Error):  # where SQLite rolled back by itself there is nothing left to do
                connection.execute("ROLLBACK")
            raise
        finally:
            planning.end()
        with suppress(sqlite3.Error):  # it is written; a later checkpoint does as well
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def options(self) -> Mapping[str, str]:
        """See `Store.options`."""
        with reading():
            return dict(self._connection.execute("SELECT name, value FROM options ORDER BY name").fetchall())

    def commit(self, begins: Sequence[Begin], moves: Sequence[Move], now: float) -> None:
        """See `Store.commit`."""
        if not begins and not moves:
            return
        self._check_writes()
        if self._identity is not None:
            self._identity.check()
        group = _group(begins, moves, now)
        try:
            self._connection.execute(schema.RECORD, group)
        except sqlite3.IntegrityError:
            self._refuse(begins, moves)
        except sqlite3.Error as error:
            raise opening.write_failed(error) from None

    def _check_writes(self) -> None:
        if self._lock is None and self._scratch is None:
            raise JournalWriteError("the journal cannot be written: it was opened to be read")

    def _refuse(self, begins: Sequence[Begin], moves: Sequence[Move]) -> NoReturn:
        """Say why a group was refused."""
        begun = [row.row_id for row in begins]
        moved = [row.row_id for row in moves]
        known: dict[int, tuple[str, int, State]] = {}
        with reading():
            for row_id in {*begun, *moved}:
                query = "SELECT key, content, state FROM rows WHERE id = ?"
                for key, content, state in self._connection.execute(query, (row_id,)).fetchall():
                    known[row_id] = (key, content, State(state))
        if missing := {*begun, *moved} - known.keys():
            raise ValueError(f"the journal has no row {min(missing)}")
        if len(set(begun)) < len(begun) or len(set(moved)) < len(moved):
            raise ValueError("a row is in the group twice")
        changed = [known[row.row_id][0] for row in begins if known[row.row_id][1] != row.content]
        if changed:
            raise PlanChangedError(
                f"{len(changed)} of the rows to send are not what was planned",
                tuple(changed[:_KEYS_TOLD]),
                len(changed),
            )
        for row_id in begun:
            check_move(known[row_id][2], State.SENDING)
        for move in moves:
            check_move(State.SENDING if move.row_id in begun else known[move.row_id][2], move.state)
        raise JournalWriteError(schema.DAMAGED)

    def counts(self) -> Mapping[State, int]:
        """See `Store.counts`."""
        with reading():
            found = dict(self._connection.execute("SELECT state, count(*) FROM rows GROUP BY +state").fetchall())
        return {state: found.get(int(state), 0) for state in State}

    def entries(self, *states: State, payload: bool = False) -> Iterator[Entry]:
        """See `Store.entries`."""
        columns = f"{_COLUMNS}, payload" if payload else _COLUMNS
        among = ", ".join(str(int(state)) for state in states)
        which = f"AND state IN ({among})" if states else ""
        if states and schema.INDEXED.issuperset(states):  # the index is used by who repeats its condition
            which += f" AND {schema.INDEXED_WHERE}"
        query = f"SELECT {columns} FROM rows WHERE id > ? {which} ORDER BY id LIMIT {_PAGE}"  # noqa: S608 - numbers
        last = 0
        while True:
            with reading():
                rows = self._connection.execute(query, (last,)).fetchall()
            for row in rows:
                yield _entry(*row)
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def entry(self, key: str) -> Entry | None:
        """See `Store.entry`."""
        query = f"SELECT {_COLUMNS} FROM rows WHERE key = ?"  # noqa: S608 - a constant
        with reading():
            for row in self._connection.execute(query, (key,)).fetchall():
                return _entry(*row)
        return None

    def campaign_ids(self) -> Iterator[str]:
        """See `Store.campaign_ids`."""
        query = f"SELECT id, campaign_id FROM rows WHERE id > ? AND campaign_id IS NOT NULL ORDER BY id LIMIT {_PAGE}"  # noqa: S608 - a constant
        last = 0
        while True:
            with reading():
                rows = self._connection.execute(query, (last,)).fetchall()
            for _, campaign_id in rows:
                yield campaign_id
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def close(self) -> None:
        """Close it, and let its lock go. May be called again."""
        opening.close(self._connection)
        if self._lock is not None:
            self._lock.release()
        if self._scratch is not None:
            self._scratch.cleanup()


def _group(begins: Sequence[Begin], moves: Sequence[Move], now: float) -> tuple[Any, ...]:
    """What `schema.RECORD` takes. Most moves are plain: those have a quicker way."""
    created: dict[str, str | None] = {}
    n_created = 0
    others: list[tuple[Any, ...]] = []
    payloads: list[bytes] = []
    at = 1
    for row in moves:
        if row.state is State.CREATED and row.reason is None and not row.leads and not row.surely_done:
            created[str(row.row_id)] = row.campaign_id
            n_created += 1
            continue
        payload = row.payload
        leads = [(lead.campaign_id, lead.recipient_count, lead.status, lead.start) for lead in row.leads]
        others.append(
            (
                row.row_id,
                int(row.state),
                row.campaign_id,
                int(row.surely_done),
                _text(row.reason),
                orjson.dumps(leads).decode() if leads else None,
                None if payload is None else at,
                None if payload is None else len(payload),
            )
        )
        if payload is not None:
            payloads.append(payload)
            at += len(payload)
    return (
        now,
        len(begins),
        orjson.dumps({str(row.row_id): row.content for row in begins}).decode(),
        n_created,
        orjson.dumps(created).decode(),
        len(others),
        orjson.dumps(others).decode(),
        b"".join(payloads),
    )


def _text(reason: str | None) -> str | None:
    """A reason as JSON and SQLite take it: what cannot be written must not keep a group from being recorded."""
    return None if reason is None else reason.encode(errors="replace").decode().replace("\0", "\ufffd")


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
    leads: str | None,
    surely_done: int,
    payload: bytes | None = None,
) -> Entry:
    return Entry(
        row_id,
        key,
        content,
        _STATES[state],
        attempts,
        attempted_at,
        ended_at,
        campaign_id,
        reason,
        tuple(Lead(*lead) for lead in orjson.loads(leads)) if leads else (),
        bool(surely_done),
        payload,
    )
