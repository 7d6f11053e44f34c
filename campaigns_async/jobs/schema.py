"""What a journal is made of in SQLite, and how it is told from other files."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Final

from campaigns_async.effects import MOVES, State, origins
from campaigns_async.jobs.errors import JournalError

APPLICATION_ID: Final = 0x434D504A
"""Says, in a file's header, that it is a journal."""
VERSION: Final = 1
"""Of the tables; kept as `user_version`."""
OLDEST_SQLITE: Final = (3, 37, 0)
"""Has STRICT tables."""

NO_JOURNAL: Final = "this file is no journal; it was left as it is"
DAMAGED: Final = "the journal is damaged"

INDEXED: Final = frozenset({State.SENDING, State.FAILED, State.UNKNOWN})
INDEXED_WHERE: Final = "state IN (1, 3, 4)"
"""Word for word the index's condition: SQLite uses the index for who repeats it."""

TABLES: Final = (
    """
    CREATE TABLE rows (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        content INTEGER NOT NULL,
        state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 4),
        attempts INTEGER NOT NULL DEFAULT 0,
        attempted_at REAL,
        ended_at REAL,
        campaign_id TEXT,
        surely_done INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        leads TEXT,
        payload BLOB
    ) STRICT
    """,
    # A handful of rows, whatever the size of the plan: planned and created ones need no index.
    f"CREATE INDEX open_rows ON rows (state) WHERE {INDEXED_WHERE}",
    "CREATE TABLE options (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
)
_LEGAL: Final = ", ".join(str(old * 10 + new) for old in State for new in sorted(MOVES[old]))
_TO_CREATED: Final = ", ".join(str(int(old)) for old in sorted(origins(State.CREATED)))

# A group is inserted into a view, and its trigger does the rest: one statement, so one transaction of its own that
# gives the GIL away once. Given away a row, or a statement, each time back would have to wait for a busy event loop.
# `+rows.state` keeps the planner from walking the index on states instead of looking up ids.
GROUP: Final = (
    """
    CREATE TEMP VIEW groups AS SELECT NULL AS now, NULL AS n_begins, NULL AS begins, NULL AS n_created, NULL AS created,
        NULL AS n_moves, NULL AS moves, NULL AS payloads
    """,
    f"""
    CREATE TEMP TRIGGER record INSTEAD OF INSERT ON groups BEGIN
        UPDATE rows SET state = 1, attempts = attempts + 1, attempted_at = NEW.now,
            campaign_id = NULL, surely_done = 0, reason = NULL, leads = NULL
        FROM json_each(NEW.begins) AS j
        WHERE rows.id = CAST(j.key AS INTEGER) AND rows.content = j.value AND +rows.state = 0;
        SELECT RAISE(ABORT, 'begins') WHERE changes() <> NEW.n_begins;

        UPDATE rows SET state = 2, ended_at = NEW.now,
            campaign_id = j.value, surely_done = 0, reason = NULL, leads = NULL, payload = NULL
        FROM json_each(NEW.created) AS j
        WHERE rows.id = CAST(j.key AS INTEGER) AND +rows.state IN ({_TO_CREATED});
        SELECT RAISE(ABORT, 'created') WHERE changes() <> NEW.n_created;

        UPDATE rows SET state = json_extract(j.value, '$[1]'), ended_at = NEW.now,
            campaign_id = json_extract(j.value, '$[2]'),
            surely_done = max(json_extract(j.value, '$[3]'),
                iif(json_extract(j.value, '$[1]') = 4, rows.surely_done, 0)),
            reason = json_extract(j.value, '$[4]'),
            leads = json_extract(j.value, '$[5]'),
            payload = CASE
                WHEN json_extract(j.value, '$[1]') IN (0, 2) THEN NULL
                WHEN json_extract(j.value, '$[6]') IS NULL THEN rows.payload
                ELSE coalesce(substr(NEW.payloads, json_extract(j.value, '$[6]'), json_extract(j.value, '$[7]')), x'')
            END
        FROM json_each(NEW.moves) AS j
        WHERE rows.id = json_extract(j.value, '$[0]')
            AND rows.state * 10 + json_extract(j.value, '$[1]') IN ({_LEGAL});
        SELECT RAISE(ABORT, 'moves') WHERE changes() <> NEW.n_moves;
    END
    """,  # noqa: S608 - numbers of states are all that is put in
)
RECORD: Final = "INSERT INTO temp.groups VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

