"""What can be filtered and sorted by: the server's properties, their types, and how values of each type are written and read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias

from attrs import frozen

from campaigns_async._checks import ADD_ZONE, LONE_SURROGATE, NO_ZONE, find_date_fault, is_int, is_utf8
from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, CampaignStatus, Contact
from campaigns_async.query._syntax import BLANKS

_INT32: Final = range(-(2**31), 2**31)
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,64}")
_HEX: Final = re.compile(r"(?:#|0[xX]|&[hH])(?:0[xX])?([0-9a-fA-F]{1,8})")
_DATE: Final = re.compile(
    r"(?P<year>[0-9]{4})(?P<sep>[-/])(?P<month>[0-9]{1,2})(?P=sep)(?P<day>[0-9]{1,2})"
    r"(?:(?:[Tt]|\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2})"
    r"(?::(?P<second>[0-9]{1,2})(?:\.(?P<fraction>[0-9]{1,7}))?)?"
    r"\s*(?P<zone>[zZ]|[+-][0-9]{1,2}(?::?[0-9]{2})?)?)?"
)
_ZONE: Final = re.compile(r"([+-])([0-9]{1,2}):?([0-9]{2})?")
_WIDEST_OFFSET: Final = timedelta(hours=14)


class Kind(Enum):
    """The type that the server gives a property, which decides the operators it takes."""

    TEXT = "text"
    INT = "a whole number"
    OPTIONAL_INT = "a whole number or null"
    STATUS = "a status"
    DATE = "a date"

    @property
    def nullable(self) -> bool:
        """True if the server knows rows without a value; for the other types `null` is an error there."""
        return self in (Kind.TEXT, Kind.OPTIONAL_INT)

    @property
    def ordered(self) -> bool:
        """True if the server accepts `<` and `>`."""
        return self in (Kind.INT, Kind.OPTIONAL_INT, Kind.DATE)


@frozen
class Column:
    """A property of a campaign or a contact."""

    model: type[Campaign | Contact]
    name: str
    """The model's name: `start_date_time`."""
    wire: str
    """The server's name: `startDateTime`."""
    kind: Kind


ColumnsByName: TypeAlias = Mapping[str, Column]
"""Columns by the server's name in lower case, since the server finds names in any case."""


def _columns(model: type[Campaign | Contact], *columns: tuple[str, str, Kind]) -> ColumnsByName:
    return {wire.lower(): Column(model, name, wire, kind) for name, wire, kind in columns}


_COLUMNS: Final[Mapping[type, ColumnsByName]] = {
    Campaign: _columns(
        Campaign,
        ("id", "id", Kind.TEXT),
        ("start_date_time", "startDateTime", Kind.DATE),
        ("sender", "sender", Kind.TEXT),
        ("recipient_count", "recipientCount", Kind.INT),
        ("message", "message", Kind.TEXT),
        ("status", "status", Kind.STATUS),
        ("opt_out_link_id", "optOutLinkId", Kind.OPTIONAL_INT),
        ("track_link_url", "trackLinkUrl", Kind.TEXT),
    ),
    Contact: _columns(
        Contact,
        ("id", "id", Kind.TEXT),
        ("phone_number", "phoneNumber", Kind.TEXT),
        ("name", "name", Kind.TEXT),
        ("custom1", "custom1", Kind.TEXT),
        ("custom2", "custom2", Kind.TEXT),
    ),
}


def columns_of(model: type[Campaign | Contact]) -> ColumnsByName:
    """Return the properties that the server lists of a model."""
    return _COLUMNS[model]


# Values as they are written


def format_value(kind: Kind, value: object) -> str:
    """Return a value as a filter has it, without escapes.

    Raises:
        QueryError: If the server's type does not take the value. Quotes no value.
    """
    if kind is Kind.TEXT:
        return _format_text(value)
    if kind is Kind.DATE:
        return _format_date(value)
    return _format_int(value, is_status=kind is Kind.STATUS)


def _format_text(value: object) -> str:
    if not isinstance(value, str):
        raise QueryError(f"must be text (str), not {type(value).__name__}")
    text = str.__str__(value)  # of a StrEnum too
    if not is_utf8(text):
        raise QueryError(LONE_SURROGATE)
    return text


def _format_int(value: object, *, is_status: bool) -> str:
    if is_status and isinstance(value, Enum) and not isinstance(value, CampaignStatus):
        raise QueryError(f"must be a CampaignStatus, not {type(value).__name__}")
    if not is_int(value):
        wanted = (
            "a CampaignStatus, such as CampaignStatus.PENDING, or its number" if is_status else "a whole number (int)"
        )
        raise QueryError(f"must be {wanted}, not {type(value).__name__}")
    number = int(value)  # a range would count its way to an int of a subclass
    if number not in _INT32:
        raise QueryError("does not fit in 32 bits, and the server would drop all filters")
    return str(number)


def _format_date(value: object) -> str:
    """Return a moment in UTC as exact as it is, without a `Z`, which the server would turn into its own local time."""
    if (fault := find_date_fault(value)) is not None:
        raise QueryError(f"{fault}: {ADD_ZONE}" if fault == NO_ZONE else fault)
    assert isinstance(value, datetime)
    moment = value.astimezone(UTC)
    seconds = moment.replace(tzinfo=None, microsecond=0).isoformat()
    return f"{seconds}.{moment.microsecond:06}".rstrip("0") if moment.microsecond else seconds


# Values as the server reads them


def read_value(kind: Kind, text: str) -> int | datetime | None:
    """Return the value that the server reads in a text, or None if it reads none."""
    return _READERS[kind](text)


def _read_int(text: str) -> int | None:
    """Return an int that is written with a sign, or hexadecimal with `0x`, `#` or `&h`."""
    text = text.strip(BLANKS)
    if (digits := _HEX.fullmatch(text)) is not None:
        value = int(digits[1], 16)
        return value - 2**32 if value >= 2**31 else value
    value = int(text) if _DECIMAL.fullmatch(text) else _INT32.stop
    return value if value in _INT32 else None


def _read_status(text: str) -> int | None:
    """Return a status that is written as a name in any case, a number, or several of them with commas."""
    value = 0
    for part in text.split(","):
        word = part.strip(BLANKS)
        member = CampaignStatus.__members__.get(word.upper()) if word.isascii() else None
        if member is not None:
            value |= member
        elif _DECIMAL.fullmatch(word) and int(word) in _INT32:
            value |= int(word)
        else:
            return None
    return value


def _read_date(text: str) -> datetime | None:
    """Return a date with the year first: other orders depend on the server's culture.

    What lies below a microsecond is cut, and a date without a time zone counts as UTC.
    """
    found = _DATE.fullmatch(text.strip(BLANKS))
    if found is None:
        return None
    parts = [int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")]
    offset = _read_offset(found["zone"])
    try:
        moment = datetime(*parts, int(f"{found['fraction'] or '':0<6}"[:6]), tzinfo=UTC)  # type: ignore[arg-type, misc]  # seven ints
        return None if abs(offset) > _WIDEST_OFFSET else moment - offset
    except (ValueError, OverflowError):
        return None


def _read_offset(zone: str | None) -> timedelta:
    found = _ZONE.fullmatch(zone or "")
    if found is None:
        return timedelta()
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return -offset if found[1] == "-" else offset


_READERS: Final[Mapping[Kind, Callable[[str], int | datetime | None]]] = {
    Kind.INT: _read_int,
    Kind.OPTIONAL_INT: _read_int,
    Kind.STATUS: _read_status,
    Kind.DATE: _read_date,
}
