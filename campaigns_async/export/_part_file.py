"""Writes an export to a file, which appears under its name only once it is complete.

Until then the rows are in `NAME.part`, and the state of the export is in `NAME.part.progress`: a JSON object that says
how many bytes of the part file are durable, and from where to continue. It is replaced atomically at each sync, after the rows
that it speaks of are durable. A process that is killed, or loses power, repeats what it wrote since the last sync.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
import zlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from campaigns_async import _file_lock as locking
from campaigns_async._threads import wait_to_end
from campaigns_async.export._export_state import RESTART, State, check_identity
from campaigns_async.export._options import Unfinished
from campaigns_async.export._place import OPEN_FLAGS, Place, is_named, write_all
from campaigns_async.export._walk import Position
from campaigns_async.export.export_errors import (
    ExportError,
    ExportInUseError,
    ExportWriteError,
    ResumeError,
    UnfinishedExportError,
    explain_os_error,
)

_TAIL: Final = 64 * 1024
"""Bytes before the end of the durable part, of which the state has a checksum."""
_TRIES: Final = 100
"""How often other runs may rename the file while it is opened."""
_GZIP_LEVEL: Final = 6
_GZIP_FORMAT: Final = 31
"""zlib's number for gzip; its header has no time."""
_IN_USE: Final = "another run writes this file: wait for it to end, or name another file"


