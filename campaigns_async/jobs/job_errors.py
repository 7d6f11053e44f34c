"""The errors of plans and journals. No message quotes a number, a name or a text; keys are named."""

from __future__ import annotations

from attrs import frozen

from campaigns_async.errors import CampaignsError


@frozen
class BadLine:
    """A fault of a line of a plan. Quotes nothing of the line.

    Attributes:
        number: The line, from 1.
        field: The place in the line, such as `contacts[3].phoneNumber`; empty for the line as a whole.
        reason: Why the line cannot be sent.
    """

    number: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.field + ': ' if self.field else ''}{self.reason}"


class BadLineError(Exception):
    """A line that cannot be sent. Its `bad` holds all faults of the line."""

    def __init__(self, *bad: BadLine) -> None:
        super().__init__(*bad)
        self.bad = bad


class JobError(CampaignsError):
    """The base of the errors of durable sends."""


class PlanError(JobError):
    """A plan that cannot be used. Nothing was sent.

    Attributes:
        lines: The first 20 faults.
        count: The number of all faults.
    """

    def __init__(self, message: str, lines: tuple[BadLine, ...] = (), count: int | None = None) -> None:
        super().__init__(message)
        self.lines = lines
        self.count: int = len(lines) if count is None else count


class PlanChangedError(JobError):
    """A plan whose rows differ from those that the journal knows.

    Attributes:
        keys: The keys of the first 20 rows that changed or are missing.
        count: The number of all of them.
    """

    def __init__(self, message: str, keys: tuple[str, ...] = (), count: int | None = None) -> None:
        super().__init__(message)
        self.keys = keys
        self.count: int = len(keys) if count is None else count


class JournalError(JobError):
    """A journal that cannot be used: the file is not a journal, or it is of another version, damaged, or of another job."""


class JournalInUseError(JournalError):
    """A journal that another process, or another job of this one, writes to."""


class JournalWriteError(JournalError):
    """A journal that could not be written: the disk is full, or failed. What was acknowledged is safe."""
