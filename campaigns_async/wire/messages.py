"""A request and a response, as values."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, Self, TypeGuard

import orjson
from attrs import field, frozen

from campaigns_async.errors import DecodeError
from campaigns_async.opening import opened
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

    @classmethod
    def of(cls, operation: Operation, method: str, path: str, query: str, body: bytes | None) -> Self:
        """As the class itself makes it, at a quarter of the cost."""
        made = _OpenRequest()
        made.operation = operation
        made.method = method
        made.path = path
        made.query = query
        made.body = body
        made.__class__ = cls
        return made  # type: ignore[no-any-return]  # an open twin, now sealed


@frozen
class Response:
    """A complete answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Without regard to case."""
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes) -> Self:
        """As the class itself makes it, at a quarter of the cost."""
        made = _OpenResponse()
        made.status = status
        made.headers = headers
        made.body = body
        made.__class__ = cls
        return made  # type: ignore[no-any-return]  # an open twin, now sealed

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            DecodeError: It is none.
        """
        try:
            return parse(self.body)
        except orjson.JSONDecodeError:
            problem = "the body is empty" if not self.body.strip() else "the body is no JSON"
        raise DecodeError(f"{problem} (status {self.status})", status=self.status)


_OpenRequest, _OpenResponse = opened(Request), opened(Response)


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def parse(body: bytes) -> Any:
    """A JSON value; a byte order mark before it is passed over, which orjson would not.

    Raises:
        orjson.JSONDecodeError: It is none. Quotes the body: not to be chained.
    """
    return orjson.loads(body[3:] if body.startswith(BOM_UTF8) else body)


def single(value: object) -> object:
    """What an array of one holds: the documentation shows the list's envelope within an array."""
    return value[0] if is_array(value) and len(value) == 1 else value
