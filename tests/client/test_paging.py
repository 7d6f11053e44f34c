"""The paginator: in order, lazily, no page too many, and never round in circles."""

from __future__ import annotations

import asyncio
import gc
import pickle
from typing import Any

import orjson
import pytest
from support.made import client_of, people, rows

from campaigns_async import (
    CampaignsClient,
    Checkpoint,
    FilterIgnoredError,
    InvalidArgumentError,
    Page,
    PagingError,
    QueryError,
    ServerError,
    query,
)
from campaigns_async.sandbox import Sandbox


def ids(items: Any) -> list[str]:
    return [item.id for item in items]


EXPECTED = [f"c{index:03}" for index in range(95)]


@pytest.mark.parametrize("prefetch", [0, 1, 4, 100])
@pytest.mark.parametrize("page_size", [1, 10, 95, 1000])
async def test_all_rows_come_once_in_order(prefetch: int, page_size: int) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        listing = client.campaigns.list(page_size=page_size, prefetch=prefetch)
        assert ids([row async for row in listing]) == EXPECTED
        assert len(sandbox.requests) == 95 // page_size + 1  # one more after a full page
        assert ids(await listing.collect()) == EXPECTED
        assert [len(page.items) async for page in listing.pages()] == sizes(95, page_size)


def sizes(count: int, page_size: int) -> list[int]:
    return [min(page_size, count - start) for start in range(0, count, page_size)]


async def test_an_empty_listing_is_one_request() -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        assert await client.campaigns.list().collect() == []
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_no_more_pages_are_fetched_ahead_than_asked_for(prefetch: int) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        listing = client.campaigns.list(page_size=10, prefetch=prefetch)
        seen = 0
        async for _ in listing:
            seen += 1
            if seen == 15:  # within the second page
                await sandbox.wait_received(2 + prefetch)
                break
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(sandbox.requests) == 2 + prefetch


async def test_pages_fetched_ahead_are_cancelled_when_the_loop_is_left() -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="list", nth=2, hold=asyncio.Event())
        async for _ in client.campaigns.list(page_size=10, prefetch=3):
            await sandbox.wait_received(4)
            break
        gc.collect()
        while client.stats().in_flight:
            await asyncio.sleep(0)


async def test_nothing_is_asked_for_before_the_first_row_is() -> None:
    async with Sandbox(rows(5)) as sandbox, client_of(sandbox) as client:
        listing = client.campaigns.list()
        iter_ = aiter(listing)
        assert list(sandbox.requests) == []
        await anext(iter_)
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize(("limit", "requests"), [(0, 0), (1, 1), (10, 1), (11, 2), (95, 10), (500, 10), (None, 10)])
async def test_collect_takes_no_page_too_many(limit: int | None, requests: int) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        listing = client.campaigns.list(page_size=10, prefetch=5)
        assert ids(await listing.collect(limit)) == EXPECTED[:limit]
        assert len(sandbox.requests) == requests
        assert listing.checkpoint.rows == len(EXPECTED[:limit])


async def test_count_asks_for_one_row() -> None:
    async with Sandbox(rows(95), {"c001": people(7)}) as sandbox, client_of(sandbox) as client:
        assert await client.campaigns.list().count() == 95
        assert await client.campaigns.list(filters="id==c003").count() == 1
        assert await client.campaigns.contacts("c001").count() == 7
        assert sandbox.requests[0].query["pagesize"] == "1"


async def test_filters_and_sorts_reach_the_server_and_survive_the_way() -> None:
    data = [*rows(3), {"id": "plus", "sender": "A+B & C", "message": "100%"}]
    async with Sandbox(data) as sandbox, client_of(sandbox) as client:
        assert ids(await client.campaigns.list(filters="sender==A+B & C").collect()) == ["plus"]
        found = await client.campaigns.list(sorts=["-recipientCount", "id"], filters="sender==Golf").collect()
        assert ids(found) == ["c002", "c001", "c000"]


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("stop", [0, 1, 9, 10, 11, 50, 94, 95])
async def test_a_walk_resumes_behind_the_last_row_handed_out(stop: int, prefetch: int) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        listing = client.campaigns.list(page_size=10, prefetch=prefetch)
        first = []
        if stop:
            async for row in listing:
                first.append(row)
                if len(first) == stop:
                    break
        checkpoint = pickle.loads(pickle.dumps(listing.checkpoint))
        assert checkpoint.rows == stop
        rest = await client.campaigns.list(prefetch=prefetch, resume_from=checkpoint).collect()
        assert ids(first) + ids(rest) == EXPECTED


async def test_pages_resume_too() -> None:
    async with Sandbox(rows(25)) as sandbox, client_of(sandbox) as client:
        listing = client.campaigns.list(page_size=10, prefetch=0)
        async for page in listing.pages():
            assert isinstance(page, Page)
            break
        rest = client.campaigns.list(resume_from=listing.checkpoint, prefetch=0)
        assert [ids(page.items) async for page in rest.pages()] == [EXPECTED[10:20], EXPECTED[20:25]]
        assert len(sandbox.requests) <= 4


