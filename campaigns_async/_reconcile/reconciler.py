"""Search the server for the campaigns of creates with unknown outcome.

`assignment` and `matching` decide; this module sends the requests. The same reconciler serves a single create, each
create of `create_many`, and all unknown rows of a journal at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeAlias

from attrs import define, field

from campaigns_async._engine.call import Clock
from campaigns_async._engine.retry import RetryQuota
from campaigns_async._paginators import Paginators
from campaigns_async._reconcile.assignment import Assignment
from campaigns_async._reconcile.ledger import Ledger
from campaigns_async._reconcile.matching import Absent, Candidate, Found, SearchTarget, Unknown, Verdict
from campaigns_async.errors import APIError, CampaignsError, ClientClosedError, NotFoundError, PagingError
from campaigns_async.fanout import FanOut
from campaigns_async.models import Campaign, Contact
from campaigns_async.query import campaign
from campaigns_async.settings import ReconcilePolicy

Targets: TypeAlias = Mapping[int, SearchTarget]
"""Creates to look for, by the caller's keys."""
Verdicts: TypeAlias = Mapping[int, Verdict]
IdQuery: TypeAlias = Callable[[Collection[str]], Awaitable[Collection[str]]]

_FINAL_STATUSES = frozenset({400, 401, 403, 404, 405})
"""Statuses after which a request for a list is not repeated."""
_MAX_WAIT = 10.0
"""The longest time that a request for contacts may wait for the rate limiter, in seconds."""
_MAX_DOUBLINGS = 6
"""The pause between failed looks doubles up to this many times."""
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class _UnansweredError(Exception):
    """Raised if another look would fail as well."""


