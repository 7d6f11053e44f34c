"""The rows of the table: what is measured, through the client and by hand.

Both sides begin with the same data in the form that suits them, made before the clock starts (what making it costs is
a row of its own), and both end with the same values in the program's hands: ids, or every field of every row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from attrs import frozen

from benchmarks.answerer import CAMPAIGN_ID
from benchmarks.baseline import ByHand
from campaigns_async import CampaignsClient, NewCampaign, NewContact

T = TypeVar("T")

CONTACTS = 10
IN_FLIGHT = 64

_START = datetime(2030, 6, 27, 3, 10, 4, 492_000, tzinfo=UTC)


@frozen
class Size:
    """How much of it one measurement does."""

    alone: int = 400
    """Creates, one after the other."""
    creates: int = 1000
    """Creates, many in flight."""
    pages: int = 20
    page_size: int = 1000


QUICK = Size(alone=40, creates=160, pages=2, page_size=100)


@frozen
class Work:
    """One row of the table. Each side does all of the work, and gives how many units it did."""

    name: str
    unit: str
    client: Callable[[], Awaitable[int]]
    by_hand: Callable[[], Awaitable[int]]


def works(client: CampaignsClient, by_hand: ByHand, size: Size) -> tuple[Work, ...]:
    """All rows, in the order of the table."""
    news = [as_model(number) for number in range(size.creates)]
    dicts = [_as_dict(number) for number in range(size.creates)]
    campaigns = client.campaigns

    async def create_many() -> int:
        outcomes = [outcome async for outcome in campaigns.create_many(news)]
        return _checked([outcome.value for outcome in outcomes if outcome.ok], size.creates)

    async def list_rows() -> int:
        read = 0
        async for row in campaigns.list(page_size=size.page_size):
            _take(row.id, row.start_date_time, row.sender, row.recipient_count)
            _take(row.message, row.status, row.opt_out_link_id, row.track_link_url)
            read += 1
        return read

    async def list_dicts() -> int:
        read = 0
        async for page in by_hand.campaigns():
            for row in page:
                _take(row["id"], row["startDateTime"], row["sender"], row["recipientCount"])
                _take(row["message"], row["status"], row["optOutLinkId"], row["trackLinkUrl"])
                read += 1
        return read

    async def contact_rows() -> int:
        read = 0
        async for row in campaigns.contacts(CAMPAIGN_ID, page_size=size.page_size):
            _take(row.id, row.phone_number, row.name, row.custom1)
            _take(row.custom2)
            read += 1
        return read

    async def contact_dicts() -> int:
        read = 0
        async for page in by_hand.contacts(CAMPAIGN_ID):
            for row in page:
                _take(row["id"], row["phoneNumber"], row["name"], row["custom1"])
                _take(row["custom2"])
                read += 1
        return read

    async def build_models() -> int:
        return len([as_model(number) for number in range(size.creates)])

    async def build_dicts() -> int:
        return len([_as_dict(number) for number in range(size.creates)])

    few, few_dicts = news[: size.alone], dicts[: size.alone]
    return (
        Work(
            "create, 1 in flight",
            "request",
            lambda: _in_parallel(campaigns.create, few, 1),
            lambda: _in_parallel(by_hand.create, few_dicts, 1),
        ),
        Work(
            f"create, {IN_FLIGHT} in flight",
            "request",
            lambda: _in_parallel(campaigns.create, news, IN_FLIGHT),
            lambda: _in_parallel(by_hand.create, dicts, IN_FLIGHT),
        ),
        Work(
            f"create_many, {IN_FLIGHT} in flight",
            "request",
            create_many,
            lambda: _in_parallel(by_hand.create, dicts, IN_FLIGHT),
        ),
        Work(f"list, {size.page_size:,} a page", "row", list_rows, list_dicts),
        Work(f"contacts, {size.page_size:,} a page", "row", contact_rows, contact_dicts),
        Work("build what create takes", "campaign", build_models, build_dicts),
    )


async def _in_parallel(create: Callable[[T], Awaitable[str]], items: Iterable[T], workers: int) -> int:
    """Create them all, with so many workers that share the items; the simplest fan-out there is."""
    ids: list[str] = []
    left: Iterator[T] = iter(items)

    async def worker() -> None:
        for item in left:
            ids.append(await create(item))

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
    return _checked(ids, len(ids))


def _checked(ids: list[str | None] | list[str], expected: int) -> int:
    """How many there are, if each is an id of its own."""
    if len(set(ids)) != expected or None in ids:
        raise RuntimeError("some creates failed, or ids came twice")
    return expected


def _take(*fields: object) -> None:
    """Stands for whatever a program does with the fields of a row."""


def as_model(number: int) -> NewCampaign:
    """What `create` takes, ready-made."""
    return NewCampaign(
        start_date_time=_START,
        sender="Golf",
        message=f"Our summer sale begins today: 20% off with code {number:06}. Reply STOP to opt out.",
        contacts=tuple(NewContact(f"+44770090{contact:04}", name=f"Name {contact}") for contact in range(CONTACTS)),
    )


def _as_dict(number: int) -> dict[str, object]:
    return {
        "startDateTime": "2030-06-27T03:10:04.492Z",
        "sender": "Golf",
        "message": f"Our summer sale begins today: 20% off with code {number:06}. Reply STOP to opt out.",
        "contacts": [
            {"phoneNumber": f"+44770090{contact:04}", "name": f"Name {contact}"} for contact in range(CONTACTS)
        ],
    }
