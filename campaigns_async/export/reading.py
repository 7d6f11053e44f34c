"""Reads a listing in a task, so that it goes on while what came is written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from attrs import frozen

from campaigns_async.paging.paginator import Paginator
from campaigns_async.threads import to_its_end
from campaigns_async.values import Checkpoint, Page

T = TypeVar("T")

STEP_ROWS = 5000
"""Rows that a step is filled up to; a page that is larger is a step of its own."""
MOST_AHEAD = 1000
"""Pages that a paginator fetches ahead at most."""


def ahead(prefetch: int) -> int:
    """What a paginator is to fetch ahead: the page that comes next, and `prefetch` more."""
    return min(prefetch + 1, MOST_AHEAD)


@frozen
class Read(Generic[T]):
    """Rows of a page that has come."""

    rows: tuple[T, ...]
    checkpoint: Checkpoint
    """Behind these rows."""
    total: int | None
    """Rows of the listing, as the server counts."""


class Reading(Generic[T]):
    """A listing on its way: one page in hand, until it is taken, and what the paginator fetches ahead.

    Attributes:
        error: What ended it, if that was no end.
    """

    def __init__(self, listing: Paginator[T], changed: Callable[[], object]) -> None:
        self._changed = changed
        self._in_hand: deque[Read[T]] = deque()
        self._room = asyncio.Event()
        self._ended = False
        self.error: Exception | None = None
        self._task = asyncio.create_task(self._read(listing))
        self._task.add_done_callback(self._over)

    @property
    def over(self) -> bool:
        """Whether nothing more will be taken."""
        return self._ended and not self._in_hand

    def take(self) -> Read[T] | None:
        """What has come; None where nothing has yet, or will."""
        if not self._in_hand:
            return None
        read = self._in_hand.popleft()
        self._room.set()
        return read

    def stop(self) -> asyncio.Task[None]:
        """Cancel it; gives what is to be waited for."""
        self._task.cancel()
        return self._task

    async def _read(self, listing: Paginator[T]) -> None:
        pages = listing.pages(steady=True)
        try:
            while (found := await pages.advance()) is not None:
                rows, page = found
                self._in_hand.append(Read(tuple(rows), listing.checkpoint, page.total_records))
                self._changed()
                if _seems_last(page):  # to ask whether anything follows costs no request, and tells at once
                    continue
                while self._in_hand:
                    self._room.clear()
                    await self._room.wait()
        finally:
            await pages.aclose()
        self._ended = True
        self._changed()

    def _over(self, task: asyncio.Task[None]) -> None:
        if not self._ended:
            self._ended = True
            self.error = why_over(task)
            self._changed()


def why_over(task: asyncio.Task[None]) -> Exception | None:
    """What ended a task; None where nothing did before its time."""
    if task.cancelled():  # by us, and nobody looks any more; or not by us, and it must not look like an end
        return RuntimeError("reading was cancelled before its end")
    error = task.exception()
    if error is None or isinstance(error, Exception):
        return error
    failed = RuntimeError("reading was ended")
    failed.__cause__ = error
    return failed


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """See tasks that were cancelled to their ends, however often this is cancelled meanwhile."""
    waited = set(tasks)
    if waited:
        await to_its_end(asyncio.wait(waited))


def _seems_last(page: Page[T]) -> bool:
    return page.index is not None and page.total_pages is not None and page.index >= page.total_pages
