"""Errors of plans and journals. Messages may quote keys, but no phone numbers, names or texts."""

from __future__ import annotations

from attrs import frozen

from campaigns_async.errors import CampaignsError


@frozen
class BadLine:
    """A fault of a line of a plan. It quotes nothing of the line.

    Attributes:
        number: The line number, from 1.
        field: The field in the line, such as `contacts[3].phoneNumber`; empty if the fault is the line's.
        reason: Why the line cannot be sent.
    """

    number: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.field + ': ' if self.field else ''}{self.reason}"


class BadLineError(Exception):
    """A line that cannot be sent.

    Attributes:
        bad: All faults of the line.
    """

    def __init__(self, *bad: BadLine) -> None:
        super().__init__(*bad)
        self.bad = bad


class JobError(CampaignsError):
    """Base class of the errors of durable sends."""


_SHOWN = 3


class PlanError(JobError):
    """A plan that cannot be sent. Nothing was sent. Its text shows the first faults.

    Attributes:
        lines: The first 20 faults.
        count: The number of all faults.
    """

    def __init__(self, message: str, lines: tuple[BadLine, ...] = (), count: int | None = None) -> None:
        super().__init__(message)
        self.lines = lines
        self.count: int = len(lines) if count is None else count

    def __str__(self) -> str:
        shown = "".join(f"; {line}" for line in self.lines[:_SHOWN])
        more = self.count - len(self.lines[:_SHOWN])
        return f"{self.message}{shown}" + (f"; and {more:,} more" if shown and more > 0 else "")


class PlanChangedError(JobError):
    """A plan that lacks or changes rows of the journal. Nothing was sent.

    Attributes:
        keys: The keys of the first 20 rows that are changed or missing.
        count: The number of all such rows.
    """

    def __init__(self, message: str, keys: tuple[str, ...] = (), count: int | None = None) -> None:
        super().__init__(message)
        self.keys = keys
        self.count: int = len(keys) if count is None else count


class PreflightError(JobError):
    """A comparison of the plan with the server that could not be made, or showed another account. Nothing was sent."""


class JournalError(JobError):
    """A journal that cannot be used: not a journal, of another version, damaged, or of another job."""


class JournalInUseError(JournalError):
    """A journal that another run or another SQLite program has locked."""


class JournalWriteError(JournalError):
    """A journal that cannot be written, such as on a full disk. What was recorded before is safe."""
