"""The API key: given as text, or asked of a callable, once for all who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from campaigns_async import checks
from campaigns_async._engine.interfaces import Credentials
from campaigns_async.errors import ClientClosedError, ConfigurationError
from campaigns_async.values import Auth
from campaigns_async.wire.requests import authorized

KeySource: TypeAlias = Callable[[], Awaitable[str]]


class KeyRing:
    """Holds the key that is good now, and asks for a new one where there is someone to ask.

    Args:
        auth: Where the key travels.
        key: Text, or a callable that gives it.
        patience: Seconds that the callable may take; None for any time.
    """

    def __init__(self, auth: Auth, key: str | KeySource, *, patience: float | None = None) -> None:
        self._patience = patience
        self._auth = auth
        self._source = None if isinstance(key, str) else key
        self._closed = False
        self._asking: asyncio.Task[Credentials] | None = None
        self.current: Credentials | None = self._made(key) if isinstance(key, str) else None

    @property
    def renewable(self) -> bool:
        """Whether a refused key can be replaced."""
        return self._source is not None

    async def load(self) -> Credentials:
        """The key that is good now, asked for on first use.

        Raises:
            ConfigurationError: The callable raised (chained), or gave what is no key.
        """
        return self.current or await self._ask()

    async def renew(self, refused: Credentials) -> Credentials:
        """A key other than one that was refused, if there is one by now.

        Raises:
            ConfigurationError: As `load`.
        """
        if self.current is not refused and self.current is not None:
            return self.current  # someone else was told the same, and asked before
        return await self._ask()

    async def _ask(self) -> Credentials:
        if self._asking is None:
            self._asking = asyncio.create_task(self._fetch())
            self._asking.add_done_callback(self._asked)
        try:
            # Shielded: one who gives up waiting must not take the answer from the others.
            return await asyncio.shield(self._asking)
        except ConfigurationError as error:  # one for each: callers write on theirs
            raise ConfigurationError(error.message) from error.__cause__
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        # Not who waits was cancelled, but what they waited for.
        if self._closed:
            raise ClientClosedError("the client was closed while the api_key callable was asked")
        raise ConfigurationError("the api_key callable was cancelled, or cancelled itself")

    async def close(self) -> None:
        """Stop asking; who waits is turned away."""
        self._closed = True
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,), timeout=1.0)

    async def _fetch(self) -> Credentials:
        assert self._source is not None, "a fixed key is never asked for"
        try:
            async with asyncio.timeout(self._patience):  # one that hangs must not hang for good
                key = await self._source()
        except Exception as error:
            raise ConfigurationError(f"the api_key callable raised {type(error).__name__}") from error
        self.current = self._made(key)
        return self.current

    def _asked(self, task: asyncio.Task[Credentials]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # seen, even if all who waited have gone

    def _made(self, key: object) -> Credentials:
        headers, query = authorized(self._auth, checks.check_api_key("api_key", key))
        return Credentials(headers, query)
