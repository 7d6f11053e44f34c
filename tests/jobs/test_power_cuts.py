"""The power goes at every write and sync; the disk is full at every write. What was acknowledged is there."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import apsw
import pytest
from attrs import define
from support.memory_store import MemoryStore
from support.torn_disk import Disk, Op

from campaigns_async.effects import State
from campaigns_async.jobs.errors import JournalWriteError
from campaigns_async.jobs.sqlite import SqliteStore
from campaigns_async.jobs.store import Begin, Entry, Lead, Move, Store

pytestmark = pytest.mark.timeout(300)  # thousands of journals, on a machine that may do something else beside it
SEEDS = int(os.environ.get("POWER_CUT_SEEDS", "2"))
"""Cuts at each moment."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a thing: thousands of journals are opened here."""
    shm = "/dev/shm"  # noqa: S108 - a folder of its own in it
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as name:
        yield Path(name)


Step = tuple[list[Begin], list[Move]]


def steps(count: int, size: int) -> list[Step]:
    """What a run records: rows begin, and end a group later; some fail, some stay in doubt."""
    found: list[Step] = []
    before: list[int] = []
    for step in range(count):
        ids = list(range(step * size + 1, step * size + size + 1))
        moves = [ended(row_id) for row_id in before]
        found.append(([Begin(row_id, row_id * 7) for row_id in ids], moves))
        before = ids
    return found


def ended(row_id: int) -> Move:
    if row_id % 11 == 0:
        return Move(row_id, State.FAILED, reason="refused", payload=b"line " * 200)
    if row_id % 7 == 0:
        return Move(row_id, State.UNKNOWN, leads=(Lead(f"lead-{row_id}", 3),), payload=b"line " * 20)
    return Move(row_id, State.CREATED, f"campaign-{row_id}")


def plan(store: Store, count: int) -> None:
    with store.planning() as planning:
        for number in range(planning.last_id() + 1, count + 1):
            planning.add(f"key-{number}", number * 7)
        planning.retry_failed()
        planning.set_options({"rows": str(count)})


@define
class Run:
    disk: Disk
    acknowledged: list[tuple[Entry, ...]]
    """The journal after each transaction, from before the first."""


def run(disk: Disk, groups: list[Step]) -> Run:
    """Plan, record half of the groups, close, plan some more, record the others."""
    twin = MemoryStore()
    snapshots = [twin.snapshot()]
    rows = sum(len(begins) for begins, _ in groups)
    half = len(groups) // 2
    for part, planned in ((groups[:half], rows - 4), (groups[half:], rows)):
        store = SqliteStore.open(disk.path, connect=disk.connect)
        plan(store, planned)
        plan(twin, planned)
        disk.mark()
        snapshots.append(twin.snapshot())
        for number, (begins, moves) in enumerate(part):
            for each in (store, twin):
                each.commit(begins, moves, 1_000.0 + number)
            disk.mark()
            snapshots.append(twin.snapshot())
        assert tuple(store.entries(payload=True)) == twin.snapshot()
        store.close()
    return Run(disk, snapshots)


def what_is_wrong(path: Path, run: Run, acknowledged: int) -> str | None:
    """What a cut broke: None, if the journal is whole and holds what was acknowledged, or one group more."""
    try:
        store = SqliteStore.open(path)
        rows = tuple(store.entries(payload=True))
        check = store._connection.execute("PRAGMA integrity_check").fetchall()
        store.close()
    except Exception as error:  # whatever it is, it is told
        return f"after {acknowledged}: {error!r}"
    if check != [("ok",)]:
        return f"after {acknowledged}: {check}"
    if rows not in run.acknowledged[acknowledged : acknowledged + 2]:
        older = rows in run.acknowledged[:acknowledged]
        return f"after {acknowledged}: {'acknowledged groups are lost' if older else 'half a group is there'}"
    return None


