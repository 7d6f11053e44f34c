"""A journal in plain dicts: the reference for the one in a file. And plans to fill them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache

from attrs import evolve

from campaigns_async import NewCampaign, NewContact
from campaigns_async.effects import check_move
from campaigns_async.jobs import JournalRow, Plan, State, rows_plan
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import Transition
from support.plans import Read, lines_of

KEY = "a key that no error may quote"
START = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)


def plan_of(count: int) -> Plan:
    """Make a plan of `count` rows."""
    return rows_plan([(f"{KEY} {number}", new(number)) for number in range(1, count + 1)])


def new(number: int) -> NewCampaign:
    """Return the campaign of a row. Every tenth is long enough to be compressed."""
    text = "Hello. " * 60 if number % 10 == 0 else "Hello."
    return NewCampaign(START, "Golf", f"{text}{number}", [NewContact(f"0770090{number:04}")])


@cache
def row_of(number: int) -> Read:
    """Return the row as the plan has it."""
    [line] = lines_of(rows_plan([(f"{KEY} {number}", new(number))]))
    return line


def plan(journal: JournalFile, count: int, **options: bool) -> None:
    """Add the plan of `count` rows to a journal."""
    journal.add_plan(plan_of(count), {}, **options)


class JournalModel:
    """Does in memory what a `JournalFile` does."""

    def __init__(self) -> None:
        self.rows: dict[int, JournalRow] = {}
        self.generation = 0

    def snapshot(self) -> tuple[JournalRow, ...]:
        """Return all rows with their payloads."""
        return tuple(self.rows[row_id] for row_id in sorted(self.rows))

    def plan(self, count: int, *, retry_failed: bool = False) -> None:
        """Add the plan of `count` rows, at least as many as before."""
        self.generation += 1
        for number in range(len(self.rows) + 1, count + 1):
            read = row_of(number)
            self.rows[number] = JournalRow(number, read.key, read.content, State.PLANNED, payload=read.row.body)
        for row in self.snapshot():
            if retry_failed and row.state is State.FAILED:
                self.rows[row.row_id] = evolve(
                    row, state=State.PLANNED, reason=None, candidates=(), refused_contacts=(), server_reason=None
                )
        for row in self.snapshot():
            if row.state is State.PLANNED and row.payload is None:
                self.rows[row.row_id] = evolve(row, payload=row_of(row.row_id).row.body)

    def commit(self, transitions: Sequence[Transition], *, claim: int = 0, now: float) -> list[int]:
        """Record a group; return the ids that were claimed."""
        rows = dict(self.rows)
        named = [each.row_id for each in transitions]
        if len(set(named)) < len(named) or not rows.keys() >= set(named):
            raise ValueError("a row that is not there, or is in the group twice")
        planned = [row.row_id for row in self.snapshot() if row.state is State.PLANNED][:claim]
        claimed = [row_id for row_id in planned if row_id not in named]
        for row_id in claimed:
            rows[row_id] = _claim(rows[row_id], now, self.generation + 1)
        for each in transitions:
            rows[each.row_id] = _move(rows[each.row_id], each, now)
        owned = [row.campaign_id for row in rows.values() if row.state is State.CREATED and row.campaign_id is not None]
        if len(set(owned)) < len(owned):
            raise ValueError("a campaign is two rows'")
        self.rows = rows
        self.generation += bool(claimed or transitions)
        return claimed

    def drop_payloads(self) -> None:
        """Drop the payloads of the rows that are created or failed."""
        for row in self.snapshot():
            if row.state in {State.CREATED, State.FAILED}:
                self.rows[row.row_id] = evolve(row, payload=None)

    def counts(self) -> Mapping[State, int]:
        """Count the rows by state."""
        return {state: sum(row.state is state for row in self.rows.values()) for state in State}


def _claim(row: JournalRow, now: float, generation: int) -> JournalRow:
    return evolve(
        row,
        state=State.SENDING,
        attempts=row.attempts + 1,
        attempted_at=now,
        first_claim=generation if row.first_claim is None else row.first_claim,
        campaign_id=None,
        created_without_id=False,
        reason=None,
        candidates=(),
        refused_contacts=(),
        server_reason=None,
    )


def _move(row: JournalRow, each: Transition, now: float) -> JournalRow:
    check_move(row.state, each.state, exceptional=each.exceptional)
    return evolve(
        row,
        state=each.state,
        ended_at=now,
        campaign_id=each.campaign_id,
        reason=each.reason,
        candidates=each.candidates,
        refused_contacts=each.refused_contacts,
        server_reason=each.server_reason,
        created_without_id=each.created_without_id or (row.created_without_id and each.state is State.UNKNOWN),
    )
