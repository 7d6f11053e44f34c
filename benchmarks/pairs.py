"""Measuring in pairs.

A pair is one measurement of each of two sides, straight after each other, so that whatever the machine is going through
meets both; which one comes first changes from pair to pair. What counts is the two compared within a pair, and of all
pairs the median.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median, quantiles
from typing import TypeAlias

from attrs import frozen

Side: TypeAlias = Callable[[], Awaitable[int]]
"""Does all of the work, and gives how many units that was."""
Costs: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""What one side cost and what the other did, pair by pair."""


@frozen
class Measured:
    """All pairs of one row."""

    name: str
    detail: str
    """How much of it was done."""
    unit: str
    ours: tuple[float, ...]
    other: tuple[float, ...]
    differs: bool = False
    """Whether the difference is what counts, rather than the ratio."""

    @property
    def compared(self) -> tuple[float, ...]:
        """Ours against the other, pair by pair."""
        pairs = zip(self.ours, self.other, strict=True)
        return tuple(ours - other if self.differs else ours / other for ours, other in pairs)

    @property
    def median(self) -> float:
        """The middle one of them."""
        return median(self.compared)

    @property
    def spread(self) -> tuple[float, float]:
        """Their 10th and their 90th percentile."""
        return spread(self.compared)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The 10th and the 90th percentile."""
    if len(values) < 2:
        return values[0], values[0]
    tenths = quantiles(values, n=10, method="inclusive")
    return tenths[0], tenths[-1]


async def cpu_costs(ours: Side, other: Side, rounds: int) -> Costs:
    """The CPU time of this process in microseconds a unit; a pair to warm up, which does not count, then so many."""
    costs: tuple[list[float], list[float]] = ([], [])
    sides = (ours, other)
    for turn in range(rounds + 1):
        for side in (0, 1) if turn % 2 else (1, 0):
            cost = await _cpu_cost(sides[side])
            if turn:
                costs[side].append(cost)
    return tuple(costs[0]), tuple(costs[1])


async def _cpu_cost(side: Side) -> float:
    gc.collect()  # each begins without the other's garbage; while it runs, the collector runs as it always does
    began = time.process_time()
    units = await side()
    return (time.process_time() - began) * 1e6 / units
