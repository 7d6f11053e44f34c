"""Prints what `send --dry-run` would do. It sends no request, needs no key, and leaves the journal as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import click

from campaigns_async.cli.console import count_of, print_rich
from campaigns_async.effects import State
from campaigns_async.jobs.preview import LENGTHENED, Noted, Preview


def print_preview(counts: Mapping[State, int], preview: Preview, *, as_json: bool) -> None:
    """Print what a run would send.

    Args:
        counts: The rows, by their state as the run would find them.
        preview: Counts of what would be sent.
        as_json: Print one JSON object.
    """
    if as_json:
        click.echo(json.dumps({state.name.lower(): counts[state] for state in State} | preview.as_dict()))
        return
    from rich import box
    from rich.table import Table

    table = Table("a dry run: nothing was sent", box=box.SIMPLE_HEAD, highlight=False)
    table.add_column("", justify="right")
    for name, count in _rows(counts, preview):
        table.add_row(name, f"{count:,}")
    print_rich(table)
    for what, noted in _noted(preview):
        for place in noted.places:
            click.echo(f"{what}: {place}")
        if noted.count > len(noted.places):
            click.echo(f"{what}: and {noted.count - len(noted.places):,} more")
    if preview.lengthened:
        click.echo(f"note: {LENGTHENED} ({count_of(preview.lengthened, 'campaign')})")


def _rows(counts: Mapping[State, int], preview: Preview) -> Iterator[tuple[str, int]]:
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


def _noted(preview: Preview) -> Iterator[tuple[str, Noted]]:
    yield "no mobile number", preview.invalid_numbers
    yield "sender of more than 11 characters", preview.long_senders
    yield "start time that has passed", preview.passed_starts
