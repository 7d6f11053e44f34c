"""The error that a failed call raises. Pure."""

from __future__ import annotations

from datetime import datetime

from campaigns_async.doubt import OutcomeUnknownError
from campaigns_async.effects import is_non_idempotent
from campaigns_async.engine.ports import Failure, FailureKind
from campaigns_async.errors import (
    APIError,
    CampaignsError,
    ConnectionFailedError,
    ConnectTimeoutError,
    DeadlineExceededError,
    ReadTimeoutError,
)
from campaigns_async.values import Delivery
from campaigns_async.wire import problems
from campaigns_async.wire.messages import Request, Response

_BY_KIND: dict[FailureKind, tuple[type[CampaignsError], str]] = {
    FailureKind.CONNECT: (ConnectionFailedError, "no connection: check base_url, and the network"),
    FailureKind.CONNECT_TIMEOUT: (ConnectTimeoutError, "no connection in time (Timeouts.connect)"),
    FailureKind.DROPPED: (ConnectionFailedError, "the connection was lost"),
    FailureKind.READ_TIMEOUT: (ReadTimeoutError, "the answer did not come in time (Timeouts.read)"),
    FailureKind.DEADLINE: (DeadlineExceededError, "not finished in time (Timeouts.deadline)"),
}


def error(
    request: Request, result: Response | Failure, delivery: Delivery, *, out_of_time: bool = False, now: datetime
) -> CampaignsError:
    """The error for a call that ends with this result.

    Args:
        request: What was asked.
        result: What the last attempt came to.
        delivery: What is known after all attempts.
        out_of_time: Whether another attempt was due, but only after the deadline.
        now: The time, for a Retry-After that is a date.
    """
    found = problems.error(request, result, now=now) if isinstance(result, Response) else _no_answer(result)
    if delivery is Delivery.UNKNOWN and is_non_idempotent(request.operation):
        return _unknown(found)
    if out_of_time:
        late = DeadlineExceededError(f"no time for another attempt (Timeouts.deadline) after: {found.message}")
        late.__cause__ = found
        return late
    return found


def _unknown(found: CampaignsError) -> OutcomeUnknownError:
    response = found if isinstance(found, APIError) else None
    unknown = OutcomeUnknownError(
        f"{found.message}: it may have been carried out. Look for it on the server before you send it again",
        cause_type=type(found),
        status=None if response is None else response.status,
        request_id=None if response is None else response.request_id,
        retry_after=None if response is None else response.retry_after,
    )
    unknown.__cause__ = found
    return unknown


def _no_answer(failure: Failure) -> CampaignsError:
    cls, said = _BY_KIND[failure.kind]
    return cls(f"{said} ({failure.detail})" if failure.detail else said)
