"""What `send` refuses: each kind of plan and option gives its message, exit code 2, and no request."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaigns_async.sandbox.threaded import ThreadedSandbox

from .conftest import Command, line, ndjson
from .send_support import KEY


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(api_key=KEY) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: ThreadedSandbox) -> ThreadedSandbox:
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def here(command: Command, sandbox: ThreadedSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a sandbox that the environment names."""
    monkeypatch.chdir(tmp_path)
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "good.ndjson").write_bytes(ndjson(line(0)))
    (tmp_path / "people.csv").write_text("phoneNumber\n07700900101\n")
    (tmp_path / "text").write_text("Fore!")
    (tmp_path / "folder").mkdir()
    return tmp_path


def one(**fields: Any) -> bytes:
    return ndjson(line(1, **fields))


def without(name: str) -> bytes:
    given = line(1)
    del given[name]
    return ndjson(given)


def person(**fields: Any) -> bytes:
    return one(contacts=[{"phoneNumber": "07700900101", **fields}])


SECRET = "07700900777"
PLANS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "blank lines only": (b"\n\n \n", "has no campaign"),
    "no JSON": (b"Dear all\n", "line 1: is not JSON"),
    "cut off": (one()[:-20], "line 1: ends before its JSON does"),
    "an array of campaigns": (b"[" + one().strip() + b"]", "write one object per line"),
    "an object over several lines": (json.dumps(line(1), indent=1).encode(), "over several lines"),
    "a line that is an array": (one() + b"[]\n", "line 2: is an array"),
    "a line that is a value": (one() + b"7\n", "line 2: is a single value"),
    "commas behind its objects": (one().strip() + b",\n" + one(key="b"), "line 1: has a comma"),
    "Latin-1": (one(message="caf\u00e9").decode().encode("latin-1"), "not in UTF-8"),
    "UTF-16": (one().decode().encode("utf-16"), "UTF-16"),
    "compressed": (gzip.compress(one()), "compressed"),
    "a CSV": (b"phoneNumber,name\n07700900101,x\n", "(--contacts)"),
    "no key": (without("key"), "line 1: key: is missing"),
    "a key that is a number": (one(key=7), "line 1: key: must be text"),
    "a blank key": (one(key=" "), "line 1: key: must not be blank"),
    "a key too long": (one(key="k" * 201), "at most 200 characters"),
    "a key with a line break": (one(key="a\nb"), "control characters"),
    "a key twice": (one() + one(message="Other"), "line 2: key: is also the key of an earlier line"),
    "no sender": (without("sender"), "line 1: sender: is missing"),
    "a blank message": (one(message=" "), "line 1: message: must not be blank"),
    "braces": (one(message="Dear {name}"), "line 1: message: contains { or }"),
    "no start": (without("startDateTime"), "line 1: startDateTime: is missing"),
    "a start without a zone": (one(startDateTime="2031-05-01T09:30:00"), "has no time zone"),
    "a day that is none": (one(startDateTime="2031-04-31T09:30:00Z"), "line 1: startDateTime: must be"),
    "a link that is none": (one(trackLinkUrl="example.org"), "line 1: trackLinkUrl: must be a link"),
    "an opt-out link in quotes": (one(optOutLinkId="7"), "line 1: optOutLinkId: must be a whole number"),
    "an unknown name": (one(Sender="x"), "sender must be spelled exactly like this"),
    "no contacts": (one(contacts=[]), "line 1: contacts: must be an array of at least one contact"),
    "contacts that are none": (one(contacts={}), "line 1: contacts: must be an array"),
    "a contact that is a number": (one(contacts=["07700900101"]), "line 1: contacts[0]: must be a JSON object"),
    "no phone number": (one(contacts=[{"name": "x"}]), "line 1: contacts[0].phoneNumber: is missing"),
    "a phone number as a number": (person(phoneNumber=7700900101), "loses its leading zeros"),
    "a blank phone number": (person(phoneNumber=" "), "contacts[0].phoneNumber: must not be blank"),
    "a group that is no UUID": (person(contactGroupId="7"), "contacts[0].contactGroupId: must be a UUID"),
    "a number twice": (
        one(contacts=[{"phoneNumber": SECRET}, {"phoneNumber": f"+44{SECRET[1:]}"}]),
        ", which would be texted twice: remove one, or drop",
    ),
}  # fmt: skip


@pytest.mark.parametrize("dry", [False, True], ids=["run", "dry run"])
@pytest.mark.parametrize(("content", "expected"), PLANS.values(), ids=PLANS)
def test_the_faults_of_a_plan_are_shown_and_nothing_is_sent(
    content: bytes, expected: str, dry: bool, here: Path, sandbox: ThreadedSandbox, command: Command
) -> None:
    (here / "plan.ndjson").write_bytes(content)
    ended = command("send", "plan.ndjson", "--journal", "run.sqlite", *["--dry-run"] * dry)
    assert (ended.code, ended.out) == (2, "")
    assert expected in ended.err
    assert "Traceback" not in ended.err
    assert SECRET not in ended.err
    assert not sandbox.requests


