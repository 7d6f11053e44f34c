"""A stop or a cancellation while the journal is being written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from attrs import define, field

from campaigns_async.effects import State
from campaigns_async.jobs import JournalError, JournalWriteError
from campaigns_async.jobs._backpressure import Backoff
from campaigns_async.jobs._sender import Sender
from campaigns_async.jobs.journal import ClaimedRow, Journal, Transition


@define
class SlowJournal:
    """Three planned rows, handed out by a commit that ends when the test says so."""

    began: asyncio.Event = field(factory=asyncio.Event)
    may_end: asyncio.Event = field(factory=asyncio.Event)
    rows: dict[int, State] = field(factory=lambda: dict.fromkeys((1, 2, 3), State.PLANNED))

    async def commit(self, transitions: Sequence[Transition], *, claim: int, now: float) -> list[ClaimedRow]:
        self.began.set()
        await self.may_end.wait()
        self.rows.update({each.row_id: each.state for each in transitions})
        claimed = [row_id for row_id, state in self.rows.items() if state is State.PLANNED][:claim]
        self.rows.update(dict.fromkeys(claimed, State.SENDING))
        return [ClaimedRow(row_id, b"{}") for row_id in claimed]


def sender_of(journal: SlowJournal, sent: list[int]) -> Sender:
    async def create(row: ClaimedRow, _: object) -> str:
        sent.append(row.row_id)
        return f"c-{row.row_id}"

    def ignore(*_: Any) -> None:
        """Ignore the call."""

    async def probe() -> None:
        """Answer as documented."""

    time = asyncio.get_running_loop().time
    return Sender(
        cast("Journal", journal),
        create=create,
        probe=probe,
        now=time,
        on_commit=ignore,
        on_revoked=ignore,
        concurrency=2,
        group=3,
        backoff=Backoff(60.0, time),
    )


async def test_rows_that_a_commit_claims_during_a_stop_are_planned_again_and_not_sent() -> None:
    journal, sent = SlowJournal(), list[int]()
    sender = sender_of(journal, sent)
    running = asyncio.ensure_future(sender.run())
    await journal.began.wait()
    sender.stop()
    journal.may_end.set()
    await running
    assert sent == []
    assert set(journal.rows.values()) == {State.PLANNED}


async def test_rows_that_a_commit_claims_during_a_cut_are_planned_again_and_not_sent() -> None:
    journal, sent = SlowJournal(), list[int]()
    running = asyncio.ensure_future(sender_of(journal, sent).run())
    await journal.began.wait()
    running.cancel()
    for _ in range(5):
        await asyncio.sleep(0)  # the cut begins while the journal is still being written
    journal.may_end.set()
    await asyncio.wait([running])
    assert running.cancelled()
    assert sent == []
    assert set(journal.rows.values()) == {State.PLANNED}


async def test_a_row_that_fails_after_the_journal_has_failed_ends_the_run_too() -> None:
    journal, failed, may_fail = SlowJournal(), asyncio.Event(), asyncio.Event()
    journal.may_end.set()
    commit = journal.commit

    async def commit_once(transitions: Sequence[Transition], *, claim: int, now: float) -> list[ClaimedRow]:
        if journal.began.is_set():
            failed.set()
            raise JournalWriteError("the disk is full")
        return await commit(transitions, claim=claim, now=now)

    async def create(row: ClaimedRow, _: object) -> str:
        if row.row_id == 2:
            await may_fail.wait()
            raise JournalError("the lock is lost")
        return f"c-{row.row_id}"

    sender = sender_of(journal, [])
    sender.create, sender.journal = create, cast("Journal", journal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SlowJournal, "commit", staticmethod(commit_once))
        running = asyncio.ensure_future(sender.run())
        await failed.wait()
        await asyncio.sleep(0.01)  # the run waits for the row in flight
        may_fail.set()
        async with asyncio.timeout(5):
            with pytest.raises(JournalWriteError):
                await running
