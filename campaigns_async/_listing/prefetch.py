"""Read pages in order, and prefetch the next ones concurrently."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from operator import length_hint
from typing import Generic, Self, TypeVar

from attrs import frozen

from campaigns_async._listing.window import FIXED, Order, Window
from campaigns_async._threads import retrieve_exception
from campaigns_async.effects import Effect
from campaigns_async.errors import PagingError
from campaigns_async.models import Page

T = TypeVar("T")


@frozen
class Source(Generic[T]):
    """A listing whose pages can be fetched.

    Attributes:
        fetch: Fetches a page, by its number from 1 and the page size.
        ids: Returns the ids of all rows of a page. One call for a page costs less than one for each row.
    """

    fetch: Callable[[int, int], Coroutine[None, None, Page[T]]]
    ids: Callable[[Sequence[T]], list[str]]
    path: str = ""  # the path of the request, for errors
    order: Order = FIXED


class Pages(Generic[T]):
    """An iterator over pages that cancels its prefetched pages when it is garbage-collected.

    Args:
        source: The listing.
        window: The state of the iteration.
        prefetch: The maximum number of pages in flight, in addition to the page that the reader waits for.
        limit: The maximum number of rows that the reader takes, so that no further pages are prefetched; None for all.
        keep_full: True to request the next page when a page arrives, instead of when one is handed out. Then `prefetch`
            pages are in flight all the time, and up to `2 * prefetch - 1` pages are in flight or in memory.
    """

    def __init__(
        self, source: Source[T], window: Window[T], prefetch: int, limit: int | None = None, *, keep_full: bool = False
    ) -> None:
        self._source = source
        self._window = window
        self._prefetch = prefetch
        self._max_held = max(prefetch, 2 * prefetch - 1) if keep_full else prefetch  # pages in flight or held
        self._limit = limit
        self._ahead: dict[int, _Fetch[T]] = {}
        self._generation = window.generation
        self._clock = count(1)
        self._is_advancing = False
        self._was_prefetched = False  # the page read last
        self._reading: int | None = None  # the page that the reader waits for
        self._reading_fetch: _Fetch[T] | None = None  # its fetch, if it was prefetched
        self._closed = False

    @property
    def has_ended(self) -> bool:
        """True if no page is left to request."""
        return self._window.has_ended

    def __repr__(self) -> str:
        return f"<Pages of {self._source.path}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T]:
        step = await self.advance()
        if step is None:
            raise StopAsyncIteration
        rows, page = step
        items = tuple(rows)
        # After a resync the rows are those of several pages, or not all of the last one.
        return page if items == page.items else Page(page.index, page.total_pages, page.total_records, items)

    async def advance(self) -> tuple[Iterator[T], Page[T]] | None:
        """Return the next new rows and the page that was read last, or None at the end.

        A row counts as handed out when it is taken from the returned iterator.
        """
        if self._is_advancing:
            raise RuntimeError("another task is advancing this iterator: use it from one task at a time")
        self._is_advancing = True
        try:
            return await self._advance()
        finally:
            self._is_advancing = False

    async def _advance(self) -> tuple[Iterator[T], Page[T]] | None:
        while (request := self._window.next_request()) is not None:
            page = await self._read(*request)
            if page is None:
                continue  # a concurrent page has shown that rows have shifted
            try:
                rows = self._window.accept(page, fresh=not (self._ahead or self._was_prefetched))
            except PagingError as error:
                raise error.attach(
                    method="GET", path=self._source.path, attempts=1, elapsed=0.0, effect=Effect.APPLIED
                ) from None
            if new := length_hint(rows):
                if self._limit is not None:
                    self._limit -= new
                self._fetch_ahead()
                return rows, page
        return None

    async def aclose(self) -> None:
        """Stop, and cancel the prefetched pages."""
        self._closed = True
        await self._cancel()

    async def _cancel(self) -> None:
        tasks = [fetch.task for fetch in self._ahead.values()]
        self._drop()
        if tasks:
            await asyncio.wait(tasks)

    async def _read(self, index: int, size: int) -> Page[T] | None:
        """Read a page, and wait for all pages that were in flight at the same time.

        The server may have answered a later request earlier, so only all concurrent pages together show if rows have
        shifted between them.

        Returns:
            The page, or None if rows have shifted.
        """
        if self._generation != self._window.generation:
            await self._cancel()
            self._generation = self._window.generation
        fetch = self._ahead.pop(index, None)
        self._was_prefetched = fetch is not None
        self._reading, self._reading_fetch = index, fetch
        try:
            if fetch is None:
                page = await self._source.fetch(index, size)
                ended = next(self._clock)
            else:
                page = await fetch.task
                ended = fetch.ended
            await self._await_concurrent(ended)
        finally:
            self._reading = self._reading_fetch = None
        return page if self._generation == self._window.generation else None

    async def _await_concurrent(self, ended: int) -> None:
        """Wait for the pages that were in flight when a page arrived, and compare the totals of all of them."""
        if concurrent := [
            other.task for other in self._ahead.values() if other.started < ended and not other.task.done()
        ]:
            await asyncio.wait(concurrent)
        for other in self._ahead.values():
            if other.task.done() and not other.task.cancelled() and other.task.exception() is None:
                self._window.observe(other.task.result())

    def _fetch_ahead(self) -> None:
        """Request the next pages while fewer than `prefetch` are in flight and fewer than the maximum are held."""
        if self._generation != self._window.generation or self._closed:
            return
        pages = self._max_held + (self._reading is not None)
        if self._limit is not None:
            pages = min(pages, -(-self._limit // self._window.page_size))
        room = self._prefetch - sum(not fetch.task.done() for fetch in self._ahead.values())
        room -= self._reading_fetch is not None and not self._reading_fetch.task.done()
        for index in self._window.prefetchable(pages):
            if room <= 0:
                break
            if index != self._reading and index not in self._ahead:
                fetch = _Fetch(partial(self._source.fetch, index, self._window.page_size), self._clock)
                self._ahead[index] = fetch
                room -= 1
                if self._max_held > self._prefetch:
                    # A weak reference, so that a page in flight does not keep an unused iterator alive.
                    fetch.task.add_done_callback(partial(_fetch_more, weakref.ref(self), fetch))

    def on_fetched(self, fetch: _Fetch[T]) -> None:
        """Request more pages after a prefetched page has arrived. After a failed fetch, do nothing."""
        is_current = fetch is self._reading_fetch or fetch in self._ahead.values()
        if not is_current or fetch.task.cancelled() or fetch.task.exception() is not None:
            return
        request = self._window.next_request()
        # If the next page is neither awaited nor prefetched, it failed or the reader was cancelled: wait for the reader.
        if request is not None and (request[0] == self._reading or request[0] in self._ahead):
            self._fetch_ahead()

    def _drop(self) -> None:
        while self._ahead:
            _, fetch = self._ahead.popitem()
            with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                fetch.task.get_loop().call_soon_threadsafe(fetch.task.cancel)

    def __del__(self) -> None:
        # After a `break` in the reader's loop, the garbage collector calls this, in any thread.
        self._drop()


class _Fetch(Generic[T]):
    """A task that fetches a page."""

    def __init__(self, fetch: Callable[[], Coroutine[None, None, Page[T]]], clock: Iterator[int]) -> None:
        self.started: int = next(clock)  # the time of the request, in ticks of the iterator's clock
        self.ended: int = self.started  # the time of the response, in ticks of the iterator's clock
        self.task: asyncio.Task[Page[T]] = asyncio.create_task(self._run(fetch, clock))
        self.task.add_done_callback(retrieve_exception)  # it is raised when the page is read, if it is

    async def _run(self, fetch: Callable[[], Coroutine[None, None, Page[T]]], clock: Iterator[int]) -> Page[T]:
        try:
            return await fetch()
        finally:
            # Here rather than in a done callback, so that requests triggered by this response get a later tick.
            self.ended = next(clock)


def _fetch_more(pages: weakref.ref[Pages[T]], fetch: _Fetch[T], _task: asyncio.Task[Page[T]]) -> None:
    if (iterator := pages()) is not None:
        iterator.on_fetched(fetch)
