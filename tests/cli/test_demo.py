"""`campaigns-async demo` as its user meets it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from campaigns_async import CampaignsError
from campaigns_async.cli import _demo_command as demo_module
from campaigns_async.cli._demo_plan import SHIPPED
from campaigns_async.cli._demo_show import Bars, Lines, watching

from .conftest import Beside, Command, line, ndjson


@pytest.fixture
def key_file(beside: Beside, tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{beside.sandbox.api_key}\n")
    return path


def figures(table: str) -> dict[str, list[str]]:
    """The table's rows."""
    rows = re.findall(r"^ *(\S[^\n]*?)  +([\d.][\d. ]*?)\s*$", table, re.MULTILINE)
    return {label: values.split() for label, values in rows}


@pytest.mark.slow
def test_the_shipped_plan_adds_up_and_shows_nothing_of_what_was_sent(command: Command) -> None:
    ended = command("demo", "--seed", "7")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "Every figure agrees.")
    told = figures(ended.out)
    assert told["campaigns created"] == ["500", "500", "500"]
    assert told["rows on the server exactly once"] == ["500", "500"]
    assert told["creates in doubt"] == ["14"]
    assert told["found on the server"] == ["4"]
    assert told["absent, sent again"] == ["10"]
    assert told["left in doubt, not sent again"] == ["0"]
    assert told["throttled answers (429, 503)"] == ["20", "20"]
    assert told["connections dropped"] == ["13", "13"]
    assert told["contacts streamed, of 25 campaigns"] == ["500", "500"]
    client, server = told["requests"]
    assert client == server
    assert_nothing_leaked(ended.out + ended.err)


def assert_nothing_leaked(shown: str) -> None:
    rows = [json.loads(row) for row in SHIPPED.read_text("utf-8").splitlines()]
    for row in rows:
        for secret in (row["key"], row["sender"], row["message"], row.get("trackLinkUrl", row["key"])):
            assert secret not in shown
        for contact in row["contacts"]:
            assert contact["phoneNumber"] not in shown
            assert contact.get("name", contact["phoneNumber"]) not in shown


def test_a_plan_of_one_s_own_and_one_request_at_a_time(command: Command, small_plan: Path) -> None:
    ended = command("demo", "--plan", small_plan, "--concurrency", "1")
    assert ended.code == 0
    assert figures(ended.out)["campaigns created"] == ["12", "12", "12"]


def test_off_a_terminal_progress_is_plain_lines_on_stderr(command: Command, small_plan: Path) -> None:
    ended = command("demo", "--plan", small_plan)
    assert "creating campaigns: 0 of 12\n" in ended.err
    assert "creating campaigns: 12 of 12\n" in ended.err
    assert "\x1b" not in ended.err + ended.out


def test_another_sandbox_will_do_with_a_key_from_a_file(
    command: Command, small_plan: Path, beside: Beside, key_file: Path
) -> None:
    beside.sandbox.fault(operation="create", nth=2, times=1, drop="reset", act=True)
    ended = command("demo", "--plan", small_plan, "--base-url", beside.sandbox.url, "--api-key-file", key_file)
    assert ended.code == 0
    assert len(beside.sandbox.campaigns) == 12
    assert figures(ended.out)["found on the server"] == ["1"]
    assert beside.sandbox.api_key not in ended.out + ended.err


