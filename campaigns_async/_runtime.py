"""The parts of a client that other parts of the package use, such as durable sends.

Internal: users have `CampaignsClient`. `campaigns_async.client.runtime_of` returns a client's runtime.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from campaigns_async._engine.call import Clock
from campaigns_async._paginators import Paginators
from campaigns_async._reconcile.creates import Creator
from campaigns_async._reconcile.ledger import Ledger


@frozen(eq=False, repr=False)
class Runtime:
    """A snapshot of a client's shared state and operations."""

    clock: Clock
    ledger: Ledger  # campaign ids that the client knows, and creates in flight
    listings: Paginators  # as a search reads them
    creator: Creator
    rate_limit: float | None  # requests per second; None for no limit
    max_concurrency: int
    base_url: str
    read_timeout: float  # `Timeouts.read`, in seconds
    fingerprint_key: Callable[[bytes], Awaitable[bytes]]  # returns a digest of the API key with a salt
