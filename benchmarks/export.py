"""`python -m benchmarks.export`: what exports of contacts cost, how far prefetch carries, and what memory they take.

CPU is that of the whole process, its threads included, against writing the same rows by hand: bare aiohttp, a page at a
time, and orjson, csv or pyarrow. The two take turns, and each ratio is that of a neighbouring pair. Prefetch is against
what its window allows, `prefetch` + 1 pages for each latency, whatever the rows cost. Memory is the most that a process
of its own ever had, above that of one that only opened a client and read a page.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

import orjson
from attrs import frozen

from benchmarks import answerer
from benchmarks.answerer import CAMPAIGN_ID
from benchmarks.baseline import ByHand
from benchmarks.report import measured
from benchmarks.work import Work
from campaigns_async import CampaignsClient
from campaigns_async.export import Format, export_contacts

pa: Any = import_module("pyarrow")  # untyped
pq: Any = import_module("pyarrow.parquet")

_KEY = "benchmark"
_NAMES = ("id", "phoneNumber", "name", "custom1", "custom2")
_COLUMNS = ("campaignId", *_NAMES)
_SCHEMA = pa.schema([(name, pa.string()) for name in _COLUMNS])
_LATENCY = 0.05
_WINDOWS = (0, 1, 3, 7)
_GROUP = 20
"""Pages of a row group by hand."""


@frozen
class Size:
    """How much of it is done."""

    pages: int = 40
    page_size: int = 1000
    rounds: int = 15
    waits: int = 40
    """Latencies that a measurement of prefetch takes, if all goes well."""
    rows: int = 1_000_000
    """Whose memory is measured."""


QUICK = Size(pages=3, page_size=100, rounds=1, waits=3, rows=5_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little work: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to a file as well")
    parser.add_argument("--case", nargs=3, metavar=("FORMAT", "URL", "PAGE_SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        with Path(os.devnull).open("wb") as nowhere:
            name, url, page_size = options.case
            asyncio.run(_alone(name, url, int(page_size), nowhere))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # kibibytes on Linux
        return
    size = QUICK if options.quick else Size()
    found: dict[str, object] = {}
    print("| | export | to compare with | ratio |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in asyncio.run(_costs(Path(folder), size)):
            found[row.name] = {"export": row.export, "by_hand": row.by_hand, "ratios": row.ratios}
            print(
                f"| {row.name}, CPU a row | {row.export:.2f} µs | {row.by_hand:.2f} µs by hand "
                f"| {median(row.ratios):.2f} ({min(row.ratios):.2f} to {max(row.ratios):.2f}) |",
                flush=True,
            )
        for page_size in (size.page_size // 10, size.page_size):
            for prefetch in _WINDOWS:
                rate = _rate(Path(folder), prefetch, page_size, size)
                allowed = (prefetch + 1) / _LATENCY
                name = f"prefetch={prefetch}, {page_size:,} a page, {_LATENCY * 1000:g} ms of latency"
                found[name] = {"pages_a_second": rate, "allowed": allowed}
                print(
                    f"| {name} | {rate:.1f} pages/s | {allowed:.0f} pages/s allowed | {rate / allowed:.2f} |",
                    flush=True,
                )
        idle = None
        for name, peak in _peaks(size):
            found[f"peak of {name}"] = peak
            if idle is None:
                idle = peak
                continue
            print(
                f"| {name}, peak memory of {size.rows:,} contacts | {peak:.0f} MB | {idle:.0f} MB idle "
                f"| + {peak - idle:.0f} MB |",
                flush=True,
            )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


# CPU


@frozen
class Cost:
    """One row: microseconds of CPU a row, medians, and the ratios of all pairs."""

    name: str
    export: float
    by_hand: float
    ratios: list[float]


async def _costs(folder: Path, size: Size) -> list[Cost]:
    costs: list[Cost] = []
    with answerer.running(pages=size.pages, page_size=size.page_size) as url:
        async with (
            CampaignsClient(url, _KEY) as client,
            ByHand.connected(url, _KEY, page_size=size.page_size) as by_hand,
        ):
            gc.collect()
            gc.freeze()  # what was made beforehand is nobody's garbage
            for name, write in _HANDS.items():
                suffix = name.lower()
                work = Work(
                    name,
                    "row",
                    partial(_exported, client, folder / f"export.{suffix}", size),
                    partial(write, by_hand, folder / f"hand.{suffix}"),
                )
                done = await measured(work, size.rounds)
                if suffix == "ndjson" and _lines(folder / "export.ndjson") != _lines(folder / "hand.ndjson"):
                    raise RuntimeError("the two did not write the same rows")
                costs.append(
                    Cost(
                        name,
                        median(sample.cpu for sample in done.client),
                        median(sample.cpu for sample in done.by_hand),
                        list(done.cpu_ratios),
                    )
                )
    return costs


async def _exported(client: CampaignsClient, out: Path, size: Size) -> int:
    summary = await export_contacts(client, out, [CAMPAIGN_ID], sorts=None, page_size=size.page_size)
    return summary.rows


async def _ndjson(by_hand: ByHand, out: Path) -> int:
    rows = 0
    with out.open("wb") as file:
        async for page in by_hand.contacts(CAMPAIGN_ID):
            file.write(
                b"".join(
                    orjson.dumps({"campaignId": CAMPAIGN_ID, **row}, option=orjson.OPT_APPEND_NEWLINE) for row in page
                )
            )
            rows += len(page)
    return rows


async def _csv(by_hand: ByHand, out: Path) -> int:
    rows = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        async for page in by_hand.contacts(CAMPAIGN_ID):
            writer.writerows([CAMPAIGN_ID, *map(row.get, _NAMES)] for row in page)
            rows += len(page)
    return rows


async def _parquet(by_hand: ByHand, out: Path) -> int:
    rows = 0
    with pq.ParquetWriter(out, _SCHEMA, compression="zstd") as writer:
        group: list[dict[str, str | None]] = []
        pages = 0
        async for page in by_hand.contacts(CAMPAIGN_ID):
            group += page
            pages += 1
            rows += len(page)
            if pages % _GROUP == 0:
                writer.write_table(_table(group))
                group = []
        if group:
            writer.write_table(_table(group))
    return rows


def _table(rows: list[dict[str, str | None]]) -> Any:
    columns = [[CAMPAIGN_ID] * len(rows), *([row[name] for row in rows] for name in _NAMES)]
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=_SCHEMA)


_HANDS: dict[str, Callable[[ByHand, Path], Awaitable[int]]] = {"NDJSON": _ndjson, "CSV": _csv, "Parquet": _parquet}


def _lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# Prefetch


def _rate(folder: Path, prefetch: int, page_size: int, size: Size) -> float:
    """Pages a second; the first page, before which nothing can be known, aside."""
    pages = 1 + size.waits * (prefetch + 1)
    with answerer.running(pages=pages, page_size=page_size, latency=_LATENCY) as url:
        return asyncio.run(_timed(url, folder / "waited.ndjson", prefetch, page_size, pages))


async def _timed(url: str, out: Path, prefetch: int, page_size: int, pages: int) -> float:
    first: list[float] = []

    def note(_progress: object) -> None:
        if not first:
            first.append(time.perf_counter())

    async with CampaignsClient(url, _KEY) as client:
        summary = await export_contacts(
            client, out, [CAMPAIGN_ID], sorts=None, page_size=page_size, prefetch=prefetch, on_progress=note
        )
    if summary.rows != pages * page_size:
        raise RuntimeError(f"{summary.rows} rows instead of {pages * page_size}")
    return (pages - 1) / (time.perf_counter() - first[0])


# Memory


def _peaks(size: Size) -> list[tuple[str, float]]:
    """The peak of an idle client, then those of the formats, in MB."""
    pages = size.rows // size.page_size
    with answerer.running(pages=pages, page_size=size.page_size) as url:
        peaks: list[tuple[str, float]] = []
        for name in ("idle", *Format):
            command = [sys.executable, "-m", "benchmarks.export", "--case", name, url, str(size.page_size)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            peaks.append((name, float(done.stdout)))
        return peaks


async def _alone(name: str, url: str, page_size: int, nowhere: BinaryIO) -> None:
    async with CampaignsClient(url, _KEY) as client:
        if name == "idle":
            async for _ in client.campaigns.contacts(CAMPAIGN_ID, page_size=page_size).pages():
                break
        else:
            await export_contacts(client, nowhere, [CAMPAIGN_ID], format=Format(name), sorts=None, page_size=page_size)


if __name__ == "__main__":
    main()
