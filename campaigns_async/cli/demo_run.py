"""The run of the demo: it creates invented campaigns on a sandbox, and compares the client's figures with the server's.

No phone number, name, text or key is shown.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

import click
from attrs import Factory, define, evolve

from campaigns_async import (
    AttemptFinished,
    CampaignsClient,
    CampaignsError,
    Contact,
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
    Timeouts,
    query,
)
from campaigns_async.cli.bars import ProgressFigures, show_progress
from campaigns_async.cli.console import print_line, print_output, print_table
from campaigns_async.cli.signals import Interrupted, run as run_loop
from campaigns_async.sandbox import Fault, Sandbox

_CAMPAIGNS: Final = 500
_CONTACTS: Final = 20
_LISTED: Final = 6
_READ: Final = 25

_SENDERS: Final = ("HarbourGym", "Pier 9 Cafe", "Golf", "TideTheatre", "Quayside", "Nord Books", "Florist", "Vet 24")
_TEXTS: Final = (
    "Doors open at seven tonight. Show code {code} at the desk.",
    "“20% off” until Sunday with code {code}. Reply to none of this, just come by!",
    "Your table is ready 🎉 Show code {code} and save £5.",
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


def make_campaigns(seed: int) -> list[NewCampaign]:
    """Return invented campaigns, all different, with numbers from Ofcom's range for fiction."""
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
    """Make creates fail in each way, spread so evenly that no call uses up its attempts on 429."""
    draw = Random(seed)  # noqa: S311 - as above
    width = _CAMPAIGNS // len(_FAULTS)
    for index, fault in enumerate(draw.sample(_FAULTS, len(_FAULTS))):
        first = index * width + draw.randint(1, width - (fault.times or 0))
        sandbox.add_fault(evolve(fault, nth=first))
    sandbox.fault(operation="list", nth=2, times=1, status=429, headers={"Retry-After": "0"})
    sandbox.fault(operation="contacts", nth=2, times=1, drop="reset")


class Comparison(NamedTuple):
    """A figure as counted by the client and the server, and as planned. None if it was not counted there."""

    name: str
    client: float | str | None = None
    server: int | None = None
    plan: int | None = None

    @property
    def agrees(self) -> bool:
        """True if no two figures differ."""
        return len({figure for figure in self[1:] if figure is not None}) <= 1

    def __str__(self) -> str:
        figures = zip(self[1:], self._fields[1:], strict=True)
        return f"{self.name.strip()}: " + ", ".join(f"{figure} ({of})" for figure, of in figures if figure is not None)