_MAGIC: Final = b"SQLite format 3\0"
_ROLLBACK_OF_NOTHING: Final = bytes.fromhex("d9d505f920a163d7")


def uri(path: Path, **parameters: str) -> str:
    """The name by which SQLite opens that file, whatever characters are in it."""
    return f"{path.absolute().as_uri()}?{'&'.join(f'{name}={value}' for name, value in parameters.items())}"


def is_new(path: Path) -> bool:
    """Whether there is nothing yet where a journal is to be. Reads the file's head, and touches nothing.

    Raises:
        JournalError: What is there is no journal, or cannot be read.
    """
    head = _head(path)
    return head is None or _is_new(path, head)


def check_head(path: Path) -> None:
    """Refuse a journal of a newer version by its head alone.

    Raises:
        JournalError: It is one, or cannot be read.
    """
    head = _head(path) or b""
    _check(APPLICATION_ID, int.from_bytes(head[60:64], "big"))


def _head(path: Path) -> bytes | None:
    """A file's first bytes. None: there is no file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would hang
            raise JournalError(NO_JOURNAL)
        with path.open("rb") as file:
            return file.read(100)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"the journal cannot be read: {error.strerror}") from None


def _is_new(path: Path, head: bytes) -> bool:
    if not head or _was_empty(path):
        return True
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise JournalError(NO_JOURNAL)
    if int.from_bytes(head[68:72], "big") == APPLICATION_ID:
        return False
    if any(head[68:72]) or any(head[60:64]) or size(f"{path}-wal") or size(f"{path}-journal"):
        raise JournalError(NO_JOURNAL)  # somebody's, and what stands in it may stand in those files
    connection = sqlite3.connect(uri(path, mode="ro", immutable="1"), uri=True)
    try:
        return connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,) or _no_journal()
    except sqlite3.Error:
        return _no_journal()
    finally:
        connection.close()


def _no_journal() -> bool:
    raise JournalError(NO_JOURNAL)


def size(path: str) -> int:
    """Bytes in a file; 0: there is none."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _was_empty(path: Path) -> bool:
    """Whether a crash left a half-made database which SQLite will take back to nothing."""
    try:
        with Path(f"{path}-journal").open("rb") as file:
            head = file.read(28)
    except OSError:
        return False
    return len(head) == 28 and head.startswith(_ROLLBACK_OF_NOTHING) and not any(head[16:20])


def check_version(connection: sqlite3.Connection) -> None:
    """Refuse a journal whose tables this version does not know.

    Raises:
        JournalError: It is of a newer version, or none, or damaged.
        sqlite3.Error: It cannot be read.
    """
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    _check(application, version)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema").fetchall()}
    if not names >= {"rows", "options", "open_rows"}:
        raise JournalError(DAMAGED)


def _check(application: int, version: int) -> None:
    if application != APPLICATION_ID:
        raise JournalError(NO_JOURNAL)
    if version > VERSION:
        raise JournalError("the journal was written by a newer version of this package; it was left as it is")
    if version != VERSION:
        raise JournalError(DAMAGED)


def make(connection: sqlite3.Connection) -> None:
    """Make the tables of a new journal, unless a run that crashed just then has made them.

    Raises:
        sqlite3.Error: It cannot be written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA application_id").fetchall() == [(0,)]:
            for statement in TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:  # interrupted too: half a journal is none
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def set_up(connection: sqlite3.Connection) -> None:
    """Have every commit on the disk before it is acknowledged, and prepare to record groups."""
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA cache_size = -32000")  # keys of a large plan come in any order; in KiB
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves it in the drive's cache
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    for statement in GROUP:
        connection.execute(statement)
