"""A request to the control, and the reading of its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import orjson
from attrs import field, frozen

from .guard import header
from .refusals import Refused

T = TypeVar("T")

_MOST_DIGITS: Final = 9
# What a page of another site may send without asking first.
_OF_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


@frozen
class ControlRequest:
    """A request to the control.

    Attributes:
        method: The verb, in upper case.
        path: What stands behind ``/_sandbox``, such as ``/journal``.
        query: Parameters by name.
        headers: Names in any case.
        body: None where it was too large to read.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


def check_body(request: ControlRequest) -> None:
    """Take no body but JSON: a form on a page of another site can send anything else.

    Raises:
        Refused: 413 where it is too large, 415 where it says that it is something else.
    """
    if request.body is None:
        raise Refused(413, "the body is too large", where="body", to_do="send less at a time")
    kind = (header(request.headers, "Content-Type") or "").partition(";")[0].strip().lower()
    # Without a body there is nothing to be of a type, and some clients name one all the same.
    if kind in _OF_FORMS or (request.body and kind != "application/json"):
        raise Refused(
            415,
            "the control takes JSON only",
            where="header Content-Type",
            to_do="send the body with Content-Type: application/json",
        )


def read_body(request: ControlRequest, read: Callable[[object], T], to_do: str) -> T:
    """Read a body.

    Args:
        request: Its body was checked.
        read: Makes something of the JSON, or raises a ValueError that says what is wrong.
        to_do: What to send instead.

    Raises:
        Refused: 400 where it is no JSON, or `read` does not take it.
    """
    try:
        return read(orjson.loads(request.body or b""))
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is no JSON: {error}", where="body", to_do=to_do) from None
    except ValueError as error:
        raise Refused(400, str(error), where="body", to_do=to_do) from None


def read_count(request: ControlRequest, name: str, *, least: int, default: int) -> int:
    """Read a whole number of the query.

    Raises:
        Refused: 400 where it is none, or is less than `least`.
    """
    text = header(request.query, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS or int(text) < least:
        raise Refused(
            400,
            f"{name} must be a whole number",
            where=f"query {name}",
            to_do=f"send {least} or more, of {_MOST_DIGITS} digits at most",
        )
    return int(text)
