"""Base classes and shared options of the commands. Of the slow packages, only click is imported."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce, wraps
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import click

from campaigns_async._similar_names import suggest
from campaigns_async._version import __version__
from campaigns_async.cli.console import PROGRAM, Invocation, print_output

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

KEY_VARIABLE: Final = "CAMPAIGNS_API_KEY"
URL_VARIABLE: Final = "CAMPAIGNS_BASE_URL"
DEFAULT_SPLIT: Final = 5000
"""The most contacts per campaign of a CSV."""

# Copies of enumerations that are slow to import; a test compares them with the originals.
AUTH_WAYS: Final = ("bearer", "header", "query")
EXPORT_FORMATS: Final = ("csv", "ndjson", "parquet")
JOURNAL_STATES: Final = ("planned", "sending", "created", "failed", "unknown")
SANDBOX_QUIRKS: Final = (
    "bare_id", "list_in_array", "dates", "phones", "drops_custom", "default_page_size", "max_page_size", "max_total", "refused_sort",
    "strict_filters",
)  # fmt: skip


FilePath: Callable[..., click.Path] = partial(click.Path, path_type=Path)


def _set_flag(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and parameter.name is not None:
        setattr(context.find_object(Invocation), parameter.name, True)


def _print(describe: Callable[[click.Context], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    def print_and_exit(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            print_output(describe(context))
            context.exit()

    return print_and_exit


def _flag(*names: str, callback: Callable[[click.Context, click.Parameter, bool], None], help: str) -> click.Option:
    return click.Option(names, is_flag=True, is_eager=True, expose_value=False, callback=callback, help=help)


SHARED_OPTIONS: Final = (
    _flag("-q", "--quiet", callback=_set_flag, help="Print errors only on standard error: no progress, no notes."),
    _flag("--no-color", callback=_set_flag, help="Print without colors, as with NO_COLOR in the environment."),
    _flag("--debug", callback=_set_flag, help="Show where an error comes from (a traceback)."),
    _flag(
        "-V",
        "--version",
        callback=_print(lambda _: f"{PROGRAM}, version {__version__}"),
        help="Show the version and exit.",
    ),
    _flag("-h", "--help", callback=_print(click.Context.get_help), help="Show this message and exit."),
)
_SWITCHES: Final = frozenset({"-q", "--quiet", "--no-color", "--debug"})


class Command(click.Command):
    """A command with the options that all commands share."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then those that every command has."""
        return [*self.params, *SHARED_OPTIONS]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Without any argument, print the help if the command needs some."""
        needs_some = isinstance(self, Group) or any(parameter.required for parameter in self.params)
        if needs_some and not ctx.resilient_parsing and _SWITCHES.issuperset(args):
            args = [*args, "--help"]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            names = [
                name
                for parameter in self.get_params(ctx)
                for name in (*parameter.opts, *parameter.secondary_opts)
                if name.startswith("--")
            ]
            advice = suggest(error.option_name, names)
            if not advice and isinstance(self, Group):
                advice = "; a command's own options go after its name"
            raise click.UsageError(f"unknown option {error.option_name!r}{advice}", ctx) from error


class Group(Command, click.Group):
    """A group of commands. Without a command, it prints its help."""

    command_class: type[click.Command] | None = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names. The error for an unknown one suggests a similar one."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            advice = suggest(args[0], self.list_commands(ctx), "commands")
            raise click.UsageError(f"unknown command {args[0]!r}{advice}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their summaries, which are wrapped and not cut off."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(80)) for name in sorted(self.commands)])


def options(*each: Decorator) -> Decorator:
    """Return one decorator for several options; help shows them in this order."""
    return lambda command: reduce(lambda made, option: option(made), reversed(each), command)


concurrency_option: Final = click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=32, help="Most requests in flight."
)


class ConnectionOptions(NamedTuple):
    """The values of the options that say how the API is reached."""

    base_url: str | None
    api_key_file: Path | None
    auth: str
    concurrency: int
    rate: float | None
    rejected_status: tuple[int, ...]
    read_timeout: float


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
    click.option("--auth", type=click.Choice(AUTH_WAYS), default="bearer", help="Way to send the key."),
    concurrency_option,
    click.option("--rate", type=float, metavar="N", help="Most requests per second. Default: no limit."),
    click.option(
        "--rejected-status",
        type=click.IntRange(400, 599),
        multiple=True,
        metavar="STATUS",
        help="HTTP status, such as 503, that this server and its proxies answer only if they did nothing, so that even a "
        "create may be repeated; may be repeated.",
    ),
    click.option(
        "--read-timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="Longest wait for a response. A create without one is looked for until twice this time has passed.",
    ),
)
