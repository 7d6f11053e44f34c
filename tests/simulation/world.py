"""The run of one seed: the client, the server, all callers and cancellations, and the check of the invariants."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from attrs import define, field

from campaigns_async import CampaignsClient, CampaignsError, CampaignUpdate, Event, NewCampaign, Outcome
from campaigns_async.effects import Effect, effect_of
from campaigns_async.fanout import FanOut as Outcomes
from simulation import invariants
from simulation.connections import Connections
from simulation.loop import VirtualLoop
from simulation.script import Change, Create, FanOut, Script, draw_script
from simulation.server import ModelTransport, Server, source
from simulation.setting import CHANGED, build, take_campaigns_late, take_creates, take_creates_late, to_wire

_STEADY = "steady"
"""The id of a campaign from before the run, far outside the range of the searches."""


@define(eq=False)
class World:
    """The state of a run.

    Attributes:
        running: The tasks of single creates.
        events: The events by the task that emitted them, and so by call.
        asked: The number of requests for the key.
        views: The client, and clients on its pool with other timeouts.
        left: Tasks that were left at the end.
    """

    script: Script
    loop: VirtualLoop = field(init=False)
    dice: random.Random = field(init=False)
    running: dict[int, asyncio.Task[object]] = field(factory=dict)
    server: Server = field(init=False)
    client: CampaignsClient = field(init=False)
    events: dict[asyncio.Task[object] | None, list[Event]] = field(factory=lambda: defaultdict(list))
    complaints: list[str] = field(factory=list)
    asked: int = 0
    views: list[CampaignsClient] = field(factory=list)
    left: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        script = self.script
        self.dice = source(script.seed, "snatching")
        self.loop = VirtualLoop(script.seed, stalls=script.stalls)
        self.server = Server(
            self.loop,
            script.weather,
            script.quirks,
            script.seed,
            script.retry.max_retry_after,
            self._snatch,
            limit=script.server_limit,
            around=script.around,
        )

    def run(self) -> None:
        """Run to the end, and check the invariants.

        Raises:
            AssertionError: If an invariant does not hold.
        """
        was_on = gc.isenabled()
        gc.disable()  # the run must not depend on garbage of earlier runs
        gc.freeze()
        try:
            self.loop.run(self._main())
        finally:
            gc.unfreeze()
            if was_on:
                gc.enable()
        self.complaints += invariants.find_violations(self)
        assert not self.complaints, "\n".join(self.complaints)

    @property
    def digest(self) -> str:
        """A digest of all that happened, with its times."""
        return hashlib.blake2b(repr(self.server.trace).encode(), digest_size=8).hexdigest()

    def on_event(self, event: Event, /) -> None:
        """Record an event of the client."""
        self.events[asyncio.current_task()].append(event)
        self.server.note("event", str(event))

    async def _main(self) -> None:
        script, server = self.script, self.server
        self.client = build(self)
        self.views = [self.client, *(self.client.with_options(timeouts=one) for one in script.timeouts[1:])]
        for campaign_id in (_STEADY, *(one.campaign_id for one in script.changes)):
            wire = to_wire(campaign_id, script.creates[0].new, start="2040-01-01T00:00:00.000Z")
            server.store.seed(wire, [], None)
        await self._meet_the_former()
        server.schedule_foreign()
        server.note_jumps()
        tasks = [asyncio.create_task(self._single(one)) for one in script.singles]
        tasks += [asyncio.create_task(self._fan_out(one)) for one in script.fan_outs]
        tasks += [asyncio.create_task(self._other(after, what)) for after, what in script.others]
        tasks += [asyncio.create_task(self._change(one)) for one in script.changes]
        for number, (after, like) in enumerate(script.strangers):
            self.loop.call_later(after, self._insert, f"stranger{number}", like.new, number % 2)
        for number, after in enumerate(script.rotations or ()):
            self.loop.call_later(after, setattr, server, "key", f"key{number + 1}")
        if script.close_at is not None:
            tasks.append(asyncio.create_task(self._close(script.close_at)))
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()
        del task, tasks
        gc.collect()  # fan-outs that were dropped end with that
        await asyncio.sleep(0.01)
        if script.close_at is None:
            self._check_idle()
        await self.client.aclose()
        await asyncio.sleep(
            max(map(script.settles_in, script.timeouts)) + 1.0
        )  # late requests have been executed by then
        gc.collect()
        self._check_idle()
        if self.connections.unjudged:
            self.complaints.append(f"neither reused nor discarded: {list(self.connections.unjudged.values())}")
        self.left = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    @property
    def connections(self) -> Connections:
        """The connections of the client."""
        transport = self.client._pool.transport
        assert isinstance(transport, ModelTransport)
        return transport.connections

    async def _meet_the_former(self) -> None:
        weather, script = self.server.weather, self.script
        for create in script.former:
            self._insert(f"former{create.number}", create.new, 1, same_numbers=True)
        weather.calm, outages, weather.outages = True, weather.outages, ()
        limit, self.server.limit = self.server.limit, None
        if script.former:
            await self.client.campaigns.list(prefetch=0).collect()
        weather.calm, weather.outages, self.server.limit = False, outages, limit

    def _insert(self, campaign_id: str, new: NewCampaign, at: int, *, same_numbers: bool = False) -> None:
        numbers = [one.phone_number if same_numbers else "079" + one.phone_number[3:] for one in new.contacts]
        people = [{"id": f"{campaign_id}-{at}", "phoneNumber": number} for at, number in enumerate(numbers)]
        self.server.store.seed(to_wire(campaign_id, new), people, at)

    def _create(self, create: Create) -> Coroutine[Any, Any, str]:
        return self.views[create.view].campaigns.create(
            create.new,
            ignore_invalid_phone_numbers=create.ignore_invalid,
            on_unknown="reconcile" if create.reconcile else "raise",
        )

    async def _create_and_read(self, create: Create) -> str:
        create.value = await self._create(create)
        await self.client.campaigns.get(_STEADY)
        return create.value

    async def _single(self, create: Create) -> None:
        await asyncio.sleep(create.after)
        await self._list_before(create)
        create.taken = True
        began = self.loop.time()
        timer: asyncio.TimerHandle | None = None
        task = asyncio.current_task()
        assert task is not None
        self.running[create.number] = task
        if create.cut_after is not None:
            timer = self.loop.call_later(create.cut_after, self._cut, create, task)
        with suppress(TimeoutError):
            async with asyncio.timeout(create.timeout) as limit:
                try:
                    create.value = await self._create(create)
                    create.effect = Effect.APPLIED
                except (Exception, asyncio.CancelledError) as error:
                    over = not create.cut and self._is_over(limit)
                    self._record_error(create, error, cut=create.cut or over)
                    if over and isinstance(error, asyncio.CancelledError):
                        raise
        create.lasted = self.loop.time() - began
        del self.running[create.number]
        if timer is not None:
            timer.cancel()
        create.ended = True
        self.server.note("ended", create.number, create.value, type(create.error).__name__, create.effect)

    async def _list_before(self, *creates: Create) -> None:
        """List all campaigns in a live world, so that those of others are known to be older than the creates."""
        if self.script.is_live and self.script.around.list_fault.kind != "stale lists":
            began = self.loop.time()
            with suppress(CampaignsError):
                await self.client.campaigns.list(sorts="id", page_size=1000, prefetch=0).collect()
                for create in creates:
                    create.listed_at = began

    def _is_over(self, limit: asyncio.Timeout) -> bool:
        when = limit.when()
        return when is not None and when <= self.loop.time()

    def _snatch(self) -> None:
        if self.running and self.dice.random() < self.script.snatched:
            number = self.dice.choice(list(self.running))
            create = next(one for one in self.script.singles if one.number == number)
            self._cut(create, self.running[number])

    def _cut(self, create: Create, task: asyncio.Task[object]) -> None:
        create.cut = True
        task.cancel()

    def _record_error(self, create: Create, error: BaseException, *, cut: bool) -> None:
        create.error, create.effect = error, effect_of(error)
        if not isinstance(error, CampaignsError) and not (isinstance(error, asyncio.CancelledError) and cut):
            self.complaints.append(f"create {create.number} raised {error!r}, though nothing had cancelled it")

    async def _fan_out(self, fan: FanOut) -> None:
        await asyncio.sleep(fan.after)
        await self._list_before(*fan.creates)
        task = asyncio.current_task()
        assert task is not None
        timer = None if fan.cut_after is None else self.loop.call_later(fan.cut_after, task.cancel)
        outcomes = self._outcomes(fan)
        seen: list[int] = []
        try:
            if fan.dropped:
                await self._some(outcomes, fan, seen)
                return
            async with outcomes:
                await self._some(outcomes, fan, seen)
        except asyncio.CancelledError:
            if fan.dropped:
                return
        finally:
            if timer is not None:
                timer.cancel()
        unresolved = {one.index for one in outcomes.unresolved}
        async for outcome in outcomes:
            is_open = outcome.error is not None and outcome.effect in (Effect.UNKNOWN, Effect.APPLIED)
            unresolved ^= {outcome.index} if is_open else set()
            self._record_outcome(fan, outcome, seen)
        taken = sum(one.taken for one in fan.creates)
        if sorted(seen) != list(range(taken)) or unresolved:
            self.complaints.append(f"a fan-out took {taken} and handed out {sorted(seen)}; unresolved: {unresolved}")

    async def _some(self, outcomes: Outcomes[Any, str], fan: FanOut, seen: list[int]) -> None:
        if fan.stop_after == 0:
            return
        async for outcome in outcomes:
            self._record_outcome(fan, outcome, seen)
            if len(seen) == fan.stop_after:
                return

    def _record_outcome(self, fan: FanOut, outcome: Outcome[Any, str], seen: list[int]) -> None:
        create = fan.creates[outcome.index]
        seen.append(outcome.index)
        create.ended, create.effect = True, outcome.effect
        create.value = outcome.value or create.value  # the read after a create may have failed
        if outcome.error is not None:
            self._record_error(create, outcome.error, cut=False)
            create.effect = outcome.effect
        elif outcome.value is None:
            self.complaints.append(f"create {create.number} has neither a value nor an error")
        self.server.note("outcome", create.number, outcome.value, type(outcome.error).__name__, outcome.effect)

    def _outcomes(self, fan: FanOut) -> Outcomes[Any, str]:
        client, first = self.views[fan.view], fan.creates[0]
        if fan.mapped:
            return client.map(
                self._create_and_read, take_creates_late(fan) if fan.intake == "async" else take_creates(fan)
            )
        news = take_campaigns_late(fan) if fan.intake == "async" else (one.new for one in take_creates(fan))
        return client.campaigns.create_many(
            news,
            ignore_invalid_phone_numbers=first.ignore_invalid,
            on_unknown="reconcile" if first.reconcile else "raise",
        )

    async def _other(self, after: float, what: str) -> None:
        await asyncio.sleep(after)
        campaigns = self.client.campaigns
        with suppress(CampaignsError):
            if what == "list":
                await campaigns.list(page_size=7).collect(limit=30)
                return
            campaign_id = _STEADY if what == "get" else "nobody"
            got = await campaigns.get(campaign_id)
            if got.id != campaign_id:
                self.complaints.append(f"asked for {campaign_id}, and got {got.id}")

    async def _change(self, change: Change) -> None:
        await asyncio.sleep(change.after)
        campaigns, new = self.client.campaigns, self.script.creates[0].new
        try:
            if change.what == "delete":
                await campaigns.delete(change.campaign_id)
            else:
                start = new.start_date_time.replace(year=2040)
                await campaigns.update(change.campaign_id, CampaignUpdate(start, new.sender, CHANGED))
        except CampaignsError as error:
            change.error = error

    async def _close(self, after: float) -> None:
        await asyncio.sleep(after)
        await self.client.aclose()

    def _check_idle(self) -> None:
        stats, limiter = self.client.stats(), self.client._pool.limiter
        leaving = limiter.rate._reserved if limiter.rate is not None else 0
        if stats.in_flight or stats.waiting or leaving or any(not one.done() for one in limiter._queue):
            self.complaints.append(f"not idle at the end: {stats}, {leaving} leaving")

    async def key(self) -> str:
        """Return the newest key, as the `api_key` callable; sometimes a wrong key, or none."""
        self.asked += 1
        asked, known = self.asked, self.server.key
        await asyncio.sleep(0.05 * (asked % 5))
        if asked % 7 == 6:
            raise RuntimeError("the vault is closed")
        return f"wrong{asked}" if asked % 5 == 4 else known


def run(seed: int) -> World:
    """Run a seed.

    Raises:
        AssertionError: If an invariant does not hold; its note says how to run the seed again.
    """
    world = World(draw_script(seed))
    try:
        world.run()
    except BaseException as error:
        error.add_note(f"seed {seed}: SIM_SEED={seed} python -m pytest tests/simulation -k replay")
        raise
    return world
