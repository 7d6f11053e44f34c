"""A campaign's id that the server gives to two rows proves neither of them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from support.made import client_of, new_campaign

from campaigns_async import NewCampaign, NewContact, OutcomeUnknownError, ReconcilePolicy
from campaigns_async.effects import State
from campaigns_async.jobs import Summary, open_journal, send
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import DuplicateIdError, Transition
from campaigns_async.sandbox import Sandbox

SOON = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)
ID = "given-2"
Rows = list[tuple[str, NewCampaign]]
GIVEN = {"status": 201, "body": f'"{ID}"', "act": True}


def rows(count: int) -> Rows:
    return [(f"row {number}", new_campaign(number, size=1 + number % 3)) for number in range(count)]


def states(journal: Path) -> dict[str, tuple[State, str | None]]:
    with open_journal(journal) as reader:
        return {row.key: (row.state, row.campaign_id) for row in reader.rows()}


def put(sandbox: Sandbox, new: NewCampaign) -> None:
    """Add a campaign that has the id that is given twice."""
    wire = new.to_dict()
    contacts = [{"id": f"p{index}", **each} for index, each in enumerate(wire.pop("contacts"))]
    sandbox.add({"id": ID, **wire, "status": 0, "recipientCount": len(contacts)}, contacts)


async def send_rows(sandbox: Sandbox, journal: Path, plan: Rows, **options: Any) -> Summary:
    async with client_of(sandbox, max_concurrency=1, reconcile=SOON) as client:
        return await send(client, plan, journal, **{"reconcile": False, **options})


@pytest.mark.parametrize("concurrent", [False, True])
@pytest.mark.parametrize("owner", [0, 1])
async def test_the_row_that_the_campaign_is_equal_to_keeps_it(
    sandbox: Sandbox, tmp_path: Path, owner: int, *, concurrent: bool
) -> None:
    journal, plan = tmp_path / "journal", rows(5)
    put(sandbox, plan[owner][1])
    sandbox.fault(operation="create", times=2, **GIVEN)
    async with client_of(sandbox, max_concurrency=4 if concurrent else 1) as client:
        summary = await send(client, plan, journal, reconcile=False)
    found = states(journal)
    if not concurrent:
        assert found["row 0"] == ((State.CREATED, ID) if owner == 0 else (State.UNKNOWN, None))
        assert found["row 1"] == ((State.CREATED, ID) if owner == 1 else (State.UNKNOWN, None))
    assert [key for key, row in found.items() if row == (State.CREATED, ID)] in ([f"row {owner}"], [])
    assert (summary.created, summary.unknown) in {(4, 1), (3, 2)}
    assert summary.created_now == summary.created
    assert all(row.reason is not None and ID in row.reason for row in summary.unknown_rows)
    assert all([each.campaign_id for each in row.candidates] == [ID] for row in summary.unknown_rows)


@pytest.mark.parametrize("other", ["equal", "absent", "of someone else"])
async def test_where_the_campaign_tells_nothing_both_are_unknown(
    sandbox: Sandbox, tmp_path: Path, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal, plan = tmp_path / "journal", rows(5)
    if other == "equal":
        plan[1] = ("row 1", plan[0][1])
        put(sandbox, plan[0][1])
    elif other == "of someone else":
        put(sandbox, new_campaign(99))
    sandbox.fault(operation="create", times=2, **GIVEN)
    summary = await send_rows(sandbox, journal, plan)
    assert (summary.created, summary.unknown, summary.created_now) == (3, 2, 3)
    assert [row.key for row in summary.unknown_rows] == ["row 0", "row 1"]
    assert states(journal)["row 0"] == states(journal)["row 1"] == (State.UNKNOWN, None)
    assert [record.levelno for record in caplog.records if ID in record.getMessage()] == [logging.ERROR]


async def test_a_search_finds_the_campaigns_of_both(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", times=2, **GIVEN)  # both campaigns have other ids
    summary = await send_rows(sandbox, tmp_path / "journal", rows(5), reconcile=True)
    assert summary.ok
    assert summary.found == 2
    assert len(sandbox.created) == 5
    sandbox.assert_no_double_send()


async def test_an_id_that_an_earlier_run_was_given_is_noticed(sandbox: Sandbox, tmp_path: Path) -> None:
    journal, plan = tmp_path / "journal", rows(5)
    sandbox.fault(operation="create", times=1, **GIVEN)
    assert (await send_rows(sandbox, journal, plan[:2])).ok
    sandbox.fault(operation="create", times=1, **GIVEN)
    summary = await send_rows(sandbox, journal, plan)
    assert (summary.created, summary.unknown, summary.created_now) == (3, 2, 2)
    assert [row.key for row in summary.unknown_rows] == ["row 0", "row 2"]
    assert len(sandbox.created) == 5


async def test_a_server_that_gives_every_create_the_same_id_leaves_few_rows_unknown(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fault(operation="create", **GIVEN)
    async with client_of(sandbox) as client:
        summary = await send(client, rows(300), tmp_path / "journal", reconcile=False, give_up_after=1.2)
    assert summary.created == 0
    assert summary.unknown == len(sandbox.created) <= 32 + 10 + 1
    assert summary.stopped is not None


async def test_an_id_of_a_create_outside_of_the_job_proves_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", times=2, **GIVEN)
    async with client_of(sandbox, max_concurrency=1) as client:
        assert await client.campaigns.create(new_campaign(99)) == ID
        summary = await send(client, rows(2), tmp_path / "journal", reconcile=False)
    assert (summary.created, summary.unknown) == (1, 1)


@pytest.mark.preflight
@pytest.mark.parametrize("reconcile", [False, True])
async def test_an_id_that_was_on_the_server_before_the_row_was_sent_proves_nothing(
    sandbox: Sandbox, tmp_path: Path, *, reconcile: bool
) -> None:
    plan = rows(3)
    put(sandbox, new_campaign(99, contacts=[NewContact("07700900777")]))  # the preflight lists it
    sandbox.fault(operation="create", nth=2, times=1, **GIVEN)
    summary = await send_rows(sandbox, tmp_path / "journal", plan, reconcile=reconcile)
    assert (summary.created, summary.unknown) == ((3, 0) if reconcile else (2, 1))
    assert ID not in {campaign_id for _, campaign_id in states(tmp_path / "journal").values()}
    assert len(sandbox.created) == 3
    sandbox.assert_no_double_send()


SHIFTED = {"status": 201, "body": f'"{ID}"'}  # a response that answers another create


@pytest.mark.parametrize("text", [0, 99], ids=["equal fields", "another text"])
async def test_a_row_that_was_given_another_create_s_id_is_not_sent_again_if_the_campaign_may_be_its_own(
    sandbox: Sandbox, tmp_path: Path, text: int
) -> None:
    mine = new_campaign(size=3)
    other = new_campaign(text, contacts=[*mine.contacts[1:], evolve(mine.contacts[0], phone_number="07700900777")])
    put(sandbox, mine)
    sandbox.fault(operation="create", times=2, **SHIFTED)
    async with client_of(sandbox, reconcile=SOON) as client:
        assert await client.campaigns.create(other) == ID
        summary = await send(client, [("row", mine)], tmp_path / "journal", preflight=False)
    assert sandbox.created == []
    assert states(tmp_path / "journal")["row"] == ((State.CREATED, ID) if text else (State.UNKNOWN, None))
    assert [each.campaign_id for row in summary.unknown_rows for each in row.candidates] == ([] if text else [ID])


async def test_a_create_that_was_given_another_s_id_is_not_sent_again_if_the_campaign_may_be_its_own(
    sandbox: Sandbox,
) -> None:
    mine = new_campaign(size=3)
    other = evolve(mine, contacts=[*mine.contacts[1:], evolve(mine.contacts[0], phone_number="07700900777")])
    put(sandbox, mine)
    sandbox.fault(operation="create", times=2, **SHIFTED)
    async with client_of(sandbox, reconcile=SOON) as client:
        assert await client.campaigns.create(other) == ID
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(mine, on_unknown="reconcile")
    assert [each.id for each in unknown.value.candidates] == [ID]
    assert sandbox.created == []


@pytest.mark.parametrize("durable", [True, False])
async def test_a_campaign_whose_id_one_create_alone_was_given_keeps_no_other_unknown(
    sandbox: Sandbox, tmp_path: Path, *, durable: bool
) -> None:
    first, second = new_campaign(size=20), new_campaign(size=19)  # to nearly the same people
    sandbox.fault(operation="create", nth=2, times=1, drop="close")
    async with client_of(sandbox, max_concurrency=1, reconcile=SOON) as client:
        if durable:
            assert (await send(client, [("a", first), ("b", second)], tmp_path / "journal")).ok
        else:
            ids = [await client.campaigns.create(each, on_unknown="reconcile") for each in (first, second)]
            assert [each["id"] for each in sandbox.created] == ids
    assert len(sandbox.created) == 2


def test_a_commit_with_an_id_of_another_row_writes_nothing_and_names_the_rows(tmp_path: Path) -> None:
    from campaigns_async.jobs import rows_plan

    with JournalFile.open(tmp_path / "journal") as journal:
        journal.add_plan(rows_plan(rows(4)), {})
        journal.commit([], claim=4, now=1.0)
        journal.commit([Transition(1, State.CREATED, ID)], now=1.0)
        group = [
            Transition(2, State.CREATED, "other"),
            Transition(3, State.CREATED, "other"),
            Transition(4, State.CREATED, ID, reason="found on the server"),
        ]
        with pytest.raises(DuplicateIdError) as caught:
            journal.commit(group, now=2.0)
        assert caught.value.row_ids == {3, 4}
        assert journal.counts()[State.SENDING] == 3
        owner = journal.find_owner(ID)
        assert owner is not None
        assert owner.row_id == 1
        assert journal.find_owner("other") is None
