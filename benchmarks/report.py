"""Measuring in pairs, and the table.

A pair is one measurement of the client and one by hand, straight after each other, so that whatever the machine is
going through meets both. What counts is the ratio within a pair; of all pairs' ratios the table gives the median,
and the least and the greatest.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import TypedDict

from attrs import asdict, frozen

from benchmarks.work import Work

_HEADINGS = ("", "client, µs", "by hand, µs", "CPU ratio (min to max)", "wall ratio (min to max)")


@frozen
class Sample:
    """One measurement, in microseconds a unit."""

    cpu: float
    """Of the client's process, the server's aside."""
    wall: float


@frozen
class Measured:
    """All pairs of one row."""

    name: str
    unit: str
    client: tuple[Sample, ...]
    by_hand: tuple[Sample, ...]

    @property
    def cpu_ratios(self) -> tuple[float, ...]:
        """The client's CPU time over that by hand, pair by pair."""
        return tuple(ours.cpu / theirs.cpu for ours, theirs in zip(self.client, self.by_hand, strict=True))

    @property
    def wall_ratios(self) -> tuple[float, ...]:
        """The client's wall time over that by hand, pair by pair."""
        return tuple(ours.wall / theirs.wall for ours, theirs in zip(self.client, self.by_hand, strict=True))


class Document(TypedDict):
    """What `--json` writes."""

    machine: dict[str, str | int]
    rows: list[dict[str, object]]


async def measured(work: Work, rounds: int) -> Measured:
    """Measure one row: a pair to warm up, which does not count, then so many pairs."""
    await _sample(work.client), await _sample(work.by_hand)
    client, by_hand = [], []
    for _ in range(rounds):
        client.append(await _sample(work.client))
        by_hand.append(await _sample(work.by_hand))
    return Measured(work.name, work.unit, tuple(client), tuple(by_hand))


def table(rows: Sequence[Measured]) -> str:
    """The table as text; Markdown, so that it can be pasted."""
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def document(rows: Sequence[Measured], machine: dict[str, str | int]) -> Document:
    """Everything that was measured, for a file."""
    return {
        "machine": machine,
        "rows": [
            {**asdict(row), "cpu_ratio": median(row.cpu_ratios), "wall_ratio": median(row.wall_ratios)} for row in rows
        ],
    }


async def _sample(side: Callable[[], Awaitable[int]]) -> Sample:
    gc.collect()  # each begins without the other's garbage; while it runs, the collector runs as it always does
    wall, cpu = time.perf_counter(), time.process_time()
    units = await side()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Sample(cpu * 1e6 / units, wall * 1e6 / units)


def _cells(row: Measured) -> tuple[str, ...]:
    return (
        f"{row.name} (a {row.unit})",
        f"{median(sample.cpu for sample in row.client):.2f}",
        f"{median(sample.cpu for sample in row.by_hand):.2f}",
        _spread(row.cpu_ratios),
        _spread(row.wall_ratios),
    )


def _spread(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
