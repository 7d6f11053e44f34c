"""The timing of a fault: the execution of its request, the wait before the answer, and the sending of the answer.

A separate module, so that the order of these steps is in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from attrs import evolve

from ._connections import CLOSE, SentResponse
from ._exchange import Exchange
from ._operations import TEXT, Answer
from .faults import Fault, Rule


async def apply_fault(rule: Rule, exchange: Exchange) -> SentResponse:
    """Answer a request as the rule's fault demands, and schedule its late execution.

    The task is registered in `held`, so that stopping the sandbox does not wait for the fault's delays.
    """
    state, act_after = exchange.state, rule.fault.act_after
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    state.held.add(task)
    try:
        return await _answer(rule, exchange)
    finally:
        state.held.discard(task)
        if act_after is not None and not task.cancelling():
            late = asyncio.create_task(_execute_late(exchange, act_after))
            state.late.add(late)
            late.add_done_callback(state.late.discard)


async def _answer(rule: Rule, exchange: Exchange) -> SentResponse:
    fault, connection = rule.fault, exchange.connection
    exchange.record.fault = rule.number
    answer = _alter_answer(fault, _execute_early(fault, exchange) if fault.is_carried_out_first else None)
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.hold is not None:
        await fault.hold.wait()
    if fault.hang:
        await rule.wait_released()
    if not connection.is_open:
        return CLOSE
    if fault.stale:
        exchange.state.stale.add(connection)
    if fault.drop is not None:
        return exchange.drop(fault.drop, answer)
    if fault.slow_body:
        return await exchange.send_slowly(answer, fault.slow_body)
    return exchange.send(answer)


def _execute_early(fault: Fault, exchange: Exchange) -> Answer:
    answer = exchange.execute()
    if fault.hidden_for is not None and answer.acted:
        exchange.state.store.hide_newest(_is_pending(fault.hidden_for))
    return answer


def _is_pending(limit: float | asyncio.Event) -> Callable[[], bool]:
    """Return a function that returns True until a number of seconds have passed, or an event is set."""
    if isinstance(limit, asyncio.Event):
        return lambda: not limit.is_set()
    clock = asyncio.get_running_loop().time
    end = clock() + limit
    return lambda: clock() < end


async def _execute_late(exchange: Exchange, after: float | asyncio.Event) -> None:
    if isinstance(after, asyncio.Event):
        await after.wait()
    else:
        await asyncio.sleep(after)
    exchange.execute()


def _alter_answer(fault: Fault, answer: Answer | None) -> Answer:
    if answer is None or fault.status is not None:
        answer = Answer(fault.status or 200, content_type=TEXT)
    kind = answer.content_type if fault.body is None else TEXT
    return evolve(
        answer,
        headers={**answer.headers, **fault.headers},
        body=answer.body if fault.body is None else fault.body,
        content_type=fault.content_type or kind,
    )
