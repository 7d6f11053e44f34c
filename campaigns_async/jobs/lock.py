"""One writer a journal: a lock on a file beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

from campaigns_async import locking
from campaigns_async.jobs.errors import JournalError, JournalInUseError

JournalLock: TypeAlias = locking.FileLock
"""Released, its file stays: removing it could pull a lock from under another process."""


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
        return locking.take(descriptor, beside)
    except BlockingIOError:
        raise JournalInUseError("the journal is in use: another run writes to it") from None
    except OSError as error:
        raise JournalError(f"the journal cannot be locked on this file system: {error.strerror}") from None


def held(path: str | Path) -> bool:
    """Whether this process has locked the journal."""
    return locking.held(_beside(path))


def _beside(path: str | Path) -> str:
    return os.path.realpath(path) + ".lock"  # two names of one file are one journal