def cut_everywhere(run: Run, folder: Path, seeds: int) -> tuple[int, list[str]]:
    """Cut after each operation; how many cuts, and what they broke."""
    cuts, wrong = 0, list[str]()
    (cut := folder / "cut").mkdir()
    for moment, image in enumerate(run.disk.images()):
        for seed in range(seeds):
            path = image.cut(moment * 1_000 + seed, cut, "journal")
            broken = what_is_wrong(path, run, image.marks)
            if broken is not None:
                wrong.append(f"cut {moment}, seed {seed}: {broken}")
            cuts += 1
            for file in cut.iterdir():
                file.unlink()
    return cuts, wrong


def kinds(run: Run) -> set[tuple[str, str]]:
    return {(op.kind, op.file) for op in run.disk.ops}


def test_nothing_acknowledged_is_lost_wherever_the_power_goes(folder: Path) -> None:
    whole = run(Disk(folder / "run"), steps(60, 5))
    assert {("sync", ""), ("sync", "-wal"), ("write", ""), ("sync", "-journal"), ("delete", "-wal")} <= kinds(whole)
    cuts, wrong = cut_everywhere(whole, folder, SEEDS)
    print(f"{cuts} power cuts, {len(wrong)} broke the journal")
    assert cuts > 450 * SEEDS
    assert not wrong


def test_the_cuts_find_a_journal_that_is_not_synced_at_every_commit(folder: Path) -> None:
    careless = run(Disk(folder / "run", synchronous="NORMAL"), steps(20, 5))
    cuts, wrong = cut_everywhere(careless, folder, 1)
    print(f"{len(wrong)} of {cuts} power cuts lost something")
    assert len(wrong) > cuts / 4
    assert all("acknowledged groups are lost" in line for line in wrong)


def test_the_cuts_find_a_journal_that_is_never_synced(folder: Path) -> None:
    careless = run(Disk(folder / "run", synchronous="OFF"), steps(20, 5))
    _, wrong = cut_everywhere(careless, folder, 1)
    assert any("acknowledged groups are lost" not in line for line in wrong)  # damaged


def test_the_power_goes_again_while_a_journal_is_put_in_order(folder: Path) -> None:
    whole = run(Disk(folder / "run"), steps(16, 5))
    images = list(enumerate(whole.disk.images()))
    draw = random.Random(4)
    cuts, wrong = 0, list[str]()
    for moment, _ in draw.sample(images, 12):
        (second := folder / f"second-{moment}").mkdir()
        image = next(image for number, image in enumerate(whole.disk.images()) if number == moment)
        image.cut(moment, second, "journal")
        disk = Disk(second / "journal")
        SqliteStore.open(disk.path, connect=disk.connect).close()
        for again, after in enumerate(disk.images()):
            (third := second / "third").mkdir()
            after.cut(again, third, "journal")
            if broken := what_is_wrong(third / "journal", whole, image.marks):
                wrong.append(f"cut {moment}, then {again}: {broken}")
            cuts += 1
            shutil.rmtree(third)
    print(f"{cuts} second power cuts")
    assert cuts > 60
    assert not wrong


def test_a_journal_goes_on_after_a_cut(folder: Path) -> None:
    groups = steps(12, 5)
    whole = run(Disk(folder / "run"), groups)
    for moment, image in enumerate(whole.disk.images()):
        if moment % 5:
            continue
        path = image.cut(moment, folder, "journal")
        with_more = SqliteStore.open(path)
        plan(with_more, 60)
        (open_row, *_) = with_more.entries(State.PLANNED, State.SENDING)
        if open_row.state is State.PLANNED:
            with_more.commit([Begin(open_row.row_id, open_row.content)], [], 5.0)
        with_more.commit([], [Move(open_row.row_id, State.CREATED, "late")], 6.0)
        with_more.close()
        again = SqliteStore.open(path)
        assert "late" in set(again.campaign_ids())
        again.close()
        for file in folder.glob("journal*"):
            file.unlink()


