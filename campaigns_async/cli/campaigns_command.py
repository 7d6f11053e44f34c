"""`campaigns-async campaigns`: shows campaigns that are on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from campaigns_async.cli.options import ConnectionOptions, Group, connection_options

_JSON = click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line, as for a pipe.")


@click.group("campaigns", cls=Group)
def campaigns() -> None:
    """List campaigns, or look at some."""


@campaigns.command("list")
@click.option("--filter", "filters", metavar="TEXT", help="Only such campaigns, as in 'sender==Golf,status==5'.")
@click.option(
    "--sort",
    "sorts",
    metavar="NAME,...",
    default="-startDateTime,id",
    show_default=True,
    help="Order of the campaigns; - before a name for the greatest first.",
)
@click.option(
    "--fields",
    metavar="NAME,...",
    help="Fields to show, in this order. Default: those that a terminal has room for, else all.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Most campaigns to show. Default: 100 on a terminal, else all.",
)
@click.option(
    "--page-size",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Campaigns a request. Default: 1000, or --limit if that is less.",
)
@_JSON
@connection_options
def list_(connection: ConnectionOptions, **given: Any) -> None:
    """Show campaigns: a table on a terminal, else a JSON object a line.

    Filters, sorts and fields have the names of the API: id, startDateTime, sender, recipientCount,
    message, status, optOutLinkId, trackLinkUrl. A filter is in the server's language: a comma
    means "and", and == != > < >= <= compare; @= means "contains", _= "starts with". It is checked
    before it is sent.

    Exits with 0 when all went well, 1 when the server failed, 2 for a wrong option, 130 or 143
    when it was interrupted, 141 when nobody reads the output.
    """
    from campaigns_async.cli.campaigns_run import show_list

    show_list(connection, **given)


@campaigns.command("get")
@click.argument("campaign_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--fields", metavar="NAME,...", help="Fields to show, in this order. Default: all.")
@_JSON
@connection_options
def get(connection: ConnectionOptions, campaign_ids: Sequence[str], fields: str | None, as_json: bool) -> None:
    """Show campaigns by their ids, with all their fields.

    On a terminal a field a line, else a JSON object a line.

    Exits with 0 when all exist, 1 when one does not or the server failed, 2 for a wrong option,
    130 or 143 when it was interrupted, 141 when nobody reads the output.
    """
    from campaigns_async.cli.campaigns_run import show_each

    show_each(connection, campaign_ids, fields, as_json=as_json)
