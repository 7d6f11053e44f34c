"""Slots, the rate and the server's pauses decide when a request may be sent, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque

from campaigns_async._engine.interfaces import Clock, Random
from campaigns_async.errors import ClientClosedError, PoolSaturatedError

_MARGIN = 0.01
"""Seconds by which the window is longer than it must be: clocks and networks are not exact."""
_CATCH_UP = 0.01
"""Seconds of lateness that are made up for: timers fire late, by a millisecond or so."""


class RateLimiter:
    """Requests per second: never more than `rate` in any window, evenly spaced from the first on.

    No I/O: the time is passed in. Requests are spaced by what was really sent, not by slots booked ahead: after the
    loop was blocked, booked slots would all be due at once. A reserved request that was not sent yet counts as if it
    were sent at any moment. So at most `rate` lie within any second: those counted when the last of them was reserved,
    and that one.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._most = max(1, int(rate))
        self._window = max(1.0, 1.0 / rate) + _MARGIN
        self._gap = 1.0 / rate
        self._due: float | None = None
        self._sent: deque[float] = deque()
        self._reserved = 0

    def delay(self, now: float) -> float | None:
        """Return seconds until the next request may be reserved; None if not before a reserved one was sent."""
        while self._sent and self._sent[0] <= now - self._window:
            self._sent.popleft()
        wait = 0.0 if self._due is None else max(0.0, self._due - now)
        if len(self._sent) + self._reserved < self._most:
            return wait
        return max(wait, self._sent[0] + self._window - now) if self._sent else None

    def reserve(self, now: float) -> None:
        """Reserve a place for a request."""
        late = self._due is None or now - self._due > _CATCH_UP
        self._due = (now if late or self._due is None else self._due) + self._gap
        self._reserved += 1

    def confirm(self, now: float) -> None:
        """Record that a reserved request was sent."""
        self._reserved -= 1
        self._sent.append(now)

    def cancel(self) -> None:
        """Release the place of a reserved request that was not sent."""
        self._reserved -= 1

    def count_last_second(self, now: float) -> int:
        """Return how many requests were sent within the last second."""
        return sum(moment > now - 1.0 for moment in self._sent)


class Slot:
    """The right to send one request, and the mark of whether it was sent."""

    sent: bool = False  # on the class: a slot that is given back unsent never sets it

    def __init__(self, limiter: CapacityLimiter | None) -> None:
        self._limiter = limiter

    def mark(self) -> None:
        """Record that the first byte is about to leave."""
        if not self.sent:
            self.sent = True
            if self._limiter is not None:
                self._limiter.confirm_sent()


