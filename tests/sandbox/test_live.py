"""Campaigns that start and complete, on a clock that is set and moved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest
from hypothesis import given, strategies as st
from support.made import START

from campaigns_async.sandbox import Clock, Lifecycle, Sandbox

Open = Callable[..., aiohttp.ClientSession]
PENDING, SENDING, SUBMITTED, COMPLETED = 0, 1, 2, 5


async def create_campaign(http: aiohttp.ClientSession, new: dict[str, Any]) -> str:
    async with http.post("/api/campaigns", json=new) as answer:
        assert answer.status == 201
        key: str = await answer.json()
        return key


async def status_of(http: aiohttp.ClientSession, key: str) -> int:
    async with http.get(f"/api/campaigns/{key}") as answer:
        status: int = (await answer.json())["status"]
        return status


async def read_status(http: aiohttp.ClientSession, method: str, key: str, **options: Any) -> int:
    async with http.request(method, f"/api/campaigns/{key}", **options) as answer:
        await answer.read()
        return answer.status


class TestCampaigns:
    async def test_a_campaign_goes_from_pending_to_completed_over_time(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        life = Lifecycle(sending=10, submitted=20)
        async with Sandbox(now=START - timedelta(seconds=1), lifecycle=life) as sandbox, open_session(sandbox) as http:
            key = await create_campaign(http, new)
            seen = []
            for seconds in (0, 0.999, 0.001, 9.999, 0.001, 19.999, 0.001, 10**6):
                sandbox.clock.move(seconds)
                seen.append(await status_of(http, key))
                assert sandbox.campaigns[0]["status"] == seen[-1]

        assert seen == [PENDING, PENDING, SENDING, SENDING, SUBMITTED, SUBMITTED, COMPLETED, COMPLETED]

    async def test_a_large_move_of_the_clock_completes_every_campaign(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox(now=START - timedelta(days=1)) as sandbox, open_session(sandbox) as http:
            keys = [await create_campaign(http, new) for _ in range(3)]
            sandbox.clock.set(START + timedelta(days=1))

            assert [await status_of(http, key) for key in keys] == [COMPLETED] * 3

    async def test_a_campaign_with_a_past_start_begins_at_once(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox(now=START + timedelta(seconds=1)) as sandbox, open_session(sandbox) as http:
            assert await status_of(http, await create_campaign(http, new)) == SENDING

    async def test_lists_and_filters_use_the_current_status(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox(now=START - timedelta(seconds=1)) as sandbox, open_session(sandbox) as http:
            await create_campaign(http, new)
            sandbox.clock.move(1)
            async with http.get("/api/campaigns", params={"filters": "status==sending"}) as answer:
                page = await answer.json()

        assert [item["status"] for item in page["items"]] == [SENDING]

    async def test_a_started_campaign_cannot_be_changed_or_deleted(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox(now=START - timedelta(seconds=1)) as sandbox, open_session(sandbox) as http:
            key = await create_campaign(http, new)
            assert await read_status(http, "PUT", key, json={**new, "sender": "Tennis"}) == 204
            for _ in range(3):
                sandbox.clock.move(31)
                before = sandbox.campaigns

                async with http.put(f"/api/campaigns/{key}", json=new) as answer:
                    problem = await answer.json(content_type=None)
                assert (answer.status, problem["status"], problem["title"]) == (409, 409, "Conflict")
                assert await read_status(http, "DELETE", key) == 409
                assert sandbox.campaigns == before
            assert await read_status(http, "DELETE", "nobody") == 404
            assert await read_status(http, "PUT", key, json={}) == 400

    async def test_a_postponed_campaign_begins_at_its_new_time_only(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox(now=START - timedelta(hours=1)) as sandbox, open_session(sandbox) as http:
            key = await create_campaign(http, new)
            for start in ("2031-05-01T12:00:00.000Z", "2031-05-01T10:00:00.000Z"):
                assert await read_status(http, "PUT", key, json={**new, "startDateTime": start}) == 204
            sandbox.clock.set(START + timedelta(minutes=29))
            assert await status_of(http, key) == PENDING
            sandbox.clock.set(START + timedelta(minutes=30))
            assert await status_of(http, key) == SENDING
            sandbox.clock.set(START + timedelta(days=1))
            assert await status_of(http, key) == COMPLETED

    async def test_a_campaign_deleted_before_its_start_never_begins(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        async with Sandbox(now=START - timedelta(hours=1)) as sandbox, open_session(sandbox) as http:
            assert await read_status(http, "DELETE", await create_campaign(http, new)) == 204
            sandbox.clock.set(START + timedelta(days=1))

            assert sandbox.campaigns == []
            assert sandbox.messages == []

    async def test_setting_the_clock_back_does_not_undo_a_send(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox(now=START) as sandbox, open_session(sandbox) as http:
            key = await create_campaign(http, new)
            assert await status_of(http, key) == SENDING
            sandbox.clock.move(-3600)
            assert await status_of(http, key) == SENDING

    @pytest.mark.parametrize("status", [None, 0, 1, 3, 77, "odd"])
    async def test_seeded_rows_stay_as_they_were_given(self, open_session: Open, status: object) -> None:
        seeded = {"id": "c1", "startDateTime": "2031-05-01T09:30:00Z", "status": status, "recipientCount": -4}
        async with Sandbox([seeded], now=START + timedelta(days=1)) as sandbox, open_session(sandbox) as http:
            async with http.get("/api/campaigns") as answer:
                assert (await answer.json())["items"] == [seeded]
            assert sandbox.campaigns == [seeded]

    async def test_created_shows_campaigns_as_they_were_created(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox(now=START) as sandbox, open_session(sandbox) as http:
            await status_of(http, await create_campaign(http, new))
            sandbox.clock.move(timedelta(days=1))
            assert sandbox.created[0]["status"] == PENDING

    async def test_messages_are_sent_once_the_campaign_is_submitted(
        self, open_session: Open, new: dict[str, Any]
    ) -> None:
        seeded = {"id": "c1", "status": 5}
        life = Lifecycle(sending=1, submitted=1)
        async with Sandbox([seeded], now=START, lifecycle=life) as sandbox, open_session(sandbox) as http:
            key = await create_campaign(http, new)
            assert sandbox.messages == []
            sandbox.clock.move(1)
            assert sandbox.messages == [
                {"campaignId": key, "phoneNumber": "07700900123", "status": 0},
                {"campaignId": key, "phoneNumber": "+44 7700 900124", "status": 0},
            ]
            sandbox.clock.move(1)
            assert [message["status"] for message in sandbox.messages] == [1, 1]

    async def test_a_reset_restores_the_clock(self, open_session: Open, new: dict[str, Any]) -> None:
        async with Sandbox(now=START) as sandbox, open_session(sandbox) as http:
            sandbox.clock.move(100)
            await create_campaign(http, new)
            sandbox.reset()
            assert sandbox.clock.now() == START
            sandbox.clock.move(100)
            assert sandbox.campaigns == []
        async with Sandbox() as sandbox:
            sandbox.clock.set(START)
            sandbox.reset()
            assert sandbox.clock.running

    @pytest.mark.parametrize("bad", [{"sending": -1}, {"submitted": float("inf")}, {"sending": float("nan")}])
    def test_an_invalid_lifecycle_is_refused(self, bad: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=r"must be (>= 0|< inf)"):
            Lifecycle(**bad)


class TestClock:
    def test_it_runs_with_the_machine_s_time_until_it_is_set(self) -> None:
        machine = [1_000.0]
        clock = Clock(machine=lambda: machine[0])
        assert clock.running
        assert clock.now() == datetime(1970, 1, 1, 0, 16, 40, tzinfo=UTC)
        machine[0] += 5
        clock.move(60)
        assert clock.now() == datetime(1970, 1, 1, 0, 17, 45, tzinfo=UTC)

        clock.set(START)
        machine[0] += 5
        assert not clock.running
        assert clock.now() == START
        clock.move(timedelta(minutes=-1))
        assert clock.now() == START - timedelta(minutes=1)

        clock.run()
        machine[0] += 5
        clock.run()
        assert clock.now() == START - timedelta(seconds=55)
        assert "running" in repr(clock)

    def test_a_time_is_converted_to_utc(self) -> None:
        clock = Clock(datetime(2031, 5, 1, 11, 30, tzinfo=timezone(timedelta(hours=2))))
        assert clock.now() == START
        assert clock.now().tzinfo is UTC

    @pytest.mark.parametrize("by", [float("inf"), float("nan"), 1e300, -1e12, timedelta.max])
    def test_an_invalid_move_is_refused(self, by: float | timedelta) -> None:
        clock = Clock(START)
        with pytest.raises(ValueError, match="the clock"):
            clock.move(by)
        assert clock.now() == START

    def test_a_time_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="zone"):
            Clock(datetime(2031, 5, 1))
        with pytest.raises(ValueError, match="zone"):
            Sandbox(now=datetime(2031, 5, 1))

    @given(st.lists(st.floats(-1e6, 1e6), max_size=8))
    def test_moves_add_up(self, moves: list[float]) -> None:
        clock = Clock(START)
        for by in moves:
            clock.move(by)
        assert clock.now() == START + sum((timedelta(seconds=by) for by in moves), timedelta())