@define(eq=False)
class Reconciler:
    """A search for unknown creates, which ends when each is found, absent, or has to stay unknown.

    A campaign that is found is claimed in the ledger, so that no other search of this client finds it too. A create is
    absent after two successive looks without a match, both after the settling time.

    Attributes:
        listings: The listings of campaigns and contacts.
        ledger: The campaigns and creates that the client knows of.
        policy: The settling time, the pause between looks, and the timeout.
        clock: The client's clock.
        exclude_known: Takes campaign ids, and returns the ones known to belong to other creates.
        sample_known: Takes campaign ids, and returns a few others that must be on the server. If one of them is on the
            server but not in the list, the list is incomplete. None to skip this check.
        get: Reads one campaign, for `sample_known`.
        quota: The quota that each look draws on, so that a failing server is not overloaded. None for no quota.
        concurrency: The number of campaigns whose contacts are read concurrently, from 1.
        rate: The client's rate limit in requests per second; None for no limit.
        serves_caller: True if a caller waits for one create. Then a look before the end of the settling time counts if
            it finds the create, and `policy.timeout` bounds the whole search. Otherwise the timeout starts again with each
            response, because a large account or a low rate limit takes long.
        looks: The number of looks so far.
    """

    listings: Paginators
    ledger: Ledger
    policy: ReconcilePolicy
    clock: Clock
    exclude_known: IdQuery
    sample_known: IdQuery | None = None
    get: Callable[[str], Awaitable[Campaign]] | None = None
    quota: RetryQuota | None = None
    concurrency: int = 1
    rate: float | None = None
    serves_caller: bool = False
    looks: int = field(init=False, default=0)
    _latest: Verdicts = field(init=False, factory=dict[int, Verdict])
    _deadline: asyncio.Timeout | None = field(init=False, default=None)
    _stalled: bool = field(init=False, default=False)  # responses bring no progress, so they do not extend the deadline

    async def run(self, targets: Targets) -> Verdicts:
        """Return the verdict on each create, by its key, and record it in the ledger."""
        verdicts: dict[int, Verdict] = {}
        self._latest = dict.fromkeys(targets, Unknown())
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
            verdicts = self.confirmed_verdicts
        for key, verdict in verdicts.items():
            if isinstance(verdict, Found):
                self.ledger.claim(verdict.campaign_id, owner=targets[key].owner)
        return verdicts

    @property
    def confirmed_verdicts(self) -> Verdicts:
        """The verdicts of the latest look, without absences, which need a second look."""
        return {key: Unknown() if isinstance(each, Absent) else each for key, each in self._latest.items()}

    async def _search(self, targets: Targets) -> Verdicts:
        settled_at = max(target.unknown_since for target in targets.values()) + self.policy.settle
        before: Verdicts | None = None
        failed = 0
        while True:
            settled = self.clock.monotonic() >= settled_at
            if settled or self.serves_caller:
                verdicts = await self._try_to_look(targets)
                if verdicts is None:
                    failed, before = failed + 1, None
                    self._stalled = failed > _MAX_DOUBLINGS
                else:
                    failed, self._latest = 0, verdicts
                    self._stalled = self._awaits_duplicate(targets)
                    any_absent = any(isinstance(each, Absent) for each in verdicts.values())
                    if self._stalled or not (settled or all(isinstance(each, Found) for each in verdicts.values())):
                        before = None
                    elif before is not None or not any_absent:
                        return _combine(before or verdicts, verdicts)
                    else:
                        before = verdicts
            unsettled = settled_at - self.clock.monotonic()
            await self.clock.sleep(unsettled if unsettled > 0 else self.policy.pause * 2 ** min(failed, _MAX_DOUBLINGS))
            if unsettled > 0:
                self._extend_deadline()

    def _awaits_duplicate(self, targets: Targets) -> bool:
        """Return True if a create of the same text is in flight, whose response may contain the id of a candidate."""
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
            _UnansweredError: If another look would fail too.
        """
        if self.quota is not None and not self.quota.acquire():
            raise _UnansweredError  # many requests have failed: do not overload the server
        self.looks += 1
        try:
            verdicts = await self._look(targets)
        except CampaignsError as error:
            if isinstance(error, ClientClosedError) or (
                isinstance(error, APIError) and error.status in _FINAL_STATUSES
            ):
                raise _UnansweredError from None
            return None
        if self.quota is not None:
            self.quota.release(retried=True)
        return verdicts

    async def _look(self, targets: Targets) -> Verdicts:
        """List the campaigns that may match, read their contacts as far as needed, and decide."""
        assignment = Assignment(targets, self.ledger.seen.contains)
        campaigns = await self._list(assignment, targets)
        others = await self.exclude_known({each.id for each in campaigns})
        await self._read_all(assignment, [each for each in campaigns if each.id not in others])
        # Other creates may have received their ids while the contacts were read.
        assignment.discard(await self.exclude_known(assignment.candidate_ids))
        verdicts = assignment.decide()
        for key, target in targets.items():
            verdict = verdicts[key]
            if isinstance(verdict, Found) and (
                self.ledger.has_duplicate_in_flight(target.new) or self.ledger.has_duplicate_unknown(target.new)
            ):
                verdicts[key] = Unknown(tuple(each for each in campaigns if each.id == verdict.campaign_id)[-1:])
        return verdicts

    async def _list(self, assignment: Assignment, targets: Targets) -> list[Campaign]:
        """List the campaigns that start within the margin and may match any create.

        Raises:
            PagingError: If the list is incomplete.
        """
        first = min(target.start for target in targets.values())
        last = max(target.latest for target in targets.values())
        # Each look has bounds of its own, up to a minute further: a cache keeps a list by its URL, so that a look could
        # be answered with the list of an earlier one. Varnish does so for two minutes unless the key is a bearer token.
        minute, millisecond = divmod(int(self.clock.now().timestamp() * 1000), 60_000)
        reach = timedelta(seconds=self.policy.margin + 1)
        before, after = reach + timedelta(milliseconds=millisecond), reach + timedelta(milliseconds=minute % 1440)
        # Clamped first: a datetime before year 1 or after year 9999 raises OverflowError.
        earliest, latest = max(first, _FIRST + before) - before, min(last, _LAST - after) + after
        listing = self.listings.campaigns((campaign.start_date_time >= earliest) & (campaign.start_date_time <= latest))
        matches: dict[Campaign, None] = {}  # both versions of a campaign that is listed twice because it is changing
        ids: set[str] = set()
        async for row in listing:
            ids.add(row.id)
            if assignment.could_match(row):
                matches[row] = None
            self._extend_deadline()
            await asyncio.sleep(0)  # comparing a campaign with thousands of texts takes a while
        end = listing.checkpoint
        if end.total is not None and end.rows < end.total:
            raise PagingError("the list ended before all of its rows were read")
        if self.sample_known is not None and self.get is not None:
            for campaign_id in await self.sample_known(ids):
                with suppress(NotFoundError):
                    start = (await self.get(campaign_id)).start_date_time
                    if start is not None and first <= start <= last:
                        raise PagingError("the list lacks a campaign that is on the server")
        return list(matches)

    async def _read_all(self, assignment: Assignment, campaigns: Sequence[Campaign]) -> None:
        # Under a rate limit, no more requests at once than can be sent within their deadlines.
        limit = self.concurrency if self.rate is None else max(1, min(self.concurrency, int(_MAX_WAIT * self.rate)))
        if limit == 1:  # within this task, so that a cancelled create ends at once
            for each in campaigns:
                assignment.add(await self._read(assignment, each))
            return
        async with FanOut(partial(self._read, assignment), campaigns, limit=limit, grace=0.0) as outcomes:
            async for outcome in outcomes:
                if outcome.error is not None:
                    cause = outcome.error.__cause__  # such as a SystemExit that an observer raised
                    raise outcome.error if cause is None or isinstance(cause, Exception) else cause
                if outcome.value is not None:
                    assignment.add(outcome.value)

    async def _read(self, assignment: Assignment, row: Campaign) -> Candidate:
        contacts: list[Contact] = []
        try:
            async for page in self.listings.contacts(row.id).pages():
                self._extend_deadline()
                contacts.extend(page.items)
                if assignment.is_excluded_by(page.items):
                    return Candidate(row, tuple(contacts))
        except NotFoundError:
            raise PagingError("a campaign disappeared while its contacts were read") from None
        return Candidate(row, tuple(contacts), complete=True)


def _combine(before: Verdicts, now: Verdicts) -> Verdicts:
    """Combine the verdicts of two looks: those of the second, but a create is absent only if it is absent in both."""
    combined = dict(now)
    for key, verdict in now.items():
        if isinstance(verdict, Absent):
            combined[key] = Unknown() if isinstance(before[key], Found) else before[key]
    return combined


def _group_by_time(targets: Targets, margin: float) -> Iterator[Targets]:
    """Group creates whose time ranges overlap, so that campaigns between two distant creates are not listed."""
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
