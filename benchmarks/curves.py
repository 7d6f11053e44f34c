"""The cost of a unit against how much work there is: creates, and contacts that are read.

Both sides do the same work in parts, and take turns at those, as all amounts do: what the machine goes through meets
them all.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing
from itertools import cycle, islice
from typing import Protocol

from attrs import field, frozen

from benchmarks.answerer import campaign_of
from benchmarks.baseline import ByHand
from benchmarks.rows import IN_FLIGHT, Place
from benchmarks.work import as_dict, connected, models, take
from campaigns_async import CampaignsClient

_WORK = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
_DIFFERENT = 1_000
"""Campaigns that are made beforehand; a million would fill the memory."""
_ENOUGH = 100_000
"""Units that are done of an amount at least, by rounds."""
_PART = 10_000
"""Units that a side does before it is the other's turn."""


@frozen
class Point:
    """So much work, and what a unit of it cost: µs of CPU, pair by pair."""

    work: int
    client: list[float] = field(factory=list)
    by_hand: list[float] = field(factory=list)


@frozen
class Curve:
    """All points of one kind of work."""

    name: str
    unit: str
    points: tuple[Point, ...]


class _Works(Protocol):
    """Does so much work; yields after each part of it."""

    def __call__(self, work: int, part: int, /) -> AsyncGenerator[None]: ...


class _Sides(Protocol):
    def __call__(self, client: CampaignsClient, by_hand: ByHand, page_size: int, /) -> tuple[_Works, _Works]: ...


def curves(place: Place, only: str) -> tuple[Curve, ...]:
    """Measure those whose name contains the text."""
    kinds: tuple[tuple[str, str, _Sides], ...] = (
        ("curve, create_many", "create", _creates),
        ("curve, contacts", "row", _contacts),
    )
    chosen = [kind for kind in kinds if only in kind[0]]
    return tuple(Curve(name, unit, asyncio.run(_points(name, place, sides))) for name, unit, sides in chosen)


async def _points(name: str, place: Place, sides: _Sides) -> tuple[Point, ...]:
    works = [work for work in _WORK if work <= place.size.most]
    rounds = {work: min(place.size.rounds, max(1, _ENOUGH // work)) for work in works}
    points = {work: Point(work) for work in works}
    async with connected(place) as (client, by_hand), AsyncExitStack() as stack:
        both = sides(client, by_hand, place.size.page_size)
        warm_up, *pairs = [
            await stack.enter_async_context(aclosing(_pairs(both, client, work))) for work in (_WORK[0], *works)
        ]
        await anext(warm_up)
        parts = {work: rounds[work] * work // _part(work) for work in works}
        # Each amount's parts at even distances, from the first one to the last of all.
        turns = sorted(((turn + 0.5) / count, work) for work, count in parts.items() for turn in range(count))
        for number, (_, work) in enumerate(turns):
            if number % 25 == 0:
                print(f"{name}: {number} of {len(turns)} parts ...", file=sys.stderr, flush=True)
            ours, other = await anext(pairs[works.index(work)])
            points[work].client.append(ours)
            points[work].by_hand.append(other)
    return tuple(points.values())


async def _pairs(
    sides: tuple[_Works, _Works], client: CampaignsClient, work: int
) -> AsyncGenerator[tuple[float, float]]:
    """What a unit of each part costs both; again and again."""
    part = _part(work)
    while True:
        async with aclosing(sides[0](work, part)) as ours, aclosing(sides[1](work, part)) as other:
            running = (ours, other)
            for turn in range(work // part):
                costs = [0.0, 0.0]
                for side in (0, 1) if turn % 2 else (1, 0):
                    await _quiet(client)
                    gc.collect()
                    began = time.process_time()
                    await anext(running[side])
                    costs[side] = (time.process_time() - began) * 1e6 / part
                yield costs[0], costs[1]


async def _quiet(client: CampaignsClient) -> None:
    """See what the part before left on its way come in: it is not this one's."""
    while client.stats().in_flight:  # noqa: ASYNC110  # a turn of the loop each, by which the answers come
        await asyncio.sleep(0)


def _part(work: int) -> int:
    return min(work, _PART)


def _creates(client: CampaignsClient, by_hand: ByHand, _: int) -> tuple[_Works, _Works]:
    news, dicts = models(_DIFFERENT), [as_dict(number) for number in range(_DIFFERENT)]

    async def ours(work: int, part: int) -> AsyncGenerator[None]:
        created = 0
        async with client.campaigns.create_many(islice(cycle(news), work)) as outcomes:
            async for outcome in outcomes:
                created += outcome.ok
                if created % part == 0:
                    yield
        _all(work, created)

    async def other(work: int, part: int) -> AsyncGenerator[None]:
        left = islice(cycle(dicts), work)
        for _ in range(work // part):
            _all(part, await _created(by_hand, islice(left, part)))
            yield

    return ours, other


async def _created(by_hand: ByHand, left: Iterator[dict[str, object]]) -> int:
    created = 0

    async def worker() -> None:
        nonlocal created
        for item in left:
            await by_hand.create(item)
            created += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(worker())
    return created


def _contacts(client: CampaignsClient, by_hand: ByHand, page_size: int) -> tuple[_Works, _Works]:
    async def ours(work: int, part: int) -> AsyncGenerator[None]:
        read = 0
        async for row in client.campaigns.contacts(campaign_of(work // page_size), page_size=page_size):
            take(row.id, row.phone_number, row.name, row.custom1)
            take(row.custom2)
            read += 1
            if read % part == 0:
                yield
        _all(work, read)

    async def other(work: int, part: int) -> AsyncGenerator[None]:
        read = 0
        async for page in by_hand.contacts(campaign_of(work // page_size)):
            for row in page:
                take(row["id"], row["phoneNumber"], row["name"], row["custom1"])
                take(row["custom2"])
            read += len(page)
            if read % part == 0:
                yield
        _all(work, read)

    return ours, other


def _all(work: int, done: int) -> None:
    if done != work:
        raise RuntimeError(f"{done} instead of {work}")
