"""Exports that die at any moment, by kill -9, by a power cut, by a full disk or by another run, and are resumed.

The file that they write in the end has each row once, in the order of an undisturbed run.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import gzip
import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from support import export_seam
from support.disk import Disk
from support.made import client_of, rows

from campaigns_async import CampaignsClient, PermissionDeniedError
from campaigns_async.export import (
    ExportInUseError,
    ExportProgress,
    ExportWriteError,
    export_campaigns,
    export_contacts,
)
from campaigns_async.sandbox import Sandbox
from campaigns_async.sandbox.threaded import ThreadedSandbox

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="opens and renames files as POSIX does"),
    pytest.mark.timeout(180),
]

SIZES = [25, 0, 61, 9, 1, 52, 0, 30]
"""Contacts of each campaign, for pages of ten."""
TOTAL = sum(SIZES)
PLACES = [f"c{number:03}" for number in range(len(SIZES))]
SYNC_EVERY = 3
"""Writes after which a power cut may take none that came before."""


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    people = {
        name: [{"id": f"{name}-{number:02}", "name": "O'Neil, \u26f3"} for number in range(size)]
        for name, size in zip(PLACES, SIZES, strict=True)
    }
    async with Sandbox(rows(len(SIZES)), people) as made:
        yield made


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[CampaignsClient]:
    async with client_of(sandbox) as made:
        yield made


@pytest.fixture(params=["out.csv", "out.ndjson.gz"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def undisturbed(client: CampaignsClient, tmp_path: Path, name: str) -> bytes:
    (folder := tmp_path / "undisturbed").mkdir()
    await export_contacts(client, folder / name, all_campaigns=True, page_size=10)
    return content(folder / name)


@pytest.fixture
def many(tmp_path: Path) -> Callable[[], Path]:
    """Return a function that makes folders."""
    numbers = itertools.count()

    def make() -> Path:
        (folder := tmp_path / f"folder-{next(numbers)}").mkdir()
        return folder

    return make


@pytest.fixture(autouse=True)
def _default_sync() -> Iterator[None]:
    yield
    export_seam.sync_every(5.0)


@define
class Story:
    """Runs of one export, each resuming what the one before left."""

    client: CampaignsClient
    path: Path
    whole: bytes
    least: int = 0
    """Rows that the next run must not fetch again."""
    _now: float = 0.0
    _acknowledged: list[tuple[float, int]] = field(factory=list)

    async def run(self, disk: Disk | None = None) -> None:
        """Export, and check the file if it is complete."""
        export_seam.sync_every(float(SYNC_EVERY), lambda: self._now)
        self._acknowledged = []
        began = False

        def note(progress: ExportProgress) -> None:
            nonlocal began
            if not began:
                assert progress.resumed >= self.least, "rows are lost that were safe"
                if disk is not None:
                    disk.safe(progress.resumed)
            began = True
            self._acknowledged.append((self._now, progress.rows))
            self._keep(disk)
            self._now += 1.0

        try:
            summary = await export_contacts(
                self.client,
                self.path,
                all_campaigns=True,
                page_size=10,
                parallel=2,
                prefetch=0,
                unfinished="resume",
                on_progress=note,
            )
        except ExportWriteError:
            if disk is None or not disk.is_dead:
                raise
            return
        if disk is not None and disk.is_dead:
            return  # after the rename
        if disk is not None:
            disk.safe(TOTAL + 1)
        assert content(self.path) == self.whole
        state = f"{self.path.name}.part.progress"
        assert names(self.path.parent) <= ({self.path.name, state} if summary.already_complete else {self.path.name})

    def _keep(self, disk: Disk | None) -> None:
        """Note that rows reported `SYNC_EVERY` writes ago are safe."""
        for at, written in self._acknowledged:
            if at <= self._now - SYNC_EVERY and written > self.least:
                self.least = written
                if disk is not None:
                    disk.safe(written)


@pytest.mark.slow
async def test_killed_in_the_middle_of_anything_it_does(
    many: Callable[[], Path], client: CampaignsClient, undisturbed: bytes, name: str
) -> None:
    deaths = 0
    for kill_at in itertools.count():
        folder = many()
        story, disk = Story(client, folder / name, undisturbed), Disk(folder)
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            disk.kill_at = kill_at
            await story.run(disk)
            if not disk.is_dead:
                break
            deaths += 1
            if story.path.exists():
                assert content(story.path) == undisturbed, "nothing appears before it is complete"
            disk.restart()
            await story.run(disk)
    print(f"killed at {deaths} moments")
    assert deaths > 25


@pytest.mark.slow
async def test_killed_again_and_again(
    many: Callable[[], Path], client: CampaignsClient, undisturbed: bytes, name: str
) -> None:
    draw, deaths = random.Random(2), 0
    for _ in range(8):
        folder = many()
        story, disk = Story(client, folder / name, undisturbed), Disk(folder)
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            for _ in range(60):
                disk.kill_at = draw.randrange(40)
                await story.run(disk)
                deaths += disk.is_dead
                if story.path.exists():
                    break
                disk.restart()
            disk.restart()
            await story.run(disk)
    print(f"{deaths} deaths")
    assert deaths > 8


@pytest.mark.slow
async def test_power_cuts_take_only_what_was_not_yet_safe(
    many: Callable[[], Path], client: CampaignsClient, undisturbed: bytes, name: str
) -> None:
    """At each moment of a run, complete or killed, and of the one that resumes it."""
    cuts = 0
    for kill_at in (10_000, 20, 27):
        folder = many()
        story, disk = Story(client, folder / name, undisturbed), Disk(folder)
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            disk.kill_at = kill_at
            await story.run(disk)
            first = 0 if story.path.exists() else len(disk.ops)
            if not story.path.exists():
                disk.restart()
                await story.run(disk)
        assert {op.kind for op in disk.ops} >= {"create", "write", "truncate", "sync", "sync folder", "rename"}
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fsync", lambda _: None)  # a real one would only take time
            for moment in range(first, len(disk.ops) + 1):
                for seed in range(2):
                    folder = many()
                    safe = disk.cut(moment, seed, folder)
                    if safe > TOTAL:
                        assert content(folder / name) == undisturbed
                    after = Story(client, folder / name, undisturbed, 0 if safe > TOTAL else max(0, safe))
                    await after.run()
                    cuts += 1
    print(f"{cuts} power cuts")
    assert cuts > 150


@pytest.mark.slow
async def test_power_cuts_again_and_again(
    many: Callable[[], Path], client: CampaignsClient, undisturbed: bytes, name: str
) -> None:
    draw = random.Random(3)
    for _ in range(10):
        folder, safe = many(), 0
        for _ in range(6):
            story, disk = Story(client, folder / name, undisturbed, safe), Disk(folder)
            with pytest.MonkeyPatch.context() as patched:
                disk.install(patched)
                disk.kill_at = draw.randrange(60)
                await story.run(disk)
            if story.path.exists():
                break
            folder = many()
            moment = draw.randint(len(disk.ops) // 2, len(disk.ops))
            safe = max(safe, disk.cut(moment, draw.randrange(1000), folder))
        await Story(client, folder / name, undisturbed, 0 if (folder / name).exists() else safe).run()


async def test_an_old_file_stays_until_the_new_one_is_durable(
    many: Callable[[], Path], client: CampaignsClient, undisturbed: bytes, name: str
) -> None:
    folder = many()
    (folder / name).write_bytes(b"old")
    disk = Disk(folder)
    with pytest.MonkeyPatch.context() as patched:
        disk.install(patched)
        await export_contacts(client, folder / name, all_campaigns=True, page_size=10, parallel=2, prefetch=0)
        disk.safe(1)
    new = (folder / name).read_bytes()
    assert content(folder / name) == undisturbed
    found: set[bytes] = set()
    for moment in range(len(disk.ops) + 1):
        for seed in range(6):
            after = many()
            safe = disk.cut(moment, seed, after)
            data = (after / name).read_bytes()
            assert data in {b"old", new}
            assert safe < 0 or data != b"old"
            found.add(data)
    assert len(found) == 2


@pytest.mark.slow
async def test_a_disk_that_is_full_at_any_moment_loses_nothing(
    many: Callable[[], Path], client: CampaignsClient, undisturbed: bytes, name: str
) -> None:
    for number in itertools.count():
        folder = many()
        story, disk = Story(client, folder / name, undisturbed), Disk(folder)
        asked = itertools.count()
        full = lambda: OSError(errno.ENOSPC, "full") if next(asked) >= number else None  # noqa: B023,E731
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            disk.fault = full
            try:
                await story.run(disk)
            except ExportWriteError as error:
                assert error.errno == errno.ENOSPC
                part = Path(f"{story.path}.part")
                assert ("what was written is kept" in str(error)) <= (part.exists() or story.path.exists())
                if part.exists():
                    assert undisturbed.startswith(_unpack(part, name)), "no half row"
            else:
                break
            disk.fault = None
            if story.path.exists():  # renamed, and only the rename was not made durable
                assert content(story.path) == undisturbed
                continue
            await story.run(disk)
    print(f"full at {number} moments")
    assert number > 20


def _unpack(part: Path, name: str) -> bytes:
    data = part.read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") and data else data


@pytest.mark.slow
async def test_a_sync_that_failed_is_never_trusted(
    many: Callable[[], Path], client: CampaignsClient, undisturbed: bytes, name: str
) -> None:
    """After a failed fsync the kernel may drop what it could not write, and call the next fsync a success."""
    failures = 0
    for fails_at in range(1, 4):
        folder = many()
        story, disk, syncs = Story(client, folder / name, undisturbed), Disk(folder), itertools.count(1)
        part = Path(f"{story.path}.part")
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            fsync = os.fsync

            def failing(descriptor: int, part: Path = part, fsync: Any = fsync, syncs: Any = syncs) -> None:
                is_part = part.exists() and os.path.samestat(os.fstat(descriptor), part.stat())
                number = next(syncs) if is_part else 0
                if number == fails_at:  # noqa: B023
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                if number < fails_at:  # noqa: B023  # from then on a lie: nothing of the file reaches the disk
                    fsync(descriptor)

            patched.setattr(os, "fsync", failing)
            with pytest.raises(ExportWriteError, match="the disk failed"):
                await story.run(disk)
        failures += 1
        for seed in range(12):
            after = many()
            disk.cut(len(disk.ops), seed, after)
            await Story(client, after / name, undisturbed).run()
    assert failures == 3


# Processes


def child(sandbox: ThreadedSandbox, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "support.export_child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **sandbox.environment, "PYTHONPATH": str(Path(export_seam.__file__).parents[1])},
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.csv", "out.ndjson.gz"])
def test_kill_9_while_it_writes(tmp_path: Path, name: str) -> None:
    draw, deaths, acknowledged = random.Random(name), 0, 0
    (folder := tmp_path / "folder").mkdir()
    given = [{**row, "message": "x" * draw.choice([10, 5_000, 40_000])} for row in rows(900)]
    with ThreadedSandbox(given) as sandbox:
        with child(sandbox, "campaigns", str(tmp_path / name)) as undisturbed:
            undisturbed.communicate()
        path = folder / name
        while not path.exists():
            with child(sandbox, "campaigns", str(path)) as process:
                assert process.stdout is not None
                word, first = process.stdout.readline().split()
                assert word == "resumed"
                assert int(first) >= acknowledged, "rows are lost that were acknowledged"
                wanted = draw.randrange(10)
                for line in process.stdout:
                    if line.startswith("written"):
                        acknowledged = int(line.split()[1])
                    wanted -= 1
                    if wanted <= 0 and deaths < 6:
                        for _ in range(draw.randrange(300)):  # let the next write come to some point
                            with suppress(FileNotFoundError):
                                Path(f"{path}.part").stat()
                        process.send_signal(signal.SIGKILL)
                        deaths += 1
                        break
                for line in process.stdout:
                    if line.startswith("written"):
                        acknowledged = int(line.split()[1])
            assert process.returncode in {0, -signal.SIGKILL}
    assert deaths > 3
    assert content(path) == content(tmp_path / name)
    assert names(folder) == {name}


@pytest.mark.slow
def test_a_file_that_may_not_grow_is_resumed_once_it_may(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    with ThreadedSandbox(rows(1000)) as sandbox:
        for limit in (300, 20_000, 77_777, 77_777, 10_000_000):
            with child(sandbox, "campaigns", str(path), "--page-size", "20", "--file-limit", str(limit)) as process:
                output, _ = process.communicate()
            if limit > 1_000_000:
                assert process.returncode == 0, output
            else:
                assert process.returncode == 1, output
                assert f"failed {errno.EFBIG} the file has reached the size limit" in output
                part = Path(f"{path}.part")
                assert part.exists() == (limit > 300)
                assert not part.exists() or part.read_bytes().endswith(b"}\n"), "no half row"
    assert [row.split(b'"')[3] for row in path.read_bytes().splitlines()] == [
        b"c%03d" % number for number in range(1000)
    ]
    assert names(tmp_path) == {"out.ndjson"}


@pytest.mark.slow
def test_runs_that_race_never_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    given = [{"id": f"{sender}{number}", "sender": sender} for sender in "abc" for number in range(50)]
    with ThreadedSandbox(given) as sandbox:
        rivals = [
            child(
                sandbox, "campaigns", str(path), "--races", "10", "--sender", sender, "--unfinished", unfinished,
            )
            for sender, unfinished in (("a", "restart"), ("b", "refuse"), ("c", "restart"))
        ]  # fmt: skip
        try:
            for rival in rivals:
                assert rival.stdin is not None
                rival.stdin.write("\n")
                rival.stdin.flush()
            seen: set[bytes] = set()
            while any(rival.poll() is None for rival in rivals):
                with suppress(FileNotFoundError):
                    seen.add(path.read_bytes())
            for rival in rivals:
                output, _ = rival.communicate(timeout=30)
                assert rival.returncode == 0, output
        finally:
            for rival in rivals:
                rival.kill()
                rival.communicate()
    seen.add(path.read_bytes())
    assert seen <= {b'"sender"\r\n' + b'"%b"\r\n' % sender * 50 for sender in (b"a", b"b", b"c")}
    assert names(tmp_path) == {"out.csv"}


def test_a_second_process_is_refused_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with (
        ThreadedSandbox(rows(100)) as sandbox,
        child(sandbox, "campaigns", str(path), "--stop-after", "3") as process,
    ):
        assert process.stdout is not None
        assert [process.stdout.readline().split()[0] for _ in range(4)] == ["resumed", "written", "written", "written"]

        async def export_again(unfinished: Any) -> int:
            async with client_of(sandbox) as client:  # type: ignore[arg-type]  # has a URL and a key as well
                summary = await export_campaigns(client, path, page_size=10, unfinished=unfinished)
            return summary.resumed

        for unfinished in ("refuse", "resume", "restart"):
            with pytest.raises(ExportInUseError, match="another run"):
                asyncio.run(export_again(unfinished))
        process.kill()
        process.wait()
        assert asyncio.run(export_again("resume")) >= 30


# Moments at which another run begins or ends


async def test_a_file_that_is_renamed_before_it_is_locked_is_not_written_to(
    many: Callable[[], Path], client: CampaignsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run ends between the moment at which this one opens its file and the moment at which it locks it."""
    flock = fcntl.flock
    for unfinished in ("refuse", "resume", "restart"):
        path = many() / "out.csv"
        part = Path(f"{path}.part")
        part.write_bytes(b"the other run's, complete")
        ends = [True]

        def rename_and_lock(descriptor: int, how: int, ends: list[bool] = ends, part: Path = part) -> None:
            if ends:
                ends.clear()
                part.rename(part.with_suffix(""))
            flock(descriptor, how)

        with monkeypatch.context() as patched:
            patched.setattr(fcntl, "flock", rename_and_lock)
            options: Any = {"unfinished": unfinished}
            summary = await export_campaigns(client, path, **options)
        assert summary.already_complete == (unfinished == "resume")
        assert (path.read_bytes() == b"the other run's, complete") == summary.already_complete
        assert names(path.parent) == {"out.csv"}


