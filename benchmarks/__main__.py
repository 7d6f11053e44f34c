"""`python -m benchmarks`: measures, and prints one table of what the client costs and what it may."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import asdict

from benchmarks import answerer
from benchmarks.alone import all_rows
from benchmarks.check import failures, measured_again
from benchmarks.curves import Curve, curves
from benchmarks.machine import machine, pinned
from benchmarks.pairs import Measured
from benchmarks.plot import plot
from benchmarks.rows import LATENCY, QUICK, TINY, Place, Row, Size
from benchmarks.table import document, table

_PACKAGES = ("aiohttp", "attrs", "cattrs", "msgspec")


def main() -> None:
    """Measure, print, and exit with 1 where that is asked for and a row is above its bound."""
    options = _options()
    size = TINY if options.tiny else QUICK if options.quick else Size()
    with _place(size) as place:
        measured = [_measured(row, place, options) for row in all_rows() if options.only in row.name]
        drawn = curves(place, options.only) if options.plot is not None else ()
    _write(measured, drawn, options)
    if options.check and (failed := failures(measured, options.slack)):
        sys.exit("\n".join(failed))


@contextmanager
def _place(size: Size) -> Generator[Place]:
    """This process on one core, the servers on another."""
    core = pinned()
    contacts = max(size.pages, size.rows // size.page_size)
    with (
        answerer.running(pages=size.pages, page_size=size.page_size, contact_pages=contacts, core=core) as url,
        answerer.running(pages=0, page_size=1, core=core, latency=LATENCY) as late_url,
    ):
        yield Place(url, late_url, size)


def _measured(row: Row, place: Place, options: argparse.Namespace) -> Measured:
    print(row.name, end=" ... ", file=sys.stderr, flush=True)
    began = time.perf_counter()
    found = measured_again(row, place, options.slack) if options.check else row.measure(place)
    print(f"{time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    return found


def _write(measured: Sequence[Measured], drawn: Sequence[Curve], options: argparse.Namespace) -> None:
    found = machine(_PACKAGES)
    if measured:
        print(", ".join(f"{name} {value}" for name, value in found.items()), end="\n\n")
        print(table(measured))
    if options.json is not None:
        written = {**document(measured, found), "curves": [asdict(curve) for curve in drawn]}
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    if drawn:
        options.plot.write_text(plot(drawn), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less work: to see whether something was lost")
    parser.add_argument("--tiny", action="store_true", help="hardly any work: to see that it runs")
    parser.add_argument("--only", default="", metavar="TEXT", help="only rows and curves whose name contains this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to a file as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="measure by amount of work too, and draw that (SVG)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a row is above its bound (goals.py)")
    parser.add_argument("--slack", type=float, default=1.0, metavar="FACTOR", help="bounds are so many times as high")
    return parser.parse_args()


if __name__ == "__main__":
    main()
