"""One call: its attempts, its pauses and its deadline, and the error that it raises in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from attrs import define, field

from campaigns_async._engine.call import Call
from campaigns_async._engine.effect_record import CURRENT
from campaigns_async._engine.pool import Pool
from campaigns_async._engine.retry import BudgetSpent, RetryAfterOrBackoff
from campaigns_async._http.body_forms import find_body_form
from campaigns_async._http.deadlines import TimeoutQueue
from campaigns_async._http.problems import build_error, build_unproven
from campaigns_async._http.request import Request
from campaigns_async._http.response import Response, read_created_id
from campaigns_async._http.response_headers import read_request_id, read_retry_after
from campaigns_async._http.transport import Failure, FailureKind
from campaigns_async.effects import (
    AttemptOutcome,
    BodyForm,
    Effect,
    classify_attempt,
    combine,
    is_non_idempotent,
    is_throttled,
    note_effect,
)
from campaigns_async.errors import (
    CampaignsError,
    ConnectionFailedError,
    ConnectTimeoutError,
    DeadlineExceededError,
    DecodeError,
    ReadTimeoutError,
)
from campaigns_async.outcome_unknown import OutcomeUnknownError
from campaigns_async.settings import RetryPolicy, Timeouts
from campaigns_async.values import Operation

T = TypeVar("T")
R = TypeVar("R", bound=Request)

_NO_CACHE: Final = {"Cache-Control": "no-cache"}
_APPLIED, _EMPTY = Effect.APPLIED, BodyForm.EMPTY  # Python 3.11 looks up a member slowly
_BY_KIND: dict[FailureKind, tuple[type[CampaignsError], str]] = {
    FailureKind.CONNECT: (ConnectionFailedError, "no connection: check base_url and the network"),
    FailureKind.CERTIFICATE: (ConnectionFailedError, "no connection"),
    FailureKind.TLS: (ConnectionFailedError, "no connection"),
    FailureKind.UNKNOWN_HOST: (ConnectionFailedError, "no connection"),
    FailureKind.PROXY: (ConnectionFailedError, "no connection"),
    FailureKind.CONNECT_TIMEOUT: (ConnectTimeoutError, "no connection in time (Timeouts.connect)"),
    FailureKind.DROPPED: (ConnectionFailedError, "the connection was lost"),
    FailureKind.READ_TIMEOUT: (ReadTimeoutError, "no response in time (Timeouts.read)"),
    FailureKind.DEADLINE: (DeadlineExceededError, "not finished in time (Timeouts.deadline)"),
}


@define(eq=False, repr=False)
class Caller:
    """A caller of the API with one set of options. All callers of a client share one pool.

    Attributes:
        pool: The shared state.
        timeouts: The bounds of each call and of its attempts.
        retry: The rules for further attempts.
        exempt_from_max_waiting: Set for follow-up requests of a call that has already started.
        proves: Set for reads that prove what a create did. No cache may answer them, and each has a connection of its own:
            a server that repeats the page of one read would answer the next read over the same connection with it, and
            that page would prove the absence of a campaign.
    """

    pool: Pool
    timeouts: Timeouts
    retry: RetryPolicy
    exempt_from_max_waiting: bool = False
    proves: bool = False
    _deadlines: TimeoutQueue | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        seconds = self.timeouts.deadline
        self._deadlines = None if seconds is None else self.pool.deadlines.for_seconds(seconds)

    async def run(
        self,
        request: R,
        read: Callable[[Response], T],
        *,
        on_attempt: Callable[[], None] | None = None,
        judge: Callable[[Response], BodyForm] | None = None,
        confirm: Callable[[R, Response], Awaitable[bool]] | None = None,
    ) -> T:
        """Send a request, retry it where that is safe and useful, and read the response.

        Args:
            request: The request.
            read: Returns the value of a successful response.
            on_attempt: Called before each attempt.
            judge: Returns the form of a 2xx response's body, for a request whose success depends on it.
            confirm: Called with the request and its response, within the deadline, if the response does not prove what
                the request did, and reading the campaign may prove it. Returns True if it proves that the request was
                carried out.

        Raises:
            CampaignsError: If the call failed. `effect` says what the request did on the server.
        """
        record = CURRENT.get()
        if record is not None:
            again = partial(self.run, request, read, on_attempt=on_attempt, judge=judge, confirm=confirm)
            return await record.run(request.operation, again)
        pool = self.pool
        started = pool.enter()
        deadline = None if self._deadlines is None else self._deadlines.start(started)
        pool.calls += 1
        call = Call(request, started, deadline.when if deadline else None, on_attempt, judge)
        result: Response | Failure
        try:
            if pool.instrumentation is not None:
                pool.instrumentation.start_call(call)
            result = await self._attempt(call)
            if call.outcome is None or not call.outcome.reusable:
                result = await self._complete(call, result, None if confirm is None else partial(confirm, request))
        except asyncio.CancelledError as cancelled:
            effect = call.effect_if_aborted()
            if deadline is None or not deadline.consume_cancellation():
                note_effect(cancelled, effect)
                self._report_abort(call, "cancelled", effect, "CancelledError")
                raise
            result = Failure(FailureKind.DEADLINE, sent=effect is Effect.UNKNOWN)
            self._report_abort(call, result.kind)
            call.effect = effect
        except BaseException as error:  # from the key callable, the limiter or the transport
            name = type(error).__name__
            if isinstance(error, CampaignsError):
                call.effect = call.effect_if_aborted()
                self._annotate(error, call)
            elif not isinstance(error, Exception):  # a SystemExit of an observer, which is not ignored
                note_effect(error, call.effect_if_aborted())
            self._report_abort(call, name, call.effect_if_aborted(), name)
            raise
        finally:
            if deadline is not None:
                deadline.stop()
        return self._finish(call, result, read)

    async def _complete(
        self, call: Call, result: Response | Failure, confirm: Callable[[Response], Awaitable[bool]] | None
    ) -> Response | Failure:
        """Retry a call whose first attempt was no documented success, and confirm it, where that is safe and useful."""
        if call.outcome is not None and call.outcome.retryable:
            result = await self._retry(call, result)
        must_confirm = call.outcome is not None and call.outcome.read_back and call.effect is Effect.UNKNOWN
        if must_confirm and confirm is not None and isinstance(result, Response) and await confirm(result):
            call.effect = _APPLIED
        return result

    async def _attempt(self, call: Call) -> Response | Failure:
        """Send the request once; once more if the API key was refused and another one could be fetched."""
        pool, request, headers = self.pool, call.request, _NO_CACHE if self.proves else None
        while True:
            credentials = pool.credentials.current or await pool.credentials.load()
            limiter = pool.limiter
            slot = limiter.try_acquire()
            if slot is None:
                exempt = self.exempt_from_max_waiting or call.attempts > 0
                on_wait = None if pool.instrumentation is None else partial(pool.instrumentation.start_wait, call)
                slot = await limiter.acquire(exempt_from_max_waiting=exempt, on_wait=on_wait)
                credentials = pool.credentials.current or credentials  # the key may have been renewed meanwhile
            try:
                pool.attempts += 1
                if call.attempts:
                    pool.retries += 1
                call.attempts += 1
                call.marker = slot
                if call.on_attempt is not None:
                    call.on_attempt()
                if pool.instrumentation is not None:
                    headers = {**(headers or {}), **(pool.instrumentation.start_attempt(call) or {})}
                result = await pool.transport.send(request, credentials, self.timeouts, slot, headers)
                # Before the slot is released: it may pause the limiter, and it closes the connection.
                try:
                    outcome = self._record_result(call, result)
                except BaseException:  # such as a SystemExit of the observer
                    if isinstance(result, Response):
                        pool.transport.discard(result)
                    raise
            finally:
                limiter.release(slot)
            if not outcome.renew_key or call.key_renewed or not pool.credentials.can_renew:
                return result
            call.key_renewed = True
            if await pool.credentials.renew(credentials) == credentials:
                return result  # the same key would be refused again

    def _record_result(self, call: Call, result: Response | Failure) -> AttemptOutcome:
        pool, call.marker, call.retry_after, operation = self.pool, None, None, call.request.operation
        if isinstance(result, Response):
            status, failure, form = result.status, None, _EMPTY
            if not 200 <= status < 300:
                form = call.form = find_body_form(result)
            elif call.judge is not None:
                form = call.form = call.judge(result)
            outcome = classify_attempt(operation, status, form, rejected_statuses=self.retry.rejected_statuses)
            if not outcome.reusable:
                pool.transport.discard(result)
            if status >= 300:
                call.retry_after = read_retry_after(result, now=pool.clock.now())
                if is_throttled(status, call.retry_after):
                    pool.throttled += 1
                    if call.retry_after and call.retry_after <= self.retry.max_retry_after:
                        pool.limiter.pause_for(call.retry_after)
        else:
            status, failure, call.form = None, result.kind, None
            outcome = _classify_failure(operation, result)
        call.outcome = outcome
        effect = outcome.effect
        call.effect = effect if call.attempts == 1 else combine(call.effect, effect)
        if pool.instrumentation is not None:
            call.request_id = read_request_id(result) if isinstance(result, Response) else None
            pool.instrumentation.finish_attempt(call, status, failure, effect)
        return outcome

    async def _retry(self, call: Call, first: Response | Failure) -> Response | Failure:
        """Make the attempts from the second on. A call that needs only one attempt does not import tenacity."""
        try:
            from tenacity import AsyncRetrying, retry_if_result  # noqa: PLC0415  # few calls need a second attempt
        except (ImportError, OSError):  # e.g. EMFILE: report the first attempt's result, not the ImportError
            return first

        ended = [first]

        async def attempt() -> Response | Failure:
            return ended.pop() if ended else await self._attempt(call)

        return await AsyncRetrying(
            retry=retry_if_result(lambda _: call.outcome is not None and call.outcome.retryable),
            wait=RetryAfterOrBackoff(call, self.retry, self.pool.random),
            stop=BudgetSpent(call, self.retry, self.pool.quota, self.pool.clock),
            sleep=partial(self._sleep_before_retry, call),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else first,
        )(attempt)

    async def _sleep_before_retry(self, call: Call, seconds: float) -> None:
        if self.pool.instrumentation is not None:
            reason = "backoff" if call.retry_after is None else "retry_after"
            self.pool.instrumentation.start_wait(call, seconds, reason)
        await self.pool.sleep(seconds)

    def _finish(self, call: Call, result: Response | Failure, read: Callable[[Response], T]) -> T:
        """Return the value of a successful response, or raise the call's error."""
        pool, outcome = self.pool, call.outcome
        if isinstance(result, Response) and (
            # A raw request's success is returned whatever it proves.
            call.effect is _APPLIED or (call.request.operation.resource == "raw" and 200 <= result.status < 300)
        ):
            try:
                value = read(result)
            except BaseException as error:
                pool.transport.discard(result)
                if isinstance(error, CampaignsError):
                    error.http_status, error.request_id = result.status, read_request_id(result)
                    self._annotate(error, call)
                    self._report_finish(call, call.effect, type(error).__name__)
                    raise error.with_traceback(None) from None  # the frames of the reader hold texts and numbers
                raise
            if outcome is not None and outcome.reusable:
                if self.proves:
                    pool.transport.discard(result)
                else:
                    pool.transport.reuse(result)
            elif call.effect is not _APPLIED:
                result.effect = call.effect
            if pool.instrumentation is not None:
                self._report_finish(call, call.effect, None)
            pool.quota.release(retried=call.retry_paid)
            return value
        failure = exception_for(call, result)
        self._annotate(failure, call)
        self._report_finish(call, call.effect, type(failure).__name__)
        raise failure

    def _annotate(self, error: CampaignsError, call: Call) -> None:
        error.attach(
            method=call.request.method,
            path=call.request.path,
            attempts=call.attempts,
            elapsed=self.pool.clock.monotonic() - call.started,
            effect=call.effect,
        )

    def _report_abort(
        self, call: Call, failure: str, effect: Effect | None = None, error_type: str | None = None
    ) -> None:
        """Report the end of an attempt that was aborted, and the end of its call if `effect` is given."""
        if self.pool.instrumentation is None:
            return
        if call.marker is not None:
            call.request_id = None
            cut_off = Effect.UNKNOWN if call.marker.sent else Effect.NOT_SENT
            self.pool.instrumentation.finish_attempt(call, None, failure, cut_off)
        if effect is not None:
            self._report_finish(call, effect, error_type)

    def _report_finish(self, call: Call, effect: Effect, error_type: str | None) -> None:
        if self.pool.instrumentation is not None:
            try:
                self.pool.instrumentation.finish_call(call, effect, error_type)
            except BaseException as error:
                note_effect(error, effect)
                raise


