"""A plan is compared with the server before its first row, and the first campaign with what was sent."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from support.made import START, client_of

from campaigns_async import Campaign, CampaignsClient, CampaignStatus, NewCampaign, NewContact, ReconcilePolicy
from campaigns_async.cli.journal_run import resolve_row
from campaigns_async.jobs import Mark, Plan, PreflightError, State, contacts_plan, open_journal, send
from campaigns_async.jobs._preflight import describe_differences
from campaigns_async.sandbox import Quirks, Sandbox

pytestmark = pytest.mark.preflight
TEXT = "Tee time: 20% off on Monday, bring your clubs."
SOON = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)


def new(*people: int, message: str = TEXT, **fields: Any) -> NewCampaign:
    contacts = [NewContact(f"07700900{person:03}") for person in people]
    return evolve(NewCampaign(START, "Golf", message, contacts), **fields)


def rows(count: int) -> list[tuple[str, NewCampaign]]:
    return [(f"row {number}", new(number)) for number in range(count)]


def put(sandbox: Sandbox, campaign_id: str, sent: NewCampaign, **fields: Any) -> None:
    """Put another user's campaign on the server."""
    row = {
        "id": campaign_id,
        "startDateTime": sent.start_date_time.isoformat().replace("+00:00", "Z"),
        "sender": sent.sender,
        "message": sent.message,
        "recipientCount": len(sent.contacts),
        "status": 0,
    }
    people = [{"id": f"p{at}", "phoneNumber": each.phone_number} for at, each in enumerate(sent.contacts)]
    sandbox.add({**row, **fields}, people)


def soon(sandbox: Sandbox, **settings: Any) -> CampaignsClient:
    return client_of(sandbox, reconcile=SOON, **settings)


