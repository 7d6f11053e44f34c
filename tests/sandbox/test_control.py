"""The control over HTTP: what it shows, what it changes, and which requests it refuses."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
from multidict import CIMultiDict

from campaigns_async.sandbox import Fault, RateLimit, Sandbox, ThreadedSandbox
from campaigns_async.sandbox._control import ControlRequest, answer_control
from campaigns_async.sandbox._operations import Answer
from campaigns_async.sandbox._routing import read_query

Open = Callable[..., aiohttp.ClientSession]
JSON = "application/json"
WIRE = {"id": "c1", "startDateTime": "2024-01-10T09:00:00Z", "sender": "Acme", "message": "Hi", "status": 5}
KEY = "the-key"
ANYWHERE = "0.0.0.0"  # noqa: S104 - to see who is let in then


def ask(
    sandbox: ThreadedSandbox,
    method: str = "GET",
    path: str = "",
    *,
    body: Any = ...,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    content: bytes = b"",
) -> Answer:
    """Start a sandbox, and send a request to its control as a program on this machine does."""
    given = {"Host": "127.0.0.1:8080", **(headers or {})}
    if body is not ...:
        content = json.dumps(body).encode()
        given = {"Content-Type": JSON, **given}
    with sandbox:
        place = urlsplit(sandbox.url)
        host = "127.0.0.1" if place.hostname == ANYWHERE else place.hostname
        target = f"{place.path}/_sandbox{path}" + (f"?{urlencode(query)}" if query else "")
        with closing(http.client.HTTPConnection(host or "", place.port, timeout=30)) as connection:
            connection.putrequest(method, target, skip_host=True)
            for name, value in {**given, "Content-Length": str(len(content))}.items():
                connection.putheader(name, value)
            connection.endheaders(content)
            answer = connection.getresponse()
            found = dict(answer.getheaders())
            return Answer(answer.status, answer.read(), found.get("Content-Type", ""), found)


def ask_directly(
    sandbox: Sandbox,
    method: str = "GET",
    path: str = "",
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Pass a request to the control of a sandbox whose address this machine does not have."""
    given = CIMultiDict({"Host": "127.0.0.1:8080", **(headers or {})})
    return answer_control(sandbox._state, ControlRequest(method, path, read_query(urlencode(query or {})), given, b""))


def read(answer: Answer) -> Any:
    assert answer.status in {200, 201}, answer.body
    return json.loads(answer.body)


def read_refusal(answer: Answer, status: int) -> str:
    """Return the detail of a refusal."""
    problem = json.loads(answer.body)
    assert answer.status == problem["status"] == status
    assert answer.content_type.startswith("application/problem+json")
    assert problem["title"]
    detail: str = problem["detail"]
    assert detail
    return detail


async def fetch(http: aiohttp.ClientSession, path: str, **options: Any) -> Any:
    async with http.get(f"/_sandbox{path}", **options) as answer:
        assert answer.status == 200
        return await answer.json()


