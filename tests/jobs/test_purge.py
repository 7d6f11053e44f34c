"""What a journal still holds after a run and after a purge: the bytes of its files are looked at."""

from __future__ import annotations

import sqlite3
import zlib
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from pathlib import Path

import pytest
from support.made import client_of

from campaigns_async import NewCampaign, NewContact
from campaigns_async.effects import State
from campaigns_async.jobs import JournalError, JournalInUseError, contacts_plan, open_journal, rows_plan, send
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import Transition
from campaigns_async.sandbox import Sandbox

START = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)
SHORT, LONG = "Bring gloves.", "Bring your gloves, and two of them. " * 40


def new(number: int) -> NewCampaign:
    """Return a campaign; every second one is so long that it is compressed, and overflows its page."""
    text = f"{LONG if number % 2 else SHORT} {number}"
    people = [NewContact(f"0770090{number:04}", name=f"Siobhan {number}")]
    if number % 2:
        people += [NewContact(f"07{digit:09}", name=blake2b(str(digit).encode()).hexdigest()) for digit in range(200)]
    return NewCampaign(START, "Golfers", text, people)


ROWS = [(f"someone-{number}@example.com", new(number)) for number in range(40)]
FILES = ("", "-wal", "-shm", "-journal", ".lock")


def content_of(journal: Path) -> bytes:
    """Return the bytes of all files of a journal."""
    paths = [journal.with_name(journal.name + end) for end in FILES]
    return b"".join(path.read_bytes() for path in paths if path.exists())


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


@pytest.mark.parametrize("end", [State.CREATED, State.FAILED])
async def test_the_bodies_of_settled_rows_are_gone_after_a_run(end: State, sandbox: Sandbox, journal: Path) -> None:
    if end is State.FAILED:
        sandbox.fault(operation="create", status=422)
    with JournalFile.open(journal) as file:
        file.add_plan(rows_plan(ROWS), {})
        bodies = [row.payload for row in file.rows(payload=True)]
    stored = [zlib.compress(body, 1) for body in bodies if body is not None and len(body) > 10_000]
    before = content_of(journal)
    assert SHORT.encode() in before
    assert len(stored) == 20
    assert all(each[100:140] in before and each[-140:-100] in before for each in stored)
    journal.unlink()
    async with client_of(sandbox) as client:
        summary = await send(client, ROWS, journal)
    assert summary.created + summary.failed == 40
    after = content_of(journal)
    assert SHORT.encode() not in after
    assert b"Siobhan" not in after
    assert not any(each[at : at + 40] in after for each in stored for at in range(100, len(each) - 40, 500))


async def test_after_a_purge_states_ids_starts_and_counts_are_left(sandbox: Sandbox, journal: Path) -> None:
    sandbox.fault(operation="create", times=1, status=422, body='{"errors": {"Sender": ["No."]}}')
    async with client_of(sandbox) as client:
        await send(client, ROWS, journal)
    digests = [read_digests(journal), [path_digest(text) for text in (SHORT, LONG)]]
    with open_journal(journal) as read:
        before = list(read.rows())
    with JournalFile.open(journal) as file:
        file.purge(5.0)
        file.purge(6.0)
    content = content_of(journal)
    for secret in (b"someone-", b"@example.com", b"Golfers", b"Siobhan", b"gloves", b"No."):
        assert secret not in content, secret
    for digest in (*digests[0], *digests[1]):
        assert digest not in content
    with open_journal(journal) as read:
        assert read.purge_time() == 5.0
        assert read.options() == {}
        after = list(read.rows())
        assert read.row(ROWS[3][0]) == after[3]
        assert read.row("someone-else") is None
    kept = ("row_id", "state", "campaign_id", "attempts", "attempted_at", "ended_at", "reason")
    assert [[getattr(row, name) for name in kept] for row in after] == [
        [getattr(row, name) for name in kept] for row in before
    ]
    connection = sqlite3.connect(journal)
    assert connection.execute("SELECT DISTINCT starts_at FROM rows").fetchall() == [(START.timestamp() * 1000,)]
    assert sorted(connection.execute("SELECT DISTINCT planned_count FROM rows").fetchall()) == [(1,), (201,)]
    connection.close()


def read_digests(journal: Path) -> list[bytes]:
    """Return the digests of recipients, bodies and texts that a journal holds."""
    connection = sqlite3.connect(journal)
    recipients = [row[0] for row in connection.execute("SELECT recipients FROM contents WHERE recipients <> x''")]
    numbers = connection.execute("SELECT content, text, sender FROM rows").fetchall()
    connection.close()
    digests = [digest.to_bytes(8, "big", signed=True) for row in numbers for digest in row]
    return [*digests, *(each[:8] for each in recipients)]


def path_digest(text: str) -> bytes:
    return sha256(text.encode()).hexdigest().encode()


@pytest.mark.parametrize("state", [State.PLANNED, State.SENDING, State.UNKNOWN])
def test_a_journal_with_an_open_row_is_not_purged(state: State, journal: Path) -> None:
    with JournalFile.open(journal) as file:
        file.add_plan(rows_plan(ROWS[:2]), {})
        file.commit([], claim=2, now=1.0)
        moves = [Transition(1, State.CREATED, "c-1")]
        if state is not State.SENDING:
            moves.append(Transition(2, state))
        file.commit(moves, now=2.0)
        before = list(file.rows(payload=True))
        with pytest.raises(JournalError, match=r"^1 row is planned, sending or unknown.*nothing was changed$"):
            file.purge(3.0)
        assert list(file.rows(payload=True)) == before
        assert file.purge_time() is None


async def test_a_purged_journal_takes_no_send(sandbox: Sandbox, journal: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("phoneNumber\n07700900001\n")
    plan = contacts_plan(people, message=SHORT, sender="Golf", start=START)
    async with client_of(sandbox) as client:
        assert (await send(client, plan, journal)).ok
        with JournalFile.open(journal) as file:
            file.purge(3.0)
        assert sha256(people.read_bytes()).hexdigest().encode() not in content_of(journal)
        assert path_digest(SHORT) not in content_of(journal)
        for again in (plan, ROWS):
            for retry_failed in (False, True):
                with pytest.raises(JournalError, match=r"was purged.*nothing was sent"):
                    await send(client, again, journal, retry_failed=retry_failed)
    assert len(sandbox.created) == 1


async def test_a_reader_that_holds_old_content_is_reported(sandbox: Sandbox, journal: Path) -> None:
    async with client_of(sandbox) as client:
        await send(client, ROWS[:2], journal)
    with JournalFile.open(journal) as file:
        file._connection.execute("PRAGMA busy_timeout = 50")
        reader = sqlite3.connect(journal)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM rows").fetchall()
        with pytest.raises(JournalInUseError, match="purge it again"):
            file.purge(3.0)
        reader.close()
        file.purge(4.0)
        assert file.purge_time() == 3.0
    assert b"Siobhan" not in content_of(journal)


def test_a_purge_also_removes_what_was_deleted_before_and_not_overwritten(journal: Path) -> None:
    with JournalFile.open(journal) as file:
        file._connection.execute("PRAGMA secure_delete = OFF")
        file.add_plan(rows_plan(ROWS), {})
        file.commit([], claim=40, now=1.0)
        file.commit([Transition(number, State.FAILED) for number in range(1, 41)], now=2.0)
        file.drop_payloads()
        file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert SHORT.encode() in content_of(journal)
        file.purge(3.0)
        assert SHORT.encode() not in content_of(journal)
