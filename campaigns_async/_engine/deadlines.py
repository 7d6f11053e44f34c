"""Deadlines of one length, at a fraction of what `asyncio.timeout` or a timer of each one's own costs.

What takes equally long expires in the order in which it began, so one timer serves all.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from weakref import WeakValueDictionary

_TURNS = 3
"""Iterations of the loop between a timer and the cancellations: a response is read, and its task runs."""


class Deadline:
    """The deadline of one task; stop it when what it bounds is over."""

    # Defaults stand on the class: to set them in each costs as much as all else about making it.
    when: float = 0.0
    """When it passes, once it has begun."""
    expired: bool = False
    settled: bool = False
    """Whether the cancellation that it caused was taken back."""
    stopped: bool = False

    def __init__(self, lane: Deadlines, task: asyncio.Task[object]) -> None:
        self.lane = lane
        self.task = task
        self.cancelling: int = task.cancelling()
        """Cancellations that were already asked of the task, by others."""

    def begin(self, now: float) -> None:
        """Count from now on; nothing comes of it after `stop`."""
        lane = self.lane
        if not self.stopped:
            self.when = when = now + lane.seconds
            lane.running[self] = None
            if lane.timer is None:
                lane.set_timer(when)

    def stop(self) -> None:
        """Call it off."""
        self.stopped = True
        self.lane.running.pop(self, None)  # the timer stays: it serves whoever comes next, or finds nobody
        if self.expired and not self.settled:
            self.task.uncancel()  # what ran swallowed the cancellation

    def caught(self) -> bool:
        """Whether a CancelledError that has just been caught is this deadline's doing alone."""
        if not self.expired:
            return False
        self.settled = True
        return self.task.uncancel() <= self.cancelling


class Deadlines:
    """All deadlines of one length, in one event loop.

    Attributes:
        seconds: How long each is.
        running: Those that are neither over nor expired, in the order in which they began.
        timer: For the first of them, or one before it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.running: OrderedDict[Deadline, None] = OrderedDict()
        self.timer: asyncio.TimerHandle | None = None

    def start(self, now: float) -> Deadline:
        """A deadline for the current task, by the loop's time."""
        deadline = self.of_this_task()
        deadline.begin(now)
        return deadline

    def of_this_task(self) -> Deadline:
        """A deadline for the current task, which has not begun."""
        task = asyncio.current_task()
        assert task is not None, "a coroutine of this client must run in a task"
        return Deadline(self, task)

    def set_timer(self, when: float) -> None:
        """Look again then, by the loop's time."""
        loop = asyncio.get_running_loop()
        self.timer = loop.call_at(when, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop, turns: int = _TURNS) -> None:
        # If the loop was blocked, responses that arrived meanwhile are read first, and their tasks run before they are
        # cancelled: asyncio reads them in the iteration of this timer, uvloop in the next one. `timer` stays set, so
        # that no second one is scheduled.
        if turns:
            loop.call_soon(self._expire, loop, turns - 1)
        else:
            self._cut_off(loop)

    def _cut_off(self, loop: asyncio.AbstractEventLoop) -> None:
        self.timer = None
        now = loop.time()
        while self.running:
            deadline = next(iter(self.running))
            if deadline.when > now:
                self.timer = loop.call_at(deadline.when, self._expire, loop)
                return
            del self.running[deadline]
            deadline.expired = True
            deadline.task.cancel()


class Lanes:
    """Deadlines by their length."""

    def __init__(self) -> None:
        # Weak: an application may make a view of another length for each of its requests.
        self._lanes: WeakValueDictionary[float, Deadlines] = WeakValueDictionary()

    def of(self, seconds: float) -> Deadlines:
        """Those of this length, the same for all who ask."""
        lane = self._lanes.get(seconds)
        if lane is None:
            lane = self._lanes[seconds] = Deadlines(seconds)
        return lane
