"""Every belief about responses, in two tables, and the states of a journal's rows. No I/O, no state.

1. What an attempt met (a status, or no response) -> its effect on the server, and if the request may be sent again.
2. What a create ended with (its effect and its error) -> the state of its row, and what the run does next.

The worst bug of this package would be a line in this file: a create that may have been carried out must never count
as one that was not.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final

from attrs import frozen

from campaigns_async.values import Action, Operation


class Effect(Enum):
    """The effect of a request on the server, as far as it is known.

    Attributes:
        NOT_SENT: No byte of the request can have reached the server.
        REJECTED: The server did nothing, and said so.
        UNKNOWN: The request may have been carried out.
        APPLIED: The request was carried out.
    """

    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    APPLIED = "applied"


_RISING = (Effect.NOT_SENT, Effect.REJECTED, Effect.UNKNOWN, Effect.APPLIED)
_NOTHING_DONE = (Effect.NOT_SENT, Effect.REJECTED)
_NON_IDEMPOTENT = (Action.CREATE, Action.SEND)


def effect_of(error: BaseException) -> Effect:
    """Return the effect of the request that ended with this error; UNKNOWN if the error does not say.

    Works for a `CancelledError` too, if it went through a call of this package.
    """
    effect = getattr(error, "effect", None)
    return effect if isinstance(effect, Effect) else Effect.UNKNOWN


def note_effect(cancelled: BaseException, effect: Effect) -> None:
    """Attach to a `CancelledError` the effect that `effect_of` returns for it."""
    setattr(cancelled, "effect", effect)  # noqa: B010  # the class does not declare it


def is_non_idempotent(operation: Operation) -> bool:
    """Return True if carrying the operation out twice does harm."""
    return operation.action in _NON_IDEMPOTENT


# Table 1: an attempt


class Met(Enum):
    """The end of an attempt without a status, or with a status that a setting explains.

    Attributes:
        NO_CONNECTION: No byte of the request went out.
        NO_RESPONSE: The request may have gone out, and there is no complete response.
        REJECTED_STATUS: A status that this server answers only if it did nothing (`RetryPolicy.rejected_statuses`).
    """

    NO_CONNECTION = "no connection"
    NO_RESPONSE = "no response"
    REJECTED_STATUS = "rejected status"


@frozen
class _AttemptBelief:
    """A line of table 1.

    Attributes:
        met: Statuses of complete responses, or other ends; None for any.
        effect: The effect of the request.
        transient: True if the same request may succeed later.
    """

    met: Container[int | Met] | None
    effect: Effect
    transient: bool


_SUCCESSES: Final = range(200, 300)
_ATTEMPTS: Final = (  # the first line that fits counts
    _AttemptBelief((Met.NO_CONNECTION,), Effect.NOT_SENT, transient=True),
    _AttemptBelief((Met.NO_RESPONSE,), Effect.UNKNOWN, transient=True),
    _AttemptBelief((Met.REJECTED_STATUS,), Effect.REJECTED, transient=True),
    _AttemptBelief(_SUCCESSES, Effect.APPLIED, transient=False),
    _AttemptBelief((307, 308), Effect.REJECTED, transient=False),  # they ask for a repeat elsewhere
    _AttemptBelief(range(300, 400), Effect.UNKNOWN, transient=False),  # 303 may follow a POST that was carried out
    _AttemptBelief((408,), Effect.UNKNOWN, transient=True),
    _AttemptBelief((429,), Effect.REJECTED, transient=True),
    _AttemptBelief(range(400, 500), Effect.REJECTED, transient=False),
    # A proxy may answer 5xx after it forwarded the request: Varnish answers 503 with Retry-After for a slow server.
    _AttemptBelief(range(500, 1000), Effect.UNKNOWN, transient=True),
    _AttemptBelief(None, Effect.UNKNOWN, transient=False),
)


@frozen
class AttemptOutcome:
    """The conclusion from one attempt.

    Attributes:
        effect: The effect of the request.
        retryable: True if the same request may be sent again.
        renew_key: True if the request may be sent again with another API key.
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
    """Return the conclusion from one attempt.

    Args:
        operation: The request's operation.
        status: The status of a complete response; None without one.
        sent: True if any byte of the request may have gone out. Ignored if there is a status.
        rejected_statuses: Statuses that this server answers only if it did nothing.
    """
    if status in _SUCCESSES:  # without a search in the table: almost every attempt
        return _APPLIED
    met: int | Met
    if status is None:
        met = Met.NO_RESPONSE if sent else Met.NO_CONNECTION
    else:
        met = Met.REJECTED_STATUS if status in rejected_statuses else status
    belief = next(belief for belief in _ATTEMPTS if belief.met is None or met in belief.met)
    return AttemptOutcome(
        belief.effect,
        retryable=belief.transient and (belief.effect in _NOTHING_DONE or not is_non_idempotent(operation)),
        renew_key=status == 401,
    )


def is_throttled(status: int, retry_after: float | None) -> bool:
    """Return True if a response asks the whole client to slow down. The effect of its own request is another matter."""
    return status == 429 or (status == 503 and retry_after is not None)


