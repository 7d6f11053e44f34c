"""`campaigns-async demo` as its user meets it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from campaigns_async import CampaignsError, RetryPolicy
from campaigns_async.cli import demo_run
from campaigns_async.sandbox import Sandbox

from .conftest import Beside, Command


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve campaigns in place of 500."""
    monkeypatch.setattr(demo_run, "_CAMPAIGNS", 12)


@pytest.fixture
def key_file(beside: Beside, tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{beside.sandbox.api_key}\n")
    return path


def figures(table: str) -> dict[str, list[str]]:
    """The table's rows."""
    rows = re.findall(r"^ *(\S[^\n]*?)  +([\d.][\d. ]*?)\s*$", table, re.MULTILINE)
    return {label: values.split() for label, values in rows}


def own_sandbox_with(monkeypatch: pytest.MonkeyPatch, **fault: Any) -> None:
    """Have the demo's own sandbox fail in this way alone."""
    monkeypatch.setattr(demo_run, "add_faults", lambda sandbox, _: sandbox.fault(times=1, **fault))


@pytest.mark.slow
def test_it_adds_up_and_shows_nothing_of_what_was_sent(command: Command) -> None:
    ended = command("demo", "--seed", "7")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "Every figure agrees.")
    told = figures(ended.out)
    assert told["campaigns created"] == ["500", "500", "500"]
    assert told["on the server exactly once"] == ["500", "500"]
    assert told["creates with an unknown outcome"] == ["14"]
    assert told["found on the server"] == ["4"]
    assert told["absent, sent again"] == ["10"]
    assert told["still unknown, not sent again"] == ["0", "0"]
    assert told["throttled (429, 503)"] == ["20", "20"]
    assert told["connections dropped"] == ["13", "13"]
    assert told["contacts streamed, of 25 campaigns"] == ["500", "500"]
    client, server = told["requests"]
    assert client == server
    for campaign in demo_run.make_campaigns(7):
        for secret in (campaign.sender, campaign.message, *(each.phone_number for each in campaign.contacts)):
            assert secret not in ended.out + ended.err
        assert not any(each.name in ended.out + ended.err for each in campaign.contacts if each.name)


def test_the_campaigns_come_from_the_seed_and_no_two_are_alike() -> None:
    made = demo_run.make_campaigns(7)
    assert made == demo_run.make_campaigns(7) != demo_run.make_campaigns(8)
    assert len({each.message for each in made}) == len(made) == 500
    assert {each.sender for each in made} == set(demo_run._SENDERS)


@pytest.mark.parametrize("seed", range(20))
def test_no_call_can_meet_as_many_refusals_as_it_has_attempts(seed: int) -> None:
    sandbox = Sandbox()
    demo_run.add_faults(sandbox, seed)
    creates = [rule.fault for rule in sandbox.faults if rule.fault.operation == "create"]
    met = [fault.nth + each for fault in creates for each in range(fault.times or 0)]
    assert len(met) == len(set(met))
    assert all(1 <= number <= 500 for number in met)
    attempts = RetryPolicy().attempts
    assert not any({*range(first, first + attempts)} <= {*met} for first in met)


