"""The rate limit of the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given, strategies as st

from campaigns_async.sandbox import RateLimit, Sandbox
from campaigns_async.sandbox._state import TokenBucket

Open = Callable[..., aiohttp.ClientSession]
SLOW = 0.001  # requests a second: nothing comes back while a test runs


class TestServed:
    async def test_a_request_above_the_limit_gets_a_retry_after_and_is_not_carried_out(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        limit = RateLimit(SLOW, burst=2)
        async with Sandbox(rate_limit=limit) as sandbox, open_session(sandbox) as http:
            answers = [await http.post("/api/campaigns", json=new) for _ in range(4)]

            assert [answer.status for answer in answers] == [201, 201, 429, 429]
            assert int(answers[2].headers["Retry-After"]) == pytest.approx(1000, abs=5)
            assert len(sandbox.created) == 2
            assert [(request.status, request.acted) for request in sandbox.requests[2:]] == [(429, False)] * 2

    async def test_it_may_be_a_bare_503(self, open_session: Open) -> None:
        limit = RateLimit(SLOW, status=503, retry_after=False)
        async with Sandbox(rate_limit=limit) as sandbox, open_session(sandbox) as http:
            await http.get("/api/campaigns")
            async with http.get("/api/campaigns") as answer:
                assert answer.status == 503
                assert "Retry-After" not in answer.headers
                assert await answer.read() == b""

    async def test_it_counts_requests_with_faults_and_those_of_every_connection(self, open_session: Open) -> None:
        async with Sandbox(rate_limit=RateLimit(SLOW, burst=5)) as sandbox, open_session(sandbox) as http:
            rule = sandbox.fault(status=500)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(http.get("/api/campaigns")._coro) for _ in range(20)]

            statuses = sorted(task.result().status for task in tasks)
            assert statuses == [429] * 15 + [500] * 5
            assert rule.fired == 5

    async def test_it_can_be_set_and_removed_and_is_reset(self, open_session: Open) -> None:
        async with Sandbox(rate_limit=3) as sandbox, open_session(sandbox) as http:
            assert sandbox.rate_limit == RateLimit(3)
            sandbox.rate_limit = SLOW
            assert [(await http.get("/api/campaigns")).status for _ in range(2)] == [200, 429]
            sandbox.rate_limit = None
            assert sandbox.rate_limit is None
            assert (await http.get("/api/campaigns")).status == 200
            sandbox.reset()
            assert sandbox.rate_limit == RateLimit(3)

    @pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
    def test_an_invalid_rate_is_refused(self, bad: float) -> None:
        with pytest.raises(ValueError, match="requests_per_second"):
            Sandbox(rate_limit=bad)

    def test_a_burst_of_zero_and_another_status_are_refused(self) -> None:
        with pytest.raises(ValueError, match="burst"):
            RateLimit(1, burst=0)
        with pytest.raises(ValueError, match="status"):
            RateLimit(1, status=500)  # type: ignore[arg-type]


class TestBucket:
    def test_the_requests_of_one_second_are_served_at_once(self) -> None:
        bucket = TokenBucket(RateLimit(4))
        assert [bucket.take(0.0) == 0 for _ in range(5)] == [True] * 4 + [False]
        assert bucket.take(0.0) == pytest.approx(0.25)
        assert bucket.take(0.25) == 0

    def test_a_rate_below_one_serves_one_request_at_once(self) -> None:
        bucket = TokenBucket(RateLimit(0.5))
        assert bucket.take(0.0) == 0
        assert bucket.take(0.0) == pytest.approx(2.0)
        assert bucket.take(1.0) == pytest.approx(1.0)
        assert bucket.take(2.0) == 0

    @given(
        rate=st.floats(0.1, 200),
        burst=st.integers(1, 20),
        waits=st.lists(st.floats(0, 2), min_size=1, max_size=200),
    )
    def test_no_interval_serves_more_than_burst_and_rate_allow(
        self, rate: float, burst: int, waits: list[float]
    ) -> None:
        bucket, now, served = TokenBucket(RateLimit(rate, burst=burst)), 0.0, list[float]()
        for wait in waits:
            now += wait
            if bucket.take(now) == 0:
                served.append(now)
        for first, start in enumerate(served):
            for count, end in enumerate(served[first:], start=1):
                assert count <= burst + (end - start) * rate + 1e-6

    @given(rate=st.floats(0.1, 200), start=st.floats(0, 1e6))
    def test_a_request_after_the_returned_wait_is_served(self, rate: float, start: float) -> None:
        bucket = TokenBucket(RateLimit(rate, burst=1))
        bucket.take(start)
        wait = bucket.take(start)
        assert bucket.take(start + wait + 1e-6) == 0
