"""What `send` shows while it runs, and the commands that it prints."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path

import click
import pytest
from rich.console import Console

from campaigns_async._engine.instrumentation import Stats
from campaigns_async.cli import _again
from campaigns_async.cli._journal_again import journal_command
from campaigns_async.cli._progress import Bar, Lines
from campaigns_async.cli._send_report import _send_again as send_again
from campaigns_async.cli._send_watch import SendFigures, SendWatch
from campaigns_async.cli.console import printable
from campaigns_async.cli.send_command import send
from campaigns_async.jobs.progress import Phase, Progress


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def progress(phase: Phase = Phase.SENDING, created: int = 0, **more: float) -> Progress:
    given = {"planned": 100 - created, "sending": 0, "created": created, "failed": 0, "unknown": 0, **more}
    return Progress(phase, created_now=created, held_back=given.pop("held_back", 0.0), **given)  # type: ignore[arg-type]


def stats(retries: int = 3, held_for: float = 0.0) -> Stats:
    return Stats(32, 0, 0, held_for, None, None, 0, 0, retries, 0, 500)


class TestLines:
    def test_one_comes_at_each_phase_and_every_five_seconds(self) -> None:
        time, told = Time(), list[str]()
        watch = SendWatch(Lines(told.append, time), clock=time)
        watch.told(progress(Phase.CHECKING))
        time.now += 1
        watch.follow(stats)
        watch.told(progress(created=10))
        for _ in range(10):
            time.now += 1
            watch.told(progress(created=round(time.now - 101) * 5 + 10, failed=1))
            watch.tick()
        assert told == [
            "checking the plan",
            "sending: 10 of 100 rows, 3 retries, held back 0 s, 0 failed, 0 in doubt",
            "sending: 36 of 101 rows, 5.2/s, 3 retries, held back 0 s, 1 failed, 0 in doubt, 12 s left",
            "sending: 61 of 101 rows, 5.1/s, 3 retries, held back 0 s, 1 failed, 0 in doubt, 8 s left",
        ]

    def test_the_end_is_told_unless_it_was(self) -> None:
        time, told = Time(), list[str]()
        lines = Lines(told.append, time)
        watch = SendWatch(lines, clock=time)
        watch.told(progress(Phase.CHECKING))
        time.now += 1
        watch.tick()
        lines.end()
        watch.told(progress())
        time.now += 1
        watch.told(progress(created=100))
        watch.tick()
        lines.end()
        assert told == [
            "checking the plan",
            "sending: 0 of 100 rows, 0 retries, held back 0 s, 0 failed, 0 in doubt",
            "sending: 100 of 100 rows, 100/s, 0 retries, held back 0 s, 0 failed, 0 in doubt",
        ]
        watch.tick(at_once=True)
        lines.end()
        assert len(told) == 4

    def test_what_an_earlier_run_left_on_its_way_is_in_doubt_while_it_is_looked_for(self) -> None:
        told: list[str] = []
        watch = SendWatch(Lines(told.append))
        watch.told(progress(Phase.RECONCILING, sending=9, unknown=2))
        watch.told(progress(Phase.SENDING, sending=9, unknown=2))
        assert [line.rpartition(", ")[2] for line in told] == ["11 in doubt", "2 in doubt"]

    def test_a_long_check_says_how_long_it_has_taken(self) -> None:
        time, told = Time(), list[str]()
        watch = SendWatch(Lines(told.append, time), clock=time)
        watch.told(progress(Phase.CHECKING))
        time.now += 3725
        watch.tick()
        assert told[-1] == "checking the plan, 1 h 02 min so far"

    def test_what_holds_it_back_is_told(self) -> None:
        told: list[str] = []
        watch = SendWatch(Lines(told.append))
        watch.follow(lambda: stats(held_for=62.0))
        watch.told(progress(created=7, unknown=2, held_back=90.0))
        assert told == [
            (
                "sending: 9 of 102 rows, 3 retries, held back 1 min 30 s, the server asks for 1 min 02 s more, "
                "0 failed, 2 in doubt"
            )
        ]

    @pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ValueError("I/O operation on closed file")])
    def test_a_terminal_that_is_gone_harms_nothing(self, error: Exception) -> None:
        def gone(_: str) -> None:
            raise error

        watch = SendWatch(Lines(gone))
        watch.told(progress())
        watch.say("x")
        assert watch.latest == progress()


class TestBar:
    def test_it_shows_the_figures_and_what_is_said_in_between(self) -> None:
        file = io.StringIO()
        bar = Bar(Console(file=file, force_terminal=True, width=80, color_system=None))
        watch = SendWatch(bar)
        watch.follow(stats)
        watch.told(progress(Phase.CHECKING))
        watch.told(progress(created=40))
        watch.say("finishing [b]what[/b] is in flight")
        bar.end()
        text = file.getvalue()
        assert "checking the plan" in text
        assert "40/100" in text
        assert "3 retries, held back 0 s, 0 failed, 0 in doubt" in text
        assert "finishing [b]what[/b] is in flight" in text

    def test_nothing_is_left_to_go_once_it_looks_for_rows(self) -> None:
        figures = SendFigures(Phase.RECONCILING, 9, 9, 0, 2, 0, 0.0, 0.0, None, 5.0)
        assert figures.left is None
        assert figures.line() == (
            "looking for rows in doubt: 9 of 9 rows, 0 retries, held back 0 s, 0 failed, 2 in doubt"
        )

    def test_a_quick_run_has_whole_rows_a_second(self) -> None:
        assert SendFigures(Phase.SENDING, 0, 1, 0, 0, 0, 0.0, 0.0, 1234.5, 5.0).speed == "1,234/s"


def called(*arguments: str) -> click.Context:
    return send.make_context("send", list(arguments))


class TestCommands:
    def test_the_one_to_go_on_with_is_the_one_that_was_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["pytest"])
        given = [
            "my plan", "--journal", "it's", "--no-reconcile", "--settle", "0.5", "--validate-phone-numbers",
            "--retry-failed", "--patience", "60", "--duplicates", "drop", "--allow-braces", "--json",
            "--base-url", "http://[::1]:8", "--auth", "header", "--concurrency", "7", "--rate", "2.5", "--dry-run",
        ]  # fmt: skip
        again = shlex.split(send_again(called(*given)))
        assert again[:2] == ["campaigns-async", "send"]
        assert set(again[2:]) == set(given) - {"--retry-failed", "--dry-run"}
        assert called(*again[2:]).params == {**called(*given).params, "retry_failed": False, "dry_run": False}

    def test_what_is_put_in_and_left_out(self) -> None:
        context = called("plan", "--journal", "run", "--no-reconcile")
        assert send_again(context, "--reconcile", without={"reconcile"}).endswith("send plan --journal run --reconcile")

    @pytest.mark.parametrize("name", ["-plan", "--journal", "a b"])
    def test_odd_names_are_read_again_as_they_are(self, name: str) -> None:
        context = called("--journal", name, "--message", name, "--", name)
        again = called(*shlex.split(send_again(context))[shlex.split(send_again(context)).index("send") + 1 :])
        assert Path(again.params["plan"]) == Path(name)
        assert again.params["journal"] == Path(name)
        assert again.params["message"] == name

    def test_keys_that_look_like_options_stand_last(self) -> None:
        assert journal_command("resolve", Path("run"), "--created", "ID", key="-k").endswith("--created ID -- run -k")
        assert journal_command("resolve", Path("run"), "--created", "ID", key="k k").endswith("run 'k k' --created ID")
        assert journal_command("show", Path("-run"), "--state", "failed").endswith("show ./-run --state failed")

    def test_it_is_called_as_it_was_called(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        installed = tmp_path / "campaigns-async"
        installed.write_text("")
        installed.chmod(0o755)
        context = called("plan", "--journal", "run")
        for argv, path, begin in (
            (str(installed), str(tmp_path), "campaigns-async send"),
            (str(installed), "", f"{installed} send"),
            ("/x/campaigns_async/__main__.py", "", f"{sys.executable} -m campaigns_async send"),
        ):
            monkeypatch.setattr(sys, "argv", [argv])
            monkeypatch.setenv("PATH", path)
            assert send_again(context).startswith(begin)
        assert _again.PROGRAM == "campaigns-async"


def test_what_would_steer_a_terminal_is_not_shown() -> None:
    assert printable("Siân \x1b[2J\u202e7\n") == "Siân \ufffd[2J\ufffd7\ufffd"
