"""The settings of a client. Each one is validated when it is created."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, TypeAlias

from attrs import field, frozen

from campaigns_async._checks import check_choice, check_int, check_seconds
from campaigns_async.errors import ConfigurationError


class Auth(StrEnum):
    """The place of the API key in a request (provider's documentation, Authentication).

    Attributes:
        BEARER: The header `Authorization: Bearer KEY`.
        HEADER: The header `api-key: KEY`.
        QUERY: The query `?api-key=KEY`. Proxies and servers log query strings: prefer a header.
    """

    BEARER = "bearer"
    HEADER = "header"
    QUERY = "query"


MarkerField: TypeAlias = Literal["custom1", "custom2"]
_WEEK = 7 * 24 * 3600.0


@frozen
class Timeouts:
    """Timeouts in seconds.

    Attributes:
        connect: For opening a connection, above 0: DNS, TCP, the tunnel of a proxy and TLS. If the connector of your own
            session has a limit, for TCP and for TLS alone.
        read: From the end of the request to the head of the response, and then between two pieces of its body, above 0.
            It also bounds each pause in which the server reads nothing of the request.
        deadline: For one call, from its first wait to the last byte, over all attempts and the pauses between them,
            above 0; None for no deadline.
        grace: For requests in flight when the client or a fan-out is closed, from 0.

    Raises:
        ConfigurationError: If a value is out of range or not a number.
    """

    connect: float = 10.0
    read: float = 30.0
    deadline: float | None = 120.0
    grace: float = 10.0

    def __attrs_post_init__(self) -> None:
        check_seconds("Timeouts.connect", self.connect)
        check_seconds("Timeouts.read", self.read)
        if self.deadline is not None:
            check_seconds("Timeouts.deadline", self.deadline)
        check_seconds("Timeouts.grace", self.grace, ge=0.0)


@frozen
class ReconcilePolicy:
    """The search for a create whose outcome is unknown. Times are in seconds.

    Attributes:
        settle: The time after the end of the attempt for which the campaign may still appear, from 0; None for
            `Timeouts.read`. Until then, and until two times `Timeouts.read` after the request was sent, no search
            concludes that it is absent. Set it longer than your gateway may delay a request whose response it no longer
            waits for.
        timeout: The timeout of the search, above 0, from the end of the settling time on.
        margin: The search reads campaigns that start up to this long before or after the start time or the current time,
            from 0 to 604,800 (a week): a server may read `Z` as its local time, or replace a start that has passed.
        search_limit: The limit of requests of one look at the server, from 10. Beyond it the create stays unknown.
        pause: The pause between two looks after `settle`, above 0.
        remember: The number of campaign ids that the client remembers, from 1, at eight bytes each: those that it read
            or created. A search never mistakes a remembered campaign for the one that it looks for.
        marker: A field of contacts that you do not use. A create that may be searched for has a token in this field of each
            contact: a campaign that shows it is the create's, whatever else the server altered.

    Raises:
        ConfigurationError: If a value is out of range or of the wrong type.
    """

    settle: float | None = None
    timeout: float = 60.0
    margin: float = 54_000.0
    search_limit: int = 1_000
    pause: float = 1.0
    remember: int = 1_000_000
    marker: MarkerField | None = None

    def __attrs_post_init__(self) -> None:
        if self.marker is not None:
            check_choice("ReconcilePolicy.marker", self.marker, ("custom1", "custom2"))
        if self.settle is not None:
            check_seconds("ReconcilePolicy.settle", self.settle, ge=0.0)
        check_seconds("ReconcilePolicy.timeout", self.timeout)
        check_seconds("ReconcilePolicy.margin", self.margin, ge=0.0, le=_WEEK)
        check_int("ReconcilePolicy.search_limit", self.search_limit, ge=10)
        check_int("ReconcilePolicy.remember", self.remember, ge=1)
        check_seconds("ReconcilePolicy.pause", self.pause)


def _to_tuple(statuses: Iterable[int]) -> tuple[int, ...]:
    if hasattr(statuses, "__iter__"):
        return tuple(statuses)
    raise ConfigurationError(
        f"RetryPolicy.rejected_statuses must be an iterable of statuses, not {type(statuses).__name__}",
        parameter="RetryPolicy.rejected_statuses",
    )


@frozen
class RetryPolicy:
    """The rules for retries of requests that are safe to send again.

    The pause after attempt n is a random number of seconds from 0 to min(cap, base * 2 ** (n - 1)) (full jitter). If
    the server sent Retry-After, the pause is at least that time plus a jitter from 0 to `base`. A date in Retry-After is
    measured from the Date of the same response.

    Attributes:
        attempts: The maximum number of requests of one call, from 1 (no retry) to 1,000.
        base: The upper limit of the first backoff, in seconds, above 0.
        cap: The upper limit of every backoff, in seconds, at least `base`.
        quota: Tokens for retries, from 0, shared by all calls of a client: a retry costs 5 tokens, a success returns
            some. The quota of a view made by `with_options` is ignored.
        max_retry_after: The longest Retry-After that a call waits for, in seconds from 0. With a longer one, the call raises
            its error at once.
        rejected_statuses: Statuses from 400 to 599 with which this server rejects requests that it did not process, so that
            even a create may be sent again. An example is 503 for ASP.NET's own rate limiter, if no proxy sends 503.

    Raises:
        ConfigurationError: If a value is out of range or of the wrong type.
    """

    attempts: int = 5
    base: float = 0.25
    cap: float = 20.0
    quota: int = 500
    max_retry_after: float = 60.0
    rejected_statuses: tuple[int, ...] = field(default=(), converter=_to_tuple)

    def __attrs_post_init__(self) -> None:
        check_int("RetryPolicy.attempts", self.attempts, ge=1, le=1000)
        check_seconds("RetryPolicy.base", self.base)
        check_seconds("RetryPolicy.cap", self.cap, ge=self.base)
        check_int("RetryPolicy.quota", self.quota, ge=0)
        check_seconds("RetryPolicy.max_retry_after", self.max_retry_after, ge=0.0)
        for status in self.rejected_statuses:
            check_int("RetryPolicy.rejected_statuses", status, ge=400, le=599)
