"""An event loop whose time is made up: nothing waits, nothing is read from the machine, one seed gives one run.

Timers fire a little late, as everywhere, and now and then much later, as in a loop that was kept busy. Timers that
are due together run in an order drawn from the seed; callbacks that are ready run in the order in which they became
so, since asyncio promises that.
"""

from __future__ import annotations

import asyncio
import heapq
import io
import random
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

_TOGETHER = 1e-9
"""Seconds within which two moments are one."""


class StuckError(AssertionError):
    """Something waits for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs on its own clock, which jumps to the next timer when nothing is ready.

    Args:
        seed: Of all that is drawn.
        lateness: Seconds by which a timer may fire late.
        stalls: The share of jumps in which the loop comes much later.
        longest_stall: Seconds.
        longest: Seconds after which a run is stuck.
        turns: Rounds of callbacks after which a run is stuck.
    """

    def __init__(
        self,
        seed: int,
        *,
        lateness: float = 0.001,
        stalls: float = 0.0,
        longest_stall: float = 0.3,
        longest: float = 3600.0,
        turns: int = 300_000,
    ) -> None:
        super().__init__()
        self.turn = 0
        self.run_work: Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]] | None = None
        """Does what is meant for a thread."""
        self.faults: list[dict[str, Any]] = []
        """What was raised where nobody could catch it."""
        self._random = random.Random(f"loop {seed}")
        self._now = 1000.0
        self._lateness = lateness
        self._stalls = stalls
        self._longest_stall = longest_stall
        self._until = self._now + longest
        self._turns = turns
        self._order = 0
        self.set_exception_handler(lambda _, context: self.faults.append(context))

    def time(self) -> float:
        """Seconds since some moment."""
        return self._now

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end, and close.

        Raises:
            StuckError: Nothing is ready and no timer is set, or it goes on for ever.
        """
        try:
            return self.run_until_complete(main)
        finally:
            self._drop_tasks()
            self.close()

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Threads have a time of their own: what would run in one runs in the loop, if that is provided for."""
        assert self.run_work is not None, "a simulation has no threads"
        return self.create_task(self.run_work(lambda: func(*args)))

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """As `asyncio`, but for timers of one moment, which are in the order in which they were set."""
        timer = _Timer(when, callback, args, self, context)
        self._order += 1
        timer.order = self._order
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        self.turn += 1
        if self.turn > self._turns:
            self._stuck(f"no end after {self._turns} turns")
        if ready or self._stopping:
            self._now += self._random.random() * 2e-5
        elif scheduled:
            late = self._random.random() * self._lateness
            if self._random.random() < self._stalls:
                late = self._random.random() * self._longest_stall
            self._now = max(self._now, scheduled[0]._when) + late
            if self._now > self._until:
                self._stuck("no end in time")
        else:
            self._stuck("nothing is ready and no timer is set")
        due = []
        while scheduled and scheduled[0]._when <= self._now + _TOGETHER:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            if not timer._cancelled:
                due.append(timer)
        if len(due) > 1:
            self._random.shuffle(due)
        ready.extend(due)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _stuck(self, why: str) -> NoReturn:
        text = io.StringIO()
        for task in sorted(asyncio.all_tasks(self), key=lambda task: task.get_name()):
            task.print_stack(file=text)
        raise StuckError(f"{why}\n{text.getvalue()}")

    def _drop_tasks(self) -> None:
        """After a run that failed: so that nothing complains of tasks that were left."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # it is dropped when its time comes

    def _process_events(self, event_list: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass  # there is one thread, and it never sleeps


class _Timer(asyncio.TimerHandle):
    """A timer with a place among those of its moment."""

    order = 0

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _Timer)
        return (self._when, self.order) < (other._when, other.order)
