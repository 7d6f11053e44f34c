"""Values of each type: as filters write them, and as they are read in plain text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from campaigns_async.errors import QueryError
from campaigns_async.models import CampaignStatus
from campaigns_async.query.columns import Kind
from campaigns_async.query.sieve import BLANKS

_INTEGERS: Final = range(-(2**31), 2**31)
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


def text(value: object) -> str:
    """Text as it is.

    Raises:
        QueryError: It is none, or cannot be sent.
    """
    if not isinstance(value, str):
        raise QueryError(f"must be text (str), not {type(value).__name__}")
    exact = str.__str__(value)  # of a StrEnum too
    if not is_whole(exact):
        raise QueryError("holds half of a surrogate pair, which UTF-8 cannot carry")
    return exact


def is_whole(value: str) -> bool:
    """Whether UTF-8 can carry it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def whole(value: object) -> str:
    """A whole number.

    Raises:
        QueryError: It is none, or does not fit in 32 bits.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise QueryError(f"must be a whole number (int), not {type(value).__name__}")
    if value not in _INTEGERS:
        raise QueryError("does not fit in 32 bits, and the server would drop all filters")
    return str(int(value))


def status(value: object) -> str:
    """A status, written as its number.

    Raises:
        QueryError: It is none.
    """
    if isinstance(value, Enum) and not isinstance(value, CampaignStatus):
        raise QueryError(f"must be a CampaignStatus, not {type(value).__name__}")
    if isinstance(value, bool) or not isinstance(value, int):
        raise QueryError(
            f"must be a CampaignStatus, such as CampaignStatus.PENDING, or its number, not {type(value).__name__}"
        )
    return whole(int(value))


def date(value: object) -> str:
    """A moment in UTC, without a `Z`, which the server would take for its own time, and as exact as it is.

    Raises:
        QueryError: It is none, has no time zone, or lies outside of years 1 to 9999 in UTC.
    """
    if not isinstance(value, datetime):
        raise QueryError(f"must be a datetime, not {type(value).__name__}")
    moment = _in_utc(value)
    written = (
        f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
    )
    return f"{written}.{moment.microsecond:06}".rstrip("0") if moment.microsecond else written


def _in_utc(value: datetime) -> datetime:
    try:
        if value.utcoffset() is not None:
            return value.astimezone(UTC)
        reason = (
            "has no time zone, so it could mean any hour: pass tzinfo=, for example zoneinfo.ZoneInfo('Europe/London')"
        )
    except OverflowError:
        reason = "is out of range in UTC"
    except Exception:  # a caller's own tzinfo may raise anything
        reason = "has a time zone that fails"
    raise QueryError(reason)  # here, where nothing is chained that could quote a value


def read_number(said: str) -> int | None:
    """A whole number as the server reads it: with a sign, or hexadecimal with `0x`, `#` or `&h`; None if it is none."""
    said = said.strip(BLANKS)
    if (digits := _HEX.fullmatch(said)) is not None:
        value = int(digits[1], 16)
        return value - 2**32 if value >= 2**31 else value
    value = int(said) if _DECIMAL.fullmatch(said) else _INTEGERS.stop
    return value if value in _INTEGERS else None


def read_status(said: str) -> int | None:
    """A status as the server reads it: a name in any case, a number, or several with commas; None if it is none."""
    value = 0
    for part in said.split(","):
        word = part.strip(BLANKS)
        member = CampaignStatus.__members__.get(word.upper()) if word.isascii() else None
        if member is not None:
            value |= member
        elif _DECIMAL.fullmatch(word) and int(word) in _INTEGERS:
            value |= int(word)
        else:
            return None
    return value


def read_date(said: str) -> datetime | None:
    """A date with the year first; None if it is none.

    Other orders depend on the server's culture. What lies below a microsecond is cut off, and what has no
    time zone counts as UTC: who compares allows for hours.
    """
    found = _DATE.fullmatch(said.strip(BLANKS))
    if found is None:
        return None
    year, month, day, hour, minute, second = (
        int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    fraction = int(f"{found['fraction'] or '':0<6}"[:6])
    offset = _offset(found["zone"])
    try:
        moment = datetime(year, month, day, hour, minute, second, fraction, tzinfo=UTC)
        return None if abs(offset) > _WIDEST_OFFSET else moment - offset
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    found = _ZONE.fullmatch(zone or "")
    if found is None:
        return timedelta()
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return -offset if found[1] == "-" else offset


READERS: Final[dict[Kind, Callable[[str], int | None] | Callable[[str], datetime | None]]] = {
    Kind.INT: read_number,
    Kind.OPTIONAL_INT: read_number,
    Kind.STATUS: read_status,
    Kind.DATE: read_date,
}
"""How the values of each type but text are read."""
