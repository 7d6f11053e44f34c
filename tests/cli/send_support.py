"""Helpers that run `campaigns-async` against a sandbox: by a call, in a shell, or as a process."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from unittest import mock

import pytest

import campaigns_async.__main__
from campaigns_async.cli import main
from campaigns_async.sandbox.threaded import ThreadedSandbox

PATIENCE = 40.0
"""Seconds after which a test gives up."""
KEY = "s3cret-of-the-sandbox"


def environment(sandbox: ThreadedSandbox | None) -> dict[str, str]:
    """Return the environment of a process, with the variables of a sandbox if one is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
    return {**kept, "COLUMNS": "80", **({} if sandbox is None else sandbox.environment)}


def completed(
    command: list[str] | str, folder: Path, sandbox: ThreadedSandbox | None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, by a call of `main` in this process.

    Args:
        command: The arguments of `campaigns-async`, or a whole command as one was printed.
        folder: The working directory.
        sandbox: The sandbox that the environment names, if any.
    """
    if isinstance(command, str):
        words = shlex.split(command)
        known = (["campaigns-async"], [sys.executable, "-m", "campaigns_async"])
        (begin,) = [each for each in known if words[: len(each)] == each]
        arguments = words[len(begin) :]
    else:
        arguments = command
    with (
        TemporaryFile() as out,
        TemporaryFile() as err,
        chdir(folder),
        mock.patch.dict(os.environ, environment(sandbox), clear=True),
        mock.patch.object(sys, "argv", [campaigns_async.__main__.__file__]),
    ):
        with written_to(1, out), written_to(2, err), pytest.raises(SystemExit) as ended:
            main(arguments)
        texts = [read_again(file) for file in (out, err)]
    code = ended.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, *texts)


@contextmanager
def written_to(descriptor: int, file: IO[bytes]) -> Iterator[None]:
    """Redirect standard output (1) or standard error (2), of the process and of Python, to a file."""
    name = {1: "stdout", 2: "stderr"}[descriptor]
    before = os.dup(descriptor)
    getattr(sys, name).flush()
    os.dup2(file.fileno(), descriptor)
    try:
        with (
            open(descriptor, "w", encoding="utf-8", closefd=False) as stream,
            mock.patch.object(sys, name, stream),
        ):
            yield
    finally:
        os.dup2(before, descriptor)
        os.close(before)


def read_again(file: IO[bytes]) -> str:
    """Return what was written to a file, with each line end as one character."""
    file.seek(0)
    return io.TextIOWrapper(io.BytesIO(file.read()), encoding="utf-8").read()


def in_shell(line: str, folder: Path, sandbox: ThreadedSandbox | None) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell, in a process of its own."""
    # The line's limits are meant for the command alone, not for files of coverage.
    env = {name: value for name, value in environment(sandbox).items() if not name.startswith("COVERAGE")}
    return subprocess.run(
        ["/bin/sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@contextmanager
def running(arguments: list[str], folder: Path, sandbox: ThreadedSandbox) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process while the block runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "campaigns_async", *arguments],
        cwd=folder, env=environment(sandbox), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def write_many(path: Path, count: int) -> None:
    """Write a plan of `count` campaigns, each with another recipient."""
    with path.open("w") as plan:
        for number in range(count):
            plan.write(
                f'{{"key":"row-{number}","startDateTime":"2031-05-01T09:30:00Z","sender":"Golf","message":"Tee time",'
                f'"contacts":[{{"phoneNumber":"07{number:09}"}}]}}\n'
            )


def squeezed(text: str) -> str:
    """Return a table with one space between its cells."""
    return re.sub("[ \t]+", " ", text)


def commands(err: str) -> list[str]:
    """Return the commands that a message prints as next steps."""
    return [line.strip() for line in err.splitlines() if line.startswith("  ")]


def same_again(arguments: Iterable[str], advice: str) -> list[str]:
    """Return the arguments for the advice to run the same command again with some options."""
    begin, _, also = advice.partition(" with ")
    assert begin == "run the same command again"
    return [*arguments, *also.split()]
