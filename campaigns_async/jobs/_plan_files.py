"""The files of plans: opened, looked at, and read in lines."""

from __future__ import annotations

import io
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

from campaigns_async.jobs.job_errors import PlanError

LONGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes of a line of NDJSON."""
LONGEST_CSV_LINE: Final = 1024 * 1024
"""Bytes of a line of CSV."""
_CHUNK: Final = 256 * 1024
_HEAD: Final = 4096
_MARK: Final = b"\xef\xbb\xbf"
_COMPRESSED: Final = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")


class BadTextError(Exception):
    """A line that csv cannot be given.

    Attributes:
        number: The line, from 1.
        reason: Why.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(number, reason)
        self.number = number
        self.reason = reason


@contextmanager
def open_plan(path: Path) -> Generator[BufferedReader]:
    """Open a plan's file for reading.

    Raises:
        PlanError: If it cannot be read, or changes while it is read.
    """
    name = describe(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise PlanError(f"{name} is a directory: name the file in it")
        if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
            raise PlanError(f"{name} is no regular file: save it to a file first")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise PlanError(f"{name} is not there: check its path") from None
    except PermissionError:
        raise PlanError(f"{name} may not be read by this user: check its permissions") from None
    except OSError as error:
        raise PlanError(f"{name} cannot be read: {error.strerror or type(error).__name__}") from None


def read_head(path: Path) -> bytes:
    """Return the beginning of a plan's file, without a byte order mark and blank lines before it.

    Raises:
        PlanError: If the file cannot be read, is empty, or is no text in UTF-8.
    """
    with open_plan(path) as file:
        head = file.read(_HEAD)
    name = describe(path)
    if not head:
        raise PlanError(f"{name} is empty")
    if head.startswith(_COMPRESSED):
        raise PlanError(f"{name} is compressed, or a spreadsheet: unpack it, or export it as text, first")
    if head.startswith(b"SQLite format 3\x00"):
        raise PlanError(f"{name} is an SQLite database, such as a journal: name the plan instead")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head:
        raise PlanError(f"{name} is no text in UTF-8, but in UTF-16 or none at all: save it as UTF-8")
    return head.removeprefix(_MARK).lstrip()


def describe(path: Path) -> str:
    """Return the name of a plan's file for a message."""
    return f"the plan {path.name!r}"


def raw_lines(file: BufferedReader, longest: int = LONGEST_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines of a file with their numbers, from 1, without the newline; None for a line that is too long.

    Args:
        file: At its beginning; a byte order mark is left out.
        longest: Bytes of a line.
    """
    _skip_mark(file)
    number = 1
    begun: list[bytes] = []
    size = 0
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
            for line in whole:
                number += 1
                yield number, line if len(line) <= longest else None
            number += 1
            begun, size = [last], len(last)
    if size:
        yield number, b"".join(begun) if size <= longest else None


def text_lines(file: BufferedReader) -> Iterator[Iterator[str]]:
    """Yield the lines of a file in blocks, each line with its newline, as csv takes them.

    A block is checked as a whole; only in a block with a fault is each line looked at.

    Args:
        file: At its beginning; a byte order mark is left out.

    Raises:
        BadTextError: After the lines before the one that csv cannot be given.
    """
    _skip_mark(file)
    number = 1
    rest = b""
    while chunk := file.read(_CHUNK):
        rest += chunk
        end = rest.rfind(b"\n") + 1
        if end:
            block, rest = rest[:end], rest[end:]
            yield _lines_of(block, number)
            number += block.count(b"\n")
        if len(rest) > LONGEST_CSV_LINE:
            break
    if rest:
        yield _lines_of(rest + b"\n", number)


def _lines_of(block: bytes, number: int) -> Iterator[str]:
    if len(block) <= LONGEST_CSV_LINE and b"\0" not in block and block.count(b"\r") == block.count(b"\r\n"):
        try:
            return io.StringIO(block.decode(), newline="\n")
        except UnicodeDecodeError:
            pass
    return _checked_lines(block, number)


def _checked_lines(block: bytes, number: int) -> Iterator[str]:
    for at, raw in enumerate(block[:-1].split(b"\n"), number):
        if len(raw) > LONGEST_CSV_LINE:
            raise BadTextError(at, f"is longer than {LONGEST_CSV_LINE:,} bytes: is a quote never closed?")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            reason = f"is not in UTF-8 from its byte {error.start + 1} on: save the file as UTF-8"
            raise BadTextError(at, reason) from None
        if "\0" in text:
            raise BadTextError(at, "holds a NUL, which no text does: was the file damaged?")
        if "\r" in text[:-1]:
            raise BadTextError(
                at, "holds a carriage return that ends no line: save the file with newlines (LF or CRLF)"
            )
        yield text + "\n"


def _skip_mark(file: BufferedReader) -> None:
    if file.read(len(_MARK)) != _MARK:
        file.seek(0)
