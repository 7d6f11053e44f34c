"""Durable sends over a real socket, with a real journal."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from support.made import client_of

from campaigns_async import (
    CampaignsClient,
    ConfigurationError,
    NewCampaign,
    NewContact,
    ReconcilePolicy,
    RetryPolicy,
    Timeouts,
)
from campaigns_async.jobs import (
    BadLine,
    Job,
    JournalError,
    JournalInUseError,
    JournalRow,
    JournalWriteError,
    Line,
    Phase,
    PlanChangedError,
    PlanError,
    Progress,
    State,
    Summary,
    open_journal,
    rows_plan,
    send,
)
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import ClaimedRow, Transition
from campaigns_async.sandbox import Sandbox

START = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)
QUICK = ReconcilePolicy(settle=0.05, timeout=20, pause=0.02)
Rows = list[tuple[str, NewCampaign]]


def new(person: int, message: str = "See you.") -> NewCampaign:
    return NewCampaign(START, "Golf", message, [NewContact(f"07700900{person:03}")])


def rows(count: int) -> Rows:
    return [(f"row {number}", new(number)) for number in range(count)]


def journal_rows(journal: Path, *states: State) -> list[JournalRow]:
    with open_journal(journal) as reader:
        return list(reader.rows(*states, payload=True))


def states(journal: Path) -> dict[State, int]:
    return dict(Counter(row.state for row in journal_rows(journal)))


def quick(sandbox: Sandbox, **options: Any) -> CampaignsClient:
    return client_of(sandbox, **{"reconcile": QUICK, **options})


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


class TestSending:
    async def test_every_row_is_created_once_and_is_in_the_journal(self, sandbox: Sandbox, journal: Path) -> None:
        progress: list[Progress] = []
        async with quick(sandbox) as client:
            summary = await send(client, rows(150), journal, on_progress=progress.append)

        assert summary.ok
        assert (summary.created, summary.created_now, summary.stopped) == (150, 150, None)
        assert len(sandbox.created) == len(sandbox.requests) == 150
        sandbox.assert_no_double_send()
        ids = {campaign["id"]: campaign["contacts"][0]["phoneNumber"] for campaign in sandbox.created}
        for row in journal_rows(journal):
            assert row.state is State.CREATED
            assert row.campaign_id is not None
            assert ids[row.campaign_id] == new(int(row.key.removeprefix("row "))).contacts[0].phone_number
        assert [each.phase for each in progress[:2]] == [Phase.CHECKING, Phase.SENDING]
        assert (progress[-1].created, progress[-1].created_now, progress[-1].total) == (150, 150, 150)

    async def test_a_second_run_sends_nothing_and_new_rows_may_join(self, sandbox: Sandbox, journal: Path) -> None:
        async with quick(sandbox) as client:
            await send(client, rows(5), journal)
            again = await send(client, rows(5), journal)
            assert (again.created, again.created_now) == (5, 0)
            more = await send(client, rows(8)[::-1], journal)
            assert (more.created, more.created_now) == (8, 3)

        assert len(sandbox.requests) == 8

    async def test_it_takes_a_file_as_well(self, sandbox: Sandbox, tmp_path: Path, journal: Path) -> None:
        plan = tmp_path / "plan.ndjson"
        line = {
            "key": "a",
            "startDateTime": "2031-06-27T09:30:00.000Z",
            "sender": "Golf",
            "message": "Fore! 🏌️",
            "contacts": [{"phoneNumber": "07700 900123", "name": "Ann"}],
        }
        plan.write_text(json.dumps(line) + "\n\n")
        async with quick(sandbox) as client:
            assert (await send(client, plan, str(journal))).ok

        assert sandbox.created[0]["message"] == "Fore! 🏌️"

    async def test_at_most_the_slots_and_a_group_are_sending(self, sandbox: Sandbox, journal: Path) -> None:
        rule = sandbox.fault(operation="create", hang=True)
        async with quick(sandbox, max_concurrency=3) as client:
            job = Job(client, rows(60), journal=journal, group=4)
            running = asyncio.ensure_future(job.run())
            await sandbox.wait_received(3)
            assert states(journal)[State.SENDING] <= 7
            rule.release()
            summary = await running

        assert summary.ok
        assert sandbox.max_in_flight == 3

    @pytest.mark.parametrize("choice", [True, False, None])
    async def test_what_is_to_be_done_about_invalid_numbers_is_said_to_the_server(
        self, sandbox: Sandbox, journal: Path, choice: bool | None
    ) -> None:
        mixed = evolve(new(1), contacts=[NewContact("07700900001"), NewContact("12345")])
        async with quick(sandbox) as client:
            summary = await send(client, [("a", mixed)], journal, ignore_invalid_phone_numbers=choice)
            assert (summary.created, summary.failed) == ((1, 0) if choice else (0, 1))
            with pytest.raises(JournalError, match="other values of ignore_invalid_phone_numbers"):
                await send(client, [("a", mixed)], journal, ignore_invalid_phone_numbers=not choice)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"group": 0},
            {"give_up_after": 0},
            {"settle": -1},
            {"journal": 5},
            {"journal": None},
            {"reconcile": "false"},
            {"retry_failed": "false"},
            {"retry_failed": None},
            {"ignore_invalid_phone_numbers": "false"},
            {"on_progress": 5},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    async def test_a_setting_that_cannot_be_is_refused(
        self, client: CampaignsClient, journal: Path, wrong: dict[str, Any]
    ) -> None:
        ((name, _),) = wrong.items()
        with pytest.raises(ConfigurationError, match=f"^{name} ") as caught:
            Job(client, rows(1), **{"journal": journal, **wrong})
        assert caught.value.parameter == name
        assert not journal.exists()


class TestRefusals:
    async def test_a_refused_row_fails_with_its_reason_and_others_go_on(self, sandbox: Sandbox, journal: Path) -> None:
        plan = rows(4)
        plan[2] = ("bad", evolve(new(2), contacts=[NewContact("07700900002"), NewContact("12345")]))
        async with quick(sandbox) as client:
            summary = await send(client, plan, journal)
            assert (summary.created, summary.failed) == (3, 1)
            assert (summary.failures[0].reason, summary.failures[0].refused_contacts) == ("400", (1,))
            [failed] = journal_rows(journal, State.FAILED)
            assert failed.server_reason == summary.failures[0].server_reason
            assert failed.server_reason is not None
            assert failed.server_reason.startswith("phoneNumber: ")

            assert (await send(client, plan, journal)).failed == 1
            assert len(sandbox.requests) == 4
            assert (await send(client, plan, journal, retry_failed=True)).failed == 1
            assert len(sandbox.requests) == 5

    async def test_a_key_that_is_not_taken_stops_the_run_and_nothing_is_lost(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        async with CampaignsClient(sandbox.url, "wrong", max_concurrency=2) as client:
            summary = await send(client, rows(50), journal)
        assert summary.stopped is not None
        assert "401" in summary.stopped
        assert (summary.planned, summary.failed) == (50, 0)
        assert len(sandbox.requests) <= 4
        async with quick(sandbox) as client:
            assert (await send(client, rows(50), journal)).ok

    async def test_a_throttled_run_slows_down_and_comes_through(self, sandbox: Sandbox, journal: Path) -> None:
        sandbox.fault(operation="create", times=102, status=429)
        async with quick(sandbox) as client:
            summary = await send(client, rows(20), journal)
        assert summary.ok
        assert summary.held_back > 0
        assert len(sandbox.created) == 20

    async def test_one_row_goes_first_to_a_server_that_was_down(self, sandbox: Sandbox, journal: Path) -> None:
        together = asyncio.Event()
        sandbox.fault(operation="create", times=8, status=429, hold=together)
        sandbox.fault(operation="create", times=1, status=429)
        async with quick(sandbox, max_concurrency=8, retry=RetryPolicy(attempts=1)) as client:
            sending = asyncio.create_task(send(client, rows(30), journal))
            await sandbox.wait_received(8)
            together.set()
            assert (await sending).ok
        arrived = [request.arrived for request in sandbox.requests]
        assert len(arrived) == 39
        # A pause before the row that goes first, and one after it, since it was throttled too.
        assert arrived[8] - arrived[7] > 0.4
        assert arrived[9] - arrived[8] > 0.4

    async def test_a_server_that_cannot_be_reached_is_waited_for_and_then_given_up(self, journal: Path) -> None:
        sandbox = Sandbox()
        async with sandbox:
            pass
        async with quick(sandbox) as client:
            summary = await send(client, rows(30), journal, give_up_after=0.3)
            assert summary.stopped is not None
            assert (summary.planned, summary.ok) == (30, False)
            async with sandbox:
                assert (await send(client, rows(30), journal)).ok
                sandbox.assert_no_double_send()

    async def test_a_server_that_comes_back_is_found_again(self, journal: Path) -> None:
        sandbox = Sandbox()
        async with sandbox:
            pass
        async with quick(sandbox) as client:
            waiting = asyncio.Event()

            def note(progress: Progress) -> None:
                if progress.held_back:
                    waiting.set()

            running = asyncio.ensure_future(send(client, rows(30), journal, on_progress=note))
            await waiting.wait()
            async with sandbox:
                assert (await running).ok
                assert len(sandbox.created) == 30


class TestUnknown:
    @pytest.mark.parametrize(
        "fault",
        [
            {"status": 504, "act": True},
            {"status": 504, "act_after": 0.02},
            {"status": 502},
            {"drop": "reset"},
            {"drop": "close", "act": True},
            {"drop": "cut_body"},
        ],
        ids=str,
    )
    async def test_an_unknown_row_is_found_or_sent_again(
        self, sandbox: Sandbox, journal: Path, fault: dict[str, Any]
    ) -> None:
        sandbox.fault(operation="create", every=3, times=10, **fault)
        async with quick(sandbox) as client:
            summary = await send(client, rows(30), journal)

        assert summary.ok
        assert summary.found + summary.absent == 10
        assert len(sandbox.created) == 30
        sandbox.assert_no_double_send()

    async def test_without_reconciling_it_is_only_reported(self, sandbox: Sandbox, journal: Path) -> None:
        sandbox.fault(operation="create", times=2, status=504, act=True)
        async with quick(sandbox) as client:
            for _ in range(2):
                summary = await send(client, rows(6), journal, reconcile=False)
                assert (summary.created, summary.unknown, summary.ok) == (4, 2, False)
                assert {row.reason for row in summary.unknown_rows} == {"504"}
            assert len(sandbox.requests) == 6
            assert (await send(client, rows(6), journal)).ok
        sandbox.assert_no_double_send()

    async def test_a_campaign_that_shows_in_lists_only_later_is_waited_for(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fault(operation="create", times=3, drop="close", act=True, hidden_for=0.2)
        async with quick(sandbox) as client:
            assert (await send(client, rows(10), journal, settle=0.5)).ok
        sandbox.assert_no_double_send()
        assert len(sandbox.created) == 10

    async def test_a_created_row_whose_id_cannot_be_read_is_looked_for_and_never_sent_again(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fault(operation="create", nth=2, times=1, act=True, status=201)
        sandbox.fault(operation="create", nth=4, times=1, act=False, status=201)  # it lies
        async with quick(sandbox, max_concurrency=1) as client:
            for _ in range(2):
                summary = await send(client, rows(5), journal)
                assert (summary.created, summary.unknown) == (4, 1)
        assert len(sandbox.created) == 4
        assert journal_rows(journal, State.UNKNOWN)[0].created_without_id

    async def test_a_hundred_rows_with_one_text_find_their_own(self, sandbox: Sandbox, journal: Path) -> None:
        sandbox.fault(operation="create", every=2, drop="close", act=True)
        async with quick(sandbox, max_concurrency=1) as client:
            summary = await send(client, rows(200), journal)
        assert (summary.created, summary.found, summary.created_now) == (200, 100, 100)
        sandbox.assert_no_double_send()

    async def test_of_equal_rows_as_many_are_sent_again_as_are_missing(self, sandbox: Sandbox, journal: Path) -> None:
        twins = [("a", new(1)), ("b", new(1)), ("c", new(1))]
        sandbox.fault(operation="create", nth=1, times=1, drop="close", act=True)
        sandbox.fault(operation="create", nth=2, times=2, drop="close")
        async with quick(sandbox, max_concurrency=1) as client:
            summary = await send(client, twins, journal)
        assert (summary.created, summary.found, len(sandbox.created)) == (3, 1, 3)
        assert {row.campaign_id for row in journal_rows(journal)} == {campaign["id"] for campaign in sandbox.created}

    async def test_the_campaign_of_a_created_row_is_no_candidate_of_another(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        twins = [("a", new(1)), ("b", new(1))]
        sandbox.fault(operation="create", nth=2, times=1, drop="close")
        async with quick(sandbox, max_concurrency=1) as client:
            summary = await send(client, twins, journal)
        assert (summary.created, summary.absent) == (2, 1)
        assert len(sandbox.created) == 2

    async def test_a_list_that_cannot_be_read_leaves_all_rows_unknown(self, sandbox: Sandbox, journal: Path) -> None:
        sandbox.fault(operation="create", times=2, drop="close")
        sandbox.fault(operation="list", status=403)
        async with quick(sandbox) as client:
            summary = await send(client, rows(4), journal)
        assert (summary.created, summary.unknown) == (2, 2)
        assert len(sandbox.requests) < 20

    async def test_an_older_duplicate_that_was_read_before_is_not_taken_for_a_row(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        async with quick(sandbox) as other:
            await other.campaigns.create(new(1))
        sandbox.fault(operation="create", times=1, drop="close")
        async with quick(sandbox) as client:
            assert await client.campaigns.list().collect()
            assert (await send(client, [("a", new(1))], journal)).ok
        assert len(sandbox.created) == 2


class TestOutages:
    async def test_a_row_that_was_throttled_and_then_could_not_be_reached_is_not_failed(self, journal: Path) -> None:
        sandbox = Sandbox()
        async with sandbox:
            sandbox.fault(operation="create", status=429, headers={"Retry-After": "0"}, times=1)

            class Going:
                def on_event(self, event: object) -> None:
                    if type(event).__name__ == "Waiting":
                        sandbox.fault(operation="create", drop="close")
                        tasks.append(asyncio.ensure_future(sandbox.stop()))

            tasks: list[asyncio.Future[None]] = []
            async with quick(sandbox, observer=Going()) as client:
                summary = await send(client, rows(1), journal, reconcile=False, give_up_after=0.3)
            assert summary.failed == 0

    async def test_a_campaign_that_is_found_for_one_row_is_no_match_for_another(self, journal: Path) -> None:
        start = {"startDateTime": "2031-06-27T09:30:00.000Z", "sender": "Golf"}
        both = [("a", new(1, "RAINED OFF")), ("b", new(1, "Rained off"))]
        sandbox = Sandbox()
        async with sandbox, quick(sandbox, max_concurrency=1) as client:
            sandbox.fault(operation="create", times=2, drop="close")
            assert (await send(client, both, journal, reconcile=False)).unknown == 2
            made = {"id": "x", **start, "message": "RAINED OFF", "recipientCount": 1, "status": 0}
            sandbox.add(made, [{"phoneNumber": "07700900001", "id": "p"}])
            summary = await send(client, both, journal)
        assert (summary.created, summary.found) == (2, 1)
        assert [created["message"] for created in sandbox.created] == ["Rained off"]

    async def test_what_another_call_reads_while_a_row_is_in_flight_is_still_its_own(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        gate = asyncio.Event()
        sandbox.fault(operation="create", times=1, status=500, act=True, hold=gate)
        async with quick(sandbox) as client:
            sending = asyncio.create_task(send(client, rows(1), journal))
            await sandbox.wait_acted(1, "create")
            assert len(await client.campaigns.list().collect()) == 1
            gate.set()
            summary = await sending
        assert (summary.ok, summary.found, len(sandbox.created)) == (True, 1, 1)

    async def test_a_row_that_is_unknown_again_is_waited_for_four_times_as_long(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fault(operation="create", nth=1, times=1, status=504, act=False)
        sandbox.fault(operation="create", nth=2, times=1, status=504, act_after=0.5)
        async with quick(sandbox, reconcile=ReconcilePolicy(settle=0.25, timeout=20, pause=0.05)) as client:
            summary = await send(client, rows(1), journal)
        assert (summary.ok, summary.found, len(sandbox.created)) == (True, 1, 1)
        assert sum(request.operation == "create" for request in sandbox.requests) == 2

    async def test_a_list_that_leaves_out_what_the_journal_knows_proves_no_absence(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fault(operation="create", nth=5, times=2, drop="close", act=True)
        empty = b'{"pageIndex":1,"totalPages":0,"totalRecords":0,"items":[]}'
        stale = sandbox.fault(operation="list", status=200, body=empty, content_type="application/json")
        impatient = ReconcilePolicy(settle=0.01, timeout=0.3, pause=0.01)
        async with client_of(sandbox, reconcile=impatient, max_concurrency=1) as client:
            summary = await send(client, rows(8), journal)
            assert (summary.created, summary.unknown) == (6, 2)
            assert len(sandbox.created) == 8
            stale.stop()
            assert (await send(client, rows(8), journal)).found == 2
        sandbox.assert_no_double_send()

    async def test_equal_rows_of_which_one_is_settled_by_hand_are_looked_for_again(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        twins = [(name, new(1)) for name in "abc"]
        sandbox.fault(operation="create", nth=1, times=1, drop="close", act=True)
        lost = sandbox.fault(operation="create", drop="close")
        async with quick(sandbox, max_concurrency=1) as client:
            assert (await send(client, twins, journal, reconcile=False)).unknown == 3
            store = JournalFile.open(journal)
            [first, *_] = store.rows()
            store.commit([Transition(first.row_id, State.CREATED, sandbox.created[0]["id"])], now=0.0)
            store.close()
            lost.stop()
            assert (await send(client, twins, journal)).ok
        assert len(sandbox.created) == 3

    @pytest.mark.slow
    async def test_a_slow_rate_does_not_end_the_search(self, sandbox: Sandbox, journal: Path) -> None:
        sandbox.fault(operation="create", times=12, drop="close", act=True)
        hasty = ReconcilePolicy(settle=0.01, timeout=0.2, pause=0.01)
        async with client_of(sandbox, reconcile=hasty, rate_limit=20) as client:
            assert (await send(client, rows(12), journal)).found == 12


class TestStopping:
    async def test_what_is_in_flight_finishes_and_nothing_more_is_sent(self, sandbox: Sandbox, journal: Path) -> None:
        rule = sandbox.fault(operation="create", hang=True)
        async with quick(sandbox, max_concurrency=3) as client:
            job = Job(client, rows(100), journal=journal)
            running = asyncio.ensure_future(job.run())
            await sandbox.wait_received(3)
            job.stop()
            job.stop()
            rule.release()
            summary = await running

            assert summary.stopped == "interrupted"
            assert (summary.created, summary.planned, summary.sending) == (3, 97, 0)
            assert (await send(client, rows(100), journal)).ok
        assert len(sandbox.requests) == 100

    async def test_a_cancelled_run_leaves_what_was_in_flight_possibly_sent(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        rule = sandbox.fault(operation="create", nth=4, hang=True)
        async with quick(sandbox, max_concurrency=3) as client:
            running = asyncio.ensure_future(send(client, rows(100), journal))
            await sandbox.wait_received(6)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert states(journal) == {State.CREATED: 3, State.SENDING: 3, State.PLANNED: 94}
            rule.release()

            summary = await send(client, rows(100), journal)
        assert summary.ok
        assert summary.found == 3
        assert len(sandbox.created) == 100
        sandbox.assert_no_double_send()

    async def test_a_second_cancellation_loses_nothing_that_is_known(
        self, sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit = JournalFile.commit

        def slowly(journal: JournalFile, *arguments: Any, **options: Any) -> list[ClaimedRow]:
            time.sleep(0.03)
            return commit(journal, *arguments, **options)

        monkeypatch.setattr(JournalFile, "commit", slowly)
        sandbox.fault(operation="create", nth=9, hang=True)
        async with quick(sandbox, max_concurrency=4) as client:
            job = Job(client, rows(40), journal=journal, group=4)
            running = asyncio.ensure_future(job.run())
            await sandbox.wait_received(12)
            for _ in range(3):
                running.cancel()
                await asyncio.sleep(0.005)
            with pytest.raises(asyncio.CancelledError):
                await running
        assert states(journal) == {State.CREATED: 8, State.SENDING: 4, State.PLANNED: 28}

    async def test_a_cancelled_check_ends_soon_and_leaves_no_trace(
        self, client: CampaignsClient, journal: Path
    ) -> None:
        class Endless:
            is_positional = has_content_digest = False

            def options(self) -> dict[str, str]:
                return {"plan": "keys"}

            def lines(self) -> Iterator[Line | BadLine]:
                for number in itertools.count():
                    if number == 50:
                        loop.call_soon_threadsafe(running.cancel)
                    yield from rows_plan([(f"row {number}", new(number % 1000))]).lines()

        loop = asyncio.get_running_loop()
        running = asyncio.ensure_future(send(client, Endless(), journal))
        with pytest.raises(asyncio.CancelledError):
            await running
        assert journal_rows(journal) == []

    async def test_what_an_observer_of_progress_raises_harms_no_send(
        self, sandbox: Sandbox, journal: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        def raising(progress: Progress) -> None:
            raise RuntimeError("07700900123")

        async with quick(sandbox) as client:
            assert (await send(client, rows(3), journal, on_progress=raising)).ok
        assert {record.getMessage() for record in caplog.records} == {"on_progress raised RuntimeError"}

    async def test_a_closed_client_stops_the_run_at_once(self, sandbox: Sandbox, journal: Path) -> None:
        async with quick(sandbox) as client:
            pass
        summary = await send(client, rows(3), journal)
        assert summary.planned == 3
        assert summary.stopped is not None

    async def test_a_job_runs_once(self, sandbox: Sandbox, journal: Path) -> None:
        async with quick(sandbox) as client:
            job = Job(client, rows(1), journal=journal)
            await job.run()
            with pytest.raises(ConfigurationError, match="once"):
                await job.run()

    async def test_a_run_that_is_stopped_while_it_looks_leaves_its_rows_as_they_were(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fault(operation="create", times=2, drop="close", act=True)
        looking = sandbox.fault(operation="list", hang=True)
        async with quick(sandbox) as client:
            job = Job(client, rows(5), journal=journal)
            running = asyncio.ensure_future(job.run())
            await sandbox.wait_received(1, "list")
            job.stop()
            summary = await running
            assert (summary.stopped, summary.unknown, summary.created) == ("interrupted", 2, 3)
            looking.release()
            assert (await send(client, rows(5), journal)).ok
        assert len(sandbox.created) == 5

    async def test_a_stop_while_the_first_row_is_read_is_heard(self, sandbox: Sandbox, journal: Path) -> None:
        async with quick(sandbox) as client:

            def stop(progress: Progress) -> None:
                if progress.phase is Phase.SENDING:
                    job.stop()

            job = Job(client, rows(50), journal=journal, on_progress=stop)
            summary = await job.run()
        assert (summary.stopped, summary.created, len(sandbox.requests)) == ("interrupted", 0, 0)

    @pytest.mark.preflight
    @pytest.mark.parametrize("phase", [Phase.CHECKING, Phase.COMPARING, Phase.SENDING])
    async def test_a_stop_as_a_step_begins_leaves_nothing_behind(
        self, sandbox: Sandbox, journal: Path, phase: Phase
    ) -> None:
        async with quick(sandbox) as client:

            def stop(progress: Progress) -> None:
                if progress.phase is phase:
                    job.stop()

            job = Job(client, rows(5), journal=journal, on_progress=stop)
            summary = await job.run()
        gc.collect()  # a coroutine that nothing awaits says so now
        assert (summary.stopped, summary.created) == ("interrupted", 0)

    async def test_one_that_was_stopped_before_it_ran_sends_nothing(self, sandbox: Sandbox, journal: Path) -> None:
        async with quick(sandbox) as client:
            job = Job(client, rows(5), journal=journal)
            job.stop()
            summary = await job.run()
        assert (summary.stopped, summary.created, len(sandbox.requests)) == ("interrupted", 0, 0)
        assert not summary.ok

    async def test_a_deadline_before_anything_was_sent_plans_the_row_again(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fault(operation="get", hang=True)
        async with quick(sandbox, max_concurrency=1) as client:
            holding = asyncio.ensure_future(client.campaigns.get("any"))  # has the only slot
            await sandbox.wait_received(1, "get")
            hasty = client.with_options(timeouts=Timeouts(deadline=0.05))
            summary = await send(hasty, rows(1), journal, give_up_after=0.2)
            assert (summary.planned, summary.unknown) == (1, 0)
            assert journal_rows(journal)[0].attempts >= 1
            holding.cancel()
            assert (await send(client, rows(1), journal)).ok
        sandbox.assert_no_double_send()


class TestJournals:
    async def test_a_row_that_changed_or_is_missing_is_refused_by_its_key(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        async with quick(sandbox) as client:
            await send(client, rows(3), journal)
            changed = rows(3)
            changed[1] = ("row 1", new(7))
            with pytest.raises(PlanChangedError, match="row 1") as caught:
                await send(client, changed, journal)
            assert (caught.value.keys, caught.value.count) == (("row 1",), 1)
            for missing in range(3):
                shortened = [row for row in rows(3) if row[0] != f"row {missing}"]
                with pytest.raises(PlanChangedError, match=rf"missing.*row {missing}"):
                    await send(client, shortened, journal)
            assert (await send(client, rows(3), journal)).created == 3
        assert len(sandbox.requests) == 3

    async def test_a_key_twice_or_a_bad_row_is_refused_and_leaves_no_trace(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        async with quick(sandbox) as client:
            with pytest.raises(PlanError) as caught:
                await send(client, [*rows(3), ("row 1", new(9)), ("braces", new(4, "Dear {name}"))], journal)
            assert [line.number for line in caught.value.lines] == [4, 5]
            assert caught.value.count == 2
            assert (await send(client, [("other", new(1))], journal)).created == 1

    async def test_a_plan_by_position_is_refused_as_a_whole_when_it_is_another(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        plan = [new(number) for number in range(3)]
        async with quick(sandbox) as client:
            assert (await send(client, plan, journal)).ok
            with pytest.raises((JournalError, PlanChangedError)):
                await send(client, [new(9), *plan], journal)
        assert len(sandbox.requests) == 3

    async def test_a_journal_in_use_is_refused_at_once(self, sandbox: Sandbox, journal: Path) -> None:
        rule = sandbox.fault(operation="create", hang=True)
        async with quick(sandbox) as client:
            running = asyncio.ensure_future(send(client, rows(2), journal))
            await sandbox.wait_received(2)
            with pytest.raises(JournalInUseError):
                await send(client, rows(2), journal)
            rule.release()
            assert (await running).ok
        assert len(sandbox.requests) == 2

    async def test_a_journal_of_another_server_is_refused(self, sandbox: Sandbox, journal: Path) -> None:
        async with quick(sandbox) as client:
            assert (await send(client, rows(2), journal)).ok
        async with Sandbox() as other, quick(other) as client:
            with pytest.raises(JournalError, match="other values of server"):
                await send(client, rows(2), journal)
            assert other.requests == ()

    async def test_a_journal_that_goes_away_stops_the_run(self, sandbox: Sandbox, journal: Path) -> None:
        rule = sandbox.fault(operation="create", nth=20, hang=True)
        async with quick(sandbox, max_concurrency=2) as client:
            running = asyncio.ensure_future(Job(client, rows(60), journal=journal, group=4).run())
            await sandbox.wait_received(21)
            journal.rename(journal.with_name("moved"))
            rule.release()
            with pytest.raises(JournalWriteError, match="moved"):
                await running
        assert len(sandbox.requests) < 40

    async def test_a_hard_link_is_refused(self, sandbox: Sandbox, journal: Path) -> None:
        async with quick(sandbox) as client:
            assert (await send(client, rows(2), journal)).ok
            journal.with_name("other").hardlink_to(journal)
            with pytest.raises(JournalError, match="hard link"):
                await send(client, rows(2), journal.with_name("other"))

    async def test_a_journal_that_cannot_be_written_stops_the_run_and_the_next_one_completes_it(
        self, sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit, left = JournalFile.commit, itertools.count(2, -1)

        def full(journal: JournalFile, *arguments: Any, **options: Any) -> list[ClaimedRow]:
            if next(left) <= 0:
                raise JournalWriteError("the disk is full")
            return commit(journal, *arguments, **options)

        async with quick(sandbox, max_concurrency=4) as client:
            with monkeypatch.context() as patched, pytest.raises(JournalWriteError):
                patched.setattr(JournalFile, "commit", full)
                await Job(client, rows(40), journal=journal, group=4).run()
            assert len(sandbox.requests) <= 12
            summary = await send(client, rows(40), journal)
        assert summary.ok
        assert len(sandbox.created) == 40
        sandbox.assert_no_double_send()

    async def test_nothing_that_is_shown_names_a_person_or_a_text(self, sandbox: Sandbox, journal: Path) -> None:
        sandbox.fault(operation="create", times=1, status=500, act=True)
        sandbox.fault(operation="create", times=1, status=400)
        async with quick(sandbox, max_concurrency=1) as client:
            summary = await send(client, rows(3), journal, reconcile=False)
        shown = f"{summary!r} {summary.failures!r} {summary.unknown_rows!r} {rows_plan(rows(3))!r}"
        assert "See you" not in shown
        assert "7700900" not in shown.replace(" ", "")


def test_a_summary_is_ok_only_when_all_is_created() -> None:
    fine = Summary(0, 0, 3, 0, 0, 3, 0, 0, 1.0, 0.0)
    assert fine.ok
    for name in ("planned", "sending", "failed", "unknown"):
        assert not evolve(fine, **{name: 1}).ok
    assert not evolve(fine, stopped="interrupted").ok
