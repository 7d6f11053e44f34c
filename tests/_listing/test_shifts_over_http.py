"""Single shifts of a list that a client reads over a socket: rows that stay come once, whatever the total says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.made import client_of, rows

from campaigns_async import CampaignsClient, Checkpoint
from campaigns_async.sandbox import Sandbox

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
        assert await read_on(client, checkpoint) == IDS[5:30]


async def test_a_page_that_overlaps_the_last_one_is_suspected_of_a_shift() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:

        def change() -> None:  # the count stays
            add_first(sandbox, "new")
            remove(sandbox, "c029")

        before_read(sandbox, 2, change)
        read = [row.id async for row in client.campaigns.list(page_size=10, prefetch=0)]
        assert read == IDS[:29]


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
        assert read == IDS[:29]


async def test_pages_of_a_search_for_the_place_that_overlap_are_read_again() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        before_read(sandbox, 2, lambda: remove(sandbox, "c003"))  # so the count differs, and the place is searched

        def change() -> None:  # between the two pages of the search; the count stays
            remove(sandbox, "c000", "c001")
            add_last(sandbox, "new", "newer")

        before_read(sandbox, 3, change)
        read = [row.id async for row in client.campaigns.list(page_size=10, prefetch=0)]
        assert read == [*IDS[:30], "new", "newer"]
