"""Open, lock and copy the SQLite files of a journal. A file that is not a journal is refused before anything in it changes."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from campaigns_async._file_lock import FileLock, is_locked, lock_file
from campaigns_async.jobs.job_errors import JournalError, JournalInUseError, JournalWriteError

Connect = Callable[..., sqlite3.Connection]
"""`sqlite3.connect`, or a function that replaces it."""

APPLICATION_ID: Final = 0x434D504A
"""Marks a file as a journal, in SQLite's header."""
VERSION: Final = 5
"""The version of the tables, kept as `user_version`. Raise it whenever a table or a column changes."""
TABLES: Final = frozenset({"rows", "options", "unsettled_rows", "journal"})
"""The tables and indexes that every journal has."""
DAMAGED: Final = "the journal is damaged"
_OLDEST_SQLITE: Final = (3, 37, 0)
_NOT_A_JOURNAL: Final = "this file is not a journal; it was left unchanged"
_MAGIC: Final = b"SQLite format 3\0"
_ROLLBACK_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
_BUSY_TIMEOUT: Final = 10.0
"""Seconds to wait for another connection, such as a reader that recovers the write-ahead log after a crash."""
_IN_USE: Final = "the journal is in use: another SQLite program has locked it"
_REASONS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "another SQLite program has locked it",
    "SQLITE_READONLY": "it is read-only",
    "SQLITE_CANTOPEN": "its files cannot be opened",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_NOTADB": "it is damaged",
    "SQLITE_IOERR": "the disk failed",
}


def check_sqlite() -> None:
    """Check the version of SQLite.

    Raises:
        JournalError: If SQLite is older than 3.37, the first version with STRICT tables.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        needed = ".".join(map(str, _OLDEST_SQLITE))
        raise JournalError(f"a journal needs SQLite {needed}; this Python has {sqlite3.sqlite_version}")


def open_to_write(path: Path, connect: Connect, make: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """Open a journal for writing, or create it by `make`. The caller holds its lock.

    Raises:
        JournalInUseError: If another SQLite program has locked the file.
        JournalWriteError: If the file cannot be written.
        JournalError: If the file is not a usable journal. It was left unchanged.
    """
    found = find_stat(path)
    if found is not None and stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        # Each name would have its own lock and its own write-ahead log.
        raise JournalError("the journal has several hard links, each of which would be another journal: keep one")
    new = _is_new(path)
    if new:
        _touch(path)
    elif not _size(f"{path}-journal"):  # left by a crash while it was created: then it cannot be opened read-only
        with reading():
            close(_connect_to_read(path, connect))  # validate it before anything in it may change
    with writing(in_use_if_busy=True):
        connection = _connect(connect, path, mode="rw")
        try:
            if new:
                _make(connection, make)
            _check_tables(connection)
            _set_up(connection)
        except BaseException:  # on an interrupt too: leave no connection open
            close(connection)
            raise
    return connection


def open_to_read(path: Path, connect: Connect) -> sqlite3.Connection:
    """Open a journal for reading. Needs no lock.

    Raises:
        JournalInUseError: If another SQLite program has locked the file.
        JournalError: If the file is not a usable journal. It was left unchanged.
    """
    if not is_locked(_lock_path(path)) and _is_new(path):  # see `lock`
        raise JournalError("the journal does not exist yet")
    with reading():
        return _connect_to_read(path, connect)


def copy(path: Path, to: Path) -> None:
    """Copy the current content of a journal. Another process may be writing to it.

    Raises:
        JournalError: If the file is not a usable journal, or cannot be copied.
    """
    with closing(open_to_read(path, sqlite3.connect)) as source:
        _touch(to)
        with writing(), closing(_connect(sqlite3.connect, to, mode="rw")) as target:
            source.backup(target)


def close(connection: sqlite3.Connection) -> None:
    """Close a connection. Ignore errors: a checkpoint that fails loses nothing."""
    with suppress(sqlite3.Error):
        connection.close()


def lock(path: Path) -> FileLock:
    """Lock a journal for writing. The journal need not exist yet.

    The lock is on a file beside the journal. That file is never deleted: another process could be about to lock it.

    Raises:
        JournalInUseError: If this process or another one has locked the journal.
        JournalError: If the file at the path is not a journal, or the lock file cannot be created.
    """
    lock_path = _lock_path(path)
    # A file that this process has locked is a journal, and closing it here would drop SQLite's POSIX locks on it.
    if not is_locked(lock_path):
        _is_new(path)  # refuse another file, such as /dev/null, before a lock file is created beside it
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise JournalError(f"the journal's lock file cannot be created: {error.strerror}") from None
    try:
        return lock_file(descriptor, lock_path)
    except BlockingIOError:
        raise JournalInUseError("the journal is in use: another run writes to it") from None
    except OSError as error:
        raise JournalError(
            f"the journal cannot be locked on this file system ({error.strerror}): keep it on a local disk"
        ) from None


def find_stat(path: Path) -> os.stat_result | None:
    """Return the status of the file at a path; None if there is no such file."""
    try:
        return path.stat()
    except OSError:
        return None


@contextmanager
def reading() -> Generator[None]:
    """Map SQLite's errors to `JournalError`."""
    try:
        yield
    except sqlite3.Error as error:
        name = _name_of(error)
        if name in {"SQLITE_CORRUPT", "SQLITE_NOTADB"}:
            raise JournalError(DAMAGED) from None
        if name == "SQLITE_BUSY":
            raise JournalInUseError(_IN_USE) from None
        raise JournalError(f"the journal cannot be read: {_reason(error)}") from None


