"""The root of the commands. Each is a file of its own, imported only when it is called for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

import click

from campaigns_async._version import __version__

PROGRAM: Final = "campaigns-async"


class Entry(NamedTuple):
    """Where a command is, and what the root's help says of it."""

    module: str
    name: str
    help: str


COMMANDS: Final[dict[str, Entry]] = {
    "demo": Entry("campaigns_async.cli.demo", "demo", "Create 500 campaigns on a sandbox that fails; check the count."),
    "journal": Entry(
        "campaigns_async.cli.journal", "journal", "Look into a send's journal, and settle its rows by hand."
    ),
    "sandbox": Entry(
        "campaigns_async.cli.sandbox", "sandbox", "Play the Campaigns API on this machine, to try things out."
    ),
    "send": Entry("campaigns_async.cli.send", "send", "Create every campaign of a plan, each once, whatever dies."),
}


class LazyGroup(click.Group):
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


@click.group(PROGRAM, cls=LazyGroup, no_args_is_help=False)
@click.version_option(__version__, prog_name=PROGRAM)
def root() -> None:
    """Send SMS campaigns in high volume, and know what became of each."""


def run(arguments: Sequence[str] | None) -> int:
    """Run a command; what is wrong is told in one line, with what to do next.

    Returns:
        The exit code.
    """
    try:
        code: object = root.main(arguments, PROGRAM, standalone_mode=False)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else PROGRAM
        click.echo(f"{path}: {error.format_message().rstrip('.')} (see: {path} --help)", err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"{PROGRAM}: {error.format_message()}", err=True)
        return error.exit_code
    except click.Abort:
        click.echo(f"{PROGRAM}: interrupted", err=True)
        return 130
    return code if isinstance(code, int) else 0