@define
class Demo:
    """One run of the demo, and the observer of its client.

    Attributes:
        counts: The client's events, counted.
        ids: The id of each campaign that the client created, by the campaign's index.
        differences: Differences that are no comparison of figures, in words.
    """

    campaigns: Sequence[NewCampaign]
    sandbox: Sandbox
    progress: ProgressFigures | None = None
    counts: Counter[str] = Factory(Counter[str])
    ids: dict[int, str] = Factory(dict[int, str])
    differences: list[str] = Factory(list[str])

    def on_event(self, event: Event, /) -> None:
        """Count one event of the client."""
        if isinstance(event, Reconciled):
            self.counts[event.verdict] += 1
        elif isinstance(event, AttemptFinished):
            self.counts["dropped"] += event.failure == "dropped"
            self.counts["unknown"] += event.operation is Operation.CREATE and event.effect is Effect.UNKNOWN

    async def run(self, client: CampaignsClient) -> list[Comparison]:
        """Create the campaigns, read them back, and return the figures."""
        started = time.monotonic()
        await self._create(client)
        creating = time.monotonic() - started
        listed = await self._list_back(client)
        read = await self._read_contacts(client)
        stored = await self._read_server()
        counts, total, stats = self.counts, len(self.campaigns), client.stats()
        settled = counts["found"] + counts["absent"] + counts["left"]
        if counts["unknown"] != settled:
            self.differences.append(f"unknown outcomes: {counts['unknown']}, {settled} of them settled")
        on_server = Counter(stored.values())
        once = sum(on_server[_content(new)] == 1 for new in self.campaigns)
        statuses = [request.status for request in self.sandbox.requests]
        return [
            Comparison("campaigns created", len(stored.keys() & self.ids.values()), len(stored), total),
            Comparison("  on the server exactly once", None, once, total),
            Comparison("requests", stats.attempts, len(statuses)),
            Comparison("throttled (429, 503)", stats.throttled, statuses.count(429) + statuses.count(503)),
            Comparison("connections dropped", counts["dropped"], statuses.count(None)),
            Comparison("requests retried", stats.retries),
            Comparison("creates with an unknown outcome", counts["unknown"]),
            Comparison("  found on the server", counts["found"]),
            Comparison("  not on the server, sent again", counts["absent"]),
            Comparison("  still unknown, not sent again", counts["left"], None, 0),
            listed,
            read,
            Comparison("seconds", f"{time.monotonic() - started:.1f}"),
            Comparison("campaigns created per second", f"{total / creating:.0f}"),
        ]

    def _step(self) -> None:
        if self.progress is not None:
            self.progress = evolve(self.progress, done=self.progress.done + 1)

    async def _create(self, client: CampaignsClient) -> None:
        self.progress = ProgressFigures("creating", 0, len(self.campaigns), "campaigns")
        fan_out = client.campaigns.create_many(self.campaigns, on_unknown="reconcile")
        try:
            async with fan_out:
                async for outcome in fan_out:
                    self._record(outcome)
        finally:
            async for outcome in fan_out:  # interrupted: the creates in flight finish, and count
                self._record(outcome)

    def _record(self, outcome: Outcome[NewCampaign, str]) -> None:
        self._step()
        if outcome.value is not None:
            self.ids[outcome.index] = outcome.value
        elif isinstance(outcome.error, OutcomeUnknownError):
            self.counts["left"] += 1
        else:
            self.differences.append(f"a create failed: {type(outcome.error).__name__}")

    async def _list_back(self, client: CampaignsClient) -> Comparison:
        """List the campaigns of some senders through a filter."""
        self.progress = ProgressFigures("listing", 0, _LISTED, "senders")
        expected = listed = 0
        for sender in _SENDERS[:_LISTED]:
            found = {each.id async for each in client.campaigns.list(filters=query.campaign.sender == sender)}
            created = {self.ids.get(index) for index, new in enumerate(self.campaigns) if new.sender == sender}
            if found != created:
                self.differences.append("campaigns listed: other campaigns than were created")
            expected, listed = expected + len(created), listed + len(found)
            self._step()
        return Comparison(f"campaigns listed, of {_LISTED} senders", listed, None, expected)

    async def _read_contacts(self, client: CampaignsClient) -> Comparison:
        chosen = sorted(self.ids)[:: max(1, len(self.ids) // _READ)][:_READ]
        self.progress = ProgressFigures("reading contacts", 0, len(chosen), "campaigns")
        count = 0
        for index in chosen:
            found: tuple[object, ...] = ()
            with suppress(NotFoundError):
                found = _recipients([each async for each in client.campaigns.contacts(self.ids[index])])
            if found != _recipients(self.campaigns[index].contacts):
                self.differences.append("contacts read: other contacts than were sent")
            count += len(found)
            self._step()
        return Comparison(f"contacts read, of {len(chosen)} campaigns", count, None, _CONTACTS * len(chosen))

    async def _read_server(self) -> dict[str, tuple[object, ...]]:
        """Return the campaigns that the server created, by id, from its memory."""
        while self.sandbox.in_flight:  # noqa: ASYNC110 - the sandbox has no event for this
            await asyncio.sleep(0.01)
        try:
            self.sandbox.assert_no_double_send()
        except AssertionError as error:
            self.differences.append(str(error))
        return {wire["id"]: _read_content(wire) for wire in self.sandbox.created}


def _recipients(contacts: Iterable[Contact | NewContact]) -> tuple[object, ...]:
    """Return the recipients by the last ten digits of their numbers: a server may write a number differently."""
    return tuple(sorted(((each.phone_number or "")[-10:], each.name or "") for each in contacts))


def _content(campaign: NewCampaign) -> tuple[object, ...]:
    return (campaign.start_date_time, campaign.sender, campaign.message, _recipients(campaign.contacts))


def _read_content(wire: dict[str, Any]) -> tuple[object, ...]:
    contacts = [NewContact(each["phoneNumber"], name=each["name"]) for each in wire["contacts"]]
    start = datetime.fromisoformat(wire["startDateTime"])
    return _content(NewCampaign(start, wire["sender"], wire["message"], contacts))


def run_demo(*, concurrency: int, seed: int) -> int:
    """Run the demo, print its figures, and return the exit code."""
    demo = Demo(make_campaigns(seed), Sandbox(seed=seed))

    async def work() -> list[Comparison]:
        async with demo.sandbox as sandbox:
            add_faults(sandbox, seed)
            # This sandbox carries a create out before it drops the connection: a short search proves absence.
            policy, timeouts = ReconcilePolicy(settle=0.2, pause=0.2), Timeouts(read=1.0)
            async with (
                CampaignsClient(
                    sandbox.url,
                    sandbox.api_key,
                    max_concurrency=concurrency,
                    observer=demo,
                    reconcile=policy,
                    timeouts=timeouts,
                ) as client,
                show_progress(lambda: demo.progress),
            ):
                return await demo.run(client)

    try:
        rows = run_loop(work)
    except Interrupted as error:
        print_line(f"interrupted{_describe_created(demo)}")
        return error.exit_code
    except CampaignsError as error:
        raise click.ClickException(f"{error}: please report it{_describe_created(demo)}") from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise click.ClickException(f"the sandbox cannot be started: {why}") from error
    print_table(
        [["" if cell is None else str(cell) for cell in row] for row in rows], "figure", ">client", ">server", ">plan"
    )
    wrong = [str(row) for row in rows if not row.agrees] + demo.differences
    for line in wrong:
        print_line(f"does not agree: {line}")
    if wrong:
        print_line(f"please report the lines above; the same campaigns and faults come with --seed {seed}")
        return 1
    print_output("All figures agree.")
    return 0


def _describe_created(demo: Demo) -> str:
    if not demo.ids and not demo.counts["left"]:
        return ""
    created = f"{len(demo.ids)} of {len(demo.campaigns)} campaigns were created"
    return f"; {created}, {demo.counts['left']} have an unknown outcome; all of them were on the sandbox, which is gone"
