"""The parts of a client that the package's own larger pieces, such as durable sends, work with.

Internal: users have `CampaignsClient`. `campaigns_async.client.runtime_of` returns a client's runtime.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from random import Random
from typing import Protocol

from attrs import frozen

from campaigns_async._engine.call import Clock
from campaigns_async._reconcile.ledger import Ledger
from campaigns_async._reconcile.search_listings import SearchListings
from campaigns_async.models import Campaign, NewCampaign
from campaigns_async.settings import ReconcilePolicy


class CreateEncoded(Protocol):
    """Sends a create whose body is encoded already, with all guarantees of `Campaigns.create`."""

    async def __call__(
        self,
        body: bytes,
        content: Callable[[], NewCampaign],
        ignore_invalid_phone_numbers: bool | None = None,
        owner: Hashable = None,
    ) -> str:
        """Create the campaign and return its id.

        Args:
            body: The JSON body, sent as it is.
            content: Returns the campaign that `body` holds. Called only if another create is compared with this one,
                or if the outcome is unknown.
            ignore_invalid_phone_numbers: As for `Campaigns.create`.
            owner: What stands for the create in the ledger, if it is looked for later; see `Ledger.leave_unknown`.

        Raises:
            CampaignsError: As `Campaigns.create`.
        """
        ...


@frozen(eq=False)
class Runtime:
    """A client's shared state and operations, as they are when the runtime is asked for.

    Attributes:
        clock: The client's clock.
        random: The client's source of randomness.
        ledger: Campaign ids that the client knows, and creates in flight.
        listings: The listings of campaigns and contacts that a search reads.
        get: Read one campaign.
        create_encoded: Send a create whose body is encoded already.
        rate_limit: Requests per second, None for no limit.
        max_concurrency: Requests in flight at most.
        base_url: The API's address.
        reconcile: The client's reconcile policy.
    """

    clock: Clock
    random: Random
    ledger: Ledger
    listings: SearchListings
    get: Callable[[str], Awaitable[Campaign]]
    create_encoded: CreateEncoded
    rate_limit: float | None
    max_concurrency: int
    base_url: str
    reconcile: ReconcilePolicy
