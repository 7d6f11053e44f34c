"""Sends the planned rows of a checked plan: each is in the journal as *sending* before its request can leave.

Workers send, one loop commits. A commit carries all outcomes since the one before, and takes up as many new rows as
there is room for, so that durability costs one write to the disk for a group of rows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress

from attrs import define, field, frozen

from campaigns_async.effects import RowOutcome, RunAction, State, classify_error
from campaigns_async.errors import delivery_of
from campaigns_async.jobs.errors import JournalWriteError
from campaigns_async.jobs.pressure import Pressure
from campaigns_async.jobs.store import Begin, Move
from campaigns_async.models import NewCampaign
from campaigns_async.threads import to_its_end
from campaigns_async.values import Delivery

_LINGER = 0.01
"""Seconds that an outcome may wait for others before it is written."""


@frozen
class Row:
    """A planned row, read and ready to be sent."""

    row_id: int
    content: int
    campaign: NewCampaign
    wire: Callable[[], bytes] = field(repr=False)


Create = Callable[[NewCampaign], Awaitable[str]]
Commit = Callable[[list[Begin], list[Move]], Awaitable[None]]


@define(eq=False)
class Runner:
    """One pass over the planned rows.

    Attributes:
        rows: What is to be sent, read only as fast as there is room.
        create: Sends one campaign; raises what is not created.
        commit: Writes a group, durably.
        on_commit: Is told of the moves that were written.
        concurrency: Creates in flight at most, from 1.
        group: Rows that are taken up at once at most, from 1: so many may be *sending* beside those in flight.
        pressure: Says when to wait, and when to give up.
    """

    rows: Iterator[Row]
    create: Create
    commit: Commit
    on_commit: Callable[[list[Move]], None]
    concurrency: int
    group: int
    pressure: Pressure
    stopped_by: BaseException | None = None
    _ready: asyncio.Queue[Row | None] = field(init=False, factory=asyncio.Queue["Row | None"])
    _again: deque[Row] = field(init=False, factory=deque[Row])
    _moves: list[Move] = field(init=False, factory=list[Move])
    _to_repeat: list[Row] = field(init=False, factory=list[Row])
    _wake: asyncio.Event = field(init=False, factory=asyncio.Event)
    _sending: int = field(init=False, default=0)
    _exhausted: bool = field(init=False, default=False)
    _stopping: bool = field(init=False, default=False)
    _lingers: asyncio.TimerHandle | None = field(init=False, default=None)

    async def run(self) -> None:
        """Send them all, or until it is stopped.

        What was sent and answered is in the journal at the end, whatever ends it.

        Raises:
            JournalWriteError: The journal could not be written; nothing more was sent.
            PlanChangedError: The plan is no longer what was checked.
            CancelledError: What was in flight was cut off, and stays *sending* where it may have been carried out.
        """
        committing = asyncio.ensure_future(self._commit_all())
        workers = [asyncio.create_task(self._work()) for _ in range(self.concurrency)]
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await to_its_end(self._cut_off(workers, committing))
            raise
        except BaseException:  # whatever it was, what is in flight is seen to its end
            self.stop()
            await to_its_end(self._end(workers))
            await to_its_end(self._try_once_more())
            raise
        finally:
            await to_its_end(self._end(workers))

    async def _cut_off(self, workers: Collection[asyncio.Task[None]], committing: asyncio.Future[None]) -> None:
        self.stop()
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
        self._wake.set()
        try:
            await committing
        except JournalWriteError:
            await self._try_once_more()

    async def _try_once_more(self) -> None:
        """To write down what is known: there may be room for that, or be room again."""
        with suppress(JournalWriteError):
            await self.commit([], self._moves)

    async def _end(self, workers: Collection[asyncio.Task[None]]) -> None:
        for _ in workers:
            self._ready.put_nowait(None)
        await asyncio.wait(workers)
        if self._lingers is not None:
            self._lingers.cancel()

    def stop(self) -> None:
        """Take up nothing more; what is in flight finishes and is written down."""
        self._stopping = True
        self._put_back_unsent()
        self._wake.set()

    def _put_back_unsent(self) -> list[Row]:
        """Rows that were taken up, and that no worker has: nothing of them was sent."""
        rows: list[Row] = []
        while not self._ready.empty():
            row = self._ready.get_nowait()
            if row is not None:
                self._moves.append(Move(row.row_id, State.PLANNED))
                rows.append(row)
        return rows

    async def _work(self) -> None:
        while (row := await self._ready.get()) is not None:
            try:
                campaign_id = await self.create(row.campaign)
            except asyncio.CancelledError as stop:
                if delivery_of(stop) in {Delivery.NOT_SENT, Delivery.REJECTED}:
                    self._moves.append(Move(row.row_id, State.PLANNED))
                else:
                    self._sending -= 1  # it stays so in the journal
                raise
            except Exception as error:
                self._not_created(row, classify_error(error), error)
            else:
                self.pressure.eased()
                self._moves.append(Move(row.row_id, State.CREATED, campaign_id=campaign_id))
            self._note()

    def _not_created(self, row: Row, outcome: RowOutcome, error: Exception) -> None:
        if outcome.state is State.PLANNED and outcome.action is RunAction.BACK_OFF:
            self.pressure.felt(error)
            self._hold_back(row)
        elif outcome.action is RunAction.STOP:
            self.stopped_by = self.stopped_by or error
            self.stop()
        elif outcome.action is RunAction.BACK_OFF:  # the row is unknown, and each further one would be
            self.pressure.felt(error)
            self._hold_back()
        elif outcome.state is State.UNKNOWN and not outcome.surely_done:
            self.pressure.doubted(error)
            if self.pressure.is_felt:
                self._hold_back()
        else:
            self.pressure.eased()
        self._moves.append(
            Move(
                row.row_id,
                outcome.state,
                reason=outcome.reason,
                payload=row.wire() if outcome.state is State.FAILED else None,
                surely_done=outcome.surely_done,
            )
        )

    def _hold_back(self, *failed: Row) -> None:
        """Have rows that no worker has yet, and those that could not be sent, go out later."""
        self._to_repeat.extend(failed)
        self._to_repeat.extend(self._put_back_unsent())

    def _note(self) -> None:
        """Have the outcome written: at once when it is time for a group, else soon."""
        if self._ready.qsize() <= self.group // 2 or len(self._moves) >= self.group:
            self._wake.set()
        elif self._lingers is None:
            self._lingers = asyncio.get_running_loop().call_later(_LINGER, self._wake.set)

    async def _commit_all(self) -> None:
        while True:
            self._wake.clear()
            taken = self._take_up()
            moves = self._moves
            repeats, self._to_repeat = self._to_repeat, []
            if taken or moves:
                written = len(moves)
                await self.commit([Begin(row.row_id, row.content) for row in taken], moves[:written])
                moves, self._moves = moves[:written], self._moves[written:]
                self._sending += len(taken) - written
                self._again.extend(repeats)
                if self._stopping:  # meanwhile
                    self._moves.extend(Move(row.row_id, State.PLANNED) for row in taken)
                else:
                    for row in taken:
                        self._ready.put_nowait(row)
                self.on_commit(moves)
                continue
            if self._sending == 0 and (self._stopping or (self._exhausted and not self._again)):
                return
            await self._wait()

    async def _wait(self) -> None:
        """Until there is something to write or to take up."""
        if self._lingers is not None and self._lingers.when() <= asyncio.get_running_loop().time():
            self._lingers = None
        pause = self.pressure.pause() if not self._stopping else None
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            if self.pressure.is_over():
                self.stopped_by = self.stopped_by or self.pressure.error
                self.stop()
        if self._lingers is not None:
            self._lingers.cancel()
            self._lingers = None

    def _take_up(self) -> list[Row]:
        if self._stopping or self.pressure.is_holding():
            return []
        sending = self._sending - len(self._moves)  # once this group is written
        room = min(self.group, self.concurrency + self.group - sending)
        if self.pressure.is_felt:
            room = min(room, 1 - sending)  # one row shows whether the server is well again
        taken: list[Row] = []
        while len(taken) < room:
            if self._again:
                taken.append(self._again.popleft())
            elif self._exhausted:
                break
            elif (row := next(self.rows, None)) is None:
                self._exhausted = True
            else:
                taken.append(row)
        return taken
