"""Reads, updates and deletes are repeated, the server sees what `attempts` says, and no answer wedges the client."""

from __future__ import annotations

import datetime as dt
import sys
from email.utils import format_datetime
from typing import Any

import pytest
from support.made import client_of, new_campaign, rows
from support.observed import Recorder
from support.raw_server import raw_server

from campaigns_async import (
    APIError,
    CampaignsClient,
    CampaignUpdate,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    Effect,
    NotFoundError,
    ReadTimeoutError,
    RetryPolicy,
    ServerError,
    ThrottledError,
    Timeouts,
)
from campaigns_async.sandbox import Sandbox

PASSING: dict[str, dict[str, Any]] = {
    "408": {"status": 408},
    "429": {"status": 429},
    "500": {"status": 500},
    "502": {"status": 502, "body": "<html>Bad gateway</html>"},
    "503": {"status": 503},
    "504": {"status": 504},
    "dropped": {"drop": "close"},
    "reset": {"drop": "reset"},
    "headers cut": {"drop": "cut_headers"},
    "dropped after it acted": {"drop": "close", "act": True},
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
@pytest.mark.parametrize("operation", ["get", "list", "contacts", "update", "delete"])
async def test_what_does_no_harm_twice_is_repeated(operation: str, fault: dict[str, Any]) -> None:
    async with Sandbox(rows(2)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation=operation, times=2, **fault)
        await call(client, operation)
        is_confirmed = (
            operation == "delete" and sandbox.requests[0].acted
        )  # a 404 after an unknown attempt is read back
        assert len(sandbox.requests) == 3 + is_confirmed
        assert len(sandbox.campaigns) == (1 if operation == "delete" else 2)


@pytest.mark.parametrize("operation", ["get", "list", "contacts", "update", "delete"])
@pytest.mark.parametrize("status", [302, 307, 400, 401, 403, 404, 405, 409, 413, 415, 422])
async def test_a_refusal_is_not_repeated(operation: str, status: int) -> None:
    async with Sandbox(rows(2)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation=operation, status=status, headers={"Location": "/elsewhere"})
        with pytest.raises(APIError) as refused:
            await call(client, operation)
        assert (refused.value.status, len(sandbox.requests)) == (status, 1)
        assert refused.value.effect is (Effect.UNKNOWN if status == 302 else Effect.REJECTED)


async def test_an_answer_that_cannot_be_read_is_not_repeated() -> None:
    async with Sandbox(rows(2)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="list", status=200, body='{"items": [{"id": "a"}, {"id": "b", "status": {}}]}')
        with pytest.raises(DecodeError, match=r"\$\.items\[1\]\.status") as unread:
            await client.campaigns.list().collect()
        assert (unread.value.where, unread.value.effect) == ("$.items[1].status", Effect.APPLIED)
        assert len(sandbox.requests) == 1


async def test_the_last_of_several_failures_is_raised_with_what_all_of_them_leave_open() -> None:
    async with Sandbox(rows(2)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="update", times=1, drop="close", act=True)
        sandbox.fault(operation="update", status=429)
        with pytest.raises(ThrottledError) as failed:
            await call(client, "update")
        assert (failed.value.attempts, failed.value.effect) == (5, Effect.UNKNOWN)


async def test_a_delete_that_finds_nothing_after_an_unknown_attempt_is_applied() -> None:
    async with Sandbox(rows(2)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="delete", times=1, drop="close", act=True)
        await client.campaigns.delete("c000")
        assert [(request.method, request.status) for request in sandbox.requests] == [
            ("DELETE", None),
            ("DELETE", 404),
            ("GET", 404),
        ]
        sandbox.fault(operation="delete", times=1, status=429)
        with pytest.raises(NotFoundError):
            await client.campaigns.delete("c000")


@pytest.mark.parametrize("operation", ["get", "update", "delete"])
async def test_aiohttp_does_not_resend_over_a_stale_connection_by_itself(operation: str) -> None:
    recorder = Recorder()
    retry = RetryPolicy(attempts=1)
    async with Sandbox(rows(3)) as sandbox, client_of(sandbox, observer=recorder, retry=retry) as client:
        sandbox.fault(nth=1, times=1, stale=True)
        await call(client, "get" if operation == "get" else "create")  # reads have connections of their own
        count = len(sandbox.campaigns)
        with pytest.raises(ConnectionFailedError) as dropped:
            await call(client, operation)
        assert (dropped.value.attempts, len(recorder.attempts)) == (1, 2)
        assert len(sandbox.campaigns) == count


async def test_attempts_one_switches_retrying_off() -> None:
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox, retry=RetryPolicy(attempts=1)) as client:
        sandbox.fault(status=500)
        with pytest.raises(ServerError) as failed:
            await client.campaigns.get("c000")
        assert failed.value.attempts == len(sandbox.requests) == 1


