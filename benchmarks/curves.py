"""The cost of a unit against how much work there is: creates, and contacts that are read."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import Protocol, TypeVar

from attrs import frozen

from benchmarks.baseline import ByHand
from benchmarks.pairs import Side, cpu_costs
from benchmarks.rows import IN_FLIGHT, Place
from benchmarks.work import as_dict, connected, models, walk, walk_by_hand
from campaigns_async import CampaignsClient

T = TypeVar("T")

_WORK = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
_DIFFERENT = 1_000
"""Campaigns that are made beforehand; a million would fill the memory."""
_ENOUGH = 30_000
"""Units over which the rounds of a point are spread."""


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


class _Sides(Protocol):
    def __call__(self, client: CampaignsClient, by_hand: ByHand, work: int, page_size: int, /) -> tuple[Side, Side]: ...


def curves(place: Place, only: str) -> tuple[Curve, ...]:
    """Measure those whose name contains the text."""
    kinds: tuple[tuple[str, str, _Sides], ...] = (
        ("curve, create_many", "create", _creates),
        ("curve, contacts", "row", _contacts),
    )
    chosen = [kind for kind in kinds if only in kind[0]]
    return tuple(Curve(name, unit, asyncio.run(_points(name, place, sides))) for name, unit, sides in chosen)


async def _points(name: str, place: Place, sides: _Sides) -> tuple[Point, ...]:
    points: list[Point] = []
    async with connected(place) as (client, by_hand):
        for work in _WORK:
            if work <= place.size.most:
                print(f"{name}: {work:,} ...", file=sys.stderr, flush=True)
                rounds = min(place.size.rounds, max(1, _ENOUGH // work))
                points.append(
                    Point(work, *await cpu_costs(*sides(client, by_hand, work, place.size.page_size), rounds))
                )
    return tuple(points)


def _creates(client: CampaignsClient, by_hand: ByHand, work: int, _: int) -> tuple[Side, Side]:
    news, dicts = models(_DIFFERENT), [as_dict(number) for number in range(_DIFFERENT)]

    async def ours() -> int:
        return _all(work, sum([outcome.ok async for outcome in client.campaigns.create_many(_repeated(news, work))]))

    async def other() -> int:
        left, created = _repeated(dicts, work), 0

        async def worker() -> None:
            nonlocal created
            for item in left:
                await by_hand.create(item)
                created += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(worker())
        return _all(work, created)

    return ours, other


def _contacts(client: CampaignsClient, by_hand: ByHand, work: int, page_size: int) -> tuple[Side, Side]:
    pages = work // page_size
    return partial(walk, client, pages, page_size), partial(walk_by_hand, by_hand, pages)


def _repeated(items: Iterable[T], count: int) -> Iterator[T]:
    return islice(cycle(items), count)


def _all(work: int, done: int) -> int:
    if done != work:
        raise RuntimeError(f"{done} instead of {work}")
    return done
