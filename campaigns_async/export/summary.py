"""How far an export has come, and how it ended."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


@frozen
class ExportProgress:
    """How far an export has come."""

    rows: int
    """Written in all, those of the run that was resumed included."""
    resumed: int
    """Rows that lay there when this run began."""
    total: int | None
    """Rows there are in all, as far as the server tells."""
    campaigns: int | None
    """Contacts of several campaigns: campaigns done with, in all."""
    campaigns_total: int | None
    """Contacts of several campaigns: how many there are, as far as is known."""
    bytes_written: int
    """By this run, before compression."""


@frozen
class ExportSummary:
    """How an export ended: whole, or it would have raised."""

    path: Path | None
    """The file; None where a stream was written."""
    rows: int
    """In the file."""
    resumed: int
    """Rows of it that an earlier run had written."""
    campaigns: int | None
    """Contacts of several campaigns: how many."""
    gone: int
    """Contacts of several campaigns: campaigns that were deleted before all their contacts were read."""
    bytes_written: int
    """By this run, before compression."""
    started_over: bool
    """It was to be resumed, and could not be, for its format or since its log was lost: it was begun anew."""
    already_whole: bool
    """It was to be resumed, and was whole already: nothing was done."""
    elapsed: float
    """Seconds of this run."""
