"""Search the server for the unknown rows of a journal, and record the verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from attrs import define

from campaigns_async._reconcile.creates import CANARIES
from campaigns_async._reconcile.ledger import RowOwner
from campaigns_async._reconcile.markers import RowMarker
from campaigns_async._reconcile.matching import Absent, Found, SearchTarget, Verdict
from campaigns_async._reconcile.reconciler import Reconciler, settling_end
from campaigns_async._reconcile.search_reader import SearchReader, UnansweredError
from campaigns_async._runtime import Runtime
from campaigns_async.effects import Effect, State
from campaigns_async.jobs._sender import DuplicateId
from campaigns_async.jobs.job_errors import JournalWriteError
from campaigns_async.jobs.journal import Journal, JournalRow, Mark, PossibleMatch, Transition
from campaigns_async.jobs.plans import decode_campaign
from campaigns_async.models import Campaign, NewCampaign
from campaigns_async.settings import ReconcilePolicy

_LOOKED_FOR: Final = "; looked for: "


@define(eq=False)
class Recovery:
    """A search for unknown rows.

    Attributes:
        identity: The journal's identity, by which its rows are known in the ledger.
        runtime: The client's clock, ledger and listings.
        ignore_invalid: The run's `ignore_invalid_phone_numbers`.
        marker: The marker of the journal's rows.
        find_surplus: As in `SearchReader`.
    """

    journal: Journal
    identity: bytes
    runtime: Runtime
    policy: ReconcilePolicy
    ignore_invalid: bool | None
    marker: RowMarker
    find_surplus: Callable[[int, Collection[str]], Awaitable[int]] | None = None

    async def run(
        self,
        rows: Collection[int] | None,
        *,
        times: Mapping[int, tuple[float, float]],
        ended_by: float,
        known_before: int,
        revoked: Collection[int] = (),
    ) -> Sequence[tuple[Transition, State]]:
        """Search for rows, record the verdicts, and return the transitions, each with the row's previous state.

        Args:
            rows: The ids of the rows; None for all rows that are *sending* or unknown.
            times: When the last request of a row was sent, and when its create ended, on the monotonic clock.
            ended_by: A time by which the creates of all other rows had ended. A run that has the lock knows that those of
                earlier runs have.
            known_before: The ledger's snapshot before this run sent the rows; 0 if an earlier run sent them.
            revoked: The ids of rows that were created until their id was given to another row. They were sent before the
                snapshot: a campaign that was known by then may be theirs.

        Raises:
            JournalWriteError: If the verdicts cannot be written. The rows stay unknown.
        """
        runtime, now = self.runtime, self.runtime.clock.now()
        found = await self.journal.rows(State.SENDING, State.UNKNOWN, payload=True)
        unknown = {
            row.row_id: row for row in found if row.mark is not Mark.HELD and (rows is None or row.row_id in rows)
        }
        targets: dict[int, SearchTarget] = {}
        for row in unknown.values():
            if row.payload is None:  # there is nothing to compare with, so the row stays unknown
                continue
            await asyncio.sleep(0)  # decoding thousands of bodies must not block the event loop
            sent, ended = times.get(row.row_id, (ended_by, ended_by))
            targets[row.row_id] = SearchTarget(
                self.marker.mark(decode_campaign(row.payload), row.row_id),
                self.ignore_invalid,
                _to_datetime(row.attempted_at, now),
                settling_end(self.policy, runtime.read_timeout, sent=sent, ended=ended),
                known_before if row.attempts == 1 and row.row_id not in revoked else 0,
                row.first_claim or 0,
                row.created_without_id,
                RowOwner(self.identity, row.row_id),
                self.marker.token(row.row_id),
            )
        read, newest = runtime.creator.read, partial(self.journal.latest_campaigns, CANARIES)
        reconciler = Reconciler(
            SearchReader(runtime.listings, self.policy, runtime.clock, read, newest, self.find_surplus),
            runtime.ledger,
            self._exclude_known,
            self._record_seen,
            concurrency=runtime.max_concurrency,
            rate=runtime.rate_limit,
        )
        verdicts = await reconciler.run(targets)
        transitions = [_decide(unknown[row_id], verdict) for row_id, verdict in verdicts.items()]
        await self.journal.commit(transitions, claim=0, now=runtime.clock.now().timestamp())
        for each in transitions:
            if each.state is State.UNKNOWN and isinstance(verdicts[each.row_id], Absent):
                target = targets[each.row_id]
                runtime.ledger.leave_unknown(target.new, target.owner)
        return [(each, unknown[each.row_id].state) for each in transitions]

    async def _record_seen(self, campaign_ids: Collection[str]) -> Mapping[str, int]:
        try:
            return await self.journal.record_seen(campaign_ids)
        except JournalWriteError as error:  # no other look can be recorded on a full disk
            raise UnansweredError(error.message) from None

    async def _exclude_known(self, campaigns: Collection[Campaign]) -> Collection[str]:
        """Return the ids of campaigns that are another row's, or another create's of this client.

        A campaign that a row of this journal was given may be the row's own: a full disk lost the outcome.
        """
        owned = await self.journal.owners([each.id for each in campaigns])
        is_claimed_outside = self.runtime.ledger.is_claimed_outside
        return {*owned, *(each.id for each in campaigns if is_claimed_outside(each, self.identity))}


def _to_datetime(seconds: float | None, latest: datetime) -> datetime:
    """Return a time of the wall clock; `latest` for a later one, which a clock that was set back gives."""
    return latest if seconds is None or seconds > latest.timestamp() else datetime.fromtimestamp(seconds, UTC)


def _decide(row: JournalRow, verdict: Verdict) -> Transition:
    if isinstance(verdict, Found):
        return Transition(row.row_id, State.CREATED, campaign_id=verdict.campaign_id, reason="found on the server")
    if isinstance(verdict, Absent) and not row.created_without_id:
        return Transition(row.row_id, State.PLANNED)
    reason = (row.reason or "cut off").partition(_LOOKED_FOR)[0]
    if isinstance(verdict, Absent):
        candidates = row.candidates
    else:
        candidates = tuple(map(PossibleMatch.of, verdict.candidates))
        reason += "" if verdict.reason is None else f"{_LOOKED_FOR}{verdict.reason}"
    return Transition(
        row.row_id, State.UNKNOWN, reason=reason, candidates=candidates, created_without_id=row.created_without_id
    )


async def settle_duplicates(
    journal: Journal,
    duplicates: Collection[DuplicateId],
    runtime: Runtime,
    identity: bytes,
    ignore_invalid: bool | None,
    stopping: Callable[[], bool],
) -> frozenset[int]:
    """Read the campaigns whose ids were given twice. Return the ids of the rows that are proven to be created."""
    settled: set[int] = set()
    rows = {row.row_id: row for row in await journal.rows(State.UNKNOWN, payload=True)} if duplicates else {}

    def content_of(row_id: int | None) -> NewCampaign | None:
        row = None if row_id is None else rows.get(row_id)
        return None if row is None or row.payload is None else decode_campaign(row.payload)

    for each in duplicates:
        if stopping():
            break
        later = content_of(each.row_id)
        if later is None:
            continue
        effects = await runtime.creator.settle_duplicate(
            each.campaign_id, later, content_of(each.earlier_row_id), ignore_invalid
        )
        for row_id, effect in zip((each.row_id, each.earlier_row_id), effects, strict=True):
            if row_id is not None and effect is Effect.APPLIED:
                reason = "the server gave its id to another create too; the campaign is equal to this row alone"
                proven = Transition(row_id, State.CREATED, each.campaign_id, reason=reason)
                await journal.commit([proven], claim=0, now=runtime.clock.now().timestamp())
                if row_id == each.row_id:
                    runtime.ledger.resume_unknown(later, RowOwner(identity, row_id))
                settled.add(row_id)
    return frozenset(settled)
