"""Prints how a send ended, with what can be done next, and what a dry run found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from attrs import asdict, evolve

from campaigns_async.cli.console import count_of, print_line, print_output, print_table, printable, same_command
from campaigns_async.cli.journal_run import MEANING, details_of, first_of, journal_command, row_to_dict
from campaigns_async.effects import State
from campaigns_async.jobs._preview import LENGTHENED, Finding, Preview
from campaigns_async.jobs.contacts_csv import ContactsPlan
from campaigns_async.jobs.job_errors import BadLine, BadLineError, JobError
from campaigns_async.jobs.journal import JournalRow
from campaigns_async.jobs.plans import Plan, digest
from campaigns_async.jobs.progress import Progress, Summary
from campaigns_async.jobs.sqlite_reader import open_journal

_SHOWN: Final = 20
_LOST: Final = ("found", "absent")
"""What a run that was cut off cannot know."""


class Step(NamedTuple):
    """What can be done next."""

    why: str
    command: str


def read_summary(path: Path, latest: Progress | None, *, elapsed: float, stopped: str) -> Summary:
    """Return what the journal says of a run that was cut off.

    Raises:
        JournalError: If the journal cannot be read.
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
            failures=tuple(islice(journal.rows(State.FAILED), _SHOWN)),
            unknown_rows=tuple(islice(journal.rows(State.SENDING, State.UNKNOWN), _SHOWN)),
        )


def name_csv_lines(summary: Summary, plan: Plan) -> Summary:
    """Name the contacts that the server refused by their lines, if the plan is a CSV of contacts.

    Reads the file again as far as needed: a journal knows contacts by their place in the campaign only.
    """
    refused = {entry.key: entry for entry in summary.failures if entry.refused_contacts}
    if not refused or not isinstance(plan, ContactsPlan):
        return summary
    named: dict[str, JournalRow] = {}
    try:
        for place, line in enumerate(plan.lines(), 1):
            entry = refused.get(str(place))
            if entry is not None and not isinstance(line, BadLine) and digest(line.read().body) == entry.content:
                lines = [line.locate(contact)[0] for contact in entry.refused_contacts]
                what = (
                    f"line {lines[0]} of the CSV was" if len(lines) == 1 else f"lines {first_of(lines)} of the CSV were"
                )
                named[entry.key] = evolve(entry, reason=f"{entry.reason}: {what} refused", refused_contacts=())
            if len(named) == len(refused):
                break
    except (JobError, BadLineError, IndexError):  # the file has changed: no line is better than a wrong one
        return summary
    return evolve(summary, failures=tuple(named.get(entry.key, entry) for entry in summary.failures))


def next_steps(summary: Summary, journal: Path, *, reconcile: bool) -> Iterator[Step]:
    """Yield what can be done about the rows that are not created.

    Args:
        summary: How the run ended.
        journal: Its journal.
        reconcile: The run's option of that name.
    """
    unknown = summary.sending + summary.unknown
    left = summary.planned or (summary.stopped is not None and not unknown)
    if left:
        yield Step("to go on", same_command())
    elif unknown:
        why = "to look for the unknown rows on the server"
        yield Step(f"{why} again", same_command()) if reconcile else Step(why, same_command("--reconcile"))
        states = ("--state", "unknown", "--state", "sending")
        yield Step("to see the unknown rows and what they may be", journal_command("show", journal, *states))
        key = summary.unknown_rows[0].key if summary.unknown_rows else "KEY"
        settle = journal_command("resolve", journal, "--created", "CAMPAIGN-ID", key=key)
        yield Step("to settle one by hand, if you know (or with --not-sent, or --failed)", settle)
    if summary.failed:
        yield Step("to send the failed rows again", same_command("--retry-failed"))


