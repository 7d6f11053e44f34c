"""The file that rows are written to until it is whole: locked, and checked when it is taken up again."""

from __future__ import annotations

import errno
import os
import stat
import sys
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from campaigns_async import locking
from campaigns_async.export import _files
from campaigns_async.export.errors import ExportError, ExportInUseError, ExportWriteError
from campaigns_async.export.progress_log import Mark

_TRIES: Final = 100
"""How often the file may be renamed away as it is opened, by runs that end."""
_READ: Final = 1024 * 1024
"""Bytes at once."""
_IN_USE: Final = "another run writes this file: wait for it to end, or name another file"


class PartFile:
    """A file that is locked. Get one by `open`; used by one thread at a time, whichever.

    Attributes:
        is_new: Whether it was made here.
        offset: Bytes in it.
        crc: CRC-32 of all of it.
    """

    def __init__(self, path: Path, lock: locking.FileLock, *, is_new: bool) -> None:
        self.is_new = is_new
        self.offset: int = 0
        self.crc: int = 0
        self._path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path, mode: int, *, make: bool) -> Self | None:
        """Open and lock it; None: it is not there, and is not to be made.

        Raises:
            ExportInUseError: Another run writes it.
            ExportError: It cannot be locked, or is no file.
            OSError: It cannot be opened.
        """
        for _ in range(_TRIES):
            try:
                descriptor, is_new = os.open(path, os.O_RDWR | _files.FLAGS), False
            except FileNotFoundError:
                if not make:
                    return None
                try:
                    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _files.FLAGS, mode)
                except FileExistsError:
                    continue
                is_new = True
            lock = _locked(descriptor, path)
            is_there = False
            try:
                is_there = _files.is_named(path, lock.descriptor)
            finally:
                if not is_there:  # whoever had it has just renamed it, to the whole file: nothing of ours
                    lock.release()
            if is_there:
                return cls(path, lock, is_new=is_new)
        raise ExportInUseError(_IN_USE)

    @property
    def is_locked(self) -> bool:
        """Whether it is still held."""
        return self._lock.descriptor >= 0

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return os.fstat(self._lock.descriptor).st_size

    @property
    def inode(self) -> int:
        """Its number."""
        return os.fstat(self._lock.descriptor).st_ino

    def give_mode(self, mode: int) -> None:
        """Let it be read and written by those that the file it replaces is, where a system lets it."""
        if sys.platform != "win32":
            with suppress(OSError):  # another user's
                os.fchmod(self._lock.descriptor, mode)

    def last_fitting(self, marks: Iterable[Mark]) -> Mark | None:
        """The furthest mark up to which the file holds what it held when the mark was made."""
        descriptor = self._lock.descriptor
        os.lseek(descriptor, 0, os.SEEK_SET)
        size, at, crc = self.size, 0, 0
        found: Mark | None = None
        for mark in sorted(marks, key=lambda each: each.offset):  # those of one place stay in their order
            if mark.offset > size:
                break
            while at < mark.offset:
                data = os.read(descriptor, min(_READ, mark.offset - at))
                if not data:  # cut short meanwhile
                    return found
                at, crc = at + len(data), zlib.crc32(data, crc)
            if crc == mark.crc:
                found = mark
        return found

    def cut(self, mark: Mark | None) -> None:
        """Go on from a mark, or from nothing: what stands behind it goes."""
        self.offset, self.crc = (0, 0) if mark is None else (mark.offset, mark.crc)
        self._cut_back()

    def write(self, data: bytes) -> None:
        """Write it behind what is there, all or nothing as far as the disk lets.

        Raises:
            OSError: It cannot be.
        """
        try:
            _files.write_all(self._lock.descriptor, data)
        except BaseException:  # whatever it was: no half row, and room again on a full disk
            with suppress(OSError):
                self._cut_back()
            raise
        self.offset += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def sync(self) -> None:
        """Make what was written durable."""
        os.fsync(self._lock.descriptor)

    def publish(self, real: Path) -> None:
        """Let it appear, synced, under the output's name; then let it go.

        Raises:
            ExportWriteError: It is no longer where it was.
            OSError: It cannot be renamed.
        """
        if not _files.is_named(self._path, self._lock.descriptor):
            raise ExportWriteError(
                "what was written was taken away meanwhile, or something else put there: export again",
                errno=errno.ENOENT,
            )
        if sys.platform == "win32":  # open files cannot be renamed there
            self.release()
        self._path.replace(real)
        # Let go only now: who locked it before would take up a file that is about to be the whole one.
        self.release()

    def remove(self) -> None:
        """Take it away and let it go."""
        if not self.is_locked:
            return
        with suppress(OSError):
            if _files.is_named(self._path, self._lock.descriptor):
                if sys.platform == "win32":  # as above
                    self.release()
                _files.remove(self._path)
        self.release()

    def release(self) -> None:
        """Let it go. May be called again."""
        self._lock.release()

    def _cut_back(self) -> None:
        os.ftruncate(self._lock.descriptor, self.offset)
        os.lseek(self._lock.descriptor, self.offset, os.SEEK_SET)


def _locked(descriptor: int, path: Path) -> locking.FileLock:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ExportError("where the rows would be written until the file is whole, there is no file: take it away")
    try:
        return locking.take(descriptor, str(path))
    except BlockingIOError:
        raise ExportInUseError(_IN_USE) from None
    except OSError as error:
        raise ExportError(
            f"no file can be locked on this file system ({error.strerror}): write to another, and copy it"
        ) from None
