"""A task that reads the pages of a listing while earlier rows are written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from attrs import frozen

from campaigns_async._threads import wait_to_end
from campaigns_async.paging import Paginator, read_at_full_speed
from campaigns_async.values import Checkpoint

T = TypeVar("T")


@frozen
class ReadPage(Generic[T]):
    """Rows of a page.

    Attributes:
        rows: The rows.
        checkpoint: The place after these rows.
        total: All rows of the listing, by the server's count; None if the server does not count.
    """

    rows: tuple[T, ...]
    checkpoint: Checkpoint
    total: int | None


class PageReader(Generic[T]):
    """A task that reads a listing. It keeps one page until `take`, in addition to the pages that the paginator prefetches.

    Args:
        listing: The listing.
        on_change: A function to call after each page, and at the end.

    Attributes:
        error: The error that ended the task; None while it runs, and after the last page.
    """

    def __init__(self, listing: Paginator[T], on_change: Callable[[], object]) -> None:
        self._on_change = on_change
        self._pages: deque[ReadPage[T]] = deque()
        self._has_room = asyncio.Event()
        self._has_ended = False
        self.error: Exception | None = None
        self._task = asyncio.create_task(self._read(listing))
        self._task.add_done_callback(self._finish)

    @property
    def is_over(self) -> bool:
        """True if no more pages can be taken."""
        return self._has_ended and not self._pages

    def take(self) -> ReadPage[T] | None:
        """Return the next page; None if it is not read yet, or after the last page."""
        if not self._pages:
            return None
        self._has_room.set()
        return self._pages.popleft()

    def cancel(self) -> asyncio.Task[None]:
        """Cancel the task and return it. Await it with `await_cancelled`."""
        self._task.cancel()
        return self._task

    async def _read(self, listing: Paginator[T]) -> None:
        pages = read_at_full_speed(listing)
        try:
            while (step := await pages.advance()) is not None:
                rows, page = step
                self._pages.append(ReadPage(tuple(rows), listing.checkpoint, page.total_records))
                self._on_change()
                if pages.has_ended:  # the next call of `advance` sends no request, and ends the loop at once
                    continue
                while self._pages:
                    self._has_room.clear()
                    await self._has_room.wait()
        finally:
            await pages.aclose()
        self._has_ended = True
        self._on_change()

    def _finish(self, task: asyncio.Task[None]) -> None:
        if not self._has_ended:
            self._has_ended = True
            self.error = error_of(task)
            self._on_change()


def error_of(task: asyncio.Task[None]) -> Exception | None:
    """Return the error that ended a task before its work was done."""
    if (
        task.cancelled()
    ):  # by the walk, which ignores the error then; or by others, and then the listing is not complete
        return RuntimeError("reading was cancelled before its end")
    error = task.exception()
    if error is None or isinstance(error, Exception):
        return error
    failure = RuntimeError("reading was ended")
    failure.__cause__ = error
    return failure


async def await_cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait until cancelled tasks have ended, even if the wait itself is cancelled."""
    if pending := set(tasks):
        await wait_to_end(asyncio.wait(pending))
