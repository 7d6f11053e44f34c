"""Responses that prove nothing: bodies of other services, ids of other campaigns, doubled responses."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import pytest
from attrs import evolve
from support.made import QUICK, START, new_campaign
from support.raw_server import raw_server, read_request

from campaigns_async import (
    CallFinished,
    Campaign,
    CampaignsClient,
    CampaignUpdate,
    DecodeError,
    DuplicateId,
    Effect,
    Event,
    InvalidArgumentError,
    NewCampaign,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ServerError,
    Timeouts,
    ValidationFailedError,
)
from campaigns_async._http.request import build_encoded_create
from campaigns_async._reconcile.ledger import Ledger, fields_of
from campaigns_async.client import runtime_of
from campaigns_async.effects import BodyForm

Answer: TypeAlias = tuple[int, str, bytes] | bytes | None
"""A status, a content type and a body; raw bytes, after which the connection is closed; None for no response."""
GONE: Answer = (404, "application/problem+json", b'{"title": "Not Found", "status": 404}')
PAGE: Answer = (200, "text/html", b"<html>We are back soon.</html>")


class Server:
    """A server that answers as a test says, with what it was sent.

    Attributes:
        requests: `GET /path` and so on, in order.
        connections: The number of the connection of each request.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.connections: list[int] = []
        self.open: dict[int, asyncio.StreamWriter] = {}
        self._answers: dict[str, list[Answer]] = {}

    def answer(self, request: str, *answers: Answer) -> None:
        """Answer requests of a method and a path with these in turn, the last one again and again."""
        self._answers[request] = list(answers)

    def count(self, method: str) -> int:
        """Return the number of requests of a method."""
        return sum(request.startswith(method) for request in self.requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        number = len(self.open)
        self.open[number] = writer
        while True:
            head = (await read_request(reader)).split(b"\r\n")[0].decode().split()
            request = f"{head[0]} {head[1]}"
            self.requests.append(request)
            self.connections.append(number)
            answers = self._answers.get(request, [GONE])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer is None:
                await reader.read()
                return
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
                return
            writer.write(encode(*answer))
            await writer.drain()


def encode(status: int, content_type: str, body: bytes) -> bytes:
    """Return a response in HTTP."""
    head = f"HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\n"
    if status != 204:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def in_json(value: object, status: int = 200) -> Answer:
    """Return an answer in JSON."""
    return status, "application/json", json.dumps(value).encode()


def campaign(campaign_id: str, new: NewCampaign, **changed: object) -> Answer:
    """Return the answer to a GET of a campaign."""
    return in_json(
        {
            "id": campaign_id,
            "startDateTime": new.start_date_time.isoformat(),
            "sender": new.sender,
            "message": new.message,
            "recipientCount": len(new.contacts),
            "status": 0,
            **changed,
        }
    )


class Recorder:
    """An observer that keeps all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event, /) -> None:
        """Keep an event."""
        self.events.append(event)


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[tuple[Server, CampaignsClient]]:
    """Run a server, and a client of it."""
    server = Server()
    settings.setdefault("timeouts", Timeouts(read=5, deadline=20, grace=1))
    async with raw_server(server.serve) as running:
        server.url = running.url
        async with CampaignsClient(running.url, "key", retry=QUICK, **settings) as client:
            yield server, client


CREATE = "POST /api/Campaigns"
UNPROVEN: dict[str, tuple[Answer, BodyForm]] = {
    "a page with 200": (PAGE, BodyForm.HTML),
    "a page with 201": ((201, "text/html", b"<html>"), BodyForm.HTML),
    "an id in HTML": ((201, "text/html", b"Forbidden"), BodyForm.HTML),
    "other JSON": (in_json({"ok": True}, 201), BodyForm.JSON),
    "an empty 200": ((200, "text/plain", b""), BodyForm.EMPTY),
    "a 202": ((202, "text/plain", b""), BodyForm.EMPTY),
    "a 204": ((204, "text/plain", b""), BodyForm.EMPTY),
    "a sentence": ((200, "text/plain", b"Service is healthy"), BodyForm.TEXT),
}


@pytest.mark.parametrize("name", UNPROVEN)
async def test_a_body_that_is_no_id_leaves_a_create_unknown_without_another_request(name: str) -> None:
    answer, form = UNPROVEN[name]
    async with serving() as (server, client):
        server.answer(CREATE, answer)
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(new_campaign())
        assert server.requests == [CREATE]
    error = unknown.value
    assert (error.effect, error.body_form, error.cause_type) == (Effect.UNKNOWN, form, DecodeError)
    assert isinstance(answer, tuple)
    assert error.http_status == answer[0]
    assert "does not prove that the request was carried out" in str(error)


TEXTS: list[Answer] = [
    (200, "text/plain", b"healthy"),
    (200, "text/plain", b"Forbidden"),
    (201, "application/json", b'"Error"'),
    in_json({"id": "healthy"}, 201),
    (202, "application/json", b'"abc123"'),
]


@pytest.mark.parametrize("answer", TEXTS, ids=str)
@pytest.mark.parametrize("body", ["gone", "other", "failing", "page", "equal"])
async def test_a_possible_id_is_read_back(answer: Answer, body: str) -> None:
    assert isinstance(answer, tuple)
    new = new_campaign()
    campaign_id = answer[2].decode().strip('"') if b"{" not in answer[2] else "healthy"
    read_back: Answer = {
        "gone": GONE,
        "other": campaign(campaign_id, new_campaign(1)),
        "failing": (500, "text/plain", b""),
        "page": PAGE,
        "equal": campaign(campaign_id, new),
    }[body]
    async with serving() as (server, client):
        server.answer(CREATE, answer)
        server.answer(f"GET /api/Campaigns/{campaign_id}", read_back)
        for _ in range(2):
            if body == "equal":
                assert await client.campaigns.create(new) == campaign_id
                break
            with pytest.raises(OutcomeUnknownError) as unknown:
                await client.campaigns.create(new)
            assert unknown.value.body_form is not BodyForm.GIVEN_ID, "it was not remembered as given"
            assert unknown.value.duplicate_id is None
        assert server.count("POST") == (1 if body == "equal" else 2)
        assert server.requests[1] == f"GET /api/Campaigns/{campaign_id}"


DIFFERENCES: dict[str, Any] = {
    "startDateTime": "2031-05-01T09:30:02Z",
    "sender": "golf",
    "message": "Tee time 0, 20% off.",
    "optOutLinkId": 1,
    "trackLinkUrl": "https://example.com",
    "recipientCount": 3,
}


@pytest.mark.parametrize("name", DIFFERENCES)
@pytest.mark.parametrize("missing", [False, True])
async def test_each_field_of_the_campaign_that_is_read_back_must_be_equal(name: str, missing: bool) -> None:
    new = new_campaign(opt_out_link_id=7, track_link_url="https://example.com/1")
    equal = {"optOutLinkId": 7, "trackLinkUrl": "https://example.com/1"}
    async with serving() as (server, client):
        server.answer(CREATE, in_json({"id": "abc"}, 201))
        server.answer("GET /api/Campaigns/abc", campaign("abc", new, **equal))
        assert await client.campaigns.create(new) == "abc"
    async with serving() as (server, client):
        server.answer(CREATE, in_json({"id": "abc"}, 201))
        changed = {**equal, name: None if missing else DIFFERENCES[name]}
        server.answer("GET /api/Campaigns/abc", campaign("abc", new, **changed))
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new)


@pytest.mark.parametrize("shown", ["Tee time\r\nat the café", "Tee time\nat the cafe\u0301"])
async def test_a_text_with_other_line_ends_or_composed_otherwise_is_equal(shown: str) -> None:
    new = evolve(new_campaign(), message="Tee time\nat the café")
    async with serving() as (server, client):
        server.answer(CREATE, in_json({"id": "abc"}, 201))
        server.answer("GET /api/Campaigns/abc", campaign("abc", new, message=shown))
        assert await client.campaigns.create(new) == "abc"


@pytest.mark.parametrize(("drops", "count", "is_proven"), [(True, 1, True), (True, 3, False), (False, 1, False)])
async def test_fewer_recipients_are_equal_where_invalid_numbers_are_left_out(
    drops: bool, count: int, is_proven: bool
) -> None:
    new = new_campaign()
    async with serving() as (server, client):
        server.answer(f"POST /api/campaigns/{str(drops).lower()}", in_json({"id": "abc"}, 201))
        server.answer("GET /api/Campaigns/abc", campaign("abc", new, recipientCount=count))
        if is_proven:
            assert await client.campaigns.create(new, drops) == "abc"
        else:
            with pytest.raises(OutcomeUnknownError):
                await client.campaigns.create(new, drops)


async def test_reading_back_ends_at_the_deadline_of_the_create() -> None:
    async with serving(timeouts=Timeouts(read=5, deadline=0.3)) as (server, client):
        server.answer(CREATE, in_json({"id": "abc"}, 201))
        server.answer("GET /api/Campaigns/abc", None)
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(new_campaign())
    assert 0.2 < unknown.value.elapsed < 3
    assert unknown.value.effect is Effect.UNKNOWN


async def test_a_create_that_is_cancelled_while_it_is_read_back_is_unknown() -> None:
    async with serving() as (server, client):
        server.answer(CREATE, in_json({"id": "abc"}, 201))
        server.answer("GET /api/Campaigns/abc", None)
        creating = asyncio.create_task(client.campaigns.create(new_campaign()))
        while server.count("GET") == 0:
            await asyncio.sleep(0.01)
        creating.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await creating
    assert getattr(cancelled.value, "effect", None) is Effect.UNKNOWN


async def test_a_create_that_is_read_back_is_reported_as_applied() -> None:
    recorder, new = Recorder(), new_campaign()
    async with serving(observer=recorder) as (server, client):
        server.answer(CREATE, in_json({"id": "abc"}, 201))
        server.answer("GET /api/Campaigns/abc", campaign("abc", new))
        await client.campaigns.create(new)
    finished = [event for event in recorder.events if isinstance(event, CallFinished)]
    assert [(event.method, event.effect, event.error_type) for event in finished] == [
        ("GET", Effect.APPLIED, None),
        ("POST", Effect.APPLIED, None),
    ]


async def test_a_create_as_documented_makes_one_request() -> None:
    async with serving() as (server, client):
        server.answer(CREATE, *[in_json(f"id{number}", 201) for number in range(5)])
        for number in range(5):
            assert await client.campaigns.create(new_campaign(number)) == f"id{number}"
        assert server.requests == [CREATE] * 5
        assert set(server.connections) == {0}


FOREIGN: list[tuple[int, bytes, Effect, type[Exception]]] = [
    (403, b"<html>Request blocked", Effect.UNKNOWN, OutcomeUnknownError),
    (403, b'{"message": "Forbidden"}', Effect.UNKNOWN, OutcomeUnknownError),
    (403, b'{"title": "Forbidden", "status": 403}', Effect.REJECTED, PermissionDeniedError),
    (403, b"Forbidden", Effect.REJECTED, PermissionDeniedError),
    (403, b"", Effect.REJECTED, PermissionDeniedError),
    (400, b"<html>", Effect.REJECTED, ValidationFailedError),
    (404, b"<html>", Effect.REJECTED, NotFoundError),
    (401, b"<html>", Effect.UNKNOWN, OutcomeUnknownError),
]


@pytest.mark.parametrize(("status", "body", "effect", "cls"), FOREIGN)
async def test_a_4xx_is_believed_by_its_status_or_its_form(
    status: int, body: bytes, effect: Effect, cls: type[Exception]
) -> None:
    async with serving() as (server, client):
        server.answer(CREATE, (status, "application/octet-stream", body))
        with pytest.raises(cls) as failed:
            await client.campaigns.create(new_campaign())
    assert getattr(failed.value, "effect", None) is effect
    assert server.requests == [CREATE]


# Ids that are given twice


async def test_an_id_that_was_given_before_is_unknown_for_both(caplog: pytest.LogCaptureFixture) -> None:
    recorder, new = Recorder(), new_campaign()
    async with serving(observer=recorder) as (server, client):
        server.answer(CREATE, in_json("abc123", 201))
        server.answer("GET /api/Campaigns/abc123", campaign("abc123", new))
        assert await client.campaigns.create(new) == "abc123"
        with pytest.raises(OutcomeUnknownError, match="the id of another create") as unknown:
            await client.campaigns.create(new)
    assert (unknown.value.duplicate_id, unknown.value.body_form) == ("abc123", BodyForm.GIVEN_ID)
    (event,) = [event for event in recorder.events if isinstance(event, DuplicateId)]
    assert (event.campaign_id, event.effect, event.earlier_effect) == ("abc123", Effect.UNKNOWN, Effect.UNKNOWN)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == (
        "the server gave the id abc123 to two creates: the later one is unknown, the earlier one is unknown"
    )


@pytest.mark.parametrize("equal", ["earlier", "later", "neither", "gone"])
async def test_a_campaign_that_equals_one_of_two_creates_settles_them(equal: str) -> None:
    recorder, earlier, later = Recorder(), new_campaign(1), new_campaign(2)
    async with serving(observer=recorder) as (server, client):
        server.answer(CREATE, in_json("abc123", 201))
        of = {"earlier": earlier, "later": later, "neither": new_campaign(3)}
        server.answer("GET /api/Campaigns/abc123", campaign("abc123", of[equal]) if equal in of else GONE)
        assert await client.campaigns.create(earlier) == "abc123"
        if equal == "later":
            assert await client.campaigns.create(later) == "abc123"
        else:
            with pytest.raises(OutcomeUnknownError):
                await client.campaigns.create(later)
        # A third one with the content of either is unknown.
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(later if equal == "later" else earlier)
    events = [event for event in recorder.events if isinstance(event, DuplicateId)]
    assert (events[0].effect is Effect.APPLIED) == (equal == "later")
    assert (events[0].earlier_effect is Effect.APPLIED) == (equal == "earlier")


@pytest.mark.parametrize("dropping", ["earlier", "later"])
async def test_a_lower_count_does_not_tell_two_equal_creates_apart(dropping: str) -> None:
    recorder, new = Recorder(), new_campaign(size=3)
    async with serving(observer=recorder) as (server, client):
        for path in (CREATE, "POST /api/campaigns/true"):
            server.answer(path, in_json("abc123", 201))
        server.answer("GET /api/Campaigns/abc123", campaign("abc123", evolve(new, contacts=new.contacts[:2])))
        await client.campaigns.create(new, ignore_invalid_phone_numbers=dropping == "earlier" or None)
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new, ignore_invalid_phone_numbers=dropping == "later" or None)
    (event,) = [event for event in recorder.events if isinstance(event, DuplicateId)]
    assert (event.effect, event.earlier_effect) == (Effect.UNKNOWN, Effect.UNKNOWN)


async def test_of_many_creates_at_once_with_one_id_at_most_one_returns() -> None:
    new = new_campaign()
    async with serving() as (server, client):
        server.answer(CREATE, in_json("abc123", 201))
        server.answer("GET /api/Campaigns/abc123", campaign("abc123", new))
        results = await asyncio.gather(*(client.campaigns.create(new) for _ in range(20)), return_exceptions=True)
    assert sum(result == "abc123" for result in results) == 1
    assert sum(isinstance(result, OutcomeUnknownError) for result in results) == 19


async def test_of_many_creates_with_one_possible_id_none_is_taken_for_another() -> None:
    new = new_campaign()
    async with serving() as (server, client):
        server.answer(CREATE, in_json({"id": "abc123"}, 201))
        server.answer("GET /api/Campaigns/abc123", campaign("abc123", new))
        results = await asyncio.gather(*(client.campaigns.create(new) for _ in range(20)), return_exceptions=True)
    assert sum(result == "abc123" for result in results) <= 1


async def test_create_many_notices_an_id_that_is_given_twice() -> None:
    async with serving() as (server, client):
        server.answer(CREATE, in_json("abc123", 201))
        server.answer("GET /api/Campaigns/abc123", campaign("abc123", new_campaign(0)))
        async with client.campaigns.create_many([new_campaign(number) for number in range(10)]) as outcomes:
            effects = {outcome.index: outcome.effect async for outcome in outcomes}
    # It is the campaign of the first item. Another create may have returned with the id before that was known.
    assert effects.pop(0) is Effect.APPLIED
    assert sorted(effect.name for effect in effects.values())[1:] == ["UNKNOWN"] * 8
    assert set(effects.values()) <= {Effect.APPLIED, Effect.UNKNOWN}


async def test_rows_of_a_journal_with_one_id_are_left_to_their_journal() -> None:
    first, second = new_campaign(1), new_campaign(2)
    async with serving() as (server, client):
        server.answer(CREATE, in_json("abc123", 201))
        server.answer("GET /api/Campaigns/abc123", campaign("abc123", second))
        creator = runtime_of(client).creator
        assert await creator.create(build_encoded_create(b"{}", lambda: first)) == "abc123"
        with pytest.raises(OutcomeUnknownError) as unknown:
            await creator.create(build_encoded_create(b"{}", lambda: second))
        assert unknown.value.duplicate_id == "abc123"
        assert server.count("GET") == 0
        for mine, other, effects in [
            (second, first, (Effect.APPLIED, Effect.UNKNOWN)),
            (first, second, (Effect.UNKNOWN, Effect.APPLIED)),
            (second, second, (Effect.UNKNOWN, Effect.UNKNOWN)),
            (first, first, (Effect.UNKNOWN, Effect.UNKNOWN)),
            (second, None, (Effect.UNKNOWN, Effect.UNKNOWN)),
            (first, None, (Effect.UNKNOWN, Effect.UNKNOWN)),
        ]:
            assert await creator.settle_duplicate("abc123", mine, other) == effects


def test_a_ledger_remembers_the_last_ten_thousand_ids() -> None:
    ledger = Ledger(1_000_000)
    for number in range(20_000):
        ledger.claim(str(number))
        assert str(max(0, number - 9_999)) in ledger.given
        assert len(ledger.given) <= 11_000
    assert "0" not in ledger.given
    assert ledger.is_claimed(Campaign(id="0"), fields_of(new_campaign()))


# Doubled responses on a kept-alive connection


@pytest.mark.parametrize("doubled", [201, 400, 429, 503])
async def test_a_response_that_comes_twice_answers_no_other_create(doubled: int) -> None:
    made: list[bytes] = []
    double = encode(doubled, "application/json", b'"id0"' if doubled == 201 else b"")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await read_request(reader)
                if not made:
                    made.append(request)
                    writer.write(double)
                    await writer.drain()
                    await asyncio.sleep(0.01)
                    writer.write(double)
                else:
                    made.append(request)
                    writer.write(encode(201, "application/json", b'"id%d"' % len(made)))
                await writer.drain()

    async with raw_server(serve) as server, CampaignsClient(server.url, "key", retry=QUICK) as client:
        outcomes = await asyncio.gather(
            *(client.campaigns.create(new_campaign(number)) for number in range(4)), return_exceptions=True
        )
        for number in range(4, 8):
            with suppress(OutcomeUnknownError):
                await client.campaigns.create(new_campaign(number))
    ids = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(set(ids)) == len(ids)
    sent = sum(request.startswith(b"POST") for request in made)
    assert sent == (9 if doubled == 429 else 8), "only what was throttled was sent again, over another connection"


async def test_a_connection_carries_another_request_only_after_a_documented_success() -> None:
    new = new_campaign()
    async with serving() as (server, client):
        server.answer(CREATE, in_json("id1", 201), (400, "text/plain", b""), in_json("id2", 201))
        server.answer("GET /api/Campaigns/id1", campaign("id1", new), campaign("id9", new), campaign("id1", new))
        server.answer("DELETE /api/Campaigns/id1", (204, "", b""))
        server.answer("GET /api/SMSMessages", in_json([]))
        await client.campaigns.create(new)
        await client.campaigns.get("id1")
        with pytest.raises(DecodeError, match="another campaign"):
            await client.campaigns.get("id1")
        await client.campaigns.get("id1")
        with pytest.raises(ValidationFailedError):
            await client.campaigns.create(new)
        await client.campaigns.delete("id1")
        await client.request("GET", "/api/SMSMessages")
        await client.campaigns.create(new)
    assert server.connections == [0, 1, 1, 2, 0, 3, 2, 4], "reads have connections of their own"


# Updates and deletes


CHANGED = CampaignUpdate(START, "Golf", "Closed")
WRITES: dict[str, Callable[[CampaignsClient], Any]] = {
    "PUT": lambda client: client.campaigns.update("id1", CHANGED),
    "DELETE": lambda client: client.campaigns.delete("id1"),
}
DOUBTFUL: list[Answer] = [PAGE, in_json({}), (202, "", b""), (404, "text/html", b"<html>"), in_json({"a": 1}, 404)]


@pytest.mark.parametrize("answer", DOUBTFUL, ids=str)
@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_write_is_confirmed_by_reading(method: str, answer: Answer, confirmed: bool) -> None:
    done: dict[str, Answer] = {"PUT": campaign("id1", new_campaign(message="Closed")), "DELETE": GONE}
    not_done: dict[str, list[Answer]] = {
        "PUT": [GONE, campaign("id1", new_campaign()), campaign("id2", new_campaign(message="Closed")), PAGE],
        "DELETE": [campaign("id1", new_campaign()), (404, "text/html", b"<html>"), PAGE, (500, "", b"")],
    }
    for read_back in [done[method]] if confirmed else not_done[method]:
        async with serving() as (server, client):
            server.answer(f"{method} /api/Campaigns/id1", answer)
            server.answer("GET /api/Campaigns/id1", read_back)
            if confirmed:
                await WRITES[method](client)
            else:
                with pytest.raises(OutcomeUnknownError) as unknown:
                    await WRITES[method](client)
                assert unknown.value.effect is Effect.UNKNOWN
            assert server.count(method) == 1


@pytest.mark.parametrize("method", WRITES)
async def test_a_write_as_documented_is_not_read_back(method: str) -> None:
    async with serving() as (server, client):
        server.answer(f"{method} /api/Campaigns/id1", (204, "", b""), GONE, (404, "text/plain", b""))
        await WRITES[method](client)
        for _ in range(2):
            with pytest.raises(NotFoundError) as missing:
                await WRITES[method](client)
            assert missing.value.effect is Effect.REJECTED
        assert server.count("GET") == 0


MISSING: list[Answer] = [GONE, (404, "text/plain", b"no such page"), (404, "", b""), (404, "text/html", b"")]


@pytest.mark.parametrize("missing", MISSING, ids=str)
@pytest.mark.parametrize("first", [(503, "", b""), (500, "", b""), None], ids=str)
async def test_a_404_after_an_unknown_attempt_is_confirmed_by_reading(missing: Answer, first: Answer) -> None:
    done: dict[str, Answer] = {"PUT": campaign("id1", new_campaign(message="Closed")), "DELETE": GONE}
    not_done: dict[str, list[Answer]] = {
        "PUT": [GONE, campaign("id1", new_campaign()), (500, "", b"")],
        "DELETE": [campaign("id1", new_campaign()), (404, "text/html", b""), PAGE, (500, "", b"")],
    }
    timeouts = Timeouts(read=0.05)
    for method, send in WRITES.items():
        for found in (done[method], *not_done[method]):
            async with serving() as (server, opened):
                client = opened.with_options(timeouts=timeouts) if first is None else opened
                server.answer(f"{method} /api/Campaigns/id1", first, missing)
                server.answer("GET /api/Campaigns/id1", found)
                if found is done[method]:
                    await send(client)
                else:
                    with pytest.raises(OutcomeUnknownError) as unknown:
                        await send(client)
                    assert unknown.value.effect is Effect.UNKNOWN
                assert server.count(method) == 2
                assert server.count("GET") >= 1


# Raw requests


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_raw_request_returns_every_success_and_says_what_it_proves(method: str, status: int) -> None:
    recorder = Recorder()
    async with serving(observer=recorder) as (server, client):
        server.answer(f"{method} /api/SMSMessages", (status, "text/html", b"" if status == 204 else b"<html>"))
        response = await client.request(method, "/api/SMSMessages", json={})
        assert len(server.requests) == 1
    assert response.status == status
    assert response.effect is (Effect.APPLIED if status in (201, 204) else Effect.UNKNOWN)
    (finished,) = [event for event in recorder.events if isinstance(event, CallFinished)]
    assert (finished.effect, finished.error_type) == (response.effect, None)


async def test_a_raw_post_whose_201_was_cut_short_was_carried_out() -> None:
    async with serving() as (server, client):
        server.answer("POST /api/SMSMessages", b"HTTP/1.1 201 Created\r\nContent-Length: 38\r\n\r\n" + b'"abc')
        with pytest.raises(DecodeError, match="cut short") as cut:
            await client.request("POST", "/api/SMSMessages", json={})
    assert (cut.value.effect, cut.value.http_status) == (Effect.APPLIED, 201)


async def test_a_raw_post_that_fails_is_unknown() -> None:
    async with serving() as (server, client):
        server.answer("POST /api/SMSMessages", (500, "", b""))
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.request("POST", "/api/SMSMessages", json={})
    assert unknown.value.cause_type is ServerError


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "get"])
async def test_a_request_that_has_no_body_refuses_json(method: str) -> None:
    async with serving() as (server, client):
        with pytest.raises(InvalidArgumentError, match="json cannot be sent with") as refused:
            await client.request(method, "/api/Campaigns", json={"a": 1})
        assert server.requests == []
    assert refused.value.parameter == "json"


async def test_a_campaign_of_a_uuid_is_the_same_in_any_letter_case() -> None:
    uuid = "3FA85F64-5717-4562-B3FC-2C963F66AFA6"
    async with serving() as (server, client):
        server.answer(f"GET /api/Campaigns/{uuid}", campaign(uuid.lower(), new_campaign()))
        server.answer("GET /api/Campaigns/abc", campaign("ABC", new_campaign()))
        assert (await client.campaigns.get(uuid)).id == uuid.lower()
        with pytest.raises(DecodeError):
            await client.campaigns.get("abc")


@pytest.mark.parametrize("length", ["", "Content-Length: 900\r\n"])
async def test_a_piece_of_a_page_of_html_proves_no_create(length: str) -> None:
    head = f"HTTP/1.1 201 Created\r\nContent-Type: text/html\r\n{length}\r\n<html>"
    async with raw_server(head.encode()) as server, CampaignsClient(server.url, "k", retry=QUICK) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.campaigns.create(new_campaign())
    assert caught.value.effect is Effect.UNKNOWN


async def test_a_piece_of_a_bare_id_is_not_returned_as_the_id() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        if request.startswith(b"POST"):
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\n\r\n3fa85f6")  # of 3fa85f64-5717
        else:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw_server(serve) as server, CampaignsClient(server.url, "k", retry=QUICK) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.campaigns.create(new_campaign())
    assert caught.value.effect is Effect.UNKNOWN


async def test_a_success_that_arrives_before_the_request_was_sent_proves_nothing() -> None:
    stop = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")  # and nothing of the body
        writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n"abc123"')
        await stop.wait()

    large = evolve(new_campaign(), message="x" * 30_000_000)  # more than the buffers of two sockets
    async with raw_server(serve) as server, CampaignsClient(server.url, "k", retry=QUICK) as client:
        try:
            with pytest.raises(OutcomeUnknownError, match="before the request was sent") as caught:
                await client.campaigns.create(large)
        finally:
            stop.set()
    assert caught.value.effect is Effect.UNKNOWN
