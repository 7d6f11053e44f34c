"""Campaigns for people: tables whose columns have the wire's names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campaigns_async import Campaign, CampaignStatus
from campaigns_async.cli.console import print_line, print_rich, printable
from campaigns_async.export.columns import Column

_GAP: Final = 2
_FIRST: Final = ("id", "startDateTime", "status", "sender", "recipientCount", "message")
"""What is shown before the rest, as far as there is room."""
_LONG: Final = {"message": 16, "trackLinkUrl": 16}
"""Columns that are cut before others are, and what is left of them then."""
_LEAST: Final = 4
"""Of a column that is cut."""
_NUMBERS: Final = frozenset({"recipientCount", "optOutLinkId"})


def print_list(rows: Sequence[Campaign], columns: Sequence[Column], *, choose: bool) -> None:
    """A campaign a line.

    Args:
        rows: The campaigns.
        columns: What is shown of each.
        choose: Whether columns without room are left out; the others were asked for, and are cut.
    """
    if not rows:
        return
    cells = {column.name: [_cell(column, row) for row in rows] for column in columns}
    room = Console().width
    if choose:
        columns = _that_fit(columns, cells, room)
    widths = _widths(columns, cells, room)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), highlight=False)
    for column in columns:
        table.add_column(
            Text(column.name),
            justify="right" if column.name in _NUMBERS else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=widths[column.name],
        )
    for index in range(len(rows)):
        table.add_row(*(Text(cells[column.name][index]) for column in columns))
    print_rich(table)
    left_out = [name for name in cells if name not in widths]
    if left_out:
        print_line(f"no room for {', '.join(left_out)} (see --fields)")


def print_campaign(campaign: Campaign, columns: Sequence[Column]) -> None:
    """A field a line."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), highlight=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for column in columns:
        table.add_row(Text(column.name), Text(_cell(column, campaign, whole=True)))
    print_rich(table)
    print_rich("")


def _that_fit(columns: Sequence[Column], cells: dict[str, list[str]], width: int) -> list[Column]:
    """Those that matter most, as long as there is room; in their own order."""
    known = {column.name: column for column in columns}
    chosen: list[Column] = []
    left = width + _GAP
    for name in sorted(known, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)):
        needed = _needed(name, cells[name]) + _GAP
        if needed <= left or not chosen:
            left -= needed
            chosen.append(known[name])
    return chosen


def _widths(columns: Sequence[Column], cells: dict[str, list[str]], room: int) -> dict[str, int]:
    """How wide each is to be, so that all have room, if that can be."""
    whole = {column.name: max(map(cell_len, [column.name, *cells[column.name]])) for column in columns}
    widths = dict(whole)
    left = room - _GAP * (len(columns) - 1)
    while sum(widths.values()) > left:
        # An id must stand in one piece, to be copied; of the rest, texts are cut before what is short anyway.
        can_be_cut = [name for name in widths if name != "id" and widths[name] > _LEAST]
        if not can_be_cut:
            break
        name = max(can_be_cut, key=lambda name: (widths[name] > _LONG.get(name, widths[name]), widths[name]))
        widths[name] -= 1
    return widths


def _needed(name: str, cells: Sequence[str]) -> int:
    widest = max(map(cell_len, cells))
    return max(cell_len(name), min(widest, _LONG.get(name, widest)))


def _cell(column: Column, campaign: Campaign, *, whole: bool = False) -> str:
    value = getattr(campaign, column.attribute or "")
    if value is None:
        return ""
    if isinstance(value, datetime):
        return _moment(value, whole=whole)
    if isinstance(value, CampaignStatus):
        return _status(value, whole=whole)
    text = str(value)
    if whole:
        return "\n".join(map(printable, text.split("\n")))
    return printable(text.replace("\n", " "))


def _moment(value: datetime, *, whole: bool) -> str:
    value = value.astimezone(UTC).replace(tzinfo=None)
    precision = "auto" if whole or value.second or value.microsecond else "minutes"
    return f"{value.isoformat(timespec=precision)}Z"


def _status(value: CampaignStatus, *, whole: bool) -> str:
    number = int(value)
    known = number in {int(status) for status in CampaignStatus}
    if not known:
        return str(number)
    word = value.name.lower()
    return f"{number} ({word})" if whole else word