class Failing:
    """Fails from its nth operation on, until it is mended."""

    def __init__(self, number: int, error: type[apsw.Error], kinds: set[str], *, once: bool = False) -> None:
        self.left = number
        self.error = error
        self.kinds = kinds
        self.once = once
        self.fired = 0

    def __call__(self, op: Op) -> None:
        if op.kind not in self.kinds:
            return
        self.left -= 1
        if self.left < 0 and not (self.once and self.fired):
            self.fired += 1
            raise self.error("failed by the test")

    def mend(self) -> None:
        self.left = 1_000_000


@pytest.mark.parametrize(
    ("error", "kinds", "reason"),
    [
        (apsw.FullError, {"write", "truncate"}, "the disk is full"),
        (apsw.IOError, {"sync"}, "the disk failed"),
        (apsw.IOError, {"write"}, "the disk failed"),
    ],
)
def test_a_disk_that_fails_at_any_write_loses_nothing(
    folder: Path, error: type[apsw.Error], kinds: set[str], reason: str
) -> None:
    groups = steps(14, 5)
    told = 0
    for number in range(400):
        path = folder / str(number)
        failing = Failing(number, error, kinds)
        told += outlive(path, failing, groups, reason)
        if not failing.fired:
            break
    else:
        pytest.fail("the run never got by without a failure")
    print(f"{number} failures, {told} of them told")
    assert told > number / 2


def outlive(path: Path, failing: Failing, groups: list[Step], reason: str) -> int:
    """Make a run with a failure in it, mend the disk, go on; how many times it was told."""
    twin = MemoryStore()
    disk = Disk(path, fault=failing)
    told = 0

    def insisting(write: str, *arguments: object) -> None:
        nonlocal told
        try:
            calls[write](*arguments)
        except JournalWriteError as caught:
            assert reason in str(caught)
            assert tuple(store.entries(payload=True)) == twin.snapshot(), "what failed is not there, the rest is"
            told += 1
            failing.mend()
            calls[write](*arguments)

    try:
        store = SqliteStore.open(path, connect=disk.connect)
    except JournalWriteError:
        told += 1
        failing.mend()
        store = SqliteStore.open(path, connect=disk.connect)
    calls = {"plan": lambda: plan(store, 70), "commit": store.commit}
    insisting("plan")
    plan(twin, 70)
    for begins, moves in groups:
        insisting("commit", begins, moves, 1.0)
        twin.commit(begins, moves, 1.0)
    store.close()
    reopened = SqliteStore.open(path)
    assert tuple(reopened.entries(payload=True)) == twin.snapshot()
    reopened.close()
    return told


def test_a_failed_commit_is_whole_or_absent_when_the_power_goes_then(folder: Path) -> None:
    groups = steps(6, 5)
    for number in range(200):
        path = folder / f"run-{number}"
        disk = Disk(path)
        store = SqliteStore.open(path, connect=disk.connect)
        plan(store, 30)
        twin = MemoryStore()
        plan(twin, 30)
        snapshots = [twin.snapshot()]
        disk.fault = Failing(number, apsw.IOError, {"sync", "write"}, once=True)
        failed = False
        for begins, moves in groups:
            twin.commit(begins, moves, 1.0)
            snapshots.append(twin.snapshot())
            try:
                store.commit(begins, moves, 1.0)
            except JournalWriteError:
                failed = True
                break
        *_, image = disk.images()
        for seed in range(3):
            (cut := folder / f"cut-{number}-{seed}").mkdir()
            image.cut(seed, cut, "journal")
            found = SqliteStore.open(cut / "journal")
            assert tuple(found.entries(payload=True)) in snapshots[-2:]
            found.close()
        store.close()
        if not failed:
            assert number > 20
            return
    pytest.fail("the run never got by without a failure")


def test_marks_come_one_a_transaction() -> None:
    """The runs above are what they are taken for: all transactions differ, so a lost one shows."""
    with tempfile.TemporaryDirectory() as name:
        made = run(Disk(Path(name, "run")), steps(4, 5))
    assert len(made.acknowledged) == 4 + 2 + 1
    assert all(before != after for before, after in pairwise(made.acknowledged))
