"""Runs a command's coroutine so that Ctrl-C ends it in good order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """A signal ended the run, after it had tidied up.

    Attributes:
        exit_code: As a shell tells it: 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run it in an event loop of its own; SIGINT and SIGTERM cancel it, a second one its tidying up too.

    Raises:
        Interrupted: By a signal.
    """
    try:
        return asyncio.run(_guarded(work))
    except KeyboardInterrupt:  # where a loop takes no signal handlers: on Windows
        raise Interrupted(signal.SIGINT) from None


async def _guarded(work: Callable[[], Awaitable[T]]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        task.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        raise Interrupted(caught[0]) from None
    finally:
        for number in numbers:
            with suppress(NotImplementedError, RuntimeError, ValueError):  # as above
                loop.remove_signal_handler(number)
