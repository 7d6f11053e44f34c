"""The check of a whole plan against the journal, before anything is sent. In one transaction, as a stream."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from attrs import define, field, frozen

from campaigns_async.effects import State
from campaigns_async.jobs.errors import BadLine, BadLineError, JournalError, PlanChangedError, PlanError
from campaigns_async.jobs.plan import Line, Plan
from campaigns_async.jobs.store import Planning, Store
from campaigns_async.models import NewCampaign

_SHOWN = 20
_KINDS = {
    "keys": "a plan whose rows have keys",
    "contacts": "a CSV of contacts",
    "positions": "a list of campaigns without keys",
}
SERVER = "server"
"""The option that says which server a journal is of; a dry run knows of none."""
CHANGED = "the plan was changed while it was being sent: stop, and start again"


class StoppedError(Exception):
    """The check was given up; the journal is as it was."""


class Bits:
    """A set of whole numbers from 0, a bit each."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __contains__(self, number: int) -> bool:
        place = number >> 3
        return place < len(self._bytes) and bool(self._bytes[place] & 1 << (number & 7))

    def add(self, number: int) -> None:
        """Put a number in."""
        place = number >> 3
        if place >= len(self._bytes):
            self._bytes.extend(bytes(place + 1 - len(self._bytes) + (place >> 3)))
        self._bytes[place] |= 1 << (number & 7)

    def update(self, others: Bits) -> None:
        """Put all of another set in."""
        size = max(len(self._bytes), len(others._bytes))
        both = int.from_bytes(self._bytes, "little") | int.from_bytes(others._bytes, "little")
        self._bytes = bytearray(both.to_bytes(size, "little"))


class Collector(Protocol):
    """Is shown each row that is to be sent."""

    def add(self, line: Line, campaign: NewCampaign) -> object:
        """Take one row."""
        ...


@frozen
class Checked:
    """A plan that is in the journal, row by row. Eight bytes and a bit a row."""

    row_ids: array[int] = field(repr=lambda ids: f"<{len(ids)}>")
    """By the row's index in the plan."""
    to_send: Bits = field(repr=False)
    """Indexes of the rows that are planned."""
    sending: int
    """How many those are."""
    doubtful: Mapping[int, int] = field(repr=lambda rows: f"<{len(rows)}>")
    """Rows that an earlier run left in doubt: their ids, and their indexes."""


@define
class _Faults:
    bad: list[BadLine] = field(factory=list[BadLine])
    count: int = 0
    changed: list[str] = field(factory=list[str])
    changes: int = 0

    def line(self, *bad: BadLine) -> None:
        self.bad.extend(bad[: _SHOWN - len(self.bad)])
        self.count += len(bad)

    def row(self, key: str) -> None:
        if len(self.changed) < _SHOWN:
            self.changed.append(key)
        self.changes += 1


