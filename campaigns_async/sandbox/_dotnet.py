""".NET's conversions: integers, enums and dates of text, JSON, and upper case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import MAXYEAR, UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Literal

import msgspec

DateStyle = Literal["milliseconds", "bare", "seven_digits", "offset"]

INT32_MAX: Final = 2**31 - 1
TICKS_PER_SECOND: Final = 10_000_000
# Python's isspace includes the separators U+001C to U+001F, .NET's does not.
BLANKS: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

_DECIMAL = re.compile(r"[+-]?[0-9]+")
_HEX = re.compile(r"(?:#|0[xX]|&[hH])(?:0[xX])?([0-9a-fA-F]+)")
_YEAR_FIRST = r"(?P<year>[0-9]{4})(?P<sep>[-/])(?P<month>[0-9]{1,2})(?:(?P=sep)(?P<day>[0-9]{1,2}))?"
_MONTH_FIRST = r"(?P<month2>[0-9]{1,2})/(?P<day2>[0-9]{1,2})/(?P<year2>[0-9]{4})"
_TIME = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2})"
    r"(?::(?P<second>[0-9]{1,2})(?:\.(?P<fraction>[0-9]+))?)?"
)
_ZONE = r"(?P<zone>[zZ]|[+-](?P<zone_hours>[0-9]{1,2})(?::?(?P<zone_minutes>[0-9]{2}))?)"
_DATE = re.compile(rf"(?:{_YEAR_FIRST}|{_MONTH_FIRST})(?:(?:[Tt]|\s+){_TIME}\s*{_ZONE}?)?")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,16})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_YEAR_ONE: Final = datetime(1, 1, 1, tzinfo=UTC)
_END_OF_TIME: Final = ((datetime(9999, 12, 31, tzinfo=UTC) - _YEAR_ONE).days + 1) * 86_400 * TICKS_PER_SECOND


def read_json(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except UnicodeDecodeError:
        raise ValueError("not JSON: it must be UTF-8") from None
    except RecursionError:
        raise ValueError("not JSON: it is nested too deeply") from None


def parse_int32(text: str) -> int:
    """Parse a 32-bit integer, with blanks around it, a sign, or in the hex notations ``0x10``, ``#10`` and ``&h10``."""
    text = text.strip(BLANKS)
    if match := _HEX.fullmatch(text):
        value = int(match[1], 16)
        if value >= 2**32:
            raise ValueError("more than 32 bits")
        return value - 2**32 if value > INT32_MAX else value
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a whole number")
    return _check_int32(int(text))


def _check_int32(value: int) -> int:
    if not -(2**31) <= value <= INT32_MAX:
        raise ValueError("more than 32 bits")
    return value


def parse_enum(text: str, names: Mapping[str, int]) -> int:
    """Parse an enum: a name in any case, any number, or several of them with commas."""
    value = 0
    for part in text.split(","):
        word = part.strip(BLANKS)
        if _DECIMAL.fullmatch(word):
            value |= _check_int32(int(word))
        elif word.lower() in names:
            value |= names[word.lower()]
        else:
            raise ValueError("not a name of the enum")
    return value


def parse_ticks(text: str, zone: tzinfo) -> int:
    """Parse a date of a filter into ticks of 100 ns since year 1.

    A date with ``Z`` or an offset is converted to `zone`, the server's time zone. A date without either is not
    converted. Empty text is the first tick.
    """
    text = text.strip(BLANKS)
    if not text:
        return 0
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    ticks = _parse_local(match)
    offset = _parse_offset(match)
    if offset is None:
        return ticks
    ticks -= _count_ticks(offset)
    local = (_YEAR_ONE + timedelta(microseconds=ticks // 10)).astimezone(zone)
    shift = local.utcoffset()
    return ticks if shift is None else ticks + _count_ticks(shift)


def parse_iso_ticks(text: str) -> int | None:
    """Parse a date of a JSON body into ticks of 100 ns since year 1 in UTC. Return None if it is not a date."""
    try:
        if _PLAIN.fullmatch(text):
            # The usual form, many times faster than the general one.
            return to_ticks(datetime.fromisoformat(text))
        match = _DATE.fullmatch(text) if _ISO.fullmatch(text) else None
        if match is None:
            return None
        ticks = _parse_local(match) - _count_ticks(_parse_offset(match) or timedelta())
        return ticks if 0 <= ticks < _END_OF_TIME else None
    except ValueError:
        return None


def _parse_local(match: re.Match[str]) -> int:
    year, month, day = (int(match[name] or match[f"{name}2"] or 1) for name in ("year", "month", "day"))
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    ticks = to_ticks(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    if fraction := match["fraction"]:
        ticks += round(int(fraction) * TICKS_PER_SECOND / 10 ** len(fraction))
    return ticks


def _parse_offset(match: re.Match[str]) -> timedelta | None:
    zone = match["zone"]
    if zone is None:
        return None
    if zone in {"z", "Z"}:
        return timedelta()
    offset = timedelta(hours=int(match["zone_hours"]), minutes=int(match["zone_minutes"] or 0))
    if offset > timedelta(hours=14):
        raise ValueError("an offset beyond 14 hours")
    return -offset if zone[0] == "-" else offset


def to_ticks(moment: datetime) -> int:
    """Return a time with a zone as ticks of 100 ns since year 1 in UTC."""
    return _count_ticks(moment - _YEAR_ONE)


def _count_ticks(span: timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * TICKS_PER_SECOND + span.microseconds * 10


def write_ticks(ticks: int, style: DateStyle) -> str:
    """Write a UTC time in a style."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    moment = _YEAR_ONE + timedelta(seconds=seconds)
    hours = 1 if style == "offset" and moment.year < MAXYEAR else 0  # no year follows
    day = (moment + timedelta(hours=hours)).replace(tzinfo=None).isoformat(timespec="seconds")
    if style == "seven_digits":
        return f"{day}.{fraction:07}Z"
    zone = {"milliseconds": "Z", "bare": "", "offset": f"+{hours:02}:00"}[style]
    return f"{day}.{fraction // 10_000:03}{zone}"


def to_upper(text: str) -> str:
    """Return text in upper case as .NET's invariant culture does, one character for one: ß stays ß."""
    if text.isascii():
        return text.upper()
    return "".join(map(_to_upper_one, text))


def _to_upper_one(character: str) -> str:
    # .NET leaves these two alone, though Unicode maps them to I and S.
    if character in {"\u0131", "\u017f"}:
        return character
    upper = character.upper()
    if len(upper) == 1:
        return upper
    # Where the full mapping has several characters, the title case is the simple one, if any.
    title = character.title()
    return title if len(title) == 1 else character
