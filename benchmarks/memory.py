"""Rows about what grows with the work: the peak of memory, and the cost of a row far down a long listing.

Each peak is that of a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from statistics import fmean

from benchmarks.answerer import campaign_id_for
from benchmarks.machine import read_peak_mb
from benchmarks.pairs import Costs, Measured
from benchmarks.rows import CONTACTS, IN_FLIGHT, KEY, TYPICAL, Place, Row, Size
from benchmarks.work import take, walk
from campaigns_async import CampaignsClient, Contact, NewCampaign, NewContact

_SETTLE = 0.02
"""The seconds in which prefetched pages arrive, so that each part of a long listing pays for its own pages."""


def list_memory_rows() -> tuple[Row, ...]:
    """Return the rows about the peaks, then the one about the growth."""
    return (
        Row("memory, contacts", _contacts),
        Row("memory, create_many", _creates),
        Row("growth, contacts", _growth),
    )


def _contacts(place: Place) -> Measured:
    size = place.size
    few = min(TYPICAL, size.rows // 10)
    return _peaks(place, "contacts", few, size.rows)


def _creates(place: Place) -> Measured:
    return _peaks(place, "create_many", place.size.few, place.size.many)


def _peaks(place: Place, case: str, few: int, many: int) -> Measured:
    ours: list[float] = []
    other: list[float] = []
    for _ in range(place.size.peaks):
        other.append(_peak(place, case, few))
        ours.append(_peak(place, case, many))
    return Measured(f"memory, {case}", f"{many:,} against {few:,}", "MB", tuple(ours), tuple(other), differs=True)


def _peak(place: Place, case: str, amount: int) -> float:
    numbers = (str(amount), str(place.size.page_size))
    command = [sys.executable, "-m", "benchmarks.memory", case, place.url, *numbers]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _growth(place: Place) -> Measured:
    size = place.size
    ours, other = asyncio.run(_chunks(place.url, size))
    detail = f"a part of {size.rows:,} against {size.chunk:,}"
    return Measured("growth, contacts", detail, "µs CPU a row", ours, other)


async def _chunks(url: str, size: Size) -> Costs:
    """Measure parts of a long listing, each against as many rows of short listings, read just before or after it."""
    shorts = max(1, size.rows // size.chunk // size.chunks)
    ours: list[float] = []
    other: list[float] = []
    async with CampaignsClient(url, KEY, max_concurrency=IN_FLIGHT) as client:

        def listing(rows: int) -> AsyncIterator[Contact]:
            campaign_id = campaign_id_for(rows // size.page_size)
            return aiter(client.campaigns.contacts(campaign_id, page_size=size.page_size))

        long = listing(size.rows)
        await _part_cost(listing(size.chunk), size.chunk)  # to warm up
        for turn in range(size.rows // (shorts * size.chunk)):
            for is_long in (True, False) if turn % 2 else (False, True):
                if is_long:
                    ours.append(await _part_cost(long, shorts * size.chunk))
                else:
                    other.append(fmean([await _part_cost(listing(size.chunk), size.chunk) for _ in range(shorts)]))
    return tuple(ours), tuple(other)


async def _part_cost(rows: AsyncIterator[Contact], count: int) -> float:
    gc.collect()
    began = time.process_time()
    for _ in range(count):
        take(await anext(rows))
    # Free the end of a short listing here: a part of a long one has freed the end of the part before it.
    del rows
    await asyncio.sleep(_SETTLE)
    return (time.process_time() - began) * 1e6 / count


async def _case(case: str, url: str, amount: int, page_size: int) -> None:
    """Run a case, in a process that does nothing else."""
    async with CampaignsClient(url, KEY, max_concurrency=IN_FLIGHT) as client:
        if case == "contacts":
            done = await walk(client, amount // page_size, page_size)
        else:
            done = sum([outcome.ok async for outcome in client.campaigns.create_many(_news(amount))])
    if done != amount:
        sys.exit(f"{done} instead of {amount}")


async def _news(count: int) -> AsyncIterator[NewCampaign]:
    start = datetime(2031, 5, 1, 9, tzinfo=UTC)
    for number in range(count):
        people = [NewContact(f"07700 900{100 + (number + index) % 900}", f"P {index}") for index in range(CONTACTS)]
        yield NewCampaign(start, "Golf", f"Tee time {number}", people)


def main() -> None:
    """Print the peak of one case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("case", choices=("contacts", "create_many"))
    parser.add_argument("url")
    parser.add_argument("amount", type=int)
    parser.add_argument("page_size", type=int)
    options = parser.parse_args()
    asyncio.run(_case(options.case, options.url, options.amount, options.page_size))
    print(read_peak_mb())


if __name__ == "__main__":
    main()
