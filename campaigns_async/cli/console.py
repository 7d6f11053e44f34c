"""Standard output, standard error, and the exceptions that end a command with an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

PROGRAM: Final = "campaigns-async"
UNEXPECTED: Final = "unexpected error"


class Invocation:
    """The state of one call of the program.

    Attributes:
        debug: True if errors are shown with a traceback.
        quiet: True if standard error is for errors alone.
        no_color: True if nothing is printed in color.
        secrets: Texts that are never shown, tracebacks included.
    """

    def __init__(self) -> None:
        self.debug = False
        self.quiet = False
        self.no_color: bool = bool(os.environ.get("NO_COLOR"))
        self.secrets: set[str] = set()


def get_invocation() -> Invocation:
    """Return the state of this call of the program."""
    context = click.get_current_context(silent=True)
    return (context and context.find_object(Invocation)) or Invocation()


class UsageFailure(click.ClickException):
    """Wrong use that is no single option's fault; exit code 2."""

    exit_code = 2


class OutputClosed(click.ClickException):
    """Standard output is a pipe that was closed; nothing is printed, and the exit code is that of SIGPIPE."""

    exit_code = 141

    def __init__(self) -> None:
        super().__init__("")


class RunFailed(click.ClickException):
    """A run that did not reach its end. Lines follow that say what is kept, and how to continue."""

    def __init__(self, message: str, exit_code: int, then: Sequence[str]) -> None:
        super().__init__(message)
        self.code = exit_code
        self.then = then


def printable(text: str) -> str:
    """Replace the characters that control a terminal or change the direction of text."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def format_count(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 row`, `1,200 rows`."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or f'{one}s'}"


def describe_unexpected(error: BaseException) -> str:
    """Return the line for an unexpected error. It leaves the error's text out, which may quote secrets."""
    why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return f"{UNEXPECTED}: {type(error).__name__}{why}"


def advise_same_command(*also: str) -> str:
    """Return the advice to run the same command again, with these options added."""
    return f"run the same command again{' with ' if also else ''}{' '.join(also)}"


def print_line(text: str) -> None:
    """Print a line to standard error, unless it is closed."""
    with suppress(OSError, ValueError):
        click.echo(text, err=True)


def print_note(text: str) -> None:
    """Print a line to standard error, unless it is closed or `--quiet` was given."""
    if not get_invocation().quiet:
        print_line(text)


def print_output(text: str | bytes, *, newline: bool = True) -> None:
    """Print to standard output."""
    try:
        click.echo(text, nl=newline)
    except OSError as error:
        raise to_output_error(error.errno) from error


def to_output_error(number: int | None) -> click.ClickException:
    """Return the error for a failure to write standard output, by its errno."""
    if number == errno.EPIPE:
        return OutputClosed()
    return click.ClickException(f"standard output cannot be written: {os.strerror(number or errno.EIO)}")


def is_terminal() -> bool:
    """Return True if standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def open_output() -> BinaryIO:
    """Return standard output for bytes; on a terminal, control characters in JSON are escaped."""
    if sys.stdout is None:
        raise click.ClickException("standard output is closed: use a pipe, or name a file")
    return cast("BinaryIO", _TerminalJson(sys.stdout.buffer)) if is_terminal() else sys.stdout.buffer


def make_console() -> Console:
    """Return a console for standard output, without colors if they are not wanted."""
    from rich.console import Console

    return Console(color_system=None if get_invocation().no_color else "auto")


def print_rich(what: RenderableType) -> None:
    """Print a table as wide as the terminal."""
    # Captured: a rich console ends the process without a word if the pipe is closed.
    console = make_console()
    with console.capture() as captured:
        console.print(what)
    text = captured.get()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print_output(text.encode(encoding, "replace").decode(encoding), newline=False)


def make_table() -> Table:
    """Return an empty table."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), highlight=False)


def print_table(rows: Iterable[Sequence[str]], *headers: str) -> None:
    """Print a table on a terminal, and elsewhere lines of tab-separated cells, the headers first.

    A header after `>` aligns its column to the right.
    """
    names = [header.removeprefix(">") for header in headers]
    if not is_terminal():
        for cells in (names, *rows):
            print_output("\t".join(cell.strip() for cell in cells))
        return
    table = make_table()
    for name, header in zip(names, headers, strict=True):
        table.add_column(name, justify="right" if header.startswith(">") else "left")
    for row in rows:
        table.add_row(*row)
    print_rich(table)


class _TerminalJson(io.BufferedIOBase):
    """A stream that escapes a terminal's control characters as JSON does. Each write is a whole line or several."""

    def __init__(self, terminal: BinaryIO) -> None:
        self._terminal = terminal

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]  # RawIOBase takes any buffer
        text = bytes(data).decode()
        safe = "".join(each if each.isprintable() or each == "\n" else _escape(each) for each in text)
        self._terminal.write(safe.encode())
        return len(data)

    def flush(self) -> None:
        self._terminal.flush()


def _escape(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
