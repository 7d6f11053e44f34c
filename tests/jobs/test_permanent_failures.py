"""Failures that time does not heal stop a run at once, and the reason and the remedy are in its summary."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.made import new_campaign

from campaigns_async import CampaignsClient
from campaigns_async.jobs import Summary, send
from campaigns_async.sandbox import Sandbox


async def send_to(url: str, journal: Path) -> Summary:
    plan = [(str(number), new_campaign(number)) for number in range(20)]
    async with CampaignsClient(url, "key") as client:
        return await send(client, plan, journal, give_up_after=60)


@pytest.mark.parametrize(
    ("url", "cause", "remedy"),
    [
        ("https://{address}", "TLS", "check the scheme and the port in base_url"),
        ("http://no-such-host.invalid", "host", "base_url"),
    ],
)
async def test_a_run_stops_at_once(sandbox: Sandbox, tmp_path: Path, url: str, cause: str, remedy: str) -> None:
    address = sandbox.url.removeprefix("http://")
    summary = await send_to(url.format(address=address), tmp_path / "journal")
    assert (summary.planned, summary.unknown, summary.failed) == (20, 0, 0)
    assert summary.stopped is not None
    assert cause in summary.stopped
    assert remedy in summary.stopped
    assert summary.elapsed < 20
    assert not sandbox.requests
