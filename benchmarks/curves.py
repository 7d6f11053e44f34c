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

from attrs import frozen

from benchmarks.answerer import campaign_of
from benchmarks.baseline import ByHand
from benchmarks.rows import IN_FLIGHT, Place
from benchmarks.work import as_dict, connected, models, take
from campaigns_async import CampaignsClient

_WORK = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
_DIFFERENT = 1_000
"""Campaigns that are made beforehand; a million would fill the memory."""
_PARTS = 10
"""Parts up to which an amount is done again."""
_SETTLE = 0.001
"""Seconds between two looks at whether all has come in; turns of the loop without a pause would be counted."""


@frozen
class Point:
    """So much work, and what a unit of it cost: µs of CPU, pair by pair."""

    work: int
    client: tuple[float, ...]
    by_hand: tuple[float, ...]


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


@frozen
class _Kind:
    """What a curve is of."""

    name: str
    unit: str
    part: int
    """Units that a side does before it is the other's turn: some tenths of a second."""
    sides: _Sides


def curves(place: Place, only: str) -> tuple[Curve, ...]:
    """Measure those whose name contains the text."""
    kinds = (
        _Kind("curve, create_many", "create", 10_000, _creates),
        _Kind("curve, contacts", "row", 100_000, _contacts),
    )
    return tuple(Curve(kind.name, kind.unit, asyncio.run(_points(kind, place))) for kind in kinds if only in kind.name)


async def _points(kind: _Kind, place: Place) -> tuple[Point, ...]:
    size = place.size
    parts: dict[int, int] = {}
    costs: dict[int, list[tuple[float, float]]] = {}
    for work in _WORK:
        if work <= size.most:
            rounds = min(size.rounds, max(1, _PARTS * kind.part // work))
            parts[work], costs[work] = rounds * work // min(work, kind.part), []
    async with connected(place) as (client, by_hand), AsyncExitStack() as stack:
        both = kind.sides(client, by_hand, size.page_size)
        pairs = {
            work: await stack.enter_async_context(aclosing(_pairs(both, client, work, min(work, kind.part))))
            for work in parts
        }
        await anext(pairs[_WORK[0]])  # to warm up
        # Each amount's parts at even distances, over the whole run.
        turns = sorted(((turn + 0.5) / count, work) for work, count in parts.items() for turn in range(count))
        for number, (_, work) in enumerate(turns):
            if number % 25 == 0:
                print(f"{kind.name}: {number} of {len(turns)} parts ...", file=sys.stderr, flush=True)
            costs[work].append(await anext(pairs[work]))
    return tuple(Point(work, *zip(*found, strict=True)) for work, found in costs.items())


async def _pairs(
    sides: tuple[_Works, _Works], client: CampaignsClient, work: int, part: int
) -> AsyncGenerator[tuple[float, float]]:
    """What a unit of each part costs both, the client first; the work is done again and again."""
    turn = 0
    while True:
        async with aclosing(sides[0](work, part)) as ours, aclosing(sides[1](work, part)) as other:
            running = (ours, other)
            for _ in range(work // part):
                turn += 1
                costs = [0.0, 0.0]
                for side in (0, 1) if turn % 2 else (1, 0):
                    gc.collect()
                    began = time.process_time()
                    await anext(running[side])
                    await _settled(client)
                    costs[side] = (time.process_time() - began) * 1e6 / part
                yield costs[0], costs[1]


async def _settled(client: CampaignsClient) -> None:
    """See what a part leaves on its way come in: it is that part's cost."""
    await asyncio.sleep(0)  # what was asked for ahead sets out only now
    while client.stats().in_flight:  # noqa: ASYNC110  # the client has no event for this
        await asyncio.sleep(_SETTLE)


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