def check(
    plan: Plan,
    store: Store,
    *,
    options: Mapping[str, str],
    retry_failed: bool = False,
    collector: Collector | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Checked:
    """Bring a plan into the journal, or leave the journal as it was.

    Args:
        plan: Read once, as a stream.
        store: The journal.
        options: What must be the same in every run, beside the plan's own.
        retry_failed: Whether rows that failed are to be sent again.
        collector: Is shown what is to be sent.
        stopping: Asked at every line whether to give up.

    Raises:
        StoppedError: It was given up.
        PlanError: Lines are wrong, or there are none.
        PlanChangedError: Rows that the journal knows have changed, or are missing.
        JournalError: The journal was begun with another plan, or other options.
    """
    wanted = {**plan.options(), **options}
    _check_options(store.options(), wanted, positional=plan.positional)
    with store.planning() as planning:
        planning.set_options(wanted)
        if retry_failed:
            planning.retry_failed()
        return _Check(planning, collector, stopping).run(plan)


@define
class _Check:
    _planning: Planning
    _collector: Collector | None
    _stopping: Callable[[], bool]
    _faults: _Faults = field(init=False, factory=_Faults)
    _seen: Bits = field(init=False, factory=Bits)
    _to_send: Bits = field(init=False, factory=Bits)
    _row_ids: array[int] = field(init=False, factory=lambda: array("q"))
    _sending: int = field(init=False, default=0)
    _doubtful: dict[int, int] = field(init=False, factory=dict[int, int])

    def run(self, plan: Plan) -> Checked:
        before = self._planning.last_id()
        empty = True
        for line in plan.lines():
            empty = False
            if self._stopping():
                raise StoppedError
            if isinstance(line, BadLine):
                self._faults.line(line)
            else:
                self._take(line)
        if empty:
            self._faults.line(BadLine(1, "", "the plan is empty; it takes one campaign a line"))
        self._raise(before)
        return Checked(self._row_ids, self._to_send, self._sending, self._doubtful)

    def _take(self, line: Line) -> None:
        known = self._planning.find(line.key)
        if known is None:
            campaign = self._read(line)
            self._place(line, self._planning.add(line.key, line.content), State.PLANNED)
            self._show(line, campaign)
        elif known.row_id in self._seen:
            self._faults.line(BadLine(line.number, "key", "stands in an earlier line too; each needs one of its own"))
        elif known.content != line.content:
            self._seen.add(known.row_id)
            if self._read(line) is not None:
                self._faults.row(line.key)
        else:
            self._place(line, known.row_id, known.state)
            if self._collector is not None and known.state is State.PLANNED:
                self._show(line, self._read(line))

    def _show(self, line: Line, campaign: NewCampaign | None) -> None:
        if self._collector is not None and campaign is not None:
            self._collector.add(line, campaign)

    def _place(self, line: Line, row_id: int, state: State) -> None:
        self._seen.add(row_id)
        index = len(self._row_ids)
        self._row_ids.append(row_id)
        if state is State.PLANNED:
            self._to_send.add(index)
            self._sending += 1
        elif state in {State.SENDING, State.UNKNOWN}:
            self._doubtful[row_id] = index

    def _read(self, line: Line) -> NewCampaign | None:
        try:
            return line.campaign()
        except BadLineError as error:
            self._faults.line(*error.bad)
            return None

    def _raise(self, before: int) -> None:
        faults = self._faults
        if faults.count:
            what = "1 fault" if faults.count == 1 else f"{faults.count} faults"
            raise PlanError(f"the plan has {what}; nothing was sent", tuple(faults.bad), faults.count)
        if faults.changes:
            raise _changed("changed since the journal was begun", faults.changed, faults.changes)
        missing = [row_id for row_id in range(1, before + 1) if row_id not in self._seen]
        if missing:
            keys = [self._planning.key_of(row_id) for row_id in missing[:_SHOWN]]
            raise _changed("missing from the plan, though the journal knows them", keys, len(missing))


def _changed(what: str, keys: list[str], count: int) -> PlanChangedError:
    rows = "1 row is" if count == 1 else f"{count} rows are"
    shown = ", ".join(keys) + (", ..." if count > len(keys) else "")
    return PlanChangedError(
        f"{rows} {what} (keys: {shown}): bring the plan back to what it was, and give new rows new keys; "
        "nothing was sent",
        tuple(keys),
        count,
    )


def run_options(ignore_invalid_phone_numbers: bool | None) -> dict[str, str]:
    """What must be the same in every run of a journal, whatever the plan."""
    return {"ignore_invalid_phone_numbers": str(ignore_invalid_phone_numbers)}


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


@frozen
class PlannedRow:
    """A row of a plan that was checked."""

    row_id: int
    line: Line
    campaign: NewCampaign


def rows_to_send(plan: Plan, checked: Checked, wanted: Callable[[int], bool]) -> Iterator[PlannedRow]:
    """The wanted rows of a plan that was checked.

    Raises:
        PlanChangedError: The plan is no longer what was checked.
    """
    for line in plan.lines(wanted):
        if isinstance(line, BadLine) or line.index >= len(checked.row_ids):
            raise PlanChangedError(CHANGED)
        try:
            campaign = line.campaign()
        except BadLineError:
            raise PlanChangedError(CHANGED) from None
        yield PlannedRow(checked.row_ids[line.index], line, campaign)
