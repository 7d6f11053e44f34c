"""`campaigns-async journal`: what it shows, what it lets a person settle, and what it refuses."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from campaigns_async.effects import State
from campaigns_async.jobs import PossibleMatch, ndjson_plan, open_journal
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import Transition
from campaigns_async.sandbox.threaded import ThreadedSandbox

from .conftest import Command, Ended, line, ndjson
from .send_support import KEY, completed, squeezed

AT = 1_900_000_000.0
KEYS = ("sending", "created", "failed", "bare", "unknown", "sure", "-dash", "planned")
LINE = line(7, key="failed")


def make(path: Path) -> JournalFile:
    """A journal with a row or two in each state, open."""
    plan = path.with_name("plan.ndjson")
    plan.write_bytes(ndjson(*(line(7, key=key) for key in KEYS)))
    journal = JournalFile.open(path)
    journal.add_plan(ndjson_plan(plan), {})
    ids = {key: row.row_id for key, row in zip(KEYS, journal.commit([], claim=7, now=AT), strict=False)}
    transitions = [
        Transition(ids["created"], State.CREATED, campaign_id="C-1"),
        Transition(ids["failed"], State.FAILED, reason="422", server_reason="sender: Not yours.\x1b[31m"),
        Transition(ids["bare"], State.FAILED, reason="409"),
        Transition(
            ids["unknown"], State.UNKNOWN, reason="504", candidates=(PossibleMatch("C-8", 2), PossibleMatch("C-9", 2))
        ),
        Transition(ids["sure"], State.UNKNOWN, reason="DecodeError", created_without_id=True),
        Transition(ids["-dash"], State.UNKNOWN, reason="504"),
    ]
    journal.commit(transitions, now=AT + 1)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE contents SET payload = NULL WHERE row_id = ?", (ids["bare"],))
    connection.close()
    return journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "run.sqlite"
    make(path).close()
    return path


def rows(ended: Ended) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in map(json.loads, ended.out.splitlines())}


def states(path: Path) -> dict[str, tuple[State, str | None]]:
    with open_journal(path) as journal:
        return {entry.key: (entry.state, entry.campaign_id) for entry in journal.rows()}


class TestShow:
    def test_each_row_is_an_object_and_the_counts_are_on_stderr(self, journal: Path, command: Command) -> None:
        ended = command("journal", "show", journal)
        assert ended.code == 0
        assert ended.err == "3 unknown, 1 sending, 2 failed, 1 planned, 1 created\n"
        assert list(rows(ended)) == list(KEYS)
        assert rows(ended)["unknown"] == {
            "key": "unknown", "state": "unknown", "campaign_id": None, "attempts": 1,
            "attempted_at": "2030-03-17T17:46:40Z", "ended_at": "2030-03-17T17:46:41Z",
            "reason": "504", "server_reason": None, "created_without_id": False, "mark": None,
            "candidates": [
                {"campaign_id": "C-8", "recipient_count": 2, "status": None, "start": None},
                {"campaign_id": "C-9", "recipient_count": 2, "status": None, "start": None},
            ],
        }  # fmt: skip
        assert rows(ended)["created"]["campaign_id"] == "C-1"

    def test_states_and_a_limit_choose(self, journal: Path, command: Command) -> None:
        chosen = command("journal", "show", journal, "--state", "sending", "--state", "failed")
        assert list(rows(chosen)) == ["sending", "failed", "bare"]
        assert len(rows(command("journal", "show", journal, "--limit", "2"))) == 2

    def test_on_a_terminal_it_is_for_people_with_what_needs_one_first(
        self, journal: Path, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terminal = io.StringIO()
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("TERM", "dumb")
        assert command("journal", "show", journal, "--limit", "7").code == 0
        text = terminal.getvalue()
        assert "unknown 3 possibly sent: the outcome is unknown" in squeezed(text)
        assert text.splitlines()[-7:] == [
            "unknown: unknown, 1 attempt, 2030-03-17T17:46:41Z, 504; possibly C-8, C-9",
            (
                "sure: unknown, 1 attempt, 2030-03-17T17:46:41Z, DecodeError; "
                "created on the server, which did not send the id"
            ),
            "-dash: unknown, 1 attempt, 2030-03-17T17:46:41Z, 504",
            "sending: sending, 1 attempt, 2030-03-17T17:46:40Z",
            "failed: failed, 1 attempt, 2030-03-17T17:46:41Z, 422: sender: Not yours.\ufffd[31m",
            "bare: failed, 1 attempt, 2030-03-17T17:46:41Z, 409",
            "planned: planned, 0 attempts",
        ]

    def test_it_works_while_a_run_goes_on(self, tmp_path: Path, command: Command) -> None:
        held = make(tmp_path / "run.sqlite")
        ended = command("journal", "show", tmp_path / "run.sqlite")
        held.close()
        assert (ended.code, len(rows(ended))) == (0, 8)


class TestResolve:
    @pytest.mark.parametrize("key", ["unknown", "sending", "planned", "failed"])
    @pytest.mark.parametrize(
        ("word", "state", "then"),
        [
            (("--created", "C-8"), (State.CREATED, "C-8"), "is now created; it is never sent again"),
            (("--not-sent",), (State.PLANNED, None), "is now planned; the next run sends it"),
            (("--failed",), (State.FAILED, None), "is now failed; it is sent again with --retry-failed only"),
        ],
    )
    def test_a_row_that_is_not_created_takes_each_word(
        self, key: str, word: Sequence[str], state: tuple[State, str | None], then: str, journal: Path, command: Command
    ) -> None:
        before = states(journal)
        ended = command("journal", "resolve", journal, key, *word)
        if state[0] is before[key][0]:
            assert ended.code == 2
            assert f"is {key} already" in ended.err
            assert states(journal) == before
            return
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.splitlines()[-1] == f"{key}: was {key}, {then}"
        assert states(journal) == {**before, key: state}

    def test_what_the_journal_knows_is_printed_first(self, journal: Path, command: Command) -> None:
        assert command("journal", "resolve", journal, "unknown", "--created", "C-8").out.splitlines() == [
            "unknown: unknown, possibly sent: the outcome is unknown; 1 attempt",
            "  latest attempt: 2030-03-17T17:46:40Z",
            "  latest outcome: 2030-03-17T17:46:41Z",
            "  reason: 504",
            "  may be campaign: C-8, 2 recipients",
            "  may be campaign: C-9, 2 recipients",
            "unknown: was unknown, is now created; it is never sent again",
        ]
        lines = command("journal", "resolve", journal, "sure", "--created", "C-5").out.splitlines()
        assert "  created: the server created it, and did not send the id" in lines

    @pytest.mark.parametrize(
        ("word", "state"),
        [
            (("--created", "C-2"), (State.CREATED, "C-2")),
            (("--not-sent",), (State.PLANNED, None)),
            (("--failed",), (State.FAILED, None)),
        ],
    )
    def test_a_created_row_is_settled_only_by_force(
        self, word: Sequence[str], state: object, journal: Path, command: Command
    ) -> None:
        before = states(journal)
        refused = command("journal", "resolve", journal, "created", *word)
        assert refused.code == 2
        assert refused.out.splitlines()[0] == "created: created, on the server; 1 attempt"
        assert "  campaign: C-1" in refused.out.splitlines()
        assert "give --force" in refused.err
        assert states(journal) == before
        assert command("journal", "resolve", journal, "created", *word, "--force").code == 0
        assert states(journal) == {**before, "created": state}

    def test_in_json_it_is_the_row_before_and_after(self, journal: Path, command: Command) -> None:
        ended = command("journal", "resolve", journal, "unknown", "--created", "C-8", "--json")
        assert (ended.code, ended.err) == (0, "")
        printed = json.loads(ended.out)
        assert printed["before"]["state"] == "unknown"
        assert [each["campaign_id"] for each in printed["before"]["candidates"]] == ["C-8", "C-9"]
        assert (printed["after"]["state"], printed["after"]["campaign_id"]) == ("created", "C-8")
        assert printed["after"]["reason"] == "settled by hand: created"
        refused = command("journal", "resolve", journal, "created", "--not-sent", "--json")
        assert (refused.code, refused.out) == (2, "")

    def test_a_row_that_is_settled_by_force_as_not_sent_is_sent_by_the_next_run(self, tmp_path: Path) -> None:
        (tmp_path / "plan.ndjson").write_bytes(ndjson(line(0), line(1)))
        send = ["send", "plan.ndjson", "--journal", "run.sqlite"]
        with ThreadedSandbox(api_key=KEY) as sandbox:
            assert completed(send, tmp_path, sandbox).returncode == 0
            gone = sandbox.created[0]
            sandbox.remove(gone["id"])
            [key] = [each["key"] for each in (line(0), line(1)) if each["message"] == gone["message"]]
            before = len(sandbox.requests)
            resolve = ["journal", "resolve", "run.sqlite", key, "--not-sent", "--force"]
            assert completed(resolve, tmp_path, sandbox).returncode == 0
            assert len(sandbox.requests) == before, "it makes no request"
            assert completed(send, tmp_path, sandbox).returncode == 0
            assert [request.operation for request in sandbox.requests[before:]].count("create") == 1

    def test_a_failed_row_can_be_planned_again(self, journal: Path, command: Command) -> None:
        assert command("journal", "resolve", journal, "failed", "--not-sent").code == 0
        assert states(journal)["failed"] == (State.PLANNED, None)

    def test_a_failed_row_that_was_mended_and_sent_elsewhere_gets_its_id(self, journal: Path, command: Command) -> None:
        assert command("journal", "resolve", journal, "failed", "--created", "C-5").code == 0
        assert states(journal)["failed"] == (State.CREATED, "C-5")

    def test_one_that_was_surely_created_gets_its_id_or_needs_force(self, journal: Path, command: Command) -> None:
        for word in ("--not-sent", "--failed"):
            ended = command("journal", "resolve", journal, "sure", word)
            assert ended.code == 2
            assert "give --created" in ended.err
        assert command("journal", "resolve", journal, "sure", "--failed", "--force").code == 0
        assert states(journal)["sure"] == (State.FAILED, None)
        assert command("journal", "resolve", journal, "sure", "--created", "C-5").code == 0
        assert states(journal)["sure"] == (State.CREATED, "C-5")

    def test_a_key_that_begins_with_a_hyphen_stands_behind_two(self, journal: Path, command: Command) -> None:
        assert command("journal", "resolve", "--not-sent", "--", journal, "-dash").code == 0
        assert states(journal)["-dash"] == (State.PLANNED, None)

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("nobody", "--not-sent"), "no row with that key"),
            (("\udcff", "--not-sent"), "no row with that key"),
            (("planned", "--not-sent"), "that row is planned already"),
            (("created", "--not-sent"), "give --force"),
            (("created", "--created", "C-1", "--force"), "that row is created already"),
            (("failed", "--created", "C-1"), "the row 'created''s already"),
            (("failed", "--failed"), "is failed already"),
            (("unknown", "--created", "C-1"), "the row 'created''s already"),
            (("unknown", "--created", "c-1"), "the row 'created''s already"),
            (("unknown", "--created", ""), "needs a campaign's id"),
            (("unknown", "--created", " C-5"), "needs a campaign's id"),
            (("unknown", "--created", "C\n5"), "needs a campaign's id"),
            (("unknown", "--created", "C" * 201), "at most 200 characters"),
            (("unknown",), "give one of --created CAMPAIGN_ID, --not-sent and --failed"),
            (("unknown", "--failed", "--not-sent"), "give one of"),
            (("unknown", "--failed", "--created", "C-5"), "give one of"),
        ],
    )
    def test_a_wrong_resolution_is_one_line_and_changes_nothing(
        self, arguments: tuple[str, ...], expected: str, journal: Path, command: Command
    ) -> None:
        before = states(journal)
        ended = command("journal", "resolve", journal, *arguments)
        assert ended.code == 2
        assert expected in ended.err
        assert ended.err.count("\n") == 1
        assert states(journal) == before

    def test_one_in_use_is_refused(self, tmp_path: Path, command: Command) -> None:
        held = make(tmp_path / "run.sqlite")
        ended = command("journal", "resolve", tmp_path / "run.sqlite", "unknown", "--not-sent")
        held.close()
        assert (ended.code, ended.out) == (2, "")
        assert "in use" in ended.err


class TestPurge:
    def test_a_journal_with_open_rows_is_refused_in_one_line(self, journal: Path, command: Command) -> None:
        before = states(journal)
        ended = command("journal", "purge", journal)
        assert (ended.code, ended.out) == (2, "")
        assert "5 rows are planned, sending or unknown" in ended.err
        assert ended.err.count("\n") == 1
        assert states(journal) == before

    def test_what_is_kept_is_said_and_the_journal_takes_nothing_more(self, tmp_path: Path, command: Command) -> None:
        plan = tmp_path / "plan.ndjson"
        plan.write_bytes(ndjson(line(7, key="a"), line(8, key="b")))
        path = tmp_path / "run.sqlite"
        with JournalFile.open(path) as file:
            file.add_plan(ndjson_plan(plan), {})
            file.commit([], claim=2, now=AT)
            file.commit([Transition(1, State.CREATED, "C-1"), Transition(2, State.FAILED, reason="422")], now=AT)
        ended = command("journal", "purge", path)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == "purged: 2 rows kept, without texts, numbers and keys; it takes no send any more\n"
        shown = command("journal", "show", path)
        assert shown.code == 0
        assert "the keys are digests\n" in shown.err
        assert [row["campaign_id"] for row in rows(shown).values()] == ["C-1", None]
        assert not {"a", "b"} & rows(shown).keys()
        for again in (["journal", "resolve", path, "b", "--not-sent"], ["send", plan, "--journal", path, "--dry-run"]):
            refused = command(*again)
            assert (refused.code, refused.out) == (2, "")
            assert "the journal was purged" in refused.err


@pytest.mark.parametrize("name", ["show", "resolve", "purge"])
@pytest.mark.parametrize("kind", ["none", "empty", "text", "folder", "newer"])
def test_what_is_no_journal_is_refused_and_left_as_it_is(
    name: str, kind: str, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "run.sqlite"
    if kind == "folder":
        path.mkdir()
    elif kind == "newer":
        make(path).close()
        head = bytearray(path.read_bytes())
        head[60:64] = (99).to_bytes(4, "big")
        path.write_bytes(head)
    elif kind != "none":
        path.write_bytes(b"" if kind == "empty" else b"Dear diary")
    before = path.read_bytes() if path.is_file() else None
    ended = command("journal", name, path, *(["key", "--not-sent"] if name == "resolve" else []))
    assert (ended.code, ended.out) == (2, "")
    assert "journal" in ended.err
    assert ended.err.count("\n") == 1
    assert (path.read_bytes() if path.is_file() else None) == before
    assert kind == "newer" or not path.with_name("run.sqlite.lock").exists()


@pytest.mark.parametrize("arguments", [["shwo"], ["resolve", "x"], ["show", "x", "--state", "lost"]])
def test_wrong_use_is_one_line(arguments: list[str], command: Command) -> None:
    ended = command("journal", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "--help" in ended.err
    assert ended.err.count("\n") == 1
