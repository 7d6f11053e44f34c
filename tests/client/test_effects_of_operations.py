"""The effect of an operation that makes several requests, and of a call under `asyncio.timeout`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.made import client_of, new_campaign, rows

from campaigns_async import (
    CampaignsClient,
    CampaignsError,
    CampaignUpdate,
    Effect,
    OutcomeUnknownError,
    ReconcilePolicy,
    RetryPolicy,
    Timeouts,
    effect_of,
)
from campaigns_async._engine.effect_record import CURRENT, EffectRecord
from campaigns_async.effects import combine_requests
from campaigns_async.sandbox import Sandbox
from campaigns_async.values import Operation

ONCE = RetryPolicy(attempts=1)
NOT_SENT, REJECTED, UNKNOWN, APPLIED = Effect.NOT_SENT, Effect.REJECTED, Effect.UNKNOWN, Effect.APPLIED
GIVEN_UP = {"status": 503, "act": False}
CHANGED = CampaignUpdate(new_campaign().start_date_time, "Golf", "Closed")


async def create_and_update(client: CampaignsClient, number: int) -> str:
    """Make two requests that change something."""
    campaign_id = await client.campaigns.create(new_campaign(number))
    await client.campaigns.update(campaign_id, CHANGED)
    return campaign_id


@pytest.mark.parametrize(
    ("create", "update", "expected"),
    [
        (None, None, APPLIED),
        (None, {"status": 400}, APPLIED),
        (None, {"status": 503}, UNKNOWN),
        ({"status": 400}, None, REJECTED),
        ({"status": 503}, None, UNKNOWN),
    ],
)
async def test_the_least_certain_change_counts(
    sandbox: Sandbox, create: dict[str, int] | None, update: dict[str, int] | None, expected: Effect
) -> None:
    for operation, fault in (("create", create), ("update", update)):
        if fault is not None:
            sandbox.fault(operation=operation, **fault)
    async with client_of(sandbox, retry=ONCE) as client:
        async with client.map(lambda number: create_and_update(client, number), range(3)) as outcomes:
            effects = [outcome.effect async for outcome in outcomes]
    assert effects == [expected] * 3


async def test_an_operation_that_fails_after_its_create_is_applied_and_unresolved(sandbox: Sandbox) -> None:
    async def create_and_fail(number: int) -> None:
        await client.campaigns.create(new_campaign(number))
        if number:
            raise ValueError(number)

    async with client_of(sandbox) as client:
        async with client.map(create_and_fail, range(4)) as outcomes:
            await anext(outcomes)
        left = [outcome async for outcome in outcomes]
    assert {outcome.index for outcome in outcomes.unresolved} == {each.index for each in left if not each.ok}
    assert all(outcome.effect is APPLIED for outcome in outcomes.unresolved)


async def test_an_operation_that_swallows_an_unknown_create_is_unknown(sandbox: Sandbox) -> None:
    async def create(number: int) -> None:
        with suppress(OutcomeUnknownError):
            await client.campaigns.create(new_campaign(number))
        await client.campaigns.list().collect()

    sandbox.fault(operation="create", status=500)
    async with client_of(sandbox) as client, client.map(create, range(2)) as outcomes:
        assert [outcome.effect async for outcome in outcomes] == [UNKNOWN] * 2


async def test_a_create_that_was_found_is_applied(sandbox: Sandbox) -> None:
    async def create(number: int) -> str:
        return await client.campaigns.create(new_campaign(number), on_unknown="reconcile")

    sandbox.fault(operation="create", status=500, act=True)
    soon = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)
    async with client_of(sandbox, reconcile=soon) as client, client.map(create, [1]) as outcomes:
        assert [outcome.effect async for outcome in outcomes] == [APPLIED]


async def test_reads_count_only_where_nothing_else_was_sent(sandbox: Sandbox) -> None:
    async def read(campaign_id: str) -> None:
        await client.campaigns.get(campaign_id)

    async def read_and_create(number: int) -> None:
        with suppress(CampaignsError):
            await client.campaigns.get("missing1")
        await client.campaigns.create(new_campaign(number))

    async with client_of(sandbox) as client:
        async with client.map(read, ["missing1"]) as outcomes:
            assert [outcome.effect async for outcome in outcomes] == [REJECTED]
        async with client.map(read_and_create, [1]) as outcomes:
            assert [outcome.effect async for outcome in outcomes] == [APPLIED]
        async with client.map(asyncio.sleep, [0]) as outcomes:
            assert [outcome.effect async for outcome in outcomes] == [APPLIED]


async def test_a_request_that_is_still_in_flight_leaves_its_item_unknown(sandbox: Sandbox) -> None:
    tasks: list[asyncio.Task[str]] = []

    async def start_and_leave(number: int) -> None:
        tasks.append(asyncio.create_task(client.campaigns.create(new_campaign(number))))
        await asyncio.sleep(0.05)
        raise ValueError(number)

    sandbox.fault(operation="create", delay=0.3, act=True, status=500)
    async with client_of(sandbox) as client, client.map(start_and_leave, [1]) as outcomes:
        assert [outcome.effect async for outcome in outcomes] == [UNKNOWN]
        await asyncio.wait(tasks)
        tasks[0].exception()


async def test_an_inner_fan_out_counts_for_the_outer_item(sandbox: Sandbox) -> None:
    async def inner(number: int) -> str:
        return await client.campaigns.create(new_campaign(number))

    async def outer(number: int) -> None:
        async with client.map(inner, [10 * number, 10 * number + 1]) as outcomes:
            async for _ in outcomes:
                pass
        raise ValueError(number)

    async with client_of(sandbox) as client, client.map(outer, [1, 2]) as outcomes:
        assert [outcome.effect async for outcome in outcomes] == [APPLIED] * 2


async def test_a_failure_before_the_first_byte_is_not_sent() -> None:
    async with CampaignsClient("http://127.0.0.1:9", "key", retry=ONCE) as client:
        async with client.map(lambda number: create_and_update(client, number), range(2)) as outcomes:
            assert [outcome.effect async for outcome in outcomes] == [NOT_SENT] * 2


@given(st.lists(st.sampled_from(Effect)))
def test_the_effect_of_several_requests(effects: list[Effect]) -> None:
    expected = next((each for each in (UNKNOWN, APPLIED, REJECTED, NOT_SENT) if each in effects), None)
    assert combine_requests(effects) is expected


def test_a_record_without_requests_has_no_effect() -> None:
    assert EffectRecord().effect is None
    assert CURRENT.get() is None
    for operation, other in itertools.product(Operation, Operation):
        record = EffectRecord()
        record.begin(operation)
        is_read = operation in (Operation.GET, Operation.LIST, Operation.CONTACTS, Operation.RAW_READ)
        assert record.effect is (None if is_read else UNKNOWN)
        record.end(operation, REJECTED)
        record.begin(other)
        record.end(other, NOT_SENT)
        is_other_read = other in (Operation.GET, Operation.LIST, Operation.CONTACTS, Operation.RAW_READ)
        assert record.effect is (NOT_SENT if is_read and not is_other_read else REJECTED)


@pytest.mark.parametrize("sent", [False, True])
async def test_a_timeout_around_a_call_says_what_is_known(sandbox: Sandbox, sent: bool) -> None:
    sandbox.fault(operation="create", delay=5, act=True, status=504)
    async with client_of(sandbox, max_concurrency=1, timeouts=Timeouts(grace=0)) as client:
        blocking = asyncio.create_task(client.campaigns.create(new_campaign(1))) if not sent else None
        await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError) as late:
            async with asyncio.timeout(0.2):
                await client.campaigns.create(new_campaign(2))
        if blocking is not None:
            blocking.cancel()
    assert effect_of(late.value) is (UNKNOWN if sent else NOT_SENT)


def test_only_the_cancellation_of_a_call_says_what_a_timeout_did() -> None:
    timeout = TimeoutError()
    timeout.__cause__ = asyncio.CancelledError()
    assert effect_of(timeout) is UNKNOWN
    error = ValueError()
    error.__cause__ = CampaignsError("no")
    assert effect_of(error) is UNKNOWN


OPERATIONS: dict[str, Callable[[CampaignsClient], Awaitable[object]]] = {
    "create": lambda client: client.campaigns.create(new_campaign()),
    "create, reconciled": lambda client: client.campaigns.create(new_campaign(), on_unknown="reconcile"),
    "update": lambda client: client.campaigns.update("c000", CHANGED),
    "delete": lambda client: client.campaigns.delete("c000"),
    "get": lambda client: client.campaigns.get("c000"),
    "list": lambda client: client.campaigns.list().collect(),
    "first of a list": lambda client: client.campaigns.list(prefetch=3).first(),
    "contacts": lambda client: client.campaigns.contacts("c000").count(),
    "raw post": lambda client: client.request("POST", "/api/Campaigns", json={}),
    "raw get": lambda client: client.request("GET", "/api/Campaigns"),
}


async def run_with_timeout(call: Awaitable[object], waiting: Awaitable[object]) -> BaseException:
    """Return the error of a timeout around a call that expires after a wait."""
    with pytest.raises(TimeoutError) as late:
        async with asyncio.timeout(None) as timeout:
            expiring = asyncio.create_task(expire(timeout, waiting))
            await call
    await expiring
    return late.value


async def expire(timeout: asyncio.Timeout, waiting: Awaitable[object]) -> None:
    await waiting
    timeout.reschedule(0)


async def run_in_a_group(call: Awaitable[object], waiting: Awaitable[object]) -> BaseException:
    """Return the cancellation of a call whose group failed after a wait."""
    cancelled: list[asyncio.CancelledError] = []

    async def catch() -> None:
        try:
            await call
        except asyncio.CancelledError as error:
            cancelled.append(error)
            raise

    async def fail() -> None:
        await waiting
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(catch())
            group.create_task(fail())
    return cancelled[0]


async def run_with_wait_for(call: Awaitable[object], waiting: Awaitable[object]) -> BaseException:
    """Return the error of `wait_for` around a call, which expires soon after a wait."""
    task = asyncio.ensure_future(call)
    await waiting
    with pytest.raises(TimeoutError) as late:
        await asyncio.wait_for(task, 0.001)
    return late.value


@pytest.mark.parametrize("run", [run_with_timeout, run_in_a_group, run_with_wait_for])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("sent", [False, True])
async def test_an_interrupted_call_says_if_it_was_sent(operation: str, sent: bool, run: Any) -> None:
    release = asyncio.Event()
    async with Sandbox(rows(2)) as sandbox, client_of(sandbox, max_concurrency=1, timeouts=Timeouts(grace=0)) as client:
        sandbox.fault(hold=release)
        blocking = None if sent else asyncio.create_task(client.campaigns.get("c001"))
        if blocking is not None:
            await sandbox.wait_received(1)
        error = await run(OPERATIONS[operation](client), wait_until(sandbox, client, sent=sent))
        release.set()
        assert effect_of(error) is (UNKNOWN if sent else NOT_SENT)
        if blocking is not None:
            await blocking


async def wait_until(sandbox: Sandbox, client: CampaignsClient, *, sent: bool) -> None:
    """Wait until the server has a call's request, or until the call waits for a slot."""
    if sent:
        await sandbox.wait_received(1)
    while not sent and not client.stats().waiting:
        await asyncio.sleep(0)


