"""Timeouts of one length that share one timer.

`asyncio.timeout` costs 5.7 µs, twice a request (the deadline of the call, and the wait for the response), which is 4 %
of a create; a queue costs 1.3 µs. Timeouts of one length expire in the order in which they began, so that a queue and
one timer serve all of them. Use `asyncio.timeout` everywhere else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from weakref import WeakValueDictionary

_ITERATIONS = 3
"""Iterations of the loop between the timer and the cancellations: a response is read, and its task runs."""


class Deadline:
    """The timeout of one task; stop it when what it bounds is over.

    Attributes:
        when: When it passes, once it has begun.
        expired: True if it has cancelled its task.
        consumed: True if that cancellation was taken back.
    """

    # Defaults stand on the class: to set them in each costs as much as all else about making it.
    when: float = 0.0
    expired: bool = False
    consumed: bool = False
    stopped: bool = False

    def __init__(self, queue: TimeoutQueue, task: asyncio.Task[object]) -> None:
        self.queue = queue
        self.task = task
        self.cancelling: int = task.cancelling()
        """Cancellations that others had requested of the task before."""

    def begin(self, now: float) -> None:
        """Count from now on. Does nothing after `stop`."""
        queue = self.queue
        if not self.stopped:
            self.when = when = now + queue.seconds
            queue.running[self] = None
            if queue.timer is None:
                queue.set_timer(when)

    def stop(self) -> None:
        """Call it off."""
        self.stopped = True
        self.queue.running.pop(self, None)  # the timer stays: it serves the next one, or finds the queue empty
        if self.expired and not self.consumed:
            self.task.uncancel()  # the code within has swallowed the cancellation

    def consume_cancellation(self) -> bool:
        """Return True if a CancelledError that has just been caught comes from this deadline alone; take it back."""
        if not self.expired:
            return False
        self.consumed = True
        return self.task.uncancel() <= self.cancelling


class TimeoutQueue:
    """All timeouts of one length, in one event loop.

    Attributes:
        seconds: The length.
        running: Timeouts that are neither over nor expired, in the order in which they began.
        timer: For the first of them, or one before it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.running: OrderedDict[Deadline, None] = OrderedDict()
        self.timer: asyncio.TimerHandle | None = None

    def start(self, now: float) -> Deadline:
        """Return a timeout of the current task that has begun, by the loop's time."""
        deadline = self.for_current_task()
        deadline.begin(now)
        return deadline

    def for_current_task(self) -> Deadline:
        """Return a timeout of the current task that has not begun."""
        task = asyncio.current_task()
        assert task is not None, "a coroutine of this client must run in a task"
        return Deadline(self, task)

    def set_timer(self, when: float) -> None:
        """Look again at `when`, by the loop's time."""
        loop = asyncio.get_running_loop()
        self.timer = loop.call_at(when, self._on_timer, loop)

    def _on_timer(self, loop: asyncio.AbstractEventLoop, iterations: int = _ITERATIONS) -> None:
        # If the loop was blocked, responses that arrived meanwhile are read first, and their tasks run before they are
        # cancelled: asyncio reads them in the iteration of this timer, uvloop in the next one. `timer` stays set, so
        # that no second one is scheduled.
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
        # Weak: an application may make a view of another length for each of its requests.
        self._queues: WeakValueDictionary[float, TimeoutQueue] = WeakValueDictionary()

    def for_seconds(self, seconds: float) -> TimeoutQueue:
        """Return the queue of this length, always the same one."""
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = TimeoutQueue(seconds)
        return queue
