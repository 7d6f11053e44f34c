"""Read the lists and the contacts that a search for unknown creates needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from posixpath import commonprefix
from typing import Final
from uuid import UUID

from attrs import define, field

from campaigns_async._engine.call import Clock
from campaigns_async._paginators import Paginators
from campaigns_async._reconcile.markers import find_tokens
from campaigns_async._reconcile.matching import Candidate, SearchTarget
from campaigns_async.effects import is_own_form
from campaigns_async.errors import CampaignsError, NotFoundError, PagingError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query import campaign, contact
from campaigns_async.query._parse import Filters
from campaigns_async.settings import MarkerField, ReconcilePolicy

_SIZES: Final = 5
"""The number of different page sizes that looks take turns with."""
FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class UnansweredError(Exception):
    """Raised if another look would fail as well."""


@define(eq=False)
class SearchReader:
    """The requests of a search, of which a look sends at most `ReconcilePolicy.search_limit`.

    Attributes:
        listings: The listings of campaigns and contacts.
        policy: The policy of the search.
        clock: The client's clock.
        get: Reads one campaign.
        newest: Returns the ids of the latest campaigns that were created. If one of them is on the server and not in the
            list, the list lags. None to skip this check.
        find_surplus: Takes the number of all campaigns and the ids of a look, and returns how many campaigns neither these
            nor what is known explains. If there are any, the look reads the list of all campaigns. None to skip this check.
        limit: The limit of requests of a look; None for that of the policy.
        looks: The number of looks so far.
    """

    listings: Paginators
    policy: ReconcilePolicy
    clock: Clock
    get: Callable[[str], Awaitable[Campaign]]
    newest: Callable[[], Awaitable[Collection[str]]] | None = None
    find_surplus: Callable[[int, Collection[str]], Awaitable[int]] | None = None
    limit: int | None = None
    looks: int = field(init=False, default=0)
    _tokens: list[str] = field(init=False, factory=list[str])  # this and the following: of the latest look
    _on_request: Callable[[], object] = field(init=False, default=int)
    _requests: int = field(init=False, default=0)
    _surplus: int = field(init=False, default=0)

    def begin(self, targets: Collection[SearchTarget], on_request: Callable[[], object]) -> None:
        """Begin a look for these creates. `on_request` is called with each of its requests."""
        self.looks, self._requests, self._surplus, self._on_request = self.looks + 1, 0, 0, on_request
        self._tokens = sorted(target.token for target in targets if target.token is not None)

    async def list_campaigns(self, targets: Collection[SearchTarget]) -> tuple[Collection[Campaign], set[str]]:
        """Return the campaigns that start around the creates' starts, around the current time, or at no time; and all ids.

        A campaign that is listed twice because it is changing is returned in both versions.

        Raises:
            PagingError: If a list is incomplete.
        """
        rows: list[Campaign] = []
        for earliest, latest in self._windows(targets):
            rows += await self.walk((campaign.start_date_time >= earliest) & (campaign.start_date_time <= latest))
        rows += await self._walk_without_start()
        ids = {row.id for row in rows}
        await self._check_newest(ids)
        if self.find_surplus is not None:
            self._surplus = await self.find_surplus(await self._count_all(), ids)
            if self._surplus > 0:
                rows += await self.walk(self._build_filter_for_all())
                ids.update(row.id for row in rows)
        return dict.fromkeys(rows), ids

    def _windows(self, targets: Collection[SearchTarget]) -> Iterator[tuple[datetime, datetime]]:
        # Each look has bounds of its own, up to a minute further: a cache keeps a list by its URL, so that a look could
        # be answered with the list of an earlier one. Varnish does so for two minutes unless the key is a bearer token.
        now = self.clock.now()
        minute, millisecond = divmod(int(now.timestamp() * 1000), 60_000)
        reach = timedelta(seconds=self.policy.margin + 1)
        before, after = reach + timedelta(milliseconds=millisecond), reach + timedelta(milliseconds=minute % 1440)
        starts = [target.start for target in targets]
        attempts = [now, *(target.attempted for target in targets if target.attempted is not None)]
        ranges = sorted(
            # Clamped first: a datetime before year 1 or after year 9999 raises OverflowError.
            (max(min(times), FIRST + before) - before, min(max(times), _LAST - after) + after)
            for times in (starts, attempts)
        )
        if ranges[1][0] <= ranges[0][1]:
            ranges = [(ranges[0][0], max(ranges[0][1], ranges[1][1]))]
        yield from ranges

    async def walk(
        self, filters: Filters, sorts: str = "id", is_beyond: Callable[[Campaign], bool] | None = None
    ) -> list[Campaign]:
        """Return the campaigns of a list.

        Args:
            filters: The filter.
            sorts: The order.
            is_beyond: Returns True for a campaign after which no more are needed.

        Raises:
            PagingError: If the list is incomplete.
        """
        size = max(1, self.listings.page_size - self.looks % _SIZES)  # as the bounds
        listing = self.listings.campaigns(filters, sorts=sorts, page_size=size)
        rows: list[Campaign] = []
        async for page in listing.pages():
            self.count_request()
            rows.extend(page.items)
            if is_beyond is not None and any(map(is_beyond, page.items)):
                return rows
        end = listing.checkpoint
        if end.rows < (end.total or 0):
            raise PagingError("the list ended before all of its rows were read")
        if end.total is None and not end.rows:  # `{"items": []}`, as a cache or another service may answer
            raise PagingError("the list is empty and has no total")
        return rows

    async def _walk_without_start(self) -> list[Campaign]:
        """Return the campaigns that have no start, or .NET's default date.

        They come first in the order of starts. In a filter, Sieve refuses null for a column that has no nulls.
        """
        everything = self._build_filter_for_all()
        try:
            rows = await self.walk(everything, "startDateTime,id", _has_start)
        except PagingError:  # a server that refuses the order ignores paging too
            rows = await self.walk(everything)
        return [row for row in rows if not _has_start(row)]

    async def _count_all(self) -> int:
        """Return the number of all campaigns; 0 if the server does not show it."""
        self.count_request()
        try:
            return await self.listings.campaigns(self._build_filter_for_all()).count()
        except PagingError:
            return 0

    def _build_filter_for_all(self) -> Filters:
        # No campaign has this id: it makes the URL another one each time, as the bounds do.
        return campaign.id != str(UUID(int=int(self.clock.now().timestamp() * 1000)))

    async def _check_newest(self, ids: Collection[str]) -> None:
        """Check that the campaigns that were created last are in a list.

        Raises:
            PagingError: If the list lags.
        """
        for campaign_id in () if self.newest is None else await self.newest():
            if campaign_id in ids:
                continue
            self.count_request()
            try:
                start = (await self.get(campaign_id)).start_date_time
            except NotFoundError as error:
                if not is_own_form(error.body_form):
                    raise PagingError("a campaign cannot be read") from None
                continue  # it was deleted
            if start is None or start.year in (MINYEAR, MAXYEAR):  # .NET's default dates; a second beyond overflows
                continue
            reach = timedelta(seconds=1, microseconds=self.clock.now().microsecond)  # as the bounds
            around = (campaign.start_date_time >= start - reach) & (campaign.start_date_time <= start + reach)
            if campaign_id not in {row.id for row in await self.walk(around)}:
                raise PagingError("the list lacks a campaign that is on the server")

    async def read(self, row: Campaign) -> Candidate:
        """Return a campaign with its contacts, or with the token of a create that it shows."""
        contacts: list[Contact] = []
        marker = self.policy.marker
        if marker is not None and self._tokens and (tokens := await self._read_tokens(row, marker)):
            return Candidate(row, tokens=tokens)
        try:
            async for page in self.listings.contacts(row.id).pages():
                self.count_request()
                contacts.extend(page.items)
        except NotFoundError:
            raise PagingError("a campaign disappeared while its contacts were read") from None
        tokens = frozenset[str]() if marker is None else find_tokens(contacts, marker)
        return Candidate(row, tuple(contacts), complete=True, tokens=tokens)

    async def _read_tokens(self, row: Campaign, marker: MarkerField) -> frozenset[str]:
        """Return those of the creates' tokens that a campaign shows if its contacts are filtered by them.

        None are returned if the server does not filter by the field: then all contacts are read.
        """
        field, beginning = getattr(contact, marker), commonprefix(self._tokens)  # a journal's have one
        filters = field == beginning if beginning in self._tokens else field.startswith(beginning)
        self.count_request()
        with suppress(CampaignsError):
            first = await self.listings.contacts(row.id, filters).first()
            return find_tokens(() if first is None else (first,), marker) & set(self._tokens)
        return frozenset()

    def count_request(self) -> None:
        """Count a request of this look.

        Raises:
            UnansweredError: If the look has sent as many as it may.
        """
        self._requests += 1
        self._on_request()
        most = self.policy.search_limit if self.limit is None else self.limit
        if self._requests > most:
            why = f"{self._surplus:,} campaigns more than expected are on the server, and " if self._surplus > 0 else ""
            limit = f"{most:,} requests (ReconcilePolicy.search_limit)"
            raise UnansweredError(f"{why}a look takes more than {limit}")


def _has_start(row: Campaign) -> bool:
    return row.start_date_time is not None and row.start_date_time.year != MINYEAR  # .NET's default date
