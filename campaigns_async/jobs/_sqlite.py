"""The journal in SQLite: its tables, the commits of a run, and its asynchronous form.

`JournalFile` is the file, for one thread at a time. `SqliteJournal` is the asynchronous `Journal`: it runs the file's
methods in its own thread, so that the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from threading import Event
from types import CoroutineType
from typing import Any, Concatenate, Final, NoReturn, ParamSpec, Self, TypeVar

import msgspec
from attrs import astuple

from campaigns_async._ids import normalize_id
from campaigns_async._threads import wait_to_end, wait_until_done
from campaigns_async.effects import State, check_move
from campaigns_async.jobs import _sqlite_files as sqlite_files
from campaigns_async.jobs._journal_lock import JournalLock
from campaigns_async.jobs._plan_files import FilePlan, lock_plan
from campaigns_async.jobs._plan_loader import RowSink, StoppedError, add_plan
from campaigns_async.jobs._purge import purge
from campaigns_async.jobs._sqlite_files import DAMAGED, Connect, reading, transaction, writing
from campaigns_async.jobs._sqlite_schema import RECORD, create_trigger, make_tables
from campaigns_async.jobs.job_errors import JobError, JournalWriteError
from campaigns_async.jobs.journal import ClaimedRow, DuplicateIdError, JournalRow, LoadedPlan, Transition
from campaigns_async.jobs.plans import Plan
from campaigns_async.jobs.sqlite_reader import JournalReader, to_json

P = ParamSpec("P")
T = TypeVar("T")
_ADD_SEEN: Final = "INSERT INTO seen_ids (position, digest) SELECT ?, value FROM json_each(?)"
_FIND_SEEN: Final = "SELECT digest, position FROM seen_ids WHERE digest IN (SELECT value FROM json_each(?))"
_RESTORE: Final = """UPDATE journal
    SET restored_at = iif(restoring, restored_at, generation), restoring = 1, generation = ?"""
_DROPPED_AT_ONCE: Final = 10_000
_DROP_PAYLOADS: Final = """
    UPDATE contents SET payload = NULL WHERE row_id >= ? AND row_id < ? AND payload IS NOT NULL
        AND (SELECT state FROM rows WHERE id = row_id) IN (2, 3)
