"""Runs `campaigns list` and `campaigns get`."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from campaigns_async.cli.console import (
    OutputClosed,
    binary_output,
    count_of,
    is_terminal,
    output_closed_message,
    print_line,
    printable,
)
from campaigns_async.cli.options import ConnectionOptions

if TYPE_CHECKING:
    from campaigns_async import Campaign, CampaignsClient, Outcome, Paginator
    from campaigns_async.export._options import Column

    Rows: TypeAlias = AsyncGenerator[tuple[Sequence[Campaign], int | None]]
    """Campaigns, and how many the server counts in all."""

_TERMINAL_LIMIT: Final = 100
_PAGE: Final = 1000
_WRITTEN: Final = 100
"""Rows that are written at a time."""


def show_list(
    options: ConnectionOptions,
    *,
    filters: str | None,
    sorts: str,
    fields: str | None,
    limit: int | None,
    page_size: int | None,
    as_json: bool,
) -> None:
    """Show campaigns in their order: a table on a terminal, else a JSON object a line.

    Raises:
        click.ClickException: If an option cannot be, or the server fails.
    """
    from campaigns_async.cli.connection import connect, run_with_client
    from campaigns_async.cli.query_options import check_filter, check_sort, columns_of
    from campaigns_async.export._options import CAMPAIGN_COLUMNS
    from campaigns_async.models import Campaign

    check_filter("--filter", filters, Campaign)
    check_sort("--sort", sorts, Campaign)
    columns = columns_of(fields, CAMPAIGN_COLUMNS)
    connection = connect(options)
    as_table = is_terminal() and not as_json
    if as_table and limit is None:
        limit = _TERMINAL_LIMIT
    size = min(_PAGE, limit or _PAGE) if page_size is None else page_size

    async def work(client: CampaignsClient) -> None:
        listing = client.campaigns.list(
            filters=filters, sorts=sorts, page_size=size, prefetch=0 if limit is not None and limit <= size else 1
        )
        if not as_table:
            await _print_json(_read_pages(listing, limit), columns)
            return
        from campaigns_async.cli.campaigns_table import print_list

        rows: list[Campaign] = []
        total: int | None = None
        async with aclosing(_read_pages(listing, limit)) as pages:
            async for page, counted in pages:
                rows += page
                total = counted
        print_list(rows, columns, choose=fields is None)
        if total is None or total <= len(rows):
            print_line(count_of(len(rows), "campaign"))
        else:
            print_line(f"the first {len(rows):,} of {total:,} campaigns: --limit N shows more, --json all as JSON")

    run_with_client(connection, work)


def show_each(options: ConnectionOptions, campaign_ids: Sequence[str], fields: str | None, *, as_json: bool) -> None:
    """Show campaigns by their ids, in that order.

    Raises:
        click.ClickException: If an option cannot be, a campaign is not there, or the server fails.
    """
    from campaigns_async.cli.connection import connect, run_with_client
    from campaigns_async.cli.query_options import check_ids, columns_of
    from campaigns_async.export._options import CAMPAIGN_COLUMNS

    check_ids(campaign_ids, "ID")
    columns = columns_of(fields, CAMPAIGN_COLUMNS)
    connection = connect(options)

    async def work(client: CampaignsClient) -> None:
        missing: list[str] = []
        found = _read_each(client, campaign_ids, missing)
        if is_terminal() and not as_json:
            from campaigns_async.cli.campaigns_table import print_campaign

            async with aclosing(found):
                async for (campaign,), _ in found:
                    print_campaign(campaign, columns)
        else:
            await _print_json(found, columns)
        if missing:
            for campaign_id in missing[:-1]:
                print_line(f"there is no campaign {printable(campaign_id)}")
            raise click.ClickException(f"there is no campaign {missing[-1]}: `campaigns list` shows which there are")

    run_with_client(connection, work)


async def _read_pages(listing: Paginator[Campaign], limit: int | None) -> Rows:
    left = limit
    async with aclosing(listing.pages()) as pages:
        async for page in pages:
            rows = page.items[:left]
            yield rows, page.total_records
            if left is not None:
                left -= len(rows)
                if not left:
                    return


async def _read_each(client: CampaignsClient, campaign_ids: Sequence[str], missing: list[str]) -> Rows:
    """Yield each campaign that is there, in the order of the ids; add the ids of the others to `missing`."""
    from campaigns_async import NotFoundError

    waiting: dict[int, Outcome[str, Campaign]] = {}
    turn = 0
    async with client.map(client.campaigns.get, campaign_ids) as outcomes:
        async for outcome in outcomes:
            waiting[outcome.index] = outcome
            while (ready := waiting.pop(turn, None)) is not None:
                turn += 1
                if isinstance(ready.error, NotFoundError):
                    missing.append(ready.item)
                elif ready.error is not None:
                    raise ready.error
                elif ready.value is not None:
                    yield (ready.value,), None


async def _print_json(pages: Rows, columns: Sequence[Column]) -> None:
    from campaigns_async.export import ExportWriteError
    from campaigns_async.export._encoders import Batch, NdjsonEncoder
    from campaigns_async.export._stream import StreamTarget

    target = StreamTarget(binary_output())
    encoder = NdjsonEncoder(columns)
    written = 0
    try:
        async with aclosing(pages):
            async for rows, _ in pages:
                for start in range(0, len(rows), _WRITTEN):
                    piece = rows[start : start + _WRITTEN]
                    await target.write(encoder.encode(Batch(piece)))
                    written += len(piece)
        await target.finish()
    except ExportWriteError as error:
        if error.errno == errno.EPIPE:
            raise OutputClosed(output_closed_message(written, "campaign")) from error
        raise click.ClickException(f"standard output: {error.message}") from error
    finally:
        await target.aclose()
