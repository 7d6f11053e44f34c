"""A journal in a file: what it records, what it refuses, and what it leaves alone."""

from __future__ import annotations

import gzip
import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.journal_model import KEY, JournalModel, new, plan, plan_of, row_of
from support.plans import lines_of

from campaigns_async import NewCampaign
from campaigns_async._ids import normalize_id
from campaigns_async.jobs import (
    JournalError,
    JournalReader,
    JournalRow,
    JournalWriteError,
    PlanChangedError,
    PlanError,
    PossibleMatch,
    State,
    _sqlite_files as sqlite_files,
    ndjson_plan,
    open_journal,
    rows_plan,
)
from campaigns_async.jobs._plan_loader import StoppedError
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import DuplicateIdError, Transition
from campaigns_async.jobs.sqlite_reader import NORMALIZED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run of today?#%20.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[JournalFile]:
    """Make a journal with rows 1 to 5."""
    with JournalFile.open(path) as opened:
        plan(opened, 5)
        yield opened


def begin(journal: JournalFile, count: int, now: float = 1.0) -> list[int]:
    return [row.row_id for row in journal.commit([], claim=count, now=now)]


def journal_row(number: int, state: State = State.PLANNED, **fields: Any) -> JournalRow:
    return JournalRow(number, f"{KEY} {number}", row_of(number).content, state, **fields)


def states(journal: JournalReader) -> list[State]:
    return [row.state for row in journal.rows()]


