"""`campaigns-async send`: durable sends."""

from __future__ import annotations

from typing import Any

import click

from campaigns_async.cli.options import DEFAULT_SPLIT, Command, ConnectionOptions, FilePath, connection_options


@click.command("send", cls=Command)
@click.argument("plan", required=False)
@click.option(
    "--journal",
    type=FilePath(),
    required=True,
    help="File that records the outcome of each row. It is made if it does not exist.",
)
@click.option("--contacts", type=FilePath(), help="CSV of contacts, instead of PLAN.")
@click.option("--message", metavar="TEXT", help="Text that all contacts get, word for word (with --contacts).")
@click.option(
    "--message-file",
    type=FilePath(),
    help="File in UTF-8 with the text (with --contacts). One line end at its end is removed.",
)
@click.option("--sender", metavar="NAME", help="Sender ID of the texts (with --contacts).")
@click.option("--start", metavar="TIME", help="Start time, such as 2031-06-27T09:30:00Z (with --contacts).")
@click.option(
    "--split",
    type=click.IntRange(min=1),
    help=f"Most contacts per campaign (with --contacts). Default: {DEFAULT_SPLIT}.",
)
@click.option("--opt-out-link-id", type=int, metavar="ID", help="Opt-out link to include (with --contacts).")
@click.option("--track-link-url", metavar="URL", help="Link to track (with --contacts).")
@click.option(
    "--duplicates",
    type=click.Choice(["refuse", "keep", "drop"]),
    default="refuse",
    show_default=True,
    help="Treatment of a number that occurs twice in a campaign, or in the CSV.",
)
@click.option(
    "--default-region",
    default="GB",
    show_default=True,
    metavar="CODE",
    help="Country of numbers without a country code, such as FR.",
)
@click.option(
    "--invalid-numbers",
    type=click.Choice(["refuse", "report"]),
    default="refuse",
    show_default=True,
    help="Refuse numbers that cannot be read, or leave out and report their contacts.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=HEADER",
    help="Header of a column, such as phoneNumber=Mobile; may be repeated. Columns of other names are then ignored.",
)
@click.option("--allow-braces", is_flag=True, help="Accept messages with { and }. They are sent unchanged.")
@click.option(
    "--reconcile/--no-reconcile",
    default=True,
    show_default=True,
    help="Search the server for rows that may have been sent, or only report them.",
)
@click.option(
    "--settle",
    type=float,
    metavar="SECONDS",
    help="Time after which a row that is not found counts as absent, and is sent again.",
)
@click.option(
    "--marker",
    type=click.Choice(["custom1", "custom2"]),
    help="Field of contacts that the plan does not use, for tokens by which a search recognises campaigns. Must not change "
    "between runs.",
)
@click.option(
    "--ignore-invalid-phone-numbers/--validate-phone-numbers",
    default=None,
    help="Have the server drop invalid numbers, or refuse the campaign. Default: the server's. Must not change between runs.",
)
@click.option("--retry-failed", is_flag=True, help="Send again the rows that the server refused in an earlier run.")
@click.option(
    "--give-up-after",
    type=float,
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop if the server cannot be reached for this long.",
)
@click.option(
    "--preflight/--no-preflight",
    default=True,
    show_default=True,
    help="Compare the plan with the server before the first row is sent.",
)
@click.option(
    "--preflight-limit",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    metavar="REQUESTS",
    help="Most requests of this comparison.",
)
@click.option(
    "--accept-missing", is_flag=True, help="Go on if none of the journal's latest campaigns is on the server."
)
@click.option("--accept-altered", is_flag=True, help="Go on if the server altered the first campaign of the run.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent. Needs no key, and changes nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@connection_options
@click.pass_context
def send(context: click.Context, /, connection: ConnectionOptions, **given: Any) -> None:
    """Create each campaign of a plan once, whatever fails.

    PLAN holds a campaign a line (NDJSON), with the API's names and a key of yours. The whole plan is
    checked before anything is sent. The journal records the outcome of each row: after any failure,
    run the same command again to continue. A row that is on the server is not sent twice.

    The first Ctrl-C lets the requests in flight finish, the second stops at once.

    Exits with 0 if all campaigns are created, 1 if some are not, 2 for a wrong plan, journal or
    option, 130 or 143 if it was interrupted.
    """
    from campaigns_async.cli.send_run import run_send

    context.exit(run_send(connection, **given))
