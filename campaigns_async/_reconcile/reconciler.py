"""Search the server for the campaigns of creates with unknown outcome.

`assignment` and `matching` decide; this module sends the requests. The same reconciler serves a single create, each
create of `create_many`, and all unknown rows of a journal at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeAlias

from attrs import define, evolve, field

from campaigns_async._engine.retry import RetryQuota
from campaigns_async._reconcile.assignment import Assignment
from campaigns_async._reconcile.ledger import Ledger, digest_content
from campaigns_async._reconcile.matching import Absent, Candidate, Found, SearchTarget, Unknown, Verdict
from campaigns_async._reconcile.recipients import Match
from campaigns_async._reconcile.search_reader import FIRST, SearchReader, UnansweredError
from campaigns_async.errors import APIError, CampaignsError, ClientClosedError
from campaigns_async.fanout import FanOut
from campaigns_async.models import Campaign
from campaigns_async.settings import ReconcilePolicy

Targets: TypeAlias = Mapping[int, SearchTarget]
"""Creates to look for, by the caller's keys."""
Verdicts: TypeAlias = Mapping[int, Verdict]

FINAL_STATUSES = frozenset({400, 401, 403, 404, 405})
"""Statuses after which a request for a list is not repeated."""
_MAX_WAIT = 10.0
"""The longest time that a request for contacts may wait for the rate limiter, in seconds."""
_MAX_DOUBLINGS = 6
"""The pause between failed looks doubles up to this many times."""
_MOST_FAILED: Final = 20
"""The number of failed looks after which responses no longer extend the timeout."""
_MOST_PARTIAL: Final = 3
"""The number of looks of a search that are repeated because contacts of a candidate are not all listed."""
_READS: Final = 2.0
"""The time in which a server may act on a request, in read timeouts, from the moment at which it was sent."""


def settling_end(policy: ReconcilePolicy, read: float, *, sent: float, ended: float) -> float:
    """Return the time before which the absence of a campaign proves nothing.

    Args:
        policy: The policy, with the settling time.
        read: The read timeout, in seconds.
        sent: The time at which the last request of the create was sent.
        ended: The time at which the create ended.
    """
    return max(sent + _READS * read, ended + (read if policy.settle is None else policy.settle))


