"""`campaigns-async journal`: the journal of a send, to look at and to settle rows by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from campaigns_async.cli.options import JOURNAL_STATES, FilePath, Group

_FILE = click.argument("file", type=FilePath())


@click.group("journal", cls=Group)
def journal() -> None:
    """Show the journal of a send, and settle its rows by hand."""


@journal.command("show")
@_FILE
@click.option(
    "--state",
    "states",
    type=click.Choice(JOURNAL_STATES),
    multiple=True,
    help="Only rows in this state; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line, as for a pipe.")
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help="Most rows to show. Default: 100 on a terminal, else all."
)
def show(file: Path, states: Sequence[str], as_json: bool, limit: int | None) -> None:
    """Show the count of each state, and each row's outcome.

    The journal is only read, so a run may be writing to it. In a pipe or a file, each row is a JSON
    object a line, and the counts go to standard error.

    planned: not sent. sending: in flight, or cut off and possibly sent. created: on the server.
    failed: refused. unknown: possibly sent; the candidates are campaigns that may be the row's.
    """
    from campaigns_async.cli.journal_run import show_rows
    from campaigns_async.effects import State

    show_rows(file, {State[name.upper()] for name in states} or {*State}, as_json=as_json, limit=limit)


@journal.command("resolve")
@_FILE
@click.argument("key")
@click.option("--created", metavar="CAMPAIGN_ID", help="The row is on the server, as this campaign.")
@click.option("--not-sent", is_flag=True, help="The row is not on the server; the next run sends it.")
@click.option("--failed", is_flag=True, help="The row is not on the server, and no run sends it by itself.")
@click.option("--force", is_flag=True, help="Settle a row even if the server said that it was created.")
@click.option("--json", "as_json", is_flag=True, help="Print the row before and after as one JSON object.")
def resolve(
    file: Path, key: str, created: str | None, not_sent: bool, failed: bool, force: bool, as_json: bool
) -> None:
    """Settle one row whose outcome you know.

    What the journal knows of the row is printed first. No request is made: look on the server before.
    A row that is there and is settled as not sent will be sent twice.

    The row may be in any state; no run may be active. A row that is created needs --force. A failed
    row takes --not-sent to be sent again, or --created if you sent it with another journal.
    """
    from campaigns_async.cli.journal_run import resolve_row
    from campaigns_async.effects import State

    states = [State.CREATED] * (created is not None) + [State.PLANNED] * not_sent + [State.FAILED] * failed
    if len(states) != 1:
        raise click.UsageError("give one of --created CAMPAIGN_ID, --not-sent and --failed")
    resolve_row(file, key, states[0], created, force=force, as_json=as_json)


@journal.command("purge")
@_FILE
def purge(file: Path) -> None:
    """Remove texts, numbers and their digests from a journal.

    States, ids of campaigns, start times, counts, and salted digests of the keys are kept. Every row must
    be created or failed, and no run may be active. A purged journal refuses every send.
    """
    from campaigns_async.cli.journal_run import purge_journal

    purge_journal(file)
