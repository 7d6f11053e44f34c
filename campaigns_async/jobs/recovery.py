"""Take unknown rows from the journal, look for them on the server, and record what was found."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from attrs import define, frozen

from campaigns_async._reconcile.matching import Absent, Found, SearchTarget, Verdict
from campaigns_async._reconcile.reconciler import Reconciler, UnknownCreate
from campaigns_async.effects import State
from campaigns_async.jobs.errors import PlanChangedError
from campaigns_async.jobs.plan import Plan
from campaigns_async.jobs.planning import CHANGED, Bits, Checked, rows_to_send
from campaigns_async.jobs.store import Entry, Lead, Move, Store
from campaigns_async.models import Campaign, NewCampaign
from campaigns_async.runtime import Runtime
from campaigns_async.settings import ReconcilePolicy
from campaigns_async.threads import Writer

_CANARIES = 3


@frozen
class RecoveryResult:
    """What became of unknown rows.

    Attributes:
        moves: Each with the state before it.
        absent: Indexes in the plan of the rows that are planned again; None if there are none.
    """

    moves: tuple[tuple[Move, State], ...]
    absent: Bits | None


@define(eq=False)
class Recovery:
    """Settles unknown rows: the journal holds what was found when `run` returns."""

    store: Store
    writer: Writer
    plan: Plan
    checked: Checked
    runtime: Runtime
    policy: ReconcilePolicy
    ignore_invalid: bool | None

    async def run(self, rows: Mapping[int, int], *, sent_by: float | None, known_before: int | None) -> RecoveryResult:
        """Look for rows.

        Args:
            rows: Ids, and indexes in the plan.
            sent_by: For rows that are *sending*: when their requests can have left at the latest, in seconds since
                1970. The recorded attempt is no such time: a request may have waited for its turn, or been sent
                again after a refusal.
            known_before: The ledger's snapshot before this run sent the rows; None if an earlier run sent them.

        Raises:
            PlanChangedError: If the plan is no longer the one that was checked.
            JournalWriteError: If what was found cannot be written; the rows stay unknown.
        """
        entries, campaigns = await self._read(rows)
        creates = [
            UnknownCreate(
                row_id,
                SearchTarget(campaigns[row_id], self.ignore_invalid, self.policy.margin, self.runtime.clock.now()),
                self._unknown_since(entry, sent_by),
                known_before if entry.attempts == 1 else None,
            )
            for row_id, entry in entries.items()
        ]
        runtime, ledger = self.runtime, self.runtime.ledger
        reconciler = Reconciler(
            runtime.listings,
            ledger,
            self.policy,
            runtime.clock,
            # Not those that creates of this client were given: such an id may be the row's own, if the disk was full.
            self._known_campaigns,
            self._latest_campaigns,
            runtime.get,
            concurrency=runtime.max_concurrency,
            rate=runtime.rate_limit,
        )
        for create in creates:
            ledger.resume_unknown(create.target.new)
        moves: list[Move] = []
        try:
            verdicts = await reconciler.run(creates)
            owners = await self._owners({lead.campaign_id for entry in entries.values() for lead in entry.leads})
            moves = [_move(entry, verdicts[row_id], owners) for row_id, entry in entries.items()]
            await self._commit(moves)
        finally:
            settled = {move.row_id for move in moves if move.state is not State.UNKNOWN}
            for create in creates:
                if create.key not in settled:
                    ledger.leave_unknown(create.target.new)
        absent = Bits()
        for move in moves:
            if move.state is State.PLANNED:
                absent.add(rows[move.row_id])
        planned = any(move.state is State.PLANNED for move in moves)
        return RecoveryResult(tuple((move, entries[move.row_id].state) for move in moves), absent if planned else None)

    def _unknown_since(self, entry: Entry, sent_by: float | None) -> float:
        """Return when the row's outcome became unknown, on the monotonic clock."""
        clock = self.runtime.clock
        ended = sent_by if entry.state is State.SENDING else entry.ended_at
        # If the clock was set back since, the row counts as just ended: it would seem to end in the future.
        age = 0.0 if ended is None else max(0.0, clock.now().timestamp() - ended)
        return clock.monotonic() - age

    # What the recovery asks of the journal

    async def _read(self, rows: Mapping[int, int]) -> tuple[Mapping[int, Entry], Mapping[int, NewCampaign]]:
        """Return the rows, and the campaigns that they are to create."""

        def read() -> tuple[Mapping[int, Entry], Mapping[int, NewCampaign]]:
            stored = self.store.entries(State.SENDING, State.UNKNOWN)
            entries = {entry.row_id: entry for entry in stored if entry.row_id in rows}
            wanted = Bits()
            for index in rows.values():
                wanted.add(index)
            campaigns: dict[int, NewCampaign] = {}
            for row in rows_to_send(self.plan, self.checked, wanted.__contains__):
                if row.line.content != entries[row.row_id].content:
                    raise PlanChangedError(CHANGED)
                campaigns[row.row_id] = row.campaign
            return entries, campaigns

        return await self.writer.run(read)

    async def _known_campaigns(self, among: Collection[str]) -> Collection[str]:
        """Return those of the campaigns that rows of the journal have."""
        return await self.writer.run(lambda: {each for each in self.store.campaign_ids() if each in among})

    async def _latest_campaigns(self, except_for: Collection[str]) -> Collection[str]:
        """Return the campaigns of the latest created rows, except for those named."""
        rest = (each for each in self.store.campaign_ids() if each not in except_for)
        return await self.writer.run(lambda: list(deque(rest, maxlen=_CANARIES)))

    async def _owners(self, campaign_ids: Collection[str]) -> Mapping[str, int]:
        """Map each of the campaigns that a created row has to that row's content."""
        if not campaign_ids:
            return {}

        def read() -> Mapping[str, int]:
            created = self.store.entries(State.CREATED)
            owners = {each.campaign_id or "": each.content for each in created}
            return {each: owners[each] for each in campaign_ids if each in owners}

        return await self.writer.run(read)

    async def _commit(self, moves: Sequence[Move]) -> None:
        now = self.runtime.clock.now().timestamp()
        await self.writer.run(lambda: self.store.commit([], moves, now))


def _move(entry: Entry, verdict: Verdict, owners: Mapping[str, int]) -> Move:
    """Decide what becomes of a row."""
    if isinstance(verdict, Found):
        return Move(entry.row_id, State.CREATED, campaign_id=verdict.campaign_id, reason="found on the server")
    # If a possible match went to a row with other content, which matched it better, absence is not proven.
    contested = any(owners.get(lead.campaign_id, entry.content) != entry.content for lead in entry.leads)
    if isinstance(verdict, Absent) and not entry.surely_done and not contested:
        return Move(entry.row_id, State.PLANNED)
    leads = entry.leads if isinstance(verdict, Absent) else tuple(map(_lead, verdict.candidates))
    return Move(
        entry.row_id, State.UNKNOWN, reason=entry.reason or "cut off", leads=leads, surely_done=entry.surely_done
    )


def _lead(campaign: Campaign) -> Lead:
    return Lead(
        campaign.id,
        recipient_count=campaign.recipient_count,
        status=None if campaign.status is None else int(campaign.status),
        start=None if campaign.start_date_time is None else campaign.start_date_time.isoformat(),
    )
