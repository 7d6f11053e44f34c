"""Compare a plan with the server before the first row is sent.

A campaign that another journal or another program made of the same plan is adopted. One that may be such a campaign holds
its row back, for a person to decide.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, TypeVar

from attrs import define, evolve, field

from campaigns_async._ids import normalize_id
from campaigns_async._reconcile.ledger import fields_of, find_differences, to_utc
from campaigns_async._reconcile.markers import RowMarker
from campaigns_async._reconcile.matching import Candidate, SearchTarget, compare, resembles
from campaigns_async._reconcile.recipients import Match
from campaigns_async._reconcile.reconciler import FINAL_STATUSES
from campaigns_async._reconcile.search_reader import SearchReader, UnansweredError
from campaigns_async._runtime import Runtime
from campaigns_async.effects import RunAction, State, is_own_form
from campaigns_async.errors import CampaignsError, ClientClosedError, InvalidArgumentError, NotFoundError, PagingError
from campaigns_async.fanout import FanOut
from campaigns_async.jobs._backpressure import Backoff
from campaigns_async.jobs._sender import classify_error
from campaigns_async.jobs.job_errors import JobError, PreflightError
from campaigns_async.jobs.journal import ClaimedRow, Digests, Journal, Mark, PossibleMatch, StartGroup, Transition
from campaigns_async.jobs.plans import decode_campaign
from campaigns_async.models import Campaign, CampaignStatus, NewCampaign
from campaigns_async.query import campaign
from campaigns_async.settings import ReconcilePolicy

T = TypeVar("T")
_SECOND: Final = 1000
"""Milliseconds by which a server may cut or round a start."""
_GAP: Final = 24 * 3600 * _SECOND
"""Campaigns between two starts of the plan are not listed if the starts are further apart, in milliseconds."""
_BASELINE_REQUESTS: Final = 100
"""The number of requests up to which all campaigns of the account are listed."""
_MOST_CANDIDATES: Final = 20
"""The limit of campaigns that are recorded with a row that is held, those with most of its recipients first."""
_READ_BACK: Final = 20
"""The number of the journal's campaigns that are read back until one is found."""
_RECENT: Final = timedelta(days=7)
_REFUSED: Final = FINAL_STATUSES - {401}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999  # milliseconds of the years 1 and 9999, from _EPOCH


