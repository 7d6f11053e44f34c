"""Send the planned rows of a journal. Each row is recorded as *sending* before its request is sent.

Workers send, and one task commits. A commit records all outcomes since the previous commit and claims as many planned
rows as there is room for, so that a group of rows costs one write to the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from attrs import define, evolve, field, frozen

from campaigns_async._threads import wait_until_done
from campaigns_async.effects import Cause, Effect, RunAction, State, classify_row, effect_of
from campaigns_async.errors import (
    APIError,
    CampaignsError,
    ClientClosedError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidArgumentError,
    ValidationFailedError,
)
from campaigns_async.jobs._backpressure import Backoff, Pace
from campaigns_async.jobs._server_reason import describe_refusal
from campaigns_async.jobs.job_errors import JournalError
from campaigns_async.jobs.journal import ClaimedRow, DuplicateIdError, Journal, JournalRow, PossibleMatch, Transition
from campaigns_async.jobs.plans import decode_campaign
from campaigns_async.outcome_unknown import OutcomeUnknownError

_LINGER: Final = 0.01
"""Seconds that an outcome waits for others to be written with."""


class _HeldBackError(CampaignsError):
    """Raised before an attempt is sent if an outage began, or an error stopped the run, while the row waited."""


@frozen
class DuplicateId:
    """A campaign's id that the server gave to two creates. Both are unknown."""

    campaign_id: str  # the id
    row_id: int  # the row that was given the id later
    earlier_row_id: int | None  # the row that was given the id first; None if it was a create outside of the journal


