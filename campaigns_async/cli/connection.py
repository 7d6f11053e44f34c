"""Reaches the API with the connection options and the environment."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from attrs import field, frozen

from campaigns_async import CampaignsError, ConfigurationError, checks
from campaigns_async.cli.console import print_line
from campaigns_async.cli.options import KEY_VARIABLE, URL_VARIABLE, ConnectionOptions, keep_secret
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.values import Auth

if TYPE_CHECKING:
    from campaigns_async import CampaignsClient, Observer

T = TypeVar("T")


@frozen
class Connection:
    """The settings of a client."""

    base_url: str
    api_key: str = field(repr=False)
    auth: Auth
    concurrency: int
    rate: float | None
    """Most requests a second."""

    def client(self, observer: Observer | None = None) -> CampaignsClient:
        """Return a client with these settings."""
        from campaigns_async import CampaignsClient

        return CampaignsClient(
            self.base_url,
            self.api_key,
            auth=self.auth,
            max_concurrency=self.concurrency,
            rate_limit=self.rate,
            observer=observer,
        )


def connect(given: ConnectionOptions) -> Connection:
    """Return the settings that the options and the environment give.

    Raises:
        click.UsageError: If one is missing or cannot be.
    """
    check_rate(given.rate)
    name, url = "--base-url", given.base_url
    if url is None:
        name, url = URL_VARIABLE, os.environ.get(URL_VARIABLE)
    if url is None:
        raise click.UsageError(f"the API's URL is needed: set {URL_VARIABLE}, or pass --base-url")
    base_url = check_setting(lambda: checks.check_base_url(name, url))
    return Connection(base_url, read_key(given.api_key_file), Auth(given.auth), given.concurrency, given.rate)


def check_rate(rate: float | None) -> None:
    """Raise a UsageError if `rate` cannot be."""
    if rate is not None:
        check_setting(lambda: checks.check_seconds("--rate", rate, ge=0.001))


def read_key(path: Path | None) -> str:
    """Return the key from a file, or from the environment if `path` is None.

    Raises:
        click.UsageError: If there is no key, or it cannot be one. Neither the key nor the path is quoted.
    """
    if path is None:
        name, key = KEY_VARIABLE, os.environ.get(KEY_VARIABLE)
        if key is None:
            raise click.UsageError(f"a key is needed: set {KEY_VARIABLE}, or name a file with --api-key-file")
    else:
        name, key = "the key in --api-key-file", _read_text(path)
    key = check_setting(lambda: checks.check_api_key(name, key))
    keep_secret(key)
    return key


def _read_text(path: Path) -> str:
    try:
        # The path is not quoted either: someone may have pasted the key itself.
        return path.read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise click.UsageError("--api-key-file is no text file") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise click.UsageError(f"--api-key-file cannot be read: {why or type(error).__name__}") from None


def check_setting(check: Callable[[], T]) -> T:
    """Return what the check of a setting returns; raise its ConfigurationError as a UsageError."""
    try:
        return check()
    except ConfigurationError as error:
        raise click.UsageError(error.message) from None


def run_with_client(connection: Connection, work: Callable[[CampaignsClient], Awaitable[None]]) -> None:
    """Run `work` with a client; raise what goes wrong as a line with an exit code."""

    async def run() -> None:
        async with connection.client() as client:
            await work(client)

    try:
        run_loop(run)
    except Interrupted as error:
        print_line("interrupted")
        raise click.exceptions.Exit(error.exit_code) from error
    except CampaignsError as error:
        from campaigns_async.cli.error_messages import to_click_error

        raise to_click_error(error) from error