@define(eq=False)
class Preflight:
    """A comparison of the planned rows with the server's campaigns.

    Attributes:
        runtime: The client's clock and listings.
        backoff: The pauses of the run.
        ignore_invalid: The run's `ignore_invalid_phone_numbers`.
        limit: The limit of requests, from 1.
        marker: The marker of the journal's rows.
        warn: Called with what the user should know.
        near: The number of campaigns that start with a row and share recipients with it, and are neither adopted nor hold
            it back.
        stopped_by: The error that every request of the run would meet, or that an outage ended with.
    """

    journal: Journal
    runtime: Runtime
    backoff: Backoff
    ignore_invalid: bool | None
    limit: int
    marker: RowMarker
    warn: Callable[[str], object]
    near: int = field(init=False, default=0)
    stopped_by: CampaignsError | None = field(init=False, default=None)
    _total: int | None = field(init=False, default=None)
    _baseline: frozenset[str] | None = field(init=False, default=None)
    _created: int = field(init=False, default=0)  # rows of the journal at the time of the baseline
    _digests: Digests = field(init=False)

    @cached_property
    def _reader(self) -> SearchReader:
        runtime = self.runtime
        policy = ReconcilePolicy()  # none of it counts for these reads
        return SearchReader(runtime.listings, policy, runtime.clock, runtime.creator.read, limit=self.limit)

    async def run(self, step: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of a step, which an outage delays. None if `stopped_by` stops the run.

        Raises:
            PreflightError: If the step raises one, or the server refuses a list.
        """
        while True:
            self.near = 0
            self._reader.begin((), int)
            try:
                result = await step()
            except (JobError, ClientClosedError):
                raise
            except UnansweredError:
                raise PreflightError(
                    f"the comparison of the plan with the server takes more than {self.limit:,} requests: raise "
                    "preflight_limit (--preflight-limit), or do without it: preflight=False (--no-preflight); nothing was "
                    "sent"
                ) from None
            except CampaignsError as error:
                is_refused = getattr(error, "status", None) in _REFUSED and is_own_form(error.body_form)
                if is_refused or isinstance(error, InvalidArgumentError):
                    raise PreflightError(
                        f"the plan could not be compared with the server: {error}. Do without it with preflight=False "
                        "(--no-preflight); nothing was sent"
                    ) from error
                self.backoff.record_failure(error)
                if classify_error(0, error)[1] is not RunAction.STOP:
                    await self.runtime.clock.sleep(max(0.001, self.backoff.remaining_pause or 0.0))
                    if not self.backoff.has_expired:
                        continue
                self.stopped_by = error
                return None
            else:
                self.backoff.record_response()
                return result

    async def verify(self, row: ClaimedRow, campaign_id: str) -> bool:
        """Return True if a campaign is as it was sent, or False if it cannot be read.

        Raises:
            JobError: If it differs.
        """
        now = self.runtime.clock.now()
        there = await self.runtime.creator.read_back(campaign_id)
        if there is None:
            return False
        differences = describe_differences(decode_campaign(row.body()), there, now, self.ignore_invalid)
        if differences:
            raise JobError(
                f"the server altered the first campaign ({campaign_id}): {', '.join(differences)}. If that is right, pass "
                "accept_altered=True (--accept-altered)"
            )
        with suppress(CampaignsError):
            marker = self.marker.field
            first = None if marker is None else await self.runtime.listings.contacts(campaign_id).first()
            if marker is not None and first is not None and not getattr(first, marker):
                self.warn(f"the server does not show {marker} of contacts: the marker proves nothing here")
        return True

    async def check_account(self) -> None:
        """Check that one of the journal's latest campaigns is on the server.

        Raises:
            PreflightError: If all of them are gone.
        """
        since = self.runtime.clock.now() - _RECENT
        campaign_ids = await self.journal.latest_campaigns(_READ_BACK, since=since.timestamp())
        for campaign_id in campaign_ids:
            self._reader.count_request()
            try:
                await self.runtime.creator.read(campaign_id)
            except NotFoundError as error:
                if not is_own_form(error.body_form):
                    raise PagingError("a campaign cannot be read: the response is not the API's") from None
            else:
                return
        if campaign_ids:
            raise PreflightError(
                f"none of the journal's latest campaigns ({len(campaign_ids)}) is on the server: is it another account or "
                "server? If they were deleted, pass accept_missing=True (--accept-missing); nothing was sent"
            )

    async def compare_plan(self) -> list[Transition]:
        """Return a transition for each planned row that is adopted or held.

        Raises:
            PreflightError: If it takes more requests than allowed.
            CampaignsError: If a list cannot be read.
        """
        self._digests = await self.journal.digests()
        groups = {group.starts_at: group for group in await self.journal.list_starts()}
        if not groups:
            return []
        starts = sorted(groups)
        candidates: list[Candidate] = []
        campaigns = await self._list(starts)
        await self.journal.record_seen([each.id for each in campaigns])
        owned = await self.journal.owners([each.id for each in campaigns])
        chosen = [each for each in campaigns if each.id not in owned and self._may_match(each, starts, groups)]
        async with FanOut(self._read, chosen, limit=self.runtime.max_concurrency, grace=0.0) as outcomes:
            async for outcome in outcomes:
                if outcome.error is not None:
                    cause = outcome.error.__cause__
                    raise cause if isinstance(cause, UnansweredError) else outcome.error
                if outcome.value is not None:
                    candidates.append(outcome.value)
        candidates.sort(key=lambda each: each.campaign.id)
        transitions = [each async for each in self._decide(candidates, starts)]
        self._created = (await self.journal.counts())[State.CREATED]
        self._created += sum(each.state is State.CREATED for each in transitions)
        return transitions

    async def find_surplus(self, total: int, listed: Collection[str]) -> int:
        """Return how many campaigns are new to this comparison; see `SearchReader`. 0 unless it listed all."""
        if self._total is None:
            return 0
        made = (await self.journal.counts())[State.CREATED] - self._created
        if self._baseline is None:
            if (surplus := total - self._total - made) > 0:
                self.warn(f"campaigns that are new and not this run's: {surplus:,}; others may have made them")
            return 0
        others = {normalize_id(each) for each in (*listed, *self.runtime.ledger.given)} - self._baseline
        return total - len(self._baseline) - made - len(others) + len(await self.journal.owners(others))

    async def _list(self, starts: Sequence[int]) -> list[Campaign]:
        """Return the campaigns that start with a planned row; all campaigns of an account that is not large.

        A search for an unknown row later excludes all campaigns that existed before the row was sent.
        """
        self._reader.count_request()
        total = self._total = await self.runtime.listings.campaigns().count()
        if total <= _BASELINE_REQUESTS * self.runtime.listings.page_size:
            everything = await self._reader.walk(None)
            self._baseline = frozenset(normalize_id(each.id) for each in everything)
            return everything
        return await self._list_near(starts)

    async def _list_near(self, starts: Sequence[int]) -> list[Campaign]:
        """Return the campaigns that start within a second of these times, which are sorted, and some others between."""
        rows: list[Campaign] = []
        for bounds in _find_ranges(starts):
            earliest, latest = (_EPOCH + timedelta(milliseconds=each) for each in bounds)
            rows += await self._reader.walk(
                (campaign.start_date_time >= earliest) & (campaign.start_date_time <= latest)
            )
        return rows

    async def count_accepted(self) -> tuple[int, int] | None:
        """Return the recipients that the server accepted, and those sent, of all created campaigns that its lists show.

        None without created campaigns.

        Raises:
            UnansweredError: If it takes more requests than allowed.
            CampaignsError: If a list cannot be read.
        """
        created = await self.journal.list_created()
        if not created:
            return None
        self._reader.begin((), int)
        sent = {normalize_id(campaign_id): count for campaign_id, _, count in created}
        rows = {normalize_id(each.id): each for each in await self._list_near([start for _, start, _ in created])}
        counts = {each: rows[each].recipient_count for each in sent.keys() & rows.keys()}
        accepted = {each: count for each, count in counts.items() if count is not None}
        return sum(accepted.values()), sum(sent[each] for each in accepted)

    def _may_match(self, row: Campaign, starts: Sequence[int], groups: Mapping[int, StartGroup]) -> bool:
        """Return True if a campaign starts with a row, and has its text or its number of recipients."""
        if row.start_date_time is None or row.status == CampaignStatus.CANCELLED:
            return False
        text = None if row.message is None else self._digests.of_text(row.message)
        return any(
            text is None or text in groups[each].texts or row.recipient_count in groups[each].counts
            for each in _find_near(starts, _to_milliseconds(row.start_date_time))
        )

    async def _read(self, row: Campaign) -> Candidate:
        candidate = await self._reader.read(row)
        if self.marker.field is None:
            return candidate
        unmarked: dict[str, Any] = {self.marker.field: None}  # it may have the token of another journal
        return evolve(candidate, contacts=tuple(evolve(each, **unmarked) for each in candidate.contacts or ()))

    async def _decide(self, candidates: Sequence[Candidate], starts: Sequence[int]) -> AsyncIterator[Transition]:
        """Yield the transitions of the rows that share at least half of their recipients with campaigns.

        A plan that is sent again in larger campaigns shares a small part with each campaign, and all with them together.
        """
        by_number: dict[bytes, list[int]] = defaultdict(list)
        wanted: set[int] = set()
        for index, candidate in enumerate(candidates):
            at = candidate.campaign.start_date_time
            wanted.update(() if at is None else _find_near(starts, _to_milliseconds(at)))
            numbers = [contact.phone_number or "" for contact in candidate.contacts or ()]
            for each in set(_split(self._digests.of_numbers(numbers))):
                by_number[each].append(index)
        adopted: set[int] = set()
        async for row_id, start, recipients, mark in self._list_rows(sorted(wanted)):
            numbers_of_row = _split(recipients)
            shared: dict[int, set[int]] = defaultdict(set)  # the positions of the recipients, by the campaign's index
            for position, number in enumerate(numbers_of_row):
                for index in by_number.get(number, ()):
                    shared[index].add(position)
            near = {index: each for index, each in shared.items() if starts_at(candidates[index].campaign, start)}
            if near and _are_half(near.values(), numbers_of_row):
                transition = await self._judge(row_id, numbers_of_row, near, candidates, adopted)
                if transition is not None and not (transition.mark is Mark.HELD and mark == Mark.HELD):
                    yield transition

    async def _list_rows(self, starts: Sequence[int]) -> AsyncIterator[tuple[int, int, bytes, int]]:
        after = 0
        while starts and (rows := await self.journal.list_recipients(starts, after)):
            for row in rows:
                yield row
            after = rows[-1][0]

    async def _judge(
        self,
        row_id: int,
        recipients: Sequence[bytes],
        near: Mapping[int, set[int]],
        candidates: Sequence[Candidate],
        adopted: set[int],
    ) -> Transition | None:
        payload = await self.journal.load_payload(row_id)
        if payload is None:
            return None
        target = SearchTarget(decode_campaign(payload), self.ignore_invalid)
        left = {index: candidates[index] for index in near if index not in adopted}
        large = [index for index in left if _are_half([near[index]], recipients)]
        for index in large:
            each = left[index]
            if compare(target, each) is Match.CERTAIN:
                adopted.add(index)
                reason = "adopted: it was on the server before this row was sent"
                return Transition(
                    row_id, State.CREATED, each.campaign.id, reason=reason, exceptional=True, mark=Mark.ADOPTED
                )
        like = [index for index, each in left.items() if not each.campaign.message or resembles(target, each.campaign)]
        self.near += len(set(large).difference(like))
        if not like or not _are_half([near[index] for index in like], recipients):
            return None
        most = sorted(like, key=lambda index: -len(near[index]))[:_MOST_CANDIDATES]
        reason = "held: a campaign like it is on the server"
        matches = tuple(PossibleMatch.of(left[index].campaign) for index in most)
        return Transition(row_id, State.UNKNOWN, reason=reason, candidates=matches, exceptional=True, mark=Mark.HELD)


def describe_differences(new: NewCampaign, there: Campaign, now: datetime, ignore_invalid: bool | None) -> list[str]:
    """Return the fields in which the server's campaign differs from what was sent, with times and counts but no texts.

    Fields that the server does not show are not compared, nor is a start that had passed when it was sent.
    """
    start, theirs, count = new.start_date_time, there.start_date_time, there.recipient_count
    shown = {
        "startDateTime": f" (planned {start.isoformat()}, on the server {theirs.isoformat()})"
        if theirs and start > now
        else None,
        "message": None if there.message is None else "",
        "sender": None if there.sender is None else "",
        "recipientCount": None if count is None else f" (planned {len(new.contacts):,}, on the server {count:,})",
    }
    differences = find_differences(fields_of(new, drops_invalid=ignore_invalid is not False), there)
    return [f"{name}{values}" for name, values in shown.items() if values is not None and name in differences]


def _are_half(shared: Iterable[Collection[int]], recipients: Sequence[bytes]) -> bool:
    """Return True if positions that are shared are at least half of a row's recipients."""
    return 2 * len(set[int]().union(*shared)) >= len(recipients)


def _find_ranges(starts: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = last = starts[0]
    for each in starts:
        if each - last > _GAP:
            yield max(first - _SECOND, _FIRST), min(last + _SECOND, _LAST)
            first = each
        last = each
    yield max(first - _SECOND, _FIRST), min(last + _SECOND, _LAST)


def _find_near(starts: Sequence[int], at: int) -> Sequence[int]:
    return starts[bisect_left(starts, at - _SECOND) : bisect_right(starts, at + _SECOND)]


def starts_at(campaign_: Campaign, starts_at: int) -> bool:
    start = campaign_.start_date_time
    return start is not None and abs(_to_milliseconds(start) - starts_at) <= _SECOND


def _to_milliseconds(start: datetime) -> int:
    return (to_utc(start) - _EPOCH) // timedelta(milliseconds=1)


def _split(digests: bytes) -> list[bytes]:
    return [digests[at : at + 8] for at in range(0, len(digests), 8)]
