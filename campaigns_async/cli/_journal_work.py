"""What the commands of `journal` do."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import IO, Final

import click
import orjson

from campaigns_async.cli._journal_again import journal_command
from campaigns_async.cli._journal_rows import MEANT, STATES, details, moment, row_as_dict
from campaigns_async.cli.console import UsageFailure, count_of, print_rich, printable
from campaigns_async.cli.error_messages import to_click_error
from campaigns_async.effects import State
from campaigns_async.jobs.errors import JobError
from campaigns_async.jobs.sqlite import SqliteStore
from campaigns_async.jobs.store import Entry, Move

_ON_A_TERMINAL: Final = 100
"""Rows of a table, unless told otherwise."""
_ORDER: Final = (State.UNKNOWN, State.SENDING, State.FAILED, State.PLANNED, State.CREATED)
"""What needs a person comes first."""
_LONGEST_ID: Final = 200


class Word(Enum):
    """What a person says of a row, and what it becomes."""

    CREATED = State.CREATED
    NOT_SENT = State.PLANNED
    FAILED = State.FAILED


@contextmanager
def _store(file: Path, *, read_only: bool) -> Generator[SqliteStore]:
    try:
        if not read_only:
            SqliteStore.open(file, read_only=True).close()  # opened to write, one would be made where none is
        store = SqliteStore.open(file, read_only=read_only)
        try:
            yield store
        finally:
            store.close()
    except JobError as error:
        raise to_click_error(error) from error


def show_rows(file: Path, states: Sequence[str], *, as_json: bool, limit: int | None) -> None:
    """Counts, then rows: for people on a terminal, else a JSON object a line.

    Args:
        file: The journal.
        states: Names; none: all.
        as_json: JSON on a terminal too.
        limit: Rows at most; None: as many as are good to read there.
    """
    wanted = {STATES[name] for name in states} or set(State)
    with _store(file, read_only=True) as store:
        if as_json or not sys.stdout.isatty():
            counts = store.counts()
            click.echo(", ".join(f"{counts[state]:,} {state.name.lower()}" for state in _ORDER), err=True)
            for entry in islice(store.entries(*wanted), limit):
                click.echo(orjson.dumps(row_as_dict(entry)))
        else:
            _print_table(store, wanted, _ON_A_TERMINAL if limit is None else limit)


def _print_table(store: SqliteStore, wanted: set[State], limit: int) -> None:
    from rich import box
    from rich.table import Table

    counts = store.counts()
    summary = Table(box=box.SIMPLE_HEAD, highlight=False)
    for name in ("state", "rows", ""):
        summary.add_column(name, justify="right" if name == "rows" else "left")
    for state in _ORDER:
        summary.add_row(state.name.lower(), f"{counts[state]:,}", MEANT[state])
    print_rich(summary)
    shown_rows = 0
    for entry in islice(_by_state(store, wanted), limit):
        shown_rows += 1
        click.echo(_row_line(entry))  # no table: an id must stand in one piece, to be copied
    more = sum(counts[state] for state in wanted) - shown_rows
    if more > 0:
        click.echo(f"and {more:,} more: see them with --limit N, or --json", err=True)


def _row_line(entry: Entry) -> str:
    tries = "1 attempt" if entry.attempts == 1 else f"{entry.attempts} attempts"
    latest = max(filter(None, (entry.attempted_at, entry.ended_at)), default=None)
    parts = (entry.state.name.lower(), printable(entry.campaign_id or ""), tries, moment(latest), details(entry))
    return f"{printable(entry.key)}: {', '.join(part for part in parts if part)}"


def _by_state(store: SqliteStore, wanted: set[State]) -> Iterator[Entry]:
    for state in _ORDER:
        if state in wanted:
            yield from store.entries(state)


def resolve_row(file: Path, key: str, word: Word, campaign_id: str | None) -> None:
    """Write a person's word down.

    Raises:
        click.ClickException: There is no such row, or its state is known, or the id is another row's.
    """
    with _store(file, read_only=False) as store:
        entry = store.entry(key) if _fits_utf_8(key) else None
        if entry is None:
            raise UsageFailure("the journal has no row with that key: `journal show` lists them")
        _refuse_what_is_known(entry, word)
        if campaign_id is not None:
            _refuse_what_is_no_new_id(store, campaign_id)
        reason = f"settled by hand: {word.name.lower().replace('_', ' ')}"
        move = Move(entry.row_id, word.value, campaign_id=campaign_id, reason=reason)
        store.commit([], [move], time.time())
    then = {
        Word.CREATED: "it is never sent again",
        Word.NOT_SENT: "the next run sends it",
        Word.FAILED: "it is sent again with --retry-failed only",
    }
    click.echo(f"{printable(key)}: was {entry.state.name.lower()}, is now {word.value.name.lower()}; {then[word]}")


def _refuse_what_is_known(entry: Entry, word: Word) -> None:
    name = entry.state.name.lower()
    if entry.state is State.FAILED and word is Word.FAILED:
        raise UsageFailure(
            "that row failed already: say --not-sent to have it sent, or --created if it was mended and sent elsewhere"
        )
    if entry.state not in {State.UNKNOWN, State.SENDING, State.FAILED}:
        raise UsageFailure(f"that row is {name}, and not in doubt: there is nothing to settle")
    if entry.surely_done and word is not Word.CREATED:
        raise UsageFailure(
            "the server said that it created that row, and not under which id: find it there, and say --created"
        )


def _refuse_what_is_no_new_id(store: SqliteStore, campaign_id: str) -> None:
    if not campaign_id.strip() or campaign_id != campaign_id.strip() or not campaign_id.isprintable():
        raise click.UsageError("--created needs a campaign's id, without blanks around it")
    if len(campaign_id) > _LONGEST_ID:
        raise click.UsageError(f"--created takes an id of at most {_LONGEST_ID} characters")
    for entry in store.entries(State.CREATED):
        if entry.campaign_id is not None and entry.campaign_id.lower() == campaign_id.lower():
            raise UsageFailure(f"that campaign is the row {printable(entry.key)!r}'s already: look at the id again")


def _fits_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def export_rows(file: Path, state: str, out: Path) -> None:
    """Write the rows of a state as lines of a plan.

    Raises:
        click.ClickException: The journal cannot be read, or the file not written.
    """
    with _store(file, read_only=True) as store:
        if str(out) == "-":
            written, without = _write(store, STATES[state], sys.stdout.buffer.write)
        else:
            written, without = _into(out, lambda target: _write(store, STATES[state], target.write))
    click.echo(f"{count_of(written, 'row')} written; to be sent with another journal", err=True)
    if without:
        click.echo(f"{count_of(without, 'row')} left out: the journal does not hold what would be sent", err=True)
    if written:
        settle = journal_command("resolve", file, "--created", "CAMPAIGN-ID", key="KEY")
        click.echo(
            "whoever sends these from another journal must not use --retry-failed with this one: they would be sent "
            f"twice; to settle them here, once they are created:\n  {settle}",
            err=True,
        )


def _write(store: SqliteStore, state: State, write: Callable[[bytes], object]) -> tuple[int, int]:
    written = without = 0
    for entry in store.entries(state, payload=True):
        if entry.payload is None:
            without += 1
            continue
        write(entry.payload.rstrip(b"\n") + b"\n")
        written += 1
    return written, without


def _into(out: Path, work: Callable[[IO[bytes]], tuple[int, int]]) -> tuple[int, int]:
    """Have a new file written; none is left where that fails."""
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageFailure("--out is there already: name a new file") from None
    except OSError as error:
        raise UsageFailure(f"--out cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as target:
            result = work(target)
            target.flush()
            os.fsync(descriptor)
    except BaseException as error:
        with suppress(OSError):
            out.unlink()
        if isinstance(error, OSError):
            raise click.ClickException(f"--out cannot be written: {error.strerror}") from None
        raise
    return result
