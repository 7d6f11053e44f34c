"""Base classes and shared options of the commands. Imports click and nothing else that is slow."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import click

if TYPE_CHECKING:
    from pathlib import Path

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

KEY_VARIABLE: Final = "CAMPAIGNS_API_KEY"
URL_VARIABLE: Final = "CAMPAIGNS_BASE_URL"
DEFAULT_SPLIT: Final = 5000
"""Contacts to a campaign."""

# Copies of enumerations that are slow to import; a test holds them to the originals.
AUTH_WAYS: Final = ("bearer", "header", "query")
EXPORT_FORMATS: Final = ("csv", "ndjson", "parquet")
JOURNAL_STATES: Final = ("planned", "sending", "created", "failed", "unknown")
SANDBOX_QUIRKS: Final = (
    "bare_id", "list_in_array", "dates", "phones", "default_page_size", "max_page_size", "strict_filters",
)  # fmt: skip


class Invocation:
    """The state of one call of the program.

    Attributes:
        debug: True if errors are shown with a traceback.
        secrets: Texts that are never shown, tracebacks included.
    """

    def __init__(self) -> None:
        self.debug = False
        self.secrets: set[str] = set()


def keep_secret(text: str) -> None:
    """Keep a text out of everything that is shown, tracebacks included."""
    context = click.get_current_context(silent=True)
    invocation = None if context is None else context.find_object(Invocation)
    if invocation is not None:
        invocation.secrets.add(text)


def _set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    invocation = context.find_object(Invocation)
    if value and invocation is not None:
        invocation.debug = True


DEBUG: Final = click.Option(
    ["--debug"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set_debug,
    help="Show where an error comes from (a traceback).",
)


class _BaseCommand(click.Command):
    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return the names of the help option."""
        return ["-h", "--help"]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then `--debug` and `--help`."""
        *own, last = super().get_params(ctx)
        return [*own, DEBUG, last]


class Command(_BaseCommand, click.Command):
    """A command with `--debug` and `-h`."""


class Group(_BaseCommand, click.Group):
    """A group of commands, each with `--debug` and `-h`."""

    command_class: type[click.Command] | None = Command
    group_class: type[click.Group | type] | None = type

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False, **options})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the named command, or raise a UsageError that lists the commands."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            names = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"No such command {args[0]!r}: there are {names}", ctx) from error


class FilePath(click.Path):
    """A path parameter that is converted to a `pathlib.Path`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the value as a `Path`."""
        from pathlib import Path

        return Path(os.fsdecode(super().convert(value, param, ctx)))


def options(*each: Decorator) -> Decorator:
    """Return one decorator for several options; help shows them in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(each):
            command = option(command)
        return command

    return decorate


concurrency_option: Final = click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=32, show_default=True, help="Most requests in flight."
)


class ConnectionOptions(NamedTuple):
    """The values of the options that say how the API is reached."""

    base_url: str | None
    api_key_file: Path | None
    auth: str
    concurrency: int
    rate: float | None


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how the API is reached; the command takes them as `connection`.

    The key itself is no option: process lists show arguments.
    """

    @wraps(command)
    def call(*args: object, **given: Any) -> object:
        values = [given.pop(name) for name in ConnectionOptions._fields]
        return command(*args, connection=ConnectionOptions(*values), **given)

    return _connection_options(call)


_connection_options: Final = options(
    click.option("--base-url", metavar="URL", help=f"URL of the API. Default: {URL_VARIABLE} in the environment."),
    click.option(
        "--api-key-file",
        type=FilePath(),
        help=f"File that holds the key and nothing else. Default: {KEY_VARIABLE} in the environment.",
    ),
    click.option(
        "--auth", type=click.Choice(AUTH_WAYS), default="bearer", show_default=True, help="Where the key is sent."
    ),
    concurrency_option,
    click.option("--rate", type=float, metavar="N", help="Most requests a second. Default: no limit."),
)
