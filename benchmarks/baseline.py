"""The same work by hand: what a careful engineer writes on bare aiohttp and msgspec.

One session with default headers, without a cookie jar and without a limit of connections; prebuilt URLs;
`async with session.post(...)`, as in aiohttp's documentation; a check of the status. The code by hand never retries, does
not know whether a failed request was carried out, and its rows are dicts with dates as text.

The timeouts are the client's: 10 s for a connection, 30 s for the next byte, 120 s for a whole call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import msgspec
from yarl import URL

from campaigns_async import Timeouts


class ByHand:
    """A minimal client that creates and lists campaigns."""

    def __init__(self, session: aiohttp.ClientSession, url: str, page_size: int) -> None:
        self._session = session
        self._root = URL(f"{url}/api/Campaigns")
        self._page_size = page_size

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, api_key: str, *, page_size: int) -> AsyncGenerator[Self]:
        """Open a session during the block, and yield a client that uses it."""
        same = Timeouts()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Accept": "application/json",
                "Authorization": f"Bearer {api_key}",
                "Content-Type": "application/json",
            },
            timeout=aiohttp.ClientTimeout(total=same.deadline, sock_connect=same.connect, sock_read=same.read),
        ) as session:
            yield cls(session, url, page_size)

    async def create(self, campaign: Mapping[str, object]) -> str:
        """Create a campaign and return its id."""
        async with self._session.post(
            self._root, data=msgspec.json.encode(campaign), allow_redirects=False
        ) as response:
            body = await response.read()
            if response.status != 201:
                raise RuntimeError(f"status {response.status}")
            created: str = msgspec.json.decode(body)
            return created

    async def create_awaited(self, campaign: Mapping[str, object]) -> str:
        """Create a campaign without `async with`: the least that a POST by aiohttp can cost."""
        response = await self._session.post(self._root, data=msgspec.json.encode(campaign), allow_redirects=False)
        body = await response.read()
        if response.status != 201:
            raise RuntimeError(f"status {response.status}")
        created: str = msgspec.json.decode(body)
        return created

    def campaigns(self) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield all campaigns, a page at a time."""
        return self._pages(self._root)

    def contacts(self, campaign_id: str) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield all contacts of a campaign, a page at a time."""
        return self._pages(self._root / campaign_id / "Contacts")

    async def _pages(self, url: URL) -> AsyncIterator[list[dict[str, Any]]]:
        index, last = 1, 1
        while index <= last:
            paged = url.with_query(page=index, pageSize=self._page_size)
            async with self._session.get(paged, allow_redirects=False) as response:
                body = await response.read()
                if response.status != 200:
                    raise RuntimeError(f"status {response.status}")
            page = msgspec.json.decode(body)
            last = page["totalPages"]
            yield page["items"]
            index += 1
