"""Commands on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from .send_support import PATIENCE


@frozen
class Shown:
    """The end of a command: its exit code and output.

    Attributes:
        terminal: The output on the terminal, with escape sequences.
        out: The content of standard output, if that was a pipe.
    """

    code: int
    terminal: str
    out: str = ""

    @property
    def text(self) -> str:
        """The output on the terminal, without escape sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.terminal).replace("\r", "\n")


def on_terminal(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    out: bool = True,
    columns: int = 80,
    no_color: str | None = None,
    meanwhile: Callable[[subprocess.Popen[bytes]], object] | None = None,
) -> Shown:
    """Run `campaigns-async` on a terminal of its own.

    Args:
        arguments: The arguments of `campaigns-async`.
        folder: The working directory.
        environment: The environment.
        out: True if standard output is the terminal too; otherwise it is a pipe.
        columns: The width of the terminal.
        no_color: The value of NO_COLOR; None if it is not set.
        meanwhile: Called once, after the first output on the terminal.
    """
    master, slave = pty.openpty()
    tty.setraw(slave)  # without translation of \n to \r\n
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {name: value for name, value in environment.items() if name not in {"COLUMNS", "NO_COLOR", "CI"}}
    if no_color is not None:
        given["NO_COLOR"] = no_color
    process = subprocess.Popen(
        [sys.executable, "-m", "campaigns_async", *arguments],
        cwd=folder, env={**given, "TERM": "xterm-256color"}, stdin=slave, stderr=slave,
        stdout=slave if out else subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    got: dict[int, list[bytes]] = {master: []}
    if process.stdout is not None:
        got[process.stdout.fileno()] = []
    open_ends = set(got)
    deadline = time.monotonic() + PATIENCE
    while open_ends:
        ready, _, _ = select.select(list(open_ends), [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            process.kill()
            raise TimeoutError(b"".join(got[master]).decode(errors="replace"))
        for end in ready:
            try:
                data = os.read(end, 65536)
            except OSError:  # EIO: the process closed the terminal
                data = b""
            if data:
                got[end].append(data)
            else:
                open_ends.discard(end)
        if meanwhile is not None and got[master]:
            meanwhile(process)
            meanwhile = None
    code = process.wait(timeout=PATIENCE)
    os.close(master)
    texts = [b"".join(parts).decode() for parts in got.values()]
    if process.stdout is not None:
        process.stdout.close()
    return Shown(code, *texts)
