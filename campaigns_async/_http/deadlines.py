"""Timeouts of equal length that share one timer.

`asyncio.timeout` costs 5.7 µs. A request needs two (the deadline of the call, and the wait for the response), which is
4 % of a create. A queue costs 1.3 µs: timeouts of equal length expire in the order in which they start, so that one
timer serves all of them. Use `asyncio.timeout` everywhere else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from weakref import WeakValueDictionary

_ITERATIONS = 3
"""Iterations of the loop between the timer and the cancellations: a response is read, and its task runs."""


class Deadline:
    """The timeout of one task."""

    # Defaults are on the class: setting them in each instance costs as much as the rest of its construction.
    when: float = 0.0  # the moment of expiry, in the loop's time, once the timeout has begun
    expired: bool = False  # True if the deadline has cancelled its task
    consumed: bool = False  # True if that cancellation was taken back
    stopped: bool = False

    def __init__(self, queue: TimeoutQueue, task: asyncio.Task[object]) -> None:
        self.queue = queue
        self.task = task
        self.cancelling: int = task.cancelling()  # cancellations that were requested of the task before

    def begin(self, now: float) -> None:
        """Start the timeout at `now`, in the loop's time. Does nothing after `stop`."""
        queue = self.queue
        if not self.stopped:
            self.when = when = now + queue.seconds
            queue.running[self] = None
            if queue.timer is None:
                queue.set_timer(when)

    def restart(self, now: float) -> None:
        """Start the timeout again at `now`. Does nothing after `stop`, or if it has expired."""
        if not self.expired:
            self.queue.running.pop(self, None)  # its new place is the last one
            self.begin(now)

    def stop(self) -> None:
        """End the timeout."""
        self.stopped = True
        self.queue.running.pop(self, None)  # the timer stays: it serves the next timeout, or finds the queue empty
        if self.expired and not self.consumed:
            self.task.uncancel()  # the code under the timeout has swallowed the cancellation

    def consume_cancellation(self) -> bool:
        """Take back the cancellation that was just caught. Return True if it came from this deadline alone."""
        if not self.expired:
            return False
        self.consumed = True
        return self.task.uncancel() <= self.cancelling


class TimeoutQueue:
    """The timeouts of one length, in one event loop."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # Those that have begun and are neither over nor expired, in the order in which they began.
        self.running: OrderedDict[Deadline, None] = OrderedDict()
        self.timer: asyncio.TimerHandle | None = None  # for the first of them, or for an earlier one that is over

    def start(self, now: float) -> Deadline:
        """Return a timeout of the current task that begins at `now`, in the loop's time."""
        deadline = self.for_current_task()
        deadline.begin(now)
        return deadline

    def for_current_task(self) -> Deadline:
        """Return a timeout of the current task that has not begun."""
        task = asyncio.current_task()
        assert task is not None, "a coroutine of this client must run in a task"
        return Deadline(self, task)

    def set_timer(self, when: float) -> None:
        """Check for expired timeouts at `when`, in the loop's time."""
        loop = asyncio.get_running_loop()
        self.timer = loop.call_at(when, self._on_timer, loop)

    def _on_timer(self, loop: asyncio.AbstractEventLoop, iterations: int = _ITERATIONS) -> None:
        # Expire some iterations later. If the loop was blocked, responses that arrived meanwhile are read first, and
        # their tasks run before this cancels them: asyncio reads them in the iteration of the timer, uvloop in the next
        # one. `timer` stays set so that no second one is scheduled.
        if iterations:
            loop.call_soon(self._on_timer, loop, iterations - 1)
        else:
            self._expire(loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self.timer = None
        now = loop.time()
        while self.running:
            deadline = next(iter(self.running))
            if deadline.when > now:
                self.timer = loop.call_at(deadline.when, self._on_timer, loop)
                return
            del self.running[deadline]
            deadline.expired = True
            deadline.task.cancel()


class TimeoutQueues:
    """Timeout queues by their length."""

    def __init__(self) -> None:
        # Weak: an application may create a view with another timeout for each of its requests.
        self._queues: WeakValueDictionary[float, TimeoutQueue] = WeakValueDictionary()

    def for_seconds(self, seconds: float) -> TimeoutQueue:
        """Return the queue of this length, always the same one."""
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = TimeoutQueue(seconds)
        return queue
