"""What `export` shows while it runs."""

from __future__ import annotations

import io
from collections.abc import Callable

from attrs import evolve
from rich.console import Console

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli.bars import Bar, Lines, ProgressView
from campaigns_async.cli.run_figures import ExportFigures
from campaigns_async.export import ExportProgress

from .test_bars import Time

ROWS = ExportProgress(rows=0, resumed=0, total=1000, campaigns=None, campaigns_total=None, bytes_written=0)
CAMPAIGNS = ExportProgress(rows=0, resumed=0, total=None, campaigns=0, campaigns_total=50, bytes_written=0)


def stats(retries: int = 0, held_for: float = 0.0) -> Callable[[], Stats]:
    return lambda: Stats(32, 0, 0, held_for, None, None, 0, 0, retries, 0, 500)


def lines(progress: ExportProgress, *steps: dict[str, int]) -> list[str]:
    """The lines that are printed, a step a second."""
    time, printed = Time(), list[str]()
    figures = ExportFigures(stats(), time)
    view = ProgressView(Lines(printed.append, time), figures.now)
    for step in steps:
        time.now += 1
        figures.update(evolve(progress, **step))
        view.refresh()
    return printed


def test_a_line_comes_every_five_seconds_with_rows_rate_and_time_left() -> None:
    assert lines(ROWS, *({"rows": 50 * number} for number in range(1, 8))) == [
        "exporting: 50 of 1,000 rows, 50/s, 19 s left",
        "exporting: 300 of 1,000 rows, 50/s, 14 s left",
    ]


def test_what_an_earlier_run_wrote_is_no_speed() -> None:
    assert lines(ROWS, {"rows": 550, "resumed": 500}) == ["exporting: 550 of 1,000 rows, 50/s, 9 s left"]


def test_several_campaigns_are_counted_where_the_rows_are_not_known() -> None:
    steps = [{"rows": 10 * number, "campaigns": 2 * number} for number in range(1, 7)]
    assert lines(CAMPAIGNS, *steps) == [
        "exporting: 2 of 50 campaigns, 2.0/s, 10 rows, 24 s left",
        "exporting: 12 of 50 campaigns, 2.0/s, 60 rows, 19 s left",
    ]


def test_campaigns_are_a_detail_where_the_rows_are_known() -> None:
    step = {"rows": 20, "campaigns": 1, "total": 100}
    assert lines(CAMPAIGNS, step) == ["exporting: 20 of 100 rows, 20/s, 1 of 50 campaigns, 4 s left"]


def test_where_nothing_is_known_rows_are_counted() -> None:
    assert lines(evolve(ROWS, total=None), {"rows": 7}) == ["exporting: 7 rows, 7.0/s"]


def test_a_slow_server_and_its_retry_after_are_shown() -> None:
    time, printed = Time(), list[str]()
    figures = ExportFigures(stats(1, 62.0), time)
    view = ProgressView(Lines(printed.append, time), figures.now)
    view.refresh()
    time.now += 1
    view.refresh()
    assert printed == ["asking the server, 1 retry, the server asks for 1 min 02 s more"]


def test_rows_that_came_after_they_were_counted_leave_no_time_below_nothing() -> None:
    assert lines(ROWS, {"rows": 1200}) == ["exporting: 1,200 of 1,000 rows, 1,200/s"]


def test_a_bar_fits_80_columns_and_says_what_it_counts() -> None:
    file, time = io.StringIO(), Time()
    bar = Bar(Console(file=file, force_terminal=True, width=80, color_system=None))
    figures = ExportFigures(stats(), time)
    view = ProgressView(bar, figures.now)
    time.now += 2
    view.refresh()
    figures.update(evolve(ROWS, rows=1_234_567, total=2_345_678))
    view.refresh()
    figures.update(evolve(CAMPAIGNS, rows=4321, campaigns=7))
    view.refresh()
    view.end()
    text = file.getvalue()
    assert "asking the server" in text
    assert "1,234,567/2,345,678 rows 617,284/s" in text
    assert "7/50 campaigns" in text
    assert "  4,321 rows" in text
    assert max(len(line) for line in text.replace("\r", "\n").split("\n") if "\x1b" not in line) <= 80
