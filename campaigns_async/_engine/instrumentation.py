"""Tells an observer what happens to calls; imported only where there is one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from attrs import frozen

from campaigns_async._engine.interfaces import Clock
from campaigns_async.events import AttemptFinished, CallFinished, Event, Observer, Reconciled, Waiting
from campaigns_async.values import Delivery

if TYPE_CHECKING:
    from campaigns_async._engine.caller import Call

_log = logging.getLogger("campaigns_async")


@frozen
class Stats:
    """A snapshot of a client; totals count from its first call.

    Attributes:
        max_concurrency: Slots.
        in_flight: Slots taken.
        waiting: Calls that wait for a slot, for the rate, or for the end of a hold.
        held_for: Seconds for which the server has asked to send nothing; 0 when it has not.
        rate_limit: Requests a second, None for no limit.
        sent_last_second: Requests that left within the last second; None without a rate limit.
        calls: Calls that began.
        attempts: Requests that went out to the server.
        retries: Those of them that were not a call's first.
        throttled: Answers that asked to slow down.
        retry_quota: Tokens left for retries.
    """

    max_concurrency: int
    in_flight: int
    waiting: int
    held_for: float
    rate_limit: float | None
    sent_last_second: int | None
    calls: int
    attempts: int
    retries: int
    throttled: int
    retry_quota: int


class Teller:
    """Makes the events, and hands them to the observer."""

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self._observer = observer
        self._clock = clock

    def attempt(self, call: Call, status: int | None, failure: str | None, delivery: Delivery) -> None:
        """An attempt is over."""
        request, elapsed = call.request, self._clock.monotonic() - call.started
        self._tell(
            AttemptFinished(
                request.operation, request.method, request.path, call.attempts, status, failure, delivery, elapsed
            )
        )

    def waiting(self, call: Call, seconds: float) -> None:
        """A call is about to wait."""
        reason = "backoff" if call.retry_after is None else "retry_after"
        self._tell(Waiting(call.request.operation, reason, seconds))

    def finished(self, call: Call, delivery: Delivery, error_type: str | None) -> None:
        """A call is over."""
        request, elapsed = call.request, self._clock.monotonic() - call.started
        self._tell(
            CallFinished(request.operation, request.method, request.path, call.attempts, elapsed, delivery, error_type)
        )

    def reconciled(self, verdict: str, looks: int, elapsed: float) -> None:
        """A create in doubt was looked for."""
        self._tell(Reconciled(verdict, looks, elapsed))

    def _tell(self, event: Event) -> None:
        try:
            self._observer.on_event(event)
        except Exception as error:  # an observer's fault must not harm a send
            _log.warning("the observer raised %s, which was dropped", type(error).__name__)
