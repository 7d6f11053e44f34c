"""Keys, numbers, names and texts reach no log, no repr and no traceback, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from support.failures import CASES, Case
from support.made import START, client_of
from support.observed import Recorder

from campaigns_async import (
    Auth,
    CampaignsClient,
    NewCampaign,
    NewContact,
    ReconcilePolicy,
    RetryPolicy,
    Timeouts,
    query,
)
from campaigns_async.sandbox import Sandbox

MARKS = {
    "key": "KEYMARK",
    "number": "07700900999",
    "name": "NAMEMARK",
    "text": "TEXTMARK",
    "custom": "CUSTOMMARK",
    "sender": "SENDERMARK",
    "link": "LINKMARK",
}
NEW = NewCampaign(
    START,
    MARKS["sender"],
    MARKS["text"],
    [NewContact(MARKS["number"], MARKS["name"], MARKS["custom"], MARKS["custom"])],
    track_link_url=f"https://{MARKS['link']}.example",
)
ECHO = " ".join(MARKS.values())
HOSTILE: dict[str, dict[str, Any]] = {
    "problem": {"status": 400, "body": f'{{"title": "{ECHO}", "errors": {{"Contacts[0].{ECHO}": ["{ECHO}"]}}}}'},
    "html": {"status": 502, "body": f"<html>{ECHO}</html>"},
    "headers": {"status": 429, "headers": {"Retry-After": ECHO, "x-request-id": ECHO, "Allow": ECHO}},
    "wrong types": {
        "status": 200,
        "body": f'{{"id": "abc", "status": "{ECHO}", "items": [{{"id": "a", "status": "{ECHO}"}}]}}',
    },
    "no json": {"status": 201, "act": True, "body": ECHO},
}


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Collect all log records at DEBUG, those of the event loop's debug mode included."""
    with caplog.at_level(logging.DEBUG):
        seen: list[str] = []
        yield seen
        seen += [record.getMessage() for record in caplog.records]
        seen += [record.exc_text or "" for record in caplog.records]
    check(seen)


def check(texts: list[str]) -> None:
    for text in texts:
        for what, mark in MARKS.items():
            assert mark not in text, f"the {what} is shown"


def renderings_of(error: BaseException) -> list[str]:
    """Return every text of an exception, of its cause and of its context."""
    found = [str(error), repr(error), *traceback.format_exception(error)]
    for other in (error.__cause__, error.__context__):
        if other is not None:
            found += renderings_of(other)
    return found


async def calls(client: CampaignsClient) -> list[str]:
    """Run each operation once, and return the texts of its outcome."""
    campaigns = client.campaigns
    texts = [repr(client), repr(client.stats())]
    by_number = query.contact.phone_number == MARKS["number"]
    for call in (
        campaigns.create(NEW),
        campaigns.create(NEW, on_unknown="reconcile"),
        campaigns.get("abc"),
        campaigns.delete("abc"),
        campaigns.list(filters=query.campaign.message == MARKS["text"]).collect(),
        campaigns.contacts("abc", filters=by_number).collect(),
        client.request("POST", "/api/SMSMessages", params={"q": MARKS["number"]}, json={"message": MARKS["text"]}),
    ):
        try:
            texts.append(repr(await call))
        except Exception as error:
            texts += renderings_of(error)
    texts += [repr(outcome) async for outcome in campaigns.create_many([NEW])]
    return texts


@pytest.mark.parametrize("auth", list(Auth))
@pytest.mark.parametrize("fault", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.slow
async def test_the_texts_of_a_hostile_server_are_not_shown(fault: dict[str, Any], auth: Auth, lines: list[str]) -> None:
    asyncio.get_running_loop().set_debug(True)
    recorder = Recorder()
    async with Sandbox(api_key=MARKS["key"]) as sandbox:
        sandbox.fault(**fault)
        async with client_of(sandbox, auth=auth, observer=recorder, **quick_options()) as client:
            check(await calls(client))
    check([repr(event) for event in recorder.events])
    gc.collect()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_no_failed_request_shows_its_content(case: Case, lines: list[str]) -> None:
    async with Sandbox(api_key=MARKS["key"]) as sandbox:
        sandbox.fault(**case.fault)
        async with client_of(sandbox, auth=Auth.QUERY, **quick_options()) as client:
            check(await calls(client))


async def test_an_unreachable_host_shows_no_key(lines: list[str]) -> None:
    async with CampaignsClient("http://127.0.0.1:9", MARKS["key"], auth=Auth.QUERY, **quick_options()) as client:
        check(await calls(client))


def quick_options() -> dict[str, Any]:
    return {
        "retry": RetryPolicy(attempts=2, base=0.001, cap=0.002),
        "timeouts": Timeouts(connect=2, read=0.2),
        "reconcile": ReconcilePolicy(settle=0.01, timeout=0.2, pause=0.01),
    }
