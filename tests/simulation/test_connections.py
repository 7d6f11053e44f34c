"""The model's connections: a response answers the oldest request on its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from campaigns_async._http.response import Response
from simulation.connections import Connection, Connections, Reply
from simulation.loop import VirtualLoop


def run(main: Callable[[Connections], Coroutine[object, object, None]]) -> None:
    """Run a scene on the connections of a client."""
    loop = VirtualLoop(0)
    loop.run(main(Connections(loop)))


def reply(request: int) -> Reply:
    """Return a reply that is meant for a request."""
    return Reply(request, Response(200, {}, b""))


def judge(connections: Connections, connection: Connection, got: Reply) -> None:
    """Record a response as the transport does, and let its connection carry another request."""
    assert isinstance(got.result, Response)
    connections.unjudged[connection] = got.result
    connections.reuse(got.result.connection)


def test_a_repeated_response_answers_the_next_request() -> None:
    async def main(connections: Connections) -> None:
        connection = connections.take(fresh=False)
        first = connection.expect()
        connection.deliver(reply(1))
        connection.deliver(reply(1))
        judge(connections, connection, await first)
        assert connections.take(fresh=False) is connection
        second = connection.expect()
        assert (await second).request == 1

    run(main)


def test_a_response_that_arrives_late_answers_the_oldest_request() -> None:
    async def main(connections: Connections) -> None:
        connection = connections.take(fresh=False)
        first, second = connection.expect(), connection.expect()
        connection.deliver(reply(1))
        connection.deliver(reply(2))
        assert [(await first).request, (await second).request] == [1, 2]

    run(main)


def test_a_closed_connection_is_not_used_again_and_delivers_nothing() -> None:
    async def main(connections: Connections) -> None:
        connection = connections.take(fresh=False)
        pending = connection.expect()
        connection.deliver(reply(1))
        got = await pending
        assert isinstance(got.result, Response)
        connections.discard(got.result.connection)
        connections.discard(got.result.connection)
        connections.reuse(got.result.connection)
        connection.deliver(reply(1))
        other = connections.take(fresh=False)
        assert other is not connection
        late = other.expect()
        await asyncio.sleep(1.0)
        assert not late.done()

    run(main)


def test_a_connection_that_was_not_judged_carries_nothing() -> None:
    async def main(connections: Connections) -> None:
        connection = connections.take(fresh=False)
        connection.expect()
        connection.deliver(reply(1))
        assert connections.take(fresh=False) is not connection

    run(main)
