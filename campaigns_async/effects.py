"""Every belief about responses, in two tables, and the states of a journal's rows. No I/O, no state.

1. What an attempt met (a status and a body, or no response) -> its effect on the server, and what the client does next.
2. What a create ended with (its effect and its error) -> the state of its row, and what the run does next.

The worst bug of this package would be a line in this file: a create that may have been carried out must never count
as one that was not, and one that was not carried out must never count as one that was. Only what the API documents is
believed: a response may come from a proxy, a firewall, a cache or another service, and it may answer another request.
`guides/effects.md` has the first table in words.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Collection, Container, Mapping
from contextlib import suppress
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
_CREATE = Operation.CREATE
_TYPED_READS = (Operation.GET, Operation.LIST, Operation.CONTACTS)
_NOTHING_DONE = (Effect.NOT_SENT, Effect.REJECTED)
_NON_IDEMPOTENT = (Action.CREATE, Action.SEND)
_CHANGES = (Action.UPDATE, Action.DELETE)
_RAW_CHANGES = (Action.SEND, Action.REPLACE)
_READS = (Action.LIST, Action.GET, Action.READ)


def effect_of(error: BaseException) -> Effect:
    """Return the effect of the request that ended with this error; UNKNOWN if the error does not say.

    Works for a `CancelledError` too, if it went through a call of this package, and for the `TimeoutError` that
    `asyncio.timeout` around one call makes of it.
    """
    effect = getattr(error, "effect", None)
    if effect is None and isinstance(error.__cause__, CancelledError):
        effect = getattr(error.__cause__, "effect", None)
    return effect if isinstance(effect, Effect) else Effect.UNKNOWN


def note_effect(error: BaseException, effect: Effect) -> None:
    """Attach to a `CancelledError` or another foreign error the effect that `effect_of` returns for it."""
    with suppress(AttributeError):  # a class with slots
        setattr(error, "effect", effect)  # noqa: B010  # the class does not declare it


def is_non_idempotent(operation: Operation) -> bool:
    """Return True if carrying the operation out twice does harm."""
    return operation.action in _NON_IDEMPOTENT


def changes_something(operation: Operation) -> bool:
    """Return True if the operation is no read."""
    return operation.action not in _READS


# Table 1: an attempt


class BodyForm(Enum):
    """The form of a response's body, as far as it shows who wrote it.

    The first four are forms of a create's success, the others of any response.

    Attributes:
        ID: The new id as documented: a JSON string or bare text, 1 to 200 of `A-Z a-z 0-9 . _ -`, with a digit.
        GIVEN_ID: The same, but another create was given this id.
        POSSIBLE_ID: Another text that may be an id, or a JSON object with an `id`.
        CUT: The head of the response arrived, and not all of its body.
        EMPTY: Nothing but white space.
        TEXT: Plain text.
        PROBLEM: A JSON object with `title`, `status`, `traceId` or `errors`, or ASP.NET's messages by field.
        JSON: Any other JSON.
        HTML: HTML by its content type, or a body that begins with `<`.
    """

    ID = "id"
    GIVEN_ID = "given id"
    POSSIBLE_ID = "possible id"
    CUT = "cut"
    EMPTY = "empty"
    TEXT = "text"
    PROBLEM = "problem"
    JSON = "JSON"
    HTML = "HTML"


_ID = BodyForm.ID  # Python 3.11 looks up a member slowly
_IDS = (BodyForm.ID, BodyForm.GIVEN_ID, BodyForm.POSSIBLE_ID)
_OWN: Final = (BodyForm.EMPTY, BodyForm.TEXT, BodyForm.PROBLEM)
"""The forms in which the API answers. A body in another form may come from a proxy, a firewall or another service."""


def is_own_form(form: BodyForm | None) -> bool:
    """Return True if the API itself may have written a body of this form."""
    return form in _OWN


class Met(Enum):
    """The end of an attempt without a status, or with a status that a setting explains.

    Attributes:
        NO_CONNECTION: No byte of the request went out.
        MISCONFIGURED: No byte went out, and none will: a certificate, TLS or the host's name is wrong.
        NO_RESPONSE: The request may have gone out, and there is no complete response.
        REJECTED_STATUS: A status that this server answers only if it did nothing (`RetryPolicy.rejected_statuses`).
    """

    NO_CONNECTION = "no connection"
    MISCONFIGURED = "misconfigured"
    NO_RESPONSE = "no response"
    REJECTED_STATUS = "rejected status"


@frozen
class _AttemptBelief:
    """A line of table 1."""

    actions: Container[Action] | None  # the actions of requests; None for any
    met: Container[int | Met] | None  # statuses of complete responses, or other ends; None for any
    forms: Container[BodyForm] | None  # the forms of the body; None for any
    effect: Effect
    transient: bool = False  # True if the same request may succeed later
    read_back: bool = False  # True if reading the campaign can prove that the request was carried out


_SUCCESSES: Final = range(200, 300)
_REJECTIONS: Final = (400, 404, 405, 411, 413, 414, 415, 422, 431)
"""Statuses that say that the request itself was not accepted, whoever answers."""
_ATTEMPTS: Final = (  # the first line that fits counts
    _AttemptBelief(None, (Met.NO_CONNECTION,), None, Effect.NOT_SENT, transient=True),
    _AttemptBelief(None, (Met.MISCONFIGURED,), None, Effect.NOT_SENT),
    _AttemptBelief(None, (Met.NO_RESPONSE,), None, Effect.UNKNOWN, transient=True),
    _AttemptBelief(None, (Met.REJECTED_STATUS,), None, Effect.REJECTED, transient=True),
    # A read has no effect: its value is checked where it is read.
    _AttemptBelief(_READS, _SUCCESSES, None, Effect.APPLIED),
    # A create: 201 with a new id. A cache, a login page or a health check answers 200 too.
    _AttemptBelief((Action.CREATE,), (201,), (BodyForm.ID,), Effect.APPLIED),
    _AttemptBelief(_NON_IDEMPOTENT, (201,), (BodyForm.EMPTY, BodyForm.CUT), Effect.APPLIED),  # its id is not known
    _AttemptBelief((Action.CREATE,), _SUCCESSES, _IDS, Effect.UNKNOWN, read_back=True),
    _AttemptBelief((Action.CREATE,), _SUCCESSES, None, Effect.UNKNOWN),
    # An update or a delete: 204.
    _AttemptBelief(_CHANGES, (204,), None, Effect.APPLIED),
    _AttemptBelief(_CHANGES, _SUCCESSES, None, Effect.UNKNOWN, read_back=True),
    _AttemptBelief(_CHANGES, (404,), _OWN, Effect.REJECTED, read_back=True),  # after an attempt that is unknown
    _AttemptBelief(_CHANGES, (404,), None, Effect.UNKNOWN, read_back=True),  # a wrong path, or a proxy's page
    # A raw request: another 2xx is returned, and what it proves is for the caller to decide.
    _AttemptBelief(_RAW_CHANGES, (201, 204), None, Effect.APPLIED),
    _AttemptBelief(_RAW_CHANGES, _SUCCESSES, None, Effect.UNKNOWN),
    # Any request.
    _AttemptBelief(None, (307, 308), None, Effect.REJECTED),  # they ask for a repeat elsewhere
    _AttemptBelief(None, range(300, 400), None, Effect.UNKNOWN),  # 303 may follow a POST that was carried out
    _AttemptBelief(None, (408,), None, Effect.UNKNOWN, transient=True),
    _AttemptBelief(None, (429,), None, Effect.REJECTED, transient=True),
    _AttemptBelief(None, _REJECTIONS, None, Effect.REJECTED),
    _AttemptBelief(None, range(400, 500), _OWN, Effect.REJECTED),
    # A firewall may filter the response after the server acted.
    _AttemptBelief(None, range(400, 500), None, Effect.UNKNOWN),
    # A proxy may answer 5xx after it forwarded the request: Varnish answers 503 with Retry-After for a slow server.
    _AttemptBelief(None, range(500, 1000), None, Effect.UNKNOWN, transient=True),
    _AttemptBelief(None, None, None, Effect.UNKNOWN),
)


@frozen
class AttemptOutcome:
    """The conclusion from one attempt.

    Attributes:
        read_back: True if reading the campaign can prove that the request was carried out, while the effect of the call is unknown.
        reusable: True if the response is a documented success, so that its connection may carry another request.
    """

    effect: Effect  # the effect of the request
    retryable: bool  # True if the same request may be sent again
    renew_key: bool = False  # True if the request may be sent again with another API key
    read_back: bool = False
    reusable: bool = False


_DOCUMENTED = AttemptOutcome(Effect.APPLIED, retryable=False, reusable=True)


def classify_attempt(
    operation: Operation,
    status: int | None,
    form: BodyForm = BodyForm.EMPTY,
    *,
    sent: bool = True,
    misconfigured: bool = False,
    rejected_statuses: tuple[int, ...] = (),
) -> AttemptOutcome:
    """Return the conclusion from one attempt.

    Args:
        operation: The request's operation.
        status: The status of a response; None without one.
        form: The form of the response's body. For a create's success: what it has in place of the new id.
        sent: True if any byte of the request may have gone out. Ignored if there is a status.
        misconfigured: True if there is no connection for a reason that does not pass. Ignored if there is a status.
        rejected_statuses: Statuses that this server answers only if it did nothing.
    """
    # Almost every attempt, without a search in the table.
    if (status == 201 and form is _ID and operation is _CREATE) or (status == 200 and operation in _TYPED_READS):
        return _DOCUMENTED
    met: int | Met
    if status is None:
        met = Met.NO_RESPONSE if sent else Met.MISCONFIGURED if misconfigured else Met.NO_CONNECTION
    else:
        met = Met.REJECTED_STATUS if status in rejected_statuses else status
    belief = next(
        belief
        for belief in _ATTEMPTS
        if (belief.actions is None or operation.action in belief.actions)
        and (belief.met is None or met in belief.met)
        and (belief.forms is None or form in belief.forms)
    )
    is_safe = belief.effect in _NOTHING_DONE or not is_non_idempotent(operation)
    return AttemptOutcome(
        belief.effect,
        retryable=belief.transient and is_safe,
        renew_key=status == 401 and is_safe,
        read_back=belief.read_back,
    )


def is_throttled(status: int, retry_after: float | None) -> bool:
    """Return True if a response asks the whole client to slow down. The effect of its own request is another matter."""
    return status == 429 or (status == 503 and retry_after is not None)


def combine(earlier: Effect, latest: Effect) -> Effect:
    """Return the effect of a call by that of all attempts before the latest, and that of the latest."""
    return max(earlier, latest, key=_RISING.index)


def combine_requests(effects: Collection[Effect]) -> Effect | None:
    """Return the effect of several requests of one operation: the least certain one; None without a request."""
    order = (Effect.UNKNOWN, Effect.APPLIED, Effect.REJECTED, Effect.NOT_SENT)
    return next((effect for effect in order if effect in effects), None)


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
        MISCONFIGURED: A certificate, TLS or the host's name is wrong, so that there is no connection.
    """

    NO_RESPONSE = "no response"
    ARGUMENT = "argument"
    CLIENT = "client"
    MISCONFIGURED = "misconfigured"