def combine(operation: Operation, earlier: Effect, latest: Effect, status: int | None) -> Effect:
    """Return the effect of a call.

    Args:
        operation: The call's operation.
        earlier: The effect of all attempts before the latest.
        latest: The effect of the latest attempt.
        status: The status of the latest attempt's response; None without one.
    """
    if status == 404 and operation.action is Action.DELETE and earlier is Effect.UNKNOWN:
        return Effect.APPLIED  # the attempt whose outcome was unknown has deleted it
    return max(earlier, latest, key=_RISING.index)


# Table 2: a row of a journal


class State(IntEnum):
    """The state of a row. Journals hold the numbers: their meaning never changes.

    Attributes:
        PLANNED: Not sent: no request for the row is in flight.
        SENDING: A request may have left. After a crash: possibly sent.
        CREATED: The campaign is on the server. Final.
        FAILED: The server refused the campaign: it is not on the server.
        UNKNOWN: Possibly sent, and no request for the row is in flight any more.
    """

    PLANNED = 0
    SENDING = 1
    CREATED = 2
    FAILED = 3
    UNKNOWN = 4


class RunAction(Enum):
    """The next step of a run after a row's error.

    Attributes:
        CONTINUE: Send the next row.
        BACK_OFF: Pause: the server cannot be reached, throttles or is down.
        STOP: End the run: every further row would meet the same error.
    """

    CONTINUE = "continue"
    BACK_OFF = "back off"
    STOP = "stop"


class Cause(Enum):
    """The cause of an error other than a response.

    Attributes:
        NO_RESPONSE: There was no complete response.
        ARGUMENT: The row's campaign cannot be sent.
        CLIENT: The client is closed, or has a wrong setting: a key callable that raises is one.
    """

    NO_RESPONSE = "no response"
    ARGUMENT = "argument"
    CLIENT = "client"


@frozen
class _RowBelief:
    """A line of table 2.

    Attributes:
        effect: The effect of the create.
        met: Statuses, or causes of errors without a response; None for any.
        state: The row's new state.
        action: The run's next step.
    """

    effect: Effect
    met: Container[int | Cause] | None
    state: State
    action: RunAction


_ROWS: Final = (  # the first line that fits counts
    _RowBelief(Effect.NOT_SENT, (Cause.CLIENT,), State.PLANNED, RunAction.STOP),
    _RowBelief(Effect.NOT_SENT, (Cause.ARGUMENT,), State.FAILED, RunAction.CONTINUE),
    _RowBelief(Effect.NOT_SENT, None, State.PLANNED, RunAction.BACK_OFF),
    _RowBelief(Effect.REJECTED, (Cause.CLIENT,), State.PLANNED, RunAction.STOP),  # no new key after a 401
    _RowBelief(Effect.REJECTED, (Cause.NO_RESPONSE,), State.PLANNED, RunAction.BACK_OFF),  # of a later attempt
    _RowBelief(Effect.REJECTED, range(300, 400), State.PLANNED, RunAction.STOP),
    _RowBelief(Effect.REJECTED, (401, 404, 405), State.PLANNED, RunAction.STOP),
    _RowBelief(Effect.REJECTED, (429,), State.PLANNED, RunAction.BACK_OFF),
    _RowBelief(Effect.REJECTED, range(500, 600), State.PLANNED, RunAction.BACK_OFF),  # by `rejected_statuses`
    _RowBelief(Effect.REJECTED, None, State.FAILED, RunAction.CONTINUE),
    _RowBelief(Effect.UNKNOWN, range(300, 400), State.UNKNOWN, RunAction.STOP),  # a wrong base_url
    _RowBelief(Effect.UNKNOWN, (503,), State.UNKNOWN, RunAction.BACK_OFF),
    _RowBelief(Effect.UNKNOWN, None, State.UNKNOWN, RunAction.CONTINUE),
    _RowBelief(Effect.APPLIED, None, State.UNKNOWN, RunAction.CONTINUE),  # created, but its id is not known
)


def classify_row(effect: Effect, met: int | Cause) -> tuple[State, RunAction]:
    """Return the state of a row whose create raised an error, and the run's next step.

    Args:
        effect: The effect of the create.
        met: The status of the response, or the cause of an error without a response.
    """
    return next(
        (belief.state, belief.action)
        for belief in _ROWS
        if belief.effect is effect and (belief.met is None or met in belief.met)
    )


MOVES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.PLANNED: frozenset({State.SENDING}),
        State.SENDING: frozenset({State.CREATED, State.FAILED, State.UNKNOWN, State.PLANNED}),
        State.CREATED: frozenset[State](),
        State.FAILED: frozenset({State.PLANNED, State.CREATED}),
        State.UNKNOWN: frozenset({State.CREATED, State.PLANNED, State.UNKNOWN, State.FAILED}),
    }
)
"""The moves from each state. SENDING and UNKNOWN return to PLANNED only with a proof, or on a person's word."""

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
that was restored, CREATED to UNKNOWN for an id that was given twice, CREATED to PLANNED on a person's word."""


def check_move(old: State, new: State, *, exceptional: bool = False) -> None:
    """Raise an error for a move that a row cannot make.

    Raises:
        ValueError: If a row cannot move from `old` to `new`.
    """
    if new not in MOVES[old] and not (exceptional and new in EXCEPTIONAL_MOVES[old]):
        raise ValueError(f"a row that is {old.name} cannot become {new.name}")


def origins(new: State) -> frozenset[State]:
    """Return the states from which a row may move to `new`."""
    return frozenset(old for old, targets in MOVES.items() if new in targets)
