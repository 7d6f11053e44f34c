"""Run a plan: load it, search for unknown rows, send the planned rows, and search for those that became unknown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Final, TypeVar

from attrs import evolve

from campaigns_async._checks import check_instance, check_int, check_seconds
from campaigns_async._http.codec import encode_model
from campaigns_async._http.request import build_encoded_create
from campaigns_async._reconcile.ledger import RowOwner
from campaigns_async._reconcile.markers import RowMarker
from campaigns_async._reconcile.search_reader import UnansweredError
from campaigns_async.client import CampaignsClient, runtime_of
from campaigns_async.effects import State
from campaigns_async.errors import CampaignsError, ConfigurationError
from campaigns_async.jobs._backpressure import Backoff
from campaigns_async.jobs._plan_loader import MARKER, SERVER, StoppedError
from campaigns_async.jobs._preflight import Preflight
from campaigns_async.jobs._recovery import Recovery, settle_duplicates
from campaigns_async.jobs._sender import Sender
from campaigns_async.jobs._sqlite import SqliteJournal
from campaigns_async.jobs.job_errors import JournalWriteError
from campaigns_async.jobs.journal import ClaimedRow, Journal, JournalRow, Transition
from campaigns_async.jobs.plans import AnyPlan, Plan, as_plan, decode_campaign
from campaigns_async.jobs.progress import Phase, Progress, ProgressTracker, Summary

T = TypeVar("T")
_log = logging.getLogger("campaigns_async")
_OPEN: Final = (State.PLANNED, State.SENDING, State.UNKNOWN)
_ROUNDS: Final = 3
"""How often a run sends rows that a search did not find."""


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
    preflight: bool = True,
    preflight_limit: int = 2000,
    accept_missing: bool = False,
    accept_altered: bool = False,
) -> Summary:
    """Create each campaign of a plan once. If the journal exists, continue where its last run stopped.

    Args:
        client: The client. Its concurrency limit, rate limit and timeouts apply.
        plan: The path of an NDJSON file, one campaign a line with the API's field names and a `key`; or the result of
            `ndjson_plan`, `contacts_plan` or `rows_plan`; or pairs of keys and campaigns. It is read once, as a stream,
            and checked as a whole before the first send.
        journal: The path of the journal, which is created if it does not exist.
        reconcile: Search the server for rows that may have been sent, and send them again only if they are absent.
            If False, they are only reported.
        ignore_invalid_phone_numbers: As in `client.campaigns.create`. Must be the same in every run of a journal.
        retry_failed: Send again the rows that the server refused in an earlier run.
        settle: Seconds, from 0, that a campaign must be absent before its row is sent again. By default the client's
            `reconcile.settle`.
        give_up_after: Seconds, above 0, of an outage or of throttling after which the run stops.
        on_progress: Called after each commit. Must not block. Its exceptions are logged.
        preflight: Compare the plan with the campaigns on the server before the first row is sent. A campaign that is equal
            to a row is adopted: the row is not sent. A row that resembles one is held back for you to decide.
        preflight_limit: The limit of requests of this comparison, from 1.
        accept_missing: Go on if none of the journal's latest campaigns is on the server.
        accept_altered: Go on if the server altered the first campaign of the run.

    Returns:
        The number of rows in each state. `summary.ok` is True if every campaign is on the server.

    Raises:
        PlanError: If lines of the plan are wrong. `lines` has the first faults. Nothing was sent.
        PlanChangedError: If rows of the journal are changed in the plan, or missing from it. `keys` has the first.
            Nothing was sent.
        JournalError: If the file is not a journal, is of another version, damaged, in use, or of another plan. Nothing
            was sent.
        JournalWriteError: If the journal cannot be written. The next run searches for rows that were sent but not
            recorded.
        PreflightError: If the plan cannot be compared with the server. Nothing was sent.
        InvalidArgumentError: If `plan` is not a plan.
        ConfigurationError: If an option is out of range.
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
        preflight=preflight,
        preflight_limit=preflight_limit,
        accept_missing=accept_missing,
        accept_altered=accept_altered,
    )
    return await job.run()