"""
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

    def __init__(self, connection: sqlite3.Connection, resources: ExitStack, lock: JournalLock | None = None) -> None:
        super().__init__(connection)
        self._resources = resources
        self._lock = lock  # None for a scratch copy
        self._plan_lock = resources.enter_context(ExitStack())
        self._claimed_up_to = 0  # an id: no planned row up to it is left unclaimed
        self._claimed_at: dict[int, int] = {}  # the generations of the commits that claimed rows, until their outcomes
        with reading():
            ((self._digest_key, self._generation),) = connection.execute(
                "SELECT digest_key, generation FROM journal"
            ).fetchall()

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
            file_lock = resources.enter_context(sqlite_files.lock(path))
            connection = _open_to_write(path, connect, resources)
            lock = JournalLock(path, file_lock, JournalReader(connection).identity())
            opened = cls(connection, resources, lock)
            opened._note_older_copy(lock)
            opened._resources = resources.pop_all()
            return opened

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
            connection = _open_to_write(file, sqlite3.connect, resources)
            connection.execute("PRAGMA synchronous = OFF")  # a crash loses nothing: the file is temporary
            return cls(connection, resources.pop_all())

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
    ) -> LoadedPlan:
        """Compare a plan with the journal and add the new rows; see `Journal.add_plan`.

        `sink` receives each row that would be sent. It is only for a scratch copy, which then stores no payloads. The
        file of a plan is locked until any other journal is closed.
        """
        self._check_files()
        if self._lock is not None and isinstance(plan, FilePlan):
            self._plan_lock.close()
            self._plan_lock.enter_context(lock_plan(plan))
        loaded = add_plan(self._connection, plan, settings, retry_failed=retry_failed, stopping=stopping, sink=sink)
        self._record_generation(self._generation + 1)
        self._claimed_up_to = 0
        with suppress(sqlite3.Error):  # the rows are committed; a later checkpoint will do
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return loaded

    def commit(self, transitions: Sequence[Transition], *, claim: int = 0, now: float) -> list[ClaimedRow]:
        """Record a group and claim planned rows; see `Journal.commit`."""
        moving = {each.row_id for each in transitions}
        claimed = [row for row in self.find_planned(claim) if row.row_id not in moving] if claim > 0 else []
        if not claimed and not transitions:
            return []
        self._check_files()
        if earlier := self._find_earlier(transitions):
            raise DuplicateIdError(earlier)
        generation = self._generation + 1
        try:
            self._connection.execute(RECORD, (*_encode_commit(claimed, transitions, now), generation))
        except sqlite3.IntegrityError:
            self._raise_for(claimed, transitions)
        except sqlite3.Error as error:
            with writing():
                raise error from None
        self._record_generation(generation)
        for each in transitions:
            self._claimed_at.pop(each.row_id, None)
        if claimed:
            self._claimed_at.update((row.row_id, generation) for row in claimed)
            self._claimed_up_to = claimed[-1].row_id
        requeued = [each.row_id for each in transitions if each.state is State.PLANNED]
        if requeued:
            self._claimed_up_to = min(self._claimed_up_to, min(requeued) - 1)
        return claimed

    def drop_payloads(self) -> None:
        """Drop the payloads of settled rows; see `Journal.drop_payloads`."""
        with writing():
            ((last,),) = self._connection.execute("SELECT coalesce(max(id), 0) FROM rows").fetchall()
            for first in range(1, last + 1, _DROPPED_AT_ONCE):
                self._connection.execute(_DROP_PAYLOADS, (first, first + _DROPPED_AT_ONCE))

    def purge(self, now: float) -> None:
        """Remove texts, numbers and their digests for good; keep states, ids, starts, counts and digests of keys.

        Raises:
            JournalError: If rows are planned, sending or unknown. Nothing was changed.
            JournalInUseError: If another program reads the journal. Purge it again.
        """
        self._check_files()
        purge(self._connection, now)

    def record_key(self, fingerprint: bytes) -> bool:
        """Record the fingerprint of an API key; see `Journal.record_key`."""
        with reading():
            ((known,),) = self._connection.execute("SELECT coalesce(api_key_fingerprint, x'') FROM journal").fetchall()
        size = len(fingerprint)
        if fingerprint in {known[at : at + size] for at in range(0, len(known), size)}:
            return False
        self._check_files()
        with writing():
            self._connection.execute("UPDATE journal SET api_key_fingerprint = ?", (known + fingerprint,))
        return bool(known)

    def record_seen(self, campaign_ids: Collection[str]) -> Mapping[str, int]:
        """Record campaigns that the server listed; see `Journal.record_seen`."""
        digests = {each: self._digest_id(each) for each in campaign_ids}
        known = self._find_seen(digests.values())
        if not known.keys() >= (new := set(digests.values())):
            self._check_files()
            generation = self._generation + 1
            with writing(), transaction(self._connection):
                self._connection.execute(_ADD_SEEN, (generation, to_json(new - known.keys())))
                self._connection.execute("UPDATE journal SET generation = ?", (generation,))
            self._record_generation(generation)
            known = {**dict.fromkeys(new, generation), **known}
        return {each: known[digest] for each, digest in digests.items()}

    def _find_earlier(self, transitions: Sequence[Transition]) -> frozenset[int]:
        """Return the rows whose response has the id of a campaign that was on the server before they were sent."""
        given = {
            self._digest_id(each.campaign_id): each.row_id
            for each in transitions
            if each.campaign_id is not None and each.row_id in self._claimed_at
        }
        seen = self._find_seen(given) if given else {}
        return frozenset(given[each] for each in seen if seen[each] < self._claimed_at[given[each]])

    def _find_seen(self, digests: Collection[int]) -> dict[int, int]:
        with reading():
            return dict(self._connection.execute(_FIND_SEEN, (to_json(digests),)).fetchall())

    def _digest_id(self, campaign_id: str) -> int:
        content = normalize_id(campaign_id).encode(errors="surrogatepass")
        return int.from_bytes(blake2b(content, digest_size=8, key=self._digest_key).digest(), "big", signed=True)

    def check_lock(self) -> None:
        """Check that no other run can have locked the journal; see `Journal.check_lock`. May be called in any thread."""
        if self._lock is not None:
            self._lock.check()

    def _check_files(self) -> None:
        if self._lock is not None:
            self._lock.check_files()

    def _record_generation(self, generation: int, *, sync: bool = False) -> None:
        self._generation = generation
        if self._lock is not None:
            self._lock.record(generation, sync=sync)

    def _note_older_copy(self, lock: JournalLock) -> None:
        """Mark the journal if it is an older copy, so that the next plan's rows are looked for before they are sent."""

        def has_rows() -> bool:
            with reading():
                return bool(self._connection.execute("SELECT 1 FROM rows LIMIT 1").fetchall())

        generation, newer = self._generation, lock.find_newer(self._generation, has_rows=has_rows)
        if newer is not None:
            generation = newer + 1
            with writing():
                self._connection.execute(_RESTORE, (generation,))
        self._record_generation(generation, sync=True)

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
                owner, same = self.find_owner(each.campaign_id), normalize_id(each.campaign_id)
                if owners.setdefault(same, each.row_id if owner is None else owner.row_id) != each.row_id:
                    duplicates.add(each.row_id)
        return frozenset(duplicates)


