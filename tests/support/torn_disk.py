"""A disk whose power can be cut, or that is full, for SQLite.

SQLite writes through `Disk.connect` to real files, and each write and sync is recorded. From the record, `images`
makes what may be found after a cut at each moment: what was synced, and of the rest some sectors, all, or none.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import apsw
from attrs import define, field, frozen

SECTOR = 512
_RESULTS: dict[type[apsw.Error], str] = {
    apsw.ConstraintError: "SQLITE_CONSTRAINT",
    apsw.CorruptError: "SQLITE_CORRUPT",
    apsw.NotADBError: "SQLITE_NOTADB",
    apsw.FullError: "SQLITE_FULL",
    apsw.IOError: "SQLITE_IOERR",
    apsw.CantOpenError: "SQLITE_CANTOPEN",
    apsw.ReadOnlyError: "SQLITE_READONLY",
    apsw.BusyError: "SQLITE_BUSY",
}
_NAMES = itertools.count(1)


@frozen
class Op:
    """Something that SQLite did to a file; or `mark`, something that the test noted."""

    kind: Literal["open", "write", "sync", "truncate", "delete", "mark"]
    file: str = ""
    """What follows the journal's name: "", "-wal", "-journal"."""
    at: int = 0
    data: bytes = field(default=b"", repr=len)
    synced: bool = False


Fault = Callable[[Op], None]
"""Called before each write and sync; may raise `apsw.FullError` or `apsw.IOError`."""


class Disk:
    """A recorder of what SQLite does to the file at `path`, and can fail.

    Args:
        path: Of the database.
        synchronous: Replaces the level that is asked for: to see what a weaker one loses.
        checkpoint: Pages in the log after which SQLite writes them back; few, so that short runs see it.
        fault: May fail writes and syncs; can be set later.
    """

    def __init__(
        self, path: Path, *, synchronous: str | None = None, checkpoint: int = 24, fault: Fault | None = None
    ) -> None:
        self.path = path
        self.ops: list[Op] = []
        self.fault = fault
        self._synchronous = synchronous
        self._checkpoint = checkpoint
        self._vfs = _Vfs(self)
        self._before = {
            suffix: file.read_bytes()
            for suffix in ("", "-wal", "-journal")
            if (file := Path(f"{path}{suffix}")).exists()
        }

    def mark(self) -> None:
        """Note that something was acknowledged just now."""
        self.ops.append(Op("mark"))

    def done(self, op: Op) -> None:
        if self.fault is not None and op.kind in {"write", "sync", "truncate"}:
            self.fault(op)
        self.ops.append(op)

    def suffix(self, name: str) -> str:
        return name.removeprefix(str(self.path))

    def connect(self, name: str, /, **_: Any) -> Any:
        """Replace `sqlite3.connect`."""
        with _errors():
            connection = apsw.Connection(
                name, apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, self._vfs.name
            )
            connection.set_wal_hook(self._checkpoint_after_commit)
        return _Connection(connection, self._synchronous)

    def _checkpoint_after_commit(self, connection: apsw.Connection, schema: str, pages: int) -> int:
        """Run the checkpoint that SQLite runs after a commit. SQLite ignores its errors; apsw would raise them."""
        if pages >= self._checkpoint:
            with suppress(apsw.Error):
                connection.wal_checkpoint(schema)
        return apsw.SQLITE_OK

    def images(self) -> Iterator[Image]:
        """Yield what is on the disk after each operation: one image a moment, the first before all of them."""
        image = Image()
        for suffix, content in self._before.items():
            image.files[suffix] = _File(content)
        yield image
        for op in self.ops:
            image.apply(op)
            yield image


@define
class _File:
    durable: bytes | None = None
    """As of the latest sync; None: the file is not sure to be there."""
    pending: list[Op] = field(factory=list)

    def name_synced(self) -> None:
        """Record a sync of the folder: whether there is such a file is settled, what is in it is not."""
        for number, op in reversed(list(enumerate(self.pending))):
            if op.kind == "delete":
                self.durable = None
                del self.pending[: number + 1]
                break
        if self.durable is None and any(op.kind == "open" for op in self.pending):
            self.durable = b""


