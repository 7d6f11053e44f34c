"""The report of a send: its result, what can be done next, and the result of a dry run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from attrs import asdict, evolve

from campaigns_async.cli.console import (
    advise_same_command,
    format_count,
    print_line,
    print_output,
    print_table,
    printable,
)
from campaigns_async.cli.journal_run import MEANING, describe_details, format_journal_command, list_first, row_to_dict
from campaigns_async.effects import State
from campaigns_async.jobs._plan_rules import Finding
from campaigns_async.jobs._preview import LENGTHENED, Preview
from campaigns_async.jobs.contacts_csv import ContactsPlan
from campaigns_async.jobs.job_errors import BadLine, BadLineError, JobError
from campaigns_async.jobs.journal import JournalRow, Mark
from campaigns_async.jobs.plans import Plan, digest
from campaigns_async.jobs.progress import Progress, Summary
from campaigns_async.jobs.sqlite_reader import open_journal

_SHOWN: Final = 20
_TO_SEND: Final = "campaigns to send"
_LEFT_OUT: Final = "left out"
_ALWAYS_SHOWN: Final = frozenset({State.CREATED, State.FAILED, State.UNKNOWN})
_LOST: Final = ("found", "absent", "adopted", "held", "near", "restored", "accepted", "recipients", "warnings")
"""The parts of a summary that are lost when a run is cut off, since the journal has none of them."""


class Step(NamedTuple):
    """Something that can be done next, and the command for it."""

    why: str
    command: str


def read_summary(path: Path, latest: Progress | None, *, elapsed: float, stopped: str) -> Summary:
    """Return the summary of a run that was cut off, by its journal.

    Raises:
        JournalError: If the journal cannot be read.
    """
    with open_journal(path) as journal:
        counts = journal.counts()
        if counts[State.SENDING]:
            stopped += "; the requests in flight may have been carried out"
        return Summary(
            **{state.name.lower(): counts[state] for state in State},
            created_now=0 if latest is None else latest.created_now,
            found=0,
            absent=0,
            elapsed=elapsed,
            held_back=0.0 if latest is None else latest.held_back,
            left_out=Finding() if latest is None else latest.left_out,
            warnings=(),
            stopped=stopped,
            failures=tuple(islice(journal.rows(State.FAILED), _SHOWN)),
            unknown_rows=tuple(islice(journal.rows(State.SENDING, State.UNKNOWN), _SHOWN)),
        )


def name_csv_lines(summary: Summary, plan: Plan) -> Summary:
    """Add the CSV's line numbers to the reasons of rows with refused contacts. Another plan's summary is returned as is.

    The journal knows a contact only by its index in the campaign, so the file is read again as far as needed.
    """
    refused = {row.key: row for row in summary.failures if row.refused_contacts}
    if not refused or not isinstance(plan, ContactsPlan):
        return summary
    named: dict[str, JournalRow] = {}
    try:
        for place, line in enumerate((each for each in plan.lines() if not isinstance(each, BadLine)), 1):
            row = refused.get(str(place))
            if row is not None and digest(line.read().body) == row.content:
                lines = [line.locate(contact)[0] for contact in row.refused_contacts]
                one = len(lines) == 1
                where = f"line {lines[0]} of the CSV was" if one else f"lines {list_first(lines)} of the CSV were"
                named[row.key] = evolve(row, reason=f"{row.reason}: {where} refused", refused_contacts=())
            if len(named) == len(refused):
                break
    except (JobError, BadLineError, IndexError):  # the file has changed: no line number is better than a wrong one
        return summary
    return evolve(summary, failures=tuple(named.get(row.key, row) for row in summary.failures))


def list_next_steps(summary: Summary, journal: Path, *, reconcile: bool) -> Iterator[Step]:
    """Yield the steps for the rows that are not created.

    Args:
        summary: The summary of the run.
        journal: The path of the journal.
        reconcile: The run's option of that name.
    """
    unknown = summary.sending + summary.unknown
    left = summary.planned or (summary.stopped is not None and not unknown)
    if left:
        yield Step("to continue", advise_same_command())
    elif unknown:
        if any(row.mark is not Mark.HELD for row in summary.unknown_rows):  # no search settles those
            why = "to search the server for the unknown rows"
            yield Step(
                f"{why} again" if reconcile else why, advise_same_command(*(() if reconcile else ("--reconcile",)))
            )
        states = ("--state", "unknown", "--state", "sending")
        yield Step(
            "to see the unknown rows, and the campaigns that may be theirs",
            format_journal_command("show", journal, *states),
        )
        key = summary.unknown_rows[0].key if summary.unknown_rows else "KEY"
        settle = format_journal_command("resolve", journal, "--created", "CAMPAIGN-ID", key=key)
        yield Step("to settle a row by hand, if you know its outcome (or with --not-sent, or --failed)", settle)
    if summary.failed:
        yield Step("to send the failed rows again", advise_same_command("--retry-failed"))


def print_ending(summary: Summary, journal: Path, *, is_cut: bool, reconcile: bool, as_json: bool) -> None:
    """Print the summary to standard output, and the next steps to standard error.

    Args:
        summary: The summary of the run, or of the journal if the run was cut off.
        journal: The path of the journal.
        is_cut: True if the run was cut off.
        reconcile: The run's option of that name.
        as_json: Print one JSON object.
    """
    steps = list(list_next_steps(summary, journal, reconcile=reconcile))
    if as_json:
        lost = dict.fromkeys(_LOST) if is_cut else {}
        rows = {name: [row_to_dict(row) for row in getattr(summary, name)] for name in ("failures", "unknown_rows")}
        fields = {**asdict(summary, recurse=False), "left_out": asdict(summary.left_out), **lost, **rows}
        print_output(json.dumps({"ok": summary.ok, **fields, "next": [step._asdict() for step in steps]}))
    else:
        print_table(_list_counts(summary, is_cut=is_cut), "state", ">rows", "meaning")
        _print_some("failed", _describe_rows(summary.failures), summary.failed)
        _print_some("unknown", _describe_rows(summary.unknown_rows), summary.sending + summary.unknown)
        _print_some(_LEFT_OUT, summary.left_out.places, summary.left_out.count)
    for warning in summary.warnings:
        print_line(printable(warning))
    if summary.stopped is not None:
        print_line(f"stopped: {printable(summary.stopped)}")
    for step in steps:
        print_line(f"{step.why}:\n  {step.command}")


def _list_counts(summary: Summary, *, is_cut: bool) -> Iterator[tuple[str, str, str]]:
    for state in (State.CREATED, State.FAILED, State.UNKNOWN, State.SENDING, State.PLANNED):
        name = state.name.lower()
        count = getattr(summary, name)
        if count or state in _ALWAYS_SHOWN:
            yield name, f"{count:,}", MEANING[state]
    yield "created now", f"{summary.created_now:,}", "created by this run"
    if summary.found and not is_cut:
        yield "found", f"{summary.found:,}", "were unknown, and were found on the server"
    if summary.absent and not is_cut:
        yield "absent", f"{summary.absent:,}", "were unknown, and are not on the server: sent again"
    if summary.adopted:
        yield "adopted", f"{summary.adopted:,}", "were on the server before: not sent"
    if summary.held:
        yield "held", f"{summary.held:,}", "not sent: a campaign like it is on the server, for you to decide"
    if summary.near:
        yield "near", f"{summary.near:,}", "campaigns with another text, to people of a row with the same start"
    if summary.left_out.count:
        yield _LEFT_OUT, f"{summary.left_out.count:,}", "contacts that are not sent: their phone numbers cannot be read"
    if summary.accepted is not None:
        left = summary.recipients - summary.accepted
        yield "accepted", f"{summary.accepted:,}", f"of {summary.recipients:,} recipients: the server left {left:,} out"
    held_back = f"held back for {summary.held_back:,.1f} of them" if summary.held_back >= 0.05 else ""
    yield "seconds", f"{summary.elapsed:,.1f}", held_back


def _describe_rows(rows: Sequence[JournalRow]) -> list[str]:
    return [f"{printable(row.key)}: {describe_details(row) or 'cut off'}" for row in rows]


def _print_some(what: str, lines: Sequence[str], count: int) -> None:
    """Print the first lines of `count` in all."""
    for line in lines:
        print_output(f"{what}: {line}")
    if count > len(lines):
        print_output(f"{what}: and {count - len(lines):,} more")


def print_preview(counts: Mapping[State, int], preview: Preview, *, as_json: bool) -> None:
    """Print the result of a dry run.

    Args:
        counts: The number of rows in each state, as a run would find them.
        preview: Counts of what would be sent.
        as_json: Print one JSON object.
    """
    if as_json:
        print_output(json.dumps({state.name.lower(): counts[state] for state in State} | preview.as_dict()))
        return
    rows = [(name, f"{count:,}") for name, count in _list_preview(counts, preview) if count or name == _TO_SEND]
    print_table(rows, "dry run: nothing was sent", ">count")
    for what, finding in _list_findings(preview):
        _print_some(what, finding.places, finding.count)
    if preview.lengthened:
        print_output(f"note: {LENGTHENED} ({format_count(preview.lengthened, 'campaign')})")


def _list_preview(counts: Mapping[State, int], preview: Preview) -> Iterator[tuple[str, int]]:
    yield _TO_SEND, preview.campaigns
    yield "  contacts", preview.contacts
    yield "  contacts dropped as duplicates", preview.dropped
    yield "  SMS parts", preview.parts
    yield "  campaigns in GSM-7", preview.gsm_7
    yield "  campaigns in UCS-2, with less than half the room", preview.ucs_2
    yield "already created", counts[State.CREATED]
    yield "failed, sent again with --retry-failed only", counts[State.FAILED]
    yield "possibly sent, the server is searched first", counts[State.UNKNOWN] + counts[State.SENDING]
    for what, finding in _list_findings(preview):
        yield what, finding.count


def _list_findings(preview: Preview) -> Iterator[tuple[str, Finding]]:
    yield "left out, since the number cannot be read", preview.left_out
    yield "not a mobile number", preview.invalid_numbers
    yield "sender longer than 11 characters", preview.long_senders
    yield "start time in the past", preview.passed_starts
