"""The run: what is in doubt is settled by looking, and sent again only when it is absent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, frozen

from campaigns_async import AttemptFinished, CampaignsClient, Delivery, Operation, PermissionDeniedError, RetryPolicy
from campaigns_async.cli._demo_content import content_of_wire
from campaigns_async.cli._demo_ledger import Ledger, Tally
from campaigns_async.cli._demo_plan import PlanRow
from campaigns_async.cli._demo_report import Counts, Report, discrepancies
from campaigns_async.cli._demo_run import run
from campaigns_async.cli._demo_server import LocalServer, RemoteServer, Server, remote_server, troubles
from campaigns_async.sandbox import Quirks, Sandbox

from .conftest import line, ndjson, planned

PLAN = planned(ndjson(*map(line, range(10))))


@define
class Steps:
    """Counts the steps of each part."""

    parts: dict[str, list[int]]

    def begin(self, what: str, total: int) -> None:
        self.parts[what] = [0, total]

    def step(self) -> None:
        list(self.parts.values())[-1][0] += 1


async def demo(
    server: Server, plan: tuple[PlanRow, ...] = PLAN, *, watch: Any = None, ledger: Ledger | None = None
) -> Report:
    return await run(plan, server, ledger=ledger or Ledger(), watch=watch or Steps({}), concurrency=4, seed=1)


def remote(sandbox: Sandbox, known: frozenset[str] = frozenset()) -> RemoteServer:
    return RemoteServer(sandbox.url, sandbox.api_key, known, settle=0)


def copies(sandbox: Sandbox) -> Counter[int]:
    """How often each row of the plan is on the server, by the server's memory."""
    rows = {row.content: index for index, row in enumerate(PLAN)}
    return Counter(rows[content_of_wire(one, sandbox.contacts(one["id"]))] for one in sandbox.campaigns)


ONCE_EACH = Counter(range(10))


async def test_without_faults_all_agrees(sandbox: Sandbox) -> None:
    steps = Steps({})
    report = await demo(LocalServer(sandbox), watch=steps)
    assert discrepancies(report) == ()
    assert (report.planned, report.calls, report.doubts, report.retried) == (10, 10, 0, 0)
    assert copies(sandbox) == ONCE_EACH
    assert all(done == total for done, total in steps.parts.values())


@pytest.mark.parametrize("drop", ["close", "reset", "cut_headers", "cut_body"])
async def test_what_was_carried_out_before_the_drop_is_found_not_sent_again(sandbox: Sandbox, drop: Any) -> None:
    sandbox.fault(operation="create", nth=3, times=1, drop=drop, act=True)
    report = await demo(LocalServer(sandbox))
    assert (report.doubts, report.found, report.absent, report.calls) == (1, 1, 0, 10)
    assert copies(sandbox) == ONCE_EACH


@pytest.mark.parametrize("make", [LocalServer, remote])
async def test_what_was_not_carried_out_is_sent_again(sandbox: Sandbox, make: Any) -> None:
    sandbox.fault(operation="create", nth=3, times=1, drop="close")
    report = await demo(make(sandbox))
    assert (report.doubts, report.found, report.absent, report.calls) == (1, 0, 1, 11)
    assert discrepancies(report) == ()
    assert copies(sandbox) == ONCE_EACH


async def test_what_is_sent_again_may_be_in_doubt_again(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=10, times=3, drop="reset")
    report = await demo(LocalServer(sandbox))
    assert (report.doubts, report.absent, report.calls) == (3, 3, 13)
    assert discrepancies(report) == ()
    assert copies(sandbox) == ONCE_EACH


