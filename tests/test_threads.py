"""Waits that end only after the work, even if they are cancelled."""

from __future__ import annotations

import asyncio

import pytest

from campaigns_async._threads import wait_to_end


async def test_the_wait_ends_after_the_work_even_if_it_is_cancelled() -> None:
    let, done = asyncio.Event(), list[str]()

    async def work() -> str:
        await let.wait()
        done.append("done")
        return "result"

    task = asyncio.create_task(wait_to_end(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    let.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["done"]
    assert await wait_to_end(work()) == "result"


async def test_the_error_of_the_work_is_raised_unless_the_wait_was_cancelled() -> None:
    let = asyncio.Event()

    async def work() -> None:
        await let.wait()
        raise KeyError("mine")

    task = asyncio.create_task(wait_to_end(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    let.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(KeyError, match="mine"):
        await wait_to_end(work())