@contextmanager
def writing(*, in_use_if_busy: bool = False) -> Generator[None]:
    """Map SQLite's errors to `JournalWriteError`, whose message quotes neither a path nor a value.

    Args:
        in_use_if_busy: Map SQLITE_BUSY to `JournalInUseError`, where nothing has been sent yet.
    """
    try:
        yield
    except sqlite3.Error as error:
        if in_use_if_busy and _name_of(error) == "SQLITE_BUSY":
            raise JournalInUseError(_IN_USE) from None
        raise JournalWriteError(f"the journal cannot be written: {_reason(error)}") from None


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Commit what the block writes; on an error, nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # on an interrupt too: all or nothing
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _lock_path(path: Path) -> str:
    return os.path.realpath(path) + ".lock"  # symbolic links to one file are one journal


def _size(path: str) -> int:
    found = find_stat(Path(path))
    return 0 if found is None else found.st_size


def _head(path: Path) -> bytes | None:
    """Return the first 100 bytes, SQLite's header; None if the file does not exist."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would hang
            raise JournalError(_NOT_A_JOURNAL)
        with path.open("rb") as file:
            return file.read(100)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"the journal cannot be read: {error.strerror}") from None


def _is_new(path: Path) -> bool:
    """Return True if the path leads to no file, or to an empty file or database. Changes nothing.

    Raises:
        JournalError: If the file is not a journal, or cannot be read.
    """
    head = _head(path)
    if not head or _rolls_back_to_empty(path):
        return True
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise JournalError(_NOT_A_JOURNAL)
    if int.from_bytes(head[68:72], "big") == APPLICATION_ID:
        # Before SQLite reads the tables: it may find those of another version damaged.
        _check_version(APPLICATION_ID, int.from_bytes(head[60:64], "big", signed=True))
        return False
    if any(head[68:72]) or any(head[60:64]) or _size(f"{path}-wal") or _size(f"{path}-journal"):
        raise JournalError(_NOT_A_JOURNAL)  # another program's, whose content may be in those files
    with suppress(sqlite3.Error):
        connection = _connect(sqlite3.connect, path, mode="ro", immutable="1")
        try:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchall() == [(0,)]:
                return True
        finally:
            close(connection)
    raise JournalError(_NOT_A_JOURNAL)


def _rolls_back_to_empty(path: Path) -> bool:
    """Return True if a crash left an incomplete new database, which SQLite will roll back to an empty file."""
    try:
        with Path(f"{path}-journal").open("rb") as file:
            head = file.read(28)
    except OSError:
        return False
    return len(head) == 28 and head.startswith(_ROLLBACK_MAGIC) and not any(head[16:20])


def _check_tables(connection: sqlite3.Connection) -> None:
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    _check_version(application, version)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema").fetchall()}
    if not names >= TABLES:
        raise JournalError(DAMAGED)


def _check_version(application: int, version: int) -> None:
    if application != APPLICATION_ID:
        raise JournalError(_NOT_A_JOURNAL)
    if version > VERSION:
        raise JournalError("the journal was written by a newer version of this package; it was left unchanged")
    if 0 < version < VERSION:
        raise JournalError(
            "the journal was written by an older version of this package: finish it with that version; it was left unchanged"
        )
    if version != VERSION:
        raise JournalError(DAMAGED)


def _connect_to_read(path: Path, connect: Connect) -> sqlite3.Connection:
    try:
        return _check_or_close(_connect(connect, path, mode="ro"))
    except sqlite3.OperationalError:
        if os.access(path.parent, os.W_OK) or _size(f"{path}-wal"):
            raise
    # A WAL database needs files beside it even to be read. In a read-only folder nobody can write to it: `immutable`.
    return _check_or_close(_connect(connect, path, mode="ro", immutable="1"))


def _check_or_close(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        _check_tables(connection)
    except BaseException:  # on an interrupt too: leave no connection open
        close(connection)
        raise
    return connection


def _connect(connect: Connect, path: Path, **parameters: str) -> sqlite3.Connection:
    query = urlencode(parameters)
    uri = f"{path.absolute().as_uri()}?{query}"  # a URI escapes every character of the name
    return connect(uri, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True)


def _make(connection: sqlite3.Connection, make: Callable[[sqlite3.Connection], None]) -> None:
    """Create the tables of a new journal, unless another connection or a recovered crash has created them."""
    with transaction(connection):
        if connection.execute("PRAGMA application_id").fetchall() == [(0,)]:
            make(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _set_up(connection: sqlite3.Connection) -> None:
    """Configure the connection so that each commit is on the disk before it is acknowledged."""
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA cache_size = -32000")  # in KiB: the index of a large plan's keys is used in random order
    connection.execute("PRAGMA secure_delete = ON")  # a payload that is dropped is overwritten
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves the data in the drive's cache
    connection.execute("PRAGMA checkpoint_fullfsync = ON")


def _touch(path: Path) -> None:
    """Create the file for its owner alone: it will hold phone numbers. SQLite gives its other files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise JournalWriteError(f"the journal cannot be created: {error.strerror}") from None


def _name_of(error: sqlite3.Error) -> str:
    """Return the primary code's name: SQLITE_IOERR for SQLITE_IOERR_FSYNC."""
    full: Any = getattr(error, "sqlite_errorname", None)
    return "_".join(full.split("_")[:2]) if isinstance(full, str) else ""


def _reason(error: sqlite3.Error) -> str:
    name = _name_of(error)
    return _REASONS.get(name, name or type(error).__name__)
