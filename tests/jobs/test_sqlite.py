"""A journal in a file: what it records, what it refuses, and what it leaves alone."""

from __future__ import annotations

import gzip
import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.memory_store import MemoryStore

from campaigns_async.effects import State
from campaigns_async.jobs import schema
from campaigns_async.jobs.errors import JournalError, JournalWriteError, PlanChangedError
from campaigns_async.jobs.sqlite import SqliteStore
from campaigns_async.jobs.store import Begin, Entry, Known, Lead, Move, Store

KEY = "a key that no error may quote"


def _fits(store: SqliteStore, twin: MemoryStore) -> tuple[Store, Store]:
    return store, twin  # for type checkers: both are stores


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run of today?#%20.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A journal with rows 1 to 5, whose contents are 10 to 50."""
    opened = SqliteStore.open(path)
    plan(opened, 5)
    yield opened
    opened.close()


def plan(store: Store, count: int) -> None:
    with store.planning() as planning:
        for number in range(planning.last_id() + 1, count + 1):
            assert planning.add(f"{KEY} {number}", number * 10) == number


def begin(store: Store, *ids: int, now: float = 1.0) -> None:
    store.commit([Begin(row_id, row_id * 10) for row_id in ids], [], now)


def states(store: Store) -> list[State]:
    return [row.state for row in store.entries()]


