"""Backoff, the retry quota, and tenacity's strategies made of them: if and when a request is sent again.

The quota follows botocore's standard mode: each retry costs, each success pays back. While a server is down nothing
is paid back; once the quota is spent, every call sends one request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from campaigns_async._engine.interfaces import Call, Clock, Random
from campaigns_async.settings import RetryPolicy

if TYPE_CHECKING:
    from tenacity import RetryCallState

RETRY_COST = 5
SUCCESS_PAYS = 1


class RetryQuota:
    """Tokens for the retries of all calls of a client, full at first.

    Attributes:
        left: Tokens left.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.left: int = capacity

    def acquire(self) -> bool:
        """Pay for a retry, if there is enough."""
        if self.left < RETRY_COST:
            return False
        self.left -= RETRY_COST
        return True

    def release(self, *, retried: bool) -> None:
        """Pay back for a success: the price of the call's last retry, or a little if it had none."""
        if self.left < self.capacity:
            self.left = min(self.capacity, self.left + (RETRY_COST if retried else SUCCESS_PAYS))


def backoff(policy: RetryPolicy, attempt: int, random: Random) -> float:
    """Return seconds drawn evenly from 0 to min(cap, base * 2 ** (attempt - 1)): full jitter.

    Args:
        policy: The bounds.
        attempt: The number of the attempt that failed, from 1.
        random: The source.
    """
    # The exponent is bounded before it is used: 2.0 ** 1024 would raise.
    return random.uniform(0.0, min(policy.cap, policy.base * 2.0 ** min(attempt - 1, 60)))


@frozen
class RetryAfterOrBackoff:
    """Tenacity's `wait`: the time that the server named, or backoff.

    The jitter comes on top of the server's time, never off it: all clients to which it named the same second
    would come back in it.
    """

    call: Call
    policy: RetryPolicy
    random: Random

    def __call__(self, _: RetryCallState | None = None) -> float:
        """Return seconds to wait before the next attempt."""
        if self.call.retry_after is None:
            return backoff(self.policy, self.call.attempts, self.random)
        return self.call.retry_after + self.random.uniform(0.0, self.policy.base)


@frozen
class BudgetSpent:
    """Tenacity's `stop`: attempts, deadline, longest Retry-After or quota are spent. Takes from the quota if not."""

    call: Call
    policy: RetryPolicy
    quota: RetryQuota
    clock: Clock

    def __call__(self, state: RetryCallState) -> bool:
        """Return True if there is no further attempt."""
        return self.is_spent(state.upcoming_sleep)

    def is_spent(self, pause: float) -> bool:
        """Return True if there is no further attempt after a pause of so many seconds."""
        call, policy = self.call, self.policy
        if call.attempts >= policy.attempts:
            return True
        if call.retry_after is not None and call.retry_after > policy.max_retry_after:
            return True
        if call.give_up is not None and self.clock.monotonic() + pause >= call.give_up:
            call.out_of_time = call.retry_after is None  # ThrottledError says more where the server named a time
            return True
        call.retry_paid = self.quota.acquire()
        return not call.retry_paid


def if_retryable(state: RetryCallState) -> bool:
    """Tenacity's `retry`: return True if the latest attempt of the call, the first argument, may be repeated.

    By the outcome, never by an exception: a cancellation is no reason to try again.
    """
    call: Call = state.args[0]
    ended = state.outcome is not None and not state.outcome.failed
    return ended and call.outcome is not None and call.outcome.retryable
