"""Edge cases: seeds of any type, the end of the calendar, keys in the wrong place, requests not carried out yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest

from campaigns_async.sandbox import Clock, Fault, Sandbox, presets

Open = Callable[..., aiohttp.ClientSession]
ODD = [
    {"id": "a", "sender": 5, "status": "x", "recipientCount": "7", "message": ["text"]},
    {"id": "b", "sender": "Golf", "status": 1, "recipientCount": 7, "message": "Fore!"},
    {"id": "c", "sender": None, "status": [1], "recipientCount": True, "message": None},
]


@pytest.mark.parametrize(
    "query",
    [
        {"filters": "sender@=G"},
        {"filters": "recipientCount>1"},
        {"filters": "status==1"},
        {"filters": "message_=*f"},
    ],
    ids=str,
)
async def test_a_seed_of_another_type_counts_as_null(open_session: Open, query: dict[str, str]) -> None:
    async with (
        Sandbox(ODD) as sandbox,
        open_session(sandbox) as http,
        http.get("/api/campaigns", params=query) as answer,
    ):
        assert [row["id"] for row in (await answer.json())["items"]] == ["b"]


@pytest.mark.parametrize("sorts", ["sender", "status", "recipientCount", "-message"])
async def test_a_seed_of_another_type_is_sorted_as_null(open_session: Open, sorts: str) -> None:
    async with Sandbox(ODD) as sandbox, open_session(sandbox) as http:
        async with http.get("/api/campaigns", params={"sorts": sorts}) as answer:
            assert answer.status == 200
        async with http.delete("/api/campaigns/c") as answer:
            assert answer.status == 204
        assert sandbox.campaigns == ODD[:2]


async def test_the_double_send_check_fails_while_a_request_is_not_carried_out_yet(
    open_session: Open, new: dict[str, Any]
) -> None:
    async with Sandbox() as sandbox, open_session(sandbox) as http:
        sandbox.add_fault(presets.gateway_timeout(act_after=0.05, times=1))
        for _ in range(2):
            await http.post("/api/campaigns", json=new)
        with pytest.raises(AssertionError, match="1 answered requests are not carried out yet"):
            sandbox.assert_no_double_send()
        await sandbox.wait_acted(2)
        with pytest.raises(AssertionError, match="sent twice"):
            sandbox.assert_no_double_send()


async def test_a_reset_clears_stale_connections_and_restores_the_given_faults(open_session: Open) -> None:
    given = Fault(status=503, nth=3)
    async with Sandbox(faults=[given]) as sandbox, open_session(sandbox) as http:
        sandbox.add_fault(presets.stale_connection(times=1))
        assert (await http.get("/api/campaigns")).status == 200
        sandbox.reset()
        assert [(await http.get("/api/campaigns")).status for _ in range(4)] == [200, 200, 503, 503]
        assert [request.connection for request in sandbox.requests] == [1] * 4
        assert [rule.fault for rule in sandbox.faults] == [given]


def test_the_clock_stops_at_the_end_of_the_calendar() -> None:
    machine = [0.0]
    clock = Clock(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), machine=lambda: machine[0])
    clock.run()
    machine[0] += 5
    assert clock.now() == datetime.max.replace(tzinfo=UTC)
    with pytest.raises(ValueError, match="9999"):
        clock.set(datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))))


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/campaigns?apikey=sesame", {}),
        ("/api/campaigns/sesame", {}),
        ("/api/campaigns", {"X-Api-Key": "sesame"}),
        ("/api/campaigns", {"sesame": "x"}),
    ],
)
async def test_a_key_in_the_wrong_place_is_not_shown_over_http(path: str, headers: dict[str, str]) -> None:
    async with Sandbox(api_key="sesame") as sandbox, aiohttp.ClientSession(sandbox.url) as http:
        await http.post(path, headers=headers, json={"key": "sesame"})
        async with http.get("/_sandbox/journal") as answer:
            shown = await answer.text()
    assert "(key)" in shown
    assert "sesame" not in shown.lower()


@pytest.mark.parametrize("choice", ["5", "6", "7", "8"])
async def test_a_magic_recipient_is_checked_after_the_key_and_the_fields(
    open_session: Open, new: dict[str, Any], choice: str
) -> None:
    new["contacts"] = [{"phoneNumber": f"077009000{choice}0"}]
    async with Sandbox(magic_recipients=True) as sandbox, open_session(sandbox) as http:
        async with http.post("/api/campaigns", json=new, headers={"Authorization": "Bearer other"}) as answer:
            assert answer.status == 401
        async with http.post("/api/campaigns", json={**new, "message": ""}) as answer:
            assert answer.status == 400
        async with http.post("/api/campaigns", data=b"{}", headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 415


async def test_a_body_that_is_nested_too_deeply_is_refused_and_shown_as_text(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    deep = '{"sender": ' + "[" * 100_000 + "]" * 100_000 + "}"
    sandbox.fault(recipient="07700 900123", status=500)
    async with http.post("/api/Campaigns", data=deep, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 400
    assert sandbox.requests[0].body is None
    async with http.get("/_sandbox/journal") as answer:
        assert (await answer.json())["requests"][0]["body"] == deep