@define(eq=False)
class Reconciler:
    """A search for unknown creates, which ends when each is found, absent, or has to stay unknown.

    A campaign that is found is claimed in the ledger, so that no other search of this client finds it too. A create is
    absent after two successive looks without a match, both after the settling time.

    Attributes:
        reader: Reads lists and contacts.
        ledger: The campaigns and creates that the client knows of.
        exclude_known: Takes campaigns, and returns the ids of those known to belong to other creates.
        record_seen: Records the ids of a look, and returns their positions in the order in which the journal saw them. None
            without a journal.
        quota: The quota that each look draws on, so that a failing server is not overloaded. None for no quota.
        concurrency: The number of campaigns whose contacts are read concurrently, from 1.
        rate: The client's rate limit in requests per second; None for no limit.
        serves_caller: True if a caller waits for one create. Then a look before the end of the settling time counts if
            it finds the create, and `policy.timeout` bounds the whole search. Otherwise the timeout starts again with each
            response, because a large account or a low rate limit takes long.
    """

    reader: SearchReader
    ledger: Ledger
    exclude_known: Callable[[Collection[Campaign]], Awaitable[Collection[str]]]
    record_seen: Callable[[Collection[str]], Awaitable[Mapping[str, int]]] | None = None
    quota: RetryQuota | None = None
    concurrency: int = 1
    rate: float | None = None
    serves_caller: bool = False
    _latest: Verdicts = field(init=False, factory=dict[int, Verdict])
    _ruled_out: set[Campaign] = field(init=False, factory=set[Campaign])  # they were read, and match no target
    _partial: set[str] = field(init=False, factory=set[str])  # candidates whose contacts are not all listed
    _deadline: asyncio.Timeout | None = field(init=False, default=None)
    _stalled: bool = field(init=False, default=False)  # responses bring no progress, so they do not extend the deadline

    async def run(self, targets: Targets) -> Verdicts:
        """Return the verdict on each create, by its key, and record it in the ledger."""
        verdicts: dict[int, Verdict] = {}
        self._latest = dict.fromkeys(targets, Unknown())
        for target in targets.values():
            self.ledger.resume_unknown(target.new, target.owner)
        try:
            for group in _group_by_time(targets, self.reader.policy.margin):
                verdicts.update(await self._decide(group))
        finally:
            for key, target in targets.items():
                if isinstance(verdicts.get(key, Unknown()), Unknown):
                    self.ledger.leave_unknown(target.new, target.owner)
        return verdicts

    async def _decide(self, targets: Targets) -> Verdicts:
        self._latest, self._stalled = dict.fromkeys(targets, Unknown()), False
        self._ruled_out.clear()
        settled_at = max(target.settled_at for target in targets.values())
        settling = max(0.0, settled_at - self.reader.clock.monotonic())
        reason: str | None = "the search timed out (ReconcilePolicy.timeout)"
        try:
            async with asyncio.timeout(settling + self.reader.policy.timeout) as self._deadline:
                verdicts, reason = await self._search(targets, settled_at), None
        except TimeoutError:
            verdicts = self.confirmed_verdicts
        except UnansweredError as error:
            verdicts, reason = self.confirmed_verdicts, str(error)
        for key, verdict in verdicts.items():
            if isinstance(verdict, Found):
                self.ledger.claim(verdict.campaign_id, owner=targets[key].owner, is_found=True)
        return {
            key: evolve(each, reason=reason) if isinstance(each, Unknown) and not each.candidates else each
            for key, each in verdicts.items()
        }

    @property
    def confirmed_verdicts(self) -> Verdicts:
        """The verdicts of the latest look, without absences, which need a second look."""
        return {key: Unknown() if isinstance(each, Absent) else each for key, each in self._latest.items()}

    async def _search(self, targets: Targets, settled_at: float) -> Verdicts:
        before: Verdicts | None = None
        failed = all_failed = early = partial = 0
        while True:
            settled = self.reader.clock.monotonic() >= settled_at
            if settled or self.serves_caller:
                verdicts = await self._try_to_look(targets)
                if verdicts is None:
                    failed, all_failed, before = failed + 1, all_failed + 1, None
                    self._stalled = failed > _MAX_DOUBLINGS or all_failed > _MOST_FAILED
                else:
                    self._latest = verdicts
                    is_partial = settled and partial < _MOST_PARTIAL and self._awaits_contacts(verdicts)
                    partial += is_partial
                    failed = partial if is_partial else 0
                    must_wait = self._awaits_duplicate(targets)
                    self._stalled = must_wait or all_failed > _MOST_FAILED
                    any_absent = any(isinstance(each, Absent) for each in verdicts.values())
                    if (
                        must_wait
                        or is_partial
                        or not (settled or all(isinstance(each, Found) for each in verdicts.values()))
                    ):
                        before = None
                    elif not any_absent or (before is not None and _find_ids(before) == _find_ids(verdicts)):
                        return _combine(before or verdicts, verdicts)
                    else:
                        before = verdicts
            unsettled = settled_at - self.reader.clock.monotonic()
            pause = self.reader.policy.pause * 2 ** min(failed, _MAX_DOUBLINGS)
            if unsettled > 0:  # a caller waits: the campaign may show long before the end of the settling time
                early += 1
                pause = min(unsettled, pause * 2 ** min(early, _MAX_DOUBLINGS)) if self.serves_caller else unsettled
            await self.reader.clock.sleep(pause)
            if unsettled > 0:
                self._extend_deadline()

    def _awaits_duplicate(self, targets: Targets) -> bool:
        """Return True if a create of the same text is in flight, whose response may contain the id of a candidate."""
        return any(
            isinstance(self._latest[key], Unknown) and self.ledger.has_text_in_flight(target.new)
            for key, target in targets.items()
        )

    def _awaits_contacts(self, verdicts: Verdicts) -> bool:
        """Return True if a create is unknown for a campaign whose contacts may not all be listed yet."""
        return any(
            c.id in self._partial for each in verdicts.values() if isinstance(each, Unknown) for c in each.candidates
        )

    def _extend_deadline(self) -> None:
        timer = self._deadline
        if timer is not None and not (self.serves_caller or self._stalled or timer.expired()):
            timer.reschedule(max(timer.when() or 0.0, asyncio.get_running_loop().time() + self.reader.policy.timeout))

    async def _try_to_look(self, targets: Targets) -> Verdicts | None:
        """Return the verdicts of one look, or None if it failed.

        Raises:
            UnansweredError: If another look would fail too.
        """
        if self.quota is not None and not self.quota.acquire():
            raise UnansweredError("the retry quota is spent")  # many requests have failed: do not overload the server
        self.reader.begin(targets.values(), self._extend_deadline)
        try:
            verdicts = await self._look(targets)
        except CampaignsError as error:
            if isinstance(error, ClientClosedError):
                raise UnansweredError("the client was closed") from None
            if isinstance(error, APIError) and error.status in FINAL_STATUSES:
                raise UnansweredError(f"the server refused to list campaigns ({error.status})") from None
            return None
        if self.quota is not None:
            self.quota.release(retried=True)
        return verdicts

    async def _look(self, targets: Targets) -> Verdicts:
        """List the campaigns that may match, read their contacts, and decide."""
        assignment = Assignment(targets, self.ledger.seen.contains)
        listed, ids = await self.reader.list_campaigns(targets.values())
        if self.record_seen is not None:
            assignment.positions = await self.record_seen(ids)
        campaigns = [
            each for each in listed if each not in self._ruled_out and not assignment.was_known_to_all(each.id)
        ]
        others = await self.exclude_known(campaigns)
        candidates = await self._read_all([each for each in campaigns if each.id not in others])
        self._add_all(assignment, candidates, targets)
        # Other creates may have received their ids while the contacts were read.
        assignment.discard(await self.exclude_known(assignment.campaigns))
        verdicts = assignment.decide()
        for key, target in targets.items():
            verdict = verdicts[key]
            if isinstance(verdict, Found) and verdict.campaign_id not in assignment.marked:
                found = tuple(each for each in campaigns if each.id == verdict.campaign_id)[-1:]
                if (
                    self.ledger.has_duplicate_in_flight(target.new)
                    or self.ledger.has_duplicate_unknown(target.new)
                    or any(map(self.ledger.is_disputed, found))
                ):
                    verdicts[key] = Unknown(found)
        return verdicts

    async def _read_all(self, campaigns: Sequence[Campaign]) -> list[Candidate]:
        # Under a rate limit, no more requests at once than can be sent within their deadlines.
        limit = self.concurrency if self.rate is None else max(1, min(self.concurrency, int(_MAX_WAIT * self.rate)))
        if limit == 1:  # within this task, so that a cancelled create ends at once
            return [await self.reader.read(each) for each in campaigns]
        candidates: list[Candidate] = []
        async with FanOut(self.reader.read, campaigns, limit=limit, grace=0.0) as outcomes:
            async for outcome in outcomes:
                if outcome.error is not None:
                    cause = outcome.error.__cause__  # such as a SystemExit that an observer raised
                    if cause is None or (isinstance(cause, Exception) and not isinstance(cause, UnansweredError)):
                        raise outcome.error
                    raise cause
                if outcome.value is not None:
                    candidates.append(outcome.value)
        return candidates

    def _add_all(self, assignment: Assignment, candidates: Sequence[Candidate], targets: Targets) -> None:
        pending: dict[int, tuple[int, list[str]]] = {}
        self._partial.clear()
        for candidate in candidates:
            if candidate.complete and len(candidate.contacts or ()) < (candidate.campaign.recipient_count or 0):
                self._partial.add(candidate.campaign.id)
            match = assignment.add(candidate)
            if match is Match.NONE:
                self._ruled_out.add(candidate.campaign)
            elif match is Match.POSSIBLE:
                digest, count = self.ledger.find_pending(candidate.campaign, candidate.contacts or ())
                pending.setdefault(digest, (count, []))[1].append(candidate.campaign.id)
        counts = any(count for count, _ in pending.values())
        own = {digest_content(target.new) for target in targets.values()} if counts else set[int]()
        for digest, (count, ids) in pending.items():
            if len(ids) <= count and digest not in own:  # they belong to creates of this content that are unknown too
                assignment.discard(ids)


def _combine(before: Verdicts, now: Verdicts) -> Verdicts:
    """Combine the verdicts of two looks: those of the second, but a create is absent only if it is absent in both."""
    combined = dict(now)
    for key, verdict in now.items():
        if isinstance(verdict, Absent):
            combined[key] = Unknown() if isinstance(before[key], Found) else before[key]
    return combined


def _find_ids(verdicts: Verdicts) -> set[str]:
    """Return the campaigns that are found. If two looks find different ones for equal creates, neither shows how many."""
    return {each.campaign_id for each in verdicts.values() if isinstance(each, Found)}


def _group_by_time(targets: Targets, margin: float) -> Iterator[Targets]:
    """Group creates whose time ranges overlap, so that campaigns between two distant creates are not listed."""
    reach = timedelta(seconds=2 * margin + 2)
    group: dict[int, SearchTarget] = {}
    latest = FIRST
    for key, target in sorted(targets.items(), key=lambda each: each[1].start):
        if group and target.start - latest > reach:
            yield group
            group = {}
        group[key] = target
        latest = target.start
    if group:
        yield group
