"""The interface of a transport: what it is given, and what it returns or why it could not."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from campaigns_async._http.request import Credentials, Request
from campaigns_async._http.response import Response
from campaigns_async.settings import Timeouts


class FailureKind(StrEnum):
    """Why there is no complete response."""

    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    DROPPED = "dropped"
    READ_TIMEOUT = "read_timeout"
    DEADLINE = "deadline"


@frozen
class Failure:
    """No complete response.

    Attributes:
        kind: Why there is none.
        sent: True if any byte of the request may have gone out.
        detail: What the operating system or the HTTP library called it; never an address or a value.
    """

    kind: FailureKind
    sent: bool
    detail: str = ""


class SendMarker(Protocol):
    """How far one attempt has come: the transport marks it, the engine reads it if the attempt is cut off."""

    @property
    def sent(self) -> bool:
        """True if any byte of the request may have gone out."""
        ...

    def mark(self) -> None:
        """Record that the first byte is about to leave."""
        ...


class Transport(Protocol):
    """Sends one request once. Never repeats, never follows a redirect."""

    async def send(
        self,
        request: Request,
        credentials: Credentials,
        timeouts: Timeouts,
        marker: SendMarker,
        headers: Mapping[str, str] | None = None,
    ) -> Response | Failure:
        """Send a request and read the whole response.

        Args:
            request: The request.
            credentials: Carry the key.
            timeouts: Bound the connection and the response.
            marker: Is marked before the first byte may leave.
            headers: Further headers, checked already.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
