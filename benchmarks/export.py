"""Rows about exports of contacts: CPU time, threads included, against the same work by hand; and the peak of memory.

The code by hand uses bare aiohttp, a page at a time, and msgspec, csv or pyarrow. Each peak of memory is measured in a
process of its own, against a process that only opened a client and read a page.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.answerer import campaign_id_for
from benchmarks.baseline import ByHand
from benchmarks.machine import read_peak_mb
from benchmarks.pairs import Measured, Side, measure_cpu_costs
from benchmarks.rows import KEY, Place, Row
from benchmarks.work import connect
from campaigns_async import CampaignsClient
from campaigns_async.export import Format, export_contacts

_NAMES = ("id", "phoneNumber", "name", "custom1", "custom2")
_COLUMNS = ("campaignId", *_NAMES)
_GROUP = 20
"""The pages of a row group of the Parquet file by hand."""
_TITLES = {Format.NDJSON: "NDJSON", Format.CSV: "CSV", Format.PARQUET: "Parquet"}


def list_export_rows() -> tuple[Row, ...]:
    """Return the rows about the costs, then those about the peaks of memory."""
    return (
        *(Row(f"export to {title}", partial(_cost, form)) for form, title in _TITLES.items()),
        *(Row(f"memory, export to {title}", partial(_peaks, form)) for form, title in _TITLES.items()),
    )


def _cost(form: Format, place: Place) -> Measured:
    size = place.size

    async def costs() -> Measured:
        with tempfile.TemporaryDirectory() as folder:
            ours, hand = Path(folder, f"ours.{form}"), Path(folder, f"hand.{form}")
            async with connect(place) as (client, by_hand):
                sides: tuple[Side, Side] = (
                    partial(_export, client, ours, size.pages, size.page_size),
                    partial(_BY_HAND[form], by_hand, hand, campaign_id_for(size.pages)),
                )
                found = await measure_cpu_costs(*sides, size.rounds)
            if form is Format.NDJSON and _lines(ours) != _lines(hand):
                raise RuntimeError("the two did not write the same rows")
        return Measured(f"export to {_TITLES[form]}", f"{size.page_size:,} a page", "µs CPU a row", *found)

    return asyncio.run(costs())


async def _export(client: CampaignsClient, out: Path, pages: int, page_size: int) -> int:
    summary = await export_contacts(client, out, [campaign_id_for(pages)], sorts=None, page_size=page_size)
    return summary.rows


async def _ndjson(by_hand: ByHand, out: Path, campaign_id: str) -> int:
    rows = 0
    with out.open("wb") as file:
        async for page in by_hand.contacts(campaign_id):
            for row in page:  # buffered writes take less than half the time of `b"".join`
                file.write(msgspec.json.encode({"campaignId": campaign_id, **row}) + b"\n")
            rows += len(page)
    return rows


async def _csv(by_hand: ByHand, out: Path, campaign_id: str) -> int:
    rows = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        async for page in by_hand.contacts(campaign_id):
            writer.writerows([campaign_id, *map(row.get, _NAMES)] for row in page)
            rows += len(page)
    return rows


async def _parquet(by_hand: ByHand, out: Path, campaign_id: str) -> int:
    # Imported here: an idle client's process must not load pyarrow. Any: pyarrow has no types.
    pa: Any = import_module("pyarrow")
    pq: Any = import_module("pyarrow.parquet")
    schema = pa.schema([(name, pa.string()) for name in _COLUMNS])

    def table(rows: list[dict[str, str | None]]) -> Any:
        columns = [[campaign_id] * len(rows), *([row[name] for row in rows] for name in _NAMES)]
        return pa.table([pa.array(column, pa.string()) for column in columns], schema=schema)

    rows = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        group: list[dict[str, str | None]] = []
        pages = 0
        async for page in by_hand.contacts(campaign_id):
            group += page
            pages += 1
            rows += len(page)
            if pages % _GROUP == 0:
                writer.write_table(table(group))
                group = []
        if group:
            writer.write_table(table(group))
    return rows


_BY_HAND: dict[Format, Callable[[ByHand, Path, str], Awaitable[int]]] = {
    Format.NDJSON: _ndjson,
    Format.CSV: _csv,
    Format.PARQUET: _parquet,
}


def _lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def _peaks(form: Format, place: Place) -> Measured:
    rows = place.size.rows
    ours: list[float] = []
    idle: list[float] = []
    for _ in range(place.size.peaks):
        idle.append(_peak(place, "idle"))
        ours.append(_peak(place, form))
    name, detail = f"memory, export to {_TITLES[form]}", f"{rows:,} against an idle client"
    return Measured(name, detail, "MB", tuple(ours), tuple(idle), differs=True)


def _peak(place: Place, case: str) -> float:
    numbers = (str(place.size.rows), str(place.size.page_size))
    command = [sys.executable, "-m", "benchmarks.export", case, place.url, *numbers]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


async def _case(case: str, url: str, rows: int, page_size: int, out: Path) -> None:
    """Run a case, in a process that does nothing else."""
    campaign_id = campaign_id_for(rows // page_size)
    async with CampaignsClient(url, KEY) as client:
        if case == "idle":
            async for _ in client.campaigns.contacts(campaign_id, page_size=page_size).pages():
                break
            return
        form = Format(case)
        summary = await export_contacts(client, out, [campaign_id], format=form, sorts=None, page_size=page_size)
    if summary.rows != rows:
        sys.exit(f"{summary.rows} rows instead of {rows}")


def main() -> None:
    """Print the peak of one case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("case", choices=("idle", *Format))
    parser.add_argument("url")
    parser.add_argument("rows", type=int)
    parser.add_argument("page_size", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_case(options.case, options.url, options.rows, options.page_size, Path(folder, "export")))
    print(read_peak_mb())


if __name__ == "__main__":
    main()
