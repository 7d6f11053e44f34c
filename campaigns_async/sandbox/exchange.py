"""One request and its answer: carried out, and sent as it should be or as a fault has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attrs import define, evolve

from . import problems
from .answers import TEXT, Answer, write_body, write_head
from .connections import Connection, Sent
from .keys import Auth, carries_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from .app import Call, Campaigns
    from .faults import Fault, Rule
    from .journal import Journal, RecordedRequest

STAYS: Final = Sent(keep_alive=True)
CLOSES: Final = Sent(keep_alive=False)

_UNAUTHORISED: Final = Answer(401, headers={"WWW-Authenticate": "Bearer"})
_NO_SUCH_PATH: Final = Answer(404)


@define(eq=False)
class Exchange:
    """What is needed to answer one request; `content` is None where it was too large to read."""

    api: Campaigns
    api_key: str
    auth: Auth
    journal: Journal
    request: web.BaseRequest
    connection: Connection
    record: RecordedRequest
    call: Call
    content: bytes | None

    def act(self) -> Answer:
        """Carry the request out, or say why not."""
        answer = self._answer()
        if answer.acted:
            self.journal.mark_acted(self.record)
        return answer

    def _answer(self) -> Answer:
        call = self.call
        if call.allow is None:
            return _NO_SUCH_PATH
        if call.operation is None:
            return Answer(405, headers={"Allow": ", ".join(call.allow)})
        if not self._is_authorised():
            return _UNAUTHORISED
        if self.content is None:
            return problems.problem(413, self.api.store.trace_id())
        content_type = self.request.headers.get("Content-Type", "")
        return self.api.answer(call, content_type=content_type, body=self.content)

    def would_be_taken(self) -> bool:
        """Whether this create would be carried out, if nothing went wrong."""
        content_type = self.request.headers.get("Content-Type", "")
        return (
            self._is_authorised()
            and self.content is not None
            and self.api.would_create(self.call, content_type=content_type, body=self.content)
        )

    def _is_authorised(self) -> bool:
        headers = self.request.headers
        return carries_key(
            self.api_key,
            authorization=headers.get("Authorization"),
            header=headers.get("api-key"),
            query=self.call.query.get("api-key"),
            auth=self.auth,
        )

    def send(self, answer: Answer) -> Sent:
        """Send the whole answer at once."""
        if not self.connection.is_open:
            return CLOSES
        keep_alive = self._stays_open
        head = write_head(answer, keep_alive=keep_alive)
        self.connection.transport.write(head + write_body(answer, method=self.call.method))
        self.record.status = answer.status
        return STAYS if keep_alive else CLOSES

    @property
    def _stays_open(self) -> bool:
        # What was not read to its end stands in the way of a next request.
        return self.request.keep_alive and self.content is not None

    async def meet(self, rule: Rule) -> Sent:
        """Answer as the rule's fault has it; seconds and events are waited for here."""
        fault = rule.fault
        self.record.fault = rule.number
        answer = self._faulty_answer(fault)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hold is not None:
            await fault.hold.wait()
        if fault.hang:
            await rule.until_released()
        if not self.connection.is_open:
            return CLOSES
        if fault.stale:
            self.connection.stale = True
        if fault.drop is not None:
            self._drop(fault, answer)
            return CLOSES
        if fault.slow_body:
            return await self._drip(answer, fault.slow_body)
        return self.send(answer)

    def _faulty_answer(self, fault: Fault) -> Answer:
        answer = self._act_hidden(fault) if fault.acts else None
        if answer is None or fault.status is not None:
            answer = Answer(fault.status or 200, content_type=TEXT)
        headers = {**answer.headers, **fault.headers}
        body = answer.body if fault.body is None else fault.body
        kind = fault.content_type or (answer.content_type if fault.body is None else TEXT)
        return evolve(answer, headers=headers, body=body, content_type=kind)

    def _act_hidden(self, fault: Fault) -> Answer:
        answer = self.act()
        if fault.hidden_for is not None and answer.acted:
            self.api.store.hide_newest(_until(fault.hidden_for))
        return answer

    def _drop(self, fault: Fault, answer: Answer) -> None:
        connection = self.connection
        if fault.drop == "reset":
            connection.reset()
            return
        if fault.drop != "close":
            head = write_head(answer, keep_alive=self._stays_open)
            body = write_body(answer, method=self.call.method)
            if fault.drop == "cut_body" and body:
                self.record.status = answer.status
                connection.transport.write(head + body[: len(body) // 2])
            else:
                # Without a body there is only the head to cut.
                connection.transport.write(head[: len(head) // 2])
        connection.close()

    async def _drip(self, answer: Answer, pause: float) -> Sent:
        write = self.connection.transport.write
        write(write_head(answer, keep_alive=self._stays_open))
        self.record.status = answer.status
        for byte in write_body(answer, method=self.call.method):
            await asyncio.sleep(pause)
            if not self.connection.is_open:
                return CLOSES
            write(bytes((byte,)))
        return STAYS if self._stays_open else CLOSES


def _until(limit: float | asyncio.Event) -> Callable[[], bool]:
    """Whether that time, in seconds from now, or that event is still to come."""
    if isinstance(limit, asyncio.Event):
        return lambda: not limit.is_set()
    clock = asyncio.get_running_loop().time
    end = clock() + limit
    return lambda: clock() < end
