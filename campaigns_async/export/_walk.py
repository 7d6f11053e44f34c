"""Walks through the rows of an export, in order: campaigns, or the contacts of campaigns, several of which are read at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final

from attrs import define, field, frozen

from campaigns_async.client import CampaignsClient
from campaigns_async.errors import NotFoundError
from campaigns_async.export._encoders import Batch
from campaigns_async.export._options import ExportOptions
from campaigns_async.export._page_reader import PageReader, await_cancelled, error_of, prefetch_for
from campaigns_async.export.export_errors import ResumeError
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging import Paginator
from campaigns_async.query._parse import Filters, Sorts
from campaigns_async.values import Checkpoint

_STEP_ROWS: Final = 5000
"""Rows after which a step is full; a larger page is a step of its own."""
_LOOKS: Final = 8
"""How often a step looks for what else has come."""
_LIST_PAGE: Final = 1000
"""Campaigns a page at most, where only their ids are needed."""


@frozen
class Position:
    """The place after the rows that were written, from which a walk continues."""

    campaign: str | None = None
    """The campaign whose contacts come next."""
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    """The place in its contacts; for an export of campaigns, in their list. None for the first row."""
    listing: Checkpoint | None = field(default=None, repr=False)
    """The place after `campaign` in the list of campaigns, if their contacts are exported."""
    done: int = 0
    """Campaigns that are complete, deleted ones included."""
    deleted_campaigns: int = 0
    """Campaigns that were deleted before all their contacts were read."""


@frozen
class Step:
    """Rows to be written next, and the position after them."""

    batches: tuple[Batch, ...]
    position: Position = field(repr=False)
    total: int | None = None
    """Rows in all, if the server tells."""
    campaigns: int | None = None
    """Contacts of several campaigns: campaigns that are complete with this step."""
    campaigns_total: int | None = None
    """Contacts of several campaigns: campaigns in all, if known."""


def walk_campaigns(
    client: CampaignsClient, options: ExportOptions, position: Position | None = None
) -> AsyncGenerator[Step, None]:
    """Return the steps of a walk through the campaigns; its `aclose` cancels what is in flight.

    Args:
        client: A client of the account.
        options: Which campaigns, in which order, and by which pages; a position keeps its own page size.
        position: Of an earlier step, to continue after it.

    Raises:
        InvalidArgumentError: The position belongs to another list.
        CampaignsError: A page could not be read; the steps before it were given.
    """
    start = None if position is None else position.checkpoint
    listing = client.campaigns.list(
        filters=options.filters,
        sorts=options.sorts,
        page_size=options.page_size if start is None else None,
        prefetch=prefetch_for(options.prefetch),
        resume_from=start,
    )
    return _campaign_steps(listing)


async def _campaign_steps(listing: Paginator[Campaign]) -> AsyncGenerator[Step, None]:
    changed = asyncio.Event()
    reader = PageReader(listing, changed.set)
    try:
        while not reader.over:
            changed.clear()
            step = await _campaign_step(reader)
            if step is not None:
                yield step
                del step  # frees its rows before those of the next step come
            elif not reader.over:
                await changed.wait()
        if reader.error is not None:
            raise reader.error
    finally:
        await await_cancelled([reader.cancel()])


async def _campaign_step(reader: PageReader[Campaign]) -> Step | None:
    batches: list[Batch] = []
    rows, last = 0, None
    while rows < _STEP_ROWS and (page := reader.take()) is not None:
        batches.append(Batch(page.rows))
        rows, last = rows + len(page.rows), page
        await asyncio.sleep(0)  # by then the reader holds a page that was prefetched
    return None if last is None else Step(tuple(batches), Position(checkpoint=last.checkpoint), total=last.total)


@define(eq=False)
class _Cursor:
    """A campaign that is being read."""

    campaign_id: str
    checkpoint: Checkpoint | None
    """The place after its rows that were handed out."""
    listing: Checkpoint | None
    """The place after the campaign in the list of campaigns."""
    reader: PageReader[Contact] = field(init=False)


class ContactsWalk:
    """A walk through the contacts of one campaign or more: all those of a campaign, then those of the next.

    Each campaign that is read holds `2 * prefetch + 2` pages at most, so that memory does not depend on their sizes.

    Args:
        client: A client of the account.
        options: Which contacts, in which order, and by which pages; a position keeps its own page size.
        campaign_ids: Which campaigns; None for those of a list.
        campaign_filters: As for `campaigns.list`.
        campaign_sorts: As for `campaigns.list`.
        parallel: Campaigns read at once, from 1.
        position: Of an earlier step, to continue after it.

    Raises:
        ResumeError: The position belongs to other campaigns.
    """

    def __init__(
        self,
        client: CampaignsClient,
        options: ExportOptions,
        campaign_ids: tuple[str, ...] | None,
        *,
        campaign_filters: Filters = None,
        campaign_sorts: Sorts = "id",
        parallel: int,
        position: Position | None = None,
    ) -> None:
        self._client = client
        self._options = options
        self._ids = campaign_ids
        self._campaign_filters: Filters = campaign_filters
        self._campaign_sorts: Sorts = campaign_sorts
        self._start = position or Position()
        if not self._is_place(self._start):
            raise ResumeError("the state of the unfinished export belongs to other campaigns: restart")
        self._done = self._start.done
        self._deleted = self._start.deleted_campaigns
        self._listing = self._start.listing
        self._cursors: deque[_Cursor] = deque()
        """Campaigns that are read, in their order."""
        self._slots = asyncio.Semaphore(parallel)
        self._changed = asyncio.Event()
        self._all_begun = False
        self._error: Exception | None = None
        self._total: int | None = None
        self._campaigns_total = None if campaign_ids is None else len(campaign_ids)
        if self._listing is not None:
            self._campaigns_total = self._listing.total

    async def steps(self) -> AsyncGenerator[Step, None]:
        """Yield the contacts, as many as have come, up to some 5,000 rows; the last step has the final counts.

        A listed campaign that is deleted meanwhile is counted as gone. `aclose` cancels what is in flight.

        Raises:
            NotFoundError: A campaign that was given does not exist.
            CampaignsError: A page could not be read; a step of what had come before it was given.
        """
        feeding = asyncio.create_task(self._feed())
        feeding.add_done_callback(self._end_feeding)
        yielded = False
        try:
            while True:
                self._changed.clear()
                step = await self._next_step()
                found = step is not None
                if step is not None:
                    yielded = True
                    yield step
                del step  # frees its rows before those of the next step come
                if self._error is not None:
                    raise self._error
                if not found:
                    if self._all_begun and not self._cursors:
                        break
                    await self._changed.wait()
            if not yielded:
                yield self._step(())
        finally:
            feeding.cancel()
            await await_cancelled([feeding, *(cursor.reader.cancel() for cursor in self._cursors)])

    # Reading campaigns

    async def _feed(self) -> None:
        """Begin to read campaigns, as many at once as are allowed."""
        async with aclosing(self._campaigns()) as campaigns:
            await self._slots.acquire()
            async for cursor in campaigns:
                self._begin(cursor)
                await self._slots.acquire()
        self._all_begun = True

    async def _campaigns(self) -> AsyncGenerator[_Cursor, None]:
        start = self._start
        if start.campaign is not None:
            yield _Cursor(start.campaign, start.checkpoint, start.listing)
        if self._ids is not None:
            for campaign_id in self._ids[start.done + (start.campaign is not None) :]:
                yield _Cursor(campaign_id, None, None)
            return
        listing = self._client.campaigns.list(
            filters=self._campaign_filters,
            sorts=self._campaign_sorts,
            page_size=min(self._options.page_size, _LIST_PAGE) if start.listing is None else None,
            prefetch=1,
            resume_from=start.listing,
        )
        pages = listing.pages()
        try:
            while (found := await pages.advance()) is not None:
                rows, page = found
                self._campaigns_total = page.total_records
                for campaign in rows:
                    yield _Cursor(campaign.id, None, listing.checkpoint)
        finally:
            await pages.aclose()

    def _begin(self, cursor: _Cursor) -> None:
        def notice() -> None:
            if cursor.reader.error is not None:  # before its turn: what cannot be exported is reported at once
                self._error = self._error or self._failure(cursor)
            self._changed.set()

        listing = self._client.campaigns.contacts(
            cursor.campaign_id,
            filters=self._options.filters,
            sorts=self._options.sorts,
            page_size=self._options.page_size if cursor.checkpoint is None else None,
            prefetch=prefetch_for(self._options.prefetch),
            resume_from=cursor.checkpoint,
        )
        cursor.reader = PageReader(listing, notice)
        self._cursors.append(cursor)

    def _end_feeding(self, task: asyncio.Task[None]) -> None:
        if not self._all_begun:
            self._error = self._error or error_of(task)
        self._changed.set()

    # Handing out rows

    async def _next_step(self) -> Step | None:
        """Return what has come; None if nothing has."""
        batches: list[Batch] = []
        done, rows = self._done, 0
        for _ in range(_LOOKS):
            before = len(batches), self._done
            for batch in self._take(_STEP_ROWS - rows):
                batches.append(batch)
                rows += len(batch.rows)
            if (len(batches), self._done) == before or rows >= _STEP_ROWS:
                break
            await asyncio.sleep(0)  # by then the readers hold pages that were prefetched
        return self._step(tuple(batches)) if batches or self._done > done else None

    def _take(self, room: int) -> Iterator[Batch]:
        """Yield batches that have come, until they have so many rows or more."""
        while self._cursors and room > 0:
            cursor = self._cursors[0]
            page = cursor.reader.take()
            if page is not None:
                cursor.checkpoint = page.checkpoint
                self._total = page.total
                room -= len(page.rows)
                yield Batch(page.rows, cursor.campaign_id)
            elif not cursor.reader.over or self._failure(cursor) is not None:
                return
            else:
                self._cursors.popleft()
                self._done += 1
                self._deleted += cursor.reader.error is not None
                self._listing = cursor.listing
                self._slots.release()

    def _step(self, batches: tuple[Batch, ...]) -> Step:
        position = Position(listing=self._listing, done=self._done, deleted_campaigns=self._deleted)
        if self._cursors:
            cursor = self._cursors[0]
            position = Position(cursor.campaign_id, cursor.checkpoint, cursor.listing, self._done, self._deleted)
        if self._ids is not None and len(self._ids) == 1:
            return Step(batches, position, total=self._total)
        return Step(batches, position, campaigns=self._done, campaigns_total=self._campaigns_total)

    # Decisions

    def _is_place(self, position: Position) -> bool:
        """Return True if a position can be one of this walk."""
        if self._ids is None:
            return position.listing is not None or position == Position()
        if position.listing is not None or position.done > len(self._ids):
            return False
        return position.campaign is None or position.campaign in self._ids[position.done :][:1]

    def _failure(self, cursor: _Cursor) -> Exception | None:
        """Return the error to raise for a campaign that could not be read; None if it is complete, or gone."""
        error = cursor.reader.error
        if not isinstance(error, NotFoundError) or self._ids is None:
            return None if isinstance(error, NotFoundError) else error
        missing = _missing(error, self._ids, cursor.campaign_id)
        missing.__cause__ = error
        return missing


def _missing(error: NotFoundError, campaign_ids: tuple[str, ...], campaign_id: str) -> NotFoundError:
    """Return the error for a campaign that was given and does not exist."""
    number = campaign_ids.index(campaign_id) + 1
    missing = NotFoundError(
        f"campaign {number} of the {len(campaign_ids)} given, {campaign_id}, does not exist: leave it out",
        status=error.status,
        problem=error.problem,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )
    return missing.attach(
        method=error.method or "GET",
        path=error.path or "",
        attempts=error.attempts,
        elapsed=error.elapsed,
        effect=error.effect,
    )
