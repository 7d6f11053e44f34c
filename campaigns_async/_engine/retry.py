"""The retry decision: backoff, the retry quota, and the strategies for tenacity that are made of them.

The quota follows botocore's standard mode: a retry costs tokens, a success returns some. While a server is down, no
tokens return. After the quota is spent, every call sends only one request.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from campaigns_async._engine.call import Call, Clock
from campaigns_async.settings import RetryPolicy

if TYPE_CHECKING:
    from tenacity import RetryCallState

RETRY_COST = 5
SUCCESS_RETURNS = 1


class RetryQuota:
    """The tokens for retries that all calls of a client share; full at first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.left: int = capacity

    def acquire(self) -> bool:
        """Take the tokens for a retry. Return False if there are too few."""
        if self.left < RETRY_COST:
            return False
        self.left -= RETRY_COST
        return True

    def release(self, *, retried: bool) -> None:
        """Return tokens for a success: those of the call's last retry, or one token if there was no retry."""
        if self.left < self.capacity:
            self.left = min(self.capacity, self.left + (RETRY_COST if retried else SUCCESS_RETURNS))


def backoff(policy: RetryPolicy, attempt: int, random: Random) -> float:
    """Return a random number of seconds from 0 to min(cap, base * 2 ** (attempt - 1)): full jitter."""
    # The exponent is bounded: 2.0 ** 1024 raises OverflowError.
    return random.uniform(0.0, min(policy.cap, policy.base * 2.0 ** min(attempt - 1, 60)))


@frozen
class RetryAfterOrBackoff:
    """A `wait` strategy for tenacity: the longer of the server's Retry-After plus a jitter, and the backoff.

    The jitter spreads the clients to which the server named the same second.
    """

    call: Call
    policy: RetryPolicy
    random: Random

    def __call__(self, _: RetryCallState | None = None) -> float:
        pause = backoff(self.policy, self.call.attempts, self.random)
        if self.call.retry_after is None:
            return pause
        return max(pause, self.call.retry_after + self.random.uniform(0.0, self.policy.base))


@frozen
class BudgetSpent:
    """A `stop` strategy for tenacity: no attempts, no time or no quota is left, or Retry-After is too long.

    If there is a further attempt, the strategy takes its tokens from the quota.
    """

    call: Call
    policy: RetryPolicy
    quota: RetryQuota
    clock: Clock

    def __call__(self, state: RetryCallState) -> bool:
        call, policy, pause = self.call, self.policy, state.upcoming_sleep
        if call.attempts >= policy.attempts:
            return True
        if call.retry_after is not None and call.retry_after > policy.max_retry_after:
            return True
        if call.give_up is not None and self.clock.monotonic() + pause >= call.give_up:
            call.out_of_time = call.retry_after is None  # else ThrottledError says more
            return True
        call.retry_paid = self.quota.acquire()
        return not call.retry_paid