async def test_a_checkpoint_belongs_to_its_listing(client: CampaignsClient) -> None:
    checkpoint = client.campaigns.list(page_size=10).checkpoint
    for wrong in [
        lambda: client.campaigns.list(filters="sender==Golf", resume_from=checkpoint),
        lambda: client.campaigns.contacts("c001", resume_from=checkpoint),
        lambda: client.campaigns.list(page_size=11, resume_from=checkpoint),
        lambda: client.campaigns.list(resume_from="page 3"),  # type: ignore[arg-type]
    ]:
        with pytest.raises(InvalidArgumentError, match="resume_from"):
            wrong()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"page_size": 0}, "page_size"),
        ({"prefetch": -1}, "prefetch"),
        ({"filters": 5}, "filters"),
        ({"sorts": 5}, "sorts"),
    ],
)
async def test_a_wrong_option_is_refused_when_the_listing_is_made(
    client: CampaignsClient, options: dict[str, Any], named: str
) -> None:
    with pytest.raises((InvalidArgumentError, QueryError), match=named):
        client.campaigns.list(**options)


async def test_a_page_that_fails_can_be_asked_for_again() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="list", nth=2, times=5, status=500)
        walk = aiter(client.campaigns.list(page_size=10, prefetch=0))
        seen = [await anext(walk) for _ in range(10)]
        with pytest.raises(ServerError):
            await anext(walk)
        seen += [row async for row in walk]
        assert ids(seen) == EXPECTED[:30]


async def test_a_failed_page_that_nobody_reads_is_no_unretrieved_exception() -> None:
    async with Sandbox(rows(30)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="list", nth=2, status=400)
        async for _ in client.campaigns.list(page_size=10, prefetch=2):
            await sandbox.wait_received(3)
            while client.stats().in_flight:
                await asyncio.sleep(0)
            break
        gc.collect()


def page(index: int | None, names: list[str], **totals: int) -> bytes:
    return orjson.dumps({"pageIndex": index, **totals, "items": [{"id": name} for name in names]})


async def test_a_server_that_repeats_a_page_raises(sandbox: Sandbox, client: CampaignsClient) -> None:
    sandbox.fault(operation="list", status=200, body=page(None, ["a", "b"]), content_type="application/json")
    with pytest.raises(PagingError, match="page 2 has the same rows as page 1"):
        await client.campaigns.list(page_size=2).collect()


async def test_a_server_that_goes_round_in_circles_raises(sandbox: Sandbox, client: CampaignsClient) -> None:
    for number in range(3):
        names = [f"a{number}", f"b{number}"]
        sandbox.fault(
            when=lambda request, n=number: int(request.query["page"]) % 3 == n, status=200, body=page(None, names)
        )
    with pytest.raises(PagingError, match="page 4 has the same rows as page 1"):
        await client.campaigns.list(page_size=2).collect()


async def test_a_server_that_answers_another_page_raises(sandbox: Sandbox, client: CampaignsClient) -> None:
    sandbox.fault(operation="list", status=200, body=page(7, ["a"], totalPages=9))
    with pytest.raises(PagingError, match="requested page 1, the server returned page 7"):
        await client.campaigns.list().collect()


async def test_a_listing_without_totals_ends_at_an_empty_page(sandbox: Sandbox, client: CampaignsClient) -> None:
    for names in (["a", "b"], ["c"], []):
        sandbox.fault(operation="list", times=1, status=200, body=page(None, names))
    assert ids(await client.campaigns.list(page_size=2).collect()) == ["a", "b", "c"]
    assert len(sandbox.requests) == 3


async def test_a_checkpoint_holds_no_filter() -> None:
    listing = CampaignsClient("http://localhost", "key").campaigns.contacts("c1", filters="phoneNumber==07700900123")
    assert isinstance(listing.checkpoint, Checkpoint)
    assert b"07700900123" not in pickle.dumps(listing.checkpoint)


async def test_a_filter_is_built_and_checked_before_anything_is_sent(client: CampaignsClient, sandbox: Sandbox) -> None:
    for wrong in ("sendr==Golf", "recipientCount==many", "sender<Golf", query.contact.name == "A"):
        with pytest.raises(QueryError):
            client.campaigns.list(filters=wrong)
    with pytest.raises(QueryError):
        client.campaigns.list(sorts="-sendr")
    assert list(sandbox.requests) == []


async def test_an_expression_finds_its_rows() -> None:
    async with Sandbox(rows(20)) as sandbox, client_of(sandbox) as client:
        filters = (query.campaign.recipient_count >= 5) & query.campaign.message.contains("message 1", ignore_case=True)
        sorts = [query.campaign.recipient_count.desc()]
        found = await client.campaigns.list(filters=filters, sorts=sorts).collect()
        assert ids(found) == [f"c{n:03}" for n in range(19, 9, -1)]


async def test_a_server_that_ignores_a_filter_is_found_out(sandbox: Sandbox) -> None:
    for row in rows(3):
        sandbox.add(row)
    async with client_of(sandbox) as client:
        sandbox.fault(
            operation="list",
            status=200,
            body=page(1, ["a"], totalRecords=1).replace(b'"a"', b'"a", "sender": "Tennis"'),
        )
        with pytest.raises(FilterIgnoredError, match="row 1 of page 1"):
            await client.campaigns.list(filters=query.campaign.sender == "Golf").collect()
        with pytest.raises(FilterIgnoredError):
            await client.campaigns.list(filters="sender==Golf").count()
        found = await client.campaigns.list(filters="sender==Golf", check_filters=False).collect()
        assert ids(found) == ["a"]
