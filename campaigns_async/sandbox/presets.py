"""The most common faults, as functions that return a `Fault`.

    sandbox.add_fault(presets.lost_answer(operation="create", times=1))

In addition to its own arguments, each function takes the fields of `Fault` that select requests (`Where`). Its docstring
says if those requests are carried out. Arguments that are out of range raise a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Final, Unpack

from ._validators import wrong_type
from .faults import Fault, Where

__all__ = [
    "Where",
    "cut_answer",
    "empty_answer",
    "gateway_timeout",
    "hanging",
    "html_page",
    "listed_late",
    "lost_answer",
    "lost_request",
    "server_error",
    "slow",
    "slow_body",
    "stale_connection",
    "throttled",
    "unavailable",
]

_HTML: Final = "text/html; charset=utf-8"
_PAGE: Final = "<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
_TITLES: Final[Mapping[int, str]] = {502: "502 Bad Gateway", 503: "Under maintenance", 504: "504 Gateway Time-out"}


def throttled(retry_after: int | datetime | None = 1, **where: Unpack[Where]) -> Fault:
    """Answer 429, too many requests. The request is not carried out.

    `retry_after` is in whole seconds from 0, or a time in UTC; None for no such header.
    """
    return Fault(status=429, headers=_build_headers(retry_after), **where)


def unavailable(retry_after: int | datetime | None = None, **where: Unpack[Where]) -> Fault:
    """Answer 503, unavailable, without a body. The request is not carried out. `retry_after` is that of `throttled`."""
    return Fault(status=503, headers=_build_headers(retry_after), **where)


def server_error(*, acted: bool = False, **where: Unpack[Where]) -> Fault:
    """Answer 500 without a body. The request is carried out if `acted`."""
    return Fault(status=500, act=acted, **where)


def gateway_timeout(*, acted: bool = False, act_after: float | None = None, **where: Unpack[Where]) -> Fault:
    """Answer 504 with an HTML page, as a gateway does after its timeout.

    The request is carried out before the answer if `acted`, or `act_after` seconds after it; otherwise never.
    """
    return Fault(status=504, body=_render_page(504), content_type=_HTML, act=acted, act_after=act_after, **where)


def lost_request(**where: Unpack[Where]) -> Fault:
    """Reset the connection before the request is processed. The request is not carried out."""
    return Fault(drop="reset", act=False, **where)


def lost_answer(**where: Unpack[Where]) -> Fault:
    """Reset the connection in place of the answer. The request is carried out, so a retry sends twice."""
    return Fault(drop="reset", act=True, **where)


def cut_answer(**where: Unpack[Where]) -> Fault:
    """Cut the answer in the middle of its body. The request is carried out."""
    return Fault(drop="cut_body", **where)


def html_page(status: int = 502, *, acted: bool = False, **where: Unpack[Where]) -> Fault:
    """Answer with a proxy's HTML page and a status, 200 to 599. The request is carried out if `acted`."""
    return Fault(status=status, body=_render_page(status), content_type=_HTML, act=acted, **where)


def empty_answer(**where: Unpack[Where]) -> Fault:
    """Answer with the normal status but no body, so a create returns no id. The request is carried out."""
    return Fault(body=b"", **where)


def slow(seconds: float, **where: Unpack[Where]) -> Fault:
    """Answer this many seconds late. The request is carried out at once."""
    return Fault(delay=seconds, **where)


def slow_body(seconds: float, **where: Unpack[Where]) -> Fault:
    """Send the body byte by byte, this many seconds apart. The request is carried out at once."""
    return Fault(slow_body=seconds, **where)


def hanging(*, acted: bool = True, **where: Unpack[Where]) -> Fault:
    """Send no answer until the rule is released, and then the normal one.

    The request is carried out at once. Without `acted` it is never carried out, and the connection is closed when the
    rule is released.
    """
    return Fault(hang=True, **where) if acted else Fault(hang=True, drop="close", act=False, **where)


def stale_connection(**where: Unpack[Where]) -> Fault:
    """Close the connection when the next request arrives over it, as servers do with idle connections.

    The fault's request is carried out and answered. The next request over the connection is not.
    """
    return Fault(stale=True, **where)


def listed_late(seconds: float, **where: Unpack[Where]) -> Fault:
    """Hide the created campaign from lists for this many seconds. The request is carried out and answered."""
    where.setdefault("operation", "create")
    return Fault(hidden_for=seconds, **where)


def _build_headers(wait: int | datetime | None) -> dict[str, str]:
    if wait is None:
        return {}
    if isinstance(wait, datetime):
        return {"Retry-After": format_datetime(wait, usegmt=True)}
    if not isinstance(wait, int) or isinstance(wait, bool):
        raise wrong_type("retry_after", "a whole number of seconds, a datetime in UTC or None", wait)
    if wait < 0:
        raise ValueError(f"retry_after must be 0 seconds or more, not {wait}")
    return {"Retry-After": str(wait)}


def _render_page(status: int) -> str:
    return _PAGE.format(title=_TITLES.get(status, "This is not the page you are looking for"))
