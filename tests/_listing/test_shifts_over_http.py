"""Single shifts of a list that a client reads over a socket: rows that stay come once, whatever the total says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from support.made import client_of, rows

from campaigns_async import CampaignsClient, Checkpoint, PageShiftedError, PagingError, query
from campaigns_async.sandbox import Quirks, Sandbox

IDS = [row["id"] for row in rows(40)]


def add_first(sandbox: Sandbox, *ids: str) -> None:
    """Insert rows before all others."""
    for campaign_id in reversed(ids):
        sandbox.add({**rows(1)[0], "id": campaign_id}, at=0)


def add_last(sandbox: Sandbox, *ids: str) -> None:
    """Append rows."""
    for campaign_id in ids:
        sandbox.add({**rows(1)[0], "id": campaign_id})


def remove(sandbox: Sandbox, *ids: str) -> None:
    """Delete rows."""
    for campaign_id in ids:
        sandbox.remove(campaign_id)


def before_read(sandbox: Sandbox, number: int, change: Callable[[], object]) -> None:
    """Change the list when its read of this number, counted from now, arrives, before it is answered."""
    read = 0

    def when(_request: Any) -> bool:
        nonlocal read
        read += 1
        if read == number:
            change()
        return False

    sandbox.fault(operation="list", when=when)


async def read_some(client: CampaignsClient, count: int) -> Checkpoint:
    """Read the first rows, page by page, and return the place after them."""
    listing = client.campaigns.list(page_size=10, prefetch=0)
    async for _ in listing:
        count -= 1
        if not count:
            break
    return listing.checkpoint


async def read_on(client: CampaignsClient, checkpoint: Checkpoint) -> list[str]:
    """Return the ids of the rows after a place."""
    return [row.id async for row in client.campaigns.list(resume_from=checkpoint, prefetch=0)]


async def test_a_resumed_walk_does_not_trust_a_count_that_is_as_it_was() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        checkpoint = await read_some(client, 10)
        remove(sandbox, "c000")
        add_last(sandbox, "new")
        assert await read_on(client, checkpoint) == [*IDS[10:30], "new"]


async def test_a_resumed_walk_compares_with_the_count_that_it_met_and_not_with_the_old_one() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        checkpoint = await read_some(client, 10)
        add_last(sandbox, "new")
        # The place was found again. Before the next page is read, a row before it goes: the old count is back.
        before_read(sandbox, 2, lambda: remove(sandbox, "c000"))
        assert await read_on(client, checkpoint) == [*IDS[10:30], "new"]


async def test_a_resumed_walk_goes_on_after_rows_that_were_appended_to_a_list_that_had_ended() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        checkpoint = await read_some(client, 30)
        add_last(sandbox, "new")
        assert await read_on(client, checkpoint) == ["new"]


async def test_resumed_within_a_page_a_row_that_moved_past_the_place_does_not_come_again() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        checkpoint = await read_some(client, 5)
        # The last row handed out is where it was. Before it a row has gone, which comes after it now.
        remove(sandbox, "c001")
        add_first(sandbox, "new")
        sandbox.add({**rows(1)[0], "id": "c001"}, at=5)
        assert await read_on(client, checkpoint) == ["new", *IDS[5:30]]


async def test_a_page_that_overlaps_the_last_one_is_suspected_of_a_shift() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:

        def change() -> None:  # the count stays
            add_first(sandbox, "new")
            remove(sandbox, "c029")

        before_read(sandbox, 2, change)
        read = [row.id async for row in client.campaigns.list(page_size=10, prefetch=0)]
        assert read == [*IDS[:10], "new", *IDS[10:29]]


async def test_a_page_that_was_prefetched_before_a_second_shift_is_not_the_start_of_a_new_run() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        listing = client.campaigns.list(page_size=10, prefetch=1)
        before_read(sandbox, 2, lambda: remove(sandbox, "c000"))
        read: list[str] = []
        async for page in listing.pages():
            read.extend(row.id for row in page.items)
            if len(read) == 10:
                await sandbox.wait_received(2, "list")
                # The page that was prefetched is older than this shift, and has the count that the others have now.
                add_first(sandbox, "new")
                remove(sandbox, "c029")
        assert read == [*IDS[:10], "new", *IDS[10:29]]


async def test_pages_of_a_search_for_the_place_that_overlap_are_read_again() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        before_read(sandbox, 2, lambda: remove(sandbox, "c003"))  # so the count differs, and the place is searched

        def change() -> None:  # between the two pages of the search; the count stays
            remove(sandbox, "c000", "c001")
            add_last(sandbox, "new", "newer")

        before_read(sandbox, 3, change)
        read = [row.id async for row in client.campaigns.list(page_size=10, prefetch=0)]
        assert read == [*IDS[:30], "new", "newer"]


STARTS = [
    {**row, "startDateTime": f"2031-01-01T00:{number // 60:02}:{number % 60:02}Z"}
    for number, row in enumerate(rows(600))
]


async def read_while(sandbox: Sandbox, client: CampaignsClient, read: int, change: Callable[[], object]) -> list[str]:
    """Return the ids of all rows by start; the list changes when its read of this number arrives."""
    before_read(sandbox, read, change)
    return [row.id async for row in client.campaigns.list(sorts="startDateTime,id", prefetch=0)]


def move(sandbox: Sandbox, campaign_id: str, start: str) -> None:
    """Give a campaign another start."""
    row = next(row for row in STARTS if row["id"] == campaign_id)
    sandbox.remove(campaign_id)
    sandbox.add({**row, "startDateTime": start})


@pytest.mark.parametrize("start", ["2031-01-01T00:02:30Z", "2031-01-01T00:05:30Z", "2032-01-01T00:00:00Z"])
async def test_a_campaign_that_moves_to_later_pulls_no_other_out_of_sight(start: str) -> None:
    async with Sandbox(STARTS) as sandbox, client_of(sandbox) as client:
        read = await read_while(sandbox, client, 2, lambda: move(sandbox, "c050", start))
        assert sorted(read) == sorted(row["id"] for row in STARTS)


async def test_a_campaign_that_moves_to_earlier_is_not_lost() -> None:
    async with Sandbox(STARTS) as sandbox, client_of(sandbox) as client:
        read = await read_while(sandbox, client, 4, lambda: move(sandbox, "c550", "2031-01-01T00:00:00Z"))
        assert sorted(read) == sorted(row["id"] for row in STARTS)


async def test_a_move_that_cannot_be_made_good_raises() -> None:
    async with Sandbox(STARTS) as sandbox, client_of(sandbox, remember=150) as client:
        with pytest.raises(PageShiftedError, match="not all ids") as lost:
            await read_while(sandbox, client, 3, lambda: move(sandbox, "c050", "2031-01-01T00:05:30Z"))
        assert lost.value.checkpoint.rows == 300


async def test_a_place_from_before_a_move_is_refused() -> None:
    async with Sandbox(STARTS) as sandbox, client_of(sandbox) as client:
        before_read(sandbox, 2, lambda: move(sandbox, "c050", "2031-01-01T00:05:30Z"))
        listing = client.campaigns.list(sorts="startDateTime,id", prefetch=0)
        read = 0
        async for _ in listing:
            read += 1
            if read == 580:
                break
        with pytest.raises(PageShiftedError, match="start over"):
            client.campaigns.list(sorts="startDateTime,id", resume_from=listing.checkpoint)


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize(
    "quirks", [Quirks(max_total=100), Quirks(max_total=250), Quirks(max_total=350, max_page_size=70)]
)
async def test_a_total_that_is_capped_ends_no_list(quirks: Quirks, prefetch: int) -> None:
    async with Sandbox(STARTS, quirks=quirks) as sandbox, client_of(sandbox) as client:
        read = await client.campaigns.list(sorts="id", page_size=100, prefetch=prefetch).collect()
        assert [row.id for row in read] == [row["id"] for row in STARTS]


async def test_a_total_that_is_too_large_ends_a_list_at_its_second_empty_page() -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        for page in (STARTS[:100], STARTS[100:200], [], []):
            body = orjson.dumps({"totalRecords": 5_000, "totalPages": 50, "items": page})
            sandbox.fault(operation="list", times=1, status=200, body=body)
        assert len(await client.campaigns.list(page_size=100).collect()) == 200


async def test_rows_after_an_empty_page_raise() -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        for page in (STARTS[:100], [], STARTS[100:200]):
            body = orjson.dumps({"totalRecords": 300, "totalPages": 3, "items": page})
            sandbox.fault(operation="list", times=1, status=200, body=body)
        with pytest.raises(PagingError, match="empty page before the end"):
            await client.campaigns.list(page_size=100).collect()


async def test_a_server_that_refuses_to_sort_by_id_answers_with_the_whole_list() -> None:
    async with Sandbox(STARTS, quirks=Quirks(refused_sort="id")) as sandbox, client_of(sandbox) as client:
        assert len(await client.campaigns.list(sorts="id", filters="sender==Golf").collect()) == 600
        assert len(sandbox.requests) == 1
        with pytest.raises(PagingError, match="ignores paging"):
            await client.campaigns.list(sorts="startDateTime,id", filters=query.raw("sendr==Golf")).collect()


async def test_a_refused_order_with_less_than_the_list_is_left_out() -> None:
    async with Sandbox(STARTS) as sandbox, client_of(sandbox) as client:
        body = orjson.dumps({"totalRecords": 600, "totalPages": 6, "items": STARTS[:250]})
        sandbox.fault(when=lambda request: "sorts" in request.query, status=200, body=body)
        assert len(await client.campaigns.list(sorts="id").collect()) == 600


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("count", [1, 2, 100])
async def test_a_refused_order_on_a_list_of_one_full_page_is_left_out(count: int, prefetch: int) -> None:
    async with Sandbox(STARTS[:count], quirks=Quirks(refused_sort="id")) as sandbox, client_of(sandbox) as client:
        read = await client.campaigns.list(sorts="id", page_size=count, prefetch=prefetch).collect()
        assert len({row.id for row in read}) == len(read) == count


async def test_a_page_that_is_the_first_one_again_after_an_insert_keeps_the_order() -> None:
    async with Sandbox(rows(40)) as sandbox, client_of(sandbox) as client:
        before_read(sandbox, 2, lambda: add_first(sandbox, *(f"0-{number}" for number in range(10))))
        read = [row.id async for row in client.campaigns.list(sorts="id", page_size=10, prefetch=0)]
        assert set(read) >= set(IDS)
        assert len(read) == len(set(read))
        assert all(request.query["sorts"] == "id" for request in sandbox.requests)


async def test_a_server_that_ignores_the_page_number_without_an_order_too_raises() -> None:
    async with Sandbox(STARTS) as sandbox, client_of(sandbox) as client:
        body = orjson.dumps({"totalRecords": 100, "totalPages": 1, "items": STARTS[:100]})
        sandbox.fault(operation="list", status=200, body=body)
        with pytest.raises(PagingError, match="ignores the page number"):
            await client.campaigns.list(sorts="id", page_size=100).collect()
