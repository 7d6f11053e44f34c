"""Paginators: iterate a listing by the row or by the page."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from typing import Generic, Self, TypeVar

from campaigns_async._checks import check_int
from campaigns_async._engine.caller import Caller
from campaigns_async._http.request import build_page
from campaigns_async._http.response import Response
from campaigns_async._listing.prefetch import Pages, Source
from campaigns_async._listing.window import Order, Window
from campaigns_async.effects import Effect
from campaigns_async.errors import FilterIgnoredError, InvalidArgumentError, PageShiftedError, PagingError
from campaigns_async.models import Campaign, Contact, Page
from campaigns_async.query._parse import Filters, Sorts, compile_filter, compile_sorts
from campaigns_async.values import Checkpoint, Operation

T = TypeVar("T")


class Paginator(Generic[T]):
    """A listing. Iterate it for its rows; `pages()` iterates by the page. Each iteration starts from the beginning."""

    def __init__(self, source: Source[T], start: Checkpoint, *, rows: str = "rows", prefetch: int) -> None:
        self._source = source
        self._start = start
        self._rows = rows
        self._prefetch = prefetch
        self._window: Window[T] = Window(start, source.ids, source.order)

    def __repr__(self) -> str:
        return f"<Paginator of {self._rows}, page {self.checkpoint.page}>"

    @property
    def checkpoint(self) -> Checkpoint:
        """The position after the latest row that was returned, for `resume_from=`. It can be pickled.

        If there are several iterations, it is that of the latest.
        """
        return self._window.checkpoint

    def __aiter__(self) -> Rows[T]:
        return Rows(self._pages())

    def pages(self) -> Pages[T]:
        """Iterate by the page, as the server returns them. The first page after `resume_from` may be shorter."""
        return self._pages()

    async def first(self) -> T | None:
        """Return the first row, by one request for one row. Return None if the listing is empty.

        With `resume_from`, return the first row after the checkpoint; this may take a whole page.

        Raises:
            CampaignsError: If the request failed.
        """
        if self._start.rows:
            rows = await self.collect(limit=1)
        else:
            rows = list((await self._source.fetch(1, 1)).items)
        return rows[0] if rows else None

    async def count(self) -> int:
        """Return the number of rows that the server reports, by one request for one row.

        A server that ignores the filter is noticed only if that row contradicts the filter.

        Raises:
            CampaignsError: If the request failed, or the server reports no number.
        """
        page = await self._source.fetch(1, 1)
        if page.total_records is not None:
            return page.total_records
        if not page.items:
            return 0
        raise PagingError("the server does not report the number of rows: iterate and count them")

    async def collect(self, limit: int | None = None) -> list[T]:
        """Return all rows, or the first `limit` rows.

        Args:
            limit: The maximum number of rows, from 0; None for all.

        Raises:
            CampaignsError: If a page could not be read.
        """
        if limit is not None:
            check_int("limit", limit, ge=0, error=InvalidArgumentError)
        rows: list[T] = []
        pages = self._pages(limit)
        try:
            while limit is None or len(rows) < limit:
                found = await pages.advance()
                if found is None:
                    break
                rows.extend(found[0] if limit is None else islice(found[0], limit - len(rows)))
        finally:
            await pages.aclose()
        return rows

    def _pages(self, limit: int | None = None, *, keep_full: bool = False) -> Pages[T]:
        self._window = Window(self._start, self._source.ids, self._source.order)
        return Pages(self._source, self._window, self._prefetch, limit, keep_full=keep_full)


class Rows(AsyncIterator[T]):
    """An iterator over rows. It closes itself when it is garbage-collected."""

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages
        self._left: Iterator[T] = iter(())

    def __repr__(self) -> str:
        return f"<Rows of {self._pages!r}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for row in self._left:
                return row
            found = await self._pages.advance()
            if found is None:
                raise StopAsyncIteration
            self._left = found[0]

    async def aclose(self) -> None:
        """Stop, and cancel the requests for prefetched pages."""
        await self._pages.aclose()


def read_at_full_speed(listing: Paginator[T]) -> Pages[T]:
    """Iterate by the page with `prefetch` requests in flight all the time, for a reader about as fast as the server.

    The next page is requested as soon as a page arrives, rather than when a page is returned. For that, up to
    `2 * prefetch - 1` pages are in flight or in memory ahead of the page that is read.
    """
    return listing._pages(keep_full=True)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # of this module


def digest(*parts: str | None) -> str:
    """Return a digest of a listing's name, filters and sorts, which may contain phone numbers."""
    return hashlib.sha256(
        "\x00".join("" if part is None else f"={part}" for part in parts).encode("utf-8", "surrogatepass")
    ).hexdigest()[:16]


