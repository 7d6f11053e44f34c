"""Creates that fail: never two campaigns, and the right effect."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.failures import CASES, LIMITED, Case
from support.made import QUICK, client_of, new_campaign
from support.raw_server import raw_server, read_request

from campaigns_async import (
    CampaignsClient,
    CampaignsError,
    ConnectionFailedError,
    Effect,
    OutcomeUnknownError,
    ReadTimeoutError,
    RetryPolicy,
    Timeouts,
)
from campaigns_async.sandbox import Sandbox


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_create_that_fails_says_what_is_known(sandbox: Sandbox, case: Case) -> None:
    sandbox.fault(operation="create", **case.fault)
    policy = RetryPolicy(attempts=3, base=0.001, cap=0.002)
    async with client_of(sandbox, retry=policy, timeouts=Timeouts(read=0.3)) as client:
        with pytest.raises(CampaignsError) as failed:
            await client.campaigns.create(new_campaign())
    error = failed.value
    assert type(error) is case.error
    assert (error.effect, error.attempts) == (case.effect, case.attempts)
    assert len(sandbox.requests) == case.attempts, "attempts is what the server saw"
    assert len(sandbox.created) == case.on_server
    if isinstance(error, OutcomeUnknownError):
        assert error.cause_type is case.cause
        assert type(error.__cause__) is case.cause
        assert "may have been carried out" in str(error)


@pytest.mark.parametrize(
    "fault",
    [{"status": 429}, {"status": 429, "headers": LIMITED}],
    ids=["429", "429 with Retry-After"],
)
async def test_a_create_that_was_turned_away_is_sent_again(sandbox: Sandbox, fault: dict[str, Any]) -> None:
    sandbox.fault(operation="create", times=2, **fault)
    async with client_of(sandbox) as client:
        await client.campaigns.create(new_campaign())
    assert [request.status for request in sandbox.requests] == [fault["status"], fault["status"], 201]
    assert len(sandbox.created) == 1


async def test_a_status_that_is_known_to_mean_nothing_was_done_is_sent_again(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, status=503)
    policy = RetryPolicy(base=0.001, cap=0.002, rejected_statuses=[503])
    async with client_of(sandbox, retry=policy) as client:
        await client.campaigns.create(new_campaign())
    assert len(sandbox.created) == 1


async def test_a_create_without_a_listener_is_sent_again_and_was_never_sent() -> None:
    async with raw_server(None) as gone:
        url = gone.url
    async with CampaignsClient(url, "key", retry=RetryPolicy(attempts=4, base=0.001, cap=0.002)) as client:
        with pytest.raises(ConnectionFailedError) as failed:
            await client.campaigns.create(new_campaign())
    assert (failed.value.effect, failed.value.attempts) == (Effect.NOT_SENT, 4)


@pytest.mark.parametrize(
    "head",
    [
        b"503 Backend fetch failed\r\nRetry-After: 0",  # as Varnish, when the backend is slower than it waits
        b"503 Service Unavailable",
        b"301 Moved Permanently\r\nLocation: /api/Campaigns/",
        b"302 Found\r\nLocation: /api/Campaigns/1",
        b"303 See Other\r\nLocation: /api/Campaigns/1",
    ],
    ids=lambda head: head[:3].decode(),
)
async def test_a_server_that_acts_and_answers_otherwise_gets_one_post_from_one_create(head: bytes) -> None:
    carried_out: list[bytes] = []

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            carried_out.append(await read_request(reader))
            writer.write(b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    async with raw_server(act) as server, CampaignsClient(server.url, "key", retry=QUICK) as client:
        with pytest.raises(OutcomeUnknownError) as failed:
            await client.campaigns.create(new_campaign())
    assert (failed.value.status, failed.value.effect) == (int(head[:3]), Effect.UNKNOWN)
    assert len(carried_out) == failed.value.attempts == 1


async def test_a_silent_server_leaves_a_create_unknown(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", act=True, delay=60, status=504)
    async with client_of(sandbox, timeouts=Timeouts(read=0.05)) as client:
        with pytest.raises(OutcomeUnknownError) as failed:
            await client.campaigns.create(new_campaign())
    assert failed.value.cause_type is ReadTimeoutError
    assert len(sandbox.created) == 1


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\xff\xfe garbage", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n", b""],
)
async def test_garbage_leaves_a_create_unknown(garbage: bytes) -> None:
    async with raw_server(garbage) as server, CampaignsClient(server.url, "key", retry=QUICK) as client:
        with pytest.raises(OutcomeUnknownError) as failed:
            await client.campaigns.create(new_campaign())
        assert len(server.requests) == failed.value.attempts == 1


async def test_a_raw_post_is_as_careful_as_a_create(sandbox: Sandbox) -> None:
    sandbox.fault(status=500)
    async with client_of(sandbox) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.request("POST", "/api/SMSMessages", json={"message": "x"})
    assert len(sandbox.requests) == 1


async def test_a_create_over_a_stale_connection_is_unknown_and_not_repeated(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, stale=True)
    async with client_of(sandbox, max_concurrency=1) as client:
        await client.campaigns.create(new_campaign(1))
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign(2))
        await client.campaigns.create(new_campaign(3))
    assert [created["message"] for created in sandbox.created] == [new_campaign(n).message for n in (1, 3)]
