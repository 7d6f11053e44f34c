"""Limits over all requests of a client: the rate, the server's pauses, the retry quota, the queue."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.made import client_of, new_campaign, rows

from campaigns_async import (
    CampaignsClient,
    ClientClosedError,
    ConfigurationError,
    Effect,
    OutcomeUnknownError,
    PoolSaturatedError,
    ReconcilePolicy,
    RetryPolicy,
    ServerError,
    ThrottledError,
    Timeouts,
)
from campaigns_async._engine.call import Clock
from campaigns_async._engine.limiter import CapacityLimiter, RateLimiter
from campaigns_async._engine.retry import RetryQuota
from campaigns_async.sandbox import Sandbox


@given(
    rate=st.floats(0.2, 200),
    seed=st.integers(0, 10_000),
    slow=st.floats(0, 3),
)
def test_no_window_of_a_second_holds_more_than_the_rate(rate: float, seed: int, slow: float) -> None:
    draw = random.Random(seed)
    limiter, now = RateLimiter(rate), 100.0
    going: list[float] = []
    left: list[float] = []
    for _ in range(400):
        due = [moment for moment in going if moment <= now]
        for moment in sorted(due):
            going.remove(moment)
            if draw.random() < 0.1:
                limiter.cancel()
            else:
                limiter.confirm(now)
                left.append(now)
        if limiter.delay(now) == 0.0:
            limiter.reserve(now)
            going.append(now + draw.random() * slow)
        wait = limiter.delay(now)
        steps = [wait] if wait else []
        steps += [moment - now for moment in going if moment > now]
        now += min(steps, default=0.01) if draw.random() < 0.9 else draw.random() * 2  # the loop stalls at times
    window, most = max(1.0, 1 / rate), max(1, int(rate))
    for start in left:
        assert sum(start <= moment < start + window for moment in left) <= most


def test_the_first_second_has_no_burst() -> None:
    limiter, now, left = RateLimiter(10), 0.0, []
    while now < 1.0:
        if limiter.delay(now) == 0.0:
            limiter.reserve(now)
            limiter.confirm(now)
            left.append(now)
        now += 0.001
    gaps = [later - earlier for earlier, later in zip(left, left[1:], strict=False)]
    assert len(left) == 10
    assert min(gaps) > 0.09


async def test_a_rate_limit_is_kept_over_all_calls(sandbox: Sandbox) -> None:
    async with client_of(sandbox, rate_limit=40) as client:
        await asyncio.gather(
            *(client.campaigns.create(new_campaign(n)) for n in range(30)),
            *(client.campaigns.list().collect() for _ in range(30)),
        )
        assert client.stats().rate_limit == 40
        assert "at most 40 a second" in repr(client)
        rate = client._pool.limiter.rate
        assert rate is not None
        assert rate._reserved == 0
    assert len(sandbox.requests) == 60
    # Never too soon, whatever the machine does: what is asked of the limiter is at least so far apart.
    arrived = [request.arrived for request in sandbox.requests]
    assert arrived[-1] - arrived[0] > 59 / 40 * 0.9


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_holds_all_requests_of_the_client(sandbox: Sandbox, status: int) -> None:
    sandbox.fault(operation="create", nth=1, times=1, status=status, headers={"Retry-After": "0.3"})
    async with client_of(sandbox) as client:
        first = asyncio.create_task(client.campaigns.create(new_campaign(0)))
        await sandbox.wait_received(1)
        while not client.stats().throttled:
            await asyncio.sleep(0)
        assert client.stats().held_for <= 0.3 + 1e-6  # a difference of floats
        await asyncio.gather(*(client.campaigns.create(new_campaign(n)) for n in range(1, 20)))
        if status == 429:
            await first
        else:
            with pytest.raises(OutcomeUnknownError):
                await first
    arrived = [request.arrived for request in sandbox.requests]
    assert arrived[1] - arrived[0] >= 0.3
    assert len(sandbox.created) == (20 if status == 429 else 19), "a create that met 503 is never repeated"


async def test_a_retry_after_above_the_maximum_pauses_no_other_call(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, status=429, headers={"Retry-After": "3600"})
    async with client_of(sandbox) as client:
        with pytest.raises(ThrottledError) as throttled:
            await client.campaigns.create(new_campaign(1))
        assert throttled.value.retry_after == 3600
        assert client.stats().held_for == 0
        await client.campaigns.create(new_campaign(2))


async def test_a_429_without_retry_after_delays_only_its_own_call(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, status=429)
    async with client_of(
        sandbox, retry=RetryPolicy(base=10_000, cap=10_000), timeouts=Timeouts(deadline=None)
    ) as client:
        slow = asyncio.create_task(client.campaigns.create(new_campaign(1)))
        await sandbox.wait_received(1)
        await client.campaigns.create(new_campaign(2))
        assert client.stats().held_for == 0
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)


async def test_a_pause_is_bounded_by_the_deadline_of_the_waiting_call(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, status=429, headers={"Retry-After": "30"})
    async with client_of(sandbox, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(ThrottledError):
            await client.campaigns.create(new_campaign(1))
        hurried = client.with_options(timeouts=Timeouts(deadline=0.05))
        with pytest.raises(TimeoutError) as late:
            await hurried.campaigns.create(new_campaign(2))
        assert late.value.effect is Effect.NOT_SENT  # type: ignore[attr-defined]
    assert len(sandbox.requests) == 1


@pytest.mark.slow
async def test_the_quota_bounds_retries_in_an_outage(sandbox: Sandbox) -> None:
    sandbox.fault(status=500)
    calls = 1500
    async with client_of(sandbox) as client:
        outcomes = [outcome async for outcome in client.map(client.campaigns.get, ["abc"] * calls)]
        assert all(isinstance(outcome.error, ServerError) for outcome in outcomes)
        stats = client.stats()
    assert stats.attempts == len(sandbox.requests) <= 1.1 * calls
    assert stats.retries == 100
    assert stats.retry_quota < 5


async def test_successes_refill_the_quota() -> None:
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox, retry=RetryPolicy(quota=5, base=0.001)) as client:
        sandbox.fault(times=1, status=500)
        await client.campaigns.get("c000")
        assert client.stats().retry_quota == 5
        sandbox.fault(times=2, status=500)
        with pytest.raises(ServerError):
            await client.campaigns.get("c000")
        for _ in range(5):
            await client.campaigns.get("c000")
        assert client.stats().retry_quota == 5


@given(st.lists(st.booleans(), max_size=300), st.integers(0, 100))
def test_the_quota_is_never_below_zero_or_above_its_capacity(steps: list[bool], capacity: int) -> None:
    quota = RetryQuota(capacity)
    for take in steps:
        if take:
            quota.acquire()
        else:
            quota.release(retried=False)
        assert 0 <= quota.left <= capacity


async def test_a_saturated_pool_raises_an_error_instead_of_queueing(sandbox: Sandbox) -> None:
    release = asyncio.Event()
    sandbox.fault(operation="create", hold=release)
    async with client_of(sandbox, max_concurrency=2, overload="raise", max_waiting=3) as client:
        calls = [asyncio.create_task(client.campaigns.create(new_campaign(n))) for n in range(5)]
        await sandbox.wait_received(2)
        while client.stats().waiting < 3:
            await asyncio.sleep(0)
        with pytest.raises(PoolSaturatedError) as saturated:
            await client.campaigns.create(new_campaign(9))
        assert saturated.value.effect is Effect.NOT_SENT
        release.set()
        await asyncio.gather(*calls)
    assert len(sandbox.created) == 5


async def test_a_started_call_is_exempt_from_max_waiting() -> None:
    limiter = CapacityLimiter(1, clock=Clock(), random=random.Random(1), max_waiting=0)
    slot = await limiter.acquire()
    again = asyncio.create_task(limiter.acquire(exempt_from_max_waiting=True))
    await asyncio.sleep(0)
    with pytest.raises(PoolSaturatedError):
        await limiter.acquire()
    limiter.release(slot)
    await again
    assert (limiter.in_flight, limiter.waiting) == (1, 0)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": float("nan")}, "rate_limit"),
        ({"rate_limit": True}, "rate_limit"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": 2.5}, "max_concurrency"),
        ({"overload": "explode"}, "overload"),
        ({"max_waiting": 5}, "max_waiting"),
        ({"overload": "raise", "max_waiting": -1}, "max_waiting"),
        ({"reconcile": 5}, "reconcile"),
        ({"retry": None}, "retry"),
        ({"session": 5}, "session"),
        ({"update_method": "PATCH"}, "update_method"),
    ],
)
def test_an_invalid_setting_is_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        CampaignsClient("http://localhost", "key", **settings)


async def test_stats_count_calls_attempts_and_retries(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, status=429, headers={"Retry-After": "0"})
    sandbox.fault(operation="create", nth=3, times=1, status=500)
    async with client_of(sandbox, rate_limit=1000) as client:
        await client.campaigns.create(new_campaign(1))
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign(2))
        stats = client.stats()
    assert (stats.calls, stats.attempts, stats.retries, stats.throttled) == (2, 3, 1, 1)
    assert (stats.in_flight, stats.waiting, stats.max_concurrency) == (0, 0, 32)
    assert stats.sent_last_second == 3


async def test_a_limiter_grants_one_slot_after_the_other_after_a_pause() -> None:
    clock = HandClock()
    limiter = CapacityLimiter(2, clock=clock, random=random.Random(1), stagger=0.25)
    limiter.pause_for(3.0)
    assert limiter.paused_for == 3.0
    assert not limiter.try_acquire()
    clock.now_at += 3.0
    assert limiter.paused_for == 0.0
    clock.now_at += 0.25
    assert limiter.try_acquire()
    assert not limiter.try_acquire(), "after a pause, slots are granted one by one"
    clock.now_at += 0.25
    assert limiter.try_acquire()


class HandClock(Clock):
    """A clock that stops until the test moves it."""

    def __init__(self) -> None:
        self.now_at = 100.0

    def monotonic(self) -> float:
        return self.now_at


async def test_a_call_with_a_slot_does_not_count_as_waiting(sandbox: Sandbox) -> None:
    async with client_of(sandbox, max_concurrency=1, overload="raise", max_waiting=1) as client:

        async def calls() -> None:
            for number in range(30):
                await client.campaigns.create(new_campaign(number))

        await asyncio.gather(calls(), calls())
    assert len(sandbox.created) == 60


@pytest.mark.slow
async def test_the_quota_bounds_searches_in_an_outage(sandbox: Sandbox) -> None:
    sandbox.fault(status=500)
    policy = ReconcilePolicy(settle=0.01, timeout=5, pause=0.005)
    calls = 1500
    async with client_of(sandbox, reconcile=policy) as client:
        news = (new_campaign(number) for number in range(calls))
        outcomes = [o async for o in client.campaigns.create_many(news, on_unknown="reconcile")]
        assert all(isinstance(outcome.error, OutcomeUnknownError) for outcome in outcomes)
    assert len(sandbox.requests) <= 1.1 * calls


async def test_closing_ends_the_pause_of_a_call_that_backs_off(sandbox: Sandbox) -> None:
    client = client_of(sandbox)
    sandbox.fault(operation="create", status=429, headers={"Retry-After": "10"})
    call = asyncio.create_task(client.campaigns.create(new_campaign()))
    await sandbox.wait_received(1)
    while client.stats().in_flight:
        await asyncio.sleep(0)
    await client.aclose()
    with pytest.raises(ClientClosedError) as closed:
        await call
    assert closed.value.effect is Effect.REJECTED
