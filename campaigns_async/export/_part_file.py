"""A file that appears under its name only once it is complete.

Until then the rows are in `NAME.part`. The state file `NAME.part.progress` is a JSON object with the number of durable
bytes of the part file, and the position to continue from. It is replaced atomically at each sync, after the rows that it
describes are durable. A process that is killed or loses power repeats the rows that it wrote after the last sync.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
from attrs import define, field

from campaigns_async._file_lock import FileLock, lock_file
from campaigns_async._threads import wait_to_end
from campaigns_async.export._export_state import RESTART, State, StateFile, write_all
from campaigns_async.export._options import Output
from campaigns_async.export._walk import Position
from campaigns_async.export.export_errors import (
    ExportError,
    ExportInUseError,
    ExportWriteError,
    ResumeError,
    UnfinishedExportError,
    explain_os_error,
)

_NEW_MODE: Final = 0o666
"""The mode of a new file, before the umask."""
_TAIL: Final = 64 * 1024
"""The number of bytes, at the end of the durable rows, that the checksum in the state file covers."""
_OPEN_ATTEMPTS: Final = 100
"""The maximum number of attempts to open the part file while other runs rename it."""
_PARQUET_MAGIC: Final = b"PAR1"
_GZIP_LEVEL: Final = 6
_GZIP_FORMAT: Final = 31
"""zlib's number for gzip, whose header has no time."""


