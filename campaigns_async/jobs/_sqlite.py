"""The journal in SQLite: its tables, the commits of a run, and its asynchronous form.

`JournalFile` is the file, for one thread at a time. `SqliteJournal` is the asynchronous `Journal`: it runs the file's
methods in its own thread, so that the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, Final, NoReturn, Self, TypeVar

import msgspec

from campaigns_async._threads import wait_to_end, wait_until_done
from campaigns_async.effects import EXCEPTIONAL_MOVES, MOVES, State, check_move, origins
from campaigns_async.jobs import _sqlite_files as sqlite_files
from campaigns_async.jobs._plan_loader import RowSink, StoppedError, add_plan
from campaigns_async.jobs._retention import drop_payloads, purge
from campaigns_async.jobs._sqlite_files import DAMAGED, Connect, reading, writing
from campaigns_async.jobs.job_errors import JobError, JournalWriteError
from campaigns_async.jobs.journal import ClaimedRow, DuplicateIdError, JournalRow, Transition
from campaigns_async.jobs.plans import Plan
from campaigns_async.jobs.sqlite_reader import UNSETTLED_WHERE, JournalReader

T = TypeVar("T")

_TABLES: Final = (
    # The columns that change with each attempt. Large values are in `contents`, since SQLite rewrites a whole row.
    """
    CREATE TABLE rows (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 4),
        attempts INTEGER NOT NULL DEFAULT 0,
        attempted_at REAL,
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
        mark INTEGER NOT NULL DEFAULT 0, -- unused: adopted, held, skipped or withdrawn, in addition to the state
        undo INTEGER,                    -- unused: the state of an undo
        server_reason TEXT,              -- the server's own words, masked
        token BLOB,                      -- unused: the attempt's token, which a former owner no longer has
        owner INTEGER                    -- unused: the lease under which the row is sent
    ) STRICT
    """,
    # Few rows of even a large plan. Planned and created rows need no index.
    f"CREATE INDEX unsettled_rows ON rows (state) WHERE {UNSETTLED_WHERE}",
    # A server that gives an id twice, or a proxy that shifts responses, must not make two rows of one campaign.
    "CREATE UNIQUE INDEX owners ON rows (campaign_id) WHERE state = 2",
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
        generation INTEGER NOT NULL,     -- unused: incremented by each commit, to recognise an old copy
        api_key_salt BLOB,               -- unused
        api_key_fingerprint BLOB         -- unused: salted digest of the API key
    ) STRICT
    """,
    # Unused: digests of the campaign ids that were seen on the server, in that order.
    "CREATE TABLE seen_ids (position INTEGER PRIMARY KEY, digest INTEGER NOT NULL) STRICT",
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
        NULL AS n_moves, NULL AS moves
    """,
    f"""
    CREATE TEMP TRIGGER record INSTEAD OF INSERT ON commits BEGIN
        UPDATE rows SET state = 1, attempts = attempts + 1, attempted_at = NEW.now,
            campaign_id = NULL, created_without_id = 0, reason = NULL, candidates = NULL, refused = NULL,
            server_reason = NULL
        FROM json_each(NEW.claims) AS j
        WHERE rows.id = j.value AND +rows.state = 0;
        SELECT RAISE(ABORT, 'claims') WHERE changes() <> NEW.n_claims;

        UPDATE rows SET state = 2, ended_at = NEW.now,
            campaign_id = j.value, created_without_id = 0, reason = NULL, candidates = NULL, refused = NULL,
            server_reason = NULL
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
            has_failed = max(rows.has_failed, json_extract(j.value, '$[1]') = 3)
        FROM json_each(NEW.moves) AS j
        WHERE rows.id = json_extract(j.value, '$[0]') AND (
            rows.state * 10 + json_extract(j.value, '$[1]') IN ({_LEGAL})
            OR (json_extract(j.value, '$[6]') AND rows.state * 10 + json_extract(j.value, '$[1]') IN ({_EXCEPTIONAL}))
        );
        SELECT RAISE(ABORT, 'moves') WHERE changes() <> NEW.n_moves;
    END
    """,  # noqa: S608 - only numbers of states are interpolated
)
_RECORD: Final = "INSERT INTO temp.commits VALUES (?, ?, ?, ?, ?, ?, ?)"
# One row of JSON, since sqlite3 releases the GIL for each row.
_FIND_PLANNED: Final = """
    SELECT json_group_array(json_array(id, hex(payload)))
    FROM (SELECT id, payload FROM rows JOIN contents ON row_id = id
        WHERE id > ? AND +state = 0 AND payload IS NOT NULL ORDER BY id LIMIT ?)
