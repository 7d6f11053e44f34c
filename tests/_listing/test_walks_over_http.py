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

from campaigns_async import CampaignsClient, PageShiftedError

SEEDS = range(24)


@asynccontextmanager
async def serving(rows: Shifting) -> AsyncIterator[CampaignsClient]:
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
