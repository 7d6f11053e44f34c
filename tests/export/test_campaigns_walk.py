"""A walk through campaigns: in order, resumed after any step, with prefetched pages, and without tasks left at the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from support.made import client_of, rows

from campaigns_async import (
    CampaignsClient,
    Checkpoint,
    FilterIgnoredError,
    InvalidArgumentError,
    PermissionDeniedError,
    QueryError,
)
from campaigns_async.export._options import ListOptions
from campaigns_async.export._walk import ONLY_CAMPAIGNS, Position, Step, Walk
from campaigns_async.sandbox import Sandbox

ALL = [f"c{number:03}" for number in range(95)]


def walk(client: CampaignsClient, position: Position | None = None, **more: Any) -> AsyncGenerator[Step, None]:
    given: dict[str, Any] = {"filters": None, "sorts": "id", "page_size": 10, "prefetch": 2, **more}
    return Walk(client, ListOptions(**given), ONLY_CAMPAIGNS, 1, position).steps()


def ids(steps: list[Step]) -> list[str]:
    return [row.id for step in steps for batch in step.batches for row in batch.rows]


@pytest.mark.parametrize("prefetch", [0, 1, 4, 1000])
@pytest.mark.parametrize("page_size", [1, 10, 95, 1000])
async def test_all_rows_come_once_in_order(page_size: int, prefetch: int, steps: Any) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        found = await steps(walk(client, page_size=page_size, prefetch=prefetch))
        assert ids(found) == ALL
        assert len(sandbox.requests) == 95 // page_size + 1  # one more after a full page
        assert {step.total for step in found} == {95}
        assert {batch.campaign_id for step in found for batch in step.batches} == {None}


async def test_no_campaigns_are_a_step_without_rows(steps: Any) -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        (step,) = await steps(walk(client))
        assert (step.batches, step.position) == ((), Position(done=1))
        assert len(sandbox.requests) == 1


async def test_a_step_holds_what_is_there_up_to_a_bound(steps: Any) -> None:
    async with Sandbox(rows(13_000)) as sandbox, client_of(sandbox) as client:
        small = walk(client, page_size=200, prefetch=40, sorts=None)
        sizes: list[int] = []
        async with aclosing(small) as walked:
            async for step in walked:
                sizes.append(sum(len(batch.rows) for batch in step.batches))
                await sandbox.wait_received(min(65, len(sandbox.requests) + 30))  # all that is fetched ahead is there
        large = await steps(walk(client, page_size=6000, prefetch=1, sorts=None))
    assert sum(sizes) == 13_000
    assert 2000 < max(sizes) <= 5000
    assert [[len(batch.rows) for batch in step.batches] for step in large if step.batches] == [[6000], [6000], [1000]]


async def test_it_resumes_after_any_step_and_fetches_no_page_again(steps: Any) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        found = await steps(walk(client, prefetch=0))
        for number, step in enumerate(found):
            written = ids(found[: number + 1])
            asked = len(sandbox.requests)
            rest = await steps(walk(client, page_size=33, prefetch=3, position=step.position))
            assert written + ids(rest) == ALL
            pages = [one.query for one in sandbox.requests[asked:]]
            assert all(page["pagesize"] == "1" or int(page["page"]) > len(written) // 10 for page in pages)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_the_next_page_and_those_ahead_of_it_are_asked_for_at_once(prefetch: int) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        hold = asyncio.Event()
        sandbox.fault(operation="list", nth=2, hold=hold)
        async with aclosing(walk(client, prefetch=prefetch)) as walked:
            await anext(walked)
            await sandbox.wait_received(1 + prefetch + 1)
            assert sandbox.in_flight == prefetch + 1
            hold.set()


async def test_the_next_page_is_asked_for_while_a_step_is_written() -> None:
    async with Sandbox(rows(70)) as sandbox, client_of(sandbox) as client:
        async with aclosing(walk(client, prefetch=0)) as walked:
            pages = 0
            async for step in walked:
                pages += len(step.batches)
                await sandbox.wait_received(min(7, pages + 1))  # or it would wait forever


@pytest.mark.parametrize("prefetch", [0, 3])
async def test_it_stops_fetching_while_nobody_takes_anything(
    prefetch: int, quiet: Any, nothing_left: Callable[[CampaignsClient], None]
) -> None:
    async with Sandbox(rows(500)) as sandbox, client_of(sandbox) as client:
        async with aclosing(walk(client, prefetch=prefetch)) as walked:
            taken = len((await anext(walked)).batches)
            assert await quiet(sandbox) == taken + 1 + 2 * prefetch + 1  # one in hand, and those ahead
        nothing_left(client)


async def test_what_came_before_an_error_is_given_and_the_rest_can_be_resumed(
    steps: Any, nothing_left: Callable[[CampaignsClient], None]
) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(when=lambda request: request.query["page"] == "6", times=1, status=403)
        found: list[Step] = []
        with pytest.raises(PermissionDeniedError):
            async with aclosing(walk(client)) as walked:
                async for step in walked:
                    found.append(step)
        nothing_left(client)
        assert ids(found) == ALL[:50]
        assert ids(found + await steps(walk(client, position=found[-1].position))) == ALL


async def test_cancelled_at_any_moment_it_leaves_no_task(
    nothing_left: Callable[[CampaignsClient], None],
) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:

        async def run() -> None:
            async with aclosing(walk(client)) as walked:
                async for _ in walked:
                    await asyncio.sleep(0)

        turns, ended = 0, False
        while not ended:
            task = asyncio.create_task(run())
            for _ in range(turns):
                await asyncio.sleep(0)
            ended = not task.cancel()
            await asyncio.wait([task])
            nothing_left(client)
            turns += 1
        assert turns > 30


async def test_a_listing_that_is_cancelled_by_others_is_no_end(nothing_left: Callable[[CampaignsClient], None]) -> None:
    async with Sandbox(rows(95)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="list", nth=3, hold=asyncio.Event())
        found: list[Step] = []
        with pytest.raises(RuntimeError, match="cancelled before its end"):
            async with aclosing(walk(client, prefetch=0)) as walked:
                async for step in walked:
                    found.append(step)
                    if len(ids(found)) == 20:
                        await sandbox.wait_received(3)
                        for task in asyncio.all_tasks():
                            if "_Cursor" in task.get_coro().__qualname__:  # type: ignore[union-attr]
                                task.cancel()
        nothing_left(client)


async def test_what_cannot_be_asked_is_refused_before_it_is(
    client: CampaignsClient, sandbox: Sandbox, steps: Any
) -> None:
    with pytest.raises(QueryError):
        await steps(walk(client, filters="sendr==Golf"))
    with pytest.raises(InvalidArgumentError, match="another listing"):
        await steps(walk(client, Position(checkpoint=Checkpoint("other", 10))))
    assert list(sandbox.requests) == []


async def test_a_server_that_ignores_the_filter_is_found_out(steps: Any) -> None:
    async with Sandbox(rows(3, sender="Tennis")) as sandbox, client_of(sandbox) as client:
        everything = await client.request("GET", "/api/Campaigns")
        sandbox.fault(operation="list", status=200, body=everything.body, content_type="application/json")
        with pytest.raises(FilterIgnoredError):
            await steps(walk(client, filters="sender==Golf"))


@pytest.mark.parametrize("seed", range(6))
async def test_rows_that_come_and_go_between_runs_lose_none_that_stayed(seed: int, steps: Any) -> None:
    dice = random.Random(seed)
    async with Sandbox([{"id": f"r{number:05}"} for number in range(0, 3000, 10)]) as sandbox:
        stayed = {row["id"] for row in sandbox.campaigns}
        position, seen = Position(), []
        while not position.done:
            async with client_of(sandbox) as client:
                found = await steps(walk(client, position=position), steps=dice.randint(1, 3))
            seen += ids(found)
            position = found[-1].position
            for _ in range(dice.randint(1, 5)):
                present = [row["id"] for row in sandbox.campaigns]
                gone = dice.choice(present)
                sandbox.remove(gone)
                stayed.discard(gone)
            for _ in range(dice.choice([0, 6, 8])):  # another number than went, so that it shows
                sandbox.add({"id": f"r{dice.randrange(3000):05}x{dice.random()}"})
    assert len(seen) == len(set(seen))
    assert stayed <= set(seen)
    assert [row for row in seen if row in stayed] == sorted(stayed)


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("seed", range(4))
async def test_rows_that_come_and_go_while_it_walks_lose_none_that_stayed(seed: int, prefetch: int, steps: Any) -> None:
    dice = random.Random(seed)
    async with Sandbox([{"id": f"r{number:05}"} for number in range(0, 3000, 10)]) as sandbox:
        stayed = {row["id"] for row in sandbox.campaigns}
        told = {300}

        def move(request: Any) -> bool:
            if dice.random() < 0.3:
                present = [row["id"] for row in sandbox.campaigns]
                if len(present) - 1 not in told and dice.random() < 0.5:
                    gone = dice.choice(present)
                    sandbox.remove(gone)
                    stayed.discard(gone)
                while len(sandbox.campaigns) in told:  # a total that was sent before would show nothing
                    sandbox.add({"id": f"r{dice.randrange(3000):05}x{dice.random()}"})
                told.add(len(sandbox.campaigns))
            return False

        sandbox.fault(when=move, status=500)
        async with client_of(sandbox) as client:
            seen = ids(await steps(walk(client, prefetch=prefetch)))
    assert len(seen) == len(set(seen))
    assert [row for row in seen if row in stayed] == sorted(stayed)
