"""Drives a window: fetches what it asks for, a few pages ahead, and hands out rows or pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from itertools import count, islice
from operator import length_hint
from typing import Generic, Self, TypeVar

from attrs import frozen

from campaigns_async.errors import InvalidArgumentError, PagingError
from campaigns_async.paging.window import Window
from campaigns_async.values import Checkpoint, Delivery, Page

T = TypeVar("T")


@frozen
class Source(Generic[T]):
    """A listing that can be fetched by the page."""

    fetch: Callable[[int, int], Coroutine[None, None, Page[T]]]
    """Page number from 1, and page size."""
    key: Callable[[T], str]
    """What tells one row from another."""
    path: str = ""
    """Where it is fetched, for errors to name."""


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

        A server that ignores the filter is found out only if that row contradicts it.

        Raises:
            CampaignsError: The request failed, or the server does not tell.
        """
        page = await self._source.fetch(1, 1)
        if page.total_records is not None:
            return page.total_records
        if not page.items:
            return 0
        raise PagingError("this server does not tell how many rows there are: count them as they come")

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
                rows.extend(found[0] if limit is None else islice(found[0], limit - len(rows)))
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
        self._ahead: dict[int, _Fetch[T]] = {}
        self._epoch = window.epoch
        self._ticks = count(1)
        self._busy = False
        self._was_direct = True
        """Whether the page read last was not fetched ahead."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T]:
        found = await self.advance()
        if found is None:
            raise StopAsyncIteration
        rows, page = found
        items = tuple(rows)
        # Where the place was looked for, they are not those of the page read last, though there may be as many.
        return page if items == page.items else Page(page.index, page.total_pages, page.total_records, items)

    async def advance(self) -> tuple[Iterator[T], Page[T]] | None:
        """The next rows that are new, and the page that was read last; None at the end.

        Rows count as handed out when they are taken from the iterator.
        """
        if self._busy:
            raise RuntimeError("this iterator is being advanced already: one task at a time, please")
        self._busy = True
        try:
            return await self._advance()
        finally:
            self._busy = False

    async def _advance(self) -> tuple[Iterator[T], Page[T]] | None:
        while (wanted := self._window.wanted()) is not None:
            page = await self._read(*wanted)
            if page is None:
                continue  # rows have moved meanwhile
            try:
                rows = self._window.accept(page, fresh=not self._ahead and self._was_direct)
            except PagingError as error:
                raise error.attach(
                    method="GET", path=self._source.path, attempts=1, elapsed=0.0, delivery=Delivery.DONE
                ) from None
            if found := length_hint(rows):
                self._fetch_ahead(found)
                return rows, page
        return None

    async def aclose(self) -> None:
        """Stop, and cancel what was fetched ahead."""
        tasks = [fetch.task for fetch in self._ahead.values()]
        self._drop()
        if tasks:
            await asyncio.wait(tasks)

    async def _read(self, index: int, size: int) -> Page[T] | None:
        """One page, once all that were being read at the same time have come too.

        Only then is it known that nothing moved between them: one that was asked for later may have been
        answered before.
        """
        if self._epoch != self._window.epoch:
            await self.aclose()
            self._epoch = self._window.epoch
        fetch = self._ahead.pop(index, None)
        self._was_direct = fetch is None
        if fetch is None:
            page = await self._source.fetch(index, size)
            ended = next(self._ticks)
        else:
            page = await fetch.task
            ended = fetch.ended
        if not self._ahead:
            return page
        if meanwhile := [
            other.task for other in self._ahead.values() if other.started < ended and not other.task.done()
        ]:
            await asyncio.wait(meanwhile)
        for other in self._ahead.values():
            if other.task.done() and not other.task.cancelled() and other.task.exception() is None:
                self._window.notice(other.task.result())
        return page if self._epoch == self._window.epoch else None

    def _fetch_ahead(self, rows: int) -> None:
        pages = self._prefetch
        if self._limit is not None:  # no further than the limit reaches
            self._limit -= rows
            pages = min(pages, -(-self._limit // self._window.page_size))
        if self._epoch != self._window.epoch:
            return
        for index in self._window.ahead(pages):
            if index not in self._ahead:
                self._ahead[index] = _Fetch(partial(self._source.fetch, index, self._window.page_size), self._ticks)

    def _drop(self) -> None:
        while self._ahead:
            _, fetch = self._ahead.popitem()
            with suppress(RuntimeError):  # the loop is closed, and the task with it
                fetch.task.get_loop().call_soon_threadsafe(fetch.task.cancel)

    def __del__(self) -> None:
        # `break` leaves the iterator to the garbage collector, which may run in any thread.
        if self._ahead:
            self._drop()


class _Fetch(Generic[T]):
    """A page on its way, and when it set out and came in, counted in ticks."""

    def __init__(self, fetch: Callable[[], Coroutine[None, None, Page[T]]], ticks: Iterator[int]) -> None:
        self.started = self.ended = next(ticks)
        self.task = asyncio.create_task(self._run(fetch, ticks))
        self.task.add_done_callback(_look_at)

    async def _run(self, fetch: Callable[[], Coroutine[None, None, Page[T]]], ticks: Iterator[int]) -> Page[T]:
        try:
            return await fetch()
        finally:
            # Here, not in a callback: what is asked for because this has come must count as asked for later.
            self.ended = next(ticks)


def _look_at(task: asyncio.Task[Page[T]]) -> None:
    """A failure belongs to whoever reads that page; if nobody comes, nobody missed it."""
    if not task.cancelled():
        task.exception()


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
                return row
            found = await self._pages.advance()
            if found is None:
                raise StopAsyncIteration
            self._left = found[0]

    async def aclose(self) -> None:
        """Stop, and cancel what was fetched ahead."""
        await self._pages.aclose()
