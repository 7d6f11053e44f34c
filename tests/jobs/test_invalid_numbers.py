"""Numbers that cannot be read are refused or left out; numbers that the server leaves out are counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from support.made import client_of

from campaigns_async import NewCampaign, NewContact
from campaigns_async.effects import State
from campaigns_async.jobs import Job, Plan, PlanError, Progress, ndjson_plan, rows_plan, send
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import Transition
from campaigns_async.sandbox import Sandbox

START = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)


def new(*numbers: str) -> NewCampaign:
    return NewCampaign(START, "Golf", "See you.", [NewContact(number) for number in numbers])


def write_plan(path: Path, *rows: tuple[str, ...]) -> Path:
    lines = [
        {
            "key": str(at),
            "startDateTime": "2031-06-27T09:30:00Z",
            "sender": "Golf",
            "message": "See you.",
            "contacts": [{"phoneNumber": number} for number in numbers],
        }
        for at, numbers in enumerate(rows)
    ]
    file = path / "plan.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


MakePlan = Callable[..., Plan]


@pytest.fixture(params=["file", "memory"])
def make_plan(request: pytest.FixtureRequest, tmp_path: Path) -> MakePlan:
    def make(*rows: tuple[str, ...], **options: Any) -> Plan:
        if request.param == "file":
            return ndjson_plan(write_plan(tmp_path, *rows), **options)
        return rows_plan({str(at): new(*numbers) for at, numbers in enumerate(rows)}, **options)

    return make


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


async def test_a_plan_with_a_number_that_cannot_be_read_is_refused_by_its_place(
    sandbox: Sandbox, journal: Path, make_plan: MakePlan
) -> None:
    async with client_of(sandbox) as client:
        with pytest.raises(
            PlanError, match=r"2 faults; nothing was sent; line 1: contacts\[1\].phoneNumber: was changed"
        ):
            await send(client, make_plan(("07700900001", "447700900123.0"), ("N/A",)), journal)
    assert not sandbox.requests


async def test_contacts_whose_number_cannot_be_read_are_left_out_and_counted_in_every_run(
    sandbox: Sandbox, journal: Path, make_plan: MakePlan
) -> None:
    progress: list[Progress] = []
    async with client_of(sandbox) as client:
        for _ in range(2):
            plan = make_plan(
                ("07700900001", "N/A", "7700900001"), ("#REF!",), invalid_numbers="report", duplicates="drop"
            )
            summary = await send(client, plan, journal, on_progress=progress.append)
            assert (summary.ok, summary.created) == (True, 1)
            assert summary.left_out.count == progress[-1].left_out.count == 2
            assert summary.left_out.places == ["line 1: contacts[1].phoneNumber", "line 2: contacts[0].phoneNumber"]
    [campaign] = sandbox.created
    assert [contact["phoneNumber"] for contact in campaign["contacts"]] == ["07700900001"]


async def test_spellings_of_one_number_are_two_contacts_of_one_person(
    sandbox: Sandbox, journal: Path, make_plan: MakePlan
) -> None:
    async with client_of(sandbox) as client:
        with pytest.raises(PlanError, match=r"contacts\[1\].phoneNumber: is also the number of contacts\[0\]"):
            await send(client, make_plan(("07700900001", '="7700900001"')), journal)
    assert not sandbox.requests


async def test_a_number_without_a_code_is_of_the_default_region(
    sandbox: Sandbox, journal: Path, make_plan: MakePlan
) -> None:
    async with client_of(sandbox) as client:
        plan = make_plan(("06 12 34 56 78", "+44 7700 900001", "33612345679"), default_region="FR")
        assert (await send(client, plan, journal)).ok
        with pytest.raises(PlanError, match="is also the number"):
            await send(client, make_plan(("0612345678", "+33612345678"), default_region="FR"), journal)
        with pytest.raises(PlanError, match=r"contacts\[0\].phoneNumber: cannot be read"):
            await send(client, make_plan(("07700900001",), default_region="FR"), journal)
    numbers = [contact["phoneNumber"] for contact in sandbox.created[0]["contacts"]]
    assert numbers == ["+33612345678", "+44 7700 900001", "+33612345679"]


def test_a_row_that_an_earlier_version_accepted_is_sent_as_it_was(
    journal: Path, make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("N/A", "07700900001"), ("447700900123.0",), ('="07700900001"',)]
    with JournalFile.open(journal) as opened:
        with monkeypatch.context() as patch:
            patch.setattr("campaigns_async.jobs.plans.read_numbers", lambda numbers: numbers)
            opened.add_plan(make_plan(*rows), {})
        bodies = [row.body() for row in opened.commit([], claim=9, now=1.0)]
        opened.commit([Transition(row_id, State.FAILED) for row_id in (1, 2, 3)], now=2.0)
        opened.drop_payloads()
        opened.add_plan(make_plan(*rows), {}, retry_failed=True)
        assert [row.body() for row in opened.commit([], claim=9, now=3.0)] == bodies
        with pytest.raises(PlanError, match="1 fault"):
            opened.add_plan(make_plan(*rows, ("N/A",)), {})


def test_duplicates_of_a_line_that_an_earlier_version_accepted_are_sent(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = write_plan(tmp_path, ("07700900001", "7700900001"))
    with JournalFile.open(journal) as opened:
        with monkeypatch.context() as patch:
            patch.setattr("campaigns_async.jobs.plans.read_numbers", lambda numbers: numbers)
            opened.add_plan(ndjson_plan(plan), {})
        opened.commit([Transition(row.row_id, State.FAILED) for row in opened.commit([], claim=9, now=1.0)], now=2.0)
        opened.drop_payloads()
        opened.add_plan(ndjson_plan(plan), {}, retry_failed=True)
        assert len(opened.commit([], claim=9, now=3.0)) == 1


async def test_the_recipients_that_the_server_left_out_are_counted_with_one_list(
    sandbox: Sandbox, journal: Path
) -> None:
    plan = {str(at): new(f"0770090{at:04}", "12345") for at in range(25)}
    async with client_of(sandbox) as client:
        summary = await send(client, plan, journal, ignore_invalid_phone_numbers=True)
        assert (summary.created, summary.accepted, summary.recipients) == (25, 25, 50)
        assert sum(request.operation == "list" for request in sandbox.requests) == 1
        more = plan | {"more": evolve(new("07700900777", "12345", "12346"), start_date_time=START.replace(hour=12))}
        summary = await send(client, more, journal, ignore_invalid_phone_numbers=True)
        assert (summary.created_now, summary.accepted, summary.recipients) == (1, 26, 53)


async def test_recipients_are_not_counted_if_the_server_refuses_invalid_numbers_or_the_list(
    sandbox: Sandbox, journal: Path
) -> None:
    async with client_of(sandbox) as client:
        assert (await send(client, {"a": new("07700900001")}, journal)).accepted is None
        assert sandbox.requests[-1].operation == "create"
        sandbox.fault(operation="list", times=1, status=403)
        job = Job(client, {"a": new("07700900001")}, journal=journal.with_name("b"), ignore_invalid_phone_numbers=True)
        summary = await job.run()
        assert (summary.ok, summary.accepted) == (True, None)


@pytest.mark.parametrize("limit", [1, 2])
async def test_recipients_are_counted_in_lists_around_the_starts_within_the_limit_of_requests(
    sandbox: Sandbox, journal: Path, limit: int
) -> None:
    plan = {"a": new("07700900001", "1"), "b": evolve(new("07700900002"), start_date_time=START.replace(month=9))}
    async with client_of(sandbox) as client:
        summary = await send(client, plan, journal, ignore_invalid_phone_numbers=True, preflight_limit=limit)
    assert summary.ok
    assert (summary.accepted, summary.recipients) == ((None, 0) if limit == 1 else (2, 3))
    assert sum(request.operation == "list" for request in sandbox.requests) == 2
