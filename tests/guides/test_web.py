"""The web apps of the guide answer with the statuses that it says."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
from support.made import rows

from campaigns_async.sandbox import Sandbox
from guides.apps import serve_by_aiohttp, serve_by_uvicorn
from guides.blocks import code, table
from guides.running import connect, load_module

APPS: dict[str, Callable[[Any], AbstractAsyncContextManager[str]]] = {
    "aiohttp_app": serve_by_aiohttp,
    "fastapi_app": serve_by_uvicorn,
}
EACH_APP = ["aiohttp_app", pytest.param("fastapi_app", marks=pytest.mark.slow)]
ORDER = {
    "reference": "4711",
    "start": "2031-06-27T09:30:00+00:00",
    "sender": "Golf",
    "message": "See you at the tee.",
    "numbers": ["07700 900123", "+44 7700 900456"],
}

REFUSAL = json.dumps({"status": 400, "errors": {"Message": ["The Message field is required."]}})
"""A refusal of a field by the server; the client itself refuses an empty message."""


@pytest.mark.parametrize("name", EACH_APP)
async def test_a_web_app_creates_reads_and_maps_errors(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shown = {cells[0]: cells[2] for cells in table("what happened")}
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        async with APPS[name](load_module(name)) as url, aiohttp.ClientSession(url) as browser:
            async with browser.post("/campaigns", json=ORDER) as answer:
                made = (await answer.json())["id"]
                assert (answer.status, made) == (201, sandbox.created[0]["id"])
            async with browser.get(f"/campaigns/{made}") as answer:
                assert (answer.status, await answer.json()) == (200, {"id": made, "recipients": 2})
            async with browser.get("/campaigns/other") as answer:
                assert answer.status == 404
            async with browser.post("/campaigns", json={**ORDER, "numbers": ["07700 900123", "12"]}) as answer:
                assert answer.status == 422
                said = await answer.json()
                assert said["contacts"] == read_example(shown["the server refused a contact"])["contacts"]
                assert said["errors"] == {f"Contacts[{at}].PhoneNumber": why for at, why in said["contacts"].items()}
            sandbox.fault(
                operation="create", times=1, status=400, body=REFUSAL, content_type="application/problem+json"
            )
            async with browser.post("/campaigns", json=ORDER) as answer:
                assert answer.status == 422
                said = await answer.json()
                assert said["errors"] == read_example(shown["the server refused a field"])["errors"]
                assert (said["contacts"], said["effect"]) == ({}, "rejected")
            for wrong in (
                {"start": "2031-06-27T09:30:00"},
                {"message": ""},
                {"sender": ""},
                {"sender": None},
                {"numbers": None},
                {"numbers": []},
                {"numbers": [""]},
                {"numbers": [None]},
            ):
                async with browser.post("/campaigns", json={**ORDER, **wrong}) as answer:
                    assert answer.status == 422
            for missing in ORDER:
                less = {name: value for name, value in ORDER.items() if name != missing}
                async with browser.post("/campaigns", json=less) as answer:
                    assert answer.status == 422
            for body in (b"", b"no JSON", b"[]", b"5"):
                async with browser.post(
                    "/campaigns", data=body, headers={"Content-Type": "application/json"}
                ) as answer:
                    assert answer.status == 422
            assert [record for record in caplog.records if record.name == "unknown_creates"] == []
            sandbox.fault(times=1, status=504, act=True)
            async with browser.post("/campaigns", json=ORDER) as answer:
                assert (answer.status, (await answer.json())["effect"]) == (502, "unknown")
            assert [record.getMessage()[:11] for record in caplog.records if record.name == "unknown_creates"] == [
                "order 4711:"
            ]
            sandbox.fault(times=1, status=429, headers={"Retry-After": "30"})
            async with browser.post("/campaigns", json=ORDER) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
            asked = len(sandbox.requests)
            for path in ("/campaigns/other", f"/campaigns/{made}"):
                async with browser.get(path) as answer:  # at once, without asking the server again
                    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
            assert len(sandbox.requests) == asked
        assert len(sandbox.created) == 2


def read_example(cell: str) -> dict[str, Any]:
    """Return the JSON of a table's cell."""
    example: dict[str, Any] = json.loads("{" + code(cell)[0] + "}")
    return example


