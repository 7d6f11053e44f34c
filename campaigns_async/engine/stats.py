"""What a client is doing at the moment."""

from __future__ import annotations

from attrs import frozen


@frozen
class Stats:
    """A snapshot of a client; totals count from its first call.

    Attributes:
        max_concurrency: Slots.
        in_flight: Slots taken.
        waiting: Calls that wait for a slot, for the rate, or for the end of a hold.
        held_for: Seconds for which the server has asked to send nothing; 0 when it has not.
        rate_limit: Requests a second, None for no limit.
        sent_last_second: Requests that left within the last second; None without a rate limit.
        calls: Calls that began.
        attempts: Requests that went out to the server.
        retries: Those of them that were not a call's first.
        throttled: Answers that asked to slow down.
        retry_quota: Tokens left for retries.
    """

    max_concurrency: int
    in_flight: int
    waiting: int
    held_for: float
    rate_limit: float | None
    sent_last_second: int | None
    calls: int
    attempts: int
    retries: int
    throttled: int
    retry_quota: int
