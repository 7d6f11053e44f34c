"""What is believed of responses: two tables and the states of a journal's rows. No I/O, no state.

1. An attempt's status or failure -> what the request did on the server, and if it may be sent again.
2. The error of a create -> the state of its row, and what the run does next.

The worst mistake of this package would be a line in this file: a create that may have been carried out must never
count as one that was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final

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
    effect_of,
)
from campaigns_async.values import Action, Effect, Operation

_NON_IDEMPOTENT = frozenset({Action.CREATE, Action.SEND})
_REPEAT_ELSEWHERE = (307, 308)
_RANK = {Effect.NOT_SENT: 0, Effect.REJECTED: 1, Effect.UNKNOWN: 2, Effect.APPLIED: 3}


# Table 1: an attempt


@frozen
class AttemptOutcome:
    """What one attempt has shown.

    Attributes:
        effect: What is known of the request's effect.
        retryable: True if the request may be sent again as it is.
        renew_key: True if the request may be sent again with another key.
    """

    effect: Effect
    retryable: bool
    renew_key: bool = False


_APPLIED = AttemptOutcome(Effect.APPLIED, retryable=False)


def classify_attempt(
    operation: Operation,
    status: int | None,
    *,
    sent: bool = True,
    rejected_statuses: tuple[int, ...] = (),
) -> AttemptOutcome:
    """Return what one attempt has shown.

    Args:
        operation: The request's operation.
        status: The status of a complete response; None where none came.
        sent: True if any byte of the request may have gone out; it has where a response came.
        rejected_statuses: Statuses by which this server is known to say that it did nothing.
    """
    if status is None:
        effect = Effect.UNKNOWN if sent else Effect.NOT_SENT
        return AttemptOutcome(effect, retryable=not sent or not is_non_idempotent(operation))
    if 200 <= status < 300:
        return _APPLIED
    effect = effect_of_status(status, rejected_statuses)
    return AttemptOutcome(
        effect,
        retryable=_is_transient(status, rejected_statuses)
        and (effect is Effect.REJECTED or not is_non_idempotent(operation)),
        renew_key=status == 401,
    )


def effect_of_status(status: int, rejected_statuses: tuple[int, ...] = ()) -> Effect:
    """Return what a complete response with this status says of the request's effect."""
    if 200 <= status < 300:
        return Effect.APPLIED
    if status in rejected_statuses:
        return Effect.REJECTED
    if status in _REPEAT_ELSEWHERE or (400 <= status < 500 and status != 408):
        return Effect.REJECTED
    # A proxy may answer 5xx after it passed the request on: Varnish answers 503 with Retry-After if the server is
    # slow. 301, 302 and 303 are also what a server answers after it has carried out a POST.
    return Effect.UNKNOWN


def combine(operation: Operation, earlier: Effect, latest: Effect, status: int | None) -> Effect:
    """Return the effect of a call, from that of its earlier attempts and that of the latest one.

    Args:
        operation: The call's operation.
        earlier: The effect of all attempts before the latest.
        latest: The effect of the latest attempt.
        status: The status of the latest attempt's response; None where none came.
    """
    if status == 404 and operation.action is Action.DELETE and earlier is Effect.UNKNOWN:
        return Effect.APPLIED  # the attempt of unknown outcome has deleted it
    return earlier if _RANK[earlier] >= _RANK[latest] else latest


def is_non_idempotent(operation: Operation) -> bool:
    """Return True if carrying the operation out twice does harm."""
    return operation.action in _NON_IDEMPOTENT


def is_throttled(status: int, retry_after: float | None) -> bool:
    """Return True if a response asks the whole client to slow down, whatever it says of its own request."""
    return status == 429 or (status == 503 and retry_after is not None)


def _is_transient(status: int, rejected_statuses: tuple[int, ...]) -> bool:
    """Return True if the same request may succeed later."""
    return status in (408, 429) or status >= 500 or status in rejected_statuses


# Table 2: a row


class State(IntEnum):
    """What is known of a row. The numbers are what a journal holds: they never change their meaning."""

    PLANNED = 0
    """Not sent: no request of it can be on its way."""
    SENDING = 1
    """A request may have left. After a crash: possibly sent."""
    CREATED = 2
    """A campaign of it stands on the server. Final."""
    FAILED = 3
    """Refused: no campaign of it stands on the server."""
    UNKNOWN = 4
    """Possibly sent, and nobody is waiting for the answer any more."""


