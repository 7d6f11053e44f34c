"""What files are asked to do, and what it means when they do not."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from campaigns_async.export.errors import ExportWriteError

FLAGS: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_NEW: Final = 0o666  # the umask takes from it
_LATER: Final = "when that is mended"
_REASONS: Final[dict[int | None, tuple[str, str]]] = {
    errno.ENOSPC: ("the disk is full", "make room"),
    getattr(errno, "EDQUOT", None): ("the disk quota is used up", "make room"),
    errno.EFBIG: ("the file may not grow any further", "raise the limit (ulimit -f), or use another disk"),
    errno.EROFS: ("the disk may only be read", "name another place"),
    errno.EACCES: ("there is no permission to write there", "get it, or name another place"),
    errno.EPERM: ("there is no permission to write there", "get it, or name another place"),
    errno.ENOENT: ("the folder is not there", "make it, or name another"),
    errno.ENOTDIR: ("what should be the folder is none", "name another"),
    errno.EISDIR: ("a folder is in the way", "name a file, or take it away"),
    errno.ELOOP: ("a symbolic link is in the way, or leads in a circle", "take it away"),
    errno.ENAMETOOLONG: (
        "the name is too long: while it is written, `.part.progress.new` stands behind it",
        "name a shorter one",
    ),
    errno.EIO: ("the disk failed", _LATER),
    errno.EPIPE: ("nobody reads the output any more", "should you need the rest"),
}

ONCE_MORE: Final = "then try again"
AGAIN: Final = "then export again"
GO_ON: Final = "then resume: what was written is kept"


@frozen
class Place:
    """Where an export goes, and the files beside it."""

    real: Path
    """The file itself: a link to it is kept."""
    mode: int | None
    """Of the file that is replaced; None: there is none."""

    @property
    def part(self) -> Path:
        """What is written until it is whole."""
        return self.real.with_name(f"{self.real.name}.part")

    @property
    def log(self) -> Path:
        """How far that is."""
        return self.real.with_name(f"{self.real.name}.part.progress")

    @property
    def new_mode(self) -> int:
        """For what is made: as private as what is replaced, and its owner's to go on with."""
        return _NEW if self.mode is None else self.mode | 0o600

    @classmethod
    def of(cls, path: Path) -> Place:
        """Look at where it is to be.

        Raises:
            OSError: It cannot be there, as far as this shows.
            ExportWriteError: So.
        """
        try:
            real = Path(os.path.realpath(path))
        except ValueError:  # quotes it
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
                "the output is a pipe or a device, which cannot be replaced by a whole file: write to a stream",
                errno=errno.EINVAL,
            )
        if not os.access(real, os.W_OK):  # renaming would not ask
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return cls(real, stat.S_IMODE(found.st_mode) & 0o777)


def write_all(descriptor: int, data: bytes) -> None:
    """Write it, in as many pieces as it takes."""
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(descriptor, view[written:])


def is_named(path: Path, descriptor: int) -> bool:
    """Whether the path still names the open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make durable which names are in it, where a system has a way to."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # file systems that cannot
            raise
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove it, if it is there and can be."""
    with suppress(OSError):
        path.unlink()


def write_failed(error: OSError, then: str) -> ExportWriteError:
    """What it means for an export, and what to do. Quotes neither a path nor a value."""
    reason, remedy = _REASONS.get(
        error.errno, (f"the output cannot be written ({error.strerror or type(error).__name__})", _LATER)
    )
    return ExportWriteError(f"{reason}: {remedy}, {then}", errno=error.errno)


@contextmanager
def writing(then: str) -> Generator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        raise write_failed(error, then) from None
