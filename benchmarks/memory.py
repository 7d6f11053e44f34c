"""`python -m benchmarks.memory`: peak memory against the number of rows; fails where it grows.

Each case runs in a process of its own, and tells its own high-water mark.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from benchmarks import answerer
from campaigns_async import CampaignsClient, NewCampaign, NewContact

_BOUND_MB = 15.0
_PAGE_SIZE = 1000


def main() -> None:
    """Measure, print, and exit with 1 where memory grows with the work."""
    options = _options()
    if options.case:
        asyncio.run(_case(options.case, options.url, options.rows))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(peak / 1024)  # kibibytes on Linux
        return
    grown = [
        _compared("contacts, streamed", "contacts", 20_000, options.contacts),
        _compared("create_many, from an async generator", "create_many", 10_000, options.creates),
    ]
    sys.exit(max(grown) > _BOUND_MB)


def _compared(name: str, case: str, few: int, many: int) -> float:
    small, large = _peak(case, few), _peak(case, many)
    print(f"{name}: {small:.1f} MB for {few:,}, {large:.1f} MB for {many:,}: + {large - small:.1f} MB")
    return large - small


def _peak(case: str, rows: int) -> float:
    with answerer.running(pages=max(1, rows // _PAGE_SIZE), page_size=_PAGE_SIZE) as url:
        command = [sys.executable, "-m", "benchmarks.memory", "--case", case, "--url", url, "--rows", str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout)


async def _case(case: str, url: str, rows: int) -> None:
    async with CampaignsClient(url, "benchmark", max_concurrency=64) as client:
        if case == "contacts":
            seen = 0
            async for _ in client.campaigns.contacts(answerer.CAMPAIGN_ID, page_size=_PAGE_SIZE):
                seen += 1
        else:
            seen = 0
            async for outcome in client.campaigns.create_many(_news(rows)):
                seen += outcome.ok
    if seen != rows:
        sys.exit(f"{seen} rows instead of {rows}")


async def _news(count: int) -> AsyncIterator[NewCampaign]:
    start = datetime(2031, 5, 1, 9, tzinfo=UTC)
    for number in range(count):
        people = [NewContact(f"07700 900{100 + (number + index) % 900}", f"Player {index}") for index in range(10)]
        yield NewCampaign(start, "Golf", f"Tee time {number}", people)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--contacts", type=int, default=1_000_000, help="rows in the large listing")
    parser.add_argument("--creates", type=int, default=100_000, help="campaigns in the large fan-out")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
