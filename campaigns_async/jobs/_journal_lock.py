"""The lock file of an open journal: one run writes to the journal, and an older copy of it is recognised.

The lock file has the generation of the journal's latest commit. It is written after the commit, and before a row that the
commit claimed is sent. So after a crash at any moment the lock file has the generation of the journal or a lower one, and
a journal with a lower generation than its lock file is an older copy: rows may have been sent of which it knows nothing.
The write is not synced: only a power cut loses it, and the lock file then has a lower generation, as after a crash.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from campaigns_async._file_lock import FileLock
from campaigns_async.jobs._sqlite_files import find_stat
from campaigns_async.jobs.job_errors import JournalError, JournalWriteError

_CONTENT: Final = re.compile(rb"([0-9a-f]{16}) ([0-9]{20})\n")


class JournalLock:
    """The lock of an open journal. A lock file with another `identity` is another journal's."""

    def __init__(self, path: Path, lock: FileLock, identity: bytes) -> None:
        self._path = path
        self._lock = lock
        self._file = find_stat(path)
        self._identity = identity.hex()
        self._error: OSError | None = None

    def check(self) -> None:
        """Check that no other run can have locked the journal. Takes a few microseconds: called before each create.

        Raises:
            JournalError: If the lock file was removed or replaced.
        """
        if self._lock.is_lost:
            raise JournalError(
                "the journal's .lock file was removed or replaced while the journal was in use, so that another run may "
                "be sending its rows: nothing more was sent; run the same command again, and leave the file alone"
            )

    def check_files(self) -> None:
        """Check the lock, and that the journal's path still leads to it.

        Raises:
            JournalError: If a file was removed or replaced, or the lock file cannot be written.
        """
        self.check()
        found = find_stat(self._path)
        if self._file is None or found is None or not os.path.samestat(found, self._file):
            # The next run would not find rows that are written to another file.
            raise JournalWriteError("the journal was moved, deleted or replaced while it was in use")
        if self._error is not None:
            raise JournalWriteError(f"the journal's .lock file cannot be written: {self._error.strerror}")

    def find_newer(self, generation: int, *, has_rows: Callable[[], bool]) -> int | None:
        """Return the generation that the journal must surpass if it is an older copy; None if it is the latest.

        A journal that was just made has no rows, and its lock file is empty.
        """
        found = _CONTENT.match(os.pread(self._lock.descriptor, 64, 0))
        if found is None:
            return generation if has_rows() else None
        identity, written = found.groups()
        if identity.decode() != self._identity:
            return generation
        return int(written) if generation < int(written) else None

    def record(self, generation: int, *, sync: bool = False) -> None:
        """Write the generation of a commit. A failure is raised by the next `check_files`: this commit was made."""
        try:
            os.pwrite(self._lock.descriptor, f"{self._identity} {generation:020}\n".encode(), 0)
            if sync:
                os.fsync(self._lock.descriptor)
        except OSError as error:
            self._error = error
