"""Runs that die at any moment, by kill -9, by a power cut, by a full disk or by another run, and are resumed.

What they write in the end is byte for byte what an undisturbed run writes.
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import itertools
import os
import random
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import define, field, frozen

from campaigns_async import locking
from campaigns_async.export import progress_log
from campaigns_async.export._files import Place
from campaigns_async.export._unfinished import Opened, open_files
from campaigns_async.export.errors import ExportInUseError, ExportWriteError
from campaigns_async.export.part_file import PartFile
from campaigns_async.export.progress_log import Mark
from campaigns_async.export.target import FileTarget

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="opens and renames files as POSIX does"),
    pytest.mark.timeout(180),
]

NAME = "out.csv"
SECTOR = 64
"""Bytes that reach the disk together; few, so that small files are torn too."""
DRAW = random.Random(5)
CHUNKS = [DRAW.randbytes(DRAW.choice([0, 1, 60, 300])) for _ in range(14)]
SYNC_EVERY = 3
"""Writes."""


def content(chunks: Sequence[bytes], *, gz: bool) -> bytes:
    return b"".join(zlib.compress(chunk, 6, wbits=31) if gz else chunk for chunk in chunks if chunk)


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


class Killed(BaseException):
    """The process is dead: nothing that it does from here on happens."""


@frozen
class Op:
    """Something that was done to the folder; or, `safe`, a write that no power cut may take any more."""

    kind: Literal["create", "write", "truncate", "sync", "sync folder", "rename", "unlink", "safe"]
    file: int = 0
    at: int = 0
    data: bytes = field(default=b"", repr=len)
    name: str = ""
    to: str = ""


class Disk:
    """Sees all that is done to a folder and the files in it, and can fail it.

    Args:
        folder: As it is found, it is taken to be durable.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ops: list[Op] = []
        self.kill_at: int | None = None
        """Operations till it is killed, in the middle of the last one."""
        self.fault: Callable[[], OSError | None] | None = None
        """Asked before all that can fail on a full disk."""
        self.before = {each.name: each.read_bytes() for each in folder.iterdir()}
        self._names = {name: -number for number, name in enumerate(self.before, 1)}
        self._numbers = itertools.count(1)
        self._open: dict[int, int] = {}
        """Numbers of files by their descriptors; that of the folder is 0."""
        self._dead = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("open", "close", "write", "ftruncate", "fsync", "replace", "unlink"):
            real = getattr(os, name)
            ours = getattr(self, f"on_{name}")
            monkeypatch.setattr(os, name, lambda *given, real=real, ours=ours, **more: ours(real, *given, **more))

    @contextmanager
    def process(self) -> Iterator[None]:
        """One that may be killed within; then what it held is let go."""
        with suppress(Killed):
            yield
        self._dead, self.kill_at = False, None
        for lock in tuple(locking._HELD):
            lock.release()
        for descriptor in tuple(self._open):
            os.close(descriptor)

    def safe(self, number: int) -> None:
        self.ops.append(Op("safe", at=number))

    def on_open(self, real: Any, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        name = self._name(path)
        is_read = Path(path) != self.folder and not flags & (os.O_WRONLY | os.O_RDWR)
        if is_read or (name is None and Path(path) != self.folder):
            return real(path, flags, mode, **more)
        makes = name is not None and bool(flags & os.O_CREAT) and not os.path.lexists(path)
        self._step(fails=makes)
        descriptor = real(path, flags, mode, **more)
        if makes:
            assert name is not None
            self._names[name] = next(self._numbers)
            self.ops.append(Op("create", self._names[name], name=name))
        self._open[descriptor] = 0 if name is None else self._names[name]
        return descriptor

    def on_close(self, real: Any, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        real(descriptor)

    def on_write(self, real: Any, descriptor: int, data: Any) -> int:
        number = self._open.get(descriptor)
        if number is None:
            return real(descriptor, data)
        if self.fault is not None and (error := self.fault()) is not None:
            if len(data) < 2:
                raise error
            data = data[: len(data) // 2]  # as a disk that becomes full: what is left is refused
        is_last = self._step(halves=True)
        at = os.fstat(descriptor).st_size
        count: int = real(descriptor, data[: len(data) // 2] if is_last else data)
        self.ops.append(Op("write", number, at, bytes(data[:count])))
        if is_last:
            raise Killed
        return count

    def on_ftruncate(self, real: Any, descriptor: int, size: int) -> None:
        number = self._open.get(descriptor)
        if number is not None:
            self._step()
            self.ops.append(Op("truncate", number, size))
        real(descriptor, size)

    def on_fsync(self, real: Any, descriptor: int) -> None:
        number = self._open.get(descriptor)
        if number is None:
            return real(descriptor)
        self._step(fails=True)
        self.ops.append(Op("sync", number) if number else Op("sync folder"))
        return None  # for real it would only take long

    def on_replace(self, real: Any, source: Any, target: Any) -> None:
        name, to = self._name(source), self._name(target)
        if name is not None and to is not None:
            self._step(fails=True)
            self.ops.append(Op("rename", name=name, to=to))
            self._names[to] = self._names.pop(name)
        real(source, target)

    def on_unlink(self, real: Any, path: Any, **more: Any) -> None:
        name = self._name(path)
        if name is not None and os.path.lexists(path):
            self._step()
            self.ops.append(Op("unlink", name=name))
            del self._names[name]
        real(path, **more)

    def cut(self, moment: int, seed: int, to: Path) -> int:
        """Write what a power cut leaves after so many operations; the last write that must be there, -1: none."""
        draw = random.Random(f"{moment} {seed}")
        luck = draw.choice([0.0, 0.5, 0.9, 1.0])
        safe = -1
        files = {-number: _File(data) for number, data in enumerate(self.before.values(), 1)}
        names = {name: -number for number, name in enumerate(self.before, 1)}
        pending: list[Op] = []
        for op in self.ops[:moment]:
            if op.kind == "safe":
                safe = op.at
            elif op.kind == "sync":
                files[op.file].sync()
            elif op.kind == "sync folder":
                names, pending = _renamed(names, pending), []
            elif op.kind in {"write", "truncate"}:
                files[op.file].pending.append(op)
            else:
                files.setdefault(op.file, _File())
                pending.append(op)
        # What is done to names is done in its order.
        for name, number in _renamed(names, pending[: draw.randint(0, len(pending))]).items():
            (to / name).write_bytes(files[number].torn(luck, draw))
        return safe

    def _name(self, path: Any) -> str | None:
        path = Path(path)
        return path.name if path.parent == self.folder else None

    def _step(self, *, fails: bool = False, halves: bool = False) -> bool:
        """Whether to die in the middle of this."""
        if self._dead:
            raise Killed
        if fails and self.fault is not None and (error := self.fault()) is not None:
            raise error
        if self.kill_at is not None:
            self.kill_at -= 1
            if self.kill_at < 0:
                self._dead = True
                if not halves:
                    raise Killed
        return self._dead


@define
class _File:
    durable: bytes = b""
    pending: list[Op] = field(factory=list[Op])

    def sync(self) -> None:
        self.durable = self.torn(1.0, random.Random(0))
        self.pending.clear()

    def torn(self, luck: float, draw: random.Random) -> bytes:
        """What is pending reaches the disk, or part of it, with some luck; a sector that does not holds anything."""
        data = bytearray(self.durable)
        for op in self.pending:
            if op.kind == "truncate":
                if draw.random() < luck:
                    del data[op.at :]
                continue
            for first in range(0, len(op.data), SECTOR):
                piece = op.data[first : first + SECTOR]
                begins = op.at + first
                if draw.random() < luck:
                    data.extend(bytes(max(0, begins - len(data))))
                    data[begins : begins + len(piece)] = piece
                elif draw.random() < 0.3 and begins >= len(data):
                    data.extend(bytes(begins - len(data)) + draw.randbytes(len(piece)))
        return bytes(data)


def _renamed(names: dict[str, int], ops: list[Op]) -> dict[str, int]:
    names = dict(names)
    for op in ops:
        if op.kind == "create":
            names[op.name] = op.file
        elif op.kind == "rename" and op.name in names:
            names[op.to] = names.pop(op.name)
        elif op.kind == "unlink":
            names.pop(op.name, None)
    return names


@define
class Story:
    """Runs of one export, each going on where the one before was cut off."""

    folder: Path
    gz: bool = False
    written: int = -1
    """The last write that was acknowledged."""

    @property
    def path(self) -> Path:
        return self.folder / NAME

    async def run(self, *, least: int | None = None, disk: Disk | None = None, chunks: int = len(CHUNKS)) -> None:
        """Run it to its end.

        Args:
            least: The write behind which it goes on at least; None: the last that was acknowledged.
            disk: Is told which writes are safe.
            chunks: Behind how many writes it is cut off in good order.
        """
        now = 0.0
        target = await FileTarget.open(
            self.path,
            identity={"kind": "contacts"},
            resumable=True,
            unfinished="resume",
            gzip=self.gz,
            sync_every=float(SYNC_EVERY),
            clock=lambda: now,
        )
        if target.already_whole:
            await target.aclose()
            return self.check()
        try:
            number = -1 if target.resumed is None else target.resumed["number"]
            assert isinstance(number, int)
            assert number >= (self.written if least is None else least), "a write is lost that was acknowledged"
            part = self.folder / f"{NAME}.part"
            assert part.read_bytes() == content(CHUNKS[: number + 1], gz=self.gz)
            if disk is not None:
                disk.safe(number)
            synced_at = now
            for following in range(number + 1, chunks):
                now += 1.0
                await target.write(CHUNKS[following], {"number": following})
                self.written = following
                if now - synced_at >= SYNC_EVERY:
                    synced_at = now
                    if disk is not None:
                        disk.safe(following)
            if chunks < len(CHUNKS):
                return None
            await target.write(b"end", None)
            await target.finish()
        finally:
            await target.aclose()
        assert names(self.folder) == {NAME}
        if disk is not None:
            disk.safe(len(CHUNKS))
        return self.check()

    def check(self) -> None:
        self.check_content()
        assert names(self.folder) <= {NAME, f"{NAME}.part.progress"}

    def check_content(self) -> None:
        assert self.path.read_bytes() == content([*CHUNKS, b"end"], gz=self.gz)


@pytest.fixture
def many(tmp_path: Path) -> Callable[[], Path]:
    """Makes folders."""
    numbers = itertools.count()

    def make() -> Path:
        (folder := tmp_path / f"folder-{next(numbers)}").mkdir()
        return folder

    return make


@pytest.fixture(autouse=True)
def _small_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_log, "COMPACT_AT", 250)  # all that can happen to a log happens here


@pytest.mark.parametrize("gz", [False, True])
async def test_killed_in_the_middle_of_anything_it_does(many: Callable[[], Path], gz: bool) -> None:
    for kill_at in itertools.count():
        story = Story(many(), gz)
        disk = Disk(story.folder)
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            disk.kill_at = kill_at
            with disk.process():
                await story.run()
                break
            assert story.path.exists() <= (story.written == len(CHUNKS) - 1), "nothing appears before it is whole"
            await story.run()
    print(f"killed at {kill_at} moments")
    assert kill_at > 3 * len(CHUNKS)


async def test_killed_again_and_again(many: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    draw, deaths = random.Random(2), 0
    for _ in range(12):
        story = Story(many())
        disk = Disk(story.folder)
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            while not story.path.exists():
                disk.kill_at = draw.randrange(40)
                deaths += 1
                with disk.process():
                    await story.run()
            await story.run()
        story.check()
    print(f"{deaths} deaths")


@pytest.mark.slow
@pytest.mark.parametrize("gz", [False, True])
async def test_power_cuts_take_only_what_was_not_synced(many: Callable[[], Path], gz: bool) -> None:
    """At each moment of a run, in good order or killed, and of the one that goes on behind it."""
    cuts = 0
    for kill_at in (10_000, *range(20, 34, 2)):
        story = Story(many(), gz)
        disk = Disk(story.folder)
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            disk.kill_at = kill_at
            with disk.process():
                await story.run(disk=disk)
            first = len(disk.ops) if not story.path.exists() else 0
            if not story.path.exists():
                await story.run(disk=disk)
        assert {op.kind for op in disk.ops} >= {"create", "write", "truncate", "sync", "sync folder", "rename"}
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fsync", lambda _: None)  # for time's sake
            for moment in range(first, len(disk.ops) + 1):
                for seed in range(2):
                    after = Story(many(), gz)
                    safe = disk.cut(moment, seed, after.folder)
                    if safe == len(CHUNKS):
                        assert after.path.exists()
                    await after.run(least=safe)
                    cuts += 1
    print(f"{cuts} power cuts")
    assert cuts > 250


async def test_power_cuts_again_and_again(many: Callable[[], Path]) -> None:
    draw = random.Random(3)
    for _ in range(25):
        story, safe = Story(many()), -1
        for _ in range(6):
            disk = Disk(story.folder)
            with pytest.MonkeyPatch.context() as patched:
                disk.install(patched)
                disk.kill_at = draw.randrange(60)
                story.written = safe
                with disk.process():
                    await story.run(disk=disk)
            after = many()
            safe = max(safe, disk.cut(draw.randint(len(disk.ops) // 2, len(disk.ops)), draw.randrange(1000), after))
            story = Story(after)
        story.written = -1
        await story.run(least=min(safe, len(CHUNKS) - 1))


async def test_an_old_file_stays_until_the_new_one_is_durable(many: Callable[[], Path]) -> None:
    folder = many()
    (folder / NAME).write_bytes(b"old")
    disk = Disk(folder)
    with pytest.MonkeyPatch.context() as patched:
        disk.install(patched)
        target = await FileTarget.open(
            folder / NAME, identity={}, resumable=True, unfinished="refuse", gzip=False, sync_every=1000.0
        )
        for number, chunk in enumerate(CHUNKS):
            await target.write(chunk, {"number": number})
        await target.finish()
        disk.safe(1)
    found: set[bytes] = set()
    for moment in range(len(disk.ops) + 1):
        for seed in range(6):
            after = many()
            safe = disk.cut(moment, seed, after)
            data = (after / NAME).read_bytes()
            assert data in {b"old", b"".join(CHUNKS)}
            assert safe < 0 or data != b"old"
            found.add(data)
    assert len(found) == 2


@pytest.mark.parametrize("gz", [False, True])
async def test_a_disk_that_is_full_at_any_moment_loses_nothing(many: Callable[[], Path], gz: bool) -> None:
    others = set(locking._HELD)
    for number in itertools.count():
        story = Story(many(), gz)
        disk = Disk(story.folder)
        asked = itertools.count()
        full = lambda: OSError(errno.ENOSPC, "full") if next(asked) >= number else None  # noqa: B023,E731
        with pytest.MonkeyPatch.context() as patched:
            disk.install(patched)
            disk.fault = full
            try:
                await story.run()
            except ExportWriteError as error:
                assert error.errno == errno.ENOSPC
                assert ("what was written is kept" in str(error)) == (story.written >= 0)
                assert others >= locking._HELD
            else:
                break
            disk.fault = None
            if story.path.exists():  # renamed, and only that was not made durable
                story.check_content()
                continue
            await story.run()
    print(f"full at {number} moments")
    assert number > 2 * len(CHUNKS)


CHILD = """
import asyncio, hashlib, random, sys
from pathlib import Path
from campaigns_async.export.target import FileTarget

async def main(path, gz):
    target = await FileTarget.open(
        Path(path), identity={}, resumable=True, unfinished="resume", gzip=gz, sync_every=0.01
    )
    first = 0 if target.resumed is None else target.resumed["next"]
    print("goes on", first, flush=True)
    for number in range(first, 40):
        await target.write(chunk(number), {"next": number + 1})
        print("written", number, flush=True)
    await target.finish()
    await target.aclose()

def chunk(number):
    draw = random.Random(number)
    return draw.randbytes(draw.choice([10, 50_000, 400_000])) + b"\\n"

asyncio.run(main(sys.argv[1], sys.argv[2] == "gzip"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_kill_9_while_it_writes(tmp_path: Path, form: str) -> None:
    draw, deaths = random.Random(form), 0
    undisturbed = tmp_path / "undisturbed"
    subprocess.run([sys.executable, "-c", CHILD, str(undisturbed), form], check=True, stdout=subprocess.DEVNULL)
    path, acknowledged = tmp_path / "out", -1
    while not path.exists():
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), form], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            first = child.stdout.readline().split()
            assert first[:2] == ["goes", "on"]
            assert int(first[2]) > acknowledged, "a write is lost that was acknowledged"
            wanted = draw.randrange(10)
            for line in child.stdout:
                acknowledged = int(line.split()[1])
                wanted -= 1
                if wanted <= 0 and deaths < 6:
                    # The next write is under way: let it come to some point, so that it is torn now and then.
                    for _ in range(draw.randrange(300)):
                        with suppress(FileNotFoundError):  # it may be whole by now
                            Path(f"{path}.part").stat()
                    child.send_signal(signal.SIGKILL)
                    deaths += 1
                    break
            for line in child.stdout:
                acknowledged = int(line.split()[1])
        assert child.returncode in {0, -signal.SIGKILL}
    assert deaths > 3
    assert path.read_bytes() == undisturbed.read_bytes()
    assert names(tmp_path) == {"out", "undisturbed"}
    if form == "gzip":
        assert gzip.decompress(path.read_bytes()).count(b"\n") >= 40


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from campaigns_async.export.errors import ExportWriteError
from campaigns_async.export.target import FileTarget

async def main(path):
    target = await FileTarget.open(Path(path), identity={}, resumable=True, unfinished="resume", gzip=False)
    try:
        for number in range(0 if target.resumed is None else target.resumed["next"], 100):
            await target.write(b"%08d rows\\n" % number * 100, {"next": number + 1})
        await target.finish()
    except ExportWriteError as error:
        print(error.errno, error, flush=True)
        return 1
    finally:
        await target.aclose()
        await target.aclose()

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
sys.exit(asyncio.run(main(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_file_that_may_not_grow_is_gone_on_with_when_it_may(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for limit in (300, 10_000, 77_777, 77_777, 10_000_000):
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(path), str(limit)], capture_output=True, text=True, check=False
        )
        if limit > 1_000_000:
            assert done.returncode == 0, done.stderr
        else:
            assert done.returncode == 1, done.stderr
            assert done.stdout.startswith(f"{errno.EFBIG} the file may not grow any further")
            part = Path(f"{path}.part")
            assert not part.exists() or part.stat().st_size % 1400 == 0, "no half row"
            assert part.exists() == (limit > 1400)
    assert path.read_bytes() == b"".join(b"%08d rows\n" % number * 100 for number in range(100))
    assert names(tmp_path) == {"out"}


async def test_a_file_that_is_renamed_while_it_is_locked_is_not_written_to(
    many: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run ends between the moment it is opened and the moment it is locked."""
    take = locking.take
    for unfinished in ("refuse", "resume", "restart"):
        path = many() / NAME
        part = Path(f"{path}.part")
        part.write_bytes(b"the other run's, whole")
        ends = [True]

        def taken(descriptor: int, name: str, ends: list[bool] = ends, part: Path = part) -> locking.FileLock:
            if ends:
                ends.clear()
                part.rename(part.with_suffix(""))
            return take(descriptor, name)

        with monkeypatch.context() as patched:
            patched.setattr(locking, "take", taken)
            target = await FileTarget.open(
                path,
                identity={},
                resumable=True,
                unfinished=unfinished,
                gzip=False,  # type: ignore[arg-type]
            )
        assert target.already_whole == (unfinished == "resume")
        if not target.already_whole:
            await target.write(b"ours", {})
        assert path.read_bytes() == b"the other run's, whole"
        await target.aclose()
        assert path.read_bytes() == b"the other run's, whole"


async def test_a_run_that_begins_as_another_ends_keeps_its_log(
    many: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is free, and with it the log's, before the one that ends has taken its own log away."""
    path = many() / NAME
    options: dict[str, Any] = {"identity": {}, "resumable": True, "gzip": False}
    publish, begun = PartFile.publish, list[Opened | None]()

    def published(part: PartFile, real: Path) -> None:
        publish(part, real)
        begun.append(open_files(Place.of(path), identity={}, resumable=True, unfinished="refuse", compact_at=1000))

    first = await FileTarget.open(path, unfinished="refuse", **options)
    await first.write(b"first", {"number": 1})
    with monkeypatch.context() as patched:
        patched.setattr(PartFile, "publish", published)
        await first.finish()
    await first.aclose()
    (second,) = begun
    assert second is not None
    assert second.log is not None
    second.part.write(b"second")
    second.log.append(Mark(second.part.offset, second.part.crc, {"number": 2}))
    second.log.close()
    second.part.release()
    third = await FileTarget.open(path, unfinished="resume", **options)
    assert third.resumed == {"number": 2}
    await third.aclose()


async def test_a_file_that_never_stands_still_is_in_use(
    many: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many() / NAME
    take = locking.take

    def taken(descriptor: int, name: str) -> locking.FileLock:
        Path(name).unlink()
        return take(descriptor, name)

    monkeypatch.setattr(locking, "take", taken)
    with pytest.raises(ExportInUseError):
        await FileTarget.open(path, identity={}, resumable=True, unfinished="refuse", gzip=False)


RIVAL = """
import asyncio, sys
from pathlib import Path
from campaigns_async.export.errors import ExportInUseError
from campaigns_async.export.target import FileTarget

async def main(path, name, unfinished):
    whole = 0
    sys.stdin.readline()
    while whole < 15:
        try:
            target = await FileTarget.open(
                Path(path), identity={"kind": "same"}, resumable=True, unfinished=unfinished, gzip=False
            )
        except ExportInUseError:
            continue
        assert target.resumed is None
        for number in range(5):
            await target.write(name * 100, None)
        await target.write(b"\\n", None)
        await target.finish()
        await target.aclose()
        whole += 1

asyncio.run(main(sys.argv[1], sys.argv[2].encode(), sys.argv[3]))
"""


@pytest.mark.slow
def test_runs_that_race_never_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / NAME
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, str(path), name, unfinished], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for name, unfinished in (("a", "restart"), ("b", "refuse"), ("c", "restart"))
    ]
    try:
        for rival in rivals:
            assert rival.stdin is not None
            rival.stdin.write(b"\n")
            rival.stdin.flush()
        seen: set[bytes] = set()
        while any(rival.poll() is None for rival in rivals):
            with suppress(FileNotFoundError):
                seen.add(path.read_bytes())
        for rival in rivals:
            _, told = rival.communicate(timeout=30)
            assert rival.returncode == 0, told.decode()
    finally:
        for rival in rivals:
            rival.kill()
            rival.communicate()
    seen.add(path.read_bytes())
    assert seen <= {name * 500 + b"\n" for name in (b"a", b"b", b"c")}
    assert names(tmp_path) == {NAME}


def test_a_second_process_is_refused_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    code = CHILD.replace('print("written"', 'sys.stdin.read() if number == 3 else print("written"')
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out"), "plain"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert [child.stdout.readline().split()[0] for _ in range(4)] == ["goes", "written", "written", "written"]

        async def tried(unfinished: Any) -> Any:
            target = await FileTarget.open(
                tmp_path / "out", identity={}, resumable=True, unfinished=unfinished, gzip=False
            )
            await target.aclose()
            return None if target.resumed is None else target.resumed["next"]

        for unfinished in ("refuse", "resume", "restart"):
            with pytest.raises(ExportInUseError):
                asyncio.run(tried(unfinished))
        child.kill()
        child.wait()
        assert asyncio.run(tried("resume")) >= 3
