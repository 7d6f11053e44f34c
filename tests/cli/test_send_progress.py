"""What `send` shows while it runs."""

from __future__ import annotations

from collections.abc import Callable

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli.run_figures import SendFigures
from campaigns_async.jobs.progress import Phase, Progress

from .test_bars import Time


def progress(phase: Phase = Phase.SENDING, created: int = 0, **more: float) -> Progress:
    given = {"planned": 100 - created, "sending": 0, "created": created, "failed": 0, "unknown": 0, **more}
    return Progress(phase, created_now=created, held_back=given.pop("held_back", 0.0), **given)  # type: ignore[arg-type]


def stats(retries: int = 3, held_for: float = 0.0) -> Callable[[], Stats]:
    return lambda: Stats(32, 0, 0, held_for, None, None, 0, 0, retries, 0, 500)


def line(figures: SendFigures) -> str:
    shown = figures.now()
    assert shown is not None
    return shown.line


def test_nothing_is_shown_before_the_first_report() -> None:
    figures = SendFigures(stats())
    assert figures.now() is None
    assert not figures.is_checked


def test_a_long_check_says_how_long_it_has_taken() -> None:
    time = Time()
    figures = SendFigures(stats(), time)
    assert figures.update(progress(Phase.CHECKING))
    assert line(figures) == "checking the plan"
    time.now += 3725
    assert line(figures) == "checking the plan, 1 h 02 min so far"
    assert not figures.is_checked


def test_a_new_phase_begins_with_a_rate_of_its_own() -> None:
    time = Time()
    figures = SendFigures(stats(), time)
    figures.update(progress(Phase.CHECKING))
    time.now += 1
    assert figures.update(progress(created=10))
    assert line(figures) == "sending: 10 of 100 rows, 3 retries, 0 failed, 0 unknown"
    time.now += 5
    assert not figures.update(progress(created=35, failed=1))
    assert line(figures) == ("sending: 36 of 101 rows, 5.2/s, 3 retries, 1 failed, 0 unknown, 12 s left")
    assert figures.is_checked


def test_what_an_earlier_run_left_on_its_way_is_unknown_while_it_is_looked_for() -> None:
    figures = SendFigures(stats())
    figures.update(progress(Phase.RECONCILING, sending=9, unknown=2))
    assert line(figures).startswith("searching the server: 2 of 111 rows")
    assert line(figures).endswith(", 11 unknown")
    figures.update(progress(Phase.SENDING, sending=9, unknown=2))
    assert line(figures).endswith(", 2 unknown")


def test_the_time_held_back_is_shown() -> None:
    figures = SendFigures(stats(held_for=62.0))
    figures.update(progress(created=7, unknown=2, held_back=90.0))
    assert line(figures) == (
        "sending: 9 of 102 rows, 3 retries, held back for 1 min 30 s, the server asks for 1 min 02 s more, "
        "0 failed, 2 unknown"
    )