"""


class JournalFile(JournalReader):
    """The file of a journal, for one thread at a time.

    Returned by `open` and `scratch_copy`; use it in a `with` block, or close it.
    """

    def __init__(self, connection: sqlite3.Connection, check_file: Callable[[], None], resources: ExitStack) -> None:
        super().__init__(connection)
        self._check_file = check_file
        self._resources = resources
        self._claimed_up_to = 0  # an id: no planned row up to it is left unclaimed

    @classmethod
    def open(cls, path: str | Path, *, connect: Connect = sqlite3.connect) -> Self:
        """Open a journal for writing, or create it.

        Args:
            path: The path of the file. While the journal is open there are `-wal` and `-shm` files beside it; a `.lock`
                file remains.
            connect: `sqlite3.connect`, or a function that replaces it.

        Raises:
            JournalInUseError: If another run writes to the journal, or another SQLite program has locked it.
            JournalWriteError: If a new journal cannot be written.
            JournalError: If the file is not a journal, is of another version, or is damaged. It was left unchanged.
        """
        sqlite_files.check_sqlite()
        path = Path(path).absolute()
        with ExitStack() as resources:
            resources.enter_context(sqlite_files.lock(path))
            connection = sqlite_files.open_to_write(path, connect, _make_tables)
            resources.callback(sqlite_files.close, connection)
            _create_trigger(connection)
            check_file = partial(sqlite_files.check_identity, path, sqlite_files.identify(path))
            return cls(connection, check_file, resources.pop_all())

    @classmethod
    def scratch_copy(cls, path: str | Path) -> Self:
        """Copy a journal, or create a new one, in a temporary file that `close` deletes.

        The original is neither locked nor changed. Another run may be writing to it.

        Raises:
            JournalError: As `open`.
        """
        sqlite_files.check_sqlite()
        path = Path(path)
        with ExitStack() as resources:
            file = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="campaigns-async-")), "journal")
            if path.exists() and path.stat().st_size:
                sqlite_files.copy(path, file)
            connection = sqlite_files.open_to_write(file, sqlite3.connect, _make_tables)
            resources.callback(sqlite_files.close, connection)
            _create_trigger(connection)
            connection.execute("PRAGMA synchronous = OFF")  # a crash loses nothing: the file is temporary
            return cls(connection, lambda: None, resources.pop_all())

    def close(self) -> None:
        """Close the journal and release its lock. Further calls do nothing."""
        self._resources.close()

    def add_plan(
        self,
        plan: Plan,
        settings: Mapping[str, str],
        *,
        retry_failed: bool = False,
        stopping: Callable[[], bool] = lambda: False,
        sink: RowSink | None = None,
    ) -> None:
        """Compare a plan with the journal and add the new rows; see `Journal.add_plan`.

        Args:
            plan: The plan. It is read once.
            settings: Options that must be equal in every run, besides the plan's own.
            retry_failed: Plan failed rows again.
            stopping: Called for each line; return True to give up.
            sink: Receives each row that would be sent. Only for a scratch copy, which then stores no payloads.
        """
        add_plan(self._connection, plan, settings, retry_failed=retry_failed, stopping=stopping, sink=sink)
        self._claimed_up_to = 0
        with suppress(sqlite3.Error):  # the rows are committed; a later checkpoint will do
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def commit(self, transitions: Sequence[Transition], *, claim: int = 0, now: float) -> list[ClaimedRow]:
        """Record a group and claim planned rows; see `Journal.commit`."""
        moving = {each.row_id for each in transitions}
        claimed = [row for row in self.find_planned(claim) if row.row_id not in moving] if claim > 0 else []
        if not claimed and not transitions:
            return []
        self._check_file()
        try:
            self._connection.execute(_RECORD, _encode_commit(claimed, transitions, now))
        except sqlite3.IntegrityError:
            self._raise_for(claimed, transitions)
        except sqlite3.Error as error:
            with writing():
                raise error from None
        if claimed:
            self._claimed_up_to = claimed[-1].row_id
        requeued = [each.row_id for each in transitions if each.state is State.PLANNED]
        if requeued:
            self._claimed_up_to = min(self._claimed_up_to, min(requeued) - 1)
        return claimed

    def drop_payloads(self) -> None:
        """Drop the payloads of settled rows; see `Journal.drop_payloads`."""
        drop_payloads(self._connection)

    def purge(self, now: float) -> None:
        """Remove texts, numbers and their digests for good; keep states, ids, starts, counts and digests of keys.

        Raises:
            JournalError: If rows are planned, sending or unknown. Nothing was changed.
            JournalInUseError: If another program reads the journal. Purge it again.
        """
        self._check_file()
        purge(self._connection, now)

    def find_planned(self, limit: int) -> list[ClaimedRow]:
        """Return the next planned rows that have a payload, without claiming them."""
        with reading():
            ((found,),) = self._connection.execute(_FIND_PLANNED, (self._claimed_up_to, limit)).fetchall()
        return [ClaimedRow(row_id, bytes.fromhex(payload)) for row_id, payload in msgspec.json.decode(found)]

    def _raise_for(self, claimed: Sequence[ClaimedRow], transitions: Sequence[Transition]) -> NoReturn:
        ids = [each.row_id for each in transitions]
        known: dict[int, State] = {}
        with reading():
            for row_id in {*ids, *(row.row_id for row in claimed)}:
                for (state,) in self._connection.execute("SELECT state FROM rows WHERE id = ?", (row_id,)).fetchall():
                    known[row_id] = State(state)
        if missing := set(ids) - known.keys():
            raise ValueError(f"the journal has no row {min(missing)}")
        if len(set(ids)) < len(ids):
            raise ValueError("a row is in the group twice")
        for each in transitions:
            check_move(known[each.row_id], each.state, exceptional=each.exceptional)
        if duplicates := self._find_duplicates(transitions):
            raise DuplicateIdError(duplicates)
        raise JournalWriteError(DAMAGED)

    def _find_duplicates(self, transitions: Sequence[Transition]) -> frozenset[int]:
        owners: dict[str, int] = {}
        duplicates: set[int] = set()
        for each in transitions:
            if each.state is State.CREATED and each.campaign_id is not None:
                owner = self.find_owner(each.campaign_id)
                if owners.setdefault(each.campaign_id, each.row_id if owner is None else owner.row_id) != each.row_id:
                    duplicates.add(each.row_id)
        return frozenset(duplicates)


class SqliteJournal:
    """A `JournalFile` as the asynchronous `Journal`, which documents the methods. Returned by `open`.

    A call that is cancelled still takes effect: `CancelledError` is raised after the call has finished. `commit` returns
    its rows even then; the caller's next `await` raises.
    """

    def __init__(self, file: JournalFile, thread: ThreadPoolExecutor) -> None:
        self._file = file
        self._thread = thread

    @classmethod
    async def open(cls, path: str | Path) -> Self:
        """Open a journal for writing, or create it; see `JournalFile.open`."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="campaigns-journal")
        opened: list[JournalFile] = []
        try:
            await _run(thread, lambda: opened.append(JournalFile.open(path)))
        except BaseException:  # cancelled too
            for file in opened:  # it holds the lock
                await _run(thread, file.close)
            thread.shutdown(wait=False)
            raise
        return cls(opened[0], thread)

    async def add_plan(
        self, plan: Plan, settings: Mapping[str, str], *, retry_failed: bool, stopping: Callable[[], bool]
    ) -> None:
        cancelled = Event()

        def add() -> None:
            self._file.add_plan(
                plan, settings, retry_failed=retry_failed, stopping=lambda: cancelled.is_set() or stopping()
            )

        adding = asyncio.ensure_future(_run(self._thread, add))
        try:
            await asyncio.shield(adding)
        except asyncio.CancelledError:
            cancelled.set()  # the thread stops at the next line
            with suppress(JobError, StoppedError):
                await wait_to_end(adding)
            raise

    async def commit(self, transitions: Sequence[Transition], *, claim: int, now: float) -> list[ClaimedRow]:
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._file.commit(transitions, claim=claim, now=now)
        )
        try:
            await wait_until_done([work])
        except asyncio.CancelledError:  # raised at the caller's next `await`: it must know which rows are claimed
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
                task.cancel()
        return work.result()

    async def identity(self) -> bytes:
        return await self._call(self._file.identity)

    async def counts(self) -> Mapping[State, int]:
        return await self._call(self._file.counts)

    async def rows(self, *states: State, limit: int | None = None, payload: bool = False) -> list[JournalRow]:
        return await self._call(lambda: list(islice(self._file.rows(*states, payload=payload), limit)))

    async def latest_campaigns(self, limit: int) -> list[str]:
        return await self._call(lambda: self._file.latest_campaigns(limit))

    async def find_owner(self, campaign_id: str) -> JournalRow | None:
        return await self._call(lambda: self._file.find_owner(campaign_id))

    async def owners(self, campaign_ids: Collection[str]) -> Mapping[str, int]:
        return await self._call(lambda: self._file.owners(campaign_ids))

    async def drop_payloads(self) -> None:
        await self._call(self._file.drop_payloads)

    async def close(self) -> None:
        try:
            await self._call(self._file.close)
        finally:
            self._thread.shutdown(wait=False)

    async def _call(self, work: Callable[[], T]) -> T:
        return await _run(self._thread, work)


