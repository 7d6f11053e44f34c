"""Rows about calls: what they cost through the client, and by hand.

Both sides begin with the same data in the form that suits them, made before the clock starts (what making it costs is
a row of its own), and both end with the same values in the program's hands: ids, or every field of every row.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias, TypeVar
from unittest.mock import patch

from benchmarks.answerer import campaign_of
from benchmarks.baseline import ByHand
from benchmarks.pairs import Measured, Side, cpu_costs
from benchmarks.rows import CONTACTS, IN_FLIGHT, KEY, Place, Row, Size
from campaigns_async import CampaignsClient, NewCampaign, NewContact
from campaigns_async._http import pages

T = TypeVar("T")
Sides: TypeAlias = tuple[Side, Side]

_START = datetime(2030, 6, 27, 3, 10, 4, 492_000, tzinfo=UTC)


def call_rows() -> tuple[Row, ...]:
    """All of them, in the order of the table."""
    return (
        _row("create, one at a time", f"{CONTACTS} contacts", "a request", _creates_alone),
        _row(f"create, {IN_FLIGHT} in flight", f"{CONTACTS} contacts", "a request", _creates),
        _row(
            f"create, {IN_FLIGHT} in flight, no `async with` by hand",
            f"{CONTACTS} contacts",
            "a request",
            _creates_tight,
        ),
        _row(f"create_many, {IN_FLIGHT} in flight", f"{CONTACTS} contacts", "a request", _create_many),
        _row("list", "{:,} a page", "a row", _lists),
        _row("contacts", "{:,} a page", "a row", _contacts),
        _row("list, by the converter", "{:,} a page", "a row", _by_the_converter(_lists)),
        _row("contacts, by the converter", "{:,} a page", "a row", _by_the_converter(_contacts)),
        _row("build", "what create takes", "a campaign", _builds),
    )


def _row(name: str, detail: str, unit: str, sides: Callable[[CampaignsClient, ByHand, Size], Sides]) -> Row:
    def measure(place: Place) -> Measured:
        async def costs() -> Measured:
            async with connected(place) as (client, by_hand):
                both = sides(client, by_hand, place.size)
                gc.collect()
                gc.freeze()  # what was made beforehand is nobody's garbage
                ours, other = await cpu_costs(*both, place.size.rounds)
            gc.unfreeze()
            return Measured(name, detail.format(place.size.page_size), f"µs CPU {unit}", ours, other)

        return asyncio.run(costs())

    return Row(name, measure)


@asynccontextmanager
async def connected(place: Place) -> AsyncGenerator[tuple[CampaignsClient, ByHand]]:
    """Both sides, for as long as the block lasts."""
    async with (
        CampaignsClient(place.url, KEY, max_concurrency=IN_FLIGHT) as client,
        ByHand.connected(place.url, KEY, page_size=place.size.page_size) as by_hand,
    ):
        yield client, by_hand


def _creates_alone(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    return _fan_outs(client, by_hand, size.alone, 1)


def _creates(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    return _fan_outs(client, by_hand, size.creates, IN_FLIGHT)


def _creates_tight(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    news, dicts = models(size.creates), _dicts(size.creates)
    by_hand_tight = partial(fan_out, by_hand.create_awaited, dicts, IN_FLIGHT)
    return partial(fan_out, client.campaigns.create, news, IN_FLIGHT), by_hand_tight


def _fan_outs(client: CampaignsClient, by_hand: ByHand, count: int, workers: int) -> Sides:
    news, dicts = models(count), _dicts(count)
    return partial(fan_out, client.campaigns.create, news, workers), partial(fan_out, by_hand.create, dicts, workers)


def _create_many(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    news, dicts = models(size.creates), _dicts(size.creates)

    async def ours() -> int:
        ids = [outcome.value async for outcome in client.campaigns.create_many(news) if outcome.ok]
        return checked(ids, size.creates)

    return ours, partial(fan_out, by_hand.create, dicts, IN_FLIGHT)


def _lists(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    return partial(walk_campaigns, client, size.page_size), partial(_walk_campaigns_by_hand, by_hand)


async def walk_campaigns(client: CampaignsClient, page_size: int) -> int:
    """Read every field of all campaigns; gives their number."""
    read = 0
    async for row in client.campaigns.list(page_size=page_size):
        take(row.id, row.start_date_time, row.sender, row.recipient_count)
        take(row.message, row.status, row.opt_out_link_id, row.track_link_url)
        read += 1
    return read


async def _walk_campaigns_by_hand(by_hand: ByHand) -> int:
    read = 0
    async for page in by_hand.campaigns():
        for row in page:
            take(row["id"], row["startDateTime"], row["sender"], row["recipientCount"])
            take(row["message"], row["status"], row["optOutLinkId"], row["trackLinkUrl"])
            read += 1
    return read


def _contacts(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    return partial(walk, client, size.pages, size.page_size), partial(walk_by_hand, by_hand, size.pages)


async def walk(client: CampaignsClient, pages: int, page_size: int) -> int:
    """Read every field of so many pages of contacts; gives the number of rows."""
    read = 0
    async for row in client.campaigns.contacts(campaign_of(pages), page_size=page_size):
        take(row.id, row.phone_number, row.name, row.custom1)
        take(row.custom2)
        read += 1
    return read


async def walk_by_hand(by_hand: ByHand, pages: int) -> int:
    """The same by hand."""
    read = 0
    async for page in by_hand.contacts(campaign_of(pages)):
        for row in page:
            take(row["id"], row["phoneNumber"], row["name"], row["custom1"])
            take(row["custom2"])
            read += 1
    return read


def _by_the_converter(
    sides: Callable[[CampaignsClient, ByHand, Size], Sides],
) -> Callable[[CampaignsClient, ByHand, Size], Sides]:
    def made(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
        ours, other = sides(client, by_hand, size)

        async def by_the_converter() -> int:
            with patch.object(pages, "read_page", return_value=None):
                return await ours()

        return by_the_converter, other

    return made


def _builds(_: CampaignsClient, __: ByHand, size: Size) -> Sides:
    async def ours() -> int:
        return len(models(size.creates))

    async def other() -> int:
        return len(_dicts(size.creates))

    return ours, other


async def fan_out(create: Callable[[T], Awaitable[str]], items: Iterable[T], workers: int) -> int:
    """Create them all, with so many workers that share the items; the simplest fan-out there is."""
    ids: list[str] = []
    left: Iterator[T] = iter(items)

    async def worker() -> None:
        for item in left:
            ids.append(await create(item))

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
    return checked(ids, len(ids))


def checked(ids: Sequence[str | None], expected: int) -> int:
    """How many there are, if each is an id of its own."""
    if len(set(ids)) != expected or None in ids:
        raise RuntimeError("some creates failed, or ids came twice")
    return expected


def take(*fields: object) -> None:
    """Stands for whatever a program does with the fields of a row."""


def models(count: int) -> list[NewCampaign]:
    """So many of what `create` takes, ready-made."""
    return [as_model(number) for number in range(count)]


def as_model(number: int) -> NewCampaign:
    """What `create` takes, ready-made."""
    return NewCampaign(
        start_date_time=_START,
        sender="Golf",
        message=f"Our summer sale begins today: 20% off with code {number:06}. Reply STOP to opt out.",
        contacts=tuple(NewContact(f"+44770090{contact:04}", name=f"Name {contact}") for contact in range(CONTACTS)),
    )


def as_dict(number: int) -> dict[str, object]:
    """The same as plain JSON."""
    return {
        "startDateTime": "2030-06-27T03:10:04.492Z",
        "sender": "Golf",
        "message": f"Our summer sale begins today: 20% off with code {number:06}. Reply STOP to opt out.",
        "contacts": [
            {"phoneNumber": f"+44770090{contact:04}", "name": f"Name {contact}"} for contact in range(CONTACTS)
        ],
    }


def _dicts(count: int) -> list[dict[str, object]]:
    return [as_dict(number) for number in range(count)]
