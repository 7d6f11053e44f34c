"""Single scenarios without random choices."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from attrs import evolve

from campaigns_async import (
    CampaignsClient,
    CampaignsError,
    DecodeError,
    Effect,
    OutcomeUnknownError,
    ReconcilePolicy,
    RetryPolicy,
    Timeouts,
)
from campaigns_async._http.request import Request
from campaigns_async.sandbox import Quirks
from simulation.faults import Plan, Weather
from simulation.loop import StuckError, VirtualLoop
from simulation.script import draw_script
from simulation.server import source
from simulation.setting import build
from simulation.surroundings import NOTHING, Surroundings
from simulation.world import World

PLANS = {
    "refused": Plan("refused", 0.0, 0.01, 0.01),
    "dropped": Plan("dropped", 0.0, 0.01, 0.01, acts=False),
    "status": Plan("status", 0.0, 0.01, 0.01, acts=False, status=500),
    "throttled": Plan("throttled", 0.0, 0.01, 0.01, acts=False, status=429),
}


def scene(weather: Weather, around: Surroundings = NOTHING, **settings: Any) -> World:
    """Build a world without random cancellations, pauses and limits."""
    script = evolve(draw_script(0, calls=60), weather=weather, quirks=Quirks(), server_limit=None, rotations=None)
    script.around, script.snatched, script.stalls = around, 0.0, 0.0
    world = World(script)
    settings = {"retry": RetryPolicy(), "timeouts": Timeouts(), "rate_limit": None, "overload": "wait", **settings}
    world.client = build(world, max_waiting=None, **settings)
    return world


class ScriptedWeather(Weather):
    """A weather that follows given plans, then repeats the last one."""

    def __init__(self, *plans: Plan, then: Plan) -> None:
        super().__init__(source(0, "weather"), {"fine": 1})
        self.plans = list(plans)
        self.then = then

    def plan(self, now: float, request: Request) -> Plan:
        return self.plans.pop(0) if self.plans else self.then


FINE = Plan("fine", 0.0, 0.01, 0.01)


async def ignore_errors(call: Coroutine[Any, Any, object]) -> None:
    """Await a call, and ignore its errors."""
    try:
        await call
    except CampaignsError:
        pass


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("reading", [False, True], ids=["creates", "reads"])
@pytest.mark.slow
def test_an_outage_costs_at_most_a_tenth_more_requests_than_calls(kind: str, reading: bool) -> None:
    world = scene(ScriptedWeather(then=PLANS[kind]), max_concurrency=8, observer=None)
    new, calls = world.script.creates[0].new, 2000

    async def main() -> None:
        campaigns = world.client.campaigns
        for _ in range(calls // 20):
            await asyncio.gather(
                *(ignore_errors(campaigns.get("one") if reading else campaigns.create(new)) for _ in range(20))
            )

    world.loop.run(main())
    assert calls <= len(world.server.sent) <= 1.1 * calls


def test_a_response_with_retry_after_releases_no_waiting_call() -> None:
    throttled = evolve(PLANS["throttled"], retry_after=2.0)
    world = scene(ScriptedWeather(throttled, then=FINE), max_concurrency=1)

    async def main() -> None:
        await asyncio.gather(*(world.client.campaigns.create(one.new) for one in world.script.creates[:4]))

    world.loop.run(main())
    first, second = world.server.sent[0], world.server.sent[1]
    assert second.began >= first.ended + 2.0


def test_a_call_that_waits_for_the_key_fails_when_the_client_closes() -> None:
    world = scene(ScriptedWeather(then=FINE))
    asked: list[asyncio.Future[str]] = []

    async def key() -> str:
        asked.append(asyncio.get_running_loop().create_future())
        return await asked[0]

    async def main() -> BaseException | str:
        client = CampaignsClient("https://sms.example", key)
        call = asyncio.create_task(client.campaigns.create(world.script.creates[0].new))
        await asyncio.sleep(1.0)
        await client.aclose()
        return (await asyncio.gather(call, return_exceptions=True))[0]

    ended = world.loop.run(main())
    assert isinstance(ended, CampaignsError), f"{ended!r}, though nobody cancelled it"


def test_a_search_ends_when_the_client_is_closed() -> None:
    # A search that is closed ends at its next look, which comes when two read timeouts have passed.
    settings = {"timeouts": Timeouts(read=2.0), "reconcile": ReconcilePolicy()}
    world = scene(ScriptedWeather(PLANS["dropped"], then=FINE), **settings)

    async def main() -> float:
        client = world.client
        doing = asyncio.create_task(
            ignore_errors(client.campaigns.create(world.script.creates[0].new, on_unknown="reconcile"))
        )
        await asyncio.sleep(1.0)
        await client.aclose()
        began = world.loop.time()
        await doing
        return world.loop.time() - began

    assert world.loop.run(main()) < 10.0


def test_a_create_that_was_applied_is_never_sent_again_even_if_no_list_shows_it() -> None:
    unreadable = Plan("empty", 0.0, 0.01, 0.01, status=201, body=b"", hidden=3000.0)
    world = scene(ScriptedWeather(unreadable, then=FINE), reconcile=ReconcilePolicy())

    async def main() -> str:
        return await world.client.campaigns.create(world.script.creates[0].new, on_unknown="reconcile")

    with pytest.raises(DecodeError):
        world.loop.run(main())
    assert sum(one.request.method == "POST" for one in world.server.sent) == 1


def test_a_campaign_without_a_readable_id_is_not_taken_by_a_duplicate() -> None:
    unreadable = evolve(PLANS["dropped"], kind="empty", acts=True, status=201, body=b"")
    world = scene(ScriptedWeather(unreadable, PLANS["dropped"], then=FINE), reconcile=ReconcilePolicy())
    new = world.script.creates[0].new

    async def main() -> str | None:
        await ignore_errors(world.client.campaigns.create(new))
        try:
            return await world.client.campaigns.create(new, on_unknown="reconcile")
        except OutcomeUnknownError:
            return None

    returned = world.loop.run(main())
    made = [act.campaign_id for acts in world.server.acts.values() for act in acts]
    assert returned is None or made.index(returned) == 1, "one campaign, and two creates that are reported as applied"


def test_the_campaign_of_a_duplicate_in_flight_is_not_taken() -> None:
    slow = evolve(FINE, back=4.0)
    world = scene(ScriptedWeather(PLANS["dropped"], slow, then=FINE), max_concurrency=4, reconcile=ReconcilePolicy())
    new = world.script.creates[0].new

    async def main() -> list[str]:
        campaigns = world.client.campaigns
        return await asyncio.gather(campaigns.create(new, on_unknown="reconcile"), campaigns.create(new))

    returned = world.loop.run(main())
    made = [act.campaign_id for acts in world.server.acts.values() for act in acts]
    assert returned == made[::-1], "the second create made the first campaign, and its response says so"


def test_a_fan_out_reports_creates_that_were_cancelled_before_they_began() -> None:
    world = scene(ScriptedWeather(then=FINE), max_concurrency=4)

    async def main() -> list[Effect]:
        outcomes = world.client.campaigns.create_many(one.new for one in world.script.creates[:4])
        first = asyncio.ensure_future(anext(outcomes))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task(), first}:
            task.cancel()  # as `asyncio.run` does at the end
        return [(await first).effect, *[one.effect async for one in outcomes]]

    assert world.loop.run(main()) == [Effect.NOT_SENT] * 4
    assert not world.server.sent


def test_a_loop_that_waits_forever_names_the_task_that_waits() -> None:
    async def waits_forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError, match="waits_forever"):
        VirtualLoop(0).run(waits_forever())


def test_a_loop_that_never_ends_is_stopped() -> None:
    async def ticks() -> None:
        while True:
            await asyncio.sleep(60)

    with pytest.raises(StuckError, match="no end in time"):
        VirtualLoop(0).run(ticks())
