"""Look on the server for creates whose outcome is unknown. `matching` decides; here is only the asking.

One reconciler serves a single create, each of many in parallel, and all unknown rows of a journal at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from attrs import define, field, frozen

from campaigns_async._engine.interfaces import Clock
from campaigns_async._engine.retry import RetryQuota
from campaigns_async._reconcile.ledger import Ledger
from campaigns_async._reconcile.matching import Absent, Candidate, Found, Matcher, SearchTarget, Unknown, Verdict
from campaigns_async.errors import APIError, CampaignsError, ClientClosedError, NotFoundError, PagingError, QueryError
from campaigns_async.fanout import FanOut
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging.paginator import Paginator
from campaigns_async.query import Expression, campaign
from campaigns_async.settings import ReconcilePolicy

_REFUSED = frozenset({400, 401, 403, 404, 405})
"""Statuses of a server that will not list its campaigns, however often it is asked."""
_LONGEST_WAIT = 10.0
"""Seconds that a request may wait for its turn under a rate limit."""
_MOST_DOUBLINGS = 6
"""Of the pause between looks that fail."""
_PLAIN_SENDER = 11
"""The longest sender that no server has a reason to cut."""
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Listings(Protocol):
    """The two listings that a search reads."""

    def campaigns(self, filters: Expression, /) -> Paginator[Campaign]:
        """List the campaigns that match; the ledger remembers their ids."""
        ...

    def contacts(self, campaign_id: str, /) -> Paginator[Contact]:
        """List the contacts of a campaign."""
        ...


@frozen
class UnknownCreate:
    """A create that may have been carried out.

    Attributes:
        key: The caller's name for it.
        target: What was sent.
        unknown_since: Seconds on the monotonic clock: no request of it can have left later.
        known_before: The ledger's snapshot before the create was first sent: no campaign that was seen by then is
            its own. None if it was first sent by an earlier process.
    """

    key: int
    target: SearchTarget
    unknown_since: float
    known_before: int | None = None


class _UnansweredError(Exception):
    """The server will not say more."""


async def _none(_ids: Collection[str]) -> Collection[str]:
    return ()


@define(eq=False)
class Reconciler:
    """Looks for unknown creates until each is found, absent, or must stay unknown.

    What is found is claimed in the ledger, so that no other search of this client finds it too. Absence is believed
    after the settling time, when two looks in a row that no filter but the start time's narrows saw nothing.

    Attributes:
        listings: The listings that it reads.
        ledger: What the client knows of campaigns and creates.
        policy: How long absence must last, and how long to look.
        clock: The client's clock.
        exclude_known: Returns those of these campaigns that are known to be other creates'.
        sample_known: Returns some campaigns that must be on the server and are not among these.
        get: Reads one campaign; for the campaigns of `sample_known`.
        quota: Tokens that each look costs, so that a failing server is not hammered; None for a single search.
        concurrency: Campaigns whose contacts are read at once, from 1.
        rate: Requests a second that the client keeps to; None for no limit.
        serves_caller: True if someone waits for one create: then it also looks before the settling time is over, for
            what certainly matches, and `policy.timeout` is for all of the search. Else the timeout counts from the
            server's last answer, since a large account or few requests a second take long.
        looks: How often it has listed campaigns.
    """

    listings: Listings
    ledger: Ledger
    policy: ReconcilePolicy
    clock: Clock
    exclude_known: Callable[[Collection[str]], Awaitable[Collection[str]]]
    sample_known: Callable[[Collection[str]], Awaitable[Collection[str]]] = _none
    get: Callable[[str], Awaitable[Campaign]] | None = None
    quota: RetryQuota | None = None
    concurrency: int = 1
    rate: float | None = None
    serves_caller: bool = False
    looks: int = field(init=False, default=0)
    _latest: dict[int, Verdict] = field(init=False, factory=dict[int, Verdict])
    _deadline: asyncio.Timeout | None = field(init=False, default=None)
    _stalled: bool = field(init=False, default=False)
    """True if the server's answers bring the search no further: they do not extend it."""

    async def run(self, creates: Sequence[UnknownCreate]) -> dict[int, Verdict]:
        """Return the verdict on each create, by its key."""
        verdicts: dict[int, Verdict] = {}
        for group in _group_by_time(creates, self.policy.margin):
            self._latest, self._stalled = {create.key: Unknown() for create in group}, False
            try:
                async with asyncio.timeout(self.policy.timeout) as self._deadline:
                    found = await self._search(group)
            except (TimeoutError, _UnansweredError):
                found = self.confirmed()
            for verdict in found.values():
                if isinstance(verdict, Found):
                    self.ledger.claim(verdict.campaign_id)
            verdicts.update(found)
        return verdicts

    def confirmed(self) -> Mapping[int, Verdict]:
        """Return the verdicts of the latest look; an absence that was seen once is not confirmed."""
        return {key: Unknown() if isinstance(each, Absent) else each for key, each in self._latest.items()}

    async def _search(self, creates: Sequence[UnknownCreate]) -> Mapping[int, Verdict]:
        settled_at = max(create.unknown_since for create in creates) + self.policy.settle
        before: Mapping[int, Verdict] | None = None
        failed = 0
        while True:
            settled = self.clock.monotonic() >= settled_at
            if settled or self.serves_caller:
                found = await self._try_to_look(creates, narrow=not settled)
                if found is None:
                    failed, before = failed + 1, None
                    self._stalled = failed > _MOST_DOUBLINGS
                else:
                    failed, self._latest = 0, found
                    self._stalled = self._awaits_duplicate(creates)
                    if self._stalled or not (settled or _are_found(found)):
                        before = None
                    elif before is not None or not any(isinstance(each, Absent) for each in found.values()):
                        return found if before is None else _agree(before, found)
                    else:
                        before = found
            await self._pause(settled_at, failed)

    async def _try_to_look(self, creates: Sequence[UnknownCreate], *, narrow: bool) -> dict[int, Verdict] | None:
        """Return the verdicts of one look, or None if it failed.

        Raises:
            _UnansweredError: If no further look would be answered.
        """
        if self.quota is not None and not self.quota.acquire():
            raise _UnansweredError  # the server is failing: do not hammer it
        try:
            found = await self._look(creates, narrow=narrow)
        except CampaignsError as error:
            if isinstance(error, ClientClosedError) or (isinstance(error, APIError) and error.status in _REFUSED):
                raise _UnansweredError from None
            return None
        if self.quota is not None:
            self.quota.release(retried=True)
        return found

    async def _pause(self, settled_at: float, failed: int) -> None:
        unsettled = settled_at - self.clock.monotonic()
        await self.clock.sleep(unsettled if unsettled > 0 else self.policy.pause * 2 ** min(failed, _MOST_DOUBLINGS))
        if unsettled > 0:
            self._extend_deadline()

    def _awaits_duplicate(self, creates: Sequence[UnknownCreate]) -> bool:
        """Return True if a create of the same text, in flight, may be about to get the id of a candidate."""
        return any(
            isinstance(self._latest[create.key], Unknown) and self.ledger.has_duplicate_in_flight(create.target.new)
            for create in creates
        )

    def _extend_deadline(self) -> None:
        if self.serves_caller or self._stalled or self._deadline is None:
            return
        if not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + self.policy.timeout)

    async def _look(self, creates: Sequence[UnknownCreate], *, narrow: bool) -> dict[int, Verdict]:
        """List all campaigns that may be theirs, and then their contacts, as far as is needed."""
        self.looks += 1
        marks = {create.key: create.known_before for create in creates}
        matcher = Matcher(
            {create.key: create.target for create in creates}, lambda key, each: self._knew(each, marks[key])
        )
        found = await self._list(matcher, creates, narrow=narrow)
        others = await self.exclude_known({each.id for each in found})
        await self._read_all(matcher, [each for each in found if each.id not in others])
        # Other creates may have got their ids while contacts were read.
        matcher.discard(await self.exclude_known(matcher.candidate_ids))
        verdicts = matcher.verdicts()
        for create in creates:
            verdict = verdicts[create.key]
            if isinstance(verdict, Found) and self._may_be_duplicates(create):
                verdicts[create.key] = Unknown(tuple(each for each in found if each.id == verdict.campaign_id)[-1:])
        return verdicts

    def _may_be_duplicates(self, create: UnknownCreate) -> bool:
        new = create.target.new
        return self.ledger.has_duplicate_in_flight(new) or self.ledger.has_duplicate_unknown(new)

    def _knew(self, campaign_id: str, mark: int | None) -> bool:
        return mark is not None and self.ledger.seen.contains(campaign_id, mark)

    async def _list(self, matcher: Matcher, creates: Sequence[UnknownCreate], *, narrow: bool) -> list[Campaign]:
        """List the campaigns that may be any create's, out of all that start about then.

        Raises:
            PagingError: If the list is not complete.
        """
        first, last = min(create.target.start for create in creates), max(create.target.latest for create in creates)
        marks = [create.known_before for create in creates]
        first_mark = None if None in marks else min(mark for mark in marks if mark is not None)
        listing = self.listings.campaigns(self._filter(creates, first, last, narrow=narrow))
        found: dict[Campaign, None] = {}  # one that is listed twice, and differs, stays twice: it is changing
        listed: set[str] = set()
        async for row in listing:
            listed.add(row.id)
            if not self._knew(row.id, first_mark) and matcher.could_match(row):
                found[row] = None
            self._extend_deadline()
            await asyncio.sleep(0)  # comparing a campaign with thousands of texts takes a while
        walked = listing.checkpoint
        if walked.total is not None and walked.rows < walked.total:
            raise PagingError("the listing ended before all rows had come")
        if self.get is not None and not narrow:
            for campaign_id in await self.sample_known(listed):
                with suppress(NotFoundError):
                    start = (await self.get(campaign_id)).start_date_time
                    if start is not None and first <= start <= last:
                        raise PagingError("the listing leaves out what is on the server")
        return list(found)

    def _filter(self, creates: Sequence[UnknownCreate], first: datetime, last: datetime, *, narrow: bool) -> Expression:
        """Return a filter by start times, and by sender in a narrow look.

        A server may have moved a start by its time zone, altered the text and, seldom, replaced the sender.
        """
        # Measured from the ends of the calendar, beyond which there are no dates.
        reach = timedelta(seconds=self.policy.margin + 1)
        earliest, latest = max(first, _FIRST + reach) - reach, min(last, _LAST - reach) + reach
        filters = (campaign.start_date_time >= earliest) & (campaign.start_date_time <= latest)
        senders = {create.target.new.sender for create in creates}
        sender = senders.pop()
        if not narrow or senders or not (sender.isascii() and sender.isalnum() and len(sender) <= _PLAIN_SENDER):
            return filters  # the server may have cut or altered the sender too
        try:
            return campaign.sender.equals(sender, ignore_case=True) & filters
        except QueryError:
            return filters

    @property
    def _at_once(self) -> int:
        """How many campaigns to read at once, so that each gets its turn within its deadline."""
        return self.concurrency if self.rate is None else max(1, min(self.concurrency, int(_LONGEST_WAIT * self.rate)))

    async def _read_all(self, matcher: Matcher, campaigns: Sequence[Campaign]) -> None:
        if self._at_once == 1:  # within this task, so that a cancelled create ends at once
            for each in campaigns:
                matcher.add(await self._read(matcher, each))
            return
        async with FanOut(partial(self._read, matcher), campaigns, limit=self._at_once, grace=0.0) as outcomes:
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


def _are_found(verdicts: Mapping[int, Verdict]) -> bool:
    return all(isinstance(verdict, Found) for verdict in verdicts.values())


def _agree(before: Mapping[int, Verdict], now: Mapping[int, Verdict]) -> Mapping[int, Verdict]:
    """Return the verdicts of the second look; absent is only what was absent in both."""
    return {key: _agree_on(before[key], verdict) for key, verdict in now.items()}


def _agree_on(before: Verdict, now: Verdict) -> Verdict:
    if not isinstance(now, Absent) or isinstance(before, Absent):
        return now
    return before if isinstance(before, Unknown) else Unknown()


def _group_by_time(creates: Sequence[UnknownCreate], margin: float) -> Iterator[Sequence[UnknownCreate]]:
    """Group creates whose spans of time to look at touch, so that no campaign of a year between two is read."""
    reach = timedelta(seconds=2 * margin + 2)
    group: list[UnknownCreate] = []
    latest = _FIRST
    for create in sorted(creates, key=lambda each: each.target.start):
        if group and create.target.start - latest > reach:
            yield group
            group, latest = [], _FIRST
        group.append(create)
        latest = max(latest, create.target.latest)
    if group:
        yield group
