"""Slots: at most so many requests in flight, first come first served."""

from __future__ import annotations

import asyncio
from collections import deque

from campaigns_async.errors import ClientClosedError


class Gate:
    """A fair counter of slots.

    A slot that is given up goes straight to the first in the queue, so that nobody who comes
    meanwhile can overtake.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.waiting = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    def try_acquire(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        if self.in_flight >= self.limit or self._queue or self._closed:
            return False
        self.in_flight += 1
        return True

    async def acquire(self) -> None:
        """Take a slot, waiting for one.

        Raises:
            ClientClosedError: The gate is closed, or was closed meanwhile.
        """
        if self.try_acquire():
            return
        if self._closed:
            raise _closed()
        future = asyncio.get_running_loop().create_future()
        self._queue.append(future)
        self.waiting += 1
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release()  # was given a slot in the same turn of the loop as it was cancelled
            raise
        finally:
            self.waiting -= 1

    def release(self) -> None:
        """Give a slot up: to the first in the queue, if there is one."""
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(None)
                return
        self.in_flight -= 1
        if not self.in_flight and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def close(self) -> None:
        """Let nobody in any more; those who wait are turned away."""
        self._closed = True
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_exception(_closed())

    async def idle(self) -> None:
        """Come back when nothing is in flight."""
        while self.in_flight:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle


def _closed() -> ClientClosedError:
    return ClientClosedError("the client was closed before the request could go out")
