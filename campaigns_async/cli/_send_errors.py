"""What a run raises, as a line that says what to do, and an exit code."""

from __future__ import annotations

import click

from campaigns_async import CampaignsError
from campaigns_async.cli._telling import WrongUse, shown
from campaigns_async.cli._wording import as_options
from campaigns_async.jobs.errors import JobError, JournalInUseError, JournalWriteError, PlanError


def told(error: CampaignsError) -> click.ClickException:
    """The line for an error; lines of a plan are told on stderr before it."""
    message = error.message if isinstance(error, JobError) else str(error)
    if isinstance(error, PlanError) and error.lines:
        for line in error.lines:
            click.echo(shown(as_options(str(line))), err=True)
        if error.count > len(error.lines):
            message += f"; the first {len(error.lines)} are told above"
    if isinstance(error, JournalWriteError):
        message += "; what was acknowledged is safe: make room or mend it, then run the same command again"
    elif isinstance(error, JournalInUseError):
        message += "; wait till it has ended, or stop it (`journal show` can look meanwhile)"
    # Wrong use, unless it was the disk's or the server's fault.
    is_wrong_use = isinstance(error, JobError) and not isinstance(error, JournalWriteError)
    return (WrongUse if is_wrong_use else click.ClickException)(shown(as_options(message)))
