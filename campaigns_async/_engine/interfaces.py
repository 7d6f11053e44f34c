"""What the engine asks of the world: a transport, a clock, a source of randomness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from attrs import define, frozen

from campaigns_async.settings import Timeouts
from campaigns_async.wire.messages import Request, Response


class FailureKind(StrEnum):
    """Why there is no complete answer."""

    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    DROPPED = "dropped"
    READ_TIMEOUT = "read_timeout"
    DEADLINE = "deadline"


@frozen
class Failure:
    """No complete answer."""

    kind: FailureKind
    sent: bool
    """Whether any byte of the request may have gone out."""
    detail: str = ""
    """What the operating system or the HTTP library called it; never an address or a value."""


@define(eq=False, repr=False)
class Progress:
    """How far one attempt has come; the transport marks it, the engine reads it when the attempt is cut off."""

    on_sent: Callable[[], None] | None = None
    """Is called at the first mark."""
    sent: bool = False

    def mark(self) -> None:
        """The first byte is about to leave."""
        if not self.sent:
            self.sent = True
            if self.on_sent is not None:
                self.on_sent()


@frozen
class Credentials:
    """What carries the key in one request."""

    headers: Mapping[str, str]
    query: str = ""

    def __repr__(self) -> str:
        return "Credentials(<hidden>)"


class Transport(Protocol):
    """Sends one request once. Never repeats, never follows a redirect."""

    async def send(
        self, request: Request, credentials: Credentials, timeouts: Timeouts, progress: Progress
    ) -> Response | Failure:
        """Send it and read the whole answer; marks the progress before the first byte may leave."""
        ...

    async def close(self) -> None:
        """Give back what was opened."""
        ...


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def monotonic(self) -> float:
        """Seconds; only differences mean anything."""
        ...

    def now(self) -> datetime:
        """The time of day, aware."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds."""
        ...


class LoopClock:
    """The running event loop's own time, so that a loop with a time of its own needs nothing more."""

    def monotonic(self) -> float:
        """Seconds; only differences mean anything."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:  # no loop: a repr may be asked for anywhere
            return time.monotonic()

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds."""
        await asyncio.sleep(seconds)


class Random(Protocol):
    """A source of randomness: `random.Random` is one."""

    def uniform(self, a: float, b: float, /) -> float:
        """A number between the two."""
        ...
