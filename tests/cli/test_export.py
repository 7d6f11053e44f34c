"""`campaigns-async export` as its user meets it: processes against a sandbox, and how each of them ends."""

from __future__ import annotations

import csv
import gzip
import json
import re
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from campaigns_async.sandbox.threaded import ThreadedSandbox

from .send_support import KEY, PATIENCE, completed, environment, in_shell, running
from .terminal import on_terminal

CAMPAIGNS, CONTACTS = 30, 40
STEERS = "Fore! \x1b[2J caf\u00e9"


def rows(count: int = CAMPAIGNS) -> list[dict[str, Any]]:
    return [
        {"id": f"c{number:03}", "sender": "Golf", "recipientCount": CONTACTS, "message": STEERS, "status": number % 6}
        for number in range(count)
    ]


def people(count: int = CAMPAIGNS) -> dict[str, list[dict[str, Any]]]:
    return {
        f"c{number:03}": [
            {"id": f"k{number:03}-{index:03}", "phoneNumber": f"07700{number:03}{index:03}", "name": "Si\u00e2n"}
            for index in range(CONTACTS)
        ]
        for number in range(count)
    }


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(rows(), people(), api_key=KEY) as made:
        yield made


ALL = ["export", "contacts", "--all-campaigns", "--page-size", "10", "--parallel", "2", "--prefetch", "0"]


def undisturbed(tmp_path: Path, sandbox: ThreadedSandbox, name: str, *more: str) -> bytes:
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    assert completed([*ALL, "--out", name, *more], folder, sandbox).returncode == 0
    return (folder / name).read_bytes()


def finishes(command: Sequence[str], folder: Path, sandbox: ThreadedSandbox) -> None:
    done = completed(command, folder, sandbox)
    assert done.returncode == 0, done.stderr


def read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


