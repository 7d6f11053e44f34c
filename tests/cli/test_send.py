"""`campaigns-async send` as its user meets it: processes against a sandbox, and how each of them ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from campaigns_async import CampaignsClient
from campaigns_async.cli.send_report import name_csv_lines, read_summary
from campaigns_async.cli.send_run import SendCommand
from campaigns_async.effects import State
from campaigns_async.jobs import BadLine, JournalRow, Phase, Progress, Summary, contacts_plan, ndjson_plan
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.plans import digest
from campaigns_async.sandbox.threaded import ThreadedSandbox

from .conftest import Command, line, ndjson
from .send_support import KEY, PATIENCE, commands, completed, in_shell, running, same_again, squeezed, write_many


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(api_key=KEY) as running_sandbox:
        yield running_sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plan.ndjson").write_bytes(ndjson(*map(line, range(12))))
    return tmp_path


SEND = ["send", "plan.ndjson", "--journal", "run.sqlite"]
SOON = ["--settle", "0.2", "--read-timeout", "0.5"]


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert KEY not in done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class TestEndings:
    def test_all_created_is_0(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        done = completed(SEND, folder, sandbox)
        assert done.returncode == 0
        assert len(sandbox.created) == 12
        assert "sending: 12 of 12 rows, " in done.stderr.splitlines()[-1]
        assert "created 12 on the server" in squeezed(done.stdout)
        assert commands(done.stderr) == []
        assert KEY not in done.stdout + done.stderr

    def test_a_second_run_sends_nothing(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        completed(SEND, folder, sandbox)
        result = summary(completed([*SEND, "--json"], folder, sandbox))
        assert (result["ok"], result["created"], result["created_now"]) == (True, 12, 0)
        assert len(sandbox.created) == 12

    def test_a_failure_that_does_not_pass_stops_the_run_with_its_remedy(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        wrong = sandbox.url.replace("http://", "https://")
        done = completed([*SEND, "--base-url", wrong], folder, sandbox)
        assert done.returncode == 1
        assert "stopped: no connection (the server does not speak TLS at this port: check the scheme" in done.stderr
        assert "planned 12 not sent" in squeezed(done.stdout)

    def test_a_503_that_is_known_to_do_nothing_is_repeated(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        sandbox.fault(operation="create", times=2, status=503)
        done = completed([*SEND, "--rejected-status", "503", "--rejected-status", "502"], folder, sandbox)
        assert done.returncode == 0
        assert len(sandbox.created) == 12

    def test_a_marker_is_in_each_contact(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        arguments = [*SEND, "--marker", "custom2"]
        assert completed([*arguments, "--dry-run"], folder, None).returncode == 0
        assert completed(arguments, folder, sandbox).returncode == 0
        marked = [{contact.get("custom2") for contact in each["contacts"]} for each in sandbox.created]
        assert len(set.union(*marked)) == len(marked) == 12
        other = completed([*SEND, "--dry-run"], folder, None)
        assert (other.returncode, "other values of marker" in other.stderr) == (2, True)

    def test_some_refused_is_1_and_the_printed_command_sends_them_again(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        rule = sandbox.fault(operation="create", times=2, status=422)
        arguments = [*SEND, "--concurrency", "1"]
        done = completed(arguments, folder, sandbox)
        assert done.returncode == 1
        assert "failed: golf-0: 422\nfailed: golf-1: 422\n" in done.stdout
        rule.stop()
        (again,) = commands(done.stderr)
        assert again.endswith(" with --retry-failed")
        assert completed(same_again(arguments, again), folder, sandbox).returncode == 0
        assert len(sandbox.created) == 12

    def test_a_row_in_doubt_is_1_and_is_settled_by_the_printed_commands(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        sandbox.fault(operation="create", nth=3, times=1, status=504, act=True)
        arguments = [*SEND, "--no-reconcile", "--concurrency", "1"]
        done = completed(arguments, folder, sandbox)
        assert done.returncode == 1
        assert "unknown: golf-2: 504" in done.stdout
        look, show, settle = commands(done.stderr)
        shown = completed(show, folder, None)
        assert [json.loads(row)["key"] for row in shown.stdout.splitlines()] == ["golf-2"]
        campaign_id = sandbox.created[2]["id"]
        settled = completed(settle.replace("CAMPAIGN-ID", campaign_id), folder, None)
        assert (settled.returncode, settled.stderr) == (0, "")
        assert completed(same_again(arguments, look), folder, sandbox).returncode == 0
        assert len(sandbox.created) == 12

    def test_what_is_in_doubt_is_looked_for_with_the_printed_command(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        sandbox.fault(operation="create", nth=3, times=1, status=504, act=True)
        arguments = [*SEND, "--no-reconcile", *SOON]
        look = commands(completed(arguments, folder, sandbox).stderr)[0]
        assert look.endswith(" with --reconcile")
        assert completed(same_again(arguments, look), folder, sandbox).returncode == 0
        assert len(sandbox.created) == 12

    def test_a_key_that_is_not_taken_is_1_and_nothing_is_lost(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        sandbox.api_key = "another"
        (folder / "key").write_text(KEY + "\n")
        arguments = [*SEND, "--api-key-file", "key", "--json"]
        done = completed(arguments, folder, sandbox)
        assert done.returncode == 1
        assert "the server did not accept the API key" in summary(done)["stopped"]
        assert summary(done)["next"] == [{"why": "to continue", "command": "run the same command again"}]
        sandbox.api_key = KEY
        assert completed(arguments, folder, sandbox).returncode == 0
        assert len(sandbox.created) == 12

    @pytest.mark.usefixtures("no_backoff")
    def test_no_server_is_1_once_patience_is_over(self, folder: Path, unused_tcp_port: int) -> None:
        arguments = [*SEND, "--give-up-after", "0.01", "--base-url", f"http://127.0.0.1:{unused_tcp_port}"]
        (folder / "key").write_text(KEY)
        done = completed([*arguments, "--api-key-file", "key", "--json"], folder, None)
        assert done.returncode == 1
        assert (summary(done)["planned"], summary(done)["ok"]) == (12, False)
        assert "stopped: no connection" in done.stderr

    @pytest.mark.slow
    def test_a_full_disk_is_1_and_the_printed_command_goes_on_once_there_is_room(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        write_many(folder / "plan.ndjson", 3000)
        # No file of the process may pass this size: enough for the plan, not for all groups.
        done = in_shell(
            f"ulimit -f 2000; {sys.executable} -m campaigns_async {' '.join((*SEND, *SOON))}", folder, sandbox
        )
        assert done.returncode == 1
        assert 0 < len(sandbox.created) < 3000
        assert "stopped: the journal cannot be written: " in done.stderr
        assert commands(done.stderr)[0] == "run the same command again"
        assert completed([*SEND, *SOON], folder, sandbox).returncode == 0
        assert len(sandbox.created) == 3000
        sandbox.assert_no_double_send()

    @pytest.mark.slow
    def test_no_room_for_the_plan_is_1_and_nothing_is_sent(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        write_many(folder / "plan.ndjson", 3000)
        done = in_shell(f"ulimit -f 160; {sys.executable} -m campaigns_async {' '.join(SEND)}", folder, sandbox)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[-1].startswith("campaigns-async: the journal cannot be written: ")
        assert not sandbox.requests

    @pytest.mark.slow
    def test_a_plan_that_changes_while_it_is_sent_is_sent_as_it_was_checked(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        rule = sandbox.fault(operation="create", nth=2, times=1, hang=True)
        write_many(folder / "plan.ndjson", 500)
        with running([*SEND, "--concurrency", "1", "--json"], folder, sandbox) as process:
            sandbox.wait_received(2, "create", timeout=PATIENCE)
            (folder / "plan.ndjson").write_bytes(b"something else")
            rule.release()
            out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert json.loads(out)["created"] == len(sandbox.created) == 500
        assert {campaign["message"] for campaign in sandbox.created} == {"Tee time"}


class TestSignals:
    ARGUMENTS = (*SEND, "--concurrency", "4", *SOON)

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    @pytest.mark.slow
    def test_the_first_lets_what_is_in_flight_finish(
        self, number: int, code: int, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        rule = sandbox.fault(operation="create", nth=3, hang=True)
        with running([*self.ARGUMENTS, "--json"], folder, sandbox) as process:
            sandbox.wait_received(6, "create", timeout=PATIENCE)
            process.send_signal(number)
            assert process.stderr is not None
            said = ""
            while "finishing the requests in flight" not in said:
                said = process.stderr.readline()
            rule.stop()
            rule.release()
            out, err = process.communicate(timeout=PATIENCE)
        result = json.loads(out)
        assert process.returncode == code
        assert (result["created"], result["planned"], result["sending"]) == (6, 6, 0)
        assert result["stopped"] == "interrupted"
        assert commands(err) == ["run the same command again"]
        assert completed(list(self.ARGUMENTS), folder, sandbox).returncode == 0
        assert len(sandbox.created) == 12
        sandbox.assert_no_double_send()

    def test_the_second_stops_at_once_and_the_printed_command_ends_with_each_created_once(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        rule = sandbox.fault(operation="create", nth=3, hang=True)
        with running(list(self.ARGUMENTS), folder, sandbox) as process:
            sandbox.wait_received(6, "create", timeout=PATIENCE)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            while "press Ctrl-C again to stop at once" not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert "sending 4 " in squeezed(out)
        assert "unknown: golf-2: cut off" in out
        assert "stopped: cut off; the requests in flight may have been carried out" in err
        rule.stop()
        assert commands(err) == ["run the same command again"]
        assert completed(list(self.ARGUMENTS), folder, sandbox).returncode == 0
        assert len(sandbox.created) == 12
        sandbox.assert_no_double_send()

    @pytest.mark.parametrize(
        ("begun", "expected"), [(0, "cut off"), (1, "cut off; the requests in flight may have been carried out")]
    )
    def test_requests_in_flight_are_mentioned_only_if_there_were_any(
        self, begun: int, expected: str, folder: Path
    ) -> None:
        with JournalFile.open(folder / "run.sqlite") as journal:
            journal.add_plan(ndjson_plan(folder / "plan.ndjson"), {})
            journal.commit([], claim=begun, now=1.0)
        summary = read_summary(folder / "run.sqlite", None, elapsed=1.0, stopped="cut off")
        assert (summary.stopped, summary.sending, summary.ok) == (expected, begun, False)

    @pytest.mark.slow
    def test_during_the_check_of_the_plan_nothing_is_sent(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        write_many(folder / "plan.ndjson", 100_000)
        with running(SEND, folder, sandbox) as process:
            assert process.stderr is not None
            assert "checking the plan" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert "planned" not in squeezed(out)
        assert commands(err) == ["run the same command again"]
        assert not sandbox.requests

    def test_before_the_check_of_the_plan_nothing_is_sent_either(
        self, folder: Path, sandbox: ThreadedSandbox, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caught = asyncio.Event()
        stop, enter = SendCommand._stop, CampaignsClient.__aenter__

        def noted(self: SendCommand, number: int) -> None:
            stop(self, number)
            caught.set()

        async def entered(self: CampaignsClient) -> CampaignsClient:
            os.kill(os.getpid(), signal.SIGINT)
            await caught.wait()
            return await enter(self)

        monkeypatch.setattr(SendCommand, "_stop", noted)
        monkeypatch.setattr(CampaignsClient, "__aenter__", entered)
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        ended = command("send", folder / "plan.ndjson", "--journal", folder / "run.sqlite")
        assert ended.code == 130
        assert not sandbox.requests

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_dry_run_is_given_up_too(
        self, number: int, code: int, folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_many(folder / "plan.ndjson", 100_000)
        seen: list[object] = []

        def add(_: object, line: object, campaign: object) -> None:
            seen.append(line)
            if len(seen) == 1:
                os.kill(os.getpid(), number)

        monkeypatch.setattr("campaigns_async.jobs._preview.Preview.add", add)
        ended = command("send", folder / "plan.ndjson", "--journal", folder / "run.sqlite", "--dry-run")
        assert (ended.code, ended.out) == (code, "")
        assert ended.err == "interrupted; nothing was sent, and the journal is unchanged\n"
        assert len(seen) < 100_000

    @pytest.mark.slow
    def test_a_signal_that_was_ignored_by_a_background_job_s_shell_works(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        rule = sandbox.fault(operation="create", hang=True)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with running(list(self.ARGUMENTS), folder, sandbox) as process:
                sandbox.wait_received(4, "create", timeout=PATIENCE)
                process.send_signal(signal.SIGINT)
                assert process.stderr is not None
                while "finishing" not in process.stderr.readline():
                    pass
                rule.release()
                process.communicate(timeout=PATIENCE)
        finally:
            signal.signal(signal.SIGINT, before)
        assert process.returncode == 130


class TestContacts:
    CSV = "phoneNumber,name\n07700900101,Siân\n07700900102,Bob\n07700900103,Eve\n"
    START = ("--sender", "Golf", "--start", "2031-06-27T09:30:00+01:00")

    def send(self, folder: Path, sandbox: ThreadedSandbox | None, *more: str) -> subprocess.CompletedProcess[str]:
        (folder / "people.csv").write_text(self.CSV, encoding="utf-8")
        return completed(
            ["send", "--contacts", "people.csv", *self.START, "--journal", "run.sqlite", *more], folder, sandbox
        )

    def test_they_are_split_and_sent_word_for_word(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        done = self.send(folder, sandbox, "--message", "-50% “today”", "--split", "2")
        assert done.returncode == 0
        assert sorted(len(each["contacts"]) for each in sandbox.created) == [1, 2]
        assert {each["message"] for each in sandbox.created} == {"-50% “today”"}
        assert {each["startDateTime"] for each in sandbox.created} == {"2031-06-27T08:30:00.000Z"}

    @pytest.mark.parametrize(
        ("content", "sent"),
        [
            (b"One\n\nTwo\n", "One\n\nTwo"),
            (b"One\n\n", "One\n"),
            (b"One", "One"),
            (b"One\r\nTwo\r\n", "One\r\nTwo"),
            (b"\xef\xbb\xbfOne ", "One "),
        ],
    )
    def test_a_text_can_come_from_a_file_without_its_last_line_end(
        self, folder: Path, sandbox: ThreadedSandbox, content: bytes, sent: str, command: Command,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        (folder / "people.csv").write_text(self.CSV, encoding="utf-8")
        (folder / "text").write_bytes(content)
        ended = command(
            "send", "--contacts", "people.csv", *self.START, "--message-file", "text", "--journal", "run.sqlite"
        )
        assert ended.code == 0
        assert [each["message"] for each in sandbox.created] == [sent]

    def test_contacts_that_are_left_out_are_counted_and_named_by_their_lines(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        self.CSV = "Mobile;Notes\n07700900101;x\n4,47701E+11;x\n07700900102;x\nN/A;x\n"
        text = ["--message", "Fore!", "--column", "phoneNumber=Mobile"]
        refused = self.send(folder, sandbox, *text)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "line 3: phoneNumber: was changed by a spreadsheet" in refused.stderr
        assert "the plan has 2 faults; nothing was sent" in refused.stderr
        text += ["--invalid-numbers", "report"]
        counted = {"count": 2, "places": ["line 3: phoneNumber", "line 5: phoneNumber"]}
        dry = self.send(folder, sandbox, *text, "--dry-run")
        assert "left out, since the number cannot be read\t2\n" in dry.stdout
        assert "left out, since the number cannot be read: line 5: phoneNumber" in dry.stdout
        assert summary(self.send(folder, sandbox, *text, "--dry-run", "--json"))["left_out"] == counted
        for _ in range(2):
            done = self.send(folder, sandbox, *text)
            assert done.returncode == 0
            assert "left out 2 contacts that are not sent: their phone numbers cannot be read" in squeezed(done.stdout)
            assert "left out: line 3: phoneNumber\nleft out: line 5: phoneNumber\n" in done.stdout
        assert summary(self.send(folder, sandbox, *text, "--json"))["left_out"] == counted
        (created,) = sandbox.created
        assert [contact["phoneNumber"] for contact in created["contacts"]] == ["07700900101", "07700900102"]
        self.CSV += "07700900103;x\n"
        assert "started with other values of file" in self.send(folder, sandbox, *text).stderr

    def test_a_run_that_is_cut_off_says_what_it_left_out(self, folder: Path) -> None:
        (folder / "people.csv").write_text(self.CSV + "N/A,\n", encoding="utf-8")
        start = datetime(2031, 6, 27, tzinfo=UTC)
        plan = contacts_plan(
            folder / "people.csv", message="Fore!", sender="Golf", start=start, invalid_numbers="report"
        )
        with JournalFile.open(folder / "run.sqlite") as journal:
            left_out = journal.add_plan(plan, {}).left_out
        latest = Progress(Phase.SENDING, 1, 0, 0, 0, 0, 0, 0.0, left_out)
        cut = read_summary(folder / "run.sqlite", latest, elapsed=1.0, stopped="cut off")
        assert cut.left_out.places == ["line 5: phoneNumber"]

    def test_the_summary_says_how_many_of_how_many_the_server_accepted(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        self.CSV += "12345,Mallory\n"
        text = ["--message", "Fore!", "--split", "2", "--ignore-invalid-phone-numbers"]
        done = self.send(folder, sandbox, *text)
        assert done.returncode == 0
        assert "accepted 3 of 4 recipients: the server left 1 out" in squeezed(done.stdout)
        result = summary(self.send(folder, sandbox, *text, "--json"))
        assert (result["accepted"], result["recipients"]) == (3, 4)

    def test_a_refused_contact_is_named_by_its_line(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        self.CSV = "phoneNumber,name\n07700900101,Siân\n07700900102,Bob\n12345,Eve\n\n12346,Mallory\n"
        done = self.send(folder, sandbox, "--message", "Fore!", "--split", "2")
        assert done.returncode == 1
        assert "failed: 2: 400: lines 4, 6 of the CSV were refused: phoneNumber: " in done.stdout
        (folder / "run.sqlite").unlink()
        done = self.send(folder, sandbox, "--message", "Fore!", "--split", "1", "--concurrency", "1", "--json")
        reasons = [row["reason"].partition(": phoneNumber: ")[0] for row in summary(done)["failures"]]
        assert reasons == [
            "400: line 4 of the CSV was refused",
            "400: line 6 of the CSV was refused",
        ]

    def test_the_line_of_a_refused_contact_is_right_after_one_that_is_left_out(
        self, folder: Path, sandbox: ThreadedSandbox
    ) -> None:
        self.CSV = "phoneNumber\n07700900101\nN/A\n12345\n"
        done = self.send(folder, sandbox, "--message", "Fore!", "--split", "1", "--invalid-numbers", "report")
        assert "failed: 2: 400: line 4 of the CSV was refused" in done.stdout

    @pytest.mark.parametrize("changed", ["another person", "another row", "no CSV", "gone"])
    def test_no_line_is_named_if_the_csv_has_changed(self, changed: str, folder: Path) -> None:
        path = folder / "people.csv"
        path.write_text(self.CSV, encoding="utf-8")
        start = datetime(2031, 6, 27, tzinfo=UTC)
        plan = contacts_plan(path, message="Fore!", sender="Golf", start=start, split=2)
        first = next(iter(plan.lines()))
        assert not isinstance(first, BadLine)
        entry = JournalRow(1, "1", digest(first.read().body), State.FAILED, reason="400", refused_contacts=(1,))
        summary = Summary(0, 0, 0, 1, 0, 0, 0, 0, 1.0, 0.0, failures=(entry,))
        (named,) = name_csv_lines(summary, plan).failures
        assert named.reason == "400: line 3 of the CSV was refused"
        changes = {
            "another person": ("Bob", "Rob"),
            "another row": ("07700900101,", "\n07700900109,"),
            "no CSV": (",", '"'),
        }
        if changed == "gone":
            path.unlink()
        else:
            path.write_text(self.CSV.replace(*changes[changed]), encoding="utf-8")
        assert name_csv_lines(summary, plan).failures == (entry,)


class TestDryRun:
    def test_it_needs_no_key_and_no_server_and_leaves_no_journal(self, folder: Path) -> None:
        done = completed([*SEND, "--dry-run"], folder, None)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "dry run: nothing was sent\tcount\n"
            "campaigns to send\t12\ncontacts\t24\nSMS parts\t24\ncampaigns in UCS-2, with less than half the room\t12\n"
        )
        assert sorted(path.name for path in folder.iterdir()) == ["plan.ndjson"]

    def test_what_it_shows_is_what_the_run_does(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        rows = [
            line(0),
            line(1, message="Łódź " * 20),
            line(2, sender="TwelveLetters", startDateTime="2020-01-01T00:00Z"),
        ]
        contacts = [{"phoneNumber": "07700900101"}, {"phoneNumber": "+44 7700 900101"}, {"phoneNumber": "12345"}]
        rows.append(line(3, contacts=contacts))
        (folder / "plan.ndjson").write_bytes(ndjson(*rows))
        arguments = [*SEND, "--duplicates", "drop"]
        result = summary(completed([*arguments, "--dry-run", "--json"], folder, None))
        completed(arguments, folder, sandbox)
        assert (result["planned"], result["campaigns"], result["contacts"], result["dropped"]) == (4, 4, 8, 1)
        assert sum(len(each["contacts"]) for each in sandbox.created) == result["contacts"] - 2  # the last is refused
        assert (result["gsm_7"], result["ucs_2"], result["parts"]) == (0, 4, 8 + 2)
        assert result["invalid_numbers"] == {"count": 1, "places": ["line 4: contacts[2].phoneNumber"]}
        assert result["long_senders"] == {"count": 1, "places": ["line 3: sender"]}
        assert result["passed_starts"] == {"count": 1, "places": ["line 3: startDateTime"]}
        text = completed([*arguments, "--journal", "other", "--dry-run"], folder, None).stdout
        assert "not a mobile number: line 4: contacts[2].phoneNumber\n" in text
        assert "12345" not in text

    def test_it_shows_what_a_journal_knows_and_leaves_it_as_it_is(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        sandbox.fault(operation="create", times=2, status=422)
        completed([*SEND, "--ignore-invalid-phone-numbers"], folder, sandbox)
        before = (folder / "run.sqlite").read_bytes()
        held = JournalFile.open(folder / "run.sqlite")  # as a run that goes on
        with_plan = [*SEND, "--ignore-invalid-phone-numbers", "--dry-run", "--json"]
        result = summary(completed(with_plan, folder, None))
        again = summary(completed([*with_plan, "--retry-failed"], folder, None))
        held.close()
        assert (result["created"], result["failed"], result["campaigns"]) == (10, 2, 0)
        assert (again["created"], again["failed"], again["campaigns"]) == (10, 0, 2)
        assert (folder / "run.sqlite").read_bytes() == before
        refused = completed([*SEND, "--validate-phone-numbers", "--dry-run"], folder, None)
        assert refused.returncode == 2
        assert "other values of ignore_invalid_phone_numbers" in refused.stderr

    def test_phonenumbers_is_asked_for_if_it_is_missing(
        self, folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(__import__("sys").modules, "phonenumbers", None)
        ended = command("send", folder / "plan.ndjson", "--journal", folder / "run.sqlite", "--dry-run")
        assert (ended.code, ended.out) == (2, "")
        assert "install it with: pip install" in ended.err


class TestJournalInTheWay:
    def test_one_in_use_is_2(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        held = JournalFile.open(folder / "run.sqlite")
        done = completed(SEND, folder, sandbox)
        held.close()
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[-1].startswith(
            "campaigns-async: the journal is in use: another run writes to it; wait until it ends"
        )
        assert not sandbox.requests

    def test_a_file_that_is_no_journal_is_2_and_is_left_unchanged(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        (folder / "run.sqlite").write_text("Dear diary")
        done = completed(SEND, folder, sandbox)
        assert (done.returncode, done.stdout) == (2, "")
        assert "not a journal" in done.stderr
        assert (folder / "run.sqlite").read_text() == "Dear diary"

    def test_one_of_a_newer_version_is_2(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        JournalFile.open(folder / "run.sqlite").close()
        connection = sqlite3.connect(folder / "run.sqlite")
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        done = completed(SEND, folder, sandbox)
        assert (done.returncode, done.stdout) == (2, "")
        assert "newer version" in done.stderr

    def test_a_row_that_changed_is_2_and_named(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        completed(SEND, folder, sandbox)
        (folder / "plan.ndjson").write_bytes(ndjson(*(line(each, message="Other") for each in range(12))))
        done = completed(SEND, folder, sandbox)
        assert (done.returncode, done.stdout) == (2, "")
        assert "golf-0, golf-1" in done.stderr
        assert len(sandbox.created) == 12
