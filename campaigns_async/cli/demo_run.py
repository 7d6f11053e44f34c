"""Runs the demo: creates made-up campaigns on a sandbox, and compares the client's figures with the server's.

Nothing that is shown holds a number, a name, a text or a key.
"""

from __future__ import annotations

import asyncio
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote

import click
from attrs import Factory, define, evolve

from campaigns_async import (
    AttemptFinished,
    CampaignsClient,
    CampaignsError,
    Effect,
    Event,
    NewCampaign,
    NewContact,
    NotFoundError,
    Operation,
    Outcome,
    OutcomeUnknownError,
    Reconciled,
    ReconcilePolicy,
    query,
)
from campaigns_async._checks import check_base_url
from campaigns_async.cli.bars import Figures, ProgressView, show_progress
from campaigns_async.cli.connection import check_setting, read_key
from campaigns_async.cli.console import print_line, print_output, print_table
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.sandbox import Fault, Sandbox

_LIVE: Final = "dynamicmessaging"
"""The label in all of the provider's hosts, dynamicmessaging.co.uk and below."""
_CAMPAIGNS: Final = 500
_CONTACTS: Final = 20
_LISTED: Final = 6
_STREAMED: Final = 25

_SENDERS: Final = ("HarbourGym", "Pier 9 Cafe", "Golf", "TideTheatre", "Quayside", "Nord Books", "Florist", "Vet 24")
_TEXTS: Final = (
    "Doors open at seven tonight. Show code {code} at the desk.",
    "“20% off” until Sunday with code {code}. Reply to none of this, just come by!",
    "Your table is ready 🎉 Tell us {code} and we save £5.",
)
_NAMES: Final = ("Siân", "Jörg Krämer", "刘建国", "Trần Trang", None, None, None)
_FIRST_START: Final = datetime(2031, 1, 2, 8, 30, tzinfo=UTC)

_FAULTS: Final = (
    *[Fault(operation="create", times=4, status=429, headers={"Retry-After": "0"})] * 4,
    Fault(operation="create", times=1, status=429, headers={"Retry-After": "1"}),
    Fault(operation="create", times=1, status=503, headers={"Retry-After": "0"}),
    Fault(operation="create", times=1, status=503, headers={"Retry-After": "1"}),
    # To the client a drop looks the same, whether the create was carried out or not.
    *[Fault(operation="create", times=1, drop="close")] * 4,
    *[Fault(operation="create", times=1, drop="reset")] * 4,
    *[Fault(operation="create", times=1, drop="close", act=True)] * 2,
    *[Fault(operation="create", times=1, drop="reset", act=True)] * 2,
)

Content: TypeAlias = tuple[object, ...]
"""A campaign without its ids, in a form in which both sides compare equal."""


def make_campaigns(seed: int) -> list[NewCampaign]:
    """Return made-up campaigns, all different, with numbers of Ofcom's range for fiction."""
    draw = Random(seed)  # noqa: S311 - repeatable, not secret
    return [
        NewCampaign(
            start_date_time=_FIRST_START + timedelta(hours=7 * index),
            sender=draw.choice(_SENDERS),
            message=draw.choice(_TEXTS).format(code=f"TIDE{index:03}"),
            contacts=[
                NewContact(f"{draw.choice(('07', '+447'))}700900{number:03}", name=draw.choice(_NAMES))
                for number in draw.sample(range(1000), _CONTACTS)
            ],
        )
        for index in range(_CAMPAIGNS)
    ]


def add_faults(sandbox: Sandbox, seed: int) -> None:
    """Have creates fail in each way, evenly spread so that no call meets as many 429 as it has attempts."""
    draw = Random(seed)  # noqa: S311 - as above
    width = _CAMPAIGNS // len(_FAULTS)
    for index, fault in enumerate(draw.sample(_FAULTS, len(_FAULTS))):
        first = index * width + draw.randint(1, width - (fault.times or 0))
        sandbox.add_fault(evolve(fault, nth=first))
    sandbox.fault(operation="list", nth=2, times=1, status=429, headers={"Retry-After": "0"})
    sandbox.fault(operation="contacts", nth=2, times=1, drop="reset")


