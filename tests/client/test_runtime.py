"""The runtime that durable sends get from a client: a create whose body is encoded already keeps all guarantees."""

from __future__ import annotations

import orjson
import pytest
from support.made import client_of, new_campaign

from campaigns_async import CampaignsClient, Effect, NewCampaign, OutcomeUnknownError
from campaigns_async._http import codec
from campaigns_async._http.request import build_encoded_create
from campaigns_async.client import runtime_of
from campaigns_async.sandbox import Sandbox


def never() -> NewCampaign:
    raise AssertionError("the content was asked for, though nothing compares it")


async def test_an_encoded_body_goes_out_as_it_is(sandbox: Sandbox, client: CampaignsClient) -> None:
    body = codec.encode_model(new_campaign())
    campaign_id = await runtime_of(client).creator.create(build_encoded_create(body, never))
    assert campaign_id == sandbox.created[0]["id"]
    assert sandbox.requests[0].body == orjson.loads(body)


async def test_an_encoded_body_may_leave_out_invalid_numbers(sandbox: Sandbox, client: CampaignsClient) -> None:
    await runtime_of(client).creator.create(build_encoded_create(codec.encode_model(new_campaign()), never, True))
    assert sandbox.requests[0].path.lower() == "/api/campaigns/true"


async def test_an_encoded_create_of_unknown_outcome_is_sent_once_and_remembered(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", times=1, drop="close", act=True)
    new, asked = new_campaign(), list[None]()

    def content() -> NewCampaign:
        asked.append(None)
        return new

    async with client_of(sandbox) as client:
        with pytest.raises(OutcomeUnknownError) as failed:
            await runtime_of(client).creator.create(build_encoded_create(codec.encode_model(new), content))
        assert failed.value.effect is Effect.UNKNOWN
        assert len(sandbox.requests) == 1
        assert asked, "a later create of the same content must not take the campaign for its own"
        assert runtime_of(client).ledger.has_duplicate_unknown(new)


def test_a_runtime_has_the_settings_of_its_client() -> None:
    client = CampaignsClient("http://127.0.0.1:9", "key", rate_limit=7, max_concurrency=3)
    runtime = runtime_of(client)
    assert (runtime.rate_limit, runtime.max_concurrency, runtime.base_url) == (7, 3, "http://127.0.0.1:9")
    assert runtime_of(CampaignsClient("http://127.0.0.1:9", "key")).rate_limit is None
