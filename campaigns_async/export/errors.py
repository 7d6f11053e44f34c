"""What can go wrong with an export. No message quotes a value of a row but its id."""

from __future__ import annotations

from campaigns_async.errors import CampaignsError


class ExportError(CampaignsError):
    """An export that cannot begin, or go on."""


class UnfinishedExportError(ExportError):
    """A cut-off export lies there: resume it or begin anew, but say which. Nothing was changed."""


class ResumeError(ExportError):
    """What lies there cannot be resumed by this call: other options, another server, or damage. Nothing was changed."""


class ExportInUseError(ExportError):
    """Another run writes this file. Nothing was changed."""


class ExportWriteError(ExportError):
    """The disk, or whoever reads the output, did not take it; what was written before is kept.

    Attributes:
        errno: The operating system's number, such as `errno.ENOSPC` or `errno.EPIPE`; None where it gave none.
    """

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class UnwritableValueError(ExportError):
    """A value that the chosen format cannot hold; says in which row and column, and what to do."""