def test_a_dry_run_says_of_a_bad_plan_what_the_run_says(here: Path, command: Command) -> None:
    (here / "plan.ndjson").write_bytes(b"".join(one(key=f"{number}", sender=7) for number in range(25)))
    run = command("send", "plan.ndjson", "--journal", "run.sqlite")
    dry = command("send", "plan.ndjson", "--journal", "run.sqlite", "--dry-run")
    result = [text for text in run.err.splitlines() if not text.startswith("checking")]
    assert result == dry.err.splitlines()
    assert result[:20] == [f"line {number}: sender: must be text, in quotes, not int" for number in range(1, 21)]
    assert result[20:] == ["campaigns-async: the plan has 25 faults; nothing was sent; the first 20 are shown above"]


CSVS = {
    "no header": (b"07700900101\n", "must begin with a header"),
    "semicolons": (b"phoneNumber;name\n07700900101;x;y\n", "line 2: has 3 cells, but the header has 2: does a cell contain a semicolon"),
    "an unknown column": (b"phoneNumber,nickname\n07700900101,x\n", "column 2 in the header"),
    "destroyed digits": (b"phoneNumber\n4.47701E+11\n", "line 2: phoneNumber: was changed by a spreadsheet"),
    "only a header": (b"phoneNumber\n", "holds no contacts"),
    "a cell too many": (b"phoneNumber,name\n07700900101,x,y\n07700900102,x\n", "line 2: has 3 cells"),
    "an open quote": (b'phoneNumber,name\n07700900101,"x\n', "line 2: is not CSV"),
    "a number twice": (b"phoneNumber\n07700900777\n07700 900777\n", "line 3: phoneNumber: is also the number of line 2"),
    "a blank number": (b"phoneNumber,name\n,x\n", "line 2: phoneNumber: is missing"),
    "JSON": (one(), "is JSON, not CSV"),
}  # fmt: skip
CONTACTS = ["send", "--journal", "run.sqlite", "--contacts", "people.csv"]
FULL = [*CONTACTS, "--message", "Fore!", "--sender", "Golf", "--start", "2031-06-27T09:30Z"]


@pytest.mark.parametrize(("content", "expected"), CSVS.values(), ids=CSVS)
def test_the_faults_of_a_csv_are_shown_and_nothing_is_sent(
    content: bytes, expected: str, here: Path, sandbox: ThreadedSandbox, command: Command
) -> None:
    (here / "people.csv").write_bytes(content)
    ended = command(*FULL)
    assert (ended.code, ended.out) == (2, "")
    assert expected in ended.err
    assert SECRET not in ended.err
    assert not sandbox.requests


