"""Events for an observer, which can harm nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Literal

import aiohttp
import pytest
from support.made import QUICK, client_of, new_campaign, rows
from support.observed import Recorder

from campaigns_async import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CallStarted,
    CampaignsClient,
    ConfigurationError,
    Effect,
    Event,
    Operation,
    OutcomeUnknownError,
    PoolSaturatedError,
    Reconciled,
    Timeouts,
    Waiting,
)
from campaigns_async.sandbox import Sandbox


async def test_events_come_in_order() -> None:
    recorder = Recorder()
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox, observer=recorder) as client:
        sandbox.fault(times=1, status=503)
        sandbox.fault(times=1, drop="close")
        await client.campaigns.get("c000")
    attempt = [AttemptStarted, AttemptFinished]
    assert [type(event) for event in recorder.events] == [
        CallStarted,
        *attempt,
        Waiting,
        *attempt,
        Waiting,
        *attempt,
        CallFinished,
    ]
    assert [(event.attempt, event.status, event.failure) for event in recorder.attempts] == [
        (1, 503, None),
        (2, None, "dropped"),
        (3, 200, None),
    ]
    (call,) = recorder.calls
    assert (call.operation, call.attempts, call.effect, call.error_type) == (Operation.GET, 3, Effect.APPLIED, None)


@pytest.mark.slow
async def test_each_wait_before_an_attempt_has_an_event(sandbox: Sandbox) -> None:
    recorder = Recorder()
    async with client_of(sandbox, observer=recorder, max_concurrency=1) as client:
        release = asyncio.Event()
        sandbox.fault(operation="create", nth=1, times=1, hold=release)
        sandbox.fault(operation="create", nth=2, times=1, status=429, headers={"Retry-After": "1"})
        calls = [asyncio.create_task(client.campaigns.create(new_campaign(number))) for number in range(3)]
        await sandbox.wait_received(1)
        while client.stats().waiting < 2:
            await asyncio.sleep(0)
        release.set()
        while len(recorder.attempts) < 2:
            await asyncio.sleep(0)
        held = asyncio.create_task(client.campaigns.create(new_campaign(3)))
        await asyncio.gather(*calls, held)
    assert [(event.call_id, event.reason) for event in recorder.waits][:4] == [
        (2, "slot"),
        (3, "slot"),
        (2, "retry_after"),
        (4, "hold"),
    ]
    assert recorder.waits[0].seconds == 0.0
    assert 0.8 < recorder.waits[3].seconds < 1.3
    starts = [event for event in recorder.events if isinstance(event, (Waiting, AttemptStarted))]
    for position, event in enumerate(starts):
        if isinstance(event, Waiting):
            assert any(
                isinstance(later, AttemptStarted) for later in starts[position:] if later.call_id == event.call_id
            )


async def test_a_wait_for_the_rate_has_an_event(sandbox: Sandbox) -> None:
    recorder = Recorder()
    async with client_of(sandbox, observer=recorder, rate_limit=20) as client:
        await asyncio.gather(*(client.campaigns.create(new_campaign(number)) for number in range(3)))
    assert [event.reason for event in recorder.waits] == ["rate", "rate"]
    assert all(0.0 < event.seconds <= 0.05 + 1e-6 for event in recorder.waits)


async def test_a_call_that_may_not_wait_has_no_event_of_a_wait(sandbox: Sandbox) -> None:
    recorder = Recorder()
    settings = {"max_concurrency": 1, "overload": "raise", "max_waiting": 0}
    async with client_of(sandbox, observer=recorder, **settings) as client:
        release = asyncio.Event()
        sandbox.fault(operation="create", times=1, hold=release)
        first = asyncio.create_task(client.campaigns.create(new_campaign()))
        await sandbox.wait_received(1)
        with pytest.raises(PoolSaturatedError):
            await client.campaigns.create(new_campaign(1))
        release.set()
        await first
    assert not recorder.waits


async def test_the_event_of_a_cancelled_create_has_its_effect(sandbox: Sandbox) -> None:
    recorder = Recorder()
    async with client_of(sandbox, observer=recorder) as client:
        sandbox.fault(operation="create", hold=asyncio.Event())
        call = asyncio.create_task(client.campaigns.create(new_campaign()))
        await sandbox.wait_received(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert [(event.failure, event.effect) for event in recorder.attempts] == [("cancelled", Effect.UNKNOWN)]
    assert [(event.error_type, event.effect) for event in recorder.calls] == [("CancelledError", Effect.UNKNOWN)]


async def test_the_event_of_a_failed_create_has_its_error(sandbox: Sandbox) -> None:
    recorder = Recorder()
    async with client_of(sandbox, observer=recorder) as client:
        sandbox.fault(status=500)
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign())
    assert [event.error_type for event in recorder.calls] == ["OutcomeUnknownError"]


async def test_events_have_increasing_ids_and_the_id_of_their_call(sandbox: Sandbox) -> None:
    recorder = Recorder()
    async with client_of(sandbox, observer=recorder) as client:
        sandbox.fault(operation="create", nth=3, times=1, status=429)
        await asyncio.gather(*(client.campaigns.create(new_campaign(number)) for number in range(10)))
        view = client.with_options(timeouts=Timeouts(read=1))
        await view.campaigns.create(new_campaign(10))
    assert [event.id for event in recorder.events] == list(range(1, len(recorder.events) + 1))
    by_call: dict[int, list[type]] = {}
    for event in recorder.events:
        assert not isinstance(event, Reconciled)
        by_call.setdefault(event.call_id, []).append(type(event))
    assert sorted(by_call) == list(range(1, 12))
    once = [CallStarted, AttemptStarted, AttemptFinished, CallFinished]
    assert sorted(map(len, by_call.values())) == [4] * 10 + [7]
    assert all(kinds == once for kinds in by_call.values() if len(kinds) == 4)


async def test_finish_events_have_the_request_id(sandbox: Sandbox) -> None:
    recorder = Recorder()
    async with client_of(sandbox, observer=recorder) as client:
        sandbox.fault(times=1, status=429, headers={"x-request-id": "first"})
        sandbox.fault(times=1, status=201, body='"c-1"', headers={"Request-Id": "second"}, act=True)
        await client.campaigns.create(new_campaign())
    assert [event.request_id for event in recorder.attempts] == ["first", "second"]
    assert [event.request_id for event in recorder.calls] == ["second"]


@pytest.mark.parametrize("on_unknown", ["raise", "reconcile"])
async def test_outcomes_have_the_request_id(sandbox: Sandbox, on_unknown: Literal["raise", "reconcile"]) -> None:
    sandbox.fault(operation="create", nth=1, times=1, status=400, headers={"x-request-id": "failed-1"})
    sandbox.fault(
        operation="create", nth=2, times=1, status=201, body='"c-2"', headers={"x-request-id": "made-2"}, act=True
    )
    async with client_of(sandbox, max_concurrency=1) as client:
        async with client.campaigns.create_many([new_campaign(1), new_campaign(2)], on_unknown=on_unknown) as outcomes:
            found = {outcome.index: outcome.request_id async for outcome in outcomes}
    assert found == {0: "failed-1", 1: "made-2"}


WHO: ContextVar[str] = ContextVar("WHO")


@pytest.mark.parametrize("end", ["answered", "failed", "cancelled", "late", "refused by the transport"])
async def test_every_start_event_has_an_end_event_in_the_callers_task_and_context(sandbox: Sandbox, end: str) -> None:
    received: list[tuple[type, str, asyncio.Task[object] | None]] = []

    class Contextual:
        def on_event(self, event: Event, /) -> None:
            received.append((type(event), WHO.get("nobody"), asyncio.current_task()))

    match end:
        case "failed":
            sandbox.fault(operation="create", status=400)
        case "cancelled" | "late":
            sandbox.fault(operation="create", hang=True)
        case _:
            pass
    timeouts = Timeouts(deadline=0.2 if end == "late" else 20, grace=0)
    async with aiohttp.ClientSession() as session:
        if end == "refused by the transport":
            await session.close()
        async with client_of(sandbox, observer=Contextual(), timeouts=timeouts, session=session) as client:

            async def create() -> None:
                WHO.set("somebody")
                await client.campaigns.create(new_campaign())

            call = asyncio.create_task(create())
            if end == "cancelled":
                await sandbox.wait_received(1)
                call.cancel()
            await asyncio.gather(call, return_exceptions=True)
    assert [kind for kind, _, _ in received] == [CallStarted, AttemptStarted, AttemptFinished, CallFinished]
    assert {(who, task) for _, who, task in received} == {("somebody", call)}


class Tracer(Recorder):
    """An observer that adds the given headers."""

    def __init__(self, added: Any) -> None:
        super().__init__()
        self.added = added

    def headers(self, event: AttemptStarted, /) -> Mapping[str, str]:
        if isinstance(self.added, Exception):
            raise self.added
        return self.added(event) if callable(self.added) else self.added  # type: ignore[no-any-return]


@pytest.mark.parametrize("key", ["text", "callable"])
async def test_an_observer_adds_headers_to_each_attempt(sandbox: Sandbox, key: str) -> None:
    async def ask() -> str:
        return sandbox.api_key

    tracer = Tracer(lambda event: {"traceparent": f"00-{event.call_id}-{event.attempt}"})
    api_key = sandbox.api_key if key == "text" else ask
    sandbox.fault(times=1, status=429)
    async with CampaignsClient(sandbox.url, api_key, observer=tracer, retry=QUICK) as client:
        await client.campaigns.create(new_campaign())
    assert [request.headers["traceparent"] for request in sandbox.requests] == ["00-1-1", "00-1-2"]
    assert [request.status for request in sandbox.requests] == [429, 201]


REFUSED_HEADERS = {
    "the key": {"Authorization": "Bearer 07700900123"},
    "the key, in another case": {"AUTHORIZATION": "Bearer 07700900123"},
    "the other key": {"api-key": "07700900123"},
    "the host": {"Host": "elsewhere.example"},
    "the length": {"Content-Length": "3"},
    "the type": {"content-type": "text/plain"},
    "the encoding": {"Transfer-Encoding": "gzip"},
    "an expectation": {"Expect": "100-continue"},
    "the connection": {"Connection": "upgrade"},
    "the method": {"X-HTTP-Method-Override": "DELETE"},
    "a line break": {"x-trace": "1\r\nHost: elsewhere.example"},
    "a line feed": {"x-trace": "1\n07700900123"},
    "a zero": {"x-trace": "1\0"},
    "half a character": {"x-trace": "\ud83d"},
    "no ASCII": {"x-trace": "é"},
    "no text": {"x-trace": 7},
    "a name of two lines": {"x\r\nHost": "1"},
    "a name with a blank": {"x trace": "1"},
    "an empty name": {"": "1"},
    "no name": {None: "1"},
    "no mapping": ["x-trace"],
    "nothing": None,
    "an error": RuntimeError("07700900123"),
}


@pytest.mark.parametrize("added", REFUSED_HEADERS.values(), ids=REFUSED_HEADERS.keys())
async def test_headers_that_would_change_the_request_are_dropped(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, added: Any
) -> None:
    tracer = Tracer({**added, "x-good": "1"} if isinstance(added, dict) else added)
    with caplog.at_level(logging.DEBUG):
        async with client_of(sandbox, observer=tracer) as client:
            await client.campaigns.create(new_campaign())
    (request,) = sandbox.requests
    assert request.status == 201
    assert request.headers["Authorization"] == f"Bearer {sandbox.api_key}"
    assert request.headers["Host"] == sandbox.url.removeprefix("http://")
    assert "application/json" in request.headers["Content-Type"]
    assert not {"x-trace", "x-http-method-override", "expect", "transfer-encoding", "upgrade", "api-key"} & {
        name.lower() for name in request.headers
    }
    assert ("x-good" in request.headers) == isinstance(added, dict), "what is allowed still goes"
    assert "observer" in caplog.text
    for secret in ("07700900123", "elsewhere", "x-trace"):
        assert secret not in caplog.text


async def test_only_the_first_twenty_headers_are_sent(sandbox: Sandbox) -> None:
    async with client_of(sandbox, observer=Tracer({f"x-{number}": "1" for number in range(10_000)})) as client:
        await client.campaigns.create(new_campaign())
    assert sum(name.lower().startswith("x-") for name in sandbox.requests[0].headers) == 20


async def test_an_observer_that_raises_harms_no_send(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def on_event(self, event: Event, /) -> None:
            raise RuntimeError("07700900123")

    with caplog.at_level(logging.DEBUG):
        async with client_of(sandbox, observer=Broken()) as client:
            await client.campaigns.create(new_campaign())
    assert "the observer raised RuntimeError" in caplog.text
    assert "07700900123" not in caplog.text


def test_an_object_without_on_event_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="on_event"):
        CampaignsClient("http://localhost", "key", observer=print)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="headers"):
        CampaignsClient("http://localhost", "key", observer=HasHeaders())


class HasHeaders(Recorder):
    headers = ()