async def test_a_run_that_begins_as_another_ends_keeps_its_state(
    tmp_path: Path, sandbox: Sandbox, client: CampaignsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is free, and with it the names beside it, before the run that ends has removed its own state."""
    path = tmp_path / "out.csv"
    replace, loop, refused = os.replace, asyncio.get_running_loop(), list[bool]()

    async def second() -> None:
        sandbox.fault(when=lambda request: "c002" in request.path, times=1, status=403)
        with pytest.raises(PermissionDeniedError):
            await export_contacts(client, path, PLACES, page_size=10)
        refused.append(True)

    def replace_and_start_another(source: Any, target: Any) -> None:
        replace(source, target)
        if Path(target) == path and not refused:
            asyncio.run_coroutine_threadsafe(second(), loop).result(30)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace_and_start_another)
        first = await export_contacts(client, path, PLACES, page_size=10)
    assert (first.rows, refused) == (TOTAL, [True])
    third = await export_contacts(client, path, PLACES, page_size=10, unfinished="resume")
    assert third.rows == TOTAL
    assert third.resumed >= 10
    assert names(tmp_path) == {"out.csv"}


async def test_a_file_that_never_stands_still_is_in_use(
    tmp_path: Path, client: CampaignsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def rename_and_lock(descriptor: int, how: int) -> None:
        (tmp_path / "out.csv.part").unlink()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", rename_and_lock)
    with pytest.raises(ExportInUseError):
        await export_campaigns(client, tmp_path / "out.csv")
