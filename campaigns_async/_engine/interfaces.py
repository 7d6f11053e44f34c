"""What the engine asks of the world: a transport, a clock and a source of randomness; and the state of one call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from campaigns_async._http.request import Request
from campaigns_async._http.transport import SendMarker
from campaigns_async.effects import AttemptOutcome, Effect

_NOT_SENT, _UNKNOWN = Effect.NOT_SENT, Effect.UNKNOWN  # Python 3.11 looks a member up slowly


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def monotonic(self) -> float:
        """Return seconds, of which only differences mean anything."""
        ...

    def now(self) -> datetime:
        """Return the time of day, aware."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class LoopClock:
    """The running event loop's own time, so that a loop with a time of its own needs nothing more."""

    def monotonic(self) -> float:
        """Return seconds, of which only differences mean anything."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:  # no loop: a repr may be called anywhere
            return time.monotonic()

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        await asyncio.sleep(seconds)


class Random(Protocol):
    """A source of randomness: `random.Random` is one."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return a number between the two."""
        ...


class Call:
    """The state of one call while it runs.

    Attributes:
        id: The call's number among those of the client, from 1; 0 without an observer.
        request: What is sent.
        started: When the call began, on the clock.
        give_up: When the deadline passes; None for no deadline.
        on_attempt: Called before each attempt.
        attempts: Attempts so far, the current one included.
        effect: The effect of all attempts that have ended.
        marker: Of the current attempt; None between attempts.
        outcome: Of the latest attempt.
        retry_after: Seconds that the latest response asked to wait.
        request_id: The server's id of the latest response; None without an observer.
        key_renewed: True if the key was renewed for this call.
        retry_paid: True if its latest retry was paid for out of the quota.
        out_of_time: True if another attempt was due, but only after the deadline.
    """

    # Defaults stand on the class: to set them in each call costs as much as all else about making it.
    id: int = 0
    attempts: int = 0
    effect: Effect = _NOT_SENT
    marker: SendMarker | None = None
    outcome: AttemptOutcome | None = None
    retry_after: float | None = None
    request_id: str | None = None
    key_renewed: bool = False
    retry_paid: bool = False
    out_of_time: bool = False

    def __init__(
        self, request: Request, started: float, give_up: float | None, on_attempt: Callable[[], None] | None
    ) -> None:
        self.request = request
        self.started = started
        self.give_up = give_up
        self.on_attempt = on_attempt

    def effect_if_aborted(self) -> Effect:
        """Return the call's effect if it is cut off at this moment."""
        return _UNKNOWN if self.marker is not None and self.marker.sent else self.effect
