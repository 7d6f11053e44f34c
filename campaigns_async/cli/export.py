"""`campaigns-async export`: campaigns and contacts to CSV, NDJSON or Parquet."""

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
        help="Ends with .csv, .ndjson, .jsonl or .parquet; .gz behind a text one packs it. "
        "-: standard output, with --format.",
    ),
    click.option("--format", "form", type=click.Choice(EXPORT_FORMATS), help="Whatever the name of the file."),
    click.option("--fields", metavar="NAME,...", help="Only these columns, in this order. Default: all."),
)
"""Where to, and in which form."""
_page_options: Final = options(
    click.option(
        "--page-size", type=click.IntRange(1, 1_000_000), metavar="N", default=1000, show_default=True,
        help="Rows asked for at once.",
    ),
    click.option(
        "--prefetch", type=click.IntRange(0, 1000), metavar="N", default=3, show_default=True,
        help="Pages asked for ahead.",
    ),
    click.option("--resume", is_flag=True, help="Go on with a cut-off export of this file, if there is one."),
    click.option("--restart", is_flag=True, help="Begin anew, whatever is left of a cut-off one."),
    click.option("--excel-bom", is_flag=True, help="CSV: a byte order mark, by which Excel knows UTF-8."),
    click.option(
        "--escape-formulas", is_flag=True,
        help="CSV: an apostrophe before text that a spreadsheet would run as a formula.",
    ),
    click.option(
        "--null", metavar="TEXT", default="",
        help='CSV: what stands for no value. Default: nothing; empty text is "".',
    ),
    click.option("--json", "as_json", is_flag=True, help="How it ended, as one JSON object on standard error."),
)  # fmt: skip
"""How it is read, and how the end is told."""


@click.group("export", cls=Group)
def export() -> None:
    """Write campaigns or contacts to CSV, NDJSON or Parquet.

    A file appears under its name once it is whole; until then it is FILE.part. A CSV or NDJSON
    export that was cut off goes on with --resume, without a row lost or written twice.
    """


@export.command("campaigns")
@_file_options
@click.option("--filter", "filters", metavar="TEXT", help="Which ones, such as 'sender==Golf,status==5'.")
@click.option("--sort", "sorts", metavar="NAME,...", default="id", show_default=True, help="In which order.")
@_page_options
@connection_options
@click.pass_context
def campaigns(context: click.Context, /, connection: ConnectionOptions, **given: Any) -> None:
    """Export campaigns, a row each.

    Columns, filters and sorts have the names of the API: id, startDateTime, sender,
    recipientCount, message, status, optOutLinkId, trackLinkUrl. Filters are in the server's
    language, and are checked before they are sent.

    Exits with 0 when the file is whole, 1 when the server or the disk failed, 2 for a wrong option
    or an unfinished export in the way, 130 or 143 when it was interrupted, 141 when nobody reads
    the output any more. Unless it is 0, standard error says how to go on.
    """
    from campaigns_async.cli._export_run import run_campaigns

    context.exit(run_campaigns(context, connection, **given))


@export.command("contacts")
@click.argument("campaign_ids", metavar="[CAMPAIGN_ID]...", nargs=-1)
@click.option("--ids-file", type=FilePath(allow_dash=True), metavar="FILE|-", help="Ids, one a line.")
@click.option("--all-campaigns", is_flag=True, help="Of every campaign there is, in place of ids.")
@click.option("--campaign-filter", metavar="TEXT", help="Of which, with --all-campaigns; such as 'status==5'.")
@click.option("--campaign-sort", metavar="NAME,...", help="In which order, with --all-campaigns. Default: id.")
@_file_options
@click.option("--filter", "filters", metavar="TEXT", help="Which contacts, such as 'name_=S'.")
@click.option("--sort", "sorts", metavar="NAME,...", default="id", show_default=True, help="Within a campaign.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=8,
    show_default=True,
    help="Campaigns read at once.",
)
@click.option(
    "--in-order/--as-they-come",
    "ordered",
    default=True,
    help="Rows in the order of the campaigns (default), or page by page as they come, which is faster.",
)
@_page_options
@connection_options
@click.pass_context
def contacts(
    context: click.Context, /, connection: ConnectionOptions, campaign_ids: Sequence[str], **given: Any
) -> None:
    """Export contacts, a row each, with their campaign's id.

    Columns have the names of the API: campaignId, id, phoneNumber, name, custom1, custom2; filters
    and sorts too, but for campaignId. Filters are in the server's language, and are checked before
    they are sent. --campaign-filter and --campaign-sort take the names that campaigns have.

    Exits with 0 when the file is whole, 1 when the server or the disk failed, 2 for a wrong option
    or an unfinished export in the way, 130 or 143 when it was interrupted, 141 when nobody reads
    the output any more. Unless it is 0, standard error says how to go on.
    """
    from campaigns_async.cli._export_run import run_contacts

    context.exit(run_contacts(context, connection, campaign_ids, **given))