@frozen
class _RowBelief:
    """A line of table 2.

    Attributes:
        action: The run's next step. An unknown row with BACK_OFF is an outage: further creates would be unknown too.
    """

    effect: Effect
    met: Container[int | Cause] | None  # statuses, or causes of errors without a response; None for any
    state: State  # the row's new state
    action: RunAction
    forms: Container[BodyForm | None] | None = None  # the forms of the response's body; None for any


_OTHER_4XX: Final = tuple(status for status in range(400, 500) if status != 408)
_FOREIGN: Final = (BodyForm.JSON, BodyForm.HTML)
_ROWS: Final = (  # the first line that fits counts
    _RowBelief(Effect.NOT_SENT, (Cause.CLIENT, Cause.MISCONFIGURED), State.PLANNED, RunAction.STOP),
    _RowBelief(Effect.NOT_SENT, (Cause.ARGUMENT,), State.FAILED, RunAction.CONTINUE),
    _RowBelief(Effect.NOT_SENT, None, State.PLANNED, RunAction.BACK_OFF),
    _RowBelief(Effect.REJECTED, (Cause.CLIENT, Cause.MISCONFIGURED), State.PLANNED, RunAction.STOP),  # of a retry
    _RowBelief(Effect.REJECTED, (Cause.NO_RESPONSE,), State.PLANNED, RunAction.BACK_OFF),  # of a later attempt
    _RowBelief(Effect.REJECTED, range(300, 400), State.PLANNED, RunAction.STOP),
    _RowBelief(Effect.REJECTED, (401, 404, 405, 407), State.PLANNED, RunAction.STOP),
    _RowBelief(Effect.REJECTED, (408, 429), State.PLANNED, RunAction.BACK_OFF),
    _RowBelief(Effect.REJECTED, range(500, 600), State.PLANNED, RunAction.BACK_OFF),  # by `rejected_statuses`
    _RowBelief(Effect.REJECTED, None, State.FAILED, RunAction.CONTINUE),
    _RowBelief(Effect.UNKNOWN, range(300, 400), State.UNKNOWN, RunAction.STOP),  # a wrong base_url
    _RowBelief(Effect.UNKNOWN, _OTHER_4XX, State.UNKNOWN, RunAction.STOP),  # a firewall: each row would meet it
    _RowBelief(Effect.UNKNOWN, (503,), State.UNKNOWN, RunAction.BACK_OFF),
    _RowBelief(Effect.UNKNOWN, _SUCCESSES, State.UNKNOWN, RunAction.BACK_OFF),  # another service, or a cache
    _RowBelief(Effect.UNKNOWN, range(400, 1000), State.UNKNOWN, RunAction.BACK_OFF, _FOREIGN),
    _RowBelief(Effect.UNKNOWN, None, State.UNKNOWN, RunAction.CONTINUE),
    _RowBelief(Effect.APPLIED, None, State.UNKNOWN, RunAction.CONTINUE),  # created, but its id is not known
)


def classify_row(effect: Effect, met: int | Cause, form: BodyForm | None = None) -> tuple[State, RunAction]:
    """Return the state of a row whose create raised an error, and the run's next step.

    Args:
        effect: The effect of the create.
        met: The status of the response, or the cause of an error without a response.
        form: The form of the response's body; None without a response.
    """
    return next(
        (belief.state, belief.action)
        for belief in _ROWS
        if belief.effect is effect
        and (belief.met is None or met in belief.met)
        and (belief.forms is None or form in belief.forms)
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
        State.PLANNED: frozenset({State.CREATED, State.UNKNOWN, State.FAILED}),
        State.SENDING: frozenset[State](),
        State.CREATED: frozenset({State.UNKNOWN, State.PLANNED, State.FAILED, State.CREATED}),
        State.FAILED: frozenset({State.UNKNOWN}),
        State.UNKNOWN: frozenset[State](),
    }
)
"""Moves that no run makes by itself: PLANNED to CREATED for a campaign that is adopted, PLANNED or FAILED to UNKNOWN in a
journal that was restored, CREATED to UNKNOWN for an id that was given twice. All others are made on a person's word only."""


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
