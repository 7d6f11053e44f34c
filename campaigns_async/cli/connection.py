"""Reaches the API with the connection options and the environment, and converts its errors to lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from attrs import field, frozen

from campaigns_async import (
    AuthenticationError,
    CampaignsError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidArgumentError,
    QueryError,
)
from campaigns_async._checks import check_api_key, check_base_url, check_seconds
from campaigns_async.cli.console import UsageFailure, current_invocation, print_line, printable
from campaigns_async.cli.options import KEY_VARIABLE, URL_VARIABLE, ConnectionOptions
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.settings import Auth

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
    base_url = check_setting(lambda: check_base_url(name, url))
    return Connection(base_url, read_key(given.api_key_file), Auth(given.auth), given.concurrency, given.rate)


def check_rate(rate: float | None) -> None:
    """Raise a UsageError if `rate` cannot be."""
    if rate is not None:
        check_setting(lambda: check_seconds("--rate", rate, ge=0.001))


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
        # The path is not quoted either: someone may have pasted the key itself.
        name, key = "the key in --api-key-file", read_text("--api-key-file", path).strip()
    key = check_setting(lambda: check_api_key(name, key))
    current_invocation().secrets.add(key)
    return key


def read_bytes(option: str, path: Path, *, allow_dash: bool = False) -> bytes:
    """Return what the file holds that an option names; raise a UsageError, without the path, if it cannot be read."""
    try:
        return sys.stdin.buffer.read() if allow_dash and str(path) == "-" else path.read_bytes()
    except (OSError, ValueError, AttributeError) as error:  # AttributeError: standard input is closed
        why = error.strerror if isinstance(error, OSError) else None
        raise click.UsageError(f"{option} cannot be read: {why or type(error).__name__}") from None


def read_text(option: str, path: Path, *, allow_dash: bool = False) -> str:
    """Return the text of a file in UTF-8, without a byte order mark."""
    content = read_bytes(option, path, allow_dash=allow_dash)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(f"{option} is no text file in UTF-8") from None


def check_setting(check: Callable[[], T], option: str = "", parameter: str = "") -> T:
    """Return what the check of a value returns; raise its error as a UsageError.

    Args:
        check: Returns the value, or raises why it cannot be.
        option: The option that sets it; empty if the error's message names it already.
        parameter: The name that the message may begin with, which the option takes the place of.
    """
    try:
        return check()
    except (ConfigurationError, InvalidArgumentError, QueryError) as error:
        raise click.UsageError(name_option(option, parameter, error.message) if option else error.message) from None


def name_option(option: str, parameter: str, message: str) -> str:
    """Return a message about a parameter, with the option in the place of the name that it begins with."""
    rest = message.removeprefix(parameter)
    return f"{option}: {message}" if rest == message else f"{option}{rest}"


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
        raise to_click_error(error) from error


def to_click_error(error: CampaignsError) -> click.ClickException:
    """Return the line for an error, with exit code 2 if the call was wrong and 1 otherwise."""
    from campaigns_async.jobs.job_errors import JobError, JournalInUseError, JournalWriteError, PlanError

    message = str(error)
    if isinstance(error, PlanError) and error.count > len(error.lines) > 0:
        message += f"; the first {len(error.lines)} are shown above"
    for cls, advice in (
        (AuthenticationError, f"look at {KEY_VARIABLE} or --api-key-file, and at --auth"),
        (ConnectionFailedError, f"look at {URL_VARIABLE} or --base-url, and whether the server runs"),
        (JournalWriteError, "what was acknowledged is safe: make room or mend it, then run the same command again"),
        (JournalInUseError, "wait until it has ended, or stop it (`journal show` can look meanwhile)"),
    ):
        if isinstance(error, cls):
            message += f"; {advice}"
    wrong_use = (ConfigurationError, InvalidArgumentError, QueryError, JobError)
    is_wrong_use = isinstance(error, wrong_use) and not isinstance(error, JournalWriteError)
    return (UsageFailure if is_wrong_use else click.ClickException)(message)


def print_faults(error: CampaignsError) -> None:
    """Print what is wrong with the lines of a plan."""
    from campaigns_async.jobs.job_errors import PlanError

    for line in error.lines if isinstance(error, PlanError) else ():
        print_line(printable(str(line)))
