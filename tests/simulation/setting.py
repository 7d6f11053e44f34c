"""The parts of a world: the client on its model, rows of the server, and the items of a fan-out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from campaigns_async import CampaignsClient, NewCampaign
from simulation.script import Create, FanOut
from simulation.server import ModelTransport, VirtualClock, source

if TYPE_CHECKING:
    from simulation.world import World

CHANGED = "changed"
"""The text of an updated campaign."""


def build(world: World, **others: Any) -> CampaignsClient:
    """Build the client of a world: the real one, but for its transport, clock and random numbers."""
    script = world.script
    given = {
        "max_concurrency": script.max_concurrency,
        "rate_limit": script.rate_limit,
        "timeouts": script.timeouts[0],
        "retry": script.retry,
        "reconcile": script.reconcile,
        "page_size": script.page_size,
        "overload": "wait" if script.max_waiting is None else "raise",
        "max_waiting": script.max_waiting,
        "observer": world,
        "ssl": False,  # else the CAs of the environment are read
    }
    key = world.server.key if script.rotations is None else world.key
    client = CampaignsClient("https://sms.example", key, **{**given, **others})
    pool, clock, dice = client._pool, VirtualClock(script.around.jumps), source(script.seed, "client")
    pool.transport, pool.clock, pool.random = ModelTransport(world.server), clock, dice
    pool.limiter._clock, pool.limiter._random = clock, dice
    return client


def to_wire(campaign_id: str, new: NewCampaign, start: str | None = None) -> dict[str, Any]:
    """Return a campaign as the server stores it."""
    return {
        "id": campaign_id,
        "startDateTime": start or f"{new.start_date_time:%Y-%m-%dT%H:%M:%S}.000Z",
        "sender": new.sender,
        "recipientCount": len(new.contacts),
        "message": new.message,
        "status": 0,
        "optOutLinkId": None,
        "trackLinkUrl": None,
    }


def take_creates(fan: FanOut) -> Iterator[Create]:
    """Yield the creates, each marked as taken."""
    for create in fan.creates:
        create.taken = True
        yield create


async def take_creates_late(fan: FanOut) -> AsyncIterator[Create]:
    """Yield the creates, each marked as taken, with pauses."""
    for create in fan.creates:
        await asyncio.sleep(0.02 * (create.number % 3))
        create.taken = True
        yield create


async def take_campaigns_late(fan: FanOut) -> AsyncIterator[NewCampaign]:
    """Yield the campaigns of the creates, with pauses."""
    async with aclosing(take_creates_late(fan)) as creates:
        async for create in creates:
            yield create.new
