"""Carries out `demo`: opens a server, runs the plan against it, and holds the figures of both sides together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, TypeAlias

import click

from campaigns_async import AuthenticationError, CampaignsError, ConfigurationError, ConnectionFailedError, checks
from campaigns_async.cli._demo_ledger import Ledger
from campaigns_async.cli._demo_plan import SHIPPED, PlanRow, read_plan
from campaigns_async.cli._demo_report import Report, discrepancies
from campaigns_async.cli._demo_run import Watch, run
from campaigns_async.cli._demo_server import Server, local_server, remote_server
from campaigns_async.cli._demo_show import show, watching
from campaigns_async.cli.connection import read_key
from campaigns_async.cli.live_host import is_live
from campaigns_async.cli.options import KEY_VARIABLE
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.jobs.errors import PlanError

_NO_OPTION_HERE: Final = ", or have the later ones dropped"
"""Where advice begins that only `send` can follow."""

Opening: TypeAlias = Callable[[int], AbstractAsyncContextManager[Server]]
"""Opens a server for so many campaigns."""


def carry_out(
    *, base_url: str | None, api_key_file: Path | None, concurrency: int, plan: Path | None, seed: int
) -> int:
    """Run it, and show what it came to; the exit code.

    Raises:
        click.ClickException: It could not begin, or was cut short.
    """
    opening = _opening(base_url, api_key_file, seed)
    rows = _rows(plan or SHIPPED)
    ledger = Ledger()

    async def work(watch: Watch) -> Report:
        async with opening(len(rows)) as server:
            return await run(rows, server, ledger=ledger, watch=watch, concurrency=concurrency, seed=seed)

    try:
        with watching() as watch:
            report = run_loop(lambda: work(watch))
    except Interrupted as error:
        click.echo(f"interrupted, nothing more is sent{_so_far(ledger, len(rows), base_url)}", err=True)
        return error.exit_code
    except (CampaignsError, OSError) as error:
        raise click.ClickException(_said(error, base_url) + _so_far(ledger, len(rows), base_url)) from error
    show(report)
    off = discrepancies(report)
    if not off:
        click.echo("Every figure agrees.")
        return 0
    for line in off:
        click.echo(f"off: {line}", err=True)
    click.echo(f"figures are off: run it again with --seed {seed}, and report the lines above", err=True)
    return 1


def _opening(base_url: str | None, api_key_file: Path | None, seed: int) -> Opening:
    if base_url is None:
        if api_key_file is not None:
            raise click.UsageError("--api-key-file goes with --base-url; the demo's own sandbox makes its own key")
        return lambda planned: local_server(planned, seed)
    if is_live(base_url):
        raise click.UsageError(
            "--base-url names the provider's live service, where real people would be texted, and you charged: "
            "name a sandbox, or leave it out to have one started"
        )
    try:
        url = checks.base_url("--base-url", base_url)
    except ConfigurationError as error:
        raise click.UsageError(error.message) from None
    key = read_key(api_key_file)
    return lambda _: remote_server(url, key)


def _rows(path: Path) -> Sequence[PlanRow]:
    try:
        return read_plan(path)
    except PlanError as error:
        shown = len(error.lines)
        for line in error.lines:
            click.echo(f"--plan: {str(line).partition(_NO_OPTION_HERE)[0]}", err=True)
        more = f", of which the first {shown} are told above" if error.count > shown else ""
        raise click.UsageError(f"--plan: {error.message}{more}; nothing was sent") from None


def _so_far(ledger: Ledger, planned: int, base_url: str | None) -> str:
    created, in_doubt = len(ledger.ids), len(ledger.in_doubt)
    if not created and not in_doubt:
        return ""
    fate = "they went with the sandbox" if base_url is None else "they stay on that server"
    return f" ({created} of {planned} campaigns were created, {in_doubt} are in doubt: {fate})"


def _said(error: CampaignsError | OSError, base_url: str | None) -> str:
    if isinstance(error, OSError) and not isinstance(error, CampaignsError):
        return f"the sandbox cannot be started: {_why(error)}"
    if base_url is None:
        return f"{error}: the demo's own sandbox should not lead to this; please report it"
    if isinstance(error, AuthenticationError):
        return f"the server does not take this key: look at {KEY_VARIABLE} or --api-key-file"
    if isinstance(error, ConnectionFailedError):
        return f"{error}: is a sandbox running at --base-url?"
    return f"{error}: is --base-url right? Without it the demo starts a sandbox of its own"


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
