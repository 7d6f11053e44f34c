"""Errors of exports, and the translation of the operating system's errors. No message quotes a path or a value."""

from __future__ import annotations

import errno
from typing import Final

from campaigns_async.errors import CampaignsError

_REPAIRED: Final = "once that is repaired"
_REASONS: Final[dict[int | None, tuple[str, str]]] = {
    errno.ENOSPC: ("the disk is full", "make room"),
    getattr(errno, "EDQUOT", None): ("the disk quota is used up", "make room"),
    errno.EFBIG: ("the file may not grow any further", "raise the limit (ulimit -f), or use another disk"),
    errno.EROFS: ("the disk is read-only", "name another place"),
    errno.EACCES: ("there is no permission to write there", "get it, or name another place"),
    errno.EPERM: ("there is no permission to write there", "get it, or name another place"),
    errno.ENOENT: ("the folder does not exist", "create it, or name another"),
    errno.ENOTDIR: ("a part of the path is no folder", "name another"),
    errno.EISDIR: ("a folder is in the way", "name a file, or remove it"),
    errno.ELOOP: ("a symbolic link is in the way, or leads in a circle", "remove it"),
    errno.ENAMETOOLONG: (
        "the name is too long: until the file is complete, `.part.progress.new` is added to it",
        "name a shorter one",
    ),
    errno.EIO: ("the disk failed", _REPAIRED),
    errno.EPIPE: ("nobody reads the output any more", "if you need the rest"),
}


class ExportError(CampaignsError):
    """An export cannot start, or cannot continue."""


class UnfinishedExportError(ExportError):
    """There is an unfinished export of this file: resume it or restart. Nothing was changed."""


class ResumeError(ExportError):
    """The unfinished export has other options or another server, or its file was changed. Nothing was changed."""


class ExportInUseError(ExportError):
    """Another run writes this file. Nothing was changed."""


class ExportWriteError(ExportError):
    """The output could not be written: the disk failed, or the reader of a pipe closed it. Earlier rows are kept.

    Attributes:
        errno: The operating system's error number, such as `errno.ENOSPC` or `errno.EPIPE`; None if there is no number.
    """

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class UnwritableValueError(ExportError):
    """The format cannot hold a value. The message names its row and column, and what to do."""


def explain_os_error(error: OSError, next_step: str) -> ExportWriteError:
    """Return an error that says what failed, and what to do.

    Args:
        error: The operating system's error.
        next_step: The step after the cause is removed, such as "export again".
    """
    reason, remedy = _REASONS.get(
        error.errno, (f"the output cannot be written ({error.strerror or type(error).__name__})", _REPAIRED)
    )
    return ExportWriteError(f"{reason}: {remedy}, then {next_step}", errno=error.errno)