async def _run(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await wait_to_end(asyncio.get_running_loop().run_in_executor(thread, work))


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO journal (digest_key, generation) VALUES (?, 0)", (os.urandom(16),))


def _create_trigger(connection: sqlite3.Connection) -> None:
    with writing():
        for statement in _TRIGGER:
            connection.execute(statement)


def _encode_commit(claimed: Sequence[ClaimedRow], transitions: Sequence[Transition], now: float) -> tuple[Any, ...]:
    """Return the parameters of `_RECORD`. Most transitions are plain creates, which have a faster path."""
    created: dict[str, str | None] = {}
    n_created = 0
    others: list[tuple[Any, ...]] = []
    for each in transitions:
        if each.state is State.CREATED and not (
            each.reason or each.candidates or each.created_without_id or each.exceptional
        ):
            created[str(each.row_id)] = each.campaign_id
            n_created += 1
            continue
        candidates = [
            (candidate.campaign_id, candidate.recipient_count, candidate.status, candidate.start)
            for candidate in each.candidates
        ]
        others.append(
            (
                each.row_id,
                int(each.state),
                each.campaign_id,
                int(each.created_without_id),
                _clean(each.reason),
                msgspec.json.encode(candidates).decode() if candidates else None,
                int(each.exceptional),
                msgspec.json.encode(each.refused_contacts).decode() if each.refused_contacts else None,
                _clean(each.server_reason),
            )
        )
    return (
        now,
        len(claimed),
        msgspec.json.encode([row.row_id for row in claimed]).decode(),
        n_created,
        msgspec.json.encode(created).decode(),
        len(others),
        msgspec.json.encode(others).decode(),
    )


def _clean(reason: str | None) -> str | None:
    # A lone surrogate or a NUL must not make a whole group impossible to write.
    return None if reason is None else reason.encode(errors="replace").decode().replace("\0", "\ufffd")
