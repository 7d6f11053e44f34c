"""`campaigns-async export`: campaigns and contacts as CSV, NDJSON or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from campaigns_async.cli.options import EXPORT_FORMATS, ConnectionOptions, FilePath, Group, connection_options, options

_file_options: Final = options(
    click.option(
        "--out",
        metavar="FILE|-",
        required=True,
        help="File that ends with .csv, .ndjson, .jsonl or .parquet; .gz may follow for text. -: standard output.",
    ),
    click.option("--format", "form", type=click.Choice(EXPORT_FORMATS), help="Format, regardless of the file's name."),
    click.option("--fields", metavar="NAME,...", help="Only these columns, in this order. Default: all."),
)
_page_options: Final = options(
    click.option(
        "--page-size", type=click.IntRange(1, 1_000_000), metavar="N", default=1000,
        help="Rows per page.",
    ),
    click.option(
        "--prefetch", type=click.IntRange(0, 1000), metavar="N", default=3,
        help="Pages requested ahead.",
    ),
    click.option("--resume", is_flag=True, help="Resume an unfinished export of this file, if there is one."),
    click.option("--restart", is_flag=True, help="Discard an unfinished export of this file, and start again."),
    click.option(
        "--excel", is_flag=True,
        help="CSV for spreadsheets: with a byte order mark, and an apostrophe before text that would run as a formula.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on standard error."),
)  # fmt: skip


@click.group("export", cls=Group)
def export() -> None:
    """Write campaigns or contacts to CSV, NDJSON or Parquet.

    A file appears under its name once it is complete; until then it is FILE.part. An unfinished CSV
    or NDJSON export continues with --resume, without a row lost or repeated.
    """


@export.command("campaigns")
@_file_options
@click.option("--filter", "filters", metavar="TEXT", help="Only matching campaigns, such as 'sender==Golf,status==5'.")
@click.option(
    "--sort",
    "sorts",
    metavar="NAME,...",
    default="id",
    help="Order of the rows. In any other than id, a row that moves meanwhile can be missed.",
)
@_page_options
@connection_options
@click.pass_context
def campaigns(context: click.Context, /, connection: ConnectionOptions, **given: Any) -> None:
    """Export campaigns, a row each.

    Columns, filters and sorts have the names of the API: id, startDateTime, sender,
    recipientCount, message, status, optOutLinkId, trackLinkUrl. Filters are in the server's
    language, and are checked before they are sent.

    Exits with 0 if the file is written, 1 if the server or the disk failed, 2 for a wrong option
    or an unfinished export in the way, 130 or 143 if it was interrupted, 141 if its output
    is a closed pipe. Unless it is 0 or 141, standard error says how to continue.
    """
    from campaigns_async.cli.export_run import run_campaigns

    context.exit(run_campaigns(connection, **given))


@export.command("contacts")
@click.argument("campaign_ids", metavar="[CAMPAIGN_ID]...", nargs=-1)
@click.option(
    "--ids-file", type=FilePath(allow_dash=True), metavar="FILE|-", help="File with campaign ids, one a line."
)
@click.option(
    "--missing",
    type=click.Choice(("skip", "error")),
    default="skip",
    help="A campaign that does not exist: leave it out and count it, or fail.",
)
@click.option("--all-campaigns", is_flag=True, help="Export the contacts of all campaigns, instead of ids.")
@click.option(
    "--campaign-filter", metavar="TEXT", help="Only matching campaigns, such as 'status==5' (with --all-campaigns)."
)
@click.option("--campaign-sort", metavar="NAME,...", help="Campaign order (with --all-campaigns). Default: id.")
@_file_options
@click.option("--filter", "filters", metavar="TEXT", help="Only matching contacts, such as 'name_=S'.")
@click.option("--sort", "sorts", metavar="NAME,...", default="id", help="Order of the contacts of a campaign.")
@click.option("--parallel", type=click.IntRange(1, 1000), metavar="N", default=8, help="Campaigns read at once.")
@_page_options
@connection_options
@click.pass_context
def contacts(
    context: click.Context, /, connection: ConnectionOptions, campaign_ids: Sequence[str], **given: Any
) -> None:
    """Export contacts, a row each, with their campaign's id.

    Rows come campaign by campaign. Columns have the names of the API: campaignId, id, phoneNumber,
    name, custom1, custom2; filters and sorts too, except campaignId. Filters are in the server's
    language, and are checked before they are sent. --campaign-filter and --campaign-sort take the
    names that campaigns have.

    Exits with 0 if the file is complete, 1 if the server or the disk failed, 2 for a wrong option
    or an unfinished export in the way, 130 or 143 if it was interrupted, 141 if its output
    is a closed pipe. Unless it is 0 or 141, standard error says how to continue.
    """
    from campaigns_async.cli.export_run import run_contacts

    context.exit(run_contacts(connection, campaign_ids, **given))
