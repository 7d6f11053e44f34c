"""The limits on sending: slots, the rate, and the pauses that the server asks for. First come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random

from campaigns_async._engine.call import Clock
from campaigns_async._http.transport import SendMarker
from campaigns_async.errors import ClientClosedError, PoolSaturatedError

_MARGIN = 0.01
"""Seconds by which the window is longer than necessary: clocks and networks are not exact."""
_CATCH_UP = 0.01
"""Seconds of delay that the rate limiter makes up for: timers fire late, by a millisecond or so."""


class RateLimiter:
    """A limit of requests per second: at most `rate` in any window of one second, evenly spaced from the first on.

    No I/O: the time is an argument. The limiter counts requests when they are sent, not when they are reserved: after
    the loop was blocked, all reserved requests leave at once. A request that is reserved but not yet sent counts in
    every window, since it may be sent at any moment.
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
        """Return seconds until the next request may be reserved; None until a reserved request is sent or cancelled."""
        while self._sent and self._sent[0] <= now - self._window:
            self._sent.popleft()
        wait = 0.0 if self._due is None else max(0.0, self._due - now)
        if len(self._sent) + self._reserved < self._most:
            return wait
        return max(wait, self._sent[0] + self._window - now) if self._sent else None

    def reserve(self, now: float) -> None:
        """Reserve a slot in the rate for a request."""
        late = self._due is None or now - self._due > _CATCH_UP
        self._due = (now if late or self._due is None else self._due) + self._gap
        self._reserved += 1

    def confirm(self, now: float) -> None:
        """Mark a reserved request as sent."""
        self._reserved -= 1
        self._sent.append(now)

    def cancel(self) -> None:
        """Release the slot of a reserved request that was not sent."""
        self._reserved -= 1

    def count_last_second(self, now: float) -> int:
        return sum(moment > now - 1.0 for moment in self._sent)


class CapacityLimiter:
    """A number of slots and a fair queue for them. Each slot is the `SendMarker` of its request.

    A slot that is released goes to the first call in the queue, so that no later call overtakes it. The queue stops
    during a pause that the server has asked for, and moves no faster than the rate.

    Args:
        limit: Slots, from 1.
        clock: The clock.
        random: The source of the jitter after a pause.
        rate: The limit of requests per second; None for no limit.
        stagger: Seconds over which the queue starts again after a pause, to avoid a stampede.
        max_waiting: Calls that may wait; None for no limit.
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
        self.in_flight: int = 0  # slots in use
        self.waiting: int = 0  # calls in the queue
        self.rate = rate
        self._clock = clock
        self._random = random
        self._stagger = stagger
        self._max_waiting = max_waiting
        self._queue: deque[asyncio.Future[SendMarker]] = deque()
        self._not_before: float | None = None  # of the next slot, during and after a pause
        self._paused_until = 0.0
        self._staggered = 0  # slots still to be granted one by one, after a pause
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0  # in the loop's time; uvloop's handles do not always know it
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    def try_acquire(self) -> SendMarker | None:
        """Take a slot if one is free now and no call is waiting for it."""
        if self.in_flight >= self.limit or self.waiting or self._closed:
            return None
        if self.rate is None and self._not_before is None:
            self.in_flight += 1
            return SendMarker()
        return self._grant() if self._seconds_until_next() == 0.0 else None

    async def acquire(
        self, *, exempt_from_max_waiting: bool = False, on_wait: Callable[[float, str], None] | None = None
    ) -> SendMarker:
        """Wait for a slot and take it.

        Args:
            exempt_from_max_waiting: If True, wait even if `max_waiting` calls are waiting. For a call that has already
                started.
            on_wait: Called before a wait with its shortest length in seconds, and with its reason: hold, slot or rate.

        Raises:
            PoolSaturatedError: If `max_waiting` calls are waiting.
            ClientClosedError: If the limiter is closed, or is closed while the call waits.
        """
        if (slot := self.try_acquire()) is not None:
            return slot
        if self._closed:
            raise _build_closed_error()
        if self._max_waiting is not None and not exempt_from_max_waiting and self.waiting >= self._max_waiting:
            raise PoolSaturatedError(
                f"{self.waiting} calls are waiting already (max_waiting): answer your own caller with 429 or 503"
            )
        if on_wait is not None:
            on_wait(*self._explain_wait())
        future: asyncio.Future[SendMarker] = asyncio.get_running_loop().create_future()
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

    def release(self, slot: SendMarker) -> None:
        if self.rate is not None and not slot.sent:
            self.rate.cancel()
        self.in_flight -= 1
        if self._queue:
            self._wake_waiters()
        if not self.in_flight and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def pause_for(self, seconds: float) -> None:
        """Grant no slot for `seconds`, and then one slot after the other."""
        now = self._clock.monotonic()
        until = now + seconds
        self._paused_until = max(self._paused_until, until)
        # The jitter comes after the pause: a server may name the same second to several clients.
        self._not_before = max(self._not_before or now, until + self._random.uniform(0.0, self._stagger))
        self._staggered = self.limit

    @property
    def paused_for(self) -> float:
        """Seconds until the pause ends that the server asked for; 0 without a pause."""
        return max(0.0, self._paused_until - self._clock.monotonic()) if self._paused_until else 0.0

    def close(self) -> None:
        """Grant no slot any more. Waiting calls raise `ClientClosedError`."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                self.waiting -= 1
                future.set_exception(_build_closed_error())

    async def wait_until_idle(self) -> None:
        """Wait until no slot is in use."""
        while self.in_flight:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    def _wake_waiters(self) -> None:
        """Grant all slots that may be granted now, and set the timer for the next one."""
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
        """Return seconds until a free slot may be granted; None until a reserved request is sent or cancelled."""
        if self.rate is None and self._not_before is None:
            return 0.0
        now = self._clock.monotonic()
        paused = 0.0 if self._not_before is None else max(0.0, self._not_before - now)
        if self.rate is None:
            return paused
        delay = self.rate.delay(now)
        return None if delay is None else max(paused, delay)

    def _explain_wait(self) -> tuple[float, str]:
        """Return the shortest length of a wait that begins now, and its reason."""
        held = 0.0 if self._not_before is None else self._not_before - self._clock.monotonic()
        if held > 0.0:
            return held, "hold"
        if self.rate is None or self.in_flight >= self.limit:
            return 0.0, "slot"
        return self._seconds_until_next() or 0.0, "rate"

    def _grant(self) -> SendMarker:
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
        slot = SendMarker()
        if self.rate is not None:
            slot.on_sent = self._confirm_sent
        return slot

    def _confirm_sent(self) -> None:
        if self.rate is not None:
            self.rate.confirm(self._clock.monotonic())
            if self._queue:
                self._wake_waiters()

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


def _build_closed_error() -> ClientClosedError:
    return ClientClosedError("the client was closed before the request was sent")