def raw(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.commit()
    connection.close()


def test_a_new_journal_is_empty(path: Path) -> None:
    store = SqliteStore.open(path)
    assert store.options() == {}
    assert store.counts() == dict.fromkeys(State, 0)
    assert list(store.entries()) == []
    assert list(store.campaign_ids()) == []
    assert store.entry(KEY) is None
    store.close()


def test_a_row_goes_from_planned_to_created(store: SqliteStore) -> None:
    begin(store, 1, now=5.5)
    assert store.entry(f"{KEY} 1") == Entry(1, f"{KEY} 1", 10, State.SENDING, 1, 5.5)
    store.commit([], [Move(1, State.CREATED, "c-1")], 6.5)
    assert store.entry(f"{KEY} 1") == Entry(1, f"{KEY} 1", 10, State.CREATED, 1, 5.5, 6.5, "c-1")
    assert list(store.campaign_ids()) == ["c-1"]
    assert store.counts()[State.CREATED] == 1
    assert store.counts()[State.PLANNED] == 4


def test_it_is_there_when_opened_again(store: SqliteStore, path: Path) -> None:
    with store.planning() as planning:
        planning.set_options({"split": "5000", "file": "abc"})
    begin(store, 1, 2, 3)
    leads = (Lead("c-7", 3, 0, "2030-01-01T00:00:00Z"), Lead("c-8"))
    store.commit(
        [],
        [
            Move(1, State.FAILED, reason="refused", payload=b'{"key": 1}'),
            Move(2, State.UNKNOWN, leads=leads, surely_done=True, payload=b"\x00\xff"),
        ],
        7.0,
    )
    before = list(store.entries(payload=True))
    store.close()
    again = SqliteStore.open(path)
    assert list(again.entries(payload=True)) == before
    assert [row.payload for row in before[:3]] == [b'{"key": 1}', b"\x00\xff", None]
    assert before[1].leads == leads
    assert before[1].surely_done
    assert again.options() == {"split": "5000", "file": "abc"}
    again.close()


def test_a_begin_whose_content_changed_is_refused_and_nothing_is_written(store: SqliteStore) -> None:
    begin(store, 3)
    before = list(store.entries())
    with pytest.raises(PlanChangedError) as caught:
        store.commit([Begin(1, 10), Begin(2, 21), Begin(4, 39)], [Move(3, State.CREATED, "c")], 1.0)
    assert sorted(caught.value.keys) == [f"{KEY} 2", f"{KEY} 4"]
    assert caught.value.count == 2
    assert KEY not in str(caught.value)
    assert list(store.entries()) == before


@pytest.mark.parametrize(
    ("begins", "moves", "says"),
    [
        ([Begin(1, 10), Begin(99, 1)], [], "no row 99"),
        ([], [Move(0, State.CREATED)], "no row 0"),
        ([Begin(2, 20)], [], "SENDING cannot become SENDING"),
        ([], [Move(1, State.CREATED, "c")], "PLANNED cannot become CREATED"),
        ([], [Move(3, State.PLANNED)], "CREATED cannot become PLANNED"),
        ([], [Move(3, State.CREATED, "c")], "CREATED cannot become CREATED"),
        ([], [Move(2, State.SENDING)], "SENDING cannot become SENDING"),
        ([Begin(1, 10), Begin(1, 10)], [], "in the group twice"),
        ([], [Move(2, State.CREATED, "a"), Move(2, State.FAILED)], "in the group twice"),
        ([], [Move(2, State.FAILED), Move(2, State.FAILED)], "in the group twice"),
    ],
)
def test_what_is_no_move_is_refused_and_nothing_is_written(
    store: SqliteStore, begins: list[Begin], moves: list[Move], says: str
) -> None:
    begin(store, 2, 3, 4)
    store.commit([], [Move(3, State.CREATED, "c-3")], 1.0)
    before = list(store.entries(payload=True))
    with pytest.raises(ValueError, match=says):
        store.commit([*begins, Begin(5, 50)], [Move(4, State.CREATED, "c-4"), *moves], 2.0)
    assert list(store.entries(payload=True)) == before
    store.commit([Begin(5, 50)], [Move(4, State.CREATED, "c-4")], 2.0)


def test_contents_are_whole_64_bit_numbers(path: Path) -> None:
    store = SqliteStore.open(path)
    contents = [-(2**63), 2**63 - 1, 0, -1, 2**53 + 1]
    with store.planning() as planning:
        for content in contents:
            planning.add(str(content), content)
    for row_id, content in enumerate(contents, 1):
        for other in {content ^ 1, *contents} - {content}:
            with pytest.raises(PlanChangedError):
                store.commit([Begin(row_id, other)], [], 1.0)
        store.commit([Begin(row_id, content)], [], 1.0)
    assert [row.content for row in store.entries(State.SENDING)] == contents
    store.close()


def test_what_is_sure_to_be_done_stays_so_while_in_doubt(store: SqliteStore) -> None:
    begin(store, 1)
    store.commit([], [Move(1, State.UNKNOWN, surely_done=True, payload=b"line")], 1.0)
    store.commit([], [Move(1, State.UNKNOWN, leads=(Lead("c"),))], 2.0)
    (row,) = store.entries(State.UNKNOWN, payload=True)
    assert (row.surely_done, row.payload, row.leads) == (True, b"line", (Lead("c"),))
    store.commit([], [Move(1, State.PLANNED)], 3.0)
    row = next(store.entries(payload=True))
    assert (row.surely_done, row.payload, row.leads) == (False, None, ())


def test_a_row_that_is_created_keeps_no_texts_and_no_numbers(store: SqliteStore, path: Path) -> None:
    begin(store, 1, 2)
    store.commit([], [Move(row_id, State.UNKNOWN, payload=b"the message") for row_id in (1, 2)], 1.0)
    store.commit([], [Move(1, State.CREATED, "c"), Move(2, State.CREATED, "d", reason="by hand", payload=b"x")], 1.0)
    assert [row.payload for row in store.entries(State.CREATED, payload=True)] == [None, None]
    assert store.entry(f"{KEY} 2") == Entry(2, f"{KEY} 2", 20, State.CREATED, 1, 1.0, 1.0, "d", "by hand")


def test_rows_come_by_their_states_in_order(store: SqliteStore) -> None:
    begin(store, 4, 2)
    assert [row.row_id for row in store.entries(State.PLANNED)] == [1, 3, 5]
    assert [row.row_id for row in store.entries(State.SENDING, State.UNKNOWN)] == [2, 4]
    assert [row.row_id for row in store.entries(State.SENDING, State.PLANNED)] == [1, 2, 3, 4, 5]


def test_rows_may_be_recorded_while_they_are_read(path: Path) -> None:
    store = SqliteStore.open(path)
    plan(store, 1_500)
    seen = []
    for row in store.entries(State.PLANNED):
        begin(store, row.row_id)
        seen.append(row.row_id)
    assert seen == list(range(1, 1_501))
    store.close()


def test_rows_in_doubt_are_found_without_reading_the_others(store: SqliteStore) -> None:
    statements = []
    store._connection.set_trace_callback(statements.append)
    list(store.entries(State.SENDING, State.UNKNOWN))
    store._connection.set_trace_callback(None)
    first, *_ = store._connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}").fetchall()
    assert "open_rows" in first[-1]


