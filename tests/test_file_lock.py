"""Locks on open files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from campaigns_async._file_lock import is_locked, lock_file


def open_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def test_a_file_is_locked_once_under_any_name(tmp_path: Path) -> None:
    with lock_file(open_file(tmp_path / "file"), "one") as lock:
        refused = open_file(tmp_path / "file")
        with pytest.raises(BlockingIOError):
            lock_file(refused, "two")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(refused)  # closed: it must not hold what is let go later
        assert is_locked("one")
        assert not is_locked("two")
        assert lock.descriptor >= 0
    assert not is_locked("one")
    lock_file(open_file(tmp_path / "file"), "two").release()


def test_a_released_lock_has_no_descriptor(tmp_path: Path) -> None:
    lock = lock_file(open_file(tmp_path / "file"), "one")
    lock.release()
    reused = open_file(tmp_path / "other")
    assert lock.descriptor == -1
    lock.release()
    os.fstat(reused)
    os.close(reused)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_no_lock(tmp_path: Path) -> None:
    lock = lock_file(open_file(tmp_path / "file"), "one")
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.descriptor == -1 and not is_locked("one") else 1)
    assert os.waitpid(child, 0)[1] == 0
    os.write(lock.descriptor, b"still ours")
    lock.release()


def test_a_file_that_cannot_be_locked_raises_an_os_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        lock_file(writer, "pipe")
    assert not isinstance(caught.value, BlockingIOError)
