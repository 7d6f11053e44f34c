"""The six operations, over a real socket."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import pytest
from support.made import client_of, new_campaign, people, rows
from support.raw_server import raw_server, read_request

from campaigns_async import (
    Auth,
    AuthenticationError,
    CampaignsClient,
    CampaignsError,
    CampaignStatus,
    CampaignUpdate,
    ConfigurationError,
    Effect,
    InvalidArgumentError,
    MethodNotAllowedError,
    NotFoundError,
    ValidationFailedError,
    effect_of,
)
from campaigns_async.sandbox import Quirks, Sandbox


async def test_a_created_campaign_reads_back_as_it_was_sent(client: CampaignsClient, sandbox: Sandbox) -> None:
    new = new_campaign(track_link_url="https://golf.example/a?b=1", opt_out_link_id=7)
    campaign = await client.campaigns.get(await client.campaigns.create(new))
    assert campaign.to_update() == CampaignUpdate(
        start_date_time=new.start_date_time,
        sender=new.sender,
        message=new.message,
        opt_out_link_id=7,
        track_link_url="https://golf.example/a?b=1",
    )
    assert (campaign.status, campaign.recipient_count) == (CampaignStatus.PENDING, 2)
    contacts = await client.campaigns.contacts(campaign.id).collect()
    assert [contact.phone_number for contact in contacts] == [contact.phone_number for contact in new.contacts]
    assert [request.operation for request in sandbox.requests] == ["create", "get", "contacts"]


@pytest.mark.parametrize(
    ("ignore", "path"), [(None, "/api/Campaigns"), (True, "/api/campaigns/true"), (False, "/api/campaigns/false")]
)
async def test_each_way_to_treat_bad_numbers_has_its_path(
    client: CampaignsClient, sandbox: Sandbox, ignore: bool | None, path: str
) -> None:
    await client.campaigns.create(new_campaign(), ignore_invalid_phone_numbers=ignore)
    assert [request.path for request in sandbox.requests] == [path]


async def test_bad_numbers_are_left_out_or_named_by_contact(client: CampaignsClient) -> None:
    contacts = [*new_campaign().contacts, *new_campaign().contacts]
    bad = new_campaign(contacts=[contacts[0], *(type(contacts[0])(f"{index}") for index in range(2)), contacts[3]])
    campaign_id = await client.campaigns.create(bad, ignore_invalid_phone_numbers=True)
    assert await client.campaigns.contacts(campaign_id).count() == 2
    with pytest.raises(ValidationFailedError) as refused:
        await client.campaigns.create(bad, ignore_invalid_phone_numbers=False)
    assert sorted(refused.value.contact_errors) == [1, 2]
    assert refused.value.effect is Effect.REJECTED
    assert refused.value.attempts == 1
    assert "Contacts[1].PhoneNumber" in str(refused.value)


async def test_an_update_replaces_and_a_delete_removes(client: CampaignsClient, sandbox: Sandbox) -> None:
    campaign_id = await client.campaigns.create(new_campaign(track_link_url="https://golf.example"))
    await client.campaigns.update(campaign_id, new_update(message="Rain check"))
    campaign = await client.campaigns.get(campaign_id)
    assert (campaign.message, campaign.track_link_url) == ("Rain check", None)
    await client.campaigns.delete(campaign_id)
    assert sandbox.campaigns == []
    with pytest.raises(NotFoundError) as missing:
        await client.campaigns.delete(campaign_id)
    assert missing.value.effect is Effect.REJECTED


async def test_a_server_that_wants_post_is_served_by_settings(sandbox: Sandbox) -> None:
    async with Sandbox(update_method="POST", delete_method="POST") as posting:
        async with client_of(posting) as plain:
            campaign_id = await plain.campaigns.create(new_campaign())
            with pytest.raises(MethodNotAllowedError, match='update_method="POST"'):
                await plain.campaigns.update(campaign_id, new_update())
            with pytest.raises(MethodNotAllowedError, match='delete_method="POST"'):
                await plain.campaigns.delete(campaign_id)
        async with client_of(posting, update_method="POST", delete_method="POST") as fitting:
            await fitting.campaigns.update(campaign_id, new_update(message="Posted"))
            assert posting.campaigns[0]["message"] == "Posted"
            await fitting.campaigns.delete(campaign_id)
            assert posting.campaigns == []


@pytest.mark.parametrize("campaign_id", ["true", "False"])
async def test_an_update_by_post_cannot_reach_a_create_path(sandbox: Sandbox, campaign_id: str) -> None:
    async with client_of(sandbox, update_method="POST", delete_method="POST") as client:
        with pytest.raises(InvalidArgumentError, match="campaign_id"):
            await client.campaigns.update(campaign_id, new_update())
        with pytest.raises(InvalidArgumentError, match="campaign_id"):
            await client.campaigns.delete(campaign_id)
    assert list(sandbox.requests) == []


@pytest.mark.parametrize("campaign_id", ["", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\nb", "a\\b", 7, None])
async def test_an_id_cannot_reach_another_path(client: CampaignsClient, sandbox: Sandbox, campaign_id: str) -> None:
    for call in (client.campaigns.get, client.campaigns.delete):
        with pytest.raises(InvalidArgumentError, match="campaign_id"):
            await call(campaign_id)
    with pytest.raises(InvalidArgumentError, match="campaign_id"):
        await client.campaigns.update(campaign_id, new_update())
    with pytest.raises(InvalidArgumentError, match="campaign_id"):
        client.campaigns.contacts(campaign_id)
    assert list(sandbox.requests) == []


async def test_nothing_is_sent_of_what_cannot_be_sent(client: CampaignsClient, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidArgumentError, match="must be a NewCampaign") as refused:
        await client.campaigns.create("a campaign")  # type: ignore[arg-type]
    assert refused.value.effect is Effect.NOT_SENT
    with pytest.raises(InvalidArgumentError, match="one of GET"):
        await client.request("BREW", "/coffee")
    with pytest.raises(InvalidArgumentError, match="path"):
        await client.request("GET", "https://elsewhere.example/")
    assert list(sandbox.requests) == []


@pytest.mark.parametrize("auth", list(Auth))
async def test_the_key_travels_in_each_of_three_ways(auth: Auth) -> None:
    async with Sandbox(api_key="k+e=y/&") as sandbox, client_of(sandbox, auth=auth) as client:
        await client.campaigns.create(new_campaign())
        assert await client.campaigns.list(filters="sender==Golf").count() == 1
        assert all(request.status in (200, 201) for request in sandbox.requests)


async def test_a_refused_key_is_an_authentication_error_and_is_not_tried_again(sandbox: Sandbox) -> None:
    async with CampaignsClient(sandbox.url, "wrong") as client:
        with pytest.raises(AuthenticationError) as refused:
            await client.campaigns.create(new_campaign())
    assert (refused.value.status, refused.value.attempts, refused.value.effect) == (401, 1, Effect.REJECTED)


async def test_a_key_callable_is_asked_once_for_all_who_wait(sandbox: Sandbox) -> None:
    asked: list[str] = []

    async def key() -> str:
        asked.append(sandbox.api_key)
        return sandbox.api_key

    async with CampaignsClient(sandbox.url, key) as client:
        outcomes = [outcome async for outcome in client.campaigns.create_many(new_campaign(n) for n in range(40))]
        assert all(outcome.ok for outcome in outcomes)
        assert len(asked) == 1
        sandbox.api_key = "rotated"
        before = len(sandbox.requests)
        outcomes = [outcome async for outcome in client.campaigns.create_many(new_campaign(n) for n in range(100))]
        assert all(outcome.ok for outcome in outcomes)
        assert len(asked) == 2, "many simultaneous 401s cause one refresh"
        refused = [request for request in list(sandbox.requests)[before:] if request.status == 401]
        assert 1 <= len(refused) <= 32
        assert len(sandbox.created) == 140


async def test_a_call_that_is_cancelled_leaves_the_fetch_of_the_key_to_the_others(sandbox: Sandbox) -> None:
    asked, may_return = 0, asyncio.Event()

    async def key() -> str:
        nonlocal asked
        asked += 1
        await may_return.wait()
        return sandbox.api_key

    async with CampaignsClient(sandbox.url, key) as client:
        creating = [asyncio.create_task(client.campaigns.create(new_campaign(number))) for number in range(4)]
        while not asked:
            await asyncio.sleep(0)
        creating[0].cancel()  # the call that began the fetch
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await creating.pop(0)
        assert effect_of(cancelled.value) is Effect.NOT_SENT
        may_return.set()
        await asyncio.gather(*creating)
    assert asked == 1
    assert len(sandbox.created) == 3


async def test_a_key_renewed_while_others_queue_is_the_one_they_send() -> None:
    sent: list[str] = []
    renewed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await read_request(reader)).decode()
                sent.append(re.findall(r"Bearer (\w+)", head)[0])
                if sent[-1] == "old":
                    if len(sent) > 1:
                        await renewed.wait()  # the second is on its way while the first has its key renewed
                    writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
                else:
                    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"id": "one"}')
                await writer.drain()

    keys = ["new", "old"]

    async def key() -> str:
        if len(keys) == 1:
            while len(sent) < 2:
                await asyncio.sleep(0)
            renewed.set()
        return keys.pop()

    async with raw_server(serve) as server, CampaignsClient(server.url, key, max_concurrency=1) as client:
        await asyncio.gather(*(client.campaigns.get("one") for _ in range(6)))
    assert sent == ["old"] * 2 + ["new"] * 6


async def test_a_callable_that_gives_the_same_key_again_does_not_loop(sandbox: Sandbox) -> None:
    async def key() -> str:
        return "stale"

    async with CampaignsClient(sandbox.url, key) as client:
        with pytest.raises(AuthenticationError) as refused:
            await client.campaigns.list().collect()
    assert refused.value.attempts == len(sandbox.requests) == 1


@pytest.mark.parametrize("given", ["", "two\nlines", None, 7])
async def test_a_callable_that_gives_no_key_is_told_so(sandbox: Sandbox, given: object) -> None:
    async def key() -> object:
        return given

    async with CampaignsClient(sandbox.url, key) as client:  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="api_key") as refused:
            await client.campaigns.create(new_campaign())
    assert refused.value.effect is Effect.NOT_SENT
    assert list(sandbox.requests) == []


async def test_a_callable_that_raises_is_chained(sandbox: Sandbox) -> None:
    async def key() -> str:
        raise LookupError("vault is sealed")

    async with CampaignsClient(sandbox.url, key) as client:
        with pytest.raises(ConfigurationError, match="LookupError") as refused:
            await client.campaigns.get("abc")
    assert isinstance(refused.value.__cause__, LookupError)


async def test_an_odd_server_is_read_all_the_same() -> None:
    quirks = Quirks(bare_id=True, dates="seven_digits", list_in_array=True)
    async with Sandbox(rows(3), {"c001": people(4)}, quirks=quirks) as sandbox, client_of(sandbox) as client:
        campaign_id = await client.campaigns.create(new_campaign())
        assert (await client.campaigns.get(campaign_id)).start_date_time == new_campaign().start_date_time
        assert len(await client.campaigns.list().collect()) == 4
        assert len(await client.campaigns.contacts("c001").collect()) == 4


async def test_the_raw_way_in_shows_what_the_models_leave_out() -> None:
    async with Sandbox(rows(1, surprise="here")) as odd, client_of(odd) as client:
        response = await client.request("get", "/api/campaigns/c000", params={"a": "b c+d"})
        assert response.json()["surprise"] == "here"
        assert odd.requests[0].query == {"a": "b c+d"}
        assert "here" not in repr(response)
        with pytest.raises(NotFoundError):
            await client.request("GET", "/api/nothing")


async def test_a_prefix_in_the_base_url_is_kept() -> None:
    async with Sandbox(prefix="/tenant/7") as sandbox, client_of(sandbox) as client:
        await client.campaigns.create(new_campaign())
        assert sandbox.requests[0].path.startswith("/tenant/7/api/")


async def test_every_error_names_its_request(client: CampaignsClient) -> None:
    with pytest.raises(CampaignsError) as missing:
        await client.campaigns.get("gone")
    error = missing.value
    assert (error.method, error.path, error.attempts) == ("GET", "/api/Campaigns/gone", 1)
    assert error.elapsed > 0
    assert str(error).startswith("404: ")
    assert "GET /api/Campaigns/gone, 1 attempt" in str(error)


def new_update(**fields: str) -> CampaignUpdate:
    new = new_campaign()
    return CampaignUpdate(new.start_date_time, new.sender, fields.get("message", new.message))
