"""Compares a plan with a journal in SQLite, and adds its new rows: one reading, one transaction.

A line that the journal knows is recognised by its digest, and is not parsed. The digests of the journal's lines are loaded
into a temporary table once, so that lines are looked up a batch at a time, in whatever order they come. Memory does
not grow with the plan, but for a byte a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from attrs import define, field

from campaigns_async.effects import State
from campaigns_async.jobs._duplicates import canonical_numbers
from campaigns_async.jobs._sqlite_files import reading, writing
from campaigns_async.jobs.job_errors import BadLine, BadLineError, JournalError, PlanChangedError, PlanError
from campaigns_async.jobs.journal import compress
from campaigns_async.jobs.plan_lines import Line, Plan, PlanRow, digest

SERVER: Final = "server"
"""The option that holds the server's address. A dry run knows none."""
_BATCH: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024
_SHOWN: Final = 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: Final = {
    "keys": "a plan whose rows have keys",
    "contacts": "a CSV of contacts",
    "positions": "a list of campaigns without keys",
}
# A planned row without payload is not among the known ones: its line is read, for the payload.
_LOAD_KNOWN: Final = """
    INSERT OR REPLACE INTO temp.known SELECT line, id FROM rows JOIN contents ON row_id = id
    WHERE line IS NOT NULL AND (state <> 0 OR {planned})
"""
_FIND_KNOWN: Final = "SELECT known.line, known.id FROM json_each(?) AS j JOIN temp.known ON known.line = j.value"
_ADD_ROW: Final = """
    INSERT INTO rows (key, content, line, text, sender, starts_at, planned_count) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO NOTHING
"""
_ADD_CONTENTS: Final = "INSERT INTO contents (row_id, recipients, dropped, payload) VALUES (?, ?, ?, ?)"
_FIND_KEY: Final = """
    SELECT id, content, state, payload IS NULL FROM rows LEFT JOIN contents ON row_id = id WHERE key = ?
"""
_SET_PAYLOAD: Final = "UPDATE contents SET payload = ? WHERE row_id = ?"


class StoppedError(Exception):
    """Planning was given up; the journal is unchanged."""


class RowSink(Protocol):
    """Takes each row that would be sent."""

    def add(self, line: Line, row: PlanRow) -> object:
        """Take one row."""
        ...


def add_plan(
    connection: sqlite3.Connection,
    plan: Plan,
    settings: Mapping[str, str],
    *,
    retry_failed: bool,
    stopping: Callable[[], bool],
    sink: RowSink | None,
) -> None:
    """Add a plan to a journal; see `JournalFile.add_plan`."""
    own = plan.options()
    wanted = {**own, **settings}
    with reading():
        known = dict(connection.execute("SELECT name, value FROM options").fetchall())
    _check_options(known, wanted, positional=plan.positional)
    with writing():
        connection.execute("BEGIN IMMEDIATE")
        try:
            if known != wanted:
                connection.execute("DELETE FROM options")
                connection.executemany("INSERT INTO options (name, value) VALUES (?, ?)", list(wanted.items()))
            if retry_failed:
                connection.execute(
                    "UPDATE rows SET state = 0, reason = NULL, candidates = NULL, refused = NULL WHERE state = 3 AND state IN (1, 3, 4)"
                )
            unchanged = plan.identified and bool(known)
            if sink is not None or not unchanged or _lacks_payloads(connection):
                _Planning(connection, stopping, sink).run(plan)
                _check_still(plan, own)
            connection.execute("COMMIT")
        except BaseException:  # on an interrupt too: all or nothing
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                connection.execute("ROLLBACK")
            raise


def _check_still(plan: Plan, options: Mapping[str, str]) -> None:
    if plan.identified and plan.options() != options:
        raise PlanError("the plan was changed while it was read: start again; nothing was sent")


