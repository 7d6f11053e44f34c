"""The state of one call, and the clock that times it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from campaigns_async._http.request import Request
from campaigns_async._http.response import Response
from campaigns_async._http.transport import SendMarker
from campaigns_async.effects import AttemptOutcome, BodyForm, Effect

_NOT_SENT, _UNKNOWN = Effect.NOT_SENT, Effect.UNKNOWN  # Python 3.11 looks up a member slowly


class Clock:
    """The time of the running event loop, so that a test's loop with a time of its own needs nothing more."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:  # there is no loop: `repr(client)` may be called anywhere
            return time.monotonic()

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`."""
        await asyncio.sleep(seconds)


class Call:
    """The state of one call while it runs.

    Attributes:
        id: The call's number among the calls of the client, from 1; 0 without an observer.
        request: The request to send.
        started: The start of the call, in seconds of the clock.
        give_up: The moment of the deadline, in seconds of the clock; None for no deadline.
        on_attempt: Called before each attempt.
        judge: Returns the form of a 2xx response's body; None if it does not matter.
        attempts: Attempts so far, the current one included.
        effect: The effect of all attempts that have ended.
        marker: The marker of the current attempt; None between attempts.
        outcome: The outcome of the latest attempt.
        form: The form of the latest response's body; None if it was not looked at.
        retry_after: Seconds to wait by the latest response; None if it did not say.
        request_id: The server's id of the latest request; None without an observer.
        key_renewed: True if the API key was renewed for this call.
        retry_paid: True if the latest retry of this call was taken from the quota.
        out_of_time: True if another attempt was due, but only after the deadline.
    """

    # Defaults are on the class: setting them in each instance costs as much as the rest of its construction.
    id: int = 0
    attempts: int = 0
    effect: Effect = _NOT_SENT
    marker: SendMarker | None = None
    outcome: AttemptOutcome | None = None
    form: BodyForm | None = None
    retry_after: float | None = None
    request_id: str | None = None
    key_renewed: bool = False
    retry_paid: bool = False
    out_of_time: bool = False

    def __init__(
        self,
        request: Request,
        started: float,
        give_up: float | None,
        on_attempt: Callable[[], None] | None,
        judge: Callable[[Response], BodyForm] | None,
    ) -> None:
        self.request = request
        self.started = started
        self.give_up = give_up
        self.on_attempt = on_attempt
        self.judge = judge

    def effect_if_aborted(self) -> Effect:
        """Return the effect of the call if it is aborted at this moment."""
        return _UNKNOWN if self.marker is not None and self.marker.sent else self.effect
