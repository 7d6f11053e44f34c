"""The sandbox in its own thread, for tests that are not coroutines or use another event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Final, Self, TypeVar

from ._request_log import Event, RecordedRequest
from ._routing import Operation
from .faults import Fault, Rule
from .server import SandboxBase

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds after which the event loop counts as stuck."""

_EVENT_FIELDS: Final = ("hold", "act_after", "hidden_for")


class ThreadedSandbox(SandboxBase):
    """A `Sandbox` that runs in its own thread and event loop, with the same arguments.

    Use it as ``with ThreadedSandbox(...) as sandbox``, in tests of any kind, and from any thread.
    Its methods and properties run in its event loop, in order with the requests. They also work on a stopped sandbox,
    except for `url`, `environment`, `wait_received` and `wait_acted`.

    Raises:
        ValueError: As with `Sandbox`.
        RuntimeError: From any method or property, if a fault's `when` blocks the thread.
    """

    # The thread and its loop. A stopped sandbox has no loop, and keeps the thread, which may be stuck.
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<ThreadedSandbox {'stopped' if self._loop is None else self.url}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread and listen, with the errors of `Sandbox.start`. Requests are served once this returns."""
        with self._lock:
            if self._loop is not None:
                raise RuntimeError("this sandbox is running already")
            # A selector loop under any event loop policy: a reset of a connection needs its socket.
            loop = asyncio.SelectorEventLoop()
            # A daemon, so that a stuck thread does not keep the process from ending.
            thread = threading.Thread(target=_run_forever, args=(loop,), name="campaigns-sandbox", daemon=True)
            self._thread = thread  # before any request, whose `when` may use the sandbox
            thread.start()
            try:
                asyncio.run_coroutine_threadsafe(self._handler.start(), loop).result()
            except BaseException:
                loop.call_soon_threadsafe(loop.stop)
                thread.join(TIMEOUT)
                raise
            self._loop = loop

    def stop(self) -> None:
        """Close the port, every connection, the loop and the thread, within a second. Waiting requests are cancelled.

        Raises:
            RuntimeError: After ten seconds, if a fault's `when` blocks the thread. The thread ends once `when` returns.
        """
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is None or self._thread is None:
                return
            # Runs after all work that was submitted before.
            stopped = asyncio.run_coroutine_threadsafe(self._handler.stop(), loop)
            stopped.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
        _get_result(stopped)
        _join(self._thread)

    def _run(self, work: Callable[[], T]) -> T:
        async def run_work() -> T:
            return work()

        if self._thread is threading.current_thread():
            return work()  # called by a fault's `when`, for example
        with self._lock:
            future = None if self._loop is None else asyncio.run_coroutine_threadsafe(run_work(), self._loop)
        if future is not None:
            return _get_result(future)
        if self._thread is not None:
            _join(self._thread)
        return work()

    def _wait(self, event: Event, count: int, operation: Operation | None, timeout: float) -> None:
        __tracebackhide__ = True

        async def wait() -> None:
            async with asyncio.timeout(timeout):
                await self._state.log.wait(event, count, operation)

        if self._thread is threading.current_thread():
            raise RuntimeError("the sandbox's own thread cannot wait: no request arrives while it does")
        with self._lock:
            loop = self._require_loop()
            future = asyncio.run_coroutine_threadsafe(wait(), loop)
        try:
            _get_result(future, timeout)
        except CancelledError:
            raise RuntimeError("the sandbox was stopped during the wait") from None
        except TimeoutError:
            raise TimeoutError(_describe_timeout(event, count, operation, timeout, self.requests)) from None

    def _require_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("this sandbox is not running: use it within `with ThreadedSandbox(...) as sandbox:`")
        return self._loop

    @property
    def url(self) -> str:
        """The URL of the sandbox, with the prefix and without a slash at the end.

        Raises:
            RuntimeError: If the sandbox is not running.
        """
        self._require_loop()
        return super().url

    def add_fault(self, fault: Fault) -> Rule:
        """Add a fault, such as one of `presets`. If several rules apply to a request, the first one is used.

        Raises:
            TypeError: If `fault` is not a `Fault`, or if one of its fields is an event, which belongs to another loop.
        """
        for name in _EVENT_FIELDS:
            if isinstance(getattr(fault, name, None), asyncio.Event):
                raise TypeError(
                    f"{name} must not be an event: the sandbox runs in another event loop. "
                    "Use hang=True, and release() of the rule"
                )
        return super().add_fault(fault)

    def wait_received(self, count: int, operation: Operation | None = None, timeout: float = 5.0) -> None:
        """Wait until `count` requests have arrived completely, of one operation or of any.

        Raises:
            TimeoutError: If fewer requests arrived within `timeout` seconds.
            ValueError: If there is no such operation.
        """
        __tracebackhide__ = True
        self._wait("received", count, operation, timeout)

    def wait_acted(self, count: int, operation: Operation | None = None, timeout: float = 5.0) -> None:
        """Wait until `count` requests were carried out, with the arguments and errors of `wait_received`."""
        __tracebackhide__ = True
        self._wait("acted", count, operation, timeout)


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    # The runner's end cancels the tasks that are left, and closes the loop.
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()


def _get_result(future: Future[T], extra: float = 0) -> T:
    try:
        return future.result(extra + TIMEOUT)
    except TimeoutError:
        if future.done():
            raise
        raise _stuck_error() from None


def _join(thread: threading.Thread) -> None:
    if thread is not threading.current_thread():
        thread.join(TIMEOUT)
    if thread.is_alive():
        raise _stuck_error()


def _stuck_error() -> RuntimeError:
    return RuntimeError(
        f"the sandbox's thread has been busy for {TIMEOUT:g} seconds: does a fault's `when` wait for something?"
    )


def _describe_timeout(
    event: Event, count: int, operation: Operation | None, timeout: float, requests: Sequence[RecordedRequest]
) -> str:
    verb = "arrived" if event == "received" else "were carried out"
    counts = Counter(str(request.operation or "other") for request in requests if event == "received" or request.acted)
    actual = counts.total() if operation is None else counts[operation]
    noun = "requests" if operation is None else f"{operation} requests"
    text = f"{actual} of {count} {noun} {verb} within {timeout:g} seconds"
    if counts:
        text += "; in all: " + ", ".join(f"{number} {name}" for name, number in counts.most_common())
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        text += ". This call blocked the event loop of its thread: wait with `await asyncio.to_thread(...)`"
    return text
