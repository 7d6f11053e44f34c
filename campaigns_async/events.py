"""What an observer receives: frozen values, in the order in which things happen.

Each event has an `id` that increases over all events of a client, and the `call_id` of its call. A call has
`CallStarted`, then for each attempt `AttemptStarted` and `AttemptFinished`, `Waiting` before each pause between two
attempts, and `CallFinished`. The observer receives them in the caller's task and context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from attrs import frozen

from campaigns_async.effects import Effect
from campaigns_async.values import Operation


@frozen
class CallStarted:
    """A call has begun.

    Attributes:
        id: The event's number, from 1.
        call_id: The call's number, from 1.
        operation: What the call does.
        method: The HTTP method.
        path: The path, without the query.
    """

    id: int
    call_id: int
    operation: Operation
    method: str
    path: str


@frozen
class AttemptStarted:
    """A request has a slot and is about to be sent.

    Attributes:
        id: The event's number, from 1.
        call_id: The call's number, from 1.
        operation: What the call does.
        method: The HTTP method.
        path: The path, without the query.
        attempt: The attempt's number, from 1.
    """

    id: int
    call_id: int
    operation: Operation
    method: str
    path: str
    attempt: int


@frozen
class AttemptFinished:
    """A request was answered, failed, or was given up.

    Attributes:
        id: The event's number, from 1.
        call_id: The call's number, from 1.
        operation: What the call does.
        method: The HTTP method.
        path: The path, without the query.
        attempt: The attempt's number, from 1.
        status: The HTTP status; None where no complete response came.
        failure: What failed, in a word: connect, connect_timeout, dropped, read_timeout, deadline, cancelled, or the
            name of an error's class; None for a response.
        effect: What is known of the request's effect.
        elapsed: Seconds from the start of the call.
        request_id: The server's id of the request, None where it named none.
    """

    id: int
    call_id: int
    operation: Operation
    method: str
    path: str
    attempt: int
    status: int | None
    failure: str | None
    effect: Effect
    elapsed: float
    request_id: str | None


@frozen
class Waiting:
    """A call is about to wait between two attempts, holding no slot.

    Attributes:
        id: The event's number, from 1.
        call_id: The call's number, from 1.
        operation: What the call does.
        reason: `backoff`, or `retry_after` where the server named the time.
        seconds: How long.
    """

    id: int
    call_id: int
    operation: Operation
    reason: str
    seconds: float


@frozen
class CallFinished:
    """A call returned, raised, or was cancelled.

    Attributes:
        id: The event's number, from 1.
        call_id: The call's number, from 1.
        operation: What the call does.
        method: The HTTP method.
        path: The path, without the query.
        attempts: Requests that the call sent.
        elapsed: Seconds.
        effect: What is known of the call's effect.
        error_type: Name of the error's class, `CancelledError` among them; None for a success.
        request_id: The server's id of the last request, None where it named none.
    """

    id: int
    call_id: int
    operation: Operation
    method: str
    path: str
    attempts: int
    elapsed: float
    effect: Effect
    error_type: str | None
    request_id: str | None


@frozen
class Reconciled:
    """A create of unknown outcome was looked for.

    Attributes:
        id: The event's number, from 1.
        verdict: found, absent or unknown.
        looks: How often the server was searched.
        elapsed: Seconds.
    """

    id: int
    verdict: str
    looks: int
    elapsed: float


Event: TypeAlias = CallStarted | AttemptStarted | AttemptFinished | Waiting | CallFinished | Reconciled


class Observer(Protocol):
    """Receives each event, in the loop's thread: it must not block.

    What it raises is logged by its type and otherwise dropped: it can harm no send.
    """

    def on_event(self, event: Event, /) -> None:
        """Receive one event."""
        ...


class HeaderObserver(Observer, Protocol):
    """An observer that adds headers to each attempt, such as `traceparent`."""

    def headers(self, event: AttemptStarted, /) -> Mapping[str, str]:
        """Return headers for an attempt that is about to be sent, after `on_event` has received the same event.

        Names that would carry the key, change how the request is read, or when it leaves (Authorization, api-key,
        Host, Content-*, Expect and the like), and whatever is not printable ASCII, are dropped and logged.
        """
        ...
