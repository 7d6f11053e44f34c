"""`campaigns-async demo` as its user meets it."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from campaigns_async import CampaignsError, NewCampaign, Outcome, RetryPolicy
from campaigns_async.cli import demo_run
from campaigns_async.sandbox import Sandbox

from .conftest import Command


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve campaigns in place of 500."""
    monkeypatch.setattr(demo_run, "_CAMPAIGNS", 12)


def figures(table: str) -> dict[str, list[str]]:
    """Return the figures of the table's rows, by their names."""
    rows = [line.split("\t") for line in table.splitlines()]
    return {name: [cell for cell in cells if cell] for name, *cells in rows}


def own_sandbox_with(monkeypatch: pytest.MonkeyPatch, **fault: Any) -> None:
    """Have the demo's own sandbox fail in this way alone."""
    monkeypatch.setattr(demo_run, "add_faults", lambda sandbox, _: sandbox.fault(times=1, **fault))


@pytest.mark.slow
def test_it_adds_up_and_shows_nothing_of_what_was_sent(command: Command) -> None:
    ended = command("demo", "--seed", "7")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "All figures agree.")
    result = figures(ended.out)
    assert result["campaigns created"] == ["500", "500", "500"]
    assert result["on the server exactly once"] == ["500", "500"]
    assert result["creates with an unknown outcome"] == ["14"]
    assert result["found on the server"] == ["4"]
    assert result["not on the server, sent again"] == ["10"]
    assert result["still unknown, not sent again"] == ["0", "0"]
    assert result["throttled (429, 503)"] == ["20", "20"]
    assert result["connections dropped"] == ["13", "13"]
    assert result["contacts read, of 25 campaigns"] == ["500", "500"]
    client, server = result["requests"]
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
    own_sandbox_with(monkeypatch, operation="create", status=429, headers={"Retry-After": "1"})
    ended = command("demo", "--concurrency", "1")
    assert ended.code == 0
    assert ended.err.startswith("creating: 0 of 12 campaigns\n")
    assert ended.err.endswith("reading contacts: 12 of 12 campaigns\n")
    assert "\x1b" not in ended.err + ended.out
    assert ended.out.startswith("figure\tclient\tserver\tplan\ncampaigns created\t12\t12\t12\n")


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "it says that it did nothing, and has done it": (
        {"operation": "create", "status": 429, "headers": {"Retry-After": "0"}, "act": True},
        "on the server exactly once: 11 (server), 12 (plan)",
    ),
    "it says that it did it, and has not": (
        {"operation": "create", "status": 201, "body": '"C-1"', "content_type": "application/json"},
        "campaigns created: 11 (client), 11 (server), 12 (plan)",
    ),
    "it refuses one": ({"operation": "create", "status": 400}, "a create failed: ValidationFailedError"),
    "it does not list one": ({"operation": "create", "hidden_for": 60.0}, "campaigns listed: other campaigns than were created"),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "shown"), LIES.values(), ids=LIES)
def test_a_figure_that_differs_is_shown_and_the_exit_code_is_1(
    fault: dict[str, Any], shown: str, few: None, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_sandbox_with(monkeypatch, nth=2, **fault)
    ended = command("demo")
    assert ended.code == 1
    assert f"does not agree: {shown}\n" in ended.err
    assert ("sent twice" in ended.err) == fault.get("act", False)
    assert "please report the lines above" in ended.err.splitlines()[-1]
    assert "agree" not in ended.out


def test_contacts_of_somebody_else_are_noticed(few: None, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = demo_run._read_content
    monkeypatch.setattr(demo_run, "_read_content", lambda wire: stored({**wire, "contacts": wire["contacts"][1:]}))
    own_sandbox_with(monkeypatch, operation="list", nth=50)
    ended = command("demo")
    assert ended.code == 1
    assert "does not agree: on the server exactly once: 0 (server), 12 (plan)\n" in ended.err


def test_an_error_half_way_says_what_was_created(few: None, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    own_sandbox_with(monkeypatch, operation="list", nth=2, status=403)
    ended = command("demo")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("campaigns-async: 403")
    assert "please report it; 12 of 12 campaigns were created, 0 have an unknown outcome" in ended.err


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
def test_ctrl_c_lets_creates_in_flight_finish_and_says_how_many_were_created(
    number: int, code: int, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_run, "add_faults", lambda *_: None)
    record = demo_run.Demo._record

    def record_and_interrupt(demo: demo_run.Demo, outcome: Outcome[NewCampaign, str]) -> None:
        record(demo, outcome)
        if len(demo.ids) == 11:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(demo_run.Demo, "_record", record_and_interrupt)
    sandboxes: list[Sandbox] = []
    stop = Sandbox.stop

    async def stop_and_keep(sandbox: Sandbox) -> None:
        sandboxes.append(sandbox)
        await stop(sandbox)

    monkeypatch.setattr(Sandbox, "stop", stop_and_keep)
    ended = command("demo", "--concurrency", "5")
    assert (ended.code, ended.out) == (code, "")
    shown = re.fullmatch(
        r"interrupted; (\d+) of 500 campaigns were created, 0 have an unknown outcome; all of them were on the sandbox, "
        r"which is gone",
        ended.err.splitlines()[-1],
    )
    assert shown is not None
    assert 11 <= int(shown[1]) == len(sandboxes[0].created) < 500
    assert "Traceback" not in ended.err


def test_interrupted_before_anything_was_sent_it_says_no_more(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sandbox, "start", at_once)
    ended = command("demo")
    assert (ended.code, ended.err) == (130, "interrupted\n")