@pytest.mark.parametrize("name", EACH_APP)
@pytest.mark.parametrize("status", [401, 403, 405])
async def test_a_web_app_does_not_blame_the_browser_for_a_wrong_key_or_setting(
    name: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        if status == 401:
            monkeypatch.setenv("CAMPAIGNS_API_KEY", "wrong")
        else:
            sandbox.fault(status=status)
        async with APPS[name](load_module(name)) as url, aiohttp.ClientSession(url) as browser:
            async with browser.post("/campaigns", json=ORDER) as answer:
                assert (answer.status, (await answer.json())["effect"]) == (502, "rejected")
            async with browser.get("/campaigns/c000") as answer:
                assert answer.status == 502


@pytest.mark.parametrize("name", EACH_APP)
async def test_a_web_app_says_that_the_server_is_unreachable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
    quick = load_module(name, ("Timeouts(deadline=DEADLINE)", "Timeouts(deadline=DEADLINE), retry=RetryPolicy(attempts=1)"),
                        ("    PoolSaturatedError,\n", "    PoolSaturatedError,\n    RetryPolicy,\n"))  # fmt: skip
    async with APPS[name](quick) as url, aiohttp.ClientSession(url) as browser:
        async with browser.post("/campaigns", json=ORDER) as answer:
            assert (answer.status, (await answer.json())["effect"]) == (502, "not_sent")
        async with browser.get("/campaigns/c000") as answer:
            assert answer.status == 502


@pytest.mark.parametrize("name", EACH_APP)
async def test_a_web_app_that_is_full_says_so_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox(rows(1)) as sandbox:
        connect(sandbox, monkeypatch)
        release = asyncio.Event()
        sandbox.fault(operation="create", hold=release)
        small = load_module(name, ('overload="raise"', 'overload="raise", max_concurrency=1, max_waiting=0'))
        async with APPS[name](small) as url, aiohttp.ClientSession(url) as browser:
            first = asyncio.create_task(browser.post("/campaigns", json=ORDER))
            await sandbox.wait_received(1, "create")
            async with browser.get("/campaigns/c000") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            release.set()
            async with await first as answer:
                assert answer.status == 201


@pytest.mark.parametrize("name", EACH_APP)
async def test_a_web_app_gives_up_after_its_deadline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox(rows(1)) as sandbox:
        connect(sandbox, monkeypatch)
        sandbox.fault(operation="get", hold=asyncio.Event())
        hasty = load_module(name, ("DEADLINE = 5", "DEADLINE = 0.1"))
        async with (
            APPS[name](hasty) as url,
            aiohttp.ClientSession(url) as browser,
            browser.get("/campaigns/c000") as answer,
        ):
            assert answer.status == 504


class Heard(logging.Handler):
    """A log handler that sets an event at its first record."""

    def __init__(self) -> None:
        super().__init__()
        self.once = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        self.once.set()


@pytest.mark.parametrize("name", EACH_APP)
async def test_a_create_goes_on_when_the_browser_goes_away(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        release = asyncio.Event()
        sandbox.fault(operation="create", status=504, act=True, hold=release)
        app = load_module(name)
        heard = Heard()
        app.unknown_creates.addHandler(heard)
        try:
            async with APPS[name](app) as url:
                await leave_early(url, sandbox)
                release.set()
                async with asyncio.timeout(10):
                    await heard.once.wait()
        finally:
            app.unknown_creates.removeHandler(heard)


async def test_a_create_that_is_cancelled_with_its_handler_is_on_record(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        sandbox.fault(operation="create", hold=asyncio.Event())
        app = load_module("aiohttp_app")
        async with serve_by_aiohttp(app, handler_cancellation=True) as url:
            await leave_early(url, sandbox)
            async with asyncio.timeout(10):
                while app.app[app.CLIENT].stats().in_flight:
                    await asyncio.sleep(0)
        assert len(sandbox.created) == 1
    assert "order 4711: CancelledError()" in caplog.text


async def leave_early(url: str, sandbox: Sandbox) -> None:
    """Order a campaign, and go away while it is being created."""
    async with aiohttp.ClientSession(url) as browser:
        asked = asyncio.create_task(browser.post("/campaigns", json=ORDER))
        await sandbox.wait_received(1, "create")
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


@pytest.mark.slow
async def test_the_app_of_the_readme_maps_every_error(monkeypatch: pytest.MonkeyPatch) -> None:
    order = {
        "startDateTime": ORDER["start"],
        "sender": "Golf",
        "message": "See you.",
        "contacts": [{"phoneNumber": "07700 900123"}],
    }
    async with Sandbox() as sandbox:
        connect(sandbox, monkeypatch)
        async with serve_by_uvicorn(load_module("readme_app")) as url, aiohttp.ClientSession(url) as browser:

            async def post(order: object) -> tuple[int, str | None]:
                async with browser.post("/campaigns", json=order) as answer:
                    return answer.status, (await answer.json()).get("effect")

            assert await post(order) == (201, None)
            assert [status for status, _ in [await post({**order, "contacts": []}), await post({})]] == [422, 422]
            for fault, expected in (
                ({"status": 504}, (502, "unknown")),
                ({"status": 401}, (502, "rejected")),
                ({"status": 400}, (422, "rejected")),
            ):
                sandbox.fault(times=1, **fault)
                assert await post(order) == expected
            await sandbox.stop()
            assert await post(order) == (502, "not_sent")
