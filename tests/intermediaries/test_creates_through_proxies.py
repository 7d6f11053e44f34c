"""Creates through real proxies: one campaign at most, and no report that is wrong about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.made import new_campaign

from campaigns_async import RetryPolicy, Timeouts
from campaigns_async.sandbox import Sandbox
from intermediaries.programs import Run
from intermediaries.scenarios import SCENARIOS, Scenario
from intermediaries.truth import READ, check_reports, client_through, create_in_all_ways, create_one


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
async def test_a_create_is_reported_as_it_is(sandbox: Sandbox, run: Run, scenario: Scenario) -> None:
    if scenario.fault:
        sandbox.fault(operation="create", **scenario.fault)
    async with run(scenario.build(sandbox.url)) as proxy, client_through(proxy.url, sandbox) as client:
        report = await create_one(client, new_campaign())
    await check_reports(sandbox, [report])
    assert report.effect in (scenario.effect, scenario.other_effect), report
    assert len(sandbox.created) == scenario.created, report
    assert len([each for each in sandbox.requests if each.operation == "create"]) <= 1


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
async def test_no_way_to_create_reports_what_is_wrong(
    sandbox: Sandbox, run: Run, tmp_path: Path, scenario: Scenario
) -> None:
    if scenario.fault:
        sandbox.fault(operation="create", every=3, **scenario.fault)
    async with run(scenario.build(sandbox.url, share=33)) as proxy:
        reports = await create_in_all_ways(proxy.url, sandbox, tmp_path)
    await check_reports(sandbox, [report for each in reports.values() for report in each])


@pytest.mark.parametrize(
    ("name", "status"),
    [("varnish: late response", 503), ("nginx: late response", 504), ("haproxy: late response", 504)],
)
async def test_a_client_that_believes_a_late_proxy_creates_twice(
    sandbox: Sandbox, run: Run, tmp_path: Path, name: str, status: int
) -> None:
    """The comparison finds it. `rejected_statuses` is only for a server that no such proxy is in front of."""
    scenario = SCENARIOS[name]
    sandbox.fault(operation="create", times=1, **scenario.fault)
    retry = RetryPolicy(base=0.01, cap=0.05, rejected_statuses=(status,))
    timeouts = Timeouts(connect=2, read=READ, deadline=20, grace=2)  # longer than Varnish's Retry-After
    async with (
        run(scenario.build(sandbox.url)) as proxy,
        client_through(proxy.url, sandbox, retry=retry, timeouts=timeouts) as client,
    ):
        report = await create_one(client, new_campaign())
    with pytest.raises(AssertionError, match="one create made 2 campaigns"):
        await check_reports(sandbox, [report])
