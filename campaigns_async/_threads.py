"""Waiting for work in a thread, which a cancellation cannot stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def wait_to_end(work: Awaitable[T]) -> T:
    """Wait for work to end, however often the wait is cancelled; only then raise the cancellation.

    Raises:
        CancelledError: If the wait was cancelled meanwhile.
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
            task.exception()  # retrieved, so that asyncio does not report it as lost
        raise cancelled
    return task.result()
