"""Runs `export`: what was given becomes an export, which is watched, and whose end is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import click
from attrs import define, field

from campaigns_async import CampaignsError
from campaigns_async.cli._export_options import Destination, ids_of
from campaigns_async.cli._export_report import Report
from campaigns_async.cli.connection import Connection, connect
from campaigns_async.cli.console import is_terminal
from campaigns_async.cli.options import ConnectionOptions
from campaigns_async.cli.query_options import check_filter, check_sort
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.export.columns import CAMPAIGN_COLUMNS, CONTACT_COLUMNS, Column
from campaigns_async.models import Campaign, Contact

if TYPE_CHECKING:
    from campaigns_async import CampaignsClient
    from campaigns_async.cli.export_progress import ExportFigures
    from campaigns_async.export.summary import ExportProgress, ExportSummary

Exporting: TypeAlias = (
    "Callable[[CampaignsClient, Path | BinaryIO, Callable[[ExportProgress], object]], Awaitable[ExportSummary]]"
)
"""An export that needs only these to begin."""


def run_campaigns(
    context: click.Context,
    connection: ConnectionOptions,
    *,
    filters: str | None,
    sorts: str,
    page_size: int,
    prefetch: int,
    as_json: bool,
    **destination: Any,
) -> int:
    """Export campaigns; the exit code.

    Raises:
        click.ClickException: It could not begin, or ended before its time.
    """
    to = _destination(CAMPAIGN_COLUMNS, **destination)
    check_filter("--filter", filters, Campaign)
    check_sort("--sort", sorts, Campaign)

    async def export(
        client: CampaignsClient, out: Path | BinaryIO, told: Callable[[ExportProgress], object]
    ) -> ExportSummary:
        from campaigns_async.export.exporting import export_campaigns

        return await export_campaigns(
            client,
            out,
            format=to.form,
            fields=[column.name for column in to.columns],
            filters=filters,
            sorts=sorts,
            page_size=page_size,
            prefetch=prefetch,
            unfinished=to.unfinished,
            csv=to.csv,
            on_progress=told,
        )

    return Run(context, to, connect(connection), export, as_json=as_json).run()


def run_contacts(
    context: click.Context,
    connection: ConnectionOptions,
    campaign_ids: Sequence[str],
    *,
    ids_file: Path | None,
    all_campaigns: bool,
    campaign_filter: str | None,
    campaign_sort: str | None,
    filters: str | None,
    sorts: str,
    parallel: int,
    ordered: bool,
    page_size: int,
    prefetch: int,
    as_json: bool,
    **destination: Any,
) -> int:
    """Export contacts; the exit code.

    Raises:
        click.ClickException: It could not begin, or ended before its time.
    """
    to = _destination(CONTACT_COLUMNS, **destination)
    for option, value in (("--campaign-filter", campaign_filter), ("--campaign-sort", campaign_sort)):
        if value is not None and not all_campaigns:
            raise click.UsageError(f"{option} goes with --all-campaigns")
    check_filter("--filter", filters, Contact)
    check_sort("--sort", sorts, Contact)
    check_filter("--campaign-filter", campaign_filter, Campaign)
    campaign_sorts = "id" if campaign_sort is None else campaign_sort
    check_sort("--campaign-sort", campaign_sorts, Campaign)
    reached = connect(connection)
    ids = ids_of(campaign_ids, ids_file, all_campaigns=all_campaigns)

    async def export(
        client: CampaignsClient, out: Path | BinaryIO, told: Callable[[ExportProgress], object]
    ) -> ExportSummary:
        from campaigns_async.export.exporting import export_contacts

        return await export_contacts(
            client,
            out,
            ids,
            all_campaigns=all_campaigns,
            campaign_filters=campaign_filter,
            campaign_sorts=campaign_sorts,
            ordered=ordered,
            parallel=parallel,
            format=to.form,
            fields=[column.name for column in to.columns],
            filters=filters,
            sorts=sorts,
            page_size=page_size,
            prefetch=prefetch,
            unfinished=to.unfinished,
            csv=to.csv,
            on_progress=told,
        )

    return Run(context, to, reached, export, as_json=as_json).run()


def _destination(
    known: Sequence[Column], *, out: str, form: str | None, fields: str | None, **more: Any
) -> Destination:
    return Destination.of(out, form, fields, known, **more)


@define
class Run:
    """An export from its first signal to its exit code."""

    _context: click.Context
    _to: Destination
    _connection: Connection
    _export: Exporting
    _as_json: bool = field(alias="as_json", kw_only=True)
    _figures: ExportFigures | None = field(default=None, init=False)

    def run(self) -> int:
        """Run it, and tell how it ended; the exit code.

        Raises:
            RunFailed: It is not whole.
        """
        try:
            summary = run_loop(self._work)
        except Interrupted as error:
            raise self._report().interrupted(error) from error
        except CampaignsError as error:
            raise self._report().failed(error) from error
        except (click.ClickException, ModuleNotFoundError):
            raise
        except Exception as error:  # whatever it is, what was written is kept
            raise self._report().broken(error) from error
        self._report().whole(summary)
        return 0

    async def _work(self) -> ExportSummary:
        from campaigns_async.cli.bars import show_progress
        from campaigns_async.cli.export_progress import ExportFigures

        bar = self._to.path is not None or not is_terminal()
        async with self._connection.client() as client:
            self._figures = figures = ExportFigures(client.stats)
            async with show_progress(figures.now, bar=bar):
                return await self._export(client, self._to.out(), figures.update)

    def _report(self) -> Report:
        latest = None if self._figures is None else self._figures.latest
        return Report(self._context, self._to, latest, as_json=self._as_json)
