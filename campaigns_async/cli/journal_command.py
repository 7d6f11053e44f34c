"""`campaigns-async journal`: shows a send's journal, and settles its rows by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from campaigns_async.cli.options import JOURNAL_STATES, FilePath, Group

if TYPE_CHECKING:
    from pathlib import Path

_FILE = click.argument("file", type=FilePath())


@click.group("journal", cls=Group)
def journal() -> None:
    """Look into a send's journal, and settle its rows by hand."""


@journal.command("show")
@_FILE
@click.option(
    "--state", "states", type=click.Choice(JOURNAL_STATES), multiple=True, help="Only such rows; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row, as for a pipe.")
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help="N rows at most. Default: 100 on a terminal, else all."
)
def show(file: Path, states: Sequence[str], as_json: bool, limit: int | None) -> None:
    """Show how many rows are in each state, and what became of each.

    Only reads, so it may be called while a run goes on. On a pipe or in a
    file, each row is a JSON object, and the counts go to stderr.

    planned: not sent. sending: on its way, or cut off, and then possibly sent. created: on the
    server. failed: refused. unknown: possibly sent; its candidates are the campaigns that it may be.
    """
    from campaigns_async.cli.journal_run import show_rows
    from campaigns_async.effects import State

    show_rows(file, {State[name.upper()] for name in states} or {*State}, as_json=as_json, limit=limit)


@journal.command("resolve")
@_FILE
@click.argument("key")
@click.option("--created", metavar="CAMPAIGN_ID", help="It is on the server, as this campaign.")
@click.option("--not-sent", is_flag=True, help="It is not on the server: the next run sends it.")
@click.option("--failed", is_flag=True, help="It is not on the server, and is not to be sent by itself.")
def resolve(file: Path, key: str, created: str | None, not_sent: bool, failed: bool) -> None:
    """Settle one row by your word.

    Takes rows whose outcome is unknown (unknown, or sending while no run goes on), and those that
    failed: with --not-sent, or with --created if one was mended and sent from another journal.
    Look on the server first: a row that is there and is called not sent is sent twice.
    """
    from campaigns_async.cli.journal_run import resolve_row
    from campaigns_async.effects import State

    states = [State.CREATED] * (created is not None) + [State.PLANNED] * not_sent + [State.FAILED] * failed
    if len(states) != 1:
        raise click.UsageError("say one of --created CAMPAIGN_ID, --not-sent and --failed")
    resolve_row(file, key, states[0], created)


@journal.command("export")
@_FILE
@click.option("--state", type=click.Choice(["failed"]), default="failed", show_default=True, help="Which rows.")
@click.option(
    "--out",
    type=FilePath(allow_dash=True),
    default="-",
    help="A new file, which only you may read: it holds phone numbers. Default: standard output.",
)
def export(file: Path, state: str, out: Path) -> None:
    """Write the failed rows as a plan that send takes, to be mended.

    Send it with a journal of its own, and then never this journal's rows with --retry-failed:
    they would be sent twice. With "journal resolve FILE KEY --created ID" they can be settled here.
    """
    from campaigns_async.cli.journal_run import export_failed

    del state  # there is one choice
    export_failed(file, out)
