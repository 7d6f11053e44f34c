"""One deadline over a call, at a fraction of what `asyncio.timeout` costs.

Calls with the same delay expire in the order in which they began, so one timer serves them all.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from attrs import define


@define(eq=False, repr=False)
class Deadline:
    """The deadline of one task; stop it when the call is over."""

    when: float
    task: asyncio.Task[object]
    cancelling: int
    """Cancellations that were already asked of the task, by others."""
    lane: Deadlines
    expired: bool = False
    settled: bool = False
    """Whether the cancellation that it caused was taken back."""

    def stop(self) -> None:
        """Call it off."""
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
    """All deadlines of one length.

    Attributes:
        running: Those that are neither over nor expired, in the order in which they began.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self.running: OrderedDict[Deadline, None] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def start(self, now: float) -> Deadline | None:
        """A deadline for the current task, by the loop's time; None where there is to be none."""
        if self._seconds is None:
            return None
        task = asyncio.current_task()
        assert task is not None, "a coroutine of this client must run in a task"
        self.running[deadline := Deadline(now + self._seconds, task, task.cancelling(), self)] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline.when, self._expire, loop)
        return deadline

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self.running:
            deadline = next(iter(self.running))
            if deadline.when > now:
                self._timer = loop.call_at(deadline.when, self._expire, loop)
                return
            del self.running[deadline]
            deadline.expired = True
            deadline.task.cancel()
