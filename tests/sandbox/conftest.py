"""A sandbox, and a plain aiohttp session for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from campaigns_async.sandbox import Sandbox


def session_for(sandbox: Sandbox, **options: Any) -> aiohttp.ClientSession:
    """Return a session that sends the sandbox's key and never retries."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    return aiohttp.ClientSession(sandbox.url, headers=headers, **options)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(seed=7) as running:
        yield running


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with session_for(sandbox) as session:
        yield session


@pytest.fixture
def open_session() -> Callable[..., aiohttp.ClientSession]:
    return session_for


@pytest.fixture
def new() -> dict[str, Any]:
    """Return a campaign that the provider accepts."""
    return {
        "startDateTime": "2031-05-01T09:30:00.000Z",
        "sender": "Golf",
        "message": "Fore!",
        "contacts": [
            {"phoneNumber": "07700900123", "name": "Ann", "custom1": "a", "custom2": "b"},
            {"phoneNumber": "+44 7700 900124"},
        ],
    }
