"""`send --dry-run`: what a run would do. No request, no key, and the journal stays as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from campaigns_async.cli.console import print_rich
from campaigns_async.effects import State
from campaigns_async.jobs.plan_lines import Plan
from campaigns_async.jobs.preview import LENGTHENED, Noted, Preview, preview_plan


@frozen
class DryRun:
    """What a run would do."""

    counts: Mapping[State, int]
    """Rows, by their state as the run would find them."""
    preview: Preview
    """Of what would be sent."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {state.name.lower(): self.counts[state] for state in State} | self.preview.as_dict()


async def dry_run(
    plan: Plan,
    journal: Path,
    *,
    ignore_invalid_phone_numbers: bool | None,
    retry_failed: bool,
    stopping: Callable[[], bool],
) -> DryRun:
    """Check a plan against a copy of a journal.

    Raises:
        PlanError, PlanChangedError, JournalError: As the run itself would.
        StoppedError: It was given up.
        ModuleNotFoundError: What judges phone numbers is not installed.
    """
    preview = Preview(datetime.now(UTC))

    counts = await asyncio.to_thread(
        preview_plan,
        plan,
        journal,
        preview,
        ignore_invalid_phone_numbers=ignore_invalid_phone_numbers,
        retry_failed=retry_failed,
        stopping=stopping,
    )
    return DryRun(counts, preview)


def print_dry_run(dry: DryRun, *, as_json: bool) -> None:
    """On stdout."""
    if as_json:
        click.echo(json.dumps(dry.as_dict()))
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, highlight=False)
    table.add_column("a dry run: nothing was sent")
    table.add_column("", justify="right")
    for name, count in _rows(dry):
        table.add_row(name, f"{count:,}")
    print_rich(table)
    for what, noted in _noted(dry.preview):
        for place in noted.places:
            click.echo(f"{what}: {place}")
        if noted.count > len(noted.places):
            click.echo(f"{what}: and {noted.count - len(noted.places):,} more")
    if dry.preview.lengthened:
        campaigns = "1 campaign" if dry.preview.lengthened == 1 else f"{dry.preview.lengthened:,} campaigns"
        click.echo(f"note: {LENGTHENED} ({campaigns})")


def _rows(dry: DryRun) -> Iterator[tuple[str, int]]:
    counts, preview = dry.counts, dry.preview
    yield "campaigns to send", preview.campaigns
    yield "  contacts", preview.contacts
    yield "  contacts left out, their number stands before them", preview.dropped
    yield "  SMS parts", preview.parts
    yield "  campaigns in GSM-7", preview.gsm_7
    yield "  campaigns in UCS-2, with less than half the room", preview.ucs_2
    yield "created already", counts[State.CREATED]
    yield "failed, taken up with --retry-failed only", counts[State.FAILED]
    yield "possibly sent, to be looked for first", counts[State.UNKNOWN] + counts[State.SENDING]
    for what, noted in _noted(preview):
        yield what, noted.count


def _noted(preview: Preview) -> Iterator[tuple[str, Noted]]:
    yield "no mobile number", preview.invalid_numbers
    yield "sender of more than 11 characters", preview.long_senders
    yield "start time that has passed", preview.passed_starts
