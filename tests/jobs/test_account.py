"""A journal that is sent with another key than before says so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.made import client_of, new_campaign

from campaigns_async import ReconcilePolicy
from campaigns_async.jobs import PreflightError, send
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.sandbox import Sandbox

pytestmark = pytest.mark.preflight
SOON = ReconcilePolicy(settle=0.05, timeout=5, pause=0.02)
KEYS = ("the first key 1", "another key 2")
PLAN = [(f"row {number}", new_campaign(number)) for number in range(4)]


async def send_with(sandbox: Sandbox, key: str, journal: Path, rows: int) -> tuple[str, ...]:
    sandbox.api_key = key.replace(" ", "-")
    async with client_of(sandbox, reconcile=SOON) as client:
        summary = await send(client, PLAN[:rows], journal)
    assert summary.ok
    return summary.warnings


async def test_each_other_key_is_warned_of_once_and_is_never_stored(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal, (first, other) = tmp_path / "run.sqlite", KEYS
    assert await send_with(sandbox, first, journal, 1) == ()
    assert await send_with(sandbox, first, journal, 2) == ()
    assert await send_with(sandbox, other, journal, 2) == (), "nothing is left to send"
    (warning,) = await send_with(sandbox, other, journal, 3)
    assert "run.sqlite was sent with another API key" in warning
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [warning]
    assert await send_with(sandbox, first, journal, 4) == ()
    assert [b"key-1" in journal.read_bytes(), b"key-2" in journal.read_bytes()] == [False, False]


async def test_a_key_that_was_refused_is_warned_of_by_the_run_that_sends_with_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    journal, (first, other) = tmp_path / "run.sqlite", KEYS
    async with client_of(sandbox, reconcile=SOON) as client:
        right, sandbox.api_key = sandbox.api_key, "some-other-key"
        assert (await send(client, PLAN, journal)).created == 0
        sandbox.api_key = right
    assert await send_with(sandbox, first, journal, 4) == (), "the refused key sent nothing"
    for each in list(sandbox.campaigns):  # as on another account
        sandbox.remove(each["id"])
    sandbox.api_key = other.replace(" ", "-")
    more = [*PLAN, ("row 4", new_campaign(4))]
    async with client_of(sandbox, reconcile=SOON) as client:
        with pytest.raises(PreflightError):
            await send(client, more, journal)
        (warning,) = (await send(client, more, journal, accept_missing=True)).warnings
    assert "another API key" in warning


def test_one_key_has_other_fingerprints_in_other_journals(tmp_path: Path) -> None:
    with JournalFile.open(tmp_path / "a") as first, JournalFile.open(tmp_path / "b") as second:
        assert first.identity() != second.identity()  # the salt
        assert [first.record_key(each * 16) for each in (b"1", b"1", b"2", b"1", b"2", b"3")] == [
            False, False, True, False, False, True,
        ]  # fmt: skip


def test_a_purge_removes_the_fingerprints(tmp_path: Path) -> None:
    with JournalFile.open(tmp_path / "journal") as journal:
        journal.record_key(b"1" * 16)
        journal.purge(now=1.0)
        assert not journal.record_key(b"2" * 16), "no key is known"


async def test_the_fingerprint_is_salted_by_the_journal(sandbox: Sandbox) -> None:
    from campaigns_async.client import runtime_of

    async with client_of(sandbox) as client, client_of(sandbox) as equal:
        digest = await runtime_of(client).fingerprint_key(b"journal")
        assert digest == await runtime_of(equal).fingerprint_key(b"journal")
        assert digest != await runtime_of(client).fingerprint_key(b"other")


async def test_a_key_callable_that_fails_fails_in_the_run(sandbox: Sandbox, tmp_path: Path) -> None:
    async def fail() -> str:
        raise OSError

    async with client_of(sandbox) as client:
        async with type(client)(sandbox.url, fail) as failing:
            summary = await send(failing, PLAN, tmp_path / "journal")
    assert summary.planned == len(PLAN)
    assert summary.stopped is not None
    assert "api_key callable raised OSError" in summary.stopped
