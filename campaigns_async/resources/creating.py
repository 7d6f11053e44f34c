"""Creates, the one operation that must not be repeated: sent once, and looked for when in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from campaigns_async._engine.caller import Caller
from campaigns_async._reconcile.ledger import Content, Ledger
from campaigns_async._reconcile.server import Server
from campaigns_async.errors import CampaignsError, delivery_of
from campaigns_async.models import NewCampaign
from campaigns_async.settings import ReconcilePolicy
from campaigns_async.values import Delivery
from campaigns_async.wire import requests, responses
from campaigns_async.wire.messages import Request, Response


class Creator:
    """Sends creates, and writes down what became of them."""

    def __init__(self, caller: Caller, ledger: Ledger, server: Server, policy: ReconcilePolicy) -> None:
        self.caller = caller
        self.ledger = ledger
        self.server = server
        self.policy = policy

    async def create(
        self, new: Content, request: Request, read: Callable[[Response], str] = responses.created_id
    ) -> str:
        """Send a create and return the new id; an unknown outcome raises."""
        number = self.ledger.begin(new)
        try:
            campaign_id = await self.caller.run(request, read)
            self.ledger.claim(campaign_id)
        except (CampaignsError, asyncio.CancelledError) as error:
            self._note(new, error)
            raise
        finally:
            self.ledger.end(number)
        return campaign_id

    async def create_encoded(
        self, body: bytes, content: Callable[[], NewCampaign], ignore_invalid_phone_numbers: bool | None = None
    ) -> str:
        """Send a create whose body is encoded already; `Runtime.create_encoded` says what the arguments are."""
        return await self.create(content, requests.create_encoded(body, ignore_invalid_phone_numbers))

    async def create_reconciled(self, new: NewCampaign, ignore_invalid: bool | None, request: Request) -> str:
        """Send it; what is in doubt is looked for, and sent again only when it is surely absent."""
        from campaigns_async.resources import reconciled  # noqa: PLC0415  # who needs it pays for it

        try:
            return await reconciled.create(self, new, ignore_invalid, request)
        except (CampaignsError, asyncio.CancelledError) as error:
            self._note(new, error)
            raise

    def _note(self, new: Content, error: BaseException) -> None:
        """Write down what is left in doubt: no later create is to take it for its own."""
        if delivery_of(error) in (Delivery.UNKNOWN, Delivery.DONE):
            self.ledger.leave_unknown(new)
