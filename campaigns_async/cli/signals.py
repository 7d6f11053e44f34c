"""Ctrl-C and other signals: they cancel a command's coroutine, which tidies up before the program exits."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """The end of a run by a signal, after it tidied up.

    Attributes:
        exit_code: 128 plus the signal's number, as in a shell.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code: int = 128 + number


def run(work: Callable[[], Awaitable[T]], *, first: Callable[[int], object] | None = None) -> T:
    """Run a coroutine in an event loop of its own.

    SIGINT, SIGTERM and SIGHUP cancel the coroutine, and `Interrupted` is raised. A second signal cancels its cleanup too.

    Args:
        work: Returns the coroutine.
        first: Called with the number of the first signal instead of a cancellation; the work then ends by itself.
    """
    try:
        return asyncio.run(_run_with_handlers(work, first))
    except KeyboardInterrupt:  # before the handlers are in place
        raise Interrupted(signal.SIGINT) from None


async def _run_with_handlers(work: Callable[[], Awaitable[T]], first: Callable[[int], object] | None) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        if first is not None and len(caught) == 1:
            first(number)
        else:
            task.cancel()

    numbers = [signal.SIGINT, signal.SIGTERM]
    # SIGHUP: the terminal was closed. Under nohup the signal is ignored, and must stay ignored.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    with suppress(RuntimeError, ValueError):  # not the main thread
        for number in numbers:
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        raise Interrupted(caught[0]) from None
    except Exception as error:
        if caught and first is None:  # the cleanup failed
            raise Interrupted(caught[0]) from error
        raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
