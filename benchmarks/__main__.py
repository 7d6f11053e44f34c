"""`python -m benchmarks`: measure the client against the same work by hand, and print a table with the goals."""

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
from benchmarks.alone import list_all_rows
from benchmarks.check import describe_failures, measure_again
from benchmarks.curves import Curve, measure_curves
from benchmarks.machine import describe_machine, pin_process
from benchmarks.pairs import Measured
from benchmarks.plot import draw_plot
from benchmarks.rows import LATENCY, QUICK, TINY, Place, Row, Size
from benchmarks.table import build_document, format_table

_PACKAGES = ("aiohttp", "attrs", "cattrs", "msgspec")


def main() -> None:
    """Measure and print; with `--check`, exit with 1 if a row is above its bound."""
    options = _options()
    size = TINY if options.tiny else QUICK if options.quick else Size()
    with _place(size) as place:
        measured = [_measure_row(row, place, options) for row in list_all_rows() if options.only in row.name]
        drawn = measure_curves(place, options.only) if options.plot is not None else ()
    _write(measured, drawn, options)
    if options.check and (failed := describe_failures(measured, options.slack)):
        sys.exit("\n".join(failed))


@contextmanager
def _place(size: Size) -> Generator[Place]:
    """Pin this process to one core, and start the servers on another."""
    core = pin_process()
    contacts = max(size.pages, size.rows // size.page_size)
    with (
        answerer.run_answerer(pages=size.pages, page_size=size.page_size, contact_pages=contacts, core=core) as url,
        answerer.run_answerer(pages=0, page_size=1, core=core, latency=LATENCY) as late_url,
    ):
        yield Place(url, late_url, size)


def _measure_row(row: Row, place: Place, options: argparse.Namespace) -> Measured:
    print(row.name, end=" ... ", file=sys.stderr, flush=True)
    began = time.perf_counter()
    found = measure_again(row, place, options.slack) if options.check else row.measure(place)
    print(f"{time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    return found


def _write(measured: Sequence[Measured], drawn: Sequence[Curve], options: argparse.Namespace) -> None:
    found = describe_machine(_PACKAGES)
    if measured:
        print(", ".join(f"{name} {value}" for name, value in found.items()), end="\n\n")
        print(format_table(measured))
    if options.json is not None:
        written = {**build_document(measured, found), "curves": [asdict(curve) for curve in drawn]}
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    if drawn:
        options.plot.write_text(draw_plot(drawn), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less work: enough to see whether a fast path was lost")
    parser.add_argument("--tiny", action="store_true", help="hardly any work: enough to see that it runs")
    parser.add_argument("--only", default="", metavar="TEXT", help="only rows and curves whose name contains TEXT")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to a file as well")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="also measure the cost by amount of work, and draw it as SVG"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a row is above its bound (goals.py)")
    parser.add_argument("--slack", type=float, default=1.0, metavar="FACTOR", help="multiply each bound by FACTOR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
