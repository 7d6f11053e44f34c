"""A client's walk over a list whose rows come and go, over a socket: each row that stays comes once, or it raises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from support.raw_server import raw_server, read_request
from support.shifting import Shifting

from campaigns_async import CampaignsClient, Page, PageShiftedError

SEEDS = range(24)


class Overtaken:
    """Rows whose second page is read after the third, and answered before it. Each read comes after a change.

    When the third page is read, the first row has gone; when the second is read, another one has come. So the second
    page has the count of the first one, and all the same its first row is not the one after the first page.
    """

    def __init__(self) -> None:
        self.rows = [f"r{number}" for number in range(40)]
        self.third_was_read = asyncio.Event()
        self.second_was_answered = asyncio.Event()

    async def fetch(self, index: int, size: int) -> Page[str]:
        """Read a page."""
        is_new = not self.third_was_read.is_set()
        if index == 2 and is_new:
            await self.third_was_read.wait()
        if index == 3 and is_new:
            self.rows.pop(0)
        page = Page(index, 4, len(self.rows), tuple(self.rows[(index - 1) * size : index * size]))
        if index == 3 and is_new:
            self.rows.append("new")
            self.third_was_read.set()
            await self.second_was_answered.wait()
            await asyncio.sleep(0.05)
        if index == 2:
            self.second_was_answered.set()
        return page


@asynccontextmanager
async def serving(rows: Shifting | Overtaken) -> AsyncIterator[CampaignsClient]:
    """Serve the rows as campaigns, and open a client."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, target, _ = (await read_request(reader)).split(b"\r\n", 1)[0].decode().split(" ")
            asked = parse_qs(urlsplit(target).query)
            page = await rows.fetch(int(asked["page"][0]), int(asked["pageSize"][0]))
            body = orjson.dumps(
                {
                    "pageIndex": page.index,
                    "totalPages": page.total_pages,
                    "totalRecords": page.total_records,
                    "items": [{"id": row} for row in page.items],
                }
            )
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()

    async with raw_server(serve) as server, CampaignsClient(server.url, "key") as client:
        yield client


@pytest.mark.parametrize("prefetch", [0, 4])
@pytest.mark.parametrize("by_page", [False, True], ids=["rows", "pages"])
async def test_each_row_that_is_not_deleted_comes_once_or_it_raises(prefetch: int, by_page: bool) -> None:
    exact = moved = 0
    for seed in SEEDS:
        rows = Shifting(120, seed, change=[0.05, 0.2, 0.5][seed % 3])
        seen: list[str] = []
        async with serving(rows) as client:
            listing = client.campaigns.list(page_size=[3, 7, 10, 20][seed % 4], prefetch=prefetch)
            try:
                if by_page:
                    async for page in listing.pages():
                        seen.extend(campaign.id for campaign in page.items)
                else:
                    async for campaign in listing:
                        seen.append(campaign.id)
            except PageShiftedError as error:
                assert error.checkpoint.rows == len(seen)
            else:
                exact += 1
                assert [row for row in seen if row in set(rows.stable)] == rows.stable, f"seed {seed}"
        assert len(seen) == len(set(seen)), f"seed {seed}: a row came twice"
        moved += len(rows.stable) < 120
    assert exact > len(SEEDS) * 0.7
    assert moved > len(SEEDS) * 0.5, "the histories were too quiet to show anything"


@pytest.mark.parametrize("prefetch", [0, 3])
async def test_a_walk_that_was_left_resumes_exactly(prefetch: int) -> None:
    exact = 0
    for seed in SEEDS:
        rows = Shifting(90, seed, change=0.15)
        seen: list[str] = []
        async with serving(rows) as client:
            listing = client.campaigns.list(page_size=10, prefetch=prefetch)
            try:
                while True:
                    left = len(seen) + 25
                    async for campaign in listing:
                        seen.append(campaign.id)
                        if len(seen) == left:
                            break
                    else:
                        break
                    listing = client.campaigns.list(page_size=10, prefetch=prefetch, resume_from=listing.checkpoint)
            except PageShiftedError:
                pass
            else:
                exact += 1
                assert [row for row in seen if row in set(rows.stable)] == rows.stable, f"seed {seed}"
        assert len(seen) == len(set(seen)), f"seed {seed}: a row came twice"
    assert exact > len(SEEDS) * 0.5


async def test_pages_that_were_in_flight_together_are_compared() -> None:
    async with asyncio.timeout(10), serving(Overtaken()) as client:
        read = [row.id async for row in client.campaigns.list(page_size=10, prefetch=2)]
    assert read == [*(f"r{number}" for number in range(40)), "new"]