def _classify_failure(operation: Operation, failure: Failure) -> AttemptOutcome:
    if failure.status == 201 and failure.form is not BodyForm.HTML and is_non_idempotent(operation):
        return classify_attempt(operation, failure.status, failure.form)
    return classify_attempt(operation, None, sent=failure.sent, misconfigured=failure.kind.is_permanent)


def exception_for(call: Call, result: Response | Failure) -> CampaignsError:
    """Return the error of a call that ends with this result of its last attempt."""
    request, effect, form = call.request, call.effect, call.form
    error: CampaignsError
    if isinstance(result, Response):
        if 200 <= result.status < 300:
            error = build_unproven(request, result, form)
        else:
            error = build_error(request, result, retry_after=call.retry_after)
        error.body_form = form
    elif effect is _APPLIED and result.status is not None:
        error = DecodeError(
            f"carried out (status {result.status}), but the response was cut short before the new id: "
            "look for it on the server, do not send it again",
            status=result.status,
        )
    else:
        cls, message = _BY_KIND[result.kind]
        error = cls(f"{message} ({result.detail})" if result.detail else message)
        if isinstance(error, ConnectionFailedError):
            error.is_permanent = result.kind.is_permanent
    unconfirmed = call.outcome is not None and call.outcome.read_back  # nor did reading the campaign prove anything
    if effect is Effect.UNKNOWN and (unconfirmed or is_non_idempotent(request.operation)):
        unknown = _build_outcome_unknown(error)
        if form is BodyForm.GIVEN_ID and isinstance(result, Response):
            unknown.duplicate_id = read_created_id(result)
        return unknown
    if call.out_of_time:
        late = DeadlineExceededError(f"no time for another attempt (Timeouts.deadline) after: {error.message}")
        late.__cause__ = error
        late.copy_response(error)
        return late
    return error


def _build_outcome_unknown(cause: CampaignsError) -> OutcomeUnknownError:
    error = OutcomeUnknownError(
        f"{cause.message}: it may have been carried out. Look for it on the server before you send it again",
        cause_type=type(cause),
    )
    error.__cause__ = cause
    error.copy_response(cause)
    return error
