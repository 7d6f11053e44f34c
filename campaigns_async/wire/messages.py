"""A request and a response, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from attrs import field, frozen

from campaigns_async.errors import DecodeError
from campaigns_async.values import Operation


@frozen
class Request:
    """What is to be sent, but for the host and the key."""

    operation: Operation
    method: str
    path: str
    """Percent-encoded, from the root: `/api/Campaigns/abc`."""
    query: str = field(default="", repr=False)
    """Percent-encoded, without the question mark."""
    body: bytes | None = field(default=None, repr=False)


@frozen
class Response:
    """A complete answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Without regard to case."""
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            DecodeError: It is none.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            problem = "the body is empty" if not self.body.strip() else "the body is no JSON"
        raise DecodeError(f"{problem} (status {self.status})", status=self.status)
