"""An event loop with virtual time: nothing waits, nothing is read from the machine, and a seed always gives the same run.

Timers fire a little late, and sometimes much later, as in a loop that was blocked. Timers that are due at the same time
run in a random order that depends on the seed. Callbacks run in the order in which they became ready, as asyncio promises.
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
"""Seconds within which two timers are due at the same time."""


class StuckError(AssertionError):
    """A simulation that waits forever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose clock jumps to the next timer when nothing is ready.

    Args:
        seed: The seed of all random numbers.
        lateness: Seconds by which a timer may fire late.
        stalls: The share of jumps in which the loop comes much later.
        longest_stall: The longest delay, in seconds.
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
        self.faults: list[dict[str, Any]] = []
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
        """Return the virtual time, in seconds."""
        return self._now

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end, and close.

        Raises:
            StuckError: If nothing is ready and no timer is set, or the run never ends.
        """
        try:
            return self.run_until_complete(main)
        finally:
            self._drop_tasks()
            self.close()

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run the function in the loop, by `run_work`: a thread has no virtual time."""
        assert self.run_work is not None, "a simulation has no threads"
        return self.create_task(self.run_work(lambda: func(*args)))

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Schedule a callback; timers that are due at the same time keep the order in which they were set."""
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
        """Silence the warnings about pending tasks after a run that failed."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass  # a cancelled timer is dropped when it is due

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
