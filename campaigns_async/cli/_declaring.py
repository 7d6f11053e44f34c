"""What every command is made of. What declares a command imports click and nothing else that is slow."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

if TYPE_CHECKING:
    from pathlib import Path

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def options(*each: Decorator) -> Decorator:
    """Several options that go together as one decorator; help shows them in this order."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(each):
            command = option(command)
        return command

    return decorated


class Settings:
    """What holds for one call of the program.

    Attributes:
        debug: Whether errors show where they come from.
        secrets: What must not be shown even then.
    """

    def __init__(self) -> None:
        self.debug = False
        self.secrets: set[str] = set()


def keep_secret(text: str) -> None:
    """Have it shown nowhere, tracebacks included."""
    context = click.get_current_context(silent=True)
    settings = None if context is None else context.find_object(Settings)
    if settings is not None:
        settings.secrets.add(text)


def _set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    settings = context.find_object(Settings)
    if value and settings is not None:
        settings.debug = True


DEBUG: Final = click.Option(
    ["--debug"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set_debug,
    help="Show where an error comes from (a traceback).",
)


class FilePath(click.Path):
    """A path, as a `pathlib.Path`, which is imported once there is one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Make it one."""
        from pathlib import Path

        return Path(os.fsdecode(super().convert(value, param, ctx)))


class _WithDebug(click.Command):
    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return the names of the help option."""
        return ["-h", "--help"]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own, `--debug`, and `--help` last."""
        *own, last = super().get_params(ctx)
        return [*own, DEBUG, last]


class Command(_WithDebug, click.Command):
    """A command with `--debug`."""


class Group(_WithDebug, click.Group):
    """Commands below a name, all with `--debug`."""

    command_class: type[click.Command] | None = Command
    group_class: type[click.Group | type] | None = type

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False, **options})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; says which there are, if it is none of them."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            names = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"No such command {args[0]!r}: there are {names}", ctx) from error