async def test_it_does_not_go_on_for_ever(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", drop="close")
    report = await demo(LocalServer(sandbox), PLAN[:1])
    assert report.left == 1
    assert "in doubt: 1 could not be settled; they were not sent again" in discrepancies(report)


async def test_one_that_the_server_has_altered_stays_in_doubt() -> None:
    async with Sandbox(quirks=Quirks(message_text=str.upper)) as sandbox:
        sandbox.fault(operation="create", nth=3, times=1, drop="close", act=True)
        report = await demo(LocalServer(sandbox))
        assert (report.doubts, report.left, report.absent) == (1, 1, 0)
        assert len(sandbox.campaigns) == 10
    assert any("could not be settled" in sentence for sentence in discrepancies(report))


async def test_of_two_that_look_alike_neither_is_ours(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, drop="close")
    twin = as_stored(0)
    sandbox.add({**twin, "id": "one"}, twin["contacts"])
    sandbox.add({**twin, "id": "two"}, twin["contacts"])
    report = await demo(remote(sandbox), PLAN[:1])
    assert (report.left, report.found, report.absent) == (1, 0, 0)


async def test_one_that_stood_there_before_is_not_ours(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, drop="close")
    twin = as_stored(0)
    sandbox.add({**twin, "id": "before"}, twin["contacts"])
    async with remote_server(sandbox.url, sandbox.api_key, settle=0) as server:
        assert server.known == {"before"}
        report = await demo(server, PLAN[:1])
    assert (report.found, report.absent) == (0, 1)
    assert discrepancies(report) == ()


async def test_one_at_another_time_is_not_ours(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, drop="close")
    twin = as_stored(0)
    sandbox.add({**twin, "id": "later", "startDateTime": "2031-06-01T00:00:00Z"}, twin["contacts"])
    report = await demo(remote(sandbox), PLAN[:1])
    assert (report.left, report.found, report.absent) == (0, 0, 1)


async def test_one_at_the_same_time_to_others_with_another_text_is_not_ours(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, drop="close")
    sandbox.add({**as_stored(0), "id": "other", "message": "Another"})
    report = await demo(remote(sandbox), PLAN[:1])
    assert (report.left, report.found, report.absent) == (0, 0, 1)


async def test_one_with_the_same_text_to_others_leaves_a_doubt(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, drop="close")
    sandbox.add({**as_stored(0), "id": "other"}, as_stored(1)["contacts"])
    report = await demo(remote(sandbox), PLAN[:1])
    assert (report.left, report.found, report.absent) == (1, 0, 0)


async def test_it_is_looked_for_only_when_the_server_is_idle(sandbox: Sandbox) -> None:
    late = asyncio.Event()

    @frozen
    class Slow(LocalServer):
        async def idle(self) -> None:
            late.set()
            await sandbox.acted(1, "create")

    sandbox.fault(operation="create", nth=1, times=1, drop="close", act_after=late)
    report = await demo(Slow(sandbox), PLAN[:1])
    assert (report.found, report.absent) == (1, 0)


async def test_absence_elsewhere_must_last_before_it_is_believed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = asyncio.Event()
    sandbox.fault(operation="create", nth=1, times=1, drop="close", act_after=late)
    pauses: list[float] = []
    really = asyncio.sleep

    async def pause(seconds: float) -> None:
        if seconds == 60:
            pauses.append(seconds)
            late.set()
            await sandbox.acted(1, "create")
        else:
            await really(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    report = await demo(RemoteServer(sandbox.url, sandbox.api_key, frozenset(), settle=60), PLAN[:1])
    assert pauses == [60]
    assert (report.found, report.absent) == (1, 0)
    assert discrepancies(report) == ()


async def test_a_sender_that_means_something_in_a_filter_is_found_all_the_same(sandbox: Sandbox) -> None:
    plan = planned(ndjson(*(line(n, sender=sender) for n, sender in enumerate(["A,B", "a|b", "null", "C==D", "Ü"]))))
    sandbox.fault(operation="create", every=2, times=3, drop="close", act=True)
    report = await demo(LocalServer(sandbox), plan)
    assert report.found == 3
    assert discrepancies(report) == ()


async def test_a_sender_with_a_blank_is_listed_back(sandbox: Sandbox) -> None:
    plan = planned(ndjson(*(line(n, sender=f"S{n % 8}") for n in range(16)), line(16, sender="Pier 9 Cafe")))
    report = await demo(LocalServer(sandbox), plan)
    assert discrepancies(report) == ()
    asked = [request.query["filters"] for request in sandbox.requests if request.operation == "list"]
    assert len(asked) == 6
    assert "sender==Pier 9 Cafe" in asked


async def test_a_refusal_is_a_failure_not_a_doubt(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=3, times=1, status=400)
    report = await demo(LocalServer(sandbox))
    assert (report.failures, report.doubts) == ((("ValidationFailedError", 1),), 0)
    assert "created: 1 of 10 rows failed (ValidationFailedError)" in discrepancies(report)


async def test_a_server_that_lies_about_a_throttled_create_is_found_out(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=3, times=1, status=429, headers={"Retry-After": "0"}, act=True)
    for server in (LocalServer(sandbox), remote(sandbox)):
        sandbox.reset()
        sandbox.fault(operation="create", nth=3, times=1, status=429, headers={"Retry-After": "0"}, act=True)
        off = discrepancies(await demo(server))
        assert "content: 1 rows of the plan are on the server more than once" in off
        assert "created: the server counts 11, the plan 10" in off


@define
class Meddler(Steps):
    """Does something behind the client's back when a part of the run begins."""

    deeds: dict[str, Callable[[], object]]

    def begin(self, what: str, total: int) -> None:
        super().begin(what, total)
        self.deeds.get(what, lambda: None)()


async def test_a_campaign_that_got_lost_is_missed(sandbox: Sandbox) -> None:
    def lose() -> None:
        sandbox.remove(sandbox.campaigns[0]["id"])

    off = discrepancies(await demo(remote(sandbox), watch=Meddler({}, {"asking the server": lose})))
    assert "content: 1 rows of the plan are not on the server" in off
    assert "created: 1 of the client's ids are not on the server" in off


async def test_another_campaign_that_is_listed_in_its_place_is_noticed(sandbox: Sandbox) -> None:
    def swap() -> None:
        wire = sandbox.campaigns[0]
        hidden.append((wire, sandbox.contacts(wire["id"])))
        sandbox.remove(wire["id"])
        sandbox.add({**wire, "id": "another"})

    hidden: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    watch = Meddler({}, {"listing back": swap, "streaming contacts": lambda: sandbox.add(*hidden[0])})
    off = discrepancies(await demo(LocalServer(sandbox), watch=watch))
    assert off == ("campaigns listed back: 10 rows for 10; 1 of 1 reads differ from the plan",)


async def test_another_contact_that_is_streamed_in_one_s_place_is_noticed(sandbox: Sandbox) -> None:
    def swap() -> None:
        wire = sandbox.campaigns[0]
        first, *others = sandbox.contacts(wire["id"])
        sandbox.remove(wire["id"])
        sandbox.add(wire, [{**first, "name": "Somebody else"}, *others])

    watch = Meddler({}, {"streaming contacts": swap})
    off = discrepancies(await demo(LocalServer(sandbox), watch=watch))
    assert off == ("contacts streamed: 20 rows for 20; 1 of 10 reads differ from the plan",)


async def test_a_throttled_create_is_counted_on_both_sides(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=2, times=1, status=429, headers={"Retry-After": "0"})
    sandbox.fault(operation="create", nth=5, times=1, status=503, headers={"Retry-After": "0"})
    report = await demo(LocalServer(sandbox))
    assert (report.retried, report.client.throttled, report.server.throttled) == (1, 2, 2)
    assert discrepancies(report) == ()


def test_an_attempt_that_never_left_is_no_request_and_no_drop() -> None:
    tally = Tally()
    for delivery in (Delivery.NOT_SENT, Delivery.UNKNOWN):
        tally.on_event(AttemptFinished(Operation.CREATE, "POST", "/", 1, None, "dropped", delivery, 0.1))
    assert (tally.attempts, tally.counts()) == (2, Counts(requests=1, throttled=0, dropped=1))


async def test_other_people_s_campaigns_are_strangers(sandbox: Sandbox) -> None:
    other = as_stored(9)
    sandbox.add({**other, "id": "other"}, other["contacts"])
    off = discrepancies(await demo(remote(sandbox), PLAN[:3]))
    assert "content: 1 campaigns on the server are no row of the plan" in off


async def test_interrupted_it_knows_how_far_it_came(sandbox: Sandbox) -> None:
    held = asyncio.Event()
    sandbox.fault(operation="create", nth=3, hold=held)
    ledger = Ledger()
    task = asyncio.create_task(demo(LocalServer(sandbox), ledger=ledger))
    await sandbox.received(6, "create")
    task.cancel()
    held.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(ledger.ids) == len(sandbox.campaigns) == 6
    assert not ledger.in_doubt


async def test_a_server_of_our_own_is_idle_when_nothing_is_in_flight(
    sandbox: Sandbox, client: CampaignsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = asyncio.Event()
    really = asyncio.sleep
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        if seconds:
            pauses.append(sandbox.in_flight)
            held.set()
        await really(0)

    sandbox.fault(operation="list", hold=held)
    asking = asyncio.create_task(client.campaigns.list().collect())
    await sandbox.received(1)
    monkeypatch.setattr(asyncio, "sleep", pause)
    await LocalServer(sandbox).idle()
    assert pauses[0] == 1
    assert sandbox.in_flight == 0
    assert await asking == []


@pytest.mark.parametrize("operation", ["list", "contacts"])
async def test_what_cannot_be_read_back_is_an_error(sandbox: Sandbox, operation: Any) -> None:
    sandbox.fault(operation=operation, status=403)
    for server in (LocalServer(sandbox), remote(sandbox)):
        with pytest.raises(PermissionDeniedError):
            await demo(server)


async def test_a_server_elsewhere_that_does_not_tell_is_an_error(sandbox: Sandbox) -> None:
    await demo(LocalServer(sandbox), PLAN[:1])
    sandbox.fault(operation="contacts", status=403)
    with pytest.raises(PermissionDeniedError):
        await remote(sandbox).look()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("planned", [1, 2, 10, 29, 58, 500, 1234])
def test_some_of_the_creates_meet_trouble_but_never_so_many_in_a_row_as_a_call_has_attempts(
    planned: int, seed: int
) -> None:
    found = troubles(planned, seed)
    assert found
    assert all(1 <= number <= planned for number in found)
    attempts = RetryPolicy().attempts
    assert not any(all(first + more in found for more in range(attempts)) for first in found)


def test_500_creates_meet_every_kind_of_trouble() -> None:
    met = Counter((one.status, one.drop, one.act) for one in troubles(500, seed=5).values())
    assert met == {
        (429, None, False): 17,
        (503, None, False): 2,
        (None, "close", False): 4,
        (None, "reset", False): 4,
        (None, "close", True): 2,
        (None, "reset", True): 2,
    }


def test_the_seed_decides_which() -> None:
    assert troubles(500, seed=5) == troubles(500, seed=5) != troubles(500, seed=6)


def as_stored(number: int) -> dict[str, Any]:
    """A line of the plan as the server would have it."""
    filled = {"name": None, "custom1": None, "custom2": None}
    row = line(number)
    people = [{"id": str(index), **filled, **one} for index, one in enumerate(row["contacts"])]
    return {**row, "optOutLinkId": None, "trackLinkUrl": None, "status": 0, "contacts": people}
