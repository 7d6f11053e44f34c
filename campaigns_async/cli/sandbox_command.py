"""`campaigns-async sandbox`, a server that behaves like the API, and `demo`, the client on one that fails."""

from __future__ import annotations

from typing import Any

import click

from campaigns_async.cli.options import SANDBOX_QUIRKS, Command, FilePath, concurrency_option


@click.command("sandbox", cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, help="Port to listen on; 0 for any free port.")
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option(
    "--api-key-file",
    type=FilePath(),
    help="File with the key that requests must carry. Default: a random key. Never put a live key here.",
)
@click.option("--prefix", default="", show_default=False, metavar="PATH", help="Prefix of all paths, such as /tenant.")
@click.option(
    "--data",
    type=FilePath(),
    help='JSON file of campaigns and contacts: {"campaigns": [...], "contacts": {"ID": [...]}}.',
)
@click.option("--faults", metavar="FILE|JSON", help='Faults: a JSON array, such as \'[{"nth": 2, "status": 503}]\'.')
@click.option("--rate-limit", type=float, metavar="N", help="Serve N requests per second, and refuse the others.")
@click.option(
    "--rate-limit-status", type=click.Choice(["429", "503"]), help="Status of a refused request. Default: 429."
)
@click.option("--magic-recipients", is_flag=True, help="The numbers 07700 9000NX determine the status of a message.")
@click.option(
    "--now", metavar="TIME", help="Stop the clock at this time, such as 2031-06-27T09:30:00Z. Default: the clock runs."
)
@click.option("--seed", type=int, help="Seed of the generated ids, for the same ids each time.")
@click.option(
    "--auth",
    type=click.Choice(["any", "bearer", "header", "query"]),
    default="any",
    help="Accepted way to send the key.",
)
@click.option(
    "--update-method",
    type=click.Choice(["PUT", "POST", "both"]),
    default="PUT",
    help="HTTP method accepted for updates.",
)
@click.option(
    "--delete-method",
    type=click.Choice(["DELETE", "POST", "both"]),
    default="DELETE",
    help="HTTP method accepted for deletes.",
)
@click.option(
    "--quirk",
    "quirks",
    multiple=True,
    metavar="NAME[=VALUE]",
    help=f"Deviation of the answers; may be repeated: {', '.join(SANDBOX_QUIRKS)}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the URLs and the key as one line of JSON.")
def sandbox(**given: Any) -> None:
    """Run a server on this machine that behaves like the API.

    Once it listens, it prints its URL and key, the URL of its control API, and the URL of that
    API's OpenAPI document. Nothing is ever sent to anyone, and CAMPAIGNS_API_KEY is not read.

    Ctrl-C and SIGTERM stop it within a second, whatever is still open. Exits with 0 then, 1 if it
    cannot listen, 2 for a wrong option.
    """
    from campaigns_async.cli.sandbox_run import serve

    serve(**given)


@click.command("demo", cls=Command)
@concurrency_option
@click.option("--seed", type=int, default=0, help="Seed that decides the campaigns and which requests fail.")
@click.pass_context
def demo(context: click.Context, /, **given: Any) -> None:
    """Create 500 campaigns on a sandbox that fails; check the count.

    The sandbox runs within this command, so nothing leaves your machine. It throttles some creates
    and drops the connection of others. The client searches the server for each create whose outcome
    is unknown, and sends it again only if it is not there. Then campaigns and contacts are read
    back, and the client's figures are compared with the server's.

    Exits with 0 if all figures agree, 1 if not, 130 or 143 if it was interrupted.
    """
    from campaigns_async.cli.demo_run import run_demo

    context.exit(run_demo(**given))
