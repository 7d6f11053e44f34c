"""The demo's run: create in parallel, settle what is in doubt, read back, and count both sides."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from attrs import frozen

from campaigns_async import Campaign, CampaignsClient, NewCampaign, Outcome
from campaigns_async.cli._demo_content import outline_of, people_of
from campaigns_async.cli._demo_ledger import Ledger, Tally, value_of
from campaigns_async.cli._demo_plan import PlanRow
from campaigns_async.cli._demo_report import Readback, Report
from campaigns_async.cli._demo_server import Seen, Server

_ROUNDS: Final = 5
"""How often what is in doubt is looked for, and what is absent sent again."""
_LISTED: Final = 6
_STREAMED: Final = 25
_PLAIN: Final = re.compile(r"[^\W_]+( [^\W_]+)*")
"""A sender that means nothing to the filter language."""


class Watch(Protocol):
    """Is told how far the run has come."""

    def begin(self, what: str, total: int) -> None:
        """A part of the run begins, of so many steps."""
        ...

    def step(self) -> None:
        """One step is done."""
        ...


@frozen
class Run:
    """The parts of one run share these."""

    plan: Sequence[PlanRow]
    server: Server
    client: CampaignsClient
    ledger: Ledger
    watch: Watch

    async def create(self, indices: Sequence[int]) -> None:
        """Create these rows, as many at once as the client has slots."""
        fan_out = self.client.campaigns.create_many([self.plan[index].campaign for index in indices])
        try:
            async with fan_out:
                async for outcome in fan_out:
                    self._record(indices[outcome.index], outcome)
        finally:
            # Interrupted: those in flight were let finish, and they count.
            async for outcome in fan_out:
                self._record(indices[outcome.index], outcome)

    def _record(self, index: int, outcome: Outcome[NewCampaign, str]) -> None:
        if self.ledger.record(index, outcome):
            self.watch.step()

    async def settle(self) -> None:
        """Look for what is in doubt; send again what is certainly absent, and nothing else."""
        for _ in range(_ROUNDS):
            before = set(self.ledger.in_doubt)
            absent = await self._look_for(before)
            if absent and self.server.settle:
                await asyncio.sleep(self.server.settle)
                absent = await self._look_for(absent)
            self.ledger.in_doubt -= absent
            self.ledger.absent += len(absent)
            if self.ledger.in_doubt == before:
                return  # nothing is in doubt, or nothing more can be learnt
            await self.create(sorted(absent))

    async def _look_for(self, indices: Iterable[int]) -> set[int]:
        """Settle those that are found; returns those that are absent. What is neither stays in doubt."""
        await self.server.idle()
        by_sender: dict[str, list[int]] = {}
        for index in sorted(indices):
            by_sender.setdefault(self.plan[index].campaign.sender, []).append(index)
        absent: set[int] = set()
        for sender, rows in by_sender.items():
            ours = {*self.server.known, *self.ledger.ids.values()}
            candidates = [one for one in await self._of_sender(sender) if one.id not in ours]
            for index in rows:
                exact, close = await self._compare(self.plan[index], candidates)
                if len(exact) == 1:
                    self.ledger.ids[index] = exact[0]
                    self.ledger.in_doubt.remove(index)
                    self.ledger.found += 1
                    self.watch.step()
                elif not exact and not close:
                    absent.add(index)
        return absent

    async def _compare(self, row: PlanRow, candidates: Iterable[Campaign]) -> tuple[list[str], bool]:
        """Ids of the candidates that are this row, and whether any other comes suspiciously close."""
        exact: list[str] = []
        close = False
        wanted = row.content.outline
        for campaign in candidates:
            outline = outline_of(campaign)
            if outline.start != wanted.start:
                continue
            people = people_of(await self.client.campaigns.contacts(campaign.id).collect())
            if outline == wanted and people == row.content.people:
                exact.append(campaign.id)
            elif outline.message == wanted.message or people == row.content.people:
                close = True  # the server may have altered the rest
        return exact, close

    async def _of_sender(self, sender: str) -> list[Campaign]:
        if _PLAIN.fullmatch(sender) and sender.lower() != "null":
            return await self.client.campaigns.list(filters=f"sender=={sender}").collect()
        return [one for one in await self.client.campaigns.list().collect() if one.sender == sender]

    async def list_back(self) -> tuple[Readback, ...]:
        """List the campaigns of the busiest senders, and of one with a blank in it."""
        rows_of: dict[str, set[int]] = {}
        for index, row in enumerate(self.plan):
            rows_of.setdefault(row.campaign.sender, set()).add(index)
        busiest = sorted(rows_of, key=lambda sender: (-len(rows_of[sender]), sender))
        senders = dict.fromkeys([*[one for one in busiest if " " in one][:1], *busiest])
        chosen = list(senders)[:_LISTED]
        self.watch.begin("listing back", len(chosen))
        found: list[Readback] = []
        for sender in chosen:
            listed = {one.id for one in await self._of_sender(sender)} - self.server.known
            held = {self.ledger.ids.get(index) for index in rows_of[sender]}
            found.append(Readback(expected=len(rows_of[sender]), got=len(listed), same=listed == held))
            self.watch.step()
        return tuple(found)

    async def stream(self, seed: int) -> tuple[Readback, ...]:
        """Stream the contacts of some campaigns, one campaign beside the other."""
        held = sorted(self.ledger.ids)
        draw = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
        chosen = draw.sample(held, min(_STREAMED, len(held)))
        self.watch.begin("streaming contacts", len(chosen))
        found: list[Readback] = []
        async with self.client.map(self._stream_one, chosen) as outcomes:
            async for outcome in outcomes:
                found.append(value_of(outcome))
                self.watch.step()
        return tuple(found)

    async def _stream_one(self, index: int) -> Readback:
        people = people_of([one async for one in self.client.campaigns.contacts(self.ledger.ids[index])])
        wanted = self.plan[index].content.people
        return Readback(expected=len(wanted), got=len(people), same=people == wanted)


async def run(
    plan: Sequence[PlanRow], server: Server, *, ledger: Ledger, watch: Watch, concurrency: int, seed: int
) -> Report:
    """Carry the plan out and count it.

    Args:
        plan: The campaigns.
        server: Where they go.
        ledger: An empty one; tells how far it came, should the run be interrupted.
        watch: Is told of each step.
        concurrency: Requests in flight at most, from 1.
        seed: Decides whose contacts are streamed.

    Raises:
        CampaignsError: Something could not be read back.
    """
    tally = Tally()
    started = time.monotonic()
    async with CampaignsClient(server.url, server.api_key, max_concurrency=concurrency, observer=tally) as client:
        parts = Run(plan, server, client, ledger, watch)
        watch.begin("creating campaigns", len(plan))
        await parts.create(range(len(plan)))
        creating = time.monotonic() - started
        await parts.settle()
        listings = await parts.list_back()
        streams = await parts.stream(seed)
    watch.begin("asking the server", 1)
    seen = await server.look()
    watch.step()
    return _report(
        plan, ledger, tally, seen, listings=listings, streams=streams,
        creating=creating, elapsed=time.monotonic() - started,
    )  # fmt: skip


def _report(
    plan: Sequence[PlanRow],
    ledger: Ledger,
    tally: Tally,
    seen: Seen,
    *,
    listings: tuple[Readback, ...],
    streams: tuple[Readback, ...],
    creating: float,
    elapsed: float,
) -> Report:
    stored = Counter(one.content for one in seen.campaigns)
    copies = tuple(stored.pop(row.content, 0) for row in plan)
    return Report(
        planned=len(plan),
        ids=tuple(ledger.ids.values()),
        failures=tuple(ledger.failures.items()),
        calls=tally.creates,
        retried=tally.retried,
        doubts=ledger.doubts,
        found=ledger.found,
        absent=ledger.absent,
        left=len(ledger.in_doubt),
        client=tally.counts(),
        server=seen.counts,
        server_ids=tuple(one.id for one in seen.campaigns),
        copies=copies,
        strangers=stored.total(),
        listings=listings,
        streams=streams,
        creating=creating,
        elapsed=elapsed,
    )
