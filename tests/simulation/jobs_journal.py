"""The file of a journal, as a process that died leaves it: kept after each write, and restored for the next life."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from campaigns_async._file_lock import is_locked
from campaigns_async.effects import State
from campaigns_async.jobs import JournalRow, open_journal


@frozen
class Files:
    """The content of the disk: the database, the writes that it does not hold yet, and the lock file; None for no such file."""

    database: bytes = field(default=b"", repr=len)
    log: bytes = field(default=b"", repr=len)
    lock: bytes | None = field(default=None, repr=False)


class JournalOnDisk:
    """A journal in a folder of its own, in memory where there is such a thing.

    Args:
        files: What an earlier life left.
    """

    def __init__(self, files: Files) -> None:
        shm = "/dev/shm"  # noqa: S108 - a folder of its own in it
        self._folder = tempfile.mkdtemp(dir=shm if os.access(shm, os.W_OK) else None)
        self.path = Path(self._folder, "journal")
        if files.database:
            self.path.write_bytes(files.database)
            Path(f"{self.path}-wal").write_bytes(files.log)
        if files.lock is not None:
            self._lock.write_bytes(files.lock)
        self.files = files
        self.rows: Mapping[int, JournalRow] = {}
        self._read()

    def look(self) -> bool:
        """Read what is on the disk now; return True if the rows are new or have changed."""
        lock = _read_bytes(self._lock) if self._lock.exists() else None
        files = Files(_read_bytes(self.path), _read_bytes(Path(f"{self.path}-wal")), lock)
        if files == self.files:
            return False
        self.files = files
        before = self.rows
        self._read()
        return self.rows != before

    def lose_lock(self) -> bool:
        """Delete the lock file, as a person does who takes it for a leftover; return True if a run has locked it."""
        self._lock.unlink(missing_ok=True)
        return is_locked(os.path.realpath(self._lock))

    def counts(self) -> Mapping[State, int]:
        """Count the rows by state."""
        counts = Counter(row.state for row in self.rows.values())
        return {state: counts[state] for state in State}

    def delete(self) -> None:
        """Give the folder back."""
        shutil.rmtree(self._folder)

    @property
    def _lock(self) -> Path:
        return Path(f"{self.path}.lock")

    def _read(self) -> None:
        if self.files.database:
            with open_journal(self.path) as journal:
                self.rows = {row.row_id: row for row in journal.rows()}


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
