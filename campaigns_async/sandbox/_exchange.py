"""An exchange of a request and its answer, with the fault that applies to it.

The answer is written whole, in parts, or not at all.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from attrs import define, evolve

from ._operations import TEXT, Answer
from ._request_log import RecordedRequest
from ._routing import RoutedRequest, carries_key
from ._state import State
from .faults import Drop, Fault, Rule

# SO_LINGER on, with zero seconds: closing then resets the connection.
_RESET: Final = struct.pack("ii", 1, 0)


class SentResponse(web.StreamResponse):
    """A response whose bytes were already written. aiohttp reads from it only if the connection stays open."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._stays_open = keep_alive

    @property
    def keep_alive(self) -> bool:
        return self._stays_open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        pass

    async def write_eof(self, data: bytes = b"") -> None:
        pass


KEEP_ALIVE: Final = SentResponse(keep_alive=True)
CLOSE: Final = SentResponse(keep_alive=False)


@define(eq=False, repr=False)
class Exchange:
    """One request and its answer. `content` is None if the body was too large to read."""

    state: State
    request: web.BaseRequest
    transport: asyncio.Transport
    record: RecordedRequest
    routed: RoutedRequest
    content: bytes | None

    def execute(self) -> Answer:
        answer = self._execute()
        if answer.acted:
            self.state.log.mark_acted(self.record)
        return answer

    def _execute(self) -> Answer:
        routed, headers, state = self.routed, self.request.headers, self.state
        if routed.allow is None:
            return Answer(404)
        if routed.operation is None:
            return Answer(405, headers={"Allow": ", ".join(routed.allow)})
        if not carries_key(state.api_key, headers, routed.query, state.settings.auth):
            return Answer(401, headers={"WWW-Authenticate": "Bearer"})
        if self.content is None:
            return state.operations.build_problem(413)
        return state.operations.execute(routed, content_type=headers.get("Content-Type", ""), body=self.content)

    def send(self, answer: Answer) -> SentResponse:
        if not self.transport.is_closing():
            self.record.status = answer.status
        return send(answer, self.request, self.transport, self.content)

    async def send_with_fault(self, rule: Rule) -> SentResponse:
        """Answer as the rule's fault demands, and schedule the late execution of the request.

        The task is registered in `held`, so that stopping the sandbox does not wait for the fault's delays.
        """
        state, act_after = self.state, rule.fault.act_after
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        state.held.add(task)
        try:
            return await self._send_with_fault(rule)
        finally:
            state.held.discard(task)
            if act_after is not None and not task.cancelling():
                late = asyncio.create_task(self._execute_late(act_after))
                state.late.add(late)
                late.add_done_callback(state.late.discard)

    async def _send_with_fault(self, rule: Rule) -> SentResponse:
        fault = rule.fault
        self.record.fault = rule.number
        answer = self.execute() if fault.is_carried_out_first else None
        if fault.hidden_for is not None and answer is not None and answer.acted:
            self.state.store.hide_newest(_make_check(fault.hidden_for))
        answer = _alter_answer(fault, answer)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hold is not None:
            await fault.hold.wait()
        if fault.hang:
            await rule.wait_released()
        if self.transport.is_closing():
            return CLOSE
        if fault.stale:
            self.state.stale.add(self.record.connection)
        if fault.drop is not None:
            return self._drop(fault.drop, answer)
        if fault.slow_body:
            return await self._send_slowly(answer, fault.slow_body)
        return self.send(answer)

    async def _execute_late(self, after: float | asyncio.Event) -> None:
        await (after.wait() if isinstance(after, asyncio.Event) else asyncio.sleep(after))
        self.execute()

    async def _send_slowly(self, answer: Answer, pause: float) -> SentResponse:
        head, body, end = _write(answer, self.request, self.content)
        self.transport.write(head)
        self.record.status = answer.status
        for byte in body:
            await asyncio.sleep(pause)
            if self.transport.is_closing():
                return CLOSE
            self.transport.write(bytes((byte,)))
        return end

    def _drop(self, kind: Drop, answer: Answer) -> SentResponse:
        if kind == "reset":
            raw: socket.socket = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
            return CLOSE
        if kind != "close":
            head, body, _ = _write(answer, self.request, self.content)
            if kind == "cut_body" and body:
                self.record.status = answer.status
                self.transport.write(head + body[: len(body) // 2])
            else:
                # Without a body, only the head can be cut.
                self.transport.write(head[: len(head) // 2])
        self.transport.close()
        return CLOSE


def send(answer: Answer, request: web.BaseRequest, transport: asyncio.Transport, content: bytes | None) -> SentResponse:
    """Write a whole answer to a connection, if the connection is still open."""
    if transport.is_closing():
        return CLOSE
    head, body, end = _write(answer, request, content)
    transport.write(head + body)
    return end


def _write(answer: Answer, request: web.BaseRequest, content: bytes | None) -> tuple[bytes, bytes, SentResponse]:
    # The rest of an unread body would be read as the next request.
    keep_alive = request.keep_alive and content is not None
    head, body = answer.write_head(keep_alive=keep_alive), answer.write_body(method=request.method)
    return head, body, KEEP_ALIVE if keep_alive else CLOSE


def _make_check(limit: float | asyncio.Event) -> Callable[[], bool]:
    """Return a function that returns True until a number of seconds have passed, or an event is set."""
    if isinstance(limit, asyncio.Event):
        return lambda: not limit.is_set()
    clock = asyncio.get_running_loop().time
    end = clock() + limit
    return lambda: clock() < end


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
