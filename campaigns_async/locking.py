"""Locks on open files, which die with their process."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Final, Self


class FileLock:
    """A lock that is held; releases on leaving its block. Get one by `take`.

    Attributes:
        name: What it was taken for.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        _HELD.add(self)

    @property
    def descriptor(self) -> int:
        """Of the open file; -1, which no file has, once it is let go."""
        return self._descriptor

    def release(self) -> None:
        """Let it go and close the file. May be called again."""
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
"""What this process holds."""


def take(descriptor: int, name: str) -> FileLock:
    """Lock an open file against every other that is open on it, in this process or another. Closes it on failing.

    Raises:
        BlockingIOError: It is locked.
        OSError: It cannot be, on this file system.
    """
    try:
        _take(descriptor)
    except BaseException:  # interrupted too: a descriptor left open would hold the lock
        os.close(descriptor)
        raise
    return FileLock(descriptor, name)


def held(name: str) -> bool:
    """Whether this process holds a lock of that name."""
    return any(each.name == name for each in tuple(_HELD))


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from None

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _forget() -> None:
        """A forked child is no writer: what it shares of a lock would outlive the parent's death."""
        for each in tuple(_HELD):
            each.release()

    os.register_at_fork(after_in_child=_forget)
