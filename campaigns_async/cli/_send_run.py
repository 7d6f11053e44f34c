"""Runs `send`: the signals that reach it, what it shows meanwhile, and how it ends.

What is slow to import is imported within the event loop, where a signal waits for its turn and is not lost.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from attrs import define, field, frozen

from campaigns_async import CampaignsError, ConfigurationError, checks
from campaigns_async.cli._send_plan import PlanOptions
from campaigns_async.cli.connection import Connection
from campaigns_async.cli.signals import Interrupted, run as run_loop

if TYPE_CHECKING:
    from campaigns_async.cli._send_dry import DryRun
    from campaigns_async.cli._send_report import Ending
    from campaigns_async.cli._send_watch import SendWatch
    from campaigns_async.jobs.job import Job
    from campaigns_async.jobs.progress import Summary

T = TypeVar("T")


@frozen
class RunOptions:
    """What was given, beside the plan and how the API is reached."""

    journal: Path
    reconcile: bool
    settle: float | None
    ignore_invalid_phone_numbers: bool | None
    retry_failed: bool
    patience: float
    dry_run: bool
    as_json: bool

    def check(self) -> None:
        """See that they can be.

        Raises:
            click.UsageError: One cannot.
        """
        try:
            if self.settle is not None:
                checks.check_seconds("--settle", self.settle, ge=0.0)
            checks.check_seconds("--patience", self.patience)
        except ConfigurationError as error:
            raise click.UsageError(error.message) from None
        if not self.journal.absolute().parent.is_dir():
            raise click.UsageError("--journal lies in a folder that is not there: make the folder first")


def run_dry(plan_options: PlanOptions, options: RunOptions) -> int:
    """Show what a run would do; the exit code.

    Raises:
        click.ClickException: What the run would say.
    """
    stopped_by: list[int] = []

    async def work() -> DryRun | None:
        from campaigns_async.cli._send_dry import dry_run
        from campaigns_async.jobs.planning import StoppedError

        try:
            return await dry_run(
                plan_options.read(),
                options.journal,
                ignore_invalid_phone_numbers=options.ignore_invalid_phone_numbers,
                retry_failed=options.retry_failed,
                stopping=lambda: bool(stopped_by),
            )
        except StoppedError:
            return None

    try:
        dry = _telling(lambda: run_loop(work, first=stopped_by.append))
    except Interrupted as error:
        dry, stopped_by = None, [error.exit_code - 128]
    if dry is None:
        click.echo("interrupted; nothing was sent, and the journal is as it was", err=True)
        return 128 + stopped_by[0]
    from campaigns_async.cli._send_dry import print_dry_run

    print_dry_run(dry, as_json=options.as_json)
    return 0


def _telling(work: Callable[[], T]) -> T:
    """Do it; what the package raises becomes a line and an exit code."""
    try:
        return work()
    except CampaignsError as error:
        from campaigns_async.cli.error_messages import print_faults, to_click_error

        print_faults(error)
        raise to_click_error(error) from error
    except ModuleNotFoundError as error:
        if error.name != "phonenumbers":
            raise
        from campaigns_async.cli.console import UsageFailure

        raise UsageFailure(str(error)) from None


@define
class Run:
    """A run from its first signal to its exit code."""

    _context: click.Context
    _plan: PlanOptions
    _options: RunOptions
    _connection: Connection
    _job: Job | None = field(default=None, init=False)
    _watch: SendWatch | None = field(default=None, init=False)
    _signal: int | None = field(default=None, init=False)
    _began: float = field(factory=time.monotonic, init=False)

    def run(self) -> int:
        """Run it, and show how it ended; the exit code.

        Raises:
            click.ClickException: It could not begin.
        """
        try:
            summary = run_loop(self._work, first=self._stop)
        except Interrupted as error:
            number = self._signal or error.exit_code - 128
            return self._end_cut("cut off", 128 + number)
        except CampaignsError as error:
            from campaigns_async.cli.error_messages import print_faults, to_click_error

            print_faults(error)
            line = to_click_error(error)
            if not self._is_checked():
                raise line from error
            return self._end_cut(line.message, line.exit_code)
        from campaigns_async.cli._send_report import Ending

        ending = Ending(summary)
        self._print(ending)
        return ending.exit_code(self._signal)

    async def _work(self) -> Summary:
        from campaigns_async.cli._send_places import with_places
        from campaigns_async.cli._send_watch import watching
        from campaigns_async.jobs.job import Job

        plan, options = self._plan.read(), self._options
        async with watching() as watch, self._connection.client() as client:
            self._watch = watch
            watch.follow(client.stats)
            self._job = Job(
                client,
                plan,
                journal=options.journal,
                reconcile=options.reconcile,
                ignore_invalid_phone_numbers=options.ignore_invalid_phone_numbers,
                retry_failed=options.retry_failed,
                settle=options.settle,
                patience=options.patience,
                on_progress=watch.told,
            )
            if self._signal is not None:
                self._job.stop()
            summary = await self._job.run()
        return await asyncio.to_thread(with_places, summary, plan)

    def _stop(self, number: int) -> None:
        """The first signal."""
        self._signal = number
        again = "press Ctrl-C again" if number == signal.SIGINT else "send the signal again"
        if self._watch is not None:
            self._watch.say(f"finishing what is in flight; {again} to stop at once")
        if self._job is not None:
            self._job.stop()

    def _is_checked(self) -> bool:
        """Whether the run came beyond the check of the plan."""
        from campaigns_async.jobs.progress import Phase

        latest = None if self._watch is None else self._watch.latest
        return latest is not None and latest.phase is not Phase.CHECKING

    def _end_cut(self, stopped: str, exit_code: int) -> int:
        """Show what the journal knows, where the run itself can tell nothing."""
        from campaigns_async.cli._send_report import Ending, summary_of_journal
        from campaigns_async.jobs.job_errors import JournalError

        latest = None if self._watch is None else self._watch.latest
        elapsed = time.monotonic() - self._began
        try:
            summary = summary_of_journal(self._options.journal, latest, elapsed=elapsed, stopped=stopped)
        except JournalError:
            click.echo(f"stopped: {stopped}", err=True)
        else:
            self._print(Ending(summary, is_cut=True))
        return exit_code

    def _print(self, ending: Ending) -> None:
        from campaigns_async.cli._send_report import next_steps, print_ending

        steps = next_steps(ending, self._context, self._options.journal)
        print_ending(ending, steps, as_json=self._options.as_json)
