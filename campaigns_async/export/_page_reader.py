"""Reads a listing in a task, so that reading continues while rows are written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from attrs import frozen

from campaigns_async._threads import wait_to_end
from campaigns_async.models import Page
from campaigns_async.paging import Paginator, read_at_full_speed
from campaigns_async.values import Checkpoint

T = TypeVar("T")

_MOST_AHEAD: Final = 1000
"""Pages that a paginator prefetches at most."""


def prefetch_for(prefetch: int) -> int:
    """Return what a paginator is to prefetch: the next page, and `prefetch` more."""
    return min(prefetch + 1, _MOST_AHEAD)


@frozen
class ReadPage(Generic[T]):
    """Rows of a page."""

    rows: tuple[T, ...]
    checkpoint: Checkpoint
    """The place after these rows."""
    total: int | None
    """Rows of the listing, as the server counts."""


class PageReader(Generic[T]):
    """A task that reads a listing. It holds one page until that is taken, and what the paginator prefetches.

    Args:
        listing: The listing.
        on_change: Called when a page has come, and at the end.

    Attributes:
        error: What ended the reading, if that was not the end of the listing.
    """

    def __init__(self, listing: Paginator[T], on_change: Callable[[], object]) -> None:
        self._on_change = on_change
        self._pages: deque[ReadPage[T]] = deque()
        self._room = asyncio.Event()
        self._ended = False
        self.error: Exception | None = None
        self._task = asyncio.create_task(self._read(listing))
        self._task.add_done_callback(self._finish)

    @property
    def over(self) -> bool:
        """True if no more pages will be taken."""
        return self._ended and not self._pages

    def take(self) -> ReadPage[T] | None:
        """Return the next page; None if none has come yet, or none will."""
        if not self._pages:
            return None
        self._room.set()
        return self._pages.popleft()

    def cancel(self) -> asyncio.Task[None]:
        """Cancel the task; returns it, to be awaited."""
        self._task.cancel()
        return self._task

    async def _read(self, listing: Paginator[T]) -> None:
        pages = read_at_full_speed(listing)
        try:
            while (found := await pages.advance()) is not None:
                rows, page = found
                self._pages.append(ReadPage(tuple(rows), listing.checkpoint, page.total_records))
                self._on_change()
                if _seems_last(page):  # asking for the next page costs no request then, and tells the end at once
                    continue
                while self._pages:
                    self._room.clear()
                    await self._room.wait()
        finally:
            await pages.aclose()
        self._ended = True
        self._on_change()

    def _finish(self, task: asyncio.Task[None]) -> None:
        if not self._ended:
            self._ended = True
            self.error = error_of(task)
            self._on_change()


def error_of(task: asyncio.Task[None]) -> Exception | None:
    """Return what ended a task before its work was done."""
    if task.cancelled():  # by us, and nobody asks any more; or by others, and that must not look like the end
        return RuntimeError("reading was cancelled before its end")
    error = task.exception()
    if error is None or isinstance(error, Exception):
        return error
    failed = RuntimeError("reading was ended")
    failed.__cause__ = error
    return failed


async def await_cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for the end of cancelled tasks, however often this is cancelled meanwhile."""
    waited = set(tasks)
    if waited:
        await wait_to_end(asyncio.wait(waited))


def _seems_last(page: Page[T]) -> bool:
    return page.index is not None and page.total_pages is not None and page.index >= page.total_pages
