"""The lines of a plan: as a file holds them, and as campaigns that are checked when they are asked for."""

from __future__ import annotations

import stat
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from io import BufferedReader
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import orjson

from campaigns_async.jobs.errors import BadLine, BadLineError, PlanError
from campaigns_async.jobs.ndjson import Fault, Row, built
from campaigns_async.models import NewCampaign

LONGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes."""
LONGEST_CSV_LINE: Final = 1024 * 1024
"""Bytes."""
_CHUNK: Final = 256 * 1024
_HEAD: Final = 4096
_MARK: Final = b"\xef\xbb\xbf"
_COMPRESSED: Final = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")


class Line(Protocol):
    """One campaign of a plan, read cheaply: it is checked when more than its key is asked for."""

    @property
    def index(self) -> int:
        """From 0, in the plan's order; blank lines are not counted."""
        ...

    @property
    def number(self) -> int:
        """Of its line in the file, from 1; of a CSV: of the line of its first contact."""
        ...

    @property
    def key(self) -> str:
        """Of the user's; of a positional plan: the place, from 1."""
        ...

    @property
    def content(self) -> int:
        """A signed 64-bit digest of what would be sent: the same for the same, and another for anything else."""
        ...

    @property
    def dropped(self) -> int:
        """Contacts that are left out, since their number stands before them."""
        ...

    def place(self, contact: int, /) -> tuple[int, str]:
        """The line of a contact of the campaign (from 0), and what to write before its field: `contacts[3].`."""
        ...

    def campaign(self) -> NewCampaign:
        """The campaign, checked.

        Raises:
            BadLineError: It cannot be sent; says all that is wrong with it.
        """
        ...

    def wire(self) -> bytes:
        """The campaign and its key as a line of NDJSON, the newline included.

        Raises:
            BadLineError: It cannot be sent.
        """
        ...


@runtime_checkable
class Plan(Protocol):
    """Campaigns to send, in an order that stays."""

    @property
    def positional(self) -> bool:
        """Whether keys are positions, so that a plan with other options is another plan."""
        ...

    def options(self) -> Mapping[str, str]:
        """What must be the same in every run of one journal: no texts, but their digests.

        Raises:
            PlanError: The file cannot be read.
        """
        ...

    def lines(self, wanted: Callable[[int], bool] | None = None) -> Iterator[Line | BadLine]:
        """The lines, from the first on in each call, read one by one.

        Args:
            wanted: Whether the line of an index is wanted; others are passed over, hardly read.

        Raises:
            PlanError: The file cannot be read, or holds no campaign.
        """
        ...


@contextmanager
def opened(path: Path) -> Generator[BufferedReader]:
    """A plan's file, open for reading, at its beginning.

    Raises:
        PlanError: It cannot be read, or what it begins with is no text in UTF-8.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise PlanError(f"{named(path)} is a directory: name the file in it")
        if not stat.S_ISREG(mode):  # to open a pipe would wait for its writer
            raise PlanError(
                f"{named(path)} is no regular file: a plan is read more than once, so save it to a file first"
            )
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise PlanError(f"{named(path)} is not there: check its path") from None
    except PermissionError:
        raise PlanError(f"{named(path)} may not be read by this user: check its permissions") from None
    except OSError as error:
        raise PlanError(f"{named(path)} cannot be read: {error.strerror or type(error).__name__}") from None


def head_of(path: Path) -> bytes:
    """What a plan's file begins with, without a byte order mark and blank lines before it.

    Raises:
        PlanError: It cannot be read, is empty, or is no text in UTF-8.
    """
    with opened(path) as file:
        head = file.read(_HEAD)
    if not head:
        raise PlanError(f"{named(path)} is empty")
    if head.startswith(_COMPRESSED):
        raise PlanError(f"{named(path)} is compressed, or a spreadsheet: unpack it, or export it as text, first")
    if head.startswith(b"SQLite format 3\x00"):
        raise PlanError(f"{named(path)} is an SQLite database, such as a journal: name the plan instead")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head:
        raise PlanError(f"{named(path)} is no text in UTF-8, but in UTF-16 or none at all: save it as UTF-8")
    return head.removeprefix(_MARK).lstrip()


def named(path: Path) -> str:
    """What a message calls a plan's file."""
    return f"the plan {path.name!r}"


