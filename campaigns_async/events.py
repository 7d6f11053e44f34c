"""What an observer is told: frozen values, in the order in which things happen."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from attrs import frozen

from campaigns_async.values import Delivery, Operation


@frozen
class AttemptFinished:
    """A request was answered, failed, or was given up."""

    operation: Operation
    method: str
    path: str
    attempt: int
    """From 1."""
    status: int | None
    """None where no complete answer came."""
    failure: str | None
    """What failed, in a word: connect, connect_timeout, dropped, read_timeout, deadline, cancelled."""
    delivery: Delivery
    elapsed: float
    """Seconds from the start of the call."""


@frozen
class Waiting:
    """A call is about to wait, holding no slot."""

    operation: Operation
    reason: str
    """`backoff`, or `retry_after` where the server named the time."""
    seconds: float


@frozen
class CallFinished:
    """A call returned, raised, or was cancelled."""

    operation: Operation
    method: str
    path: str
    attempts: int
    elapsed: float
    """Seconds."""
    delivery: Delivery
    error_type: str | None
    """Name of the error's class, `CancelledError` among them; None for a success."""


@frozen
class Reconciled:
    """A create that had ended in doubt was looked for."""

    verdict: str
    """found, absent or in_doubt."""
    looks: int
    elapsed: float
    """Seconds."""


Event: TypeAlias = AttemptFinished | Waiting | CallFinished | Reconciled


class Observer(Protocol):
    """Is told of each event, in the loop's thread: it must not block.

    What it raises is logged by its type and otherwise dropped: it can harm no send.
    """

    def on_event(self, event: Event, /) -> None:
        """Take one event."""
        ...