def test_off_a_terminal_progress_is_plain_lines_on_stderr(
    few: None, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_sandbox_with(monkeypatch, operation="create", status=429)
    ended = command("demo", "--concurrency", "1")
    assert ended.code == 0
    assert ended.err.startswith("creating: 0 of 12 campaigns\nlisting back: 0 of 6 senders\n")
    assert "\x1b" not in ended.err + ended.out


def test_another_sandbox_will_do_with_a_key_from_a_file(
    few: None, command: Command, beside: Beside, key_file: Path
) -> None:
    beside.sandbox.fault(operation="create", nth=2, times=1, drop="reset", act=True)
    ended = command("demo", "--base-url", beside.sandbox.url, "--api-key-file", key_file)
    assert ended.code == 0, ended
    assert len(beside.sandbox.campaigns) == 12
    assert figures(ended.out)["found on the server"] == ["1"]
    assert beside.sandbox.api_key not in ended.out + ended.err


def test_or_with_a_key_from_the_environment_and_twice(
    few: None, command: Command, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", beside.sandbox.api_key)
    for times in (1, 2):
        assert command("demo", "--base-url", beside.sandbox.url).code == 0
        assert len(beside.sandbox.campaigns) == 12 * times


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "it says that it did nothing, and has done it": (
        {"operation": "create", "status": 429, "headers": {"Retry-After": "0"}, "act": True},
        "on the server exactly once: 11 by the server, 12 by the plan",
    ),
    "it says that it did it, and has not": (
        {"operation": "create", "status": 201, "body": '"C-1"', "content_type": "application/json"},
        "campaigns created: 11 by the client, 11 by the server, 12 by the plan",
    ),
    "it refuses one": ({"operation": "create", "status": 400}, "a create failed: ValidationFailedError"),
    "it does not list one": ({"operation": "create", "hidden_for": 60.0}, "listed back: other campaigns than were created"),
}  # fmt: skip


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize(("fault", "told"), LIES.values(), ids=LIES)
def test_a_figure_that_is_off_is_told_and_fails_it(
    fault: dict[str, Any], told: str, where: str, few: None, command: Command, beside: Beside,
    key_file: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if where == "here":
        own_sandbox_with(monkeypatch, nth=2, **fault)
        ended = command("demo")
    else:
        beside.sandbox.fault(nth=2, times=1, **fault)
        ended = command("demo", "--base-url", beside.sandbox.url, "--api-key-file", key_file)
    assert ended.code == 1
    assert f"off: {told}\n" in ended.err
    assert ("sent twice" in ended.err) == (where == "here" and fault.get("act", False))
    assert "run it again with --seed 0" in ended.err.splitlines()[-1]
    assert "agrees" not in ended.out


def test_contacts_of_somebody_else_are_noticed(few: None, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = demo_run._stored_content
    monkeypatch.setattr(demo_run, "_stored_content", lambda wire: stored({**wire, "contacts": wire["contacts"][1:]}))
    own_sandbox_with(monkeypatch, operation="list", nth=50)
    ended = command("demo")
    assert ended.code == 1
    assert "off: on the server exactly once: 0 by the server, 12 by the plan\n" in ended.err


def test_a_wrong_key_is_one_line(command: Command, beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "no-such-key")
    ended = command("demo", "--base-url", beside.sandbox.url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1].startswith("campaigns-async: 401: ")
    assert ended.err.endswith("is a sandbox running at --base-url, with this key?\n")
    assert "no-such-key" not in ended.err


@pytest.mark.usefixtures("no_backoff")
def test_no_server_is_one_line(command: Command, key_file: Path, unused_tcp_port: int) -> None:
    ended = command("demo", "--base-url", f"http://127.0.0.1:{unused_tcp_port}", "--api-key-file", key_file)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert ended.err.endswith("is a sandbox running at --base-url, with this key?\n")


def test_another_server_is_one_line(command: Command, beside: Beside, key_file: Path) -> None:
    ended = command("demo", "--base-url", f"{beside.sandbox.url}/elsewhere", "--api-key-file", key_file)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "is a sandbox running at --base-url, with this key?" in ended.err


def test_an_error_half_way_tells_what_was_done(few: None, command: Command, beside: Beside, key_file: Path) -> None:
    beside.sandbox.fault(operation="list", nth=2, status=403)
    ended = command("demo", "--base-url", beside.sandbox.url, "--api-key-file", key_file)
    assert ended.code == 1
    assert ended.err.endswith(
        "(12 of 12 campaigns were created, 0 have an unknown outcome: they stay on that server)\n"
    )


def test_a_sandbox_that_cannot_start_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_room(_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Sandbox, "start", no_room)
    ended = command("demo")
    assert (ended.code, ended.err) == (1, "campaigns-async: the sandbox cannot be started: Too many open files\n")


def test_an_error_that_should_not_be_asks_to_be_reported(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> None:
        raise CampaignsError("broken")

    monkeypatch.setattr(Sandbox, "start", broken)
    ended = command("demo")
    assert (ended.code, ended.err) == (1, "campaigns-async: broken: please report it\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_lets_what_is_in_flight_finish_and_tells_how_far_it_came(number: int, code: int, beside: Beside) -> None:
    held = beside.event()
    beside.sandbox.fault(operation="create", nth=11, hold=held)
    with subprocess.Popen(
        [sys.executable, "-m", "campaigns_async", "demo", "--base-url", beside.sandbox.url, "--concurrency", "5"],
        env={**os.environ, "CAMPAIGNS_API_KEY": beside.sandbox.api_key},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        try:
            beside.wait(beside.sandbox.wait_received(15, "create"))
        except TimeoutError:
            running.kill()
            pytest.fail(f"it did not come so far: {running.communicate()}")
        running.send_signal(number)
        beside.let_go(held)
        out, err = running.communicate()
    assert (running.returncode, out) == (code, "")
    told = re.fullmatch(
        r"interrupted, nothing more is sent \((\d+) of 500 campaigns were created, 0 have an unknown outcome: "
        r"they stay on that server\)",
        err.splitlines()[-1],
    )
    assert told is not None
    assert int(told[1]) == len(beside.sandbox.campaigns) < 500
    assert "Traceback" not in err


def test_interrupted_before_anything_was_sent_it_says_no_more(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sandbox, "start", at_once)
    ended = command("demo")
    assert (ended.code, ended.err) == (130, "interrupted, nothing more is sent\n")
