"""Walks through the contacts of campaigns, several campaigns at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping

from attrs import define

from campaigns_async.client import CampaignsClient
from campaigns_async.errors import NotFoundError
from campaigns_async.export.campaigns_source import Listed, Named, Source
from campaigns_async.export.ports import Batch, Json, Step
from campaigns_async.export.positions import ContactsPosition, Taken
from campaigns_async.export.reading import STEP_ROWS, Reading, ahead, end, why_over
from campaigns_async.models import Contact
from campaigns_async.paging.paginator import Paginator
from campaigns_async.resources.listing import Filters, Sorts
from campaigns_async.values import Checkpoint

_LOOKS = 8
"""How often a step looks for what else has come."""


@define(eq=False)
class _Campaign:
    """One that was taken and is not done with."""

    id: str
    checkpoint: Checkpoint | None = None
    """Behind its rows that were handed out."""
    reading: Reading[Contact] | None = None
    """None: it has not been begun."""


class ContactsWalk:
    """A walk through the contacts of one campaign or more.

    In order, a campaign's rows come behind all those of the one before; otherwise page by page as they come. Either
    way each campaign that is read holds `2 * prefetch + 2` pages at most, so that memory does not depend on their sizes.

    Args:
        client: Whose account it is.
        source: Which campaigns.
        ordered: Whether rows come in the order of the campaigns.
        parallel: Campaigns read at once, from 1.
        filters: As for `campaigns.contacts`.
        sorts: As for `campaigns.contacts`.
        page_size: Rows a page; that of the position for a campaign that was begun.
        prefetch: Pages of a campaign that are asked for at the same time as the next one.
        position: Of a step, to go on behind it; None: from the first one on.

    Raises:
        ResumeError: The position cannot be read.
        InvalidArgumentError: The position belongs to other campaigns.
    """

    def __init__(
        self,
        client: CampaignsClient,
        source: Named | Listed,
        *,
        ordered: bool = True,
        parallel: int,
        filters: Filters = None,
        sorts: Sorts = None,
        page_size: int,
        prefetch: int,
        position: Mapping[str, Json] | None = None,
    ) -> None:
        start = ContactsPosition() if position is None else ContactsPosition.of(position)
        source.go_on(start.source)
        self._client = client
        self._source: Source = source
        self._ordered = ordered
        self._parallel = parallel
        self._filters: Filters = filters
        self._sorts: Sorts = sorts
        self._page_size = page_size
        self._prefetch = prefetch
        self._taken: dict[_Campaign, None] = {_Campaign(one.campaign_id, one.checkpoint): None for one in start.taken}
        self._not_begun: deque[_Campaign] = deque(self._taken)
        self._begun = 0
        """How many of those taken are being read."""
        self._done = start.done
        self._gone = start.gone
        self._total: int | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._come: deque[_Campaign] = deque()
        """A campaign for each page that has come, and for each end, in that order."""
        self._error: Exception | None = None
        self._all_taken = False

    async def steps(self) -> AsyncGenerator[Step, None]:
        """The contacts; a step holds what is there, up to some 5,000 rows, and the last one tells how all ended.

        A campaign of a list that is deleted meanwhile is counted as gone.

        Raises:
            NotFoundError: A campaign that was named is not there.
            CampaignsError: A page could not be had; a step of what had come of the others was given before.
        """
        feeding = asyncio.create_task(self._feed())
        feeding.add_done_callback(self._fed)
        told = False
        try:
            while True:
                self._changed.clear()
                step = await self._step()
                found = step is not None
                if step is not None:
                    told = True
                    yield step
                del step  # its rows need not wait for those of the next one
                if self._error is not None:
                    raise self._error
                if not found:
                    if self._all_taken and not self._taken:
                        break
                    await self._changed.wait()
            if not told:
                yield self._told(())
        finally:
            feeding.cancel()
            await end([feeding, *(one.reading.stop() for one in self._taken if one.reading is not None)])

    # Taking campaigns

    async def _feed(self) -> None:
        """Begin campaigns, as many as may be read at once: those that had been taken first."""
        try:
            while True:
                while self._begun >= self._parallel:
                    self._room.clear()
                    await self._room.wait()
                if self._not_begun:
                    campaign = self._not_begun.popleft()
                else:
                    campaign_id = await self._source.next()
                    if campaign_id is None:
                        break
                    campaign = _Campaign(campaign_id)  # nothing may be awaited before it counts as taken
                    self._taken[campaign] = None
                self._begin(campaign)
        finally:
            await self._source.aclose()
        self._all_taken = True

    def _begin(self, campaign: _Campaign) -> None:
        def changed() -> None:
            if reading.error is not None:  # before its turn: what cannot be exported is told at once
                self._error = self._error or self._failure(campaign, reading.error)
            self._come.append(campaign)
            self._changed.set()

        campaign.reading = reading = Reading(self._listing(campaign), changed)
        self._begun += 1

    def _listing(self, campaign: _Campaign) -> Paginator[Contact]:
        return self._client.campaigns.contacts(
            campaign.id,
            filters=self._filters,
            sorts=self._sorts,
            page_size=self._page_size if campaign.checkpoint is None else None,
            prefetch=ahead(self._prefetch),
            resume_from=campaign.checkpoint,
        )

    def _fed(self, task: asyncio.Task[None]) -> None:
        if not self._all_taken:
            self._error = self._error or why_over(task)
        self._changed.set()

    # Handing out what came

    async def _step(self) -> Step | None:
        """What has come; None where nothing has."""
        batches: list[Batch] = []
        done = self._done
        rows = 0
        for _ in range(_LOOKS):
            found = False
            for batch in self._take(STEP_ROWS - rows):
                found = True
                if batch is not None:
                    batches.append(batch)
                    rows += len(batch.rows)
            if not found or rows >= STEP_ROWS:
                break
            await asyncio.sleep(0)  # pages that were fetched ahead are in hand then
        return self._told(tuple(batches)) if batches or self._done > done else None

    def _take(self, room: int) -> Iterator[Batch | None]:
        """Batches that are there, until they have so many rows or more; None for each campaign that is done with."""
        for campaign in self._in_turn():
            reading = campaign.reading
            if reading is None:
                return
            while room > 0 and (read := reading.take()) is not None:
                campaign.checkpoint = read.checkpoint
                self._total = read.total
                room -= len(read.rows)
                yield Batch(read.rows, campaign.id)
            if reading.over and self._retired(campaign, reading.error):
                yield None
            elif self._ordered:  # there is more of it, or it failed
                return
            if room <= 0:
                return

    def _in_turn(self) -> Iterator[_Campaign]:
        if self._ordered:
            self._come.clear()
            yield from list(self._taken)
        while self._come:
            yield self._come.popleft()

    def _retired(self, campaign: _Campaign, error: Exception | None) -> bool:
        """Whether it is done with now; False where it failed, or was done with before."""
        if campaign not in self._taken or (error is not None and self._failure(campaign, error) is not None):
            return False
        del self._taken[campaign]
        self._done += 1
        self._gone += error is not None
        self._begun -= 1
        self._room.set()
        return True

    def _failure(self, campaign: _Campaign, error: Exception) -> Exception | None:
        """What to raise for what ended a campaign's reading; None where the campaign is merely gone."""
        if not isinstance(error, NotFoundError):
            return error
        absent = self._source.absent(error, campaign.id)
        if absent is not None:
            absent.__cause__ = error
        return absent

    def _told(self, batches: tuple[Batch, ...]) -> Step:
        position = ContactsPosition(
            source=self._source.position,
            taken=tuple(Taken(one.id, one.checkpoint) for one in self._taken),
            done=self._done,
            gone=self._gone,
        )
        if self._source.total == 1 and isinstance(self._source, Named):
            return Step(batches, position.as_json(), total=self._total)
        return Step(
            batches, position.as_json(), campaigns=self._done, campaigns_total=self._source.total, gone=self._gone
        )
