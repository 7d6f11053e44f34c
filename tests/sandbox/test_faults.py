"""Each fault has its documented effect, over a real socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, get_type_hints

import aiohttp
import pytest

from campaigns_async.sandbox import Fault, Sandbox, presets
from campaigns_async.sandbox.faults import FaultFields

Open = Callable[..., aiohttp.ClientSession]


async def create(http: aiohttp.ClientSession, new: dict[str, Any]) -> int:
    async with http.post("/api/Campaigns", json=new) as answer:
        await answer.read()
        return answer.status


async def count_listed(http: aiohttp.ClientSession) -> int:
    async with http.get("/api/Campaigns") as answer:
        total: int = (await answer.json())["totalRecords"]
        return total


async def read_statuses(http: aiohttp.ClientSession, count: int, path: str = "/api/Campaigns") -> list[int]:
    found: list[int] = []
    for _ in range(count):
        async with http.get(path) as answer:
            await answer.read()
            found.append(answer.status)
    return found


async def raw(sandbox: Sandbox, request: bytes) -> bytes:
    """Return all bytes of a new connection until the server closes it."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def get_request(sandbox: Sandbox) -> bytes:
    return f"GET /api/campaigns HTTP/1.1\r\nHost: x\r\napi-key: {sandbox.api_key}\r\n\r\n".encode()


