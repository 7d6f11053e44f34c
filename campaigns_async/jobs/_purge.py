"""Remove from a journal what it holds of texts, numbers and keys, when a person asks for it."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Final

from campaigns_async.jobs._sqlite_files import transaction, writing
from campaigns_async.jobs.job_errors import JournalError, JournalInUseError
from campaigns_async.jobs.sqlite_reader import digest_key

_PURGE: Final = (
    "DELETE FROM contents",
    "DELETE FROM options",  # among them digests of the file and of the text
    """
    UPDATE rows SET key = digest_of(key), content = 0, line = NULL, text = 0, sender = 0, refused = NULL,
        candidates = NULL, server_reason = NULL
    """,
)


def purge(connection: sqlite3.Connection, now: float) -> None:
    """Remove texts, numbers and keys; see `JournalFile.purge`."""
    with writing(in_use_if_busy=True):
        with transaction(connection):
            ((salt, purged_at),) = connection.execute("SELECT digest_key, purged_at FROM journal").fetchall()
            _check_settled(connection)
            if purged_at is None:
                connection.create_function("digest_of", 1, partial(digest_key, salt), deterministic=True)
                for statement in _PURGE:
                    connection.execute(statement)
                connection.execute("UPDATE journal SET purged_at = ?, api_key_fingerprint = NULL", (now,))
        # The content is in old pages of the file, and of the write-ahead log, until both are written again.
        connection.execute("VACUUM")
        ((is_busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if is_busy:
        raise JournalInUseError("another program reads the journal, so old content is left in it: purge it again")


def _check_settled(connection: sqlite3.Connection) -> None:
    ((left,),) = connection.execute("SELECT count(*) FROM rows WHERE state NOT IN (2, 3)").fetchall()
    if left:
        rows = "1 row is" if left == 1 else f"{left:,} rows are"
        raise JournalError(
            f"{rows} planned, sending or unknown: finish the run, or settle them by `journal resolve`, before you purge "
            "the journal; nothing was changed"
        )
