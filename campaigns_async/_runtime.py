"""The parts of a client that other parts of the package use, such as durable sends.

Internal: users have `CampaignsClient`. `campaigns_async.client.runtime_of` returns a client's runtime.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from attrs import frozen

from campaigns_async._engine.call import Clock
from campaigns_async._paginators import Paginators
from campaigns_async._reconcile.creates import Creator
from campaigns_async._reconcile.ledger import Ledger
from campaigns_async.models import Campaign
from campaigns_async.settings import ReconcilePolicy


@frozen(eq=False, repr=False)
class Runtime:
    """A snapshot of a client's shared state and operations.

    Attributes:
        clock: The client's clock.
        random: The client's source of randomness.
        ledger: Campaign ids that the client knows, and creates in flight.
        listings: The listings of campaigns and contacts that a search reads.
        get: Reads one campaign.
        probe: Lists one campaign with a single request, to learn if the server answers as documented.
        creator: Sends creates.
        rate_limit: Requests per second; None for no limit.
        max_concurrency: The concurrency limit.
        base_url: The API's address.
        read_timeout: `Timeouts.read`, in seconds.
        reconcile: The client's reconcile policy.
    """

    clock: Clock
    random: Random
    ledger: Ledger
    listings: Paginators
    get: Callable[[str], Awaitable[Campaign]]
    probe: Callable[[], Awaitable[object]]
    creator: Creator
    rate_limit: float | None
    max_concurrency: int
    base_url: str
    read_timeout: float
    reconcile: ReconcilePolicy
