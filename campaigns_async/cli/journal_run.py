"""The runs of the commands of `journal`. A row is shown without its campaign's text, names and phone numbers."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import click
from attrs import asdict

from campaigns_async._checks import is_utf8
from campaigns_async.cli.connection import to_click_error
from campaigns_async.cli.console import (
    PROGRAM,
    UsageFailure,
    format_count,
    is_terminal,
    print_note,
    print_output,
    print_table,
    printable,
)
from campaigns_async.effects import State
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.job_errors import JobError
from campaigns_async.jobs.journal import JournalRow, Mark, Transition
from campaigns_async.jobs.sqlite_reader import JournalReader, open_journal

_TERMINAL_LIMIT: Final = 100
_ORDER: Final = (State.UNKNOWN, State.SENDING, State.FAILED, State.PLANNED, State.CREATED)
"""The states whose rows need a person come first."""
_LONGEST_ID: Final = 200
_SHOWN: Final = 10
MEANING: Final = {
    State.PLANNED: "not sent",
    State.SENDING: "possibly sent: in flight, or cut off",
    State.CREATED: "on the server",
    State.FAILED: "refused, not on the server",
    State.UNKNOWN: "possibly sent: the outcome is unknown",
}
_THEN: Final = {
    State.CREATED: "it is never sent again",
    State.PLANNED: "the next run sends it",
    State.FAILED: "it is sent again with --retry-failed only",
}
_WORDS: Final = {State.CREATED: "created", State.PLANNED: "not sent", State.FAILED: "failed"}


@contextmanager
def _as_click_errors() -> Generator[None]:
    try:
        yield
    except JobError as error:
        raise to_click_error(error) from error


@contextmanager
def _open_to_change(file: Path) -> Generator[JournalFile]:
    with _as_click_errors():
        open_journal(file).close()  # JournalFile.open would make a missing journal
        with JournalFile.open(file) as journal:
            yield journal


def format_journal_command(name: str, journal: Path, *options: str, key: str | None = None) -> str:
    """Return a command of `journal`, quoted for a shell."""
    arguments = [str(journal), *([] if key is None else [key])]
    dashes = ["--"] if any(argument.startswith("-") for argument in arguments) else []
    return shlex.join([PROGRAM, "journal", name, *options, *dashes, *arguments])


def show_rows(file: Path, states: set[State], *, as_json: bool, limit: int | None) -> None:
    """Print the counts, then the rows: a line a row on a terminal, else a JSON object a line."""
    as_table = is_terminal() and not as_json
    if as_table and limit is None:
        limit = _TERMINAL_LIMIT
    with _as_click_errors(), open_journal(file) as journal:
        counts = journal.counts()
        if (purged_at := journal.purge_time()) is not None:
            print_note(f"purged at {format_time(purged_at)}: the keys are digests")
        if not as_table:
            print_note(", ".join(f"{counts[state]:,} {state.name.lower()}" for state in _ORDER))
            for row in islice(journal.rows(*states), limit):
                print_output(json.dumps(row_to_dict(row), ensure_ascii=False).encode())
            return
        rows = [(state.name.lower(), f"{counts[state]:,}", MEANING[state]) for state in _ORDER]
        print_table(rows, "state", ">rows", "meaning")
        by_state = chain.from_iterable(journal.rows(state) for state in _ORDER if state in states)
        for row in islice(by_state, limit):
            print_output(_format_row(row))  # a table would cut ids, which people copy
        more = sum(counts[state] for state in states) - (limit or 0)
        if more > 0:
            print_note(f"and {more:,} more: show them with --limit N, or --json")


def _format_row(row: JournalRow) -> str:
    latest = max(filter(None, (row.attempted_at, row.ended_at)), default=None)
    parts = (
        row.state.name.lower(),
        printable(row.campaign_id or ""),
        format_count(row.attempts, "attempt"),
        format_time(latest),
        describe_details(row),
    )
    return f"{printable(row.key)}: {', '.join(filter(None, parts))}"


def resolve_row(file: Path, key: str, state: State, campaign_id: str | None, *, force: bool, as_json: bool) -> None:
    """Print the facts about a row, and move it to the state that the user gives.

    `campaign_id` is given if that is CREATED. With `force`, a row moves even if the server said that it was created.
    """
    if campaign_id is not None:
        _check_id(campaign_id)
    with _open_to_change(file) as journal:
        if journal.purge_time() is not None:
            raise UsageFailure("the journal was purged: its rows are settled for good")
        row = journal.row(key) if is_utf8(key) else None
        if row is None:
            raise UsageFailure("the journal has no row with that key: `journal show` lists them")
        if not as_json:
            for line in _evidence_lines(row):
                print_output(line)
        _check_move(row, state, campaign_id, force=force)
        if campaign_id is not None:
            _check_not_given(journal, row, campaign_id)
        reason = f"settled by hand: {_WORDS[state]}"
        mark = row.mark if state is State.PLANNED else Mark.NONE  # a row that was held is not held again
        settled = Transition(row.row_id, state, campaign_id, reason=reason, exceptional=True, mark=mark)
        journal.commit([settled], now=time.time())
        after = journal.row(key)
    if as_json:
        rows = {"before": row_to_dict(row), "after": after and row_to_dict(after)}
        print_output(json.dumps(rows, ensure_ascii=False).encode())
    else:
        before, now = row.state.name.lower(), state.name.lower()
        print_output(f"{printable(key)}: was {before}, is now {now}; {_THEN[state]}")


def _evidence_lines(row: JournalRow) -> Iterator[str]:
    yield f"{printable(row.key)}: {row.state.name.lower()}, {MEANING[row.state]}; {format_count(row.attempts, 'attempt')}"
    facts = [
        ("latest attempt", format_time(row.attempted_at)),
        ("latest outcome", format_time(row.ended_at)),
        ("reason", describe_reason(row)),
        ("campaign", row.campaign_id),
        ("mark", row.mark.name.lower() if row.mark else None),
        ("created", "the server created it, and did not send the id" if row.created_without_id else None),
    ]
    for candidate in row.candidates:
        count, start = candidate.recipient_count, candidate.start
        recipients = "" if count is None else f", {format_count(count, 'recipient')}"
        starts = "" if start is None else f", starts {start}"
        facts.append(("may be campaign", f"{candidate.campaign_id}{recipients}{starts}"))
    yield from (f"  {name}: {printable(fact)}" for name, fact in facts if fact)


def _check_move(row: JournalRow, state: State, campaign_id: str | None, *, force: bool) -> None:
    if row.state is State.FAILED and state is State.FAILED:
        raise UsageFailure(
            "that row is failed already: give --not-sent to send it again, or --created if it was fixed and sent elsewhere"
        )
    if row.state is state and row.campaign_id == campaign_id:
        raise UsageFailure(f"that row is {row.state.name.lower()} already: there is nothing to settle")
    if row.state is State.CREATED and not force:
        raise UsageFailure(
            "the server gave that row a campaign's id: look on the server, and give --force if the journal is wrong"
        )
    if row.created_without_id and state is not State.CREATED and not force:
        raise UsageFailure(
            "the server created that row but did not send its id: find the campaign on the server, and give --created; "
            "or --force if it is not there"
        )


def _check_id(campaign_id: str) -> None:
    if not campaign_id or campaign_id != campaign_id.strip() or not campaign_id.isprintable():
        raise click.UsageError("--created needs a campaign's id, without spaces around it")
    if len(campaign_id) > _LONGEST_ID:
        raise click.UsageError(f"--created takes an id of at most {_LONGEST_ID} characters")


def _check_not_given(journal: JournalReader, row: JournalRow, campaign_id: str) -> None:
    for other in journal.rows(State.CREATED):
        is_same_id = other.campaign_id is not None and other.campaign_id.lower() == campaign_id.lower()
        if is_same_id and other.row_id != row.row_id:
            raise UsageFailure(f"that campaign is the row {printable(other.key)!r}'s already: check the id")


def purge_journal(file: Path) -> None:
    """Remove texts, numbers and keys from a journal, and print what is kept."""
    with _open_to_change(file) as journal:
        journal.purge(time.time())
        rows = sum(journal.counts().values())
    print_output(
        f"purged: {format_count(rows, 'row')} kept, without texts, numbers and keys; it takes no send any more"
    )


def row_to_dict(row: JournalRow) -> dict[str, Any]:
    """Return a row as JSON values, with times in UTC as ISO 8601."""
    return {
        "key": row.key,
        "state": row.state.name.lower(),
        "campaign_id": row.campaign_id,
        "attempts": row.attempts,
        "attempted_at": format_time(row.attempted_at),
        "ended_at": format_time(row.ended_at),
        "reason": describe_reason(row),
        "server_reason": row.server_reason,
        "created_without_id": row.created_without_id,
        "mark": row.mark.name.lower() if row.mark else None,
        "candidates": [asdict(candidate) for candidate in row.candidates],
    }


def format_time(seconds: float | None) -> str | None:
    """Return a time in UTC, to the second."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_reason(row: JournalRow) -> str | None:
    """Return the reason why a row failed or is unknown, with the contacts that the server refused and its words."""
    places = f"contacts {list_first(row.refused_contacts)} (from 0) were refused" if row.refused_contacts else None
    return ": ".join(filter(None, (row.reason, places, row.server_reason))) or None


def list_first(numbers: Sequence[int]) -> str:
    """Return the first ten numbers in words."""
    return ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")


def describe_details(row: JournalRow) -> str:
    """Return the facts about a row besides its key and state, in words."""
    parts = (
        describe_reason(row),
        "created on the server, which did not send the id" if row.created_without_id else "",
        f"possibly {', '.join(each.campaign_id for each in row.candidates)}" if row.candidates else "",
    )
    return printable("; ".join(filter(None, parts)))
