"""What all calls of a client share: slots, key, transport, clock. Lives in one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from campaigns_async._engine.credentials import KeyRing
from campaigns_async._engine.deadlines import Lanes
from campaigns_async._engine.instrumentation import Stats
from campaigns_async._engine.interfaces import Clock, Random, Transport
from campaigns_async._engine.limiter import Gate
from campaigns_async._engine.retry import Quota
from campaigns_async.errors import ClientClosedError, ConfigurationError

if TYPE_CHECKING:
    from campaigns_async._engine.instrumentation import Teller
    from campaigns_async.events import Observer


class Pool:
    """The shared state; `Caller` does the calling."""

    def __init__(
        self,
        *,
        transport: Transport,
        keys: KeyRing,
        gate: Gate,
        clock: Clock,
        random: Random,
        quota: Quota,
        observer: Observer | None = None,
    ) -> None:
        self.transport = transport
        self.keys = keys
        self.gate = gate
        self.clock = clock
        self.random = random
        self.quota = quota
        self.calls = self.attempts = self.retries = self.throttled = 0
        self.teller: Teller | None = None if observer is None else _teller(observer, clock)
        self.closed: bool = False
        self.deadlines: Lanes = Lanes()
        self._closed_now = asyncio.Event()
        self._hurry = asyncio.Event()
        """Set when whoever closes waits no longer."""
        self._closing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self) -> None:
        """Check that a call may begin here and now.

        Raises:
            ClientClosedError: After `close`.
            ConfigurationError: In another event loop than the first call's.
        """
        if self.closed:
            raise ClientClosedError("the client is closed: make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise ConfigurationError(
                    "this client belongs to another event loop, the one it was first used in: "
                    "make one client per loop, inside the coroutine that asyncio.run() runs"
                )
            self._loop = loop

    async def sleep(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ClientClosedError: The pool was closed meanwhile, or before.
        """
        sleeping = asyncio.ensure_future(self.clock.sleep(seconds))
        closed = asyncio.ensure_future(self._closed_now.wait())
        try:
            await asyncio.wait((sleeping, closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            closed.cancel()
        if self.closed:
            raise ClientClosedError("the client was closed before the request could go out again")

    def stats(self) -> Stats:
        """What is going on."""
        gate, pace = self.gate, self.gate.pace
        return Stats(
            max_concurrency=gate.limit,
            in_flight=gate.in_flight,
            waiting=gate.waiting,
            held_for=gate.held_for(),
            rate_limit=pace.rate if pace else None,
            sent_last_second=pace.recent(self.clock.monotonic()) if pace else None,
            calls=self.calls,
            attempts=self.attempts,
            retries=self.retries,
            throttled=self.throttled,
            retry_quota=self.quota.left,
        )

    async def close(self, grace: float) -> None:
        """Let nobody in, let what is in flight finish for so many seconds, and close the transport.

        Safe to call twice.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            if not self._loop.is_closed():
                raise ConfigurationError("this client belongs to another event loop: close it there")
            self.closed = True  # its loop has gone: nothing can be closed in it any more
            return
        if self._closing is None:
            self.closed = True
            self._closed_now.set()
            self.gate.close()
            self._closing = loop.create_task(self._close(grace))
        try:
            await asyncio.shield(self._closing)  # who closes too waits for the same end
        except asyncio.CancelledError:
            self._hurry.set()
            await asyncio.wait((self._closing,))
            raise

    async def _close(self, grace: float) -> None:
        idle = asyncio.ensure_future(self.gate.idle())
        hurried = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((idle, hurried), timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        hurried.cancel()
        await self.keys.close()
        await self.transport.close()


def _teller(observer: Observer, clock: Clock) -> Teller:
    from campaigns_async._engine.instrumentation import Teller  # noqa: PLC0415  # who is told pays for it

    return Teller(observer, clock)
