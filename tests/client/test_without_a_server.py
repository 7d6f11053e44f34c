"""Requests as aiohttp receives them, by aioresponses: no server is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses
from support.made import QUICK, new_campaign
from yarl import URL

from campaigns_async import CampaignsClient, ConnectionFailedError, Effect, OutcomeUnknownError

BASE = "https://campaigns.example/tenant"


class Response(aiohttp.ClientResponse):
    """A response with the arguments that aiohttp 3.14 needs and aioresponses does not pass."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if aiohttp.__version__ >= "3.14":
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


class Answers(aioresponses):
    """Responses of this class."""

    def add(self, url: Any, **options: Any) -> None:
        super().add(url, **{"response_class": Response, **options})


@pytest.fixture
def answers() -> Iterator[Answers]:
    """Replace the responses of aiohttp."""
    with Answers() as mocked:
        yield mocked


async def test_a_request_bears_what_it_must(answers: Answers) -> None:
    answers.post(f"{BASE}/api/campaigns/true", status=201, body='"abc123"')
    async with CampaignsClient(BASE, "secret") as client:
        assert await client.campaigns.create(new_campaign(), ignore_invalid_phone_numbers=True) == "abc123"
    ((method, url), (call,)) = next(iter(answers.requests.items()))
    assert (method, url) == ("POST", URL(f"{BASE}/api/campaigns/true"))
    assert call.kwargs["headers"]["Authorization"] == "Bearer secret"
    assert call.kwargs["headers"]["Accept"] == "application/json"
    assert call.kwargs["allow_redirects"] is False
    assert call.kwargs["timeout"].total is None
    assert call.kwargs["timeout"].connect == 10.0, (
        "it bounds DNS too: no request waits for the pool of the client itself"
    )


@pytest.mark.parametrize("error", [aiohttp.ServerDisconnectedError(), aiohttp.ClientOSError(104, "reset")])
async def test_a_read_that_fails_without_a_byte_is_repeated(answers: Answers, error: Exception) -> None:
    answers.get(f"{BASE}/api/Campaigns/abc", exception=error)
    answers.get(f"{BASE}/api/Campaigns/abc", status=200, payload={"id": "abc"})
    async with CampaignsClient(BASE, "secret", retry=QUICK) as client:
        assert (await client.campaigns.get("abc")).id == "abc"


async def test_a_create_of_which_no_byte_went_out_is_sent_again_and_never_unknown(answers: Answers) -> None:
    answers.post(f"{BASE}/api/Campaigns", exception=aiohttp.ServerDisconnectedError(), repeat=True)
    async with CampaignsClient(BASE, "secret", retry=QUICK) as client:
        with pytest.raises(ConnectionFailedError) as failed:
            await client.campaigns.create(new_campaign())
    assert not isinstance(failed.value, OutcomeUnknownError)
    assert (failed.value.effect, failed.value.attempts) == (Effect.NOT_SENT, 5)