def raw(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.commit()
    connection.close()


def test_a_new_journal_is_empty(path: Path) -> None:
    with JournalFile.open(path) as journal:
        assert journal.options() == {}
        assert journal.counts() == dict.fromkeys(State, 0)
        assert list(journal.rows()) == journal.latest_campaigns(9) == journal.commit([], claim=9, now=1.0) == []
        assert journal.row(KEY) is None


def test_a_row_goes_from_planned_to_created(journal: JournalFile) -> None:
    [row] = journal.commit([], claim=1, now=5.5)
    assert (row.row_id, row.body()) == (1, row_of(1).row.body)
    assert journal.row(f"{KEY} 1") == journal_row(1, State.SENDING, attempts=1, attempted_at=5.5, first_claim=2)
    journal.commit([Transition(1, State.CREATED, "c-1")], now=6.5)
    created = journal_row(
        1, State.CREATED, attempts=1, attempted_at=5.5, ended_at=6.5, campaign_id="c-1", first_claim=2
    )
    assert journal.row(f"{KEY} 1") == created
    assert journal.owners({"c-1", "c-2"}) == {"c-1": row_of(1).content}
    assert (journal.counts()[State.CREATED], journal.counts()[State.PLANNED]) == (1, 4)


def test_it_is_there_when_opened_again(journal: JournalFile, path: Path) -> None:
    begin(journal, 3)
    candidates = (PossibleMatch("c-7", 3, 0, "2030-01-01T00:00:00Z"), PossibleMatch("c-8"))
    unknown = Transition(2, State.UNKNOWN, candidates=candidates, created_without_id=True)
    journal.commit([Transition(1, State.FAILED, reason="400", refused_contacts=(0, 7)), unknown], now=7.0)
    before = list(journal.rows(payload=True))
    journal.close()
    with JournalFile.open(path) as again:
        assert list(again.rows(payload=True)) == before
        assert again.options() == {"plan": "keys"}
        assert begin(again, 9) == [4, 5]
    assert [row.payload for row in before] == [row_of(number).row.body for number in range(1, 6)]
    assert (before[1].candidates, before[1].created_without_id) == (candidates, True)
    assert [row.refused_contacts for row in before[:3]] == [(0, 7), (), ()]


def test_what_was_refused_is_forgotten_once_the_row_is_sent_again(journal: JournalFile) -> None:
    begin(journal, 1)
    journal.commit(
        [Transition(1, State.FAILED, reason="400", refused_contacts=(0, 7), server_reason="sender: no")], now=1.0
    )
    [failed] = journal.rows(State.FAILED)
    assert failed.server_reason == "sender: no"
    journal.commit([Transition(1, State.PLANNED)], now=2.0)
    assert begin(journal, 1) == [1]
    assert journal.row(f"{KEY} 1") == journal_row(
        1, State.SENDING, attempts=2, attempted_at=1.0, ended_at=2.0, first_claim=2
    )


def test_bodies_are_handed_out_byte_for_byte(path: Path) -> None:
    with JournalFile.open(path) as journal:
        plan(journal, 40)
        rows = journal.commit([], claim=40, now=1.0)
        assert [row.body() for row in rows] == [row_of(row.row_id).row.body for row in rows]
        assert any(len(row.payload) < len(row.body()) for row in rows), "none is compressed"
        assert any(row.payload == row.body() for row in rows), "all are compressed"


def test_what_was_put_back_is_handed_out_first(journal: JournalFile) -> None:
    assert begin(journal, 3) == [1, 2, 3]
    assert [row.row_id for row in journal.commit([Transition(2, State.PLANNED)], claim=1, now=2.0)] == [4]
    assert begin(journal, 9) == [2, 5]


def test_a_row_that_a_group_moves_is_not_claimed_by_it(journal: JournalFile) -> None:
    adopted = Transition(1, State.CREATED, "c", exceptional=True)
    assert [row.row_id for row in journal.commit([adopted], claim=2, now=1.0)] == [2]
    assert states(journal)[:2] == [State.CREATED, State.SENDING]


@pytest.mark.parametrize(
    ("transitions", "says"),
    [
        ([Transition(0, State.CREATED)], "no row 0"),
        ([Transition(5, State.CREATED, "c")], "PLANNED cannot become CREATED"),
        ([Transition(1, State.PLANNED)], "CREATED cannot become PLANNED"),
        ([Transition(1, State.CREATED, "c")], "CREATED cannot become CREATED"),
        ([Transition(1, State.SENDING, exceptional=True)], "CREATED cannot become SENDING"),
        ([Transition(2, State.SENDING)], "SENDING cannot become SENDING"),
        ([Transition(2, State.CREATED, "a"), Transition(2, State.FAILED)], "in the group twice"),
        ([Transition(2, State.CREATED, "a"), Transition(2, State.CREATED, "b")], "in the group twice"),
        ([Transition(2, State.FAILED), Transition(2, State.FAILED)], "in the group twice"),
    ],
)
def test_what_is_no_move_is_refused_and_nothing_is_written(
    journal: JournalFile, transitions: list[Transition], says: str
) -> None:
    begin(journal, 3)
    journal.commit([Transition(1, State.CREATED, "c-1")], now=1.0)
    before = list(journal.rows(payload=True))
    with pytest.raises(ValueError, match=says):
        journal.commit([Transition(3, State.CREATED, "c-3"), *transitions], claim=1, now=2.0)
    assert list(journal.rows(payload=True)) == before
    assert [row.row_id for row in journal.commit([Transition(3, State.CREATED, "c-3")], claim=1, now=2.0)] == [4]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (State.PLANNED, State.CREATED),
        (State.PLANNED, State.UNKNOWN),
        (State.CREATED, State.UNKNOWN),
        (State.CREATED, State.PLANNED),
    ],
)
def test_moves_that_no_run_makes_by_itself_must_be_called_exceptional(
    journal: JournalFile, before: State, after: State
) -> None:
    if before is State.CREATED:
        begin(journal, 1)
        journal.commit([Transition(1, State.CREATED, "c")], now=1.0)
    with pytest.raises(ValueError, match=f"{before.name} cannot become {after.name}"):
        journal.commit([Transition(1, after)], now=1.0)
    journal.commit([Transition(1, after, exceptional=True)], now=1.0)
    assert states(journal)[0] is after


def test_what_is_sure_to_be_done_stays_so_while_unknown(journal: JournalFile) -> None:
    begin(journal, 1)
    journal.commit([Transition(1, State.UNKNOWN, created_without_id=True)], now=1.0)
    journal.commit([Transition(1, State.UNKNOWN, candidates=(PossibleMatch("c"),))], now=2.0)
    [row] = journal.rows(State.UNKNOWN)
    assert (row.created_without_id, row.candidates) == (True, (PossibleMatch("c"),))
    journal.commit([Transition(1, State.PLANNED)], now=3.0)
    row = next(journal.rows())
    assert (row.created_without_id, row.candidates) == (False, ())


