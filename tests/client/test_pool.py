"""The pool: it reaches its limit under load, never exceeds it, is fair, and loses no slot."""

from __future__ import annotations

import asyncio
import gc
import random
from typing import Any

import aiohttp
import pytest
from support.made import client_of, new_campaign, rows
from support.raw_server import raw_server, read_request

from campaigns_async import (
    CampaignsClient,
    CampaignsError,
    ClientClosedError,
    ConfigurationError,
    DeadlineExceededError,
    Effect,
    OutcomeUnknownError,
    ReconcilePolicy,
    RetryPolicy,
    Timeouts,
    effect_of,
)
from campaigns_async._engine.call import Clock
from campaigns_async._engine.limiter import CapacityLimiter
from campaigns_async.client import runtime_of
from campaigns_async.sandbox import Sandbox


async def test_in_flight_reaches_the_limit_under_load_and_never_passes_it(sandbox: Sandbox) -> None:
    async with client_of(sandbox, max_concurrency=7) as client:
        release = asyncio.Event()
        sandbox.fault(operation="create", hold=release)
        calls = [asyncio.create_task(client.campaigns.create(new_campaign(n))) for n in range(40)]
        await sandbox.wait_received(7)
        assert (sandbox.in_flight, client.stats().in_flight, client.stats().waiting) == (7, 7, 33)
        assert "7/7 in flight, 33 waiting" in repr(client)
        release.set()
        await asyncio.gather(*calls)
    assert sandbox.max_in_flight == 7
    assert len(sandbox.created) == 40


async def test_calls_are_served_in_their_order(sandbox: Sandbox) -> None:
    async with client_of(sandbox, max_concurrency=1) as client:
        await asyncio.gather(*(client.campaigns.create(new_campaign(n)) for n in range(20)))
    assert [created["message"] for created in sandbox.created] == [new_campaign(n).message for n in range(20)]


@pytest.mark.slow
async def test_a_call_that_backs_off_holds_no_slot(sandbox: Sandbox) -> None:
    policy = RetryPolicy(base=0.3, cap=0.3)
    async with client_of(sandbox, max_concurrency=1, retry=policy) as client:
        sandbox.fault(operation="create", times=1, status=429, headers={"Retry-After": "0.5"})
        slow = asyncio.create_task(client.campaigns.create(new_campaign(1)))
        await sandbox.wait_received(1)
        await client.campaigns.create(new_campaign(2))
        assert not slow.done()
        await slow
    assert [created["message"] for created in sandbox.created] == [new_campaign(n).message for n in (2, 1)]


@pytest.mark.parametrize("on_unknown", ["raise", "reconcile"])
@pytest.mark.parametrize("how", ["cancelled", "deadline"])
@pytest.mark.parametrize("stage", ["queueing", "connecting", "waiting", "reading", "backing off"])
async def test_a_call_cancelled_at_any_stage_releases_its_slot_and_has_its_effect(
    stage: str, how: str, on_unknown: Any
) -> None:
    reached = asyncio.Event()
    hits = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hits
        while True:
            hits += (await read_request(reader)).startswith(b"POST")
            if stage == "reading":
                writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n"abc')
            elif stage == "backing off":
                writer.write(b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n")
            reached.set()

    policy = RetryPolicy(base=10_000, cap=10_000, attempts=2)
    deadline = 0.2
    async with raw_server(serve) as server:
        connector = HangingConnector() if stage == "connecting" else None
        async with aiohttp.ClientSession(connector=connector) as session:
            client = CampaignsClient(
                server.url,
                "key",
                max_concurrency=1,
                retry=policy,
                timeouts=Timeouts(deadline=deadline if how == "deadline" else None),
                session=session,
                reconcile=ReconcilePolicy(settle=0.05, timeout=0.3),
            )
            limiter = client._pool.limiter
            if stage == "queueing":
                slot = await limiter.acquire()
            call = asyncio.create_task(client.campaigns.create(new_campaign(), on_unknown=on_unknown))
            match stage:
                case "queueing":
                    while limiter.waiting == 0:
                        await asyncio.sleep(0)
                case "connecting":
                    assert connector is not None
                    await connector.reached.wait()
                case _:
                    await reached.wait()
            if how == "cancelled":
                while stage == "backing off" and limiter.in_flight:
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError) as cancelled:
                    await call
                effects = {"waiting": Effect.UNKNOWN, "reading": Effect.UNKNOWN, "backing off": Effect.REJECTED}
                assert effect_of(cancelled.value) is effects.get(stage, Effect.NOT_SENT)
            else:
                with pytest.raises(CampaignsError) as late:
                    await call
                if stage in ("waiting", "reading"):
                    assert isinstance(late.value, OutcomeUnknownError)
                    assert late.value.cause_type is DeadlineExceededError
                    assert late.value.effect is Effect.UNKNOWN
                else:
                    assert type(late.value) is DeadlineExceededError
                    known = Effect.REJECTED if stage == "backing off" else Effect.NOT_SENT
                    assert late.value.effect is known
            if stage == "queueing":
                limiter.release(slot)
            assert (limiter.in_flight, limiter.waiting) == (0, 0)
            assert limiter.try_acquire()
    assert hits == (0 if stage in ("queueing", "connecting") else 1)
    gc.collect()  # an unretrieved exception would be reported now, and fail the test


