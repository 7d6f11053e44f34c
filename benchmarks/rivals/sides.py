"""The rivals: each creates a campaign, and reads all fields of a page, in the way its own documentation shows.

httpx gives no typed rows: those are made here, as cheaply as attrs and the standard library make them. What it takes
to create is made beforehand, in the form that suits it. Connections are as many as requests are in flight, and all are
kept open.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
from attrs import define, frozen

from benchmarks.rivals.generated import OPENAPI_GENERATOR, OPENAPI_PYTHON_CLIENT, module
from benchmarks.rows import IN_FLIGHT, KEY, Place
from benchmarks.work import as_dict, take


@frozen
class Rival:
    """One of them, connected."""

    name: str
    made: Callable[[int], Any]
    """What `create` takes, by number."""
    create: Callable[[Any], Awaitable[str]]
    """Gives the id."""
    campaigns: Callable[[int], Awaitable[int]]
    """Reads a page of campaigns, counted from 1; gives the number of rows."""
    contacts: Callable[[str, int], Awaitable[int]]
    """Reads a page of a campaign's contacts."""


@asynccontextmanager
async def openapi_generator(place: Place) -> AsyncGenerator[Rival]:
    """OpenAPI Generator, `python` with its library `asyncio`: aiohttp and pydantic."""
    package = module(OPENAPI_GENERATOR, "__init__")
    configuration = package.Configuration(host=place.url, access_token=KEY)
    configuration.connection_pool_maxsize = IN_FLIGHT
    size = place.size.page_size
    async with package.ApiClient(configuration) as connected:
        api = package.CampaignsApi(connected)

        async def campaigns(page: int) -> int:
            return _campaigns_read((await api.list_campaigns(page=page, page_size=size)).items)

        async def contacts(campaign_id: str, page: int) -> int:
            return _contacts_read((await api.list_contacts(campaign_id, page=page, page_size=size)).items)

        def made(number: int) -> Any:
            return package.NewCampaign.from_dict(as_dict(number))

        yield Rival("OpenAPI Generator", made, api.create_campaign, campaigns, contacts)


@asynccontextmanager
async def openapi_python_client(place: Place) -> AsyncGenerator[Rival]:
    """openapi-python-client: httpx and attrs."""
    package = module(OPENAPI_PYTHON_CLIENT, "client")
    create_campaign = module(OPENAPI_PYTHON_CLIENT, "api.campaigns.create_campaign").asyncio
    list_campaigns = module(OPENAPI_PYTHON_CLIENT, "api.campaigns.list_campaigns").asyncio
    list_contacts = module(OPENAPI_PYTHON_CLIENT, "api.campaigns.list_contacts").asyncio
    made = module(OPENAPI_PYTHON_CLIENT, "models").NewCampaign.from_dict
    size = place.size.page_size
    settings = {"base_url": place.url, "token": KEY, "raise_on_unexpected_status": True}
    async with package.AuthenticatedClient(**settings, httpx_args={"limits": _limits()}) as client:

        async def create(new: Any) -> str:
            created: str = await create_campaign(client=client, body=new)
            return created

        async def campaigns(page: int) -> int:
            return _campaigns_read((await list_campaigns(client=client, page=page, page_size=size)).items)

        async def contacts(campaign_id: str, page: int) -> int:
            return _contacts_read((await list_contacts(campaign_id, client=client, page=page, page_size=size)).items)

        yield Rival("openapi-python-client", lambda number: made(as_dict(number)), create, campaigns, contacts)


@asynccontextmanager
async def httpx_by_hand(place: Place) -> AsyncGenerator[Rival]:
    """One `AsyncClient` of httpx, as its documentation has it where speed counts: limits that fit, HTTP/1.1 alone."""
    async with httpx.AsyncClient(
        base_url=place.url,
        headers={"Accept": "application/json", "Authorization": f"Bearer {KEY}"},
        http1=True,
        http2=False,
        trust_env=False,
        limits=_limits(),
        timeout=httpx.Timeout(30.0, connect=10.0),
    ) as client:

        async def create(new: dict[str, object]) -> str:
            response = await client.post("/api/Campaigns", json=new)
            response.raise_for_status()
            created: str = response.json()
            return created

        async def items(path: str, page: int) -> list[dict[str, Any]]:
            response = await client.get(path, params={"page": page, "pageSize": place.size.page_size})
            response.raise_for_status()
            found: list[dict[str, Any]] = response.json()["items"]
            return found

        async def campaigns(page: int) -> int:
            return _campaigns_read([_campaign(row) for row in await items("/api/Campaigns", page)])

        async def contacts(campaign_id: str, page: int) -> int:
            return _contacts_read(
                [_contact(row) for row in await items(f"/api/Campaigns/{campaign_id}/Contacts", page)]
            )

        yield Rival("httpx by hand", as_dict, create, campaigns, contacts)


@define
class _Campaign:
    """What is cheapest to make: open, and with slots."""

    id: str
    start_date_time: datetime
    sender: str
    recipient_count: int
    message: str
    status: int
    opt_out_link_id: int | None
    track_link_url: str | None


@define
class _Contact:
    id: str
    phone_number: str
    name: str | None
    custom1: str | None
    custom2: str | None


def _campaign(row: dict[str, Any]) -> _Campaign:
    return _Campaign(
        row["id"],
        datetime.fromisoformat(row["startDateTime"]),
        row["sender"],
        row["recipientCount"],
        row["message"],
        row["status"],
        row["optOutLinkId"],
        row["trackLinkUrl"],
    )


def _contact(row: dict[str, Any]) -> _Contact:
    return _Contact(row["id"], row["phoneNumber"], row["name"], row["custom1"], row["custom2"])


def _limits() -> httpx.Limits:
    return httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)


def _campaigns_read(rows: list[Any]) -> int:
    for row in rows:
        if not isinstance(row.start_date_time, datetime):
            raise TypeError("not typed")
        take(row.id, row.start_date_time, row.sender, row.recipient_count)
        take(row.message, row.status, row.opt_out_link_id, row.track_link_url)
    return len(rows)


def _contacts_read(rows: list[Any]) -> int:
    for row in rows:
        take(row.id, row.phone_number, row.name, row.custom1)
        take(row.custom2)
    return len(rows)
