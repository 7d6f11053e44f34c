"""What is no `Exception`, such as a `SystemExit`, ends a job with a journal that is right; so does a cancelled loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from support.made import QUICK, client_of, new_campaign

from campaigns_async import CampaignsClient, Effect, NewCampaign, NewContact, ReconcilePolicy, effect_of
from campaigns_async.events import AttemptFinished, AttemptStarted, CallFinished, CallStarted, Event, Reconciled
from campaigns_async.jobs import Job, Phase, Progress, State, open_journal, send
from campaigns_async.sandbox import Sandbox
from campaigns_async.sandbox.threaded import ThreadedSandbox

SOON = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)
Rows = list[tuple[str, NewCampaign]]


class MineError(BaseException):
    """Neither an `Exception` nor known to asyncio."""


def rows(count: int) -> Rows:
    return [
        (f"row {number}", new_campaign(number, contacts=[NewContact(f"07700900{number:03}")]))
        for number in range(count)
    ]


def states(journal: Path) -> Counter[State]:
    with open_journal(journal) as reader:
        return Counter(row.state for row in reader.rows())


class RaisingObserver:
    """Raises an error at the n-th event of a class."""

    def __init__(self, error: BaseException, at: type, number: int = 1) -> None:
        self._error, self._at, self._left = error, at, number

    def on_event(self, event: Event) -> None:
        if isinstance(event, self._at):
            self._left -= 1
            if self._left == 0:
                raise self._error


async def check_journal(sandbox: Sandbox, journal: Path, count: int) -> None:
    """Check that every campaign on the server is created or possibly sent, and that the next run sends the rest."""
    found = states(journal)
    assert (
        found[State.CREATED]
        <= len(sandbox.created)
        <= found[State.CREATED] + found[State.SENDING] + found[State.UNKNOWN]
    )
    async with client_of(sandbox, reconcile=SOON) as client:
        assert (await send(client, rows(count), journal)).ok
    assert len(sandbox.created) == count
    sandbox.assert_no_double_send()


@pytest.fixture(params=[SystemExit, KeyboardInterrupt, MineError])
def error(request: pytest.FixtureRequest) -> BaseException:
    """Return an error that is no `Exception`."""
    made = request.param("mine")
    assert isinstance(made, BaseException)
    return made


@pytest.mark.parametrize("at", [CallStarted, AttemptStarted, AttemptFinished, CallFinished])
async def test_an_observer_that_raises_one_ends_the_job(
    sandbox: Sandbox, tmp_path: Path, at: type, error: BaseException
) -> None:
    journal = tmp_path / "journal"
    async with client_of(sandbox, observer=RaisingObserver(error, at, 10), max_concurrency=4) as client:
        async with asyncio.timeout(10):
            with pytest.raises(type(error)) as caught:
                await send(client, rows(60), journal)
    assert caught.value is error
    possibly = states(journal)[State.SENDING]
    assert possibly == (0 if at in {CallStarted, AttemptStarted} else 1), "only what may have been sent"
    await check_journal(sandbox, journal, 60)


@pytest.mark.preflight
@pytest.mark.parametrize("phase", Phase)
async def test_an_on_progress_that_raises_one_ends_the_job(
    sandbox: Sandbox, tmp_path: Path, phase: Phase, error: BaseException
) -> None:
    journal, left = tmp_path / "journal", [3 if phase is Phase.SENDING else 1]
    sandbox.fault(operation="create", times=1, drop="close")

    def report(progress: Progress) -> None:
        left[0] -= progress.phase is phase
        if left[0] <= 0:
            raise error  # from then on each time

    async with client_of(sandbox, max_concurrency=4, reconcile=SOON) as client, asyncio.timeout(10):
        with pytest.raises(type(error)):
            await Job(client, rows(60), journal=journal, group=4, on_progress=report).run()
    assert not states(journal)[State.SENDING]
    await check_journal(sandbox, journal, 60)


async def test_a_key_callable_that_raises_one_ends_the_job(
    sandbox: Sandbox, tmp_path: Path, error: BaseException
) -> None:
    async def key() -> str:
        raise error

    async with CampaignsClient(sandbox.url, key, retry=QUICK) as client, asyncio.timeout(10):
        with pytest.raises(type(error)):
            await send(client, rows(60), tmp_path / "journal")
    assert states(tmp_path / "journal") == {State.PLANNED: 60}
    assert not sandbox.requests


async def test_an_observer_that_raises_one_during_a_search_ends_the_job(
    sandbox: Sandbox, tmp_path: Path, error: BaseException
) -> None:
    journal = tmp_path / "journal"
    sandbox.fault(operation="create", times=3, drop="close", act=True)

    class Observer:
        def on_event(self, event: Event) -> None:
            if isinstance(event, CallStarted) and "/Contacts" in event.path:
                raise error

    async with client_of(sandbox, observer=Observer(), reconcile=SOON) as client, asyncio.timeout(10):
        with pytest.raises(type(error)):
            await send(client, rows(10), journal)
    assert states(journal) == {State.CREATED: 7, State.UNKNOWN: 3}
    await check_journal(sandbox, journal, 10)


@pytest.mark.parametrize("at", [CallStarted, AttemptStarted, AttemptFinished, CallFinished, Reconciled])
async def test_a_call_of_the_client_raises_it_and_the_client_still_works(
    sandbox: Sandbox, at: type, error: BaseException
) -> None:
    sandbox.fault(operation="create", times=1, drop="close", act=True)
    client = client_of(sandbox, observer=RaisingObserver(error, at), max_concurrency=1, reconcile=SOON)
    async with client, asyncio.timeout(10):
        with pytest.raises(type(error)) as caught:
            await client.campaigns.create(new_campaign(), on_unknown="reconcile")
        if at in {CallStarted, AttemptStarted}:
            assert effect_of(caught.value) is Effect.NOT_SENT
        assert client.stats().in_flight == client.stats().waiting == 0
        await client.campaigns.create(new_campaign(1), on_unknown="reconcile")


async def test_a_fan_out_raises_it_after_the_other_outcomes(sandbox: Sandbox, error: BaseException) -> None:
    async with client_of(sandbox, observer=RaisingObserver(error, AttemptStarted, 3)) as client, asyncio.timeout(10):
        outcomes = client.campaigns.create_many([new_campaign(number) for number in range(5)])
        seen = []
        with pytest.raises(type(error)):
            async for outcome in outcomes:
                seen.append(outcome)
        assert len(seen) == client.stats().calls >= 3  # eager tasks: the error comes before the others begin
        assert [each.effect for each in seen if not each.ok] == [Effect.NOT_SENT]


def cancel_all() -> None:
    """Cancel every task of the loop, as `asyncio.run` does at Ctrl-C."""
    for task in asyncio.all_tasks():
        task.cancel()


@pytest.mark.parametrize("moment", ["checking", "sending", "committing", "searching", "twice"])
def test_cancelling_every_task_of_the_loop_unlocks_the_journal(tmp_path: Path, moment: str) -> None:
    journal = tmp_path / "journal"
    with ThreadedSandbox() as sandbox:
        rules = []
        if moment in {"sending", "twice"}:
            rules = [sandbox.fault(operation="create", nth=10, hang=True)]
        elif moment == "searching":
            sandbox.fault(operation="create", times=2, drop="close", act=True)
            rules = [sandbox.fault(operation="list", hang=True)]

        async def cancel_later() -> None:
            if moment == "searching":
                await asyncio.to_thread(sandbox.wait_received, 1, "list")
            else:
                await asyncio.to_thread(sandbox.wait_received, 10)
            loop = asyncio.get_running_loop()
            loop.call_soon(cancel_all)
            if moment == "twice":
                loop.call_later(0.002, cancel_all)

        def report(progress: Progress) -> None:
            is_due = {"checking": progress.phase is Phase.CHECKING, "committing": 10 <= progress.created_now < 20}
            if is_due.get(moment, False):
                asyncio.get_running_loop().call_soon(cancel_all)

        async def run() -> None:
            async with client_of(sandbox, max_concurrency=4, reconcile=SOON) as client:
                waiting = asyncio.create_task(cancel_later()) if rules else None
                try:
                    await Job(client, rows(60), journal=journal, group=4, on_progress=report).run()
                finally:
                    if waiting is not None:
                        waiting.cancel()

        async def run_again() -> None:
            async with client_of(sandbox, reconcile=SOON) as client:
                assert (await send(client, rows(60), journal)).ok

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(run())
        assert states(journal)[State.SENDING] <= 4, "only what was in flight"
        for rule in rules:
            rule.stop()
        asyncio.run(run_again())
        assert len(sandbox.created) == 60
        sandbox.assert_no_double_send()
