"""A create with unknown outcome is looked for: exactly one campaign comes of it, or an error that lists candidates."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import subprocess
import sys
from typing import Any

import pytest
from support.failures import CASES, Case
from support.made import START, client_of, new_campaign
from support.observed import Recorder

from campaigns_async import (
    CampaignsClient,
    CampaignsError,
    DecodeError,
    Effect,
    InvalidArgumentError,
    NewContact,
    OutcomeUnknownError,
    Reconciled,
    ReconcilePolicy,
    RetryPolicy,
    Timeouts,
    effect_of,
)
from campaigns_async.sandbox import Quirks, Sandbox

SOON = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)


def reconciling(sandbox: Sandbox, **settings: Any) -> CampaignsClient:
    return client_of(sandbox, **{"reconcile": SOON, **settings})


IN_DOUBT: dict[str, dict[str, Any]] = {
    "408": {"status": 408},
    "500": {"status": 500},
    "502": {"status": 502, "body": "<html>"},
    "a bare 503": {"status": 503},
    "504": {"status": 504},
    "dropped": {"drop": "close"},
    "reset": {"drop": "reset"},
}


@pytest.mark.parametrize("act", [False, True], ids=["before it acted", "after it acted"])
@pytest.mark.parametrize("fault", IN_DOUBT.values(), ids=IN_DOUBT.keys())
async def test_exactly_one_campaign_comes_of_an_unknown_create(
    sandbox: Sandbox, fault: dict[str, Any], act: bool
) -> None:
    sandbox.fault(operation="create", times=1, act=act, **fault)
    async with reconciling(sandbox) as client:
        campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert [created["id"] for created in sandbox.created] == [campaign_id]
    sent = [request for request in sandbox.requests if request.operation == "create"]
    assert len(sent) == (1 if act else 2)


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_whatever_goes_wrong_one_campaign_comes_of_it_or_an_error_that_tells(
    sandbox: Sandbox, case: Case, times: int | None
) -> None:
    sandbox.fault(operation="create", times=times, **case.fault)
    policy = RetryPolicy(attempts=2, base=0.001, cap=0.002)
    async with reconciling(sandbox, retry=policy, timeouts=Timeouts(read=0.3)) as client:
        try:
            campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        except CampaignsError as error:
            assert len(sandbox.created) <= 1
            if error.effect in (Effect.NOT_SENT, Effect.REJECTED):
                assert sandbox.created == []
            if times == 1:
                assert case.effect is not Effect.UNKNOWN, "a failure with unknown outcome was not settled"
        else:
            assert [created["id"] for created in sandbox.created] == [campaign_id]


@pytest.mark.parametrize("drop", ["cut_headers", "cut_body"])
async def test_a_cut_answer_is_looked_for(sandbox: Sandbox, drop: Any) -> None:
    sandbox.fault(operation="create", times=1, drop=drop)
    async with reconciling(sandbox) as client:
        campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert [created["id"] for created in sandbox.created] == [campaign_id]


async def test_what_acts_only_later_is_waited_for_and_not_sent_again(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, status=504, act_after=0.1)
    async with reconciling(sandbox, reconcile=ReconcilePolicy(settle=0.4, timeout=5, pause=0.05)) as client:
        campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert [created["id"] for created in sandbox.created] == [campaign_id]
    assert sum(request.operation == "create" for request in sandbox.requests) == 1


async def test_what_shows_in_lists_only_later_is_waited_for_and_not_sent_again(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, status=500, act=True, hidden_for=0.1)
    async with reconciling(sandbox, reconcile=ReconcilePolicy(settle=0.4, timeout=5, pause=0.05)) as client:
        campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert [created["id"] for created in sandbox.created] == [campaign_id]


async def test_what_shows_after_the_first_look_at_the_settling_time_is_found_by_the_second(sandbox: Sandbox) -> None:
    shown, gate = asyncio.Event(), asyncio.Event()
    sandbox.fault(operation="create", times=1, status=500, act=True, hidden_for=shown)
    sandbox.fault(operation="list", nth=6, times=1, hold=gate)
    # A look takes three lists. The first comes at once, the second at the settling time; neither shows the campaign.
    async with reconciling(sandbox, reconcile=ReconcilePolicy(settle=0.1, timeout=5, pause=0.05)) as client:
        creating = asyncio.create_task(client.campaigns.create(new_campaign(), on_unknown="reconcile"))
        await sandbox.wait_received(6, "list")
        shown.set()
        gate.set()
        campaign_id = await creating
    assert [created["id"] for created in sandbox.created] == [campaign_id]


async def test_what_another_call_reads_while_the_create_is_in_flight_is_still_its_own(sandbox: Sandbox) -> None:
    gate = asyncio.Event()
    sandbox.fault(operation="create", times=1, status=500, act=True, hold=gate)
    async with reconciling(sandbox) as client:
        creating = asyncio.create_task(client.campaigns.create(new_campaign(), on_unknown="reconcile"))
        await sandbox.wait_acted(1, "create")
        assert len(await client.campaigns.list().collect()) == 1
        gate.set()
        campaign_id = await creating
    assert [created["id"] for created in sandbox.created] == [campaign_id]


async def test_what_another_call_reads_before_a_later_attempt_may_be_of_an_earlier_one(sandbox: Sandbox) -> None:
    act, gate = asyncio.Event(), asyncio.Event()
    sandbox.fault(operation="create", nth=1, times=1, status=504, act_after=act)
    sandbox.fault(operation="create", nth=2, times=1, status=504)
    sandbox.fault(operation="list", nth=6, times=1, hold=gate)
    at_once = ReconcilePolicy(settle=0, timeout=5, pause=0.02)
    async with reconciling(sandbox, max_concurrency=1, reconcile=at_once) as client:
        creating = asyncio.create_task(client.campaigns.create(new_campaign(), on_unknown="reconcile"))
        await sandbox.wait_received(6, "list")  # the last list of the look that decides that it is absent
        act.set()
        await sandbox.wait_acted(1, "create")
        reading = asyncio.create_task(client.campaigns.list().collect())  # waits for the slot before the second attempt
        while not client.stats().waiting:
            await asyncio.sleep(0)
        gate.set()
        assert len(await reading) == 1
        campaign_id = await creating
    assert [created["id"] for created in sandbox.created] == [campaign_id]


async def test_a_deadline_that_passes_is_looked_into_beyond_it(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, act=True, status=504, delay=30)
    async with reconciling(sandbox, timeouts=Timeouts(deadline=0.2)) as client:
        campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert [created["id"] for created in sandbox.created] == [campaign_id]


async def test_a_created_campaign_whose_id_cannot_be_read_is_found_and_never_sent_again(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, act=True, status=201)
    async with reconciling(sandbox) as client:
        campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        assert [created["id"] for created in sandbox.created] == [campaign_id]
        sandbox.fault(operation="create", times=1, act=False, status=201)
        with pytest.raises(DecodeError) as unread:
            await client.campaigns.create(new_campaign(2), on_unknown="reconcile")
        assert unread.value.effect is Effect.APPLIED
    assert sum(request.operation == "create" for request in sandbox.requests) == 2


@pytest.mark.parametrize("status", [200, 201])
async def test_a_page_in_place_of_the_new_id_is_looked_into(sandbox: Sandbox, status: int) -> None:
    sandbox.fault(operation="create", times=1, act=True, status=status, body="<html>")
    async with reconciling(sandbox) as client:
        first = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        assert [created["id"] for created in sandbox.created] == [first]
        sandbox.fault(operation="create", times=1, act=False, status=status, body="<html>")
        second = await client.campaigns.create(new_campaign(2), on_unknown="reconcile")
    assert [created["id"] for created in sandbox.created] == [first, second]


async def test_the_same_text_to_other_people_is_not_taken_for_ours(sandbox: Sandbox) -> None:
    async with Sandbox() as elsewhere, reconciling(elsewhere) as other:
        await other.campaigns.create(new_campaign(contacts=[NewContact("07700900200")]))
        stranger = elsewhere.created[0]
    sandbox.add({**stranger}, stranger["contacts"])
    sandbox.fault(operation="create", times=1, status=500)
    async with reconciling(sandbox) as client:
        campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert campaign_id != stranger["id"]
    assert len(sandbox.created) == 1


async def test_a_copy_that_was_known_before_is_not_taken_for_ours(sandbox: Sandbox) -> None:
    async with reconciling(sandbox) as another:
        first = await another.campaigns.create(new_campaign())
    async with reconciling(sandbox) as client:
        assert len(await client.campaigns.list().collect()) == 1
        sandbox.fault(operation="create", times=1, status=500)
        second = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert [created["id"] for created in sandbox.created] == [first, second]


async def test_two_unknown_creates_never_take_the_same_campaign(sandbox: Sandbox) -> None:
    twins = [new_campaign(), new_campaign()]
    sandbox.fault(operation="create", nth=1, times=1, drop="close", act=True)
    sandbox.fault(operation="create", times=1, drop="close", act=False)
    async with reconciling(sandbox) as client:
        outcomes = [o async for o in client.campaigns.create_many(twins, on_unknown="reconcile")]
    found = {outcome.value for outcome in outcomes}
    assert all(outcome.ok for outcome in outcomes)
    assert found == {created["id"] for created in sandbox.created}
    assert len(found) == 2


async def test_two_that_both_match_are_unknown_and_are_listed(sandbox: Sandbox) -> None:
    async with reconciling(sandbox) as another:
        await another.campaigns.create(new_campaign())
    sandbox.fault(operation="create", times=1, drop="close", act=True)
    async with reconciling(sandbox) as client:
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert {one.id for one in unknown.value.candidates} == {created["id"] for created in sandbox.created}
    assert "2 campaigns on the server may be this one" in str(unknown.value)
    assert sum(request.operation == "create" for request in sandbox.requests) == 2


@pytest.mark.parametrize("phones", ["plus", "digits", "national"])
async def test_numbers_in_another_notation_are_the_same_numbers(phones: Any) -> None:
    async with Sandbox(quirks=Quirks(phones=phones)) as sandbox, reconciling(sandbox) as client:
        sandbox.fault(operation="create", times=1, status=500, act=True)
        await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        assert len(sandbox.created) == 1


async def test_a_text_that_the_server_altered_is_unknown_and_never_sent_again() -> None:
    quirks = Quirks(message_text=lambda text: text.replace("%", " percent") + " STOP to 80800")
    async with Sandbox(quirks=quirks) as sandbox, reconciling(sandbox) as client:
        sandbox.fault(operation="create", times=1, status=500, act=True)
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        assert len(unknown.value.candidates) == len(sandbox.created) == 1


async def test_left_out_numbers_are_a_subset_and_still_ours(sandbox: Sandbox) -> None:
    contacts = [NewContact("07700900100"), NewContact("12"), NewContact("07700900101")]
    sandbox.fault(operation="create", times=1, drop="close", act=True)
    async with reconciling(sandbox) as client:
        campaign_id = await client.campaigns.create(
            new_campaign(contacts=contacts), ignore_invalid_phone_numbers=True, on_unknown="reconcile"
        )
    assert [created["id"] for created in sandbox.created] == [campaign_id]


async def test_a_server_in_another_zone_is_looked_through_all_the_same() -> None:
    zone = dt.timezone(dt.timedelta(hours=13))
    async with Sandbox(quirks=Quirks(zone=zone)) as sandbox, reconciling(sandbox) as client:
        sandbox.fault(operation="create", times=1, status=500, act=True)
        await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        assert len(sandbox.created) == 1


async def test_a_server_that_will_not_say_leaves_it_unknown(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, status=500, act=True)
    sandbox.fault(operation="list", status=403)
    async with reconciling(sandbox) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert len(sandbox.created) == 1


async def test_a_search_that_takes_too_long_ends_unknown(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, status=500, act=True)
    sandbox.fault(operation="list", status=500)
    async with reconciling(sandbox, reconcile=ReconcilePolicy(settle=0.05, timeout=0.3, pause=0.05)) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert sum(request.operation == "create" for request in sandbox.requests) == 1


_IMPORTS = """
import asyncio, datetime, sys
from campaigns_async import AttemptFinished, CampaignsClient, NewCampaign, NewContact, ReconcilePolicy, Timeouts
from campaigns_async.sandbox import Sandbox

