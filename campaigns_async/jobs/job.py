"""One run of a plan: checked, what is in doubt looked for, sent, and what this left in doubt looked for again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from attrs import evolve

from campaigns_async import checks
from campaigns_async.client import CampaignsClient, runtime_of
from campaigns_async.effects import State
from campaigns_async.errors import ConfigurationError
from campaigns_async.jobs.errors import JobError
from campaigns_async.jobs.plan import AnyPlan, Plan, as_plan
from campaigns_async.jobs.planning import SERVER, Bits, Checked, StoppedError, check, rows_to_send, run_options
from campaigns_async.jobs.pressure import Pressure
from campaigns_async.jobs.recovery import Recovery
from campaigns_async.jobs.runner import Row, Runner
from campaigns_async.jobs.sqlite import SqliteStore
from campaigns_async.jobs.store import Begin, Move, Store
from campaigns_async.jobs.summary import Phase, Progress, Summary
from campaigns_async.jobs.tally import Tally
from campaigns_async.models import NewCampaign
from campaigns_async.settings import ReconcilePolicy
from campaigns_async.threads import ThreadWriter, Writer, to_its_end

T = TypeVar("T")
_OPEN = (State.PLANNED, State.SENDING, State.UNKNOWN)
_ROUNDS = 3
"""How often what is surely absent is sent again, within one run."""


class Job:
    """A durable send that can be stopped. `run` it once.

    Args:
        client: Sends, with its own concurrency, rate and deadlines.
        plan: A path of an NDJSON plan, or what `ndjson_plan`, `contacts_plan` and `listed_plan` give.
        journal: The path of the journal; made if it is not there. Or a store of your own, which is closed at the end.
        reconcile: Whether rows in doubt are looked for on the server; else they are only reported.
        ignore_invalid_phone_numbers: As for `create`; must be the same in every run of a journal.
        retry_failed: Whether rows that failed in an earlier run are sent again.
        settle: Seconds, from 0, that absence must last before it is believed; None: as the client has it.
        patience: Seconds, above 0, without an answer after which the run stops.
        group: Rows, from 1 to 1,000, that are written at once at most.
        on_progress: Is told after every group; must not block. What it raises is logged by its type.
        writer: Runs the journal's work; None: a thread of its own.

    Raises:
        ConfigurationError: A setting is out of range.
        InvalidArgumentError: The plan is none.
    """

    def __init__(
        self,
        client: CampaignsClient,
        plan: AnyPlan,
        *,
        journal: str | Path | Store,
        reconcile: bool = True,
        ignore_invalid_phone_numbers: bool | None = None,
        retry_failed: bool = False,
        settle: float | None = None,
        patience: float = 300.0,
        group: int = 64,
        on_progress: Callable[[Progress], None] | None = None,
        writer: Writer | None = None,
    ) -> None:
        self._client = client
        self._plan: Plan = as_plan(plan)
        self._journal = journal
        self._reconciles = reconcile
        self._ignore_invalid = ignore_invalid_phone_numbers
        self._retry_failed = retry_failed
        self._policy = _policy(client.reconcile, settle)
        self._group = checks.check_int("group", group, ge=1, le=1000)
        self._writer = writer or ThreadWriter("campaigns-journal")
        # The same clock, ledger and way of asking as the client's own reconciling has.
        self._runtime = runtime_of(client)
        self._clock = self._runtime.clock
        self._pressure = Pressure(checks.check_seconds("patience", patience), self._clock.monotonic)
        self._stopping = False
        self._stoppable: Callable[[], object] | None = None
        self._tally = Tally(self._pressure, on_progress)
        self._stopped_by: BaseException | None = None
        self._left: str | None = None
        self._began = False
        self._is_checked = False

    def stop(self) -> None:
        """Take up nothing more; what is in flight finishes and is written down. For a signal's handler."""
        self._stopping = True
        if self._stoppable is not None:
            self._stoppable()

    async def run(self) -> Summary:
        """Send what is planned. Cancelled, it cuts off what is in flight, which stays possibly sent.

        Raises:
            PlanError: Lines of the plan are wrong. Nothing was sent.
            PlanChangedError: The plan is not the one that the journal knows.
            JournalError: The journal cannot be used, is another job's, is in use, or could not be written.
        """
        if self._began:
            raise ConfigurationError("a Job runs once: make another one")
        self._began = True
        began = self._clock.monotonic()
        try:
            store = await self._open()
            try:
                await self._run(store)
                return await self._writer.run(lambda: self._summary(store, began))
            finally:
                await to_its_end(self._writer.run(store.close))  # or the lock is not free yet
        finally:
            self._writer.close()

    async def _open(self) -> Store:
        journal = self._journal
        if not isinstance(journal, (str, Path)):
            return journal
        path = Path(journal)
        opened: list[Store] = []
        try:
            await to_its_end(self._writer.run(lambda: opened.append(SqliteStore.open(path))))
        except asyncio.CancelledError:
            for store in opened:  # it holds the lock
                await to_its_end(self._writer.run(store.close))
            raise
        return opened[0]

    async def _run(self, store: Store) -> None:
        # Whoever had the journal before is dead by now: what it left *sending* cannot leave later than this.
        opened_at = self._clock.now().timestamp()
        self._tally.tell(Phase.CHECKING)
        options = {**run_options(self._ignore_invalid), SERVER: self._client.base_url}
        checking = asyncio.ensure_future(
            self._writer.run(
                lambda: check(
                    self._plan,
                    store,
                    options=options,
                    retry_failed=self._retry_failed,
                    stopping=lambda: self._stopping,
                )
            )
        )
        try:
            checked = await asyncio.shield(checking)
        except StoppedError:
            return
        except asyncio.CancelledError:
            self._stopping = True  # the check hears of it at its next line
            with suppress(JobError, StoppedError):
                await to_its_end(checking)
            raise
        self._is_checked = True
        self._tally.begin(await self._writer.run(store.counts))
        recovery = Recovery(
            store,
            self._writer,
            self._plan,
            checked,
            self._runtime,
            self._policy,
            ignore_invalid=self._ignore_invalid,
        )
        to_send = checked.to_send
        if self._reconciles:
            absent = await self._reconcile(recovery, checked.doubtful, sent_by=opened_at, known_before=None)
            if absent is not None:
                to_send.update(absent)
        for sent in range(_ROUNDS):
            mark = self._runtime.ledger.seen.snapshot()
            left = await self._send(store, checked, to_send)
            if not left or not self._reconciles or self._stopping:
                return
            recovery.policy = _longer(self._policy, 4**sent)
            absent = await self._reconcile(recovery, left, sent_by=None, known_before=mark)
            if not absent:
                return
            to_send = absent
        self._left = (
            f"rows were sent {_ROUNDS} times over, and were absent each time: look at the server, and start again"
        )

    async def _send(self, store: Store, checked: Checked, wanted: Bits) -> Mapping[int, int]:
        """Send these rows; which of them are in doubt now, and their indexes."""
        if self._stopping:
            return {}
        self._tally.tell(Phase.SENDING)
        indexes: dict[int, int] = {}
        in_doubt: dict[int, int] = {}

        def on_commit(moves: list[Move]) -> None:
            for move in moves:
                if move.state is State.UNKNOWN:
                    in_doubt[move.row_id] = indexes[move.row_id]
                if move.state is not State.PLANNED:  # such a one goes out again
                    del indexes[move.row_id]
            self._tally.tell(Phase.SENDING)

        def rows() -> Iterator[Row]:
            for row in rows_to_send(self._plan, checked, wanted.__contains__):
                indexes[row.row_id] = row.line.index
                yield Row(row.row_id, row.line.content, row.campaign, row.line.wire)

        stream = rows()
        # The rows before the first are passed over in the writer's thread: they may be a million.
        first = await self._writer.run(lambda: list(itertools.islice(stream, 1)))
        if self._stopping:  # meanwhile
            return {}
        runner = Runner(
            rows=itertools.chain(first, stream),
            create=self._create,
            commit=partial(self._commit, store),
            on_commit=on_commit,
            concurrency=self._client.max_concurrency,
            group=self._group,
            pressure=self._pressure,
        )
        await self._stoppably(runner.run(), runner.stop)
        if runner.stopped_by is not None:
            self._stopped_by = runner.stopped_by
            self._stopping = True
        return in_doubt

    async def _commit(self, store: Store, begins: list[Begin], moves: list[Move]) -> None:
        now = self._clock.now().timestamp()
        await self._writer.run(lambda: store.commit(begins, moves, now))
        self._tally.committed(begins, moves)

    async def _create(self, new: NewCampaign) -> str:
        return await self._client.campaigns.create(new, ignore_invalid_phone_numbers=self._ignore_invalid)

    async def _reconcile(
        self,
        recovery: Recovery,
        rows: Mapping[int, int],
        *,
        sent_by: float | None,
        known_before: int | None,
    ) -> Bits | None:
        """Look for rows in doubt; the indexes of those that are surely absent, and planned again."""
        if not rows or self._stopping:
            return None
        self._tally.tell(Phase.RECONCILING)
        looking = asyncio.ensure_future(recovery.run(rows, sent_by=sent_by, known_before=known_before))
        try:
            recovered = await self._stoppably(looking, looking.cancel)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._stopping or not looking.cancelled() or (task is not None and task.cancelling()):
                raise
            return None
        self._tally.recovered(recovered.moves)
        self._tally.tell(Phase.RECONCILING)
        return recovered.absent

    async def _stoppably(self, work: Awaitable[T], stop: Callable[[], object]) -> T:
        self._stoppable = stop
        if self._stopping:  # since it was last looked at
            stop()
        try:
            return await work
        finally:
            self._stoppable = None

    def _summary(self, store: Store, began: float) -> Summary:
        stopped = self._why_stopped(store.counts())
        return self._tally.summary(store, elapsed=self._clock.monotonic() - began, stopped=stopped)

    def _why_stopped(self, counts: Mapping[State, int]) -> str | None:
        if self._stopped_by is not None:
            return str(self._stopped_by)
        if self._stopping and (not self._is_checked or any(counts[state] for state in _OPEN)):
            return "interrupted"
        return self._left if counts[State.PLANNED] else None


def _longer(policy: ReconcilePolicy, times: int) -> ReconcilePolicy:
    """What was sent again and is absent again may be a server that acts later than was thought."""
    return evolve(policy, settle=policy.settle * times, timeout=policy.timeout + policy.settle * times)


def _policy(policy: ReconcilePolicy, settle: float | None) -> ReconcilePolicy:
    if settle is None:
        return policy
    checks.check_seconds("settle", settle, ge=0.0)
    return evolve(policy, settle=settle, timeout=max(policy.timeout, settle + 60.0))
