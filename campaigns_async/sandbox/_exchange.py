"""An exchange of a request and its answer over a connection. The answer is written whole, in parts, or not at all."""

from __future__ import annotations

import asyncio

from aiohttp import web
from attrs import define

from ._connections import CLOSE, KEEP_ALIVE, Connection, SentResponse
from ._operations import Answer
from ._request_log import RecordedRequest
from ._routing import RoutedRequest, carries_key
from ._state import State
from .faults import Drop

_UNAUTHORISED = Answer(401, headers={"WWW-Authenticate": "Bearer"})
_NO_SUCH_PATH = Answer(404)


@define(eq=False, repr=False)
class Exchange:
    """One request and its answer. `content` is None if the body was too large to read."""

    state: State
    request: web.BaseRequest
    connection: Connection
    record: RecordedRequest
    routed: RoutedRequest
    content: bytes | None

    def execute(self) -> Answer:
        """Execute the request, or refuse it."""
        answer = self._execute()
        if answer.acted:
            self.state.log.mark_acted(self.record)
        return answer

    def _execute(self) -> Answer:
        routed, headers, state = self.routed, self.request.headers, self.state
        if routed.allow is None:
            return _NO_SUCH_PATH
        if routed.operation is None:
            return Answer(405, headers={"Allow": ", ".join(routed.allow)})
        if not carries_key(state.api_key, headers, routed.query, state.settings.auth):
            return _UNAUTHORISED
        if self.content is None:
            return state.operations.build_problem(413)
        return state.operations.execute(routed, content_type=headers.get("Content-Type", ""), body=self.content)

    @property
    def keep_alive(self) -> bool:
        """True if the connection stays open. The rest of an unread body would be read as the next request."""
        return self.request.keep_alive and self.content is not None

    def send(self, answer: Answer) -> SentResponse:
        """Send the whole answer at once."""
        if self.connection.is_open:
            self.record.status = answer.status
        return send(answer, self.connection, method=self.routed.method, keep_alive=self.keep_alive)

    async def send_slowly(self, answer: Answer, pause: float) -> SentResponse:
        """Send the body byte by byte, with a pause in seconds before each."""
        connection = self.connection
        connection.write(answer.write_head(keep_alive=self.keep_alive))
        self.record.status = answer.status
        for byte in answer.write_body(method=self.routed.method):
            await asyncio.sleep(pause)
            if not connection.is_open:
                return CLOSE
            connection.write(bytes((byte,)))
        return KEEP_ALIVE if self.keep_alive else CLOSE

    def drop(self, kind: Drop, answer: Answer) -> SentResponse:
        """Send part of the answer or none, and close or reset the connection."""
        connection = self.connection
        if kind == "reset":
            connection.reset()
            return CLOSE
        if kind != "close":
            head = answer.write_head(keep_alive=self.keep_alive)
            body = answer.write_body(method=self.routed.method)
            if kind == "cut_body" and body:
                self.record.status = answer.status
                connection.write(head + body[: len(body) // 2])
            else:
                # Without a body, only the head can be cut.
                connection.write(head[: len(head) // 2])
        connection.close()
        return CLOSE


def send(answer: Answer, connection: Connection, *, method: str, keep_alive: bool) -> SentResponse:
    """Write a whole answer to a connection, if the connection is still open."""
    if not connection.is_open:
        return CLOSE
    connection.write(answer.write_head(keep_alive=keep_alive) + answer.write_body(method=method))
    return KEEP_ALIVE if keep_alive else CLOSE