class Row(NamedTuple):
    """A figure, by who counted it. All that counted it must have the same."""

    name: str
    client: float | str | None = None
    server: int | None = None
    plan: int | None = None

    @property
    def agrees(self) -> bool:
        """True if no two counts differ."""
        return len({count for count in self[1:] if count is not None}) <= 1

    def __str__(self) -> str:
        counts = {name: count for name, count in zip(self._fields[1:], self[1:], strict=True) if count is not None}
        return f"{self.name.strip()}: " + ", ".join(f"{count} by the {name}" for name, count in counts.items())


@define
class Demo:
    """One run of the demo, and the observer of its client."""

    campaigns: Sequence[NewCampaign]
    sandbox: Sandbox | None
    """None for a sandbox elsewhere."""
    view: ProgressView | None = None
    figures: Figures | None = None
    counts: Counter[str] = Factory(Counter[str])
    ids: dict[int, str] = Factory(dict[int, str])
    """Of the campaigns that the client holds for created, by their index."""
    known: frozenset[str] = frozenset()
    """Ids that were on the server before."""
    differences: list[str] = Factory(list[str])
    """What is wrong beside the rows."""

    def on_event(self, event: Event, /) -> None:
        """Count one event of the client."""
        counts = self.counts
        if isinstance(event, Reconciled):
            counts[event.verdict] += 1
        elif isinstance(event, AttemptFinished) and event.effect is not Effect.NOT_SENT:
            counts["requests"] += 1
            counts["retried"] += event.attempt > 1
            counts["throttled"] += event.status in {429, 503}
            counts["dropped"] += event.failure == "dropped"
            counts["unknown"] += event.operation is Operation.CREATE and event.effect is Effect.UNKNOWN

    async def run(self, client: CampaignsClient) -> list[Row]:
        """Run all of it, and return the figures."""
        started = time.monotonic()
        if self.sandbox is None:
            self.known = frozenset([each.id async for each in client.campaigns.list()])
        await self._create(client)
        creating = time.monotonic() - started
        listed = await self._list_back(client)
        streamed = await self._stream_back(client)
        stored = await self._read_server(client)
        counts, total = self.counts, len(self.campaigns)
        settled = counts["found"] + counts["absent"] + counts["left"]
        self._expect(
            "unknown outcomes", counts["unknown"] == settled, f"{counts['unknown']}, and {settled} are settled"
        )
        on_server = Counter(content for _, content in stored)
        once = sum(on_server[_content(new)] == 1 for new in self.campaigns)
        requests = throttled = dropped = None
        if self.sandbox is not None:
            statuses = [request.status for request in self.sandbox.requests]
            requests, dropped = len(statuses), statuses.count(None)
            throttled = statuses.count(429) + statuses.count(503)
        return [
            Row("campaigns created", len({*self.ids.values()} & {id_ for id_, _ in stored}), len(stored), total),
            Row("  on the server exactly once", None, once, total),
            Row("requests", counts["requests"], requests),
            Row("throttled (429, 503)", counts["throttled"], throttled),
            Row("connections dropped", counts["dropped"], dropped),
            Row("requests that the client repeated", counts["retried"]),
            Row("creates with an unknown outcome", counts["unknown"]),
            Row("  found on the server", counts["found"]),
            Row("  absent, sent again", counts["absent"]),
            Row("  still unknown, not sent again", counts["left"], None, 0),
            listed,
            streamed,
            Row("seconds in all", f"{time.monotonic() - started:.1f}"),
            Row("campaigns a second, throttling included", f"{total / creating:.0f}"),
        ]

    def _expect(self, what: str, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.differences.append(f"{what}: {otherwise}")

    def _begin(self, doing: str, total: int, unit: str) -> None:
        self.figures = Figures(doing, 0, total, unit)
        if self.view is not None:
            self.view.refresh(at_once=True)

    def _step(self) -> None:
        if self.figures is not None:
            self.figures = evolve(self.figures, done=self.figures.done + 1)

    async def _create(self, client: CampaignsClient) -> None:
        self._begin("creating", len(self.campaigns), "campaigns")
        fan_out = client.campaigns.create_many(self.campaigns, on_unknown="reconcile")
        try:
            async with fan_out:
                async for outcome in fan_out:
                    self._record(outcome)
        finally:
            async for outcome in fan_out:  # interrupted: those in flight finish, and count
                self._record(outcome)

    def _record(self, outcome: Outcome[NewCampaign, str]) -> None:
        self._step()
        if outcome.value is not None:
            self.ids[outcome.index] = outcome.value
        elif isinstance(outcome.error, OutcomeUnknownError):
            self.counts["left"] += 1
        else:
            self.differences.append(f"a create failed: {type(outcome.error).__name__}")

    async def _list_back(self, client: CampaignsClient) -> Row:
        """List the campaigns of some senders through a filter."""
        self._begin("listing back", _LISTED, "senders")
        expected = got = 0
        for sender in _SENDERS[:_LISTED]:
            filters = query.campaign.sender == sender
            found = {each.id async for each in client.campaigns.list(filters=filters)} - self.known
            ours = {self.ids.get(index) for index, new in enumerate(self.campaigns) if new.sender == sender}
            self._expect("listed back", found == ours, "other campaigns than were created")
            expected, got = expected + len(ours), got + len(found)
            self._step()
        return Row(f"listed back, of {_LISTED} senders", got, None, expected)

    async def _stream_back(self, client: CampaignsClient) -> Row:
        """Stream the contacts of some campaigns, several campaigns at a time."""
        chosen = sorted(self.ids)[:: max(1, len(self.ids) // _STREAMED)][:_STREAMED]
        self._begin("streaming contacts", len(chosen), "campaigns")
        indices = {self.ids[index]: index for index in chosen}
        got = 0
        async with client.map(partial(_read_people, client), indices) as outcomes:
            async for outcome in outcomes:
                found = () if isinstance(outcome.error, NotFoundError) else _value_of(outcome)
                expected = _people(self.campaigns[indices[outcome.item]].contacts)
                self._expect("streamed", found == expected, "other contacts than were sent")
                got += len(found)
                self._step()
        return Row(f"contacts streamed, of {len(chosen)} campaigns", got, None, _CONTACTS * len(chosen))

    async def _read_server(self, client: CampaignsClient) -> list[tuple[str, Content]]:
        """Return the campaigns that the server created: from its memory, or elsewhere as it lists them."""
        self._begin("asking the server", 1, "server")
        if self.sandbox is None:
            created = {each.id: each async for each in client.campaigns.list() if each.id not in self.known}
            async with client.map(partial(_read_people, client), created) as outcomes:
                people = {outcome.item: _value_of(outcome) async for outcome in outcomes}
            return [
                (id_, (each.start_date_time, each.sender, each.message, people[id_])) for id_, each in created.items()
            ]
        while self.sandbox.in_flight:  # noqa: ASYNC110 - the sandbox has no event for this
            await asyncio.sleep(0.01)
        try:
            self.sandbox.assert_no_double_send()
        except AssertionError as error:
            self.differences.append(str(error))
        return [(wire["id"], _stored_content(wire)) for wire in self.sandbox.created]


def _value_of(outcome: Outcome[str, tuple[object, ...]]) -> tuple[object, ...]:
    if outcome.error is not None:
        raise outcome.error
    return outcome.value or ()


async def _read_people(client: CampaignsClient, campaign_id: str) -> tuple[object, ...]:
    return _people([each async for each in client.campaigns.contacts(campaign_id)])


def _people(contacts: Iterable[Any]) -> tuple[object, ...]:
    """Return who is texted: a server may write a number in another notation."""
    return tuple(sorted((each.phone_number[-10:], each.name or "") for each in contacts))


def _content(new: NewCampaign) -> Content:
    return (new.start_date_time, new.sender, new.message, _people(new.contacts))


def _stored_content(wire: dict[str, Any]) -> Content:
    people = tuple(sorted((each["phoneNumber"][-10:], each["name"] or "") for each in wire["contacts"]))
    return (datetime.fromisoformat(wire["startDateTime"]), wire["sender"], wire["message"], people)


def run_demo(*, base_url: str | None, api_key_file: Path | None, concurrency: int, seed: int) -> int:
    """Run the demo, print its figures, and return the exit code.

    Raises:
        click.ClickException: If it cannot begin, or an error ends it.
    """
    url, key = _server_of(base_url, api_key_file)
    sandbox = Sandbox(seed=seed) if url is None else None
    demo = Demo(make_campaigns(seed), sandbox)

    async def work() -> list[Row]:
        async with AsyncExitStack() as stack:
            base_url, api_key, policy = url or "", key, ReconcilePolicy()
            if sandbox is not None:
                await stack.enter_async_context(sandbox)
                add_faults(sandbox, seed)
                # It carries a create out before it drops the connection: absence needs no long proof.
                base_url, api_key, policy = sandbox.url, sandbox.api_key, ReconcilePolicy(settle=0.2, pause=0.2)
            client = await stack.enter_async_context(
                CampaignsClient(base_url, api_key, max_concurrency=concurrency, observer=demo, reconcile=policy)
            )
            demo.view = await stack.enter_async_context(show_progress(lambda: demo.figures))
            return await demo.run(client)

    try:
        rows = run_loop(work)
    except Interrupted as error:
        print_line(f"interrupted, nothing more is sent{_so_far(demo)}")
        return error.exit_code
    except CampaignsError as error:
        advice = "please report it" if url is None else "is a sandbox running at --base-url, with this key?"
        raise click.ClickException(f"{error}: {advice}{_so_far(demo)}") from error
    except OSError as error:
        raise click.ClickException(
            f"the sandbox cannot be started: {error.strerror or type(error).__name__}"
        ) from error
    print_table(
        [["" if cell is None else str(cell) for cell in row] for row in rows], "", ">client", ">server", ">plan"
    )
    off = [str(row) for row in rows if not row.agrees] + demo.differences
    for line in off:
        print_line(f"off: {line}")
    if off:
        print_line(f"figures are off: run it again with --seed {seed}, and report the lines above")
        return 1
    print_output("Every figure agrees.")
    return 0


def _server_of(base_url: str | None, api_key_file: Path | None) -> tuple[str | None, str]:
    if base_url is None:
        if api_key_file is not None:
            raise click.UsageError("--api-key-file goes with --base-url; the demo's own sandbox makes its own key")
        return None, ""
    if is_live(base_url):
        raise click.UsageError(
            "--base-url names the provider's live service, where real people would be texted, and you charged: "
            "name a sandbox, or leave it out to have one started"
        )
    return check_setting(lambda: check_base_url("--base-url", base_url)), read_key(api_key_file)


def _so_far(demo: Demo) -> str:
    if not demo.ids and not demo.counts["left"]:
        return ""
    where = "they stay on that server" if demo.sandbox is None else "they went with the sandbox"
    created = f"{len(demo.ids)} of {len(demo.campaigns)} campaigns were created"
    return f" ({created}, {demo.counts['left']} have an unknown outcome: {where})"


def is_live(url: str) -> bool:
    """Return True if a URL names the provider anywhere, in any spelling.

    The check refuses too much rather than too little: user names, paths (a proxy may pass them on) and queries count.
    """
    return _LIVE in _normalize(url)


def _normalize(url: str) -> str:
    """Return the URL decoded, in lower case, and without the characters that resolvers and browsers drop."""
    text, before = unquote(url), url
    while text != before:
        text, before = unquote(text), text
    text = unicodedata.normalize("NFKD", text).casefold()
    return re.sub(r"[^0-9a-z.:/@?#%-]", "", text)
