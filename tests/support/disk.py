"""A file system that is watched: it dies in the middle of an operation, fills up, or loses power."""

from __future__ import annotations

import errno
import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import define, field, frozen

SECTOR = 64
"""Bytes that reach the disk together; few, so that small files are torn too."""


class Killed(OSError):
    """The process is dead: nothing that it does to the folder from here on happens."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "killed")


@frozen
class Op:
    """An operation on the folder; or `safe`: from here on no power cut may take what `at` names."""

    kind: Literal["create", "write", "truncate", "sync", "sync folder", "rename", "unlink", "safe"]
    file: int = 0
    at: int = 0
    data: bytes = field(default=b"", repr=len)
    name: str = ""
    to: str = ""


class Disk:
    """Watches a folder through the functions of `os`.

    Args:
        folder: Its content at the start counts as durable.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ops: list[Op] = []
        self.kill_at: int | None = None
        """Operations until the process dies, in the middle of the last one."""
        self.fault: Callable[[], OSError | None] | None = None
        """Asked before each operation that can fail on a full disk."""
        self.is_dead = False
        self.before = {each.name: each.read_bytes() for each in folder.iterdir()}
        self._names = {name: -number for number, name in enumerate(self.before, 1)}
        self._numbers = itertools.count(1)
        self._open: dict[int, int] = {}
        """File numbers by descriptor; the folder's is 0."""

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put itself before the functions of `os`."""
        for name in ("open", "close", "write", "ftruncate", "fsync", "replace", "unlink"):
            real = getattr(os, name)
            ours = getattr(self, f"on_{name}")
            monkeypatch.setattr(os, name, lambda *given, real=real, ours=ours, **more: ours(real, *given, **more))

    def restart(self) -> None:
        """Begin another process on the same folder."""
        self.is_dead, self.kill_at = False, None

    def safe(self, number: int) -> None:
        """Note that no power cut may take what `number` names."""
        if not self.is_dead:
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
            data = data[: len(data) // 2]  # a disk that fills up takes part of it, then refuses the rest
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
        return None  # a real one would only take time

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
        """Write what a power cut leaves after `moment` operations; return the last safe number, -1 for none."""
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
        # Operations on names reach the disk in their order.
        for name, number in _renamed(names, pending[: draw.randint(0, len(pending))]).items():
            (to / name).write_bytes(files[number].torn(luck, draw))
        return safe

    def _name(self, path: Any) -> str | None:
        path = Path(path)
        return path.name if path.parent == self.folder else None

    def _step(self, *, fails: bool = False, halves: bool = False) -> bool:
        """Return True if the process is to die in the middle of this operation."""
        if self.is_dead:
            raise Killed
        if fails and self.fault is not None and (error := self.fault()) is not None:
            raise error
        if self.kill_at is not None:
            self.kill_at -= 1
            if self.kill_at < 0:
                self.is_dead = True
                if not halves:
                    raise Killed
        return self.is_dead


@define
class _File:
    durable: bytes = b""
    pending: list[Op] = field(factory=list[Op])

    def sync(self) -> None:
        self.durable = self.torn(1.0, random.Random(0))
        self.pending.clear()

    def torn(self, luck: float, draw: random.Random) -> bytes:
        """Return the content if some pending operations reach the disk; a sector that does not holds anything."""
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
