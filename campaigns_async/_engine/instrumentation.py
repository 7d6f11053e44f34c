"""Instrumentation of a client: events for its observer, and a snapshot of its state."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

from campaigns_async._engine.call import Call, Clock
from campaigns_async._http.request_headers import find_header_fault
from campaigns_async.effects import Effect
from campaigns_async.events import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CallStarted,
    DuplicateId,
    Event,
    Observer,
    Reconciled,
    Waiting,
)
from campaigns_async.values import Operation

_log = logging.getLogger("campaigns_async")
_MOST_HEADERS = 20


@frozen
class Stats:
    """A snapshot of a client's state. Totals count from the first call of the client.

    Attributes:
        max_concurrency: Requests in flight at most.
        in_flight: Requests in flight.
        waiting: Calls that wait for a slot, for the rate limit, or for the end of a pause.
        held_for: Seconds until the pause ends that the server asked for; 0 without a pause.
        rate_limit: Requests per second at most; None for no limit.
        sent_last_second: Requests sent within the last second; None without a rate limit.
        calls: Calls started.
        attempts: Requests sent.
        retries: Requests sent that were not the first of their call.
        throttled: Responses that asked the client to slow down.
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


class Instrumentation:
    """A source of events about a client's calls, for its observer."""

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self._observer = observer
        self._clock = clock
        self._headers: Callable[[AttemptStarted], Mapping[str, str]] | None = getattr(observer, "headers", None)
        self._call_ids = itertools.count(1)
        self._event_ids = itertools.count(1)

    def start_call(self, call: Call) -> None:
        """Give a call its number, and report its start."""
        call.id = next(self._call_ids)
        self._emit(CallStarted(*self._describe(call)))

    def start_attempt(self, call: Call) -> Mapping[str, str] | None:
        """Report that an attempt is about to be sent. Return the headers that the observer adds."""
        event = AttemptStarted(*self._describe(call), call.attempts)
        self._emit(event)
        if self._headers is None:
            return None
        try:
            return dict(self._select_headers(self._headers(event)))
        except Exception as error:  # an observer's bug must not harm a send
            _log.warning("the observer's headers() raised %s, which was ignored", type(error).__name__)
            return None

    def finish_attempt(self, call: Call, status: int | None, failure: str | None, effect: Effect) -> None:
        self._emit(
            AttemptFinished(
                *self._describe(call), call.attempts, status, failure, effect, self._seconds_of(call), call.request_id
            )
        )

    def start_wait(self, call: Call, seconds: float, reason: str) -> None:
        self._emit(Waiting(next(self._event_ids), call.id, call.request.operation, reason, seconds))

    def finish_call(self, call: Call, effect: Effect, error_type: str | None) -> None:
        self._emit(
            CallFinished(
                *self._describe(call), call.attempts, self._seconds_of(call), effect, error_type, call.request_id
            )
        )

    def report_reconciliation(self, verdict: str, looks: int, elapsed: float) -> None:
        self._emit(Reconciled(next(self._event_ids), verdict, looks, elapsed))

    def report_duplicate(self, campaign_id: str, effect: Effect, earlier_effect: Effect) -> None:
        self._emit(DuplicateId(next(self._event_ids), campaign_id, effect, earlier_effect))

    def _describe(self, call: Call) -> tuple[int, int, Operation, str, str]:
        """Return the first fields of an event about a call: its id, and the call's."""
        request = call.request
        return next(self._event_ids), call.id, request.operation, request.method, request.path

    def _seconds_of(self, call: Call) -> float:
        return self._clock.monotonic() - call.started

    def _emit(self, event: Event) -> None:
        try:
            self._observer.on_event(event)
        except Exception as error:  # an observer's bug must not harm a send
            _log.warning("the observer raised %s, which was ignored", type(error).__name__)

    def _select_headers(self, headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Yield the headers that an observer may add."""
        for count, (name, value) in enumerate(headers.items(), 1):
            if count > _MOST_HEADERS:
                _log.warning("the observer's headers after the first %d were dropped", _MOST_HEADERS)
                return
            if (fault := find_header_fault(name, value)) is not None:
                _log.warning("a header of the observer was dropped: %s", fault)
            else:
                yield name, value
