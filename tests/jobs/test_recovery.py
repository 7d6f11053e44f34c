"""Unknown rows are looked for beside what else the client does."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.made import client_of, new_campaign

from campaigns_async import OutcomeUnknownError, ReconcilePolicy
from campaigns_async.jobs import send
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
