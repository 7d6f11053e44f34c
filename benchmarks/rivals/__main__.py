"""`python -m benchmarks.rivals`: the cost of generated clients and of httpx by hand, against the client.

It needs the two generators, httpx and a Java runtime: see the session `rivals` of noxfile.py. Pairs are measured as by
`python -m benchmarks`. A ratio is the rival's CPU time divided by the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeAlias

from attrs import asdict, evolve

from benchmarks import answerer
from benchmarks.answerer import campaign_id_for
from benchmarks.machine import describe_machine, pin_process
from benchmarks.pairs import Measured, Side, measure_cpu_costs
from benchmarks.rivals.generated import generate_clients
from benchmarks.rivals.sides import Rival, httpx_by_hand, openapi_generator, openapi_python_client
from benchmarks.rows import CONTACTS, IN_FLIGHT, KEY, QUICK, TINY, Place, Size
from benchmarks.table import format_markdown, format_ratio
from benchmarks.work import Sides, build_campaigns, fan_out, walk, walk_campaigns
from campaigns_async import CampaignsClient

Connected: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Rival]]

_PACKAGES = (
    "aiohttp",
    "attrs",
    "httpx",
    "msgspec",
    "openapi-generator-cli",
    "openapi-python-client",
    "pydantic",
)
_RIVALS = (openapi_generator, openapi_python_client, httpx_by_hand)
_HEADINGS = ("", "rival, µs", "client, µs", "times as much (10th to 90th percentile)", "at least")
_CREATE, _LIST = 4.0, 3.0
"""The goals: a rival's cost divided by the client's, at least."""
_SHORT = 2
"""The pages of listings that are read concurrently: a million rows a round would take an hour."""


def main() -> None:
    """Generate, measure and print."""
    options = _options()
    size = TINY if options.tiny else QUICK if options.quick else Size()
    core = pin_process()
    short = evolve(size, pages=min(size.pages, _SHORT))
    rows: list[Measured] = []
    with (
        generate_clients(),
        answerer.run_answerer(pages=size.pages, page_size=size.page_size, core=core) as url,
        answerer.run_answerer(pages=short.pages, page_size=size.page_size, core=core) as short_url,
    ):
        for rival in _RIVALS:
            rows.extend(asyncio.run(_against(rival, Place(url, url, size))))
            rows.extend(asyncio.run(_against_lists(rival, Place(short_url, short_url, short))))
    found = describe_machine(_PACKAGES)
    print(", ".join(f"{name} {value}" for name, value in found.items()))
    print(f"CPU of the process, a request with {CONTACTS} contacts or a row; {size.page_size:,} rows a page\n")
    print(format_markdown(_HEADINGS, map(_cells, rows)))
    if options.json is not None:
        written = {"machine": found, "rows": [{**asdict(row), "median": row.median} for row in rows]}
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


async def _against(connected: Connected, place: Place) -> list[Measured]:
    """Measure creates, and listings that are read one at a time."""
    size = place.size
    async with CampaignsClient(place.url, KEY, max_concurrency=IN_FLIGHT) as client, connected(place) as rival:
        news, theirs = build_campaigns(size.creates), [rival.build(number) for number in range(size.creates)]
        gc.collect()
        gc.freeze()  # the data that was built in advance is no garbage to look through

        def creates(count: int, workers: int) -> Sides:
            ours = partial(fan_out, client.campaigns.create, news[:count], workers)
            return partial(fan_out, rival.create, theirs[:count], workers), ours

        campaigns, contacts = _walks(client, rival, size)
        rows = [
            await _compare(rival, "create, one at a time", creates(size.alone, 1), size),
            await _compare(rival, f"create, {IN_FLIGHT} in flight", creates(size.creates, IN_FLIGHT), size),
            await _compare(rival, "list, typed, one at a time", campaigns, size),
            await _compare(rival, "contacts, typed, one at a time", contacts, size),
        ]
    gc.unfreeze()
    return rows


async def _against_lists(connected: Connected, place: Place) -> list[Measured]:
    """Measure listings that are read concurrently."""
    size = place.size
    async with CampaignsClient(place.url, KEY, max_concurrency=IN_FLIGHT) as client, connected(place) as rival:
        campaigns, contacts = _walks(client, rival, size)
        return [
            await _compare(rival, f"list, typed, {IN_FLIGHT} in flight", _together(campaigns), size),
            await _compare(rival, f"contacts, typed, {IN_FLIGHT} in flight", _together(contacts), size),
        ]


def _walks(client: CampaignsClient, rival: Rival, size: Size) -> tuple[Sides, Sides]:
    async def campaigns() -> int:
        return sum([await rival.campaigns(page) for page in range(1, size.pages + 1)])

    async def contacts() -> int:
        campaign_id = campaign_id_for(size.pages)
        return sum([await rival.contacts(campaign_id, page) for page in range(1, size.pages + 1)])

    ours = partial(walk_campaigns, client, size.page_size), partial(walk, client, size.pages, size.page_size)
    return (campaigns, ours[0]), (contacts, ours[1])


def _together(sides: Sides) -> Sides:
    async def many(side: Side) -> int:
        return sum(await asyncio.gather(*(side() for _ in range(IN_FLIGHT))))

    rival, ours = sides
    return partial(many, rival), partial(many, ours)


async def _compare(rival: Rival, name: str, sides: Sides, size: Size) -> Measured:
    print(f"{rival.name}: {name} ...", file=sys.stderr, flush=True)
    detail = f"{CONTACTS} contacts" if name.startswith("create") else f"{size.pages} pages of {size.page_size:,}"
    return Measured(f"{rival.name}: {name}", detail, "µs CPU", *await measure_cpu_costs(*sides, size.rounds))


def _cells(row: Measured) -> tuple[str, ...]:
    return (
        row.name,
        f"{median(row.ours):.1f}",
        f"{median(row.other):.1f}",
        format_ratio(row.compared),
        f"{_CREATE if ': create' in row.name else _LIST:g}",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less work")
    parser.add_argument("--tiny", action="store_true", help="hardly any work: enough to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to a file as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