class HangingConnector(aiohttp.TCPConnector):
    """A connector that never gets a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def connect(self, *args: object, **kwargs: object) -> aiohttp.connector.Connection:  # type: ignore[override]
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_storm_of_cancellations_loses_no_slot(sandbox: Sandbox) -> None:
    async with client_of(sandbox, max_concurrency=5) as client:
        for round_ in range(30):
            calls = [asyncio.create_task(client.campaigns.list().collect()) for _ in range(20)]
            for _ in range(round_ % 7):
                await asyncio.sleep(0)
            for call in calls[round_ % 3 :: 2]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        limiter = client._pool.limiter
        assert (limiter.in_flight, limiter.waiting) == (0, 0)
        await client.campaigns.list().collect()


async def test_a_slot_granted_to_a_call_that_is_cancelled_in_the_same_iteration_is_passed_on() -> None:
    limiter = CapacityLimiter(1, clock=Clock(), random=random.Random(1))
    slot = await limiter.acquire()
    first, second = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.release(slot)  # to the first
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    slot = await second
    assert limiter.in_flight == 1
    limiter.release(slot)
    assert limiter.in_flight == 0


async def test_no_call_overtakes_a_waiting_call() -> None:
    limiter = CapacityLimiter(1, clock=Clock(), random=random.Random(1))
    slot = await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.release(slot)
    assert not limiter.try_acquire(), "the slot went to the one who waited, before it could run"
    await waiting


async def test_a_borrowed_session_is_used_and_never_closed() -> None:
    async with Sandbox(rows(2)) as sandbox, aiohttp.ClientSession(raise_for_status=True) as session:
        async with client_of(sandbox, session=session) as client:
            assert len(await client.campaigns.list().collect()) == 2
            with pytest.raises(CampaignsError):
                await client.campaigns.get("gone")
        assert not session.closed


async def test_a_closed_borrowed_session_raises_a_clear_error(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session:
        client = client_of(sandbox, session=session)
    with pytest.raises(ClientClosedError, match="closed by its owner") as closed:
        await client.campaigns.create(new_campaign())
    assert closed.value.effect is Effect.NOT_SENT


async def test_a_borrowed_session_with_few_connections_waits_within_the_deadline(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        client = client_of(sandbox, session=session, timeouts=Timeouts(deadline=0.2), retry=RetryPolicy(attempts=1))
        release = asyncio.Event()
        sandbox.fault(operation="create", times=1, hold=release)
        patient = client.with_options(timeouts=Timeouts())
        first = asyncio.create_task(patient.campaigns.create(new_campaign(1)))
        await sandbox.wait_received(1)
        with pytest.raises(DeadlineExceededError) as late:
            await client.campaigns.create(new_campaign(2))
        assert late.value.effect is Effect.NOT_SENT
        release.set()
        await first
    assert len(sandbox.requests) == 1


def test_a_client_is_constructed_outside_a_loop_and_belongs_to_the_first_loop() -> None:
    client = CampaignsClient("http://127.0.0.1:9", "key", retry=RetryPolicy(attempts=1))

    async def use() -> None:
        with pytest.raises(CampaignsError):
            await client.campaigns.get("abc")
        await client.aclose()

    async def use_again() -> None:
        with pytest.raises(ConfigurationError, match="another event loop"):
            await other.campaigns.get("abc")

    asyncio.run(use())
    asyncio.run(client.aclose())  # it is closed
    other = CampaignsClient("http://127.0.0.1:9", "key", retry=RetryPolicy(attempts=1))

    async def bind() -> None:
        with pytest.raises(CampaignsError):
            await other.campaigns.get("abc")
        assert other._pool.transport._sessions
        for session in other._pool.transport._sessions.values():
            await session.close()

    asyncio.run(bind())
    asyncio.run(use_again())
    for use_elsewhere in (other.aclose, other.with_options().campaigns.list().collect, other.__aenter__):
        with pytest.raises(ConfigurationError, match=r"another event loop.*: create one client per loop"):
            asyncio.run(use_elsewhere())


def test_closing_from_a_second_loop_is_refused_while_the_first_runs() -> None:
    async def close_elsewhere() -> None:
        async with Sandbox() as sandbox, client_of(sandbox) as client:
            await client.campaigns.list().collect()
            with pytest.raises(ConfigurationError, match=r"another event loop.*: create one client per loop"):
                await asyncio.to_thread(asyncio.run, client.aclose())
            await client.campaigns.list().collect()
            assert "closed" not in repr(client)

    asyncio.run(close_elsewhere())


async def test_a_closed_client_refuses_calls_and_may_be_closed_again(sandbox: Sandbox) -> None:
    client = client_of(sandbox)
    await client.campaigns.create(new_campaign())
    await client.aclose()
    await client.aclose()
    with pytest.raises(ClientClosedError) as closed:
        await client.campaigns.create(new_campaign())
    assert closed.value.effect is Effect.NOT_SENT
    assert "closed" in repr(client)
    assert len(sandbox.created) == 1


async def test_closing_waits_for_requests_in_flight_and_refuses_waiting_calls(sandbox: Sandbox) -> None:
    client = client_of(sandbox, max_concurrency=1)
    release = asyncio.Event()
    sandbox.fault(operation="create", hold=release)
    first = asyncio.create_task(client.campaigns.create(new_campaign(1)))
    await sandbox.wait_received(1)
    second = asyncio.create_task(client.campaigns.create(new_campaign(2)))
    while client.stats().waiting == 0:
        await asyncio.sleep(0)
    closing = asyncio.create_task(client.aclose())
    with pytest.raises(ClientClosedError) as turned_away:
        await second
    assert turned_away.value.effect is Effect.NOT_SENT
    assert not closing.done()
    release.set()
    assert await first
    await closing


async def test_closing_waits_at_most_for_the_grace(sandbox: Sandbox) -> None:
    client = client_of(sandbox, timeouts=Timeouts(grace=0.02))
    sandbox.fault(operation="create", hold=asyncio.Event())
    call = asyncio.create_task(client.campaigns.create(new_campaign()))
    await sandbox.wait_received(1)
    await client.aclose()
    with pytest.raises(OutcomeUnknownError):
        await call


async def test_a_view_with_other_options_shares_the_pool(sandbox: Sandbox) -> None:
    async with client_of(sandbox, max_concurrency=1) as client:
        view = client.with_options(timeouts=Timeouts(deadline=0.05), retry=RetryPolicy(attempts=1))
        sandbox.fault(operation="create", times=1, delay=30)
        with pytest.raises(OutcomeUnknownError):
            await view.campaigns.create(new_campaign())
        async with view:
            pass
        await client.campaigns.create(new_campaign())
        assert view._pool is client._pool
        with pytest.raises(ConfigurationError, match="timeouts"):
            client.with_options(timeouts=5)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="reconcile"):
            client.with_options(reconcile=5)  # type: ignore[arg-type]


async def test_a_view_has_its_own_reconcile_policy(sandbox: Sandbox) -> None:
    async with client_of(sandbox, reconcile=ReconcilePolicy(settle=50.0)) as client:
        view = client.with_options(reconcile=ReconcilePolicy(settle=0.01, pause=0.01))
        sandbox.fault(operation="create", times=1, drop="close")
        assert await view.campaigns.create(new_campaign(), on_unknown="reconcile") == sandbox.created[0]["id"]
        assert (client.reconcile.settle, view.reconcile.settle) == (50.0, 0.01)
        assert view.with_options(timeouts=Timeouts()).reconcile is view.reconcile
        assert runtime_of(view).ledger is runtime_of(client).ledger


async def test_views_with_different_deadlines_leave_no_queue(sandbox: Sandbox) -> None:
    async with client_of(sandbox) as client:
        for number in range(200):
            view = client.with_options(timeouts=Timeouts(deadline=0.5 + number / 1e6))
            await view.campaigns.list().collect()
        del view
        gc.collect()
        while len(client._pool.deadlines._queues) > 1:  # until their timers have come, half a second on
            await asyncio.sleep(0.01)
