"""One call: its attempts, its waits and its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from attrs import define, field

from campaigns_async._engine import retry
from campaigns_async._engine.deadlines import Deadlines
from campaigns_async._engine.interfaces import Failure, FailureKind, Progress
from campaigns_async._engine.pool import Pool
from campaigns_async.doubt import OutcomeUnknownError
from campaigns_async.effects import AttemptOutcome, classify_attempt, combine, is_non_idempotent, is_throttled
from campaigns_async.errors import (
    APIError,
    CampaignsError,
    ConnectionFailedError,
    ConnectTimeoutError,
    DeadlineExceededError,
    ReadTimeoutError,
    note_delivery,
)
from campaigns_async.settings import RetryPolicy, Timeouts
from campaigns_async.values import Delivery
from campaigns_async.wire import problems
from campaigns_async.wire.messages import Request, Response

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

_NOT_SENT, _DONE = Delivery.NOT_SENT, Delivery.DONE  # Python 3.11 looks a member up slowly


class Call:
    """What is known of a call while it runs."""

    # Defaults stand on the class: to set them in each costs as much as all else about making it.
    attempts: int = 0
    delivery: Delivery = _NOT_SENT
    """Of all attempts so far that came to an end."""
    progress: Progress | None = None
    """Of the attempt under way."""
    outcome: AttemptOutcome | None = None
    retry_after: float | None = None
    renewed: bool = False
    paid: bool = False
    """Whether its last retry was paid for out of the quota."""
    out_of_time: bool = False
    """Whether another attempt was not made because the deadline would have passed before it."""

    def __init__(
        self, request: Request, started: float, give_up: float | None, on_attempt: Callable[[], None] | None
    ) -> None:
        self.request = request
        self.started = started
        self.give_up = give_up
        """When the deadline passes."""
        self.on_attempt = on_attempt

    def delivery_now(self) -> Delivery:
        """The delivery, should the call be cut off at this moment."""
        if self.progress is not None and self.progress.sent:
            return Delivery.UNKNOWN
        return self.delivery


@define(eq=False, repr=False)
class Caller:
    """Runs calls with one set of options on a shared pool."""

    pool: Pool
    timeouts: Timeouts
    retry: RetryPolicy
    patient: bool = False
    """Whether its calls wait for a slot however many wait already: for what belongs to a call that has begun."""
    _deadlines: Deadlines | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        seconds = self.timeouts.deadline
        self._deadlines = None if seconds is None else self.pool.deadlines.of(seconds)

    async def run(
        self, request: Request, read: Callable[[Response], T], *, on_attempt: Callable[[], None] | None = None
    ) -> T:
        """Send a request, again where that is safe and of use, and read the answer.

        Args:
            request: What to send.
            read: Makes a value of a success.
            on_attempt: Is called before each attempt.

        Raises:
            CampaignsError: Of the class that says what happened; its `delivery` says what is known.
        """
        pool = self.pool
        pool.enter()
        started = pool.clock.monotonic()
        deadline = None if self._deadlines is None else self._deadlines.start(started)
        pool.calls += 1
        call = Call(request, started, deadline.when if deadline else None, on_attempt)
        result: Response | Failure
        try:
            result = await self._attempt(call)
            if call.outcome is not None and call.outcome.retryable:
                result = await self._persist(call, result)
        except asyncio.CancelledError as stop:
            delivery = call.delivery_now()
            if deadline is None or not deadline.caught():
                note_delivery(stop, delivery)
                self._cut_off(call, "cancelled")
                self._finished(call, delivery, "CancelledError")
                raise
            result = Failure(FailureKind.DEADLINE, sent=delivery is Delivery.UNKNOWN)
            self._cut_off(call, result.kind)
            call.delivery = delivery
        except CampaignsError as error:  # from the key or the gate: before the attempt
            self._attach(error, call)
            self._finished(call, call.delivery, type(error).__name__)
            raise
        finally:
            if deadline is not None:
                deadline.stop()
        return self._concluded(call, result, read)

    async def _attempt(self, call: Call) -> Response | Failure:
        pool, request = self.pool, call.request
        while True:
            credentials = pool.keys.current or await pool.keys.load()
            gate = pool.gate
            if not gate.try_acquire():
                await gate.acquire(patient=self.patient or call.attempts > 0)
                credentials = pool.keys.current or credentials  # it may have been renewed in the queue
            progress = Progress(None if gate.pace is None else gate.left)
            try:
                pool.attempts += 1
                if call.attempts:
                    pool.retries += 1
                call.attempts += 1
                call.progress = progress
                if call.on_attempt is not None:
                    call.on_attempt()
                result = await pool.transport.send(request, credentials, self.timeouts, progress)
                outcome = self._judged(call, result)  # before the slot is given on: it may ask all to wait
            finally:
                gate.release(sent=progress.sent)
            if not outcome.renew_key or call.renewed or not pool.keys.renewable:
                return result
            call.renewed = True
            if await pool.keys.renew(credentials) == credentials:
                return result  # the same key again would be refused again

    def _judged(self, call: Call, result: Response | Failure) -> AttemptOutcome:
        pool, call.progress, call.retry_after = self.pool, None, None
        status, failure, sent = (
            (result.status, None, True) if isinstance(result, Response) else (None, result.kind, result.sent)
        )
        if isinstance(result, Response) and result.status >= 300:
            call.retry_after = problems.retry_after(result, now=pool.clock.now())
            if is_throttled(result.status, call.retry_after):
                pool.throttled += 1
                if call.retry_after and call.retry_after <= self.retry.max_retry_after:
                    pool.gate.hold(call.retry_after)
        operation = call.request.operation
        outcome = call.outcome = classify_attempt(
            operation, status, sent=sent, rejected_statuses=self.retry.rejected_statuses
        )
        delivery = outcome.delivery
        call.delivery = delivery if call.attempts == 1 else combine(operation, call.delivery, delivery, status)
        if pool.teller is not None:
            pool.teller.attempt(call, status, failure, delivery)
        return outcome

    async def _persist(self, call: Call, first: Response | Failure) -> Response | Failure:
        """Attempts from the second on, by tenacity: who needs no second one pays nothing for it, nor for its import."""
        try:
            from tenacity import AsyncRetrying, retry_if_result  # noqa: PLC0415  # who retries pays for it
        except (ImportError, OSError):  # such as no file to be had any more: what came is told, and not this
            return first

        waiting: list[Response | Failure] = [first]

        async def attempt() -> Response | Failure:
            return waiting.pop() if waiting else await self._attempt(call)

        retrying = AsyncRetrying(
            # By result, never by exception: a cancellation is no reason to try again.
            retry=retry_if_result(lambda _: call.outcome is not None and call.outcome.retryable),
            wait=lambda _: retry.wait(self.retry, call.attempts, call.retry_after, self.pool.random),
            stop=lambda state: self._enough(call, state),
            sleep=lambda seconds: self._back_off(call, seconds),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else first,
        )
        return await retrying(attempt)

    def _enough(self, call: Call, state: RetryCallState) -> bool:
        if call.attempts >= self.retry.attempts:
            return True
        if call.retry_after is not None and call.retry_after > self.retry.max_retry_after:
            return True
        if call.give_up is not None and self.pool.clock.monotonic() + state.upcoming_sleep >= call.give_up:
            call.out_of_time = call.retry_after is None  # a time that the server named is worth telling as such
            return True
        call.paid = self.pool.quota.take()
        return not call.paid

    async def _back_off(self, call: Call, seconds: float) -> None:
        if self.pool.teller is not None:
            self.pool.teller.waiting(call, seconds)
        await self.pool.sleep(seconds)

    def _concluded(self, call: Call, result: Response | Failure, read: Callable[[Response], T]) -> T:
        if call.delivery is _DONE and isinstance(result, Response):
            try:
                value = read(result)
            except CampaignsError as error:
                self._attach(error, call)
                self._finished(call, Delivery.DONE, type(error).__name__)
                raise
            if self.pool.teller is not None:
                self._finished(call, _DONE, None)
            self.pool.quota.pay_back(retried=call.paid)
            return value
        failure = exception_for(
            call.request, result, call.delivery, out_of_time=call.out_of_time, now=self.pool.clock.now()
        )
        self._attach(failure, call)
        self._finished(call, call.delivery, type(failure).__name__)
        raise failure

    def _attach(self, error: CampaignsError, call: Call) -> None:
        error.attach(
            method=call.request.method,
            path=call.request.path,
            attempts=call.attempts,
            elapsed=self.pool.clock.monotonic() - call.started,
            delivery=call.delivery,
        )

    def _cut_off(self, call: Call, why: str) -> None:
        if call.progress is not None and self.pool.teller is not None:
            delivery = Delivery.UNKNOWN if call.progress.sent else Delivery.NOT_SENT
            self.pool.teller.attempt(call, None, why, delivery)

    def _finished(self, call: Call, delivery: Delivery, error_type: str | None) -> None:
        if self.pool.teller is not None:
            self.pool.teller.finished(call, delivery, error_type)


_BY_KIND: dict[FailureKind, tuple[type[CampaignsError], str]] = {
    FailureKind.CONNECT: (ConnectionFailedError, "no connection: check base_url, and the network"),
    FailureKind.CONNECT_TIMEOUT: (ConnectTimeoutError, "no connection in time (Timeouts.connect)"),
    FailureKind.DROPPED: (ConnectionFailedError, "the connection was lost"),
    FailureKind.READ_TIMEOUT: (ReadTimeoutError, "the answer did not come in time (Timeouts.read)"),
    FailureKind.DEADLINE: (DeadlineExceededError, "not finished in time (Timeouts.deadline)"),
}


def exception_for(
    request: Request, result: Response | Failure, delivery: Delivery, *, out_of_time: bool = False, now: datetime
) -> CampaignsError:
    """The error for a call that ends with this result.

    Args:
        request: What was asked.
        result: What the last attempt came to.
        delivery: What is known after all attempts.
        out_of_time: Whether another attempt was due, but only after the deadline.
        now: The time, for a Retry-After that is a date.
    """
    found = problems.error(request, result, now=now) if isinstance(result, Response) else _no_answer(result)
    if delivery is Delivery.UNKNOWN and is_non_idempotent(request.operation):
        return _unknown(found)
    if out_of_time:
        late = DeadlineExceededError(f"no time for another attempt (Timeouts.deadline) after: {found.message}")
        late.__cause__ = found
        return late
    return found


def _unknown(found: CampaignsError) -> OutcomeUnknownError:
    response = found if isinstance(found, APIError) else None
    unknown = OutcomeUnknownError(
        f"{found.message}: it may have been carried out. Look for it on the server before you send it again",
        cause_type=type(found),
        status=None if response is None else response.status,
        request_id=None if response is None else response.request_id,
        retry_after=None if response is None else response.retry_after,
    )
    unknown.__cause__ = found
    return unknown


def _no_answer(failure: Failure) -> CampaignsError:
    cls, said = _BY_KIND[failure.kind]
    return cls(f"{said} ({failure.detail})" if failure.detail else said)
