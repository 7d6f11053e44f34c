"""The state that all calls of a client share: slots, API key, transport, clock. It belongs to one event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

from attrs import define, field

from campaigns_async._engine.call import Clock
from campaigns_async._engine.credentials import CredentialStore
from campaigns_async._engine.instrumentation import Instrumentation, Stats
from campaigns_async._engine.limiter import CapacityLimiter
from campaigns_async._engine.retry import RetryQuota
from campaigns_async._http.deadlines import TimeoutQueues
from campaigns_async._http.transport import Transport
from campaigns_async.errors import ClientClosedError, ConfigurationError


@define(eq=False, repr=False, slots=False, kw_only=True)
class Pool:
    """The state that all calls of a client share. `Caller` makes the calls."""

    transport: Transport
    credentials: CredentialStore
    limiter: CapacityLimiter
    clock: Clock
    random: Random
    quota: RetryQuota
    instrumentation: Instrumentation | None  # None without an observer
    calls: int = field(init=False, default=0)
    attempts: int = field(init=False, default=0)
    retries: int = field(init=False, default=0)  # attempts that were not the first of their call
    throttled: int = field(init=False, default=0)  # responses that asked the client to slow down
    closed: bool = field(init=False, default=False)  # True if no call may start any more
    deadlines: TimeoutQueues = field(init=False, factory=TimeoutQueues)
    _closed_event: asyncio.Event = field(init=False, factory=asyncio.Event)
    _skip_grace: asyncio.Event = field(init=False, factory=asyncio.Event)  # set if the task that closes is cancelled
    _closing: asyncio.Task[None] | None = field(init=False, default=None)
    _loop: asyncio.AbstractEventLoop | None = field(init=False, default=None)

    def enter(self) -> float:
        """Check that a call may start, and return the time of the loop.

        Raises:
            ClientClosedError: If the pool is closed.
            ConfigurationError: If the running event loop is not the loop of the first call.
        """
        if self.closed:
            raise ClientClosedError("the client is closed: create a new one")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._bind()
        return loop.time()

    def _bind(self) -> None:
        """Reserve the pool for the running loop, unless it was used in another one."""
        if self._loop not in (None, asyncio.get_running_loop()):
            raise ConfigurationError(
                "this client belongs to another event loop, the one it was first used in: "
                "create one client per loop, inside the coroutine that asyncio.run() runs"
            )
        self._loop = asyncio.get_running_loop()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`.

        Raises:
            ClientClosedError: If the pool is closed, or is closed during the sleep.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed_event.wait()
        if self.closed:
            raise ClientClosedError("the client was closed before the retry")

    def stats(self) -> Stats:
        """Return a snapshot of the client's state."""
        limiter, rate = self.limiter, self.limiter.rate
        return Stats(
            max_concurrency=limiter.limit,
            in_flight=limiter.in_flight,
            waiting=limiter.waiting,
            held_for=limiter.paused_for,
            rate_limit=rate.rate if rate else None,
            sent_last_second=rate.count_last_second(self.clock.monotonic()) if rate else None,
            calls=self.calls,
            attempts=self.attempts,
            retries=self.retries,
            throttled=self.throttled,
            retry_quota=self.quota.left,
        )

    async def close(self, grace: float) -> None:
        """Refuse new calls, wait up to `grace` seconds for requests in flight, and close the transport.

        May be called again. If it is cancelled, it closes the transport at once.

        Raises:
            ConfigurationError: As `enter`.
        """
        if self._closing is None or not self._closing.done():
            self._bind()
        if self._closing is None:
            self.closed = True
            self._closed_event.set()
            self.limiter.close()
            self._closing = asyncio.create_task(self._close(grace))
        try:
            await asyncio.shield(self._closing)  # a second call of `close` waits for the same task
        except asyncio.CancelledError:
            self._skip_grace.set()
            await asyncio.wait((self._closing,))
            raise

    async def _close(self, grace: float) -> None:
        idle = asyncio.ensure_future(self.limiter.wait_until_idle())
        skip = asyncio.ensure_future(self._skip_grace.wait())
        await asyncio.wait((idle, skip), timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        skip.cancel()
        await self.credentials.close()
        await self.transport.close()
