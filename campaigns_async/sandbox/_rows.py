"""Campaigns and contacts in wire form, and the columns by which they are filtered and sorted."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from ._dotnet import parse_iso_ticks

Wire = dict[str, Any]

PENDING: Final = 0
SENDING: Final = 1
SUBMITTED: Final = 2
COMPLETED: Final = 5
STATUSES: Final[Mapping[str, int]] = {
    "pending": PENDING,
    "sending": SENDING,
    "submitted": SUBMITTED,
    "paused": 3,
    "cancelled": 4,
    "completed": COMPLETED,
}


@define(eq=False)
class Row:
    """A campaign or a contact in wire form.

    Attributes:
        ticks: The start time of a campaign, parsed once.
    """

    wire: Wire = field(repr=False)
    ticks: int | None = field(init=False, repr=False)
    deleted: bool = False

    def __attrs_post_init__(self) -> None:
        self.replace(self.wire)

    def replace(self, wire: Wire) -> None:
        """Replace the fields. The previous dict is not changed."""
        text = wire.get("startDateTime")
        self.wire = wire
        self.ticks = parse_iso_ticks(text) if isinstance(text, str) else None


class Kind(enum.Enum):
    """The type of a column, which determines its operators."""

    TEXT = enum.auto()
    INT = enum.auto()
    OPTIONAL_INT = enum.auto()
    STATUS = enum.auto()
    DATE = enum.auto()


@frozen
class Column:
    """A property by which rows are filtered and sorted."""

    kind: Kind
    get: Callable[[Row], Any]


Columns = Mapping[str, Column]


# Seeds are not validated: a value of another type counts as null.
def _make_column(name: str, kind: Kind) -> Column:
    def get(row: Row) -> str | int | None:
        value = row.wire.get(name)
        return value if isinstance(value, wanted) and not isinstance(value, bool) else None

    wanted = str if kind is Kind.TEXT else int
    return Column(kind, get)


def _make_text_columns(*names: str) -> Columns:
    return {name.lower(): _make_column(name, Kind.TEXT) for name in names}


# By name in lower case, because the server ignores the case of names.
CAMPAIGN_COLUMNS: Final[Columns] = {
    **_make_text_columns("id", "sender", "message", "trackLinkUrl"),
    "startdatetime": Column(Kind.DATE, lambda row: row.ticks),
    "recipientcount": _make_column("recipientCount", Kind.INT),
    "status": _make_column("status", Kind.STATUS),
    "optoutlinkid": _make_column("optOutLinkId", Kind.OPTIONAL_INT),
}
CONTACT_COLUMNS: Final[Columns] = _make_text_columns("id", "phoneNumber", "name", "custom1", "custom2")
