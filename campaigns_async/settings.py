"""The settings of a client. Each one is validated when it is created."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from attrs import field, frozen

from campaigns_async._checks import check_int, check_seconds
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


_WEEK = 7 * 24 * 3600.0


@frozen
class Timeouts:
    """Timeouts in seconds.

    Attributes:
        connect: For a connection (TCP and TLS, without DNS), above 0.
        read: For the head of a response after the request was written, and for each next byte of its body, above 0.
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
        settle: The time for which the campaign must be absent before the search believes that it was not created. It
            counts from the end of the attempt, from 0 and less than `timeout`. Make it longer than a gateway of yours
            may hold a request that it no longer waits for.
        timeout: The limit of the whole search, above 0. It begins at the end of the call's deadline.
        margin: The distance from the start time, on both sides, within which the search looks, from 0 to 604,800 (a
            week): a server may read `Z` as its local time.
        pause: The pause between two looks after `settle`, above 0.
        remember: Ids of campaigns that the client remembers having read or created, from 1, at eight bytes each. A
            known campaign is never taken for the one that the search looks for; a forgotten one may be.

    Raises:
        ConfigurationError: If a value is out of range or not a number.
    """

    settle: float = 5.0
    timeout: float = 60.0
    margin: float = 54_000.0
    pause: float = 1.0
    remember: int = 1_000_000

    def __attrs_post_init__(self) -> None:
        check_seconds("ReconcilePolicy.settle", self.settle, ge=0.0)
        check_seconds("ReconcilePolicy.timeout", self.timeout)
        check_seconds("ReconcilePolicy.margin", self.margin, ge=0.0, le=_WEEK)
        check_int("ReconcilePolicy.remember", self.remember, ge=1)
        check_seconds("ReconcilePolicy.pause", self.pause)
        if self.settle >= self.timeout:
            raise ConfigurationError(
                "ReconcilePolicy.settle must be less than its timeout", parameter="ReconcilePolicy.settle"
            )


def _to_tuple(statuses: Iterable[int]) -> tuple[int, ...]:
    if hasattr(statuses, "__iter__"):
        return tuple(statuses)
    raise ConfigurationError(
        f"RetryPolicy.rejected_statuses must be an iterable of statuses, not {type(statuses).__name__}",
        parameter="RetryPolicy.rejected_statuses",
    )


@frozen
class RetryPolicy:
    """The rules for retries, of requests that may be repeated at all.

    The pause after attempt n is a random number of seconds from 0 to min(cap, base * 2 ** (n - 1)) (full jitter). If
    the server sent Retry-After, the pause is that time plus a jitter from 0 to `base`.

    Attributes:
        attempts: Requests of one call at most, from 1 (no retry) to 1,000.
        base: Seconds, above 0.
        cap: Seconds, at least `base`.
        quota: Tokens for retries, from 0, shared by all calls of a client: a retry costs 5 tokens, a success returns
            some. The quota of a view made by `with_options` is ignored.
        max_retry_after: The longest Retry-After that a call waits for, in seconds from 0. A longer one raises at once.
        rejected_statuses: Statuses from 400 to 599 that this server answers only if it did nothing, so that even a
            create may be repeated: 503 for ASP.NET's own rate limiter, if no proxy answers 503.

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
