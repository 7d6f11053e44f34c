"""Durable sends through a proxy that answers in the server's place."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest
from support.made import new_campaign

from campaigns_async.jobs import State, open_journal, send
from campaigns_async.sandbox import Sandbox
from intermediaries.programs import Run, nginx
from intermediaries.scenarios import ACTS_LATE, FOREIGN, LATE, REFUSED, SLOW_RESPONSE, Scenario
from intermediaries.truth import GIVE_UP_AFTER, client_through, wait_idle

_ROWS: Final = 50
_PLAN: Final = {f"row {number}": new_campaign(number) for number in range(_ROWS)}
_IN_FLIGHT: Final = 4

OUTAGES: Final = {
    "haproxy: 503 before the server": REFUSED["haproxy: 503 before the server"],
    "nginx: 403 before the server": REFUSED["nginx: 403 before the server"],
    **FOREIGN,
}
"""Scenarios in which every create is answered by another service, from the first one on."""


@pytest.mark.parametrize("scenario", OUTAGES.values(), ids=OUTAGES.keys())
async def test_a_run_leaves_few_rows_unknown(sandbox: Sandbox, run: Run, tmp_path: Path, scenario: Scenario) -> None:
    async with (
        run(scenario.build(sandbox.url)) as proxy,
        client_through(proxy.url, sandbox, max_concurrency=_IN_FLIGHT) as client,
    ):
        summary = await send(client, _PLAN, tmp_path / "run.sqlite", reconcile=False, give_up_after=GIVE_UP_AFTER)
    assert summary.unknown <= (_IN_FLIGHT if scenario.stops else 2 * _IN_FLIGHT)
    assert not scenario.stops or summary.elapsed < GIVE_UP_AFTER
    assert (summary.created, summary.failed, summary.planned) == (0, 0, _ROWS - summary.unknown)
    assert summary.stopped
    assert not sandbox.created


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(scenario, id=name)
        for name, scenario in LATE.items()
        if scenario.fault in (SLOW_RESPONSE, ACTS_LATE)
    ],
)
async def test_a_second_run_through_a_faster_server_settles_every_row(
    sandbox: Sandbox, run: Run, tmp_path: Path, scenario: Scenario
) -> None:
    journal = tmp_path / "run.sqlite"
    rule = sandbox.fault(operation="create", every=3, **scenario.fault)
    async with run(scenario.build(sandbox.url)) as proxy:
        async with client_through(proxy.url, sandbox, max_concurrency=_IN_FLIGHT) as client:
            first = await send(client, _PLAN, journal, reconcile=False, give_up_after=GIVE_UP_AFTER)
        rule.stop()
        await wait_idle(sandbox)
        async with client_through(proxy.url, sandbox) as client:
            second = await send(client, _PLAN, journal, give_up_after=GIVE_UP_AFTER)
    assert first.unknown
    assert second.ok, second
    assert len(sandbox.created) == _ROWS
    sandbox.assert_no_double_send()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("return 200 '<html>We will be back soon.</html>'", id="a page with 200"),
        pytest.param("return 503", id="503"),
        pytest.param("return 429", id="429"),
    ],
)
async def test_a_run_goes_on_after_a_maintenance(sandbox: Sandbox, run: Run, tmp_path: Path, answer: str) -> None:
    journal = tmp_path / "run.sqlite"
    under_maintenance = f"if (-f $document_root/maintenance) {{ {answer}; }}"
    async with run(nginx(sandbox.url, server=f"root {tmp_path}; default_type text/html; {under_maintenance}")) as proxy:
        flag = tmp_path / "maintenance"
        flag.touch()
        async with client_through(proxy.url, sandbox, max_concurrency=_IN_FLIGHT) as client:
            asyncio.get_running_loop().call_later(1.0, flag.unlink)
            summary = await send(client, _PLAN, journal, give_up_after=20)
    await wait_idle(sandbox)
    assert summary.ok, summary
    assert len(sandbox.created) == _ROWS
    sandbox.assert_no_double_send()
    with open_journal(journal) as reader:
        assert {row.campaign_id for row in reader.rows(State.CREATED)} == {made["id"] for made in sandbox.created}
