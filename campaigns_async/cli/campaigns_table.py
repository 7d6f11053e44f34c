"""Shows campaigns to people: a table of them, or one field by field."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campaigns_async.cli.console import print_line, print_rich, printable
from campaigns_async.export._options import Column
from campaigns_async.models import Campaign, CampaignStatus

_GAP: Final = 2
_FIRST: Final = ("id", "startDateTime", "status", "sender", "recipientCount", "message")
"""The columns that are shown before the rest, as far as there is room."""
_TEXTS: Final = {"message": 16, "trackLinkUrl": 16}
"""The columns that are cut first, and the width that is enough to show them."""
_NUMBERS: Final = frozenset({"recipientCount", "optOutLinkId"})


def print_list(rows: Sequence[Campaign], columns: Sequence[Column], *, choose: bool) -> None:
    """Print a table with a campaign a line.

    Args:
        rows: The campaigns.
        columns: The columns.
        choose: Leave out the columns that have no room; otherwise all are shown, and cut.
    """
    if not rows:
        return
    cells = {column.name: [_cell(column, row) for row in rows] for column in columns}
    widths = {name: max(map(cell_len, [name, *values])) for name, values in cells.items()}
    names = _that_fit(widths) if choose else list(cells)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), highlight=False)
    for name in names:
        # Rich narrows what may wrap first. An id must stand in one piece, to be copied.
        table.add_column(
            Text(name, no_wrap=True, overflow="ellipsis"),
            justify="right" if name in _NUMBERS else "left",
            no_wrap=name not in _TEXTS,
            overflow="ellipsis",
            min_width=widths[name] if name == "id" else None,
        )
    for index in range(len(rows)):
        table.add_row(*(Text(cells[name][index], no_wrap=True, overflow="ellipsis") for name in names))
    print_rich(table)
    if left_out := [name for name in cells if name not in names]:
        print_line(f"no room for {', '.join(left_out)} (see --fields)")


def print_campaign(campaign: Campaign, columns: Sequence[Column]) -> None:
    """Print a campaign with a field a line."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), highlight=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for column in columns:
        table.add_row(Text(column.name), Text(_cell(column, campaign, full=True)))
    print_rich(table)
    print_rich("")


def _that_fit(widths: dict[str, int]) -> list[str]:
    """Return the columns that a terminal has room for, the most important first."""
    left = Console().width + _GAP
    chosen: list[str] = []
    for name in sorted(widths, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)):
        needed = max(cell_len(name), min(widths[name], _TEXTS.get(name, widths[name]))) + _GAP
        if needed <= left or not chosen:
            left -= needed
            chosen.append(name)
    return chosen


def _cell(column: Column, campaign: Campaign, *, full: bool = False) -> str:
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
