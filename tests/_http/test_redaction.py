"""Nothing that is printed, logged or raised shows a phone number, a name, a message, a sender or a key.

What a server wrote is in the attributes of an error, for code to read. No text of an error quotes it, and no error of
another library, which would, can be reached from it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, strategies as st
from support.raw_server import Answers, answers

from campaigns_async import (
    Auth,
    Campaign,
    CampaignsClient,
    CampaignsError,
    CampaignUpdate,
    Contact,
    Effect,
    InvalidArgumentError,
    NewCampaign,
    NewContact,
    Outcome,
    Page,
    Problem,
    Response,
    RetryPolicy,
    Timeouts,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
MARK = "sEcReT447700900987"
SHOWN: list[Callable[[Any], str]] = [
    repr,
    str,
    format,
    lambda value: f"{value}",
    lambda value: f"{value!r}",
    lambda value: "%s %r" % (value, value),  # noqa: UP031 - as loggers do
]


def mark_text(name: str) -> str:
    """Return a text that no output may show."""
    return f"{MARK}-{name}"


def reachable(error: BaseException) -> list[BaseException]:
    """Return the error with its causes and contexts, suppressed ones included."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__]
    return found


def check_error(error: BaseException) -> None:
    """Fail if the error, a cause or a context shows the mark or belongs to another library."""
    for one in reachable(error):
        assert isinstance(one, CampaignsError), f"{type(one).__name__} can be reached"
        for show in SHOWN:
            assert MARK not in show(one)
        assert MARK not in repr(one.args)
        assert not getattr(one, "__notes__", [])
    for chain in (True, False):
        assert MARK not in "".join(traceback.format_exception(error, chain=chain))


