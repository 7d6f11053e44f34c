"""`python -m benchmarks.resume`: how long a large plan takes to its first request, new and gone on with.

Nothing is pinned, so that client and journal share what cores there are. Each figure is measured once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import peak_mb
from benchmarks.rows import KEY
from campaigns_async import CampaignsClient
from campaigns_async.jobs import Job

_ROWS, _QUICK = 1_000_000, 5_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resume", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small plan: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    parser.add_argument("--resume", nargs=3, metavar=("PLAN", "JOURNAL", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resume is not None:
        print(json.dumps(asyncio.run(_resume(*options.resume))))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = _resumes(Path(folder), _QUICK if options.quick else _ROWS)
    for name, row in found.items():
        print(f"{name}: {row['seconds']:.1f} s to the first request, {row['peak_mb']:.0f} MB at most", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


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
    command = [sys.executable, "-m", "benchmarks.resume", "--resume", str(plan), str(journal), port]
    measured: dict[str, dict[str, float]] = {}
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
    async with CampaignsClient(f"http://127.0.0.1:{port}", KEY, max_concurrency=1) as client:
        running = asyncio.ensure_future(Job(client, plan, journal=journal, reconcile=False, group=1).run())
        waiting = asyncio.ensure_future(arrived.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not arrived.is_set():
            raise RuntimeError(f"it ended without a request: {await running}")
        taken = time.perf_counter() - began
        running.cancel()
        await asyncio.wait([running])
    server.close()
    return {"seconds": taken, "peak_mb": peak_mb()}


if __name__ == "__main__":
    main()
