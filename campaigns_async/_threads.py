"""Waits for work in a thread, which a cancellation cannot stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def wait_to_end(work: Awaitable[T]) -> T:
    """Wait until the work ends, and return its result. A cancellation of the wait is raised only after the end.

    Raises:
        CancelledError: If the wait was cancelled.
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
            task.exception()  # retrieved: asyncio logs an exception that nobody has retrieved
        raise cancelled
    return task.result()
