"""What a client says of itself: a snapshot of its state, and events for an observer."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

from campaigns_async._engine.interfaces import Call, Clock
from campaigns_async.effects import Effect
from campaigns_async.events import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CallStarted,
    Event,
    Observer,
    Reconciled,
    Waiting,
)

_log = logging.getLogger("campaigns_async")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e]{0,4000}\Z")
_MOST_HEADERS = 20
_RESERVED = re.compile(
    # The key; what decides where and how a server reads the request; what lets headers leave before the body.
    r"(authorization|proxy-.*|api-key|cookie|host|content-.*|transfer-encoding|te|trailer|connection|keep-alive"
    r"|upgrade|expect|accept|accept-encoding|x-http-method|x-http-method-override|x-method-override)\Z",
    re.IGNORECASE,
)


@frozen
class Stats:
    """A snapshot of a client; totals count from its first call.

    Attributes:
        max_concurrency: Slots.
        in_flight: Slots taken.
        waiting: Calls that wait for a slot, for the rate, or for the end of a pause.
        held_for: Seconds for which the server has asked to send nothing; 0 when it has not.
        rate_limit: Requests per second, None for no limit.
        sent_last_second: Requests that left within the last second; None without a rate limit.
        calls: Calls that began.
        attempts: Requests that went out to the server.
        retries: Those of them that were not a call's first.
        throttled: Responses that asked to slow down.
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
    """Makes the events of a client's calls and hands them to its observer."""

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self._observer = observer
        self._clock = clock
        self._headers: Callable[[AttemptStarted], Mapping[str, str]] | None = getattr(observer, "headers", None)
        self._call_ids = itertools.count(1)
        self._event_ids = itertools.count(1)

    def call_started(self, call: Call) -> None:
        """Report that a call has begun, and number it."""
        call.id, request = next(self._call_ids), call.request
        self._emit(CallStarted(self._next_id(), call.id, request.operation, request.method, request.path))

    def attempt_started(self, call: Call) -> Mapping[str, str] | None:
        """Report that an attempt is about to be sent; return the headers that the observer adds."""
        request = call.request
        event = AttemptStarted(self._next_id(), call.id, request.operation, request.method, request.path, call.attempts)
        self._emit(event)
        if self._headers is None:
            return None
        try:
            return dict(self._allowed(self._headers(event)))
        except Exception as error:  # an observer's fault must not harm a send
            _log.warning("the observer's headers() raised %s, which was dropped", type(error).__name__)
            return None

    def attempt_finished(self, call: Call, status: int | None, failure: str | None, effect: Effect) -> None:
        """Report that an attempt is over."""
        request = call.request
        self._emit(
            AttemptFinished(
                self._next_id(),
                call.id,
                request.operation,
                request.method,
                request.path,
                call.attempts,
                status,
                failure,
                effect,
                self._elapsed(call),
                call.request_id,
            )
        )

    def waiting(self, call: Call, seconds: float) -> None:
        """Report that a call is about to wait."""
        reason = "backoff" if call.retry_after is None else "retry_after"
        self._emit(Waiting(self._next_id(), call.id, call.request.operation, reason, seconds))

    def call_finished(self, call: Call, effect: Effect, error_type: str | None) -> None:
        """Report that a call is over."""
        request = call.request
        self._emit(
            CallFinished(
                self._next_id(),
                call.id,
                request.operation,
                request.method,
                request.path,
                call.attempts,
                self._elapsed(call),
                effect,
                error_type,
                call.request_id,
            )
        )

    def reconciled(self, verdict: str, looks: int, elapsed: float) -> None:
        """Report that a create of unknown outcome was looked for."""
        self._emit(Reconciled(self._next_id(), verdict, looks, elapsed))

    def _next_id(self) -> int:
        return next(self._event_ids)

    def _elapsed(self, call: Call) -> float:
        return self._clock.monotonic() - call.started

    def _emit(self, event: Event) -> None:
        try:
            self._observer.on_event(event)
        except Exception as error:  # an observer's fault must not harm a send
            _log.warning("the observer raised %s, which was dropped", type(error).__name__)

    def _allowed(self, headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for count, (name, value) in enumerate(headers.items(), 1):
            if count > _MOST_HEADERS:
                _log.warning("the observer's headers after the first %d were dropped", _MOST_HEADERS)
                return
            if not isinstance(name, str) or not _NAME.match(name) or _RESERVED.match(name):
                _log.warning("a header of the observer was dropped: it may not set this name")
            elif not isinstance(value, str) or not _VALUE.match(value):
                _log.warning("a header of the observer was dropped: its value is not text of printable ASCII")
            else:
                yield name, value