class TestWhichRequests:
    async def test_a_fault_meets_its_operation_only(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        rule = sandbox.fault(operation="create", status=500)

        assert await read_statuses(http, 1) == [200]
        assert await create(http, new) == 500
        assert rule.fired == 1

    async def test_it_starts_with_the_nth_request_and_ends_after_a_number_of_times(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        rule = sandbox.fault(nth=2, times=2, status=503)

        assert await read_statuses(http, 5) == [200, 503, 503, 200, 200]
        assert (rule.seen, rule.fired) == (5, 2)

    async def test_nth_counts_from_the_time_the_rule_was_added(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        await read_statuses(http, 3)
        sandbox.fault(nth=2, times=1, status=503)

        assert await read_statuses(http, 3) == [200, 503, 200]

    async def test_it_meets_every_third_request(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        sandbox.fault(nth=3, every=3, status=503)

        assert await read_statuses(http, 6) == [200, 200, 503, 200, 200, 503]

    async def test_a_share_is_the_same_for_the_same_seed(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        rules = [sandbox.fault(share=0.5, seed=3, status=500)]
        first = await read_statuses(http, 20)
        rules[0].stop()
        rules.append(sandbox.fault(share=0.5, seed=3, status=500))

        assert await read_statuses(http, 20) == first
        assert set(first) == {200, 500}
        assert rules[0].fired == rules[1].fired == first.count(500)

    async def test_a_share_of_zero_meets_no_request(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        sandbox.fault(share=0, status=500)

        assert await read_statuses(http, 5) == [200] * 5

    async def test_the_first_rule_that_is_due_applies_and_the_others_keep_counting(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        sandbox.fault(times=1, status=500)
        second = sandbox.fault(nth=2, times=1, status=502)

        assert await read_statuses(http, 3) == [500, 502, 200]
        assert second.seen == 3

    async def test_when_selects_requests(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(when=lambda request: request.body["sender"] == "Golf", status=500)

        assert await create(http, new) == 500
        assert await create(http, {**new, "sender": "Tennis"}) == 201

    async def test_a_stopped_rule_meets_no_more_requests(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        rule = sandbox.fault(status=500)
        before = await read_statuses(http, 1)
        rule.stop()

        assert before + await read_statuses(http, 1) == [500, 200]


class TestAnswers:
    async def test_a_status_comes_with_its_headers_and_body(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        sandbox.fault(status=429, headers={"Retry-After": "3"}, body="<b>slow</b>", content_type="text/html")

        async with http.get("/api/Campaigns") as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "3"
            assert answer.content_type == "text/html"
            assert await answer.text() == "<b>slow</b>"

    async def test_a_bare_status_has_no_body(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        sandbox.fault(status=503)

        async with http.get("/api/Campaigns") as answer:
            assert await answer.read() == b""
            assert "Content-Type" not in answer.headers

    async def test_a_refused_create_is_not_carried_out(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(status=504)

        assert await create(http, new) == 504
        assert sandbox.created == []
        assert not sandbox.requests[0].acted

    async def test_a_create_may_be_carried_out_before_it_fails(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(status=504, act=True)

        assert await create(http, new) == 504
        assert len(sandbox.created) == 1
        assert sandbox.requests[0].acted

    async def test_a_create_may_be_carried_out_after_it_failed(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        later = asyncio.Event()
        sandbox.fault(times=1, status=504, act_after=later)

        assert await create(http, new) == 504
        assert await count_listed(http) == 0
        later.set()
        await sandbox.wait_acted(1, "create")
        assert await count_listed(http) == 1

    async def test_act_after_may_be_seconds(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(drop="close", act_after=0.01)

        with pytest.raises(aiohttp.ServerDisconnectedError):
            await create(http, new)
        await sandbox.wait_acted(1, "create")
        assert len(sandbox.created) == 1

    async def test_a_proper_answer_can_have_another_body_and_more_headers(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(body=b"{garbage", headers={"X-Request-Id": "r1"})

        async with http.post("/api/Campaigns", json=new) as answer:
            assert answer.status == 201
            assert answer.headers["X-Request-Id"] == "r1"
            assert await answer.read() == b"{garbage"
        assert len(sandbox.created) == 1

    async def test_a_proper_refusal_stays_a_refusal(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        sandbox.fault(headers={"X-Request-Id": "r1"})

        assert await read_statuses(http, 1, "/api/campaigns/nobody") == [404]
        assert not sandbox.requests[0].acted


class TestDrops:
    @pytest.mark.parametrize(
        ("drop", "error"),
        [("close", aiohttp.ServerDisconnectedError), ("reset", aiohttp.ClientOSError)],
    )
    async def test_a_connection_is_closed_without_an_answer(
        self,
        sandbox: Sandbox,
        http: aiohttp.ClientSession,
        new: dict[str, Any],
        drop: Any,
        error: type[Exception],
    ) -> None:
        sandbox.fault(drop=drop)

        with pytest.raises(error):
            await create(http, new)
        assert sandbox.created == []
        assert sandbox.requests[0].status is None

    async def test_a_connection_may_be_closed_after_the_request_was_carried_out(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(drop="reset", act=True)

        with pytest.raises(aiohttp.ClientOSError):
            await create(http, new)
        assert len(sandbox.created) == 1

    async def test_headers_are_cut_in_the_middle(self, sandbox: Sandbox) -> None:
        sandbox.fault(drop="cut_headers")

        got = await raw(sandbox, get_request(sandbox))

        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\n\r\n" not in got
        assert sandbox.requests[0].acted

    async def test_a_body_is_cut_in_the_middle(self, sandbox: Sandbox) -> None:
        sandbox.fault(drop="cut_body")

        got = await raw(sandbox, get_request(sandbox))

        head, body = got.split(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        assert len(body) == int(length[1]) // 2 > 0

    async def test_a_client_detects_the_cut_body(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(drop="cut_body")

        with pytest.raises(aiohttp.ClientPayloadError):
            await create(http, new)
        assert len(sandbox.created) == 1
        assert sandbox.requests[0].status == 201

    async def test_an_answer_without_a_body_is_cut_in_its_head(self, sandbox: Sandbox) -> None:
        sandbox.fault(drop="cut_body", status=503)

        assert b"\r\n\r\n" not in await raw(sandbox, get_request(sandbox))

    async def test_a_stale_connection_is_closed_when_the_next_request_comes(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        rule = sandbox.fault(times=1, stale=True)

        assert await create(http, new) == 201
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await create(http, new)
        assert await create(http, new) == 201

        assert [request.acted for request in sandbox.requests] == [True, False, True]
        assert [request.connection for request in sandbox.requests] == [1, 1, 2]
        assert len(sandbox.created) == 2
        assert rule.fired == 1


class TestWaits:
    async def test_an_answer_is_held_until_the_event_and_its_request_carried_out_before(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        event = asyncio.Event()
        sandbox.fault(operation="create", hold=event)

        task = asyncio.create_task(create(http, new))
        await sandbox.wait_received(1)
        assert len(sandbox.created) == 1
        assert sandbox.requests[0].status is None
        assert await count_listed(http) == 1
        assert not task.done()

        event.set()
        assert await task == 201
        assert sandbox.requests[0].status == 201

    async def test_an_answer_is_delayed(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        clock = asyncio.get_running_loop().time
        sandbox.fault(delay=0.05)

        assert await read_statuses(http, 1) == [200]
        # The loop may fire a timer early by the clock's resolution.
        assert clock() - sandbox.requests[0].arrived >= 0.049

    async def test_a_drop_can_wait_too(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        event = asyncio.Event()
        sandbox.fault(drop="close", hold=event)
        task = asyncio.create_task(create(http, new))
        await sandbox.wait_received(1)
        event.set()

        with pytest.raises(aiohttp.ServerDisconnectedError):
            await task

    async def test_a_slow_body_arrives_byte_by_byte_and_complete(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        sandbox.fault(status=500, body="slowly", slow_body=0.001)

        async with http.get("/api/campaigns") as answer:
            assert answer.status == 500
            assert await answer.content.readany() == b"s"
            assert await answer.read() == b"lowly"
        assert await read_statuses(http, 1) == [500]
        assert sandbox.requests[1].connection == 1

    async def test_a_slow_body_stops_when_the_client_disconnects(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        rule = sandbox.fault(times=1, slow_body=0.001)
        answer = await http.get("/api/campaigns")
        answer.close()

        assert await read_statuses(http, 1) == [200]
        assert rule.fired == 1

    async def test_a_disconnect_of_the_client_does_not_undo_its_request(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        event = asyncio.Event()
        sandbox.fault(operation="create", status=500, hold=event, act_after=0)
        task = asyncio.create_task(create(http, new))
        await sandbox.wait_received(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        event.set()
        await sandbox.wait_acted(1)
        assert len(sandbox.created) == 1

    async def test_no_answer_is_sent_to_a_disconnected_client(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        event = asyncio.Event()
        sandbox.fault(times=1, hold=event)
        host, port = sandbox.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(get_request(sandbox))
        await sandbox.wait_received(1)
        writer.close()
        await writer.wait_closed()
        # Before this answer the server has noticed the end of the other connection.
        assert await read_statuses(http, 2) == [200, 200]

        event.set()
        assert await read_statuses(http, 1) == [200]
        assert sandbox.requests[0].acted
        assert sandbox.requests[0].status is None
        assert sandbox.in_flight == 0

    async def test_a_created_campaign_is_hidden_from_lists_until_the_event(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        later = asyncio.Event()
        sandbox.fault(operation="create", times=1, hidden_for=later)

        async with http.post("/api/Campaigns", json=new) as answer:
            key = await answer.json()
        assert await create(http, new) == 201

        assert await count_listed(http) == 1
        assert await read_statuses(http, 1, f"/api/campaigns/{key}") == [200]
        assert len(sandbox.campaigns) == 2
        later.set()
        assert await count_listed(http) == 2

    async def test_hidden_for_may_be_seconds(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(operation="create", nth=1, times=1, hidden_for=3600)
        sandbox.fault(operation="create", nth=2, hidden_for=0)
        await create(http, new)
        await create(http, new)

        assert await count_listed(http) == 1

    async def test_a_refused_create_hides_nothing(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        await create(http, new)
        sandbox.fault(operation="create", hidden_for=3600)

        assert await create(http, {**new, "sender": ""}) == 400
        assert await count_listed(http) == 1


class TestRefusedFaults:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"operation": "send"}, "operation must be one of list, get"),
            ({"drop": "slam"}, "drop must be one of close, reset"),
            ({"nth": 0}, "'nth' must be >= 1: 0"),
            ({"every": 0}, "'every' must be >= 1: 0"),
            ({"times": 0}, "'times' must be >= 1: 0"),
            ({"share": 1.1}, "'share' must be <= 1: 1.1"),
            ({"share": float("nan")}, "'share' must be >= 0: nan"),
            ({"status": 199}, "'status' must be >= 200: 199"),
            ({"delay": -1}, "'delay' must be >= 0: -1"),
            ({"slow_body": float("inf")}, "'slow_body' must be < inf: inf"),
            ({"act_after": 1}, "act_after needs a status or a drop"),
            ({"act_after": 1, "status": 500, "act": True}, "act_after needs a status or a drop"),
            ({"act": False, "delay": 1}, "act=False needs a status or a drop"),
            ({"act": False, "drop": "cut_body"}, "act=False needs a status or a drop"),
            ({"hidden_for": 1}, "hidden_for needs operation='create'"),
            ({"stale": True, "drop": "close"}, "stale needs an answer"),
            ({"status": "503"}, "status must be a whole number, not str"),
            ({"status": True}, "status must be a whole number, not bool"),
            ({"status": 503.0}, "status must be a whole number, not float"),
            ({"times": "1"}, "times must be a whole number, not str"),
            ({"nth": 1.5}, "nth must be a whole number, not float"),
            ({"every": None}, "every must be a whole number, not None"),
            ({"share": "x"}, "share must be a number, not str"),
            ({"seed": "x"}, "seed must be a whole number, not str"),
            ({"when": "create"}, "when must be a function, not str"),
            ({"recipient": 447700900123}, "recipient must be text, not int"),
            ({"act": "yes"}, "act must be True or False, not str"),
            ({"hang": 1}, "hang must be True or False, not int"),
            ({"delay": "1"}, "delay must be a number of seconds, not str"),
            ({"delay": asyncio.Event()}, "delay must be a number of seconds, not Event"),
            ({"hold": 1}, "hold must be an asyncio.Event, not int"),
            ({"status": 504, "act_after": "1"}, "act_after must be a number of seconds, not str"),
            ({"body": {}}, "body must be bytes or text, not dict"),
            ({"headers": []}, "headers must be a mapping of names to texts, not list"),
            ({"headers": {"Retry-After": 3}}, "headers must be text, not int"),
            ({"content_type": b"x"}, "content_type must be text, not bytes"),
            ({"headers": {"X": "a\r\nb"}}, "headers must be one line, in Latin-1"),
            ({"headers": {"X": "€"}}, "headers must be one line, in Latin-1"),
            ({"headers": {"X Y": ""}}, "headers must have names of letters, digits and dashes"),
            ({"content_type": "a\nb"}, "content_type must be one line, in Latin-1"),
            ({"headers": {"content-type": "text/html"}}, "headers must not name"),
        ],
    )
    def test_the_error_about_an_invalid_fault_has_the_reason(self, fields: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=re.escape(message)):
            Fault(**fields)
        with pytest.raises(ValueError, match=re.escape(message)):
            Sandbox().fault(**fields)

    def test_a_value_that_is_not_a_fault_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"call the preset, as in presets.lost_answer\(\)"):
            Sandbox().add_fault(presets.lost_answer)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="add_fault takes a Fault, not dict"):
            Sandbox().add_fault({"status": 503})  # type: ignore[arg-type]


class TestTrouble:
    async def test_an_exception_in_when_is_logged_once_and_answered_500(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        rule = sandbox.fault(times=1, when=lambda request: request.body["colour"] == "red", status=503)

        assert await create(http, new) == 500

        (logged,) = caplog.records
        assert "a fault's `when` raised KeyError on request 1" in logged.getMessage()
        assert logged.exc_info is not None
        (request,) = sandbox.requests
        assert (request.status, request.acted, request.fault) == (500, False, None)
        assert request.problem == "a fault's `when` raised KeyError"
        assert (rule.fired, sandbox.created, sandbox.in_flight) == (0, [], 0)

    async def test_bytes_that_are_not_http_are_logged_without_a_traceback(
        self, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert b" 400 " in await raw(sandbox, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n")

        assert [record.exc_info for record in caplog.records] == [None]

    async def test_a_request_is_recorded_with_the_fault_that_it_met(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        sandbox.fault(nth=2, times=1, status=500)
        sandbox.fault(nth=3, delay=0)

        assert await read_statuses(http, 3) == [200, 500, 200]
        assert [(request.fault, request.problem) for request in sandbox.requests] == [(None, ""), (1, ""), (2, "")]


class TestHanging:
    async def test_a_request_hangs_until_the_rule_is_released(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        rule = sandbox.fault(operation="create", hang=True)
        tasks = [asyncio.ensure_future(http.post("/api/campaigns", json=new)) for _ in range(2)]
        await sandbox.wait_acted(2, "create")
        # Before this answer they would have been answered, too.
        assert await count_listed(http) == 2
        assert ([request.status for request in sandbox.requests[:2]], sandbox.in_flight) == ([None, None], 2)

        rule.release()

        assert [(await task).status for task in tasks] == [201, 201]
        assert (await http.post("/api/campaigns", json=new)).status == 201
        assert len(sandbox.created) == 3

    async def test_a_request_may_hang_without_being_carried_out(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        rule = sandbox.fault(operation="create", hang=True, drop="close")
        task = asyncio.ensure_future(http.post("/api/campaigns", json=new))
        await sandbox.wait_received(1, "create")
        assert await count_listed(http) == 0
        assert (sandbox.requests[0].status, sandbox.in_flight) == (None, 1)
        rule.release()

        with pytest.raises(aiohttp.ServerDisconnectedError):
            await task
        assert sandbox.created == []

    async def test_a_cancelled_request_is_not_carried_out_later(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(operation="create", status=504, hold=asyncio.Event(), act_after=0)
        task = asyncio.create_task(create(http, new))
        await sandbox.wait_received(1)
        (held,) = sandbox.requests

        sandbox.reset()

        with pytest.raises(aiohttp.ServerDisconnectedError):
            await task
        assert await read_statuses(http, 2) == [200, 200]
        assert not held.acted

    async def test_a_reset_cancels_hanging_requests(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(operation="create", hang=True)
        task = asyncio.ensure_future(http.post("/api/campaigns", json=new))
        await sandbox.wait_acted(1, "create")

        sandbox.reset()

        with pytest.raises(aiohttp.ServerDisconnectedError):
            await task
        assert sandbox.faults == ()
        assert sandbox.fault(operation="list", status=500).number == 1
        assert sandbox.created == []
        assert (await http.post("/api/campaigns", json=new)).status == 201

    async def test_rules_are_numbered_in_their_order(self, sandbox: Sandbox) -> None:
        fault = Fault(status=500)
        rules = (sandbox.add_fault(fault), sandbox.fault(status=501))
        assert sandbox.faults == rules
        assert [rule.number for rule in rules] == [1, 2]
        assert rules[0].fault is fault


def test_the_arguments_of_a_fault_are_its_fields_with_their_types() -> None:
    taken, fields = get_type_hints(FaultFields), get_type_hints(Fault)

    assert taken.pop("body") == (fields.pop("body") | str)  # text is encoded
    assert taken == fields
    assert set(get_type_hints(presets.Where)) < set(taken)
