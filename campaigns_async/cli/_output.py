"""What goes to standard output: data, and tables for people."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

import click

if TYPE_CHECKING:
    from rich.console import RenderableType


def is_terminal() -> bool:
    """Whether people read standard output."""
    return sys.stdout is not None and sys.stdout.isatty()


def binary() -> BinaryIO:
    """Standard output, for bytes; for JSON, where it is a terminal, with all escaped that would steer it.

    Raises:
        click.ClickException: It was closed before the program began.
    """
    if sys.stdout is None:
        raise click.ClickException("standard output is closed: pipe it on, or name a file")
    return cast("BinaryIO", TerminalSafe(sys.stdout.buffer)) if is_terminal() else sys.stdout.buffer


def print_rich(what: RenderableType) -> None:
    """Print a table, as wide as the terminal is."""
    from rich.console import Console

    # Not by the console itself, which ends the process without a word once nobody reads it.
    console = Console()
    with console.capture() as captured:
        console.print(what)
    text = captured.get()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding), nl=False)


class TerminalSafe(io.BufferedIOBase):
    """Writes JSON to a terminal, with all escaped that would steer it. Takes whole lines; is not closed.

    Args:
        stream: The terminal's.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]  # RawIOBase takes any buffer
        """Write it; returns how much of it that was: all."""
        text = bytes(data).decode()
        self._stream.write(
            "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text).encode()
        )
        return len(data)

    def flush(self) -> None:
        """Let it appear."""
        self._stream.flush()


def _escaped(letter: str) -> str:
    """As JSON escapes it, in text: what is not printable stands nowhere else."""
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
