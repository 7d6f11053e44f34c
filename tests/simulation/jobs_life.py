"""One life of the process that runs a job: from its start to its end, with every point at which it could have died.

Nothing is killed. At each point at which the process could die, all that would outlive it is kept: the journal's
rows and the server. Another life begins from there, in a loop of its own, and nothing that the first does
afterwards, cleaning up least of all, can reach it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Literal, TypeVar

from attrs import define, field, frozen

from campaigns_async import CampaignsClient, CampaignsError, Event
from campaigns_async.effects import State
from campaigns_async.jobs import Job, JournalRow, Summary
from simulation.jobs_invariants import Watch
from simulation.jobs_journal import Files, JournalOnDisk
from simulation.jobs_outage import OutageWatch
from simulation.jobs_script import JobScript
from simulation.jobs_server import JobClock, JobServer, JobTransport, Standing
from simulation.loop import VirtualLoop
from simulation.server import Sent, source

T = TypeVar("T")
_MOST_POINTS = 1_000
Kind = Literal["before a write", "after a write", "left", "made", "end"]


@frozen
class Point:
    """A moment at which the process may die, and what is left of it."""

    kind: Kind
    at: float
    rows: Mapping[int, JournalRow] = field(repr=False)
    files: Files
    standing: Standing = field(repr=False)


BIRTH = Point("end", 1000.0, {}, Files(), Standing())


@frozen
class Interruption:
    """A nervous operator."""

    how: Literal["stop", "cancel"]
    after: float


@frozen
class Orders:
    """The start of a life.

    Attributes:
        path: The path of the life, among those of the seed: everything in it is drawn from that.
        pause: Seconds between the end of the life before and its start.
        interruption: A stop or a cancellation.
        retry_failed: The job's option.
        calm: True if nothing goes wrong any more.
        looks_first: True if the client has read lists before.
        set_back: Seconds by which the wall clock was set back.
        loses_lock: Seconds after which a person deletes the lock file; None for never.
        distrusts: True if the journal does not tell what was sent: it is an older one, or another one.
        elsewhere: True if the run has the key of another account.
    """

    path: str
    pause: float
    interruption: Interruption | None = None
    retry_failed: bool = False
    calm: bool = False
    looks_first: bool = False
    set_back: float = 0.0
    loses_lock: float | None = None
    distrusts: bool = False
    elsewhere: bool = False


@define(eq=False)
class Life:
    """A process; `run` it once."""

    script: JobScript
    before: Point
    orders: Orders
    points: list[Point] = field(init=False, factory=list)
    summary: Summary | None = field(init=False, default=None)
    error: BaseException | None = field(init=False, default=None)
    loop: VirtualLoop = field(init=False)
    server: JobServer = field(init=False)
    journal: JournalOnDisk = field(init=False)
    watch: Watch = field(init=False)
    stopped_at: float | None = field(init=False, default=None)

    def run(self) -> Point:
        """Run the life; return what is left at its end.

        Raises:
            AssertionError: Something did not hold.
        """
        script, orders, before = self.script, self.orders, self.before
        loop = self.loop = VirtualLoop(0, stalls=script.stalls)
        loop._random = source(script.seed, f"loop {orders.path}")
        loop._now = before.at + orders.pause
        loop._until = loop._now + 3600.0
        self.journal = JournalOnDisk(before.files)
        loop.run_work = self._worker()
        outage = OutageWatch(script)
        self.server = JobServer(
            loop,
            script.weather(orders.path),
            script.quirks,
            f"{script.seed} {orders.path}",  # type: ignore[arg-type]
            script.retry.max_retry_after,
            lambda: None,
            limit=script.server_limit,
            around=script.around,
            on_left=self._on_left,
            on_made=self._on_made,
            on_begun=lambda sent: self.watch.look(lambda: outage.check_begin(sent)),
            on_ended=outage.note_end,
        )
        self.server.given = [row.campaign_id for row in before.rows.values() if row.campaign_id is not None]
        self.watch = Watch(
            script,
            self.journal,
            self.server,
            distrusts=orders.distrusts,
            elsewhere=orders.elsewhere,
            verifies=not self._accepts_altered,
        )
        try:
            loop.run(self._main())
        finally:
            self.journal.delete()
            self.watch.complain()
        self.points.append(self._point("end"))
        self.watch.check_end(self)
        assert not loop.faults, f"raised where nobody saw it: {loop.faults}"
        return self.points[-1]

    @property
    def _accepts_altered(self) -> bool:
        return self.script.accept_altered or self.orders.calm  # a person has looked

    async def _main(self) -> None:
        self.server.begin(Standing() if self.orders.elsewhere else self.before.standing)
        self.server.note_jumps()
        fair_at = self.before.at if self.orders.calm else BIRTH.at + self.script.fair_after
        self.loop.call_at(max(fair_at, self.loop.time()), self._be_fair)
        client = self._client()
        if self.orders.looks_first:
            with suppress(CampaignsError):
                await client.campaigns.list(prefetch=0).collect()
        job = Job(
            client,
            self.script.plan,
            journal=self.journal.path,
            reconcile=self.script.reconcile,
            ignore_invalid_phone_numbers=self.script.ignore_invalid,
            preflight=self.script.preflight,
            accept_altered=self._accepts_altered,
            retry_failed=self.orders.retry_failed,
            give_up_after=self.script.give_up_after,
            group=self.script.group,
        )
        task = asyncio.ensure_future(job.run())
        if self.orders.loses_lock is not None:
            self.loop.call_later(self.orders.loses_lock, self._lose_lock, task)
        if self.orders.interruption is not None:
            how, after = self.orders.interruption.how, self.orders.interruption.after
            self.loop.call_later(after, self._interrupt, task, job if how == "stop" else None)
        try:
            self.summary = await task
        except (CampaignsError, asyncio.CancelledError) as error:
            self.error = error
        await client.aclose()
        await asyncio.sleep(1.0)  # a job that was cut off while it closed its journal leaves that to its thread
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks are left: {left}"

    def _lose_lock(self, task: asyncio.Task[Summary]) -> None:
        if not task.done() and self.journal.lose_lock():
            self.watch.lock_lost_at = self.loop.time()

    def _interrupt(self, task: asyncio.Task[Summary], job: Job | None) -> None:
        if task.done():
            return
        self.stopped_at = self.loop.time()
        self.watch.note_stop()
        if job is None:
            task.cancel()
        else:
            job.stop()

    def _worker(self) -> Callable[[Callable[[], T]], Coroutine[None, None, T]]:
        """Return a worker that does the work of the journal's thread in the loop, one piece after the other, with pauses."""
        dice = source(self.script.seed, f"writer {self.orders.path}")
        turn = asyncio.Lock()

        def pause() -> float:
            return dice.random() ** 3 * self.script.commit_takes

        async def work(task: Callable[[], T]) -> T:
            async with turn:
                await asyncio.sleep(pause())
                before = self._point("before a write")
                done = task()
                if self.journal.look():
                    assert len(self.points) < _MOST_POINTS, "it writes for ever"
                    self.points.append(before)
                    self.watch.look(self.watch.check_write)
                    self.points.append(self._point("after a write"))
                await asyncio.sleep(pause())
                return done

        return work

    def _client(self) -> CampaignsClient:
        script = self.script
        client = CampaignsClient(
            "https://sms.example",
            self.server.key,
            max_concurrency=script.max_concurrency,
            rate_limit=script.rate_limit,
            timeouts=script.timeouts,
            retry=script.retry,
            reconcile=script.policy,
            page_size=script.page_size,
            observer=self,
            ssl=False,  # else the CAs of the environment are read
        )
        pool, clock = client._pool, JobClock(self.orders.set_back, script.around.jumps)
        dice = source(script.seed, f"client {self.orders.path}")
        pool.transport, pool.clock, pool.random = JobTransport(self.server), clock, dice
        pool.limiter._clock, pool.limiter._random = clock, dice
        return client

    def on_event(self, event: Event, /) -> None:
        """Note an event of the client for the trace."""
        self.server.note("event", str(event))

    def _be_fair(self) -> None:
        weather = self.server.weather
        weather.calm, weather.outages, self.server.limit = True, (), None

    def _point(self, kind: Kind, forced: Sent | None = None) -> Point:
        journal = self.journal
        return Point(kind, self.loop.time(), journal.rows, journal.files, self.server.standing(forced))

    def _on_left(self, sent: Sent) -> None:
        self.watch.look(lambda: self.watch.check_departure(sent))
        self.points.append(self._point("left", forced=sent))

    def _on_made(self, body: bytes) -> None:
        self.watch.look(self.watch.check_no_duplicates)
        self.points.append(self._point("made"))

    @property
    def states(self) -> Mapping[State, int]:
        """Count the rows by state."""
        return self.journal.counts()
