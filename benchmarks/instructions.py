"""`python -m benchmarks.instructions`: the instructions that a create and a row take, counted by callgrind.

The numbers hardly depend on the load of the machine, which helps to make something faster. It needs valgrind, and takes
minutes. The count of a small amount of work is subtracted from that of a larger one, so that the start of the process
does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks import answerer
from benchmarks.baseline import ByHand
from benchmarks.rows import Place, Size
from benchmarks.table import format_markdown
from benchmarks.work import build_campaigns, build_json, connect, fan_out, walk, walk_by_hand
from campaigns_async import CampaignsClient

_PAGE_SIZE = 1_000
_CREATES = (50, 250)
_PAGES = (1, 4)
_COUNTED = re.compile(r"Collected : (\d+)")


def main() -> None:
    """Count and print, or do the work that is counted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--case", nargs=3, metavar=("NAME", "URL", "AMOUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        name, url, amount = options.case
        asyncio.run(_case(name, url, int(amount)))
        return
    lines: list[tuple[str, ...]] = []
    with answerer.run_answerer(pages=max(_PAGES), page_size=_PAGE_SIZE) as url:
        for unit, amounts, rows in (("create", _CREATES, 1), ("row", _PAGES, _PAGE_SIZE)):
            counts = [_count(f"{unit}, {side}", url, amounts, rows) for side in ("client", "by hand")]
            lines.append((f"a {unit}", *(f"{count:,.0f}" for count in counts), f"{counts[0] / counts[1]:.3f}"))
    print(format_markdown(("instructions", "client", "by hand", "ratio"), lines))


def _count(name: str, url: str, amounts: tuple[int, int], rows: int) -> float:
    """Return the instructions of a unit; an amount has `rows` units."""
    print(name, "...", file=sys.stderr, flush=True)
    few, many = (_instructions(name, url, amount) for amount in amounts)
    return (many - few) / (amounts[1] - amounts[0]) / rows


def _instructions(name: str, url: str, amount: int) -> int:
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    command = [*valgrind, sys.executable, "-m", "benchmarks.instructions", "--case", name, url, str(amount)]
    # A fixed seed: hashes of strings decide how often dicts collide.
    done = subprocess.run(
        command, check=True, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    found = _COUNTED.search(done.stderr)
    if found is None:
        raise RuntimeError(f"callgrind printed no count:\n{done.stderr}")
    return int(found[1])


async def _case(name: str, url: str, amount: int) -> None:
    place = Place(url, url, Size(page_size=_PAGE_SIZE))
    async with connect(place) as (client, by_hand):
        await _sides(client, by_hand, amount)[name]()


def _sides(client: CampaignsClient, by_hand: ByHand, amount: int) -> dict[str, Callable[[], Awaitable[int]]]:
    # Each process builds the same number, so that building them does not count in the difference.
    news, dicts = build_campaigns(max(_CREATES)), [build_json(number) for number in range(max(_CREATES))]
    return {
        "create, client": partial(fan_out, client.campaigns.create, news[:amount], 1),
        "create, by hand": partial(fan_out, by_hand.create, dicts[:amount], 1),
        "row, client": partial(walk, client, amount, _PAGE_SIZE),
        "row, by hand": partial(walk_by_hand, by_hand, amount),
    }


if __name__ == "__main__":
    main()
