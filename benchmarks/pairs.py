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
"""A function that does all of the work and returns its units."""
Costs: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""The costs of both sides, pair by pair."""


@frozen
class Measured:
    """All pairs of measurements of one row.

    Attributes:
        detail: The amount of work.
        ours: The costs of the client.
        other: The costs of the side that it is compared with.
        differs: True if the difference counts, not the ratio.
    """

    name: str
    detail: str
    unit: str
    ours: tuple[float, ...]
    other: tuple[float, ...]
    differs: bool = False

    @property
    def compared(self) -> tuple[float, ...]:
        """The ratios or differences, pair by pair."""
        pairs = zip(self.ours, self.other, strict=True)
        return tuple(ours - other if self.differs else ours / other for ours, other in pairs)

    @property
    def median(self) -> float:
        """The median of the ratios or differences."""
        return median(self.compared)

    @property
    def spread(self) -> tuple[float, float]:
        """The 10th and the 90th percentile of the ratios or differences."""
        return compute_spread(self.compared)


def compute_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the 10th and the 90th percentile."""
    if len(values) < 2:
        return values[0], values[0]
    tenths = quantiles(values, n=10, method="inclusive")
    return tenths[0], tenths[-1]


async def measure_cpu_costs(ours: Side, other: Side, rounds: int) -> Costs:
    """Measure `rounds` pairs after one that warms up; return the process's CPU time in µs a unit."""
    costs: tuple[list[float], list[float]] = ([], [])
    sides = (ours, other)
    for turn in range(rounds + 1):
        for side in (0, 1) if turn % 2 else (1, 0):
            cost = await _cpu_cost(sides[side])
            if turn:
                costs[side].append(cost)
    return tuple(costs[0]), tuple(costs[1])


async def _cpu_cost(side: Side) -> float:
    gc.collect()  # start without the other side's garbage; the collector runs as usual during the work
    began = time.process_time()
    units = await side()
    return (time.process_time() - began) * 1e6 / units