MOVES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.PLANNED: frozenset({State.SENDING}),
        State.SENDING: frozenset({State.CREATED, State.FAILED, State.UNKNOWN, State.PLANNED}),
        State.CREATED: frozenset[State](),
        State.FAILED: frozenset({State.PLANNED, State.CREATED}),
        State.UNKNOWN: frozenset({State.CREATED, State.PLANNED, State.UNKNOWN, State.FAILED}),
    }
)
"""Where a row may go from each state. SENDING and UNKNOWN go back to PLANNED only with a proof, or a person's word."""

EXCEPTIONAL_MOVES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.PLANNED: frozenset({State.CREATED, State.UNKNOWN}),
        State.SENDING: frozenset[State](),
        State.CREATED: frozenset({State.UNKNOWN, State.PLANNED}),
        State.FAILED: frozenset[State](),
        State.UNKNOWN: frozenset[State](),
    }
)
"""Moves that no run makes by itself: PLANNED to CREATED for a campaign that is adopted, PLANNED to UNKNOWN in a journal
that was restored, CREATED to UNKNOWN for an id that was given twice, CREATED to PLANNED by a person's word."""


def check_move(old: State, new: State, *, exceptional: bool = False) -> None:
    """Refuse a move that a row cannot make.

    Raises:
        ValueError: If a row does not go from `old` to `new`.
    """
    if new not in MOVES[old] and not (exceptional and new in EXCEPTIONAL_MOVES[old]):
        raise ValueError(f"a row that is {old.name} cannot become {new.name}")


def origins(new: State) -> frozenset[State]:
    """Return the states from which a row may go to `new`."""
    return frozenset(old for old, ways in MOVES.items() if new in ways)


class RunAction(Enum):
    """What a run does after a row's error."""

    CONTINUE = "continue"
    BACK_OFF = "back off"
    """The server cannot be reached, throttles or is down: rows go out later."""
    STOP = "stop"
    """Every row would meet the same."""


@frozen
class RowOutcome:
    """What becomes of a row whose create raised an error.

    Attributes:
        state: The row's new state.
        action: What the run does next.
        reason: The error in a few words that a journal may keep: no text, no number, no name.
        created_without_id: True if the campaign was created and only its id is not known.
        refused_contacts: The contacts that the server refused, from 0.
    """

    state: State
    action: RunAction
    reason: str
    created_without_id: bool = False
    refused_contacts: tuple[int, ...] = ()


def classify_error(error: BaseException) -> RowOutcome:
    """Return what becomes of the row whose create raised this error."""
    effect, reason = effect_of(error), _reason(error)
    if effect is Effect.APPLIED:
        return RowOutcome(State.UNKNOWN, RunAction.CONTINUE, reason, created_without_id=True)
    if effect is not Effect.UNKNOWN and isinstance(error, (ClientClosedError, ConfigurationError)):
        # Also after a refusal: the key callable raised when it was asked for another key.
        return RowOutcome(State.PLANNED, RunAction.STOP, reason)
    if effect is Effect.NOT_SENT:
        if isinstance(error, InvalidArgumentError):
            return RowOutcome(State.FAILED, RunAction.CONTINUE, reason)
        return RowOutcome(State.PLANNED, RunAction.BACK_OFF, reason)
    if effect is Effect.REJECTED:
        state, action = _classify_refusal(error)
        contacts = sorted(error.contact_errors) if isinstance(error, ValidationFailedError) else ()
        return RowOutcome(state, action, reason, refused_contacts=tuple(contacts))
    return RowOutcome(State.UNKNOWN, _action_if_unknown(getattr(error, "status", None) or 0), reason)


def _classify_refusal(error: BaseException) -> tuple[State, RunAction]:
    if isinstance(error, ThrottledError):
        return State.PLANNED, RunAction.BACK_OFF
    if not isinstance(error, APIError):  # refused for now, and then the server could not be reached
        return State.PLANNED, RunAction.BACK_OFF
    if isinstance(error, (AuthenticationError, NotFoundError, MethodNotAllowedError)) or 300 <= error.status < 400:
        return State.PLANNED, RunAction.STOP
    if error.status >= 500:  # one of the statuses that this server is known to answer having done nothing
        return State.PLANNED, RunAction.BACK_OFF
    return State.FAILED, RunAction.CONTINUE


def _action_if_unknown(status: int) -> RunAction:
    if 300 <= status < 400:  # a wrong base_url: each further row would be unknown too
        return RunAction.STOP
    return RunAction.BACK_OFF if status == 503 else RunAction.CONTINUE


def _reason(error: BaseException) -> str:
    status = getattr(error, "status", None)
    cause = getattr(error, "cause_type", None)
    what = str(status) if status is not None else cause.__name__ if cause is not None else type(error).__name__
    if isinstance(error, InvalidArgumentError):
        return f"{what}: {error.message}"
    return what
