"""Proxies that repeat requests, or answer from a cache."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from support.made import new_campaign

from campaigns_async import Auth, Effect, ReconcilePolicy
from campaigns_async.jobs import send
from campaigns_async.sandbox import Sandbox
from intermediaries.programs import Run, haproxy, nginx, varnish
from intermediaries.truth import (
    PROXY_WAITS,
    READ,
    SLOW,
    Way,
    check_reports,
    client_through,
    create_each,
    create_many,
    create_one,
    effects,
    send_rows,
    wait_idle,
)

_MS: Final = f"{PROXY_WAITS * 1000:.0f}ms"
_CACHE: Final = "proxy_cache_path cache keys_zone=lists:1m;"

REPEATING: Final = {
    "nginx": partial(
        nginx, location=f"proxy_read_timeout {_MS}; proxy_next_upstream error timeout http_504 non_idempotent;"
    ),
    "haproxy": partial(haproxy, frontend="retry-on all-retryable-errors\nretries 1", timeouts={"server": _MS}),
}


@pytest.mark.parametrize("on_unknown", ["raise", "reconcile"])
@pytest.mark.parametrize("proxy", REPEATING.values(), ids=REPEATING.keys())
async def test_a_proxy_that_repeats_creates_is_not_told_from_one_that_does_not(
    sandbox: Sandbox, run: Run, proxy: Any, on_unknown: str
) -> None:
    """No client can prevent it: it sends one request, and never calls the campaigns absent."""
    sandbox.fault(operation="create", delay=SLOW)
    async with run(proxy(sandbox.url)) as running, client_through(running.url, sandbox) as client:
        report = await create_one(client, new_campaign(), on_unknown=on_unknown)
    await wait_idle(sandbox)
    assert len(sandbox.created) == 2
    assert len([response for response in running.responses if response.method == "POST"]) == 1
    assert report.effect is Effect.UNKNOWN


_CACHES_CREATES: Final = (
    "proxy_cache lists; proxy_cache_methods POST; proxy_cache_valid any 60s; proxy_cache_key $request_uri;"
    " proxy_cache_lock on;"
)


@pytest.mark.parametrize("way", [create_each, create_many, send_rows])
async def test_a_cached_response_to_a_create_is_no_proof_for_others(
    sandbox: Sandbox, run: Run, tmp_path: Path, way: Way
) -> None:
    news = map(new_campaign, count())
    caching = nginx(sandbox.url, http=_CACHE, location=_CACHES_CREATES)
    async with run(caching) as running, client_through(running.url, sandbox) as client:
        first = await create_one(client, next(news))
        others = await way(client, news, tmp_path)
    await check_reports(sandbox, [first, *others])
    assert first.effect is Effect.APPLIED
    assert set(effects(others)) <= {Effect.UNKNOWN, Effect.NOT_SENT}
    assert len(sandbox.created) == 1


async def test_a_response_that_a_cache_gives_to_all_rows_at_once_is_one_rows(
    sandbox: Sandbox, run: Run, tmp_path: Path
) -> None:
    caching = nginx(sandbox.url, http=_CACHE, location=_CACHES_CREATES)
    async with run(caching) as running, client_through(running.url, sandbox) as client:
        reports = await send_rows(client, map(new_campaign, count()), tmp_path)
    await check_reports(sandbox, reports)
    assert len(sandbox.created) == 1
    assert effects(reports)[Effect.APPLIED] <= 1


@pytest.fixture
async def sandbox_with_header() -> AsyncIterator[Sandbox]:
    """Run a sandbox whose key is in a header that no cache knows: Varnish never keeps responses to Authorization."""
    async with Sandbox(seed=1, auth="header") as running:
        yield running


CACHING: Final = {
    "nginx": partial(nginx, http=_CACHE, location="proxy_cache lists; proxy_cache_valid any 60s;"),
    "varnish": varnish,
}
_SETTINGS: Final = {"auth": Auth.HEADER, "reconcile": ReconcilePolicy(settle=2 * READ, timeout=10)}


@pytest.mark.parametrize("proxy", CACHING.values(), ids=CACHING.keys())
async def test_a_cached_list_does_not_prove_that_a_create_is_absent(
    sandbox_with_header: Sandbox, run: Run, proxy: Any
) -> None:
    sandbox = sandbox_with_header
    # The first look, before the server acts, is kept for the looks after it.
    sandbox.fault(operation="create", times=1, status=504, act_after=READ)
    async with run(proxy(sandbox.url)) as running, client_through(running.url, sandbox, **_SETTINGS) as client:
        report = await create_one(client, new_campaign(), on_unknown="reconcile")
    await check_reports(sandbox, [report])


@pytest.mark.parametrize("proxy", CACHING.values(), ids=CACHING.keys())
async def test_a_cached_list_does_not_prove_that_a_row_is_absent(
    sandbox_with_header: Sandbox, run: Run, tmp_path: Path, proxy: Any
) -> None:
    sandbox = sandbox_with_header
    # The search after the first request is right: the row is absent. Its list is kept for the search after the second.
    sandbox.fault(operation="create", times=1, status=500)
    sandbox.fault(operation="create", nth=2, times=1, status=500, act=True)
    settings = {**_SETTINGS, "reconcile": ReconcilePolicy(settle=0.1, timeout=10)}
    async with run(proxy(sandbox.url)) as running, client_through(running.url, sandbox, **settings) as client:
        await send(client, {"row": new_campaign()}, tmp_path / "run.sqlite", give_up_after=5)
    await wait_idle(sandbox)
    assert len(sandbox.created) == 1
