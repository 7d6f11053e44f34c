"""What an observer is told, and that it can harm nothing."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.made import client_of, new_campaign, rows
from support.observed import Recorder

from campaigns_async import (
    AttemptFinished,
    CallFinished,
    CampaignsClient,
    ConfigurationError,
    Delivery,
    Event,
    OutcomeUnknownError,
    Waiting,
)
from campaigns_async.sandbox import Sandbox


async def test_each_attempt_wait_and_outcome_is_told_in_order() -> None:
    recorder = Recorder()
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox, observer=recorder) as client:
        sandbox.fault(times=1, status=503)
        sandbox.fault(times=1, drop="close")
        await client.campaigns.get("c000")
    assert [type(event) for event in recorder.events] == [
        AttemptFinished,
        Waiting,
        AttemptFinished,
        Waiting,
        AttemptFinished,
        CallFinished,
    ]
    assert [(event.attempt, event.status, event.failure) for event in recorder.attempts] == [
        (1, 503, None),
        (2, None, "dropped"),
        (3, 200, None),
    ]
    (call,) = recorder.calls
    assert (call.operation, call.attempts, call.delivery, call.error_type) == ("get", 3, Delivery.DONE, None)


async def test_a_cancelled_create_tells_its_delivery(sandbox: Sandbox) -> None:
    recorder = Recorder()
    async with client_of(sandbox, observer=recorder) as client:
        sandbox.fault(operation="create", hold=asyncio.Event())
        call = asyncio.create_task(client.campaigns.create(new_campaign()))
        await sandbox.wait_received(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert [(event.failure, event.delivery) for event in recorder.attempts] == [("cancelled", Delivery.UNKNOWN)]
    assert [(event.error_type, event.delivery) for event in recorder.calls] == [("CancelledError", Delivery.UNKNOWN)]


async def test_a_failed_create_tells_its_error(sandbox: Sandbox) -> None:
    recorder = Recorder()
    async with client_of(sandbox, observer=recorder) as client:
        sandbox.fault(status=500)
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign())
    assert [event.error_type for event in recorder.calls] == ["OutcomeUnknownError"]


async def test_an_observer_that_raises_harms_no_send(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def on_event(self, event: Event, /) -> None:
            raise RuntimeError("07700900123")

    with caplog.at_level(logging.DEBUG):
        async with client_of(sandbox, observer=Broken()) as client:
            await client.campaigns.create(new_campaign())
    assert "the observer raised RuntimeError" in caplog.text
    assert "07700900123" not in caplog.text


def test_what_is_no_observer_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="on_event"):
        CampaignsClient("http://localhost", "key", observer=print)  # type: ignore[arg-type]
