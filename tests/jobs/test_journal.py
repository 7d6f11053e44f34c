"""The asynchronous journal: its work is done in a thread of its own, whoever stops waiting for it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from support.journal_model import KEY, plan_of, row_of

from campaigns_async.jobs import State
from campaigns_async.jobs._sqlite import JournalFile, SqliteJournal
from campaigns_async.jobs.journal import ClaimedRow, Transition, compress, decompress


async def open_with_rows(path: Path, rows: int) -> SqliteJournal:
    journal = await SqliteJournal.open(path)
    await journal.add_plan(plan_of(rows), {}, retry_failed=False, stopping=lambda: False)
    return journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


async def test_rows_are_handed_out_and_outcomes_taken(path: Path) -> None:
    journal = await open_with_rows(path, 5)
    first = await journal.commit([], claim=2, now=1.0)
    assert [(row.row_id, row.body()) for row in first] == [(1, row_of(1).row.body), (2, row_of(2).row.body)]
    outcomes = [Transition(1, State.CREATED, "c-1"), Transition(2, State.PLANNED)]
    assert [row.row_id for row in await journal.commit(outcomes, claim=1, now=2.0)] == [3]
    assert [row.row_id for row in await journal.commit([], claim=9, now=3.0)] == [2, 4, 5]
    await journal.commit([Transition(2, State.CREATED, "c-2")], claim=0, now=3.0)

    assert await journal.latest_campaigns(1) == ["c-2"]
    assert await journal.latest_campaigns(3) == ["c-2", "c-1"]
    assert await journal.owners({"c-2", "c-9"}) == {"c-2": row_of(2).content}
    assert (await journal.counts())[State.SENDING] == 3
    assert [row.row_id for row in await journal.rows(State.SENDING, limit=2)] == [3, 4]
    await journal.drop_payloads()
    assert [row.payload is None for row in await journal.rows(payload=True)] == [True, True, False, False, False]
    await journal.close()


async def test_all_of_its_work_is_done_in_one_other_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    commit = JournalFile.commit

    def note_thread(journal: JournalFile, *arguments: Any, **options: Any) -> list[ClaimedRow]:
        threads.add(threading.get_ident())
        return commit(journal, *arguments, **options)

    monkeypatch.setattr(JournalFile, "commit", note_thread)
    journal = await open_with_rows(path, 9)
    await asyncio.gather(*(journal.commit([], claim=1, now=1.0) for _ in range(9)))
    await journal.close()
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_a_cancelled_commit_has_its_effect_before_the_cancellation_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await open_with_rows(path, 3)
    entered, leave = threading.Event(), threading.Event()
    commit = JournalFile.commit

    def slow(journal: JournalFile, *arguments: Any, **options: Any) -> list[ClaimedRow]:
        entered.set()
        leave.wait()
        return commit(journal, *arguments, **options)

    monkeypatch.setattr(JournalFile, "commit", slow)
    committing = asyncio.ensure_future(journal.commit([], claim=2, now=1.0))
    await asyncio.to_thread(entered.wait)
    committing.cancel()
    await asyncio.sleep(0)
    assert not committing.done()
    leave.set()
    with pytest.raises(asyncio.CancelledError):
        await committing
    assert (await journal.counts())[State.SENDING] == 2
    await journal.close()


async def test_a_cancelled_opening_leaves_no_lock(path: Path) -> None:
    opening = asyncio.ensure_future(SqliteJournal.open(path))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    JournalFile.open(path).close()


async def test_a_cancelled_planning_stops_at_the_next_line_and_leaves_no_trace(path: Path) -> None:
    journal = await SqliteJournal.open(path)
    started, seen = threading.Event(), list[None]()

    def stopping() -> bool:
        started.set()
        seen.append(None)
        return False

    planning = asyncio.ensure_future(journal.add_plan(plan_of(9_000), {}, retry_failed=False, stopping=stopping))
    await asyncio.to_thread(started.wait)
    planning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await planning
    assert len(seen) < 9_000
    assert sum((await journal.counts()).values()) == 0
    await journal.close()


@pytest.mark.parametrize("size", [0, 100, 255, 256, 5_000])
def test_a_payload_is_the_body_again(size: int) -> None:
    body = b'{"message":"' + b"x" * size + b'"}'
    assert decompress(compress(body)) == body


def test_reprs_show_no_key_and_no_text() -> None:
    assert KEY not in repr(row_of(1).row)
    assert "Hello" not in repr([row_of(1).row, ClaimedRow(1, row_of(1).row.body)])


def test_a_row_that_is_claimed_again_keeps_the_place_of_its_first_claim(path: Path) -> None:
    with JournalFile.open(path) as journal:
        journal.add_plan(plan_of(1), {})
        [row] = journal.commit([], claim=1, now=1.0)
        first = next(iter(journal.rows())).first_claim
        journal.commit([Transition(row.row_id, State.UNKNOWN)], now=2.0)
        journal.commit([Transition(row.row_id, State.PLANNED)], now=3.0)
        assert journal.commit([], claim=1, now=4.0)
        assert next(iter(journal.rows())).first_claim == first
