"""What `export` shows while it runs."""

from __future__ import annotations

import io

from attrs import evolve
from rich.console import Console

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli._export_watch import ExportWatch
from campaigns_async.cli._progress import Bar, Lines
from campaigns_async.export.summary import ExportProgress

from .test_send_watch import Time

ROWS = ExportProgress(rows=0, resumed=0, total=1000, campaigns=None, campaigns_total=None, bytes_written=0)
CAMPAIGNS = ExportProgress(rows=0, resumed=0, total=None, campaigns=0, campaigns_total=50, bytes_written=0)


def stats(retries: int = 0, held_for: float = 0.0) -> Stats:
    return Stats(32, 0, 0, held_for, None, None, 0, 0, retries, 0, 500)


def lines(progress: ExportProgress, *steps: dict[str, int]) -> list[str]:
    """What is told, a step a second."""
    time, told = Time(), list[str]()
    watch = ExportWatch(Lines(told.append, time), clock=time)
    for step in steps:
        time.now += 1
        watch.told(evolve(progress, **step))
        watch.tick()
    return told


def test_a_line_comes_every_five_seconds_with_rows_rate_and_time_left() -> None:
    assert lines(ROWS, *({"rows": 50 * number} for number in range(1, 8))) == [
        "exporting: 50 of 1,000 rows, 50/s, 19 s left",
        "exporting: 300 of 1,000 rows, 50/s, 14 s left",
    ]


def test_what_an_earlier_run_wrote_is_no_speed() -> None:
    assert lines(ROWS, {"rows": 550, "resumed": 500}) == ["exporting: 550 of 1,000 rows, 50/s, 9 s left"]


def test_of_several_campaigns_those_tell_the_time_left() -> None:
    steps = [{"rows": 10 * number, "campaigns": 2 * number} for number in range(1, 7)]
    assert lines(CAMPAIGNS, *steps) == [
        "exporting: 10 rows, 2 of 50 campaigns, 10/s",
        "exporting: 60 rows, 12 of 50 campaigns, 10/s, 19 s left",
    ]


def test_where_nothing_is_known_rows_are_counted() -> None:
    assert lines(evolve(ROWS, total=None), {"rows": 1}) == ["exporting: 1 row, 1.0/s"]


def test_a_slow_server_and_one_that_holds_back_are_told() -> None:
    time, told = Time(), list[str]()
    watch = ExportWatch(Lines(told.append, time), clock=time)
    watch.follow(lambda: stats(1, 62.0))
    watch.tick()
    time.now += 1
    watch.tick()
    assert told == ["asking the server, 1 retry, the server asks for 1 min 02 s more"]


def test_rows_that_came_after_they_were_counted_leave_no_time_below_nothing() -> None:
    assert lines(ROWS, {"rows": 1200}) == ["exporting: 1,200 of 1,000 rows, 1,200/s"]


def test_a_bar_fits_80_columns_and_says_what_it_counts() -> None:
    file, time = io.StringIO(), Time()
    bar = Bar(Console(file=file, force_terminal=True, width=80, color_system=None))
    watch = ExportWatch(bar, clock=time)
    time.now += 2
    watch.tick()
    watch.told(evolve(ROWS, rows=1_234_567, total=2_345_678))
    watch.tick()
    watch.told(evolve(CAMPAIGNS, rows=4321, campaigns=7))
    watch.tick()
    watch.say("[b]a line[/b]")
    bar.end()
    text = file.getvalue()
    assert "asking the server" in text
    assert "1,234,567/2,345,678 rows 617,284/s" in text
    assert "7/50 campaigns" in text
    assert "  4,321 rows" in text
    assert "[b]a line[/b]" in text
    assert max(len(line) for line in text.replace("\r", "\n").split("\n") if "\x1b" not in line) <= 80
