"""The server's columns and their types, with the text of each type's values in a filter."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

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
    r"\s*(?:[zZ]|(?P<sign>[+-])(?P<zone_hour>[0-9]{1,2})(?::?(?P<zone_minute>[0-9]{2}))?)?)?"
)
_DATE_PARTS: Final = ("year", "month", "day", "hour", "minute", "second")
_WIDEST_OFFSET: Final = timedelta(hours=14)


class Kind(Enum):
    """The type of a column on the server. It decides which operators the column takes."""

    TEXT = "text"
    INT = "a whole number"
    OPTIONAL_INT = "a whole number or null"
    STATUS = "a status"
    DATE = "a date"

    @property
    def is_nullable(self) -> bool:
        """True if a value may be null. With a column of another type, the server ignores all filters at `null`."""
        return self in (Kind.TEXT, Kind.OPTIONAL_INT)

    @property
    def is_ordered(self) -> bool:
        """True if the server accepts `<` and `>`."""
        return self in (Kind.INT, Kind.OPTIONAL_INT, Kind.DATE)


@frozen
class Column:
    """A property of a campaign or a contact.

    Attributes:
        model: The class of the rows.
        name: The model's name of the column: `start_date_time`.
        wire: The server's name of the column: `startDateTime`.
        kind: The type of its values.
    """

    model: type[Campaign | Contact]
    name: str
    wire: str
    kind: Kind


# Writing values


def format_value(kind: Kind, value: object) -> str:
    """Return the text of a value in a filter, before special characters are escaped. A QueryError never quotes a value."""
    if kind is Kind.TEXT:
        return _format_text(value)
    if kind is Kind.DATE:
        return _format_date(value)
    return _format_int(value, is_status=kind is Kind.STATUS)


def _format_text(value: object) -> str:
    if not isinstance(value, str):
        raise QueryError(f"must be text (str), not {type(value).__name__}")
    text = str.__str__(value)  # a StrEnum may override __str__
    if not is_utf8(text):
        raise QueryError(LONE_SURROGATE)
    return text


def _format_int(value: object, *, is_status: bool) -> str:
    if is_status and isinstance(value, Enum) and not isinstance(value, CampaignStatus):
        raise QueryError(f"must be a CampaignStatus, not {type(value).__name__}")
    if not is_int(value):
        expected = (
            "a CampaignStatus, such as CampaignStatus.PENDING, or its number" if is_status else "a whole number (int)"
        )
        raise QueryError(f"must be {expected}, not {type(value).__name__}")
    number = int(value)  # `in range` is slow for a subclass of int
    if number not in _INT32:
        raise QueryError("does not fit in 32 bits, and the server would ignore all filters")
    return str(number)


def _format_date(value: object) -> str:
    """Return the time in UTC with all its digits. It has no `Z`, at which the server would convert it to its local time."""
    if (fault := find_date_fault(value)) is not None:
        raise QueryError(f"{fault}: {ADD_ZONE}" if fault == NO_ZONE else fault)
    assert isinstance(value, datetime)
    moment = value.astimezone(UTC)
    seconds = moment.replace(tzinfo=None, microsecond=0).isoformat()
    return f"{seconds}.{moment.microsecond:06}".rstrip("0") if moment.microsecond else seconds


# Reading values as the server does


def read_value(kind: Kind, text: str) -> int | datetime | None:
    """Return the value that the server reads from a text, or None if the text is not a value of this kind."""
    if kind is Kind.DATE:
        return _read_date(text)
    return _read_status(text) if kind is Kind.STATUS else _read_int(text)


def _read_int(text: str) -> int | None:
    """Parse a decimal number with an optional sign, or a hexadecimal number with `0x`, `#` or `&h`."""
    text = text.strip(BLANKS)
    if (digits := _HEX.fullmatch(text)) is not None:
        value = int(digits[1], 16)
        return value - 2**32 if value >= 2**31 else value
    value = int(text) if _DECIMAL.fullmatch(text) else _INT32.stop
    return value if value in _INT32 else None


def _read_status(text: str) -> int | None:
    """Parse a status: a name in any case, a number, or several of them separated by commas."""
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
    """Parse a date with the year first. Other orders depend on the server's culture.

    Digits after the microseconds are cut. A date without a time zone is in UTC.
    """
    match = _DATE.fullmatch(text.strip(BLANKS))
    if match is None:
        return None
    date = match.groupdict(default="0")
    offset = timedelta(hours=int(date["zone_hour"]), minutes=int(date["zone_minute"]))
    if offset > _WIDEST_OFFSET:
        return None
    year, month, day, hour, minute, second = (int(date[part]) for part in _DATE_PARTS)
    microsecond = int(f"{date['fraction']:0<6}"[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
        return moment + offset if date["sign"] == "-" else moment - offset
    except (ValueError, OverflowError):
        return None