class TestWhole:
    def test_contacts_as_csv(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        done = completed([*ALL, "--out", "all.csv"], tmp_path, sandbox)
        assert (done.returncode, done.stdout) == (0, "")
        head, *found = read(tmp_path / "all.csv")
        assert head == ["campaignId", "id", "phoneNumber", "name", "custom1", "custom2"]
        assert [row[:2] for row in found] == [
            [f"c{number:03}", f"k{number:03}-{index:03}"] for number in range(CAMPAIGNS) for index in range(CONTACTS)
        ]
        last = done.stderr.splitlines()[-1]
        assert last.startswith("1,200 rows of 30 campaigns in all.csv, in ")
        assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]
        assert KEY not in done.stderr

    def test_campaigns_with_each_option_as_packed_ndjson(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        done = completed(
            ["export", "campaigns", "--out", "some.jsonl.gz", "--filter", "status==5", "--sort", "-id", "--fields",
             "status,id", "--page-size", "2", "--prefetch", "1", "--json"],
            tmp_path, sandbox,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "")
        lines = gzip.decompress((tmp_path / "some.jsonl.gz").read_bytes()).decode().splitlines()
        assert [json.loads(line) for line in lines] == [
            {"status": 5, "id": f"c{number:03}"} for number in range(29, 0, -6)
        ]
        result = json.loads(done.stderr.splitlines()[-1])
        assert (result["ok"], result["path"], result["rows"], result["resumed"]) == (True, "some.jsonl.gz", 5, 0)

    def test_csv_for_spreadsheets(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        done = completed(
            ["export", "campaigns", "--out", "all.csv", "--excel"],
            tmp_path, sandbox,
        )  # fmt: skip
        assert done.returncode == 0
        text = (tmp_path / "all.csv").read_bytes()
        assert text.startswith(b'\xef\xbb\xbf"id",')
        assert b',,"Golf"' in text

    @pytest.mark.slow
    def test_parquet_whatever_the_name(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        from pyarrow import parquet

        done = completed([*ALL, "--out", "data", "--format", "parquet", "--resume"], tmp_path, sandbox)
        assert done.returncode == 0
        assert parquet.read_table(tmp_path / "data").num_rows == CAMPAIGNS * CONTACTS

    @pytest.mark.parametrize("way", ["arguments", "file", "stdin"])
    @pytest.mark.slow
    def test_ids_can_come_in_three_ways(self, way: str, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        (tmp_path / "ids").write_text("c007\n\n c003 \r\nc011")
        given = {
            "arguments": "c007 c003 c011", "file": "--ids-file ids", "stdin": "--ids-file - < ids",
        }[way]  # fmt: skip
        line = f"{sys.executable} -m campaigns_async export contacts {given} --out - --format csv --fields campaignId"
        done = in_shell(line, tmp_path, sandbox)
        assert done.returncode == 0
        head, *found = done.stdout.splitlines()
        assert (head, set(found), len(found)) == ('"campaignId"', {'"c003"', '"c007"', '"c011"'}, 3 * CONTACTS)
        assert list(dict.fromkeys(found)) == ['"c007"', '"c003"', '"c011"']

    def test_which_campaigns_and_in_which_order(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        done = completed(
            [*ALL, "--campaign-filter", "status==5", "--campaign-sort", "-id", "--filter", "id_-=001", "--out", "-",
             "--format", "ndjson", "--fields", "id"],
            tmp_path, sandbox,
        )  # fmt: skip
        assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [
            f"k{number:03}-001" for number in range(29, 0, -6)
        ]


class TestStreams:
    @pytest.mark.parametrize("out", [True, False], ids=["a terminal", "a pipe"])
    @pytest.mark.slow
    def test_standard_output_carries_data_alone(self, out: bool, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        shown = on_terminal(
            [*ALL, "--out", "-" if not out else "all.csv", "--format", "csv"], tmp_path, environment(sandbox), out=out
        )
        assert shown.code == 0
        assert "1,200 rows" in shown.text
        assert "30/30 campaigns" in shown.text
        if not out:
            assert shown.out.startswith('"campaignId",')
            assert shown.out.count("\n") == 1 + CAMPAIGNS * CONTACTS
            assert "k000-000" not in shown.terminal

    def test_off_a_terminal_it_does_so_too(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        done = completed([*ALL, "--out", "-", "--format", "ndjson"], tmp_path, sandbox)
        assert done.returncode == 0
        assert len([json.loads(line) for line in done.stdout.splitlines()]) == CAMPAIGNS * CONTACTS
        assert done.stderr.splitlines()[-1].startswith("1,200 rows of 30 campaigns went to standard output, in ")
        assert "exporting: 30 of 30 campaigns" in done.stderr
        assert "\x1b" not in done.stderr

    @pytest.mark.slow
    def test_json_can_be_looked_at_on_a_terminal_and_nothing_in_it_steers_it(
        self, tmp_path: Path, sandbox: ThreadedSandbox
    ) -> None:
        given = ["export", "campaigns", "--out", "-", "--format", "ndjson", "--filter", "id==c001"]
        shown = on_terminal(given, tmp_path, environment(sandbox))
        assert shown.code == 0
        line = next(line for line in shown.terminal.split("\n") if line.startswith("{"))
        assert json.loads(line)["message"] == STEERS
        assert "\x1b" not in shown.terminal

    @pytest.mark.parametrize("form", ["csv", "parquet"])
    @pytest.mark.slow
    def test_what_is_not_for_a_terminal_is_refused(self, form: str, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        given = ["export", "campaigns", "--out", "-", "--format", form]
        shown = on_terminal(given, tmp_path, environment(sandbox))
        assert (shown.code, shown.terminal.count("\n")) == (2, 1)
        assert f"{form} is not for a terminal: use a pipe" in shown.terminal
        assert not sandbox.requests

    def test_a_closed_pipe_ends_it_silently(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        line = f"({sys.executable} -m campaigns_async {' '.join(ALL)} --out - --format csv; echo code $? >&2) | head -1"
        done = in_shell(line, tmp_path, sandbox)
        assert done.stdout == '"campaignId","id","phoneNumber","name","custom1","custom2"\n'
        assert done.stderr.splitlines()[-1] == "code 141"
        assert "campaigns-async" not in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.slow
    def test_a_reader_that_does_not_read_does_not_keep_it_from_ending(
        self, tmp_path: Path, sandbox: ThreadedSandbox
    ) -> None:
        many = {"c000": [{"id": f"k{index:05}", "name": "x" * 100} for index in range(5000)]}
        with ThreadedSandbox(rows(1), many, api_key=KEY) as large:
            given = ["export", "contacts", "c000", "--out", "-", "--format", "csv", "--page-size", "100000"]
            with running(given, tmp_path, large) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                select.select([process.stdout], [], [], PATIENCE)  # it has begun to write, and is stuck soon
                process.send_signal(signal.SIGTERM)
                err = process.stderr.read()
                assert process.wait(PATIENCE) == 143
        assert "campaigns-async: interrupted" in err

    @pytest.mark.slow
    def test_a_full_disk_leaves_no_half_row_behind_a_redirection(
        self, tmp_path: Path, sandbox: ThreadedSandbox
    ) -> None:
        line = f"ulimit -f 20; {sys.executable} -m campaigns_async {' '.join(ALL)} --out - --format csv > all.csv"
        done = in_shell(line, tmp_path, sandbox)
        assert done.returncode == 1
        text = (tmp_path / "all.csv").read_text()
        assert 0 < text.count("\n") < 1200
        assert text.endswith("\n")
        assert done.stderr.count("campaigns-async: ") >= 1
        assert re.search(
            "standard output cannot be written: File too large; [0-9]+ rows went out before\n", done.stderr
        )


class TestCutOff:
    @pytest.mark.parametrize(
        ("number", "code", "name"),
        [
            (signal.SIGINT, 130, "all.csv"),
            pytest.param(signal.SIGTERM, 143, "all.ndjson", marks=pytest.mark.slow),
            pytest.param(signal.SIGINT, 130, "all.ndjson.gz", marks=pytest.mark.slow),
        ],
    )
    def test_a_signal_keeps_what_is_written_and_the_same_command_with_resume_completes_it(
        self, number: int, code: int, name: str, tmp_path: Path, sandbox: ThreadedSandbox
    ) -> None:
        whole = undisturbed(tmp_path, sandbox, name)
        sandbox.reset()
        rule = sandbox.fault(operation="contacts", nth=70, hang=True)
        with running([*ALL, "--out", name], tmp_path, sandbox) as process:
            sandbox.wait_received(70, "contacts", timeout=PATIENCE)
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
        rule.stop()
        rule.release()
        assert (process.returncode, out) == (code, "")
        assert "campaigns-async: interrupted\n" in err
        assert not (tmp_path / name).exists()
        assert f"kept in {name}.part; to continue, run the same command again with --resume\n" in err
        asked = len(sandbox.requests)
        done = completed([*ALL, "--out", name, "--resume"], tmp_path, sandbox)
        assert done.returncode == 0
        assert "of them from before" in done.stderr
        assert _unpacked(tmp_path / name) == (gzip.decompress(whole) if name.endswith(".gz") else whole)
        assert len(sandbox.requests) - asked < CAMPAIGNS * CONTACTS // 10  # what was finished is not fetched again
        assert {path.name for path in tmp_path.iterdir()} == {name, "undisturbed"}

    @pytest.mark.parametrize("old", [False, True], ids=["no file", "an old file"])
    @pytest.mark.slow
    def test_before_anything_came_nothing_is_kept(self, old: bool, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        if old:
            (tmp_path / "all.csv").write_bytes(b"old")
        rule = sandbox.fault(operation="list", hang=True)
        with running([*ALL, "--out", "all.csv"], tmp_path, sandbox) as process:
            sandbox.wait_received(1, "list", timeout=PATIENCE)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert "nothing is kept; to restart, run the same command again\n" in err
        if not old:
            assert list(tmp_path.iterdir()) == []
            return
        assert (tmp_path / "all.csv").read_bytes() == b"old"
        rule.stop()
        rule.release()
        finishes([*ALL, "--out", "all.csv"], tmp_path, sandbox)
        assert len(read(tmp_path / "all.csv")) == 1 + CAMPAIGNS * CONTACTS
        assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]

    @pytest.mark.slow
    def test_parquet_restarts_and_says_so(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        sandbox.fault(operation="contacts", nth=70, times=1, status=403)
        done = completed([*ALL, "--out", "all.parquet", "--json"], tmp_path, sandbox)
        assert done.returncode == 1
        step = "Parquet cannot be resumed, and nothing is kept; to restart, run the same command again"
        result = json.loads(done.stderr.splitlines()[-1])
        assert (result["ok"], result["path"], result["next"]) == (False, "all.parquet", step)
        finishes([*ALL, "--out", "all.parquet"], tmp_path, sandbox)

    @pytest.mark.slow
    def test_a_full_disk_keeps_what_is_written_and_the_same_command_with_resume_completes_it(
        self, tmp_path: Path, sandbox: ThreadedSandbox
    ) -> None:
        whole = undisturbed(tmp_path, sandbox, "all.csv")
        line = f"ulimit -f 40; {sys.executable} -m campaigns_async {' '.join(ALL)} --out all.csv"
        done = in_shell(line, tmp_path, sandbox)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Traceback" not in done.stderr
        assert "resume: the rows written so far are kept" in done.stderr
        assert "to continue, run the same command again with --resume\n" in done.stderr
        finishes([*ALL, "--out", "all.csv", "--resume"], tmp_path, sandbox)
        assert (tmp_path / "all.csv").read_bytes() == whole

    def test_a_server_that_fails_keeps_what_is_written(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        whole = undisturbed(tmp_path, sandbox, "all.csv")
        sandbox.fault(operation="contacts", nth=70, times=1, status=403)
        done = completed([*ALL, "--out", "all.csv"], tmp_path, sandbox)
        assert done.returncode == 1
        assert "403" in done.stderr
        assert "to continue, run the same command again with --resume\n" in done.stderr
        finishes([*ALL, "--out", "all.csv", "--resume"], tmp_path, sandbox)
        assert (tmp_path / "all.csv").read_bytes() == whole

    @pytest.fixture
    def cut_off(self, tmp_path: Path, sandbox: ThreadedSandbox) -> Path:
        sandbox.fault(operation="contacts", nth=70, times=1, status=403)
        assert completed([*ALL, "--out", "all.csv"], tmp_path, sandbox).returncode == 1
        return tmp_path

    def test_an_unfinished_export_is_not_written_over_unasked(self, cut_off: Path, sandbox: ThreadedSandbox) -> None:
        part = (cut_off / "all.csv.part").read_bytes()
        done = completed([*ALL, "--out", "all.csv"], cut_off, sandbox)
        assert (done.returncode, done.stdout) == (2, "")
        assert (cut_off / "all.csv.part").read_bytes() == part
        assert done.stderr.endswith("run the same command again with --resume, or with --restart\n")
        finishes([*ALL, "--out", "all.csv", "--restart"], cut_off, sandbox)
        assert len(read(cut_off / "all.csv")) == 1 + CAMPAIGNS * CONTACTS

    def test_a_restart_that_is_cut_off_is_resumed_in_place_of_it(self, cut_off: Path, sandbox: ThreadedSandbox) -> None:
        sandbox.fault(operation="contacts", nth=70, times=1, status=403)
        done = completed([*ALL, "--out", "all.csv", "--restart"], cut_off, sandbox)
        assert done.returncode == 1
        assert done.stderr.endswith("run the same command again with --resume in place of --restart\n")
        sandbox.fault(operation="contacts", times=1, status=403)
        done = completed([*ALL, "--out", "all.csv", "--resume"], cut_off, sandbox)
        assert done.stderr.endswith("run the same command again with --resume\n")
        finishes([*ALL, "--out", "all.csv", "--resume"], cut_off, sandbox)

    def test_another_export_is_not_resumed(self, cut_off: Path, sandbox: ThreadedSandbox) -> None:
        done = completed(
            [*ALL, "--out", "all.csv", "--filter", "name==x", "--campaign-sort", "-id", "--resume"],
            cut_off, sandbox,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        result = next(line for line in done.stderr.splitlines() if line.startswith("campaigns-async: "))
        assert "(campaign_sorts, filters differ)" in result
        assert done.stderr.endswith("run the same command again with --restart in place of --resume\n")

    @pytest.mark.slow
    def test_one_in_use_is_refused(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        rule = sandbox.fault(operation="contacts", hang=True)
        with running([*ALL, "--out", "all.csv"], tmp_path, sandbox) as process:
            sandbox.wait_received(1, "contacts", timeout=PATIENCE)
            rule.stop()
            done = completed([*ALL, "--out", "all.csv"], tmp_path, sandbox)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.splitlines()[-1].startswith("campaigns-async: ")
            rule.release()
            process.communicate(timeout=PATIENCE)
        assert process.returncode == 0

    def test_a_whole_one_is_whole(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        before = undisturbed(tmp_path, sandbox, "all.csv")
        asked = len(sandbox.requests)
        done = completed([*ALL, "--out", "all.csv", "--resume"], tmp_path / "undisturbed", sandbox)
        assert done.returncode == 0
        assert done.stderr == ("all.csv is complete already, whatever it holds: omit --resume to export it again\n")
        assert ((tmp_path / "undisturbed" / "all.csv").read_bytes(), len(sandbox.requests)) == (before, asked)

    def test_a_campaign_that_was_named_and_is_not_there(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        done = completed(["export", "contacts", "c001", "nobody", "--out", "y.csv"], tmp_path, sandbox)
        assert (done.returncode, len(read(tmp_path / "y.csv"))) == (0, 1 + CONTACTS)
        assert "1 campaign does not exist (any more): --missing error refuses that" in done.stderr
        named = ["export", "contacts", "c001", "nobody", "--missing", "error", "--out", "x.csv"]
        done = completed(named, tmp_path, sandbox)
        assert done.returncode == 1
        assert "campaign 2 of the 2 given, nobody, does not exist: leave it out" in done.stderr
        assert "run the same command again" in done.stderr
        assert " without it\n" in done.stderr
        finishes(["export", "contacts", "c001", "--out", "x.csv", "--restart"], tmp_path, sandbox)
        assert len(read(tmp_path / "x.csv")) == 1 + CONTACTS

    def test_a_campaign_deleted_during_the_export_is_reported(self, tmp_path: Path, sandbox: ThreadedSandbox) -> None:
        sandbox.fault(operation="contacts", nth=70, times=1, status=404)
        done = completed([*ALL, "--out", "x.csv"], tmp_path, sandbox)
        assert done.returncode == 0
        assert "1 campaign was deleted during the export" in done.stderr


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def test_an_order_that_can_change_is_not_called_complete(sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    done = completed(["export", "campaigns", "--sort", "startDateTime,id", "--out", "all.csv"], tmp_path, sandbox)
    assert done.returncode == 0
    assert "it may not be complete: rows that moved" in done.stderr
    assert "complete" not in completed(["export", "campaigns", "--out", "by-id.csv"], tmp_path, sandbox).stderr
