"""The power goes at every write and sync; the disk is full at every write. What was acknowledged is there."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import apsw
import pytest
from attrs import define
from support.journal_model import JournalModel, plan
from support.torn_disk import Disk, Op

from campaigns_async.jobs import JournalRow, JournalWriteError, PossibleMatch, State
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import Transition

pytestmark = pytest.mark.timeout(300)  # thousands of journals, on a machine that may do something else beside it
SEEDS = int(os.environ.get("POWER_CUT_SEEDS", "2"))
"""Cuts at each moment."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder in memory where that is possible: thousands of journals are opened here."""
    shm = "/dev/shm"  # noqa: S108 - a folder of its own in it
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as name:
        yield Path(name)


def steps(count: int, size: int) -> list[int]:
    """Return the number of rows that each group of a run claims; their outcomes come a group later."""
    return [size] * count


def outcome_of(row_id: int) -> Transition:
    if row_id % 11 == 0:
        return Transition(row_id, State.FAILED, reason="refused")
    if row_id % 7 == 0:
        return Transition(row_id, State.UNKNOWN, candidates=(PossibleMatch(f"candidate-{row_id}", 3),))
    return Transition(row_id, State.CREATED, f"campaign-{row_id}")


@define
class Run:
    disk: Disk
    acknowledged: list[tuple[JournalRow, ...]]
    """The journal after each transaction, from before the first."""


def run(disk: Disk, groups: list[int]) -> Run:
    """Plan, record half of the groups, close, plan some more, record the others, drop payloads."""
    model = JournalModel()
    snapshots = [model.snapshot()]
    rows = sum(groups)
    half = len(groups) // 2
    before: list[int] = []
    for part, planned in ((groups[:half], rows - 4), (groups[half:], rows)):
        journal = JournalFile.open(disk.path, connect=disk.connect)
        plan(journal, planned, retry_failed=True)
        model.plan(planned, retry_failed=True)
        disk.mark()
        snapshots.append(model.snapshot())
        for number, group in enumerate(part):
            transitions = list(map(outcome_of, before))
            before = model.commit(transitions, claim=group, now=1_000.0 + number)
            assert [row.row_id for row in journal.commit(transitions, claim=group, now=1_000.0 + number)] == before
            disk.mark()
            snapshots.append(model.snapshot())
        journal.drop_payloads()
        model.drop_payloads()
        disk.mark()
        snapshots.append(model.snapshot())
        assert tuple(journal.rows(payload=True)) == model.snapshot()
        journal.close()
    return Run(disk, snapshots)


def what_is_wrong(path: Path, run: Run, acknowledged: int) -> str | None:
    """Return what a cut broke; None if the journal is whole and holds what was acknowledged, or one group more."""
    try:
        with JournalFile.open(path) as journal:
            rows = tuple(journal.rows(payload=True))
            check = journal._connection.execute("PRAGMA integrity_check").fetchall()
    except Exception as error:  # any error is a fault
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        JournalFile.open(disk.path, connect=disk.connect).close()
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
        with JournalFile.open(path) as journal:
            plan(journal, 60)
            claimed = journal.commit([], claim=1, now=5.0)
            row_id = claimed[0].row_id if claimed else next(journal.rows(State.SENDING, State.UNKNOWN)).row_id
            journal.commit([Transition(row_id, State.CREATED, "late")], now=6.0)
        with JournalFile.open(path) as again:
            assert "late" in again.owners({"late"})
        for file in folder.glob("journal*"):
            file.unlink()


class Failing:
    """A disk that fails from its nth operation on, until `repair` is called."""

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
@pytest.mark.slow
def test_a_disk_that_fails_at_any_write_loses_nothing(
    folder: Path, error: type[apsw.Error], kinds: set[str], reason: str
) -> None:
    groups = steps(14, 5)
    reported = 0
    for number in range(400):
        path = folder / str(number)
        failing = Failing(number, error, kinds)
        reported += outlive(path, failing, groups, reason)
        if not failing.fired:
            break
    else:
        pytest.fail("the run never got by without a failure")
    print(f"{number} failures, {reported} of them reported")
    assert reported > number / 2


def outlive(path: Path, failing: Failing, groups: list[int], reason: str) -> int:
    """Make a run with a failure in it, repair the disk, and go on; return how many times the failure was reported."""
    model = JournalModel()
    disk = Disk(path, fault=failing)
    reported = 0

    def insisting(write: Callable[[], object]) -> None:
        nonlocal reported
        try:
            write()
        except JournalWriteError as caught:
            assert reason in str(caught)
            assert tuple(journal.rows(payload=True)) == model.snapshot(), "what failed is not there, the rest is"
            reported += 1
            failing.mend()
            write()

    try:
        journal = JournalFile.open(path, connect=disk.connect)
    except JournalWriteError:
        reported += 1
        failing.mend()
        journal = JournalFile.open(path, connect=disk.connect)
    insisting(lambda: plan(journal, 70))
    model.plan(70)
    before: list[int] = []
    for group in groups:
        transitions = list(map(outcome_of, before))
        insisting(partial(journal.commit, transitions, claim=group, now=1.0))
        before = model.commit(transitions, claim=group, now=1.0)
    insisting(journal.drop_payloads)
    model.drop_payloads()
    journal.close()
    with JournalFile.open(path) as reopened:
        assert tuple(reopened.rows(payload=True)) == model.snapshot()
    return reported


def test_a_failed_commit_is_whole_or_absent_when_the_power_goes_then(folder: Path) -> None:
    groups = steps(6, 5)
    for number in range(200):
        path = folder / f"run-{number}"
        disk = Disk(path)
        journal = JournalFile.open(path, connect=disk.connect)
        plan(journal, 30)
        model = JournalModel()
        model.plan(30)
        snapshots = [model.snapshot()]
        disk.fault = Failing(number, apsw.IOError, {"sync", "write"}, once=True)
        failed = False
        before: list[int] = []
        for group in groups:
            transitions = list(map(outcome_of, before))
            before = model.commit(transitions, claim=group, now=1.0)
            snapshots.append(model.snapshot())
            try:
                journal.commit(transitions, claim=group, now=1.0)
            except JournalWriteError:
                failed = True
                break
        *_, image = disk.images()
        for seed in range(3):
            (cut := folder / f"cut-{number}-{seed}").mkdir()
            image.cut(seed, cut, "journal")
            with JournalFile.open(cut / "journal") as found:
                assert tuple(found.rows(payload=True)) in snapshots[-2:]
        journal.close()
        if not failed:
            assert number > 20
            return
    pytest.fail("the run never got by without a failure")


def test_marks_come_one_a_transaction() -> None:
    """Check an assumption of the runs above: all transactions differ, so that a lost one shows."""
    with tempfile.TemporaryDirectory() as name:
        made = run(Disk(Path(name, "run")), steps(4, 5))
    assert len(made.acknowledged) == 4 + 2 + 2 + 1
    assert all(before != after for before, after in pairwise(made.acknowledged))
