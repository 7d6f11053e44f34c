"""The root of the commands. Each is a file of its own, imported only when it is called for."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, Final, NamedTuple

import click

from campaigns_async._version import __version__
from campaigns_async.cli import needs_extra
from campaigns_async.cli._declaring import Group, Settings
from campaigns_async.cli._telling import Ended, Unread, shown, tell, unexpected

PROGRAM: Final = "campaigns-async"


class Entry(NamedTuple):
    """Where a command is, and what the root's help says of it."""

    module: str
    name: str
    help: str


COMMANDS: Final[dict[str, Entry]] = {
    "campaigns": Entry("campaigns_async.cli.campaigns", "campaigns", "List campaigns, or look at some."),
    "demo": Entry("campaigns_async.cli.demo", "demo", "Create 500 campaigns on a sandbox that fails; check the count."),
    "export": Entry("campaigns_async.cli.export", "export", "Write campaigns or contacts to CSV, NDJSON or Parquet."),
    "journal": Entry(
        "campaigns_async.cli.journal", "journal", "Look into a send's journal, and settle its rows by hand."
    ),
    "sandbox": Entry(
        "campaigns_async.cli.sandbox", "sandbox", "Play the Campaigns API on this machine, to try things out."
    ),
    "send": Entry("campaigns_async.cli.send", "send", "Create every campaign of a plan, each once, whatever dies."),
}


class Root(Group):
    """Commands by import path; the root's help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one; None when there is no such command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.name} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Their names, and a line on each."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of a call; prints the root's help, if that is asked for."""
        with _noticing_who_left():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Call it."""
        with _noticing_who_left():
            return super().invoke(ctx)


@contextmanager
def _noticing_who_left() -> Generator[None]:
    # click itself would end the process here, with 1 and without a word.
    try:
        yield
    except BrokenPipeError as error:
        raise Unread from error


@click.group(PROGRAM, cls=Root)
@click.version_option(__version__, prog_name=PROGRAM)
def root() -> None:
    """Send SMS campaigns in high volume, and know what became of each."""


def run(arguments: Sequence[str] | None) -> int:
    """Run a command; what is wrong is told in one line, with what to do next.

    Returns:
        The exit code.
    """
    settings = Settings()
    try:
        code: object = root.main(arguments, PROGRAM, standalone_mode=False, obj=settings)
        _flush()
    except click.Abort:
        tell(f"{PROGRAM}: interrupted")
        return 130
    except Exception as error:  # whatever it is, a person reads of it in one line
        if isinstance(error, ModuleNotFoundError) and needs_extra(error):
            raise
        if settings.debug:
            _tell_where(error, settings)
        line, exit_code = _told(error)
        tell(f"{line}{_what_else(line, settings)}")
        if isinstance(error, Ended):
            for each in error.then:
                tell(each)
        _drop_what_nobody_takes()
        return exit_code
    return code if isinstance(code, int) else 0


def _flush() -> None:
    try:
        if sys.stdout is not None:  # closed from the start
            sys.stdout.flush()
    except BrokenPipeError as error:
        raise Unread from error
    except OSError as error:
        raise click.ClickException(f"standard output cannot be written: {error.strerror}") from error


def _told(error: Exception) -> tuple[str, int]:
    """A line for an error, and the exit code."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else PROGRAM
        return f"{path}: {_one_line(error).rstrip('.')} (see: {path} --help)", error.exit_code
    if isinstance(error, click.ClickException):
        return f"{PROGRAM}: {_one_line(error)}", error.code if isinstance(error, Ended) else error.exit_code
    if isinstance(error, BrokenPipeError):
        return _told(Unread())
    return f"{PROGRAM}: {unexpected(error)}", 1


def _one_line(error: click.ClickException) -> str:
    return shown(" ".join(error.format_message().split()))


def _what_else(line: str, settings: Settings) -> str:
    return "; --debug shows where" if line.startswith(f"{PROGRAM}: unexpected error: ") and not settings.debug else ""


def _tell_where(error: Exception, settings: Settings) -> None:
    from traceback import format_exception

    text = "".join(format_exception(error))
    for secret in settings.secrets:
        text = text.replace(secret, "(a secret)")
    for line in text.splitlines():
        tell(shown(line))


def _drop_what_nobody_takes() -> None:
    """What could not be written would be tried again, and complained of, when the process ends."""
    try:
        _flush()
    except (click.ClickException, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
