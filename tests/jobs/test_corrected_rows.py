"""Failed rows that are corrected in their plan and sent again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve
from support.made import client_of, new_campaign

from campaigns_async import CampaignsClient, NewCampaign, NewContact
from campaigns_async.jobs import (
    AnyPlan,
    JournalError,
    PlanChangedError,
    State,
    contacts_plan,
    ndjson_plan,
    open_journal,
    send,
)
from campaigns_async.jobs._preview import Preview, preview_plan
from campaigns_async.jobs.plans import as_plan
from campaigns_async.sandbox import Sandbox

BAD = evolve(new_campaign(1), contacts=[NewContact("07700900001"), NewContact("12345")])
GOOD = evolve(BAD, contacts=[NewContact("07700900001")])
START = datetime(2031, 6, 27, tzinfo=UTC)


def plan_of(second: NewCampaign, kind: str, folder: Path) -> AnyPlan:
    """Return a plan of three rows, the second of which is given."""
    rows = [("first", new_campaign(0)), ("second", second), ("third", new_campaign(2))]
    if kind == "pairs":
        return rows
    if kind == "mapping":
        return dict(rows)
    if kind == "positions":
        return [campaign for _, campaign in rows]
    path = folder / "plan.ndjson"
    path.write_bytes(b"\n".join(line_of(key, campaign) for key, campaign in rows))
    return ndjson_plan(path)


def line_of(key: str, campaign: NewCampaign) -> bytes:
    return json.dumps({"key": key, **campaign.to_dict()}).encode()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


@pytest.mark.parametrize("kind", ["pairs", "mapping", "ndjson"])
async def test_a_corrected_row_is_sent_with_retry_failed(
    kind: str, sandbox: Sandbox, journal: Path, tmp_path: Path
) -> None:
    async with client_of(sandbox) as client:
        assert (await send(client, plan_of(BAD, kind, tmp_path), journal)).failed == 1
        corrected = plan_of(GOOD, kind, tmp_path)
        with pytest.raises(PlanChangedError, match=r"second.*retry_failed \(--retry-failed\)"):
            await send(client, corrected, journal)
        preview = Preview(START)
        preview_plan(
            as_plan(plan_of(GOOD, kind, tmp_path)),
            journal,
            preview,
            ignore_invalid_phone_numbers=None,
            retry_failed=True,
            stopping=lambda: False,
        )
        assert preview.campaigns == 1
        summary = await send(client, corrected, journal, retry_failed=True)
        assert (summary.created, summary.created_now) == (3, 1)
        # From now on the corrected row is the plan's.
        assert (await send(client, corrected, journal)).ok
        with pytest.raises(PlanChangedError):
            await send(client, plan_of(BAD, kind, tmp_path), journal, retry_failed=True)
    assert len(sandbox.created) == 3
    [made] = [each for each in sandbox.created if each["message"] == GOOD.message]
    assert made["recipientCount"] == 1
    sandbox.assert_no_double_send()


async def test_a_row_may_be_corrected_again_if_the_run_ended_before_it_was_sent(
    sandbox: Sandbox, journal: Path, tmp_path: Path
) -> None:
    async with client_of(sandbox) as client:
        await send(client, plan_of(BAD, "pairs", tmp_path), journal)
    worse = evolve(BAD, message="Another text.")
    async with CampaignsClient(sandbox.url, "wrong") as client:
        assert (await send(client, plan_of(worse, "pairs", tmp_path), journal, retry_failed=True)).planned == 1
    async with client_of(sandbox) as client:
        with pytest.raises(PlanChangedError, match="retry_failed"):
            await send(client, plan_of(GOOD, "pairs", tmp_path), journal)
        assert (await send(client, plan_of(GOOD, "pairs", tmp_path), journal, retry_failed=True)).ok


@pytest.mark.parametrize("state", [State.CREATED, State.UNKNOWN, State.PLANNED])
async def test_rows_that_did_not_fail_may_not_change(
    state: State, sandbox: Sandbox, journal: Path, tmp_path: Path
) -> None:
    async with client_of(sandbox, max_concurrency=1) as client:
        if state is not State.CREATED:
            fault = {"status": 504, "act": True} if state is State.UNKNOWN else {"status": 401}
            sandbox.fault(operation="create", times=1, **fault)
        await send(client, plan_of(GOOD, "pairs", tmp_path), journal, reconcile=False, give_up_after=0.1)
        with open_journal(journal) as read:
            last = [row for row in read.rows() if row.key in {"first", "third"}][0 if state is State.UNKNOWN else 1]
        assert last.state is state
        before = len(sandbox.requests)
        plan = [("first", new_campaign(0)), ("second", GOOD), ("third", new_campaign(2))]
        plan = [(key, evolve(new, message="Changed.") if key == last.key else new) for key, new in plan]
        with pytest.raises(PlanChangedError, match=last.key):
            await send(client, plan, journal, retry_failed=True)
        assert len(sandbox.requests) == before


async def test_without_keys_it_needs_a_plan_and_a_journal_of_its_own(
    sandbox: Sandbox, journal: Path, tmp_path: Path
) -> None:
    async with client_of(sandbox) as client:
        await send(client, plan_of(BAD, "positions", tmp_path), journal)
        with pytest.raises(PlanChangedError, match="without keys, corrected campaigns need a plan and a journal"):
            await send(client, plan_of(GOOD, "positions", tmp_path), journal, retry_failed=True)
        people = tmp_path / "people.csv"
        people.write_text("phoneNumber\n07700900001\n12345\n")
        other = tmp_path / "people.sqlite"
        plan = contacts_plan(people, message="Fore!", sender="Golf", start=START)
        assert (await send(client, plan, other)).failed == 1
        people.write_text("phoneNumber\n07700900001\n07700900002\n")
        with pytest.raises(
            JournalError, match="corrected contacts of failed rows need a CSV and a journal of their own"
        ):
            await send(client, plan, other, retry_failed=True)
