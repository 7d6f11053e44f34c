"""The API key: given as text, or fetched from a callable, once for all calls that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from campaigns_async._checks import check_api_key
from campaigns_async._http.request import Credentials, build_credentials
from campaigns_async.errors import ClientClosedError, ConfigurationError
from campaigns_async.settings import Auth

KeySource: TypeAlias = Callable[[], Awaitable[str]]


class CredentialStore:
    """Holds the current key, and fetches a new one where there is a callable.

    Args:
        auth: Where the key travels.
        key: Text, or a callable that returns it.
        timeout: Seconds that the callable may take; None for any time.
    """

    def __init__(self, auth: Auth, key: str | KeySource, *, timeout: float | None = None) -> None:
        self._timeout = timeout
        self._auth = auth
        self._source = None if isinstance(key, str) else key
        self._closed = False
        self._fetching: asyncio.Task[Credentials] | None = None
        self.current: Credentials | None = self._build(key) if isinstance(key, str) else None

    @property
    def renewable(self) -> bool:
        """True if a refused key can be replaced."""
        return self._source is not None

    async def load(self) -> Credentials:
        """Return the current key, fetched on first use.

        Raises:
            ConfigurationError: If the callable raised (chained), or returned what is no key.
        """
        return self.current or await self._fetch_once()

    async def renew(self, refused: Credentials) -> Credentials:
        """Return a key other than a refused one, if there is one by now.

        Raises:
            ConfigurationError: As `load`.
        """
        if self.current is not refused and self.current is not None:
            return self.current  # another call met the same 401, and has fetched a new key already
        return await self._fetch_once()

    async def close(self) -> None:
        """Stop fetching; calls that wait for the key raise `ClientClosedError`."""
        self._closed = True
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait((self._fetching,), timeout=1.0)

    async def _fetch_once(self) -> Credentials:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._on_fetched)
        try:
            # Shielded: a call that gives up waiting must not take the key from the others.
            return await asyncio.shield(self._fetching)
        except ConfigurationError as error:  # one for each call, as each writes on its own
            raise ConfigurationError(error.message) from error.__cause__
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        # Not the waiting call was cancelled, but the fetch.
        if self._closed:
            raise ClientClosedError("the client was closed while the api_key callable was asked")
        raise ConfigurationError("the api_key callable was cancelled, or cancelled itself")

    async def _fetch(self) -> Credentials:
        assert self._source is not None, "a fixed key is never fetched"
        try:
            async with asyncio.timeout(self._timeout):  # a callable that hangs must not hang every call
                key = await self._source()
        except Exception as error:
            raise ConfigurationError(f"the api_key callable raised {type(error).__name__}") from error
        self.current = self._build(key)
        return self.current

    def _on_fetched(self, task: asyncio.Task[Credentials]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # retrieved, even if all that waited have gone

    def _build(self, key: object) -> Credentials:
        return build_credentials(self._auth, check_api_key("api_key", key))
