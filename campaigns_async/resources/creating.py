"""Creates, the one operation that must not be repeated: sent once, and looked for when in doubt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import frozen

from campaigns_async.doubt import OutcomeUnknownError
from campaigns_async.engine.call import Caller
from campaigns_async.errors import CampaignsError, DecodeError, delivery_of, note_delivery
from campaigns_async.models import NewCampaign
from campaigns_async.reconcile.ledger import Ledger
from campaigns_async.reconcile.server import Server
from campaigns_async.settings import ReconcilePolicy
from campaigns_async.values import Delivery
from campaigns_async.wire import responses
from campaigns_async.wire.messages import Request

if TYPE_CHECKING:
    from campaigns_async.reconcile.match import Absent, Found, InDoubt, Sought


@frozen
class Creator:
    """Sends creates, and writes down what became of them."""

    caller: Caller
    ledger: Ledger
    server: Server
    policy: ReconcilePolicy

    async def create(self, new: NewCampaign, request: Request) -> str:
        """Send it; what is in doubt raises."""
        number = self.ledger.begin(new)
        try:
            campaign_id = await self.caller.run(request, responses.created_id)
            self.ledger.claim(campaign_id)
        except (CampaignsError, asyncio.CancelledError) as error:
            self._note(new, error)
            raise
        finally:
            self.ledger.end(number)
        return campaign_id

    async def create_reconciled(self, new: NewCampaign, ignore_invalid: bool | None, request: Request) -> str:
        """Send it; what is in doubt is looked for, and sent again only when it is surely absent."""
        try:
            return await self._create_reconciled(new, ignore_invalid, request)
        except (CampaignsError, asyncio.CancelledError) as error:
            self._note(new, error)
            raise

    def _note(self, new: NewCampaign, error: BaseException) -> None:
        """Write down what is left in doubt: no later create is to take it for its own."""
        if delivery_of(error) in (Delivery.UNKNOWN, Delivery.DONE):
            self.ledger.leave_in_doubt(new)

    async def _create_reconciled(self, new: NewCampaign, ignore_invalid: bool | None, request: Request) -> str:
        from campaigns_async.reconcile.match import Found, InDoubt, Sought  # noqa: PLC0415  # who needs it pays for it

        sought = Sought(new, ignore_invalid, self.policy.margin, self.caller.pool.clock.now())
        attempts, known_before = 0, -1

        def begin() -> None:
            nonlocal known_before
            if known_before < 0:  # whatever shows up after the first attempt may be its doing
                known_before = self.ledger.seen.mark()

        while True:
            doubt: OutcomeUnknownError | DecodeError
            number = self.ledger.begin(new)
            try:
                campaign_id = await self.caller.run(request, responses.created_id, on_attempt=begin)
                self.ledger.claim(campaign_id)
                return campaign_id
            except (OutcomeUnknownError, DecodeError) as error:
                doubt = error
            finally:
                self.ledger.end(number)
            attempts += doubt.attempts
            doubt.attempts = attempts
            verdict = await self._look(sought, known_before)
            if isinstance(verdict, Found):
                return verdict.campaign_id
            if isinstance(verdict, InDoubt) or doubt.delivery is Delivery.DONE or not self._may_send_again(attempts):
                raise _told(doubt, verdict)

    def _may_send_again(self, attempts: int) -> bool:
        return attempts < self.caller.retry.attempts and self.caller.pool.quota.take()

    async def _look(self, sought: Sought, known_before: int) -> Found | Absent | InDoubt:
        from campaigns_async.reconcile.match import Absent, Found, InDoubt  # noqa: PLC0415  # as above
        from campaigns_async.reconcile.search import Search  # noqa: PLC0415  # as above

        pool = self.caller.pool
        began = pool.clock.monotonic()
        search = Search(sought, known_before, began, self.server, self.ledger, self.policy, pool.clock, pool.quota)
        try:
            verdict = await search.run()
        except asyncio.CancelledError as stop:
            note_delivery(stop, Delivery.UNKNOWN)  # of the create, whatever the reading of lists came to
            raise
        if pool.teller is not None:
            word = {Found: "found", Absent: "absent", InDoubt: "in_doubt"}[type(verdict)]
            pool.teller.reconciled(word, search.looks, pool.clock.monotonic() - began)
        return verdict


def _told(doubt: OutcomeUnknownError | DecodeError, verdict: Absent | InDoubt) -> OutcomeUnknownError | DecodeError:
    """The error, with what the search came to."""
    from campaigns_async.reconcile.match import Absent  # noqa: PLC0415  # as above

    if isinstance(doubt, DecodeError):
        return _told_of_one_done(doubt, verdict)
    if isinstance(verdict, Absent):
        doubt.message += ". It was looked for and is not there; it is not sent again: attempts or retry quota are spent"
        return doubt
    if verdict.candidates:
        doubt.candidates = verdict.candidates
        doubt.message += f". {len(verdict.candidates)} campaigns on the server may be it: see .candidates"
    return doubt


def _told_of_one_done(doubt: DecodeError, verdict: Absent | InDoubt) -> OutcomeUnknownError | DecodeError:
    """It was carried out; which campaign it is may be open."""
    from campaigns_async.reconcile.match import Absent  # noqa: PLC0415  # as above

    if isinstance(verdict, Absent) or not verdict.candidates:
        return doubt
    found = OutcomeUnknownError(
        f"{doubt.message}. {len(verdict.candidates)} campaigns on the server may be it: see .candidates",
        cause_type=DecodeError,
        status=doubt.status,
    )
    found.candidates = verdict.candidates
    found.__cause__ = doubt
    return found.attach(
        method=doubt.method or "",
        path=doubt.path or "",
        attempts=doubt.attempts,
        elapsed=doubt.elapsed,
        delivery=doubt.delivery,
    )
