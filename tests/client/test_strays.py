"""Stray responses: a response that arrived on a connection before a request was sent over it."""

from __future__ import annotations

import asyncio
import gzip
import traceback
from contextlib import suppress

import aiohttp
import pytest
from support.made import QUICK, new_campaign
from support.raw_server import raw_server, read_request

from campaigns_async import (
    Auth,
    CampaignsClient,
    CampaignsError,
    ConfigurationError,
    ConnectionFailedError,
    Effect,
    RetryPolicy,
)

STRAYS = [
    b'HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\n"stray"',
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Later\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
    b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"items":[]}',
]


@pytest.mark.parametrize("stray", STRAYS, ids=lambda stray: stray[9:12].decode())
async def test_a_response_that_arrived_before_the_request_is_not_used(stray: bytes) -> None:
    acted: list[bytes] = []
    idle = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                acted.append(await read_request(reader))
                number = len(acted)
                body = b'"id%d"' % number
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
                await idle.wait()
                idle.clear()
                writer.write(stray)
                await writer.drain()

    async with raw_server(serve) as server, CampaignsClient(server.url, "key", retry=QUICK) as client:
        ids = []
        for number in range(3):
            ids.append(await client.campaigns.create(new_campaign(number)))
            idle.set()
            for _ in range(20):
                await asyncio.sleep(0)
        assert len(acted) == 3, "each was sent once, and none was taken for sent that was not"
        assert ids == ["id1", "id2", "id3"]


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("get", b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"id": "one"}'),
        ("delete", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
    ids=["get", "delete"],
)
async def test_no_operation_uses_a_stray_response(operation: str, answer: bytes) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked.append(await read_request(reader))
                writer.write(answer)
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"id": "stray"}')
                await writer.drain()

    async with raw_server(serve) as server, CampaignsClient(server.url, "key", retry=QUICK) as client:
        for number in range(3):
            await getattr(client.campaigns, operation)("one")
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(asked) == number + 1


async def test_a_stray_response_leaves_no_cookie_and_its_connection_is_closed_despite_hooks() -> None:
    asked: list[bytes] = []
    idle = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked.append(await read_request(reader))
                body = b'"id%d"' % len(asked)
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await idle.wait()
                idle.clear()
                writer.write(b'HTTP/1.1 201 Created\r\nSet-Cookie: who=other\r\nContent-Length: 7\r\n\r\n"stray"')
                await writer.drain()

    async def slow_hook(*_: object) -> None:
        for _turn in range(20):
            await asyncio.sleep(0)

    hooks = aiohttp.TraceConfig()
    hooks.on_request_end.append(slow_hook)
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession(trace_configs=[hooks], cookie_jar=jar) as session,
        CampaignsClient(server.url, "key", retry=QUICK, session=session) as client,
    ):
        ids = []
        for number in range(3):
            ids.append(await client.campaigns.create(new_campaign(number)))
            idle.set()
            for _ in range(20):
                await asyncio.sleep(0)
        assert ids == ["id1", "id2", "id3"]
        assert server.connections == 3
        assert not list(jar)
    assert not any(b"cookie" in one.lower() for one in asked)


async def test_no_hook_of_a_session_puts_the_key_into_an_error() -> None:
    async def failing(*_: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    hooks = aiohttp.TraceConfig()
    hooks.on_request_chunk_sent.append(failing)
    async with (
        raw_server(b'HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\n"id"') as server,
        aiohttp.ClientSession(trace_configs=[hooks]) as session,
        CampaignsClient(
            server.url, "SECRET-KEY", auth=Auth.QUERY, retry=RetryPolicy(attempts=1), session=session
        ) as client,
    ):
        with pytest.raises(CampaignsError) as caught:
            await client.campaigns.create(new_campaign())
    assert "SECRET-KEY" not in "".join(traceback.format_exception(caught.value))


async def test_a_response_above_max_response_size_is_aborted() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
                await writer.drain()

    async with (
        raw_server(serve) as server,
        CampaignsClient(server.url, "key", retry=RetryPolicy(attempts=1), max_response_size=100_000) as client,
    ):
        with pytest.raises(ConnectionFailedError, match="max_response_size") as failed:
            await client.campaigns.get("abc")
        assert failed.value.effect is Effect.UNKNOWN


async def test_a_session_with_the_header_expect_is_refused() -> None:
    """Check the header Expect: a server may act on the headers alone, and nothing shows when they leave."""
    async with aiohttp.ClientSession(headers={"expect": "100-continue"}) as session:
        with pytest.raises(ConfigurationError, match="Expect"):
            CampaignsClient("https://api.example", "key", session=session)


async def test_an_unrequested_upgrade_closes_the_connection() -> None:
    asyncio.get_running_loop().set_debug(True)  # an unclosed response warns
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        await reader.read()
        gone.set()

    async with raw_server(serve) as server, CampaignsClient(server.url, "key", retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(CampaignsError) as failed:
            await client.campaigns.create(new_campaign())
        assert failed.value.effect is Effect.UNKNOWN
        await gone.wait()


LARGE = b'{"id": "one", "message": "' + b"m" * 1000 + b'"}'
"""A body above the maximum, whose compressed form is below it."""


@pytest.mark.parametrize("lent", [False, True])
@pytest.mark.parametrize(
    ("encoding", "body"), [(b"identity", LARGE), (b"gzip", gzip.compress(LARGE))], ids=["plain", "gzip"]
)
async def test_a_response_in_one_chunk_above_max_response_size_is_aborted(
    encoding: bytes, body: bytes, *, lent: bool
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body))
    async with raw_server(head + body) as server, aiohttp.ClientSession() as session:
        for most, fits in ((len(LARGE), True), (len(LARGE) - 1, False)):
            async with CampaignsClient(
                server.url,
                "key",
                retry=RetryPolicy(attempts=1),
                max_response_size=most,
                session=session if lent else None,
            ) as client:
                if fits:
                    assert (await client.campaigns.get("one")).message == "m" * 1000
                else:
                    with pytest.raises(ConnectionFailedError, match="max_response_size"):
                        await client.campaigns.get("one")
