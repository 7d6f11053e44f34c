"""A walk through the rows of an export, in order: campaigns, or the contacts of campaigns that are read in parallel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from copy import copy
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from attrs import define, evolve, field, frozen

from campaigns_async._threads import wait_until_done
from campaigns_async.client import CampaignsClient
from campaigns_async.errors import NotFoundError
from campaigns_async.export._encoders import Batch
from campaigns_async.export._options import ListOptions
from campaigns_async.export.export_errors import ResumeError
from campaigns_async.paging import Paginator, read_at_full_speed
from campaigns_async.values import Checkpoint

_STEP_ROWS: Final = 5000
"""The number of rows from which on a step takes no further page."""
_STEP_ROUNDS: Final = 64
"""The maximum number of rounds in which a step collects pages."""
ONLY_CAMPAIGNS: Final = (None,)
"""The value of `Walk.campaigns` to read campaigns, without their contacts."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


@frozen
class Position:
    """The place after the rows that were written, from which a walk continues.

    Attributes:
        campaign: The id of the campaign whose contacts are written next.
        checkpoint: The place in its contacts, or in the list of campaigns if campaigns are exported; None for the start.
        listing: The place after `campaign` in the list of campaigns, if the campaigns are taken from a list.
        done: The number of complete campaigns, including deleted ones.
        deleted_campaigns: Campaigns that were deleted before all their contacts were read.
    """

    campaign: str | None = None
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    listing: Checkpoint | None = field(default=None, repr=False)
    done: Count = 0
    deleted_campaigns: Count = 0

    @property
    def is_in_listing(self) -> bool:
        """True if the place is in a listing that may have more rows."""
        return self.campaign is not None or self.checkpoint is not None


@frozen
class Step:
    """Rows to write next, the place after them, and the counts of `ExportProgress`."""

    batches: tuple[Batch, ...]
    position: Position = field(repr=False)
    total: int | None = None
    campaigns: int | None = None
    campaigns_total: int | None = None


@define(eq=False)
class _Cursor:
    """A listing that a task reads while earlier rows are written: the contacts of a campaign, or the list of campaigns.

    The task keeps one page until `take`, in addition to the pages that the paginator prefetches.

    Attributes:
        checkpoint: The place after the rows that were taken.
        listing: The place after the campaign in the list of campaigns.
        total: All rows of the listing, by the server's count at the last page that was taken.
    """

    campaign_id: str | None
    checkpoint: Checkpoint | None = None
    listing: Checkpoint | None = None
    total: int | None = field(init=False, default=None)
    error: Exception | None = field(init=False, default=None)
    task: asyncio.Task[None] = field(init=False)
    _on_change: Callable[[], object] = field(init=False)
    _pages: deque[tuple[tuple[Any, ...], Checkpoint, int | None]] = field(init=False, factory=deque[Any])
    _has_room: asyncio.Event = field(init=False, factory=asyncio.Event)
    has_ended: bool = field(init=False, default=False)

    def start(self, listing: Paginator[Any], on_change: Callable[[], object]) -> None:
        """Start the task, which calls `on_change` after each page and at the end."""
        self._on_change = on_change
        self.task = asyncio.create_task(self._read(listing))
        self.task.add_done_callback(self._finish)

    def take(self) -> tuple[Any, ...] | None:
        """Return the rows of the next page; None if it is not read yet, or after the last page."""
        if not self._pages:
            return None
        self._has_room.set()
        rows, self.checkpoint, self.total = self._pages.popleft()
        return rows

    async def _read(self, listing: Paginator[Any]) -> None:
        async with aclosing(read_at_full_speed(listing)) as pages:
            while (step := await pages.advance()) is not None:
                rows, page = step
                self._pages.append((tuple(rows), listing.checkpoint, page.total_records))
                self._on_change()
                if pages.has_ended:  # the next call of `advance` sends no request, and ends the loop at once
                    continue
                while self._pages:
                    self._has_room.clear()
                    await self._has_room.wait()
        self.has_ended = True
        self._on_change()

    def _finish(self, task: asyncio.Task[None]) -> None:
        if not self.has_ended:
            self.has_ended = True
            self.error = _error_of(task)
            self._on_change()