class CapacityLimiter:
    """A fair queue before a number of slots.

    A slot that is released goes to the first in the queue at once, so that no later call can overtake.
    The queue stands still while the server has asked for a pause, and moves no faster than the rate.

    Args:
        limit: Slots, from 1.
        clock: Tells the time.
        random: For the jitter after a pause.
        rate: Requests per second; None for no limit.
        stagger: Seconds over which the queue starts again after a pause, so that it does not stampede.
        max_waiting: Calls that may wait; None for any number.

    Attributes:
        in_flight: Slots taken.
        waiting: Calls in the queue.
    """

    def __init__(
        self,
        limit: int,
        *,
        clock: Clock,
        random: Random,
        rate: RateLimiter | None = None,
        stagger: float = 0.25,
        max_waiting: int | None = None,
    ) -> None:
        self.limit = limit
        self.in_flight: int = 0
        self.waiting: int = 0
        self.rate = rate
        self._clock = clock
        self._random = random
        self._stagger = stagger
        self._max_waiting = max_waiting
        self._queue: deque[asyncio.Future[Slot]] = deque()
        self._not_before: float | None = None
        """When the next slot may be granted, during and after a pause; None otherwise."""
        self._paused_until = 0.0
        self._staggered = 0
        """Slots still to be granted one by one, after a pause."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        """When the timer fires, by the loop's time. uvloop's handles do not always know it."""
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    def try_acquire(self) -> Slot | None:
        """Take a slot if one is free at once and nobody waits for it."""
        if self.in_flight >= self.limit or self.waiting or self._closed:
            return None
        if self.rate is None and self._not_before is None:
            self.in_flight += 1
            return Slot(None)
        return self._grant() if self._seconds_until_next() == 0.0 else None

    async def acquire(self, *, exempt_from_max_waiting: bool = False) -> Slot:
        """Take a slot, waiting for one.

        Args:
            exempt_from_max_waiting: Wait however many calls wait already: for a call that has begun.

        Raises:
            PoolSaturatedError: If `max_waiting` calls wait already.
            ClientClosedError: If the limiter is closed, or was closed meanwhile.
        """
        if (slot := self.try_acquire()) is not None:
            return slot
        if self._closed:
            raise _closed_error()
        if self._max_waiting is not None and not exempt_from_max_waiting and self.waiting >= self._max_waiting:
            raise PoolSaturatedError(
                f"{self.waiting} calls are waiting already (max_waiting): answer your own caller with 429 or 503"
            )
        future: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._queue.append(future)
        self.waiting += 1
        self._wake_waiters()
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                self.waiting -= 1
            elif future.exception() is None:
                self.release(future.result())  # granted in the same iteration of the loop as the cancellation
            raise

    def release(self, slot: Slot) -> None:
        """Give a slot back."""
        if self.rate is not None and not slot.sent:
            self.rate.cancel()
        self.in_flight -= 1
        if self._queue:
            self._wake_waiters()
        if not self.in_flight and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def confirm_sent(self) -> None:
        """Record that a request has begun to leave: the rate counts from this moment."""
        if self.rate is not None:
            self.rate.confirm(self._clock.monotonic())
            if self._queue:
                self._wake_waiters()

    def pause_for(self, seconds: float) -> None:
        """Grant no slot for `seconds`, and then one by one: the server has asked for it."""
        now = self._clock.monotonic()
        until = now + seconds
        self._paused_until = max(self._paused_until, until)
        # The jitter comes after the pause: a server may name the same second to several clients.
        self._not_before = max(self._not_before or now, until + self._random.uniform(0.0, self._stagger))
        self._staggered = self.limit

    def paused_for(self) -> float:
        """Return seconds until the pause ends that the server asked for; 0 without one."""
        return max(0.0, self._paused_until - self._clock.monotonic()) if self._paused_until else 0.0

    def close(self) -> None:
        """Grant no slot any more; calls that wait raise `ClientClosedError`."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                self.waiting -= 1
                future.set_exception(_closed_error())

    async def wait_until_idle(self) -> None:
        """Wait until nothing is in flight."""
        while self.in_flight:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    def _wake_waiters(self) -> None:
        """Grant as many slots as may be granted now, and set the timer for the next one."""
        while self._queue:
            if self._queue[0].done():  # cancelled while it waited
                self._queue.popleft()
                continue
            if self.in_flight >= self.limit:
                return
            wait = self._seconds_until_next()
            if wait is None:
                return
            if wait > 0.0:
                self._wake_in(wait)
                return
            self.waiting -= 1
            self._queue.popleft().set_result(self._grant())

    def _seconds_until_next(self) -> float | None:
        """Return seconds until a slot may be granted, if one is free; None: when a reserved request was sent."""
        if self.rate is None and self._not_before is None:
            return 0.0
        now = self._clock.monotonic()
        paused = 0.0 if self._not_before is None else max(0.0, self._not_before - now)
        if self.rate is None:
            return paused
        delay = self.rate.delay(now)
        return None if delay is None else max(paused, delay)

    def _grant(self) -> Slot:
        self.in_flight += 1
        if self.rate is not None or self._not_before is not None:
            now = self._clock.monotonic()
            if self.rate is not None:
                self.rate.reserve(now)
            if self._staggered:
                self._staggered -= 1
                self._not_before = now + self._random.uniform(0.0, 2.0 * self._stagger / self.limit)
            else:
                self._not_before = None
        return Slot(None if self.rate is None else self)

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if self._timer is not None:
            if self._timer_due <= when and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer_due = when
        self._timer = loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake_waiters()


def _closed_error() -> ClientClosedError:
    return ClientClosedError("the client was closed before the request could go out")
