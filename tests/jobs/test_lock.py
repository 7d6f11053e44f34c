"""One writer a journal, and none that outlives its process."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.journal_model import plan

from campaigns_async.jobs import JournalError, JournalInUseError, open_journal
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs._sqlite_files import lock

HOLDER = """
import sys
from campaigns_async.jobs._sqlite import JournalFile
opened = JournalFile.open(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run another process that has it locked."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_at_once(tmp_path: Path) -> None:
    with holder(tmp_path / "run"):
        with pytest.raises(JournalInUseError, match="another run writes to it"):
            JournalFile.open(tmp_path / "run")


def test_a_process_that_is_killed_leaves_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path / "run") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        JournalFile.open(tmp_path / "run").close()


def test_a_second_one_in_the_same_process_is_refused(tmp_path: Path) -> None:
    journal = JournalFile.open(tmp_path / "run")
    with pytest.raises(JournalInUseError):
        JournalFile.open(tmp_path / "run")
    journal.close()
    JournalFile.open(tmp_path / "run").close()


def test_being_refused_does_not_let_the_first_one_go(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        for _ in range(3):
            with pytest.raises(JournalInUseError):
                lock(tmp_path / "run")
    lock(tmp_path / "run").release()


def test_a_link_to_a_journal_is_the_same_journal(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    (tmp_path / "other").symlink_to(tmp_path / "run")
    with lock(tmp_path / "run"):
        with pytest.raises(JournalInUseError):
            lock(tmp_path / "other")


def test_looking_needs_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path / "run"):
        with open_journal(tmp_path / "run") as reader:
            assert sum(reader.counts().values()) == 0
        JournalFile.scratch_copy(tmp_path / "run").close()


def test_a_program_that_is_started_does_not_inherit_it(tmp_path: Path) -> None:
    held_lock = lock(tmp_path / "run")
    code = "print('runs', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, close_fds=False
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "runs\n"  # only then is it sure to have closed what it does not inherit
        held_lock.release()
        lock(tmp_path / "run").release()
        child.kill()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_holds_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    ready, signal_ready = os.pipe()
    held_lock = lock(tmp_path / "run")
    child = os.fork()
    if child == 0:
        os.write(signal_ready, b".")
        os.read(reader, 1)
        os._exit(0)
    try:
        os.read(ready, 1)  # the child runs, and lives on until the end
        with pytest.raises(JournalInUseError):  # the child's letting go is not the parent's
            lock(tmp_path / "run")
        held_lock.release()
        lock(tmp_path / "run").release()
    finally:
        os.write(writer, b".")
        os.waitpid(child, 0)
        for end in (reader, writer, ready, signal_ready):
            os.close(end)


def test_it_may_be_released_again(tmp_path: Path) -> None:
    first = lock(tmp_path / "run")
    first.release()
    second = lock(tmp_path / "run")
    first.release()
    with pytest.raises(JournalInUseError):
        lock(tmp_path / "run")
    second.release()


def test_the_lock_is_beside_the_journal_and_for_its_owner(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        assert stat.S_IMODE((tmp_path / "run.lock").stat().st_mode) == 0o600


def test_where_no_lock_can_be_made_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="the journal's lock file cannot be created: No such file") as caught:
        lock(tmp_path / "none" / "run")
    assert str(tmp_path) not in str(caught.value)
    (tmp_path / "run.lock").mkdir()
    with pytest.raises(JournalError, match="lock file cannot be created"):
        lock(tmp_path / "run")


def test_another_file_gets_no_lock_beside_it(tmp_path: Path) -> None:
    (tmp_path / "plan.ndjson").write_text('{"key": "1"}\n')
    os.mkfifo(tmp_path / "pipe")
    for name in ("plan.ndjson", "pipe"):
        with pytest.raises(JournalError, match="not a journal"):
            JournalFile.open(tmp_path / name)
    assert not list(tmp_path.glob("*.lock"))


@pytest.mark.parametrize("statements", [["BEGIN IMMEDIATE"], ["PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"]])
def test_a_journal_that_another_program_has_locked_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    monkeypatch.setattr("campaigns_async.jobs._sqlite_files._BUSY_TIMEOUT", 0.05)
    path = tmp_path / "run"
    JournalFile.open(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement).fetchall()
        with pytest.raises(JournalInUseError, match="another SQLite program"), JournalFile.open(path) as journal:
            plan(journal, 3)
    with JournalFile.open(path) as journal:
        plan(journal, 3)