def test_payloads_of_settled_rows_are_dropped_and_those_of_others_kept(path: Path) -> None:
    with JournalFile.open(path) as journal:
        plan(journal, 30)
        begin(journal, 25)
        ends = (State.CREATED, State.FAILED, State.UNKNOWN, State.PLANNED)
        journal.commit([Transition(row_id, ends[row_id % 4], f"c{row_id}") for row_id in range(1, 21)], now=1.0)
        journal.drop_payloads()
        for row in journal.rows(payload=True):
            assert (row.payload is None) == (row.state in {State.CREATED, State.FAILED})


def test_rows_come_by_their_states_in_order(journal: JournalFile) -> None:
    begin(journal, 4)
    journal.commit([Transition(1, State.PLANNED), Transition(3, State.PLANNED)], now=1.0)
    assert [row.row_id for row in journal.rows(State.PLANNED)] == [1, 3, 5]
    assert [row.row_id for row in journal.rows(State.SENDING, State.UNKNOWN)] == [2, 4]
    assert [row.row_id for row in journal.rows(State.SENDING, State.PLANNED)] == [1, 2, 3, 4, 5]


def test_rows_may_be_recorded_while_they_are_read(path: Path) -> None:
    with JournalFile.open(path) as journal:
        plan(journal, 1_500)
        seen = [(row.row_id, begin(journal, 1)) for row in journal.rows(State.PLANNED)]
    assert seen == [(number, [number]) for number in range(1, 1_501)]


def test_unsettled_rows_are_found_without_reading_the_others(journal: JournalFile) -> None:
    statements: list[str] = []
    journal._connection.set_trace_callback(statements.append)
    list(journal.rows(State.SENDING, State.UNKNOWN))
    journal._connection.set_trace_callback(None)
    first, *_ = journal._connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}").fetchall()
    assert "unsettled_rows" in first[-1]


def test_a_group_looks_its_rows_up_by_their_ids(journal: JournalFile) -> None:
    ((trigger,),) = journal._connection.execute("SELECT sql FROM temp.sqlite_schema WHERE name = 'record'").fetchall()
    for update in (part for part in trigger.replace("NEW.", ":").split(";") if "UPDATE rows" in part):
        statement = update.split("BEGIN\n")[-1]
        names = {"now": 1.0, "claims": "[]", "created": "{}", "moves": "[]", "generation": 1}
        plans = [row[-1] for row in journal._connection.execute(f"EXPLAIN QUERY PLAN {statement}", names).fetchall()]
        assert any("SEARCH rows USING INTEGER PRIMARY KEY" in line for line in plans), plans


def test_what_was_seen_before_a_row_was_sent_is_known_after_a_crash(journal: JournalFile, path: Path) -> None:
    first = journal.record_seen(["a", "b"])
    begin(journal, 1)
    assert journal.record_seen(["b", "c", "a"]) == first | {"c": max(first.values()) + 2}
    copy_of_what_a_kill_leaves = path.with_name("copy")
    copy_of_what_a_kill_leaves.write_bytes(path.read_bytes())
    copy_of_what_a_kill_leaves.with_name("copy-wal").write_bytes(path.with_name(f"{path.name}-wal").read_bytes())
    with JournalFile.open(copy_of_what_a_kill_leaves) as opened:
        seen = opened.record_seen(["a", "b", "c", "d"])
        [row] = opened.rows(State.SENDING)
    assert row.first_claim is not None
    assert {each for each, position in seen.items() if position < row.first_claim} == {"a", "b"}


