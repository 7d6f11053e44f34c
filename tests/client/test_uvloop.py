"""The client on uvloop, whose timers and whose order of callbacks differ from asyncio's."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest
from support.made import QUICK, client_of, new_campaign
from support.raw_server import raw_server, read_request

from campaigns_async import (
    CampaignsClient,
    DeadlineExceededError,
    Effect,
    OutcomeUnknownError,
    ReadTimeoutError,
    ThrottledError,
    Timeouts,
    effect_of,
)
from campaigns_async.sandbox import Sandbox, ThreadedSandbox

uvloop = pytest.importorskip("uvloop")


def on_uvloop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test on uvloop. A test that hangs fails within ten seconds."""

    @wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.wait_for(test(), 10))

    return run


@on_uvloop
async def test_creates_with_a_rate_limit_finish() -> None:
    async with Sandbox() as sandbox, client_of(sandbox, rate_limit=1_500) as client:  # gaps below a millisecond
        async with client.campaigns.create_many(new_campaign(number) for number in range(300)) as outcomes:
            assert all([outcome.ok async for outcome in outcomes])
        assert len(sandbox.created) == 300


@on_uvloop
async def test_a_pause_ends() -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="create", times=1, status=429, headers={"Retry-After": "0.0004"})
        await asyncio.gather(*(client.campaigns.create(new_campaign(number)) for number in range(50)))
        assert len(sandbox.created) == 50


@on_uvloop
async def test_after_a_429_no_slot_leaks_and_no_unsent_create_is_unknown() -> None:
    # A pause below half a millisecond: uvloop runs such a timer at once, and its handle does not know its time.
    async with Sandbox() as sandbox, client_of(sandbox, max_concurrency=2) as client:
        sandbox.fault(operation="create", status=429, headers={"Retry-After": "0.0003"}, share=0.3)
        creating = [client.campaigns.create(new_campaign(number)) for number in range(40)]
        outcomes = await asyncio.gather(*creating, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {str, ThrottledError}
        assert {effect_of(outcome) for outcome in outcomes if isinstance(outcome, ThrottledError)} <= {Effect.REJECTED}
        assert len(sandbox.created) == sum(isinstance(outcome, str) for outcome in outcomes) > 0
        stats = client.stats()
        assert (stats.in_flight, stats.waiting) == (0, 0)


@on_uvloop
async def test_the_deadline_and_the_read_timeout_fire() -> None:
    async with Sandbox() as sandbox:
        sandbox.fault(operation="create", act=True, hang=True)
        async with client_of(sandbox, timeouts=Timeouts(read=0.05, grace=0)) as client:
            with pytest.raises(OutcomeUnknownError) as silent:
                await client.campaigns.create(new_campaign())
            assert silent.value.cause_type is ReadTimeoutError
            hurried = client.with_options(timeouts=Timeouts(deadline=0.05, grace=0))
            with pytest.raises(OutcomeUnknownError) as late:
                await hurried.campaigns.create(new_campaign())
            assert late.value.cause_type is DeadlineExceededError
            with pytest.raises((OutcomeUnknownError, DeadlineExceededError)):  # a delay that rounds to 0 ms
                await client.with_options(timeouts=Timeouts(deadline=0.0004, grace=0)).campaigns.create(new_campaign())


async def test_a_response_that_arrived_while_the_loop_was_blocked_is_in_time() -> None:
    await receive_while_blocked()


@on_uvloop
async def test_a_response_that_arrived_while_uvloop_was_blocked_is_in_time() -> None:
    await receive_while_blocked()


async def receive_while_blocked() -> None:
    loop, (near, far) = asyncio.get_running_loop(), socket.socketpair()

    def block() -> None:  # as a handler of another connection: what has come on ours is read after the timers are due
        loop.remove_reader(near)
        time.sleep(0.5)

    loop.add_reader(near, block)
    with near, far, ThreadedSandbox() as sandbox:
        sandbox.fault(operation="create", delay=0.2, act=True, status=201, body='"late-1"')
        timeouts = Timeouts(read=0.4, deadline=0.4, grace=0)
        async with CampaignsClient(sandbox.url, sandbox.api_key, timeouts=timeouts, retry=QUICK) as client:
            creating = asyncio.create_task(client.campaigns.create(new_campaign()))
            loop.call_later(0.05, far.send, b"x")
            assert await creating == "late-1"


@on_uvloop
async def test_a_read_is_retried_and_counted() -> None:
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        while True:
            await read_request(reader)
            served += 1
            status = b"500 Later" if served < 3 else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b'\r\nContent-Length: 13\r\n\r\n{"id": "one"}')
            await writer.drain()

    async with raw_server(serve) as server, CampaignsClient(server.url, "key", retry=QUICK) as client:
        assert (await client.campaigns.get("one")).id == "one"
        assert (served, client.stats().retries) == (3, 2)
