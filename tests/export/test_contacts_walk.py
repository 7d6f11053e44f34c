"""A walk through the contacts of campaigns: in order, resumed after any step, within its bounds."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from support.made import client_of

from campaigns_async import CampaignsClient, NotFoundError, PermissionDeniedError
from campaigns_async.export import ResumeError
from campaigns_async.export._options import ListOptions
from campaigns_async.export._walk import Position, Step, Walk
from campaigns_async.sandbox import Sandbox
from campaigns_async.sandbox._rows import Row

SIZES = [0, 1, 25, 10, 0, 9, 100, 11, 3, 0]
"""Contacts of each campaign, for pages of ten."""
Rows = list[tuple[str | None, str]]


def names(count: int) -> list[str]:
    return [f"c{number:03}" for number in range(count)]


def world(sizes: list[int], contacts: Any) -> Sandbox:
    given = dict(zip(names(len(sizes)), map(contacts, sizes), strict=True))
    return Sandbox([{"id": name} for name in given], given)


def expected_rows(sizes: list[int]) -> Rows:
    return [
        (name, f"p{number:06}") for name, size in zip(names(len(sizes)), sizes, strict=True) for number in range(size)
    ]


def walk(
    client: CampaignsClient,
    ids: list[str] | None = None,
    *,
    parallel: int = 4,
    position: Position | None = None,
    **more: Any,
) -> AsyncGenerator[Step, None]:
    given: dict[str, Any] = {"filters": None, "sorts": "id", "page_size": 10, "prefetch": 1, **more}
    campaigns = ListOptions(None, "id", min(given["page_size"], 1000), 0) if ids is None else tuple(ids)
    return Walk(client, ListOptions(**given), campaigns, parallel, position).steps()


def rows_of(steps: list[Step]) -> Rows:
    return [(batch.campaign_id, row.id) for step in steps for batch in step.batches for row in batch.rows]


SOURCES = pytest.mark.parametrize("named", [True, False], ids=["named", "listed"])


@SOURCES
@pytest.mark.parametrize("parallel", [1, 3, 100])
@pytest.mark.parametrize("prefetch", [0, 3])
async def test_all_contacts_come_once(named: bool, parallel: int, prefetch: int, contacts: Any, steps: Any) -> None:
    async with world(SIZES, contacts) as sandbox, client_of(sandbox) as client:
        ids = names(len(SIZES)) if named else None
        found = await steps(walk(client, ids, parallel=parallel, prefetch=prefetch))
        pages = Counter((one.path, one.query["page"]) for one in sandbox.requests)
    rows = rows_of(found)
    assert rows == expected_rows(SIZES)
    for name in names(len(SIZES)):  # each campaign's own rows are in order either way
        assert [row for row in rows if row[0] == name] == [row for row in expected_rows(SIZES) if row[0] == name]
    assert set(pages.values()) == {1}
    assert (found[-1].campaigns, found[-1].campaigns_total, found[-1].position.deleted_campaigns) == (10, 10, 0)
    counts = [step.campaigns for step in found]
    assert counts == sorted(counts)


async def test_no_campaigns_are_one_step_that_says_so(steps: Any) -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        (step,) = await steps(walk(client))
    assert (step.batches, step.campaigns, step.total) == ((), 0, None)


async def test_one_campaign_tells_how_many_contacts_there_are(steps: Any, contacts: Any) -> None:
    async with world([25], contacts) as sandbox, client_of(sandbox) as client:
        found = await steps(walk(client, ["c000"]))
    assert rows_of(found) == expected_rows([25])
    assert {(step.total, step.campaigns, step.campaigns_total) for step in found} == {(25, None, None)}


@SOURCES
async def test_it_goes_on_behind_any_step_and_fetches_no_page_again(named: bool, contacts: Any, steps: Any) -> None:
    ids = names(len(SIZES)) if named else None
    async with world(SIZES, contacts) as sandbox, client_of(sandbox) as client:
        found = await steps(walk(client, ids))
        assert len(found) > 5
        for number, step in enumerate(found):
            asked = len(sandbox.requests)
            written = found[: number + 1]
            again = walk(client, ids, page_size=33, parallel=2, position=step.position)
            rest = await steps(again)
            rows = rows_of(written + rest)
            assert rows == expected_rows(SIZES)
            assert rest[-1].campaigns == 10
            seen = Counter(campaign for campaign, _ in rows_of(written))
            for request in sandbox.requests[asked:]:
                if request.operation == "contacts" and request.query["pagesize"] != "1":
                    assert int(request.query["page"]) > seen[request.path.split("/")[3]] // 10


@pytest.mark.slow
async def test_cut_off_again_and_again_it_loses_and_repeats_nothing(contacts: Any, steps: Any) -> None:
    for seed in range(5):
        dice = random.Random(seed)
        sizes = [dice.choice([0, 1, 2, 9, 10, 11, 35]) for _ in range(30)]
        position, found = None, []
        async with world(sizes, contacts) as sandbox, client_of(sandbox) as client:
            while True:
                options = {"parallel": dice.choice([1, 2, 7, 50]), "prefetch": dice.randint(0, 3)}
                more = await steps(walk(client, position=position, **options), dice.randint(1, 4))
                found += more
                if more[-1].campaigns == 30 and not rows_of(more):
                    break
                position = more[-1].position
        rows = rows_of(found)
        assert rows == expected_rows(sizes)


async def test_many_small_campaigns_are_read_at_full_concurrency(contacts: Any, steps: Any) -> None:
    async with world([2] * 60, contacts) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="contacts", delay=0.005)
        found = await steps(walk(client, names(60), parallel=12))
        assert sandbox.max_in_flight == 12
        assert rows_of(found) == expected_rows([2] * 60)
        assert len(found) < 40, "several campaigns go into one step"


async def test_a_step_is_filled_up_to_a_bound_and_what_is_left_comes_with_the_next(contacts: Any, quiet: Any) -> None:
    async with world([2600] * 7, contacts) as sandbox, client_of(sandbox) as client:
        options = {"parallel": 7, "page_size": 1300, "sorts": None}
        found: list[Step] = []
        async with aclosing(walk(client, names(7), **options)) as walked:
            async for step in walked:
                found.append(step)
                if len(found) == 1:
                    await quiet(sandbox)  # all the others are in hand
        assert rows_of(found) == expected_rows([2600] * 7)
        sizes = [sum(len(batch.rows) for batch in step.batches) for step in found]
        assert 3900 <= max(sizes) < 5000 + 1300


async def test_what_has_come_of_many_campaigns_is_one_step(contacts: Any, quiet: Any) -> None:
    async with world([2] * 80, contacts) as sandbox, client_of(sandbox) as client:
        async with aclosing(walk(client, names(80), parallel=30)) as walked:
            before = (await anext(walked)).campaigns or 0
            await quiet(sandbox)
            step = await anext(walked)
            assert len(step.batches) >= 30
            assert (step.campaigns or 0) - before >= 30


async def test_it_stops_fetching_while_nobody_takes_anything(
    contacts: Any, quiet: Any, nothing_left: Callable[[CampaignsClient], None]
) -> None:
    async with world([500] * 6, contacts) as sandbox, client_of(sandbox) as client:
        async with aclosing(walk(client, names(6), parallel=3, prefetch=2)) as walked:
            given = len((await anext(walked)).batches)
            asked = await quiet(sandbox)
            assert asked == given + 3 * (1 + 5)  # one in hand and five ahead of each of three
        nothing_left(client)


@pytest.mark.slow
async def test_rows_in_memory_are_bounded(contacts: Any, quiet: Any, contacts_alive: Callable[[], int]) -> None:
    async with world([3000] * 4, contacts) as sandbox, client_of(sandbox) as client:
        most = rows = 0
        options = {"parallel": 2, "prefetch": 2, "page_size": 50}
        async with aclosing(walk(client, names(4), **options)) as walked:
            async for step in walked:
                held = sum(len(batch.rows) for batch in step.batches)
                assert held <= 5000
                rows += held
                most = max(most, contacts_alive() - held)
        assert rows == 4 * 3000
        assert most <= 2 * (2 * 2 + 2) * 50 + 50


async def test_a_campaign_that_is_deleted_meanwhile_is_counted(contacts: Any, steps: Any) -> None:
    sizes = [5, 60, 7, 8]
    async with world(sizes, contacts) as sandbox, client_of(sandbox) as client:

        def delete(request: Any) -> bool:
            if "c001" in request.path and request.query["page"] == "4":
                sandbox.remove("c001")
            if "c002" in request.path:
                sandbox.remove("c002")
            return False

        sandbox.fault(when=delete, times=1, status=500)
        found = await steps(walk(client, parallel=1, prefetch=0))
        rows = rows_of(found)
        assert [row for row in rows if row[0] != "c001"] == expected_rows([5]) + [
            ("c003", f"p{n:06}") for n in range(8)
        ]
        assert 20 <= sum(row[0] == "c001" for row in rows) <= 30
        assert (found[-1].position.deleted_campaigns, found[-1].campaigns) == (2, 4)
        position = found[-1].position
        (last,) = await steps(walk(client, position=position))
        assert (last.position.deleted_campaigns, last.campaigns) == (2, 4)


async def test_a_campaign_that_is_deleted_before_its_export_is_resumed_is_counted_too(
    contacts: Any, steps: Any
) -> None:
    async with world([60, 5], contacts) as sandbox, client_of(sandbox) as client:
        found = await steps(walk(client, prefetch=0), 1)
        assert 0 < len(rows_of(found)) < 60
        sandbox.remove("c000")
        rest = await steps(walk(client, position=found[-1].position))
    assert rows_of(rest) == [("c001", f"p{number:06}") for number in range(5)]
    assert (rest[-1].position.deleted_campaigns, rest[-1].campaigns) == (1, 2)


async def test_a_named_campaign_that_is_not_there_is_named(
    contacts: Any, nothing_left: Callable[[CampaignsClient], None]
) -> None:
    async with world([5, 5, 500, 5], contacts) as sandbox, client_of(sandbox) as client:
        ids = ["c002", "c001", "nobody", "c003"]
        with pytest.raises(
            NotFoundError, match=r"campaign 3 of the 4 given, nobody, does not exist.*GET /api"
        ) as caught:
            async with aclosing(walk(client, ids)) as walked:
                async for _ in walked:
                    pass
        nothing_left(client)
        assert caught.value.status == 404
        assert isinstance(caught.value.__cause__, NotFoundError)
        assert len(sandbox.requests) < 50, "it was reported before its turn"


async def test_what_came_before_an_error_is_given_and_the_rest_can_be_resumed(
    contacts: Any, steps: Any, nothing_left: Callable[[CampaignsClient], None]
) -> None:
    for operation, nth in [("contacts", 1), ("contacts", 8), ("contacts", 20), ("list", 1), ("list", 2), ("list", 3)]:
        size = 4 if operation == "list" else 10
        async with world(SIZES, contacts) as sandbox, client_of(sandbox) as client:
            sandbox.fault(operation=operation, nth=nth, times=1, status=403)
            found: list[Step] = []
            with pytest.raises(PermissionDeniedError):
                async with aclosing(walk(client, page_size=size)) as walked:
                    async for step in walked:
                        found.append(step)
            nothing_left(client)
            position = found[-1].position if found else None
            rows = rows_of(found + await steps(walk(client, position=position, page_size=size)))
        assert rows == expected_rows(SIZES)


@pytest.mark.parametrize("twice", [False, True])
async def test_cancelled_at_any_moment_it_leaves_no_task(
    twice: bool, contacts: Any, nothing_left: Callable[[CampaignsClient], None]
) -> None:
    async with world([5, 25, 12, 0, 3], contacts) as sandbox, client_of(sandbox) as client:

        async def run() -> None:
            async with aclosing(walk(client, parallel=2)) as walked:
                async for _ in walked:
                    await asyncio.sleep(0)

        turns, ended = 0, False
        while not ended:
            task = asyncio.create_task(run())
            for _ in range(turns):
                await asyncio.sleep(0)
            ended = not task.cancel()
            if twice:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
            nothing_left(client)
            turns += 1 + turns // 20
        assert turns > 30  # the version of Python decides how many there are


@pytest.mark.parametrize("seed", range(4))
async def test_rows_that_come_and_go_between_runs_lose_none_that_stayed(seed: int, steps: Any) -> None:
    dice = random.Random(seed)
    given = {name: [{"id": f"p{number:04}"} for number in range(0, 600, 10)] for name in names(6)}
    async with Sandbox([{"id": name} for name in given], given) as sandbox:
        stayed = {(name, row["id"]) for name, people in given.items() for row in people}
        position, seen, over = None, [], False
        while not over:
            async with client_of(sandbox) as client:
                found = await steps(walk(client, position=position), dice.randint(1, 3))
            seen += rows_of(found)
            over = found[-1].campaigns == 6 and not rows_of(found)
            position = found[-1].position
            for name in names(6):
                people: Any = sandbox._state.store.get_contacts(name)
                for _ in range(dice.choice([0, 1, 2])):
                    gone = people.pop(dice.randrange(len(people)))
                    stayed.discard((name, gone.wire["id"]))
                for _ in range(dice.choice([0, 3, 5])):  # another number than went, so that it shows
                    people.insert(
                        dice.randrange(len(people)), Row({"id": f"p{dice.randrange(600):04}x{dice.random()}"})
                    )
    assert len(seen) == len(set(seen))
    assert stayed <= set(seen)


async def test_a_position_of_other_campaigns_is_refused(contacts: Any, steps: Any) -> None:
    async with world([25, 5], contacts) as sandbox, client_of(sandbox) as client:
        (listed,) = await steps(walk(client), 1)
        named = (await steps(walk(client, names(2))))[-1]
        for ids, position in [(names(2), listed), (None, named), (["c000"], named)]:
            with pytest.raises(ResumeError, match="other campaigns"):
                walk(client, ids, position=position.position)