def _error_of(task: asyncio.Task[None]) -> Exception | None:
    """Return the error that ended a task before its work was done."""
    # The walk ignores the error of a task that it has cancelled. If others cancel it, the listing is not complete.
    if task.cancelled():
        return RuntimeError("reading was cancelled before its end")
    error = task.exception()
    if error is None or isinstance(error, Exception):
        return error
    failure = RuntimeError("reading was ended")
    failure.__cause__ = error
    return failure


class Walk:
    """A walk through campaigns, or through the contacts of campaigns, one campaign after the other.

    The campaigns are given by their ids, by the options of the list that has them, or as `ONLY_CAMPAIGNS`; `rows` has the
    options of the listings that are exported. With `skips_missing`, a given id that does not exist counts as deleted.
    Each campaign in progress takes the memory of at most `2 * prefetch + 2` pages, whatever its size.

    Raises:
        ResumeError: If the position belongs to other campaigns.
    """

    def __init__(
        self,
        client: CampaignsClient,
        rows: ListOptions,
        campaigns: ListOptions | tuple[str | None, ...],
        parallel: int,
        position: Position | None = None,
        *,
        skips_missing: bool = False,
    ) -> None:
        self._skips_missing = skips_missing
        self._client = client
        self._rows = rows
        self._campaigns = campaigns
        self._start = position or Position()
        if not self._is_possible(self._start):
            raise ResumeError("the state of the unfinished export belongs to other campaigns: restart")
        # The position after the complete campaigns; `_step` adds the place in the campaign that is being read.
        self._end = evolve(self._start, campaign=None, checkpoint=None)
        self._cursors: deque[_Cursor] = deque()  # in the order of the campaigns
        self._slots = asyncio.Semaphore(parallel)
        self._changed = asyncio.Event()
        self._all_begun = False
        self._error: Exception | None = None
        self._total: int | None = None
        if isinstance(campaigns, tuple):
            self._campaigns_total: int | None = len(campaigns)
        else:
            self._campaigns_total = None if self._start.listing is None else self._start.listing.total

    async def steps(self) -> AsyncGenerator[Step, None]:
        """Yield the rows as they are read, in steps of about 5,000 rows. The last step has the final counts.

        A listed campaign that is deleted during the walk is counted. `aclose` cancels the requests in flight. If a page
        cannot be read, the rows before it were yielded.
        """
        feeding = asyncio.create_task(self._feed())
        feeding.add_done_callback(self._end_feeding)
        has_yielded = False
        try:
            while True:
                self._changed.clear()
                step = await self._next_step()
                has_rows = step is not None
                if step is not None:
                    has_yielded = True
                    yield step
                del step  # frees its rows before the next step is read
                if self._error is not None:
                    raise self._error
                if not has_rows:
                    if self._all_begun and not self._cursors:
                        break
                    await self._changed.wait()
            if not has_yielded:
                yield self._step(())
        finally:
            tasks = [feeding, *(cursor.task for cursor in self._cursors)]
            for task in tasks:
                task.cancel()
            await wait_until_done(tasks)

    # Reading campaigns

    async def _feed(self) -> None:
        """Start to read campaigns, `parallel` at a time."""
        async with aclosing(self._find_campaigns()) as campaigns:
            await self._slots.acquire()
            async for cursor in campaigns:
                self._begin(cursor)
                await self._slots.acquire()
        self._all_begun = True

    async def _find_campaigns(self) -> AsyncGenerator[_Cursor, None]:
        start = self._start
        if start.is_in_listing:
            yield _Cursor(start.campaign, start.checkpoint, start.listing)
        if isinstance(self._campaigns, tuple):
            for campaign_id in self._campaigns[start.done + start.is_in_listing :]:
                yield _Cursor(campaign_id)
            return
        listing = self._client.campaigns.list(**self._campaigns.build_list_arguments(start.listing))
        async with aclosing(listing.pages()) as pages:
            while (step := await pages.advance()) is not None:
                rows, page = step
                self._campaigns_total = page.total_records
                for campaign in rows:
                    yield _Cursor(campaign.id, listing=listing.checkpoint)

    def _begin(self, cursor: _Cursor) -> None:
        def on_change() -> None:
            # Before the campaign's turn: an export that cannot complete fails at once.
            if cursor.error is not None:
                self._error = self._error or self._failure_of(cursor)
            self._changed.set()

        campaigns, arguments = self._client.campaigns, self._rows.build_list_arguments(cursor.checkpoint)
        if cursor.campaign_id is None:
            cursor.start(campaigns.list(**arguments), on_change)
        else:
            cursor.start(campaigns.contacts(cursor.campaign_id, **arguments), on_change)
        self._cursors.append(cursor)

    def _end_feeding(self, task: asyncio.Task[None]) -> None:
        if not self._all_begun:
            self._error = self._error or _error_of(task)
        self._changed.set()

    # Yielding rows

    async def _next_step(self) -> Step | None:
        """Return a step with the rows that were read; None without rows, unless a campaign was completed."""
        batches: list[Batch] = []
        done, rows = self._end.done, 0
        for _ in range(_STEP_ROUNDS):
            before = len(batches), self._end.done
            for batch in self._take(_STEP_ROWS - rows):
                batches.append(batch)
                rows += len(batch.rows)
            if (len(batches), self._end.done) == before or rows >= _STEP_ROWS:
                break
            await asyncio.sleep(0)  # lets the readers take pages that were prefetched
        return self._step(tuple(batches)) if batches or self._end.done > done else None

    def _take(self, room: int) -> Iterator[Batch]:
        """Yield batches that were read, until they fill `room` rows."""
        while self._cursors and room > 0:
            cursor = self._cursors[0]
            rows = cursor.take()
            if rows is not None:
                self._total = cursor.total
                room -= len(rows)
                yield Batch(rows, cursor.campaign_id)
            elif not cursor.has_ended or self._failure_of(cursor) is not None:
                return
            else:
                self._cursors.popleft()
                deleted = self._end.deleted_campaigns + (cursor.error is not None)
                self._end = Position(listing=cursor.listing, done=self._end.done + 1, deleted_campaigns=deleted)
                self._slots.release()

    def _step(self, batches: tuple[Batch, ...]) -> Step:
        position = self._end
        if self._cursors:
            cursor = self._cursors[0]
            position = evolve(
                position, campaign=cursor.campaign_id, checkpoint=cursor.checkpoint, listing=cursor.listing
            )
        if isinstance(self._campaigns, tuple) and len(self._campaigns) == 1:
            return Step(batches, position, total=self._total)
        return Step(batches, position, campaigns=position.done, campaigns_total=self._campaigns_total)

    # Decisions

    def _is_possible(self, position: Position) -> bool:
        """Return True if the position can be one of this walk."""
        if isinstance(self._campaigns, tuple):
            next_campaign = self._campaigns[position.done :][:1]
            is_next = not position.is_in_listing or position.campaign in next_campaign
            return position.listing is None and position.done <= len(self._campaigns) and is_next
        if position.listing is None:
            return position == Position()
        return position.campaign is not None or position.checkpoint is None

    def _failure_of(self, cursor: _Cursor) -> Exception | None:
        """Return the error to raise for a campaign; None if it was read, or was deleted from the list of campaigns."""
        error = cursor.error
        if not isinstance(error, NotFoundError) or cursor.campaign_id is None:
            return error
        if not isinstance(self._campaigns, tuple) or self._skips_missing:
            return None
        number = self._campaigns.index(cursor.campaign_id) + 1
        missing = copy(error)
        missing.message = (
            f"campaign {number} of the {len(self._campaigns)} given, {cursor.campaign_id}, does not exist: leave it out"
        )
        missing.args = (missing.message,)
        missing.__cause__ = error
        return missing
