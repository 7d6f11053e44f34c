"""What is printed: text that steers nothing, and commands as a shell takes them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from campaigns_async.cli.console import advise_same_command, printable
from campaigns_async.cli.journal_run import format_journal_command

from .conftest import Command


def test_control_characters_are_not_printed() -> None:
    assert printable("Siân \x1b[2J\u202e7\n") == "Siân \ufffd[2J\ufffd7\ufffd"


def test_the_same_command_again() -> None:
    assert advise_same_command() == "run the same command again"
    assert advise_same_command("--retry-failed") == "run the same command again with --retry-failed"


@pytest.mark.parametrize("name", ["run.sqlite", "a b's", "-run", "--journal"])
@pytest.mark.parametrize("key", ["k", "k k", "-k", "--created"])
def test_a_printed_command_of_journal_is_read_as_it_was_meant(
    name: str, key: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr("campaigns_async.cli.journal_run.resolve_row", lambda *given, **_options: read.extend(given))
    program, *words = shlex.split(format_journal_command("resolve", Path(name), "--created", "C-1", key=key))
    assert program == "campaigns-async"
    assert command(*words).code == 0
    assert [read[0], read[1], read[3]] == [Path(name), key, "C-1"]
