"""The run of `send`.

Slow imports are made within the event loop, where a signal waits for its turn and is not lost.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click
from attrs import define, field, fields_dict, frozen

from campaigns_async._checks import check_seconds
from campaigns_async.cli.arguments import check_rate, check_setting, name_option, read_text
from campaigns_async.cli.connection import ClientFactory, connect, print_faults, to_click_error
from campaigns_async.cli.console import UsageFailure, print_line
from campaigns_async.cli.options import DEFAULT_SPLIT, ConnectionOptions
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.errors import CampaignsError, ConfigurationError, InvalidArgumentError
from campaigns_async.settings import ReconcilePolicy

if TYPE_CHECKING:
    from campaigns_async.cli.bars import ProgressView
    from campaigns_async.cli.run_figures import SendFigures
    from campaigns_async.effects import State
    from campaigns_async.jobs._preview import Preview
    from campaigns_async.jobs.job import Job
    from campaigns_async.jobs.plans import Plan
    from campaigns_async.jobs.progress import Progress, Summary


_ONLY_WITH_CONTACTS: Final = (
    "message", "message_file", "sender", "start", "split", "opt_out_link_id", "track_link_url", "columns",
)  # fmt: skip
_RULES: Final = ("duplicates", "allow_braces", "default_region", "invalid_numbers")


@frozen
class PlanOptions:
    """The values of the options that describe a plan."""

    plan: str | None
    contacts: Path | None
    message: str | None = field(repr=False)
    message_file: Path | None
    sender: str | None = field(repr=False)
    start: str | None
    split: int | None
    opt_out_link_id: int | None
    track_link_url: str | None = field(repr=False)
    duplicates: Literal["refuse", "keep", "drop"]
    allow_braces: bool
    default_region: str
    invalid_numbers: Literal["refuse", "report"]
    columns: tuple[str, ...]

    def check(self) -> None:
        """Raise a UsageError if the options do not go together."""
        if self.plan is not None and self.contacts is not None:
            raise click.UsageError("give PLAN or --contacts, not both")
        if self.contacts is None:
            if self.plan is None:
                raise click.UsageError("name a PLAN, or a CSV with --contacts")
            for name in _ONLY_WITH_CONTACTS:
                if getattr(self, name) not in {None, ()}:
                    raise click.UsageError(f"{_to_option(name)} goes with --contacts: each line of a PLAN has its own")
        elif (self.message is None) == (self.message_file is None):
            raise click.UsageError("--contacts needs a text: pass --message or --message-file, and not both")
        elif self.sender is None or self.start is None:
            raise click.UsageError(f"--contacts needs {'--sender' if self.sender is None else '--start'}")
        if "-" in {self.plan, str(self.contacts)}:
            raise click.UsageError("a plan cannot be read from standard input: save it to a file, and name that")

    def open(self) -> Plan:
        """Return the plan; only the head of its file is read.

        Raises:
            click.UsageError: If an option is wrong.
            PlanError: If the file cannot be read, or is obviously no plan.
        """
        from campaigns_async._http.campaign_rules import Fault, parse_start
        from campaigns_async.jobs.contacts_csv import contacts_plan
        from campaigns_async.jobs.plans import ndjson_plan

        start = None if self.contacts is None else parse_start(self.start)
        if isinstance(start, Fault):
            raise click.UsageError(f"--start {start.reason}")
        try:
            if self.contacts is None or start is None:
                return ndjson_plan(self.plan or "", **self._rules())
            return contacts_plan(
                self.contacts,
                message=self._text(),
                sender=self.sender or "",
                start=start,
                split=DEFAULT_SPLIT if self.split is None else self.split,
                opt_out_link_id=self.opt_out_link_id,
                track_link_url=self.track_link_url,
                columns=self._columns(),
                **self._rules(),
            )
        except (ConfigurationError, InvalidArgumentError) as error:
            parameter = error.parameter or ""
            given_by = "message_file" if parameter == "message" and self.message is None else parameter
            message = name_option(_to_option(given_by), parameter, error.message) if parameter else error.message
            raise click.UsageError(message) from None

    def _rules(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _RULES}

    def _columns(self) -> dict[str, str]:
        columns = dict(each.split("=", 1) for each in self.columns if "=" in each)
        if len(columns) < len(self.columns):
            raise click.UsageError("--column must be NAME=HEADER, such as phoneNumber=Mobile, once for each NAME")
        return columns

    def _text(self) -> str:
        """Return the text; a file's is taken word for word, without a line end at its end."""
        if self.message_file is None:
            return self.message or ""
        text = read_text("--message-file", self.message_file)
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _to_option(name: str) -> str:
    return "--column" if name == "columns" else f"--{name.replace('_', '-')}"


