"""The answers of the library Sieve, over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from campaigns_async.sandbox import Sandbox

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "sieve_cases.json").read_text("utf-8"))


@pytest.fixture
async def seeded(
    open_session: Callable[..., aiohttp.ClientSession],
) -> AsyncIterator[aiohttp.ClientSession]:
    rows = DATA["datasets"]
    async with (
        Sandbox(rows["campaigns"], {"c01": rows["contacts"]}) as sandbox,
        open_session(sandbox) as session,
    ):
        yield session


async def test_a_raw_plus_is_a_space(seeded: aiohttp.ClientSession) -> None:
    target = "/api/Campaigns/c01/Contacts?pageSize=100&filters=phoneNumber_="

    found: dict[str, list[str]] = {}
    for sign in ("+", "%2B"):
        async with seeded.get(URL(f"{target}{sign}44", encoded=True)) as answer:
            found[sign] = [item["id"] for item in (await answer.json())["items"]]

    assert found["%2B"] == ["k07"]
    assert found["+"] == ["k01", "k02", "k03", "k04", "k05", "k08", "k09", "k10"]


@pytest.mark.parametrize("case", DATA["cases"], ids=lambda case: case["id"])
async def test_answers_are_those_of_the_library(seeded: aiohttp.ClientSession, case: dict[str, Any]) -> None:
    path = "/api/Campaigns" if case["dataset"] == "campaigns" else "/api/Campaigns/c01/Contacts"
    # No case depends on the default page size, which is the provider's and not the library's.
    query = {"pageSize": "100"} | {name: str(value) for name, value in case["query"].items()}

    async with seeded.get(path, params=query) as answer:
        page = await answer.json()

    assert [item["id"] for item in page["items"]] == case["expect"]
