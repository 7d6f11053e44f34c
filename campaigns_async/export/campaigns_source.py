"""Which campaigns' contacts are walked through: those that were named, or those of a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from campaigns_async.client import CampaignsClient
from campaigns_async.errors import NotFoundError
from campaigns_async.export.errors import ResumeError
from campaigns_async.models import Campaign
from campaigns_async.resources.listing import Filters, Sorts
from campaigns_async.values import Checkpoint

_LIST_PAGE = 1000
"""Campaigns a page, at most: only their ids are needed."""


class Source(Protocol):
    """Gives campaigns one by one."""

    @property
    def total(self) -> int | None:
        """How many there are in all, as far as is known."""
        ...

    @property
    def position(self) -> int | Checkpoint | None:
        """Behind the campaign that was given last."""
        ...

    async def next(self) -> str | None:
        """The next one's id; None at the end."""
        ...

    async def aclose(self) -> None:
        """Stop what is under way."""
        ...

    def absent(self, error: NotFoundError, campaign_id: str) -> NotFoundError | None:
        """What to raise where a campaign is not there; None where that can be."""
        ...


class Named:
    """The campaigns that the caller named."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        self._ids = ids
        self._next = 0

    def go_on(self, position: int | Checkpoint | None) -> None:
        """Begin behind a position.

        Raises:
            ResumeError: It is none of these ids.
        """
        if position is None:
            return
        if isinstance(position, Checkpoint) or position > len(self._ids):
            raise ResumeError("what was noted of the export's progress belongs to other campaigns: begin anew")
        self._next = position

    @property
    def total(self) -> int:
        """How many were named."""
        return len(self._ids)

    @property
    def position(self) -> int:
        """How many were given."""
        return self._next

    async def next(self) -> str | None:
        """The next one."""
        if self._next == len(self._ids):
            return None
        self._next += 1
        return self._ids[self._next - 1]

    async def aclose(self) -> None:
        """Nothing is under way."""

    def absent(self, error: NotFoundError, campaign_id: str) -> NotFoundError:
        """A name that is wrong is the caller's to mend."""
        number = self._ids.index(campaign_id) + 1
        named = NotFoundError(
            f"campaign {number} of the {len(self._ids)} given, {campaign_id}, is not there: leave it out",
            status=error.status,
            problem=error.problem,
            request_id=error.request_id,
            retry_after=error.retry_after,
        )
        return named.attach(
            method=error.method or "GET",
            path=error.path or "",
            attempts=error.attempts,
            elapsed=error.elapsed,
            delivery=error.delivery,
        )


class Listed:
    """The campaigns of a list, which may be deleted while it is walked through."""

    def __init__(self, client: CampaignsClient, *, filters: Filters, sorts: Sorts, page_size: int) -> None:
        self._client = client
        self._filters = filters
        self._sorts = sorts
        self._page_size = min(page_size, _LIST_PAGE)
        self._list(None)

    def go_on(self, position: int | Checkpoint | None) -> None:
        """Begin behind a position.

        Raises:
            ResumeError: It is none of a list.
            InvalidArgumentError: It is that of another list.
        """
        if isinstance(position, int):
            raise ResumeError("what was noted of the export's progress belongs to other campaigns: begin anew")
        self._list(position)

    def _list(self, start: Checkpoint | None) -> None:
        self._listing = self._client.campaigns.list(
            filters=self._filters,
            sorts=self._sorts,
            page_size=self._page_size if start is None else None,
            prefetch=1,
            resume_from=start,
        )
        self._pages = self._listing.pages()
        self._left: Iterator[Campaign] = iter(())
        self._total = None if start is None else start.total

    @property
    def total(self) -> int | None:
        """How many the server counts."""
        return self._total

    @property
    def position(self) -> Checkpoint:
        """Behind the row that was given last."""
        return self._listing.checkpoint

    async def next(self) -> str | None:
        """The next one of the list."""
        while True:
            for campaign in self._left:
                return campaign.id
            found = await self._pages.advance()
            if found is None:
                return None
            self._left, self._total = found[0], found[1].total_records

    async def aclose(self) -> None:
        """Stop fetching the list."""
        await self._pages.aclose()

    def absent(self, error: NotFoundError, campaign_id: str) -> None:
        """It was deleted since it was listed."""
