"""The rules of a campaign's fields, each written once, for models, plans and request bodies.

A rule takes a value and returns why the value cannot be sent, or None. No reason quotes a value.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from campaigns_async._checks import ADD_ZONE, LONE_SURROGATE, NO_ZONE, find_date_fault, is_int, is_utf8
from campaigns_async.errors import InvalidArgumentError

MISSING: Final = "is missing"
BLANK: Final = "must not be blank"
NOT_A_PHONE_NUMBER: Final = "must be text, in quotes: as a number it loses its leading zeros"
NOT_AN_INT: Final = "must be a whole number, without quotes, that fits in 64 bits"
NOT_A_LINK: Final = "must be a link that begins with http:// or https://"
NO_CONTACTS: Final = "must contain at least one contact"
BRACES: Final = (
    "contains { or }: the API knows no placeholders, so every recipient would read the braces; "
    "remove them, or allow them (allow_braces) if they are meant"
)

_HUMP: Final = re.compile(r"_([a-z])")
_LINK: Final = re.compile(r"https?://\S", re.IGNORECASE)


def camel(name: str) -> str:
    """Return the wire's spelling of a field: `startDateTime` for `start_date_time`."""
    return _HUMP.sub(lambda match: match[1].upper(), name)


def check_text(value: object, *, allow_blank: bool = False) -> str | None:
    if value is None:
        return MISSING
    if not isinstance(value, str):
        return f"must be text, in quotes, not {type(value).__name__}"
    if not is_utf8(value):
        return LONE_SURROGATE
    return None if allow_blank or value.strip() else BLANK


def check_optional_text(value: object) -> str | None:
    return None if value is None else check_text(value, allow_blank=True)


def check_phone_number(value: object) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return NOT_A_PHONE_NUMBER
    return check_text(value)


def check_link_id(value: object) -> str | None:
    return None if value is None or (is_int(value) and -(2**63) <= value < 2**63) else NOT_AN_INT


def check_link(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _LINK.match(value):
        return NOT_A_LINK
    return None if is_utf8(value) else LONE_SURROGATE


def check_group(value: object) -> str | None:
    return None if value is None or isinstance(value, UUID) else f"must be a uuid.UUID, not {type(value).__name__}"


def check_braces(message: object) -> str | None:
    """Return why a message with braces should not be sent: they look like placeholders."""
    return BRACES if isinstance(message, str) and ("{" in message or "}" in message) else None


def check_start(value: object) -> str | None:
    reason = find_date_fault(value)
    return f"{reason}: {ADD_ZONE}" if reason == NO_ZONE else reason


def raise_first(**reasons: str | None) -> None:
    """Raise the first reason, if there is one.

    Raises:
        InvalidArgumentError: If a reason is not None. Its `parameter` is the reason's name.
    """
    for parameter, reason in reasons.items():
        if reason is not None:
            hint = ADD_ZONE if reason.startswith(NO_ZONE) else None
            raise InvalidArgumentError(f"{parameter} {reason}", parameter=parameter, hint=hint)


def format_start(value: datetime) -> str:
    """Return a moment in the API's format: UTC, with milliseconds and `Z`.

    Raises:
        InvalidArgumentError: If the moment has no time zone, or is outside the years 1 to 9999 in UTC.
    """
    if type(value) is datetime and value.tzinfo is UTC:
        return _format_utc(value)
    raise_first(start_date_time=check_start(value))
    return _format(value.astimezone(UTC))  # not cached: an instance of a subclass may compare equal to another moment


def _format(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


_format_utc = lru_cache(maxsize=256)(_format)  # many campaigns of a job start at the same time
