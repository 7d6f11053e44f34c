"""First impressions: help, reprs, autospecs, and the warning about a client that was never closed."""

from __future__ import annotations

import pydoc
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from unittest.mock import create_autospec

import pytest
from support.made import new_campaign

import campaigns_async
from campaigns_async import (
    Campaign,
    Campaigns,
    CampaignsClient,
    CampaignsError,
    DecodeError,
    InvalidArgumentError,
    RetryPolicy,
)
from campaigns_async.sandbox import Sandbox

# Help


def test_the_help_of_the_client_shows_how_to_send() -> None:
    text = pydoc.plain(pydoc.render_doc(CampaignsClient))
    assert "await client.campaigns.create(new)" in text
    assert "campaigns = <class 'campaigns_async.campaigns.Campaigns'>" in text
    assert CampaignsClient.campaigns is Campaigns


def test_the_help_of_a_resource_shows_its_operations() -> None:
    text = pydoc.plain(pydoc.render_doc(CampaignsClient.campaigns))
    for name in ("create", "create_many", "get", "update", "delete", "list", "contacts"):
        assert re.search(rf"\b{name}\([\s|]*self\b", text)  # Python 3.13 gives each parameter a line


@pytest.mark.parametrize("name", ["NewCampaign", "NewContact", "CampaignUpdate", "Campaign", "Contact", "Page"])
def test_the_help_of_a_model_explains_each_field(name: str) -> None:
    model = getattr(campaigns_async, name)
    documented = re.findall(
        r"^ +(\w+): ", model.__doc__.partition("Attributes:")[2].partition("Raises:")[0], re.MULTILINE
    )
    assert documented == [field.name for field in model.__attrs_attrs__]


def test_a_client_that_was_not_initialized_has_no_resources() -> None:
    with pytest.raises(AttributeError, match="this CampaignsClient was not initialized"):
        _ = CampaignsClient.__new__(CampaignsClient).campaigns


# Autospecs


@pytest.mark.parametrize("options", [{}, {"instance": True}], ids=["class", "instance"])
async def test_a_create_can_be_awaited_on_an_autospec_and_unknown_names_are_refused(options: dict[str, Any]) -> None:
    client = create_autospec(CampaignsClient, **options)
    client.campaigns.create.return_value = "abc"
    new = new_campaign()
    assert await client.campaigns.create(new, on_unknown="reconcile") == "abc"
    client.campaigns.create.assert_awaited_once_with(new, on_unknown="reconcile")
    with pytest.raises(AttributeError):
        client.campaigns.send(new)
    with pytest.raises(AttributeError):
        client.campaign
    with pytest.raises(TypeError):
        await client.campaigns.create(new, on_unknwon="reconcile")


async def test_a_client_made_by_an_autospec_creates_too() -> None:
    client = create_autospec(CampaignsClient)("https://host", "key")
    client.campaigns.create.return_value = "abc"
    assert await client.campaigns.create(new_campaign()) == "abc"


# repr


def public_classes() -> Iterator[type]:
    for name in ("", ".export", ".jobs", ".query", ".sandbox"):
        module = import_module(f"campaigns_async{name}")
        for public in getattr(module, "__all__", dir(module)):
            value = getattr(module, public)
            if (
                isinstance(value, type)
                and value.__module__.startswith("campaigns_async")
                and not public.startswith("_")
            ):
                yield value


@pytest.mark.parametrize("cls", sorted(set(public_classes()), key=str), ids=str)
def test_no_public_class_has_a_repr_with_an_address(cls: type) -> None:
    if not getattr(cls, "_is_protocol", False):
        assert cls.__repr__ is not object.__repr__


async def test_reprs_say_what_is_there(client: CampaignsClient, sandbox: Sandbox) -> None:
    assert repr(client.campaigns) == f"<Campaigns of {sandbox.url}>"
    assert repr(client).startswith("<CampaignsClient 0/32 in flight")
    for number in range(6):
        await client.campaigns.create(new_campaign(number))
    campaigns = client.campaigns.list(page_size=2)
    assert repr(campaigns) == "<Paginator of campaigns, page 1>"
    rows = aiter(campaigns)
    read = [await anext(rows) for _ in range(5)]
    assert repr(campaigns) == "<Paginator of campaigns, page 3>"
    assert repr(client.campaigns.contacts(read[0].id)) == "<Paginator of contacts, page 1>"
    for value in (campaigns, aiter(campaigns), campaigns.pages(), client.campaigns.create_many([]), client.stats()):
        assert " at 0x" not in repr(value)
    await client.aclose()
    assert repr(client) == "<CampaignsClient closed>"


