"""Load a plan into a journal: compare them, and add the new rows, in one pass and one transaction.

A line that the journal knows is recognised by its digest and is not parsed. The digests of the journal's lines are loaded
into a temporary table once, so that lines are looked up in batches, in any order. Apart from a batch, memory grows by
one byte for each row of the journal.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from attrs import define, field

from campaigns_async._reconcile.markers import describe_use, find_placeholder
from campaigns_async.effects import State
from campaigns_async.jobs._plan_rules import Finding, LeftOut, UnreadableNumber
from campaigns_async.jobs._sqlite_files import reading, transaction, writing
from campaigns_async.jobs.job_errors import BadLine, BadLineError, JournalError, PlanChangedError, PlanError
from campaigns_async.jobs.journal import Digests, LoadedPlan, compress
from campaigns_async.jobs.plans import Line, Plan, PlanRow, digest

SERVER: Final = "server"
"""The option that holds the server's address. A dry run has none."""
MARKER: Final = "marker"
"""The option that holds `ReconcilePolicy.marker`, if there is one."""
_BATCH: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024
_SHOWN: Final = 20
_CORRECTED: Final = (
    "; a failed row of a plan with keys may be corrected, and is sent with retry_failed (--retry-failed); "
    "without keys, corrected campaigns need a plan and a journal of their own"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RESTORED: Final = "may have been sent after this copy of the journal was made"
_KINDS: Final = {
    "keys": "a plan whose rows have keys",
    "contacts": "a CSV of contacts",
    "positions": "a list of campaigns without keys",
}
# A planned or unknown row without payload is left out: its line is read again, for the payload.
_LOAD_LINES: Final = """
    INSERT OR REPLACE INTO temp.known SELECT line, id FROM rows JOIN contents ON row_id = id
    WHERE line IS NOT NULL AND (state NOT IN (0, 4) OR payload IS NOT NULL AND {planned})
"""
_FIND_LINES: Final = "SELECT known.line, known.id FROM json_each(?) AS j JOIN temp.known ON known.line = j.value"
_ADD_ROW: Final = """
    INSERT INTO rows (key, content, line, text, sender, starts_at, planned_count) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO NOTHING
"""
_ADD_CONTENTS: Final = "INSERT INTO contents (row_id, recipients, dropped, payload) VALUES (?, ?, ?, ?)"
_FIND_KEY: Final = """
    SELECT id, content, state, has_failed, payload IS NULL FROM rows LEFT JOIN contents ON row_id = id WHERE key = ?
"""
_CHANGE_ROW: Final = """
    UPDATE rows SET content = ?, line = ?, text = ?, sender = ?, starts_at = ?, planned_count = ? WHERE key = ?
"""
_CHANGE_CONTENTS: Final = "UPDATE contents SET recipients = ?, dropped = ?, payload = ? WHERE row_id = ?"
_SET_PAYLOAD: Final = "UPDATE contents SET payload = ? WHERE row_id = ?"
# The second condition on the state is the index's, word for word.
_PLAN_FAILED: Final = """
    UPDATE rows SET state = 0, reason = NULL, candidates = NULL, refused = NULL, server_reason = NULL
    WHERE state = 3 AND state IN (1, 3, 4)
"""
# Of an older copy, planned rows may have been sent since it was made, and failed rows may have been sent again.
_SUSPECT: Final = f"""
    UPDATE rows SET state = 4, reason = '{_RESTORED}', first_claim = coalesce(first_claim, restored_at + 1)
    FROM journal WHERE state = 0 AND (restoring OR coalesce(first_claim, 0) <= restored_at)
"""  # noqa: S608 - a constant


class StoppedError(Exception):
    """A plan that was not loaded because `stopping` returned True. The journal is unchanged."""


class RowSink(Protocol):
    """A receiver of the rows that would be sent."""

    def add(self, line: Line, row: PlanRow) -> object:
        """Add a row."""
        ...


def add_plan(
    connection: sqlite3.Connection,
    plan: Plan,
    settings: Mapping[str, str],
    *,
    retry_failed: bool,
    stopping: Callable[[], bool],
    sink: RowSink | None,
) -> LoadedPlan:
    """Add a plan to a journal; see `JournalFile.add_plan`."""
    suspected, left_out = 0, Finding()
    plan_options = plan.options()
    options = {**plan_options, **settings}
    with reading():
        recorded = dict(connection.execute("SELECT name, value FROM options").fetchall())
        ((purged_at, restoring),) = connection.execute("SELECT purged_at, restoring FROM journal").fetchall()
    if purged_at is not None:
        raise JournalError("the journal was purged, so it cannot say what was sent: use another; nothing was sent")
    _check_options(recorded, options, is_positional=plan.is_positional)
    with writing(in_use_if_busy=True), transaction(connection):
        if recorded != options:
            connection.execute("DELETE FROM options")
            connection.executemany("INSERT INTO options (name, value) VALUES (?, ?)", list(options.items()))
        if retry_failed:
            connection.execute(_PLAN_FAILED)
        is_unchanged = plan.has_content_digest and bool(recorded)
        # An unchanged plan is read to report what it leaves out, which no row has.
        if sink is not None or not is_unchanged or "invalidNumbers" in options or _lacks_payloads(connection):
            may_change = retry_failed and not plan.is_positional
            loader = _Loader(connection, stopping, sink, may_change, is_unchanged, settings.get(MARKER))
            loader.run(plan)
            left_out = loader.left_out
            if plan.has_content_digest and plan.options() != plan_options:
                raise PlanError("the plan was changed while it was read: start again; nothing was sent")
        if restoring or retry_failed:
            suspected = connection.execute(_SUSPECT).rowcount
        connection.execute("UPDATE journal SET generation = generation + 1, restoring = 0")
    return LoadedPlan(suspected, left_out)


def _lacks_payloads(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM rows JOIN contents ON row_id = id WHERE state IN (0, 4) AND payload IS NULL LIMIT 1"
    return bool(connection.execute(query).fetchall())


@define
class _Faults:
    """The faults of a plan: all are counted, the first 20 are kept."""

    _lines: list[BadLine] = field(factory=list[BadLine])
    _line_count: int = 0
    _changed_keys: list[str] = field(factory=list[str])
    _changed_count: int = 0
    _any_failed: bool = False

    def add(self, *lines: BadLine) -> None:
        """Add faults of lines, in any order."""
        self._line_count += len(lines)
        self._lines += lines
        if len(self._lines) > 2 * _SHOWN:
            self._keep_first()

    def add_changed(self, key: str, *, has_failed: bool) -> None:
        """Add a row that has changed."""
        self._changed_count += 1
        self._any_failed |= has_failed
        if len(self._changed_keys) < _SHOWN:
            self._changed_keys.append(key)

    def check(self) -> None:
        """Raise if the plan has faults.

        Raises:
            PlanError: If lines are wrong.
            PlanChangedError: If rows have changed.
        """
        if self._line_count:
            self._keep_first()
            what = "1 fault" if self._line_count == 1 else f"{self._line_count} faults"
            raise PlanError(f"the plan has {what}; nothing was sent", tuple(self._lines), self._line_count)
        if self._changed_count:
            advice = _CORRECTED if self._any_failed else ""
            raise _to_error("changed since the journal was started", self._changed_keys, self._changed_count, advice)

    def _keep_first(self) -> None:
        self._lines = sorted(self._lines, key=lambda line: line.number)[:_SHOWN]


class _PendingRow(NamedTuple):
    line: Line
    row: PlanRow


@define
class _Loader:
    """One pass over a plan, within a transaction."""

    # `_is_unchanged` is True if an earlier run accepted the whole plan with the same options.
    # `_known` is the highest id before this pass, since ids count up from 1; `_last` is the highest id now. `_seen` has
    # a byte for each known row: 1 if the plan has it. `_lines` wait to be looked up by digest, `_rows` to be added.
    _connection: sqlite3.Connection
    _stopping: Callable[[], bool]
    _sink: RowSink | None
    _may_change_failed: bool
    _is_unchanged: bool
    _marker: str | None
    left_out: Finding = field(init=False, factory=Finding)
    _faults: _Faults = field(init=False, factory=_Faults)
    _digests: Digests = field(init=False)
    _known: int = field(init=False)
    _last: int = field(init=False)
    _seen: bytearray = field(init=False)
    _lines: list[Line] = field(init=False, factory=list[Line])
    _rows: list[_PendingRow] = field(init=False, factory=list[_PendingRow])
    _pending_bytes: int = field(init=False, default=0)

    def run(self, plan: Plan) -> None:
        """Read the plan, and add the new rows.

        Raises:
            StoppedError, PlanError, PlanChangedError: As `Journal.add_plan`.
        """
        execute = self._connection.execute
        ((self._known,),) = execute("SELECT coalesce(max(id), 0) FROM rows").fetchall()
        ((key,),) = execute("SELECT digest_key FROM journal").fetchall()
        self._last, self._seen, self._digests = self._known, bytearray(self._known + 1), Digests(key)
        execute("CREATE TEMP TABLE IF NOT EXISTS known (line INTEGER PRIMARY KEY, id INTEGER NOT NULL)")
        execute("DELETE FROM temp.known")
        if self._known:  # a sink is given the planned rows too, so their lines are read
            execute(_LOAD_LINES.format(planned="TRUE" if self._sink is None else "state = 4"))
        empty = True
        for line in plan.lines():
            empty = False
            if self._stopping():
                raise StoppedError
            if isinstance(line, BadLine):
                self._note((line,), is_known=False, is_accepted=self._is_unchanged)
            elif self._known and line.digest is not None:
                self._lines.append(line)
                self._pending_bytes += line.size
            else:
                self._read(line)
            if len(self._lines) >= _BATCH or len(self._rows) >= _BATCH or self._pending_bytes >= _BATCH_BYTES:
                self._flush()
        self._flush()
        if empty:
            self._faults.add(BadLine(1, "", "the plan is empty: write one campaign a line"))
        elif self.left_out.count and self._last == 0:
            self._faults.add(BadLine(1, "", "no contact is left: no phone number of the plan can be read"))
        self._faults.check()
        self._check_missing()
        execute("DELETE FROM temp.known")

    def _flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            digests = msgspec.json.encode([line.digest for line in lines]).decode()
            known = dict(self._connection.execute(_FIND_LINES, (digests,)).fetchall())
            for line in lines:
                row_id = known.get(line.digest)
                if row_id is None:
                    self._read(line)
                else:
                    self._mark_seen(row_id, line)
        if self._rows:
            rows, self._rows = self._rows, []
            self._add(rows)
        self._pending_bytes = 0

    def _mark_seen(self, row_id: int, line: Line) -> bool:
        """Mark a known row as part of the plan; return False if its key is a duplicate."""
        if row_id > self._known or self._seen[row_id]:
            self._faults.add(BadLine(line.number, "key", "is also the key of an earlier line: each line needs its own"))
            return False
        self._seen[row_id] = 1
        return True

    def _read(self, line: Line) -> None:
        try:
            row = line.read()
        except BadLineError as error:
            self._faults.add(*error.bad)
            return
        if row.faults:
            query = "SELECT coalesce(line = ?, 0) FROM rows WHERE key = ? AND content = ?"
            known = self._connection.execute(query, (line.digest, row.key, digest(row.body))).fetchall()
            self._note(row.faults, is_known=bool(known), is_accepted=(1,) in known)
        if not row.numbers:  # all contacts are left out
            return
        if self._marker is not None and (reason := find_placeholder(row.message)) is not None:
            self._faults.add(BadLine(line.number, "message", reason))
        if self._marker is not None and f'"{self._marker}":'.encode() in row.body:  # in a text its quotes are escaped
            self._faults.add(BadLine(line.number, "contacts", describe_use(self._marker)))
        self._rows.append(_PendingRow(line, row))
        self._pending_bytes += len(row.body)

    def _note(self, faults: Iterable[BadLine], *, is_known: bool, is_accepted: bool) -> None:
        """Add faults of phone numbers, unless an earlier version accepted them: it read fewer notations, and any text."""
        for each in faults:
            if isinstance(each, LeftOut):
                self.left_out.add(each.number, each.field)
            elif not is_accepted and not (is_known and isinstance(each, UnreadableNumber)):
                self._faults.add(each)

    def _to_columns(self, each: _PendingRow) -> tuple[Any, ...]:
        row, digests = each.row, self._digests
        if self._sink is not None:  # a scratch copy, of which only keys and states are read
            return row.key, 0, None, 0, 0, 0, 0
        start = (row.start - _EPOCH) // timedelta(milliseconds=1)
        text, sender = digests.of_text(row.message), digests.of_text(row.sender)
        return row.key, digest(row.body), each.line.digest, text, sender, start, len(row.numbers)

    def _to_contents(self, row: PlanRow) -> tuple[bytes, bytes | None, bytes | None]:
        digests = self._digests
        dropped = digests.of_numbers(row.dropped) if row.dropped else None
        return digests.of_numbers(row.numbers), dropped, compress(row.body)

    def _add(self, rows: list[_PendingRow]) -> None:
        first = self._last + 1
        added = self._connection.executemany(_ADD_ROW, map(self._to_columns, rows)).rowcount
        self._last += added
        new = list(enumerate(rows, first) if added == len(rows) else self._find_new(rows, first))
        if self._sink is None:
            contents = ((row_id, *self._to_contents(each.row)) for row_id, each in new)
            self._connection.executemany(_ADD_CONTENTS, contents)
        for _, each in new:
            self._pass_on(each)

    def _find_new(self, rows: list[_PendingRow], first: int) -> Iterator[tuple[int, _PendingRow]]:
        """Yield the added rows with their ids. Compare the others with the rows that have their keys."""
        yielded: set[int] = set()
        for each in rows:
            found = self._connection.execute(_FIND_KEY, (each.row.key,)).fetchall()
            ((row_id, content, state, has_failed, lacks_payload),) = found
            if row_id >= first and row_id not in yielded:
                yielded.add(row_id)
                yield row_id, each
            elif self._mark_seen(row_id, each.line):
                is_changed = content != digest(each.row.body)
                may_change = self._may_change_failed and has_failed and state == State.PLANNED
                if is_changed and not may_change:
                    self._faults.add_changed(each.row.key, has_failed=bool(has_failed))
                elif is_changed and self._sink is None:
                    self._change(row_id, each)
                elif state in {State.PLANNED, State.UNKNOWN} and lacks_payload:
                    self._connection.execute(_SET_PAYLOAD, (compress(each.row.body), row_id))
                if state == State.PLANNED:
                    self._pass_on(each)

    def _change(self, row_id: int, each: _PendingRow) -> None:
        key, *columns = self._to_columns(each)
        self._connection.execute(_CHANGE_ROW, (*columns, key))
        self._connection.execute(_CHANGE_CONTENTS, (*self._to_contents(each.row), row_id))

    def _pass_on(self, each: _PendingRow) -> None:
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
        raise _to_error("in the journal, but missing from the plan", keys, count)


def _to_error(what: str, keys: list[str], count: int, advice: str = "") -> PlanChangedError:
    rows = "1 row is" if count == 1 else f"{count} rows are"
    shown = ", ".join(keys) + (", ..." if count > len(keys) else "")
    return PlanChangedError(
        f"{rows} {what} (keys: {shown}): restore the plan, and give new rows new keys{advice}; nothing was sent",
        tuple(keys),
        count,
    )


def _check_options(recorded: Mapping[str, str], options: Mapping[str, str], *, is_positional: bool) -> None:
    if SERVER not in options or SERVER not in recorded:
        recorded, options = ({k: v for k, v in each.items() if k != SERVER} for each in (recorded, options))
    if not recorded or recorded == options:
        return
    if recorded.get("plan") != options.get("plan"):
        kinds = [_KINDS.get(each.get("plan", ""), "a plan of another kind") for each in (recorded, options)]
        raise JournalError(
            f"the journal belongs to {kinds[0]}, and this is {kinds[1]}: use another journal; nothing was sent"
        )
    changed = [name for name in recorded.keys() | options.keys() if recorded.get(name) != options.get(name)]
    names = sorted(re.sub("(?=[A-Z])", "_", name).lower() for name in changed)  # as a caller writes them
    hint = " (its rows are identified by their positions in the file)" if is_positional else ""
    corrected = "; corrected contacts of failed rows need a CSV and a journal of their own" if "file" in names else ""
    raise JournalError(
        f"the journal was started with other values of {', '.join(names)}{hint}: "
        f"use the same ones, or another journal for another job{corrected}; nothing was sent"
    )
