"""Send the planned rows of a journal. Each row is recorded as *sending* before its request is sent.

Workers send, and one task commits. A commit records all outcomes since the previous commit and claims as many planned
rows as there is room for, so that a group of rows costs one write to the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from attrs import define, field

from campaigns_async._threads import wait_to_end
from campaigns_async.effects import Cause, Effect, RunAction, State, classify_row, effect_of
from campaigns_async.errors import ClientClosedError, ConfigurationError, InvalidArgumentError, ValidationFailedError
from campaigns_async.jobs._backpressure import Backoff
from campaigns_async.jobs.job_errors import JournalError
from campaigns_async.jobs.journal import ClaimedRow, Journal, Transition

_LINGER: Final = 0.01
"""Seconds that an outcome waits for others to be written with."""


@define(eq=False)
class Sender:
    """One pass over the planned rows.

    Attributes:
        journal: The journal.
        create: Sends a row and returns the campaign's id.
        now: Returns the time, in seconds since 1970.
        on_commit: Called after each commit, with the number of claimed rows and the recorded transitions.
        concurrency: The limit of creates in flight, from 1.
        group: The limit of rows that a commit claims, from 1. As many rows may be *sending* but not yet in flight.
        backoff: The pauses of the run.
        stopped_by: The error that stopped the run, which every further row would meet; None unless one did.
    """

    journal: Journal
    create: Callable[[ClaimedRow], Awaitable[str]]
    now: Callable[[], float]
    on_commit: Callable[[int, Sequence[Transition]], None]
    concurrency: int
    group: int
    backoff: Backoff
    stopped_by: BaseException | None = None
    _ready: asyncio.Queue[ClaimedRow | None] = field(init=False, factory=asyncio.Queue["ClaimedRow | None"])
    _outcomes: list[Transition] = field(init=False, factory=list[Transition])
    _wake: asyncio.Event = field(init=False, factory=asyncio.Event)
    _sending: int = field(init=False, default=0)  # rows that are *sending* and whose outcome this run will record
    _exhausted: bool = field(init=False, default=False)
    _stopping: bool = field(init=False, default=False)
    _linger_timer: asyncio.TimerHandle | None = field(init=False, default=None)

    async def run(self) -> None:
        """Send the planned rows until none is left or `stop` is called.

        Outcomes are recorded before this returns or raises, unless the journal cannot be written.

        Raises:
            JournalWriteError: If the journal could not be written. Nothing more was sent.
            CancelledError: If the task was cancelled. Requests in flight were cancelled too; their rows stay *sending*
                unless it is certain that the server did nothing.
        """
        committing = asyncio.ensure_future(self._commit_all())
        workers = [asyncio.create_task(self._work()) for _ in range(self.concurrency)]
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await wait_to_end(self._cancel(workers, committing))
            raise
        except BaseException:  # on any error: wait for the requests in flight
            self.stop()
            await wait_to_end(self._finish(workers))
            await wait_to_end(self._retry_commit())
            raise
        finally:
            await wait_to_end(self._finish(workers))

    def stop(self) -> None:
        """Claim no more rows. Requests in flight finish and are recorded."""
        self._stopping = True
        self._requeue_unsent()
        self._wake.set()

    async def _cancel(self, workers: Collection[asyncio.Task[None]], committing: asyncio.Future[None]) -> None:
        self.stop()
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
        self._wake.set()
        try:
            await committing
        except JournalError:
            await self._retry_commit()

    async def _retry_commit(self) -> None:
        """Record the outcomes after a failed commit: the smaller write may fit, or the disk may have space again."""
        with suppress(JournalError):
            await self.journal.commit(self._outcomes, claim=0, now=self.now())

    async def _finish(self, workers: Collection[asyncio.Task[None]]) -> None:
        for _ in workers:
            self._ready.put_nowait(None)
        await asyncio.wait(workers)
        if self._linger_timer is not None:
            self._linger_timer.cancel()

    def _requeue_unsent(self) -> None:
        """Plan again the claimed rows that no worker has taken. Nothing of them was sent."""
        while not self._ready.empty():
            row = self._ready.get_nowait()
            if row is not None:
                self._outcomes.append(Transition(row.row_id, State.PLANNED))

    async def _work(self) -> None:
        while (row := await self._ready.get()) is not None:
            try:
                campaign_id = await self.create(row)
            except asyncio.CancelledError as cancelled:
                if effect_of(cancelled) in {Effect.NOT_SENT, Effect.REJECTED}:
                    self._outcomes.append(Transition(row.row_id, State.PLANNED))
                else:
                    self._sending -= 1  # it stays *sending* in the journal
                raise
            except Exception as error:
                self._record_error(row, error)
            else:
                self.backoff.record_response()
                self._outcomes.append(Transition(row.row_id, State.CREATED, campaign_id=campaign_id))
            self._request_commit()

    def _record_error(self, row: ClaimedRow, error: Exception) -> None:
        outcome, action = classify_error(row.row_id, error)
        match action:
            case RunAction.BACK_OFF:
                self.backoff.record_failure(error)
            case RunAction.STOP:
                self.stopped_by = self.stopped_by or error
                self.stop()
            case RunAction.CONTINUE if outcome.state is State.UNKNOWN and not outcome.created_without_id:
                self.backoff.record_unknown(error)
            case RunAction.CONTINUE:
                self.backoff.record_response()
        if self.backoff.is_active:
            self._requeue_unsent()
        self._outcomes.append(outcome)

    def _request_commit(self) -> None:
        """Wake the committing task: now if a group of rows can be claimed or written, else soon."""
        if self._ready.qsize() <= self.group // 2 or len(self._outcomes) >= self.group:
            self._wake.set()
        elif self._linger_timer is None:
            self._linger_timer = asyncio.get_running_loop().call_later(_LINGER, self._wake.set)

    async def _commit_all(self) -> None:
        while True:
            self._wake.clear()
            room = self._room()
            outcomes = self._outcomes[:]
            if outcomes or room:
                claimed = await self.journal.commit(outcomes, claim=room, now=self.now())
                self._outcomes = self._outcomes[len(outcomes) :]  # workers may have added others during the commit
                self._sending += len(claimed) - len(outcomes)
                if any(each.state is State.PLANNED for each in outcomes):
                    self._exhausted = False
                elif room:
                    self._exhausted = len(claimed) < room
                if self._stopping:  # `stop` was called during the commit
                    self._outcomes.extend(Transition(row.row_id, State.PLANNED) for row in claimed)
                else:
                    for row in claimed:
                        self._ready.put_nowait(row)
                if claimed or outcomes:
                    self.on_commit(len(claimed), outcomes)
                continue
            if self._sending == 0 and (self._stopping or self._exhausted):
                return
            await self._wait()

    def _room(self) -> int:
        """Return the number of rows that may be claimed now."""
        if self._stopping or self._exhausted or self.backoff.is_pausing:
            return 0
        sending = self._sending - len(self._outcomes)  # after the next commit
        room = min(self.group, self.concurrency + self.group - sending)
        if self.backoff.is_active:
            room = min(room, 1 - sending)  # one row shows if the server has recovered
        return max(room, 0)

    async def _wait(self) -> None:
        """Wait until outcomes can be written or rows claimed."""
        if self._linger_timer is not None:  # its outcomes are written
            self._linger_timer.cancel()
            self._linger_timer = None
        pause = self.backoff.remaining_pause if not self._stopping else None
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            if self.backoff.has_expired:
                self.stopped_by = self.stopped_by or self.backoff.error
                self.stop()


def classify_error(row_id: int, error: BaseException) -> tuple[Transition, RunAction]:
    """Return the outcome of the row whose create raised this error, and the run's next step."""
    effect, status = effect_of(error), getattr(error, "status", None)
    state, action = classify_row(effect, _cause_of(error) if status is None else status)
    outcome = Transition(
        row_id,
        state,
        reason=_reason_of(error, status),
        created_without_id=effect is Effect.APPLIED,
        refused_contacts=tuple(sorted(error.contact_errors)) if isinstance(error, ValidationFailedError) else (),
    )
    return outcome, action


def _cause_of(error: BaseException) -> Cause:
    if isinstance(error, (ClientClosedError, ConfigurationError)):
        return Cause.CLIENT
    return Cause.ARGUMENT if isinstance(error, InvalidArgumentError) else Cause.NO_RESPONSE


def _reason_of(error: BaseException, status: int | None) -> str:
    """Return the error in a few words, without text, phone number or name."""
    if isinstance(error, InvalidArgumentError):
        return f"{type(error).__name__}: {error.message}"
    return getattr(error, "cause_type", type(error)).__name__ if status is None else str(status)