CONTACT = NewContact(mark_text("phone"), mark_text("name"), mark_text("custom1"), mark_text("custom2"), UUID(int=5))
NEW = NewCampaign(START, mark_text("sender"), mark_text("message"), [CONTACT], 5, f"https://{mark_text('link')}")
UPDATE = CampaignUpdate(START, mark_text("sender"), mark_text("message"), 5, mark_text("link"))
CAMPAIGN = Campaign("c1", START, mark_text("sender"), 5, mark_text("message"), None, 5, mark_text("link"))
PERSON = Contact("p1", mark_text("phone"), mark_text("name"), mark_text("custom1"), mark_text("custom2"))
PROBLEM = Problem(
    mark_text("type"), mark_text("title"), 400, mark_text("detail"), None, {mark_text("path"): (mark_text("text"),)}
)
VALUES: dict[str, Any] = {
    "contact to create": CONTACT,
    "campaign to create": NEW,
    "update": UPDATE,
    "campaign": CAMPAIGN,
    "contact": PERSON,
    "campaigns page": Page(1, 1, 1, (CAMPAIGN,)),
    "contacts page": Page(1, 1, 1, (PERSON,)),
    "problem": PROBLEM,
    "response": Response(400, {"X": MARK}, MARK.encode()),
    "outcome of a campaign": Outcome(0, NEW, "c1"),
    "outcome of text": Outcome(0, MARK, CAMPAIGN),
    "outcome of a failure": Outcome(0, NEW, error=ValueError(MARK), effect=Effect.UNKNOWN),
    "client": CampaignsClient("http://127.0.0.1:9", MARK),
    "client with a key in the query": CampaignsClient("http://127.0.0.1:9", MARK, auth=Auth.QUERY),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_no_value_shows_what_it_holds(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    held = (value, [value], {"key": value}, (value,))
    for one in held:
        for show in SHOWN:
            assert MARK not in show(one)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("a caller").debug("%s %r", value, value)
    assert MARK not in caplog.text


@pytest.mark.parametrize(
    "value", [NEW, CONTACT, UPDATE, CAMPAIGN, PERSON, PROBLEM], ids=lambda value: type(value).__name__
)
def test_values_still_say_what_they_are(value: Any) -> None:
    assert repr(value).startswith(f"{type(value).__name__}(")


def test_an_outcome_names_the_class_of_its_error_and_nothing_of_its_item() -> None:
    outcome: Outcome[str, str] = Outcome(3, MARK, error=ValueError(MARK), effect=Effect.UNKNOWN)
    assert (
        repr(outcome) == f"Outcome(index=3, value=None, error=ValueError, effect={Effect.UNKNOWN!r}, request_id=None)"
    )
    done = f"Outcome(index=3, value='c1', error=None, effect={Effect.APPLIED!r}, request_id=None)"
    assert repr(Outcome(3, MARK, "c1")) == done


CALLS: dict[str, Callable[[CampaignsClient], Awaitable[object]]] = {
    "create": lambda client: client.campaigns.create(NEW),
    "get": lambda client: client.campaigns.get("c1"),
    "update": lambda client: client.campaigns.update("c1", UPDATE),
    "delete": lambda client: client.campaigns.delete("c1"),
    "list": lambda client: client.campaigns.list().collect(),
    "list by pages": lambda client: client.campaigns.list().pages().__anext__(),
    "contacts": lambda client: client.campaigns.contacts("c1").collect(),
    "request": lambda client: client.request("POST", "/api/x", params={MARK: MARK}, json={MARK: MARK}),
    "json": lambda client: json_of(client),
}


async def json_of(client: CampaignsClient) -> object:
    return (await client.request("GET", "/api/x", params={MARK: MARK})).json()


async def check_calls(client: CampaignsClient, *names: str) -> int:
    """Check what each call raises or returns, and the outcome of a fan-out; return the number of errors."""
    errors = 0
    for name in names or CALLS:
        try:
            found = await CALLS[name](client)
        except CampaignsError as error:
            check_error(error)
            errors += 1
        else:
            if name not in {"json", "create"}:  # what was asked for: values of the caller's, and an id
                assert MARK not in repr(found)
    if not names:
        async for outcome in client.campaigns.create_many([NEW]):
            for show in SHOWN:
                assert outcome.error is None or MARK not in show(outcome)
            if outcome.error is not None:
                check_error(outcome.error)
    return errors


@asynccontextmanager
async def hostile(**settings: Any) -> AsyncIterator[tuple[Answers, CampaignsClient]]:
    """Run a server of bytes, and a client that sends nothing twice."""
    settings.setdefault("retry", RetryPolicy(attempts=1, base=0.001, cap=0.001))
    async with answers() as server, CampaignsClient(server.url, MARK, auth=Auth.QUERY, **settings) as client:
        yield server, client


def problem_body(mark: str) -> bytes:
    """Return a problem whose every text is marked."""
    return json.dumps(
        {
            "type": mark,
            "title": mark,
            "detail": mark,
            "instance": mark,
            "traceId": f"{mark} no id",
            "errors": {
                mark: [mark],
                f"Contacts[3].{mark}": mark,
                "Contacts[1].PhoneNumber": [f"{mark} is no number"],
                "x": {mark: mark},
            },
        }
    ).encode()


BODIES = {
    "problem": problem_body(MARK),
    "messages": json.dumps({MARK: [MARK]}).encode(),
    "list": json.dumps({"errors": [MARK]}).encode(),
    "text": MARK.encode(),
    "html": f"<h1>{MARK}</h1>".encode(),
    "broken": f'{{"{MARK}": '.encode(),
    "not utf-8": b"\xff" + MARK.encode(),
    "half a string": f'"{MARK}'.encode(),
    "html in a string": f'"<{MARK}>"'.encode(),
    "two words": f"{MARK} {MARK}".encode(),
}
HEADERS = {
    "Location": f"https://{MARK}",
    "Allow": f"GET, {MARK}, SECRET",
    "Retry-After": MARK,
    "x-request-id": f"{MARK} no id",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.slow
async def test_no_error_shows_what_the_server_wrote(body: bytes) -> None:
    async with hostile() as (server, client):
        for status in (307, *range(400, 430), *range(500, 505)):
            server.answer(status, HEADERS, body)
            assert await check_calls(client) == len(CALLS), status
        for status in (200, 201):
            server.answer(status, HEADERS, body)
            assert await check_calls(client) >= 4  # no body is a campaign or a page


FAILURES: dict[str, bytes] = {
    "no answer": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nX: " + MARK.encode(),
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + MARK.encode(),
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" + MARK.encode(),
    "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + MARK.encode() + b"\r\n",
    "no HTTP": MARK.encode() + b"\r\n\r\n",
    "no status": b"HTTP/1.1 " + MARK.encode() + b"\r\n\r\n",
    "no header": b"HTTP/1.1 200 OK\r\n" + MARK.encode() + b"\r\n\r\n",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 18\r\n\r\n" + MARK.encode(),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
async def test_no_error_of_a_failure_shows_what_was_sent_or_came(answer: bytes) -> None:
    async with hostile() as (server, client):
        server.raw_answer(answer)
        assert await check_calls(client) == len(CALLS)


async def test_no_error_shows_what_was_sent_to_nobody_or_too_slowly(unused_tcp_port: int) -> None:
    once = RetryPolicy(attempts=1, base=0.001, cap=0.001)
    nobody = f"http://127.0.0.1:{unused_tcp_port}"
    async with CampaignsClient(nobody, MARK, auth=Auth.QUERY, retry=once) as client:
        assert await check_calls(client) == len(CALLS)
    async with hostile(timeouts=Timeouts(read=0.02)) as (server, client):
        server.raw_answer(None)
        assert await check_calls(client) == len(CALLS)


UNREADABLE: dict[str, Any] = {
    "id": {"id": [MARK]},
    "no object": MARK,
    "array": [MARK],
    "date": {"id": MARK, "startDateTime": MARK},
    "status": {"id": MARK, "status": MARK},
    "count": {"id": MARK, "recipientCount": MARK},
    "text": {"id": MARK, "message": [MARK]},
    "many": {"id": {MARK: MARK}, "startDateTime": MARK, "status": MARK, "message": {MARK: MARK}},
    "missing": {MARK: MARK},
}


@pytest.mark.parametrize("row", UNREADABLE.values(), ids=UNREADABLE)
async def test_no_error_shows_what_could_not_be_read(row: Any) -> None:
    async with hostile() as (server, client):
        for page in (
            {"items": [row]},
            {"items": [{"id": "a"}, row]},
            {"items": {MARK: row}},
            {"items": [], "pageIndex": MARK},
            row,
        ):
            server.answer(200, {}, json.dumps(page).encode())
            assert await check_calls(client, "list", "list by pages") == 2
        server.answer(200, {}, json.dumps(row).encode())
        assert await check_calls(client, "get") == 1


SURROGATE = f"{MARK}\ud800"
Making = Callable[[CampaignsClient], Any]
UNWRITABLE: dict[str, Making] = {
    **{
        f"{name} of {type(value).__name__}": lambda client, name=name, value=value: client.campaigns.create(
            attrs.evolve(NEW, **{name: value})
        )
        for name in ("start_date_time", "sender", "message", "opt_out_link_id", "track_link_url", "contacts")
        for value in (SURROGATE, MARK.encode(), [MARK], {MARK: MARK}, (SURROGATE,))
        if not (name == "contacts" and isinstance(value, bytes))
    },
    **{
        f"contact's {name} of {type(value).__name__}": lambda client, name=name, value=value: client.campaigns.create(
            attrs.evolve(NEW, contacts=[CONTACT, attrs.evolve(CONTACT, **{name: value})])
        )
        for name in ("phone_number", "name", "custom1", "custom2", "contact_group_id")
        for value in (SURROGATE, MARK.encode(), [MARK], {MARK: MARK})
    },
    "naive start": lambda client: client.campaigns.create(attrs.evolve(NEW, start_date_time=datetime(2024, 1, 1))),
    "no contact": lambda client: client.campaigns.create(attrs.evolve(NEW, contacts=[PERSON])),  # type: ignore[list-item]
    "no contacts": lambda _: attrs.evolve(NEW, contacts=5),
    "id": lambda client: client.campaigns.get(f"{MARK}/{MARK}"),
    "surrogate in an id": lambda client: client.campaigns.get(SURROGATE),
    "no text as an id": lambda client: client.campaigns.get([MARK]),  # type: ignore[arg-type]
    "filters": lambda client: client.campaigns.list(filters=SURROGATE).collect(),
    "sorts": lambda client: client.campaigns.list(sorts=SURROGATE).collect(),
    "verb": lambda client: client.request(MARK, "/"),
    "path": lambda client: client.request("GET", f"/{MARK}/../{MARK}"),
    "params": lambda client: client.request("GET", "/", params={MARK: SURROGATE}),
    "params of a wrong type": lambda client: client.request("GET", "/", params={MARK: [MARK]}),  # type: ignore[dict-item]
    "body": lambda client: client.request("POST", "/", json={MARK: SURROGATE}),
    "body of a wrong type": lambda client: client.request("POST", "/", json={MARK: {MARK}}),
    "base url": lambda _: CampaignsClient(f"https://user:{MARK}@host", "key"),
    "base url's port": lambda _: CampaignsClient(f"https://host:{MARK}", "key"),
    "base url's host": lambda _: CampaignsClient(f"https://[{MARK}]", "key"),
    "base url's query": lambda _: CampaignsClient(f"https://host?api-key={MARK}", "key"),
    "key": lambda _: CampaignsClient("https://host", f"{MARK}\n"),
    "key of a wrong type": lambda _: CampaignsClient("https://host", [MARK]),  # type: ignore[arg-type]
    "choice": lambda _: CampaignsClient("https://host", "key", auth=MARK),  # type: ignore[arg-type]
    "number": lambda _: Timeouts(read=MARK),  # type: ignore[arg-type]
    "whole number": lambda _: CampaignsClient("https://host", "key", page_size=MARK),  # type: ignore[arg-type]
    "instance": lambda _: CampaignsClient("https://host", "key", retry=MARK),  # type: ignore[arg-type]
    "update of nothing": lambda _: attrs.evolve(CAMPAIGN, start_date_time=None).to_update(),
}


@pytest.mark.parametrize("make", UNWRITABLE.values(), ids=UNWRITABLE)
async def test_no_error_shows_what_could_not_be_sent_or_set(make: Making, caplog: pytest.LogCaptureFixture) -> None:
    async with hostile() as (server, client):
        with caplog.at_level(logging.DEBUG):
            with pytest.raises(CampaignsError) as caught:
                made = make(client)
                if isinstance(made, Awaitable):
                    await made
            logging.getLogger("a caller").exception("failed", exc_info=caught.value)
            logging.getLogger("a caller").debug("%s %r", caught.value, caught.value)
        assert server.requests == 0
    check_error(caught.value)
    assert MARK not in caplog.text


marks = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).map(lambda text: f"{MARK}{text}{MARK}")
markers = st.recursive(marks, lambda inner: st.lists(inner) | st.dictionaries(marks, inner), max_leaves=5)
fields = st.sampled_from(
    ["id", "startDateTime", "sender", "recipientCount", "status", "optOutLinkId", "phoneNumber", "name", "errors"]
)


def serve(status: int, headers: dict[str, str], *bodies: bytes) -> None:
    """Check all calls against a server that gives these answers."""

    async def check() -> None:
        async with hostile() as (server, client):
            for body in bodies:
                server.answer(status, headers, body)
                await check_calls(client)

    asyncio.run(check())


@given(st.dictionaries(fields.filter("id".__ne__), markers))
def test_whatever_a_server_writes_no_model_and_no_error_shows_it(wire: dict[str, Any]) -> None:
    row = {"id": "a", **wire}
    serve(200, {}, json.dumps(row).encode(), json.dumps({"items": [row]}).encode())


@given(markers, st.sampled_from([307, 400, 401, 404, 405, 409, 413, 422, 429, 500, 503]))
def test_whatever_problem_a_server_writes_no_error_shows_it(said: Any, status: int) -> None:
    body = json.dumps({"type": said, "title": said, "detail": said, "errors": said}).encode()
    headers = {"Retry-After": json.dumps(said), "Allow": json.dumps(said), "Request-Id": f"{MARK} no id"}
    serve(status, headers, body, json.dumps(said).encode())


@given(
    st.fixed_dictionaries(
        {name: marks | st.just(SURROGATE) | markers for name in ("phone_number", "name", "custom1", "custom2")}
    )
)
def test_whatever_a_caller_writes_no_error_shows_it(contact: dict[str, Any]) -> None:
    try:
        new = attrs.evolve(NEW, contacts=[NewContact(**contact)])
    except InvalidArgumentError as error:
        check_error(error)
        return
    assert MARK not in repr(new)
    assert MARK not in repr(new.contacts)

    async def create() -> None:
        async with hostile() as (server, client):
            server.answer(400, {}, b"")
            with pytest.raises(CampaignsError) as caught:
                await client.campaigns.create(new)
            check_error(caught.value)

    asyncio.run(create())
