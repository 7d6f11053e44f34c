"""Converts the package's errors to lines and exit codes of the command line."""

from __future__ import annotations

from typing import Final

import click

from campaigns_async.cli.console import UsageFailure, print_line, printable
from campaigns_async.cli.options import KEY_VARIABLE, URL_VARIABLE
from campaigns_async.errors import (
    AuthenticationError,
    CampaignsError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidArgumentError,
    QueryError,
)
from campaigns_async.jobs.job_errors import JobError, JournalInUseError, JournalWriteError, PlanError

_ADVICE: Final = (
    (AuthenticationError, f"look at {KEY_VARIABLE} or --api-key-file, and at --auth"),
    (ConnectionFailedError, f"look at {URL_VARIABLE} or --base-url, and whether the server runs"),
    (JournalWriteError, "what was acknowledged is safe: make room or mend it, then run the same command again"),
    (JournalInUseError, "wait until it has ended, or stop it (`journal show` can look meanwhile)"),
)
_WRONG_USE: Final = (ConfigurationError, InvalidArgumentError, QueryError, JobError)


def to_click_error(error: CampaignsError) -> click.ClickException:
    """Return the line for an error, with exit code 2 if the call was wrong and 1 otherwise."""
    message = str(error)
    if isinstance(error, PlanError) and error.count > len(error.lines) > 0:
        message += f"; the first {len(error.lines)} are shown above"
    for cls, advice in _ADVICE:
        if isinstance(error, cls):
            message += f"; {advice}"
    is_wrong_use = isinstance(error, _WRONG_USE) and not isinstance(error, JournalWriteError)
    return (UsageFailure if is_wrong_use else click.ClickException)(message)


def print_faults(error: CampaignsError) -> None:
    """Print what is wrong with the lines of a plan."""
    for line in error.lines if isinstance(error, PlanError) else ():
        print_line(printable(str(line)))
