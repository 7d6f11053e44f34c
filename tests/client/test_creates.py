"""What a create does when something goes wrong: never two campaigns, and the right word for what is known."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen
from support.made import QUICK, client_of, new_campaign
from support.raw_server import raw_server

from campaigns_async import (
    APIError,
    CampaignsClient,
    CampaignsError,
    ConflictError,
    ConnectionFailedError,
    DecodeError,
    Delivery,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    PermissionDeniedError,
    ReadTimeoutError,
    RetryPolicy,
    ServerError,
    ThrottledError,
    Timeouts,
    ValidationFailedError,
)
from campaigns_async.sandbox import Sandbox


@frozen
class Case:
    """A fault that meets every create, and what is to come of it."""

    fault: dict[str, Any]
    error: type[CampaignsError]
    delivery: Delivery
    attempts: int
    on_server: int
    cause: type[BaseException] | None = None


LIMITED = {"Retry-After": "0"}
CASES = {
    "refused (400)": Case({"status": 400}, ValidationFailedError, Delivery.REJECTED, 1, 0),
    "refused (403)": Case({"status": 403}, PermissionDeniedError, Delivery.REJECTED, 1, 0),
    "refused (404)": Case({"status": 404}, NotFoundError, Delivery.REJECTED, 1, 0),
    "refused (409)": Case({"status": 409}, ConflictError, Delivery.REJECTED, 1, 0),
    "refused (413)": Case({"status": 413}, PayloadTooLargeError, Delivery.REJECTED, 1, 0),
    "refused (422)": Case({"status": 422}, ValidationFailedError, Delivery.REJECTED, 1, 0),
    "refused (418)": Case({"status": 418}, APIError, Delivery.REJECTED, 1, 0),
    "redirected (302)": Case({"status": 302, "headers": {"Location": "/"}}, APIError, Delivery.REJECTED, 1, 0),
    "redirected (307)": Case({"status": 307, "headers": {"Location": "/"}}, APIError, Delivery.REJECTED, 1, 0),
    "redirected (308)": Case({"status": 308, "headers": {"Location": "/"}}, APIError, Delivery.REJECTED, 1, 0),
    "throttled (429)": Case({"status": 429}, ThrottledError, Delivery.REJECTED, 3, 0),
    "throttled (429, Retry-After)": Case({"status": 429, "headers": LIMITED}, ThrottledError, Delivery.REJECTED, 3, 0),
    "throttled (503, Retry-After)": Case({"status": 503, "headers": LIMITED}, ThrottledError, Delivery.REJECTED, 3, 0),
    "timed out (408)": Case({"status": 408}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 0, APIError),
    "failed (500)": Case({"status": 500}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 0, ServerError),
    "failed after it acted (500)": Case(
        {"status": 500, "act": True}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 1, ServerError
    ),
    "failed after it acted (502)": Case(
        {"status": 502, "act": True}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 1, ServerError
    ),
    "a bare 503": Case({"status": 503, "act": True}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 1, ServerError),
    "a gateway's 504": Case({"status": 504, "act": True}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 1, ServerError),
    "dropped before it acted": Case(
        {"drop": "close"}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 0, ConnectionFailedError
    ),
    "dropped after it acted": Case(
        {"drop": "close", "act": True}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 1, ConnectionFailedError
    ),
    "reset before it acted": Case(
        {"drop": "reset"}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 0, ConnectionFailedError
    ),
    "reset after it acted": Case(
        {"drop": "reset", "act": True}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 1, ConnectionFailedError
    ),
    "headers cut": Case({"drop": "cut_headers"}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 1, ConnectionFailedError),
    "body of the 201 cut": Case(
        {"drop": "cut_body"}, OutcomeUnknownError, Delivery.UNKNOWN, 1, 1, ConnectionFailedError
    ),
    "body of a 400 cut": Case(
        {"drop": "cut_body", "status": 400, "body": "x" * 100},
        OutcomeUnknownError,
        Delivery.UNKNOWN,
        1,
        0,
        ConnectionFailedError,
    ),
    "an empty 201": Case({"status": 201, "act": True}, DecodeError, Delivery.DONE, 1, 1),
    "a 200 of HTML": Case({"status": 200, "act": True, "body": "<html>"}, DecodeError, Delivery.DONE, 1, 1),
    "a 204": Case({"status": 204, "act": True}, DecodeError, Delivery.DONE, 1, 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_create_that_fails_says_what_is_known(sandbox: Sandbox, case: Case) -> None:
    sandbox.fault(operation="create", **case.fault)
    policy = RetryPolicy(attempts=3, base=0.001, cap=0.002)
    async with client_of(sandbox, retry=policy) as client:
        with pytest.raises(CampaignsError) as failed:
            await client.campaigns.create(new_campaign())
    error = failed.value
    assert type(error) is case.error
    assert (error.delivery, error.attempts) == (case.delivery, case.attempts)
    assert len(sandbox.requests) == case.attempts, "attempts is what the server saw"
    assert len(sandbox.created) == case.on_server
    if isinstance(error, OutcomeUnknownError):
        assert error.cause_type is case.cause
        assert type(error.__cause__) is case.cause
        assert "may have been carried out" in str(error)


@pytest.mark.parametrize(
    "fault",
    [{"status": 429}, {"status": 429, "headers": LIMITED}, {"status": 503, "headers": LIMITED}],
    ids=["429", "429 with Retry-After", "503 with Retry-After"],
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
    assert (failed.value.delivery, failed.value.attempts) == (Delivery.NOT_SENT, 4)


async def test_a_silent_server_leaves_a_create_in_doubt(sandbox: Sandbox) -> None:
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
async def test_garbage_leaves_a_create_in_doubt(garbage: bytes) -> None:
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


async def test_a_create_over_a_stale_connection_is_in_doubt_and_not_repeated(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", nth=1, times=1, stale=True)
    async with client_of(sandbox, max_concurrency=1) as client:
        await client.campaigns.create(new_campaign(1))
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign(2))
        await client.campaigns.create(new_campaign(3))
    assert [created["message"] for created in sandbox.created] == [new_campaign(n).message for n in (1, 3)]
