"""Libraries that record requests: a copy of a request has its content."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.made import client_of, new_campaign

from campaigns_async import CampaignsClient
from campaigns_async.sandbox import Sandbox


async def test_a_copy_of_a_body_is_its_content(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[object] = []
    request = aiohttp.ClientSession._request

    async def record(self: aiohttp.ClientSession, *arguments: Any, **options: Any) -> aiohttp.ClientResponse:
        copies.append(copy.deepcopy(options["data"]))
        return await request(self, *arguments, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", record)
    async with client_of(sandbox) as client:
        campaign_id = await client.campaigns.create(new_campaign())
        await client.campaigns.delete(campaign_id)
    body, nothing = copies
    assert isinstance(body, bytes)
    assert b"Tee time 0" in body
    assert nothing == b""


@pytest.mark.slow
@pytest.mark.parametrize("match_on", [["method", "uri"], ["method", "uri", "body"]])
async def test_vcrpy_records_and_replays(sandbox: Sandbox, tmp_path: Path, match_on: list[str]) -> None:
    vcr: Any = pytest.importorskip("vcr")
    cassette = tmp_path / "cassette.yaml"
    ids = list[str]()
    for _ in range(2):
        with vcr.use_cassette(str(cassette), match_on=match_on, filter_headers=["authorization"]):
            async with CampaignsClient(sandbox.url, sandbox.api_key) as client:
                ids.append(await client.campaigns.create(new_campaign()))
                assert [row.id for row in await client.campaigns.list().collect()] == ids[:1]
                await client.campaigns.delete(ids[0])
    assert ids[0] == ids[1]
    assert len(sandbox.requests) == 3
    assert sandbox.api_key not in cassette.read_text()
