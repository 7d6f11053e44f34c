"""One run of a plan: checked, unknown rows looked for, sent, and what this left unknown looked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Final, TypeVar

from attrs import evolve

from campaigns_async._checks import check_instance, check_int, check_seconds
from campaigns_async.client import CampaignsClient, runtime_of
from campaigns_async.effects import State
from campaigns_async.errors import ConfigurationError
from campaigns_async.jobs._backpressure import Backoff
from campaigns_async.jobs._planning import SERVER, StoppedError
from campaigns_async.jobs._recovery import Recovery
from campaigns_async.jobs._sender import Sender
from campaigns_async.jobs._sqlite import SqliteJournal
from campaigns_async.jobs.job_errors import JournalWriteError
from campaigns_async.jobs.journal import ClaimedRow, Journal, Transition
from campaigns_async.jobs.plan_lines import Plan, campaign_of
from campaigns_async.jobs.plans import AnyPlan, as_plan
from campaigns_async.jobs.progress import Phase, Progress, ProgressTracker, Summary
from campaigns_async.settings import ReconcilePolicy

T = TypeVar("T")
_OPEN: Final = (State.PLANNED, State.SENDING, State.UNKNOWN)
_ROUNDS: Final = 3
"""How many times rows that are absent are sent within one run."""


async def send(
    client: CampaignsClient,
    plan: AnyPlan,
    journal: str | Path,
    *,
    reconcile: bool = True,
    ignore_invalid_phone_numbers: bool | None = None,
    retry_failed: bool = False,
    settle: float | None = None,
    give_up_after: float = 300.0,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Create every campaign of a plan, each once, or go on where an earlier run of the journal stopped.

    Args:
        client: Sends, with its own concurrency, rate and deadlines.
        plan: The path of an NDJSON file, one campaign a line with the wire's names and a `key`; or what
            `ndjson_plan`, `contacts_plan` or `rows_plan` returns; or pairs of keys and campaigns. It is read once,
            as a stream, and checked whole before the first send.
        journal: The path of the journal, made if it is not there.
        reconcile: Look for rows that may have been sent on the server, and send them again only if they are absent;
            else they are only reported.
        ignore_invalid_phone_numbers: As for `create`; must be the same in every run of a journal.
        retry_failed: Send rows again that the server refused in an earlier run.
        settle: Seconds, from 0, that absence must last before it is believed; None for the client's setting.
        give_up_after: Seconds, above 0, after which the run stops if the server cannot be reached, or throttles, all the while.
        on_progress: Called after every group that was written; must not block. What it raises is logged by its type.

    Returns:
        How the run ended, row by row counted. `summary.ok` is true if every campaign is on the server.

    Raises:
        PlanError: If lines of the plan are wrong; `lines` says which and why. Nothing was sent.
        PlanChangedError: If rows that the journal knows have changed, or are missing; `keys` names them.
        JournalError: If the file is not a journal, is of another version, damaged, in use, or of another plan; or if
            it could not be written, and then what was sent and not recorded is looked for by the next run.
        ConfigurationError: If a setting is out of range.
    """
    job = Job(
        client,
        plan,
        journal=journal,
        reconcile=reconcile,
        ignore_invalid_phone_numbers=ignore_invalid_phone_numbers,
        retry_failed=retry_failed,
        settle=settle,
        give_up_after=give_up_after,
        on_progress=on_progress,
    )
    return await job.run()


