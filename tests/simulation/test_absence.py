"""A create whose response is lost is never sent twice, whatever the server alters and lists show; one that failed is sent again.

These scenes are without random choices; the sweep has the same kinds in worlds where much else goes wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve
from support.made import START

from campaigns_async import CampaignsError, NewCampaign, NewContact, OutcomeUnknownError, ReconcilePolicy, Timeouts
from campaigns_async._http import codec
from campaigns_async._http.request import Request
from simulation import kinds
from simulation.altering import Alteration
from simulation.faults import Plan
from simulation.foreign import make_stranger
from simulation.lists import ListFault
from simulation.people import write_number
from simulation.server import ModelTransport
from simulation.surroundings import Surroundings
from simulation.test_scenes import FINE, ScriptedWeather, scene
from simulation.world import World

READ = 2.0
LOST = Plan("dropped", 0.0, 0.01, 0.01)
NEVER = evolve(LOST, acts=False)
NEW = NewCampaign(
    START,
    "Clubhouse",
    "Déjà prêt: two for one | today",
    [NewContact(write_number(1, index)) for index in range(3)],
    track_link_url="https://example.com/a-long-link",
)
VARIANTS = range(5)


def build(around: Surroundings, *plans: Plan, **settings: Any) -> World:
    """Build a world in which the first requests have these plans, and all others go well."""
    given = {"timeouts": Timeouts(read=READ), "reconcile": ReconcilePolicy(settle=1.0), "max_concurrency": 4}
    return scene(ScriptedWeather(*plans, then=FINE), around=around, **(given | settings))


def create(world: World, new: NewCampaign = NEW) -> str | CampaignsError:
    """Create the campaign, and return the id or the error once all that was sent has been carried out."""

    async def main() -> str | CampaignsError:
        outcome = await create_in(world, new)
        await asyncio.sleep(10.0)
        return outcome

    return world.loop.run(main())


async def create_in(world: World, new: NewCampaign = NEW) -> str | CampaignsError:
    try:
        return await world.client.campaigns.create(new, on_unknown="reconcile")
    except CampaignsError as error:
        return error


def put_strangers(world: World) -> None:
    for number in range(6):
        stranger = make_stranger(number, NEW)
        world.server.store.seed(stranger.wire, stranger.contacts, None)


def count_made(world: World, new: NewCampaign = NEW) -> int:
    return len(world.server.acts.get(codec.encode_model(new), ()))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", kinds.ALTERED)
def test_what_a_server_has_altered_is_not_sent_again(kind: str, variant: int) -> None:
    world = build(Surroundings(Alteration(kind, variant)), LOST)
    outcome = create(world)
    assert world.server.kinds[kind] == 1
    assert count_made(world) == 1
    assert isinstance(outcome, OutcomeUnknownError)
    made = world.server.store.all[-1].wire["id"]
    assert [each.id for each in outcome.candidates] == [made]


@pytest.mark.parametrize("kind", kinds.LISTS)
@pytest.mark.parametrize("there", [True, False], ids=["there", "absent"])
def test_whatever_is_wrong_with_lists_it_ends_created_once(kind: str, there: bool) -> None:
    around = Surroundings(list_fault=ListFault(kind, lag=1.5, cap=2))
    world = build(around, LOST if there else NEVER, page_size=5)
    put_strangers(world)
    outcome = create(world)
    assert count_made(world) == 1
    assert isinstance(outcome, str)


@pytest.mark.parametrize("kind", ["start null", "start now"])
@pytest.mark.parametrize("variant", [0, 1])
def test_a_cache_does_not_answer_a_search_with_the_list_of_an_earlier_one(kind: str, variant: int) -> None:
    around = Surroundings(Alteration(kind, variant), ListFault("stale lists"))
    other = evolve(NEW, contacts=[NewContact(write_number(2, index)) for index in range(3)])
    world = build(around, NEVER, *[FINE] * 40)

    async def main() -> None:
        await create_in(world, other)  # its search fills the cache
        world.server.weather.plans = [LOST]  # type: ignore[attr-defined]  # a ScriptedWeather
        await create_in(world)

    world.loop.run(main())
    assert count_made(world) == 1


@pytest.mark.parametrize("variant", [0, 1])
def test_a_campaign_without_a_start_is_looked_for_though_the_server_refuses_every_order(variant: int) -> None:
    world = build(Surroundings(Alteration("start null", variant), ListFault("refused order")), LOST, page_size=5)
    put_strangers(world)
    outcome = create(world)
    assert count_made(world) == 1
    assert isinstance(outcome, OutcomeUnknownError)


def test_a_search_asks_for_lists_that_come_from_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Mapping[str, str] | None] = []

    async def send(self: ModelTransport, request: Request, *others: Any) -> Any:
        if request.method == "GET":
            asked.append(others[-1])
        return await original(self, request, *others)

    original = ModelTransport.send
    monkeypatch.setattr(ModelTransport, "send", send)
    assert isinstance(create(build(Surroundings(), LOST)), str)
    assert asked
    assert all(headers == {"Cache-Control": "no-cache"} for headers in asked)


@pytest.mark.parametrize("drops_after", [0.01, None], ids=["dropped", "silent"])
@pytest.mark.parametrize("settle", [0.0, None])
def test_a_server_may_act_two_read_timeouts_after_the_request(drops_after: float | None, settle: float | None) -> None:
    late = Plan("late acts", 0.0, 1.9 * READ, 0.01, drops_after=drops_after)
    world = build(Surroundings(), late, reconcile=ReconcilePolicy(settle=settle))
    assert isinstance(create(world), str)
    assert count_made(world) == 1


def test_a_server_may_act_a_settling_time_after_the_create_has_ended() -> None:
    late = Plan("late acts", 0.0, READ + 4.5, 0.01)
    world = build(Surroundings(), late, reconcile=ReconcilePolicy(settle=5.0))
    assert isinstance(create(world), str)
    assert count_made(world) == 1


def test_the_timeout_begins_at_the_end_of_settling() -> None:
    world = build(Surroundings(), NEVER, reconcile=ReconcilePolicy(settle=20.0, timeout=5.0, pause=0.5))
    assert isinstance(create(world), str)
    assert count_made(world) == 1


@pytest.mark.parametrize("jump", [-86_400.0, -3600.0, 3600.0, 86_400.0])
def test_a_clock_that_is_set_in_a_search_shortens_nothing(jump: float) -> None:
    late = Plan("late acts", 0.0, 1.9 * READ, 0.01, drops_after=0.01)
    world = build(Surroundings(jumps=((1000.5, jump),)), late)
    assert isinstance(create(world), str)
    assert count_made(world) == 1


@pytest.mark.parametrize("shared", [0, 1])
@pytest.mark.parametrize("there", [True, False], ids=["there", "absent"])
def test_a_campaign_of_others_to_fewer_than_half_of_ours_keeps_nothing_unknown(shared: int, there: bool) -> None:
    world = build(Surroundings(), LOST if there else NEVER)
    foreign = make_stranger(1, NEW)
    contacts = [{**each} for each in foreign.contacts]
    for contact, ours in zip(contacts[:shared], NEW.contacts, strict=False):
        contact["phoneNumber"] = ours.phone_number
    world.server.store.seed(foreign.wire | {"message": "Annual meeting of members"}, contacts, None)
    outcome = create(world)
    assert count_made(world) == 1
    assert isinstance(outcome, str)
