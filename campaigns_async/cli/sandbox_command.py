"""`campaigns-async sandbox`: a server that plays the API until it is stopped."""

from __future__ import annotations

from typing import Any

import click

from campaigns_async.cli.options import SANDBOX_QUIRKS, Command, FilePath


@click.command("sandbox", cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any that is free.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--api-key-file",
    type=FilePath(),
    help="File with the key that requests must carry. Default: a random key. Never put a live key here.",
)
@click.option("--prefix", default="", metavar="PATH", help="Path in front of each path, such as /tenant.")
@click.option("--data", type=FilePath(), help='JSON: {"campaigns": [...], "contacts": {"ID": [...]}}.')
@click.option(
    "--faults", metavar="FILE|JSON", help='What goes wrong: a JSON array, such as \'[{"nth": 2, "status": 503}]\'.'
)
@click.option("--rate-limit", type=float, metavar="N", help="Serve N requests a second; refuse the others.")
@click.option(
    "--rate-limit-status", type=click.Choice(["429", "503"]), help="Status of the answer to the others. Default: 429."
)
@click.option("--magic-recipients", is_flag=True, help="The numbers 07700 9000NX decide what becomes of messages.")
@click.option(
    "--now", metavar="TIME", help="Time at which the clock stands, such as 2031-06-27T09:30:00Z. Default: it runs."
)
@click.option("--seed", type=int, help="Generate the same ids each time.")
@click.option(
    "--auth",
    type=click.Choice(["any", "bearer", "header", "query"]),
    default="any",
    show_default=True,
    help="Way in which the key is taken.",
)
@click.option(
    "--update-method",
    type=click.Choice(["PUT", "POST", "both"]),
    default="PUT",
    show_default=True,
    help="HTTP method of updates.",
)
@click.option(
    "--delete-method",
    type=click.Choice(["DELETE", "POST", "both"]),
    default="DELETE",
    show_default=True,
    help="HTTP method of deletes.",
)
@click.option(
    "--quirk",
    "quirks",
    multiple=True,
    metavar="NAME[=VALUE]",
    help=f"Look of the answers; may be repeated: {', '.join(SANDBOX_QUIRKS)}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print where it is as one line of JSON.")
def sandbox(**given: Any) -> None:
    """Play the Campaigns API on this machine, to try things out.

    Once it listens, it prints its URL and key, the URL of its control, by which it can be watched
    and steered over HTTP, and that of its OpenAPI document. Nothing is ever sent to anyone, and
    CAMPAIGNS_API_KEY is not read.

    Ctrl-C and SIGTERM stop it within a second, whatever is still open, and its exit code is 0 then;
    1 when it cannot listen, 2 when an option is wrong.
    """
    from campaigns_async.cli.sandbox_run import serve

    serve(**given)