def test_the_first_create_of_a_row_decides_what_was_seen_before(journal: JournalFile) -> None:
    begin(journal, 1)
    [position] = journal.record_seen(["a"]).values()
    journal.commit([Transition(1, State.PLANNED)], now=1.0)
    begin(journal, 1)
    assert [row.first_claim <= position for row in journal.rows(State.SENDING) if row.first_claim is not None] == [True]


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "b"]])
def test_ids_that_were_seen_before_cost_no_write(journal: JournalFile, path: Path, ids: list[str]) -> None:
    journal.record_seen(["a", "b"])
    size = path.with_name(f"{path.name}-wal").stat().st_size
    assert journal.record_seen(ids).keys() == set(ids)
    assert path.with_name(f"{path.name}-wal").stat().st_size == size


UUID_ID = "3F2504E0-4F89-11D3-9A0C-0305E82C3301"


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        (UUID_ID, UUID_ID.lower(), True),
        (UUID_ID.replace("-", ""), UUID_ID.replace("-", "").lower(), True),
        (UUID_ID, UUID_ID[:-1] + "2", False),
        ("c1A", "c1a", False),
        ("1A", "1a", False),
    ],
)
def test_one_uuid_in_two_letter_cases_is_one_campaign(
    journal: JournalFile, first: str, second: str, are_one: bool
) -> None:
    begin(journal, 2)
    journal.commit([Transition(1, State.CREATED, first)], now=1.0)
    if are_one:
        with pytest.raises(DuplicateIdError) as caught:
            journal.commit([Transition(2, State.CREATED, second)], now=1.0)
        assert caught.value.row_ids == {2}
    else:
        journal.commit([Transition(2, State.CREATED, second)], now=1.0)
    owner = journal.find_owner(second)
    assert owner is not None
    assert owner.campaign_id == (first if are_one else second)
    assert list(journal.owners([second])) == [second]
    positions = journal.record_seen([first, second])
    assert positions.keys() == {first, second}
    assert set(journal.record_seen([first]).values()) <= set(positions.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(campaign_id=st.text(st.sampled_from("0123456789abcdefABCDEFgG-\u0130"), min_size=31, max_size=37) | st.text())
def test_sqlite_normalizes_ids_as_python_does(journal: JournalFile, campaign_id: str) -> None:
    query = f"SELECT {NORMALIZED} FROM (SELECT ? AS campaign_id)"  # noqa: S608 - a constant
    if "\0" not in campaign_id:
        [(normalized,)] = journal._connection.execute(query, (campaign_id,)).fetchall()
        assert normalized == normalize_id(campaign_id)


def test_an_empty_group_writes_nothing(journal: JournalFile) -> None:
    before = journal._connection.total_changes
    journal.commit([], now=1.0)
    assert journal._connection.total_changes == before


class TestPlanning:
    def test_a_plan_that_fails_is_taken_back_as_a_whole(self, journal: JournalFile) -> None:
        before = list(journal.rows(payload=True))
        rows = [(f"{KEY} {number}", new(number)) for number in range(1, 2_000)]
        with pytest.raises(PlanError) as caught:
            journal.add_plan(rows_plan([*rows, (f"{KEY} 7", new(7))]), {}, retry_failed=True)
        assert [bad.number for bad in caught.value.lines] == [2_000]
        assert list(journal.rows(payload=True)) == before
        assert journal.options() == {"plan": "keys"}
        plan(journal, 6)

    @pytest.mark.parametrize("count", [3, 1_200])
    @pytest.mark.parametrize("in_file", [False, True])
    def test_rows_are_known_again_in_any_order_and_new_ones_are_added(
        self, path: Path, tmp_path: Path, count: int, in_file: bool
    ) -> None:
        rows = [(f"k{number}", new(number)) for number in range(count)]

        def add(rows: list[tuple[str, NewCampaign]]) -> None:
            given: Any = rows_plan(rows)
            if in_file:
                file = tmp_path / "plan.ndjson"
                file.write_bytes(b"".join(line.wire for line in lines_of(rows_plan(rows))))
                given = ndjson_plan(file)
            journal.add_plan(given, {})

        with JournalFile.open(path) as journal:
            add(rows)
            for order in (rows, rows[::-1], rows[count // 2 :] + rows[: count // 2]):
                add(order)
                assert journal.counts()[State.PLANNED] == count
            add([("new", new(3)), *rows, ("last", new(4))])
            assert [row.key for row in journal.rows()] == [*(key for key, _ in rows), "new", "last"]
            for wrong, error in (
                ([*rows, ("new", new(3)), ("last", new(4)), rows[1]], PlanError),
                ([*rows, ("new", new(3)), ("last", new(4)), ("x", new(1)), ("x", new(1))], PlanError),
                ([*rows, ("new", new(4)), ("last", new(4))], PlanChangedError),
                ([*rows[1:], ("new", new(3)), ("last", new(4))], PlanChangedError),
            ):
                with pytest.raises(error):
                    add(wrong)
            assert journal.counts()[State.PLANNED] == count + 2

    def test_an_equal_line_that_is_read_by_other_rules_is_another_row(self, path: Path, tmp_path: Path) -> None:
        [line] = lines_of(plan_of(1))
        twice = line.wire.replace(b'"contacts":[', b'"contacts":[{"phoneNumber":"07700900001"},')
        (tmp_path / "plan.ndjson").write_bytes(twice)
        with JournalFile.open(path) as journal:
            journal.add_plan(ndjson_plan(tmp_path / "plan.ndjson", duplicates="keep"), {})
            with pytest.raises(PlanChangedError):
                journal.add_plan(ndjson_plan(tmp_path / "plan.ndjson", duplicates="drop"), {})
            with pytest.raises(PlanError, match="1 fault"):
                journal.add_plan(ndjson_plan(tmp_path / "plan.ndjson"), {})

    def test_a_planned_row_without_payload_waits_for_the_plan_to_bring_it(
        self, journal: JournalFile, path: Path
    ) -> None:
        raw(path, "UPDATE contents SET payload = NULL WHERE row_id IN (2, 4)")
        assert begin(journal, 9) == [1, 3, 5]
        assert journal.counts()[State.PLANNED] == 2
        plan(journal, 5)
        rows = journal.commit([], claim=9, now=1.0)
        assert [(row.row_id, row.body()) for row in rows] == [(2, row_of(2).row.body), (4, row_of(4).row.body)]

    def test_failed_rows_are_planned_again_when_asked_for(self, journal: JournalFile) -> None:
        begin(journal, 2)
        journal.commit([Transition(2, State.FAILED, reason="no")], now=1.0)
        plan(journal, 5)
        assert begin(journal, 9) == [3, 4, 5]
        plan(journal, 5, retry_failed=True)
        assert journal.row(f"{KEY} 2") == journal_row(2, attempts=1, attempted_at=1.0, ended_at=1.0, first_claim=2)
        assert begin(journal, 9) == [2]

    def test_digests_stay_and_texts_and_numbers_go(self, journal: JournalFile, path: Path) -> None:
        begin(journal, 5)
        journal.commit([Transition(number, State.CREATED, f"c{number}") for number in range(1, 6)], now=1.0)
        journal.drop_payloads()
        rows = journal._connection.execute(
            "SELECT text, sender, starts_at, planned_count, recipients, payload FROM rows JOIN contents ON row_id = id"
        ).fetchall()
        assert len({text for text, *_ in rows}) == 5
        assert len({sender for _, sender, *_ in rows}) == 1
        for _, _, starts_at, count, recipients, payload in rows:
            assert (starts_at, count, len(recipients), payload) == (1940319000000, 1, 8, None)

    def test_digests_are_keyed_so_that_two_journals_have_others(self, journal: JournalFile, tmp_path: Path) -> None:
        query = "SELECT recipients, text FROM rows JOIN contents ON row_id = id"
        with JournalFile.open(tmp_path / "other") as other:
            plan(other, 5)
            assert not {*journal._connection.execute(query)} & {*other._connection.execute(query)}
            assert [row.content for row in other.rows()] == [row.content for row in journal.rows()]

    def test_it_is_given_up_at_the_next_line(self, path: Path) -> None:
        asked = iter([False, False, True])
        with JournalFile.open(path) as journal:
            with pytest.raises(StoppedError):
                journal.add_plan(plan_of(9), {}, stopping=lambda: next(asked))
            assert list(journal.rows()) == []


def test_threads_may_take_turns(journal: JournalFile) -> None:
    worker = threading.Thread(target=begin, args=(journal, 1))
    worker.start()
    worker.join()
    assert states(journal)[0] is State.SENDING


def test_closing_twice_is_no_mistake(journal: JournalFile) -> None:
    journal.close()
    journal.close()
    with pytest.raises(JournalError):
        journal.counts()
    with pytest.raises(JournalError):
        begin(journal, 1)


def test_every_commit_is_synced(journal: JournalFile) -> None:
    execute = journal._connection.execute
    assert execute("PRAGMA synchronous").fetchall() == [(2,)]
    assert execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    assert execute("PRAGMA fullfsync").fetchall() == [(1,)]
    assert execute("PRAGMA checkpoint_fullfsync").fetchall() == [(1,)]


def test_only_its_owner_may_read_it(journal: JournalFile, path: Path) -> None:
    for name in ("", "-wal", "-shm"):
        assert stat.S_IMODE(Path(f"{path}{name}").stat().st_mode) == 0o600


def database(path: Path, *statements: str) -> None:
    raw(path, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)", *statements)


def newer(path: Path) -> None:
    JournalFile.open(path).close()
    raw(path, f"PRAGMA user_version = {sqlite_files.VERSION + 1}")


def first_version(path: Path) -> None:
    JournalFile.open(path).close()
    raw(path, "PRAGMA user_version = 1")


def second_version(path: Path) -> None:
    JournalFile.open(path).close()
    raw(path, "ALTER TABLE rows RENAME COLUMN created_without_id TO surely_done", "PRAGMA user_version = 2")


def half(path: Path) -> None:
    JournalFile.open(path).close()
    raw(path, "DROP TABLE options")


def version_nought(path: Path) -> None:
    JournalFile.open(path).close()
    raw(path, "PRAGMA user_version = 0")


def cut_off(path: Path) -> None:
    JournalFile.open(path).close()
    path.write_bytes(path.read_bytes()[:3_000])


def noise(path: Path) -> None:
    JournalFile.open(path).close()
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(range(256)) * (len(content) // 256))


OTHERS: dict[str, tuple[Any, str]] = {
    "a text": (lambda path: path.write_text("key,phoneNumber\n" * 50), "not a journal"),
    "a short text": (lambda path: path.write_text("hello"), "not a journal"),
    "a compressed file": (lambda path: path.write_bytes(gzip.compress(os.urandom(9_000))), "not a journal"),
    "zeros": (lambda path: path.write_bytes(bytes(8_192)), "not a journal"),
    "the head alone": (lambda path: path.write_bytes(b"SQLite format 3\0"), "not a journal"),
    "a database": (database, "not a journal"),
    "a database in WAL": (lambda path: database(path, "PRAGMA journal_mode = WAL"), "not a journal"),
    "a database with an id": (lambda path: raw(path, "PRAGMA application_id = 77"), "not a journal"),
    "a database with a version": (lambda path: raw(path, "PRAGMA user_version = 3"), "not a journal"),
    "a folder": (lambda path: path.mkdir(), "not a journal"),
    "a pipe": (lambda path: os.mkfifo(path), "not a journal"),
    "of a newer version": (newer, "newer version"),
    "of the first version": (first_version, "older version"),
    "of the second version": (second_version, "older version"),
    "without a table": (half, "damaged"),
    "without a version": (version_nought, "damaged"),
    "cut off": (cut_off, "damaged"),
    "overwritten": (noise, "damaged"),
}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_that_is_not_a_journal_is_refused_and_left_unchanged(path: Path, kind: str, read_only: bool) -> None:
    make, says = OTHERS[kind]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    for _ in range(2):
        with pytest.raises(JournalError, match=says) as caught:
            (open_journal if read_only else JournalFile.open)(path)
        assert path.name not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not Path(f"{path}-journal").exists()


def test_a_foreign_database_that_is_being_written_gets_no_files_beside_it(path: Path) -> None:
    theirs = sqlite3.connect(path, isolation_level=None)
    theirs.execute("PRAGMA journal_mode = WAL").fetchall()
    theirs.execute("CREATE TABLE theirs (a)")  # only in their write-ahead log
    files = {file: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(JournalError, match="not a journal"):
        JournalFile.open(path)
    left = {file: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith(".lock")}
    assert left == files
    theirs.close()


@pytest.mark.parametrize(
    "make",
    [lambda path: path.touch(), lambda path: raw(path, "PRAGMA user_version = 0"), lambda path: raw(path, "VACUUM")],
)
def test_a_file_in_which_there_is_nothing_becomes_a_journal(path: Path, make: Any) -> None:
    make(path)
    journal = JournalFile.open(path)
    plan(journal, 3)
    journal.close()


def test_a_damaged_row_is_reported(path: Path) -> None:
    with JournalFile.open(path) as journal:
        plan(journal, 3_000)
    content = bytearray(path.read_bytes())
    content[14 * 4_096 :] = os.urandom(len(content) - 14 * 4_096)
    path.write_bytes(content)
    with JournalFile.open(path) as opened:
        with pytest.raises(JournalError, match="damaged"):
            list(opened.rows(payload=True))
        with pytest.raises(JournalError, match="damaged"):
            begin(opened, 3_000)
        with pytest.raises(JournalWriteError, match="damaged"):
            plan(opened, 4_000)


def test_where_no_journal_can_be_made_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        JournalFile.open(tmp_path / "none" / "run")
    with pytest.raises(JournalError, match="does not exist yet"):
        open_journal(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_sqlite_takes_for_memory_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    JournalFile.open(":memory:").close()
    assert (tmp_path / ":memory:").stat().st_size > 0


def test_an_sqlite_too_old_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.36.0")
    with pytest.raises(JournalError, match=r"needs SQLite 3\.37\.0; this Python has 3\.36\.0"):
        JournalFile.open(path)
    assert not path.exists()


def test_reading_beside_a_writer_sees_what_it_recorded(journal: JournalFile, path: Path) -> None:
    begin(journal, 1)
    with open_journal(path) as reader:
        assert reader.counts()[State.SENDING] == 1
        begin(journal, 1)
        assert reader.counts()[State.SENDING] == 2
    begin(journal, 1)


def test_reading_changes_nothing(journal: JournalFile, path: Path) -> None:
    journal.close()
    before = path.read_bytes()
    with open_journal(path) as reader:
        assert len(list(reader.rows())) == 5
    assert path.read_bytes() == before


def test_a_scratch_copy_is_planned_in_and_leaves_no_trace(journal: JournalFile, path: Path) -> None:
    begin(journal, 1)
    before = path.read_bytes()
    with JournalFile.scratch_copy(path) as scratch:
        ((_, _, file),) = scratch._connection.execute("PRAGMA database_list").fetchall()[:1]
        plan(scratch, 9)
        begin(scratch, 1)
        assert scratch.counts()[State.SENDING] == 2
        scratch.close()
    assert not Path(file).parent.exists()
    assert path.read_bytes() == before
    assert len(states(journal)) == 5


def test_a_scratch_copy_of_nothing_is_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for source in (tmp_path / "none", tmp_path / "empty"):
        with JournalFile.scratch_copy(source) as scratch:
            plan(scratch, 3)
    assert [file.name for file in tmp_path.iterdir()] == ["empty"]


def test_a_scratch_copy_of_what_is_no_journal_is_refused(path: Path) -> None:
    path.write_text("something else " * 20)
    with pytest.raises(JournalError, match="not a journal"):
        JournalFile.scratch_copy(path)


ids = st.integers(0, 9)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
some = st.none() | words
candidates = st.builds(PossibleMatch, words, st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 9), some)
transitions = st.builds(
    Transition,
    ids,
    st.sampled_from(State),
    some,
    some,
    st.lists(candidates, max_size=2).map(tuple),
    st.booleans(),
    st.booleans(),
)


class Twins(RuleBasedStateMachine):
    """The journal in a file and the model do the same."""

    @initialize()
    def open(self) -> None:
        self.journal = JournalFile.scratch_copy(Path("none"))
        self.model = JournalModel()

    def teardown(self) -> None:
        self.journal.close()

    def both(self, group: list[Transition], claim: int, now: float) -> None:
        moving = {each.row_id for each in group}
        given_up = {row.campaign_id for row in self.model.snapshot() if row.row_id in moving} - {None}
        if any(each.campaign_id in given_up for each in group):
            return  # a campaign that a row gives up goes to another row only in a later commit
        ends: list[Any] = []
        try:
            ends.append([row.row_id for row in self.journal.commit(group, claim=claim, now=now)])
        except ValueError:
            ends.append(ValueError)
        try:
            ends.append(self.model.commit(group, claim=claim, now=now))
        except ValueError:
            ends.append(ValueError)
        assert ends[0] == ends[1]

    @rule(claim=st.integers(0, 4), group=st.lists(transitions, max_size=4))
    def anything(self, claim: int, group: list[Transition]) -> None:
        self.both(group, claim, 1.0)

    @rule(data=st.data(), claim=st.integers(0, 9), now=st.floats(0, 2e9))
    def something_that_may_be_allowed(self, data: st.DataObject, claim: int, now: float) -> None:
        others = [row.row_id for row in self.model.snapshot() if row.state not in {State.PLANNED, State.CREATED}]
        ended = data.draw(st.lists(transitions, max_size=len(others)))
        self.both([evolve(each, row_id=row_id) for row_id, each in zip(others, ended, strict=False)], claim, now)

    @rule(count=st.integers(1, 9), retry=st.booleans())
    def planning(self, count: int, retry: bool) -> None:
        count = max(count, len(self.model.rows))
        plan(self.journal, count, retry_failed=retry)
        self.model.plan(count, retry_failed=retry)

    @rule()
    def dropping(self) -> None:
        self.journal.drop_payloads()
        self.model.drop_payloads()

    @invariant()
    def they_are_equal(self) -> None:
        if hasattr(self, "model"):
            snapshot = self.model.snapshot()
            assert tuple(self.journal.rows(payload=True)) == snapshot
            assert self.journal.counts() == self.model.counts()
            owners = {
                row.campaign_id: row.content
                for row in snapshot
                if row.state is State.CREATED and row.campaign_id is not None
            }
            assert self.journal.owners({*owners, "another"}) == owners
            created = [row.campaign_id for row in snapshot if row.campaign_id is not None]
            assert self.journal.latest_campaigns(3) == created[::-1][:3]
            unsettled = [evolve(row, payload=None) for row in snapshot if row.state in {State.FAILED, State.UNKNOWN}]
            assert list(self.journal.rows(State.FAILED, State.UNKNOWN)) == unsettled


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep scratch journals in memory where that is possible: hundreds are made."""
    if os.access("/dev/shm", os.W_OK):  # noqa: S108 - a folder of its own in it
        monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")  # noqa: S108


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("quick")
def test_a_journal_in_a_file_and_the_model_do_the_same() -> None:
    run_state_machine_as_test(Twins, settings=settings(stateful_step_count=15))  # type: ignore[no-untyped-call]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("quick")
@given(text=words)
def test_words_come_back_as_they_were(text: str) -> None:
    with JournalFile.scratch_copy(Path("none")) as journal:
        plan(journal, 2)
        begin(journal, 2)
        journal.commit([Transition(1, State.CREATED, text), Transition(2, State.FAILED, reason=text)], now=1.0)
        first, second = journal.rows()
    assert (first.campaign_id, second.reason) == (text, text)


def test_a_reason_that_is_no_text_does_not_keep_a_group_from_being_recorded(journal: JournalFile) -> None:
    begin(journal, 2)
    group = [Transition(1, State.FAILED, reason="a\0b"), Transition(2, State.FAILED, reason="a\ud800b")]
    journal.commit(group, now=1.0)
    assert [row.reason for row in journal.rows(State.FAILED)] == ["a\ufffdb", "a?b"]
