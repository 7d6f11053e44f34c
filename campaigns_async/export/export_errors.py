"""Errors of exports, and the translation of the operating system's errors. No message quotes a path or a value."""

from __future__ import annotations

import errno
from typing import Final

from campaigns_async.errors import CampaignsError

_REPAIR: Final = "solve that"
_REASONS: Final[dict[int | None, tuple[str, str]]] = {
    errno.ENOSPC: ("the disk is full", "make room"),
    getattr(errno, "EDQUOT", None): ("the disk quota is used up", "make room"),
    errno.EFBIG: ("the file has reached the size limit", "raise the limit (ulimit -f), or use another disk"),
    errno.EROFS: ("the disk is read-only", "choose another folder"),
    errno.EACCES: ("there is no permission to write there", "get the permission, or choose another folder"),
    errno.EPERM: ("there is no permission to write there", "get the permission, or choose another folder"),
    errno.ENOENT: ("the folder does not exist", "create it, or choose another one"),
    errno.ENOTDIR: ("a part of the path is not a folder", "choose another path"),
    errno.EISDIR: ("there is a folder of this name", "choose another name, or remove it"),
    errno.ELOOP: ("there is a symbolic link of this name, or a loop of links", "remove it"),
    errno.ENAMETOOLONG: (
        "the name is too long: until the file is complete, `.part.progress.new` is added to it",
        "choose a shorter one",
    ),
    errno.EIO: ("the disk failed", _REPAIR),
    errno.EPIPE: ("the reader of the output has closed it", "keep it open"),
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
    """The output could not be written: a failure of the disk, or a reader that closed the pipe. Earlier rows are kept.

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
        error.errno, (f"the output cannot be written ({error.strerror or type(error).__name__})", _REPAIR)
    )
    return ExportWriteError(f"{reason}: {remedy}, then {next_step}", errno=error.errno)
