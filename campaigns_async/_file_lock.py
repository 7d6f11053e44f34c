"""Locks on open files. They end with their process (flock: POSIX only)."""

from __future__ import annotations

import errno
import fcntl
import os
from types import TracebackType
from typing import Final, Self


class FileLock:
    """A lock on an open file. Get one with `lock_file`; the end of its `with` block releases it."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name  # the path that was passed to `lock_file`
        self._descriptor = descriptor
        self._file = os.fstat(descriptor)
        _LOCKS.add(self)

    @property
    def descriptor(self) -> int:
        """The descriptor of the open file; -1, which no file has, after the release."""
        return self._descriptor

    @property
    def is_lost(self) -> bool:
        """True if the path no longer leads to the locked file: another process may lock the file that it leads to."""
        try:
            found = os.stat(self.name)  # noqa: PTH116 - before each create: Path.stat takes twice as long
        except OSError:
            return True
        return found.st_ino != self._file.st_ino or found.st_dev != self._file.st_dev

    def release(self) -> None:
        """Release the lock and close the file. May be called again."""
        if self in _LOCKS:
            _LOCKS.remove(self)
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_LOCKS: Final[set[FileLock]] = set()
"""The locks of this process."""


def lock_file(descriptor: int, name: str) -> FileLock:
    """Lock an open file against all other descriptors of it, in every process. Close the file on a failure.

    Raises:
        BlockingIOError: If the file is locked.
        OSError: If the file system has no locks, or its locks do not exclude each other.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _check_that_it_excludes(descriptor, name)
    except BaseException:  # KeyboardInterrupt too: an open descriptor could keep the lock
        os.close(descriptor)
        raise
    return FileLock(descriptor, name)


def _check_that_it_excludes(descriptor: int, name: str) -> None:
    """Check that a second descriptor cannot lock the file too, as where flock is made of the locks of a process."""
    try:
        second = os.open(name, fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return  # the file was removed or replaced, which the caller sees
    try:
        if os.path.sameopenfile(descriptor, second):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise OSError(errno.ENOLCK, "two locks of one file do not exclude each other")
    except BlockingIOError:
        pass
    finally:
        os.close(second)


def is_locked(name: str) -> bool:
    """Return True if this process has a lock of this name."""
    return any(lock.name == name for lock in tuple(_LOCKS))


def _release_all() -> None:
    """Release all locks of a forked child: they share the parent's locks, and would outlive the parent."""
    for lock in tuple(_LOCKS):
        lock.release()


os.register_at_fork(after_in_child=_release_all)
