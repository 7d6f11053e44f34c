"""The state of a row after each way in which its create can fail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.failures import CASES, Case
from support.made import client_of, new_campaign

from campaigns_async import CampaignsClient, Effect, NewCampaign, NewContact, RetryPolicy, Timeouts
from campaigns_async.effects import RunAction
from campaigns_async.jobs import State, open_journal, send
from campaigns_async.jobs._sender import classify_error
from campaigns_async.jobs.journal import Transition
from campaigns_async.sandbox import Sandbox

NEW = NewCampaign(datetime(2031, 6, 27, 9, 30, tzinfo=UTC), "Golf", "See you.", [NewContact("07700900123")])
FINAL = {Effect.REJECTED: State.FAILED, Effect.UNKNOWN: State.UNKNOWN, Effect.APPLIED: State.UNKNOWN}
STOPPING = ("(404)", "(307)", "(308)")
"""Every row would meet the same, so that none of them failed."""


@pytest.mark.parametrize("name", CASES)
async def test_a_row_ends_as_its_effect_says(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    case: Case = CASES[name]
    sandbox.fault(operation="create", **case.fault)
    timeouts = Timeouts(read=0.1, deadline=20, grace=0.2)
    async with client_of(sandbox, timeouts=timeouts, retry=RetryPolicy(attempts=3, base=0.001, cap=0.002)) as client:
        summary = await send(client, [("a", NEW)], tmp_path / "journal", reconcile=False, give_up_after=0.6)
    waits = "throttled" in name
    stops = waits or name.endswith(STOPPING)
    with open_journal(tmp_path / "journal") as journal:
        [row] = journal.rows()

    assert row.state is (State.PLANNED if stops else FINAL[case.effect])
    assert (summary.stopped is not None) == (stops or name.startswith(("redirected", "filtered")))
    assert row.created_without_id == (case.effect is Effect.APPLIED)
    assert len(sandbox.created) == case.on_server
    if not waits:
        assert len(sandbox.requests) == case.attempts
    if not stops:
        assert row.reason
        assert "900123" not in row.reason


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_stops_a_run(sandbox: Sandbox, tmp_path: Path, status: int) -> None:
    sandbox.fault(operation="create", status=status, headers={"Location": "/"}, act=True)
    plan = [(str(number), new_campaign(number)) for number in range(50)]
    async with client_of(sandbox, max_concurrency=4) as client:
        summary = await send(client, plan, tmp_path / "journal", reconcile=False)
    assert summary.stopped is not None
    assert 1 <= len(sandbox.requests) <= 4
    assert summary.unknown == len(sandbox.requests)
    assert summary.planned == 50 - len(sandbox.requests)


def test_any_other_error_leaves_the_row_unknown() -> None:
    outcome = Transition(1, State.UNKNOWN, reason="RuntimeError")
    assert classify_error(1, RuntimeError("something else")) == (outcome, RunAction.CONTINUE)


async def test_a_key_callable_that_raises_after_a_401_stops_a_run(sandbox: Sandbox, tmp_path: Path) -> None:
    keys = ["wrong"]

    async def next_key() -> str:
        return keys.pop()  # there is no other key: an IndexError

    async with CampaignsClient(sandbox.url, next_key) as client:
        summary = await send(client, [("a", NEW)], tmp_path / "journal", reconcile=False, give_up_after=30)
    assert (summary.planned, len(sandbox.created)) == (1, 0)
    assert summary.stopped is not None
    assert "api_key" in summary.stopped
    assert summary.elapsed < 10, "stopped by the error, not by give_up_after"
