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
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Call:
    """The state of one call while it runs."""

    # Defaults are on the class: setting them in each instance costs as much as the rest of its construction.
    id: int = 0  # the call's number among the calls of the client, from 1; 0 without an observer
    attempts: int = 0  # so far, the current one included
    effect: Effect = _NOT_SENT  # of all attempts that have ended
    marker: SendMarker | None = None  # of the current attempt
    outcome: AttemptOutcome | None = None  # of the latest attempt
    form: BodyForm | None = None  # of the latest response's body; None if it was not looked at
    retry_after: float | None = None  # seconds, by the latest response
    request_id: str | None = None  # the server's, of the latest request; None without an observer
    key_renewed: bool = False
    retry_paid: bool = False  # True if the latest retry was taken from the quota
    out_of_time: bool = False  # True if another attempt was due, but only after the deadline

    def __init__(
        self,
        request: Request,
        started: float,
        give_up: float | None,
        on_attempt: Callable[[], None] | None,
        judge: Callable[[Response], BodyForm] | None,
    ) -> None:
        self.request = request
        self.started = started  # in seconds of the clock
        self.give_up = give_up  # the moment of the deadline
        self.on_attempt = on_attempt  # called before each attempt
        self.judge = judge  # returns the form of a 2xx response's body, if it matters

    def effect_if_aborted(self) -> Effect:
        """Return the effect of the call if it is aborted at this moment."""
        return _UNKNOWN if self.marker is not None and self.marker.sent else self.effect