def run_send(connection: ConnectionOptions, *, journal: Path, dry_run: bool, as_json: bool, **given: Any) -> int:
    """Run `send` with the values of its options, and return the exit code.

    Args:
        connection: The options that say how the API is reached.
        journal: The path of the journal.
        dry_run: Show what would be sent, and send nothing.
        as_json: Print the result as one JSON object.
        **given: The fields of `PlanOptions`, and the options of a `Job`.

    Raises:
        click.ClickException: If the run cannot begin.
    """
    plan = PlanOptions(**{name: given.pop(name) for name in fields_dict(PlanOptions)})
    plan.check()
    if given["settle"] is not None:
        check_setting(lambda: check_seconds("--settle", given["settle"], ge=0.0))
    check_setting(lambda: check_seconds("--give-up-after", given["give_up_after"]))
    if not journal.absolute().parent.is_dir():
        raise click.UsageError("--journal is in a folder that does not exist: make the folder first")
    try:
        if dry_run:
            check_rate(connection.rate)
            return _run_dry(plan, journal, given, as_json=as_json)
        return SendCommand(plan, journal, given, connect(connection), as_json).run()
    except CampaignsError as error:
        print_faults(error)
        raise to_click_error(error) from error


def _run_dry(plan: PlanOptions, journal: Path, options: Mapping[str, Any], *, as_json: bool) -> int:
    signals: list[int] = []

    async def work() -> tuple[Mapping[State, int], Preview] | None:
        from campaigns_async.jobs._plan_loader import StoppedError
        from campaigns_async.jobs._preview import Preview, preview_plan

        preview = Preview(datetime.now(UTC))
        try:
            counts = await asyncio.to_thread(
                preview_plan,
                plan.open(),
                journal,
                preview,
                ignore_invalid_phone_numbers=options["ignore_invalid_phone_numbers"],
                marker=options["marker"],
                retry_failed=options["retry_failed"],
                stopping=lambda: bool(signals),
            )
        except StoppedError:
            return None
        return counts, preview

    found = None
    try:
        found = run_loop(work, first=signals.append)
    except Interrupted as error:
        signals.append(error.exit_code - 128)
    except ModuleNotFoundError as error:
        if error.name != "phonenumbers":
            raise
        raise UsageFailure(str(error)) from None
    if found is None:
        print_line("interrupted; nothing was sent, and the journal is unchanged")
        return 128 + signals[0]
    from campaigns_async.cli.send_report import print_preview

    print_preview(*found, as_json=as_json)
    return 0


@define
class SendCommand:
    """A send from its first signal to its exit code."""

    _plan: PlanOptions
    _journal: Path
    _options: dict[str, Any]
    _make_client: ClientFactory
    _as_json: bool
    _job: Job | None = field(default=None, init=False)
    _figures: SendFigures | None = field(default=None, init=False)
    _view: ProgressView | None = field(default=None, init=False)
    _signal: int | None = field(default=None, init=False)
    _began: float = field(factory=time.monotonic, init=False)

    def run(self) -> int:
        """Run the job, print how it ended, and return the exit code.

        Raises:
            CampaignsError: If the run cannot begin.
        """
        try:
            summary = run_loop(self._work, first=self._stop)
        except Interrupted as error:
            return self._end_cut("cut off", 128 + (self._signal or error.exit_code - 128))
        except CampaignsError as error:
            if self._figures is None or not self._figures.is_checked:
                raise
            line = to_click_error(error)
            return self._end_cut(line.message, line.exit_code)
        self._print(summary)
        if summary.ok:
            return 0
        return 1 if self._signal is None else 128 + self._signal

    async def _work(self) -> Summary:
        from campaigns_async.cli.bars import show_progress
        from campaigns_async.cli.run_figures import SendFigures
        from campaigns_async.cli.send_report import name_csv_lines
        from campaigns_async.jobs.job import Job

        plan = self._plan.open()
        options = dict(self._options)
        policy = ReconcilePolicy(marker=options.pop("marker"))
        async with self._make_client() as client:
            self._figures = figures = SendFigures(client.stats)
            view = client.with_options(reconcile=policy)
            self._job = Job(view, plan, journal=self._journal, on_progress=self._update, **options)
            if self._signal is not None:
                self._job.stop()
            async with show_progress(figures.now) as self._view:
                summary = await self._job.run()
        return await asyncio.to_thread(name_csv_lines, summary, plan)

    def _update(self, progress: Progress) -> None:
        if self._figures is not None and self._figures.update(progress) and self._view is not None:
            self._view.refresh(at_once=True)

    def _stop(self, number: int) -> None:
        """Handle the first signal: nothing more is sent."""
        self._signal = number
        again = "press Ctrl-C again" if number == signal.SIGINT else "send the signal again"
        if self._view is not None:
            self._view.say(f"finishing the requests in flight; {again} to stop at once")
        if self._job is not None:
            self._job.stop()

    def _end_cut(self, stopped: str, exit_code: int) -> int:
        """Print what the journal knows of a run that was cut off, and return the exit code."""
        from campaigns_async.cli.send_report import read_summary
        from campaigns_async.jobs.job_errors import JournalError

        latest = None if self._figures is None else self._figures.latest
        elapsed = time.monotonic() - self._began
        try:
            summary = read_summary(self._journal, latest, elapsed=elapsed, stopped=stopped)
        except JournalError:
            print_line(f"stopped: {stopped}")
        else:
            self._print(summary, is_cut=True)
        return exit_code

    def _print(self, summary: Summary, *, is_cut: bool = False) -> None:
        from campaigns_async.cli.send_report import print_ending

        reconcile = self._options["reconcile"]
        print_ending(summary, self._journal, is_cut=is_cut, reconcile=reconcile, as_json=self._as_json)