class PartFile:
    """A file that is being written, and locked. Get one by `open`.

    Attributes:
        resumed: The state that this run continues from; None if it begins at the first row.
        restarted: True if an unfinished export was to be resumed but could not be.
    """

    def __init__(
        self,
        place: Place,
        lock: locking.FileLock,
        identity: Mapping[str, str],
        *,
        resumable: bool,
        gzip: bool,
        sync_every: float,
        clock: Callable[[], float],
    ) -> None:
        self.resumed: State | None = None
        self.restarted = False
        self._place = place
        self._lock = lock
        self._identity = identity
        self._resumable = resumable
        self._gzip = gzip
        self._sync_every = sync_every
        self._clock = clock
        self._offset = 0
        self._unsaved: tuple[int, int, Position] | None = None
        """Offset, rows and position after the latest write, unless the state on the disk says so."""
        self._saved: bytes | None = None
        """The state on the disk."""
        self._synced_at = float("-inf")
        self._sync_failed = False
        self._failed: ExportWriteError | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        identity: Mapping[str, str],
        resumable: bool,
        unfinished: Unfinished,
        gzip: bool,
        sync_every: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> PartFile | None:
        """Open and lock the part file of an export. Returns None if the export was to be resumed but is complete.

        Args:
            path: Of the complete file; a link is followed, and kept.
            identity: What the export is of, by the names of its options; a resumed export must have the same.
            resumable: Whether the format can be resumed.
            unfinished: What to do about an unfinished export.
            gzip: Whether to compress; each write becomes a member of its own.
            sync_every: Seconds between two moments after which neither a kill nor a power cut takes any row.
            clock: Monotonic seconds.

        Raises:
            UnfinishedExportError: An unfinished export is there, and `unfinished` is "refuse".
            ResumeError: It is another one, or damaged. Nothing was changed.
            ExportInUseError: Another run writes the file.
            ExportWriteError: The file cannot be written: its folder does not exist, no permission, a full disk.
            ExportError: The file cannot be locked, or something is in the way.
        """

        def work() -> PartFile | None:
            place = Place.of(path)
            found = _lock(place.part)
            if found is None:
                # Look at the complete file after the part file: a run that ends meanwhile renames the one to the other.
                if unfinished == "resume" and place.real.exists():
                    return None
                found = _lock(place.part, make=place.new_mode)
                assert found is not None
            lock, is_new = found
            part = cls(place, lock, identity, resumable=resumable, gzip=gzip, sync_every=sync_every, clock=clock)
            try:
                part._set_mode(None if place.mode is None else place.new_mode)
                part._begin(unfinished, is_new=is_new)
            except BaseException:  # an interrupt as well: the lock must not outlive this
                if is_new:
                    with suppress(OSError):
                        place.part.unlink()
                lock.release()
                raise
            return part

        opening: asyncio.Future[PartFile | None] = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await wait_to_end(opening)
        except asyncio.CancelledError:
            if not opening.cancelled() and opening.exception() is None and (part := opening.result()) is not None:
                await part.aclose()
            raise
        except OSError as error:
            raise explain_os_error(error, "try again") from None

    async def write(self, data: bytes, rows: int = 0, position: Position | None = None) -> None:
        """Write rows. If this is cancelled, they are written all the same.

        Args:
            data: Whole rows; may be empty.
            rows: Rows in the file after this.
            position: The place after these rows; None if nothing can be resumed from here.

        Raises:
            ExportWriteError: The rows cannot be written; what was written before is kept.
        """
        await wait_to_end(asyncio.to_thread(self._write, data, rows, position))

    async def finish(self) -> None:
        """Make all durable, and let the file appear under its name. If this is cancelled, it appears all the same.

        Raises:
            ExportWriteError: The file cannot be made durable, or renamed.
        """
        await wait_to_end(asyncio.to_thread(self._finish))

    async def aclose(self) -> None:
        """Let go of the file. An unfinished one is kept if it can be resumed. May be called again."""
        await wait_to_end(asyncio.to_thread(self._close))

    # In a thread, one at a time

    def _begin(self, unfinished: Unfinished, *, is_new: bool) -> None:
        """Decide from where to continue, and cut off what follows."""
        size = os.fstat(self._lock.descriptor).st_size
        found = None
        if not is_new and unfinished != "restart":
            found = self._find_state(size, unfinished)
        self._place.new_state.unlink(missing_ok=True)  # of a run that died
        if found is None or not self._resumable:
            self.restarted = unfinished == "resume" and size > 0
            self._place.remove_state()
        else:
            self._saved, self.resumed = found
            self._offset = self.resumed.offset
            self._place.sync_folder()  # the run that saved the state may have died before it did so
            self._synced_at = self._clock()
        self._cut_back()

    def _find_state(self, size: int, unfinished: Unfinished) -> tuple[bytes, State] | None:
        data = self._place.read_state()
        if data is None:
            if size and unfinished == "refuse":
                raise UnfinishedExportError(
                    "a .part of this name is there, and nothing says how far it came or whose it is: "
                    f"move it away, or {RESTART}"
                )
            return None
        if not size and not self._is_own(data):
            return None  # a new run died before it could remove the state of an earlier one
        if unfinished == "refuse":
            raise UnfinishedExportError(
                f'an unfinished export of this file is there: resume it with unfinished="resume" (--resume), or {RESTART}'
            )
        state = State.decode(data)
        check_identity(state.identity, self._identity)
        if self._checksum(state.offset) != state.tail:
            raise ResumeError(
                f"the .part file was changed, or is another one than its state describes: move it away, or {RESTART}"
            )
        return data, state

    def _is_own(self, data: bytes) -> bool:
        with suppress(ResumeError):
            return State.decode(data).inode == os.fstat(self._lock.descriptor).st_ino
        return False

    def _write(self, data: bytes, rows: int, position: Position | None) -> None:
        with self._failing():
            if data:
                self._append(self._pack(data))
            if position is not None and self._resumable:
                self._unsaved = (self._offset, rows, position)
                if self._clock() - self._synced_at >= self._sync_every:
                    self._save()

    def _append(self, data: bytes) -> None:
        try:
            write_all(self._lock.descriptor, data)
        except BaseException:  # of any kind: leave no half row, and make room again on a full disk
            with suppress(OSError):
                self._cut_back()
            raise
        self._offset += len(data)

    def _save(self) -> None:
        """Make the rows durable, then the state that speaks of them."""
        if self._unsaved is None or self._sync_failed or self._is_closed:
            return
        offset, rows, position = self._unsaved
        self._sync()
        inode = os.fstat(self._lock.descriptor).st_ino
        data = State(self._identity, inode, offset, self._checksum(offset), rows, position).encode()
        self._place.replace_state(data)
        self._saved = data
        self._place.sync_folder()
        self._unsaved = None
        self._synced_at = self._clock()

    def _sync(self) -> None:
        try:
            os.fsync(self._lock.descriptor)
        except BaseException:
            # The kernel may have dropped what it could not write, and call the next fsync a success:
            # from here on nothing that was written counts as durable.
            self._sync_failed = True
            raise

    def _finish(self) -> None:
        with self._failing():
            if self._gzip and not self._offset:
                self._append(self._pack(b""))  # gzip of nothing is not empty
            self._set_mode(self._place.mode)
            self._sync()
            if not self._is_at(self._place.part):
                raise ExportWriteError(
                    "what was written was removed or replaced meanwhile: export again", errno=errno.ENOENT
                )
            if os.name == "nt":  # cannot rename an open file
                self._lock.release()
            self._place.part.replace(self._place.real)
            # Not before: a run that locked it then would resume a file that is about to be the complete one.
            self._lock.release()
            self._place.sync_folder()
        with suppress(OSError):  # a state that is left over does no harm
            # Another run may have begun by now, whose state this would be. Both speak of other part files.
            if self._saved is not None and self._place.read_state() == self._saved:
                self._place.state.unlink()

    def _close(self) -> None:
        if self._is_closed:
            return
        with suppress(OSError):  # the state that was saved before is still there
            self._save()
        if self._saved is None:
            self._remove()
        self._lock.release()
        self._failed = self._failed or ExportWriteError("the output is closed", errno=errno.EBADF)

    def _remove(self) -> None:
        """Leave nothing; beside a file that was to be replaced, an empty part file."""
        with suppress(OSError):
            if self._place.mode is not None:
                # Without it, a run that is to resume this export would take the old file for the complete one.
                self._offset = 0
                self._cut_back()
            elif self._is_at(self._place.part):
                self._place.part.unlink()

    @contextmanager
    def _failing(self) -> Generator[None]:
        """After any failure nothing more is written, and nothing appears under the output's name."""
        if self._failed is not None:
            raise ExportWriteError(self._failed.message, errno=self._failed.errno)
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                self._save()  # there may be room again, now that the failed rows are cut off
            is_kept = self._saved is not None
            self._failed = explain_os_error(error, "resume: what was written is kept" if is_kept else "export again")
        except ExportWriteError as error:
            self._failed = error
        except BaseException:  # interrupted: how much was written is not known
            self._failed = ExportWriteError("an earlier write failed: export again, or resume")
            raise
        else:
            return
        raise self._failed

    def _cut_back(self) -> None:
        os.ftruncate(self._lock.descriptor, self._offset)
        os.lseek(self._lock.descriptor, self._offset, os.SEEK_SET)

    def _checksum(self, offset: int) -> int:
        descriptor = self._lock.descriptor
        start = max(0, offset - _TAIL)
        os.lseek(descriptor, start, os.SEEK_SET)
        tail = os.read(descriptor, offset - start)
        os.lseek(descriptor, self._offset, os.SEEK_SET)
        return zlib.crc32(tail)

    def _set_mode(self, mode: int | None) -> None:
        if mode is not None and os.name != "nt":
            with suppress(OSError):  # another user's file
                os.fchmod(self._lock.descriptor, mode)

    @property
    def _is_closed(self) -> bool:
        return self._lock.descriptor < 0

    def _is_at(self, path: Path) -> bool:
        return is_named(path, self._lock.descriptor)

    def _pack(self, data: bytes) -> bytes:
        return zlib.compress(data, _GZIP_LEVEL, wbits=_GZIP_FORMAT) if self._gzip else data


def _lock(path: Path, make: int | None = None) -> tuple[locking.FileLock, bool] | None:
    """Open and lock a part file; returns whether it is new as well, and None if it is not there.

    Args:
        path: Of the file.
        make: The mode to create it with if it is not there.
    """
    for _ in range(_TRIES):
        try:
            descriptor, is_new = os.open(path, os.O_RDWR | OPEN_FLAGS), False
        except FileNotFoundError:
            if make is None:
                return None
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, make)
            except FileExistsError:
                continue
            is_new = True
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ExportError("the name of the .part file is taken by something that is no file: remove it")
        try:
            lock = locking.take(descriptor, str(path))
        except BlockingIOError:
            raise ExportInUseError(_IN_USE) from None
        except OSError as error:
            raise ExportError(
                f"no file can be locked on this file system ({error.strerror}): write to another, and copy it"
            ) from None
        is_there = False
        try:
            is_there = is_named(path, lock.descriptor)
        finally:
            if not is_there:  # the run that held the lock has just renamed it to the complete file
                lock.release()
        if is_there:
            return lock, is_new
    raise ExportInUseError(_IN_USE)