def raw_lines(file: BufferedReader, longest: int = LONGEST_LINE) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a file with their numbers, from 1, without what ends them (a newline only); None: one too long.

    Args:
        file: At its beginning; a byte order mark is left out.
        longest: Bytes of a line.
    """
    number = 1
    begun: list[bytes] = []
    size = 0
    if file.read(len(_MARK)) != _MARK:
        file.seek(0)
    while chunk := file.read(_CHUNK):
        first, *others = chunk.split(b"\n")
        size += len(first)
        if size <= longest:
            begun.append(first)
        else:
            begun.clear()
        if others:
            yield number, b"".join(begun) if size <= longest else None
            *whole, last = others
            for number, line in enumerate(whole, number + 1):  # noqa: B020  # counts on from it
                yield number, line if len(line) <= longest else None
            number += 1
            begun, size = [last], len(last)
    if size:
        yield number, b"".join(begun) if size <= longest else None


def digest(content: bytes) -> int:
    """A signed 64-bit digest."""
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


class BadTextError(Exception):
    """A line that csv cannot be given; says why."""


class TextLines:
    """The file's lines as csv takes them."""

    def __init__(self, file: BufferedReader) -> None:
        self._lines = raw_lines(file, LONGEST_CSV_LINE)
        self.number: int = 0
        """Of the latest line, from 1."""

    def __iter__(self) -> TextLines:
        return self

    def __next__(self) -> str:
        number, raw = next(self._lines)
        self.number = number
        if raw is None:
            raise BadTextError(f"is longer than {LONGEST_CSV_LINE:,} bytes: is a quote never closed?")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            at = error.start + 1
        else:
            if "\0" in text:
                raise BadTextError("holds a NUL, which no text does: was the file damaged?")
            if "\r" in text[:-1]:
                raise BadTextError(
                    "holds a carriage return that ends no line: save the file with newlines (LF or CRLF)"
                )
            return text + "\n"
        raise BadTextError(f"is not in UTF-8 from its byte {at} on: save the file as UTF-8")


class CheckedLine:
    """A campaign of a plan; checked once, when something of it is first asked for."""

    __slots__ = ("_outcome", "index", "key", "number")

    def __init__(self, index: int, number: int, key: str) -> None:
        self.index: int = index
        self.number: int = number
        self.key: str = key
        self._outcome: Row | list[Fault] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number}>"

    def _check(self) -> Row | list[Fault]:
        raise NotImplementedError  # each kind of line has its own

    def _bad_content(self) -> bytes:
        """What stands for a bad line in its digest."""
        raise NotImplementedError  # as above

    def place(self, contact: int) -> tuple[int, str]:
        """The line of a contact (from 0) that is sent, and how to call it there."""
        row = self._row()
        given = contact if row.kept is None else row.kept[contact]
        return self.number, f"contacts[{given}]."

    def _bad(self, fault: Fault) -> BadLine:
        contact, name, reason = fault
        if contact is not None:
            name = f"contacts[{contact}]" + (name and f".{name}")
        return BadLine(self.number, name, reason)

    def _outcome_of(self) -> Row | list[Fault]:
        if self._outcome is None:
            self._outcome = self._check()
        return self._outcome

    def _row(self) -> Row:
        outcome = self._outcome_of()
        if isinstance(outcome, list):
            raise BadLineError(*map(self._bad, outcome))
        return outcome

    @property
    def content(self) -> int:
        """A digest of what would be sent: the same for the same, and another for anything else."""
        outcome = self._outcome_of()
        if isinstance(outcome, list):
            return digest(b"bad" + self._bad_content())
        return digest(orjson.dumps(outcome.wire, option=orjson.OPT_SORT_KEYS))

    @property
    def dropped(self) -> int:
        """Contacts that are left out, since their number stands before them; 0 of a bad line."""
        outcome = self._outcome_of()
        return 0 if isinstance(outcome, list) else outcome.dropped

    def campaign(self) -> NewCampaign:
        """The campaign.

        Raises:
            BadLineError: It cannot be sent; says all that is wrong with it.
        """
        return built(self._row())

    def wire(self) -> bytes:
        """The campaign and its key as a line of NDJSON, the newline included.

        Raises:
            BadLineError: It cannot be sent.
        """
        return orjson.dumps({"key": self.key, **self._row().wire}, option=orjson.OPT_APPEND_NEWLINE)
