"""`python -m benchmarks`: measures, and prints one table."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks import answerer
from benchmarks.baseline import ByHand
from benchmarks.report import Measured, document, measured, table
from benchmarks.work import IN_FLIGHT, QUICK, Size, works
from campaigns_async import CampaignsClient

_KEY = "benchmark"
_PACKAGES = ("aiohttp", "attrs", "cattrs", "orjson")


def main() -> None:
    """Measure and print."""
    options = _options()
    size = QUICK if options.quick else Size()
    rounds: int = options.rounds or (3 if options.quick else 31)
    own, other = _cores()
    if own is not None:
        os.sched_setaffinity(0, {own})
    with answerer.running(pages=size.pages, page_size=size.page_size, core=other) as url:
        rows = asyncio.run(_measure(url, size, rounds, options.only))
    machine = _machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"CPU of the client's process; medians of {rounds} pairs\n")
    print(table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps(document(rows, machine), indent=1) + "\n", encoding="utf-8")


async def _measure(url: str, size: Size, rounds: int, only: str) -> list[Measured]:
    async with (
        CampaignsClient(url, _KEY, max_concurrency=IN_FLIGHT) as client,
        ByHand.connected(url, _KEY, page_size=size.page_size) as by_hand,
    ):
        chosen = [work for work in works(client, by_hand, size) if only in work.name]
        gc.collect()
        gc.freeze()  # what was made beforehand is nobody's garbage
        rows = []
        for work in chosen:
            print(work.name, "...", file=sys.stderr, flush=True)
            rows.append(await measured(work, rounds))
        return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little work and 3 rounds: to see that it runs")
    parser.add_argument("--rounds", type=int, metavar="N", help="pairs of measurements for each row (default: 31)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only rows whose name contains this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to a file as well")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def _cores() -> tuple[int | None, int | None]:
    """A processor for this process and another one for the answerer, where the system can pin and has two."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    first, *others = sorted(os.sched_getaffinity(0))
    return (first, others[-1]) if others else (None, None)


def _machine() -> dict[str, str | int]:
    return {
        platform.python_implementation(): platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "cores": os.cpu_count() or 1,
    }


if __name__ == "__main__":
    main()
