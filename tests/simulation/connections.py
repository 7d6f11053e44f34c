"""Kept-alive connections: a response answers the oldest request on its connection, whichever request it was meant for."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from campaigns_async._http.response import Response
from campaigns_async._http.transport import Failure
from simulation.loop import VirtualLoop

_READ_AFTER = 1e-4
"""Seconds until bytes that had arrived before are read as the response to a request that has just been written."""


@frozen
class Reply:
    """The end of a request, as the server or the network meant it.

    Attributes:
        request: The number of the request for which it was meant.
        result: The response or the failure.
        documented: True if it is a response that the API documents.
    """

    request: int
    result: Response | Failure
    documented: bool = False


Pending: TypeAlias = "asyncio.Future[Reply]"


@define(eq=False)
class Connection:
    """A connection.

    Attributes:
        open: True until it is closed.
        has_read: True if it has carried a read. Then it carries nothing else.
    """

    loop: VirtualLoop
    open: bool = True
    has_read: bool = False
    _requests: deque[Pending] = field(factory=deque)
    _strays: deque[Reply] = field(factory=deque)

    def expect(self) -> Pending:
        """Return the future reply to a request that is about to be written."""
        pending: Pending = self.loop.create_future()
        self._requests.append(pending)
        if self._strays:
            self.loop.call_later(_READ_AFTER, self._deliver_stray)
        return pending

    def deliver(self, reply: Reply) -> None:
        """Answer the oldest request, or lie in wait for the next one."""
        if not self.open:
            return
        while self._requests:
            pending = self._requests.popleft()
            if not pending.done():
                result = reply.result
                if isinstance(result, Response):
                    result = evolve(result, connection=self)
                pending.set_result(evolve(reply, result=result))
                return
        self._strays.append(reply)

    def _deliver_stray(self) -> None:
        if self._strays and self._requests:
            self.deliver(self._strays.popleft())

    def close(self) -> None:
        """Close it: whatever else arrives over it is lost."""
        self.open = False
        self._requests.clear()
        self._strays.clear()


@define(eq=False)
class Connections:
    """The connections of a client.

    Attributes:
        unjudged: Responses whose connection was neither reused nor discarded yet, by connection.
    """

    loop: VirtualLoop
    unjudged: dict[Connection, Response] = field(factory=dict)
    _idle: list[Connection] = field(factory=list)

    def take(self, *, fresh: bool, reads: bool = False) -> Connection:
        """Return an idle connection that can carry the request, or a new one; close those that cannot."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.has_read and not reads:
                connection.close()
            if connection.open:
                break
        else:
            connection = Connection(self.loop)
        connection.has_read |= reads
        return connection

    def reuse(self, connection: object) -> None:
        """Let a connection carry another request."""
        if isinstance(connection, Connection) and self.unjudged.pop(connection, None) is not None:
            self._idle.append(connection)

    def discard(self, connection: object) -> None:
        """Close a connection."""
        if isinstance(connection, Connection):
            self.unjudged.pop(connection, None)
            connection.close()
