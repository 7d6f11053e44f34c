"""Locks on open files. They end with their process (flock: POSIX only)."""

from __future__ import annotations

import fcntl
import os
from types import TracebackType
from typing import Final, Self


class FileLock:
    """A lock on an open file. Get one with `lock_file`; the end of its `with` block releases it.

    Attributes:
        name: The name that was passed to `lock_file`.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        _LOCKS.add(self)

    @property
    def descriptor(self) -> int:
        """The descriptor of the open file; -1, which no file has, after the release."""
        return self._descriptor

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
        OSError: If the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:  # KeyboardInterrupt too: an open descriptor could keep the lock
        os.close(descriptor)
        raise
    return FileLock(descriptor, name)


def is_locked(name: str) -> bool:
    """Return True if this process has a lock of this name."""
    return any(lock.name == name for lock in tuple(_LOCKS))


def _release_all() -> None:
    """Release all locks of a forked child: they share the parent's locks, and would outlive the parent."""
    for lock in tuple(_LOCKS):
        lock.release()


os.register_at_fork(after_in_child=_release_all)
