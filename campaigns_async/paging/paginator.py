"""Drives a window: fetches what it asks for, a few pages ahead, and hands out rows or pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Generic, Self, TypeVar

from attrs import frozen

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.paging.checkpoint import Checkpoint
from campaigns_async.paging.window import Window
from campaigns_async.values import Page

T = TypeVar("T")


@frozen
class Source(Generic[T]):
    """A listing that can be fetched by the page."""

    fetch: Callable[[int, int], Coroutine[None, None, Page[T]]]
    """Page number from 1, and page size."""
    key: Callable[[T], str]
    """What tells one row from another."""


class Paginator(Generic[T]):
    """A listing, to be iterated by the row or by the page; each iteration starts anew.

    Attributes:
        checkpoint: How far the latest iteration has come; pickles. A row counts once it was handed out.
    """

    def __init__(self, source: Source[T], start: Checkpoint, *, prefetch: int) -> None:
        self._source = source
        self._start = start
        self._prefetch = prefetch
        self._window: Window[T] = Window(start, source.key)

    @property
    def checkpoint(self) -> Checkpoint:
        """How far the latest iteration has come."""
        return self._window.checkpoint

    def __aiter__(self) -> Rows[T]:
        return Rows(self._pages(self._prefetch))

    def pages(self) -> Pages[T]:
        """The same by the page, as the server cut them; a resumed walk's first one may be shorter."""
        return self._pages(self._prefetch)

    async def count(self) -> int:
        """How many rows there are, as the server counts, by one request for one row.

        Raises:
            CampaignsError: The request failed, or the server does not tell.
        """
        page = await self._source.fetch(1, 1)
        if page.total_records is not None:
            return page.total_records
        if not page.items:
            return 0
        raise InvalidArgumentError("this server does not tell how many rows there are: count them as they come")

    async def collect(self, limit: int | None = None) -> list[T]:
        """All rows in a list, or the first so many.

        Args:
            limit: Rows at most, from 0; None for all.

        Raises:
            CampaignsError: A page could not be had.
        """
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise InvalidArgumentError("limit must be None or a whole number from 0")
        rows: list[T] = []
        pages = self._pages(self._prefetch, limit)
        try:
            while limit is None or len(rows) < limit:
                found = await pages.advance()
                if found is None:
                    break
                taken = found.items if limit is None else found.items[: limit - len(rows)]
                rows.extend(taken)
                pages.handed_out(len(taken), whole=len(taken) == len(found.items))
        finally:
            await pages.aclose()
        return rows

    def _pages(self, prefetch: int, limit: int | None = None) -> Pages[T]:
        self._window = Window(self._start, self._source.key)
        return Pages(self._source, self._window, prefetch, limit)


class Pages(Generic[T]):
    """Iterates over pages; closes itself when it is dropped."""

    def __init__(self, source: Source[T], window: Window[T], prefetch: int, limit: int | None = None) -> None:
        self._source = source
        self._window = window
        self._prefetch = prefetch
        self._limit = limit
        self._fetching: dict[int, asyncio.Task[Page[T]]] = {}
        self.handed_out = window.handed_out

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T]:
        page = await self.advance()
        if page is None:
            raise StopAsyncIteration
        self.handed_out(len(page.items), whole=True)
        return page

    async def advance(self) -> Page[T] | None:
        """The next page, cut to the rows that were not handed out yet; None at the end."""
        index = self._window.next_page()
        if index is None:
            return None
        task = self._fetching.pop(index, None)
        page = await (task if task is not None else self._source.fetch(index, self._window.page_size))
        items = self._window.accept(page)
        self._fetch_ahead(len(items))
        return page if len(items) == len(page.items) else Page(page.index, page.total_pages, page.total_records, items)

    async def aclose(self) -> None:
        """Stop, and cancel what was fetched ahead."""
        tasks = list(self._fetching.values())
        self._cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _fetch_ahead(self, rows: int) -> None:
        pages = self._prefetch
        if self._limit is not None:  # no further than the limit reaches
            self._limit -= rows
            pages = min(pages, -(-self._limit // self._window.page_size))
        for index in self._window.ahead(pages):
            if index not in self._fetching:
                task = asyncio.create_task(self._source.fetch(index, self._window.page_size))
                task.add_done_callback(_seen)
                self._fetching[index] = task

    def _cancel(self) -> None:
        while self._fetching:
            _, task = self._fetching.popitem()
            with suppress(RuntimeError):  # the loop is closed, and the task with it
                task.get_loop().call_soon_threadsafe(task.cancel)

    def __del__(self) -> None:
        # `break` leaves the iterator to the garbage collector, which may run in any thread.
        if self._fetching:
            self._cancel()


class Rows(AsyncIterator[T]):
    """Iterates over rows; closes itself when it is dropped."""

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages
        self._left: Iterator[T] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for row in self._left:
                self._pages.handed_out(1, whole=False)
                return row
            page = await self._pages.advance()
            if page is None:
                raise StopAsyncIteration
            self._left = iter(page.items)

    async def aclose(self) -> None:
        """Stop, and cancel what was fetched ahead."""
        await self._pages.aclose()


def _seen(task: asyncio.Task[Page[T]]) -> None:
    """Its error belongs to whoever reads that page; if nobody comes, nobody missed it."""
    if not task.cancelled():
        task.exception()
