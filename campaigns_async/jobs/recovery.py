"""Takes rows in doubt from the journal, has them looked for, and writes down what was found."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from attrs import define, frozen

from campaigns_async._reconcile.matching import Absent, Found, SearchTarget
from campaigns_async.effects import State
from campaigns_async.jobs.errors import PlanChangedError
from campaigns_async.jobs.plan import Plan
from campaigns_async.jobs.planning import CHANGED, Bits, Checked, rows_to_send
from campaigns_async.jobs.reconciling import Doubt, Reconciler, Verdicts
from campaigns_async.jobs.store import Entry, Lead, Move, Store
from campaigns_async.models import Campaign
from campaigns_async.runtime import Runtime
from campaigns_async.settings import ReconcilePolicy
from campaigns_async.threads import Writer

_CANARIES = 3


@frozen
class Recovered:
    """What became of rows in doubt."""

    moves: tuple[tuple[Move, State], ...]
    """Each with the state before it."""
    absent: Bits | None
    """Indexes of the rows that are planned again; None when there are none."""


@define(eq=False)
class Recovery:
    """Looks for rows in doubt; the journal knows of it when it returns."""

    store: Store
    writer: Writer
    plan: Plan
    checked: Checked
    runtime: Runtime
    policy: ReconcilePolicy
    ignore_invalid: bool | None

    async def look(self, rows: Mapping[int, int], *, sent_by: float | None, known_before: int | None) -> Recovered:
        """Look for these.

        Args:
            rows: Ids, and indexes in the plan.
            sent_by: For rows that are *sending*: when at the latest their requests can have left. The recorded
                attempt is no such time: a request may have waited for its turn, or been sent again after a refusal.
            known_before: The ledger's mark of a moment before the rows' first attempts: what was read from the
                server until then is none of theirs. None: their first attempts lie before this run.

        Raises:
            PlanChangedError: The plan is no longer what was checked.
            JournalWriteError: What was found could not be written; it stays in doubt.
        """
        doubts, entries = await self.writer.run(lambda: self._read(rows, sent_by))
        marked = known_before if all(entry.attempts == 1 for entry in entries.values()) else None

        async def others(found: Collection[str]) -> Collection[str]:
            return await self._others(found, marked)

        runtime = self.runtime
        reconciler = Reconciler(
            runtime.listings,
            self.policy,
            runtime.clock,
            others,
            self._unlisted,
            runtime.get,
            concurrency=runtime.max_concurrency,
            rate=runtime.rate_limit,
        )
        return await self._write(rows, entries, await reconciler.run(doubts))

    def _read(self, rows: Mapping[int, int], sent_by: float | None) -> tuple[list[Doubt], Mapping[int, Entry]]:
        stored = self.store.entries(State.SENDING, State.UNKNOWN)
        entries = {entry.row_id: entry for entry in stored if entry.row_id in rows}
        wanted = Bits()
        for index in rows.values():
            wanted.add(index)
        doubts: list[Doubt] = []
        now = self.runtime.clock.now()
        for row in rows_to_send(self.plan, self.checked, wanted.__contains__):
            entry = entries[row.row_id]
            if row.line.content != entry.content:
                raise PlanChangedError(CHANGED)
            sought = SearchTarget(row.campaign, self.ignore_invalid, self.policy.margin, now)
            ended = sent_by if entry.state is State.SENDING else entry.ended_at
            doubts.append(Doubt(row.row_id, entry.content, sought, now.timestamp() if ended is None else ended))
        return doubts, entries

    async def _others(self, found: Collection[str], known_before: int | None) -> Collection[str]:
        # Not those that creates of this client were given: such an id may be the row's own, where the disk was full.
        seen = self.runtime.ledger.seen
        older = {key for key in found if known_before is not None and seen.contains(key, known_before)}
        ours = await self.writer.run(lambda: {key for key in self.store.campaign_ids() if key in found})
        return older | ours

    async def _unlisted(self, listed: Collection[str]) -> list[str]:
        """Some of the campaigns that the journal knows to be on the server, and that a list did not show."""

        def latest() -> list[str]:
            return list(deque((key for key in self.store.campaign_ids() if key not in listed), maxlen=_CANARIES))

        return await self.writer.run(latest)

    def _takers(self, entries: Iterable[Entry]) -> Mapping[str, int]:
        """The contents of the rows that have what rows in doubt may be, by campaign."""
        leads = {lead.campaign_id for entry in entries for lead in entry.leads}
        if not leads:
            return {}
        created = self.store.entries(State.CREATED)
        return {each.campaign_id: each.content for each in created if each.campaign_id in leads and each.campaign_id}

    async def _write(self, rows: Mapping[int, int], entries: Mapping[int, Entry], verdicts: Verdicts) -> Recovered:
        takers = await self.writer.run(lambda: self._takers(entries.values()))

        def had_a_claim(entry: Entry) -> bool:
            """Whether it may be what a row of another content was given for its better claim: no proof of absence."""
            return any(takers.get(lead.campaign_id, entry.content) != entry.content for lead in entry.leads)

        moves: list[Move] = []
        absent = Bits()
        for row_id, verdict in verdicts.items():
            entry = entries[row_id]
            if isinstance(verdict, Found):
                moves.append(Move(row_id, State.CREATED, campaign_id=verdict.campaign_id, reason="found on the server"))
            elif isinstance(verdict, Absent) and not entry.surely_done and not had_a_claim(entry):
                moves.append(Move(row_id, State.PLANNED))
                absent.add(rows[row_id])
            else:
                leads = entry.leads if isinstance(verdict, Absent) else tuple(map(_lead, verdict.candidates))
                reason = entry.reason or "cut off"
                moves.append(Move(row_id, State.UNKNOWN, reason=reason, leads=leads, surely_done=entry.surely_done))
        now = self.runtime.clock.now().timestamp()
        await self.writer.run(lambda: self.store.commit([], moves, now))
        for move in moves:
            if move.campaign_id is not None:
                self.runtime.ledger.claim(move.campaign_id)
        any_absent = any(move.state is State.PLANNED for move in moves)
        return Recovered(tuple((move, entries[move.row_id].state) for move in moves), absent if any_absent else None)


def _lead(campaign: Campaign) -> Lead:
    return Lead(
        campaign.id,
        recipient_count=campaign.recipient_count,
        status=None if campaign.status is None else int(campaign.status),
        start=None if campaign.start_date_time is None else campaign.start_date_time.isoformat(),
    )
