"""Starting, stopping, and the recorded requests."""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
from collections.abc import Callable
from typing import Any

import aiohttp
import attrs
import pytest

from campaigns_async.sandbox import Sandbox, ThreadedSandbox
from campaigns_async.sandbox._request_log import RequestLog
from campaigns_async.sandbox._settings import Settings

Open = Callable[..., aiohttp.ClientSession]

WIRE = {"id": "c1", "startDateTime": "2024-01-10T09:00:00Z", "sender": "Acme", "message": "Hi"}


async def get(http: aiohttp.ClientSession, path: str = "/api/campaigns") -> int:
    async with http.get(path) as answer:
        await answer.read()
        return answer.status


async def connect(sandbox: Sandbox) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = sandbox.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


class TestLife:
    async def test_it_listens_on_a_free_port_of_its_own(self) -> None:
        async with Sandbox() as one, Sandbox() as other:
            assert one.url != other.url
            assert one.url.startswith("http://127.0.0.1:")

    async def test_it_can_be_started_again_on_the_same_port(self, open_session: Open) -> None:
        sandbox = Sandbox([WIRE])
        await sandbox.start()
        url = sandbox.url
        await sandbox.stop()
        await sandbox.start()
        try:
            assert sandbox.url == url
            async with open_session(sandbox) as http:
                assert await get(http) == 200
        finally:
            await sandbox.stop()

    async def test_a_second_start_is_refused(self, sandbox: Sandbox) -> None:
        with pytest.raises(RuntimeError, match="running already"):
            await sandbox.start()

    async def test_a_taken_port_is_an_error_and_leaves_nothing_open(self, sandbox: Sandbox) -> None:
        port = int(sandbox.url.rpartition(":")[2])

        other = Sandbox(port=port)
        with pytest.raises(OSError, match="in use"):
            await other.start()
        assert "stopped" in repr(other)

    async def test_stopping_twice_does_no_harm(self) -> None:
        sandbox = Sandbox()
        await sandbox.start()
        await sandbox.stop()
        await sandbox.stop()

    async def test_nothing_listens_after_it_has_stopped(self, open_session: Open) -> None:
        async with Sandbox() as sandbox:
            pass
        async with open_session(sandbox) as http:
            with pytest.raises(aiohttp.ClientConnectorError):
                await get(http)

    async def test_it_stops_with_idle_connections_held_requests_and_half_requests(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        before = asyncio.all_tasks()
        sandbox = Sandbox()
        await sandbox.start()
        sandbox.fault(operation="list", hold=asyncio.Event())
        sandbox.fault(operation="create", status=504, act_after=3600)
        idle_reader, idle = await connect(sandbox)
        _, half = await connect(sandbox)
        half.write(b"POST /api/campaigns HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        async with open_session(sandbox) as http:
            async with http.post("/api/campaigns", json=new):
                pass
            held = asyncio.create_task(get(http))
            await sandbox.wait_received(2)

            async with asyncio.timeout(30):
                await sandbox.stop()

            assert sandbox.in_flight == 0
            with pytest.raises(aiohttp.ClientError):
                await held
        assert await idle_reader.read() == b""
        for writer in (idle, half):
            await hang_up(writer)
        assert asyncio.all_tasks() == before

    @pytest.mark.parametrize("rounds", range(8))
    async def test_a_connection_that_is_accepted_during_the_stop_is_closed(self, rounds: int) -> None:
        # A connection needs some iterations of the loop from accept() to connection_made().
        sandbox = Sandbox()
        await sandbox.start()
        host, port = sandbox.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as client:
            for _ in range(rounds):
                await asyncio.sleep(0)
            await sandbox.stop()
            try:
                assert client.recv(1) == b""
            except ConnectionResetError:
                pass

    async def test_it_stops_with_a_client_that_does_not_read(self) -> None:
        large = [{**WIRE, "id": f"c{number}", "message": "x" * 1000} for number in range(20_000)]
        async with Sandbox(large) as sandbox:
            _, writer = await connect(sandbox)
            target = f"/api/campaigns?pageSize=20000&api-key={sandbox.api_key}"
            writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await sandbox.wait_received(1)

            async with asyncio.timeout(30):
                await sandbox.stop()

            server = sandbox._handler._server
            assert (server.open, sandbox.in_flight) == ({}, 0)
        await hang_up(writer)

    async def test_a_connection_is_closed_after_a_body_that_is_too_large_to_read(self) -> None:
        async with Sandbox(max_body=9, api_key="k") as sandbox:
            reader, writer = await connect(sandbox)
            writer.write(
                b"POST /api/campaigns HTTP/1.1\r\nHost: x\r\napi-key: k\r\nContent-Length: 10\r\n\r\n0123456789"
            )
            got = await reader.read()
            await hang_up(writer)

        assert got.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nConnection: close\r\n" in got

    async def test_a_prefix_comes_before_each_path(self) -> None:
        async with (
            Sandbox([WIRE], prefix="/tenant/", api_key="k") as sandbox,
            aiohttp.ClientSession(headers={"api-key": "k"}) as http,
        ):
            assert sandbox.url.endswith("/tenant")
            assert await get(http, f"{sandbox.url}/api/campaigns/c1") == 200
            assert await get(http, sandbox.url.removesuffix("/tenant") + "/api/campaigns") == 404

    @pytest.mark.parametrize("options", [{"update_method": "PATCH"}, {"delete_method": "GET"}])
    def test_an_invalid_method_is_refused(self, options: Any) -> None:
        with pytest.raises(ValueError, match="_method must be one of"):
            Sandbox(**options)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"prefix": "tenant"}, "prefix must be a path that begins with a slash, such as /tenant, not 'tenant'"),
            ({"prefix": "/a b"}, "prefix must be a path"),
            ({"prefix": "/a?b"}, "prefix must be a path"),
            ({"prefix": None}, "prefix must be a path"),
            ({"max_body": 0}, "'max_body' must be >= 1: 0"),
            ({"max_body": "9"}, "max_body must be a whole number, not str"),
            ({"api_key": ""}, "api_key must be printable text, not empty"),
            ({"api_key": "a\r\nb"}, "api_key must be printable text"),
            ({"api_key": " a"}, "api_key must be printable text"),
            ({"api_key": b"a"}, "api_key must be text, not bytes"),
            ({"quirks": {"bare_id": True}}, "quirks must be a Quirks or None, not dict"),
            ({"lifecycle": 5}, "lifecycle must be a Lifecycle or None, not int"),
            ({"port": 65_536}, "'port' must be <= 65535: 65536"),
            ({"port": -1}, "'port' must be >= 0: -1"),
            ({"port": "80"}, "port must be a whole number, not str"),
            ({"host": 127}, "host must be text, such as 127.0.0.1, not int"),
            ({"campaigns": [WIRE, {"sender": "Acme"}]}, "campaigns[1] must have an id"),
            ({"campaigns": [{**WIRE, "id": ""}]}, "campaigns[0] must have an id"),
            ({"campaigns": ["c1"]}, "campaigns[0] must be a mapping, in wire form, not str"),
            ({"rate_limit": "5"}, "rate_limit must be a RateLimit, a number of requests per second or None, not str"),
            ({"rate_limit": True}, "rate_limit must be a RateLimit"),
            ({"rate_limit": 0}, "'requests_per_second' must be > 0: 0"),
            ({"now": "2031-05-01"}, "the clock needs a time with a time zone"),
            ({"auth": "basic"}, "auth must be one of any, bearer, header, query, not 'basic'"),
        ],
    )
    def test_an_invalid_argument_is_named(self, options: Any, message: str) -> None:
        with pytest.raises(ValueError, match=re.escape(message)):
            Sandbox(**options)

    @pytest.mark.parametrize("cls", [Sandbox, ThreadedSandbox])
    def test_it_has_the_parameters_of_its_settings(self, cls: type[Sandbox | ThreadedSandbox]) -> None:
        assert list(inspect.signature(cls).parameters) == [field.name for field in attrs.fields(Settings)]
        with pytest.raises(TypeError, match=r"^got an unexpected keyword argument 'colour'$"):
            cls(colour="red")  # type: ignore[call-arg]

    @pytest.mark.parametrize("prefix", ["", "/", "/tenant", "/tenant/", "/a%20b/c.d~e"])
    def test_these_are_prefixes(self, prefix: str) -> None:
        assert Sandbox(prefix=prefix).url.endswith(prefix.rstrip("/"))

    def test_an_invalid_key_is_refused_when_it_is_set(self) -> None:
        sandbox = Sandbox(api_key="k")
        with pytest.raises(ValueError, match="api_key must be"):
            sandbox.api_key = ""
        assert sandbox.api_key == "k"

    def test_it_has_the_environment_variables_of_a_client(self) -> None:
        sandbox = Sandbox(api_key="k", prefix="/tenant")
        assert sandbox.environment == {"CAMPAIGNS_BASE_URL": sandbox.url, "CAMPAIGNS_API_KEY": "k"}

    def test_seeds_that_do_not_fit_together_are_refused(self) -> None:
        with pytest.raises(ValueError, match="already"):
            Sandbox([WIRE, WIRE])
        with pytest.raises(ValueError, match="no such campaign"):
            Sandbox([WIRE], {"c2": []})


