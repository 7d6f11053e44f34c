"""`campaigns-async campaigns`: what it shows on a terminal and on a pipe, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaigns_async.sandbox.threaded import ThreadedSandbox

from .conftest import Command
from .send_support import KEY, PATIENCE, environment, in_shell, running
from .terminal import on_terminal

STEERS = "Fore! \x1b[2J\u009b31m\u202e\x07 caf\u00e9 \U0001f600 [b]bold[/b]\nSecond line"
COUNT = 250


def rows(count: int = COUNT) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{number:08}-0000-4000-8000-000000000000",
            "startDateTime": f"2031-05-{1 + number // 10:02}T09:{number % 10:02}:00.000Z",
            "sender": "Golf" if number % 2 else "Tennis",
            "recipientCount": number,
            "message": STEERS if number == count - 1 else f"Tee time {number}",
            "status": number % 6,
            "optOutLinkId": None,
            "trackLinkUrl": "https://example.org/x",
        }
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def shared() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(rows(), api_key=KEY) as made:
        yield made


@pytest.fixture
def sandbox(shared: ThreadedSandbox, monkeypatch: pytest.MonkeyPatch, command: Command) -> ThreadedSandbox:
    """One that the environment names, for commands in this process."""
    for name, value in shared.environment.items():
        monkeypatch.setenv(name, value)
    return shared


def parsed(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.split("\n")[:-1]]


class TestList:
    def test_on_a_pipe_it_is_a_json_object_a_line_newest_first(
        self, sandbox: ThreadedSandbox, command: Command
    ) -> None:
        ended = command("campaigns", "list")
        assert (ended.code, ended.err) == (0, "")
        found = parsed(ended.out)
        assert [row["recipientCount"] for row in found] == [*range(COUNT)][::-1]
        assert list(found[0]) == [
            "id", "startDateTime", "sender", "recipientCount", "message", "status", "optOutLinkId", "trackLinkUrl",
        ]  # fmt: skip
        assert found[0]["message"] == STEERS
        assert found[1]["startDateTime"] == "2031-05-25T09:08:00Z"

    def test_filters_sorts_fields_limit_and_pages(self, sandbox: ThreadedSandbox, command: Command) -> None:
        ended = command(
            "campaigns", "list", "--filter", "sender==Golf,recipientCount<50", "--sort", "-recipientCount",
            "--fields", "recipientCount, id", "--limit", "13", "--page-size", "5",
        )  # fmt: skip
        assert ended.code == 0
        assert [next(iter(row.items())) for row in parsed(ended.out)] == [
            ("recipientCount", number) for number in range(49, 23, -2)
        ]
        assert list(parsed(ended.out)[0]) == ["recipientCount", "id"]

    def test_a_limit_asks_for_no_more_than_it_needs(self, sandbox: ThreadedSandbox, command: Command) -> None:
        before = len(sandbox.requests)
        assert len(parsed(command("campaigns", "list", "--limit", "7").out)) == 7
        assert len(sandbox.requests) == before + 1

    def test_on_a_terminal_it_is_a_table_that_fits(self, shared: ThreadedSandbox, tmp_path: Path) -> None:
        shown = on_terminal(["campaigns", "list"], tmp_path, environment(shared))
        assert shown.code == 0
        lines = [line.rstrip() for line in shown.text.split("\n")]
        assert lines[0].split() == ["id", "startDateTime", "message"]
        assert max(map(len, lines[:102])) <= 80
        assert lines[3].split() == ["00000248-0000-4000-8000-000000000000", "2031-05-25T09:08Z", "Tee", "time", "248"]
        assert len([line for line in lines if "-4000-" in line]) == 100
        assert lines[102] == "no room for sender, recipientCount, status, trackLinkUrl: choose with --fields"
        assert lines[103] == "the first 100 of 250 campaigns: --limit N shows more, --json all as JSON"

    @pytest.mark.parametrize(
        ("columns", "names"),
        [
            (60, ["id", "message"]),
            (80, ["id", "startDateTime", "message"]),
            (120, ["id", "startDateTime", "sender", "recipientCount", "message", "status"]),
        ],
    )
    @pytest.mark.slow
    def test_empty_columns_go_first_and_a_message_can_be_read(
        self, columns: int, names: list[str], shared: ThreadedSandbox, tmp_path: Path
    ) -> None:
        message = "Doors open at seven tonight. Show code TIDE017 at the desk."
        with ThreadedSandbox([{**rows(1)[0], "message": message, "trackLinkUrl": None}], api_key=KEY) as sandbox:
            shown = on_terminal(["campaigns", "list"], tmp_path, environment(sandbox), columns=columns)
        head, _, first, *notes = [line.rstrip() for line in shown.text.split("\n")]
        assert head.split() == names
        assert len(first) <= columns
        assert message[:20] in first
        assert "optOutLinkId" not in shown.text
        assert "trackLinkUrl" not in shown.text
        assert notes[-2:] == ["1 campaign", ""]

    @pytest.mark.slow
    def test_nothing_in_a_message_reaches_a_terminal_raw(self, shared: ThreadedSandbox, tmp_path: Path) -> None:
        for arguments in (["--fields", "message"], ["--json"]):
            shown = on_terminal(["campaigns", "list", "--limit", "1", *arguments], tmp_path, environment(shared))
            assert shown.code == 0
            assert not [part for part in ("\x1b[2J", "\u009b", "\u202e", "\x07") if part in shown.terminal]
            assert "caf\u00e9 \U0001f600 [b]bold[/b]" in shown.text
        assert json.loads(shown.terminal.split("\n")[0])["message"] == STEERS

    @pytest.mark.slow
    def test_fields_that_were_asked_for_are_cut_and_not_left_out(self, shared: ThreadedSandbox, tmp_path: Path) -> None:
        names = ["id", "message", "trackLinkUrl", "startDateTime"]
        shown = on_terminal(
            ["campaigns", "list", "--limit", "3", "--fields", ",".join(names)], tmp_path, environment(shared)
        )
        head, _, first, *_ = shown.text.split("\n")
        assert head.split()[0] == "id"
        assert first.startswith("00000249-0000-4000-8000-000000000000  ")
        assert "\u2026" in first
        assert max(map(len, shown.text.split("\n")[:5])) <= 80

    @pytest.mark.slow
    def test_an_id_stands_in_one_piece_however_little_room_there_is(
        self, shared: ThreadedSandbox, tmp_path: Path
    ) -> None:
        names = "startDateTime,sender,status,recipientCount,id,optOutLinkId"
        shown = on_terminal(["campaigns", "list", "--limit", "1", "--fields", names], tmp_path, environment(shared))
        _, _, first, *_ = shown.text.split("\n")
        assert "00000249-0000-4000-8000-000000000000 " in first
        assert "\u2026" in first
        assert len(first.rstrip()) <= 80

    def test_no_rows_are_one_line(self, shared: ThreadedSandbox, tmp_path: Path) -> None:
        shown = on_terminal(["campaigns", "list", "--filter", "sender==Nobody"], tmp_path, environment(shared))
        assert (shown.code, shown.text) == (0, "0 campaigns\n")

    def test_data_and_what_is_said_of_it_go_apart(self, shared: ThreadedSandbox, tmp_path: Path) -> None:
        shown = on_terminal(["campaigns", "list", "--limit", "2"], tmp_path, environment(shared), out=False)
        assert (shown.code, shown.terminal) == (0, "")
        assert len(parsed(shown.out)) == 2

    def test_a_closed_pipe_ends_it_silently(self, shared: ThreadedSandbox, tmp_path: Path) -> None:
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as nobody:
            done = subprocess.run(
                [sys.executable, "-m", "campaigns_async", "campaigns", "list"],
                env=environment(shared), stdout=nobody, stderr=subprocess.PIPE, check=False, timeout=PATIENCE,
            )  # fmt: skip
        assert (done.returncode, done.stderr) == (141, b"")

    @pytest.mark.slow
    def test_no_room(self, shared: ThreadedSandbox, tmp_path: Path) -> None:
        done = in_shell(f"{sys.executable} -m campaigns_async campaigns list > /dev/full", tmp_path, shared)
        assert done.returncode == 1
        assert done.stderr.startswith("campaigns-async: standard output cannot be written: No space left on device")
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    @pytest.mark.slow
    def test_a_signal_is_a_word(self, number: int, code: int, tmp_path: Path) -> None:
        with ThreadedSandbox(rows(3), api_key=KEY) as sandbox:
            sandbox.fault(operation="list", hang=True)
            with running(["campaigns", "list"], tmp_path, sandbox) as process:
                sandbox.wait_received(1, "list", timeout=PATIENCE)
                process.send_signal(number)
                out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (code, "", "interrupted\n")

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--filter", "Sender=Golf"], "--filter: term 1: unknown operator "),
            (["--filter", "start_date_time>2031"], "--filter: term 1: unknown field"),
            (["--filter", ""], "--filter sets no condition"),
            (["--filter", " , "], "--filter"),
            (["--filter", "status>1"], "--filter: term 1: status does not take >"),
            (["--sort", "phoneNumber"], "--sort: name 1: unknown field"),
            (["--sort", ""], "--sort"),
            (
                ["--fields", "start_date_time"],
                "--fields: unknown field 'start_date_time'; did you mean 'startDateTime'?",
            ),
            (["--fields", "id,foo"], "--fields: unknown field 'foo'; the fields are id, startDateTime, sender"),
            (["--sort", "sendr"], "unknown field 'sendr'; did you mean 'sender'?"),
            (["--filter", "sendr==Golf"], "unknown field 'sendr'; did you mean 'sender'?"),
            (["--fields", "id,id"], "--fields: name 2 is id again"),
            (["--fields", ""], "--fields: name 1 is not a field"),
            (["--limit", "0"], "--limit"),
            (["--page-size", "0"], "--page-size"),
            (["--rate", "0"], "--rate must be at least 0.001"),
            (["--base-url", "nowhere"], "--base-url must begin with"),
        ],
    )
    def test_a_wrong_option_is_one_line_and_no_request_is_sent(
        self, arguments: list[str], expected: str, sandbox: ThreadedSandbox, command: Command
    ) -> None:
        before = len(sandbox.requests)
        ended = command("campaigns", "list", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert expected in ended.err
        assert ended.err.endswith("(see: campaigns-async campaigns list --help)\n")
        assert ended.err.count("\n") == 1
        assert len(sandbox.requests) == before

    @pytest.mark.usefixtures("no_backoff")
    def test_a_server_that_fails_is_one_line(
        self, sandbox: ThreadedSandbox, command: Command, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
    ) -> None:
        monkeypatch.setenv("CAMPAIGNS_API_KEY", "another-key")
        ended = command("campaigns", "list")
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
        assert "check CAMPAIGNS_API_KEY or --api-key-file, and --auth" in ended.err
        assert "another-key" not in ended.err
        ended = command("campaigns", "list", "--base-url", f"http://127.0.0.1:{unused_tcp_port}")
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
        assert "check CAMPAIGNS_BASE_URL or --base-url" in ended.err


class TestGet:
    IDS = tuple(row["id"] for row in rows())

    def test_on_a_pipe_it_is_a_json_object_a_line_in_the_order_of_the_ids(
        self, sandbox: ThreadedSandbox, command: Command
    ) -> None:
        wanted = [self.IDS[249], *self.IDS[30:0:-1], self.IDS[249]]
        ended = command("campaigns", "get", *wanted)
        assert (ended.code, ended.err) == (0, "")
        assert [row["id"] for row in parsed(ended.out)] == wanted
        assert parsed(ended.out)[0]["message"] == STEERS

    def test_on_a_terminal_it_is_a_field_a_line(self, shared: ThreadedSandbox, tmp_path: Path) -> None:
        shown = on_terminal(["campaigns", "get", self.IDS[249], self.IDS[2]], tmp_path, environment(shared))
        assert shown.code == 0
        lines = [line.rstrip() for line in shown.text.split("\n")]
        assert lines[:8] == [
            "id              00000249-0000-4000-8000-000000000000",
            "startDateTime   2031-05-25T09:09:00Z",
            "sender          Golf",
            "recipientCount  249",
            "message         Fore! \ufffd[2J\ufffd31m\ufffd\ufffd caf\u00e9 \U0001f600 [b]bold[/b]",
            "                Second line",
            "status          3 (paused)",
            "optOutLinkId",
        ]
        assert "Tee time 2" in shown.text

    def test_those_that_are_there_are_shown_and_the_others_named(
        self, sandbox: ThreadedSandbox, command: Command
    ) -> None:
        ended = command("campaigns", "get", "nobody", self.IDS[1], "no\u00a9one", "--fields", "id")
        assert (ended.code, parsed(ended.out)) == (1, [{"id": self.IDS[1]}])
        assert ended.err == (
            "there is no campaign nobody\n"
            "campaigns-async: there is no campaign no\u00a9one: `campaigns list` shows the campaigns\n"
        )

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["a", ""], "ID 2 is empty"),
            (["a/b"], "ID 1 contains a slash"),
            (["a", "--fields", "x"], "--fields: unknown field 'x'; the fields are id,"),
        ],
    )
    def test_a_wrong_option_is_one_line_and_no_request_is_sent(
        self, arguments: list[str], expected: str, sandbox: ThreadedSandbox, command: Command
    ) -> None:
        before = len(sandbox.requests)
        ended = command("campaigns", "get", *arguments)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert expected in ended.err
        assert len(sandbox.requests) == before

    def test_a_server_that_fails_is_one_line(self, sandbox: ThreadedSandbox, command: Command) -> None:
        rule = sandbox.fault(operation="get", status=403)
        ended = command("campaigns", "get", self.IDS[1], self.IDS[2])
        rule.stop()
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
