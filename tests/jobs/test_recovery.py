"""Unknown rows are looked for beside what else the client does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from support.made import client_of, new_campaign

from campaigns_async import OutcomeUnknownError, ReconcilePolicy
from campaigns_async.jobs import JournalWriteError, send
from campaigns_async.jobs._sqlite import JournalFile, SqliteJournal
from campaigns_async.jobs.journal import ClaimedRow, Transition
from campaigns_async.sandbox import Sandbox

SOON = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)


async def test_what_a_create_beside_the_job_may_have_made_is_not_taken_for_a_row(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fault(operation="create", nth=1, times=1, status=504, act=True)
    sandbox.fault(operation="create", nth=2, times=1, drop="close", act=False)
    async with client_of(sandbox, reconcile=SOON) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign())
        summary = await send(client, [("a", new_campaign())], tmp_path / "journal")
    (created,) = sandbox.created
    assert (summary.created, summary.unknown) == (0, 1)
    assert [candidate.campaign_id for candidate in summary.unknown_rows[0].candidates] == [created["id"]]


async def test_a_row_of_this_run_whose_create_is_carried_out_late_is_not_sent_again(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fault(operation="create", times=1, status=504, act_after=0.2)
    policy = ReconcilePolicy(settle=0.6, timeout=5, pause=0.02)
    async with client_of(sandbox, reconcile=policy) as client:
        summary = await send(client, [("a", new_campaign())], tmp_path / "journal")
    assert summary.created == 1
    assert sum(request.operation == "create" for request in sandbox.requests) == 1


async def test_what_a_create_may_have_made_is_not_taken_for_a_row_of_an_earlier_run(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    plan = [("a", new_campaign())]
    sandbox.fault(operation="create", times=1, status=504)
    async with client_of(sandbox) as earlier:
        assert (await send(earlier, plan, tmp_path / "journal", reconcile=False)).unknown == 1
    sandbox.fault(operation="create", times=1, status=504, act=True)
    async with client_of(sandbox, reconcile=SOON) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign())
        summary = await send(client, plan, tmp_path / "journal")
    (created,) = sandbox.created
    assert (summary.created, summary.unknown) == (0, 1)
    assert [candidate.campaign_id for candidate in summary.unknown_rows[0].candidates] == [created["id"]]


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_row_of_another_journal_keeps_the_campaign_that_it_was_given(
    sandbox: Sandbox, tmp_path: Path, lost: int
) -> None:
    sandbox.fault(operation="create", nth=lost, times=1, drop="close")
    async with client_of(sandbox, reconcile=SOON) as client:
        summaries = [
            await send(client, [(name, new_campaign())], tmp_path / name, reconcile=False) for name in ("a", "b")
        ]
        assert sorted(summary.unknown for summary in summaries) == [0, 1]
        summaries = [await send(client, [(name, new_campaign())], tmp_path / name) for name in ("a", "b")]
    assert all(summary.ok for summary in summaries)
    assert len(sandbox.created) == 2, "the lost one was sent again"


async def test_two_jobs_at_once_with_equal_campaigns_each_send_theirs(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", nth=2, times=1, drop="close")
    async with client_of(sandbox, reconcile=SOON) as client:
        summaries = await asyncio.gather(
            *(send(client, [(name, new_campaign())], tmp_path / name) for name in ("a", "b"))
        )
    assert all(summary.ok for summary in summaries)
    assert len(sandbox.created) == 2


async def test_a_campaign_that_a_journal_could_not_record_is_found_by_the_next_run_wherever_the_journal_is(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = JournalFile.commit

    def fail(journal: JournalFile, transitions: Sequence[Transition], **options: Any) -> list[ClaimedRow]:
        if transitions:
            raise JournalWriteError("the disk is full")
        return commit(journal, transitions, **options)

    async with client_of(sandbox, reconcile=SOON) as client:
        with monkeypatch.context() as patched, pytest.raises(JournalWriteError):
            patched.setattr(JournalFile, "commit", fail)
            await send(client, [("a", new_campaign())], tmp_path / "journal")
        (tmp_path / "journal").rename(tmp_path / "moved")
        summary = await send(client, [("a", new_campaign())], tmp_path / "moved")
    assert (summary.created, summary.found) == (1, 1)
    assert len(sandbox.created) == 1


async def test_a_search_that_cannot_be_recorded_ends_at_its_first_look(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> NoReturn:
        raise JournalWriteError("the disk is full")

    sandbox.fault(operation="create", times=1, drop="close", act=True)
    async with client_of(sandbox, reconcile=SOON) as client:
        assert (await send(client, [("a", new_campaign())], tmp_path / "journal", reconcile=False)).unknown == 1
        before = len(sandbox.requests)
        with monkeypatch.context() as patched:
            patched.setattr(SqliteJournal, "record_seen", fail)
            summary = await send(client, [("a", new_campaign())], tmp_path / "journal")
        (row,) = summary.unknown_rows
        assert str(row.reason).endswith("looked for: the disk is full")
        assert len(sandbox.requests) - before <= 3, "the lists of one look"
        assert (await send(client, [("a", new_campaign())], tmp_path / "journal")).found == 1
    assert len(sandbox.created) == 1


async def test_a_row_that_this_client_left_unknown_is_no_duplicate_of_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", times=1, status=504, act=True)
    plan = [("a", new_campaign()), ("b", new_campaign(1))]
    async with client_of(sandbox, reconcile=SOON) as client:
        assert (await send(client, plan, tmp_path / "journal", reconcile=False)).unknown == 1
        for _ in range(2):  # looking for it changes nothing of that
            sandbox.fault(operation="list", times=1, status=403)
            assert (await send(client, plan, tmp_path / "journal")).unknown == 1
        assert (await send(client, plan, tmp_path / "journal")).created == 2
    assert len(sandbox.created) == 2