def test_a_group_looks_its_rows_up_by_their_ids(store: SqliteStore) -> None:
    programs = schema.GROUP[1].replace("NEW.", ":").split(";")
    for update in (part for part in programs if "UPDATE rows" in part):
        statement = update.split("BEGIN\n")[-1]
        names = {"now": 1.0, "begins": "{}", "created": "{}", "moves": "[]", "payloads": b""}
        plans = [row[-1] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {statement}", names).fetchall()]
        assert any("SEARCH rows USING INTEGER PRIMARY KEY" in line for line in plans), plans


def test_an_empty_group_writes_nothing(store: SqliteStore) -> None:
    before = store._connection.total_changes
    store.commit([], [], 1.0)
    assert store._connection.total_changes == before


def test_a_plan_that_fails_is_taken_back_as_a_whole(store: SqliteStore) -> None:
    with pytest.raises(KeyError, match="wrong"):
        with store.planning() as planning:
            for number in range(2_000):
                planning.add(f"new {number}", number)
            planning.set_options({"a": "b"})
            raise KeyError("wrong")
    assert len(list(store.entries())) == 5
    assert store.options() == {}
    plan(store, 6)


def test_planning_finds_rows_in_any_order(path: Path) -> None:
    store = SqliteStore.open(path)
    with store.planning() as planning:
        for number in range(1, 1_801):
            assert planning.find(f"k{number}") is None
            planning.add(f"k{number}", number)
            assert planning.find(f"k{number}") == Known(number, number, State.PLANNED)
    orders = [range(1, 1_801), range(1_800, 0, -1), [*range(700, 1_800), *range(1, 900)], range(1, 1_800, 3)]
    for order in orders:
        with store.planning() as planning:
            for number in order:
                assert planning.find(f"k{number}") == Known(number, number, State.PLANNED)
                assert number % 50 or planning.find("not there") is None
                assert number % 70 or planning.key_of(number) == f"k{number}"
            assert planning.last_id() == 1_800
    store.close()


def test_planning_sees_what_it_did_itself(store: SqliteStore) -> None:
    begin(store, 2)
    store.commit([], [Move(2, State.FAILED, reason="no", payload=b"line")], 1.0)
    with store.planning() as planning:
        assert planning.find(f"{KEY} 1") == Known(1, 10, State.PLANNED)
        assert planning.retry_failed() == 1
        assert planning.find(f"{KEY} 2") == Known(2, 20, State.PLANNED)
        assert planning.add("new", 7) == 6
        assert planning.key_of(6) == "new"
        with pytest.raises(KeyError):
            planning.key_of(7)
    assert states(store) == [State.PLANNED] * 6
    assert store.entry(f"{KEY} 2") == Entry(2, f"{KEY} 2", 20, State.PLANNED, 1, 1.0, 1.0)
    with pytest.raises(RuntimeError, match="planning is over"):
        planning.find("new")


def test_a_key_added_twice_is_refused(store: SqliteStore) -> None:
    with pytest.raises(JournalWriteError):
        with store.planning() as planning:
            planning.add(f"{KEY} 1", 1)
    plan(store, 6)


def test_threads_may_take_turns(store: SqliteStore) -> None:
    worker = threading.Thread(target=begin, args=(store, 1))
    worker.start()
    worker.join()
    assert states(store)[0] is State.SENDING


def test_closing_twice_is_no_mistake(store: SqliteStore) -> None:
    store.close()
    store.close()
    with pytest.raises(JournalError):
        store.counts()
    with pytest.raises(JournalWriteError):
        begin(store, 1)


def test_every_commit_is_synced(store: SqliteStore) -> None:
    execute = store._connection.execute
    assert execute("PRAGMA synchronous").fetchall() == [(2,)]
    assert execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    assert execute("PRAGMA fullfsync").fetchall() == [(1,)]
    assert execute("PRAGMA checkpoint_fullfsync").fetchall() == [(1,)]


def test_only_its_owner_may_read_it(store: SqliteStore, path: Path) -> None:
    for name in ("", "-wal", "-shm"):
        assert stat.S_IMODE(Path(f"{path}{name}").stat().st_mode) == 0o600


def database(path: Path, *statements: str) -> None:
    raw(path, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)", *statements)


def newer(path: Path) -> None:
    SqliteStore.open(path).close()
    raw(path, f"PRAGMA user_version = {schema.VERSION + 1}")


def half(path: Path) -> None:
    SqliteStore.open(path).close()
    raw(path, "DROP TABLE options")


def version_nought(path: Path) -> None:
    SqliteStore.open(path).close()
    raw(path, "PRAGMA user_version = 0")


def cut_off(path: Path) -> None:
    SqliteStore.open(path).close()
    path.write_bytes(path.read_bytes()[:3_000])


def noise(path: Path) -> None:
    SqliteStore.open(path).close()
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(range(256)) * (len(content) // 256))


OTHERS: dict[str, tuple[Any, str]] = {
    "a text": (lambda path: path.write_text("key,phoneNumber\n" * 50), "no journal"),
    "a short text": (lambda path: path.write_text("hello"), "no journal"),
    "a compressed file": (lambda path: path.write_bytes(gzip.compress(os.urandom(9_000))), "no journal"),
    "zeros": (lambda path: path.write_bytes(bytes(8_192)), "no journal"),
    "the head alone": (lambda path: path.write_bytes(b"SQLite format 3\0"), "no journal"),
    "a database": (database, "no journal"),
    "a database in WAL": (lambda path: database(path, "PRAGMA journal_mode = WAL"), "no journal"),
    "a database with an id": (lambda path: raw(path, "PRAGMA application_id = 77"), "no journal"),
    "a database with a version": (lambda path: raw(path, "PRAGMA user_version = 3"), "no journal"),
    "a folder": (lambda path: path.mkdir(), "no journal"),
    "a pipe": (lambda path: os.mkfifo(path), "no journal"),
    "of a newer version": (newer, "newer version"),
    "without a table": (half, "damaged"),
    "without a version": (version_nought, "damaged"),
    "cut off": (cut_off, "damaged"),
    "overwritten": (noise, "damaged"),
}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_journal_is_left_as_it_is(path: Path, kind: str, read_only: bool) -> None:
    make, says = OTHERS[kind]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    for _ in range(2):
        with pytest.raises(JournalError, match=says) as caught:
            SqliteStore.open(path, read_only=read_only)
        assert path.name not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not Path(f"{path}-journal").exists()


def test_a_foreign_database_that_is_being_written_gets_no_files_beside_it(path: Path) -> None:
    theirs = sqlite3.connect(path, isolation_level=None)
    theirs.execute("PRAGMA journal_mode = WAL").fetchall()
    theirs.execute("CREATE TABLE theirs (a)")  # stands in their log alone
    files = {file: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(JournalError, match="no journal"):
        SqliteStore.open(path)
    left = {file: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith(".lock")}
    assert left == files
    theirs.close()


@pytest.mark.parametrize(
    "make",
    [lambda path: path.touch(), lambda path: raw(path, "PRAGMA user_version = 0"), lambda path: raw(path, "VACUUM")],
)
def test_a_file_in_which_there_is_nothing_becomes_a_journal(path: Path, make: Any) -> None:
    make(path)
    store = SqliteStore.open(path)
    plan(store, 3)
    store.close()


def test_a_damaged_row_is_told(store: SqliteStore, path: Path) -> None:
    plan(store, 3_000)
    store.close()
    content = bytearray(path.read_bytes())
    content[3 * 4_096 :] = os.urandom(len(content) - 3 * 4_096)
    path.write_bytes(content)
    opened = SqliteStore.open(path)
    with pytest.raises(JournalError, match="damaged"):
        list(opened.entries())
    with pytest.raises(JournalError, match="damaged"):
        begin(opened, *range(1, 3_001))
    with pytest.raises(JournalWriteError, match="damaged"):
        plan(opened, 4_000)
    opened.close()


def test_where_no_journal_can_be_made_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        SqliteStore.open(tmp_path / "none" / "run")
    with pytest.raises(JournalError, match="no journal yet"):
        SqliteStore.open(tmp_path / "run", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_sqlite_takes_for_memory_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SqliteStore.open(":memory:").close()
    assert (tmp_path / ":memory:").stat().st_size > 0


def test_an_sqlite_too_old_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.36.0")
    with pytest.raises(JournalError, match=r"needs SQLite 3\.37\.0; this Python has 3\.36\.0"):
        SqliteStore.open(path)
    assert not path.exists()


def test_looking_beside_a_writer_sees_what_it_recorded(store: SqliteStore, path: Path) -> None:
    begin(store, 1)
    looking = SqliteStore.open(path, read_only=True)
    assert looking.counts()[State.SENDING] == 1
    begin(store, 2)
    assert looking.counts()[State.SENDING] == 2
    with pytest.raises(JournalWriteError, match="opened to be read"):
        begin(looking, 3)
    with pytest.raises(JournalWriteError, match="opened to be read"):
        with looking.planning():
            pass
    looking.close()
    begin(store, 3)


def test_looking_changes_nothing(store: SqliteStore, path: Path) -> None:
    store.close()
    before = path.read_bytes()
    looking = SqliteStore.open(path, read_only=True)
    assert len(list(looking.entries())) == 5
    looking.close()
    assert path.read_bytes() == before


def test_a_scratch_copy_is_planned_in_and_leaves_no_trace(store: SqliteStore, path: Path) -> None:
    begin(store, 1)
    before = path.read_bytes()
    scratch = SqliteStore.scratch_copy(path)
    folder = Path(scratch._scratch.name)  # type: ignore[union-attr]
    plan(scratch, 9)
    begin(scratch, 2)
    assert scratch.counts()[State.SENDING] == 2
    scratch.close()
    scratch.close()
    assert not folder.exists()
    assert path.read_bytes() == before
    assert len(states(store)) == 5


def test_a_scratch_copy_of_nothing_is_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for source in (None, tmp_path / "none", tmp_path / "empty"):
        scratch = SqliteStore.scratch_copy(source)
        plan(scratch, 3)
        scratch.close()
    assert [file.name for file in tmp_path.iterdir()] == ["empty"]


def test_a_scratch_copy_of_what_is_no_journal_is_refused(path: Path) -> None:
    path.write_text("something else " * 20)
    with pytest.raises(JournalError, match="no journal"):
        SqliteStore.scratch_copy(path)


ids = st.integers(0, 9)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
some = st.none() | words
leads = st.builds(Lead, words, st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 9), some)
moves = st.builds(
    Move,
    ids,
    st.sampled_from(State),
    some,
    some,
    st.lists(leads, max_size=2).map(tuple),
    st.none() | st.binary(max_size=20),
    st.booleans(),
)


class Twins(RuleBasedStateMachine):
    """The journal in a file and the one in memory do the same."""

    @initialize()
    def open(self) -> None:
        self.store = SqliteStore.scratch_copy()
        self.twin = MemoryStore()

    def teardown(self) -> None:
        self.store.close()

    def both(self, begins: list[Begin], moves: list[Move], now: float) -> None:
        ends = []
        for each in (self.store, self.twin):
            try:
                each.commit(begins, moves, now)
                ends.append(None)
            except (ValueError, PlanChangedError) as error:
                ends.append(type(error))
        assert ends[0] is ends[1]

    @rule(begun=st.lists(ids, max_size=4), wrong=st.sampled_from([0, 0, 0, 1]), moves=st.lists(moves, max_size=4))
    def anything(self, begun: list[int], wrong: int, moves: list[Move]) -> None:
        self.both([Begin(row_id, row_id * 10 + wrong) for row_id in begun], moves, 1.0)

    @rule(data=st.data(), now=st.floats(0, 2e9))
    def something_allowed(self, data: st.DataObject, now: float) -> None:
        planned = [row for row in self.twin.snapshot() if row.state is State.PLANNED]
        begun = data.draw(st.lists(st.sampled_from(planned), unique=True)) if planned else []
        others = [row for row in self.twin.snapshot() if row.state not in {State.PLANNED, State.CREATED}]
        ended = data.draw(st.lists(moves, max_size=len(others)))
        changes = [
            Move(row.row_id, *list(move.__getstate__().values())[1:]) for row, move in zip(others, ended, strict=False)
        ]
        self.both([Begin(row.row_id, row.content) for row in begun], changes, now)

    @rule(count=st.integers(0, 9), retry=st.booleans(), options=st.dictionaries(words, words, max_size=2))
    def planning(self, count: int, retry: bool, options: dict[str, str]) -> None:
        found = []
        for each in (self.store, self.twin):
            plan(each, count)
            with each.planning() as planning:
                planning.set_options(options)
                retried = planning.retry_failed() if retry else 0
                found.append((retried, [planning.find(f"{KEY} {number}") for number in range(1, 11)]))
        assert found[0] == found[1]

    @invariant()
    def they_are_equal(self) -> None:
        if hasattr(self, "twin"):
            assert tuple(self.store.entries(payload=True)) == self.twin.snapshot()
            assert self.store.counts() == self.twin.counts()
            assert self.store.options() == self.twin.options()
            assert list(self.store.campaign_ids()) == list(self.twin.campaign_ids())
            wanted = (State.FAILED, State.UNKNOWN)
            assert list(self.store.entries(*wanted)) == list(self.twin.entries(*wanted))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scratch journals in memory, where there is such a thing: hundreds are made."""
    if os.access("/dev/shm", os.W_OK):  # noqa: S108 - a folder of its own in it
        monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")  # noqa: S108


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("quick")
def test_a_journal_in_a_file_and_one_in_memory_do_the_same() -> None:
    run_state_machine_as_test(Twins, settings=settings(stateful_step_count=15))  # type: ignore[no-untyped-call]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("quick")
@given(text=words)
def test_words_come_back_as_they_were(text: str) -> None:
    with closing(SqliteStore.scratch_copy()) as store:
        with store.planning() as planning:
            planning.add(text, 1)
            planning.add(f"{text}'", 2)
        store.commit([Begin(1, 1), Begin(2, 2)], [], 1.0)
        store.commit([], [Move(1, State.CREATED, text), Move(2, State.FAILED, reason=text, payload=text.encode())], 1.0)
        first, second = store.entries(payload=True)
    assert (first.key, first.campaign_id, second.reason, second.payload) == (text, text, text, text.encode())


def test_a_reason_that_is_no_text_does_not_keep_a_group_from_being_recorded(store: SqliteStore) -> None:
    begin(store, 1, 2)
    store.commit([], [Move(1, State.FAILED, reason="a\0b"), Move(2, State.FAILED, reason="a\ud800b")], 1.0)
    assert [row.reason for row in store.entries(State.FAILED)] == ["a\ufffdb", "a?b"]
