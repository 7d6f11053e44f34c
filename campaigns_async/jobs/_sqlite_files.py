"""The files of a journal in SQLite: opened, locked, and distinguished from other files before anything in them may change."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

from attrs import frozen

from campaigns_async import _file_lock as locking
from campaigns_async.jobs.job_errors import JournalError, JournalInUseError, JournalWriteError

Connect = Callable[..., sqlite3.Connection]
"""`sqlite3.connect`, or a stand-in for it."""

APPLICATION_ID: Final = 0x434D504A
"""Marks a file as a journal, in SQLite's header."""
VERSION: Final = 2
"""The version of the tables, kept as `user_version`."""
TABLES: Final = frozenset({"rows", "options", "unsettled_rows", "journal"})
"""The tables and indexes that every journal has."""
DAMAGED: Final = "the journal is damaged"
_OLDEST_SQLITE: Final = (3, 37, 0)
"""The first SQLite with STRICT tables."""
_NO_JOURNAL: Final = "this file is not a journal; it was left unchanged"
_MAGIC: Final = b"SQLite format 3\0"
_ROLLBACK_OF_NOTHING: Final = bytes.fromhex("d9d505f920a163d7")
_BUSY: Final = 10.0
"""Seconds to wait for a reader that puts a journal in order after a crash."""
_REASONS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "another program holds it",
    "SQLITE_READONLY": "it may only be read",
    "SQLITE_CANTOPEN": "its files cannot be opened",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_NOTADB": "it is damaged",
    "SQLITE_IOERR": "the disk failed",
}


def check_sqlite() -> None:
    """Raise unless this Python's SQLite can keep a journal.

    Raises:
        JournalError: If SQLite is too old.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        needed = ".".join(map(str, _OLDEST_SQLITE))
        raise JournalError(f"a journal needs SQLite {needed}; this Python has {sqlite3.sqlite_version}")


def open_to_write(path: Path, connect: Connect, make: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """Open a journal that is locked, or make it with `make`.

    Raises:
        JournalWriteError: If it cannot be written.
        JournalError: If the file is not a journal that can be used; it was left unchanged.
    """
    found = _stat(path)
    if found is not None and stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        # Each of its names would have a lock and a write-ahead log of its own.
        raise JournalError("the journal is a hard link: under each of its names it would be another journal")
    new = _is_new(path)
    if new:
        _touch(path)
    elif _size(f"{path}-journal"):
        _check_head(path)  # a crash while it was made; a reader cannot open it
    else:
        with reading():
            close(_checked_to_read(path, connect))  # before anything of it may change
    with writing():
        connection = _connect(connect, path, mode="rw")
        try:
            if new:
                _make(connection, make)
            _check_tables(connection)
            _set_up(connection)
        except BaseException:  # on an interrupt too no connection is left open
            close(connection)
            raise
    return connection


def open_to_read(path: Path, connect: Connect) -> sqlite3.Connection:
    """Open a journal to read it. Needs no lock.

    Raises:
        JournalError: If the file is not a journal that can be used; it was left unchanged.
    """
    # A file that this process writes to is a journal; and closing it here would drop SQLite's POSIX locks on it.
    if not locking.held(_lock_name(path)) and _is_new(path):
        raise JournalError("there is no journal yet")
    with reading():
        return _checked_to_read(path, connect)


def copy(path: Path, to: Path) -> None:
    """Copy a journal as it stands, whether another process writes to it or not.

    Raises:
        JournalError: If the file is not a journal that can be used, or cannot be copied.
    """
    source = open_to_read(path, sqlite3.connect)
    try:
        _touch(to)
        with writing():
            target = _connect(sqlite3.connect, to, mode="rw")
            try:
                source.backup(target)
            finally:
                close(target)
    finally:
        close(source)


def close(connection: sqlite3.Connection) -> None:
    """Close a connection. A failure, such as of a checkpoint, loses nothing."""
    with suppress(sqlite3.Error):
        connection.close()


def lock(path: Path) -> locking.FileLock:
    """Lock a journal for writing; the journal need not exist yet.

    The lock is on a file beside the journal, which stays: removing it could pull a lock from under another process.

    Raises:
        JournalInUseError: If this process or another has locked it.
        JournalError: If no lock can be made there.
    """
    beside = _lock_name(path)
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise JournalError(f"no lock file can be made beside the journal: {error.strerror}") from None
    try:
        return locking.take(descriptor, beside)
    except BlockingIOError:
        raise JournalInUseError("the journal is in use: another run writes to it") from None
    except OSError as error:
        raise JournalError(f"the journal cannot be locked on this file system: {error.strerror}") from None


@frozen
class FileIdentity:
    """A file as it was when it was opened.

    Attributes:
        file: Device and inode.
    """

    path: Path
    file: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the identity of the file at a path.

        Raises:
            JournalWriteError: If there is none.
        """
        found = _stat(path)
        if found is None:
            raise JournalWriteError("the journal was moved or deleted while it was opened")
        return cls(path.absolute(), (found.st_dev, found.st_ino))

    def check(self) -> None:
        """Raise if the path leads to another file now.

        Raises:
            JournalWriteError: If the file was moved, deleted or replaced: nobody would find what is written now.
        """
        found = _stat(self.path)
        if found is None or (found.st_dev, found.st_ino) != self.file:
            raise JournalWriteError("the journal was moved, deleted or replaced while it was in use")


