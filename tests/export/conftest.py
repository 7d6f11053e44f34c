"""Fixtures of the tests of exports: rows, complete walks, and checks that no task or slot is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol

import pytest

from campaigns_async import CampaignsClient, Contact
from campaigns_async.export._walk import Step
from campaigns_async.sandbox import Sandbox


class Collect(Protocol):
    """A function that walks to the end, or for `steps` steps."""

    async def __call__(self, walk: AsyncGenerator[Step, None], steps: int | None = None) -> list[Step]:
        """Return the steps."""
        ...


@pytest.fixture
def contacts() -> Callable[[int], list[dict[str, Any]]]:
    """Return a function that makes contacts in wire form, whose ids sort by their number."""
    return lambda count: [{"id": f"p{number:06}", "phoneNumber": f"07700{number:06}"} for number in range(count)]


@pytest.fixture
def steps() -> Collect:
    """Return a function that collects the steps of a walk."""

    async def collect(walk: AsyncGenerator[Step, None], steps: int | None = None) -> list[Step]:
        found: list[Step] = []
        async with aclosing(walk) as walked:
            async for step in walked:
                found.append(step)
                if len(found) == steps:
                    break
        return found

    return collect


@pytest.fixture
def nothing_left() -> Callable[[CampaignsClient], None]:
    """Return a function that checks that no task of the package runs, and no slot is taken."""

    def check(client: CampaignsClient) -> None:
        running = [task for task in asyncio.all_tasks() if is_ours(task) and not task.done()]
        assert not running, running
        stats = client.stats()
        assert (stats.in_flight, stats.waiting) == (0, 0)

    return check


def is_ours(task: asyncio.Task[Any]) -> bool:
    """Return True if a task runs code of the package, except for the sandbox."""
    code = getattr(task.get_coro(), "cr_code", None)
    path = "" if code is None else code.co_filename
    return "campaigns_async" in path and "sandbox" not in path


@pytest.fixture
def quiet() -> Callable[[Sandbox], Any]:
    """Return a function that waits until no more requests arrive, and returns their number."""

    async def wait(sandbox: Sandbox) -> int:
        still, seen = 0, -1
        while still < 50:
            await asyncio.sleep(0.001)
            still = still + 1 if len(sandbox.requests) == seen else 0
            seen = len(sandbox.requests)
        return seen

    return wait


@pytest.fixture
def contacts_alive() -> Callable[[], int]:
    """Return a function that counts the contacts in memory, except those of earlier tests."""
    import gc

    others = [one for one in gc.get_objects() if type(one) is Contact]  # held, so that their number stays
    return lambda: sum(type(one) is Contact for one in gc.get_objects()) - len(others)
