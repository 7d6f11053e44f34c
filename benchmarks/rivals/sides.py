"""The rivals: each creates campaigns, and reads all fields of a page, in the way that its documentation shows.

httpx returns no typed rows, so they are built here as cheaply as attrs and the standard library allow. The arguments of
creates are built in advance, in the form that the rival takes. There are as many connections as requests in flight, and
all are kept open.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
from attrs import define, frozen

from benchmarks.rivals.generated import OPENAPI_GENERATOR, OPENAPI_PYTHON_CLIENT, import_generated
from benchmarks.rows import IN_FLIGHT, KEY, Place
from benchmarks.work import build_json, take


@frozen
class Rival:
    """A connected rival.

    Attributes:
        build: Builds the argument of `create`, by number.
        create: Creates a campaign and returns its id.
        campaigns: Reads a page of campaigns, counted from 1, and returns the number of rows.
        contacts: Reads a page of a campaign's contacts, and returns the number of rows.
    """

    name: str
    build: Callable[[int], Any]
    create: Callable[[Any], Awaitable[str]]
    campaigns: Callable[[int], Awaitable[int]]
    contacts: Callable[[str, int], Awaitable[int]]


@asynccontextmanager
async def openapi_generator(place: Place) -> AsyncGenerator[Rival]:
    """Connect the client of OpenAPI Generator, `python` with the library `asyncio`: aiohttp and pydantic."""
    package = import_generated(OPENAPI_GENERATOR, "__init__")
    configuration = package.Configuration(host=place.url, access_token=KEY)
    configuration.connection_pool_maxsize = IN_FLIGHT
    size = place.size.page_size
    async with package.ApiClient(configuration) as connected:
        api = package.CampaignsApi(connected)

        async def campaigns(page: int) -> int:
            return _read_campaigns((await api.list_campaigns(page=page, page_size=size)).items)

        async def contacts(campaign_id: str, page: int) -> int:
            return _read_contacts((await api.list_contacts(campaign_id, page=page, page_size=size)).items)

        def build(number: int) -> Any:
            return package.NewCampaign.from_dict(build_json(number))

        yield Rival("OpenAPI Generator", build, api.create_campaign, campaigns, contacts)


@asynccontextmanager
async def openapi_python_client(place: Place) -> AsyncGenerator[Rival]:
    """Connect the client of openapi-python-client: httpx and attrs."""
    package = import_generated(OPENAPI_PYTHON_CLIENT, "client")
    create_campaign = import_generated(OPENAPI_PYTHON_CLIENT, "api.campaigns.create_campaign").asyncio
    list_campaigns = import_generated(OPENAPI_PYTHON_CLIENT, "api.campaigns.list_campaigns").asyncio
    list_contacts = import_generated(OPENAPI_PYTHON_CLIENT, "api.campaigns.list_contacts").asyncio
    from_dict = import_generated(OPENAPI_PYTHON_CLIENT, "models").NewCampaign.from_dict
    size = place.size.page_size
    settings = {"base_url": place.url, "token": KEY, "raise_on_unexpected_status": True}
    async with package.AuthenticatedClient(**settings, httpx_args={"limits": _limits()}) as client:

        async def create(new: Any) -> str:
            created: str = await create_campaign(client=client, body=new)
            return created

        async def campaigns(page: int) -> int:
            return _read_campaigns((await list_campaigns(client=client, page=page, page_size=size)).items)

        async def contacts(campaign_id: str, page: int) -> int:
            return _read_contacts((await list_contacts(campaign_id, client=client, page=page, page_size=size)).items)

        yield Rival("openapi-python-client", lambda number: from_dict(build_json(number)), create, campaigns, contacts)


@asynccontextmanager
async def httpx_by_hand(place: Place) -> AsyncGenerator[Rival]:
    """Connect an `AsyncClient` of httpx with the settings that are fastest: fitting limits, and HTTP/1.1 only."""
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
            return _read_campaigns([_campaign(row) for row in await items("/api/Campaigns", page)])

        async def contacts(campaign_id: str, page: int) -> int:
            return _read_contacts(
                [_contact(row) for row in await items(f"/api/Campaigns/{campaign_id}/Contacts", page)]
            )

        yield Rival("httpx by hand", build_json, create, campaigns, contacts)


@define
class _Campaign:
    """A row that is as cheap to build as attrs allows: mutable, with slots."""

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


def _read_campaigns(rows: list[Any]) -> int:
    for row in rows:
        if not isinstance(row.start_date_time, datetime):
            raise TypeError("not typed")
        take(row.id, row.start_date_time, row.sender, row.recipient_count)
        take(row.message, row.status, row.opt_out_link_id, row.track_link_url)
    return len(rows)


def _read_contacts(rows: list[Any]) -> int:
    for row in rows:
        take(row.id, row.phone_number, row.name, row.custom1)
        take(row.custom2)
    return len(rows)
