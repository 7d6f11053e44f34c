"""Which file a journal is: written to as long as it is the same, and has one name."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Self

from attrs import frozen

from campaigns_async.jobs.errors import JournalError, JournalWriteError


@frozen
class Identity:
    """A file as it was when it was opened."""

    path: Path
    file: tuple[int, int]
    """Device and number."""

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """The file at a path; None where none is to be seen."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(path.absolute(), (found.st_dev, found.st_ino))

    def check(self) -> None:
        """See that it is still there.

        Raises:
            JournalWriteError: It was moved, deleted or replaced: what is written now would be found by nobody.
        """
        now = type(self).of(self.path)
        if now is None or now.file != self.file:
            raise JournalWriteError("the journal was moved, deleted or replaced while it was in use")


def check_names(path: Path) -> None:
    """See that a file has one name only.

    Raises:
        JournalError: It has several, and a lock and a write-ahead log by each of them.
    """
    try:
        found = path.stat()
    except OSError:
        return
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        raise JournalError("the journal is a hard link: under each of its names it would be another journal")