class Job:
    """A durable send that can be stopped. `run` it once.

    Args:
        group: Rows, from 1 to 1,000, that are claimed at once at most.

    The other arguments are those of `send`.

    Raises:
        ConfigurationError: If a setting is out of range.
        InvalidArgumentError: If `plan` is not a plan.
    """

    def __init__(
        self,
        client: CampaignsClient,
        plan: AnyPlan,
        *,
        journal: str | Path,
        reconcile: bool = True,
        ignore_invalid_phone_numbers: bool | None = None,
        retry_failed: bool = False,
        settle: float | None = None,
        give_up_after: float = 300.0,
        group: int = 64,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._plan: Plan = as_plan(plan)
        if not isinstance(journal, (str, PathLike)):
            raise ConfigurationError(f"journal must be a path, not {type(journal).__name__}", parameter="journal")
        self._path = Path(journal).absolute()
        # Text such as "false" counts as true, and would have rows sent again.
        self._reconciles = check_instance("reconcile", reconcile, bool)
        self._retry_failed = check_instance("retry_failed", retry_failed, bool)
        if ignore_invalid_phone_numbers is not None:  # found in each row only, it would fail them all
            check_instance("ignore_invalid_phone_numbers", ignore_invalid_phone_numbers, bool)
        self._ignore_invalid = ignore_invalid_phone_numbers
        if on_progress is not None and not callable(on_progress):
            raise ConfigurationError("on_progress must be a function of a Progress", parameter="on_progress")
        self._policy = _with_settle(client.reconcile, settle)
        self._group = check_int("group", group, ge=1, le=1000)
        # The clock, the ledger and the search of the client's own reconciling.
        self._runtime = runtime_of(client)
        self._clock = self._runtime.clock
        self._backoff = Backoff(check_seconds("give_up_after", give_up_after), self._clock.monotonic)
        self._tracker = ProgressTracker(self._backoff, on_progress)
        self._stopping = False
        self._stop_step: Callable[[], object] | None = None
        self._stopped_by: BaseException | None = None
        self._left: str | None = None
        self._began = False
        self._is_checked = False

    def stop(self) -> None:
        """Send nothing more; what is in flight finishes and is recorded. For a signal's handler."""
        self._stopping = True
        if self._stop_step is not None:
            self._stop_step()

    async def run(self) -> Summary:
        """Send what is planned. Cancelled, it cuts off what is in flight, which stays possibly sent.

        Raises:
            JobError: As `send`.
        """
        if self._began:
            raise ConfigurationError("a Job runs once: make another one")
        self._began = True
        began = self._clock.monotonic()
        journal = await SqliteJournal.open(self._path)
        try:
            await self._run(journal)
            with suppress(JournalWriteError):  # nothing of what was acknowledged is in it
                await journal.drop_payloads()
            counts = await journal.counts()
            return await self._tracker.summary(
                journal, counts, elapsed=self._clock.monotonic() - began, stopped=self._why_stopped(counts)
            )
        finally:
            await journal.close()  # or its lock would not be free yet

    async def _run(self, journal: Journal) -> None:
        # Whoever had the journal before is dead by now: what it left *sending* cannot leave later than this.
        opened_at = self._now()
        self._tracker.report(Phase.CHECKING)
        settings = {"ignore_invalid_phone_numbers": str(self._ignore_invalid), SERVER: self._runtime.base_url}
        try:
            await journal.add_plan(
                self._plan, settings, retry_failed=self._retry_failed, stopping=lambda: self._stopping
            )
        except StoppedError:
            return
        self._is_checked = True
        counts = await journal.counts()
        self._tracker.counts.update(counts)
        recovery = Recovery(journal, self._path, self._runtime, self._policy, self._ignore_invalid)
        if self._reconciles and (counts[State.SENDING] or counts[State.UNKNOWN]):
            await self._reconcile(recovery, None, sent_by=opened_at, known_before=0)
        for sent in range(_ROUNDS):
            mark = self._runtime.ledger.seen.snapshot()
            unknown = await self._send(journal)
            if not unknown or not self._reconciles or self._stopping:
                return
            recovery.policy = _longer(self._policy, 4**sent)
            if not await self._reconcile(recovery, unknown, sent_by=None, known_before=mark):
                return
        self._left = (
            f"rows were sent {_ROUNDS} times over, and were absent each time: look at the server, and start again"
        )

    async def _send(self, journal: Journal) -> Collection[int]:
        """Send the planned rows; return those whose outcome is unknown."""
        if self._stopping:
            return ()
        self._tracker.report(Phase.SENDING)
        unknown: list[int] = []

        def on_commit(claimed: int, transitions: Sequence[Transition]) -> None:
            self._tracker.committed(claimed, transitions)
            unknown.extend(each.row_id for each in transitions if each.state is State.UNKNOWN)
            self._tracker.report(Phase.SENDING)

        sender = Sender(
            journal,
            create=self._create,
            now=self._now,
            on_commit=on_commit,
            concurrency=self._runtime.max_concurrency,
            group=self._group,
            backoff=self._backoff,
        )
        await self._stoppably(sender.run(), sender.stop)
        if sender.stopped_by is not None:
            self._stopped_by = sender.stopped_by
            self._stopping = True
        return frozenset(unknown)

    async def _create(self, row: ClaimedRow) -> str:
        body, owner = row.body(), (self._path, row.row_id)  # the owner that `Recovery` names too
        return await self._runtime.create_encoded(body, lambda: campaign_of(body), self._ignore_invalid, owner)

    async def _reconcile(
        self, recovery: Recovery, rows: Collection[int] | None, *, sent_by: float | None, known_before: int
    ) -> bool:
        """Look for unknown rows; return True if some are absent, and so planned again."""
        if self._stopping:
            return False
        self._tracker.report(Phase.RECONCILING)
        looking = asyncio.ensure_future(recovery.run(rows, sent_by=sent_by, known_before=known_before))
        try:
            recovered = await self._stoppably(looking, looking.cancel)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._stopping or not looking.cancelled() or (task is not None and task.cancelling()):
                raise
            return False
        self._tracker.recovered(recovered.transitions)
        self._tracker.report(Phase.RECONCILING)
        return recovered.any_absent

    async def _stoppably(self, step: Awaitable[T], stop: Callable[[], object]) -> T:
        self._stop_step = stop
        if self._stopping:  # since it was last looked at
            stop()
        try:
            return await step
        finally:
            self._stop_step = None

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _why_stopped(self, counts: Mapping[State, int]) -> str | None:
        if self._stopped_by is not None:
            return str(self._stopped_by)
        if self._stopping and (not self._is_checked or any(counts[state] for state in _OPEN)):
            return "interrupted"
        return self._left if counts[State.PLANNED] else None


def _longer(policy: ReconcilePolicy, times: int) -> ReconcilePolicy:
    """Return a policy for a server that may act later than was thought: rows that were sent again are absent again."""
    return evolve(policy, settle=policy.settle * times, timeout=policy.timeout + policy.settle * times)


def _with_settle(policy: ReconcilePolicy, settle: float | None) -> ReconcilePolicy:
    if settle is None:
        return policy
    check_seconds("settle", settle, ge=0.0)
    return evolve(policy, settle=settle, timeout=max(policy.timeout, settle + 60.0))
