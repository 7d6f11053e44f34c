"""The place of an exported file: its names, their modes, and operations on them that survive a power cut."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from campaigns_async.export.export_errors import ExportWriteError

OPEN_FLAGS: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_NEW_MODE: Final = 0o666
"""The mode of a new file, less the umask."""


@frozen
class Place:
    """The path of an export, and the names beside it."""

    real: Path
    """The file itself; a link to it is kept."""
    mode: int | None
    """The mode of the file that is replaced; None if there is none."""

    @property
    def part(self) -> Path:
        """The file that is written until it is complete."""
        return self.real.with_name(f"{self.real.name}.part")

    @property
    def state(self) -> Path:
        """The file with the state."""
        return self.real.with_name(f"{self.real.name}.part.progress")

    @property
    def new_state(self) -> Path:
        """The file that becomes the state."""
        return self.real.with_name(f"{self.real.name}.part.progress.new")

    @property
    def new_mode(self) -> int:
        """The mode of new files: as private as the file that is replaced, and writable by their owner."""
        return _NEW_MODE if self.mode is None else self.mode | 0o600

    @classmethod
    def of(cls, path: Path) -> Place:
        """Look at a path.

        Raises:
            ExportWriteError: No file can be written there.
            OSError: Likewise.
        """
        try:
            real = Path(os.path.realpath(path))
        except ValueError:  # its message quotes the name
            raise ExportWriteError("the output's name holds a NUL: name another", errno=errno.EINVAL) from None
        try:
            found = real.stat()
        except FileNotFoundError:
            if not stat.S_ISDIR(real.parent.stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
            return cls(real, None)
        if stat.S_ISDIR(found.st_mode):
            raise ExportWriteError("the output is a folder: name a file in it", errno=errno.EISDIR)
        if not stat.S_ISREG(found.st_mode):
            raise ExportWriteError(
                "the output is a pipe or a device, which no complete file can replace: write to a stream",
                errno=errno.EINVAL,
            )
        if not os.access(real, os.W_OK):  # a rename would not ask
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return cls(real, stat.S_IMODE(found.st_mode) & 0o777)

    def read_state(self) -> bytes | None:
        """Return the content of the state file; None if there is none."""
        try:
            descriptor = os.open(self.state, os.O_RDONLY | OPEN_FLAGS)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def replace_state(self, data: bytes) -> None:
        """Replace the state file, whole or not at all; `sync_folder` makes that durable."""
        self.new_state.unlink(missing_ok=True)  # of a run that died
        descriptor = os.open(self.new_state, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, self.new_mode)
        try:
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.new_state.replace(self.state)
        except BaseException:  # of any kind: leave nothing behind
            with suppress(OSError):
                self.new_state.unlink()
            raise

    def remove_state(self) -> None:
        """Remove the state file durably, since it must not describe what is written from here on."""
        try:
            self.state.unlink()
        except FileNotFoundError:
            return
        self.sync_folder()

    def sync_folder(self) -> None:
        """Make the names in the folder durable, where the system can."""
        if os.name == "nt":
            return
        descriptor = os.open(self.real.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # file systems that cannot
                raise
        finally:
            os.close(descriptor)


def is_named(path: Path, descriptor: int) -> bool:
    """Return True if the path names the open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_all(descriptor: int, data: bytes) -> None:
    """Write to a file, in as many pieces as it takes."""
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(descriptor, view[written:])