@define(eq=False)
class PartFile:
    """The part file of an export, which this process has locked.

    After an error, only `aclose` may be called. Each write to a compressed file is a complete gzip member, so that the
    file can be truncated between two writes. A symbolic link is followed and kept. A run that resumes the export must
    have the same identity. A kill or a power cut loses no row that was written before the last sync.

    Attributes:
        resumed: The state that this run continues from; None if it starts at the first row.
        restarted: True if an unfinished export could not be resumed.
    """

    _options: Output
    _identity: dict[str, str]
    _sync_every: float = field(default=5.0, kw_only=True)
    _clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    resumed: State | None = field(init=False, default=None)
    restarted: bool = field(init=False, default=False)
    _is_open: bool = field(init=False, default=False)
    _path: Path = field(init=False)
    _old_mode: int | None = field(init=False)  # of the file that is replaced; None if there is no such file
    _part: Path = field(init=False)
    _state: StateFile = field(init=False)
    _lock: FileLock = field(init=False)
    _offset: int = field(init=False, default=0)
    _unsaved: tuple[int, int, Position] | None = field(init=False, default=None)  # offset, rows and position
    _saved: bytes | None = field(init=False, default=None)  # the content of the state file
    _synced_at: float = field(init=False, default=float("-inf"))
    _has_sync_failed: bool = field(init=False, default=False)

    async def open(self) -> bool:
        """Open and lock the part file. Return False if the export should be resumed but is complete."""
        try:
            return await wait_to_end(asyncio.to_thread(self._open))
        except OSError as error:
            raise explain_os_error(error, "try again") from None

    async def write(self, data: bytes, rows: int = 0, position: Position | None = None) -> None:
        """Write complete rows, and keep their number in the file and the place after them, to resume from there.

        A cancelled call raises once they are written.
        """
        await wait_to_end(asyncio.to_thread(self._write, data, rows, position))

    async def finish(self) -> None:
        """Make all rows durable, and rename the part file to its name. A cancelled call raises once that is done."""
        await wait_to_end(asyncio.to_thread(self._finish))

    async def aclose(self) -> None:
        """Close the file. An unfinished export is kept if it can be resumed. May be called again."""
        await wait_to_end(asyncio.to_thread(self._close))

    # The methods below run in a thread, one call at a time.

    def _open(self) -> bool:
        assert self._options.path is not None
        self._path, self._old_mode = _resolve(self._options.path)
        # As private as the file that is replaced, and writable by the owner.
        mode = _NEW_MODE if self._old_mode is None else self._old_mode | 0o600
        self._part = self._path.with_name(f"{self._path.name}.part")
        self._state = StateFile(self._part.with_name(f"{self._part.name}.progress"), mode)
        part = self._lock_part(mode)
        if part is None:
            return False
        self._lock, is_new = part
        try:
            if self._old_mode is not None:
                self._set_mode(mode)
            self._begin(is_new=is_new)
        except BaseException:  # of any kind: the lock must be released after an interrupt as well
            if is_new:
                with suppress(OSError):
                    self._part.unlink()
            self._lock.release()
            raise
        self._is_open = True
        return True

    def _lock_part(self, mode: int) -> tuple[FileLock, bool] | None:
        """Return the lock, and True if the part file is new; None if the export should be resumed but is complete."""
        in_use = ExportInUseError("another run writes this file: wait until it ends, or choose another file")
        for _ in range(_OPEN_ATTEMPTS):
            flags, is_new = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW, False
            try:
                descriptor = os.open(self._part, flags)
            except FileNotFoundError:
                # Checked after the part file: a run that ends at this moment renames the part file to the complete file.
                if self._options.unfinished == "resume" and self._path.exists():
                    return None
                try:
                    descriptor, is_new = os.open(self._part, flags | os.O_CREAT | os.O_EXCL, mode), True
                except FileExistsError:
                    continue
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise ExportError(
                    "the name of the .part file belongs to something that is not a regular file: remove it"
                )
            try:
                lock = lock_file(descriptor, str(self._part))
            except BlockingIOError:
                raise in_use from None
            except OSError as error:
                raise ExportError(
                    f"this file system cannot lock files ({error.strerror}): write the file to another one, and copy it"
                ) from None
            with ExitStack() as stack:
                stack.enter_context(lock)
                if _is_named(self._part, lock.descriptor):
                    stack.pop_all()
                    return lock, is_new
            # The run that held the lock has just renamed the part file to the complete file.
        raise in_use

    def _begin(self, *, is_new: bool) -> None:
        """Choose the position to continue from, and remove the rows after it."""
        size = os.fstat(self._lock.descriptor).st_size
        saved = None
        if not is_new and self._options.unfinished != "restart":
            saved = self._find_state(size)
        self._state.remove_new()
        if saved is None or not self._options.is_resumable:
            self.restarted = self._options.unfinished == "resume" and size > 0
            self._state.remove()
        else:
            self._saved, self.resumed = saved
            self._offset = self.resumed.offset
            self._state.sync_folder()  # a run that is killed after replacing the state file has not synced the folder
            self._synced_at = self._clock()
        self._cut_back()

    def _find_state(self, size: int) -> tuple[bytes, State] | None:
        data = self._state.read()
        if data is None:
            # A killed Parquet export has no state and cannot be resumed, so nothing is lost by starting over.
            is_parquet = os.pread(self._lock.descriptor, len(_PARQUET_MAGIC), 0) == _PARQUET_MAGIC
            if size and self._options.unfinished == "refuse" and not is_parquet:
                raise UnfinishedExportError(
                    "there is a .part file of this name without a state file, so its export is unknown: "
                    f"move it away, or {RESTART}"
                )
            return None
        if not size and not self._is_own(data):
            return None  # a new run was killed before it could remove the state of an earlier one
        if self._options.unfinished == "refuse":
            raise UnfinishedExportError(
                "there is an unfinished export of this file: "
                f'resume it with unfinished="resume" (--resume), or {RESTART}'
            )
        state = State.decode(data)
        state.check_identity(self._identity)
        if self._checksum(state.offset) != state.tail:
            raise ResumeError(
                f"the .part file was changed, or is not the one that its state file describes: move it away, or {RESTART}"
            )
        return data, state

    def _is_own(self, data: bytes) -> bool:
        with suppress(ResumeError):
            return State.decode(data).inode == os.fstat(self._lock.descriptor).st_ino
        return False

    def _write(self, data: bytes, rows: int, position: Position | None) -> None:
        with self._explain_errors():
            if data:
                self._append(data)
            if position is not None and self._options.is_resumable:
                self._unsaved = (self._offset, rows, position)
                if self._clock() - self._synced_at >= self._sync_every:
                    self._save()

    def _append(self, data: bytes) -> None:
        if self._options.gzip:
            data = zlib.compress(data, _GZIP_LEVEL, wbits=_GZIP_FORMAT)
        try:
            write_all(self._lock.descriptor, data)
        except BaseException:  # of any kind: the incomplete row is removed, which makes room on a full disk
            with suppress(OSError):
                self._cut_back()
            raise
        self._offset += len(data)

    def _save(self) -> None:
        """Make the rows durable, then the state that describes them."""
        if self._unsaved is None or self._has_sync_failed or not self._is_open:
            return
        offset, rows, position = self._unsaved
        self._sync()
        inode = os.fstat(self._lock.descriptor).st_ino
        data = msgspec.json.encode(State(self._identity, inode, offset, self._checksum(offset), rows, position))
        self._state.replace(data)
        self._saved = data
        self._state.sync_folder()
        self._unsaved = None
        self._synced_at = self._clock()

    def _sync(self) -> None:
        try:
            os.fsync(self._lock.descriptor)
        except BaseException:
            # Linux may drop the pages that it could not write, and report success for the next fsync. So after a
            # failure, no further row counts as durable.
            self._has_sync_failed = True
            raise

    def _finish(self) -> None:
        with self._explain_errors():
            if self._options.gzip and not self._offset:
                self._append(b"")  # an empty file is not a valid gzip file
            if self._old_mode is not None:
                self._set_mode(self._old_mode)
            self._sync()
            if not _is_named(self._part, self._lock.descriptor):
                raise ExportWriteError("the .part file was removed or replaced: export again", errno=errno.ENOENT)
            self._part.replace(self._path)
            # Released after the rename, because a run that locked the part file before would resume a complete file.
            self._is_open = False
            self._lock.release()
            self._state.sync_folder()
        with suppress(OSError):  # a state file that is left over does no harm
            # Another run may have started by now, and have written its own state.
            if self._saved is not None and self._state.read() == self._saved:
                self._state.path.unlink()

    def _close(self) -> None:
        if not self._is_open:
            return
        with suppress(OSError):  # the previous state file still exists
            self._save()
        if self._saved is None:
            with suppress(OSError):
                if self._old_mode is not None:
                    # Without a part file, a run that resumes this export would mistake the old file for the complete one.
                    self._offset = 0
                    self._cut_back()
                elif _is_named(self._part, self._lock.descriptor):
                    self._part.unlink()
        self._is_open = False
        self._lock.release()

    @contextmanager
    def _explain_errors(self) -> Generator[None]:
        """Translate an error of the operating system. Save the rows before it, if they can be made durable."""
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                self._save()  # there may be room again, as the incomplete rows were removed
            is_kept = self._saved is not None
            step = "resume: the rows written so far are kept" if is_kept else "export again"
            raise explain_os_error(error, step) from None

    def _cut_back(self) -> None:
        os.ftruncate(self._lock.descriptor, self._offset)

    def _checksum(self, offset: int) -> int:
        start = max(0, offset - _TAIL)
        return zlib.crc32(os.pread(self._lock.descriptor, offset - start, start))

    def _set_mode(self, mode: int) -> None:
        with suppress(OSError):  # the part file belongs to another user
            os.fchmod(self._lock.descriptor, mode)


def _resolve(path: Path) -> tuple[Path, int | None]:
    """Return the path without symbolic links, and the mode of the file at the path; None if there is no file."""
    try:
        real = Path(os.path.realpath(path))
    except ValueError:  # its message quotes the name
        raise ExportWriteError(
            "the output's name contains a NUL character: choose another name", errno=errno.EINVAL
        ) from None
    try:
        mode = real.stat().st_mode
    except FileNotFoundError:
        if not stat.S_ISDIR(real.parent.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        return real, None
    if stat.S_ISDIR(mode):
        raise ExportWriteError("the output is a folder: give the name of a file in it", errno=errno.EISDIR)
    if not stat.S_ISREG(mode):
        raise ExportWriteError(
            "the output is a pipe or a device, which cannot be replaced by a complete file: write to a stream instead",
            errno=errno.EINVAL,
        )
    if not os.access(real, os.W_OK):  # a rename does not need this permission
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return real, stat.S_IMODE(mode) & 0o777


def _is_named(path: Path, descriptor: int) -> bool:
    """Return True if the path names the open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
