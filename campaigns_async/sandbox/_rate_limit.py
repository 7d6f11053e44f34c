"""The rate limit of a sandbox, and the token bucket that enforces it."""

from __future__ import annotations

import math
from typing import Literal

from attrs import define, field, frozen
from attrs.validators import and_, gt, lt, optional

from . import _validators as valid


@frozen
class RateLimit:
    """A limit on requests per second, and the answer to the requests above it.

    Attributes:
        requests_per_second: The rate, above 0. It may be a fraction.
        burst: Number of requests that are served at once after a pause, from 1; None for those of one second.
        status: The status of the answer to the others: 429, or 503 as ASP.NET's limiter answers by default.
        retry_after: True if that answer has a `Retry-After` header, in whole seconds.
    """

    requests_per_second: float = field(
        validator=and_(valid.of_type("a number of requests a second", int, float), gt(0), lt(float("inf")))
    )
    burst: int | None = field(default=None, validator=optional(valid.count))
    status: Literal[429, 503] = field(default=429, validator=valid.one_of((429, 503)))
    retry_after: bool = field(default=True, validator=valid.flag)


def as_rate_limit(limit: RateLimit | float | None) -> RateLimit | None:
    """Return a rate limit. A bare number is a rate.

    Raises:
        ValueError: If `limit` is out of range, or of another type.
    """
    if limit is None or isinstance(limit, RateLimit):
        return limit
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        raise valid.wrong_type("rate_limit", "a RateLimit, a number of requests a second or None", limit)
    return RateLimit(limit)


@define(eq=False)
class TokenBucket:
    """A token bucket with one token per request. The time, in seconds, is passed in and never goes back."""

    limit: RateLimit
    _size: float = field(init=False)
    _tokens: float = field(init=False)
    _refilled_at: float = field(init=False, default=-math.inf)

    def __attrs_post_init__(self) -> None:
        limit = self.limit
        burst = max(1, math.floor(limit.requests_per_second)) if limit.burst is None else limit.burst
        self._size = self._tokens = float(burst)

    def take(self, now: float) -> float:
        """Take a token and return 0. Without a token, return the seconds until there is one."""
        rate = self.limit.requests_per_second
        self._tokens = min(self._size, self._tokens + (now - self._refilled_at) * rate)
        self._refilled_at = now
        # Rounding may leave a token a little less than whole.
        if self._tokens < 1 - 1e-9:
            return (1 - self._tokens) / rate
        self._tokens = max(0.0, self._tokens - 1)
        return 0.0
