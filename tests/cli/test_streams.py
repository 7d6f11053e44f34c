"""Standard output and standard error of every command that prints rows: closed pipes, full disks, `-q` and colors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from campaigns_async.sandbox.threaded import ThreadedSandbox

from .conftest import line, ndjson
from .send_support import KEY, PATIENCE, completed, environment
from .terminal import on_terminal

CAMPAIGN = {"id": "c1", "sender": "Golf", "message": "Tee time", "startDateTime": "2031-05-01T09:30:00Z"}
COMMANDS = {
    "a list": ["campaigns", "list"],
    "a list as JSON": ["campaigns", "list", "--json"],
    "campaigns by id": ["campaigns", "get", "c1"],
    "an export as CSV": ["export", "campaigns", "--out", "-", "--format", "csv"],
    "an export as NDJSON": ["export", "campaigns", "--out", "-", "--format", "ndjson"],
    "an export of contacts": ["export", "contacts", "c1", "--out", "-", "--format", "ndjson", "--json"],
    "a journal": ["journal", "show", "failed.sqlite"],
    "a journal as JSON": ["journal", "show", "failed.sqlite", "--json"],
    "a send": ["send", "plan.ndjson", "--journal", "run.sqlite"],
    "a send as JSON": ["send", "plan.ndjson", "--journal", "run.sqlite", "--json"],
    "a dry run": ["send", "plan.ndjson", "--journal", "run.sqlite", "--dry-run"],
    "help": ["send", "--help"],
    "the help of a bare group": ["export"],
    "completion": ["completion", "zsh"],
    "a version": ["-V"],
}
_SLOW = {*COMMANDS} - {"a list", "an export as CSV", "a journal", "a send", "help"}
"""Commands of which a process is started only when all tests run."""
_CASES = [
    pytest.param(words, id=name, marks=[pytest.mark.slow] if name in _SLOW else []) for name, words in COMMANDS.items()
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ThreadedSandbox]:
    contacts = {"c1": [{"id": 1, "phoneNumber": "07700900100"}]}
    with ThreadedSandbox([CAMPAIGN], contacts, api_key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, sandbox: ThreadedSandbox) -> Path:
    """Return a folder with a plan, and a journal in which all rows are failed."""
    path = tmp_path_factory.mktemp("template")
    (path / "plan.ndjson").write_bytes(ndjson(*(line(number) for number in range(3))))
    rule = sandbox.fault(operation="create", status=422)
    send = ["send", "plan.ndjson", "--journal", "failed.sqlite", "--no-preflight"]
    assert completed(send, path, sandbox).returncode == 1
    rule.stop()
    return path


@pytest.fixture
def folder(tmp_path: Path, template: Path) -> Path:
    """Return a copy of the folder."""
    return shutil.copytree(template, tmp_path, dirs_exist_ok=True)


def run_into(output: int, arguments: list[str], folder: Path, sandbox: ThreadedSandbox) -> tuple[int, list[str]]:
    """Run a command with a file descriptor as standard output; return its exit code and the lines on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "campaigns_async", "-q", *arguments],
        cwd=folder, env=environment(sandbox), stdout=output, stderr=subprocess.PIPE, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    return done.returncode, done.stderr.splitlines()


@contextmanager
def closed_pipe() -> Iterator[int]:
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize("arguments", _CASES)
@pytest.mark.slow
def test_a_closed_pipe_ends_a_command_silently_with_141(
    arguments: list[str], folder: Path, sandbox: ThreadedSandbox
) -> None:
    with closed_pipe() as output:
        assert run_into(output, arguments, folder, sandbox) == (141, [])


@pytest.mark.parametrize("arguments", _CASES)
@pytest.mark.slow
def test_a_full_disk_is_one_line_about_standard_output(
    arguments: list[str], folder: Path, sandbox: ThreadedSandbox
) -> None:
    with Path("/dev/full").open("wb") as output:
        code, (error, *rest) = run_into(output.fileno(), arguments, folder, sandbox)
    assert (code, error) == (1, "campaigns-async: standard output cannot be written: No space left on device")
    assert [each for each in rest if not each.startswith("{")] == []  # an export as JSON repeats it as JSON


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("option", ["-q", "--quiet"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["campaigns", "list"],
        pytest.param(["export", "campaigns", "--out", "x.csv"], marks=pytest.mark.slow),
        pytest.param(["journal", "show", "failed.sqlite"], marks=pytest.mark.slow),
        ["send", "plan.ndjson", "--journal", "run.sqlite"],
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_quiet_keeps_progress_and_notes_off_and_results_on(
    arguments: list[str], option: str, place: str, folder: Path, sandbox: ThreadedSandbox
) -> None:
    given = [option, *arguments] if place == "before" else [*arguments, option]
    done = completed(given, folder, sandbox)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or arguments[0] == "export"


def test_quiet_still_shows_errors(folder: Path, sandbox: ThreadedSandbox) -> None:
    done = completed(["-q", "campaigns", "get", "nobody"], folder, sandbox)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("campaigns-async: there is no campaign nobody")
    done = completed(["campaigns", "list", "-q", "--limit", "0"], folder, sandbox)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.slow
def test_quiet_on_a_terminal_shows_no_bar_and_no_notes(folder: Path, sandbox: ThreadedSandbox) -> None:
    for arguments in (["campaigns", "list"], ["export", "campaigns", "--out", "y.csv"]):
        shown = on_terminal([*arguments, "-q"], folder, environment(sandbox))
        assert shown.code == 0
        assert not re.search("campaigns?$|exporting|row", shown.text.strip())


STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["campaigns", "list"], ["campaigns", "get", "c1"], ["journal", "show", "failed.sqlite"]]
)
def test_no_color_before_or_after_the_command_or_in_the_environment(
    arguments: list[str], folder: Path, sandbox: ThreadedSandbox
) -> None:
    variables = environment(sandbox)
    styled = on_terminal(arguments, folder, variables)
    assert STYLE.search(styled.terminal)
    for given, no_color in (
        (["--no-color", *arguments], None),
        ([*arguments, "--no-color"], None),
        (arguments, "1"),
    ):
        plain = on_terminal(given, folder, variables, no_color=no_color)
        assert (plain.code, STYLE.search(plain.terminal)) == (0, None)
        assert plain.text == styled.text


@pytest.mark.slow
def test_no_color_takes_the_colors_from_a_bar_too(folder: Path, sandbox: ThreadedSandbox) -> None:
    arguments = ["export", "campaigns", "--out", "x.csv"]
    assert STYLE.search(on_terminal(arguments, folder, environment(sandbox)).terminal)
    plain = on_terminal([*arguments, "--no-color"], folder, environment(sandbox))
    assert "exporting" in plain.text
    assert not STYLE.search(plain.terminal)
