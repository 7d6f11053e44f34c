"""What each way in which a create can go wrong means for its row."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.failures import CASES, Case
from support.made import client_of

from campaigns_async import Delivery, NewCampaign, NewContact, RetryPolicy, Timeouts
from campaigns_async.jobs import State, send
from campaigns_async.jobs.outcomes import Then, judge
from campaigns_async.jobs.sqlite import SqliteStore
from campaigns_async.sandbox import Sandbox

NEW = NewCampaign(datetime(2031, 6, 27, 9, 30, tzinfo=UTC), "Golf", "See you.", [NewContact("07700900123")])
FINAL = {Delivery.REJECTED: State.FAILED, Delivery.UNKNOWN: State.UNKNOWN, Delivery.DONE: State.UNKNOWN}
STOPPING = ("(404)", "(302)", "(307)", "(308)")
"""Every row would meet the same, so that none of them failed."""


@pytest.mark.parametrize("name", CASES)
async def test_a_row_ends_as_its_delivery_says(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    case: Case = CASES[name]
    sandbox.fault(operation="create", **case.fault)
    timeouts = Timeouts(read=0.1, deadline=20, grace=0.2)
    async with client_of(sandbox, timeouts=timeouts, retry=RetryPolicy(attempts=3, base=0.001, cap=0.002)) as client:
        summary = await send(client, [("a", NEW)], tmp_path / "journal", reconcile=False, patience=0.6)
    waits = "throttled" in name
    stops = waits or name.endswith(STOPPING)
    store = SqliteStore.open(tmp_path / "journal", read_only=True)
    [entry] = store.entries()
    store.close()

    assert entry.state is (State.PLANNED if stops else FINAL[case.delivery])
    assert (summary.stopped is not None) == stops
    assert entry.surely_done == (case.delivery is Delivery.DONE)
    assert len(sandbox.created) == case.on_server
    if not waits:
        assert len(sandbox.requests) == case.attempts
    if not stops:
        assert entry.reason
        assert "900123" not in entry.reason


def test_a_cancellation_that_tells_nothing_is_in_doubt() -> None:
    judgement = judge(RuntimeError("something else"))
    assert (judgement.state, judgement.then, judgement.reason) == (State.UNKNOWN, Then.GO_ON, "RuntimeError")