def validate_checkpoint(resume_from: object, listing: str, page_size: int | None, default: int) -> Checkpoint:
    """Return the checkpoint at which to start.

    Raises:
        InvalidArgumentError: If `resume_from` is not a checkpoint, or belongs to another listing or page size.
        PageShiftedError: If rows had moved, so that the rows after the checkpoint are not all that is missing.
    """
    if resume_from is None:
        return Checkpoint(listing, default if page_size is None else page_size)
    if not isinstance(resume_from, Checkpoint):
        raise InvalidArgumentError(
            f"resume_from must be a Checkpoint, not {type(resume_from).__name__}", parameter="resume_from"
        )
    if resume_from.listing != listing:
        raise InvalidArgumentError(
            "resume_from belongs to another listing: pass it to the same call with the same filters and sorts",
            parameter="resume_from",
        )
    if page_size is not None and page_size != resume_from.page_size:
        raise InvalidArgumentError(
            f"resume_from belongs to page_size={resume_from.page_size}: leave page_size out", parameter="page_size"
        )
    if resume_from.has_moved:
        raise PageShiftedError(
            "rows were moved while the list was read, so that rows before the checkpoint are missing: start over, "
            'or list by sorts="id"',
            checkpoint=resume_from,
        )
    return resume_from


M = TypeVar("M", Campaign, Contact)


def paginate(
    operation: Operation,
    path: str,
    model: type[M],
    read: Callable[[Response], Page[M]],
    caller: Caller,
    default_page_size: int,
    filters: Filters = None,
    *,
    sorts: Sorts = None,
    page_size: int | None = None,
    prefetch: int = 0,
    resume_from: Checkpoint | None = None,
    check_filters: bool = False,
    remember: int = 1_000_000,
) -> Paginator[M]:
    """Return a paginator over the rows at a path. The options are those of `Campaigns.list`.

    Raises:
        QueryError: If the server would not understand the filters or sorts.
        InvalidArgumentError: If another argument is out of range or of the wrong type.
    """
    where, order = compile_filter(filters, model), compile_sorts(sorts, model)
    if page_size is not None:
        check_int("page_size", page_size, ge=1, le=1_000_000, error=InvalidArgumentError)
    check_int("prefetch", prefetch, ge=0, le=1000, error=InvalidArgumentError)
    start = validate_checkpoint(resume_from, digest(path, where.text, order), page_size, default_page_size)
    contradicts = where.contradicts if check_filters else None

    by_id = is_by_id(order)
    first_page: Sequence[M] = ()

    async def fetch(page: int, size: int) -> Page[M]:
        nonlocal order, first_page
        request = build_page(operation, path, page=page, page_size=size, filters=where.text, sorts=order)
        found = await caller.run(request, read)
        if contradicts is not None:
            _check_rows(found, contradicts, path)
        if by_id and order is not None:
            first_page = found.items if page == 1 else first_page
            # A server that refuses the order drops the paging too: a page is a part of the list, or page 2 is page 1 again.
            is_repeated = page == 2 and found.items == first_page and len(found.items) == found.total_records
            if is_repeated or (len(found.items) > size and len(found.items) != found.total_records):
                order = None
                return await fetch(page, size)
        return found

    # Nothing changes the contacts of a campaign, so the order of the server, whatever it is, does not change either.
    can_change = not by_id and (order is not None or model is Campaign)
    return Paginator(
        Source(fetch, _ids, path, Order(by_id, can_change, remember)), start, rows=operation.resource, prefetch=prefetch
    )


def is_by_id(order: str | None) -> bool:
    """Return True if a compiled order sorts by id first, so that no row can move."""
    names = [name.strip(" -").lower() for name in (order or "").split(",")]
    return next(filter(None, names), None) == "id"


def _ids(rows: Sequence[Campaign | Contact]) -> list[str]:
    return [row.id for row in rows]


def _check_rows(page: Page[M], contradicts: Callable[[M], bool], path: str) -> None:
    for number, row in enumerate(page.items, 1):
        if contradicts(row):
            raise FilterIgnoredError(
                f"row {number} of page {page.index} contradicts the filter: the server ignored the filter, and "
                "returned rows that do not match. Trust none of them",
                hint="check_filters=False lets such rows through",
            ).attach(method="GET", path=path, attempts=1, elapsed=0.0, effect=Effect.APPLIED)
