"""`campaigns-async demo`: what the client does under faults, and whether it all adds up."""

from __future__ import annotations

from typing import Any

import click

from campaigns_async.cli.options import KEY_VARIABLE, Command, FilePath


@click.command("demo", cls=Command)
@click.option("--base-url", metavar="URL", help="Another sandbox to run against, in place of one of the demo's own.")
@click.option(
    "--api-key-file",
    type=FilePath(),
    help=f"Holds the key for --base-url, and nothing else. Default: {KEY_VARIABLE} in the environment.",
)
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=32, show_default=True, help="Requests in flight at most."
)
@click.option("--plan", type=FilePath(), help="NDJSON, one campaign a line. Default: the plan that is shipped.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides what fails, and what is read back.")
@click.pass_context
def demo(context: click.Context, /, **given: Any) -> None:
    """Create 500 campaigns on a sandbox that fails; check the count.

    The sandbox throttles some creates and drops the connection of others. What the client cannot
    know the outcome of is looked for on the server, and sent again only if it is not there. Then
    campaigns and contacts are read back, and each figure is held against the server's own.
    Exits with 1 if any is off.

    Nothing is ever sent to the provider: its own hosts are refused.
    """
    from campaigns_async.cli._demo_command import carry_out

    context.exit(carry_out(**given))
