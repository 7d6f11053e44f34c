"""Answers, and their bytes in HTTP/1.1."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import msgspec
from attrs import Factory, field, frozen

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
PROBLEM: Final = "application/problem+json; charset=utf-8"

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})


@frozen
class Answer:
    """A status with headers and a body.

    Attributes:
        status: The status, 200 to 599.
        body: The bytes. They are never sent with a status of 204 or 304.
        content_type: The type of the body. It is not sent without a body.
        headers: Further headers.
        acted: True if the request was carried out.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = Factory(dict[str, str])
    acted: bool = False

    @classmethod
    def of_json(cls, value: Any, status: int = 200, content_type: str = JSON, **others: Any) -> Answer:
        """Build an answer with a JSON body."""
        return cls(status, msgspec.json.encode(value), content_type, **others)

    def write_head(self, *, keep_alive: bool) -> bytes:
        """Return the status line and the headers, including the empty line after them."""
        status = self.status
        lines = [
            f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}",
            f"Date: {_format_date(int(time.time()))}",
            "Server: Kestrel",
        ]
        if status not in _BODILESS:
            lines.append(f"Content-Length: {len(self.body)}")
            if self.body:
                lines.append(f"Content-Type: {self.content_type}")
        lines.extend(f"{name}: {value}" for name, value in self.headers.items())
        if not keep_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def write_body(self, *, method: str) -> bytes:
        """Return the bytes after the headers: none for HEAD, and none for a status that has no body."""
        return b"" if method == "HEAD" or self.status in _BODILESS else self.body


@functools.lru_cache(maxsize=1)
def _format_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