@pytest.mark.parametrize("wait", ["3600", "9" * 400, "date"])
@pytest.mark.parametrize("operation", ["get", "create"])
async def test_a_longer_retry_after_than_is_waited_for_raises_at_once(operation: str, wait: str) -> None:
    if wait == "date":
        wait = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), usegmt=True)
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(status=429, headers={"Retry-After": wait})
        with pytest.raises(ThrottledError) as throttled:
            await call(client, operation)
        assert len(sandbox.requests) == 1
        assert throttled.value.retry_after is not None
        assert throttled.value.retry_after > 3500


@pytest.mark.parametrize("wait", ["0", "0.01", "date", "soon", "-1", ""])
async def test_a_short_retry_after_is_waited_for_and_a_senseless_one_backed_off_from(wait: str) -> None:
    recorder = Recorder()
    header = format_datetime(dt.datetime.now(dt.UTC), usegmt=True) if wait == "date" else wait
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox, observer=recorder) as client:
        sandbox.fault(times=1, status=429, headers={"Retry-After": header})
        await client.campaigns.get("c000")
        assert len(sandbox.requests) == 2
    named = wait in ("0", "0.01", "date")
    # The rest of the client's hold, if the timer of the pause fires a little early, is a wait of its own.
    reasons = [waited.reason for waited in recorder.waits if waited.reason != "hold"]
    assert reasons == ["retry_after" if named else "backoff"]
    assert recorder.waits[0].seconds >= (0.01 if wait == "0.01" else 0)


async def test_a_wait_that_would_outlast_the_deadline_is_not_begun() -> None:
    recorder = Recorder()
    timeouts = Timeouts(deadline=5)
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox, observer=recorder, timeouts=timeouts) as client:
        sandbox.fault(status=429, headers={"Retry-After": "30"})
        with pytest.raises(ThrottledError) as throttled:
            await client.campaigns.create(new_campaign())
        assert (throttled.value.retry_after, throttled.value.effect) == (30, Effect.REJECTED)
    slow = RetryPolicy(base=10_000, cap=10_000)
    async with (
        Sandbox(rows(1)) as sandbox,
        client_of(sandbox, observer=recorder, timeouts=timeouts, retry=slow) as client,
    ):
        sandbox.fault(status=429)
        with pytest.raises(DeadlineExceededError) as late:
            await client.campaigns.create(new_campaign())
        assert isinstance(late.value, TimeoutError)
        assert isinstance(late.value.__cause__, ThrottledError)
        assert late.value.effect is Effect.REJECTED
    assert recorder.waits == []


async def test_a_read_timeout_is_a_timeout_error() -> None:
    async with Sandbox(rows(1)) as sandbox:
        async with client_of(sandbox, timeouts=Timeouts(read=0.05), retry=RetryPolicy(attempts=1)) as client:
            sandbox.fault(delay=60)
            with pytest.raises(TimeoutError) as silent:
                await client.campaigns.get("c000")
    assert type(silent.value) is ReadTimeoutError


BODIES = [
    b"",
    b"<html><body>Bad gateway</body></html>",
    b"\xff\xfe\x00not utf-8",
    b"[" * 100_000,
    b'{"title": ' * 5_000,
    b'{"errors": {"Contacts[0].PhoneNumber": ["07700900123 is bad"]}, "traceId": "00-1-2-00"}',
    b'{"errors": ["one", "two"], "title": 5}',
    b"null",
    b'"text"',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 502, 503, 599])
async def test_each_status_with_each_kind_of_body_gives_its_error(status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with raw_server(head + body) as server:
        async with CampaignsClient(server.url, "key", retry=RetryPolicy(attempts=1)) as client:
            with pytest.raises(APIError) as failed:
                await client.campaigns.get("abc")
    assert failed.value.status == status
    assert "07700900123" not in str(failed.value)


async def call(client: CampaignsClient, operation: str) -> object:
    """Run an operation on the first row."""
    new = new_campaign()
    match operation:
        case "get":
            return await client.campaigns.get("c000")
        case "list":
            return await client.campaigns.list().collect()
        case "contacts":
            return await client.campaigns.contacts("c000").collect()
        case "update":
            return await client.campaigns.update("c000", CampaignUpdate(new.start_date_time, new.sender, new.message))
        case "delete":
            return await client.campaigns.delete("c000")
        case "create":
            return await client.campaigns.create(new)
    raise AssertionError(operation)


async def test_the_first_failure_is_raised_if_tenacity_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tenacity", None)  # as with EMFILE
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="get", status=500)
        with pytest.raises(ServerError) as failed:
            await client.campaigns.get("c1")
        assert failed.value.attempts == len(sandbox.requests) == 1
    async with CampaignsClient("http://127.0.0.1:1", "key") as nobody:
        with pytest.raises(ConnectionFailedError) as refused:
            await nobody.campaigns.create(new_campaign())
        assert (refused.value.attempts, refused.value.effect) == (1, Effect.NOT_SENT)
