"""`python -m benchmarks.planning`: the cost of planning and resuming, against the same work by hand.

Three comparisons of CPU time, and of the peak of memory where it grows with the work:

- a CSV of contacts sent as campaigns of 5,000, against `csv.DictReader`, msgspec and bare aiohttp without any check;
- a dry run of a plan of ten recipients a row, against reading the file and parsing its lines;
- the same plan, planned in a new journal and resumed with that journal, until the first request leaves.

Each figure is measured in a process of its own. No process is pinned to a core.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.answerer import run_answerer
from benchmarks.baseline import ByHand
from benchmarks.machine import read_peak_mb
from benchmarks.rows import CONTACTS, KEY
from campaigns_async import CampaignsClient
from campaigns_async.cli import main as command
from campaigns_async.jobs import contacts_plan, send

_SPLIT = 5_000
_START = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)
_MESSAGE = "The course is open again from Saturday."
Figures = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument(
        "--quick", action="store_const", const=0.1, default=1.0, dest="share", help="a tenth of the work"
    )
    parser.add_argument("--share", type=float, default=1.0, help="a share of the work: enough to see that it runs")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of each comparison")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    parser.add_argument("--case", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        name, *arguments = options.case
        print(json.dumps(_CASES[name](*arguments)))
        return
    people, rows, resumed = (int(each * options.share) for each in (1_000_000, 200_000, 50_000))
    with tempfile.TemporaryDirectory() as folder, run_answerer(pages=1, page_size=1, contact_pages=1) as url:
        found = _measure(Path(folder), url, options.rounds, people, rows, resumed)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _measure(folder: Path, url: str, rounds: int, people: int, rows: int, resumed: int) -> dict[str, Figures]:
    contacts, plan, small = folder / "contacts.csv", folder / "plan.ndjson", folder / "small.ndjson"
    _write_contacts(contacts, people)
    _write_plan(plan, rows)
    _write_plan(small, resumed)
    found: dict[str, Figures] = {}

    def compare(name: str, ours: Callable[[], Figures], by_hand: Callable[[], Figures]) -> None:
        pairs = [(ours(), by_hand()) for _ in range(rounds)]
        found[name] = {
            "cpu": median(mine["cpu"] for mine, _ in pairs),
            "by_hand": median(theirs["cpu"] for _, theirs in pairs),
            "ratio": median(mine["cpu"] / theirs["cpu"] for mine, theirs in pairs),
            "peak_mb": max(mine["peak_mb"] for mine, _ in pairs),
        }
        each = found[name]
        print(
            f"{name}: {each['cpu']:.2f} s of CPU, {each['by_hand']:.2f} by hand: {each['ratio']:.2f} times, "
            f"{each['peak_mb']:.0f} MB at most",
            flush=True,
        )

    compare(
        f"{people:,} people of a CSV, sent",
        lambda: _run("contacts", str(contacts), url, str(folder / f"{time.monotonic_ns()}.sqlite")),
        lambda: _run("contacts_by_hand", str(contacts), url),
    )
    compare(
        f"{rows:,} rows, a dry run",
        lambda: _run("dry_run", str(plan), str(folder / "none.sqlite")),
        lambda: _run("parse", str(plan)),
    )
    journals = [folder / f"{number}.sqlite" for number in range(rounds)]
    for name in ("planned", "resumed"):
        figures = [_run("first_request", str(small), str(journal)) for journal in journals]
        found[f"{resumed:,} rows {name}"] = each = {
            "seconds": median(one["seconds"] for one in figures),
            "cpu": median(one["cpu"] for one in figures),
            "peak_mb": max(one["peak_mb"] for one in figures),
            "journal_mb": journals[0].stat().st_size / 2**20,
        }
        print(
            f"{resumed:,} rows {name}: {each['seconds']:.2f} s to the first request, {each['cpu']:.2f} s of CPU, "
            f"{each['peak_mb']:.0f} MB at most; the journal has {each['journal_mb']:.1f} MB, "
            f"the plan {small.stat().st_size / 2**20:.1f}",
            flush=True,
        )
    return found


def _run(name: str, *arguments: str) -> Figures:
    command = [sys.executable, "-m", "benchmarks.planning", "--case", name, *arguments]
    found: Figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found


def _write_contacts(path: Path, people: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("phoneNumber,name,custom1\r\n")
        for number in range(people):
            # Different numbers, spread like real ones.
            file.write(f"447{number * 7_919 % 999_999_937:09},Person {number},{number % 97}\r\n")


def _write_plan(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            people = ",".join(
                f'{{"phoneNumber":"447{(row * CONTACTS + at) * 7_919 % 10**9:09}","name":"Person {at}"}}'
                for at in range(CONTACTS)
            )
            file.write(
                f'{{"key":"row {row}","startDateTime":"2031-06-27T09:30:00.000Z","sender":"Golf",'
                f'"message":"Code {row:07}","contacts":[{people}]}}\n'
            )


def _cost(began: float) -> Figures:
    return {"cpu": time.process_time() - began, "peak_mb": read_peak_mb()}


def _contacts(path: str, url: str, journal: str) -> Figures:
    async def run() -> bool:
        plan = contacts_plan(path, message=_MESSAGE, sender="Golf", start=_START, split=_SPLIT)
        async with CampaignsClient(url, KEY) as client:
            return (await send(client, plan, journal, preflight=False, accept_altered=True)).ok

    began = time.process_time()
    if not asyncio.run(run()):
        raise RuntimeError("some creates failed")
    return _cost(began)


def _contacts_by_hand(path: str, url: str) -> Figures:
    async def run() -> None:
        async with ByHand.connect(url, KEY, page_size=1) as api:
            with Path(path).open(encoding="utf-8", newline="") as file:  # noqa: ASYNC230  # as a script does
                people: list[dict[str, str]] = []
                for person in csv.DictReader(file):
                    people.append(person)
                    if len(people) == _SPLIT:
                        await api.create(_campaign(people))
                        people = []
                if people:
                    await api.create(_campaign(people))

    began = time.process_time()
    asyncio.run(run())
    return _cost(began)


def _campaign(people: list[dict[str, str]]) -> dict[str, object]:
    return {
        "startDateTime": "2031-06-27T09:30:00.000Z",
        "sender": "Golf",
        "message": _MESSAGE,
        "contacts": people,
    }


def _dry_run(plan: str, journal: str) -> Figures:
    began = time.process_time()
    with redirect_stdout(StringIO()):
        try:
            command(["send", plan, "--journal", journal, "--dry-run", "--json"])
        except SystemExit as end:
            if end.code:
                raise RuntimeError("the dry run failed") from None
    return _cost(began)


def _parse(plan: str) -> Figures:
    began = time.process_time()
    with Path(plan).open("rb") as file:
        for line in file:
            msgspec.json.decode(line)
    return _cost(began)


def _first_request(plan: str, journal: str) -> Figures:
    async def run() -> float:
        began = time.perf_counter()
        arrived = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if await reader.readline():
                arrived.set()
            writer.transport.abort()

        # A journal belongs to one server, and so to one port, which is derived from its name.
        server = await asyncio.start_server(hang, "127.0.0.1", 18_000 + sum(os.fsencode(Path(journal).name)))
        async with CampaignsClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", KEY) as client:
            running = asyncio.ensure_future(
                send(client, plan, journal, reconcile=False, preflight=False, accept_altered=True)
            )
            waiting = asyncio.ensure_future(arrived.wait())
            await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
            if not arrived.is_set():
                raise RuntimeError(f"the run ended without a request: {await running}")
            taken = time.perf_counter() - began
            running.cancel()
            await asyncio.wait([running])
        server.close()
        return taken

    began = time.process_time()
    seconds = asyncio.run(run())
    return {"seconds": seconds, **_cost(began)}


_CASES: dict[str, Callable[..., Figures]] = {
    "contacts": _contacts,
    "contacts_by_hand": _contacts_by_hand,
    "dry_run": _dry_run,
    "parse": _parse,
    "first_request": _first_request,
}


if __name__ == "__main__":
    main()
