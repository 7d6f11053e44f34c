"""`python -m benchmarks.durable`: a durable send against `create_many`, and how long a large plan takes to go on.

The rates are of the wall clock, not of CPU: durability costs waiting too. Nothing is pinned, so that client, journal
and server share what cores there are. The check of the plan is not counted in the rates; the resume is nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from attrs import frozen

from benchmarks import answerer
from benchmarks.work import as_model
from campaigns_async import CampaignsClient, NewCampaign
from campaigns_async.jobs import Job, Phase, Progress, listed_plan

_KEY = "benchmark"
_IN_FLIGHT = 64
_LATENCIES = (0.0, 0.02)


@frozen
class Size:
    """How much of it is done."""

    creates: int = 4000
    rounds: int = 15
    resumed: int = 1_000_000


QUICK = Size(creates=400, rounds=2, resumed=5_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little work: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to a file as well")
    parser.add_argument("--resume", nargs=3, metavar=("PLAN", "JOURNAL", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resume is not None:
        print(json.dumps(asyncio.run(_resume(*options.resume))))
        return
    size = QUICK if options.quick else Size()
    found: dict[str, object] = {}
    print("| durable send against create_many | rate, median of pairs | least to most |")
    print("|---|---|---|")
    for latency in _LATENCIES:
        with answerer.running(pages=1, page_size=1, latency=latency) as url:
            ratios = asyncio.run(_pairs(url, size))
        name = f"{latency * 1000:g} ms of latency" if latency else "a server that answers at once"
        found[name] = ratios
        print(f"| {name} | {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, row in _resumes(Path(folder), size.resumed).items():
            found[name] = row
            print(f"{name}: {row['seconds']:.1f} s to the first request, {row['peak_mb']:.0f} MB at most", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


async def _pairs(url: str, size: Size) -> list[float]:
    """How fast the one is, as a part of the other's rate; in turns, the first of each pair changing."""
    news = [as_model(number) for number in range(size.creates)]
    sides: list[Callable[[], Awaitable[float]]] = [lambda: _many(url, news), lambda: _durable(url, news)]
    ratios: list[float] = []
    for turn in range(size.rounds + 1):
        taken = {}
        for side in (0, 1) if turn % 2 else (1, 0):
            gc.collect()
            taken[side] = await sides[side]()
        if turn:  # the first pair warms up
            ratios.append(taken[0] / taken[1])
    return ratios


async def _many(url: str, news: list[NewCampaign]) -> float:
    async with CampaignsClient(url, _KEY, max_concurrency=_IN_FLIGHT) as client:
        began = time.perf_counter()
        created = sum([outcome.ok async for outcome in client.campaigns.create_many(news)])
        taken = time.perf_counter() - began
    if created != len(news):
        raise RuntimeError("some creates failed")
    return taken


async def _durable(url: str, news: list[NewCampaign]) -> float:
    began: list[float] = []

    def note(progress: Progress) -> None:
        if progress.phase is Phase.SENDING and not began:
            began.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        async with CampaignsClient(url, _KEY, max_concurrency=_IN_FLIGHT) as client:
            job = Job(client, listed_plan(news), journal=Path(folder, "run.sqlite"), on_progress=note)
            summary = await job.run()
            taken = time.perf_counter() - began[0]
    if not summary.ok or summary.created != len(news):
        raise RuntimeError("some creates failed")
    return taken


def _resumes(folder: Path, rows: int) -> dict[str, dict[str, float]]:
    """A new plan, and the same plan gone on with; each in a fresh process."""
    plan, journal = folder / "plan.ndjson", folder / "run.sqlite"
    contacts = ",".join(f'{{"phoneNumber":"+44770090{number:04}"}}' for number in range(10))
    with plan.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(
                f'{{"key":"row {number}","startDateTime":"2030-06-27T03:10:04.492Z","sender":"Golf",'
                f'"message":"Code {number:07}","contacts":[{contacts}]}}\n'
            )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])  # the same each time: a journal is of one server
    command = [sys.executable, "-m", "benchmarks.durable", "--resume", str(plan), str(journal), port]
    measured = {}
    for name in (f"{rows:,} rows, a new journal", f"{rows:,} planned rows gone on with"):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        measured[name] = json.loads(done.stdout)
    return measured


async def _resume(plan: str, journal: str, port: str) -> dict[str, float]:
    """The time to the first request, and the peak of memory till then; the request is never answered."""
    began = time.perf_counter()
    arrived = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        writer.transport.abort()

    server = await asyncio.start_server(hang, "127.0.0.1", int(port))
    async with CampaignsClient(f"http://127.0.0.1:{port}", _KEY, max_concurrency=1) as client:
        running = asyncio.ensure_future(Job(client, plan, journal=journal, reconcile=False, group=1).run())
        waiting = asyncio.ensure_future(arrived.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not arrived.is_set():
            raise RuntimeError(f"it ended without a request: {await running}")
        taken = time.perf_counter() - began
        running.cancel()
        await asyncio.wait([running])
    server.close()
    return {"seconds": taken, "peak_mb": _peak()}


def _peak() -> float:
    """The most memory that this process ever had, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
