"""A search looks at all campaigns that are new to the run if the server has more of them than the search explains."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.made import START, client_of, new_campaign, rows

from campaigns_async import NewCampaign, ReconcilePolicy
from campaigns_async.jobs import Phase, Progress, Summary, _preflight, send
from campaigns_async.sandbox import Sandbox

pytestmark = pytest.mark.preflight
SOON = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)
MONTH = dt.timedelta(days=30)
PLAN = [(f"row {number}", new_campaign(number, start_date_time=START + number * MONTH)) for number in range(6)]


def put(sandbox: Sandbox, campaign_id: str, new: NewCampaign, start: dt.datetime) -> None:
    wire = new.to_dict()
    contacts = [{"id": f"p{index}", **each} for index, each in enumerate(wire.pop("contacts"))]
    sandbox.add(
        {**wire, "id": campaign_id, "status": 0, "startDateTime": start.isoformat(), "recipientCount": len(contacts)},
        contacts,
    )


async def send_with_loss(
    sandbox: Sandbox, journal: Path, happen: Callable[[], object] = lambda: None, **policy: Any
) -> Summary:
    """Send the plan. The second row's create is lost; then something happens, and the row is searched for."""
    left = [happen]

    def on_progress(progress: Progress) -> None:
        if progress.phase is Phase.RECONCILING and left:
            left.pop()()

    sandbox.fault(operation="create", nth=2, times=1, drop="close")
    reconcile = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02, **policy)
    async with client_of(sandbox, max_concurrency=1, reconcile=reconcile) as client:
        return await send(client, PLAN, journal, on_progress=on_progress)


def count_whole_lists(sandbox: Sandbox) -> int:
    lists = [dict(each.query) for each in sandbox.requests if each.operation == "list"]
    return sum(each.get("filters", "").startswith("id!=") and each.get("sorts") == "id" for each in lists)


@pytest.mark.parametrize("others", [0, 3])
async def test_a_campaign_whose_start_was_moved_far_away_is_not_sent_again(tmp_path: Path, others: int) -> None:
    async with Sandbox(rows(3)) as sandbox:

        def happen() -> None:
            put(sandbox, "moved", PLAN[1][1], START + 90 * MONTH)
            for number in range(others):
                put(sandbox, f"other-{number}", new_campaign(99, contacts=PLAN[0][1].contacts), START - MONTH)

        summary = await send_with_loss(sandbox, tmp_path / "journal", happen)
        assert (summary.created, summary.unknown, len(sandbox.created)) == (5, 1, 5)
        assert "moved" in {each.campaign_id for each in summary.unknown_rows[0].candidates}
        assert summary.warnings == ()


async def test_campaigns_that_are_known_are_no_surplus(tmp_path: Path) -> None:
    async with Sandbox(rows(3)) as sandbox:
        put(sandbox, "equal-to-a-row", PLAN[5][1], PLAN[5][1].start_date_time)
        summary = await send_with_loss(sandbox, tmp_path / "journal", lambda: sandbox.remove("c000"))
        assert (summary.ok, summary.absent, summary.adopted, len(sandbox.created)) == (True, 1, 1, 5)
        assert count_whole_lists(sandbox) == 0


async def test_beyond_the_limit_of_a_look_the_row_is_unknown_with_the_figures(sandbox: Sandbox, tmp_path: Path) -> None:
    def happen() -> None:
        for number in range(30):
            put(sandbox, f"other-{number}", new_campaign(99), START - MONTH)

    summary = await send_with_loss(sandbox, tmp_path / "journal", happen, search_limit=20)
    (row,) = summary.unknown_rows
    assert row.reason is not None
    assert row.reason.endswith(
        "looked for: 30 campaigns more than expected are on the server, and a look takes more than 20 requests "
        "(ReconcilePolicy.search_limit)"
    )
    async with client_of(sandbox, reconcile=ReconcilePolicy(settle=0.05, pause=0.02, search_limit=10)) as client:
        sandbox.fault(operation="list", status=403)
        (again,) = (await send(client, PLAN, tmp_path / "journal", preflight=False)).unknown_rows
    assert again.reason is not None
    assert again.reason.count("looked for") == 1
    assert "403" in again.reason


async def test_in_a_large_account_a_surplus_is_told_and_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_preflight, "_BASELINE_REQUESTS", 0)
    async with Sandbox(rows(3)) as sandbox:
        summary = await send_with_loss(
            sandbox, tmp_path / "journal", lambda: put(sandbox, "other", new_campaign(99), START - MONTH)
        )
        assert summary.ok
        assert summary.warnings == ("campaigns that are new and not this run's: 1; others may have made them",)
        assert count_whole_lists(sandbox) == 0


async def test_a_server_without_totals_is_searched_as_ever(sandbox: Sandbox, tmp_path: Path) -> None:
    async def hide(*_: object) -> int:
        from campaigns_async import PagingError

        raise PagingError("the server does not report the number of rows")

    from campaigns_async.paging import Paginator

    journal = tmp_path / "journal"
    with pytest.MonkeyPatch.context() as patch:

        def happen() -> None:
            patch.setattr(Paginator, "count", hide)

        assert (await send_with_loss(sandbox, journal, happen)).ok
