"""The options that say how the API is reached. The key is never one of them: a process list shows arguments."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from attrs import field, frozen

from campaigns_async import ConfigurationError, checks
from campaigns_async.values import Auth

if TYPE_CHECKING:
    from campaigns_async import CampaignsClient, Observer

T = TypeVar("T")

KEY_VARIABLE: Final = "CAMPAIGNS_API_KEY"
URL_VARIABLE: Final = "CAMPAIGNS_BASE_URL"


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


@frozen
class Connecting:
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
        if self.rate is not None:
            _checked(lambda: checks.seconds("--rate", self.rate, least=0.001))

    def connection(self) -> Connection:
        """All of it, with what the environment says.

        Raises:
            click.UsageError: Something is missing, or cannot be.
        """
        self.check()
        name, url = "--base-url", self.base_url
        if url is None:
            name, url = URL_VARIABLE, os.environ.get(URL_VARIABLE)
        if url is None:
            raise click.UsageError(f"it must be known where the API is: set {URL_VARIABLE}, or pass --base-url")
        base_url = _checked(lambda: checks.base_url(name, url))
        return Connection(base_url, read_key(self.api_key_file), Auth(self.auth), self.concurrency, self.rate)


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

    decorated: Callable[..., Any] = call
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_OPTIONS: Final[tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...]] = (
    click.option("--base-url", metavar="URL", help=f"Where the API is. Default: {URL_VARIABLE} in the environment."),
    click.option(
        "--api-key-file",
        type=click.Path(path_type=Path),
        help=f"Holds the key, and nothing else. Default: {KEY_VARIABLE} in the environment.",
    ),
    click.option(
        "--auth",
        type=click.Choice([way.value for way in Auth]),
        default=Auth.BEARER.value,
        show_default=True,
        help="Where the key travels.",
    ),
    click.option(
        "--concurrency", type=click.IntRange(1, 1000), default=32, show_default=True, help="Requests in flight at most."
    ),
    click.option("--rate", type=float, metavar="N", help="Requests a second at most. Default: no limit."),
)


def read_key(path: Path | None) -> str:
    """The key out of a file, or else out of the environment. Neither it nor the path is ever told.

    Raises:
        click.UsageError: There is none, or it cannot be one.
    """
    if path is None:
        key = os.environ.get(KEY_VARIABLE)
        if key is None:
            raise click.UsageError(f"a key is needed: set {KEY_VARIABLE}, or name a file with --api-key-file")
        return _checked(lambda: checks.api_key(KEY_VARIABLE, key))
    try:
        # Not the path either: someone may have pasted the key itself.
        text = path.read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise click.UsageError("--api-key-file is no text file") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise click.UsageError(f"--api-key-file cannot be read: {why or type(error).__name__}") from None
    return _checked(lambda: checks.api_key("the key in --api-key-file", text))


def _checked(check: Callable[[], T]) -> T:
    try:
        return check()
    except ConfigurationError as error:
        raise click.UsageError(error.message) from None
