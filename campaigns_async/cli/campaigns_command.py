"""`campaigns-async campaigns`: the campaigns that are on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from campaigns_async.cli.options import ConnectionOptions, Group, connection_options

_JSON = click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line, as for a pipe.")


@click.group("campaigns", cls=Group)
def campaigns() -> None:
    """Show campaigns that are on the server."""


@campaigns.command("list")
@click.option("--filter", "filters", metavar="TEXT", help="Only matching campaigns, such as 'sender==Golf,status==5'.")
@click.option(
    "--sort",
    "sorts",
    metavar="NAME,...",
    default="-startDateTime,id",
    help="Order of the campaigns; - before a name puts the greatest first.",
)
@click.option(
    "--fields", metavar="NAME,...", help="Fields to show, in this order. Default: those that fit a terminal, else all."
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
    help="Campaigns per request. Default: 1000, or --limit if that is less.",
)
@_JSON
@connection_options
def list_(connection: ConnectionOptions, **given: Any) -> None:
    """Show campaigns: a table on a terminal, else a JSON object a line.

    Filters, sorts and fields have the names of the API: id, startDateTime, sender, recipientCount,
    message, status, optOutLinkId, trackLinkUrl. A filter is in the server's language: a comma
    means "and", and == != > < >= <= compare; @= means "contains", _= "starts with". It is checked
    before it is sent. A table leaves out empty columns, and those that do not fit.

    Exits with 0 if all went well, 1 if the server failed, 2 for a wrong option, 130 or 143
    if it was interrupted, 141 if its output is a closed pipe.
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

    Prints a field a line on a terminal, else a JSON object a line.

    Exits with 0 if all exist, 1 if one does not or the server failed, 2 for a wrong option,
    130 or 143 if it was interrupted, 141 if its output is a closed pipe.
    """
    from campaigns_async.cli.campaigns_run import show_each

    show_each(connection, campaign_ids, fields, as_json=as_json)
