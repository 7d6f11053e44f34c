"""`python -m benchmarks.prefetch`: the pages a second of an export with prefetch, from a server with latency.

They are compared with the most that the window allows: `prefetch` + 1 pages in each latency, if rows cost nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks import answerer
from benchmarks.answerer import CAMPAIGN_ID
from benchmarks.machine import pin_process
from benchmarks.rows import KEY
from benchmarks.table import format_markdown
from campaigns_async import CampaignsClient
from campaigns_async.export import export_contacts

_LATENCY = 0.05
_WINDOWS = (0, 1, 3, 7)
_PAGE_SIZES = (100, 1000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefetch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little work: enough to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to a file as well")
    options = parser.parse_args()
    waits, rounds = (3, 1) if options.quick else (40, 5)
    core = pin_process()
    found: list[dict[str, object]] = []
    lines: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for page_size in _PAGE_SIZES:
            for prefetch in _WINDOWS:
                out = Path(folder, "contacts.ndjson")
                rates = [_rate(out, prefetch, page_size, waits, core) for _ in range(rounds)]
                allowed = (prefetch + 1) / _LATENCY
                share = median(rates) / allowed
                found.append({"prefetch": prefetch, "page_size": page_size, "pages_a_second": rates})
                lines.append(
                    (str(prefetch), f"{page_size:,}", f"{median(rates):.1f}", f"{allowed:.0f}", f"{share:.0%}")
                )
    headings = ("prefetch", "rows a page", "pages a second", f"allowed at {_LATENCY * 1000:g} ms", "share")
    print(format_markdown(headings, lines))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _rate(out: Path, prefetch: int, page_size: int, waits: int, core: int | None) -> float:
    """Return the pages a second, without the first page, before which nothing can be prefetched."""
    pages = 1 + waits * (prefetch + 1)
    with answerer.run_answerer(pages=pages, page_size=page_size, latency=_LATENCY, core=core) as url:
        return asyncio.run(_measure_export(url, out, prefetch, page_size, pages))


async def _measure_export(url: str, out: Path, prefetch: int, page_size: int, pages: int) -> float:
    first: list[float] = []

    def note(_progress: object) -> None:
        if not first:
            first.append(time.perf_counter())

    async with CampaignsClient(url, KEY) as client:
        summary = await export_contacts(
            client, out, [CAMPAIGN_ID], sorts=None, page_size=page_size, prefetch=prefetch, on_progress=note
        )
    if summary.rows != pages * page_size:
        raise RuntimeError(f"{summary.rows} rows instead of {pages * page_size}")
    return (pages - 1) / (time.perf_counter() - first[0])


if __name__ == "__main__":
    main()
