"""`campaigns-async send`: durable sends from the command line."""

from __future__ import annotations

from typing import Any

import click

from campaigns_async.cli.options import DEFAULT_SPLIT, Command, ConnectionOptions, FilePath, connection_options


@click.command("send", cls=Command)
@click.argument("plan", required=False)
@click.option("--journal", type=FilePath(), required=True, help="Where it is written down; made if not there.")
@click.option("--contacts", type=FilePath(), help="A CSV of contacts, in place of PLAN.")
@click.option("--message", metavar="TEXT", help="For --contacts: what all of them are sent, word for word.")
@click.option(
    "--message-file",
    type=FilePath(),
    help="Or a file in UTF-8 that holds it; one line end at its end is no part of it.",
)
@click.option("--sender", metavar="NAME", help="For --contacts: whom it comes from.")
@click.option("--start", metavar="TIME", help="For --contacts: when, such as 2031-06-27T09:30:00Z.")
@click.option(
    "--split", type=click.IntRange(min=1), help=f"For --contacts: how many to a campaign. Default: {DEFAULT_SPLIT}."
)
@click.option("--opt-out-link-id", type=int, metavar="ID", help="For --contacts: whom it lets opt out.")
@click.option("--track-link-url", metavar="URL", help="For --contacts: the link that is tracked.")
@click.option(
    "--duplicates",
    type=click.Choice(["refuse", "keep", "drop"]),
    default="refuse",
    show_default=True,
    help="What becomes of a number that stands twice in a campaign, or in the CSV.",
)
@click.option("--allow-braces", is_flag=True, help="Take messages with { and }, which are sent as they stand.")
@click.option(
    "--reconcile/--no-reconcile",
    default=True,
    show_default=True,
    help="Look on the server for rows that may have been sent, or only report them.",
)
@click.option("--settle", type=float, metavar="SECONDS", help="How long absence must last to be believed. Default: 5.")
@click.option(
    "--ignore-invalid-phone-numbers/--validate-phone-numbers",
    default=None,
    help="What the server is told to do with them. Default: it decides. The same in every run of a journal.",
)
@click.option("--retry-failed", is_flag=True, help="Send the rows again that an earlier run saw refused.")
@click.option(
    "--patience",
    type=float,
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop when the server could not be reached for so long.",
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
    from campaigns_async.cli._send_plan import PLAN_OPTIONS, PlanOptions
    from campaigns_async.cli._send_run import Run, RunOptions, run_dry
    from campaigns_async.cli.connection import check_rate, connect

    plan_options = PlanOptions(**{name: given.pop(name) for name in PLAN_OPTIONS})
    options = RunOptions(**given)
    plan_options.check()
    options.check()
    if options.dry_run:
        check_rate(connection.rate)
        code = run_dry(plan_options, options)
    else:
        code = Run(context, plan_options, options, connect(connection)).run()
    context.exit(code)
