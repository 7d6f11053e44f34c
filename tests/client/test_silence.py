"""`Timeouts.read`: the wait for a response, and the times that do not count as waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from support.made import QUICK, new_campaign
from support.raw_server import raw_server, read_request

from campaigns_async import (
    CampaignsClient,
    Effect,
    OutcomeUnknownError,
    ReadTimeoutError,
    RetryPolicy,
    Timeouts,
)

ONCE = RetryPolicy(attempts=1)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'{"id": "one"}'
SILENT_AFTER = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "the head": HEAD,
    "half a body": HEAD + BODY[:6],
    "a chunk": CHUNKED + b"6\r\n" + BODY[:6] + b"\r\n",
}


@pytest.mark.parametrize("after", SILENT_AFTER)
async def test_a_server_that_stops_sending_is_a_read_timeout(after: str) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await read_request(reader)
            writer.write(SILENT_AFTER[after])
            await reader.read()
        gone.set()

    async with raw_server(serve) as server:
        for session in (None, aiohttp.ClientSession()):
            gone.clear()
            async with CampaignsClient(
                server.url, "key", session=session, retry=ONCE, timeouts=Timeouts(read=0.05, deadline=20)
            ) as client:
                with pytest.raises(ReadTimeoutError) as silent:
                    await client.campaigns.get("one")
                assert silent.value.effect is Effect.UNKNOWN
                await gone.wait()  # its connection is closed, and not used again
                gone.clear()
                with pytest.raises(OutcomeUnknownError):
                    await client.campaigns.create(new_campaign())
                await gone.wait()
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            if session is not None:
                await session.close()


@pytest.mark.slow
async def test_a_slow_body_is_read_as_long_as_bytes_arrive() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await read_request(reader)
                writer.write(HEAD)
                for place in range(len(BODY)):
                    await asyncio.sleep(0.1)
                    writer.write(BODY[place : place + 1])

    async with (
        raw_server(serve) as server,
        CampaignsClient(server.url, "key", retry=ONCE, timeouts=Timeouts(read=1, deadline=20)) as client,
    ):
        assert (await client.campaigns.get("one")).id == "one"  # 1.3 s in all


class _SlowResolver(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.sleep(0.3)
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=socket.AddressFamily.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Close nothing: the resolver has no resources."""


@pytest.mark.slow
async def test_connecting_and_processing_do_not_count_as_reading() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await read_request(reader)
            writer.write(HEAD + BODY)
            await reader.read()

    async def slow(*_: object) -> None:
        await asyncio.sleep(0.3)

    hooks = aiohttp.TraceConfig()
    hooks.on_request_end.append(slow)
    hooks.on_request_start.append(slow)
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_SlowResolver()), trace_configs=[hooks]
        ) as session,
        CampaignsClient(
            server.url.replace("127.0.0.1", "api.example"),
            "key",
            session=session,
            retry=QUICK,
            timeouts=Timeouts(connect=5, read=0.2, deadline=20),
        ) as client,
    ):
        assert (await client.campaigns.get("one")).id == "one"
        assert client.stats().attempts == 1


async def test_a_head_that_arrives_byte_by_byte_is_a_read_timeout() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with (
        raw_server(serve) as server,
        CampaignsClient(server.url, "key", retry=ONCE, timeouts=Timeouts(read=0.1, deadline=20)) as client,
    ):
        with pytest.raises(ReadTimeoutError):
            await client.campaigns.get("one")


@pytest.mark.slow
async def test_responses_that_arrived_while_the_loop_was_blocked_are_read() -> None:
    read, calls = 0.5, 10
    received, go, answered = threading.Semaphore(0), threading.Event(), threading.Semaphore(0)

    def serve(listening: socket.socket, number: int) -> None:
        connection, _ = listening.accept()
        with connection:
            asked = b""
            while not asked.endswith(b"}"):
                asked += connection.recv(65536)
            received.release()
            go.wait()
            connection.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n"id%d"' % number)
            answered.release()
            connection.recv(1)  # until the client closes

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads = [threading.Thread(target=serve, args=(listening, each), daemon=True) for each in range(calls)]
        for thread in threads:
            thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        timeouts = Timeouts(read=read, deadline=2 * read)
        async with CampaignsClient(url, "key", retry=ONCE, timeouts=timeouts) as client:
            tasks = [asyncio.create_task(client.campaigns.create(new_campaign())) for _ in range(calls)]
            for _ in range(calls):
                while not received.acquire(blocking=False):
                    await asyncio.sleep(0)
            go.set()
            for _ in range(calls):
                answered.acquire()  # blocks the loop, as some other code of the program may
            time.sleep(2.1 * read)
            assert sorted(await asyncio.gather(*tasks)) == [f"id{each}" for each in range(calls)]
        for thread in threads:
            thread.join()
