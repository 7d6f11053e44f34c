"""`python -m benchmarks.searches`: the cost of the checks that keep a send from being repeated.

Four figures, against a sandbox with 100,000 campaigns in a process of its own:

- the preflight of a plan of 1,000 rows: its requests, and the client's CPU until the first row is sent;
- one look for an unknown create, where another program has created 500 campaigns of ten with the same start;
- the check of the journal's lock before each create;
- the memory of the ids that a listing in an order that can change remembers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
import tracemalloc
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks.sandbox import KEY, run_sandbox
from campaigns_async import CampaignsClient, NewCampaign, NewContact, ReconcilePolicy, Timeouts
from campaigns_async._file_lock import lock_file
from campaigns_async._listing.remembered import RememberedIds
from campaigns_async.events import AttemptStarted, Event
from campaigns_async.jobs import rows_plan, send

_PLANNED = datetime(2031, 5, 2, 0, 10, tzinfo=UTC)
_BUSY = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)  # the sandbox's own campaigns start before
_CHECKS = 20_000


class Requests:
    """An observer that counts attempts, and notes the CPU time of the first create."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first_create: float | None = None

    def on_event(self, event: Event) -> None:
        """Count an attempt."""
        if isinstance(event, AttemptStarted):
            self.counts[str(event.operation)] += 1
            if self.first_create is None and str(event.operation) == "campaigns.create":
                self.first_create = time.process_time()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searches", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little work: enough to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    options = parser.parse_args()
    campaigns, rows, ids = (3_000, 20, 20_000) if options.quick else (100_000, 1_000, 1_000_000)
    with run_sandbox(campaigns) as (url, _), tempfile.TemporaryDirectory() as folder:
        found = {
            **asyncio.run(measure_preflight(url, Path(folder), rows)),
            **asyncio.run(measure_look(url, rows // 2)),
            **measure_lock(Path(folder, "journal.lock")),
            **measure_memory(ids),
        }
    for name, value in found.items():
        print(f"{name:<46} {value:>12,.1f}")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def build_campaign(number: int, start: datetime) -> NewCampaign:
    """Return a campaign of ten recipients."""
    people = [NewContact(f"+4477{_write_digits(number * 10 + person)}") for person in range(10)]
    return NewCampaign(start, "Golf", f"The course is open again, number {number}.", people)


def _write_digits(number: int) -> str:
    """Return a number as eight digits without a zero: a run of zeros could be a mask."""
    digits = ""
    for _ in range(8):
        number, digit = divmod(number, 9)
        digits += str(digit + 1)
    return digits


async def measure_preflight(url: str, folder: Path, rows: int) -> dict[str, float]:
    """Send a plan, of which no campaign is on the server, with a preflight."""
    requests = Requests()
    plan = rows_plan([(str(number), build_campaign(number, _PLANNED)) for number in range(rows)])
    async with CampaignsClient(url, KEY, observer=requests) as client:
        began = time.process_time()
        summary = await send(client, plan, journal=folder / "preflight.sqlite")
    if summary.created != rows or requests.first_create is None:
        raise RuntimeError("the plan was not sent: the measurement is void")
    return {
        "preflight: requests": requests.counts["campaigns.list"] + requests.counts["contacts.list"],
        "preflight: CPU until the first row, ms": (requests.first_create - began) * 1e3,
        "preflight: CPU of the whole send, ms": (time.process_time() - began) * 1e3,
    }


async def measure_look(url: str, others: int) -> dict[str, float]:
    """Look for a create whose response was lost. The first look finds it."""
    async with CampaignsClient(url, KEY) as client:
        async for outcome in client.campaigns.create_many(build_campaign(number, _BUSY) for number in range(others)):
            if not outcome.ok:
                raise RuntimeError("a campaign was not created: the measurement is void")
    fault = {"operation": "create", "times": 1, "act": True, "drop": "close"}
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{url}/_sandbox/faults", json=fault)
        answer.raise_for_status()
    requests = Requests()
    policy = ReconcilePolicy(settle=0.001)
    async with CampaignsClient(url, KEY, observer=requests, reconcile=policy, timeouts=Timeouts(read=1)) as client:
        began = time.process_time()
        await client.campaigns.create(build_campaign(999_999, _BUSY), on_unknown="reconcile")
    return {
        "look: requests for campaigns": requests.counts["campaigns.list"],
        "look: requests for contacts": requests.counts["contacts.list"],
        "look: CPU of create and look, ms": (time.process_time() - began) * 1e3,
    }


def measure_lock(path: Path) -> dict[str, float]:
    """Check a lock, again and again."""
    with lock_file(os.open(path, os.O_RDWR | os.O_CREAT), str(path)) as lock:
        taken: list[float] = []
        for _ in range(_CHECKS):
            began = time.perf_counter()
            if lock.is_lost:
                raise RuntimeError("the lock is lost: the measurement is void")
            taken.append(time.perf_counter() - began)
    return {"lock: a check, µs": median(taken) * 1e6}


def measure_memory(count: int) -> dict[str, float]:
    """Remember the ids of a listing, page by page."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    remembered = RememberedIds((), 5_000, count, complete=True)
    for first in range(0, count, 1_000):
        remembered.add([f"{number:08x}-5717-4562-b3fc-2c963f66afa6" for number in range(first, first + 1_000)])
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if not remembered.complete:
        raise RuntimeError("ids were forgotten: the measurement is void")
    return {
        "remembered ids: bytes each": (after - before) / count,
        "remembered ids: peak, MB": (peak - before) / 1e6,
    }


if __name__ == "__main__":
    main()
