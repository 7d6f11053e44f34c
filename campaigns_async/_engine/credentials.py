"""The API key: given as text, or fetched from a callable, once for all calls that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import TypeAlias

from campaigns_async._http.api_key import Credentials, build_credentials, check_api_key
from campaigns_async._threads import retrieve_exception
from campaigns_async.errors import ClientClosedError, ConfigurationError
from campaigns_async.settings import Auth

KeySource: TypeAlias = Callable[[], Awaitable[str]]


class CredentialStore:
    """A store of the current API key. With a callable, it fetches the key on first use and after a 401.

    Args:
        auth: The place of the key in a request.
        key: Text, or a callable that returns it.
        timeout: Seconds that the callable may take; None for no limit.
        headers: Headers that go with every request beside the key.
    """

    def __init__(
        self, auth: Auth, key: str | KeySource, *, timeout: float | None, headers: Mapping[str, str] | None
    ) -> None:
        self._headers = headers
        self._timeout = timeout
        self._auth = auth
        self._source = None if isinstance(key, str) else key
        self._closed = False
        self._fetching: asyncio.Task[Credentials | BaseException] | None = None
        self.current: Credentials | None = self._build(key) if isinstance(key, str) else None

    @property
    def can_renew(self) -> bool:
        """True if a refused key can be replaced."""
        return self._source is not None

    async def load(self) -> Credentials:
        """Return the current key, and fetch it on first use.

        Raises:
            ConfigurationError: If the callable raised an error (chained), or did not return a key.
        """
        return self.current or await self._fetch_once()

    async def fingerprint(self, salt: bytes) -> bytes:
        """Return 16 bytes by which the current key is recognised under the same salt, of at most 16 bytes."""
        return blake2b((await self.load()).key.encode(), digest_size=16, salt=salt).digest()

    async def renew(self, refused: Credentials) -> Credentials:
        """Return another key than the refused one, if there is another."""
        if self.current is not refused and self.current is not None:
            return self.current  # another call got the same 401, and has already fetched a new key
        return await self._fetch_once()

    async def close(self) -> None:
        """Stop fetching. Calls that wait for the key raise `ClientClosedError`."""
        self._closed = True
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait((self._fetching,), timeout=1.0)

    async def _fetch_once(self) -> Credentials:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._on_fetched)
        try:
            # Shielded: a call that stops waiting must not cancel the fetch for all others.
            fetched = await asyncio.shield(self._fetching)
        except ConfigurationError as error:  # a copy for each call, since each call sets attributes on its own
            raise ConfigurationError(error.message) from error.__cause__
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        else:
            if isinstance(fetched, BaseException):
                raise fetched
            return fetched
        # The fetch was cancelled, not this call.
        if self._closed:
            raise ClientClosedError("the client was closed before the api_key callable returned")
        raise ConfigurationError("the api_key callable was cancelled, or cancelled itself")

    async def _fetch(self) -> Credentials | BaseException:
        """Return the key, or a `SystemExit` and the like: a task that raised it would end the event loop."""
        assert self._source is not None, "a fixed key is never fetched"
        try:
            async with asyncio.timeout(self._timeout):  # a callable that hangs must not hang every call
                key = await self._source()
        except Exception as error:
            raise ConfigurationError(f"the api_key callable raised {type(error).__name__}") from error
        except (SystemExit, KeyboardInterrupt) as error:
            return error
        self.current = self._build(key)
        return self.current

    def _on_fetched(self, task: asyncio.Task[Credentials | BaseException]) -> None:
        self._fetching = None
        retrieve_exception(task)

    def _build(self, key: object) -> Credentials:
        return build_credentials(self._auth, check_api_key("api_key", key), self._headers)
