"""Who may send, and when: slots, rate and holds, first come first served."""

from __future__ import annotations

import asyncio
from collections import deque

from campaigns_async._engine.interfaces import Clock, Random
from campaigns_async.errors import ClientClosedError, PoolSaturatedError

_MARGIN = 0.01
"""Seconds by which the window is longer than it must be: clocks and networks are not exact."""
_CATCH_UP = 0.01
"""Seconds of lateness that are made up for: timers fire late, by a millisecond or so."""


class Pace:
    """Decides when the next request may go. Pure: the time is handed in.

    A request that was let go and has not left yet counts as if it left at any moment. So at most `rate`
    lie within any second: those counted when the last of them was let go, and that one.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._most = max(1, int(rate))
        self._window = max(1.0, 1.0 / rate) + _MARGIN
        self._gap = 1.0 / rate
        self._due: float | None = None
        self._left: deque[float] = deque()
        self._leaving = 0

    def delay(self, now: float) -> float | None:
        """Seconds until the next may go, 0 for now; None: not before one that was let go has left."""
        while self._left and self._left[0] <= now - self._window:
            self._left.popleft()
        wait = 0.0 if self._due is None else max(0.0, self._due - now)
        if len(self._left) + self._leaving < self._most:
            return wait
        return max(wait, self._left[0] + self._window - now) if self._left else None

    def let_go(self, now: float) -> None:
        """One was told to go."""
        late = self._due is None or now - self._due > _CATCH_UP
        self._due = (now if late or self._due is None else self._due) + self._gap
        self._leaving += 1

    def left(self, now: float) -> None:
        """One that was told to go has begun to leave."""
        self._leaving -= 1
        self._left.append(now)

    def stayed(self) -> None:
        """One that was told to go never left."""
        self._leaving -= 1

    def recent(self, now: float) -> int:
        """How many left within the last second."""
        return sum(moment > now - 1.0 for moment in self._left)


class Gate:
    """A fair queue before a number of slots.

    A slot that is given up goes to the first in the queue at once, so that nobody who comes meanwhile can
    overtake. The queue stands still while the server has asked to wait, and moves no faster than the pace.

    Args:
        limit: Slots, from 1.
        clock: Tells the time.
        random: For the jitter of a release.
        pace: Requests a second; None for no limit.
        stagger: Seconds over which the queue is let go again after a hold, so that it does not stampede.
        max_waiting: How many may wait; None for any number.
    """

    def __init__(
        self,
        limit: int,
        *,
        clock: Clock,
        random: Random,
        pace: Pace | None = None,
        stagger: float = 0.25,
        max_waiting: int | None = None,
    ) -> None:
        self.limit = limit
        self.in_flight: int = 0
        self.waiting: int = 0
        self.pace = pace
        self._clock = clock
        self._random = random
        self._stagger = stagger
        self._max_waiting = max_waiting
        self._queue: deque[asyncio.Future[None]] = deque()
        self._not_before: float | None = None
        """When the hold ends, or the next may go after one; None while nothing is held back."""
        self._held_until = 0.0
        self._staggered = 0
        """How many are still to be let go one by one, after a hold."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        """When the timer fires, by the loop's time. uvloop's handles do not always know it."""
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    def try_acquire(self) -> bool:
        """Take a slot, if one may be had at once and nobody waits for it."""
        if self.in_flight >= self.limit or self.waiting or self._closed:
            return False
        if self.pace is not None or self._not_before is not None:
            return self._may_go_in() == 0.0 and self._let_go()
        self.in_flight += 1
        return True

    async def acquire(self, *, patient: bool = False) -> None:
        """Take a slot, waiting for one.

        Args:
            patient: Wait however many wait already: for a call that has begun.

        Raises:
            PoolSaturatedError: Too many wait already.
            ClientClosedError: The gate is closed, or was closed meanwhile.
        """
        if self.try_acquire():
            return
        if self._closed:
            raise _closed()
        if self._max_waiting is not None and not patient and self.waiting >= self._max_waiting:
            raise PoolSaturatedError(
                f"{self.waiting} calls are waiting already (max_waiting): answer your own caller with 429 or 503"
            )
        future = asyncio.get_running_loop().create_future()
        self._queue.append(future)
        self.waiting += 1
        self._pump()
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                self.waiting -= 1
            elif future.exception() is None:
                self.release(sent=False)  # was let go in the same turn of the loop as it was cancelled
            raise

    def release(self, *, sent: bool = True) -> None:
        """Give a slot up.

        Args:
            sent: Whether anything was sent with it.
        """
        if self.pace is not None and not sent:
            self.pace.stayed()
        self.in_flight -= 1
        if self._queue:
            self._pump()
        if not self.in_flight and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def left(self) -> None:
        """A request that was let go has begun to leave."""
        if self.pace is not None:
            self.pace.left(self._clock.monotonic())
            if self._queue:
                self._pump()

    def hold(self, seconds: float) -> None:
        """Let nobody go for so long, and then one by one: the server has asked for it."""
        now = self._clock.monotonic()
        until = now + seconds
        self._held_until = max(self._held_until, until)
        # The jitter comes after the wait: several clients may have been told the same second.
        self._not_before = max(self._not_before or now, until + self._random.uniform(0.0, self._stagger))
        self._staggered = self.limit

    def held_for(self) -> float:
        """Seconds for which nobody is let go, by the server's word."""
        return max(0.0, self._held_until - self._clock.monotonic()) if self._held_until else 0.0

    def close(self) -> None:
        """Let nobody in any more; those who wait are turned away."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                self.waiting -= 1
                future.set_exception(_closed())

    async def idle(self) -> None:
        """Come back when nothing is in flight."""
        while self.in_flight:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    def _pump(self) -> None:
        """Let go of as many as may go now, and come back when the next may."""
        while self._queue:
            if self._queue[0].done():  # gave up waiting
                self._queue.popleft()
                continue
            if self.in_flight >= self.limit:
                return
            wait = self._may_go_in()
            if wait is None:
                return
            if wait > 0.0:
                self._come_back_in(wait)
                return
            self._let_go()
            self.waiting -= 1
            self._queue.popleft().set_result(None)

    def _may_go_in(self) -> float | None:
        """Seconds until one may go, slots aside; None: when one that was let go has left."""
        if self.pace is None and self._not_before is None:
            return 0.0
        now = self._clock.monotonic()
        held = 0.0 if self._not_before is None else max(0.0, self._not_before - now)
        if self.pace is None:
            return held
        paced = self.pace.delay(now)
        return None if paced is None else max(held, paced)

    def _let_go(self) -> bool:
        self.in_flight += 1
        if self.pace is not None or self._not_before is not None:
            now = self._clock.monotonic()
            if self.pace is not None:
                self.pace.let_go(now)
            if self._staggered:
                self._staggered -= 1
                self._not_before = now + self._random.uniform(0.0, 2.0 * self._stagger / self.limit)
            else:
                self._not_before = None
        return True

    def _come_back_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if self._timer is not None:
            if self._timer_due <= when and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer_due = when
        self._timer = loop.call_at(when, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._pump()


def _closed() -> ClientClosedError:
    return ClientClosedError("the client was closed before the request could go out")
