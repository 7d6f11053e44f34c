"""Rows and their columns: what can be filtered and sorted by."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from .values import iso_ticks

Wire = dict[str, Any]

STATUSES: Final[Mapping[str, int]] = {
    "pending": 0,
    "sending": 1,
    "submitted": 2,
    "paused": 3,
    "cancelled": 4,
    "completed": 5,
}


def _ticks_of_wire(wire: Wire) -> int | None:
    text = wire.get("startDateTime")
    return iso_ticks(text) if isinstance(text, str) else None


@define(eq=False)
class Row:
    """A campaign or a contact in wire form, with its start time read once.

    `hidden` says whether lists leave the row out for now; `deleted`, that it is gone.
    """

    wire: Wire = field(repr=False)
    ticks: int | None = field(default=None, repr=False)
    hidden: Callable[[], bool] | None = field(default=None, repr=False)
    deleted: bool = False

    @classmethod
    def of_campaign(cls, wire: Wire) -> Row:
        """Make a row of a campaign in wire form."""
        return cls(wire, _ticks_of_wire(wire))

    def replace(self, wire: Wire) -> None:
        """Take other values on; the former dict is left as it was."""
        self.wire = wire
        self.ticks = _ticks_of_wire(wire)


class Kind(enum.Enum):
    """What a column holds, which says the operators it knows."""

    TEXT = enum.auto()
    INT = enum.auto()
    OPTIONAL_INT = enum.auto()
    STATUS = enum.auto()
    DATE = enum.auto()


@frozen
class Column:
    """One property: its kind, and how to take its value from a row."""

    kind: Kind
    get: Callable[[Row], Any]


# Seeds are taken as they are given: what is of another type counts as no value.


def _text(name: str) -> Column:
    def get(row: Row) -> str | None:
        value = row.wire.get(name)
        return value if isinstance(value, str) else None

    return Column(Kind.TEXT, get)


def _int(name: str, kind: Kind) -> Column:
    def get(row: Row) -> int | None:
        value = row.wire.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return Column(kind, get)


Columns = Mapping[str, Column]

# Names are found without regard to case, hence in lower case here.
CAMPAIGN_COLUMNS: Final[Columns] = {
    "id": _text("id"),
    "startdatetime": Column(Kind.DATE, lambda row: row.ticks),
    "sender": _text("sender"),
    "recipientcount": _int("recipientCount", Kind.INT),
    "message": _text("message"),
    "status": _int("status", Kind.STATUS),
    "optoutlinkid": _int("optOutLinkId", Kind.OPTIONAL_INT),
    "tracklinkurl": _text("trackLinkUrl"),
}
CONTACT_COLUMNS: Final[Columns] = {
    "id": _text("id"),
    "phonenumber": _text("phoneNumber"),
    "name": _text("name"),
    "custom1": _text("custom1"),
    "custom2": _text("custom2"),
}