def test_or_with_a_key_from_the_environment_and_twice(
    command: Command, small_plan: Path, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", beside.sandbox.api_key)
    for times in (1, 2):
        assert command("demo", "--plan", small_plan, "--base-url", beside.sandbox.url).code == 0
        assert len(beside.sandbox.campaigns) == 12 * times


def test_a_figure_that_is_off_is_told_and_fails_it(
    command: Command, small_plan: Path, beside: Beside, key_file: Path
) -> None:
    # It says that it did nothing, and has done it.
    beside.sandbox.fault(operation="create", nth=2, times=1, status=429, headers={"Retry-After": "0"}, act=True)
    ended = command("demo", "--plan", small_plan, "--base-url", beside.sandbox.url, "--api-key-file", key_file)
    assert ended.code == 1
    assert "off: content: 1 rows of the plan are on the server more than once\n" in ended.err
    assert "run it again with --seed 0" in ended.err.splitlines()[-1]
    assert "agrees" not in ended.out


def test_a_wrong_key_is_one_line(command: Command, beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "no-such-key")
    ended = command("demo", "--base-url", beside.sandbox.url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "campaigns-async: the server does not take this key: look at CAMPAIGNS_API_KEY or --api-key-file\n"
    )


@pytest.mark.usefixtures("no_backoff")
def test_no_server_is_one_line(command: Command, key_file: Path, unused_tcp_port: int) -> None:
    ended = command("demo", "--base-url", f"http://127.0.0.1:{unused_tcp_port}", "--api-key-file", key_file)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert ended.err.endswith("is a sandbox running at --base-url?\n")


def test_another_server_is_one_line(command: Command, beside: Beside, key_file: Path) -> None:
    ended = command("demo", "--base-url", f"{beside.sandbox.url}/elsewhere", "--api-key-file", key_file)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "is --base-url right?" in ended.err


def test_an_error_half_way_tells_what_was_done(
    command: Command, small_plan: Path, beside: Beside, key_file: Path
) -> None:
    beside.sandbox.fault(operation="list", nth=2, status=403)
    ended = command("demo", "--plan", small_plan, "--base-url", beside.sandbox.url, "--api-key-file", key_file)
    assert ended.code == 1
    assert "(12 of 12 campaigns were created, 0 are in doubt: they stay on that server)" in ended.err.splitlines()[-1]


def test_an_error_of_the_demo_s_own_sandbox_is_one_line(
    command: Command, small_plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(demo_module, "local_server", no_room)
    ended = command("demo", "--plan", small_plan)
    assert (ended.code, ended.err) == (1, "campaigns-async: the sandbox cannot be started: Too many open files\n")


def test_an_error_that_should_not_be_asks_to_be_reported(
    command: Command, small_plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise CampaignsError("broken")

    monkeypatch.setattr(demo_module, "run", broken)
    ended = command("demo", "--plan", small_plan)
    assert ended.code == 1
    assert ended.err.startswith("campaigns-async: broken: ")
    assert ended.err.endswith("please report it\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_lets_what_is_in_flight_finish_and_tells_how_far_it_came(
    number: int, code: int, beside: Beside, tmp_path: Path
) -> None:
    plan = tmp_path / "plan"
    plan.write_bytes(ndjson(*map(line, range(100))))
    held = beside.event()
    beside.sandbox.fault(operation="create", nth=11, hold=held)
    with subprocess.Popen(
        [sys.executable, "-m", "campaigns_async", "demo", "--plan", plan, "--base-url", beside.sandbox.url,
         "--concurrency", "5"],
        env={**os.environ, "CAMPAIGNS_API_KEY": beside.sandbox.api_key},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        try:
            beside.wait(beside.sandbox.received(15, "create"))
        except TimeoutError:
            running.kill()
            pytest.fail(f"it did not come so far: {running.communicate()}")
        running.send_signal(number)
        beside.let_go(held)
        out, err = running.communicate()
    assert (running.returncode, out) == (code, "")
    told = re.fullmatch(
        r"interrupted, nothing more is sent \((\d+) of 100 campaigns were created, 0 are in doubt: "
        r"they stay on that server\)",
        err.splitlines()[-1],
    )
    assert told is not None
    assert int(told[1]) == len(beside.sandbox.campaigns) < 100
    assert "Traceback" not in err


def test_interrupted_before_anything_was_sent_it_says_no_more(
    command: Command, small_plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_module, "local_server", at_once)
    ended = command("demo", "--plan", small_plan)
    assert (ended.code, ended.err) == (130, "interrupted, nothing more is sent\n")


def test_plain_lines_come_every_two_seconds_and_at_the_end() -> None:
    now = [0.0]
    printed: list[str] = []
    lines = Lines(printed.append, lambda: now[0])
    lines.begin("creating", 6)
    for now[:] in [0.5], [1.9], [2.0], [2.1], [4.1], [4.2]:
        lines.step()
    assert printed == ["creating: 0 of 6", "creating: 3 of 6", "creating: 5 of 6", "creating: 6 of 6"]


def test_bars_move() -> None:
    progress = Progress(console=Console(file=io.StringIO()))
    bars = Bars(progress)
    bars.step()
    bars.begin("creating", 3)
    bars.step()
    bars.begin("listing", 2)
    bars.step()
    bars.step()
    assert [(task.description, task.completed, task.total) for task in progress.tasks] == [
        ("creating", 1, 3),
        ("listing", 2, 2),
    ]


def test_on_a_terminal_progress_is_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with watching() as watch:
        watch.begin("creating", 1)
        watch.step()
    assert isinstance(watch, Bars)
    shown = capsys.readouterr()
    assert "creating" in shown.err
    assert shown.out == ""
