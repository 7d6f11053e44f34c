"""Open the file of a plan, check its head, and read it line by line."""

from __future__ import annotations

import codecs
import errno
import io
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BufferedReader
from itertools import count
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from campaigns_async._checks import find_text_fault
from campaigns_async._file_lock import FileLock, lock_file
from campaigns_async.jobs.job_errors import PlanError

LONGEST_LINE: Final = 64 * 1024 * 1024
"""The default limit of a line of NDJSON, in bytes."""
LONGEST_CSV_LINE: Final = 1024 * 1024
"""The limit of a line of CSV, in bytes."""
_CHUNK: Final = 256 * 1024
_HEAD: Final = 4096
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_COMPRESSED: Final = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")


class BadTextError(Exception):
    """A line that the csv module must not be given.

    Attributes:
        number: The line number, from 1.
        reason: The fault.
        before: The line up to a character that cannot be decoded.
    """

    def __init__(self, number: int, reason: str, before: str = "") -> None:
        super().__init__(number, reason)
        self.number = number
        self.reason = reason
        self.before = before


@runtime_checkable
class FilePlan(Protocol):
    """A plan that is read from a file."""

    @property
    def path(self) -> Path:
        """The path of the file."""
        ...


def lock_plan(plan: FilePlan) -> FileLock:
    """Lock a plan's file against other runs that send it, which have other journals. The file is not changed.

    The lock is on the file itself, so that each name and link of it counts.

    Raises:
        PlanError: If another run sends the plan, or the file cannot be locked.
    """
    name, path = describe(plan.path), os.path.realpath(plan.path)
    with open_plan(plan.path) as file:
        try:
            try:
                return lock_file(os.dup(file.fileno()), path)
            except OSError as error:
                if error.errno != errno.EBADF:
                    raise
                return lock_file(os.open(path, os.O_RDWR), path)  # NFS locks only files that may be written
        except BlockingIOError:
            raise PlanError(
                f"{name} is being sent by another run, with another journal: wait until it ends, or stop it; "
                "nothing was sent"
            ) from None
        except OSError as error:
            raise PlanError(
                f"{name} cannot be locked on its file system ({error.strerror}): copy it to a local disk; nothing was sent"
            ) from None


@contextmanager
def open_plan(path: Path) -> Generator[BufferedReader]:
    """Open a plan's file for reading.

    Raises:
        PlanError: If the file cannot be opened, or cannot be read within the block.
    """
    name = describe(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise PlanError(f"{name} is a directory: name a file in it")
        if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
            raise PlanError(f"{name} is not a regular file: save it to a file first")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise PlanError(f"{name} does not exist: check its path") from None
    except PermissionError:
        raise PlanError(f"{name} cannot be read by this user: check its permissions") from None
    except OSError as error:
        raise PlanError(f"{name} cannot be read: {error.strerror or type(error).__name__}") from None


def read_head(path: Path, *, may_be_utf_16: bool = False) -> bytes:
    """Return the head of a plan's file, without a byte order mark and leading blank lines.

    Raises:
        PlanError: If the file cannot be read, is empty, or is not text. UTF-16 is text only if that is allowed.
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
    is_utf_16 = head.startswith(_UTF_16)
    if not (is_utf_16 and may_be_utf_16) and (is_utf_16 or b"\x00" in head):
        raise PlanError(f"{name} {find_text_fault(head)}")
    return head.removeprefix(_BYTE_ORDER_MARK).lstrip()


def describe(path: Path) -> str:
    """Return the name of a plan's file for a message."""
    return f"the plan {path.name!r}"


def read_lines(file: BufferedReader, longest: int = LONGEST_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number, from 1, without the newline; None in place of a line that is too long.

    Args:
        file: A file at its start. A byte order mark is skipped.
        longest: The limit of a line, in bytes.
    """
    _skip_byte_order_mark(file)
    for number in count(1):
        line = file.readline(longest + 1)
        if not line:
            return
        is_whole = line.endswith(b"\n") or len(line) <= longest
        yield number, line.removesuffix(b"\n") if is_whole else None
        while not is_whole:
            is_whole = (rest := file.readline(_CHUNK)).endswith(b"\n") or not rest


def read_text_lines(file: BufferedReader) -> Iterator[Iterator[str]]:
    """Yield blocks of lines, each line with its newline, as the csv module takes them.

    A block is validated as a whole; its lines are looked at one by one only if it has a fault.

    Args:
        file: A file at its start, in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        BadTextError: At the first line with a fault, after the lines before it.
    """
    recoded: BufferedReader | codecs.StreamRecoder = file
    if file.read(2) in _UTF_16:
        recoded = codecs.EncodedFile(file, "utf-8", "utf-16", "surrogatepass")
    file.seek(0)
    _skip_byte_order_mark(file)
    number = 1
    rest = b""
    while chunk := recoded.read(_CHUNK):
        rest += chunk
        end = rest.rfind(b"\n") + 1
        if end:
            block, rest = rest[:end], rest[end:]
            yield _split_block(block, number)
            number += block.count(b"\n")
        if len(rest) > LONGEST_CSV_LINE:
            break
    if recoded is not file and file.tell() % 2:  # it was cut off within a character: digits may be missing
        rest += b"\xff"
    if rest:
        yield _split_block(rest + b"\n", number)


def _split_block(block: bytes, number: int) -> Iterator[str]:
    if len(block) <= LONGEST_CSV_LINE and b"\0" not in block and block.count(b"\r") == block.count(b"\r\n"):
        try:
            return io.StringIO(block.decode(), newline="\n")
        except UnicodeDecodeError:
            pass
    return _check_lines(block, number)


def _check_lines(block: bytes, first: int) -> Iterator[str]:
    for number, raw in enumerate(block[:-1].split(b"\n"), first):
        if len(raw) > LONGEST_CSV_LINE:
            raise BadTextError(number, f"is longer than {LONGEST_CSV_LINE:,} bytes: is a quote never closed?")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            before = raw[: error.start].decode()
            reason = (
                f"cannot be decoded from character {len(before) + 1} on: save the file as UTF-8 (in Excel: CSV UTF-8)"
            )
            raise BadTextError(number, reason, before) from None
        if "\0" in text:
            raise BadTextError(number, "contains a NUL byte: is the file damaged?")
        if "\r" in text[:-1]:
            raise BadTextError(number, "contains a carriage return: save the file with LF or CRLF line endings")
        yield text + "\n"


def _skip_byte_order_mark(file: BufferedReader) -> None:
    if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        file.seek(0)