async def test_a_timeout_around_a_fan_out_cannot_say_what_its_items_did(sandbox: Sandbox) -> None:
    release = asyncio.Event()
    sandbox.fault(hold=release)
    async with client_of(sandbox, timeouts=Timeouts(grace=0)) as client:
        for outcomes in (
            client.campaigns.create_many([new_campaign()]),
            client.map(client.campaigns.create, [new_campaign()]),
        ):
            before = len(sandbox.requests)
            async with outcomes:
                error = await run_with_timeout(anext(outcomes), sandbox.wait_received(before + 1))
            assert effect_of(error) is UNKNOWN
            assert [outcome.effect for outcome in outcomes.unresolved] == [UNKNOWN]
        release.set()


@pytest.mark.parametrize("operation", ["create", "update", "delete"])
async def test_an_item_with_a_timeout_of_its_own_has_its_effect(operation: str) -> None:
    release = asyncio.Event()

    async def call(_: int) -> None:
        await run_with_timeout(OPERATIONS[operation](client), sandbox.wait_received(1))
        raise TimeoutError

    async with Sandbox(rows(2)) as sandbox, client_of(sandbox, timeouts=Timeouts(grace=0)) as client:
        sandbox.fault(hold=release)
        assert [outcome.effect async for outcome in client.map(call, [1])] == [UNKNOWN]
        release.set()