async def send(http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    async with http.request(method, f"/_sandbox{path}", json=body) as answer:
        assert answer.status in {200, 201}, await answer.text()
        return await answer.json()


async def create(http: aiohttp.ClientSession, new: dict[str, Any]) -> int:
    async with http.post("/api/campaigns", json=new) as answer:
        await answer.read()
        return answer.status


class TestPaths:
    def test_the_index_lists_the_paths(self) -> None:
        index = read(ask(ThreadedSandbox(prefix="/tenant")))

        assert index["url"].endswith("/tenant")
        assert {
            "path": "/tenant/_sandbox/clock",
            "methods": ["GET", "PUT"],
            "what": "the sandbox's time; sets, moves or runs it",
        } in index["paths"]
        assert len(index["paths"]) == 8

    def test_each_path_of_the_index_answers(self) -> None:
        for route in read(ask(ThreadedSandbox()))["paths"]:
            path = route["path"].removeprefix("/_sandbox")
            for method in route["methods"]:
                sandbox = ThreadedSandbox()
                sandbox.fault(status=500)
                assert ask(sandbox, method, path).status not in {404, 405}, (method, path)

    @pytest.mark.parametrize("path", ["/", "/Clock", "/clock/"])
    def test_a_path_matches_in_any_case_and_with_a_trailing_slash(self, path: str) -> None:
        assert ask(ThreadedSandbox(), path=path).status == 200

    @pytest.mark.parametrize("path", ["/journl", "/openapiXjson", "/faults/1", "/double-send"])
    def test_the_answer_to_an_unknown_path_names_the_index(self, path: str) -> None:
        assert "no such path" in read_refusal(ask(ThreadedSandbox(), path=path), 404)

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("POST", "/journal", "GET, HEAD"),
            ("OPTIONS", "/faults", "GET, HEAD, POST, DELETE"),
            ("GET", "/reset", "POST"),
            ("PATCH", "/clock", "GET, HEAD, PUT"),
        ],
    )
    def test_the_answer_to_another_method_lists_the_methods(self, method: str, path: str, allow: str) -> None:
        answer = ask(ThreadedSandbox(), method, path)

        assert path in read_refusal(answer, 405)
        assert answer.headers["Allow"] == allow

    def test_head_is_answered_as_get(self) -> None:
        assert ask(ThreadedSandbox(), "HEAD", "/clock").status == 200

    async def test_requests_to_the_control_are_not_recorded_or_limited(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        sandbox.fault(status=500)
        sandbox.rate_limit = 0.001
        for _ in range(3):
            await fetch(http, "/faults")

        assert len(sandbox.requests) == 0
        assert sandbox.faults[0].seen == 0

    async def test_the_first_of_a_repeated_parameter_counts(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(nth=2, status=503)
        for _ in range(2):
            await create(http, new)

        page = await fetch(http, "/journal?after=1&AFTER=0&after=2")

        assert [(request["number"], request["fault"]) for request in page["requests"]] == [(2, 1)]

    async def test_the_control_is_under_the_prefix(self, open_session: Open) -> None:
        async with Sandbox(prefix="/tenant") as sandbox, aiohttp.ClientSession() as http:
            async with http.get(f"{sandbox.url}/_sandbox/clock") as answer:
                assert answer.status == 200
            async with http.get(f"{sandbox.url.removesuffix('/tenant')}/_sandbox/clock") as answer:
                assert answer.status == 404


class TestJournal:
    async def test_it_shows_each_request_and_its_outcome(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.fault(operation="create", nth=2, drop="close")
        await create(http, new)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await http.post("/api/campaigns", params={"Odd": "3"})

        journal = await fetch(http, "/journal")
        first, second = journal.pop("requests")
        assert journal == {"total": 2, "next": None}
        assert first["body"] == new
        assert (first["number"], first["method"], first["path"], first["operation"]) == (
            1, "POST", "/api/campaigns", "create",
        )  # fmt: skip
        assert (first["status"], first["acted"], first["connection"]) == (201, True, 1)
        assert (first["fault"], first["problem"]) == (None, "")
        assert isinstance(first["arrived"], float)
        assert first["headers"]["Content-Type"] == JSON
        assert (second["query"], second["body"]) == ({"odd": "3"}, None)
        assert (second["status"], second["acted"]) == (None, False)

    async def test_it_shows_no_key_and_no_cookie(self, sandbox: Sandbox) -> None:
        secrets = {
            "Authorization": f"Bearer {KEY}",
            "Proxy-Authorization": KEY,
            "API-Key": KEY,
            "Cookie": KEY,
            "Referer": f"http://x/?api-key={KEY}",
            "X-Harmless": "yes",
        }
        async with aiohttp.ClientSession(sandbox.url) as http:
            async with http.get("/api/campaigns", params={"API-Key": KEY, "page": "1"}, headers=secrets):
                pass
            journal = await fetch(http, "/journal")

        (request,) = journal["requests"]
        assert KEY not in json.dumps(journal)
        assert request["query"] == {"page": "1"}
        assert request["headers"]["X-Harmless"] == "yes"

    async def test_a_body_that_is_not_json_is_shown_as_text(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        for body in (b"{oops", b"\xff!", b'{"n": 123456789012345678901234567890}'):
            async with http.post("/api/campaigns", data=body):
                pass
        async with http.get("/_sandbox/journal") as answer:
            text = await answer.text()

        bodies = [request["body"] for request in json.loads(text)["requests"]]
        assert bodies == ["{oops", "\ufffd!", {"n": 123456789012345678901234567890}]

    async def test_bytes_that_are_not_utf_8_are_replaced(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        host, port = sandbox.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /api/campaigns/c?n=%ff HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\r\nx-odd: b\r\nConnection: close\r\n\r\n"
        )
        await reader.read()
        writer.close()
        await writer.wait_closed()

        (request,) = (await fetch(http, "/journal"))["requests"]
        assert request["headers"]["X-Odd"] == "\ufffd, b"
        assert request["query"] == {"n": "\ufffd"}

    async def test_it_comes_in_pages(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        for _ in range(5):
            async with http.get("/api/campaigns"):
                pass
        seen: list[int] = []
        after: int | None = 0
        while after is not None:
            page = await fetch(http, "/journal", params={"after": str(after), "limit": "2"})
            seen += [request["number"] for request in page["requests"]]
            after = page["next"]

        assert seen == [1, 2, 3, 4, 5]
        assert page["total"] == 5
        assert (await fetch(http, "/journal", params={"after": "5"}))["requests"] == []

    @pytest.mark.parametrize("query", [{"after": "x"}, {"after": "-1"}, {"limit": "0"}, {"limit": "²"}, {"after": ""}])
    def test_an_invalid_page_is_refused(self, query: dict[str, str]) -> None:
        (name,) = query
        assert name in read_refusal(ask(ThreadedSandbox(), path="/journal", query=query), 400)

    def test_an_unknown_parameter_is_refused(self) -> None:
        read_refusal(ask(ThreadedSandbox(), path="/journal", query={"affter": "1"}), 400)
        assert ask(ThreadedSandbox(), path="/journal", query={"api-key": "1"}).status == 200


class TestReset:
    async def test_it_restores_the_initial_state(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        await create(http, new)
        sandbox.fault(status=500)

        assert await send(http, "POST", "/reset") == {"ok": True}
        assert (len(sandbox.requests), sandbox.created, sandbox.faults) == (0, [], ())


class TestSeed:
    def test_campaigns_are_added_unvalidated(self) -> None:
        sandbox = ThreadedSandbox([{**WIRE, "id": "c0"}])
        odd = {"id": "c2", "status": "unheard of"}
        people = [{"id": "k1", "phoneNumber": "no number"}]

        answer = ask(sandbox, "POST", "/seed", body={"campaigns": [WIRE, odd], "contacts": {"c2": people}})

        assert (answer.status, read(answer)) == (201, {"added": 2})
        assert sandbox.campaigns == [{**WIRE, "id": "c0"}, WIRE, odd]
        assert (sandbox.contacts("c1"), sandbox.contacts("c2")) == ([], people)

    def test_an_id_that_exists_already_refuses_all(self) -> None:
        sandbox = ThreadedSandbox([WIRE])

        answer = ask(sandbox, "POST", "/seed", body={"campaigns": [{"id": "c0"}, {"id": "c1"}]})

        assert "'c1' already" in read_refusal(answer, 409)
        assert sandbox.campaigns == [WIRE]

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ([], "must be an object"),
            ({"campaign": []}, "unknown name 'campaign'; known are campaigns, contacts"),
            ({"campaigns": {"id": "c0"}}, "must be an object @ $.campaigns[0]"),
            ({"campaigns": 1}, "must be an array @ $.campaigns"),
            ({"campaigns": [{"id": "c0"}, 1]}, "must be an object @ $.campaigns[1]"),
            ({"campaigns": [{"sender": "Golf"}]}, "campaigns[0].id must be text"),
            ({"campaigns": [{"id": 1}]}, "campaigns[0].id must be text"),
            ({"campaigns": [{"id": ""}]}, "campaigns[0].id must be text"),
            (
                {"campaigns": [{"id": "c0"}, {"id": "c0"}]},
                "campaigns[1].id must differ from the ids before it",
            ),
            (
                {"campaigns": [{"id": "c0"}], "contacts": {"c1": []}},
                "contacts['c1'] must belong to one of the campaigns",
            ),
            (
                {"campaigns": [{"id": "c0"}], "contacts": {"c0": [None]}},
                "must be an object @ $.contacts['c0'][0]",
            ),
        ],
    )
    def test_an_invalid_seed_refuses_all(self, body: Any, reason: str) -> None:
        sandbox = ThreadedSandbox([WIRE])

        assert reason in read_refusal(ask(sandbox, "POST", "/seed", body=body), 400)
        assert sandbox.campaigns == [WIRE]


class TestFaults:
    async def test_a_fault_is_added_shown_and_stopped(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        async def status() -> int:
            async with http.get("/api/campaigns") as answer:
                return answer.status

        added = await send(http, "POST", "/faults", {"operation": "list", "status": 503})
        before = {"number": 1, "seen": 0, "fired": 0, "stopped": False, "not_shown": []}
        fault = {"operation": "list", "status": 503}
        assert added == {"faults": [{**before, "fault": fault}]}
        assert await status() == 503
        met = {**before, "seen": 1, "fired": 1, "fault": fault}
        assert await fetch(http, "/faults") == {"faults": [met]}
        assert await send(http, "DELETE", "/faults") == {"faults": [{**met, "stopped": True}]}
        assert await status() == 200
        assert await fetch(http, "/faults") == {"faults": [{**met, "stopped": True}]}

    def test_several_faults_are_added_all_or_none(self) -> None:
        sandbox = ThreadedSandbox()

        answer = ask(sandbox, "POST", "/faults", body=[{"status": 503}, {"status": 9}])
        assert "'status' must be >= 200: 9 @ $[1]" in read_refusal(answer, 400)
        assert sandbox.faults == ()

        answer = ask(sandbox, "POST", "/faults", body=[{"status": 503}, {"status": 504}])
        assert answer.status == 201
        assert [rule["number"] for rule in read(answer)["faults"]] == [1, 2]

    def test_all_faults_are_stopped(self) -> None:
        sandbox = ThreadedSandbox()
        rules = [sandbox.fault(status=503), sandbox.fault(status=504)]

        assert [rule["stopped"] for rule in read(ask(sandbox, "DELETE", "/faults"))["faults"]] == [True, True]
        assert all(rule.stopped for rule in rules)

    def test_fields_that_json_cannot_hold_are_named(self) -> None:
        sandbox = ThreadedSandbox()
        sandbox.add_fault(Fault(when=bool, status=500))

        (rule,) = read(ask(sandbox, path="/faults"))["faults"]
        assert (rule["fault"], rule["not_shown"]) == ({"status": 500}, ["when"])

    async def test_stopping_the_faults_answers_hanging_requests(
        self, sandbox: Sandbox, http: aiohttp.ClientSession
    ) -> None:
        await send(http, "POST", "/faults", {"hang": True, "operation": "list"})
        hanging = asyncio.create_task(http.get("/api/campaigns"))
        await sandbox.wait_received(1)
        async with http.get("/api/campaigns/nobody") as answer:
            assert answer.status == 404
        assert (sandbox.requests[0].status, sandbox.in_flight) == (None, 1)

        await send(http, "DELETE", "/faults")
        async with await hanging as answer:
            assert answer.status == 200


class TestClock:
    def test_it_is_shown(self) -> None:
        sandbox = ThreadedSandbox(now=datetime(2031, 6, 27, 9, 30, tzinfo=UTC))

        assert read(ask(sandbox, path="/clock")) == {"now": "2031-06-27T09:30:00.000000Z", "running": False}
        assert read(ask(ThreadedSandbox(), path="/clock"))["running"] is True

    def test_it_is_set_and_moved_and_runs(self) -> None:
        sandbox = ThreadedSandbox()

        def set_clock(body: Any) -> Any:
            return read(ask(sandbox, "PUT", "/clock", body=body))

        assert set_clock({"now": "2031-06-27T10:30:00+01:00"}) == {
            "now": "2031-06-27T09:30:00.000000Z",
            "running": False,
        }
        assert set_clock({"move": 1.5}) == {"now": "2031-06-27T09:30:01.500000Z", "running": False}
        assert set_clock({"move": -1.5, "running": True})["running"] is True
        assert sandbox.clock.running
        assert sandbox.clock.now() - datetime(2031, 6, 27, 9, 30, tzinfo=UTC) < timedelta(hours=1)
        stopped = set_clock({"running": False})
        assert stopped["running"] is False
        assert read(ask(sandbox, path="/clock")) == stopped

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ({}, "one of now, move and running"),
            (
                {"now": "2031-06-27T09:30:00"},
                "must be a date and time with a zone, such as 2031-06-27T09:30:00Z @ $.now",
            ),
            ({"now": "tomorrow"}, "must be a date and time with a zone, such as 2031-06-27T09:30:00Z @ $.now"),
            ({"now": 5}, "must be a date and time with a zone, such as 2031-06-27T09:30:00Z @ $.now"),
            (
                {"now": "0001-01-01T00:00:00+14:00"},
                "must be a date and time with a zone, such as 2031-06-27T09:30:00Z @ $.now",
            ),
            ({"now": "2031-06-27T09:30:00Z", "move": 1}, "now and move must not be given together"),
            ({"move": "1"}, "must be a number @ $.move"),
            ({"move": 1e300}, "the clock cannot be moved outside the years 1 to 9999"),
            ({"running": 1}, "must be true or false @ $.running"),
            ({"noww": 1}, "unknown name 'noww'; known are now, move, running"),
        ],
    )
    def test_an_invalid_change_is_refused(self, body: Any, reason: str) -> None:
        moment = datetime(2031, 6, 27, tzinfo=UTC)
        sandbox = ThreadedSandbox(now=moment)

        assert reason in read_refusal(ask(sandbox, "PUT", "/clock", body=body), 400)
        assert sandbox.clock.now() == moment

    def test_a_move_beyond_the_calendar_is_refused(self) -> None:
        sandbox = ThreadedSandbox(now=datetime(2031, 6, 27, tzinfo=UTC))

        assert "years 1 to 9999" in read_refusal(ask(sandbox, "PUT", "/clock", body={"move": 8e13}), 400)


class TestRateLimit:
    def test_it_is_set_and_shown_in_one_form(self) -> None:
        sandbox = ThreadedSandbox()
        assert read(ask(sandbox, path="/rate-limit")) is None

        limit = {"requests_per_second": 10, "burst": 3, "status": 503, "retry_after": False}
        assert read(ask(sandbox, "PUT", "/rate-limit", body=limit)) == limit
        assert read(ask(sandbox, path="/rate-limit")) == limit
        assert sandbox.rate_limit == RateLimit(10, 3, 503, retry_after=False)
        assert read(ask(sandbox, "PUT", "/rate-limit", body=2.5)) == {
            "requests_per_second": 2.5, "burst": None, "status": 429, "retry_after": True,
        }  # fmt: skip
        assert read(ask(sandbox, "PUT", "/rate-limit", body=None)) is None
        assert sandbox.rate_limit is None

    async def test_it_applies_to_the_requests(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        await send(http, "PUT", "/rate-limit", {"requests_per_second": 0.001, "burst": 2})
        statuses: list[int] = []
        for _ in range(3):
            async with http.get("/api/campaigns") as answer:
                statuses.append(answer.status)

        assert statuses == [200, 200, 429]

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (0, "'requests_per_second' must be > 0: 0"),
            ("10", "must be a number"),
            (True, "must be a number"),
            ({}, "missing @ $.requests_per_second"),
            ({"requests_per_second": -1}, "'requests_per_second' must be > 0: -1"),
            ({"requests_per_second": 1, "burst": 0}, "'burst' must be >= 1: 0"),
            ({"requests_per_second": 1, "burst": 1.5}, "must be a whole number @ $.burst"),
            ({"requests_per_second": 1, "status": 500}, "must be one of 429, 503 @ $.status"),
            ({"requests_per_second": 1, "status": {}}, "must be one of 429, 503 @ $.status"),
            ({"requests_per_second": 1, "retry_after": 3}, "must be true or false @ $.retry_after"),
            ({"rps": 1}, "unknown name 'rps'; known are requests_per_second, burst, status, retry_after"),
        ],
    )
    def test_an_invalid_limit_is_refused(self, body: Any, reason: str) -> None:
        sandbox = ThreadedSandbox(rate_limit=7)

        assert reason in read_refusal(ask(sandbox, "PUT", "/rate-limit", body=body), 400)
        assert sandbox.rate_limit == RateLimit(7)


class TestOpenAPI:
    async def test_the_document_describes_this_sandbox(self) -> None:
        async with (
            Sandbox(update_method="POST", auth="header") as sandbox,
            aiohttp.ClientSession(sandbox.url) as http,
        ):
            document = await fetch(http, "/openapi.json")

        assert document["servers"][0]["url"] == sandbox.url
        assert "put" not in document["paths"]["/api/Campaigns/{id}"]
        assert document["security"] == [{"apiKeyHeader": []}]


class TestBodies:
    def test_a_body_that_is_not_json_is_refused(self) -> None:
        answer = ask(ThreadedSandbox(), "PUT", "/clock", content=b"{", headers={"Content-Type": JSON})
        assert "not JSON" in read_refusal(answer, 400)
        assert "not JSON" in read_refusal(ask(ThreadedSandbox(), "PUT", "/clock"), 400)

    def test_json_that_is_nested_too_deeply_is_refused(self) -> None:
        deep = b'{"campaigns": [{"id": "c1", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"
        answer = ask(ThreadedSandbox(), "POST", "/seed", content=deep, headers={"Content-Type": JSON})

        assert "nested too deeply" in read_refusal(answer, 400)

    async def test_a_body_that_is_too_large_is_refused(self) -> None:
        async with Sandbox(max_body=10) as sandbox, aiohttp.ClientSession(sandbox.url) as http:
            async with http.post("/_sandbox/faults", json={"status": 503}) as answer:
                assert answer.status == 413
            assert sandbox.faults == ()

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
    )
    def test_content_types_that_a_form_can_send_are_refused(self, kind: str | None) -> None:
        sandbox = ThreadedSandbox()
        headers = {} if kind is None else {"content-type": kind}
        answer = ask(sandbox, "POST", "/faults", content=b'{"status": 503}', headers=headers)

        assert "header Content-Type" in read_refusal(answer, 415)
        assert sandbox.faults == ()

    def test_an_empty_form_is_refused(self) -> None:
        answer = ask(ThreadedSandbox(), "POST", "/reset", headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert "header Content-Type" in read_refusal(answer, 415)

    async def test_a_content_type_without_a_body_is_accepted(self, sandbox: Sandbox) -> None:
        async with aiohttp.ClientSession(sandbox.url) as http, http.post("/_sandbox/reset") as answer:
            assert answer.status == 200

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
    def test_json_is_accepted_with_parameters_and_in_any_case(self, kind: str) -> None:
        assert ask(ThreadedSandbox(), "POST", "/faults", content=b"{}", headers={"Content-Type": kind}).status == 201


class TestOtherSites:
    @pytest.mark.parametrize(
        "origin",
        [
            "http://evil.example",
            "http://localhost:3000",
            "https://127.0.0.1:8080",
            "http://127.0.0.1:8080.evil.example",
            "http://127.0.0.1",
            "null",
            "",
        ],
    )
    @pytest.mark.parametrize("host", ["127.0.0.1", ANYWHERE])
    def test_another_origin_is_refused(self, origin: str, host: str) -> None:
        sandbox = ThreadedSandbox(host=host, api_key=KEY)
        sandbox.fault(status=500)
        headers = {"origin": origin, "api-key": KEY}

        assert "header Origin" in read_refusal(ask(sandbox, "POST", "/reset", headers=headers), 403)
        assert len(sandbox.faults) == 1

    @pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "LocalHost"])
    def test_the_control_s_own_origin_is_accepted(self, host: str) -> None:
        headers = {"Host": host, "Origin": f"http://{host.lower()}", "Sec-Fetch-Site": "same-origin"}
        assert ask(ThreadedSandbox(), "POST", "/reset", headers=headers).status == 200

    @pytest.mark.parametrize(
        ("site", "status"),
        [("cross-site", 403), ("same-site", 403), ("odd", 403), ("same-origin", 200), ("none", 200)],
    )
    def test_sec_fetch_site_decides(self, site: str, status: int) -> None:
        answer = ask(ThreadedSandbox(), path="/journal", headers={"sec-fetch-site": site})
        if status == 403:
            assert "header Sec-Fetch-Site" in read_refusal(answer, 403)
        assert answer.status == status

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "192.168.0.1",
            "0.0.0.0:8080",
            "[::2]",
            "evil@localhost",
            "localhost:x",
            "",
        ],
    )
    def test_a_foreign_host_is_refused(self, host: str) -> None:
        assert "header Host" in read_refusal(ask(ThreadedSandbox(), path="/journal", headers={"Host": host}), 403)

    @pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "127.0.0.2"])
    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.0.0.2", "[::1]", "[::1]:8080"])
    def test_a_loopback_host_is_accepted(self, bound: str, host: str) -> None:
        assert ask(ThreadedSandbox(host=bound), path="/journal", headers={"Host": host}).status == 200

    def test_a_request_without_a_host_is_refused(self) -> None:
        answer = answer_control(Sandbox()._state, ControlRequest("GET", "/journal", {}, {}, b""))
        assert "header Host" in read_refusal(answer, 403)

    @pytest.mark.parametrize("path", ["", "/journal", "/nowhere", "/reset"])
    def test_no_answer_has_cors_headers(self, path: str) -> None:
        for method in ("GET", "OPTIONS", "POST"):
            for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:8080"}):
                names = {name.lower() for name in ask(ThreadedSandbox(), method, path, headers=headers).headers}
                assert not any(name.startswith("access-control") for name in names)
                assert {"cache-control", "x-content-type-options"} <= names

    async def test_the_checks_apply_over_a_socket(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            async with http.get("/_sandbox/journal", headers=headers) as answer:
                assert answer.status == 403
        async with http.get("/_sandbox/journal", headers={"Origin": sandbox.url}) as answer:
            assert answer.status == 200


class TestFromOtherMachines:
    @pytest.mark.parametrize(
        "options",
        [
            {"headers": {"authorization": f"bearer {KEY}"}},
            {"headers": {"Api-Key": KEY}},
            {"query": {"api-key": KEY}},
            {"query": {"API-Key": KEY}},
            {"headers": {"Api-Key": KEY, "Host": "sandbox.example:8080"}},
            {"headers": {"Api-Key": KEY, "Authorization": "Basic x"}},
        ],
    )
    @pytest.mark.parametrize("host", [ANYWHERE, "::", "192.168.0.1", "sandbox.example", ""])
    def test_a_request_with_the_key_is_accepted(self, host: str, options: Any) -> None:
        assert ask_directly(Sandbox(host=host, api_key=KEY), path="/journal", **options).status == 200

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"headers": {"Authorization": KEY}},
            {"headers": {"Authorization": f"Basic {KEY}"}},
            {"headers": {"Authorization": "Bearer "}},
            {"headers": {"api-key": KEY[:-1]}},
            {"headers": {"api-key": KEY + "\udcff"}},
            {"headers": {"Host": "127.0.0.1"}},
            {"query": {"api-key": ""}},
            {"query": {"key": KEY}},
        ],
    )
    @pytest.mark.parametrize("host", [ANYWHERE, "::", "192.168.0.1", "sandbox.example", ""])
    def test_a_request_without_the_key_is_refused(self, host: str, options: Any) -> None:
        sandbox = Sandbox(host=host, api_key=KEY)
        for method, path in (("GET", ""), ("GET", "/journal"), ("GET", "/openapi.json"), ("POST", "/reset")):
            answer = ask_directly(sandbox, method, path, **options)
            assert "Authorization: Bearer KEY" in read_refusal(answer, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"

    async def test_the_checks_apply_over_a_socket(self) -> None:
        async with Sandbox(host=ANYWHERE, api_key=KEY) as sandbox, aiohttp.ClientSession() as http:
            url = sandbox.url.replace(ANYWHERE, "127.0.0.1") + "/_sandbox/journal"
            async with http.get(url) as answer:
                assert answer.status == 401
            async with http.get(url, params={"api-key": KEY}) as answer:
                assert answer.status == 200