def print_ending(summary: Summary, journal: Path, *, is_cut: bool, reconcile: bool, as_json: bool) -> None:
    """Print the summary to standard output, and what to do next to standard error.

    Args:
        summary: Of the run, or of the journal if the run was cut off.
        journal: The journal.
        is_cut: True if the run was cut off.
        reconcile: The run's option of that name.
        as_json: Print one JSON object.
    """
    steps = list(next_steps(summary, journal, reconcile=reconcile))
    if as_json:
        lost = dict.fromkeys(_LOST) if is_cut else {}
        rows = {name: [row_to_dict(entry) for entry in getattr(summary, name)] for name in ("failures", "unknown_rows")}
        ending = {"ok": summary.ok, **asdict(summary, recurse=False), **lost, **rows}
        print_output(json.dumps({**ending, "next": [step._asdict() for step in steps]}))
    else:
        print_table(_rows(summary, is_cut=is_cut), "state", ">rows", "meaning")
        _print_some("failed", _describe(summary.failures), summary.failed)
        _print_some("unknown", _describe(summary.unknown_rows), summary.sending + summary.unknown)
    if summary.stopped is not None:
        print_line(f"stopped: {printable(summary.stopped)}")
    for step in steps:
        print_line(f"{step.why}:\n  {step.command}")


def _rows(summary: Summary, *, is_cut: bool) -> Iterator[tuple[str, str, str]]:
    for state in (State.CREATED, State.FAILED, State.UNKNOWN, State.SENDING, State.PLANNED):
        name = state.name.lower()
        yield name, f"{getattr(summary, name):,}", MEANING[state]
    yield "created now", f"{summary.created_now:,}", "by this run"
    if not is_cut:
        yield "found", f"{summary.found:,}", "were unknown, and are on the server"
        yield "absent", f"{summary.absent:,}", "were unknown, and are surely not there: sent again"
    yield "seconds", f"{summary.elapsed:,.1f}", f"of which held back {summary.held_back:,.1f}"


def _describe(entries: Sequence[JournalRow]) -> list[str]:
    return [f"{printable(entry.key)}: {details_of(entry) or 'cut off'}" for entry in entries]


def _print_some(what: str, lines: Sequence[str], count: int) -> None:
    """Print the first lines of `count` in all."""
    for line in lines:
        print_output(f"{what}: {line}")
    if count > len(lines):
        print_output(f"{what}: and {count - len(lines):,} more")


def print_preview(counts: Mapping[State, int], preview: Preview, *, as_json: bool) -> None:
    """Print what a run would send.

    Args:
        counts: The rows, by their state as the run would find them.
        preview: Counts of what would be sent.
        as_json: Print one JSON object.
    """
    if as_json:
        print_output(json.dumps({state.name.lower(): counts[state] for state in State} | preview.as_dict()))
        return
    first, *others = _preview_rows(counts, preview)
    rows = [(name, f"{count:,}") for name, count in (first, *(row for row in others if row[1]))]
    print_table(rows, "dry run: nothing was sent", ">count")
    for what, noted in _noted(preview):
        _print_some(what, noted.places, noted.count)
    if preview.lengthened:
        print_output(f"note: {LENGTHENED} ({count_of(preview.lengthened, 'campaign')})")


def _preview_rows(counts: Mapping[State, int], preview: Preview) -> Iterator[tuple[str, int]]:
    yield "campaigns to send", preview.campaigns
    yield "  contacts", preview.contacts
    yield "  contacts left out, their number stands before them", preview.dropped
    yield "  SMS parts", preview.parts
    yield "  campaigns in GSM-7", preview.gsm_7
    yield "  campaigns in UCS-2, with less than half the room", preview.ucs_2
    yield "created already", counts[State.CREATED]
    yield "failed, sent again with --retry-failed only", counts[State.FAILED]
    yield "possibly sent, to be looked for first", counts[State.UNKNOWN] + counts[State.SENDING]
    for what, noted in _noted(preview):
        yield what, noted.count


def _noted(preview: Preview) -> Iterator[tuple[str, Finding]]:
    yield "no mobile number", preview.invalid_numbers
    yield "sender of more than 11 characters", preview.long_senders
    yield "start time that has passed", preview.passed_starts