PLAN = ["send", "good.ndjson", "--journal", "run.sqlite"]
WRONG = {
    "no plan": (["send", "--journal", "run.sqlite"], "name a PLAN, or a CSV with --contacts"),
    "no journal": (["send", "good.ndjson"], "--journal"),
    "a journal in no folder": (["send", "good.ndjson", "--journal", "none/run"], "--journal is in a folder that does not exist"),
    "two plans": ([*PLAN, "other"], "other"),
    "a plan and contacts": ([*PLAN, "--contacts", "people.csv"], "PLAN or --contacts, not both"),
    "standard input": (["send", "-", "--journal", "run.sqlite"], "save it to a file"),
    "contacts from standard input": ([*FULL, "--contacts", "-"], "save it to a file"),
    "a message for a plan": ([*PLAN, "--message", "x"], "--message goes with --contacts"),
    "a message file for a plan": ([*PLAN, "--message-file", "x"], "--message-file goes with --contacts"),
    "a split of a plan": ([*PLAN, "--split", "5"], "--split goes with --contacts"),
    "no text": ([*CONTACTS, "--sender", "x", "--start", "x"], "pass --message or --message-file"),
    "two texts": ([*FULL, "--message-file", "text"], "and not both"),
    "a column of a plan": ([*PLAN, "--column", "name=x"], "--column goes with --contacts"),
    "a column without a header": ([*FULL, "--column", "phoneNumber"], "--column must be NAME=HEADER"),
    "a column of no field": ([*FULL, "--column", "phone=Mobile"], "--column must map phoneNumber, name, "),
    "no such region": ([*FULL, "--default-region", "UK"], "--default-region must be a country code of ISO 3166"),
    "no sender": ([*CONTACTS, "--message", "x", "--start", "x"], "--contacts needs --sender"),
    "no start": ([*CONTACTS, "--message", "x", "--sender", "x"], "--contacts needs --start"),
    "a start without a zone": ([*FULL, "--start", "2031-06-27T09:30"], "--start has no time zone"),
    "a blank message": ([*FULL, "--message", " "], "--message must not be blank"),
    "a blank sender": ([*FULL, "--sender", ""], "--sender must not be blank"),
    "braces": ([*FULL, "--message", "Dear {name}"], "--message contains { or }"),
    "a link that is none": ([*FULL, "--track-link-url", "x"], "--track-link-url must be a link"),
    "an opt-out link of any size": ([*FULL, "--opt-out-link-id", "9" * 30], "--opt-out-link-id must be a whole number"),
    "no such message file": (
        [*CONTACTS, "--message-file", "none", "--sender", "x", "--start", "2031-06-27T09:30Z"],
        "--message-file cannot be read: No such file",
    ),
    "a split of 0": ([*FULL, "--split", "0"], "--split"),
    "a duplicates that is none": ([*PLAN, "--duplicates", "all"], "--duplicates"),
    "a settle in words": ([*PLAN, "--settle", "long"], "--settle"),
    "a settle below 0": ([*PLAN, "--settle", "-1"], "--settle must be at least 0"),
    "a settle without end": ([*PLAN, "--settle", "inf"], "--settle must be a finite number"),
    "a give_up_after of 0": ([*PLAN, "--give-up-after", "0"], "--give-up-after must be more than 0"),
    "a rate of nothing": ([*PLAN, "--rate", "nan"], "--rate must be a finite number"),
    "a rate of 0, dry": ([*PLAN, "--dry-run", "--rate", "0"], "--rate must be at least 0.001"),
    "a concurrency of 0": ([*PLAN, "--concurrency", "0"], "--concurrency"),
    "an auth that is none": ([*PLAN, "--auth", "basic"], "--auth"),
    "a key as an argument": ([*PLAN, "--api-key", "k3y-in-ps"], "--api-key"),
    "no such key file": ([*PLAN, "--api-key-file", "k3y-in-ps"], "--api-key-file cannot be read: No such file"),
    "a URL that is none": ([*PLAN, "--base-url", "nowhere"], "--base-url must begin with https://"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_one_line_that_says_where_to_look(
    arguments: list[str], expected: str, here: Path, sandbox: ThreadedSandbox, command: Command
) -> None:
    ended = command(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert expected in ended.err
    assert "(see: campaigns-async send --help)" in ended.err
    assert ended.err.count("\n") == 1
    assert "k3y-in-ps" not in ended.err
    assert not sandbox.requests
    assert not (here / "run.sqlite").exists()


def test_the_fault_of_a_message_file_is_located(here: Path, command: Command) -> None:
    start = ["--sender", "x", "--start", "2031-06-27T09:30Z", "--message-file", "text"]
    for content, expected in (
        (b"caf\xe9", "--message-file is not UTF-8 in line 1"),
        (b"Dear {you}", "--message-file contains {"),
    ):
        (here / "text").write_bytes(content)
        ended = command(*CONTACTS, *start)
        assert ended.code == 2
        assert expected in ended.err


@pytest.mark.parametrize("variable", ["CAMPAIGNS_API_KEY", "CAMPAIGNS_BASE_URL"])
def test_what_the_environment_lacks_is_asked_for(
    variable: str, here: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable)
    ended = command(*PLAN)
    assert (ended.code, ended.out) == (2, "")
    assert f"set {variable}, or " in ended.err
    assert not (here / "run.sqlite").exists()


@pytest.mark.parametrize("name", ["folder", "none.ndjson", "/dev/stdin"])
def test_what_is_no_file_is_no_plan(name: str, here: Path, sandbox: ThreadedSandbox, command: Command) -> None:
    ended = command("send", name, "--journal", "run.sqlite")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("campaigns-async: the plan")
    assert not sandbox.requests


def test_a_row_that_is_held_is_for_a_person_to_settle_and_no_search_is_advised(
    here: Path, sandbox: ThreadedSandbox, command: Command
) -> None:
    assert command(*FULL).code == 0
    ended = command(*FULL, "--sender", "Tennis", "--journal", "other.sqlite")
    assert ended.code == 1
    assert "held\t1\t" in ended.out
    assert "journal resolve --created CAMPAIGN-ID other.sqlite 1" in ended.err
    assert "search the server" not in ended.err


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("--split", "7"), "split"),
        (("--allow-braces",), "allow_braces"),
        (("--invalid-numbers", "report"), "invalid_numbers"),
        (("--opt-out-link-id", "5"), "opt_out_link_id"),
    ],
)
def test_a_journal_of_another_job_is_refused(
    here: Path, sandbox: ThreadedSandbox, command: Command, options: tuple[str, ...], name: str
) -> None:
    assert command(*FULL).code == 0
    ended = command(*FULL, *options)
    assert (ended.code, ended.out) == (2, "")
    assert f"other values of {name} (" in ended.err
    assert len(sandbox.created) == 1
