"""Locks on open files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from campaigns_async._file_lock import is_locked, lock_file


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def test_one_at_a_time_holds_a_file_whatever_it_calls_it(tmp_path: Path) -> None:
    with lock_file(opened(tmp_path / "file"), "one") as lock:
        refused = opened(tmp_path / "file")
        with pytest.raises(BlockingIOError):
            lock_file(refused, "two")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(refused)  # closed: it must not hold what is let go later
        assert is_locked("one")
        assert not is_locked("two")
        assert lock.descriptor >= 0
    assert not is_locked("one")
    lock_file(opened(tmp_path / "file"), "two").release()


def test_let_go_it_has_no_descriptor_that_could_be_another_files(tmp_path: Path) -> None:
    lock = lock_file(opened(tmp_path / "file"), "one")
    lock.release()
    reused = opened(tmp_path / "other")
    assert lock.descriptor == -1
    lock.release()
    os.fstat(reused)
    os.close(reused)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_can_neither_hold_nor_write(tmp_path: Path) -> None:
    lock = lock_file(opened(tmp_path / "file"), "one")
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.descriptor == -1 and not is_locked("one") else 1)
    assert os.waitpid(child, 0)[1] == 0
    os.write(lock.descriptor, b"still ours")
    lock.release()


def test_what_cannot_be_locked_says_so(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        lock_file(writer, "pipe")
    assert not isinstance(caught.value, BlockingIOError)
