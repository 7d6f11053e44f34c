"""Proxies that let only some requests through at once: limits that reject, delay, or let a queue time out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from campaigns_async import Effect, RetryPolicy, Timeouts
from campaigns_async.sandbox import Sandbox
from intermediaries.programs import Program, Run, haproxy, nginx
from intermediaries.truth import PROXY_WAITS, SLOW, check_reports, create_in_all_ways, effects

_ZONE: Final = "limit_req_zone $binary_remote_addr zone=creates:64k rate=100r/s;"
_RATE: Final = """
    stick-table type string len 8 size 8 expire 10s store http_req_rate(1s)
    http-request track-sc0 str(all)
"""
_TOO_FAST: Final = "METH_POST { sc_http_req_rate(0) gt 50 }"
_WAITS: Final = f"{PROXY_WAITS * 1000:.0f}ms"
_KNOWN: Final = {Effect.APPLIED, Effect.REJECTED, Effect.NOT_SENT}
_ANY: Final = set(Effect)
_PATIENT: Final = {"timeouts": Timeouts(connect=2, read=5, deadline=8, grace=2)}
"""A client that never gives up before the proxy, even on a busy machine: it knows each outcome."""
_REJECTS_503: Final = {
    **_PATIENT,
    "retry": RetryPolicy(base=0.01, cap=0.05, max_retry_after=1, rejected_statuses=(503,)),
}

LIMITS: Final = {
    "nginx: 503": (
        partial(nginx, http=_ZONE, location="limit_req zone=creates burst=20 nodelay;"),
        {},
        503,
        _ANY,
    ),
    "nginx: 503, which means that nothing was done": (
        partial(nginx, http=_ZONE, location="limit_req zone=creates burst=20 nodelay;"),
        _REJECTS_503,
        503,
        _KNOWN,
    ),
    "nginx: 429": (
        partial(nginx, http=_ZONE, location="limit_req zone=creates burst=20 nodelay; limit_req_status 429;"),
        _PATIENT,
        429,
        _KNOWN,
    ),
    "nginx: delay, then 429": (
        partial(nginx, http=_ZONE, location="limit_req zone=creates burst=20; limit_req_status 429;"),
        _PATIENT,
        429,
        _KNOWN,
    ),
    "nginx: delay, and a client that goes away": (
        partial(nginx, http=_ZONE.replace("100r", "40r"), location="limit_req zone=creates burst=1000;"),
        {},
        None,
        _ANY,
    ),
    "haproxy: 429": (
        partial(haproxy, frontend=f"{_RATE} http-request deny deny_status 429 if {_TOO_FAST}"),
        _PATIENT,
        429,
        _KNOWN,
    ),
    "haproxy: late 429": (
        partial(
            haproxy,
            frontend=f"{_RATE} http-request tarpit deny_status 429 if {_TOO_FAST}",
            timeouts={"tarpit": _WAITS},
        ),
        _PATIENT,
        429,
        _KNOWN,
    ),
    "haproxy: 503": (
        partial(haproxy, frontend=f"{_RATE} http-request deny deny_status 503 if {_TOO_FAST}"),
        {},
        503,
        _ANY,
    ),
}
"""By name: the proxy, settings of the client, the status that throttles if there is one, and the possible effects."""


@pytest.mark.parametrize(("proxy", "settings", "status", "possible"), LIMITS.values(), ids=LIMITS.keys())
async def test_creates_beyond_a_limit(
    sandbox: Sandbox,
    run: Run,
    tmp_path: Path,
    proxy: Any,
    settings: dict[str, Any],
    status: int | None,
    possible: set[Effect],
) -> None:
    async with run(proxy(sandbox.url)) as running:
        reports = await create_in_all_ways(running.url, sandbox, tmp_path, **settings)
    told = [report for each in reports.values() for report in each]
    await check_reports(sandbox, told)
    assert status is None or status in {response.status for response in running.responses}, "nothing was throttled"
    assert effects(told)[Effect.APPLIED], "nothing went through"
    assert set(effects(told)) <= possible


def nginx_limits_and_gives_up(backend: str) -> Program:
    limits = f"limit_req zone=creates burst=60; limit_req_status 429; proxy_read_timeout {_WAITS};"
    return nginx(backend, http=_ZONE, location=limits)


def haproxy_queues(backend: str) -> Program:
    return haproxy(backend, server="maxconn 8", timeouts={"queue": _WAITS, "server": _WAITS})


@pytest.mark.parametrize("proxy", [nginx_limits_and_gives_up, haproxy_queues])
async def test_creates_beyond_a_limit_and_late_responses(
    sandbox: Sandbox, run: Run, tmp_path: Path, proxy: Any
) -> None:
    sandbox.fault(operation="create", every=3, delay=SLOW)
    async with run(proxy(sandbox.url)) as running:
        reports = await create_in_all_ways(running.url, sandbox, tmp_path)
    told = [report for each in reports.values() for report in each]
    await check_reports(sandbox, told)
    assert {429, 503} & {response.status for response in running.responses}, "nothing was throttled"
    assert 504 in {response.status for response in running.responses}, "nothing was late"


async def test_creates_that_a_proxy_holds_and_sends_after_the_client_has_given_up(
    sandbox: Sandbox, run: Run, tmp_path: Path
) -> None:
    """Unless told otherwise, HAProxy sends what waits in its queue although nobody waits for the response any more."""
    sandbox.fault(operation="create", delay=PROXY_WAITS)
    holding = haproxy(sandbox.url, server="maxconn 24", timeouts={"queue": "900ms"})
    async with run(holding) as running:
        reports = await create_in_all_ways(running.url, sandbox, tmp_path)
    told = [report for each in reports.values() for report in each]
    await check_reports(sandbox, told)
    made = {campaign["message"] for campaign in sandbox.created}
    assert [report for report in told if report.effect is Effect.UNKNOWN and report.message in made]
