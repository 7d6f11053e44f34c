"""`campaigns-async demo`: the client on a server that fails, and whether the figures of both agree."""

from __future__ import annotations

from typing import Any

import click

from campaigns_async.cli.options import KEY_VARIABLE, Command, FilePath, concurrency_option


@click.command("demo", cls=Command)
@click.option("--base-url", metavar="URL", help="Another sandbox to run against, in place of one of the demo's own.")
@click.option(
    "--api-key-file",
    type=FilePath(),
    help=f"File that holds the key for --base-url. Default: {KEY_VARIABLE} in the environment.",
)
@concurrency_option
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the campaigns, and which of them fail.")
@click.pass_context
def demo(context: click.Context, /, **given: Any) -> None:
    """Create 500 campaigns on a sandbox that fails; check the count.

    The sandbox throttles some creates and drops the connection of others. The client searches the
    server for each create whose outcome it cannot know, and sends it again only if it is not
    there. Then campaigns and contacts are read back, and each figure is compared with the server's
    own. Exits with 1 if any is off.

    Nothing is ever sent to the provider: its own hosts are refused.
    """
    from campaigns_async.cli.demo_run import run_demo

    context.exit(run_demo(**given))
