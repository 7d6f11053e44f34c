"""Looks for a campaign on the server, and does not believe that it is absent before time has passed.

The decision is `match`'s; here is only the asking.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from attrs import define, field

from campaigns_async._engine.interfaces import Clock
from campaigns_async._engine.retry import RetryQuota
from campaigns_async._reconcile.ledger import Ledger
from campaigns_async._reconcile.matching import Absent, Candidate, Found, Matcher, SearchTarget, Unknown
from campaigns_async._reconcile.server import Server
from campaigns_async.errors import APIError, CampaignsError, ClientClosedError, PagingError, QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query import Expression, campaign
from campaigns_async.settings import ReconcilePolicy

_log = logging.getLogger("campaigns_async")

_PLAIN_SENDER = 11
"""The longest sender that no server has a reason to cut."""


_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@define
class Search:
    """One search for one create.

    Attributes:
        sought: What was sent.
        known_before: The ledger's mark of the moment before it was first sent.
        doubtful_since: When the last attempt ended, on the clock.
    """

    sought: SearchTarget
    known_before: int
    doubtful_since: float
    server: Server
    ledger: Ledger
    policy: ReconcilePolicy
    clock: Clock
    quota: RetryQuota
    looks: int = 0
    _plausible: tuple[Campaign, ...] = field(default=(), init=False)

    async def run(self) -> Found | Absent | Unknown:
        """Look until it is found, surely absent, or time is up.

        What is found is claimed, so that no other search of this client finds it too.
        """
        try:
            async with asyncio.timeout(self.policy.timeout):
                return await self._run()
        except TimeoutError:
            return Unknown(self._plausible)
        except Exception as error:  # whatever it is, it must not displace the doubt
            _log.warning("the search for a campaign in doubt broke off: %s", type(error).__name__)
            return Unknown(self._plausible)

    async def _run(self) -> Found | Absent | Unknown:
        was_absent, failed = False, 0
        while True:
            settled = self.clock.monotonic() >= self.doubtful_since + self.policy.settle
            try:
                if not self.quota.acquire():
                    return Unknown(self._plausible)  # the server is failing, and is not to be hammered
                verdict = await self._look(broad=settled)
                self.quota.release(retried=True)
            except ClientClosedError:
                return Unknown(self._plausible)
            except CampaignsError as error:
                if isinstance(error, APIError) and error.status in (400, 401, 403, 404, 405):
                    return Unknown(self._plausible)  # the server will not say
                failed += 1
                await self._pause(failed)
                continue
            # An id that another create of the same text is about to be told may be the one found here.
            if not self.ledger.has_duplicate_in_flight(self.sought.new):
                if isinstance(verdict, Found) and not self.ledger.is_claimed(verdict.campaign_id):
                    self.ledger.claim(verdict.campaign_id)
                    return verdict
                if isinstance(verdict, Unknown) and settled:
                    return verdict
            if isinstance(verdict, Absent) and settled and was_absent:
                return verdict
            was_absent, failed = isinstance(verdict, Absent), 0
            await self._pause(failed)

    async def _pause(self, failed: int) -> None:
        left = self.doubtful_since + self.policy.settle - self.clock.monotonic()
        await self.clock.sleep(left if left > 0 else self.policy.pause * 2 ** min(failed, 6))

    async def _look(self, *, broad: bool) -> Found | Absent | Unknown:
        """One look: all that may be it, then their contacts, as far as is needed.

        The look that decides is broad: absence is believed only where no filter but the time's was asked for.
        """
        self.looks += 1
        listing = self.server.campaigns(self._filter(broad=broad))
        matcher = Matcher({0: self.sought})
        found = [row async for row in listing if not self._is_anothers(row.id) and matcher.could_match(row)]
        walked = listing.checkpoint
        if walked.total is not None and walked.rows < walked.total:
            raise PagingError("the listing ended before all rows had come")
        for row in found:
            matcher.add(await self._read(matcher, row))
        # Others may have been told their ids while contacts were read.
        matcher.discard([each for each in matcher.candidate_ids if self._is_anothers(each)])
        verdict = matcher.verdicts()[0]
        if isinstance(verdict, Found) and self.ledger.has_duplicate_unknown(self.sought.new):
            verdict = Unknown(tuple(row for row in found if row.id == verdict.campaign_id))
        if isinstance(verdict, Unknown):
            self._plausible = verdict.candidates
        return verdict

    def _is_anothers(self, campaign_id: str) -> bool:
        return self.ledger.is_claimed(campaign_id) or self.ledger.seen.contains(campaign_id, self.known_before)

    async def _read(self, matcher: Matcher, row: Campaign) -> Candidate:
        contacts: list[Contact] = []
        async for page in self.server.contacts(row.id).pages():
            contacts.extend(page.items)
            if matcher.is_excluded_by(page.items):
                return Candidate(row, tuple(contacts))
        return Candidate(row, tuple(contacts), complete=True)

    def _filter(self, *, broad: bool) -> Expression:
        """A server may have moved the time by its zone, altered the text and, seldom, put a sender of its own."""
        new = self.sought.new
        filters = starting_between(self.sought.start, self.sought.latest, self.sought.margin)
        if broad:
            return filters
        if not new.sender.isalnum() or not new.sender.isascii() or len(new.sender) > _PLAIN_SENDER:
            return filters  # it may have been cut or altered too
        try:
            return campaign.sender.equals(new.sender, ignore_case=True) & filters
        except QueryError:
            return filters


def starting_between(first: datetime, last: datetime, margin: float) -> Expression:
    """Campaigns that start between two moments, or so many seconds to either side."""
    reach = timedelta(seconds=margin + 1)
    # Measured from the ends of the calendar, beyond which no date can be said.
    earliest, latest = max(first, _FIRST + reach) - reach, min(last, _LAST - reach) + reach
    return (campaign.start_date_time >= earliest) & (campaign.start_date_time <= latest)
