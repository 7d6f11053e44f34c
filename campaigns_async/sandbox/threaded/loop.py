"""An event loop in a thread of its own, and work that other threads have it do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Final, Protocol, TypeVar

from attrs import define, field, frozen

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds for what takes a moment; when they have passed, the loop is stuck."""
_STOPPED: Final = "this sandbox is not running: use it within `with ThreadedSandbox(...) as sandbox:`"


class Service(Protocol):
    """What is started and stopped in the loop."""

    async def start(self) -> None:
        """Begin to serve."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


@frozen(eq=False)
class _Running:
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    stop: asyncio.Event
    over: Future[None]


@define(eq=False)
class LoopThread:
    """Runs a service in an event loop and a thread of its own."""

    _service: Service
    _running: _Running | None = field(default=None, init=False)
    _last: threading.Thread | None = field(default=None, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    @property
    def is_running(self) -> bool:
        """Whether work can be done."""
        return self._running is not None

    def start(self) -> None:
        """Start the thread, the loop and the service.

        Raises:
            RuntimeError: It runs already.
            Exception: What the service could not be started for; nothing is left running.
        """
        with self._lock:
            if self._running is not None:
                raise RuntimeError("this sandbox is running already")
            ready: Future[_Running] = Future()
            # A daemon: should it be stuck, it must not keep the process from ending.
            thread = threading.Thread(target=_run, args=(self._service, ready), name="campaigns-sandbox", daemon=True)
            thread.start()
            try:
                self._running = ready.result()
            except BaseException:
                thread.join(PATIENCE)
                raise

    def stop(self) -> None:
        """Stop the service, the loop and the thread; nothing happens when they are stopped.

        Raises:
            RuntimeError: The thread is stuck; it is left behind.
        """
        with self._lock:
            running, self._running = self._running, None
            if running is None:
                return
            self._last = running.thread
            # Work that was handed over before is done before.
            running.loop.call_soon_threadsafe(running.stop.set)
        running.thread.join(PATIENCE)
        if running.thread.is_alive():
            raise _stuck()
        running.over.result()

    def do(self, work: Callable[[], T]) -> T:
        """Have the loop do something that takes a moment.

        Raises:
            RuntimeError: It is not running, or it is stuck.
            Exception: What the work raised.
        """
        running = self._running
        if running is not None and running.thread is threading.current_thread():
            return work()  # asked by a fault's `when`, say
        done: Future[T] = Future()

        def carry_out() -> None:
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)

        with self._lock:
            self._must_run().loop.call_soon_threadsafe(carry_out)
        return _result(done)

    def look(self, work: Callable[[], T]) -> T:
        """Have something looked at that can be seen still when all has stopped.

        Raises:
            RuntimeError: The thread is stuck.
            Exception: What the work raised.
        """
        with self._lock:
            running, last = self._running, self._last
        if running is not None:
            return self.do(work)
        if last is not None and last is not threading.current_thread():
            last.join(PATIENCE)
            if last.is_alive():
                raise _stuck()
        return work()

    def wait(self, work: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Have the loop wait for something, at most so many seconds.

        Raises:
            TimeoutError: It took longer.
            RuntimeError: It is not running, or was stopped meanwhile, or it is stuck.
            Exception: What the work raised.
        """
        with self._lock:
            running = self._must_run()
            if running.thread is threading.current_thread():
                raise RuntimeError("the sandbox's own thread cannot wait: nothing would arrive meanwhile")
            done = asyncio.run_coroutine_threadsafe(_at_most(timeout, work), running.loop)
        try:
            return _result(done, timeout)
        except CancelledError:
            raise RuntimeError("the sandbox was stopped meanwhile") from None

    def _must_run(self) -> _Running:
        if self._running is None:
            raise RuntimeError(_STOPPED)
        return self._running


def _result(done: Future[T], more: float = 0) -> T:
    try:
        return done.result(more + PATIENCE)
    except TimeoutError:
        if done.done():
            raise
        raise _stuck() from None


def _stuck() -> RuntimeError:
    return RuntimeError(
        f"the sandbox's thread has been busy for {PATIENCE:g} seconds: does a fault's `when` wait for something?"
    )


async def _at_most(seconds: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    async with asyncio.timeout(seconds):
        return await work()


def _run(service: Service, ready: Future[_Running]) -> None:
    over: Future[None] = Future()
    try:
        # The plain loop, whatever the tests' own policy is: connections are broken by its sockets.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(_serve(service, ready, over))
    except BaseException as error:
        # For the thread that waits: it is raised there.
        if ready.done():
            over.set_exception(error)
        else:
            ready.set_exception(error)
    else:
        over.set_result(None)


async def _serve(service: Service, ready: Future[_Running], over: Future[None]) -> None:
    stop = asyncio.Event()
    await service.start()
    try:
        ready.set_result(_Running(asyncio.get_running_loop(), threading.current_thread(), stop, over))
        await stop.wait()
    finally:
        await service.stop()