class TestJournal:
    async def test_a_request_is_recorded_with_its_content(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        async with http.post("/api/Campaigns/true?X=1&y=%2B", json=new, headers={"A-B": "c"}):
            pass

        (request,) = sandbox.requests
        assert (request.number, request.method, request.operation) == (1, "POST", "create")
        assert request.path == "/api/Campaigns/true"
        assert request.query == {"x": "1", "y": "+"}
        assert request.headers["a-b"] == "c"
        assert request.body == new
        assert (request.status, request.acted) == (201, True)

    async def test_its_repr_shows_nothing_of_its_content(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        async with http.post(f"/api/campaigns?api-key={sandbox.api_key}", json=new):
            pass

        shown = repr(sandbox.requests) + repr(sandbox)
        for secret in (sandbox.api_key, "07700900123", "Ann", "Fore!", "Golf"):
            assert secret not in shown
        assert "operation='create'" in shown

    async def test_a_body_that_is_not_json_is_kept_as_bytes(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        async with http.post("/api/campaigns", data=b"{"):
            pass

        assert sandbox.requests[0].content == b"{"
        assert sandbox.requests[0].body is None

    async def test_bodies_need_not_be_kept(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox(keep_bodies=False) as sandbox, open_session(sandbox) as http:
            async with http.post("/api/campaigns", json=new) as answer:
                assert answer.status == 201
            assert sandbox.requests[0].content == b""

    async def test_connections_have_numbers(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, open_session: Open
    ) -> None:
        await get(http)
        await get(http)
        async with open_session(sandbox) as other:
            await get(other)

        assert [request.connection for request in sandbox.requests] == [1, 1, 2]

    async def test_an_incomplete_request_is_not_recorded(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        _, writer = await connect(sandbox)
        writer.write(b"POST /api/campaigns HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        await writer.drain()
        await hang_up(writer)
        await get(http)

        assert [request.method for request in sandbox.requests] == ["GET"]

    async def test_a_request_of_a_client_that_disconnects_at_once_is_recorded(self, sandbox: Sandbox) -> None:
        _, writer = await connect(sandbox)
        head = f"DELETE /api/campaigns/c1?api-key={sandbox.api_key} HTTP/1.1\r\nHost: x\r\n\r\n"
        sandbox.add(WIRE)
        writer.write(head.encode())
        await hang_up(writer)

        await sandbox.wait_acted(1)
        assert sandbox.campaigns == []

    async def test_expect_100_continue_is_answered(self, http: aiohttp.ClientSession, new: dict[str, Any]) -> None:
        async with http.post("/api/campaigns", json=new, expect100=True) as answer:
            assert answer.status == 201

    async def test_a_wait_may_be_for_requests_of_an_operation(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        two = asyncio.create_task(sandbox.wait_received(2))
        created = asyncio.create_task(sandbox.wait_received(1, "create"))
        await get(http)
        assert not two.done()
        await get(http)
        await two
        assert not created.done()

        async with http.post("/api/campaigns", json=new):
            await created
        await sandbox.wait_acted(3)

    async def test_a_wait_for_an_unknown_operation_is_refused(self, sandbox: Sandbox) -> None:
        with pytest.raises(ValueError, match="operation must be one of"):
            await sandbox.wait_received(1, "send")  # type: ignore[arg-type]

    async def test_in_flight_counts_unanswered_requests(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        event = asyncio.Event()
        sandbox.fault(hold=event)
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(get(http))
            await sandbox.wait_received(3)
            assert sandbox.in_flight == 3
            event.set()

        assert sandbox.in_flight == 0
        assert sandbox.max_in_flight == 3


class TestData:
    async def test_campaigns_can_be_added_and_removed_while_it_runs(self, open_session: Open) -> None:
        async with Sandbox([WIRE]) as sandbox, open_session(sandbox) as http:
            sandbox.add({**WIRE, "id": "c0"}, [{"id": "k1", "phoneNumber": "1"}], at=0)
            assert [campaign["id"] for campaign in sandbox.campaigns] == ["c0", "c1"]
            assert sandbox.contacts("c0") == [{"id": "k1", "phoneNumber": "1"}]
            sandbox.remove("c1")
            assert await get(http, "/api/campaigns/c1") == 404

    def test_an_unknown_campaign_cannot_be_removed_or_read(self) -> None:
        with pytest.raises(KeyError):
            Sandbox().remove("c1")
        with pytest.raises(KeyError):
            Sandbox().contacts("c1")

    async def test_returned_rows_are_copies(self) -> None:
        sandbox = Sandbox([WIRE])
        sandbox.campaigns[0]["sender"] = "changed"

        assert sandbox.campaigns == [WIRE]

    async def test_a_reset_restores_the_initial_state(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox([WIRE]) as sandbox, open_session(sandbox) as http:
            later = asyncio.Event()
            sandbox.fault(operation="create", nth=1, times=1, status=504, act_after=later)
            for _ in range(2):
                async with http.post("/api/campaigns", json=new):
                    pass
            async with http.delete("/api/campaigns/c1"):
                pass

            sandbox.reset()
            later.set()

            assert len(sandbox.requests) == 0
            assert sandbox.created == []
            assert sandbox.campaigns == [WIRE]
            assert sandbox.max_in_flight == 0
            async with http.post("/api/campaigns", json=new) as answer:
                assert answer.status == 201
            assert len(sandbox.created) == 1
            assert sandbox.requests[0].number == 1

    @pytest.mark.parametrize("given", ["k", None])
    def test_a_reset_restores_the_key(self, given: str | None) -> None:
        sandbox = Sandbox(api_key=given)
        before = sandbox.api_key
        sandbox.api_key = "other"

        sandbox.reset()

        assert sandbox.api_key == before

    def test_requests_in_flight_still_count_after_the_log_is_cleared(self) -> None:
        journal = RequestLog()
        for _ in range(3):
            journal.begin()
        journal.end()

        journal.clear()

        assert (journal.in_flight, journal.max_in_flight) == (2, 2)

    async def test_a_seed_makes_the_same_ids(self, open_session: Open, new: dict[str, Any]) -> None:
        seen: list[Any] = []
        for _ in range(2):
            async with Sandbox(seed=1) as sandbox, open_session(sandbox) as http:
                async with http.post("/api/campaigns", json=new):
                    pass
                seen.append(sandbox.created)

        assert seen[0] == seen[1]
