"""Journals that know less than was sent: older copies, copies of a part, and journals whose lock was lost."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.made import client_of, new_campaign

from campaigns_async import CampaignsClient, NewCampaign, NewContact, ReconcilePolicy, Timeouts
from campaigns_async.jobs import (
    Job,
    JournalError,
    PlanError,
    Progress,
    State,
    Summary,
    ndjson_plan,
    open_journal,
    rows_plan,
    send,
)
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import Transition
from campaigns_async.sandbox import Sandbox

ROWS = 60
Rows = list[tuple[str, NewCampaign]]


def rows(count: int = ROWS) -> Rows:
    return [
        (f"row {number}", new_campaign(number, contacts=[NewContact(f"0770{number + 7123456:07}")]))
        for number in range(count)
    ]


def client(sandbox: Sandbox, **settings: Any) -> CampaignsClient:
    settings.setdefault("timeouts", Timeouts(connect=2, read=0.2, deadline=20, grace=1))
    return client_of(sandbox, reconcile=ReconcilePolicy(settle=0.1, timeout=20, pause=0.02), page_size=1000, **settings)


async def run_until(
    sandbox: Sandbox, journal: Path, created: int, then: Callable[[], object], *, stop: bool = False
) -> Summary:
    """Send the plan; call `then` once `created` rows are created, and stop there if `stop`."""
    is_done = False

    def look(progress: Progress) -> None:
        nonlocal is_done
        if progress.created >= created and not is_done:
            is_done = True
            then()
            if stop:
                job.stop()

    async with client(sandbox, max_concurrency=4) as sender:
        job = Job(sender, rows(), journal=journal, group=4, on_progress=look)
        summary = await job.run()
    assert is_done
    return summary


async def finish(sandbox: Sandbox, journal: Path, plan: Rows | None = None, **options: Any) -> Summary:
    """Send the plan to its end, and check that each row is on the server once."""
    async with client(sandbox) as sender:
        summary = await send(sender, rows() if plan is None else plan, journal, **options)
    sandbox.assert_no_double_send()
    assert summary.ok
    assert len(sandbox.created) == len(rows() if plan is None else plan)
    return summary


def back_up(journal: Path, to: Path) -> None:
    with closing(sqlite3.connect(journal)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def remove(journal: Path, *ends: str) -> None:
    for end in ends:
        Path(f"{journal}{end}").unlink(missing_ok=True)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


async def test_an_older_backup_that_is_put_back_sends_nothing_twice(
    sandbox: Sandbox, journal: Path, copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await run_until(sandbox, journal, 20, lambda: back_up(journal, copy))
    remove(journal, "-wal", "-shm")
    copy.replace(journal)
    with caplog.at_level(logging.WARNING, "campaigns_async"):
        summary = await finish(sandbox, journal)
    assert summary.restored > 0
    assert summary.found >= summary.restored
    assert f"{summary.restored} rows may have been sent since" in caplog.text
    assert (await finish(sandbox, journal)).restored == 0


async def test_rows_that_the_backup_does_not_have_are_looked_for_too(
    sandbox: Sandbox, journal: Path, copy: Path
) -> None:
    await finish(sandbox, journal, rows(5))
    back_up(journal, copy)
    await finish(sandbox, journal, rows(9))
    remove(journal, "-wal", "-shm")
    copy.replace(journal)
    assert (await finish(sandbox, journal, rows(9))).restored == 4


async def test_a_backup_of_before_the_first_row_sends_nothing_twice(
    sandbox: Sandbox, journal: Path, copy: Path
) -> None:
    with JournalFile.open(journal) as opened:
        opened.add_plan(plan_of_rows(), {"ignore_invalid_phone_numbers": "None"})
        back_up(journal, copy)
    remove(journal, "", "-wal", "-shm", ".lock")
    await finish(sandbox, journal)
    remove(journal, "", "-wal", "-shm")
    copy.replace(journal)
    assert (await finish(sandbox, journal)).restored == ROWS


def plan_of_rows() -> Any:

    return rows_plan(rows())


@pytest.mark.parametrize("with_lock", [True, False])
async def test_a_copy_without_its_write_ahead_log_sends_nothing_twice(
    sandbox: Sandbox, journal: Path, copy: Path, *, with_lock: bool
) -> None:
    def copy_main_file() -> None:
        shutil.copy(journal, copy)
        if with_lock:
            shutil.copy(f"{journal}.lock", f"{copy}.lock")

    await run_until(sandbox, journal, 30, copy_main_file, stop=True)
    with open_journal(copy) as reader:
        assert reader.counts()[State.CREATED] < 30
    summary = await finish(sandbox, copy)
    assert summary.restored > 0


async def test_a_journal_that_was_deleted_beside_its_lock_file_sends_nothing_twice(
    sandbox: Sandbox, journal: Path
) -> None:
    await run_until(sandbox, journal, 30, lambda: None, stop=True)
    remove(journal, "", "-wal", "-shm")
    assert (await finish(sandbox, journal)).restored == ROWS


async def test_a_journal_that_was_moved_with_its_lock_file_goes_on_at_once(
    sandbox: Sandbox, journal: Path, copy: Path
) -> None:
    await run_until(sandbox, journal, 30, lambda: None, stop=True)
    requests = len(sandbox.requests)
    for end in ("", ".lock"):
        Path(f"{journal}{end}").replace(f"{copy}{end}")
    summary = await finish(sandbox, copy)
    assert summary.restored == 0
    assert len(sandbox.requests) - requests == summary.created_now


async def test_another_journal_at_the_place_of_a_lock_file_is_looked_at(
    sandbox: Sandbox, journal: Path, copy: Path
) -> None:
    await run_until(sandbox, journal, 10, lambda: back_up(journal, copy), stop=True)
    await finish(sandbox, journal)
    other = journal.with_name("other")
    JournalFile.open(other).close()  # a lock file of a low generation
    remove(other, "", "-wal", "-shm")
    copy.replace(other)
    assert (await finish(sandbox, other)).restored > 0


async def test_failed_rows_of_an_older_copy_are_looked_for_before_they_are_sent_again(
    sandbox: Sandbox, journal: Path, copy: Path
) -> None:
    sandbox.fault(operation="create", status=400, times=3)
    async with client(sandbox, max_concurrency=1) as sender:
        assert (await send(sender, rows(6), journal)).failed == 3
    back_up(journal, copy)
    await finish(sandbox, journal, rows(6), retry_failed=True)
    remove(journal, "-wal", "-shm")
    copy.replace(journal)
    async with client(sandbox) as sender:
        assert (await send(sender, rows(6), journal)).failed == 3
    assert (await finish(sandbox, journal, rows(6), retry_failed=True)).restored == 3


def test_a_kill_between_a_commit_and_the_lock_file_makes_no_older_copy(journal: Path) -> None:
    with JournalFile.open(journal) as opened:
        opened.add_plan(plan_of_rows(), {})
        before = Path(f"{journal}.lock").read_bytes()
        opened.commit([], claim=3, now=1.0)
        assert Path(f"{journal}.lock").read_bytes() > before
    Path(f"{journal}.lock").write_bytes(before)
    with JournalFile.open(journal) as opened:
        assert opened.add_plan(plan_of_rows(), {}).restored == 0


def test_a_kill_while_an_older_copy_is_opened_leaves_an_older_copy(journal: Path) -> None:
    with JournalFile.open(journal) as opened:
        opened.add_plan(plan_of_rows(), {})
    Path(f"{journal}.lock").unlink()
    for _ in range(2):
        JournalFile.open(journal).close()
    with JournalFile.open(journal) as opened:
        assert opened.add_plan(plan_of_rows(), {}).restored == ROWS
        assert {row.first_claim for row in opened.rows()} == {2}
        assert opened.add_plan(plan_of_rows(), {}).restored == 0


def test_an_older_copy_knows_the_ids_that_it_held_and_no_later_ones(journal: Path, copy: Path) -> None:
    with JournalFile.open(journal) as opened:
        opened.add_plan(plan_of_rows(), {})
        opened.record_seen(["early"])
        back_up(journal, copy)
        opened.record_seen(["late"])
        opened.commit([], claim=3, now=1.0)
    copy.replace(journal)
    remove(journal, "-wal", "-shm")
    with JournalFile.open(journal) as opened:
        assert opened.add_plan(plan_of_rows(), {}).restored == ROWS
        seen = opened.record_seen(["early", "late"])
        for row in opened.rows():
            assert row.first_claim is not None
            assert [each for each, position in seen.items() if position < row.first_claim] == ["early"]


KILLED = """
import os, signal, sys
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs import rows_plan
from support.made import new_campaign
journal = JournalFile.open(sys.argv[1])
journal.add_plan(rows_plan([(str(number), new_campaign(number)) for number in range(500)]), {})
print("ready", flush=True)
while True:
    [row] = journal.commit([], claim=1, now=1.0)
    print(row.row_id, flush=True)
