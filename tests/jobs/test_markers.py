"""A durable send with a marker: each row has a token, which stays the same in every run."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from support.made import START, client_of, new_campaign

from campaigns_async import CampaignsClient, NewContact, ReconcilePolicy
from campaigns_async.jobs import JournalError, PlanError, contacts_plan, open_journal, send
from campaigns_async.sandbox import Quirks, Sandbox

pytestmark = pytest.mark.preflight
PLAN = [(f"row {number}", new_campaign(number, size=3)) for number in range(4)]
TWINS = [(f"row {number}", new_campaign()) for number in range(4)]


def marking(sandbox: Sandbox, field: Any = "custom1", **settings: Any) -> CampaignsClient:
    policy = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02, marker=field)
    return client_of(sandbox, max_concurrency=1, reconcile=policy, **settings)


def tokens(sandbox: Sandbox) -> list[str]:
    found = [{contact["custom1"] for contact in each["contacts"]} for each in sandbox.created]
    assert all(len(each) == 1 for each in found)
    return [each.pop() for each in found]


async def test_a_row_keeps_its_token_when_it_is_sent_again(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", nth=2, times=1, drop="close")
    async with marking(sandbox) as client:
        assert (await send(client, PLAN, tmp_path / "journal")).absent == 1
    (lost,) = [str(each.body) for each in sandbox.requests if each.operation == "create" and each.status is None]
    assert len(set(tokens(sandbox))) == 4
    assert sum(token in lost for token in tokens(sandbox)) == 1
    with open_journal(tmp_path / "journal") as reader:
        assert reader.options()["marker"] == "custom1"


@pytest.mark.parametrize("plan", [PLAN, TWINS], ids=["different", "equal"])
@pytest.mark.parametrize("later", [True, False], ids=["in the next run", "in one run"])
async def test_altered_campaigns_are_found_by_their_tokens(tmp_path: Path, plan: Any, *, later: bool) -> None:
    journal = tmp_path / "journal"
    async with Sandbox(quirks=Quirks(message_text=str.upper)) as sandbox, marking(sandbox) as client:
        for nth in (2, 3, 4):
            sandbox.fault(operation="create", nth=nth, times=1, drop="close", act=nth > 2)
        summary = await send(client, plan, journal, reconcile=not later, accept_altered=True)
        if later:
            assert summary.unknown == 3
            summary = await send(client, plan, journal, accept_altered=True)
        assert (summary.ok, summary.found, summary.absent, len(sandbox.created)) == (True, 2, 1, 4)
        assert summary.warnings == ()
        with open_journal(journal) as reader:
            by_id = {each["id"]: token for each, token in zip(sandbox.created, tokens(sandbox), strict=True)}
            assert len({by_id[str(row.campaign_id)] for row in reader.rows()}) == 4


async def test_another_marker_than_before_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    async with marking(sandbox) as client:
        assert (await send(client, PLAN[:1], tmp_path / "journal")).ok
    for field in ("custom2", None):
        async with marking(sandbox, field) as client:
            with pytest.raises(JournalError, match="other values of marker"):
                await send(client, PLAN, tmp_path / "journal")
    assert len(sandbox.created) == 1


async def test_a_plan_that_uses_the_field_is_refused_before_anything_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    plan = [
        PLAN[0],
        ("a text about it", new_campaign(message='The field "custom1": none.')),
        ("in use", new_campaign(contacts=[NewContact("07700900123", custom1="Leeds")])),
        ("the other field", new_campaign(contacts=[NewContact("07700900123", custom2="Leeds")])),
    ]
    async with marking(sandbox) as client:
        with pytest.raises(PlanError) as refused:
            await send(client, plan, tmp_path / "journal")
        assert not sandbox.requests
        assert [(line.number, line.field) for line in refused.value.lines] == [(3, "contacts")]
        file = tmp_path / "contacts.csv"
        file.write_text("phoneNumber,custom1\n07700900123,\n07700900124,Leeds\n")
        csv = contacts_plan(file, message="See you.", sender="Golf", start=START)
        with pytest.raises(PlanError, match="1 fault"):
            await send(client, csv, tmp_path / "other")


async def test_a_server_that_drops_the_token_is_told_after_the_first_row(tmp_path: Path) -> None:
    async with Sandbox(quirks=Quirks(drops_custom=True)) as sandbox, marking(sandbox) as client:
        summary = await send(client, PLAN, tmp_path / "journal")
    assert summary.ok
    assert summary.warnings == ("the server does not show custom1 of contacts: the marker proves nothing here",)


async def test_campaigns_that_another_journal_marked_are_adopted(sandbox: Sandbox, tmp_path: Path) -> None:
    async with marking(sandbox) as client:
        assert (await send(client, PLAN, tmp_path / "a")).ok
        assert (await send(client, PLAN, tmp_path / "b")).adopted == len(PLAN)


async def test_a_moved_campaign_is_found_by_its_token_in_the_list_of_all(sandbox: Sandbox, tmp_path: Path) -> None:
    from campaigns_async.jobs import Phase, Progress

    def move(progress: Progress) -> None:
        if progress.phase is Phase.RECONCILING and len(sandbox.campaigns) == 4:
            made = sandbox.created[1]
            contacts = made.pop("contacts")
            sandbox.remove(made["id"])
            start = START + dt.timedelta(days=400)
            sandbox.add({**made, "id": "moved-1", "startDateTime": start.isoformat()}, contacts)

    sandbox.fault(operation="create", nth=2, times=1, drop="close", act=True)
    async with marking(sandbox) as client:
        summary = await send(client, PLAN, tmp_path / "journal", on_progress=move)
    assert (summary.ok, summary.found, len(sandbox.created)) == (True, 1, 4)
