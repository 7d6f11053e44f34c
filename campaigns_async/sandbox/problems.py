"""Bodies of refusals, as ASP.NET Core writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from .answers import Answer

Errors = Mapping[str, Sequence[str]]

_TITLES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("https://tools.ietf.org/html/rfc9110#section-15.5.1", "Bad Request"),
    404: ("https://tools.ietf.org/html/rfc9110#section-15.5.5", "Not Found"),
    409: ("https://tools.ietf.org/html/rfc9110#section-15.5.10", "Conflict"),
    413: ("https://tools.ietf.org/html/rfc9110#section-15.5.14", "Content Too Large"),
    415: ("https://tools.ietf.org/html/rfc9110#section-15.5.16", "Unsupported Media Type"),
}
_PROBLEM: Final = "application/problem+json; charset=utf-8"


def problem(status: int, trace_id: str) -> Answer:
    """An RFC 7807 answer without details."""
    kind, title = _TITLES[status]
    body = {"type": kind, "title": title, "status": status, "traceId": trace_id}
    return Answer(status, orjson.dumps(body), _PROBLEM)


def invalid(errors: Errors, trace_id: str) -> Answer:
    """400 with messages by the path of what is wrong."""
    body = {
        "type": _TITLES[400][0],
        "title": "One or more validation errors occurred.",
        "status": 400,
        "errors": errors,
        "traceId": trace_id,
    }
    return Answer(400, orjson.dumps(body), _PROBLEM)
