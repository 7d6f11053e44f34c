"""Look on the server for creates whose outcome is unknown. `matching` decides; here is only the asking.

One reconciler serves a single create, each of many in parallel, and all unknown rows of a journal at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, TypeAlias

from attrs import define, field

from campaigns_async._engine.call import Clock
from campaigns_async._engine.retry import RetryQuota
from campaigns_async._reconcile.ledger import Ledger
from campaigns_async._reconcile.matching import Absent, Candidate, Found, Matcher, SearchTarget, Unknown, Verdict
from campaigns_async.errors import APIError, CampaignsError, ClientClosedError, NotFoundError, PagingError
from campaigns_async.fanout import FanOut
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging import Paginator
from campaigns_async.query import Expression, campaign
from campaigns_async.settings import ReconcilePolicy

Targets: TypeAlias = Mapping[int, SearchTarget]
"""Creates to look for, by keys of the caller."""
Verdicts: TypeAlias = Mapping[int, Verdict]
AskAboutIds: TypeAlias = Callable[[Collection[str]], Awaitable[Collection[str]]]

_REFUSED = frozenset({400, 401, 403, 404, 405})
"""Statuses of a server that will not list its campaigns, however often it is asked."""
_LONGEST_WAIT = 10.0
"""Seconds that a request may wait for its turn under a rate limit."""
_MOST_DOUBLINGS = 6
"""Of the pause between looks that fail."""
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Listings(Protocol):
    """The two listings that a search reads."""

    def campaigns(self, filters: Expression, /) -> Paginator[Campaign]:
        """List the campaigns that match; the ledger remembers their ids."""
        ...

    def contacts(self, campaign_id: str, /) -> Paginator[Contact]:
        """List the contacts of a campaign."""
        ...


class _UnansweredError(Exception):
    """The server will not say more."""


@define(eq=False)
class Reconciler:
    """Looks for unknown creates until each is found, absent, or must stay unknown.

    What is found is claimed in the ledger, so that no other search of this client finds it too. Absence is believed
    after two looks in a row that saw nothing, both after the settling time.

    Attributes:
        listings: The listings that it reads.
        ledger: What the client knows of campaigns and creates.
        policy: How long absence must last, and how long to look.
        clock: The client's clock.
        exclude_known: Returns those of these campaigns that are known to be other creates'.
        sample_known: Returns some campaigns that must be on the server and are not among these; None for none.
        get: Reads one campaign; for those of `sample_known`.
        quota: Tokens that each look costs, so that a failing server is not hammered; None for a single search.
        concurrency: Campaigns whose contacts are read at once, from 1.
        rate: Requests a second that the client keeps to; None for no limit.
        serves_caller: True if someone waits for one create. Then it also looks before the settling time is over, for
            what certainly matches, and `policy.timeout` is for all of the search. Else the timeout counts from the
            server's last answer, since a large account or few requests a second take long.
        looks: How often it has listed campaigns.
    """

    listings: Listings
    ledger: Ledger
    policy: ReconcilePolicy
    clock: Clock
    exclude_known: AskAboutIds
    sample_known: AskAboutIds | None = None
    get: Callable[[str], Awaitable[Campaign]] | None = None
    quota: RetryQuota | None = None
    concurrency: int = 1
    rate: float | None = None
    serves_caller: bool = False
    looks: int = field(init=False, default=0)
    _latest: Verdicts = field(init=False, factory=dict[int, Verdict])
    _deadline: asyncio.Timeout | None = field(init=False, default=None)
    _stalled: bool = field(init=False, default=False)
    """True if the server's answers bring the search no further: they do not extend it."""

    async def run(self, targets: Targets) -> Verdicts:
        """Return the verdict on each create, by its key. The ledger knows of what is found, and of what stays unknown."""
        verdicts: dict[int, Verdict] = {}
        self._latest = dict.fromkeys(targets, Unknown())  # what is known if the search breaks off
        for target in targets.values():
            self.ledger.resume_unknown(target.new, target.owner)
        try:
            for group in _group_by_time(targets, self.policy.margin):
                verdicts.update(await self._decide(group))
        finally:
            for key, target in targets.items():
                if isinstance(verdicts.get(key, Unknown()), Unknown):
                    self.ledger.leave_unknown(target.new, target.owner)
        return verdicts

    async def _decide(self, targets: Targets) -> Verdicts:
        self._latest, self._stalled = dict.fromkeys(targets, Unknown()), False
        try:
            async with asyncio.timeout(self.policy.timeout) as self._deadline:
                verdicts = await self._search(targets)
        except (TimeoutError, _UnansweredError):
            verdicts = self.confirmed()
        for verdict in verdicts.values():
            if isinstance(verdict, Found):
                self.ledger.claim(verdict.campaign_id)
        return verdicts

    def confirmed(self) -> Verdicts:
        """Return the verdicts of the latest look; an absence that was seen once is not confirmed."""
        return {key: Unknown() if isinstance(each, Absent) else each for key, each in self._latest.items()}

    async def _search(self, targets: Targets) -> Verdicts:
        settled_at = max(target.unknown_since for target in targets.values()) + self.policy.settle
        before: Verdicts | None = None
        failed = 0
        while True:
            settled = self.clock.monotonic() >= settled_at
            if settled or self.serves_caller:
                found = await self._try_to_look(targets)
                if found is None:
                    failed, before = failed + 1, None
                    self._stalled = failed > _MOST_DOUBLINGS
                else:
                    failed, self._latest = 0, found
                    self._stalled = self._awaits_duplicate(targets)
                    any_absent = any(isinstance(each, Absent) for each in found.values())
                    if self._stalled or not (settled or all(isinstance(each, Found) for each in found.values())):
                        before = None
                    elif before is not None or not any_absent:
                        return _agree(before or found, found)
                    else:
                        before = found
            unsettled = settled_at - self.clock.monotonic()
            await self.clock.sleep(
                unsettled if unsettled > 0 else self.policy.pause * 2 ** min(failed, _MOST_DOUBLINGS)
            )
            if unsettled > 0:
                self._extend_deadline()

    def _awaits_duplicate(self, targets: Targets) -> bool:
        """Return True if a create of the same text, in flight, may be about to get the id of a candidate."""
        return any(
            isinstance(self._latest[key], Unknown) and self.ledger.has_duplicate_in_flight(target.new)
            for key, target in targets.items()
        )

    def _extend_deadline(self) -> None:
        if self._deadline is not None and not (self.serves_caller or self._stalled or self._deadline.expired()):
            self._deadline.reschedule(asyncio.get_running_loop().time() + self.policy.timeout)

    async def _try_to_look(self, targets: Targets) -> Verdicts | None:
        """Return the verdicts of one look, or None if it failed.

        Raises:
            _UnansweredError: If no further look would be answered.
        """
        if self.quota is not None and not self.quota.acquire():
            raise _UnansweredError  # the server is failing: do not hammer it
        self.looks += 1
        try:
            found = await self._look(targets)
        except CampaignsError as error:
            if isinstance(error, ClientClosedError) or (isinstance(error, APIError) and error.status in _REFUSED):
                raise _UnansweredError from None
            return None
        if self.quota is not None:
            self.quota.release(retried=True)
        return found

    async def _look(self, targets: Targets) -> Verdicts:
        """List all campaigns that may be theirs, and then their contacts, as far as is needed."""
        matcher = Matcher(targets, self.ledger.seen.contains)
        found = await self._list(matcher, targets)
        others = await self.exclude_known({each.id for each in found})
        await self._read_all(matcher, [each for each in found if each.id not in others])
        # Other creates may have got their ids while contacts were read.
        matcher.discard(await self.exclude_known(matcher.candidate_ids))
        verdicts = matcher.verdicts()
        for key, target in targets.items():
            verdict = verdicts[key]
            if isinstance(verdict, Found) and (
                self.ledger.has_duplicate_in_flight(target.new) or self.ledger.has_duplicate_unknown(target.new)
            ):
                verdicts[key] = Unknown(tuple(each for each in found if each.id == verdict.campaign_id)[-1:])
        return verdicts

    async def _list(self, matcher: Matcher, targets: Targets) -> list[Campaign]:
        """List the campaigns that may be any create's, out of all that start about then.

        Raises:
            PagingError: If the list is not complete.
        """
        first = min(target.start for target in targets.values())
        last = max(target.latest for target in targets.values())
        # Measured from the ends of the calendar, beyond which there are no dates.
        reach = timedelta(seconds=self.policy.margin + 1)
        earliest, latest = max(first, _FIRST + reach) - reach, min(last, _LAST - reach) + reach
        listing = self.listings.campaigns((campaign.start_date_time >= earliest) & (campaign.start_date_time <= latest))
        found: dict[Campaign, None] = {}  # one that is listed twice, and differs, stays twice: it is changing
        listed: set[str] = set()
        async for row in listing:
            listed.add(row.id)
            if matcher.could_match(row):
                found[row] = None
            self._extend_deadline()
            await asyncio.sleep(0)  # comparing a campaign with thousands of texts takes a while
        walked = listing.checkpoint
        if walked.total is not None and walked.rows < walked.total:
            raise PagingError("the listing ended before all rows had come")
        if self.sample_known is not None and self.get is not None:
            for campaign_id in await self.sample_known(listed):
                with suppress(NotFoundError):
                    start = (await self.get(campaign_id)).start_date_time
                    if start is not None and first <= start <= last:
                        raise PagingError("the listing leaves out what is on the server")
        return list(found)

    async def _read_all(self, matcher: Matcher, campaigns: Sequence[Campaign]) -> None:
        # Under a rate limit no more at once than get their turn within their deadlines.
        limit = self.concurrency if self.rate is None else max(1, min(self.concurrency, int(_LONGEST_WAIT * self.rate)))
        if limit == 1:  # within this task, so that a cancelled create ends at once
            for each in campaigns:
                matcher.add(await self._read(matcher, each))
            return
        async with FanOut(partial(self._read, matcher), campaigns, limit=limit, grace=0.0) as outcomes:
            async for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
                if outcome.value is not None:
                    matcher.add(outcome.value)

    async def _read(self, matcher: Matcher, row: Campaign) -> Candidate:
        contacts: list[Contact] = []
        try:
            async for page in self.listings.contacts(row.id).pages():
                self._extend_deadline()
                contacts.extend(page.items)
                if matcher.is_excluded_by(page.items):
                    return Candidate(row, tuple(contacts))
        except NotFoundError:
            raise PagingError("a campaign disappeared while its contacts were read") from None
        return Candidate(row, tuple(contacts), complete=True)


def _agree(before: Verdicts, now: Verdicts) -> Verdicts:
    """Return the verdicts of the second look. What is absent in it alone stays unknown, with its candidates."""
    agreed = dict(now)
    for key, verdict in now.items():
        if isinstance(verdict, Absent):
            agreed[key] = Unknown() if isinstance(before[key], Found) else before[key]
    return agreed


def _group_by_time(targets: Targets, margin: float) -> Iterator[Targets]:
    """Group creates whose spans of time to look at touch, so that no campaign of a year between two is read."""
    reach = timedelta(seconds=2 * margin + 2)
    group: dict[int, SearchTarget] = {}
    latest = _FIRST
    for key, target in sorted(targets.items(), key=lambda each: each[1].start):
        if group and target.start - latest > reach:
            yield group
            group = {}
        group[key] = target
        latest = max(latest, target.latest)
    if group:
        yield group
