"""Sends the planned rows of a journal: each is in the journal as *sending* before its request can leave.

Workers send, one loop commits. A commit carries all outcomes since the one before, and claims as many planned rows as
there is room for, so that durability costs one write to the disk for a group of rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from attrs import define, field

from campaigns_async._threads import wait_to_end
from campaigns_async.effects import Effect, RunAction, State, effect_of
from campaigns_async.jobs._backpressure import Backoff
from campaigns_async.jobs._outcomes import RowOutcome, classify_error
from campaigns_async.jobs.job_errors import JournalError
from campaigns_async.jobs.journal import ClaimedRow, Journal, Transition

_LINGER: Final = 0.01
"""Seconds that an outcome may wait for others before it is written."""


@define(eq=False)
class Sender:
    """One pass over the planned rows.

    Attributes:
        journal: Hands out planned rows, and takes outcomes.
        create: Sends a row and returns the campaign's id.
        now: The time, in seconds since 1970.
        on_commit: Called after each commit, with how many rows it claimed and the transitions it recorded.
        concurrency: Creates in flight at most, from 1.
        group: Rows that a commit claims at most, from 1: so many may be *sending* besides those in flight.
        backoff: Decides when to wait, and when to give up.
        stopped_by: The error that every row would have met.
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
    _sending: int = field(init=False, default=0)
    """Rows that the journal holds as *sending*, and whose outcome this run will record."""
    _exhausted: bool = field(init=False, default=False)
    _stopping: bool = field(init=False, default=False)
    _lingers: asyncio.TimerHandle | None = field(init=False, default=None)

    async def run(self) -> None:
        """Send all planned rows, or until stopped.

        What was sent and answered is in the journal at the end, whatever ends it.

        Raises:
            JournalWriteError: If the journal could not be written; nothing more was sent.
            CancelledError: What was in flight was cut off, and stays *sending* where it may have been carried out.
        """
        committing = asyncio.ensure_future(self._commit_all())
        workers = [asyncio.create_task(self._work()) for _ in range(self.concurrency)]
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await wait_to_end(self._cut_off(workers, committing))
            raise
        except BaseException:  # whatever it was, what is in flight is awaited
            self.stop()
            await wait_to_end(self._end(workers))
            await wait_to_end(self._try_once_more())
            raise
        finally:
            await wait_to_end(self._end(workers))

    def stop(self) -> None:
        """Claim nothing more; what is in flight finishes and is recorded."""
        self._stopping = True
        self._put_back_unsent()
        self._wake.set()

    async def _cut_off(self, workers: Collection[asyncio.Task[None]], committing: asyncio.Future[None]) -> None:
        self.stop()
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
        self._wake.set()
        try:
            await committing
        except JournalError:
            await self._try_once_more()

    async def _try_once_more(self) -> None:
        """Record what is known: the disk may have room for that, or have room again."""
        with suppress(JournalError):
            await self.journal.commit(self._outcomes, claim=0, now=self.now())

    async def _end(self, workers: Collection[asyncio.Task[None]]) -> None:
        for _ in workers:
            self._ready.put_nowait(None)
        await asyncio.wait(workers)
        if self._lingers is not None:
            self._lingers.cancel()

    def _put_back_unsent(self) -> None:
        """Plan the claimed rows again that no worker has: nothing of them was sent."""
        while not self._ready.empty():
            row = self._ready.get_nowait()
            if row is not None:
                self._outcomes.append(Transition(row.row_id, State.PLANNED))

    async def _work(self) -> None:
        while (row := await self._ready.get()) is not None:
            try:
                campaign_id = await self.create(row)
            except asyncio.CancelledError as stop:
                if effect_of(stop) in {Effect.NOT_SENT, Effect.REJECTED}:
                    self._outcomes.append(Transition(row.row_id, State.PLANNED))
                else:
                    self._sending -= 1  # the journal keeps it so
                raise
            except Exception as error:
                self._take_error(row, classify_error(error), error)
            else:
                self.backoff.succeeded()
                self._outcomes.append(Transition(row.row_id, State.CREATED, campaign_id=campaign_id))
            self._note()

    def _take_error(self, row: ClaimedRow, outcome: RowOutcome, error: Exception) -> None:
        match outcome.action:
            case RunAction.BACK_OFF:
                self.backoff.failed(error)
            case RunAction.STOP:
                self.stopped_by = self.stopped_by or error
                self.stop()
            case RunAction.CONTINUE if outcome.state is State.UNKNOWN and not outcome.created_without_id:
                self.backoff.unknown(error)
            case RunAction.CONTINUE:
                self.backoff.succeeded()
        if self.backoff.is_active:
            self._put_back_unsent()
        self._outcomes.append(
            Transition(
                row.row_id,
                outcome.state,
                reason=outcome.reason,
                created_without_id=outcome.created_without_id,
                refused_contacts=outcome.refused_contacts,
            )
        )

    def _note(self) -> None:
        """Have the outcome recorded: at once when there is a group to claim or to write, else soon."""
        if self._ready.qsize() <= self.group // 2 or len(self._outcomes) >= self.group:
            self._wake.set()
        elif self._lingers is None:
            self._lingers = asyncio.get_running_loop().call_later(_LINGER, self._wake.set)

    async def _commit_all(self) -> None:
        while True:
            self._wake.clear()
            room = self._room()
            outcomes = self._outcomes[:]
            if outcomes or room:
                claimed = await self.journal.commit(outcomes, claim=room, now=self.now())
                self._outcomes = self._outcomes[len(outcomes) :]  # others may have come meanwhile
                self._sending += len(claimed) - len(outcomes)
                if any(each.state is State.PLANNED for each in outcomes):
                    self._exhausted = False
                elif room:
                    self._exhausted = len(claimed) < room
                if self._stopping:  # since the rows were claimed
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
        """Return how many rows may be claimed now."""
        if self._stopping or self._exhausted or self.backoff.is_holding():
            return 0
        sending = self._sending - len(self._outcomes)  # once this group is written
        room = min(self.group, self.concurrency + self.group - sending)
        if self.backoff.is_active:
            room = min(room, 1 - sending)  # one row shows whether the server is well again
        return max(room, 0)

    async def _wait(self) -> None:
        """Wait until there is something to write or to claim."""
        if self._lingers is not None:  # what it was set for is written
            self._lingers.cancel()
            self._lingers = None
        pause = self.backoff.pause() if not self._stopping else None
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            if self.backoff.is_over():
                self.stopped_by = self.stopped_by or self.backoff.error
                self.stop()
