"""`campaigns-async` as a process of its own beside a sandbox."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaigns_async.sandbox.threaded import ThreadedSandbox

PATIENCE = 40.0
"""Seconds; what takes so long has gone wrong."""
KEY = "s3cret-of-the-sandbox"


def environment(sandbox: ThreadedSandbox | None) -> dict[str, str]:
    """What the process finds: a sandbox, or nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
    return {**kept, "COLUMNS": "80", **({} if sandbox is None else sandbox.environment)}


def completed(
    command: list[str] | str, folder: Path, sandbox: ThreadedSandbox | None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end: these arguments of `campaigns-async`, or a line for a shell."""
    words = (
        ["/bin/sh", "-c", command] if isinstance(command, str) else [sys.executable, "-m", "campaigns_async", *command]
    )
    env = environment(sandbox)
    if isinstance(command, str):  # its limits are meant for the command alone, not for files of coverage
        env = {name: value for name, value in env.items() if not name.startswith("COVERAGE")}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE)


@contextmanager
def running(arguments: list[str], folder: Path, sandbox: ThreadedSandbox) -> Iterator[subprocess.Popen[str]]:
    """Have it run meanwhile."""
    with subprocess.Popen(
        [sys.executable, "-m", "campaigns_async", *arguments],
        cwd=folder, env=environment(sandbox), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def write_many(path: Path, count: int) -> None:
    """A plan of so many campaigns, each to somebody else."""
    with path.open("w") as plan:
        for number in range(count):
            plan.write(
                f'{{"key":"row-{number}","startDateTime":"2031-05-01T09:30:00Z","sender":"Golf","message":"Tee time",'
                f'"contacts":[{{"phoneNumber":"07{number:09}"}}]}}\n'
            )


def squeezed(text: str) -> str:
    """A table with one blank between its cells."""
    return re.sub(" +", " ", text)


def commands(err: str) -> list[str]:
    """The commands that it says to go on with."""
    return [line.strip() for line in err.splitlines() if line.startswith("  ")]
