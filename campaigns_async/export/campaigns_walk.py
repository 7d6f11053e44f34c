"""Walks through the campaigns of an account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from campaigns_async.client import CampaignsClient
from campaigns_async.export.ports import Batch, Json, Step
from campaigns_async.export.positions import checkpoint_json, checkpoint_of
from campaigns_async.export.reading import STEP_ROWS, Reading, ahead, end
from campaigns_async.models import Campaign
from campaigns_async.resources.listing import Filters, Sorts


class CampaignsWalk:
    """A walk in the order of the list.

    Args:
        client: Whose account it is.
        filters: As for `campaigns.list`.
        sorts: As for `campaigns.list`.
        page_size: Rows a page; that of the position, where one is given.
        prefetch: Pages asked for at the same time as the next one.
        position: Of a step, to go on behind it; None: from the first one on.

    Raises:
        QueryError: The server would not understand the filters or sorts.
        InvalidArgumentError: Another argument cannot be right, or the position belongs to another list.
        ResumeError: The position cannot be read.
    """

    def __init__(
        self,
        client: CampaignsClient,
        *,
        filters: Filters = None,
        sorts: Sorts = None,
        page_size: int,
        prefetch: int,
        position: Mapping[str, Json] | None = None,
    ) -> None:
        self._listing = client.campaigns.list(
            filters=filters,
            sorts=sorts,
            page_size=page_size if position is None else None,
            prefetch=ahead(prefetch),
            resume_from=None if position is None else checkpoint_of(position),
        )

    async def steps(self) -> AsyncGenerator[Step, None]:
        """The campaigns; a step holds the pages that are there, up to some 5,000 rows.

        Raises:
            CampaignsError: A page could not be had.
        """
        changed = asyncio.Event()
        reading: Reading[Campaign] = Reading(self._listing, changed.set)
        try:
            while not reading.over:
                changed.clear()
                step = await _step(reading)
                if step is not None:
                    yield step
                    del step  # its rows need not wait for those of the next one
                elif not reading.over:
                    await changed.wait()
            if reading.error is not None:
                raise reading.error
        finally:
            await end([reading.stop()])


async def _step(reading: Reading[Campaign]) -> Step | None:
    batches: list[Batch] = []
    rows, last = 0, None
    while rows < STEP_ROWS and (read := reading.take()) is not None:
        batches.append(Batch(read.rows))
        rows, last = rows + len(read.rows), read
        await asyncio.sleep(0)  # a page that was fetched ahead is in hand then
    return None if last is None else Step(tuple(batches), checkpoint_json(last.checkpoint), total=last.total)