def _lacks_payloads(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM rows JOIN contents ON row_id = id WHERE state = 0 AND payload IS NULL LIMIT 1"
    return bool(connection.execute(query).fetchall())


@define
class _Digests:
    """Keyed digests, as integers or 8 bytes each."""

    _key: bytes
    _known: dict[str, int] = field(init=False, factory=dict[str, int])

    def of_text(self, text: str) -> int:
        """Return the digest of a message or a sender. Rows mostly share them."""
        if (found := self._known.get(text)) is None:
            if len(self._known) >= _BATCH:
                self._known.clear()
            content = blake2s(text.encode(), digest_size=8, key=self._key).digest()
            found = self._known[text] = int.from_bytes(content, "big", signed=True)
        return found

    def of_numbers(self, numbers: Sequence[str]) -> bytes:
        """Return the digests of phone numbers, each in one notation."""
        copy = blake2s(digest_size=8, key=self._key).copy
        digests: list[bytes] = []
        for number in canonical_numbers(numbers):
            hasher = copy()
            hasher.update(number.encode())
            digests.append(hasher.digest())
        return b"".join(digests)


@define
class _Faults:
    """The faults of a plan: the first ones, and how many."""

    _bad: list[BadLine] = field(factory=list[BadLine])
    _count: int = 0
    _changed: list[str] = field(factory=list[str])
    _changes: int = 0

    def add(self, *bad: BadLine) -> None:
        """Note faults of lines, which may come out of order."""
        self._count += len(bad)
        self._bad += bad
        if len(self._bad) > 2 * _SHOWN:
            self._sort()

    def add_changed(self, key: str) -> None:
        """Note a row that has changed."""
        self._changes += 1
        if len(self._changed) < _SHOWN:
            self._changed.append(key)

    def check(self) -> None:
        """Raise if there are any.

        Raises:
            PlanError: If lines are wrong.
            PlanChangedError: If rows have changed.
        """
        if self._count:
            self._sort()
            what = "1 fault" if self._count == 1 else f"{self._count} faults"
            raise PlanError(f"the plan has {what}; nothing was sent", tuple(self._bad), self._count)
        if self._changes:
            raise _changed("changed since the journal was begun", self._changed, self._changes)

    def _sort(self) -> None:
        self._bad = sorted(self._bad, key=lambda bad: bad.number)[:_SHOWN]


class _Pending(NamedTuple):
    """A row that was read, until its batch is added."""

    line: Line
    row: PlanRow


@define
class _Planning:
    """One reading of a plan, within a transaction."""

    _connection: sqlite3.Connection
    _stopping: Callable[[], bool]
    _sink: RowSink | None
    _faults: _Faults = field(init=False, factory=_Faults)
    _digests: _Digests = field(init=False)
    _before: int = field(init=False)
    """The last row that was there before. Row ids count up from 1."""
    _last: int = field(init=False)
    _seen: bytearray = field(init=False)
    """A byte for each row that was there before: 1 if the plan has it."""
    _unknown: list[Line] = field(init=False, factory=list[Line])
    """Lines that are to be looked up by their digests."""
    _rows: list[_Pending] = field(init=False, factory=list[_Pending])
    _bytes: int = field(init=False, default=0)
    """Of the lines and rows that are held."""

    def run(self, plan: Plan) -> None:
        """Read the plan, and add what is new.

        Raises:
            StoppedError, PlanError, PlanChangedError: See `Journal.add_plan`.
        """
        execute = self._connection.execute
        ((self._before,),) = execute("SELECT coalesce(max(id), 0) FROM rows").fetchall()
        ((key,),) = execute("SELECT digest_key FROM journal").fetchall()
        self._last, self._seen, self._digests = self._before, bytearray(self._before + 1), _Digests(key)
        execute("CREATE TEMP TABLE IF NOT EXISTS known (line INTEGER PRIMARY KEY, id INTEGER NOT NULL)")
        execute("DELETE FROM temp.known")
        if self._before:  # a sink is shown the planned rows too, so their lines are read
            execute(_LOAD_KNOWN.format(planned="payload IS NOT NULL" if self._sink is None else "FALSE"))
        empty = True
        for line in plan.lines():
            empty = False
            if self._stopping():
                raise StoppedError
            if isinstance(line, BadLine):
                self._faults.add(line)
            elif self._before and line.digest is not None:
                self._unknown.append(line)
                self._bytes += line.size
            else:
                self._read(line)
            if len(self._unknown) >= _BATCH or len(self._rows) >= _BATCH or self._bytes >= _BATCH_BYTES:
                self._flush()
        self._flush()
        if empty:
            self._faults.add(BadLine(1, "", "the plan is empty; it takes one campaign a line"))
        self._faults.check()
        self._check_missing()
        execute("DELETE FROM temp.known")

    def _flush(self) -> None:
        if self._unknown:
            lines, self._unknown = self._unknown, []
            digests = msgspec.json.encode([line.digest for line in lines]).decode()
            known = dict(self._connection.execute(_FIND_KNOWN, (digests,)).fetchall())
            for line in lines:
                row_id = known.get(line.digest)
                if row_id is None:
                    self._read(line)
                else:
                    self._see(row_id, line)
        if self._rows:
            rows, self._rows = self._rows, []
            self._add(rows)
        self._bytes = 0

    def _see(self, row_id: int, line: Line) -> bool:
        if row_id > self._before or self._seen[row_id]:
            self._faults.add(BadLine(line.number, "key", "stands in an earlier line too; each needs one of its own"))
            return False
        self._seen[row_id] = 1
        return True

    def _read(self, line: Line) -> None:
        try:
            row = line.read()
        except BadLineError as error:
            self._faults.add(*error.bad)
            return
        self._rows.append(_Pending(line, row))
        self._bytes += len(row.body)

    def _columns(self, each: _Pending) -> tuple[Any, ...]:
        row, digests = each.row, self._digests
        if self._sink is not None:  # nobody will ask
            return row.key, 0, None, 0, 0, 0, 0
        start = (row.start - _EPOCH) // timedelta(milliseconds=1)
        text, sender = digests.of_text(row.message), digests.of_text(row.sender)
        return row.key, digest(row.body), each.line.digest, text, sender, start, len(row.numbers)

    def _contents(self, row: PlanRow) -> tuple[bytes, bytes | None, bytes | None]:
        digests = self._digests
        dropped = digests.of_numbers(row.dropped) if row.dropped else None
        return digests.of_numbers(row.numbers), dropped, compress(row.body)

    def _add(self, rows: list[_Pending]) -> None:
        first = self._last + 1
        added = self._connection.executemany(_ADD_ROW, map(self._columns, rows)).rowcount
        self._last += added
        new = list(enumerate(rows, first) if added == len(rows) else self._find_new(rows, first))
        if self._sink is None:
            self._connection.executemany(_ADD_CONTENTS, ((row_id, *self._contents(each.row)) for row_id, each in new))
        for _, each in new:
            self._show(each)

    def _find_new(self, rows: list[_Pending], first: int) -> Iterator[tuple[int, _Pending]]:
        """Yield the rows that were added with their ids; compare the others with the rows that have their keys."""
        taken: set[int] = set()
        for each in rows:
            ((row_id, content, state, lacks_payload),) = self._connection.execute(_FIND_KEY, (each.row.key,)).fetchall()
            if row_id >= first and row_id not in taken:
                taken.add(row_id)
                yield row_id, each
            elif self._see(row_id, each.line):
                if content != digest(each.row.body):
                    self._faults.add_changed(each.row.key)
                elif state == State.PLANNED:
                    if lacks_payload:
                        self._connection.execute(_SET_PAYLOAD, (compress(each.row.body), row_id))
                    self._show(each)

    def _show(self, each: _Pending) -> None:
        if self._sink is not None:
            self._sink.add(each.line, each.row)

    def _check_missing(self) -> None:
        count = self._seen.count(0, 1)
        if not count:
            return
        keys: list[str] = []
        row_id = 0
        while len(keys) < min(count, _SHOWN):
            row_id = self._seen.index(0, row_id + 1)
            ((key,),) = self._connection.execute("SELECT key FROM rows WHERE id = ?", (row_id,)).fetchall()
            keys.append(key)
        raise _changed("missing from the plan, though the journal knows them", keys, count)


def _changed(what: str, keys: list[str], count: int) -> PlanChangedError:
    rows = "1 row is" if count == 1 else f"{count} rows are"
    shown = ", ".join(keys) + (", ..." if count > len(keys) else "")
    return PlanChangedError(
        f"{rows} {what} (keys: {shown}): bring the plan back to what it was, and give new rows new keys; "
        "nothing was sent",
        tuple(keys),
        count,
    )


def _check_options(known: Mapping[str, str], wanted: Mapping[str, str], *, positional: bool) -> None:
    if SERVER not in wanted or SERVER not in known:
        known, wanted = ({k: v for k, v in each.items() if k != SERVER} for each in (known, wanted))
    if not known or known == wanted:
        return
    if known.get("plan") != wanted.get("plan"):
        kinds = [_KINDS.get(each.get("plan", ""), "a plan of another kind") for each in (known, wanted)]
        raise JournalError(
            f"the journal belongs to {kinds[0]}, and this is {kinds[1]}: use another journal; nothing was sent"
        )
    names = sorted(name for name in known.keys() | wanted.keys() if known.get(name) != wanted.get(name))
    hint = " (its rows are known by their place in the file)" if positional else ""
    raise JournalError(
        f"the journal was begun with another {', '.join(names)}{hint}: "
        "use the same, or another journal for another job; nothing was sent"
    )
