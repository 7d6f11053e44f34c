"""The headers of a response that are read: Retry-After, Date and the request id.

Apart from `problems`, since they are read of every response that is not a success, whatever its body holds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from campaigns_async._http.response import Response

# Text, which `re` compiles on first use: only errors need it.
_ID = r"[A-Za-z0-9._:|/+=-]{1,128}\Z"
_SECONDS = r"(?a)\d+(\.\d+)?\Z"
_LONGEST_DATE = 64
_LONGEST_WAIT = 1e9  # in seconds: a longer Retry-After is cut


def read_retry_after(response: Response, *, now: datetime) -> float | None:
    """Return seconds to wait by the Retry-After header (RFC 9110, 10.2.3), from 0; None if it cannot be read.

    A date is measured from the response's own Date header, since the two clocks may differ; without one, from `now`.
    """
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if re.match(_SECONDS, text):
        return min(float(text), _LONGEST_WAIT)
    moment = _read_date(text)
    if moment is None:
        return None
    since = _read_date(response.headers.get("Date", "")) or now
    return min(max(0.0, (moment - since).total_seconds()), _LONGEST_WAIT)


def _read_date(text: str) -> datetime | None:
    if not text or len(text) > _LONGEST_DATE:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, LookupError, TypeError):  # the standard library's parser raises all of them
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def read_request_id(response: Response) -> str | None:
    """Return the server's id of the request, for its support; None if no header has one."""
    for name in ("x-request-id", "request-id", "x-correlation-id"):
        value = response.headers.get(name)
        if value and is_request_id(value):
            return value
    return None


def is_request_id(text: str) -> bool:
    """Return True if a text can be an id, and is nothing that a log must not hold."""
    return bool(re.match(_ID, text))
