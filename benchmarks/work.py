"""Rows about calls: their cost through the client, and by hand.

Both sides start with the same data in the form that they take, built before the clock starts (the row "build" measures
that), and both end with the same values: ids, or every field of every row.
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

from benchmarks.answerer import campaign_id_for
from benchmarks.baseline import ByHand
from benchmarks.pairs import Measured, Side, measure_cpu_costs
from benchmarks.rows import CONTACTS, IN_FLIGHT, KEY, Place, Row, Size
from campaigns_async import CampaignsClient, NewCampaign, NewContact
from campaigns_async._http import pages

T = TypeVar("T")
Sides: TypeAlias = tuple[Side, Side]

_START = datetime(2030, 6, 27, 3, 10, 4, 492_000, tzinfo=UTC)


def list_call_rows() -> tuple[Row, ...]:
    """Return the rows, in the order of the table."""
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
        _row("build", "the argument of create", "a campaign", _builds),
    )


def _row(name: str, detail: str, unit: str, sides: Callable[[CampaignsClient, ByHand, Size], Sides]) -> Row:
    def measure(place: Place) -> Measured:
        async def costs() -> Measured:
            async with connect(place) as (client, by_hand):
                both = sides(client, by_hand, place.size)
                gc.collect()
                gc.freeze()  # the data that was built in advance is no garbage to look through
                ours, other = await measure_cpu_costs(*both, place.size.rounds)
            gc.unfreeze()
            return Measured(name, detail.format(place.size.page_size), f"µs CPU {unit}", ours, other)

        return asyncio.run(costs())

    return Row(name, measure)


@asynccontextmanager
async def connect(place: Place) -> AsyncGenerator[tuple[CampaignsClient, ByHand]]:
    """Open both sides during the block."""
    async with (
        CampaignsClient(place.url, KEY, max_concurrency=IN_FLIGHT) as client,
        ByHand.connect(place.url, KEY, page_size=place.size.page_size) as by_hand,
    ):
        yield client, by_hand


def _creates_alone(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    return _fan_outs(client, by_hand, size.alone, 1)


def _creates(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    return _fan_outs(client, by_hand, size.creates, IN_FLIGHT)


def _creates_tight(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    news, dicts = build_campaigns(size.creates), _build_json(size.creates)
    by_hand_tight = partial(fan_out, by_hand.create_awaited, dicts, IN_FLIGHT)
    return partial(fan_out, client.campaigns.create, news, IN_FLIGHT), by_hand_tight


def _fan_outs(client: CampaignsClient, by_hand: ByHand, count: int, workers: int) -> Sides:
    news, dicts = build_campaigns(count), _build_json(count)
    return partial(fan_out, client.campaigns.create, news, workers), partial(fan_out, by_hand.create, dicts, workers)


def _create_many(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    news, dicts = build_campaigns(size.creates), _build_json(size.creates)

    async def ours() -> int:
        ids = [outcome.value async for outcome in client.campaigns.create_many(news) if outcome.ok]
        return check_ids(ids, size.creates)

    return ours, partial(fan_out, by_hand.create, dicts, IN_FLIGHT)


def _lists(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
    return partial(walk_campaigns, client, size.page_size), partial(_walk_campaigns_by_hand, by_hand)


async def walk_campaigns(client: CampaignsClient, page_size: int) -> int:
    """Read every field of all campaigns, and return their number."""
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
    """Read every field of `pages` pages of contacts, and return the number of rows."""
    read = 0
    async for row in client.campaigns.contacts(campaign_id_for(pages), page_size=page_size):
        take(row.id, row.phone_number, row.name, row.custom1)
        take(row.custom2)
        read += 1
    return read


async def walk_by_hand(by_hand: ByHand, pages: int) -> int:
    """Read every field of `pages` pages of contacts by hand, and return the number of rows."""
    read = 0
    async for page in by_hand.contacts(campaign_id_for(pages)):
        for row in page:
            take(row["id"], row["phoneNumber"], row["name"], row["custom1"])
            take(row["custom2"])
            read += 1
    return read


def _by_the_converter(
    sides: Callable[[CampaignsClient, ByHand, Size], Sides],
) -> Callable[[CampaignsClient, ByHand, Size], Sides]:
    def build_sides(client: CampaignsClient, by_hand: ByHand, size: Size) -> Sides:
        ours, other = sides(client, by_hand, size)

        async def by_the_converter() -> int:
            with patch.object(pages, "read_page", return_value=None):
                return await ours()

        return by_the_converter, other

    return build_sides


def _builds(_: CampaignsClient, __: ByHand, size: Size) -> Sides:
    async def ours() -> int:
        return len(build_campaigns(size.creates))

    async def other() -> int:
        return len(_build_json(size.creates))

    return ours, other


async def fan_out(create: Callable[[T], Awaitable[str]], items: Iterable[T], workers: int) -> int:
    """Create all items with workers that share an iterator: the simplest fan-out."""
    ids: list[str] = []
    left: Iterator[T] = iter(items)

    async def worker() -> None:
        for item in left:
            ids.append(await create(item))

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
    return check_ids(ids, len(ids))


def check_ids(ids: Sequence[str | None], expected: int) -> int:
    """Return the number of ids, if all are different."""
    if len(set(ids)) != expected or None in ids:
        raise RuntimeError("some creates failed, or two have the same id")
    return expected


def take(*fields: object) -> None:
    """Do nothing, in place of what a program does with the fields of a row."""


def build_campaigns(count: int) -> list[NewCampaign]:
    """Build `count` campaigns."""
    return [build_campaign(number) for number in range(count)]


def build_campaign(number: int) -> NewCampaign:
    """Build a campaign."""
    return NewCampaign(
        start_date_time=_START,
        sender="Golf",
        message=f"Our summer sale begins today: 20% off with code {number:06}. Reply STOP to opt out.",
        contacts=tuple(NewContact(f"+44770090{contact:04}", name=f"Name {contact}") for contact in range(CONTACTS)),
    )


def build_json(number: int) -> dict[str, object]:
    """Build the same campaign as plain JSON."""
    return {
        "startDateTime": "2030-06-27T03:10:04.492Z",
        "sender": "Golf",
        "message": f"Our summer sale begins today: 20% off with code {number:06}. Reply STOP to opt out.",
        "contacts": [
            {"phoneNumber": f"+44770090{contact:04}", "name": f"Name {contact}"} for contact in range(CONTACTS)
        ],
    }


def _build_json(count: int) -> list[dict[str, object]]:
    return [build_json(number) for number in range(count)]
