"""What `export` refuses: one line, exit code 2, no request and no file."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaigns_async.cli import console
from campaigns_async.sandbox.threaded import ThreadedSandbox

from .conftest import Command
from .send_support import KEY

CAMPAIGNS = ["export", "campaigns"]
CONTACTS = ["export", "contacts"]


@pytest.fixture(scope="module")
def shared() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox([{"id": "c1"}], api_key=KEY) as made:
        yield made


@pytest.fixture
def here(shared: ThreadedSandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shared.reset()
    for name, value in shared.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_bytes(b"\n \n")
    (tmp_path / "latin").write_bytes(b"\xff\n")
    (tmp_path / "rows.ndjson").write_bytes(b'{"id":"c1"}\n')
    (tmp_path / "twice").write_bytes(b"\xef\xbb\xbfc1\nc2\r\nc1\n")
    (tmp_path / "slash").write_bytes(b"c1\na/b\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


WRONG = {
    "no suffix": ([*CAMPAIGNS, "--out", "data"], "--out: the file's suffix names no format"),
    "an unknown suffix": ([*CAMPAIGNS, "--out", "data.xlsx"], "--format"),
    "packed Parquet": ([*CAMPAIGNS, "--out", "x.parquet.gz"], "remove .gz from the name"),
    "no name": ([*CAMPAIGNS, "--out", ""], "--out is empty"),
    "a pipe without a format": ([*CAMPAIGNS, "--out", "-"], "--out - needs a --format"),
    "a pipe to go on with": ([*CAMPAIGNS, "--out", "-", "--format", "csv", "--resume"], "--resume needs a file"),
    "a pipe to begin anew": ([*CAMPAIGNS, "--out", "-", "--format", "csv", "--restart"], "--restart needs a file"),
    "both": ([*CAMPAIGNS, "--out", "x.csv", "--resume", "--restart"], "give --resume or --restart, not both"),
    "NDJSON for Excel": ([*CAMPAIGNS, "--out", "x.ndjson", "--excel"], "--excel is for csv, and the format is ndjson"),
    "an unknown field": ([*CAMPAIGNS, "--out", "x.csv", "--fields", "phoneNumber"], "--fields: unknown field 'phoneNumber'; the fields are id,"),
    "a field twice": ([*CONTACTS, "c1", "--out", "x.csv", "--fields", "id,name,id"], "--fields: name 3 is id again"),
    "a filter": ([*CAMPAIGNS, "--out", "x.csv", "--filter", "name==x"], "--filter: term 1: unknown field"),
    "an empty filter": ([*CAMPAIGNS, "--out", "x.csv", "--filter", ""], "--filter sets no condition"),
    "a sort": ([*CAMPAIGNS, "--out", "x.csv", "--sort", "name"], "--sort: name 1: unknown field"),
    "a filter of contacts": ([*CONTACTS, "c1", "--out", "x.csv", "--filter", "sender==x"], "--filter: term 1: unknown field"),
    "a filter of campaigns": (
        [*CONTACTS, "--all-campaigns", "--out", "x.csv", "--campaign-filter", "name==x"],
        "--campaign-filter: term 1: unknown field",
    ),
    "a sort of campaigns": (
        [*CONTACTS, "--all-campaigns", "--out", "x.csv", "--campaign-sort", "name"],
        "--campaign-sort: name 1: unknown field",
    ),
    "a filter of campaigns that are named": (
        [*CONTACTS, "c1", "--out", "x.csv", "--campaign-filter", "id==x"],
        "--campaign-filter goes with --all-campaigns",
    ),
    "a sort of campaigns that are named": (
        [*CONTACTS, "c1", "--out", "x.csv", "--campaign-sort", "id"],
        "--campaign-sort goes with --all-campaigns",
    ),
    "nobody's": ([*CONTACTS, "--out", "x.csv"], "give the campaigns in one way"),
    "in two ways": ([*CONTACTS, "c1", "--all-campaigns", "--out", "x.csv"], "give the campaigns in one way"),
    "in two others": ([*CONTACTS, "c1", "--ids-file", "twice", "--out", "x.csv"], "give the campaigns in one way"),
    "an id that is none": ([*CONTACTS, "c1", "a/b", "--out", "x.csv"], "CAMPAIGN_ID 2 contains a slash"),
    "an id twice": ([*CONTACTS, "c1", "c2", "c1", "--out", "x.csv"], "CAMPAIGN_ID 3 is the same as 1"),
    "no such file of ids": ([*CONTACTS, "--ids-file", "none", "--out", "x.csv"], "--ids-file cannot be read: No such"),
    "a folder of ids": ([*CONTACTS, "--ids-file", "folder", "--out", "x.csv"], "--ids-file cannot be read: Is a dir"),
    "no ids": ([*CONTACTS, "--ids-file", "empty", "--out", "x.csv"], "--ids-file holds no id"),
    "ids in Latin-1": ([*CONTACTS, "--ids-file", "latin", "--out", "x.csv"], "--ids-file is not UTF-8 in line"),
    "ids in JSON": ([*CONTACTS, "--ids-file", "rows.ndjson", "--out", "x.csv"], "--ids-file is JSON"),
    "a file with an id twice": ([*CONTACTS, "--ids-file", "twice", "--out", "x.csv"], "--ids-file: id 3 is the same as 1"),
    "a file with no id": ([*CONTACTS, "--ids-file", "slash", "--out", "x.csv"], "--ids-file: id 2 contains a slash"),
    "a page of 0": ([*CAMPAIGNS, "--out", "x.csv", "--page-size", "0"], "--page-size"),
    "a prefetch below 0": ([*CAMPAIGNS, "--out", "x.csv", "--prefetch", "-1"], "--prefetch"),
    "no campaign at once": ([*CONTACTS, "c1", "--out", "x.csv", "--parallel", "0"], "--parallel"),
    "a rate of 0": ([*CAMPAIGNS, "--out", "x.csv", "--rate", "0"], "--rate must be at least 0.001"),
    "no URL": ([*CAMPAIGNS, "--out", "x.csv", "--base-url", "nowhere"], "--base-url must begin with"),
    "no key file": ([*CAMPAIGNS, "--out", "x.csv", "--api-key-file", KEY], "--api-key-file cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_one_line_that_says_where_to_look(
    arguments: list[str], expected: str, here: Path, shared: ThreadedSandbox, command: Command
) -> None:
    before = sorted(here.iterdir())
    ended = command(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert expected in ended.err
    assert ended.err.endswith(f"(see: campaigns-async {' '.join(arguments[:2])} --help)\n")
    assert ended.err.count("\n") == 1
    assert KEY not in ended.err
    assert not shared.requests
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize("variable", ["CAMPAIGNS_API_KEY", "CAMPAIGNS_BASE_URL"])
def test_what_the_environment_lacks_is_asked_for(
    variable: str, here: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable)
    ended = command(*CAMPAIGNS, "--out", "x.csv")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert f"set {variable}, or " in ended.err


def test_pyarrow_is_asked_for_if_it_is_missing(
    here: Path, shared: ThreadedSandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ended = command(*CAMPAIGNS, "--out", "x.parquet")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert 'pip install "campaigns-async[parquet]"' in ended.err
    assert not shared.requests


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("folder/../folder.csv/x.csv", "--out: the folder does not exist"),
        ("folder.csv", "--out: the output is a folder"),
    ],
)
def test_an_impossible_path_is_one_line(out: str, expected: str, here: Path, command: Command) -> None:
    if out == "folder.csv":
        (here / out).mkdir()
    ended = command(*CAMPAIGNS, "--out", out)
    assert (ended.code, ended.out) == (1, "")
    assert expected in ended.err.splitlines()[0]
    assert "same command" not in ended.err, "it would end the same"


def test_a_name_that_is_too_long_is_one_line(here: Path, command: Command) -> None:
    ended = command(*CAMPAIGNS, "--out", f"{'a' * 250}.csv")
    assert (ended.code, ended.out) == (1, "")
    assert "the name is too long" in ended.err
    assert ended.err.count("\n") == 1


def test_the_value_of_a_filter_is_not_shown(here: Path, shared: ThreadedSandbox, command: Command) -> None:
    shared.fault(status=403, times=1)
    ended = command(*CONTACTS, "c1", "--out", "x.csv", "--filter", "phoneNumber==07700900123,name==Ann")
    assert ended.code == 1
    assert "07700900123" not in ended.err
    assert "Ann" not in ended.err


def test_ids_from_a_standard_input_that_is_closed(
    here: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    ended = command(*CONTACTS, "--ids-file", "-", "--out", "x.csv")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "--ids-file cannot be read" in ended.err


def test_what_nobody_expects_says_how_to_go_on_too(
    here: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("Si\u00e2n")

    monkeypatch.setattr("campaigns_async.cli.export_run.export_campaigns", broken)
    ended = command(*CAMPAIGNS, "--out", "x.csv")
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "campaigns-async: unexpected error: KeyError; --debug shows where",
        "nothing is kept; to restart, run the same command again",
    ]


def test_a_standardconsole_that_is_closed_is_one_line(
    here: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    ended = command(*CAMPAIGNS, "--out", "-", "--format", "csv")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "standard output is closed" in ended.err


def test_what_is_not_printable_is_escaped_for_a_terminal_as_json_has_it() -> None:
    raw = io.BytesIO()
    safe = console._TerminalJson(raw)
    assert safe.write(memoryview('{"a":"\u009b\u202e\U000e0001 Si\u00e2n \U0001f600"}\n'.encode())) == 29
    safe.flush()
    assert raw.getvalue().decode() == '{"a":"\\u009b\\u202e\\udb40\\udc01 Si\u00e2n \U0001f600"}\n'