# The first row


async def test_the_first_row_takes_one_small_request(client: CampaignsClient, sandbox: Sandbox) -> None:
    assert await client.campaigns.list().first() is None
    ids = [await client.campaigns.create(new_campaign(number)) for number in range(5)]
    before = len(sandbox.requests)
    first = await client.campaigns.list(sorts="id").first()
    assert isinstance(first, Campaign)
    assert first.id == min(ids)
    [request] = list(sandbox.requests)[before:]
    assert request.query["pagesize"] == "1"


async def test_the_first_row_after_a_checkpoint(client: CampaignsClient) -> None:
    for number in range(5):
        await client.campaigns.create(new_campaign(number))
    campaigns = client.campaigns.list(page_size=2)
    rows = await campaigns.collect()
    iterator = aiter(campaigns)
    for _ in range(3):
        await anext(iterator)
    assert await client.campaigns.list(page_size=2, resume_from=campaigns.checkpoint).first() == rows[3]


# Wrong arguments


async def test_wrong_arguments_are_refused_by_every_way_in(client: CampaignsClient, sandbox: Sandbox) -> None:
    for wrong in ({"contacts": []}, {"message": ""}, {"sender": " "}, {"contacts": "0770"}):
        with pytest.raises(InvalidArgumentError) as caught:
            new_campaign(**wrong)
        assert caught.value.parameter == next(iter(wrong))
    assert list(sandbox.requests) == []


# Errors


async def test_one_handler_of_a_web_app_serves_every_error(sandbox: Sandbox, client: CampaignsClient) -> None:
    headers = {"Retry-After": "7", "X-Request-Id": "r-1"}
    found: dict[str, tuple[int | None, float | None, str | None]] = {}
    sandbox.fault(operation="create", times=1, status=503, headers=headers)
    sandbox.fault(operation="get", status=404, headers={"X-Request-Id": "r-2"})
    async with CampaignsClient("http://127.0.0.1:9", "key", retry=RetryPolicy(attempts=1)) as nobody:
        for call in (
            client.campaigns.create(new_campaign()),
            client.campaigns.get("abc"),
            nobody.campaigns.get("abc"),
        ):
            with pytest.raises(CampaignsError) as caught:
                await call
            error = caught.value
            found[type(error).__name__] = (error.http_status, error.retry_after, error.request_id)
    assert found == {
        "OutcomeUnknownError": (503, 7, "r-1"),
        "NotFoundError": (404, None, "r-2"),
        "ConnectionFailedError": (None, None, None),
    }


async def test_an_error_of_reading_a_success_has_its_status_and_request_id(
    sandbox: Sandbox, client: CampaignsClient
) -> None:
    sandbox.fault(operation="create", status=201, body=b"", headers={"X-Request-Id": "r-1"})
    with pytest.raises(DecodeError) as caught:
        await client.campaigns.create(new_campaign())
    assert (caught.value.http_status, caught.value.request_id) == (201, "r-1")


# Never closed

PROGRAM = """
import asyncio, gc
from datetime import UTC, datetime
from campaigns_async import CampaignsClient, NewCampaign, NewContact
from campaigns_async.sandbox import Sandbox

NEW = NewCampaign(datetime(2031, 1, 1, tzinfo=UTC), "Golf", "Hello", [NewContact("07700900123")])

async def main():
    async with Sandbox() as sandbox:
        print(sandbox.url)
        client = CampaignsClient(sandbox.url, sandbox.api_key)
        {}
        del client
        gc.collect()

asyncio.run(main())
"""


def run(action: str) -> tuple[str, str]:
    """Run a program that does `action` with its client. Return the sandbox's address, and the program's stderr."""
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", PROGRAM.format(action)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip(), done.stderr


@pytest.mark.slow
def test_a_client_that_was_never_closed_says_so_by_its_own_name() -> None:
    for action in ("await client.campaigns.create(NEW)", "await client.with_options().campaigns.create(NEW)"):
        url, said = run(action)
        assert f"CampaignsClient of {url} was never closed: use 'async with', or await aclose()" in said


@pytest.mark.slow
def test_a_client_that_was_closed_or_never_opened_says_nothing() -> None:
    for action in ("pass", "await client.campaigns.create(NEW); await client.aclose()", "view = client.with_options()"):
        assert run(action)[1] == ""
