"""The cost of a unit by the amount of work: for creates, and for contacts that are read.

Both sides do the same work in parts and take turns, and so do all amounts. Thus a slow moment of the machine affects
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

from benchmarks.answerer import campaign_id_for
from benchmarks.baseline import ByHand
from benchmarks.rows import IN_FLIGHT, Place
from benchmarks.work import build_campaigns, build_json, connect, take
from campaigns_async import CampaignsClient

_WORK = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
_DIFFERENT = 1_000
"""The number of different campaigns, built in advance; a million would fill the memory."""
_PARTS = 10
"""An amount is repeated until it has this many parts."""
_SETTLE = 0.001
"""The seconds between two checks for requests in flight; polling without a pause would be counted as CPU time."""


@frozen
class Point:
    """The cost of a unit at one amount of work: µs of CPU, pair by pair."""

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
    """A function that does an amount of work, and yields after each part."""

    def __call__(self, work: int, part: int, /) -> AsyncGenerator[None]: ...


class _Sides(Protocol):
    def __call__(self, client: CampaignsClient, by_hand: ByHand, page_size: int, /) -> tuple[_Works, _Works]: ...


@frozen
class _Kind:
    """A kind of work that has a curve.

    Attributes:
        part: The units of a part: some tenths of a second of work.
    """

    name: str
    unit: str
    part: int
    sides: _Sides


def measure_curves(place: Place, only: str) -> tuple[Curve, ...]:
    """Measure the curves whose name contains the text."""
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
    async with connect(place) as (client, by_hand), AsyncExitStack() as stack:
        both = kind.sides(client, by_hand, size.page_size)
        pairs = {
            work: await stack.enter_async_context(aclosing(_pairs(both, client, work, min(work, kind.part))))
            for work in parts
        }
        await anext(pairs[_WORK[0]])  # to warm up
        # The parts of each amount are spread evenly over the whole run.
        turns = sorted(((turn + 0.5) / count, work) for work, count in parts.items() for turn in range(count))
        for number, (_, work) in enumerate(turns):
            if number % 25 == 0:
                print(f"{kind.name}: {number} of {len(turns)} parts ...", file=sys.stderr, flush=True)
            costs[work].append(await anext(pairs[work]))
    return tuple(Point(work, *zip(*found, strict=True)) for work, found in costs.items())


async def _pairs(
    sides: tuple[_Works, _Works], client: CampaignsClient, work: int, part: int
) -> AsyncGenerator[tuple[float, float]]:
    """Yield the cost of a unit on both sides, the client first, part by part; repeat the work without end."""
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
                    await _await_requests(client)
                    costs[side] = (time.process_time() - began) * 1e6 / part
                yield costs[0], costs[1]


async def _await_requests(client: CampaignsClient) -> None:
    """Wait for the requests that a part left in flight: they are part of its cost."""
    await asyncio.sleep(0)  # prefetched pages are requested only now
    while client.stats().in_flight:  # noqa: ASYNC110  # the client has no event for this
        await asyncio.sleep(_SETTLE)


def _creates(client: CampaignsClient, by_hand: ByHand, _: int) -> tuple[_Works, _Works]:
    news, dicts = build_campaigns(_DIFFERENT), [build_json(number) for number in range(_DIFFERENT)]

    async def ours(work: int, part: int) -> AsyncGenerator[None]:
        created = 0
        async with client.campaigns.create_many(islice(cycle(news), work)) as outcomes:
            async for outcome in outcomes:
                created += outcome.ok
                if created % part == 0:
                    yield
        _check_part(work, created)

    async def other(work: int, part: int) -> AsyncGenerator[None]:
        left = islice(cycle(dicts), work)
        for _ in range(work // part):
            _check_part(part, await _create_by_hand(by_hand, islice(left, part)))
            yield

    return ours, other


async def _create_by_hand(by_hand: ByHand, left: Iterator[dict[str, object]]) -> int:
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
        async for row in client.campaigns.contacts(campaign_id_for(work // page_size), page_size=page_size):
            take(row.id, row.phone_number, row.name, row.custom1)
            take(row.custom2)
            read += 1
            if read % part == 0:
                yield
        _check_part(work, read)

    async def other(work: int, part: int) -> AsyncGenerator[None]:
        read = 0
        async for page in by_hand.contacts(campaign_id_for(work // page_size)):
            for row in page:
                take(row["id"], row["phoneNumber"], row["name"], row["custom1"])
                take(row["custom2"])
            read += len(page)
            if read % part == 0:
                yield
        _check_part(work, read)

    return ours, other


def _check_part(work: int, done: int) -> None:
    if done != work:
        raise RuntimeError(f"{done} instead of {work}")
