"""What is sent back, and its bytes."""

from __future__ import annotations

import functools
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from attrs import Factory, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})


@frozen
class Answer:
    """A status with what belongs to it.

    Attributes:
        status: 200 to 599.
        body: The bytes; a status of 204 or 304 has none whatever stands here.
        content_type: Left out of the headers when there is no body.
        headers: Any more headers.
        acted: Whether the request was carried out.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = Factory(dict[str, str])
    acted: bool = False


def write_head(answer: Answer, *, keep_alive: bool) -> bytes:
    """The status line and the headers, up to and with the empty line."""
    status = answer.status
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\nDate: {_date(int(time.time()))}\r\nServer: Kestrel"
    ]
    if status not in _BODILESS:
        lines.append(f"Content-Length: {len(answer.body)}")
        if answer.body:
            lines.append(f"Content-Type: {answer.content_type}")
    lines.extend(f"{name}: {value}" for name, value in answer.headers.items())
    if not keep_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@functools.lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def write_body(answer: Answer, *, method: str) -> bytes:
    """The bytes behind the headers; none for HEAD and for a status that has no body."""
    return b"" if method == "HEAD" or answer.status in _BODILESS else answer.body
