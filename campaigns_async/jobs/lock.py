"""One writer a journal: a lock on a file beside it, which dies with its process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from campaigns_async.jobs.errors import JournalError, JournalInUseError


class JournalLock:
    """A lock that is held; releases on leaving its block."""

    def __init__(self, descriptor: int, beside: str) -> None:
        self.beside = beside
        self._descriptor = descriptor
        _HELD.add(self)

    def release(self) -> None:
        """Let it go. May be called again. The file stays: removing it could pull a lock from under another process."""
        if self in _HELD:
            _HELD.remove(self)
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_HELD: Final[set[JournalLock]] = set()
"""What this process holds."""


def lock(path: str | Path) -> JournalLock:
    """Lock a journal for writing; it need not exist yet.

    Raises:
        JournalInUseError: It is locked, by this process or another.
        JournalError: No lock can be had there.
    """
    beside = _beside(path)
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise JournalError(f"no lock file can be made beside the journal: {error.strerror}") from None
    try:
        _take(descriptor)
    except BaseException:  # interrupted too: a descriptor left open would hold the lock
        os.close(descriptor)
        raise
    return JournalLock(descriptor, beside)


def held(path: str | Path) -> bool:
    """Whether this process has locked the journal."""
    beside = _beside(path)
    return any(each.beside == beside for each in tuple(_HELD))


def _beside(path: str | Path) -> str:
    return os.path.realpath(path) + ".lock"  # two names of one file are one journal


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise JournalInUseError("the journal is in use: another run writes to it") from None

else:
    import fcntl

    def _take(descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalInUseError("the journal is in use: another run writes to it") from None
        except OSError as error:
            raise JournalError(f"the journal cannot be locked on this file system: {error.strerror}") from None

    def _forget() -> None:
        """A forked child is no writer: what it shares of a lock would outlive the parent's death."""
        for each in tuple(_HELD):
            each.release()

    os.register_at_fork(after_in_child=_forget)
