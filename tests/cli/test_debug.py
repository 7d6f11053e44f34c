"""Errors: one line without `--debug`, where they come from with it, and never the key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaigns_async import CampaignsError
from campaigns_async.sandbox import Operation
from campaigns_async.sandbox.threaded import ThreadedSandbox

from .conftest import Command
from .send_support import completed
from .walking import LEAVES, Words, name_of

KEY = "s3cret-of-the-sandbox"


OPERATIONS: tuple[Operation, ...] = ("list", "get", "contacts")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox([{"id": "c1"}], api_key=KEY) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Made(Exception):
    """What nobody expects."""


@pytest.mark.parametrize("words", LEAVES, ids=name_of)
@pytest.mark.parametrize("place", ["root", "command"])
@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_error_is_a_line_and_with_debug_a_traceback(
    words: Words, place: str, debug: bool, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise Made("Siân, 07700900123")

    found = LEAVES[words]
    monkeypatch.setattr(found, "callback", broken)
    monkeypatch.setattr(found, "params", [])
    given = ["--debug"] * debug
    ended = command(*(given if place == "root" else []), *words, *(given if place == "command" else []))
    assert (ended.code, ended.out) == (1, "")
    last = ended.err.splitlines()[-1]
    if debug:
        assert ended.err.startswith("Traceback (most recent call last):")
        assert "Made: Siân" in ended.err
        assert last == "campaigns-async: unexpected error: Made"
    else:
        assert ended.err == "campaigns-async: unexpected error: Made; --debug shows where\n"


def test_the_system_s_reason_for_an_error_is_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device", "Siân.csv")

    monkeypatch.setattr(LEAVES["sandbox",], "callback", full)
    ended = command("sandbox")
    assert ended.err == "campaigns-async: unexpected error: OSError (No space left on device); --debug shows where\n"


def test_the_key_is_in_no_traceback(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise Made(f"https://host/?api-key={KEY}")

    (tmp_path / "key").write_text(KEY)
    monkeypatch.setattr("campaigns_async.CampaignsClient", broken)
    given = ["--base-url", "http://127.0.0.1:9", "--api-key-file", tmp_path / "key", "--debug"]
    ended = command("campaigns", "get", "x", *given)
    assert ended.code == 1
    assert "Made: https://host/?api-key=(a secret)" in ended.err
    assert KEY not in ended.err


def test_a_known_error_shows_where_it_comes_from_with_debug_alone(tmp_path: Path) -> None:
    with ThreadedSandbox(api_key=KEY) as sandbox:
        sandbox.fault(operation="list", status=403)
        plain = completed(["campaigns", "list"], tmp_path, sandbox)
        debug = completed(["campaigns", "list", "--debug"], tmp_path, sandbox)
    assert (plain.returncode, plain.stdout) == (debug.returncode, debug.stdout) == (1, "")
    assert plain.stderr.count("\n") == 1
    assert "403" in plain.stderr
    assert debug.stderr.startswith("Traceback (most recent call last):")
    assert "PermissionDeniedError" in debug.stderr
    assert debug.stderr.splitlines()[-1].partition("attempt")[0] == plain.stderr.partition("attempt")[0]
    assert KEY not in plain.stderr + debug.stderr


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("auth", ["bearer", "header", "query"])
@pytest.mark.parametrize("trouble", ["a status", "a drop", "a wrong key", "no server"])
@pytest.mark.parametrize(
    "words",
    [
        ["campaigns", "list"],
        ["campaigns", "get", "c1"],
        ["export", "campaigns", "--out", "x.csv"],
        ["export", "contacts", "c1", "--out", "-", "--format", "ndjson"],
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_the_key_is_in_no_output(
    words: list[str], trouble: str, auth: str, here: Path, command: Command, sandbox: ThreadedSandbox
) -> None:
    key = KEY
    sandbox.reset()
    if trouble == "a wrong key":
        key = "an0ther-key"
    elif trouble != "no server":
        status = 403 if trouble == "a status" else None
        for operation in OPERATIONS:
            sandbox.fault(operation=operation, status=status, drop=None if status else "reset")
    url = "http://127.0.0.1:9" if trouble == "no server" else sandbox.url
    (here / "key").write_text(key)
    ended = command(*words, "--base-url", url, "--api-key-file", here / "key", "--auth", auth, "--debug")
    assert ended.code == 1
    assert "Traceback" in ended.err
    assert key not in ended.out + ended.err


def test_a_path_that_may_be_a_key_is_not_shown_with_debug_either(command: Command) -> None:
    ended = command("--debug", "campaigns", "list", "--base-url", "http://127.0.0.1:9", "--api-key-file", KEY)
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith("campaigns-async campaigns list: --api-key-file cannot be read")
    assert KEY not in ended.err


def test_an_unexpected_error_of_the_package_is_no_traceback_either(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise CampaignsError("broken")

    monkeypatch.setattr(LEAVES["sandbox",], "callback", broken)
    assert command("sandbox").err == "campaigns-async: unexpected error: CampaignsError; --debug shows where\n"


@pytest.mark.parametrize("words", [("--help",), ("send", "--help"), ("--version",)], ids=name_of)
def test_help_into_a_closed_pipe_ends_silently(words: Words) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "campaigns_async", *words], stdout=nobody, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_no_room_for_the_output_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "campaigns_async", "--version"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"No space left on device" in done.stderr
