"""Locks on open files, which die with their process (flock, so POSIX alone)."""

from __future__ import annotations

import fcntl
import os
from types import TracebackType
from typing import Final, Self


class FileLock:
    """A lock that is held; leaving its block releases it. Get one by `take`.

    Attributes:
        name: What it was taken for.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        _HELD.add(self)

    @property
    def descriptor(self) -> int:
        """The open file's descriptor; -1, which no file has, once the lock is released."""
        return self._descriptor

    def release(self) -> None:
        """Release the lock and close the file. May be called again."""
        if self in _HELD:
            _HELD.remove(self)
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_HELD: Final[set[FileLock]] = set()
"""The locks of this process."""


def take(descriptor: int, name: str) -> FileLock:
    """Lock an open file against every other descriptor of it, in this process or another. Closes it on a failure.

    Raises:
        BlockingIOError: If it is locked.
        OSError: If it cannot be locked on this file system.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:  # on an interrupt too: a descriptor left open would hold the lock
        os.close(descriptor)
        raise
    return FileLock(descriptor, name)


def held(name: str) -> bool:
    """Return True if this process holds a lock of that name."""
    return any(each.name == name for each in tuple(_HELD))


def _forget() -> None:
    """Release all locks: a forked child is no writer, and what it shares of a lock would outlive the parent's death."""
    for each in tuple(_HELD):
        each.release()


os.register_at_fork(after_in_child=_forget)
