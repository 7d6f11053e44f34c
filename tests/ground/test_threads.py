"""Work in a thread of its own, and what a cancelled wait makes of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from campaigns_async.threads import ThreadWriter, to_its_end


async def test_work_is_run_in_order_in_one_thread_of_that_name() -> None:
    writer, seen = ThreadWriter("some-name"), list[int]()
    await asyncio.gather(*(writer.run(lambda number=number: seen.append(number)) for number in range(50)))
    assert seen == list(range(50))
    assert (await writer.run(lambda: threading.current_thread().name)).startswith("some-name")
    writer.close()
    writer.close()


async def test_it_is_seen_to_its_end_however_often_it_is_cancelled() -> None:
    let, done = asyncio.Event(), list[str]()

    async def work() -> str:
        await let.wait()
        done.append("done")
        return "result"

    task = asyncio.create_task(to_its_end(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    let.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["done"]
    assert await to_its_end(work()) == "result"


async def test_what_it_raises_comes_out_unless_the_wait_was_cancelled() -> None:
    let = asyncio.Event()

    async def work() -> None:
        await let.wait()
        raise KeyError("mine")

    task = asyncio.create_task(to_its_end(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    let.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(KeyError, match="mine"):
        await to_its_end(work())
