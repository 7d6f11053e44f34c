"""The runs of `campaigns list` and `campaigns get`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from campaigns_async.cli.arguments import check_filter, check_ids, check_sort, find_columns
from campaigns_async.cli.connection import connect, run_with_client
from campaigns_async.cli.console import (
    format_count,
    is_terminal,
    make_console,
    make_table,
    open_output,
    print_line,
    print_note,
    print_output,
    print_rich,
    printable,
    to_output_error,
)
from campaigns_async.cli.options import ConnectionOptions
from campaigns_async.errors import NotFoundError
from campaigns_async.export._options import CAMPAIGN_COLUMNS, Column
from campaigns_async.models import Campaign, CampaignStatus

if TYPE_CHECKING:
    from campaigns_async import CampaignsClient, Outcome, Paginator

Rows: TypeAlias = AsyncGenerator[tuple[Sequence[Campaign], int | None]]
"""Campaigns, and how many the server counts in all."""

_TERMINAL_LIMIT: Final = 100
_PAGE: Final = 1000
_GAP: Final = 2
_IMPORTANCE: Final = ("id", "message", "startDateTime", "sender", "status", "recipientCount")
"""The order in which columns get room; the others follow."""
_TEXTS: Final = {"message": 20, "trackLinkUrl": 16}
"""The columns that are cut first, and the width at which they can still be read."""
_NUMBERS: Final = frozenset({"recipientCount", "optOutLinkId"})


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
    """Show campaigns in their order: a table on a terminal, else a JSON object a line."""
    check_filter("--filter", filters, Campaign)
    check_sort("--sort", sorts, Campaign)
    columns = find_columns(fields, CAMPAIGN_COLUMNS)
    make_client = connect(options)
    as_table = is_terminal() and not as_json
    if as_table and limit is None:
        limit = _TERMINAL_LIMIT
    size = min(_PAGE, limit or _PAGE) if page_size is None else page_size

    async def work(client: CampaignsClient) -> None:
        prefetch = 0 if limit is not None and limit <= size else 1
        listing = client.campaigns.list(filters=filters, sorts=sorts, page_size=size, prefetch=prefetch)
        if not as_table:
            await _print_json(_read_pages(listing, limit), columns)
            return
        rows: list[Campaign] = []
        total: int | None = None
        async with aclosing(_read_pages(listing, limit)) as pages:
            async for page, counted in pages:
                rows += page
                total = counted
        if rows:
            _print_list(rows, columns, choose=fields is None)
        if total is None or total <= len(rows):
            print_note(format_count(len(rows), "campaign"))
        else:
            print_note(f"the first {len(rows):,} of {total:,} campaigns: --limit N shows more, --json all as JSON")

    run_with_client(make_client, work)


def show_each(options: ConnectionOptions, campaign_ids: Sequence[str], fields: str | None, *, as_json: bool) -> None:
    """Show campaigns by their ids, in that order."""
    check_ids(campaign_ids, "ID")
    columns = find_columns(fields, CAMPAIGN_COLUMNS)
    make_client = connect(options)

    async def work(client: CampaignsClient) -> None:
        missing: list[str] = []
        found = _read_each(client, campaign_ids, missing)
        if is_terminal() and not as_json:
            is_first = True
            async with aclosing(found):
                async for (campaign,), _ in found:
                    print_output("" if is_first else "\n", newline=False)
                    _print_campaign(campaign, columns)
                    is_first = False
        else:
            await _print_json(found, columns)
        for campaign_id in missing[:-1]:
            print_line(f"there is no campaign {printable(campaign_id)}")
        if missing:
            raise click.ClickException(f"there is no campaign {missing[-1]}: `campaigns list` shows the campaigns")

    run_with_client(make_client, work)


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
    """Yield each campaign that exists, in the order of the ids; add the ids of the others to `missing`."""
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

    target = StreamTarget(open_output())
    encoder = NdjsonEncoder(columns)
    try:
        async with aclosing(pages):
            async for rows, _ in pages:
                await target.write(encoder.encode(Batch(rows)))
        await target.finish()
    except ExportWriteError as error:
        raise to_output_error(error.errno) from error


def _print_list(rows: Sequence[Campaign], columns: Sequence[Column], *, choose: bool) -> None:
    """Print a table with a campaign a line.

    With `choose`, columns are left out that are empty, or for which the terminal has no room; else all are shown, and cut.
    """
    from rich.cells import cell_len
    from rich.text import Text

    cells = {column.name: [_format_cell(column, row) for row in rows] for column in columns}
    if choose:
        cells = {name: values for name, values in cells.items() if any(values)}
    widths = {name: max(map(cell_len, [name, *values])) for name, values in cells.items()}
    names = _columns_that_fit(widths) if choose else list(cells)
    table = make_table()
    for name in names:
        # Rich narrows the columns that may wrap first. An id is never cut, so that it can be copied.
        table.add_column(
            Text(name, no_wrap=True, overflow="ellipsis"),
            justify="right" if name in _NUMBERS else "left",
            no_wrap=name not in _TEXTS,
            overflow="ellipsis",
            min_width=widths[name] if name == "id" else None,
        )
    for row in zip(*(cells[name] for name in names), strict=True):
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    print_rich(table)
    if left_out := [name for name in cells if name not in names]:
        print_note(f"no room for {', '.join(left_out)}: choose with --fields")


def _columns_that_fit(widths: Mapping[str, int]) -> list[str]:
    left = make_console().width + _GAP
    chosen: set[str] = set()
    for name in sorted(widths, key=lambda name: _IMPORTANCE.index(name) if name in _IMPORTANCE else len(_IMPORTANCE)):
        needed = min(widths[name], _TEXTS.get(name, widths[name])) + _GAP
        if needed <= left or not chosen:
            left -= needed
            chosen.add(name)
    return [name for name in widths if name in chosen]


def _print_campaign(campaign: Campaign, columns: Sequence[Column]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), highlight=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for column in columns:
        table.add_row(Text(column.name), Text(_format_cell(column, campaign, full=True)))
    print_rich(table)


def _format_cell(column: Column, campaign: Campaign, *, full: bool = False) -> str:
    value = getattr(campaign, column.attribute or "")
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None)
        precision = "auto" if full or value.second or value.microsecond else "minutes"
        return f"{value.isoformat(timespec=precision)}Z"
    if isinstance(value, CampaignStatus):
        if value.value not in {status.value for status in CampaignStatus}:
            return str(value.value)
        return f"{value.value} ({value.name.lower()})" if full else value.name.lower()
    text = str(value)
    return "\n".join(map(printable, text.split("\n"))) if full else printable(text.replace("\n", " "))
