"""Read pages in order, and fetch some of them before their turn."""

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

from campaigns_async._listing.window import Window
from campaigns_async.errors import PagingError
from campaigns_async.models import Page
from campaigns_async.values import Effect

T = TypeVar("T")


@frozen
class Source(Generic[T]):
    """A listing that can be fetched by the page."""

    fetch: Callable[[int, int], Coroutine[None, None, Page[T]]]
    """Page number from 1, and page size."""
    ids: Callable[[Sequence[T]], list[str]]
    """Returns the ids of rows: of a whole page at once, which costs less."""
    path: str = ""
    """The path that errors name."""


class Pages(Generic[T]):
    """An iterator over pages, which closes itself when it is dropped."""

    def __init__(
        self,
        source: Source[T],
        window: Window[T],
        prefetch: int,
        limit: int | None = None,
        *,
        keep_full: bool = False,
    ) -> None:
        self._source = source
        self._window = window
        self._prefetch = prefetch
        self._reach = max(prefetch, 2 * prefetch - 1) if keep_full else prefetch
        """The number of pages that may be in flight or held."""
        self._limit = limit
        self._ahead: dict[int, _Fetch[T]] = {}
        self._generation = window.generation
        self._clock = count(1)
        self._busy = False
        self._was_direct = True
        """True if the page read last was not prefetched."""
        self._reading: int | None = None
        """The page that the reader waits for."""
        self._read_ahead: _Fetch[T] | None = None
        """The fetch of that page, where it was prefetched."""
        self._closed = False

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
        """Return the next rows that are new, and the page that was read last; None at the end.

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
        while (request := self._window.next_request()) is not None:
            page = await self._read(*request)
            if page is None:
                continue  # rows have moved meanwhile
            try:
                rows = self._window.accept(page, fresh=not self._ahead and self._was_direct)
            except PagingError as error:
                raise error.attach(
                    method="GET", path=self._source.path, attempts=1, elapsed=0.0, effect=Effect.APPLIED
                ) from None
            if found := length_hint(rows):
                if self._limit is not None:
                    self._limit -= found
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
        """Return a page once all pages that were in flight at the same time have come too.

        Only then is it known that nothing moved between them: one that was asked for later may have been
        answered before.
        """
        if self._generation != self._window.generation:
            await self._cancel()
            self._generation = self._window.generation
        fetch = self._ahead.pop(index, None)
        self._was_direct = fetch is None
        self._reading, self._read_ahead = index, fetch
        try:
            if fetch is None:
                page = await self._source.fetch(index, size)
                ended = next(self._clock)
            else:
                page = await fetch.task
                ended = fetch.ended
            await self._await_concurrent(ended)
        finally:
            self._reading = self._read_ahead = None
        return page if self._generation == self._window.generation else None

    async def _await_concurrent(self, ended: int) -> None:
        """Wait for the pages that were in flight when a page came, and compare their totals."""
        if meanwhile := [
            other.task for other in self._ahead.values() if other.started < ended and not other.task.done()
        ]:
            await asyncio.wait(meanwhile)
        for other in self._ahead.values():
            if other.task.done() and not other.task.cancelled() and other.task.exception() is None:
                self._window.observe(other.task.result())

    def _fetch_ahead(self) -> None:
        """Request pages up to the limit while fewer than `prefetch` are in flight."""
        if self._generation != self._window.generation or self._closed:
            return
        pages = self._reach + (self._reading is not None)
        if self._limit is not None:
            pages = min(pages, -(-self._limit // self._window.page_size))
        room = self._prefetch - sum(not fetch.task.done() for fetch in self._ahead.values())
        room -= self._read_ahead is not None and not self._read_ahead.task.done()
        for index in self._window.prefetchable(pages):
            if room <= 0:
                break
            if index != self._reading and index not in self._ahead:
                fetch = _Fetch(partial(self._source.fetch, index, self._window.page_size), self._clock)
                self._ahead[index] = fetch
                room -= 1
                if self._reach > self._prefetch:
                    # Weak: an iterator that is dropped must be found so, whatever is still on its way.
                    fetch.task.add_done_callback(partial(_fetch_more, weakref.ref(self), fetch))

    def on_fetched(self, fetch: _Fetch[T]) -> None:
        """Fetch more after a prefetched page has come. Where one failed, the pages after it can wait."""
        known = fetch is self._read_ahead or fetch in self._ahead.values()
        if not known or fetch.task.cancelled() or fetch.task.exception() is not None:
            return
        request = self._window.next_request()
        if request is not None and (request[0] == self._reading or request[0] in self._ahead):
            self._fetch_ahead()  # otherwise that one failed, or its reader was cancelled: it is for the reader to go on

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
    """A page in flight, and when it was requested and came, by a count of such moments."""

    def __init__(self, fetch: Callable[[], Coroutine[None, None, Page[T]]], clock: Iterator[int]) -> None:
        self.started: int = next(clock)
        self.ended: int = self.started
        self.task: asyncio.Task[Page[T]] = asyncio.create_task(self._run(fetch, clock))
        self.task.add_done_callback(_retrieve_exception)

    async def _run(self, fetch: Callable[[], Coroutine[None, None, Page[T]]], clock: Iterator[int]) -> Page[T]:
        try:
            return await fetch()
        finally:
            # Here, not in a callback: what is asked for because this has come must count as asked for later.
            self.ended = next(clock)


def _fetch_more(pages: weakref.ref[Pages[T]], fetch: _Fetch[T], _task: asyncio.Task[Page[T]]) -> None:
    if (still := pages()) is not None:
        still.on_fetched(fetch)


def _retrieve_exception(task: asyncio.Task[Page[T]]) -> None:
    """Retrieve the exception, which is raised where the page is read: if nobody reads it, asyncio must not complain."""
    if not task.cancelled():
        task.exception()
