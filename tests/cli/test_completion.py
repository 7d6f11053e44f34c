"""`campaigns-async completion`: scripts that shells can source, and what they complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Command

BASH = shutil.which("bash")


def complete(line: str, folder: Path, command: Command) -> list[str]:
    """Return what bash offers for the last word of a line, by the script that is printed."""
    assert BASH is not None
    script = folder / "completion.bash"
    script.write_text(command("completion", "bash").out)
    program = folder / "campaigns-async"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m campaigns_async "$@"\n')
    program.chmod(0o700)
    words = line.split(" ")
    call = (
        f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
        'complete -p campaigns-async; _campaigns_async_completion campaigns-async; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        [BASH, "--norc", "-c", call], env=environment, capture_output=True, text=True, check=False, cwd=folder
    )
    assert (done.returncode, done.stderr) == (0, "")
    registered, *offered = done.stdout.splitlines()
    assert registered.endswith("-F _campaigns_async_completion campaigns-async")
    return offered


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("campaigns-async ca", ["campaigns"]),
        ("campaigns-async export co", ["contacts"]),
        ("campaigns-async -q journal re", ["resolve"]),
        ("campaigns-async completion z", ["zsh"]),
        ("campaigns-async send --jou", ["--journal"]),
        ("campaigns-async campaigns list --auth h", ["header"]),
        ("campaigns-async send --no-c", ["--no-color"]),
    ],
)
@pytest.mark.slow
def test_bash_sources_the_script_and_completes(
    line: str, expected: list[str], tmp_path: Path, command: Command
) -> None:
    assert complete(line, tmp_path, command) == expected


@pytest.mark.parametrize(("shell", "text"), [("zsh", "#compdef campaigns-async"), ("fish", "complete --no-files")])
def test_the_scripts_of_other_shells(shell: str, text: str, command: Command) -> None:
    ended = command("completion", shell)
    assert (ended.code, ended.err) == (0, "")
    assert text in ended.out
    assert f"_CAMPAIGNS_ASYNC_COMPLETE={shell}_complete" in ended.out


def test_another_shell_is_refused(command: Command) -> None:
    ended = command("completion", "tcsh")
    assert (ended.code, ended.out) == (2, "")
    assert "bash" in ended.err