def _open_to_write(path: Path, connect: Connect, resources: ExitStack) -> sqlite3.Connection:
    connection = sqlite_files.open_to_write(path, connect, make_tables)
    resources.callback(sqlite_files.close, connection)
    create_trigger(connection)
    return connection


def _in_thread(
    method: Callable[Concatenate[JournalFile, P], T],
) -> Callable[Concatenate[SqliteJournal, P], CoroutineType[Any, Any, T]]:
    """Make a method of the file one of `SqliteJournal`."""

    async def call(journal: SqliteJournal, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await journal.call(partial(method, journal.file, *args, **kwargs))

    return call  # type: ignore[return-value]  # to mypy, it returns a Coroutine; to pyright, a CoroutineType


class SqliteJournal:
    """A `JournalFile` as the asynchronous `Journal`, which documents the methods. Returned by `open`.

    A call that is cancelled still takes effect: `CancelledError` is raised after the call has finished. `commit` returns
    its rows even then; the caller's next `await` raises.
    """

    def __init__(self, file: JournalFile, thread: ThreadPoolExecutor) -> None:
        self.file = file
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
    ) -> LoadedPlan:
        cancelled = Event()

        def add() -> LoadedPlan:
            return self.file.add_plan(
                plan, settings, retry_failed=retry_failed, stopping=lambda: cancelled.is_set() or stopping()
            )

        adding = asyncio.ensure_future(_run(self._thread, add))
        try:
            return await asyncio.shield(adding)
        except asyncio.CancelledError:
            cancelled.set()  # the thread stops at the next line
            with suppress(JobError, StoppedError):
                await wait_to_end(adding)
            raise

    async def commit(self, transitions: Sequence[Transition], *, claim: int, now: float) -> list[ClaimedRow]:
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self.file.commit(transitions, claim=claim, now=now)
        )
        try:
            await wait_until_done([work])
        except asyncio.CancelledError:  # raised at the caller's next `await`: it must know which rows are claimed
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
                task.cancel()
        return work.result()

    async def rows(self, *states: State, limit: int | None = None, payload: bool = False) -> list[JournalRow]:
        return await self.call(lambda: list(islice(self.file.rows(*states, payload=payload), limit)))

    def check_lock(self) -> None:
        self.file.check_lock()

    identity = _in_thread(JournalReader.identity)
    counts = _in_thread(JournalReader.counts)
    latest_campaigns = _in_thread(JournalReader.latest_campaigns)
    list_created = _in_thread(JournalReader.list_created)
    list_starts = _in_thread(JournalReader.list_starts)
    list_recipients = _in_thread(JournalReader.list_recipients)
    load_payload = _in_thread(JournalReader.load_payload)
    digests = _in_thread(JournalReader.digests)
    find_owner = _in_thread(JournalReader.find_owner)
    owners = _in_thread(JournalReader.owners)
    record_seen = _in_thread(JournalFile.record_seen)
    record_key = _in_thread(JournalFile.record_key)
    drop_payloads = _in_thread(JournalFile.drop_payloads)

    async def close(self) -> None:
        try:
            await self.call(self.file.close)
        finally:
            self._thread.shutdown(wait=False)

    async def call(self, work: Callable[[], T]) -> T:
        return await _run(self._thread, work)


async def _run(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await wait_to_end(asyncio.get_running_loop().run_in_executor(thread, work))


def _encode_commit(claimed: Sequence[ClaimedRow], transitions: Sequence[Transition], now: float) -> tuple[Any, ...]:
    """Return the parameters of `RECORD`, without the generation. Most transitions are plain creates, which have a faster path."""
    created: dict[str, str | None] = {}
    n_created = 0
    others: list[tuple[Any, ...]] = []
    for each in transitions:
        if each.state is State.CREATED and not (
            each.reason or each.candidates or each.created_without_id or each.exceptional or each.mark
        ):
            created[str(each.row_id)] = each.campaign_id
            n_created += 1
            continue
        candidates = list(map(astuple, each.candidates))
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
                int(each.mark),
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
