"""The interface of a transport: it sends one request and returns a response, or the reason why no response came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from campaigns_async._http.api_key import Credentials
from campaigns_async._http.request import Request
from campaigns_async._http.response import Response
from campaigns_async.effects import BodyForm
from campaigns_async.settings import Timeouts


class FailureKind(StrEnum):
    """The reason why there is no complete response.

    Attributes:
        CONNECT: No connection. The next one may succeed.
        CERTIFICATE: The certificate of the server is not trusted, has expired, or is for another host.
        TLS: The server speaks no TLS, or no version of it that this machine allows.
        UNKNOWN_HOST: The host was not found, and this client has never had a connection.
        PROXY: The proxy refused to connect, for a reason that does not pass.
        CONNECT_TIMEOUT: No connection within `Timeouts.connect`.
        DROPPED: The connection was lost.
        READ_TIMEOUT: The server sent nothing, or did not read the request, for `Timeouts.read`.
        DEADLINE: The call did not end within `Timeouts.deadline`.
    """

    CONNECT = "connect"
    CERTIFICATE = "certificate"
    TLS = "tls"
    UNKNOWN_HOST = "unknown_host"
    PROXY = "proxy"
    CONNECT_TIMEOUT = "connect_timeout"
    DROPPED = "dropped"
    READ_TIMEOUT = "read_timeout"
    DEADLINE = "deadline"

    @property
    def is_permanent(self) -> bool:
        """True if the failure will not pass by itself: a setting is wrong."""
        return self in (FailureKind.CERTIFICATE, FailureKind.TLS, FailureKind.UNKNOWN_HOST, FailureKind.PROXY)


@frozen
class Failure:
    """The end of a request without a complete response."""

    kind: FailureKind
    sent: bool  # True if any byte of the request may have gone out
    detail: str = ""  # the reason in the words of the operating system or the HTTP library; never an address or a value
    status: int | None = None  # the HTTP status if the head of a response arrived and its body was cut; else None
    form: BodyForm = BodyForm.CUT  # the form of the part of the body that arrived: CUT if it may be a part of a new id


class SendMarker:
    """A record of whether a request has begun to leave.

    The transport marks it. The caller reads it if the attempt is aborted.
    """

    # Defaults are on the class: most markers need no more than one of them.
    sent: bool = False  # True if any byte of the request may have gone out
    on_sent: Callable[[], None] | None = None  # called once, just before the first byte leaves

    def mark(self) -> None:
        """Record that the first byte is about to leave."""
        if not self.sent:
            self.sent = True
            if self.on_sent is not None:
                self.on_sent()


class Transport(Protocol):
    """A sender of single requests. It never retries and never follows a redirect."""

    async def send(
        self,
        request: Request,
        credentials: Credentials,
        timeouts: Timeouts,
        marker: SendMarker,
        headers: Mapping[str, str] | None = None,
    ) -> Response | Failure:
        """Send a request and read the whole response. Mark the marker before the first byte may leave."""
        ...

    def reuse(self, response: Response) -> None:
        """Let the response's connection carry another request. Call it for a documented success only.

        Until `reuse` or `discard` is called, the connection carries nothing.
        """
        ...

    def discard(self, response: Response) -> None:
        """Close the response's connection now: whatever else arrives over it must not answer another request."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
