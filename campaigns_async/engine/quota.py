"""How many retries a client may afford, so that a failing server is not hammered (as botocore's standard mode).

Each retry costs, each success pays back. While a server is down nothing is paid back: once the quota is
spent, every call sends one request.
"""

from __future__ import annotations

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
