"""Progress: a line every few seconds, a bar on a terminal, and no harm where nobody reads."""

from __future__ import annotations

import asyncio
import io

import pytest
from attrs import evolve
from rich.console import Console

from campaigns_async.cli import bars
from campaigns_async.cli.bars import Bar, Lines, ProgressFigures, ProgressView, Rate, format_duration, show_progress


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


START = ProgressFigures("sending", 0, 100)


def test_a_line_comes_at_once_where_a_part_begins_and_then_every_five_seconds() -> None:
    time, printed = Time(), list[str]()
    lines = Lines(printed.append, time)
    lines.show(START, at_once=True)
    for done in range(1, 12):
        time.now += 1
        lines.show(evolve(START, done=done), at_once=done == 7)
    assert printed == [f"sending: {done} of 100 rows" for done in (0, 5, 7)]


def test_the_end_is_printed_unless_it_was() -> None:
    time, printed = Time(), list[str]()
    lines = Lines(printed.append, time)
    lines.show(START, at_once=False)
    lines.show(evolve(START, details=("1 retry",)), at_once=False)
    lines.end(START)
    lines.show(evolve(START, done=100), at_once=False)
    lines.end(evolve(START, done=100))
    lines.end(evolve(START, done=100))
    assert printed == ["sending: 0 of 100 rows", "sending: 100 of 100 rows"]


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (ProgressFigures("checking"), "checking"),
        (ProgressFigures("checking", details=("2 s so far",)), "checking, 2 s so far"),
        (ProgressFigures("reading", 1234), "reading: 1,234 rows"),
        (ProgressFigures("reading", rate=0.0), "reading"),
        (
            ProgressFigures("reading", 10, 70, "pages", 2.0, ("1 retry",)),
            "reading: 10 of 70 pages, 2.0/s, 1 retry, 30 s left",
        ),
        (ProgressFigures("reading", 70, 70, "pages", 1234.5), "reading: 70 of 70 pages, 1,234/s"),
        (ProgressFigures("reading", 80, 70, "pages", 1.0), "reading: 80 of 70 pages, 1.0/s"),
        (ProgressFigures("reading", 10, 70, "pages", 0.0), "reading: 10 of 70 pages, 0.0/s"),
    ],
)
def test_what_is_not_known_is_left_out(figures: ProgressFigures, line: str) -> None:
    assert figures.line == line


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.update(0.0, 0) is None
    assert rate.update(10.0, 100) == 10.0
    assert rate.update(30.0, 300) == 10.0
    assert rate.update(50.0, 300) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (62.0, "1 min 02 s"), (3725.0, "1 h 02 min")]
)
def test_a_duration_is_shown_in_words(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ValueError("I/O operation on closed file")])
def test_a_terminal_that_is_gone_harms_nothing(error: Exception) -> None:
    def gone(_: str) -> None:
        raise error

    view = ProgressView(Lines(gone), lambda: START)
    view.refresh(at_once=True)
    view.say("x")
    view.end()


def test_a_bar_shows_the_figures_and_what_is_said_between() -> None:
    file = io.StringIO()
    bar = Bar(Console(file=file, force_terminal=True, width=80, color_system=None))
    shown = [
        ProgressFigures("checking the plan"),
        ProgressFigures("sending", 40, 100, rate=12.0, details=("3 retries",)),
    ]
    view = ProgressView(bar, lambda: shown[0])
    view.refresh()
    del shown[0]
    view.refresh()
    view.say("finishing [b]what[/b] is in flight")
    view.end()
    text = file.getvalue()
    assert "checking the plan" in text
    assert "40/100 rows 12/s" in text
    assert "  3 retries, 5 s left" in text
    assert "finishing [b]what[/b] is in flight" in text


async def test_figures_are_shown_again_and_again_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bars, "_REFRESH_INTERVAL", 0.001)
    monkeypatch.setattr(bars, "_LINE_INTERVAL", 0.0)
    printed = [ProgressFigures("sending", done, 5) for done in range(1, 6)]
    async with show_progress(lambda: printed.pop(0) if len(printed) > 1 else printed[0], bar=False):
        while len(printed) > 1:
            await asyncio.sleep(0.001)
    assert list(dict.fromkeys(capfd.readouterr().err.splitlines())) == [
        f"sending: {done} of 5 rows" for done in range(1, 6)
    ]


async def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    async with show_progress(lambda: START):
        pass
    shown = capfd.readouterr()
    assert "0/100 rows" in shown.err
    assert shown.out == ""
