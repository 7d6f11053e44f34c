"""What an error of a create means for its row: one table, no I/O.

The worst mistake here would be to call a row planned again that may have been carried out.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from campaigns_async.errors import (
    APIError,
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    InvalidArgumentError,
    MethodNotAllowedError,
    NotFoundError,
    ThrottledError,
    ValidationFailedError,
    delivery_of,
)
from campaigns_async.jobs.states import State
from campaigns_async.values import Delivery


class Then(Enum):
    """What the run does next."""

    GO_ON = "go on"
    WAIT = "wait"
    """The server cannot be reached, or is throttling: the row goes out later."""
    STOP = "stop"
    """Every row would meet the same."""


@frozen
class Judgement:
    """What became of one row."""

    state: State
    then: Then
    reason: str
    surely_done: bool = False


def judge(error: BaseException) -> Judgement:
    """Judge what a create raised."""
    delivery = delivery_of(error)
    reason = _reason(error)
    if delivery is Delivery.DONE:
        return Judgement(State.UNKNOWN, Then.GO_ON, reason, surely_done=True)
    if delivery is Delivery.NOT_SENT:
        if isinstance(error, InvalidArgumentError):
            return Judgement(State.FAILED, Then.GO_ON, reason)
        if isinstance(error, (ClientClosedError, ConfigurationError)):
            return Judgement(State.PLANNED, Then.STOP, reason)
        return Judgement(State.PLANNED, Then.WAIT, reason)
    if delivery is Delivery.REJECTED:
        return _of_refusal(error, reason)
    status = getattr(error, "status", None) or 0
    if 300 <= status < 400:  # a wrong base_url: each further row would be unknown too
        return Judgement(State.UNKNOWN, Then.STOP, reason)
    return Judgement(State.UNKNOWN, Then.WAIT if status == 503 else Then.GO_ON, reason)


def _of_refusal(error: BaseException, reason: str) -> Judgement:
    if isinstance(error, ThrottledError):
        return Judgement(State.PLANNED, Then.WAIT, reason)
    if not isinstance(error, APIError):  # refused for now, and then it could not be reached
        return Judgement(State.PLANNED, Then.WAIT, reason)
    if isinstance(error, (AuthenticationError, NotFoundError, MethodNotAllowedError)) or 300 <= error.status < 400:
        return Judgement(State.PLANNED, Then.STOP, reason)
    if error.status >= 500:  # one that this server is known to answer having done nothing
        return Judgement(State.PLANNED, Then.WAIT, reason)
    return Judgement(State.FAILED, Then.GO_ON, reason)


def _reason(error: BaseException) -> str:
    """In a few words that a journal may keep: no text, no number, no name."""
    if isinstance(error, ValidationFailedError) and error.contact_errors:
        places = sorted(error.contact_errors)
        shown = ", ".join(map(str, places[:10])) + (", ..." if len(places) > 10 else "")
        return f"{error.status}: contacts {shown} (from 0) were refused"
    status = getattr(error, "status", None)
    cause = getattr(error, "cause_type", None)
    what = str(status) if status is not None else cause.__name__ if cause is not None else type(error).__name__
    if isinstance(error, InvalidArgumentError):
        return f"{what}: {error.message}"
    return what