class Job:
    """A durable send that can be stopped. It runs once.

    Args:
        group: The limit of rows that one commit claims, from 1 to 1,000.

    The other arguments are those of `send`.

    Raises:
        ConfigurationError: If an option is out of range.
        InvalidArgumentError: If `plan` is not a plan.
        PlanError: If the file of the plan cannot be read, or the plan is empty.
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
        preflight: bool = True,
        preflight_limit: int = 2000,
        accept_missing: bool = False,
        accept_altered: bool = False,
    ) -> None:
        self._plan: Plan = as_plan(plan)
        if not isinstance(journal, (str, PathLike)):
            raise ConfigurationError(f"journal must be a path, not {type(journal).__name__}", parameter="journal")
        self._path = Path(journal).absolute()
        # A string such as "false" is truthy: it would send rows again.
        self._may_reconcile = check_instance("reconcile", reconcile, bool)
        self._retry_failed = check_instance("retry_failed", retry_failed, bool)
        if ignore_invalid_phone_numbers is not None:  # else each row would fail with it
            check_instance("ignore_invalid_phone_numbers", ignore_invalid_phone_numbers, bool)
        self._ignore_invalid = ignore_invalid_phone_numbers
        if on_progress is not None and not callable(on_progress):
            raise ConfigurationError("on_progress must be a function of a Progress", parameter="on_progress")
        self._policy = client.reconcile
        if settle is not None:
            self._policy = evolve(self._policy, settle=check_seconds("settle", settle, ge=0.0))
        self._preflight = check_instance("preflight", preflight, bool)
        self._preflight_limit = check_int("preflight_limit", preflight_limit, ge=1)
        self._accept_missing = check_instance("accept_missing", accept_missing, bool)
        self._accept_altered = check_instance("accept_altered", accept_altered, bool)
        self._group = check_int("group", group, ge=1, le=1000)
        # The clock, the ledger and the listings that the client's own reconciliation uses.
        self._runtime = runtime_of(client)
        self._clock = self._runtime.clock
        self._backoff = Backoff(check_seconds("give_up_after", give_up_after), self._clock.monotonic)
        self._tracker = ProgressTracker(self._backoff, on_progress)
        self._opened_at = 0.0
        self._opened = 0.0  # the same moment on the monotonic clock
        self._times: dict[int, tuple[float, float]] = {}  # when creates that failed were sent, and when they ended
        self._identity = b""
        self._marker = RowMarker(None, b"")
        self._revoked: set[int] = set()  # rows that were created until their id was given to another row
        self._stopping = False
        self._stop_step: Callable[[], object] | None = None
        self._stopped_by: BaseException | None = None
        self._why_rows_remain: str | None = None
        self._is_started = False
        self._is_checked = False
        self._is_verified = False

    def __repr__(self) -> str:
        return f"<Job with journal {self._path.name}>"

    def stop(self) -> None:
        """Send nothing more. Requests in flight finish and are recorded. May be called from a signal handler."""
        self._stopping = True
        if self._stop_step is not None:
            self._stop_step()

    async def run(self) -> Summary:
        """Run the job. If the task is cancelled, rows in flight may have been sent; the next run searches for them.

        Raises:
            JobError: As `send`.
            ConfigurationError: If the job has been run before.
        """
        if self._is_started:
            raise ConfigurationError("a Job runs once: create another one")
        self._is_started = True
        started_at = self._clock.monotonic()
        journal = await SqliteJournal.open(self._path)
        try:
            preflight = await self._run(journal)
            if preflight is not None and self._ignore_invalid and not self._stopping:
                await self._search(partial(self._count_accepted, preflight))
            with suppress(JournalWriteError):  # payloads of created rows are only dropped to save space
                await journal.drop_payloads()
            counts = await journal.counts()
            return await self._tracker.summary(
                journal, counts, elapsed=self._clock.monotonic() - started_at, stopped=self._explain_stop(counts)
            )
        finally:
            await journal.close()  # the lock must be free when `run` returns

    async def _run(self, journal: Journal) -> Preflight | None:
        # This run has the lock, so an earlier run has ended: rows that it left *sending* were sent before now.
        self._opened_at, self._opened = self._now(), self._clock.monotonic()
        self._tracker.report(Phase.CHECKING)
        counts = await self._load_plan(journal)
        if counts is None:
            return None
        preflight = Preflight(
            journal,
            self._runtime,
            self._backoff,
            self._ignore_invalid,
            self._preflight_limit,
            self._marker,
            self._tracker.warn,
        )
        if self._preflight and not self._accept_missing and not self._stopping:
            # First: on another account every unknown row would be absent.
            await self._compare(preflight, preflight.check_account)
        recovery = Recovery(journal, self._identity, self._runtime, self._policy, self._ignore_invalid, self._marker)
        if self._may_reconcile and (counts[State.SENDING] or counts[State.UNKNOWN]):
            await self._reconcile(recovery, None, known_before=0)
        if self._preflight and not self._stopping:
            self._tracker.report(Phase.COMPARING)
            transitions = await self._compare(preflight, preflight.compare_plan)
            if transitions is not None:
                await journal.commit(transitions, claim=0, now=self._now())
                self._tracker.count_preflight(transitions, near=preflight.near)
            recovery.find_surplus = preflight.find_surplus
        if any(counts[state] for state in _OPEN) and not self._stopping:
            # Not earlier: a key that the server or the comparison refused has sent nothing, and its warning would be lost.
            await self._check_key(journal)
        for sent in range(_ROUNDS):
            mark = self._runtime.ledger.seen.snapshot()
            unknown = await self._send(journal, preflight)
            if not unknown or not self._may_reconcile or self._stopping:
                return preflight
            # Rows that were absent and sent again became unknown again: the server may be slower than was assumed.
            settle = self._runtime.read_timeout if self._policy.settle is None else self._policy.settle
            recovery.policy = evolve(self._policy, settle=settle * 4**sent)
            if not await self._reconcile(recovery, unknown, known_before=mark):
                return preflight
        self._why_rows_remain = (
            f"rows were sent {_ROUNDS} times and were absent each time: look at the server, then start again"
        )
        return preflight

    async def _load_plan(self, journal: Journal) -> Mapping[State, int] | None:
        """Add the plan to the journal; return the number of rows in each state, or None if the run was stopped."""
        settings = {"ignore_invalid_phone_numbers": str(self._ignore_invalid), SERVER: self._runtime.base_url}
        if self._policy.marker is not None:  # before the first row is sent
            settings[MARKER] = self._policy.marker
        try:
            loaded = await journal.add_plan(
                self._plan, settings, retry_failed=self._retry_failed, stopping=lambda: self._stopping
            )
        except StoppedError:
            return None
        self._is_checked = True
        self._tracker.note_restored(loaded.restored)
        self._tracker.left_out = loaded.left_out
        counts = await journal.counts()
        self._tracker.counts.update(counts)
        self._identity = await journal.identity()
        self._marker = RowMarker(self._policy.marker, self._identity)
        return counts

    async def _check_key(self, journal: Journal) -> None:
        """Warn if the journal was sent with another API key before."""
        fingerprint = None
        with suppress(ConfigurationError):  # of a key callable, which the first request calls again
            fingerprint = await self._search(lambda: self._runtime.fingerprint_key(self._identity))
        if fingerprint is not None and await journal.record_key(fingerprint):
            self._tracker.warn(
                f"the journal {self._path.name} was sent with another API key before: rows that another account has are "
                "not found, and may be sent twice"
            )

    async def _compare(self, preflight: Preflight, step: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of a step of the preflight; None if the run stops."""
        result = await self._search(lambda: preflight.run(step))
        if preflight.stopped_by is not None:
            self._stopped_by, self._stopping = preflight.stopped_by, True
        return result

    async def _send(self, journal: Journal, preflight: Preflight) -> Collection[int]:
        """Send the planned rows; return the ids of those that became unknown."""
        if self._stopping:
            return ()
        self._tracker.report(Phase.SENDING)
        unknown: list[int] = []

        def on_commit(claimed: int, transitions: Sequence[Transition]) -> None:
            self._tracker.count_commit(claimed, transitions)
            unknown.extend(each.row_id for each in transitions if each.state is State.UNKNOWN)
            self._tracker.report(Phase.SENDING)

        def on_revoked(row: JournalRow) -> None:
            is_of_this_run = row.ended_at is not None and row.ended_at >= self._opened_at
            self._tracker.count_revoked(created_now=is_of_this_run)
            unknown.append(row.row_id)
            self._revoked.add(row.row_id)

        sender = Sender(
            journal,
            create=self._create,
            probe=self._runtime.listings.probe,
            now=self._now,
            on_commit=on_commit,
            on_revoked=on_revoked,
            concurrency=self._runtime.max_concurrency,
            group=self._group,
            backoff=self._backoff,
            verify=None if self._accept_altered or self._is_verified else preflight.verify,
        )
        await self._run_stoppable(sender.run(), sender.stop)
        self._is_verified = sender.verify is None
        if sender.stopped_by is not None:
            self._stopped_by = sender.stopped_by
            self._stopping = True
        if not sender.duplicates:
            return frozenset(unknown)
        settled = await settle_duplicates(
            journal, sender.duplicates, self._runtime, self._identity, self._ignore_invalid, lambda: self._stopping
        )
        for _ in settled:
            self._tracker.count_proven()
        self._tracker.report(Phase.SENDING)
        return frozenset(unknown) - settled

    async def _create(self, row: ClaimedRow, on_attempt: Callable[[], None]) -> str:
        body, owner = row.body(), RowOwner(self._identity, row.row_id)  # `Recovery` uses the same owner
        if self._marker.field is not None:
            body = encode_model(self._marker.mark(decode_campaign(body), row.row_id))
        sent = self._clock.monotonic()

        def begin() -> None:
            nonlocal sent
            on_attempt()
            sent = self._clock.monotonic()

        try:
            request = build_encoded_create(body, lambda: decode_campaign(body), self._ignore_invalid)
            return await self._runtime.creator.create(request, on_attempt=begin, owner=owner)
        except BaseException:  # a cancelled create too: a search counts from these times
            self._times[row.row_id] = sent, self._clock.monotonic()
            raise

    async def _reconcile(self, recovery: Recovery, rows: Collection[int] | None, *, known_before: int) -> bool:
        """Search for unknown rows; return True if some are absent, and so planned again."""
        if self._stopping:
            return False
        self._tracker.report(Phase.RECONCILING)
        ended_by = self._opened if rows is None else self._clock.monotonic()
        result = await self._search(
            lambda: recovery.run(
                rows, times=self._times, ended_by=ended_by, known_before=known_before, revoked=self._revoked
            )
        )
        if result is None:
            return False
        self._tracker.count_recovery(result)
        self._tracker.report(Phase.RECONCILING)
        return any(each.state is State.PLANNED for each, _ in result)

    async def _count_accepted(self, preflight: Preflight) -> None:
        try:
            if (counted := await preflight.count_accepted()) is not None:
                self._tracker.accepted, self._tracker.recipients = counted
        except (CampaignsError, UnansweredError, OverflowError) as error:
            _log.warning("the recipients that the server accepted could not be counted: %s", type(error).__name__)

    async def _search(self, search: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of reads, which `stop` cancels; then None."""
        searching = asyncio.ensure_future(_return_fatal(search))
        try:
            result = await self._run_stoppable(searching, searching.cancel)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._stopping or not searching.cancelled() or (task is not None and task.cancelling()):
                raise
            return None
        if isinstance(result, BaseException):
            raise result
        return result

    async def _run_stoppable(self, step: Awaitable[T], stop: Callable[[], object]) -> T:
        self._stop_step = stop
        if self._stopping:  # `Job.stop` was called before this step began
            stop()
        try:
            return await step
        finally:
            self._stop_step = None

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _explain_stop(self, counts: Mapping[State, int]) -> str | None:
        if self._stopped_by is not None:
            return str(self._stopped_by)
        if self._stopping and (not self._is_checked or any(counts[state] for state in _OPEN)):
            return "interrupted"
        return self._why_rows_remain if counts[State.PLANNED] else None


async def _return_fatal(work: Callable[[], Awaitable[T]]) -> T | BaseException:
    """Return the result of the work, or a `SystemExit` and the like: a task that raised it would end the event loop."""
    try:
        return await work()
    except (SystemExit, KeyboardInterrupt) as error:
        return error
