"""The client that the connection options and the environment describe, and the lines that its errors become."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import click

from campaigns_async._checks import check_base_url, check_seconds
from campaigns_async.cli.arguments import check_rate, check_setting, read_key
from campaigns_async.cli.console import UsageFailure, print_line, printable
from campaigns_async.cli.options import KEY_VARIABLE, URL_VARIABLE, ConnectionOptions
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.errors import (
    AuthenticationError,
    CampaignsError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidArgumentError,
    QueryError,
)
from campaigns_async.settings import Auth

if TYPE_CHECKING:
    from campaigns_async import CampaignsClient

ClientFactory: TypeAlias = "Callable[[], CampaignsClient]"


def connect(options: ConnectionOptions) -> ClientFactory:
    """Return a function that makes a client with the settings of the options and the environment."""
    check_rate(options.rate)
    read = check_setting(lambda: check_seconds("--read-timeout", options.read_timeout))
    name, url = "--base-url", options.base_url
    if url is None:
        name, url = URL_VARIABLE, os.environ.get(URL_VARIABLE)
    if url is None:
        raise click.UsageError(f"the API's URL is needed: set {URL_VARIABLE}, or pass --base-url")
    base_url = check_setting(lambda: check_base_url(name, url))
    key = read_key(options.api_key_file)

    def make_client() -> CampaignsClient:
        from campaigns_async import CampaignsClient, RetryPolicy, Timeouts

        return CampaignsClient(
            base_url,
            key,
            auth=Auth(options.auth),
            max_concurrency=options.concurrency,
            rate_limit=options.rate,
            timeouts=Timeouts(read=read),
            retry=RetryPolicy(rejected_statuses=options.rejected_status),
            trust_env=True,
        )

    return make_client


def run_with_client(make_client: ClientFactory, work: Callable[[CampaignsClient], Awaitable[None]]) -> None:
    """Run `work` with a client; convert its errors to lines with an exit code."""

    async def run() -> None:
        async with make_client() as client:
            await work(client)

    try:
        run_loop(run)
    except Interrupted as error:
        print_line("interrupted")
        raise click.exceptions.Exit(error.exit_code) from error
    except CampaignsError as error:
        raise to_click_error(error) from error


def to_click_error(error: CampaignsError) -> click.ClickException:
    """Convert an error to a line, with exit code 2 for wrong use and 1 otherwise."""
    from campaigns_async.jobs.job_errors import JobError, JournalInUseError, JournalWriteError, PlanError

    message = error.message if isinstance(error, PlanError) else str(error)  # `print_faults` shows its lines
    if isinstance(error, PlanError) and error.count > len(error.lines) > 0:
        message += f"; the first {len(error.lines)} are shown above"
    for cls, advice in (
        (AuthenticationError, f"check {KEY_VARIABLE} or --api-key-file, and --auth"),
        (ConnectionFailedError, f"check {URL_VARIABLE} or --base-url, and that the server runs"),
        (JournalWriteError, "the results so far are safe: fix the disk or make room, then run the same command again"),
        (JournalInUseError, "wait until it ends, or stop it (`journal show` works in the meantime)"),
    ):
        if isinstance(error, cls):
            message += f"; {advice}"
    wrong_use = (ConfigurationError, InvalidArgumentError, QueryError, JobError)
    is_wrong_use = isinstance(error, wrong_use) and not isinstance(error, JournalWriteError)
    return (UsageFailure if is_wrong_use else click.ClickException)(message)


def print_faults(error: CampaignsError) -> None:
    """Print the faults of a plan, a line each."""
    from campaigns_async.jobs.job_errors import PlanError

    for line in error.lines if isinstance(error, PlanError) else ():
        print_line(printable(str(line)))
