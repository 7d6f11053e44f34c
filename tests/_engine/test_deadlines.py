"""Deadlines cancel a task, and know their own cancellation from all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from campaigns_async._http import deadlines
from campaigns_async._http.deadlines import Deadline, TimeoutQueue, TimeoutQueues


class _Late:
    """A loop at whose time every deadline has passed."""

    def time(self) -> float:
        return float("inf")


def expire(queue: TimeoutQueue) -> None:
    """Expire all deadlines of a queue, as its timer does."""
    queue._expire(_Late())  # type: ignore[arg-type]


async def run_under_two(outer: TimeoutQueue, inner: TimeoutQueue, consumers: list[str]) -> str:
    """Wait under two deadlines, as a call and its attempt do, and note which of them consumed a cancellation."""
    now = asyncio.get_running_loop().time()
    whole = outer.start(now)
    try:
        part = inner.for_current_task()
        part.begin(now)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not part.consume_cancellation():
                raise
            consumers.append("inner")
        finally:
            part.stop()
    except asyncio.CancelledError:
        if not whole.consume_cancellation():
            raise
        consumers.append("outer")
    finally:
        whole.stop()
    return "over"


CASES: dict[str, tuple[list[str], list[str]]] = {
    "the inner one": (["inner"], ["inner"]),
    "the outer one": (["outer"], ["outer"]),
    "both in one turn of the loop": (["inner", "outer"], ["outer"]),
    "both, the other way round": (["outer", "inner"], ["outer"]),
    "a cancellation from outside": (["cancel"], []),
    "the inner one, and one from outside": (["inner", "cancel"], []),
    "one from outside, and the inner one": (["cancel", "inner"], []),
    "all three": (["inner", "outer", "cancel"], []),
}


@pytest.mark.parametrize("case", CASES)
async def test_each_deadline_knows_its_own_cancellation(case: str) -> None:
    events, expected = CASES[case]
    outer, inner, consumers = TimeoutQueue(60.0), TimeoutQueue(30.0), list[str]()
    task = asyncio.create_task(run_under_two(outer, inner, consumers))
    await asyncio.sleep(0)
    does: dict[str, Callable[[], object]] = {
        "inner": lambda: expire(inner),
        "outer": lambda: expire(outer),
        "cancel": task.cancel,
    }
    for event in events:
        does[event]()
    done, _ = await asyncio.wait([task])
    assert done == {task}
    assert consumers == expected
    assert task.cancelled() == ("cancel" in events)
    assert task.cancelling() == events.count("cancel"), "only what others asked of it is left"
    assert not outer.running
    assert not inner.running


async def test_an_earlier_cancellation_is_not_consumed() -> None:
    queue = TimeoutQueue(30.0)

    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            deadline = queue.start(0.0)  # cleaning up, with a cancellation pending
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                assert deadline.consume_cancellation(), "the cancellation that was asked before is not counted"
            finally:
                deadline.stop()
            raise
        return "never"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    expire(queue)
    await asyncio.wait([task])
    assert task.cancelled()
    assert task.cancelling() == 1


async def test_a_stopped_deadline_does_not_begin() -> None:
    queue = TimeoutQueue(30.0)
    deadline = queue.for_current_task()
    deadline.stop()
    deadline.begin(0.0)  # a body that is still being written after the answer has come
    assert not queue.running
    expire(queue)
    assert not deadline.expired
    assert not deadline.consume_cancellation()


async def test_a_swallowed_cancellation_is_taken_back() -> None:
    queue = TimeoutQueue(30.0)
    deadline = queue.start(0.0)
    expire(queue)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    deadline.stop()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_one_timer_serves_all_timeouts_of_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    real = loop.call_at

    def call_at(when: float, *rest: object) -> asyncio.TimerHandle:
        timers.append(when)
        return real(when, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "call_at", call_at)
    queue = TimeoutQueue(30.0)
    running: list[Deadline] = [queue.start(loop.time()) for _ in range(100)]
    assert timers == [running[0].when]
    assert list(queue.running) == running
    for each in running:
        each.stop()
    assert not queue.running


async def test_a_timer_counts_as_set_until_it_has_expired_its_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    queue = TimeoutQueue(30.0)
    first = queue.start(loop.time())
    timers: list[float] = []
    monkeypatch.setattr(loop, "call_at", lambda when, *_: timers.append(when))
    queue._on_timer(loop)
    second = queue.start(loop.time())
    assert timers == []
    first.stop()
    for _ in range(deadlines._ITERATIONS):
        await asyncio.sleep(0)
    assert timers == [second.when]
    assert not second.expired
    second.stop()


def test_there_is_one_queue_for_each_length() -> None:
    queues = TimeoutQueues()
    queue = queues.for_seconds(5.0)
    assert queues.for_seconds(5) is queue
    assert queues.for_seconds(6.0) is not queue
