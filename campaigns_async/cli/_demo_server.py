"""The server that the demo runs against, and what it has to say for itself afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Final, Literal, Protocol

from attrs import field, frozen

from campaigns_async import Campaign, CampaignsClient
from campaigns_async.cli._demo_content import Content, content_of_wire, outline_of, people_of
from campaigns_async.cli._demo_ledger import value_of
from campaigns_async.cli._demo_report import Counts
from campaigns_async.sandbox import Sandbox

SETTLE: Final = 5.0
"""Seconds for which a campaign must be missing on a server that is not our own, before it is sent again."""


@frozen
class Trouble:
    """What befalls a create, or several in a row."""

    status: int | None = None
    retry_after: str = ""
    drop: Literal["close", "reset"] | None = None
    act: bool = False
    """Whether it is carried out all the same."""
    row: int = 1
    """How many creates in a row: a limiter rarely refuses only one. Fewer than a call has attempts."""


_TROUBLES: Final = (
    *[Trouble(429, "0", row=4)] * 4,
    Trouble(429, "1"),
    Trouble(503, "0"),
    Trouble(503, "1"),
    # To the client a drop looks the same, whether the create was carried out or not.
    *[Trouble(drop="close")] * 4,
    *[Trouble(drop="reset")] * 4,
    *[Trouble(drop="close", act=True)] * 2,
    *[Trouble(drop="reset", act=True)] * 2,
)
_TROUBLES_EACH: Final = 500
"""So many campaigns meet each of these once."""


@frozen
class Stored:
    """A campaign on the server."""

    id: str
    content: Content = field(repr=False)


@frozen
class Seen:
    """What the server says of this run."""

    campaigns: tuple[Stored, ...]
    """Those that it created meanwhile."""
    counts: Counts


class Server(Protocol):
    """Where a run sends its campaigns."""

    @property
    def url(self) -> str:
        """Base URL."""
        ...

    @property
    def api_key(self) -> str:
        """The key it asks for."""
        ...

    @property
    def known(self) -> frozenset[str]:
        """Ids of the campaigns that stood there before."""
        ...

    @property
    def settle(self) -> float:
        """Seconds after which absence is believed, once `idle` came back."""
        ...

    async def idle(self) -> None:
        """Come back when it works on no request of ours, as far as it can tell."""
        ...

    async def look(self) -> Seen:
        """What it has to say."""
        ...


@frozen
class LocalServer:
    """A sandbox in this process: its memory is read, past HTTP and past the client."""

    _sandbox: Sandbox
    known: frozenset[str] = frozenset()
    settle: float = 0.0

    @property
    def url(self) -> str:
        """Base URL."""
        return self._sandbox.url

    @property
    def api_key(self) -> str:
        """The key it asks for."""
        return self._sandbox.api_key

    async def idle(self) -> None:
        """Come back when no request is in flight: from then on, what is absent stays absent."""
        await asyncio.sleep(0)
        while self._sandbox.in_flight:  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0.01)

    async def look(self) -> Seen:
        """What it was asked and what it created."""
        await self.idle()
        statuses = [request.status for request in self._sandbox.requests]
        return Seen(
            tuple(Stored(wire["id"], content_of_wire(wire, wire["contacts"])) for wire in self._sandbox.created),
            Counts(
                requests=len(statuses),
                throttled=sum(status in (429, 503) for status in statuses),
                dropped=statuses.count(None),
            ),
        )


@frozen
class RemoteServer:
    """A sandbox elsewhere: all that can be asked of it is what it lists."""

    url: str
    api_key: str = field(repr=False)
    known: frozenset[str] = field(repr=False)
    settle: float = SETTLE

    async def idle(self) -> None:
        """Nothing to wait for: it does not tell."""

    async def look(self) -> Seen:
        """The campaigns that were not there before, each with its contacts."""
        async with CampaignsClient(self.url, self.api_key) as client:

            async def stored(campaign: Campaign) -> Stored:
                people = people_of(await client.campaigns.contacts(campaign.id).collect())
                return Stored(campaign.id, Content(outline_of(campaign), people))

            new = [one for one in await client.campaigns.list().collect() if one.id not in self.known]
            async with client.map(stored, new) as outcomes:
                found = [value_of(outcome) async for outcome in outcomes]
        return Seen(tuple(found), Counts(requests=None, throttled=None, dropped=None))


def troubles(planned: int, seed: int) -> Mapping[int, Trouble]:
    """Which creates, counted from 1, meet which trouble; between two troubles one at least goes well."""
    draw = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
    kinds = draw.sample(_TROUBLES, len(_TROUBLES))
    parts = max(1, planned * len(kinds) // _TROUBLES_EACH)
    width = planned // parts
    found: dict[int, Trouble] = {}
    for start, trouble in zip(range(0, parts * width, width), cycle(kinds), strict=False):
        first = start + draw.randint(1, max(1, width - trouble.row))
        found |= dict.fromkeys(range(first, min(first + trouble.row, start + width + 1)), trouble)
    return found


@asynccontextmanager
async def local_server(planned: int, seed: int) -> AsyncGenerator[Server]:
    """A sandbox of our own, which fails now and then.

    Args:
        planned: How many creates to expect.
        seed: Decides which of them meet which fault.
    """
    async with Sandbox(seed=seed) as sandbox:
        for number, trouble in troubles(planned, seed).items():
            headers = {"Retry-After": trouble.retry_after} if trouble.status else {}
            sandbox.fault(
                operation="create", nth=number, times=1,
                status=trouble.status, headers=headers, drop=trouble.drop, act=trouble.act,
            )  # fmt: skip
        # Reads are repeated by the client itself, whatever befalls them.
        sandbox.fault(operation="list", nth=2, times=1, status=429, headers={"Retry-After": "0"})
        sandbox.fault(operation="contacts", nth=2, times=1, drop="reset")
        yield LocalServer(sandbox)


@asynccontextmanager
async def remote_server(url: str, api_key: str, settle: float = SETTLE) -> AsyncGenerator[Server]:
    """A sandbox elsewhere, after a look at what is there already."""
    async with CampaignsClient(url, api_key) as client:
        known = frozenset([campaign.id async for campaign in client.campaigns.list()])
    yield RemoteServer(url, api_key, known, settle)
