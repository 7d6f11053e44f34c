"""A limit on requests a second, kept as a token bucket."""

from __future__ import annotations

import math
from typing import Any, Literal

from attrs import Attribute, define, field, frozen, validators

from . import checks


def _rate(_: object, attribute: Attribute[Any], value: object) -> None:
    if not checks.is_number(value):
        raise checks.wrong(attribute.name, "a number of requests a second", value)
    if not 0 < value < float("inf"):
        raise ValueError(f"{attribute.name} must be more than 0 requests a second, not {value}")


@frozen
class RateLimit:
    """How many requests a second are served, and what the others are told.

    Attributes:
        requests_per_second: The rate, above 0; a fraction is slower than one a second.
        burst: How many may come at once after a pause, from 1; None: a second's worth.
        status: Of the answer to what is too much: 429, or 503 as ASP.NET's limiter has it unless told otherwise.
        retry_after: Whether the answer says, in whole seconds, when to come again.
    """

    requests_per_second: float = field(validator=_rate)
    burst: int | None = field(default=None, validator=validators.optional(checks.at_least_one))
    status: Literal[429, 503] = field(default=429, validator=validators.in_((429, 503)))
    retry_after: bool = field(default=True, validator=checks.flag)


@define(eq=False)
class Bucket:
    """Holds the tokens, one a request. The time, in seconds, is handed in and never goes back."""

    limit: RateLimit
    _tokens: float = field(init=False)
    _at: float | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._tokens = self._size

    @property
    def _size(self) -> float:
        limit = self.limit
        return float(max(1, math.floor(limit.requests_per_second)) if limit.burst is None else limit.burst)

    def take(self, now: float) -> float:
        """Take a token.

        Returns:
            0 when there was one; else the seconds until there is.
        """
        rate = self.limit.requests_per_second
        if self._at is not None:
            self._tokens = min(self._size, self._tokens + (now - self._at) * rate)
        self._at = now
        # What rounding took from a whole token must not cost a request.
        if self._tokens < 1 - 1e-9:
            return (1 - self._tokens) / rate
        self._tokens = max(0.0, self._tokens - 1)
        return 0.0


def as_limit(limit: RateLimit | float | None) -> RateLimit | None:
    """A bare number is a rate.

    Raises:
        ValueError: It is out of range, or neither.
    """
    if not (limit is None or isinstance(limit, RateLimit) or checks.is_number(limit)):
        raise checks.wrong("rate_limit", "a RateLimit, a number of requests a second or None", limit)
    return limit if limit is None or isinstance(limit, RateLimit) else RateLimit(limit)