@pytest.mark.parametrize(("before", "now"), [(3, 10), (7, 30), (10, 30), (10, 3)])
async def test_people_who_were_sent_in_campaigns_of_another_size_are_not_texted_again(
    sandbox: Sandbox, tmp_path: Path, before: int, now: int
) -> None:
    people = tmp_path / "people.csv"
    people.write_text("phoneNumber\n" + "".join(f"07700900{person:03}\n" for person in range(30)))

    def plan(split: int) -> Plan:
        return contacts_plan(people, message=TEXT, sender="Golf", start=START, split=split)

    async with soon(sandbox) as client:
        sent = await send(client, plan(before), tmp_path / "a.sqlite")
        summary = await send(client, plan(now), tmp_path / "b.sqlite")
    assert (summary.created, summary.held) == (0, -(-30 // now))
    assert len(sandbox.created) == sent.created
    sandbox.assert_no_double_send()


async def test_campaigns_to_less_than_half_of_a_row_together_or_with_another_text_hold_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    put(sandbox, "c1", new(0, 1))
    put(sandbox, "c2", new(1, 2, message="The course is closed: come another day, please."))
    put(sandbox, "c3", new(3, message="The course is closed: come another day, please."))
    async with soon(sandbox) as client:
        summary = await send(client, [("row", new(0, 1, 2, 3, 4))], tmp_path / "journal")
    assert (summary.created_now, summary.held, summary.near) == (1, 0, 0)


async def test_a_plan_that_another_journal_sent_is_not_sent_twice(sandbox: Sandbox, tmp_path: Path) -> None:
    async with soon(sandbox) as client:
        assert (await send(client, rows(40), tmp_path / "a.sqlite")).ok
        summary = await send(client, rows(50), tmp_path / "b.sqlite")
        assert (summary.created, summary.adopted, summary.created_now, summary.ok) == (50, 40, 10, True)
        assert len(sandbox.created) == 50
        again = await send(client, rows(50), tmp_path / "b.sqlite")
        assert (again.ok, again.adopted, again.created_now) == (True, 0, 0)
    with open_journal(tmp_path / "b.sqlite") as journal:
        marks = [row.mark for row in journal.rows()]
    assert marks == [Mark.ADOPTED] * 40 + [Mark.NONE] * 10


async def test_of_equal_rows_as_many_are_adopted_as_there_are_campaigns(sandbox: Sandbox, tmp_path: Path) -> None:
    put(sandbox, "x", new(1))
    async with soon(sandbox) as client:
        summary = await send(client, [("a", new(1)), ("b", new(1))], tmp_path / "j.sqlite")
    assert (summary.adopted, summary.created_now, summary.ok) == (1, 1, True)


@pytest.mark.parametrize(
    ("theirs", "fields"),
    [
        (new(1, 2, 3, message=TEXT + " Reply STOP"), {}),
        (new(1, 2, 3, sender="GOLFCLUB"), {}),
        (new(1, 2, 3), {"trackLinkUrl": "https://s.example/x"}),
        (new(1, 2), {}),
        (new(1, 2, 3, 9), {}),
        (new(1, 2, 3), {"message": None}),
    ],
    ids=["longer text", "sender", "link", "fewer people", "a monitor", "no text"],
)
async def test_a_row_like_a_campaign_on_the_server_is_held_until_a_person_decides(
    sandbox: Sandbox, tmp_path: Path, theirs: NewCampaign, fields: dict[str, Any]
) -> None:
    put(sandbox, "x", theirs, **fields)
    journal, plan = tmp_path / "j.sqlite", [("a", new(1, 2, 3)), ("b", new(7, 8))]
    async with soon(sandbox) as client:
        for _ in range(2):  # a search does not settle it
            summary = await send(client, plan, journal)
            assert (summary.created, summary.unknown, summary.ok) == (1, 1, False)
            assert [each.campaign_id for each in summary.unknown_rows[0].candidates] == ["x"]
    assert summary.unknown_rows[0].mark is Mark.HELD
    assert [len(created["contacts"]) for created in sandbox.created] == [2]


async def test_a_held_row_that_a_person_settled_as_not_sent_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    put(sandbox, "x", new(1, 2, 3, message=TEXT + "!"))
    journal = tmp_path / "j.sqlite"
    async with soon(sandbox) as client:
        assert (await send(client, [("a", new(1, 2, 3))], journal)).held == 1
        resolve_row(journal, "a", State.PLANNED, None, force=False, as_json=True)
        summary = await send(client, [("a", new(1, 2, 3))], journal)
    assert (summary.ok, summary.created_now, summary.held) == (True, 1, 0)


async def test_campaigns_that_cannot_be_the_plan_s_hold_nothing_back(sandbox: Sandbox, tmp_path: Path) -> None:
    put(sandbox, "other-people", new(4, 5))
    put(sandbox, "another-hour", new(1, 2, start_date_time=START + dt.timedelta(hours=1)))
    put(sandbox, "cancelled", new(1, 2), status=int(CampaignStatus.CANCELLED))
    put(sandbox, "another-text", new(1, 2, message="Pizza! Two for one, hot."))
    async with soon(sandbox) as client:
        summary = await send(client, [("a", new(1, 2))], tmp_path / "j.sqlite")
    assert (summary.ok, summary.created_now, summary.adopted, summary.held, summary.near) == (True, 1, 0, 0, 1)


async def test_contacts_are_read_only_where_text_or_count_agree(sandbox: Sandbox, tmp_path: Path) -> None:
    for number in range(20):
        put(sandbox, f"x{number}", new(1, 2, 3, message="Pizza! Two for one, hot."))
    async with soon(sandbox) as client:
        assert (await send(client, [("a", new(1, 2))], tmp_path / "j.sqlite")).ok
    assert not [request for request in sandbox.requests if request.operation == "contacts"]


async def test_the_limit_of_requests_stops_it_before_anything_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    for number in range(20):
        put(sandbox, f"x{number}", new(number))
    async with soon(sandbox) as client:
        with pytest.raises(PreflightError, match=r"more than 10 requests.*--no-preflight"):
            await send(client, rows(20), tmp_path / "j.sqlite", preflight_limit=10)
        assert sandbox.created == []
        assert (await send(client, rows(20), tmp_path / "j.sqlite", preflight_limit=30)).adopted == 20


async def test_a_list_that_is_refused_stops_it_before_anything_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="list", status=403)
    async with soon(sandbox) as client:
        with pytest.raises(PreflightError, match="403"):
            await send(client, rows(2), tmp_path / "j.sqlite")
        assert sandbox.created == []
        assert (await send(client, rows(2), tmp_path / "j.sqlite", preflight=False)).ok


async def test_an_outage_is_waited_out_and_gives_up_in_time(sandbox: Sandbox, tmp_path: Path) -> None:
    down = sandbox.fault(operation="list", status=503)
    async with soon(sandbox) as client:
        summary = await send(client, rows(2), tmp_path / "j.sqlite", give_up_after=0.3)
        assert (summary.planned, summary.ok) == (2, False)
        assert summary.stopped is not None
        assert "503" in summary.stopped
        down.stop()
        assert (await send(client, rows(2), tmp_path / "j.sqlite")).ok


@pytest.mark.parametrize("accept", [False, True])
async def test_a_journal_whose_latest_campaigns_are_gone_is_refused_unless_told(
    sandbox: Sandbox, tmp_path: Path, accept: bool
) -> None:
    journal, start = tmp_path / "j.sqlite", dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    plan = [(key, new(number, start_date_time=start)) for number, key in enumerate("abc")]
    async with soon(sandbox) as client:
        assert (await send(client, plan[:2], journal)).ok
        for created in list(sandbox.created):
            await client.campaigns.delete(created["id"])
        if accept:
            assert (await send(client, plan, journal, accept_missing=True)).created_now == 1
            return
        with pytest.raises(PreflightError, match=r"none of the journal's latest campaigns \(2\)"):
            await send(client, plan, journal)
        assert len(sandbox.created) == 2


async def test_a_server_that_refuses_the_order_is_compared_though_its_list_is_one_page(tmp_path: Path) -> None:
    async with Sandbox(quirks=Quirks(refused_sort="id")) as sandbox, soon(sandbox, page_size=4) as client:
        for number in range(4):
            put(sandbox, f"x{number}", new(number))
        summary = await send(client, rows(5), tmp_path / "j.sqlite", give_up_after=5.0)
    assert (summary.adopted, summary.created_now, summary.ok) == (4, 1, True)


async def test_a_start_in_the_last_second_of_the_calendar_is_compared(sandbox: Sandbox, tmp_path: Path) -> None:
    latest = dt.datetime(9999, 12, 31, 23, 59, 59, 999_000, dt.UTC)
    async with soon(sandbox, page_size=1) as client:
        for number in range(101):  # more pages than the baseline reads
            put(sandbox, f"x{number}", new(number))
        summary = await send(client, [("a", evolve(new(1), start_date_time=latest))], tmp_path / "j.sqlite")
    assert (summary.created_now, summary.ok) == (1, True)


async def test_a_campaign_to_fewer_than_half_of_a_row_s_people_holds_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    put(sandbox, "x", new(1, 2, 9))
    async with soon(sandbox) as client:
        summary = await send(client, [("a", new(1, 3, 4, 5, 6))], tmp_path / "j.sqlite")
    assert (summary.created_now, summary.held, summary.ok) == (1, 0, True)


async def test_a_campaign_of_the_journal_is_not_compared_with_its_other_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    async with soon(sandbox) as client:
        await send(client, [("a", new(1))], tmp_path / "j.sqlite")
        summary = await send(client, [("a", new(1)), ("b", new(1))], tmp_path / "j.sqlite")
    assert (summary.created_now, summary.adopted, summary.held, summary.ok) == (1, 0, 0, True)


async def test_an_unknown_row_is_not_looked_for_on_another_account(sandbox: Sandbox, tmp_path: Path) -> None:
    journal = tmp_path / "j.sqlite"
    async with soon(sandbox) as client:
        await send(client, rows(2), journal)
        sandbox.fault(operation="create", times=1, drop="close", act=True)
        await send(client, rows(3), journal, reconcile=False)
        for created in list(sandbox.created):
            await client.campaigns.delete(created["id"])
        with pytest.raises(PreflightError, match="is it another account"):
            await send(client, rows(3), journal)
    with open_journal(journal) as opened:
        assert [row.state for row in opened.rows()] == [State.CREATED, State.CREATED, State.UNKNOWN]


# The first row


@pytest.mark.parametrize("accept", [False, True])
async def test_a_server_that_alters_campaigns_is_noticed_at_the_first(tmp_path: Path, accept: bool) -> None:
    async with Sandbox(quirks=Quirks(message_text=str.upper)) as sandbox, soon(sandbox, max_concurrency=8) as client:
        summary = await send(client, rows(20), tmp_path / "j.sqlite", accept_altered=accept)
        assert (summary.created, summary.ok) == ((20, True) if accept else (1, False))
        assert len(sandbox.created) == summary.created
        if not accept:
            assert summary.stopped is not None
            assert "message" in summary.stopped
            assert "TEE" not in summary.stopped


async def test_until_a_campaign_was_read_and_agrees_one_row_goes_at_a_time(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="get", times=3, status=404)
    async with soon(sandbox, max_concurrency=8) as client:
        assert (await send(client, rows(30), tmp_path / "j.sqlite")).ok
    order = [request.operation for request in sandbox.requests if request.operation in ("create", "get")]
    assert order[:8] == ["create", "get"] * 4
    assert order[8:] == ["create"] * 26


NOW = START - dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("fields", "ignore", "expected"),
    [
        ({}, None, []),
        ({"start_date_time": START + dt.timedelta(hours=1)}, None, ["startDateTime"]),
        ({"start_date_time": START + dt.timedelta(seconds=1)}, None, []),
        ({"start_date_time": None, "message": None, "sender": None, "recipient_count": None}, False, []),
        ({"message": TEXT.upper()}, None, ["message"]),
        ({"message": TEXT + "\r\n"}, None, []),
        ({"sender": "GOLF"}, None, ["sender"]),
        ({"recipient_count": 4}, True, ["recipientCount"]),
        ({"recipient_count": 2}, None, []),
        ({"recipient_count": 2}, True, []),
        ({"recipient_count": 2}, False, ["recipientCount"]),
    ],
)
def test_what_the_server_shows_is_compared_with_what_was_sent(
    fields: dict[str, Any], ignore: bool | None, expected: list[str]
) -> None:
    sent = new(1, 2, 3, message=TEXT + "\n")
    there = evolve(Campaign("x", START, "Golf", 3, TEXT + "\n"), **fields)
    if "message" in fields and fields["message"] and not fields["message"].endswith("\n"):
        sent = new(1, 2, 3)
    assert [each.partition(" ")[0] for each in describe_differences(sent, there, NOW, ignore)] == expected


def test_a_start_that_had_passed_is_not_compared() -> None:
    there = Campaign("x", START + dt.timedelta(hours=5), "Golf", 1, TEXT)
    assert describe_differences(new(1), there, START + dt.timedelta(seconds=1), None) == []


# Campaigns that existed before a row was sent


async def test_a_campaign_that_was_there_before_a_row_is_none_of_its_candidates(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    put(
        sandbox, "before", new(1, 2, message="Pizza! Two for one, hot.")
    )  # shares recipients: it could be ours, altered
    sandbox.fault(operation="create", times=2, status=504)
    async with soon(sandbox, max_concurrency=1) as client:
        summary = await send(client, [("a", new(1, 2))], tmp_path / "j.sqlite", reconcile=False)
        assert summary.unknown == 1
    async with soon(sandbox) as client:  # another process, which knows only what the journal has seen
        assert (await send(client, [("a", new(1, 2))], tmp_path / "j.sqlite")).created == 1
    async with soon(sandbox) as client:  # without a preflight, it may be the row's
        sandbox.fault(operation="create", times=1, status=504)
        plan = [("b", new(1, 2, message=TEXT + " Bye."))]
        assert (await send(client, plan, tmp_path / "k.sqlite", preflight=False)).unknown == 1
