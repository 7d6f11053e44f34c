"""The program `campaigns-async`: it runs a command, and reports an error in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Sequence
from contextlib import suppress
from typing import Final

import click

from campaigns_async.cli.campaigns_command import campaigns
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
from campaigns_async.cli.export_command import export
from campaigns_async.cli.guide_command import completion, guide
from campaigns_async.cli.journal_command import journal
from campaigns_async.cli.options import Group
from campaigns_async.cli.sandbox_command import demo, sandbox
from campaigns_async.cli.send_command import send

root: Final = Group(
    PROGRAM,
    commands=[campaigns, completion, demo, export, guide, journal, sandbox, send],
    context_settings={"show_default": True},
    help="Send SMS campaigns in high volume, and know the outcome of each.",
)


def run(arguments: Sequence[str] | None, *, extra: Container[str] = ()) -> int:
    """Run a command and return the exit code; report its error in one line on standard error.

    The error of a missing package is raised if `extra` names the package.
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
