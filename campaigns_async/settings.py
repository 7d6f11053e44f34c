"""Settings of a client; each is checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from attrs import field, frozen

from campaigns_async._checks import check_int, check_seconds
from campaigns_async.errors import ConfigurationError


class Auth(StrEnum):
    """Where the API key travels (provider's documentation, Authentication)."""

    BEARER = "bearer"
    """`Authorization: Bearer KEY`."""
    HEADER = "header"
    """`api-key: KEY`."""
    QUERY = "query"
    """`?api-key=KEY`. Proxies and servers write query strings to their logs: prefer the others."""


def _statuses(value: Iterable[int]) -> tuple[int, ...]:
    if hasattr(value, "__iter__"):
        return tuple(value)
    raise ConfigurationError(
        f"RetryPolicy.rejected_statuses must be some statuses, not {type(value).__name__}",
        parameter="RetryPolicy.rejected_statuses",
    )


_WEEK = 7 * 24 * 3600.0


@frozen
class Timeouts:
    """How long to wait, in seconds, each above 0.

    Attributes:
        connect: For a connection: DNS aside, TCP and TLS.
        read: For the whole head of an answer, once the request is written, and then for each next byte of its body.
        deadline: For one call, from its first wait to the last byte, over all attempts and the waits
            between them; None for no deadline.
        grace: For requests in flight, when a fan-out's block is left or the client is closed.
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
    """How a create that ended in doubt is looked for on the server; all in seconds.

    Attributes:
        settle: How long absence must last, from the end of the doubtful attempt, before it is believed; from 0.
            Make it longer than a gateway of yours may sit on a request that it has given up.
        timeout: For the whole search, above 0. It begins where the call's deadline ends.
        margin: How far to either side of the start time to look, from 0 to a week: a server may take `Z` for its local time.
        pause: Between two looks, above 0, once `settle` is over.
        remember: Campaigns, from 1, that the client remembers having read or created, at eight bytes each: those
            are nobody else's. Older ones are forgotten, and could be taken for a copy of theirs.
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


@frozen
class RetryPolicy:
    """When and how often a request is sent again, where it may be at all.

    The wait before attempt n + 1 is drawn evenly from 0 to min(cap, base * 2 ** (n - 1)) seconds
    (full jitter), or is what the server's Retry-After names, and a jitter of up to `base` on top.

    Attributes:
        attempts: Requests a call may send, the first included, from 1 (no retry).
        base: Seconds, above 0.
        cap: Seconds, at least `base`.
        quota: Tokens, from 0, shared by all calls of a client: a retry costs 5, a success pays back. A view's
            own quota is not used.
        max_retry_after: The longest Retry-After that is waited for, in seconds from 0; a longer one raises at once.
        rejected_statuses: Statuses (400 to 599) by which this server is known to say that it did nothing,
            so that even a create may be sent again: 503 for ASP.NET's own rate limiter, where no proxy answers 503.
    """

    attempts: int = 5
    base: float = 0.25
    cap: float = 20.0
    quota: int = 500
    max_retry_after: float = 60.0
    rejected_statuses: tuple[int, ...] = field(default=(), converter=_statuses)

    def __attrs_post_init__(self) -> None:
        check_int("RetryPolicy.attempts", self.attempts, ge=1, le=1000)
        check_seconds("RetryPolicy.base", self.base)
        check_seconds("RetryPolicy.cap", self.cap, ge=self.base)
        check_int("RetryPolicy.quota", self.quota, ge=0)
        check_seconds("RetryPolicy.max_retry_after", self.max_retry_after, ge=0.0)
        for status in self.rejected_statuses:
            check_int("RetryPolicy.rejected_statuses", status, ge=400, le=599)
