"""Each preset has the effect of its name, and carries the request out as documented."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest

from campaigns_async.sandbox import Fault, Sandbox, presets

PRESETS: dict[str, Callable[..., Fault]] = {
    name: made
    for name, made in vars(presets).items()
    if inspect.isfunction(made) and made.__module__ == presets.__name__ and not name.startswith("_")
}
SECONDS = {"slow", "slow_body", "listed_late"}


def make(name: str, **where: Any) -> Fault:
    """Return a preset, with short waits if it needs any."""
    return PRESETS[name](*([0.001] if name in SECONDS else []), **where)


async def create(http: aiohttp.ClientSession, new: dict[str, Any]) -> tuple[int, str, str]:
    """Return the status, the content type and the text of the answer to a create."""
    async with http.post("/api/Campaigns", json=new) as answer:
        return answer.status, answer.headers.get("Content-Type", ""), await answer.text()


async def count_listed(http: aiohttp.ClientSession) -> int:
    """Return the number of listed campaigns. Earlier requests would have been answered before the list is."""
    async with http.get("/api/Campaigns") as answer:
        total: int = (await answer.json())["totalRecords"]
        return total


class TestStatuses:
    @pytest.mark.parametrize(
        ("fault", "status", "wait"),
        [
            (presets.throttled(), 429, "1"),
            (presets.throttled(0), 429, "0"),
            (presets.throttled(retry_after=30), 429, "30"),
            (presets.throttled(None), 429, None),
            (presets.throttled(datetime(2031, 6, 27, 9, 30, tzinfo=UTC)), 429, "Fri, 27 Jun 2031 09:30:00 GMT"),
            (presets.unavailable(), 503, None),
            (presets.unavailable(retry_after=2), 503, "2"),
        ],
    )
    async def test_a_throttled_request_gets_the_retry_after(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, fault: Fault, status: int, wait: str | None
    ) -> None:
        sandbox.add_fault(fault)

        async with http.get("/api/Campaigns") as answer:
            assert (answer.status, answer.headers.get("Retry-After"), await answer.text()) == (status, wait, "")

    @pytest.mark.parametrize("preset", [presets.throttled, presets.unavailable])
    def test_an_invalid_retry_after_is_refused(self, preset: Callable[..., Fault]) -> None:
        with pytest.raises(ValueError, match="retry_after must be 0 seconds or more"):
            preset(-1)
        with pytest.raises(ValueError, match=r"retry_after must be a whole number of seconds.*, not float"):
            preset(1.5)
        for moment in (datetime(2031, 6, 27), datetime(2031, 6, 27, tzinfo=timezone(timedelta(hours=1)))):
            with pytest.raises(ValueError, match="UTC"):
                preset(moment)

    @pytest.mark.parametrize("preset", [presets.throttled, presets.unavailable])
    async def test_a_throttled_request_is_not_carried_out(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any], preset: Callable[..., Fault]
    ) -> None:
        sandbox.add_fault(preset())

        await create(http, new)

        assert sandbox.created == []

    @pytest.mark.parametrize("acted", [False, True])
    @pytest.mark.parametrize(
        ("preset", "status", "page"),
        [
            (presets.server_error, 500, ""),
            (presets.gateway_timeout, 504, "504 Gateway Time-out"),
            (presets.html_page, 502, "502 Bad Gateway"),
        ],
    )
    async def test_acted_decides_whether_a_failing_request_is_carried_out(
        self,
        sandbox: Sandbox,
        http: aiohttp.ClientSession,
        new: dict[str, Any],
        preset: Callable[..., Fault],
        status: int,
        page: str,
        acted: bool,
    ) -> None:
        sandbox.add_fault(preset(acted=acted))

        met, kind, text = await create(http, new)

        assert met == status
        assert (kind.startswith("text/html"), page in text) == (bool(page), True)
        assert len(sandbox.created) == acted

    @pytest.mark.parametrize("preset", [presets.server_error, presets.gateway_timeout, presets.html_page])
    async def test_a_failing_request_is_not_carried_out_by_default(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any], preset: Callable[..., Fault]
    ) -> None:
        sandbox.add_fault(preset())

        await create(http, new)

        assert sandbox.created == []

    async def test_a_gateway_may_time_out_before_the_request_is_carried_out(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        rule = sandbox.add_fault(presets.gateway_timeout(act_after=0.02))

        assert (await create(http, new))[0] == 504
        await sandbox.wait_acted(1)

        assert (len(sandbox.created), rule.fault.act_after) == (1, 0.02)

    def test_acted_and_act_after_exclude_each_other(self) -> None:
        with pytest.raises(ValueError, match="act_after"):
            presets.gateway_timeout(acted=True, act_after=1)

    async def test_an_html_page_may_have_any_status(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        sandbox.add_fault(presets.html_page(200))

        async with http.get("/api/Campaigns") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert (await answer.text()).startswith("<html>")


class TestConnections:
    @pytest.mark.parametrize(("preset", "created"), [(presets.lost_request, 0), (presets.lost_answer, 1)])
    async def test_a_lost_request_is_not_carried_out_and_one_with_a_lost_answer_is(
        self,
        sandbox: Sandbox,
        http: aiohttp.ClientSession,
        new: dict[str, Any],
        preset: Callable[..., Fault],
        created: int,
    ) -> None:
        sandbox.add_fault(preset())

        with pytest.raises((ConnectionResetError, aiohttp.ClientOSError), match="reset by peer"):
            await create(http, new)

        assert len(sandbox.created) == created

    async def test_a_request_with_a_cut_answer_was_carried_out(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.add_fault(presets.cut_answer())

        async with http.post("/api/Campaigns", json=new) as answer:
            assert answer.status == 201
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()

        assert len(sandbox.created) == 1

    async def test_an_empty_answer_has_the_proper_status_and_was_carried_out(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.add_fault(presets.empty_answer())

        assert await create(http, new) == (201, "", "")
        assert len(sandbox.created) == 1

    async def test_a_stale_connection_carries_one_request_out_and_not_the_next(
        self, sandbox: Sandbox, open_session: Callable[..., aiohttp.ClientSession], new: dict[str, Any]
    ) -> None:
        sandbox.add_fault(presets.stale_connection(times=1))
        async with open_session(sandbox, connector=aiohttp.TCPConnector(limit=1)) as http:
            assert (await create(http, new))[0] == 201
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await create(http, new)
            assert (await create(http, new))[0] == 201

        assert [request.acted for request in sandbox.requests] == [True, False, True]


class TestTime:
    @pytest.mark.parametrize("preset", [presets.slow, presets.slow_body])
    async def test_a_slow_request_is_carried_out_at_once(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any], preset: Callable[..., Fault]
    ) -> None:
        sandbox.add_fault(preset(3600, operation="create"))

        waiting = asyncio.create_task(create(http, new))
        await sandbox.wait_acted(1)
        assert await count_listed(http) == 1

        assert len(sandbox.created) == 1
        # The slow answer is not sent yet; of a slow body the status was sent.
        assert sandbox.in_flight == 1
        assert not waiting.done()
        waiting.cancel()

    @pytest.mark.parametrize("preset", [presets.slow, presets.slow_body])
    async def test_a_slow_answer_arrives(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any], preset: Callable[..., Fault]
    ) -> None:
        sandbox.add_fault(preset(0.001))

        status, _, text = await create(http, new)

        assert (status, text) == (201, f'"{sandbox.created[0]["id"]}"')

    async def test_a_hanging_request_was_carried_out_and_is_answered_once_it_is_released(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        rule = sandbox.add_fault(presets.hanging(operation="create"))
        waiting = asyncio.create_task(create(http, new))
        await sandbox.wait_acted(1)
        assert await count_listed(http) == 1
        assert (sandbox.requests[0].status, sandbox.in_flight) == (None, 1)

        rule.release()

        assert (await waiting)[0] == 201

    async def test_a_hanging_request_may_never_be_carried_out(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        rule = sandbox.add_fault(presets.hanging(operation="create", acted=False))
        waiting = asyncio.create_task(create(http, new))
        await sandbox.wait_received(1)
        assert await count_listed(http) == 0
        assert (sandbox.requests[0].status, sandbox.in_flight) == (None, 1)

        rule.release()

        with pytest.raises(aiohttp.ServerDisconnectedError):
            await waiting
        assert sandbox.created == []

    async def test_a_campaign_that_is_listed_late_can_be_read_at_once(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        sandbox.add_fault(presets.listed_late(3600, times=1))

        for _ in range(2):
            assert (await create(http, new))[0] == 201

        first, second = (row["id"] for row in sandbox.created)
        async with http.get("/api/Campaigns") as answer:
            assert [row["id"] for row in (await answer.json())["items"]] == [second]
        async with http.get(f"/api/Campaigns/{first}") as answer:
            assert answer.status == 200

    def test_only_creates_are_listed_late(self) -> None:
        assert presets.listed_late(1).operation == "create"
        with pytest.raises(ValueError, match="operation='create'"):
            presets.listed_late(1, operation="list")


class TestWhere:
    @pytest.mark.parametrize("name", PRESETS)
    def test_every_preset_takes_the_fields_that_select_requests(self, name: str) -> None:
        def always(_: object) -> bool:
            return True

        where: dict[str, Any] = {
            "operation": "create",
            "when": always,
            "nth": 2,
            "every": 3,
            "times": 4,
            "share": 0.5,
            "seed": 6,
            "recipient": "07700 900123",
        }
        assert set(where) == set(presets.Where.__annotations__)
        assert {*PRESETS, "Where"} == set(presets.__all__)

        fault = make(name, **where)

        assert {field: getattr(fault, field) for field in where} == where

    @pytest.mark.parametrize("name", PRESETS)
    def test_every_preset_documents_whether_the_request_is_carried_out(self, name: str) -> None:
        assert "carried out" in (PRESETS[name].__doc__ or "")

    async def test_a_preset_may_meet_one_recipient_only(
        self, sandbox: Sandbox, http: aiohttp.ClientSession, new: dict[str, Any]
    ) -> None:
        rule = sandbox.add_fault(presets.server_error(recipient="+44 7700 900124"))

        assert (await create(http, {**new, "contacts": new["contacts"][:1]}))[0] == 201
        assert (await create(http, new))[0] == 500
        assert rule.fired == 1
