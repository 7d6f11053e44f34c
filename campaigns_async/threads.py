"""Runs work that waits for a disk in a thread of its own, so that the event loop never does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


async def to_its_end(work: Awaitable[T]) -> T:
    """See it end, however often the wait is cancelled; then the cancellation goes on.

    Raises:
        CancelledError: The wait was cancelled meanwhile.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as stop:
            cancelled = stop
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains of it
        raise cancelled
    return task.result()


class Writer(Protocol):
    """Runs one piece of work at a time, in order."""

    async def run(self, work: Callable[[], T]) -> T:
        """Run it. A cancelled wait does not undo it."""
        ...

    def close(self) -> None:
        """Give the thread back."""
        ...


class ThreadWriter:
    """One thread.

    Args:
        name: What it is called, for whoever looks at the process's threads.
    """

    def __init__(self, name: str = "campaigns-writer") -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Run it in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        """Give the thread back, once what runs in it is over."""
        self._executor.shutdown(wait=False)
