"""The error that ends a call: its class, its cause and its message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaigns_async import Effect, Operation, OutcomeUnknownError, Response, errors as e
from campaigns_async._engine.call import Call
from campaigns_async._engine.caller import exception_for
from campaigns_async._http.request import Request
from campaigns_async._http.response_headers import read_retry_after
from campaigns_async._http.transport import Failure, FailureKind

NOW = datetime(2024, 1, 1, tzinfo=UTC)
CREATES = [Operation.CREATE, Operation.RAW_SEND]
OTHERS = [operation for operation in Operation if operation not in CREATES]
KINDS: dict[FailureKind, tuple[type[e.CampaignsError], str]] = {
    FailureKind.CONNECT: (e.ConnectionFailedError, "no connection: check base_url and the network"),
    FailureKind.CERTIFICATE: (e.ConnectionFailedError, "no connection"),
    FailureKind.TLS: (e.ConnectionFailedError, "no connection"),
    FailureKind.UNKNOWN_HOST: (e.ConnectionFailedError, "no connection"),
    FailureKind.PROXY: (e.ConnectionFailedError, "no connection"),
    FailureKind.CONNECT_TIMEOUT: (e.ConnectTimeoutError, "no connection in time (Timeouts.connect)"),
    FailureKind.DROPPED: (e.ConnectionFailedError, "the connection was lost"),
    FailureKind.READ_TIMEOUT: (e.ReadTimeoutError, "no response in time (Timeouts.read)"),
    FailureKind.DEADLINE: (e.DeadlineExceededError, "not finished in time (Timeouts.deadline)"),
}


def request(operation: Operation) -> Request:
    """Build a request of an operation."""
    return Request(operation, "POST", "/api/Campaigns")


def build_error_for(
    result: Response | Failure, effect: Effect, operation: Operation = Operation.CREATE, *, late: bool = False
) -> e.CampaignsError:
    """Return the error of a call with this result."""
    call = Call(request(operation), 0.0, None, None, None)
    call.effect, call.out_of_time = effect, late
    call.retry_after = read_retry_after(result, now=NOW) if isinstance(result, Response) else None
    return exception_for(call, result)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize(("kind", "expected"), KINDS.items())
def test_a_failure_without_response_has_the_error_of_its_kind(
    kind: FailureKind, expected: tuple[type[e.CampaignsError], str], operation: Operation
) -> None:
    for effect in Effect:
        if effect is Effect.UNKNOWN and operation in CREATES:
            continue
        error = build_error_for(Failure(kind, sent=False), effect, operation)
        assert (type(error), error.message) == expected
        assert error.__cause__ is None


@pytest.mark.parametrize("kind", FailureKind)
def test_the_message_names_the_detail_of_the_failure(kind: FailureKind) -> None:
    error = build_error_for(Failure(kind, sent=False, detail="Connection refused"), Effect.NOT_SENT)
    assert error.message == f"{KINDS[kind][1]} (Connection refused)"


def test_every_kind_of_failure_has_an_error() -> None:
    assert set(KINDS) == set(FailureKind)


@pytest.mark.parametrize("operation", CREATES)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", FailureKind)
def test_a_create_of_unknown_outcome_always_raises_outcome_unknown(
    kind: FailureKind, late: bool, operation: Operation
) -> None:
    error = build_error_for(Failure(kind, sent=True, detail="Broken pipe"), Effect.UNKNOWN, operation, late=late)
    assert isinstance(error, OutcomeUnknownError)
    assert error.cause_type is KINDS[kind][0]
    assert (error.status, error.request_id) == (None, None)
    assert type(error.__cause__) is error.cause_type
    assert error.__context__ is None
    assert "Look for it on the server before you send it again" in error.message
    assert error.effect is Effect.UNKNOWN


@pytest.mark.parametrize("operation", CREATES)
@pytest.mark.parametrize("status", [100, 408, 500, 502, 503, 504, 599, 999])
def test_a_create_of_unknown_outcome_has_the_status_and_the_request_id_of_the_response(
    status: int, operation: Operation
) -> None:
    error = build_error_for(Response(status, {"x-request-id": "r-1"}, b""), Effect.UNKNOWN, operation)
    assert isinstance(error, OutcomeUnknownError)
    assert (error.status, error.request_id) == (status, "r-1")
    assert isinstance(error.__cause__, error.cause_type)
    assert isinstance(error.__cause__, e.APIError)


def test_an_unknown_create_stays_unknown_after_a_later_attempt_was_rejected() -> None:
    error = build_error_for(Response(429, {"Retry-After": "7"}, b""), Effect.UNKNOWN)
    assert isinstance(error, OutcomeUnknownError)
    assert error.cause_type is e.ThrottledError


@pytest.mark.parametrize("operation", OTHERS)
@pytest.mark.parametrize("effect", Effect)
def test_an_idempotent_request_raises_the_error_itself_even_if_its_effect_is_unknown(
    operation: Operation, effect: Effect
) -> None:
    assert type(build_error_for(Response(500, {}, b""), effect, operation)) is e.ServerError
    assert type(build_error_for(Failure(FailureKind.DROPPED, sent=True), effect, operation)) is e.ConnectionFailedError


@pytest.mark.parametrize("operation", CREATES)
@pytest.mark.parametrize(
    ("status", "cls"),
    [(400, e.ValidationFailedError), (401, e.AuthenticationError), (429, e.ThrottledError), (307, e.APIError)],
)
def test_a_rejected_create_raises_the_error_of_its_status(status: int, cls: type, operation: Operation) -> None:
    assert type(build_error_for(Response(status, {}, b""), Effect.REJECTED, operation)) is cls


@pytest.mark.parametrize("operation", Operation)
def test_a_call_without_time_for_another_attempt_says_so_and_names_the_cause(operation: Operation) -> None:
    error = build_error_for(Response(429, {"Retry-After": "7"}, b""), Effect.REJECTED, operation, late=True)
    assert isinstance(error, e.DeadlineExceededError)
    assert isinstance(error, TimeoutError)
    assert error.message.startswith("no time for another attempt (Timeouts.deadline) after: 429: ")
    cause = error.__cause__
    assert isinstance(cause, e.ThrottledError)
    assert cause.retry_after == 7


def test_a_retry_after_date_is_counted_from_now() -> None:
    error = build_error_for(Response(503, {"Retry-After": "Mon, 01 Jan 2024 00:00:09 GMT"}, b""), Effect.REJECTED)
    assert isinstance(error, e.ThrottledError)
    assert error.retry_after == 9