@define
class Image:
    """The content of the disk, and what it may lose."""

    marks: int = 0
    files: dict[str, _File] = field(factory=dict)

    def apply(self, op: Op) -> None:
        if op.kind == "mark":
            self.marks += 1
            return
        file = self.files.setdefault(op.file, _File())
        if op.kind == "sync" or (op.kind == "delete" and op.synced):
            if op.kind == "delete":
                file.pending.append(op)
            # SQLite syncs the folder with the first sync of a journal that it made.
            named = op.kind == "delete" or (op.file != "" and any(each.kind == "open" for each in file.pending))
            file.durable = _write_pending(file, 1.0, random.Random(0), garbage=False)
            file.pending.clear()
            if named:
                for each in self.files.values():
                    each.name_synced()
        else:
            file.pending.append(op)

    def cut(self, seed: int, folder: Path, name: str) -> Path:
        """Write what one cut leaves into a folder; the path of the database."""
        draw = random.Random(seed)
        luck = draw.choice([0.0, 0.5, 0.9, 1.0])
        garbage = draw.random() < 0.3
        for suffix, file in self.files.items():
            content = _write_pending(file, luck, draw, garbage=garbage)
            if content is not None:
                (folder / f"{name}{suffix}").write_bytes(content)
        return folder / name


def _write_pending(file: _File, luck: float, draw: random.Random, *, garbage: bool) -> bytes | None:
    """Return a file after its pending operations, each of which reaches the disk, or part of it, with some luck."""
    content = None if file.durable is None else bytearray(file.durable)
    for op in file.pending:
        kept = draw.random() < luck
        if op.kind == "open":
            content = bytearray() if content is None and kept else content
        elif op.kind == "delete":
            content = None if kept else content
        elif op.kind == "truncate":
            if content is not None and kept:
                del content[op.at :]
                content.extend(bytes(op.at - len(content)))
        elif op.kind == "write":
            content = _sectors(content or bytearray(), op, luck, draw, garbage=garbage)
    return None if content is None else bytes(content)


def _sectors(content: bytearray, op: Op, luck: float, draw: random.Random, *, garbage: bool) -> bytearray:
    """Write what is kept. What is lost beyond the file's end is a hole, or whatever the disk held before."""
    end = op.at + len(op.data)
    first = op.at
    while first < end:
        last = min(end, first - first % SECTOR + SECTOR)
        if draw.random() < luck:
            content.extend(bytes(max(0, last - len(content))))
            content[first:last] = op.data[first - op.at : last - op.at]
        elif garbage and first >= len(content):
            content.extend(bytes(first - len(content)))
            content.extend(draw.randbytes(last - first))
        first = last
    return content


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.name = f"torn-{next(_NAMES)}"
        self.disk = disk
        super().__init__(self.name, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _VfsFile(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        super().xDelete(filename, syncdir)
        self.disk.done(Op("delete", self.disk.suffix(filename), synced=bool(syncdir)))


class _VfsFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        text = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self.disk = disk
        self.suffix = disk.suffix(text)
        self.temporary = not text
        super().__init__("unix", name, flags)
        self._done(Op("open", self.suffix))

    def _done(self, op: Op) -> None:
        if not self.temporary:
            self.disk.done(op)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._done(Op("write", self.suffix, offset, bytes(data)))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._done(Op("sync", self.suffix))
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._done(Op("truncate", self.suffix, newsize))
        super().xTruncate(newsize)


class _errors:  # noqa: N801 - a block
    """A block that raises sqlite3's errors for apsw's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, apsw.Error):
            return
        name = next((name for kind, name in _RESULTS.items() if isinstance(error, kind)), "SQLITE_ERROR")
        if name == "SQLITE_CONSTRAINT":
            ours: sqlite3.Error = sqlite3.IntegrityError(str(error))
        elif name in {"SQLITE_CORRUPT", "SQLITE_NOTADB"}:
            ours = sqlite3.DatabaseError(str(error))
        else:
            ours = sqlite3.OperationalError(str(error))
        ours.sqlite_errorname = name
        raise ours from error


class _Cursor:
    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self.rowcount = rowcount
        self._rows = rows

    def fetchall(self) -> list[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None


class _Connection:
    """A connection with those methods of sqlite3's that the journal uses."""

    def __init__(self, connection: apsw.Connection, synchronous: str | None) -> None:
        self._connection = connection
        self._synchronous = synchronous

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> _Cursor:
        if self._synchronous and statement.startswith("PRAGMA synchronous"):
            statement = f"PRAGMA synchronous = {self._synchronous}"
        with _errors():
            rows = list(self._connection.execute(statement, tuple(parameters)))
            return _Cursor(rows, self._connection.changes())

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> _Cursor:
        with _errors():
            self._connection.executemany(statement, [tuple(row) for row in parameters])
            return _Cursor([], -1)

    def close(self) -> None:
        with suppress(apsw.Error):  # SQLite forgives what fails then
            self._connection.close()
