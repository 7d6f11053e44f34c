"""The tables of a journal, and the trigger that records a commit."""

from __future__ import annotations

import os
import sqlite3
from typing import Final

from campaigns_async.effects import EXCEPTIONAL_MOVES, MOVES, State, origins
from campaigns_async.jobs._sqlite_files import writing
from campaigns_async.jobs.sqlite_reader import NORMALIZED, UNSETTLED_WHERE

_TABLES: Final = (
    # The columns that change with each attempt. Large values are in `contents`, since SQLite rewrites a whole row.
    """
    CREATE TABLE rows (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 4),
        attempts INTEGER NOT NULL DEFAULT 0,
        attempted_at REAL,
        first_claim INTEGER,             -- the generation of the commit that first claimed it; see `seen_ids`
        ended_at REAL,
        campaign_id TEXT,
        created_without_id INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        candidates TEXT,
        has_failed INTEGER NOT NULL DEFAULT 0, -- 1 once the row has failed: from then on its plan may correct it
        refused TEXT,                    -- the indexes of the contacts that the server refused, as JSON
        content INTEGER NOT NULL,        -- digest of the request body
        line INTEGER,                    -- digest of the plan's line: an unchanged line is not parsed again
        text INTEGER NOT NULL,           -- keyed digest of the message
        sender INTEGER NOT NULL,         -- keyed digest of the sender
        starts_at INTEGER NOT NULL,      -- milliseconds since 1970
        planned_count INTEGER NOT NULL,  -- recipients sent
        accepted_count INTEGER,          -- unused: recipients that the server accepted
        kind INTEGER NOT NULL DEFAULT 0, -- unused: 0 a campaign; 1 a message
        mark INTEGER NOT NULL DEFAULT 0, -- in addition to the state: 1 adopted, 2 held
        undo INTEGER,                    -- unused: the state of an undo
        server_reason TEXT,              -- the server's own words, masked
        token BLOB,                      -- unused: the attempt's token, which a former owner no longer has
        owner INTEGER                    -- unused: the lease under which the row is sent
    ) STRICT
    """,
    # Few rows of even a large plan. Planned and created rows need no index.
    f"CREATE INDEX unsettled_rows ON rows (state) WHERE {UNSETTLED_WHERE}",
    # A server that gives an id twice, or a proxy that shifts responses, must not make two rows of one campaign.
    f"CREATE UNIQUE INDEX owners ON rows ({NORMALIZED}) WHERE state = 2",
    """
    CREATE TABLE contents (
        row_id INTEGER PRIMARY KEY,
        recipients BLOB NOT NULL,        -- a keyed digest of 8 bytes for each recipient sent
        dropped BLOB,                    -- the same, for each recipient that the plan left out
        payload BLOB                     -- the request body, compressed or not; dropped once the row is created or failed
    ) STRICT
    """,
    "CREATE TABLE options (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE journal (
        digest_key BLOB NOT NULL,        -- the key of the digests
        purged_at REAL,                  -- seconds since 1970: its texts and numbers were removed, and nothing is sent
        generation INTEGER NOT NULL,     -- raised by each commit, to recognise an older copy
        restored_at INTEGER,             -- the generation of the file when it was last found to be an older copy
        restoring INTEGER NOT NULL DEFAULT 0, -- 1 from then on until a plan has been loaded
        api_key_salt BLOB,               -- unused
        api_key_fingerprint BLOB         -- a digest of 16 bytes for each API key, salted with the journal's identity
    ) STRICT
    """,
    # Keyed digests of the campaign ids that were seen on the server, each with the generation of the commit that added it.
    "CREATE TABLE seen_ids (digest INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT",
    # Unused: the limit of each budget, and how much of it rows have reserved.
    "CREATE TABLE budgets (name TEXT PRIMARY KEY, most INTEGER NOT NULL, reserved INTEGER NOT NULL) STRICT",
    # Unused: the workers that send rows, and the ends of their leases.
    "CREATE TABLE leases (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, token BLOB NOT NULL, until REAL NOT NULL) STRICT",
)
_LEGAL: Final = ", ".join(str(old * 10 + new) for old in State for new in sorted(MOVES[old]))
_EXCEPTIONAL: Final = ", ".join(str(old * 10 + new) for old in State for new in sorted(EXCEPTIONAL_MOVES[old]))
_TO_CREATED: Final = ", ".join(str(int(old)) for old in sorted(origins(State.CREATED)))

# A commit is one INSERT into a view, whose trigger does the rest: one statement, which is a transaction and releases the
# GIL once. With a statement for each row, a busy event loop would delay each of them.
# `+rows.state` keeps the query planner from scanning the index on states instead of looking up ids.
_TRIGGER: Final = (
    """
    CREATE TEMP VIEW commits AS SELECT NULL AS now, NULL AS n_claims, NULL AS claims, NULL AS n_created, NULL AS created,
        NULL AS n_moves, NULL AS moves, NULL AS generation
    """,
    f"""
    CREATE TEMP TRIGGER record INSTEAD OF INSERT ON commits BEGIN
        UPDATE rows SET state = 1, attempts = attempts + 1, attempted_at = NEW.now,
            campaign_id = NULL, created_without_id = 0, reason = NULL, candidates = NULL, refused = NULL,
            server_reason = NULL, mark = 0, first_claim = coalesce(first_claim, NEW.generation)
        FROM json_each(NEW.claims) AS j
        WHERE rows.id = j.value AND +rows.state = 0;
        SELECT RAISE(ABORT, 'claims') WHERE changes() <> NEW.n_claims;

        UPDATE rows SET state = 2, ended_at = NEW.now,
            campaign_id = j.value, created_without_id = 0, reason = NULL, candidates = NULL, refused = NULL,
            server_reason = NULL, mark = 0
        FROM json_each(NEW.created) AS j
        WHERE rows.id = CAST(j.key AS INTEGER) AND +rows.state IN ({_TO_CREATED});
        SELECT RAISE(ABORT, 'created') WHERE changes() <> NEW.n_created;

        UPDATE rows SET state = json_extract(j.value, '$[1]'), ended_at = NEW.now,
            campaign_id = json_extract(j.value, '$[2]'),
            created_without_id = max(json_extract(j.value, '$[3]'),
                iif(json_extract(j.value, '$[1]') = 4, rows.created_without_id, 0)),
            reason = json_extract(j.value, '$[4]'),
            candidates = json_extract(j.value, '$[5]'),
            refused = json_extract(j.value, '$[7]'),
            server_reason = json_extract(j.value, '$[8]'),
            mark = json_extract(j.value, '$[9]'),
            has_failed = max(rows.has_failed, json_extract(j.value, '$[1]') = 3)
        FROM json_each(NEW.moves) AS j
        WHERE rows.id = json_extract(j.value, '$[0]') AND (
            rows.state * 10 + json_extract(j.value, '$[1]') IN ({_LEGAL})
            OR (json_extract(j.value, '$[6]') AND rows.state * 10 + json_extract(j.value, '$[1]') IN ({_EXCEPTIONAL}))
        );
        SELECT RAISE(ABORT, 'moves') WHERE changes() <> NEW.n_moves;

        UPDATE journal SET generation = NEW.generation;
    END
    """,  # noqa: S608 - only numbers of states are interpolated
)
RECORD: Final = "INSERT INTO temp.commits VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def make_tables(connection: sqlite3.Connection) -> None:
    """Create the tables of a new journal."""
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO journal (digest_key, generation) VALUES (?, 0)", (os.urandom(16),))


def create_trigger(connection: sqlite3.Connection) -> None:
    """Create the trigger of `RECORD`, which lives as long as the connection."""
    with writing():
        for statement in _TRIGGER:
            connection.execute(statement)
