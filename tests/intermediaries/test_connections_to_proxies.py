"""Connections to a proxy: which of them carry another request, and what is known when they are lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from functools import partial
from itertools import count
from typing import Any

import pytest
from support.made import new_campaign

from campaigns_async import Effect
from campaigns_async.sandbox import Sandbox
from intermediaries.programs import Run, haproxy, nginx, varnish
from intermediaries.truth import Report, check_reports, client_through, create_many, create_one, effects


@pytest.mark.parametrize("proxy", [nginx, haproxy])
async def test_a_connection_carries_another_request_only_after_a_documented_success(
    sandbox: Sandbox, run: Run, proxy: Any
) -> None:
    for nth, status in enumerate((400, 429, 500, 503), 1):
        sandbox.fault(operation="create", nth=2 * nth, every=8, status=status)
    async with run(proxy(sandbox.url)) as running, client_through(running.url, sandbox, max_concurrency=2) as client:
        reports = [await create_one(client, new_campaign(number)) for number in range(12)]
    await check_reports(sandbox, reports)
    statuses: dict[str, list[int]] = {}
    for response in running.responses:
        statuses.setdefault(response.connection, []).append(response.status)
    assert {400, 429, 500, 503} <= {each[-1] for each in statuses.values()}
    assert {status for each in statuses.values() for status in each[:-1]} == {201}, statuses


@pytest.mark.parametrize("fault", [{"drop": "close"}, {"drop": "reset"}], ids=["close", "reset"])
@pytest.mark.parametrize(
    "proxy", [nginx, varnish, partial(haproxy, frontend="http-reuse always")], ids=["nginx", "varnish", "haproxy"]
)
async def test_a_proxy_that_loses_its_own_connection_makes_one_campaign(
    sandbox: Sandbox, run: Run, proxy: Any, fault: dict[str, Any]
) -> None:
    sandbox.fault(operation="create", nth=2, every=2, act=True, **fault)
    async with run(proxy(sandbox.url)) as running:
        reports: list[Report] = []
        for number in range(6):  # a client for each, as Varnish's Retry-After holds all requests of a client
            async with client_through(running.url, sandbox) as client:
                reports.append(await create_one(client, new_campaign(number)))
    await check_reports(sandbox, reports)
    assert [report.effect for report in reports] == [Effect.APPLIED, Effect.UNKNOWN] * 3
    connections = Counter(request.connection for request in sandbox.requests)
    assert max(connections.values()) > 1, "the proxy has lost no connection that it had used before"


@pytest.mark.parametrize("proxy", [nginx, varnish, haproxy])
async def test_a_proxy_that_dies_leaves_creates_in_flight_unknown(sandbox: Sandbox, run: Run, proxy: Any) -> None:
    answer = asyncio.Event()
    sandbox.fault(operation="create", times=64, hold=answer)
    async with run(proxy(sandbox.url)) as running, client_through(running.url, sandbox) as client:
        creating = asyncio.create_task(create_many(client, map(new_campaign, count()), running.directory))
        await sandbox.wait_received(64, "create")
        for pid in running.workers:
            os.kill(pid, signal.SIGKILL)
        reports = list(await creating)
        answer.set()
        reports.append(await create_one(client, new_campaign(64)))
    await check_reports(sandbox, reports)
    assert effects(reports[:64]) == {Effect.UNKNOWN: 64}


@pytest.mark.parametrize(("proxy", "signal_number"), [(nginx, signal.SIGHUP), (haproxy, signal.SIGUSR2)])
async def test_a_proxy_that_reloads_its_configuration(
    sandbox: Sandbox, run: Run, proxy: Any, signal_number: signal.Signals
) -> None:
    sandbox.fault(operation="create", delay=0.05)
    async with run(proxy(sandbox.url)) as running, client_through(running.url, sandbox, max_concurrency=16) as client:
        creating = asyncio.create_task(create_many(client, map(new_campaign, count()), running.directory))
        for received in (8, 32):
            await sandbox.wait_received(received, "create")
            running.process.send_signal(signal_number)
        reports = await creating
    await check_reports(sandbox, reports)
    assert set(effects(reports)) <= {Effect.APPLIED, Effect.UNKNOWN}
    assert effects(reports)[Effect.APPLIED] >= 32


@pytest.mark.parametrize(
    "proxy",
    [
        partial(nginx, server="keepalive_timeout 40ms;"),
        partial(nginx, server="keepalive_requests 2;"),
        partial(varnish, timeout_idle=0.04),
        partial(haproxy, timeouts={"http-keep-alive": "40ms"}),
        partial(haproxy, frontend="option httpclose"),
    ],
    ids=["nginx", "nginx, by count", "varnish", "haproxy", "haproxy, closing"],
)
async def test_a_proxy_that_closes_idle_connections(sandbox: Sandbox, run: Run, proxy: Any) -> None:
    reports: list[Report] = []
    async with run(proxy(sandbox.url)) as running, client_through(running.url, sandbox) as client:
        for number in range(24):
            reports.append(await create_one(client, new_campaign(number)))
            await asyncio.sleep(0.03 + number / 1000)  # around the time at which the proxy closes
    await check_reports(sandbox, reports)
    assert set(effects(reports)) <= {Effect.APPLIED, Effect.UNKNOWN}
    assert effects(reports)[Effect.APPLIED] >= 12
