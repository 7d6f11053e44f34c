"""`Timeouts.read` while a body is written: a server that stops reading is a timeout, a slow one is not."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import aiohttp
import pytest
from support.made import START
from support.raw_server import raw_server

from campaigns_async import (
    CampaignsClient,
    Effect,
    NewCampaign,
    NewContact,
    OutcomeUnknownError,
    ReadTimeoutError,
    RetryPolicy,
    Timeouts,
)
from campaigns_async._http.deadlines import TimeoutQueues

ONCE = RetryPolicy(attempts=1)
LARGE = {"text": "x" * 10_000_000}
"""More than the buffers of the kernel hold."""


async def read_head(reader: asyncio.StreamReader) -> int:
    """Read the head of a request, and return the length of its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.lower().split(b"content-length:")[1].split()[0])


def narrow(writer: asyncio.StreamWriter) -> None:
    """Make the kernel hold little of what the server has not read."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


@pytest.mark.parametrize("borrowed", [False, True])
@pytest.mark.parametrize("taken", [0, 3_000_000], ids=["nothing", "a part"])
async def test_a_server_that_stops_reading_is_a_read_timeout(taken: int, borrowed: bool) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        narrow(writer)
        await read_head(reader)
        await reader.readexactly(taken or 1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a server's transport reads
        await stopped.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        with suppress(ConnectionError):
            while await reader.read(2**20):
                pass
        gone.set()

    stopped = asyncio.Event()
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession() as session,
        CampaignsClient(
            server.url,
            "key",
            retry=ONCE,
            session=session if borrowed else None,
            timeouts=Timeouts(read=0.2, deadline=None),
        ) as client,
    ):
        with pytest.raises(OutcomeUnknownError, match="did not take the whole body of the request") as failed:
            await client.request("POST", "/api/Campaigns", json=LARGE)
        assert (failed.value.effect, failed.value.cause_type) == (Effect.UNKNOWN, ReadTimeoutError)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        stopped.set()
        await gone.wait()  # the connection was closed at once, although not all was written


async def test_a_create_that_the_server_does_not_read_is_unknown() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    contacts = [NewContact(str(447700000000 + number), custom1="x" * 500) for number in range(20_000)]
    async with (
        raw_server(serve) as server,
        CampaignsClient(server.url, "key", timeouts=Timeouts(read=0.2, deadline=None, grace=0)) as client,
    ):
        with pytest.raises(OutcomeUnknownError, match="did not take the whole body") as failed:
            await client.campaigns.create(NewCampaign(START, "Golf", "Tee time", contacts))
        assert (failed.value.attempts, failed.value.cause_type) == (1, ReadTimeoutError)


@pytest.mark.slow
async def test_a_server_that_reads_slowly_gets_the_whole_body() -> None:
    lengths: list[tuple[int, int]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        narrow(writer)
        length, read = await read_head(reader), 0
        while read < length:
            read += len(await reader.read(65_536))
            await asyncio.sleep(0.01)
        lengths.append((length, read))
        writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n"id1"')

    async with (
        raw_server(serve) as server,
        CampaignsClient(server.url, "key", retry=ONCE, timeouts=Timeouts(read=1, deadline=None)) as client,
    ):
        started = asyncio.get_running_loop().time()
        assert (await client.request("POST", "/api/Campaigns", json=LARGE)).status == 201
        assert asyncio.get_running_loop().time() - started > 1.2, "longer than a pause may be"
        assert lengths[0][0] == lengths[0][1] > 10_000_000


async def test_a_deadline_that_starts_anew_goes_to_the_end_of_its_queue() -> None:
    loop = asyncio.get_running_loop()
    queues = TimeoutQueues()
    queue = queues.for_seconds(0.05)
    now = loop.time()
    restarted, other = queue.start(now), queue.for_current_task()
    other.begin(now)
    restarted.restart(now + 10)
    assert list(queue.running) == [other, restarted]
    other.stop()
    restarted.stop()
    restarted.restart(now)
    assert not queue.running
    with pytest.raises(asyncio.CancelledError):
        expired = queue.start(loop.time())
        await asyncio.sleep(5)
    expired.restart(loop.time())
    assert not queue.running
    assert expired.consume_cancellation()
    expired.stop()
