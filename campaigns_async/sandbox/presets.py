"""Faults by what a client meets.

    sandbox.add_fault(presets.lost_answer(operation="create", times=1))

Each takes, besides its own arguments, the fields of `Fault` that say which requests it meets,
and tells whether those are carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Final, TypedDict, Unpack

from .app import Operation
from .checks import is_whole, wrong
from .faults import Fault
from .journal import RecordedRequest

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


class Where(TypedDict, total=False):
    """Which requests a fault meets; what each field means stands in `Fault`."""

    operation: Operation | None
    when: Callable[[RecordedRequest], bool] | None
    nth: int
    every: int
    times: int | None
    share: float
    seed: int
    recipient: str | None


def throttled(retry_after: int | datetime | None = 1, **where: Unpack[Where]) -> Fault:
    """Too many requests: 429. It is not carried out.

    Args:
        retry_after: What `Retry-After` says: seconds from 0, or a moment, in UTC. None: no such header.
        **where: Which requests it meets.

    Raises:
        ValueError: A negative `retry_after`, a fraction, or a moment in another zone or in none.
    """
    return Fault(status=429, headers=_retry_after(retry_after), **where)


def unavailable(retry_after: int | datetime | None = None, **where: Unpack[Where]) -> Fault:
    """No service for now: 503, as a server's own limiter has it when bare. It is not carried out.

    Args:
        retry_after: As in `throttled`.
        **where: Which requests it meets.

    Raises:
        ValueError: As in `throttled`.
    """
    return Fault(status=503, headers=_retry_after(retry_after), **where)


def server_error(*, acted: bool = False, **where: Unpack[Where]) -> Fault:
    """The server failed: 500, without a body. It is carried out if `acted`."""
    return Fault(status=500, act=acted, **where)


def gateway_timeout(*, acted: bool = False, act_after: float | None = None, **where: Unpack[Where]) -> Fault:
    """A gateway gave up waiting for the server: 504, with a page of HTML.

    It is carried out before that if `acted`, or `act_after` seconds later. Else it never is.

    Raises:
        ValueError: Both `acted` and `act_after`, or a negative `act_after`.
    """
    return Fault(status=504, body=_page(504), content_type=_HTML, act=acted, act_after=act_after, **where)


def lost_request(**where: Unpack[Where]) -> Fault:
    """The connection is reset before the request was looked at. It is not carried out."""
    return Fault(drop="reset", act=False, **where)


def lost_answer(**where: Unpack[Where]) -> Fault:
    """The connection is reset in place of the answer. It is carried out: what a client sends again, is sent twice."""
    return Fault(drop="reset", act=True, **where)


def cut_answer(**where: Unpack[Where]) -> Fault:
    """The answer breaks off in the middle of its body. It is carried out."""
    return Fault(drop="cut_body", **where)


def html_page(status: int = 502, *, acted: bool = False, **where: Unpack[Where]) -> Fault:
    """A proxy's page of HTML in place of the answer. It is carried out if `acted`.

    Args:
        status: 200 to 599.
        acted: Whether the request came through.
        **where: Which requests it meets.

    Raises:
        ValueError: No such status.
    """
    return Fault(status=status, body=_page(status), content_type=_HTML, act=acted, **where)


def empty_answer(**where: Unpack[Where]) -> Fault:
    """The proper status without its body: a create that says no id. It is carried out."""
    return Fault(body=b"", **where)


def slow(seconds: float, **where: Unpack[Where]) -> Fault:
    """The answer comes so many seconds late. It is carried out at once."""
    return Fault(delay=seconds, **where)


def slow_body(seconds: float, **where: Unpack[Where]) -> Fault:
    """The body comes byte by byte, so many seconds apart. It is carried out at once."""
    return Fault(slow_body=seconds, **where)


def hanging(*, acted: bool = True, **where: Unpack[Where]) -> Fault:
    """No answer comes, till the rule is released: then the proper one.

    It is carried out at once. If not `acted` it never is, and the connection is closed when the rule is released.
    """
    return Fault(hang=True, **where) if acted else Fault(hang=True, drop="close", act=False, **where)


def stale_connection(**where: Unpack[Where]) -> Fault:
    """The server has enough of a connection: it is closed when the next request comes over it.

    The request that this meets is carried out and answered. The next one over that connection is not.
    """
    return Fault(stale=True, **where)


def listed_late(seconds: float, **where: Unpack[Where]) -> Fault:
    """What is created is missing from lists for so many seconds. It is carried out, and answered as ever.

    Raises:
        ValueError: An operation other than "create".
    """
    where.setdefault("operation", "create")
    return Fault(hidden_for=seconds, **where)


def _retry_after(wait: int | datetime | None) -> dict[str, str]:
    if wait is None:
        return {}
    if isinstance(wait, datetime):
        return {"Retry-After": format_datetime(wait, usegmt=True)}
    if not is_whole(wait):
        raise wrong("retry_after", "a whole number of seconds, a datetime in UTC or None", wait)
    if wait < 0:
        raise ValueError(f"retry_after must be 0 seconds or more, not {wait}")
    return {"Retry-After": str(wait)}


def _page(status: int) -> str:
    return _PAGE.format(title=_TITLES.get(status, "This is not the page you are looking for"))
