"""`create_many` and `map`: outcomes in the order of completion, as fast as the pool, and none missing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

import pytest
from support.made import client_of, new_campaign, rows

from campaigns_async import (
    CampaignsClient,
    ClientClosedError,
    Effect,
    FanOut,
    InvalidArgumentError,
    NewCampaign,
    NotFoundError,
    OutcomeUnknownError,
    Timeouts,
    ValidationFailedError,
)
from campaigns_async.sandbox import Sandbox


async def test_every_item_has_one_outcome_with_its_id(client: CampaignsClient, sandbox: Sandbox) -> None:
    news = [new_campaign(n) for n in range(120)]
    seen = {}
    async for outcome in client.campaigns.create_many(news):
        assert outcome.ok
        assert outcome.item is news[outcome.index]
        assert outcome.effect is Effect.APPLIED
        seen[outcome.index] = outcome.value
    assert sorted(seen) == list(range(120))
    on_server = {created["id"]: created["message"] for created in sandbox.created}
    assert {seen[index]: news[index].message for index in seen} == on_server


async def test_outcomes_come_in_the_order_of_completion(sandbox: Sandbox) -> None:
    release, slow = asyncio.Event(), new_campaign(0).message
    sandbox.fault(operation="create", when=lambda request: request.body["message"] == slow, times=1, hold=release)
    async with client_of(sandbox) as client:
        order = []
        async for outcome in client.campaigns.create_many(new_campaign(n) for n in range(5)):
            order.append(outcome.index)
            if len(order) == 4:
                release.set()
    assert order[-1] == 0
    assert sorted(order) == list(range(5))


async def test_a_failed_item_does_not_stop_the_others(client: CampaignsClient, sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=3, times=1, status=400)
    sandbox.fault(operation="create", nth=6, times=1, status=500)
    news = [new_campaign(n) for n in range(10)]
    news[4] = "no campaign"  # type: ignore[call-overload]
    outcomes = [outcome async for outcome in client.campaigns.create_many(news)]
    failed = {type(outcome.error): outcome.effect for outcome in outcomes if not outcome.ok}
    assert failed == {
        ValidationFailedError: Effect.REJECTED,
        OutcomeUnknownError: Effect.UNKNOWN,
        InvalidArgumentError: Effect.NOT_SENT,
    }
    assert len(outcomes) == 10
    assert len(sandbox.created) == 7


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_items_are_read_only_as_fast_as_the_pool_takes_them(sandbox: Sandbox, kind: str) -> None:
    taken = handed_out = worst = 0

    def news() -> Iterator[NewCampaign]:
        nonlocal taken, worst
        for number in range(60):
            taken += 1
            worst = max(worst, taken - handed_out)
            yield new_campaign(number)

    async def slowly() -> AsyncIterator[NewCampaign]:
        for new in news():
            await asyncio.sleep(0)
            yield new

    async with client_of(sandbox, max_concurrency=4) as client:
        assert taken == 0
        async for outcome in client.campaigns.create_many(news() if kind == "sync" else slowly()):
            handed_out += 1
            assert outcome.ok
    assert (taken, worst) == (60, 4)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_error_of_the_input_is_raised_after_the_outcomes_in_flight(sandbox: Sandbox, kind: str) -> None:
    def news() -> Iterator[NewCampaign]:
        yield from (new_campaign(n) for n in range(3))
        raise LookupError("row 4 is no campaign")

    async def later() -> AsyncIterator[NewCampaign]:
        for new in news():
            yield new

    async with client_of(sandbox) as client:
        outcomes = []
        with pytest.raises(LookupError, match="row 4"):
            async for outcome in client.campaigns.create_many(news() if kind == "sync" else later()):
                outcomes.append(outcome)
    assert len(outcomes) == len(sandbox.created) == 3


async def test_the_end_of_the_block_waits_for_requests_in_flight(sandbox: Sandbox) -> None:
    closed = False

    async def news() -> AsyncIterator[NewCampaign]:
        nonlocal closed
        try:
            for number in range(1000):
                yield new_campaign(number)
        finally:
            closed = True

    async with client_of(sandbox, max_concurrency=4) as client:
        async with client.campaigns.create_many(news()) as outcomes:
            async for _ in outcomes:
                break
        assert closed
        assert outcomes.unresolved == ()
        left = [outcome async for outcome in outcomes]
        assert all(outcome.ok for outcome in left)
        assert 1 + len(left) == len(sandbox.created) <= 9
        assert client.stats().in_flight == 0


async def test_requests_cancelled_after_the_grace_are_unresolved(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=2, act=True, status=504, hold=asyncio.Event())
    async with client_of(sandbox, max_concurrency=3, timeouts=Timeouts(grace=0.05)) as client:
        async with client.campaigns.create_many(new_campaign(n) for n in range(50)) as outcomes:
            async for outcome in outcomes:
                assert outcome.ok
                await sandbox.wait_received(4)
                break
        assert [left.effect for left in outcomes.unresolved] == [Effect.UNKNOWN] * 3
        assert all(isinstance(left.error, OutcomeUnknownError) for left in outcomes.unresolved)
        handed = {outcome.index, *(left.index for left in outcomes.unresolved)}
        assert handed == set(range(4))
        assert (client.stats().in_flight, client.stats().waiting) == (0, 0)
    assert len(sandbox.created) == 4


async def test_items_that_were_read_and_not_sent_are_not_sent_outcomes(sandbox: Sandbox) -> None:
    async with client_of(sandbox, max_concurrency=2, timeouts=Timeouts(grace=0)) as client:
        slots = [await client._pool.limiter.acquire() for _ in range(2)]
        async with client.campaigns.create_many(new_campaign(n) for n in range(9)) as outcomes:
            waiting = asyncio.create_task(anext(outcomes))
            while client.stats().waiting < 2:
                await asyncio.sleep(0)
            waiting.cancel()
        assert outcomes.unresolved == ()
        left = [outcome async for outcome in outcomes]
        assert [outcome.effect for outcome in left] == [Effect.NOT_SENT] * 2
        assert all(isinstance(outcome.error, ClientClosedError) for outcome in left)
        for slot in slots:
            client._pool.limiter.release(slot)
    assert list(sandbox.requests) == []


async def test_a_garbage_collected_iterator_stops_at_once(sandbox: Sandbox) -> None:
    taken = 0

    async def news() -> AsyncIterator[NewCampaign]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield new_campaign(number)

    sandbox.fault(operation="create", nth=2, hold=asyncio.Event())
    async with client_of(sandbox, max_concurrency=3) as client:
        async for _ in client.campaigns.create_many(news()):
            break
        gc.collect()
        for _ in range(1000):  # turns of the loop, none of which waits for a time-out
            await asyncio.sleep(0)
        assert client.stats().in_flight == 0
        before = taken
        for _ in range(10):
            await asyncio.sleep(0)
        assert taken == before <= 7


async def test_iteration_may_continue_after_a_cancellation(sandbox: Sandbox) -> None:
    release = asyncio.Event()
    sandbox.fault(operation="create", hold=release)
    async with client_of(sandbox) as client:
        outcomes = client.campaigns.create_many(new_campaign(n) for n in range(3))
        waiting = asyncio.create_task(anext(outcomes))
        await sandbox.wait_received(3)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        release.set()
        assert len([outcome async for outcome in outcomes]) == 3


async def test_the_pool_stays_full_while_an_outcome_is_processed(sandbox: Sandbox) -> None:
    async with client_of(sandbox, max_concurrency=2) as client:
        release = asyncio.Event()
        sandbox.fault(operation="create", nth=2, hold=release)
        async with client.campaigns.create_many(new_campaign(n) for n in range(9)) as outcomes:
            await anext(outcomes)
            await sandbox.wait_received(3)  # the place of the first is taken, though nobody has asked for more
            release.set()


async def test_map_runs_any_operation() -> None:
    async with Sandbox(rows(20)) as sandbox, client_of(sandbox, max_concurrency=3) as client:
        ids = [f"c{n:03}" for n in range(20)] + ["gone"]
        found = {outcome.item: outcome async for outcome in client.map(client.campaigns.get, ids)}
        assert all(found[name].value.id == name for name in ids[:-1])
        assert isinstance(found["gone"].error, NotFoundError)

        async def broken(_: str) -> str:
            raise ZeroDivisionError

        outcomes = [outcome async for outcome in client.map(broken, ["a"])]
        assert outcomes[0].effect is Effect.UNKNOWN
        assert isinstance(outcomes[0].error, ZeroDivisionError)


@pytest.mark.parametrize("items", [5, None, "text", b"bytes"])
async def test_an_input_that_is_not_iterable_is_refused(client: CampaignsClient, items: object) -> None:
    with pytest.raises(InvalidArgumentError, match="iterable"):
        client.campaigns.create_many(items)  # type: ignore[arg-type]


async def test_an_empty_input_ends_at_once(client: CampaignsClient) -> None:
    assert [outcome async for outcome in client.campaigns.create_many([])] == []


async def test_each_item_fails_on_a_closed_client(sandbox: Sandbox) -> None:
    client = client_of(sandbox)
    await client.aclose()
    outcomes = [outcome async for outcome in client.campaigns.create_many([new_campaign()])]
    assert [type(outcome.error) for outcome in outcomes] == [ClientClosedError]


class Fatal(BaseException):
    """An error that is not an `Exception`."""


@pytest.mark.parametrize("error", [asyncio.CancelledError, Fatal, SystemExit])
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_aborted_input_is_never_taken_for_its_end(
    client: CampaignsClient, sandbox: Sandbox, error: type[BaseException], kind: str
) -> None:
    def news() -> Iterator[NewCampaign]:
        yield from (new_campaign(number) for number in range(40))
        raise error

    async def later() -> AsyncIterator[NewCampaign]:
        for new in news():
            yield new

    outcomes = []
    with pytest.raises((RuntimeError, Fatal, SystemExit)):
        async with client.campaigns.create_many(news() if kind == "sync" else later()) as creating:
            async for outcome in creating:
                outcomes.append(outcome)
                await asyncio.sleep(0)  # so that items are read while the caller works
    assert len(outcomes) == len(sandbox.created) == 40


async def test_an_operation_that_raises_a_base_exception_still_has_its_outcome(client: CampaignsClient) -> None:
    async def operation(number: int) -> int:
        if number == 3:
            raise Fatal
        return number

    items = iter(range(5))
    outcomes = []
    with pytest.raises(Fatal):
        async for outcome in client.map(operation, items):
            outcomes.append(outcome)
    # An eager task raises while the items are read: then item 4 is not read.
    assert sorted(outcome.item for outcome in outcomes) == [*range(5)][: 5 - len([*items])]
    assert [outcome.effect for outcome in outcomes if not outcome.ok] == [Effect.UNKNOWN]


async def test_no_more_workers_than_the_limit_run_and_all_of_them_end() -> None:
    workers = set[asyncio.Task[object]]()
    most = 0

    async def operation(number: int) -> int:
        nonlocal most
        task = asyncio.current_task()
        assert task is not None
        workers.add(task)
        most = max(most, sum(not worker.done() for worker in workers))
        await asyncio.sleep(0)
        return number

    before = asyncio.all_tasks()
    fanned = FanOut(operation, range(100), limit=4, grace=1.0)
    assert sorted([outcome.index async for outcome in fanned]) == list(range(100))
    assert (len(workers), most) == (100, 4)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("turns", [1, 2])
async def test_a_worker_cancelled_from_outside_is_reported_and_replaced(turns: int) -> None:
    begun = set()

    async def operation(number: int) -> int:
        begun.add(number)
        if number < 2:
            await asyncio.Event().wait()
        return number

    before = asyncio.all_tasks()
    fanned = FanOut(operation, range(6), limit=2, grace=1.0)
    first = asyncio.ensure_future(anext(fanned))
    for _ in range(turns):  # after one they are on their way to their items (eager tasks: at work), after two at work
        await asyncio.sleep(0)
    effect = Effect.UNKNOWN if begun else Effect.NOT_SENT
    for worker in asyncio.all_tasks() - before - {first}:
        worker.cancel()
    outcomes = [await first] + [outcome async for outcome in fanned]
    assert {outcome.index: outcome.ok for outcome in outcomes} == {n: n >= 2 for n in range(6)}
    assert {outcome.effect for outcome in outcomes if not outcome.ok} == {effect}
    assert effect is Effect.UNKNOWN or turns == 1


async def test_a_context_variable_set_for_an_item_does_not_reach_the_next(client: CampaignsClient) -> None:
    tenant: ContextVar[str] = ContextVar("tenant", default="none")

    async def operate(item: int) -> str:
        before = tenant.get()
        tenant.set(f"tenant {item}")
        await asyncio.sleep(0)
        return before

    assert {outcome.value async for outcome in client.map(operate, range(200))} == {"none"}
