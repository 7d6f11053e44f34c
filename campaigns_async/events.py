"""Events for an observer: frozen values, in the order in which things happen.

Each event has an `id`, which increases over all events of a client, and the `call_id` of its call. A call has
`CallStarted`, then `AttemptStarted` and `AttemptFinished` for each attempt, `Waiting` before each pause between two
attempts and each wait for a slot, the rate limit or the end of a hold, and `CallFinished`. The observer receives them
in the caller's task and context. A request that reads a campaign back, to confirm a response, is a call of its own
before the `CallFinished` of the call that it confirms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from attrs import frozen

from campaigns_async.effects import Effect
from campaigns_async.values import Operation


@frozen
class _CallEvent:
    id: int
    call_id: int
    operation: Operation


@frozen
class _RequestEvent(_CallEvent):
    method: str
    path: str


@frozen
class CallStarted(_RequestEvent):
    """The start of a call.

    Attributes:
        id: The event's number, from 1.
        call_id: The call's number, from 1.
        operation: The call's operation.
        method: The HTTP method.
        path: The path, without the query.
    """


@frozen
class AttemptStarted(_RequestEvent):
    """The start of an attempt: its request has a slot and is about to be sent. It has the fields of `CallStarted`.

    Attributes:
        attempt: The attempt's number, from 1.
    """

    attempt: int


@frozen
class AttemptFinished(_RequestEvent):
    """The end of an attempt: a response, a failure, or an abort. It has the fields of `CallStarted`.

    Attributes:
        attempt: The attempt's number, from 1.
        status: The HTTP status; None without a complete response.
        failure: The kind of failure: connect, certificate, tls, unknown_host, proxy, connect_timeout, dropped,
            read_timeout, deadline, cancelled, or the name of an error's class; None for a response.
        effect: The effect of the request on the server.
        elapsed: Seconds since the start of the call.
        request_id: The server's id of the request; None if the server sent no id.
    """

    attempt: int
    status: int | None
    failure: str | None
    effect: Effect
    elapsed: float
    request_id: str | None


@frozen
class Waiting(_CallEvent):
    """The start of a pause between two attempts, or of a wait before one. A call that waits has no slot.

    The next `AttemptStarted` of the same call is the end of the wait. `id`, `call_id` and `operation` are those of
    `CallStarted`.

    Attributes:
        reason: Between two attempts, `retry_after` if the server named the time, else `backoff`. Before an attempt,
            `hold` while the server has asked the whole client to wait, `slot` if `max_concurrency` requests are in
            flight, else `rate`.
        seconds: The length of the pause between two attempts, in seconds; else the shortest that the wait can be, which
            is 0 for `slot`.
    """

    reason: str
    seconds: float


@frozen
class CallFinished(_RequestEvent):
    """The end of a call: it returned a value, raised an error, or was cancelled. It has the fields of `CallStarted`.

    Attributes:
        attempts: The number of requests that the call sent.
        elapsed: The length of the call, in seconds.
        effect: The effect of the call on the server.
        error_type: The name of the error's class, which may be `CancelledError`; None for a success.
        request_id: The server's id of the last request; None if the server sent no id.
    """

    attempts: int
    elapsed: float
    effect: Effect
    error_type: str | None
    request_id: str | None


@frozen
class Reconciled:
    """The end of a search for a create whose outcome was unknown.

    Attributes:
        id: The event's number, from 1.
        verdict: `found`, `absent` or `unknown`.
        looks: The number of times that the search read the server's list.
        elapsed: Seconds since the end of the create.
    """

    id: int
    verdict: str
    looks: int
    elapsed: float


@frozen
class DuplicateId:
    """The server gave one id to two creates of this client. The earlier one has returned the id.

    Attributes:
        id: The event's number, from 1.
        campaign_id: The id.
        effect: The effect of the later create: APPLIED if the campaign with this id is equal to it alone, else UNKNOWN.
        earlier_effect: The same of the earlier create.
    """

    id: int
    campaign_id: str
    effect: Effect
    earlier_effect: Effect


Event: TypeAlias = CallStarted | AttemptStarted | AttemptFinished | Waiting | CallFinished | Reconciled | DuplicateId


class Observer(Protocol):
    """A receiver of events.

    Its methods are called in the thread of the event loop and must not block. An exception that they raise is logged by
    its type and otherwise ignored, so that it cannot harm a send.
    """

    def on_event(self, event: Event, /) -> None:
        """Receive an event."""
        ...


class HeaderObserver(Observer, Protocol):
    """An observer that adds headers to each attempt, such as `traceparent`."""

    def headers(self, event: AttemptStarted, /) -> Mapping[str, str]:
        """Return headers for an attempt that is about to be sent. It is called after `on_event`, with the same event.

        A header is dropped and logged if its text is not printable ASCII, or if it has one of the names that carry the
        API key or control the transfer: Authorization, api-key, Host, Content-*, Expect and the like.
        """
        ...
