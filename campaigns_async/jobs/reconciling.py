"""Looks on the server for the rows in doubt, all at once. The decision is `matching`'s; here is only the asking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from attrs import define, field, frozen

from campaigns_async._engine.interfaces import Clock
from campaigns_async._reconcile.matching import Absent, Candidate, Found, Matcher, SearchTarget, Unknown
from campaigns_async._reconcile.search import starting_between
from campaigns_async._reconcile.server import Server
from campaigns_async.errors import APIError, CampaignsError, ClientClosedError, NotFoundError, PagingError
from campaigns_async.fanout import FanOut
from campaigns_async.models import Campaign
from campaigns_async.settings import ReconcilePolicy

Verdicts = Mapping[int, Found | Absent | Unknown]
_TURN = 10.0
"""Seconds that a request may wait for its turn under a rate limit."""
_NEVER_ANSWERED = frozenset({400, 401, 403, 404, 405})


@frozen
class Doubt:
    """A row that may have been sent."""

    row_id: int
    content: int
    """Its digest: rows with the same cannot be told apart on the server."""
    sought: SearchTarget
    ended_at: float
    """Seconds since 1970: no request of it can have left later."""


@define(eq=False)
class Reconciler:
    """Asks the server for the rows in doubt.

    Attributes:
        server: Lists campaigns and their contacts.
        policy: How long absence must last, and how long to look.
        clock: Tells the time, and sleeps.
        others: Of these campaigns, those that are known to be others', or to be older than any attempt of the rows.
        unlisted: Some campaigns that are known to be on the server, and are not among these.
        get: Reads one campaign.
        concurrency: Campaigns whose contacts are read at once, from 1.
        rate: Requests a second that the client keeps to; None: no limit.
    """

    server: Server
    policy: ReconcilePolicy
    clock: Clock
    others: Callable[[Collection[str]], Awaitable[Collection[str]]]
    unlisted: Callable[[Collection[str]], Awaitable[Collection[str]]]
    get: Callable[[str], Awaitable[Campaign]]
    concurrency: int
    rate: float | None
    _deadline: asyncio.Timeout | None = field(init=False, default=None)
    _last: Verdicts = field(init=False, factory=dict[int, Found | Absent | Unknown])

    async def run(self, rows: Sequence[Doubt]) -> Verdicts:
        """What became of the rows. Absent is what two looks in a row did not see, after the settling time.

        What the server would not tell is in doubt, without candidates.
        """
        if not rows:
            return {}
        await self._settle(rows)
        verdicts: dict[int, Found | Absent | Unknown] = {}
        for group in _overlapping(rows, self.policy.margin):
            verdicts.update(await self._decide(group))
        return verdicts

    async def _settle(self, rows: Sequence[Doubt]) -> None:
        now = self.clock.now().timestamp()
        # A clock that was set back since would make the wait as long as it was set back.
        left = min(self.policy.settle, max(row.ended_at for row in rows) + self.policy.settle - now)
        if left > 0:
            await self.clock.sleep(left)

    async def _decide(self, rows: Sequence[Doubt]) -> Verdicts:
        self._last = {row.row_id: Unknown(()) for row in rows}
        try:
            async with asyncio.timeout(self.policy.timeout) as self._deadline:
                return await self._look_twice(rows)
        except TimeoutError:
            return self._not_absent(self._last)

    def _gets_on(self) -> None:
        """The time counts from the last answer: a large account, or few requests a second, take long."""
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + self.policy.timeout)

    async def _look_twice(self, rows: Sequence[Doubt]) -> Verdicts:
        failed, before = 0, None
        while True:
            try:
                found = await self._look(rows)
            except ClientClosedError:
                return self._not_absent(self._last)
            except CampaignsError as error:
                if isinstance(error, APIError) and error.status in _NEVER_ANSWERED:
                    return self._not_absent(self._last)
                failed, before = failed + 1, None
                await self.clock.sleep(self.policy.pause * 2 ** min(failed, 6))
                continue
            self._last = found
            if before is not None:
                return {row: self._agreed(before[row], verdict) for row, verdict in found.items()}
            if not any(isinstance(verdict, Absent) for verdict in found.values()):
                return found
            before = found
            await self.clock.sleep(self.policy.pause)

    @staticmethod
    def _agreed(before: Found | Absent | Unknown, now: Found | Absent | Unknown) -> Found | Absent | Unknown:
        """Absent only if it was both times; it has come to light meanwhile, or gone: the one that shows counts."""
        if isinstance(now, Absent) and not isinstance(before, Absent):
            return Unknown(before.candidates if isinstance(before, Unknown) else ())
        return now

    @staticmethod
    def _not_absent(verdicts: Verdicts) -> Verdicts:
        """What was seen once, and could not be confirmed."""
        return {row: Unknown(()) if isinstance(verdict, Absent) else verdict for row, verdict in verdicts.items()}

    async def _look(self, rows: Sequence[Doubt]) -> Verdicts:
        matcher = Matcher({row.row_id: row.sought for row in rows})
        found = await self._list(matcher, rows)
        for campaign_id in await self.others(found.keys()):
            del found[campaign_id]
        async with FanOut(self._read, list(found.values()), limit=self._at_once, grace=0.0) as outcomes:
            async for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
                self._gets_on()
                if outcome.value is not None:
                    matcher.add(outcome.value)
        return matcher.verdicts()

    async def _list(self, matcher: Matcher, rows: Sequence[Doubt]) -> dict[str, Campaign]:
        """The campaigns that may be any row's, out of all that start about then.

        Raises:
            PagingError: It was not all.
        """
        first, last = min(row.sought.start for row in rows), max(row.sought.latest for row in rows)
        listing = self.server.campaigns(starting_between(first, last, self.policy.margin))
        found: dict[str, Campaign] = {}
        listed: set[str] = set()
        async for campaign in listing:
            listed.add(campaign.id)
            if matcher.could_match(campaign):
                found[campaign.id] = campaign
            self._gets_on()
            await asyncio.sleep(0)  # with thousands of texts in doubt each campaign takes a while
        walked = listing.checkpoint
        if walked.total is not None and walked.rows < walked.total:
            raise PagingError("the listing ended before all rows had come")
        for campaign_id in await self.unlisted(listed):
            with suppress(NotFoundError):
                known = (await self.get(campaign_id)).start_date_time
                if known is not None and first <= known <= last:
                    raise PagingError("the listing leaves out what is on the server")
        return found

    @property
    def _at_once(self) -> int:
        """Each of them waits for its turn within its deadline."""
        return self.concurrency if self.rate is None else max(1, min(self.concurrency, int(_TURN * self.rate)))

    async def _read(self, campaign: Campaign) -> Candidate:
        try:
            return Candidate(campaign, tuple(await self.server.contacts(campaign.id).collect()), complete=True)
        except NotFoundError:
            raise PagingError("a campaign went away while it was read") from None


def _overlapping(rows: Sequence[Doubt], margin: float) -> Iterator[Sequence[Doubt]]:
    """The rows in groups whose times to look at do not touch, so that no campaign of a year between is read."""
    reach = timedelta(seconds=2 * margin + 2)
    group: list[Doubt] = []
    for row in sorted(rows, key=lambda each: each.sought.start):
        if group and row.sought.start - group[-1].sought.latest > reach:
            yield group
            group = []
        group.append(row)
    if group:
        yield group
