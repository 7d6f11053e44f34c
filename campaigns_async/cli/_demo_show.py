"""How the demo shows its progress and its figures. Nothing here knows a number, a name, a text or a key."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Final

import click
from attrs import define, field
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from campaigns_async.cli._demo_report import Readback, Report
from campaigns_async.cli._demo_run import Watch
from campaigns_async.cli.console import print_rich

_EVERY: Final = 2.0
"""Seconds between two plain lines."""


@define
class Bars:
    """A bar for each part of the run."""

    _progress: Progress
    _task: TaskID | None = None

    def begin(self, what: str, total: int) -> None:
        """A part begins."""
        self._task = self._progress.add_task(what, total=total)

    def step(self) -> None:
        """One step of it is done."""
        if self._task is not None:
            self._progress.advance(self._task)


@define
class Lines:
    """A line every few seconds, for logs."""

    _print: Callable[[str], None]
    _clock: Callable[[], float] = time.monotonic
    _what: str = ""
    _total: int = 0
    _done: int = 0
    _due: float = field(default=0.0)

    def begin(self, what: str, total: int) -> None:
        """A part begins."""
        self._what, self._total, self._done = what, total, 0
        self._line()

    def step(self) -> None:
        """One step of it is done."""
        self._done += 1
        if self._done == self._total or self._clock() >= self._due:
            self._line()

    def _line(self) -> None:
        self._due = self._clock() + _EVERY
        self._print(f"{self._what}: {self._done} of {self._total}")


@contextmanager
def watching() -> Generator[Watch]:
    """Shows progress on stderr: bars on a terminal, lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_interactive:
        yield Lines(lambda line: click.echo(line, err=True))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)


def show(report: Report) -> None:
    """Print the figures on stdout: the client's beside those that they are held against."""
    table = Table(box=box.SIMPLE_HEAD, highlight=False)
    table.add_column("")
    table.add_column("client", justify="right")
    table.add_column("server", justify="right")
    table.add_column("plan", justify="right")
    for row in _rows(report):
        table.add_row(*(_cell(value) for value in row))
    print_rich(table)


def _rows(report: Report) -> Iterable[tuple[str, object, object, object]]:
    client, server = report.client, report.server
    yield "campaigns created", len(report.ids), len(report.server_ids), report.planned
    yield "  rows on the server exactly once", None, report.copies.count(1), report.planned
    yield "requests", client.requests, server.requests, None
    yield "  sent again by the client itself", report.retried, None, None
    yield "throttled answers (429, 503)", client.throttled, server.throttled, None
    yield "connections dropped", client.dropped, server.dropped, None
    yield "creates in doubt", report.doubts, None, None
    yield "  found on the server", report.found, None, None
    yield "  absent, sent again", report.absent, None, None
    yield "  left in doubt, not sent again", report.left, None, None
    yield f"listed back, of {len(report.listings)} senders", _got(report.listings), None, _expected(report.listings)
    read = f"contacts streamed, of {len(report.streams)} campaigns"
    yield read, _got(report.streams), None, _expected(report.streams)
    yield "seconds in all", f"{report.elapsed:.1f}", None, None
    yield "campaigns a second, throttling included", f"{report.rate:.0f}", None, None


def _got(found: tuple[Readback, ...]) -> int:
    return sum(one.got for one in found)


def _expected(found: tuple[Readback, ...]) -> int:
    return sum(one.expected for one in found)


def _cell(value: object) -> str:
    return "" if value is None else str(value)
