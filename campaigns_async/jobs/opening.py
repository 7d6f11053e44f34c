"""Opening a journal's file, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from campaigns_async.jobs import schema
from campaigns_async.jobs.errors import JournalError, JournalWriteError
from campaigns_async.jobs.lock import held

Connect = Callable[..., sqlite3.Connection]
"""`sqlite3.connect`, or what looks like it."""

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


def open_to_write(path: Path, connect: Connect) -> sqlite3.Connection:
    """Open a journal that is locked, or make it.

    Raises:
        JournalWriteError: It cannot be written.
        JournalError: It is none that can be used; it was left as it is.
    """
    new = schema.is_new(path)
    if new:
        _touch(path)
    elif schema.size(f"{path}-journal"):
        schema.check_head(path)  # a crash while it was made; who may not write cannot open it
    else:
        with reading():
            close(_checked_to_read(path, connect))  # before anything of it may change
    with writing():
        connection = _connect(connect, schema.uri(path, mode="rw"))
        try:
            if new:
                schema.make(connection)
            schema.check_version(connection)
            schema.set_up(connection)
        except BaseException:  # interrupted too: no connection is left open
            close(connection)
            raise
    return connection


def open_to_read(path: Path, connect: Connect) -> sqlite3.Connection:
    """Open a journal to look at it.

    Raises:
        JournalError: It is none that can be used; it was left as it is.
    """
    # Where this process writes to it, it is one; and closing the file here would drop SQLite's locks on it (POSIX).
    if not held(path) and schema.is_new(path):
        raise JournalError("there is no journal yet")
    with reading():
        return _checked_to_read(path, connect)


def copy(path: Path, to: Path) -> None:
    """Copy a journal as it stands, another process writing to it or not.

    Raises:
        JournalError: It is none that can be used, or cannot be copied.
    """
    source = open_to_read(path, sqlite3.connect)
    try:
        _touch(to)
        with writing():
            target = _connect(sqlite3.connect, schema.uri(to, mode="rw"))
            try:
                source.backup(target)
            finally:
                close(target)
    finally:
        close(source)


def close(connection: sqlite3.Connection) -> None:
    """Close a connection. What fails then, a checkpoint, loses nothing."""
    with suppress(sqlite3.Error):
        connection.close()


def _checked_to_read(path: Path, connect: Connect) -> sqlite3.Connection:
    try:
        return _checked(_connect(connect, schema.uri(path, mode="ro")))
    except sqlite3.OperationalError:
        if os.access(path.parent, os.W_OK) or schema.size(f"{path}-wal"):
            raise
    # Nobody can write in that folder, and reading a journal needs files beside it: it is told that nothing will change.
    return _checked(_connect(connect, schema.uri(path, mode="ro", immutable="1")))


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        schema.check_version(connection)
    except BaseException:  # as above
        close(connection)
        raise
    return connection


def _connect(connect: Connect, uri: str) -> sqlite3.Connection:
    return connect(uri, timeout=_BUSY, isolation_level=None, check_same_thread=False, uri=True)


def _touch(path: Path) -> None:
    """Make the file, for nobody else to read: it will hold phone numbers. SQLite gives its other files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise JournalWriteError(f"the journal cannot be made: {error.strerror}") from None


@contextmanager
def reading() -> Generator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        if _name(error) in {"SQLITE_CORRUPT", "SQLITE_NOTADB"}:
            raise JournalError(schema.DAMAGED) from None
        raise JournalError(f"the journal cannot be read: {_reason(error)}") from None


@contextmanager
def writing() -> Generator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise write_failed(error) from None


def write_failed(error: sqlite3.Error) -> JournalWriteError:
    """What it means for a journal. Quotes neither a path nor a value."""
    return JournalWriteError(f"the journal cannot be written: {_reason(error)}")


def _name(error: sqlite3.Error) -> str:
    """The error's name without what SQLite adds: SQLITE_IOERR for SQLITE_IOERR_FSYNC."""
    full: Any = getattr(error, "sqlite_errorname", None)
    return "_".join(full.split("_")[:2]) if isinstance(full, str) else ""


def _reason(error: sqlite3.Error) -> str:
    name = _name(error)
    return _REASONS.get(name, name or type(error).__name__)
