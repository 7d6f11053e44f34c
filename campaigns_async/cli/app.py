"""The program `campaigns-async`: it finds a command, runs it, and reports an error in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final, NamedTuple

import click

from campaigns_async.cli.console import (
    PROGRAM,
    UNEXPECTED,
    Invocation,
    OutputClosed,
    RunFailed,
    describe_unexpected,
    print_line,
    printable,
    to_output_error,
)
from campaigns_async.cli.options import Group


class Entry(NamedTuple):
    """The module that declares a command, and the command's line in the root's help."""

    module: str
    help: str


COMMANDS: Final = {
    "campaigns": Entry("campaigns_command", "Show campaigns that are on the server."),
    "completion": Entry("completion", "Print the script that completes commands in your shell."),
    "demo": Entry("demo", "Create 500 campaigns on a sandbox that fails; check the count."),
    "export": Entry("export_command", "Write campaigns or contacts to CSV, NDJSON or Parquet."),
    "guide": Entry("guide_command", "Show the guides, or list their topics and headings."),
    "journal": Entry("journal_command", "Show the journal of a send, and settle its rows by hand."),
    "sandbox": Entry("sandbox_command", "Run a server on this machine that behaves like the API."),
    "send": Entry("send_command", "Create each campaign of a plan once, whatever fails."),
}


class Root(Group):
    """The root of the commands. A command's module is imported when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None if there is no such command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(f"campaigns_async.cli.{entry.module}"), cmd_name, None)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{cmd_name} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the commands, each with its line of help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])


@click.group(PROGRAM, cls=Root)
def root() -> None:
    """Send SMS campaigns in high volume, and know the outcome of each."""


def run(arguments: Sequence[str] | None, *, extra: Container[str] = ()) -> int:
    """Run a command and return the exit code; report its error in one line on standard error.

    Args:
        arguments: The arguments after the program's name; None for those of the process.
        extra: Packages of an extra. If one is missing, the error is raised, not reported.

    Raises:
        ModuleNotFoundError: If one of `extra` is not installed.
    """
    invocation = Invocation()
    try:
        code: object = root.main(arguments, PROGRAM, standalone_mode=False, obj=invocation)
        _flush()
    except click.Abort:
        print_line(f"{PROGRAM}: interrupted")
        return 130
    except Exception as error:  # every error becomes one line
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in extra:
            raise
        if invocation.debug:
            _print_traceback(error, invocation.secrets)
        code = _report(error, debug=invocation.debug)
        _discard_output()
    return code if isinstance(code, int) else 0


def _flush() -> None:
    try:
        if sys.stdout is not None:  # None if it was closed before the program began
            sys.stdout.flush()
    except OSError as error:
        raise to_output_error(error.errno) from error


def _report(error: Exception, *, debug: bool) -> int:
    """Print the line for an error, and return the exit code."""
    if isinstance(error, OutputClosed):
        return error.exit_code
    if not isinstance(error, click.ClickException):
        error = click.ClickException(describe_unexpected(error))
    line = printable(" ".join(error.format_message().split()))
    if line.startswith(UNEXPECTED) and not debug:
        line += "; --debug shows where"
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else PROGRAM
        print_line(f"{path}: {line.rstrip('.')} (see: {path} --help)")
    else:
        print_line(f"{PROGRAM}: {line}")
    for each in error.then if isinstance(error, RunFailed) else ():
        print_line(each)
    return error.code if isinstance(error, RunFailed) else error.exit_code


def _print_traceback(error: Exception, secrets: set[str]) -> None:
    from traceback import format_exception

    text = "".join(format_exception(error))
    for secret in secrets:
        text = text.replace(secret, "(a secret)")
    for line in text.splitlines():
        print_line(printable(line))


def _discard_output() -> None:
    """Discard output that cannot be written: Python would try again at exit, and print an error."""
    try:
        _flush()
    except (click.ClickException, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
