"""How a run ended: a table or JSON, what to do next, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from attrs import fields, frozen

from campaigns_async.cli._again import again
from campaigns_async.cli._journal_again import journal_command
from campaigns_async.cli._wording import as_options
from campaigns_async.cli.console import print_rich, printable
from campaigns_async.cli.journal_rows import MEANING, details_of, row_to_dict
from campaigns_async.effects import State
from campaigns_async.jobs.journal import Entry
from campaigns_async.jobs.progress import Progress, Summary
from campaigns_async.jobs.sqlite_reader import open_journal

_SHOWN: Final = 20
_ROWS: Final = frozenset({"failures", "doubts"})
_NEVER_AGAIN: Final = frozenset({"dry_run", "retry_failed"})
_LOST: Final = ("found", "absent")


@frozen
class Ending:
    """How a run ended."""

    summary: Summary
    is_cut: bool = False
    """Whether it was cut off, so that the summary comes from the journal alone."""

    def exit_code(self, signal: int | None) -> int:
        """0 all created; 1 not all; 128 and the number of a signal that left some."""
        if self.summary.ok:
            return 0
        return 1 if signal is None else 128 + signal

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON values; what a run that was cut off cannot know is None."""
        summary = self.summary
        plain = {each.name: getattr(summary, each.name) for each in fields(Summary) if each.name not in _ROWS}
        if summary.stopped is not None:
            plain["stopped"] = as_options(summary.stopped)
        if self.is_cut:
            plain |= dict.fromkeys(_LOST)
        return {
            "ok": summary.ok,
            **plain,
            "failures": [row_to_dict(entry) for entry in summary.failures],
            "doubts": [row_to_dict(entry) for entry in summary.doubts],
        }


@frozen
class Step:
    """What can be done next."""

    why: str
    command: str


def summary_of_journal(path: Path, latest: Progress | None, *, elapsed: float, stopped: str) -> Summary:
    """What the journal says of a run that could not tell itself.

    Raises:
        JournalError: The journal cannot be read.
    """
    with open_journal(path) as journal:
        counts = journal.counts()
        if counts[State.SENDING]:
            stopped += "; what was in flight may have been sent"
        return Summary(
            **{state.name.lower(): counts[state] for state in State},
            created_now=0 if latest is None else latest.created_now,
            found=0,
            absent=0,
            elapsed=elapsed,
            held_back=0.0 if latest is None else latest.held_back,
            stopped=stopped,
            failures=tuple(islice(journal.entries(State.FAILED), _SHOWN)),
            doubts=tuple(islice(journal.entries(State.SENDING, State.UNKNOWN), _SHOWN)),
        )


def next_steps(ending: Ending, context: click.Context, journal: Path) -> Iterator[Step]:
    """What can be done about what is not created."""
    summary = ending.summary
    doubtful = summary.sending + summary.unknown
    left = summary.planned or (summary.stopped is not None and not doubtful)
    if left or (doubtful and context.params.get("reconcile", True)):
        yield Step("to go on" if left else "to look for the rows in doubt again", _send_again(context))
    elif doubtful:
        command = _send_again(context, "--reconcile", without={"reconcile"})
        yield Step("to look for the rows in doubt on the server", command)
    if doubtful and not left:
        states = ("--state", "unknown", "--state", "sending")
        yield Step("to see the rows in doubt and what they may be", journal_command("show", journal, *states))
        key = summary.doubts[0].key if summary.doubts else "KEY"
        settle = journal_command("resolve", journal, "--created", "CAMPAIGN-ID", key=key)
        yield Step("to settle one by hand, if you know (or with --not-sent, or --failed)", settle)
    if summary.failed:
        yield Step("to send the failed rows again", _send_again(context, "--retry-failed"))


def _send_again(context: click.Context, *also: str, without: Collection[str] = ()) -> str:
    return again(context, *also, without=_NEVER_AGAIN.union(without))


def print_ending(ending: Ending, steps: Iterable[Step], *, as_json: bool) -> None:
    """The summary on stdout, what to do next on stderr."""
    told = list(steps)
    if as_json:
        next_ = [{"why": step.why, "command": step.command} for step in told]
        click.echo(json.dumps({**ending.as_dict(), "next": next_}))
    else:
        _print_table(ending)
    if ending.summary.stopped is not None:
        click.echo(f"stopped: {printable(as_options(ending.summary.stopped))}", err=True)
    for step in told:
        click.echo(f"{step.why}:\n  {step.command}", err=True)


def _print_table(ending: Ending) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, highlight=False)
    table.add_column("")
    table.add_column("rows", justify="right")
    table.add_column("")
    for name, count, meant in _rows(ending):
        table.add_row(name, count, meant)
    print_rich(table)
    summary = ending.summary
    _print_entries("failed", summary.failures, summary.failed)
    _print_entries("in doubt", summary.doubts, summary.sending + summary.unknown)


def _rows(ending: Ending) -> Iterator[tuple[str, str, str]]:
    summary = ending.summary
    for state in (State.CREATED, State.FAILED, State.UNKNOWN, State.SENDING, State.PLANNED):
        yield state.name.lower(), f"{getattr(summary, state.name.lower()):,}", MEANING[state]
    yield "created now", f"{summary.created_now:,}", "by this run"
    if not ending.is_cut:
        yield "found", f"{summary.found:,}", "were in doubt, and are on the server"
        yield "absent", f"{summary.absent:,}", "were in doubt, and are surely not there: sent again"
    yield "seconds", f"{summary.elapsed:,.1f}", f"of which held back {summary.held_back:,.1f}"


def _print_entries(what: str, entries: tuple[Entry, ...], count: int) -> None:
    for entry in entries:
        click.echo(f"{what}: {printable(entry.key)}: {details_of(entry) or 'cut off'}")
    if count > len(entries):
        click.echo(f"{what}: and {count - len(entries):,} more")