@contextmanager
def reading() -> Generator[None]:
    """Turn SQLite's errors into a JournalError."""
    try:
        yield
    except sqlite3.Error as error:
        if _name(error) in {"SQLITE_CORRUPT", "SQLITE_NOTADB"}:
            raise JournalError(DAMAGED) from None
        raise JournalError(f"the journal cannot be read: {_reason(error)}") from None


@contextmanager
def writing() -> Generator[None]:
    """Turn SQLite's errors into a JournalWriteError, which quotes neither a path nor a value."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalWriteError(f"the journal cannot be written: {_reason(error)}") from None


def _lock_name(path: Path) -> str:
    return os.path.realpath(path) + ".lock"  # two names of one file are one journal


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _size(path: str) -> int:
    found = _stat(Path(path))
    return 0 if found is None else found.st_size


def _head(path: Path) -> bytes | None:
    """Return a file's first bytes; None if there is no file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would hang
            raise JournalError(_NO_JOURNAL)
        with path.open("rb") as file:
            return file.read(100)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"the journal cannot be read: {error.strerror}") from None


def _is_new(path: Path) -> bool:
    """Return True if there is nothing yet at the path. Reads the file's head and changes nothing.

    Raises:
        JournalError: If the file there is not a journal, or cannot be read.
    """
    head = _head(path)
    if not head or _was_empty(path):
        return True
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise JournalError(_NO_JOURNAL)
    if int.from_bytes(head[68:72], "big") == APPLICATION_ID:
        return False
    if any(head[68:72]) or any(head[60:64]) or _size(f"{path}-wal") or _size(f"{path}-journal"):
        raise JournalError(_NO_JOURNAL)  # another program's, whose content may stand in those files
    with suppress(sqlite3.Error):
        connection = _connect(sqlite3.connect, path, mode="ro", immutable="1")
        try:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchall() == [(0,)]:
                return True
        finally:
            close(connection)
    raise JournalError(_NO_JOURNAL)


def _was_empty(path: Path) -> bool:
    """Return True if a crash left a half-made database that SQLite will roll back to nothing."""
    try:
        with Path(f"{path}-journal").open("rb") as file:
            head = file.read(28)
    except OSError:
        return False
    return len(head) == 28 and head.startswith(_ROLLBACK_OF_NOTHING) and not any(head[16:20])


def _check_head(path: Path) -> None:
    _check_version(APPLICATION_ID, int.from_bytes((_head(path) or b"")[60:64], "big"))


def _check_tables(connection: sqlite3.Connection) -> None:
    """Refuse a journal whose tables this version does not know."""
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    _check_version(application, version)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema").fetchall()}
    if not names >= TABLES:
        raise JournalError(DAMAGED)


def _check_version(application: int, version: int) -> None:
    if application != APPLICATION_ID:
        raise JournalError(_NO_JOURNAL)
    if version > VERSION:
        raise JournalError("the journal was written by a newer version of this package; it was left unchanged")
    if 0 < version < VERSION:
        raise JournalError(
            "the journal was written by an older version of this package, which must finish it; it was left unchanged"
        )
    if version != VERSION:
        raise JournalError(DAMAGED)


def _checked_to_read(path: Path, connect: Connect) -> sqlite3.Connection:
    try:
        return _checked(_connect(connect, path, mode="ro"))
    except sqlite3.OperationalError:
        if os.access(path.parent, os.W_OK) or _size(f"{path}-wal"):
            raise
    # Nobody can write in that folder, and reading a journal needs files beside it: SQLite may take it for unchanging.
    return _checked(_connect(connect, path, mode="ro", immutable="1"))


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        _check_tables(connection)
    except BaseException:  # on an interrupt too: an open connection would keep the file in use
        close(connection)
        raise
    return connection


def _connect(connect: Connect, path: Path, **parameters: str) -> sqlite3.Connection:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    uri = f"{path.absolute().as_uri()}?{query}"  # whatever characters are in the name
    return connect(uri, timeout=_BUSY, isolation_level=None, check_same_thread=False, uri=True)


def _make(connection: sqlite3.Connection, make: Callable[[sqlite3.Connection], None]) -> None:
    """Make the tables of a new journal, unless a run that crashed just then has made them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA application_id").fetchall() == [(0,)]:
            make(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:  # on an interrupt too: half a journal is not a journal
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _set_up(connection: sqlite3.Connection) -> None:
    """Have every commit on the disk before it is acknowledged."""
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA cache_size = -32000")  # KiB; the keys of a large plan come in any order
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves the data in the drive's cache
    connection.execute("PRAGMA checkpoint_fullfsync = ON")


def _touch(path: Path) -> None:
    """Make the file, unreadable for others: it will hold phone numbers. SQLite gives its other files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise JournalWriteError(f"the journal cannot be made: {error.strerror}") from None


def _name(error: sqlite3.Error) -> str:
    """Return the error's name without its extension: SQLITE_IOERR for SQLITE_IOERR_FSYNC."""
    full: Any = getattr(error, "sqlite_errorname", None)
    return "_".join(full.split("_")[:2]) if isinstance(full, str) else ""


def _reason(error: sqlite3.Error) -> str:
    name = _name(error)
    return _REASONS.get(name, name or type(error).__name__)
