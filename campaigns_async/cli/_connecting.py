"""The options that say how the API is reached. The key is never one of them: a process list shows arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from campaigns_async.cli._declaring import FilePath, options

if TYPE_CHECKING:
    from pathlib import Path

    from campaigns_async.cli._connection import Connection

KEY_VARIABLE: Final = "CAMPAIGNS_API_KEY"
URL_VARIABLE: Final = "CAMPAIGNS_BASE_URL"
WAYS: Final = ("bearer", "header", "query")
"""The values of `Auth`, which is slow to import."""


class Connecting(NamedTuple):
    """What was given of these options."""

    base_url: str | None
    api_key_file: Path | None
    auth: str
    concurrency: int
    rate: float | None

    def check(self) -> None:
        """Look at what needs neither the URL nor the key.

        Raises:
            click.UsageError: The rate cannot be.
        """
        from campaigns_async.cli._connection import check_rate

        check_rate(self.rate)

    def connection(self) -> Connection:
        """All of it, with what the environment says.

        Raises:
            click.UsageError: Something is missing, or cannot be.
        """
        from campaigns_async.cli._connection import connection_of

        return connection_of(self)


def connecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as one argument, `connecting`."""

    @wraps(command)
    def call(
        *args: object,
        base_url: str | None,
        api_key_file: Path | None,
        auth: str,
        concurrency: int,
        rate: float | None,
        **others: object,
    ) -> object:
        given = Connecting(base_url, api_key_file, auth, concurrency, rate)
        return command(*args, connecting=given, **others)

    return _options(call)


_options: Final = options(
    click.option("--base-url", metavar="URL", help=f"Where the API is. Default: {URL_VARIABLE} in the environment."),
    click.option(
        "--api-key-file",
        type=FilePath(),
        help=f"Holds the key, and nothing else. Default: {KEY_VARIABLE} in the environment.",
    ),
    click.option("--auth", type=click.Choice(WAYS), default="bearer", show_default=True, help="Where the key travels."),
    click.option(
        "--concurrency", type=click.IntRange(1, 1000), default=32, show_default=True, help="Requests in flight at most."
    ),
    click.option("--rate", type=float, metavar="N", help="Requests a second at most. Default: no limit."),
)