"""


@pytest.mark.slow
def test_after_a_kill_at_any_moment_the_journal_is_no_older_copy(journal: Path) -> None:
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(journal)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        ) as child:
            assert child.stdout is not None
            for _ in range(3):
                child.stdout.readline()
            child.kill()
        with JournalFile.open(journal) as opened:
            ((restored, generation),) = opened._connection.execute(
                "SELECT restored_at, generation FROM journal"
            ).fetchall()
            assert restored is None
            assert Path(f"{journal}.lock").read_bytes().endswith(b"%020d\n" % generation)


@pytest.mark.parametrize("change", ["removed", "replaced"])
async def test_a_run_that_lost_its_lock_sends_nothing_more(sandbox: Sandbox, journal: Path, change: str) -> None:
    def lose_it() -> None:
        remove(journal, ".lock")
        if change == "replaced":
            Path(f"{journal}.lock").touch()

    sent = 0

    def note() -> None:
        nonlocal sent
        lose_it()
        sent = len(sandbox.requests)

    with pytest.raises(JournalError, match=r"\.lock file was removed or replaced"):
        await run_until(sandbox, journal, 8, note)
    assert len(sandbox.requests) <= sent + 4  # those in flight
    assert (await finish(sandbox, journal)).restored > 0


async def test_a_row_that_was_claimed_before_the_lock_was_lost_is_not_sent(sandbox: Sandbox, journal: Path) -> None:
    hold = sandbox.fault(operation="create", hang=True, times=1)
    async with client(
        sandbox, max_concurrency=1, timeouts=Timeouts(connect=2, read=20, deadline=30, grace=1)
    ) as sender:
        running = asyncio.ensure_future(send(sender, rows(8), journal, preflight=False, accept_altered=True))
        await sandbox.wait_received(1)
        with open_journal(journal) as reader:
            assert reader.counts()[State.SENDING] == 8
        remove(journal, ".lock")
        hold.release()
        with pytest.raises(JournalError, match=r"\.lock file was removed or replaced"):
            await running
    assert len(sandbox.created) == 1


async def test_a_second_run_after_the_lock_was_removed_sends_nothing_twice(sandbox: Sandbox, journal: Path) -> None:
    """The first run pauses, as in an outage, while a second one begins and ends."""
    outage = sandbox.fault(operation="create", status=429)
    async with client(sandbox) as sender:
        first = asyncio.ensure_future(send(sender, rows(8), journal))
        await sandbox.wait_received(3)
        remove(journal, ".lock")
        outage.stop()
        with pytest.raises(JournalError, match=r"\.lock file was removed or replaced"):
            await first
    await finish(sandbox, journal, rows(8))


def emulate(flock: Callable[[int, int], object]) -> Callable[[int, int], None]:
    def emulated(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)

    return emulated


def refuse(descriptor: int, operation: int) -> None:
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize(
    ("flock", "says"),
    [
        (emulate(fcntl.lockf), "two locks of one file do not exclude each other"),
        (lambda *_: None, "two locks of one file do not exclude each other"),
        (refuse, "Operation not supported"),
    ],
)
def test_a_file_system_without_locks_is_refused(
    journal: Path, monkeypatch: pytest.MonkeyPatch, flock: Any, says: str
) -> None:
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(JournalError, match=f"cannot be locked on this file system .*{says}"):
        JournalFile.open(journal)
    assert not journal.exists()


def write_plan(path: Path, count: int) -> Path:

    with path.open("w") as file:
        for key, new in rows(count):
            line = {"key": key, **new.to_dict()}
            file.write(json.dumps(line, default=str) + "\n")
    return path


@pytest.mark.parametrize("name", ["plan", "symlink", "hard link"])
async def test_a_plan_that_is_being_sent_is_not_sent_with_another_journal(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    plan = write_plan(tmp_path / "plan", 6)
    (tmp_path / "symlink").symlink_to(plan)
    (tmp_path / "hard link").hardlink_to(plan)
    plan.chmod(0o400)
    hold = sandbox.fault(operation="create", hang=True)
    async with client(sandbox, timeouts=Timeouts(connect=2, read=20, deadline=30, grace=1)) as sender:
        first = asyncio.ensure_future(send(sender, plan, tmp_path / "one"))
        await sandbox.wait_received(1)
        with pytest.raises(PlanError, match="is being sent by another run, with another journal"):
            await send(sender, tmp_path / name, tmp_path / "two")
        hold.release()
        assert (await first).ok
    assert len(sandbox.created) == 6
    sandbox.assert_no_double_send()


def test_a_plan_on_a_file_system_without_locks_is_refused(
    tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ndjson_plan(write_plan(tmp_path / "plan", 2))
    with JournalFile.open(journal) as opened:
        monkeypatch.setattr(fcntl, "flock", refuse)
        with pytest.raises(PlanError, match=r"the plan 'plan' cannot be locked .* copy it to a local disk"):
            opened.add_plan(plan, {})
        assert not list(opened.rows())


def test_a_dry_run_of_a_plan_that_is_being_sent_is_allowed(tmp_path: Path, journal: Path) -> None:
    plan = ndjson_plan(write_plan(tmp_path / "plan", 2))
    with JournalFile.open(journal) as opened:
        opened.add_plan(plan, {})
        opened.add_plan(plan, {})
        with JournalFile.scratch_copy(journal) as scratch:
            scratch.add_plan(plan, {})
        opened.commit([], claim=1, now=1.0)
        opened.commit([Transition(1, State.FAILED)], now=1.0)
