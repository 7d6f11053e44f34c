"""Standard output, standard error, and the exceptions that end a command with an exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

PROGRAM: Final = "campaigns-async"
UNEXPECTED: Final = "unexpected error"


class UsageFailure(click.ClickException):
    """Wrong use that is no single option's fault; exit code 2."""

    exit_code = 2


class OutputClosed(click.ClickException):
    """Nobody reads the output any more; the exit code is that of a program that SIGPIPE ended."""

    exit_code = 141

    def __init__(self, message: str = "nobody reads the output any more") -> None:
        super().__init__(message)


class RunFailed(click.ClickException):
    """A run that did not reach its end.

    Args:
        message: The line that says why.
        exit_code: The exit code, kept as `code`.
        then: Lines to print after it: what is kept, and how to continue.
    """

    def __init__(self, message: str, exit_code: int, then: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.code = exit_code
        self.then: tuple[str, ...] = tuple(then)


def printable(text: str) -> str:
    """Return the text without characters that steer a terminal or reverse its letters."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def count_of(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 row`, `1,200 rows`."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or f'{one}s'}"


def output_closed_message(count: int, one: str) -> str:
    """Return the line for output that nobody reads any more, with how much was written."""
    so_far = f": {count_of(count, one)} or a few more went out" if count else ""
    return f"nobody reads the output any more{so_far}"


def unexpected_message(error: BaseException) -> str:
    """Return the line for an unexpected error. It leaves the error's text out, which may quote secrets."""
    why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return f"{UNEXPECTED}: {type(error).__name__}{why}"


def same_command(*also: str) -> str:
    """Return the advice to run the same command again, with these options added."""
    return f"run the same command again{' with ' if also else ''}{' '.join(also)}"


def print_line(text: str) -> None:
    """Print a line to standard error, unless it is closed."""
    with suppress(OSError, ValueError):
        click.echo(text, err=True)


def is_terminal() -> bool:
    """Return True if standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def binary_output() -> BinaryIO:
    """Return standard output for bytes; a terminal gets JSON with its control characters escaped.

    Raises:
        click.ClickException: If standard output was closed before the program began.
    """
    if sys.stdout is None:
        raise click.ClickException("standard output is closed: pipe it on, or name a file")
    return cast("BinaryIO", TerminalJson(sys.stdout.buffer)) if is_terminal() else sys.stdout.buffer


def print_rich(what: RenderableType) -> None:
    """Print a table as wide as the terminal."""
    from rich.console import Console

    # Captured: a rich console ends the process without a word once nobody reads it.
    console = Console()
    with console.capture() as captured:
        console.print(what)
    text = captured.get()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding), nl=False)


def print_table(rows: Iterable[Sequence[str]], *headers: str) -> None:
    """Print a table; a header that begins with `>` aligns its column to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, highlight=False)
    for header in headers:
        table.add_column(header.removeprefix(">"), justify="right" if header.startswith(">") else "left")
    for row in rows:
        table.add_row(*row)
    print_rich(table)


class TerminalJson(io.BufferedIOBase):
    """A stream that escapes what would steer a terminal, as JSON escapes it. Takes whole lines.

    Args:
        stream: The terminal's stream, which is not closed.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]  # RawIOBase takes any buffer
        """Write all of it, and return its length."""
        text = bytes(data).decode()
        safe = "".join(each if each.isprintable() or each == "\n" else _escape(each) for each in text)
        self._stream.write(safe.encode())
        return len(data)

    def flush(self) -> None:
        """Flush the terminal's stream."""
        self._stream.flush()


def _escape(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
