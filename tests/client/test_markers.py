"""With a marker, a search recognises a campaign by a token in its contacts, whatever the server altered."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import evolve
from support.made import START, client_of, new_campaign

from campaigns_async import (
    CampaignsClient,
    ConfigurationError,
    InvalidArgumentError,
    NewCampaign,
    NewContact,
    OutcomeUnknownError,
    ReconcilePolicy,
)
from campaigns_async.sandbox import Quirks, Sandbox

LOST: dict[str, Any] = {"operation": "create", "times": 1, "drop": "close", "act": True}
NEVER = LOST | {"act": False}


def marking(sandbox: Sandbox, field: Any = "custom1", **settings: Any) -> CampaignsClient:
    policy = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02, marker=field)
    return client_of(sandbox, reconcile=policy, **settings)


async def create(client: CampaignsClient, new: NewCampaign) -> str:
    return await client.campaigns.create(new, on_unknown="reconcile")


def tokens(sandbox: Sandbox, field: str = "custom1") -> list[set[str | None]]:
    """Return what the contacts of each created campaign have in a field."""
    return [{contact.get(field) for contact in each["contacts"]} for each in sandbox.created]


@pytest.mark.parametrize("field", ["custom1", "custom2"])
@pytest.mark.parametrize("many", [True, False])
async def test_each_create_has_a_token_of_its_own_in_each_contact(sandbox: Sandbox, field: str, *, many: bool) -> None:
    news = [new_campaign(number, size=3) for number in range(2)]
    async with marking(sandbox, field) as client:
        if many:
            async with client.campaigns.create_many(news, on_unknown="reconcile") as outcomes:
                assert all([outcome.error is None async for outcome in outcomes])
        else:
            for new in news:
                await create(client, new)
        await client.campaigns.create(news[0])
    *marked, unmarked = tokens(sandbox, field)
    assert len(set.union(*marked)) == len(marked) == 2
    assert all(token and 8 <= len(token) <= 20 for each in marked for token in each)
    assert unmarked == {None}, "nothing looks for it"
    assert {contact["name"] for contact in sandbox.created[0]["contacts"]} == {"Player 0", "Player 1", "Player 2"}


ALTERED = {"message": "x", "sender": "Other", "startDateTime": (START + dt.timedelta(hours=9)).isoformat()}


@pytest.mark.parametrize("others", [0, 1])
async def test_a_campaign_with_the_token_is_found_whatever_was_altered(sandbox: Sandbox, others: int) -> None:
    new = new_campaign(size=150)

    def alter() -> None:
        (made,) = sandbox.created
        (campaign,) = [each for each in sandbox.campaigns if each["id"] == made["id"]]
        contacts = [{**each, "phoneNumber": "07***"} for each in made["contacts"]]
        sandbox.remove(made["id"])
        sandbox.add({**campaign, **ALTERED, "recipientCount": 151}, contacts)
        if others:  # it could be the create's, but for its token
            sandbox.add({**campaign, "id": "other-1"}, [{**each, "custom1": None} for each in made["contacts"]])

    sandbox.fault(**LOST)
    async with marking(sandbox) as client:
        search = client.campaigns.create(new, on_unknown="reconcile")
        sandbox.fault(operation="list", nth=1, times=1, status=500)
        searching = asyncio.create_task(search)
        await sandbox.wait_received(1, "list")
        alter()
        campaign_id = await searching
    assert [each["id"] for each in sandbox.created] == [campaign_id]
    reads = [request for request in sandbox.requests if request.operation == "contacts"]
    assert 1 <= len([each for each in reads if f"/{campaign_id}/" in each.path]) <= 2, (
        "its contacts are not read in full"
    )


@pytest.mark.parametrize("act", [True, False])
async def test_a_server_that_drops_the_token_is_searched_as_without(act: bool) -> None:
    async with Sandbox(quirks=Quirks(drops_custom=True)) as sandbox, marking(sandbox) as client:
        sandbox.fault(**(LOST if act else NEVER))
        campaign_id = await create(client, new_campaign())
        assert [each["id"] for each in sandbox.created] == [campaign_id]
        assert tokens(sandbox) == [{None}]


async def test_a_campaign_without_the_token_may_still_be_the_creates() -> None:
    quirks = Quirks(drops_custom=True, message_text=str.upper)
    async with Sandbox(quirks=quirks) as sandbox, marking(sandbox) as client:
        sandbox.fault(**LOST)
        with pytest.raises(OutcomeUnknownError) as unknown:
            await create(client, new_campaign())
        assert [each.id for each in unknown.value.candidates] == [each["id"] for each in sandbox.created]


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(strict_filters=True)])
async def test_a_server_that_refuses_the_filter_shows_the_token_too(quirks: Quirks) -> None:
    async with Sandbox(quirks=quirks) as sandbox, marking(sandbox) as client:
        sandbox.fault(operation="contacts", nth=1, times=1, status=400)
        sandbox.fault(**LOST)
        assert await create(client, new_campaign()) == sandbox.created[0]["id"]
    assert len(sandbox.created) == 1


async def test_of_two_campaigns_with_the_token_neither_is_believed(sandbox: Sandbox) -> None:
    sandbox.fault(**LOST)
    async with marking(sandbox) as client:
        sandbox.fault(operation="list", nth=1, times=1, status=500)
        searching = asyncio.create_task(create(client, new_campaign()))
        await sandbox.wait_received(1, "list")
        (made,) = sandbox.created
        contacts = made.pop("contacts")
        sandbox.add({**made, "id": "repeated-1"}, contacts)
        with pytest.raises(OutcomeUnknownError) as unknown:
            await searching
    assert {each.id for each in unknown.value.candidates} == {made["id"], "repeated-1"}


async def test_equal_creates_at_once_each_find_their_own(sandbox: Sandbox) -> None:
    news = [new_campaign()] * 4
    for nth in (1, 2, 3, 4):
        sandbox.fault(operation="create", nth=nth, times=1, drop="close", act=nth % 2 == 0)
    async with marking(sandbox) as client:
        async with client.campaigns.create_many(news, on_unknown="reconcile") as outcomes:
            ids = [outcome.value async for outcome in outcomes]
    assert sorted(str(each) for each in ids) == sorted(each["id"] for each in sandbox.created)
    assert len(sandbox.created) == 4


def contacts_with(**fields: str) -> Iterable[NewContact]:
    return [NewContact("07700900123"), NewContact("07700900124", **fields)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contacts": contacts_with(custom1="Leeds")}, r"contacts\[1\] has custom1, which the marker needs"),
        ({"message": "Dear {Custom1}, come."}, "message has a placeholder for a custom field"),
        ({"message": "Dear {custom2}, come."}, "message has a placeholder for a custom field"),
    ],
)
async def test_a_field_that_is_in_use_is_refused(sandbox: Sandbox, changes: dict[str, Any], reason: str) -> None:
    new = evolve(new_campaign(), **changes)
    async with marking(sandbox) as client:
        with pytest.raises(InvalidArgumentError, match=reason) as refused:
            await create(client, new)
        assert "Leeds" not in str(refused.value)
        assert not sandbox.requests
        await client.campaigns.create(new)
    async with marking(sandbox, "custom2") as client:
        if "contacts" in changes:
            await create(client, new)


def test_only_custom_fields_are_markers() -> None:
    with pytest.raises(ConfigurationError, match=r"ReconcilePolicy\.marker"):
        ReconcilePolicy(marker="name")  # type: ignore[arg-type]
