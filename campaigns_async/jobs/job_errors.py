"""What can be wrong with a plan or a journal. No message quotes a number, a name or a text; keys are named."""

from __future__ import annotations

from attrs import frozen

from campaigns_async.errors import CampaignsError


@frozen
class BadLine:
    """What is wrong with a line of a plan. Quotes nothing of it."""

    number: int
    """Of the line, from 1."""
    field: str
    """Where in the line: `contacts[3].phoneNumber`; empty: the line as a whole."""
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.field + ': ' if self.field else ''}{self.reason}"


class BadLineError(Exception):
    """A line that cannot be sent; says all that is wrong with it."""

    def __init__(self, *bad: BadLine) -> None:
        super().__init__(*bad)
        self.bad = bad


class JobError(CampaignsError):
    """A durable send that cannot begin, or go on."""


class PlanError(JobError):
    """A plan that cannot be used. Nothing was sent.

    Attributes:
        lines: What is wrong, the first 20.
        count: How much is wrong in all.
    """

    def __init__(self, message: str, lines: tuple[BadLine, ...] = (), count: int | None = None) -> None:
        super().__init__(message)
        self.lines = lines
        self.count: int = len(lines) if count is None else count


class PlanChangedError(JobError):
    """A plan that is not the one which the journal knows.

    Attributes:
        keys: Of the rows that changed or are missing, the first 20.
        count: How many in all.
    """

    def __init__(self, message: str, keys: tuple[str, ...] = (), count: int | None = None) -> None:
        super().__init__(message)
        self.keys = keys
        self.count: int = len(keys) if count is None else count


class JournalError(JobError):
    """A journal that cannot be used: it is none, of a newer version, damaged, or of another job."""


class JournalInUseError(JournalError):
    """A journal that another process, or another job of this one, writes to."""


class JournalWriteError(JournalError):
    """A journal that could not be written: the disk is full, or failed. What was acknowledged is safe."""
