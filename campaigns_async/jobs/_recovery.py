"""Take unknown rows from the journal, look for them on the server, and record what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path

from attrs import define, frozen

from campaigns_async._reconcile.matching import Absent, Found, SearchTarget, Verdict
from campaigns_async._reconcile.reconciler import Reconciler
from campaigns_async._runtime import Runtime
from campaigns_async.effects import State
from campaigns_async.jobs.journal import Journal, JournalRow, PossibleMatch, Transition
from campaigns_async.jobs.plan_lines import campaign_of
from campaigns_async.models import Campaign
from campaigns_async.settings import ReconcilePolicy

_CANARIES = 3


@frozen
class RecoveryResult:
    """What became of unknown rows.

    Attributes:
        transitions: Each with the state before it.
    """

    transitions: tuple[tuple[Transition, State], ...]

    @property
    def any_absent(self) -> bool:
        """True if rows are planned again."""
        return any(each.state is State.PLANNED for each, _ in self.transitions)


@define(eq=False)
class Recovery:
    """Settles unknown rows: the journal holds what was found when `run` returns."""

    journal: Journal
    path: Path
    runtime: Runtime
    policy: ReconcilePolicy
    ignore_invalid: bool | None

    async def run(self, rows: Collection[int] | None, *, sent_by: float | None, known_before: int) -> RecoveryResult:
        """Look for rows.

        Args:
            rows: The ids of the rows; None for all of the journal whose outcome is unknown.
            sent_by: For rows that are *sending*: when their requests can have left at the latest, in seconds since
                1970. The recorded attempt is no such time: a request may have waited for its turn, or been sent
                again after a refusal.
            known_before: The ledger's snapshot before this run sent the rows; 0 if an earlier run sent them.

        Raises:
            JournalWriteError: If what was found cannot be written; the rows stay unknown.
        """
        runtime, now = self.runtime, self.runtime.clock.now()
        entries = {
            entry.row_id: entry
            for entry in await self.journal.rows(State.SENDING, State.UNKNOWN, payload=True)
            if rows is None or entry.row_id in rows
        }
        targets: dict[int, SearchTarget] = {}
        for entry in entries.values():
            if entry.payload is None:  # nothing to compare with: the row stays as it is
                continue
            await asyncio.sleep(0)  # thousands of bodies take a while to decode
            targets[entry.row_id] = SearchTarget(
                campaign_of(entry.payload),
                self.ignore_invalid,
                self.policy.margin,
                now,
                self._unknown_since(entry, sent_by),
                known_before if entry.attempts == 1 else 0,
                (self.path, entry.row_id),
            )
        reconciler = Reconciler(
            runtime.listings,
            runtime.ledger,
            self.policy,
            runtime.clock,
            # Not those that creates of this client were given: such an id may be the row's own, if the disk was full.
            self.journal.owners,
            self._latest_campaigns,
            runtime.get,
            concurrency=runtime.max_concurrency,
            rate=runtime.rate_limit,
        )
        verdicts = await reconciler.run(targets)
        owners = await self.journal.owners(
            {candidate.campaign_id for entry in entries.values() for candidate in entry.candidates}
        )
        transitions = [_transition(entries[row_id], verdict, owners) for row_id, verdict in verdicts.items()]
        await self.journal.commit(transitions, claim=0, now=runtime.clock.now().timestamp())
        for each in transitions:
            if each.state is State.UNKNOWN and isinstance(verdicts[each.row_id], Absent):
                target = targets[each.row_id]
                runtime.ledger.leave_unknown(target.new, target.owner)
        return RecoveryResult(tuple((each, entries[each.row_id].state) for each in transitions))

    def _unknown_since(self, entry: JournalRow, sent_by: float | None) -> float:
        """Return when the row's outcome became unknown, on the monotonic clock."""
        clock = self.runtime.clock
        ended = sent_by if entry.state is State.SENDING else entry.ended_at
        # If the clock was set back since, the row counts as just ended: it would seem to end in the future.
        age = 0.0 if ended is None else max(0.0, clock.now().timestamp() - ended)
        return clock.monotonic() - age

    async def _latest_campaigns(self, except_for: Collection[str]) -> Collection[str]:
        return await self.journal.latest_campaigns(_CANARIES, except_for=except_for)


def _transition(entry: JournalRow, verdict: Verdict, owners: Mapping[str, int]) -> Transition:
    """Decide what becomes of a row."""
    if isinstance(verdict, Found):
        return Transition(entry.row_id, State.CREATED, campaign_id=verdict.campaign_id, reason="found on the server")
    # If a possible match went to a row with other content, which matched it better, absence is not proven.
    contested = any(owners.get(candidate.campaign_id, entry.content) != entry.content for candidate in entry.candidates)
    if isinstance(verdict, Absent) and not entry.created_without_id and not contested:
        return Transition(entry.row_id, State.PLANNED)
    candidates = entry.candidates if isinstance(verdict, Absent) else tuple(map(_candidate, verdict.candidates))
    return Transition(
        entry.row_id,
        State.UNKNOWN,
        reason=entry.reason or "cut off",
        candidates=candidates,
        created_without_id=entry.created_without_id,
    )


def _candidate(campaign: Campaign) -> PossibleMatch:
    return PossibleMatch(
        campaign.id,
        recipient_count=campaign.recipient_count,
        status=None if campaign.status is None else int(campaign.status),
        start=None if campaign.start_date_time is None else campaign.start_date_time.isoformat(),
    )