@define(eq=False)
class Sender:
    """One pass over the planned rows.

    Attributes:
        create: Sends a row and returns the campaign's id. The second argument is called before each attempt, and raises
            an error if nothing may be sent.
        probe: Sends a request that changes nothing.
        now: Returns the time, in seconds since 1970.
        on_commit: Called after each commit, with the number of claimed rows and the recorded transitions.
        on_revoked: Called after a commit that took a campaign's id from a created row, with the row.
        concurrency: The limit of creates in flight, from 1.
        group: The limit of rows that a commit claims, from 1. As many rows may be *sending* but not yet in flight.
        backoff: The pauses of the run.
        verify: Reads the campaign of a row, and returns True if it is as it was sent, or False if it cannot be read. Raises
            an error if it differs. Until it has returned True, one row goes at a time. None to check nothing.
        stopped_by: The error that stopped the run, which every further row would meet; None unless one did.
        duplicates: The ids that the server gave twice.
    """

    journal: Journal
    create: Callable[[ClaimedRow, Callable[[], None]], Awaitable[str]]
    probe: Callable[[], Awaitable[object]]
    now: Callable[[], float]
    on_commit: Callable[[int, Sequence[Transition]], None]
    on_revoked: Callable[[JournalRow], None]
    concurrency: int
    group: int
    backoff: Backoff
    verify: Callable[[ClaimedRow, str], Awaitable[bool]] | None = None
    stopped_by: BaseException | None = None
    duplicates: list[DuplicateId] = field(init=False, factory=list["DuplicateId"])
    _ready: asyncio.Queue[ClaimedRow | None] = field(init=False, factory=asyncio.Queue["ClaimedRow | None"])
    _outcomes: list[Transition] = field(init=False, factory=list[Transition])
    _wake: asyncio.Event = field(init=False, factory=asyncio.Event)
    _is_verifying: bool = field(init=False, default=False)
    _sending: int = field(init=False, default=0)  # rows that are *sending* and whose outcome this run will record
    _given_twice: list[tuple[int, str]] = field(init=False, factory=list[tuple[int, str]])  # rows, with their ids
    _exhausted: bool = field(init=False, default=False)
    _stopping: bool = field(init=False, default=False)
    _linger_timer: asyncio.TimerHandle | None = field(init=False, default=None)
    _probing: asyncio.Task[None] | None = field(init=False, default=None)
    _fatal: BaseException | None = field(init=False, default=None)  # such as a SystemExit that an observer raised

    async def run(self) -> None:
        """Send the planned rows until none is left or `stop` is called.

        Outcomes are recorded before this returns or raises, unless the journal cannot be written.

        Raises:
            JournalWriteError: If the journal could not be written. Nothing more was sent.
            CancelledError: If the task was cancelled. Requests in flight were cancelled too; their rows stay *sending*
                unless it is certain that the server did nothing.
            BaseException: Whatever other than an `Exception` a function of the user raised, such as `SystemExit`.
        """
        committing = asyncio.create_task(self._commit_all())
        workers = [asyncio.create_task(self._work()) for _ in range(self.concurrency)]
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            self.stop()
            for worker in workers:
                worker.cancel()
            raise
        except BaseException:  # on any error: wait for the requests in flight
            self.stop()
            raise
        finally:
            await self._finish(workers, committing)
        if self._fatal is not None:
            raise self._fatal

    def stop(self) -> None:
        """Claim no more rows. Requests in flight finish and are recorded."""
        self._stopping = True
        self._requeue_unsent()
        if self._probing is not None:
            self._probing.cancel()
        self._wake.set()

    async def _finish(self, workers: Collection[asyncio.Task[None]], committing: asyncio.Task[None]) -> None:
        """Wait until all tasks have ended and their outcomes are recorded, even if the wait is cancelled."""
        for _ in workers:
            self._ready.put_nowait(None)
        probing = [] if self._probing is None else [self._probing]
        for probe in probing:
            probe.cancel()
        try:
            await wait_until_done([*workers, *probing])
        finally:
            self._wake.set()
            try:
                await wait_until_done([committing])
            finally:
                if self._linger_timer is not None:
                    self._linger_timer.cancel()
                if not committing.cancelled() and committing.exception() is not None:
                    # The smaller write may fit, or the disk may have space again.
                    with suppress(JournalError):
                        await self._record(room=0)

    def _fail(self, error: BaseException) -> None:
        """Stop, and have `run` raise the error. A task that raised a `SystemExit` would end the event loop at once."""
        self._fatal = self._fatal or error
        self.stop()

    def _requeue_unsent(self) -> None:
        """Plan again the claimed rows that no worker has taken. Nothing of them was sent."""
        waiting = [self._ready.get_nowait() for _ in range(self._ready.qsize())]
        for row in waiting:
            if row is None:  # it ends a worker
                self._ready.put_nowait(None)
            else:
                self._outcomes.append(Transition(row.row_id, State.PLANNED))

    async def _work(self) -> None:
        while (row := await self._ready.get()) is not None:
            in_outage = self.backoff.is_active
            try:
                before = self.journal.check_lock if in_outage else self._hold_back
                campaign_id = await self.create(row, before)
            except asyncio.CancelledError as cancelled:
                self._record_abort(row, cancelled)
                raise
            except JournalError as error:  # the lock was lost: the journal is another run's
                self._sending -= 1
                self._fail(error)
            except Exception as error:
                self._record_error(row, error, in_outage=in_outage)
            except GeneratorExit:  # the event loop was closed
                raise
            except BaseException as error:
                self._record_abort(row, error)
                self._fail(error)
            else:
                self.backoff.record_response(after_outage=in_outage)
                self._outcomes.append(Transition(row.row_id, State.CREATED, campaign_id=campaign_id))
                if self.verify is not None:
                    await self._verify(self.verify, row, campaign_id)
            self._request_commit()

    async def _verify(
        self, verify: Callable[[ClaimedRow, str], Awaitable[bool]], row: ClaimedRow, campaign_id: str
    ) -> None:
        """Compare a campaign on the server with the row. Its outcome is recorded first; no other row is sent meanwhile."""
        self._is_verifying = True
        self._wake.set()
        try:
            if await verify(row, campaign_id):
                self.verify = None
        except CampaignsError as error:
            self.stopped_by = self.stopped_by or error
            self.stop()
        except Exception as error:
            self._fail(error)
        finally:
            self._is_verifying = False

    def _hold_back(self) -> None:
        """Raise an error if an outage began, or an error stopped the run, while a row waited for its turn or a retry.

        Raises:
            JournalError: If the lock was lost.
        """
        self.journal.check_lock()
        if self.backoff.is_active or self.stopped_by is not None:
            raise _HeldBackError("an outage began, or the run stopped, before the row was sent")

    def _record_abort(self, row: ClaimedRow, error: BaseException) -> None:
        if effect_of(error) in {Effect.NOT_SENT, Effect.REJECTED}:
            self._outcomes.append(Transition(row.row_id, State.PLANNED))
        else:
            self._sending -= 1  # it stays *sending* in the journal

    def _record_error(self, row: ClaimedRow, error: Exception, *, in_outage: bool) -> None:
        outcome, action = classify_error(row.row_id, error)
        is_unknown = outcome.state is State.UNKNOWN
        if outcome.state is State.FAILED and isinstance(error, APIError):
            outcome = evolve(outcome, server_reason=describe_refusal(error, decode_campaign(row.body())))
        match action:
            case _ if isinstance(error, _HeldBackError):
                pass
            case RunAction.BACK_OFF:
                self.backoff.record_failure(error, unknown=is_unknown)
            case RunAction.STOP:
                self.stopped_by = self.stopped_by or error
                self.stop()
            case RunAction.CONTINUE if is_unknown:
                self.backoff.record_unknown(error)
            case RunAction.CONTINUE if effect_of(error) is not Effect.NOT_SENT:
                self.backoff.record_response(after_outage=in_outage)
            case RunAction.CONTINUE:
                pass  # the campaign cannot be sent, which says nothing about the server
        if self.backoff.is_active:
            self._requeue_unsent()
        if isinstance(error, OutcomeUnknownError) and error.duplicate_id is not None:
            outcome = self._note_duplicate(outcome, error.duplicate_id)
        self._outcomes.append(outcome)

    def _note_duplicate(self, outcome: Transition, campaign_id: str) -> Transition:
        self._given_twice.append((outcome.row_id, campaign_id))
        return _revoke(outcome.row_id, campaign_id)

    def _request_commit(self) -> None:
        """Wake the committing task: now if a group of rows can be claimed or written, else soon."""
        if self._ready.qsize() <= self.group // 2 or len(self._outcomes) >= self.group:
            self._wake.set()
        elif self._linger_timer is None:
            self._linger_timer = asyncio.get_running_loop().call_later(_LINGER, self._wake.set)

    async def _commit_all(self) -> None:
        while True:
            try:
                self._wake.clear()
                room = self._room()
                if self._given_twice:
                    if self._outcomes:
                        await self._commit(0)  # the row that was given the id first may be among them
                    await self._revoke_earlier()
                elif self._outcomes or room:
                    await self._commit(room)
                elif self._sending == 0 and (self._stopping or self._exhausted):
                    return
                else:
                    await self._wait()
            except asyncio.CancelledError:
                # Every task of the event loop is being cancelled. The outcomes of the workers must still be recorded.
                self.stop()

    async def _commit(self, room: int) -> None:
        outcomes, claimed = await self._record(room)
        if any(each.state is State.PLANNED for each in outcomes):
            self._exhausted = False
        elif room:
            self._exhausted = len(claimed) < room
        if self._stopping or self.backoff.pace is Pace.PAUSED:  # since the commit began
            self._outcomes.extend(Transition(row.row_id, State.PLANNED) for row in claimed)
        else:
            for row in claimed:
                self._ready.put_nowait(row)
        if (claimed or outcomes) and self._fatal is None:
            try:
                self.on_commit(len(claimed), outcomes)
            except BaseException as error:
                self._fail(error)

    async def _record(self, room: int) -> tuple[Sequence[Transition], Sequence[ClaimedRow]]:
        """Record all outcomes and claim rows. Return both."""
        while True:
            outcomes = self._outcomes[:]
            try:
                claimed = await self.journal.commit(outcomes, claim=room, now=self.now())
            except DuplicateIdError as error:
                for index, each in enumerate(outcomes):
                    if each.row_id in error.row_ids and each.campaign_id is not None:
                        self._outcomes[index] = self._note_duplicate(each, each.campaign_id)
                continue
            self._outcomes = self._outcomes[len(outcomes) :]  # workers may have added others during the commit
            self._sending += len(claimed) - len(outcomes)
            return outcomes, claimed

    async def _revoke_earlier(self) -> None:
        """Take the ids that were given twice from the rows that were given them first."""
        for row_id, campaign_id in self._given_twice[:]:
            if any(each.row_id == row_id for each in self._outcomes):
                continue  # not recorded yet, and neither may be the row that was given the id first
            earlier = await self.journal.find_owner(campaign_id)
            if earlier is not None:
                await self.journal.commit([_revoke(earlier.row_id, campaign_id)], claim=0, now=self.now())
                self.on_revoked(earlier)
            self._given_twice.remove((row_id, campaign_id))
            self.duplicates.append(DuplicateId(campaign_id, row_id, None if earlier is None else earlier.row_id))

    def _room(self) -> int:
        """Return the number of rows that may be claimed now."""
        if self._stopping or self._exhausted:
            return 0
        pace = self.backoff.pace
        if pace is Pace.PAUSED or pace is Pace.PROBE:
            return 0
        sending = self._sending - len(self._outcomes)  # after the next commit
        room = min(self.group, self.concurrency + self.group - sending)
        if pace is Pace.ONE_ROW or self.verify is not None:
            room = min(room, 0 if self._is_verifying else 1 - sending)
        return max(room, 0)

    async def _wait(self) -> None:
        """Wait until outcomes can be written or rows claimed."""
        if self._linger_timer is not None:  # its outcomes are written
            self._linger_timer.cancel()
            self._linger_timer = None
        if self._stopping:
            await self._wake.wait()
            return
        is_probing = self._probing is not None and not self._probing.done()
        if not is_probing and not self._exhausted and self.backoff.pace is Pace.PROBE:
            self._probing = asyncio.create_task(self._probe())
        try:
            async with asyncio.timeout(self.backoff.remaining_pause):
                await self._wake.wait()
        except TimeoutError:
            if self.backoff.has_expired:
                self.stopped_by = self.stopped_by or self.backoff.error
                self.stop()

    async def _probe(self) -> None:
        try:
            await self.probe()
        except Exception as error:
            outcome, action = classify_error(0, error)
            if action is RunAction.STOP:
                self.stopped_by = self.stopped_by or error
                self.stop()
            elif outcome.state is State.FAILED:  # the server answered: it may be that this key may not list campaigns
                self.backoff.record_probe()
            else:
                self.backoff.record_failure(error)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            self._fail(error)
        else:
            self.backoff.record_probe()
        finally:
            self._wake.set()


def _revoke(row_id: int, campaign_id: str) -> Transition:
    reason = f"the server gave the id {campaign_id} to this create and to another one"
    return Transition(row_id, State.UNKNOWN, reason=reason, candidates=(PossibleMatch(campaign_id),), exceptional=True)


def classify_error(row_id: int, error: BaseException) -> tuple[Transition, RunAction]:
    """Return the outcome of the row whose create raised this error, and the run's next step."""
    effect, status = effect_of(error), getattr(error, "status", None)
    form = error.body_form if isinstance(error, CampaignsError) else None
    state, action = classify_row(effect, _cause_of(error) if status is None else status, form)
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
    if isinstance(error, ConnectionFailedError) and error.is_permanent:
        return Cause.MISCONFIGURED
    return Cause.ARGUMENT if isinstance(error, InvalidArgumentError) else Cause.NO_RESPONSE


def _reason_of(error: BaseException, status: int | None) -> str:
    """Return the error in a few words, without text, phone number or name."""
    if isinstance(error, InvalidArgumentError):
        return f"{type(error).__name__}: {error.message}"
    return getattr(error, "cause_type", type(error)).__name__ if status is None else str(status)
