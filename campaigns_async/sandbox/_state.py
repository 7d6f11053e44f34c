"""The state of a sandbox, shared by its requests, its control and its methods."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from ._campaign_store import Store
from ._clock import Clock
from ._mobile_numbers import parse_mobile, parse_mobile_with_magic
from ._operations import Operations
from ._request_log import RequestLog
from ._settings import Quirks, RateLimit, Settings
from .faults import Rules


class TokenBucket:
    """A token bucket with one token per request. The time, in seconds, is passed in and never goes back."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self._size = self._tokens = float(limit.burst or max(1, math.floor(limit.requests_per_second)))
        self._refilled_at = -math.inf

    def take(self, now: float) -> float:
        """Take a token and return 0. Without a token, return the seconds until there is one."""
        rate = self.limit.requests_per_second
        self._tokens = min(self._size, self._tokens + (now - self._refilled_at) * rate)
        self._refilled_at = now
        # After rounding, a full token may be slightly less than 1.
        if self._tokens < 1 - 1e-9:
            return (1 - self._tokens) / rate
        self._tokens = max(0.0, self._tokens - 1)
        return 0.0


class State:
    """The state of a sandbox, which `reset` restores to that of its settings.

    Attributes:
        port: The port to listen on; after the start, the actual port.
        held: The tasks that apply a fault to a request.
        late: The tasks that carry out answered requests, after a fault's `act_after`.
        stale: The numbers of the connections that are closed at their next request.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = settings.port
        self.clock = Clock()
        self.log = RequestLog()
        self.rules = Rules()
        self.held: set[asyncio.Task[Any]] = set()
        self.late: set[asyncio.Task[Any]] = set()
        self.stale: set[int] = set()
        self._restore()

    def _restore(self) -> None:
        settings = self.settings
        quirks = settings.quirks or Quirks()
        self.api_key = settings.api_key
        self.clock.reset(settings.now)
        self.store = Store(seed=settings.seed, quirks=quirks, clock=self.clock, lifecycle=settings.lifecycle)
        contacts = dict(settings.contacts)
        for wire in settings.campaigns:
            self.store.seed(wire, contacts.pop(str(wire["id"]), ()), None)
        if contacts:
            raise ValueError(f"there are contacts for {next(iter(contacts))!r}, but no such campaign")
        self.operations = Operations(
            self.store, quirks, parse_mobile_with_magic if settings.magic_recipients else parse_mobile
        )
        for fault in settings.faults:
            self.rules.add(fault)
        self.limit_rate(settings.rate_limit)

    def reset(self) -> None:
        """Restore the state of the settings. Waiting requests are cancelled."""
        self.cancel_waiting()
        self.log.clear()
        self.rules.clear()
        self._restore()

    def limit_rate(self, limit: RateLimit | None) -> None:
        self.limiter = None if limit is None else TokenBucket(limit)

    @property
    def late_count(self) -> int:
        return sum(not task.done() for task in self.late)

    @property
    def rate_limit(self) -> RateLimit | None:
        return None if self.limiter is None else self.limiter.limit

    @property
    def url(self) -> str:
        """The URL of the sandbox, with the prefix and without a slash at the end."""
        host = self.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self.settings.prefix}"

    def cancel_waiting(self) -> list[asyncio.Task[Any]]:
        """Cancel the requests that wait to be answered or carried out, and return their tasks."""
        self.stale.clear()
        tasks = [*self.held, *self.late]
        for task in tasks:
            task.cancel()
        return tasks
