"""`campaigns-async demo`: the client on a server that fails, with every figure compared."""

from __future__ import annotations

from typing import Any

import click

from campaigns_async.cli.options import Command, concurrency_option


@click.command("demo", cls=Command)
@concurrency_option
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed that decides the campaigns and which requests fail."
)
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
