"""A request and a response, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from attrs import define, field

from campaigns_async.errors import DecodeError
from campaigns_async.values import Operation
from campaigns_async.wire.codec import decode_json


@define
class Request:
    """A request without the host and the key."""

    operation: Operation
    method: str
    path: str
    """Percent-encoded, from the root: `/api/Campaigns/abc`."""
    query: str = field(default="", repr=False)
    """Percent-encoded, without the question mark."""
    body: bytes | None = field(default=None, repr=False)


@define
class Response:
    """A complete response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names are found in any case."""
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            DecodeError: If the body is not JSON.
        """
        try:
            return decode_json(self.body)
        except ValueError:
            problem = "the body is empty" if not self.body.strip() else "the body is no JSON"
        raise DecodeError(f"{problem} (status {self.status})", status=self.status)


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Return whether a JSON value is an array."""
    return isinstance(value, list)


def single(value: object) -> object:
    """Return the item of an array of one: the documentation shows the list's envelope within an array."""
    return value[0] if is_array(value) and len(value) == 1 else value
