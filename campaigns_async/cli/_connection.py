"""How the API is reached, out of the options and the environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from attrs import field, frozen

from campaigns_async import ConfigurationError, checks
from campaigns_async.cli._connecting import KEY_VARIABLE, URL_VARIABLE, Connecting
from campaigns_async.cli._declaring import keep_secret
from campaigns_async.values import Auth

if TYPE_CHECKING:
    from campaigns_async import CampaignsClient, Observer

T = TypeVar("T")


@frozen
class Connection:
    """How the API is reached."""

    base_url: str
    api_key: str = field(repr=False)
    auth: Auth
    concurrency: int
    rate: float | None
    """Requests a second at most."""

    def client(self, observer: Observer | None = None) -> CampaignsClient:
        """A client that reaches it so."""
        from campaigns_async import CampaignsClient

        return CampaignsClient(
            self.base_url,
            self.api_key,
            auth=self.auth,
            max_concurrency=self.concurrency,
            rate_limit=self.rate,
            observer=observer,
        )


def check_rate(rate: float | None) -> None:
    """See that it can be.

    Raises:
        click.UsageError: It cannot.
    """
    if rate is not None:
        checked(lambda: checks.seconds("--rate", rate, least=0.001))


def connection_of(given: Connecting) -> Connection:
    """All that was given, with what the environment says.

    Raises:
        click.UsageError: Something is missing, or cannot be.
    """
    check_rate(given.rate)
    name, url = "--base-url", given.base_url
    if url is None:
        name, url = URL_VARIABLE, os.environ.get(URL_VARIABLE)
    if url is None:
        raise click.UsageError(f"it must be known where the API is: set {URL_VARIABLE}, or pass --base-url")
    base_url = checked(lambda: checks.base_url(name, url))
    return Connection(base_url, read_key(given.api_key_file), Auth(given.auth), given.concurrency, given.rate)


def read_key(path: Path | None) -> str:
    """The key out of a file, or else out of the environment. Neither it nor the path is ever told.

    Raises:
        click.UsageError: There is none, or it cannot be one.
    """
    if path is None:
        name, key = KEY_VARIABLE, os.environ.get(KEY_VARIABLE)
        if key is None:
            raise click.UsageError(f"a key is needed: set {KEY_VARIABLE}, or name a file with --api-key-file")
    else:
        name, key = "the key in --api-key-file", _text_of(path)
    key = checked(lambda: checks.api_key(name, key))
    keep_secret(key)
    return key


def _text_of(path: Path) -> str:
    try:
        # Not the path either: someone may have pasted the key itself.
        return path.read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise click.UsageError("--api-key-file is no text file") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise click.UsageError(f"--api-key-file cannot be read: {why or type(error).__name__}") from None


def checked(check: Callable[[], T]) -> T:
    """What a check of a setting gives, its error as one of usage."""
    try:
        return check()
    except ConfigurationError as error:
        raise click.UsageError(error.message) from None