loaded = []

class Watch:
    def on_event(self, event):
        if isinstance(event, AttemptFinished) and not loaded:
            loaded.append(set(sys.modules))

async def main():
    async with Sandbox() as sandbox:
        sandbox.fault(operation="create", times=1, status=504)
        soon = {"reconcile": ReconcilePolicy(settle=0.01, pause=0.01), "timeouts": Timeouts(read=0.2)}
        async with CampaignsClient(sandbox.url, sandbox.api_key, observer=Watch(), **soon) as client:
            new = NewCampaign(datetime.datetime(2031, 5, 1, tzinfo=datetime.UTC), "Golf", "Hello", [NewContact("07700900123")])
            await client.campaigns.create(new, on_unknown="reconcile")
    late = {name for name in set(sys.modules) - loaded[0] if name.startswith("campaigns_async")}
    print(sorted(name for name in late if not name.startswith("campaigns_async.sandbox")))

asyncio.run(main())
"""


def test_all_that_a_search_needs_is_imported_before_the_create_is_sent() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_fan_out_reconciles_each_of_many_with_the_same_text(sandbox: Sandbox) -> None:
    news = [
        new_campaign(contacts=[NewContact(f"07700 900{100 + number}"), NewContact(f"07700 900{500 + number}")])
        for number in range(60)
    ]
    sandbox.fault(operation="create", share=0.15, seed=1, drop="close", act=True)
    sandbox.fault(operation="create", share=0.15, seed=2, drop="close", act=False)
    sandbox.fault(operation="create", share=0.15, seed=3, status=504, act_after=0.05)
    policy = ReconcilePolicy(settle=0.2, timeout=10, pause=0.02)
    async with reconciling(sandbox, reconcile=policy) as client:
        outcomes = [o async for o in client.campaigns.create_many(news, on_unknown="reconcile")]
    assert all(outcome.ok for outcome in outcomes), [outcome.error for outcome in outcomes if not outcome.ok]
    numbers = {
        created["id"]: [contact["phoneNumber"] for contact in created["contacts"]] for created in sandbox.created
    }
    assert len(sandbox.created) == 60
    for outcome in outcomes:
        assert numbers[outcome.value] == [contact.phone_number for contact in outcome.item.contacts]


async def test_the_search_is_told_to_the_observer(sandbox: Sandbox) -> None:
    recorder = Recorder()
    sandbox.fault(operation="create", times=1, status=500)
    async with reconciling(sandbox, observer=recorder) as client:
        await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    (event,) = [event for event in recorder.events if isinstance(event, Reconciled)]
    assert (event.verdict, event.looks >= 2) == ("absent", True)


async def test_a_search_that_is_cancelled_leaves_the_create_unknown(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, status=500, act=True)
    sandbox.fault(operation="list", hold=asyncio.Event())
    async with reconciling(sandbox) as client:
        call = asyncio.create_task(client.campaigns.create(new_campaign(), on_unknown="reconcile"))
        await sandbox.wait_received(1, "list")
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await call
        assert effect_of(cancelled.value) is Effect.UNKNOWN


async def test_absence_is_not_believed_more_often_than_attempts_allow(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", status=500)
    async with reconciling(sandbox, retry=RetryPolicy(attempts=2, base=0.001, cap=0.002)) as client:
        with pytest.raises(OutcomeUnknownError) as failed:
            await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert failed.value.attempts == 2
    assert sum(request.operation == "create" for request in sandbox.requests) == 2


async def test_a_later_create_does_not_take_the_campaign_of_one_that_was_given_up_as_absent(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, status=500)
    async with reconciling(sandbox, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        async with reconciling(sandbox) as gateway:  # passes the request on long after it answered
            await gateway.campaigns.create(new_campaign())
        sandbox.fault(operation="create", times=1, status=500)
        with pytest.raises(OutcomeUnknownError) as failed:
            await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert [each.id for each in failed.value.candidates] == [created["id"] for created in sandbox.created]


async def test_a_campaign_outside_the_margin_is_not_read(sandbox: Sandbox) -> None:
    row = {"id": "x", "sender": "Golf", "message": "Other"}
    sandbox.add({**row, "startDateTime": (START + dt.timedelta(days=3)).isoformat().replace("+00:00", "Z")})
    sandbox.fault(operation="create", times=1, status=500)
    async with reconciling(sandbox) as client:
        await client.campaigns.create(new_campaign(), on_unknown="reconcile")
    assert not [request for request in sandbox.requests if request.operation == "contacts"]


async def test_an_unknown_way_is_refused(client: CampaignsClient, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidArgumentError, match="on_unknown"):
        await client.campaigns.create(new_campaign(), on_unknown="guess")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="on_unknown"):
        client.campaigns.create_many([], on_unknown="guess")  # type: ignore[arg-type]
    assert list(sandbox.requests) == []


async def test_a_server_that_caps_its_pages_hides_nothing_from_the_search() -> None:
    others = [
        {
            "id": f"x{number}",
            "sender": "Golf",
            "message": "Other",
            "startDateTime": "2031-05-01T09:00:00.000Z",
            "recipientCount": 1,
        }
        for number in range(80)
    ]
    async with Sandbox(quirks=Quirks(max_page_size=50)) as sandbox, reconciling(sandbox) as client:
        for other in others:
            sandbox.add(other, [{"id": "p", "phoneNumber": "07700900999"}])
        sandbox.fault(operation="create", times=1, status=502, act=True)
        campaign_id = await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        assert [created["id"] for created in sandbox.created] == [campaign_id]


async def test_a_start_that_has_passed_and_was_moved_to_now_is_unknown_and_not_absent(sandbox: Sandbox) -> None:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    new = new_campaign(start_date_time=past)
    sandbox.add(
        {
            "id": "moved",
            "sender": new.sender,
            "message": new.message,
            "startDateTime": f"{dt.datetime.now(dt.UTC):%FT%TZ}",
        },
        [{"id": f"p{number}", "phoneNumber": one.phone_number} for number, one in enumerate(new.contacts)],
    )
    sandbox.fault(operation="create", times=1, status=502)
    async with reconciling(sandbox) as client:
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(new, on_unknown="reconcile")
    assert [one.id for one in unknown.value.candidates] == ["moved"]
    assert sandbox.created == []


@pytest.mark.parametrize("start", ["0001-01-02T00:00:00+00:00", "9999-12-31T23:00:00+00:00"])
async def test_the_ends_of_the_calendar_do_not_replace_the_unknown_outcome(sandbox: Sandbox, start: str) -> None:
    sandbox.fault(operation="create", times=1, status=500, act=True)
    async with reconciling(sandbox) as client:
        new = new_campaign(start_date_time=dt.datetime.fromisoformat(start))
        with contextlib.suppress(OutcomeUnknownError):
            await client.campaigns.create(new, on_unknown="reconcile")
    assert len(sandbox.created) == 1
