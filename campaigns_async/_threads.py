"""Waits for work that a cancellation of the wait must not stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from typing import Any, TypeVar

T = TypeVar("T")


async def wait_to_end(work: Awaitable[T]) -> T:
    """Wait until the work ends, and return its result. A cancellation of the wait is raised only after the end.

    Raises:
        CancelledError: If the wait was cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        await wait_until_done([task])
    except asyncio.CancelledError:
        retrieve_exception(task)
        raise
    return task.result()


def retrieve_exception(task: asyncio.Future[Any]) -> None:
    """Mark a task's exception as retrieved: asyncio logs an exception that nobody has retrieved."""
    if not task.cancelled():
        task.exception()


async def wait_until_done(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Wait until all tasks have ended, however. A cancellation of the wait is raised only after that.

    Raises:
        CancelledError: If the wait was cancelled.
    """
    cancelled: asyncio.CancelledError | None = None
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as stop:
            cancelled = stop
    if cancelled is not None:
        raise cancelled
