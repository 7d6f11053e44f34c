"""How long to wait before a request is sent again. Pure: the random source is handed in."""

from __future__ import annotations

from campaigns_async._engine.interfaces import Random
from campaigns_async.settings import RetryPolicy

RETRY_COST = 5
SUCCESS_PAYS = 1


class Quota:
    """A purse of tokens, full at first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.left: int = capacity

    def take(self) -> bool:
        """Pay for a retry, if there is enough."""
        if self.left < RETRY_COST:
            return False
        self.left -= RETRY_COST
        return True

    def pay_back(self, *, retried: bool) -> None:
        """A call succeeded: the price of its last retry comes back, or a little."""
        if self.left < self.capacity:
            self.left = min(self.capacity, self.left + (RETRY_COST if retried else SUCCESS_PAYS))


def backoff(policy: RetryPolicy, attempt: int, random: Random) -> float:
    """Full jitter: evenly drawn from 0 to min(cap, base * 2 ** (attempt - 1)).

    Args:
        policy: The bounds.
        attempt: The number of the attempt that failed, from 1.
        random: The source.

    Returns:
        Seconds.
    """
    # The exponent is held down before it is used: 2.0 ** 1024 would raise.
    return random.uniform(0.0, min(policy.cap, policy.base * 2.0 ** min(attempt - 1, 60)))


def wait(policy: RetryPolicy, attempt: int, retry_after: float | None, random: Random) -> float:
    """Seconds to wait after a failed attempt, by the server's word or by backoff.

    The jitter comes on top of the server's time, never off it: all that were told the same second would
    come back in it.
    """
    if retry_after is None:
        return backoff(policy, attempt, random)
    return retry_after + random.uniform(0.0, policy.base)
