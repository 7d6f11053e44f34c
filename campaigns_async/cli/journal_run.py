"""Runs the commands of `journal`, and shows rows of a journal without a campaign's texts, names and numbers."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Final

import click
from attrs import asdict

from campaigns_async.cli.connection import to_click_error
from campaigns_async.cli.console import (
    PROGRAM,
    UsageFailure,
    count_of,
    is_terminal,
    print_note,
    print_output,
    print_table,
    printable,
)
from campaigns_async.effects import State
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.job_errors import JobError
from campaigns_async.jobs.journal import JournalRow, Transition
from campaigns_async.jobs.sqlite_reader import JournalReader, open_journal

_TERMINAL_LIMIT: Final = 100
_ORDER: Final = (State.UNKNOWN, State.SENDING, State.FAILED, State.PLANNED, State.CREATED)
"""The states; those whose rows need a person come first."""
_LONGEST_ID: Final = 200
_SHOWN: Final = 10
MEANING: Final = {
    State.PLANNED: "not sent",
    State.SENDING: "possibly sent: on its way, or cut off",
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


def journal_command(name: str, journal: Path, *options: str, key: str | None = None) -> str:
    """Return a command of `journal` as a shell takes it."""
    arguments = [str(journal), *([] if key is None else [key])]
    dashes = ["--"] if any(argument.startswith("-") for argument in arguments) else []
    return shlex.join([PROGRAM, "journal", name, *options, *dashes, *arguments])


def show_rows(file: Path, states: set[State], *, as_json: bool, limit: int | None) -> None:
    """Print the counts, then the rows: for people on a terminal, else a JSON object a line.

    Args:
        file: The journal.
        states: The states of the rows to show.
        as_json: Print JSON on a terminal too.
        limit: The most rows to show; None for 100 on a terminal, else all.
    """
    as_table = is_terminal() and not as_json
    if as_table and limit is None:
        limit = _TERMINAL_LIMIT
    with _as_click_errors(), open_journal(file) as journal:
        counts = journal.counts()
        if not as_table:
            print_note(", ".join(f"{counts[state]:,} {state.name.lower()}" for state in _ORDER))
            for entry in islice(journal.rows(*states), limit):
                print_output(json.dumps(row_to_dict(entry), ensure_ascii=False).encode())
            return
        rows = [(state.name.lower(), f"{counts[state]:,}", MEANING[state]) for state in _ORDER]
        print_table(rows, "state", ">rows", "meaning")
        by_state = chain.from_iterable(journal.rows(state) for state in _ORDER if state in states)
        for entry in islice(by_state, limit):
            print_output(_row_line(entry))  # no table: an id must stand in one piece, to be copied
        more = sum(counts[state] for state in states) - (limit or 0)
        if more > 0:
            print_note(f"and {more:,} more: see them with --limit N, or --json")


def _row_line(entry: JournalRow) -> str:
    latest = max(filter(None, (entry.attempted_at, entry.ended_at)), default=None)
    parts = (
        entry.state.name.lower(),
        printable(entry.campaign_id or ""),
        count_of(entry.attempts, "attempt"),
        format_time(latest),
        details_of(entry),
    )
    return f"{printable(entry.key)}: {', '.join(part for part in parts if part)}"


def resolve_row(file: Path, key: str, state: State, campaign_id: str | None) -> None:
    """Move a row to the state that a person knows it to be in.

    Raises:
        click.ClickException: If there is no such row, its state is known already, or the id is another row's.
    """
    with _as_click_errors():
        open_journal(file).close()  # opened to write, a journal would be made where none is
    with _as_click_errors(), JournalFile.open(file) as journal:
        entry = journal.row(key) if _is_utf_8(key) else None
        if entry is None:
            raise UsageFailure("the journal has no row with that key: `journal show` lists them")
        _check_move(entry, state)
        if campaign_id is not None:
            _check_new_id(journal, campaign_id)
        settled = Transition(entry.row_id, state, campaign_id, reason=f"settled by hand: {_WORDS[state]}")
        journal.commit([settled], now=time.time())
    before, now = entry.state.name.lower(), state.name.lower()
    print_output(f"{printable(key)}: was {before}, is now {now}; {_THEN[state]}")


def _check_move(entry: JournalRow, state: State) -> None:
    if entry.state is State.FAILED and state is State.FAILED:
        raise UsageFailure(
            "that row failed already: say --not-sent to have it sent, or --created if it was mended and sent elsewhere"
        )
    if entry.state not in {State.UNKNOWN, State.SENDING, State.FAILED}:
        raise UsageFailure(f"that row is {entry.state.name.lower()}, which is known: there is nothing to settle")
    if entry.created_without_id and state is not State.CREATED:
        raise UsageFailure(
            "the server said that it created that row, and not under which id: find it there, and say --created"
        )


def _check_new_id(journal: JournalReader, campaign_id: str) -> None:
    if not campaign_id.strip() or campaign_id != campaign_id.strip() or not campaign_id.isprintable():
        raise click.UsageError("--created needs a campaign's id, without blanks around it")
    if len(campaign_id) > _LONGEST_ID:
        raise click.UsageError(f"--created takes an id of at most {_LONGEST_ID} characters")
    for entry in journal.rows(State.CREATED):
        if entry.campaign_id is not None and entry.campaign_id.lower() == campaign_id.lower():
            raise UsageFailure(f"that campaign is the row {printable(entry.key)!r}'s already: look at the id again")


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def export_failed(file: Path, out: Path) -> None:
    """Write the failed rows as lines of a plan.

    Raises:
        click.ClickException: If the journal cannot be read, or the file not written.
    """
    with _as_click_errors(), open_journal(file) as journal:
        if str(out) == "-":
            written, without = _write_failed(journal, partial(print_output, newline=False))
        else:
            with _new_file(out) as target:
                written, without = _write_failed(journal, target.write)
    print_note(f"{count_of(written, 'row')} written; to be sent with another journal")
    if without:
        print_note(f"{count_of(without, 'row')} left out: the journal does not hold what would be sent")
    if written:
        settle = journal_command("resolve", file, "--created", "CAMPAIGN-ID", key="KEY")
        print_note(
            "whoever sends these from another journal must not use --retry-failed with this one: they would be sent "
            f"twice; to settle them here, once they are created:\n  {settle}"
        )


def _write_failed(journal: JournalReader, write: Callable[[bytes], object]) -> tuple[int, int]:
    written = without = 0
    for entry in journal.rows(State.FAILED, payload=True):
        line = entry.to_plan_line()
        if line is None:
            without += 1
            continue
        write(line)
        written += 1
    return written, without


@contextmanager
def _new_file(path: Path) -> Generator[IO[bytes]]:
    """Open a new file for its owner alone; remove it if the block fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageFailure("--out is there already: name a new file") from None
    except OSError as error:
        raise UsageFailure(f"--out cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as target:
            yield target
            target.flush()
            os.fsync(descriptor)
    except BaseException as error:
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            raise click.ClickException(f"--out cannot be written: {error.strerror}") from None
        raise


def row_to_dict(entry: JournalRow) -> dict[str, Any]:
    """Return a row as JSON values, with times in UTC as ISO 8601."""
    return {
        "key": entry.key,
        "state": entry.state.name.lower(),
        "campaign_id": entry.campaign_id,
        "attempts": entry.attempts,
        "attempted_at": format_time(entry.attempted_at),
        "ended_at": format_time(entry.ended_at),
        "reason": reason_of(entry),
        "created_without_id": entry.created_without_id,
        "candidates": [asdict(candidate) for candidate in entry.candidates],
    }


def format_time(seconds: float | None) -> str | None:
    """Return a time in UTC, to the second."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reason_of(entry: JournalRow) -> str | None:
    """Return why a row failed or is unknown, with the contacts that the server refused."""
    if not entry.refused_contacts:
        return entry.reason
    return f"{entry.reason}: contacts {first_of(entry.refused_contacts)} (from 0) were refused"


def first_of(numbers: Sequence[int]) -> str:
    """Return the first ten numbers in words."""
    return ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")


def details_of(entry: JournalRow) -> str:
    """Return what there is to say of a row beside its key and its state."""
    parts = [reason_of(entry) or ""]
    if entry.created_without_id:
        parts.append("the server said that it was created, and not under which id")
    if entry.candidates:
        parts.append(f"may be {', '.join(candidate.campaign_id for candidate in entry.candidates)}")
    return printable("; ".join(part for part in parts if part))
