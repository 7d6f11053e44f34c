"""All ways to create campaigns, and the comparison of what each one reports with what the server has."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

from attrs import frozen
from support.made import new_campaign

from campaigns_async import (
    CampaignsClient,
    CampaignsError,
    Effect,
    NewCampaign,
    ReconcilePolicy,
    RetryPolicy,
    Timeouts,
    effect_of,
)
from campaigns_async.jobs import Job, State, open_journal
from campaigns_async.sandbox import Sandbox

READ = 0.8
"""Seconds that the client waits for a response. The proxies wait less, unless a test says otherwise."""
SLOW = 0.5
"""Seconds that a slow server takes for a response."""
PROXY_WAITS = 0.2
"""Seconds that a proxy waits for a response."""
FEW, MANY, ROWS, IN_FLIGHT = 8, 64, 50, 64

# The attempt ends after PROXY_WAITS, the server acts at most SLOW later.
_RECONCILE = ReconcilePolicy(settle=1.0, timeout=6)
GIVE_UP_AFTER = 1.5
STOP_AFTER = 6.0
"""Seconds until a run is stopped: it waits longer each time that it does not find what it sent."""
_STATES = {
    State.PLANNED: Effect.NOT_SENT,
    State.SENDING: Effect.UNKNOWN,
    State.CREATED: Effect.APPLIED,
    State.FAILED: Effect.REJECTED,
    State.UNKNOWN: Effect.UNKNOWN,
}


@frozen
class Report:
    """The report of the client on one create.

    Attributes:
        message: The text of the campaign, which no other campaign has.
        effect: The effect of the create.
        campaign_id: The id that the client was given; None without one.
        error: The name of the error's class, or the reason in the journal.
    """

    message: str
    effect: Effect
    campaign_id: str | None = None
    error: str | None = None


News = Iterator[NewCampaign]
Way = Callable[[CampaignsClient, News, Path], Awaitable[Sequence[Report]]]
"""A way to create campaigns of an endless iterator. It may write files into the directory."""


def client_through(url: str, sandbox: Sandbox, **settings: Any) -> CampaignsClient:
    """Build a client that reaches a sandbox through a proxy."""
    given = {
        "max_concurrency": IN_FLIGHT,
        "retry": RetryPolicy(base=0.01, cap=0.05, max_retry_after=1),
        "timeouts": Timeouts(connect=2, read=READ, deadline=4, grace=2),
        "reconcile": _RECONCILE,
        **settings,
    }
    return CampaignsClient(url, sandbox.api_key, **given)


async def create_one(client: CampaignsClient, new: NewCampaign, **options: Any) -> Report:
    """Create a campaign, and report on it."""
    try:
        return Report(new.message, Effect.APPLIED, await client.campaigns.create(new, **options))
    except CampaignsError as error:
        return Report(new.message, effect_of(error), error=f"{type(error).__name__}: {error}")


async def create_each(client: CampaignsClient, news: News, directory: Path) -> Sequence[Report]:
    """Create eight campaigns one after the other."""
    return [await create_one(client, new) for new in islice(news, FEW)]


async def create_reconciled(client: CampaignsClient, news: News, directory: Path) -> Sequence[Report]:
    """Create eight campaigns in parallel, and search for those whose outcome is unknown."""
    return await asyncio.gather(*(create_one(client, new, on_unknown="reconcile") for new in islice(news, FEW)))


async def create_many(client: CampaignsClient, news: News, directory: Path) -> Sequence[Report]:
    """Create 64 campaigns, all of them in flight at once."""
    reports: list[Report] = []
    async with client.campaigns.create_many(islice(news, MANY)) as outcomes:
        async for each in outcomes:
            reports.append(Report(each.item.message, each.effect, each.value, each.error and type(each.error).__name__))
    return reports


async def send_rows(client: CampaignsClient, news: News, directory: Path) -> Sequence[Report]:
    """Send a plan of 50 rows, without a search for unknown rows."""
    return await _send(client, news, directory / "rows.sqlite", reconcile=False)


async def send_rows_reconciled(client: CampaignsClient, news: News, directory: Path) -> Sequence[Report]:
    """Send a plan of 50 rows, and search for the unknown ones."""
    return await _send(client, news, directory / "rows_reconciled.sqlite", reconcile=True)


async def _send(client: CampaignsClient, news: News, journal: Path, *, reconcile: bool) -> Sequence[Report]:
    plan = {f"row {number}": new for number, new in enumerate(islice(news, ROWS))}
    # Without a preflight, which would adopt the campaigns that another way has made of the same plan.
    alone = {"preflight": False, "accept_altered": True}
    job = Job(client, plan, journal=journal, reconcile=reconcile, give_up_after=GIVE_UP_AFTER, **alone)
    stop = asyncio.get_running_loop().call_later(STOP_AFTER, job.stop)
    await job.run()
    stop.cancel()
    with open_journal(journal) as reader:
        return [Report(plan[row.key].message, _STATES[row.state], row.campaign_id, row.reason) for row in reader.rows()]


WAYS: dict[str, Way] = {
    way.__name__: way for way in (create_each, create_reconciled, create_many, send_rows, send_rows_reconciled)
}


async def create_in_all_ways(
    url: str, sandbox: Sandbox, directory: Path, **settings: Any
) -> Mapping[str, Sequence[Report]]:
    """Create campaigns in all ways at once, each with a client of its own. Return the reports of each way."""

    async def create(name: str, first: int) -> tuple[str, Sequence[Report]]:
        async with client_through(url, sandbox, **settings) as client:
            return name, await WAYS[name](client, map(new_campaign, count(first)), directory)

    return dict(await asyncio.gather(*(create(name, 1000 * number) for number, name in enumerate(WAYS))))


def effects(reports: Iterable[Report]) -> Counter[Effect]:
    """Count the reports of each effect."""
    return Counter(report.effect for report in reports)


async def check_reports(sandbox: Sandbox, reports: Sequence[Report]) -> None:
    """Compare reports with the campaigns on the server, once the proxy has been stopped.

    Raises:
        AssertionError: If a create made two campaigns, a report calls a campaign on the server not created, or one
            that is not there created.
    """
    await wait_idle(sandbox)
    made: dict[str, list[str]] = {}
    for campaign in sandbox.created:
        made.setdefault(campaign["message"], []).append(campaign["id"])
    for report in reports:
        ids = made.pop(report.message, [])
        assert len(ids) <= 1, f"one create made {len(ids)} campaigns: {report}"
        if report.effect in {Effect.NOT_SENT, Effect.REJECTED}:
            assert not ids, f"the campaign is on the server: {report}"
        elif report.effect is Effect.APPLIED:
            assert ids, f"the campaign is not on the server: {report}"
            assert report.campaign_id in {None, *ids}, f"the id is another campaign's: {report}"
    assert not made, f"{len(made)} campaigns of which there is no report"
    sandbox.assert_no_double_send()


async def wait_idle(sandbox: Sandbox) -> None:
    """Wait until the server has carried out all that it will carry out."""
    async with asyncio.timeout(10):
        while sandbox.in_flight or sandbox._state.late_count:
            await asyncio.sleep(0.01)
