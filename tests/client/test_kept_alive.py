"""Connections that are used again: only after a documented success, and never with a response of an earlier request."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from typing import Any

import aiohttp
import pytest
from support.made import QUICK, new_campaign, rows
from support.raw_server import Script, raw_server, read_request

from campaigns_async import CampaignsClient, CampaignsError, Effect, Timeouts, effect_of
from campaigns_async._http.aiohttp_transport import AiohttpTransport
from campaigns_async._http.api_key import build_credentials
from campaigns_async._http.request import Request
from campaigns_async._http.response import Response
from campaigns_async._http.transport import Failure, SendMarker
from campaigns_async.settings import Auth
from campaigns_async.values import Operation

NUMBER = re.compile(rb"Tee time (\d+)")
DOUBLED = {
    201: b'HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n"id3"',
    204: b"HTTP/1.1 204 No Content\r\n\r\n",
    400: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    404: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    429: b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n",
    503: b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
}
TURNS = {"in the same packet": 0, "one turn later": 1, "three turns later": 3, "ten turns later": 10, "while idle": 10}
"""Iterations of the loop between a response and its double."""


def created(number: int) -> bytes:
    """Build the documented response to a create."""
    body = b'"id%d"' % number
    return b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def pass_turns(turns: int) -> None:
    """Let the loop iterate."""
    for _ in range(turns):
        await asyncio.sleep(0)


def doubling(status: int, turns: int) -> Script:
    """Build a server that sends its first response to create 3 twice, and answers all others as documented."""
    doubled: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            found = NUMBER.search(await read_request(reader))
            assert found is not None
            if found[1] != b"3" or doubled:
                writer.write(created(int(found[1])))
                continue
            doubled.append(status)
            if not turns:
                writer.write(DOUBLED[status] * 2)
                continue
            writer.write(DOUBLED[status])
            await pass_turns(turns)
            writer.write(DOUBLED[status])

    return serve


@pytest.mark.parametrize("hooked", [False, True], ids=["own session", "hooked session"])
@pytest.mark.parametrize(("status", "when"), list(product(DOUBLED, TURNS)))
async def test_a_doubled_response_answers_no_other_create(status: int, when: str, hooked: bool) -> None:
    async def slow(*_: Any) -> None:
        await pass_turns(2)

    hooks = aiohttp.TraceConfig()
    for signal in (hooks.on_request_end, hooks.on_response_chunk_received, hooks.on_connection_reuseconn):
        signal.append(slow)
    async with (
        raw_server(doubling(status, TURNS[when])) as server,
        aiohttp.ClientSession(trace_configs=[hooks]) as session,
        CampaignsClient(
            server.url, "key", retry=QUICK, session=session if hooked else None, timeouts=Timeouts(read=5, deadline=20)
        ) as client,
    ):
        for number in range(8):
            try:
                campaign_id = await client.campaigns.create(new_campaign(number))
            except CampaignsError as error:
                told = effect_of(error)
                assert told is Effect.UNKNOWN or (number == 3 and told in (Effect.REJECTED, Effect.APPLIED)), number
            else:
                assert campaign_id == f"id{number}"
            if when == "while idle":
                await pass_turns(20)


@pytest.mark.parametrize("status", [status for status in DOUBLED if status != 201])
async def test_a_response_that_is_no_documented_success_ends_its_connection(status: int) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        if server.connections > 1:
            writer.write(created(0))
            await reader.read()
            return
        writer.write(DOUBLED[status])
        assert not await reader.read(), "nothing more may come over this connection"
        gone.set()

    async with raw_server(serve) as server, CampaignsClient(server.url, "key", retry=QUICK) as client:
        with suppress(CampaignsError):
            await client.campaigns.create(new_campaign())
        await gone.wait()


def healthy(page_size: int = 0, *, pause: int = 0) -> Script:
    """Build a server that answers creates, deletes and lists; pages come in many packets."""
    page = json.dumps({"pageIndex": 1, "totalPages": 1, "totalRecords": page_size, "items": rows(page_size)}).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await read_request(reader)
                await pass_turns(pause)
                if request.startswith(b"DELETE"):
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                elif request.startswith(b"GET"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page))
                    for start in range(0, len(page), 1000):
                        writer.write(page[start : start + 1000])
                        await writer.drain()
                        await asyncio.sleep(0)
                else:
                    found = NUMBER.search(request)
                    assert found is not None
                    writer.write(created(int(found[1])))

    return serve


async def test_creates_one_after_the_other_use_one_connection() -> None:
    async with raw_server(healthy()) as server, CampaignsClient(server.url, "key") as client:
        ids = [await client.campaigns.create(new_campaign(number)) for number in range(20)]
        assert ids == [f"id{number}" for number in range(20)]
        assert server.connections == 1


@pytest.mark.parametrize("hooked", [False, True], ids=["own session", "hooked session"])
async def test_creates_in_flight_use_a_connection_each(hooked: bool) -> None:
    async def slow(*_: Any) -> None:
        await pass_turns(3)

    hooks = aiohttp.TraceConfig()
    for signal in (hooks.on_request_end, hooks.on_request_start):
        signal.append(slow)
    async with (
        raw_server(healthy(pause=2)) as server,
        aiohttp.ClientSession(trace_configs=[hooks]) as session,
        CampaignsClient(server.url, "key", max_concurrency=64, session=session if hooked else None) as client,
    ):
        async with client.campaigns.create_many(new_campaign(number) for number in range(1000)) as outcomes:
            async for outcome in outcomes:
                assert outcome.value == f"id{outcome.index}"
        assert server.connections <= 64
        assert client.stats().retries == 0


@pytest.mark.parametrize("hooked", [False, True], ids=["own session", "hooked session"])
async def test_pages_of_many_packets_and_deletes_among_creates_are_no_failures(hooked: bool) -> None:
    async def slow(*_: Any) -> None:
        await pass_turns(30)  # longer than a request waits for the verdict on the response before it

    hooks = aiohttp.TraceConfig()
    for signal in (hooks.on_request_end, hooks.on_response_chunk_received):
        signal.append(slow)
    async with (
        raw_server(healthy(50)) as server,
        aiohttp.ClientSession(trace_configs=[hooks]) as session,
        CampaignsClient(server.url, "key", max_concurrency=8, session=session if hooked else None) as client,
    ):
        numbers = itertools.count()  # no id is given twice

        async def work(turns: int) -> None:
            for _ in range(10):
                number = next(numbers)
                assert await client.campaigns.create(new_campaign(number)) == f"id{number}"
                assert len(await client.campaigns.list().collect()) == 50
                await pass_turns(turns)

        await asyncio.gather(*(work(number) for number in range(8)))
        if not hooked:
            assert server.connections <= 16, "8 for creates, 8 for reads"
        for number in range(8):
            await client.campaigns.delete(f"c{number}")
        await asyncio.gather(*(work(number) for number in range(4)), *(client.campaigns.delete("c") for _ in range(8)))
        assert client.stats().retries == 0


async def test_connections_that_went_bad_while_idle_cost_no_attempt() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(created(int(NUMBER.search(await read_request(reader))[1])))  # type: ignore[index]
        await pass_turns(5)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")  # as HAProxy does when it is idle
        await reader.read()

    async with raw_server(serve) as server, CampaignsClient(server.url, "key") as client:
        for number in range(6):
            assert await client.campaigns.create(new_campaign(number)) == f"id{number}"
            await pass_turns(20)
        assert (server.connections, client.stats().retries) == (6, 0)


async def test_a_server_that_sends_a_response_to_nothing_is_a_failure_and_no_loop() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(DOUBLED[429])
        await reader.read()

    async def slow(*_: Any) -> None:
        await pass_turns(20)

    hooks = aiohttp.TraceConfig()
    hooks.on_connection_create_end.append(slow)
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession(trace_configs=[hooks]) as session,
        CampaignsClient(server.url, "key", retry=QUICK, session=session) as client,
    ):
        with pytest.raises(CampaignsError) as failed:
            await client.campaigns.create(new_campaign())
        assert failed.value.effect is Effect.NOT_SENT
        assert server.connections == 3 * failed.value.attempts


# The transport by itself


async def send(transport: AiohttpTransport, number: int) -> Response | Failure:
    """Send a create, and do not judge its response."""
    request = Request(Operation.CREATE, "POST", "/api/Campaigns", body=b'{"message": "Tee time %d"}' % number)
    return await transport.send(request, build_credentials(Auth.BEARER, "key"), Timeouts(), SendMarker())


async def test_a_connection_carries_nothing_before_the_verdict() -> None:
    async with raw_server(healthy()) as server:
        transport = AiohttpTransport(server.url)
        first = await send(transport, 1)
        second = await send(transport, 2)
        assert isinstance(first, Response)
        assert isinstance(second, Response)
        assert (first.body, second.body, server.connections) == (b'"id1"', b'"id2"', 2)
        transport.reuse(second)
        third = await send(transport, 3)
        assert isinstance(third, Response)
        assert server.connections == 2
        await transport.close()


@pytest.mark.parametrize("verdict", ["reuse", "discard"])
async def test_a_verdict_counts_once(verdict: str) -> None:
    async with raw_server(healthy()) as server:
        transport = AiohttpTransport(server.url)
        judge: Callable[[Response], None] = getattr(transport, verdict)
        first = await send(transport, 1)
        assert isinstance(first, Response)
        judge(first)
        second = await send(transport, 2)
        assert isinstance(second, Response)
        for _ in range(2):
            transport.reuse(first)  # too late to say anything of the connection
            transport.discard(first)
        third = await send(transport, 3)
        assert isinstance(third, Response)
        assert server.connections == (2 if verdict == "reuse" else 3)
        transport.discard(Response(200, {}, b""))  # of a transport without connections
        await transport.close()


async def test_a_request_waits_a_moment_for_the_verdict() -> None:
    async with raw_server(healthy()) as server:
        transport = AiohttpTransport(server.url)
        first = await send(transport, 1)
        assert isinstance(first, Response)
        second = asyncio.create_task(send(transport, 2))
        await pass_turns(5)
        transport.reuse(first)
        response = await second
        assert isinstance(response, Response)
        assert (response.body, server.connections) == (b'"id2"', 1)
        transport.reuse(response)
        await transport.close()


async def test_clients_that_share_a_session_share_the_verdicts() -> None:
    async with raw_server(healthy()) as server, aiohttp.ClientSession() as session:
        one, other = AiohttpTransport(server.url, session), AiohttpTransport(server.url, session)
        first = await send(one, 1)
        assert isinstance(first, Response)
        second = await send(other, 2)
        assert isinstance(second, Response)
        assert server.connections == 2
        other.reuse(second)
        assert isinstance(await send(one, 3), Response)
        assert server.connections == 2


async def test_a_cancelled_request_ends_its_connection() -> None:
    gone = asyncio.Event()
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        with suppress(ConnectionError):
            await reader.read()
        gone.set()

    async with raw_server(serve) as server:
        transport = AiohttpTransport(server.url)
        task = asyncio.create_task(send(transport, 1))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()
        await transport.close()


@pytest.mark.parametrize("rest", [b"", b'Content-Length: 100\r\n\r\n"id', b"Transfer-Encoding: chunked\r\n\r\n5\r\n"])
async def test_a_body_cut_short_tells_the_status(rest: bytes) -> None:
    async with raw_server(b"HTTP/1.1 201 Created\r\n" + rest) as server:
        transport = AiohttpTransport(server.url)
        failure = await send(transport, 1)
        assert isinstance(failure, Failure)
        assert (failure.sent, failure.status) == (True, 201 if rest else None)
        await transport.close()


@pytest.mark.parametrize("borrowed", [False, True], ids=["own session", "borrowed session"])
async def test_a_page_that_arrives_twice_answers_no_create(borrowed: bool) -> None:
    # The second page answers the second of two equal requests, so that the 429 to that request is still on its way.
    page = b'{"pageIndex":1,"totalPages":0,"totalRecords":0,"items":[]}'
    listed = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)
    creates, lists = list[int](), list[int]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            if request.startswith(b"POST"):
                creates.append(len(creates))
                await pass_turns(5)
                writer.write(created(creates[-1]))
                continue
            lists.append(len(lists))
            if len(lists) == 1:
                writer.write(listed)
            else:
                writer.write(listed)  # the copy
                await pass_turns(30)
                writer.write(DOUBLED[429])

    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession() as session,
        CampaignsClient(server.url, "key", retry=QUICK, session=session if borrowed else None) as client,
    ):
        await client.campaigns.list().collect()
        await client.campaigns.list().collect()
        assert await client.campaigns.create(new_campaign()) == "id0"
        assert await client.campaigns.create(new_campaign(1)) == "id1"
        assert client.stats().retries == 0
    assert len(creates) == 2
