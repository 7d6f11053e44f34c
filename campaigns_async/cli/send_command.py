"""`campaigns-async send`: durable sends from the command line."""

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
    help="File that records what becomes of each row; made if it is not there.",
)
@click.option("--contacts", type=FilePath(), help="A CSV of contacts, in place of PLAN.")
@click.option("--message", metavar="TEXT", help="Text that all of them get, word for word (with --contacts).")
@click.option(
    "--message-file",
    type=FilePath(),
    help="File in UTF-8 that holds the text; a line end at its end is left out.",
)
@click.option("--sender", metavar="NAME", help="Sender that the texts show (with --contacts).")
@click.option("--start", metavar="TIME", help="Start time, such as 2031-06-27T09:30:00Z (with --contacts).")
@click.option(
    "--split", type=click.IntRange(min=1), help=f"Contacts to a campaign (with --contacts). Default: {DEFAULT_SPLIT}."
)
@click.option("--opt-out-link-id", type=int, metavar="ID", help="Opt-out link to include (with --contacts).")
@click.option("--track-link-url", metavar="URL", help="Link to track (with --contacts).")
@click.option(
    "--duplicates",
    type=click.Choice(["refuse", "keep", "drop"]),
    default="refuse",
    show_default=True,
    help="What to do with a number that occurs twice in a campaign, or in the CSV.",
)
@click.option("--allow-braces", is_flag=True, help="Accept messages with { and }, which are sent as they stand.")
@click.option(
    "--reconcile/--no-reconcile",
    default=True,
    show_default=True,
    help="Look on the server for rows that may have been sent, or only report them.",
)
@click.option(
    "--settle", type=float, metavar="SECONDS", help="Time for which a row must be absent before it is sent again."
)
@click.option(
    "--ignore-invalid-phone-numbers/--validate-phone-numbers",
    default=None,
    help="Have the server drop invalid numbers, or refuse the campaign. Default: the server's. The same in every run.",
)
@click.option("--retry-failed", is_flag=True, help="Send the rows again that the server refused in an earlier run.")
@click.option(
    "--give-up-after",
    type=float,
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop if the server cannot be reached for this long.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent; needs no key, and changes nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@connection_options
@click.pass_context
def send(context: click.Context, /, connection: ConnectionOptions, **given: Any) -> None:
    """Create every campaign of a plan, each once, whatever dies.

    PLAN holds a campaign a line (NDJSON), with the API's names and a key of yours. It is checked
    whole before anything is sent. The journal knows what became of each row: run the same command
    again to go on after anything at all, and what is on the server already is not sent twice.

    The first Ctrl-C lets what is in flight finish, the second stops at once.

    Exits with 0 when all are created, 1 when some are not, 2 for a wrong plan, journal or option,
    130 or 143 when it was interrupted.
    """
    from campaigns_async.cli.send_run import run_send

    context.exit(run_send(connection, **given))
