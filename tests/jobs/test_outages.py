"""Outages of a server during a durable send: few rows become unknown, and what ends an outage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.made import client_of, new_campaign

from campaigns_async import NewCampaign, RetryPolicy, Timeouts
from campaigns_async.jobs import Job, Summary, send
from campaigns_async.sandbox import Sandbox

HTML = {"body": "<html>Maintenance</html>", "content_type": "text/html"}
CONCURRENCY = 32
"""The default of the client."""
Rows = list[tuple[str, NewCampaign]]


def rows(count: int) -> Rows:
    return [(f"row {number}", new_campaign(number, size=1)) for number in range(count)]


def count_requests(sandbox: Sandbox, operation: str) -> int:
    return sum(request.operation == operation for request in sandbox.requests)


async def send_through_outage(sandbox: Sandbox, journal: Path, count: int, **settings: Any) -> Summary:
    async with client_of(sandbox, **settings) as client:
        return await send(client, rows(count), journal, reconcile=False, give_up_after=1.2)


@pytest.mark.parametrize(
    ("fault", "most"),
    [
        pytest.param({"status": 503, "act": True}, CONCURRENCY + 1, id="503"),
        pytest.param({"drop": "close", "act": True}, CONCURRENCY + 10 + 1, id="dropped"),
        pytest.param({"status": 200, "act": True, **HTML}, CONCURRENCY + 1, id="a 200 page"),
        pytest.param({"status": 201, "act": True}, CONCURRENCY + 10 + 1, id="an empty 201"),
        pytest.param({"delay": 30, "act": True}, CONCURRENCY + 10 + 1, id="late"),
    ],
)
async def test_a_server_that_fails_every_create_leaves_few_rows_unknown(
    sandbox: Sandbox, tmp_path: Path, fault: dict[str, Any], most: int
) -> None:
    sandbox.fault(operation="create", **fault)
    timeouts = Timeouts(read=0.4, deadline=20, grace=0.2)
    summary = await send_through_outage(sandbox, tmp_path / "journal", 300, timeouts=timeouts)
    assert summary.stopped is not None
    assert 1 <= summary.unknown <= most
    assert summary.planned == 300 - summary.unknown
    assert count_requests(sandbox, "create") == summary.unknown
    assert 1 <= count_requests(sandbox, "list") <= 2, "a probe after each pause"


async def test_while_probes_fail_no_row_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(status=503)
    summary = await send_through_outage(sandbox, tmp_path / "journal", 300)
    assert summary.unknown == count_requests(sandbox, "create") <= CONCURRENCY
    assert count_requests(sandbox, "list") == 1
    assert summary.stopped is not None


async def test_rows_that_wait_for_the_rate_limit_are_not_sent_into_an_outage(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(status=503)
    summary = await send_through_outage(sandbox, tmp_path / "journal", 40, rate_limit=20)
    assert summary.unknown <= 2
    assert summary.planned == 40 - summary.unknown


async def test_a_row_that_is_due_for_another_attempt_is_not_sent_into_an_outage(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fault(operation="create", nth=1, times=1, status=429, headers={"Retry-After": "1"})
    sandbox.fault(operation="create", status=503)
    async with client_of(sandbox, max_concurrency=2, retry=RetryPolicy(base=0.001, cap=0.002)) as client:
        summary = await send(client, rows(2), tmp_path / "journal", reconcile=False, give_up_after=0.4)
    assert (summary.unknown, summary.planned) == (1, 1)
    assert count_requests(sandbox, "create") == 2


async def test_an_outage_that_ends_is_noticed_by_a_probe_and_one_row(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", times=4, status=503)
    async with client_of(sandbox, max_concurrency=4) as client:
        summary = await send(client, rows(40), tmp_path / "journal", reconcile=False)
    assert (summary.unknown, summary.created, summary.stopped) == (4, 36, None)
    operations = [request.operation for request in sandbox.requests]
    assert operations[4:6] == ["list", "create"]


async def test_a_response_to_a_row_in_flight_does_not_end_an_outage(sandbox: Sandbox, tmp_path: Path) -> None:
    slow = sandbox.fault(operation="create", nth=1, times=1, hang=True, act=True)
    sandbox.fault(status=503)
    async with client_of(sandbox, max_concurrency=2) as client:
        running = asyncio.ensure_future(
            send(client, rows(20), tmp_path / "journal", reconcile=False, give_up_after=1.2)
        )
        await sandbox.wait_received(2)
        await asyncio.sleep(0.1)
        slow.release()
        summary = await running
    assert summary.created + summary.unknown == 2
    assert summary.stopped is not None
    assert count_requests(sandbox, "create") == 2


async def test_a_key_that_may_not_list_does_not_prolong_an_outage(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", times=2, status=503)
    sandbox.fault(operation="list", status=403)
    async with client_of(sandbox, max_concurrency=2) as client:
        summary = await send(client, rows(10), tmp_path / "journal", reconcile=False)
    assert (summary.unknown, summary.created) == (2, 8)


async def test_a_probe_that_meets_what_time_does_not_heal_stops_the_run(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", times=2, status=503)
    sandbox.fault(operation="list", status=401)
    async with client_of(sandbox, max_concurrency=2) as client:
        summary = await send(client, rows(10), tmp_path / "journal", reconcile=False)
    assert summary.unknown == 2
    assert summary.stopped is not None
    assert "401" in summary.stopped


async def test_a_stop_ends_a_probe(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", times=2, status=503)
    sandbox.fault(operation="list", hang=True)
    async with client_of(sandbox, max_concurrency=2) as client:
        job = Job(client, rows(10), journal=tmp_path / "journal", reconcile=False)
        running = asyncio.ensure_future(job.run())
        await sandbox.wait_received(1, "list")
        job.stop()
        summary = await running
    assert (summary.unknown, summary.planned, summary.stopped) == (2, 8, "interrupted")


async def test_a_probe_that_hangs_does_not_outlast_give_up_after(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault(operation="create", times=2, status=503)
    sandbox.fault(operation="list", hang=True)
    async with client_of(sandbox, max_concurrency=2) as client:
        summary = await send(client, rows(10), tmp_path / "journal", reconcile=False, give_up_after=0.8)
    assert summary.elapsed < 3
    assert summary.stopped is not None
    assert "503" in summary.stopped
