"""How far a file is written: a log beside it, that is read again after any end.

Each line is a JSON object that carries the CRC-32 of what stands before it in the line, so that one that a crash tore
or a power cut spoiled is known, and passed over. The first says what is exported; each other one how long the file was,
the CRC-32 of all of it, and from where the export goes on.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self, cast

from attrs import field, frozen

from campaigns_async.export import _files
from campaigns_async.export.ports import Json

VERSION: Final = 1
COMPACT_AT: Final = 1024 * 1024
"""Bytes beyond which a log is written anew at the next sync."""
_SUM: Final = b',"sum":'


@frozen
class Mark:
    """A place in the file from which the export can go on."""

    offset: int
    crc: int
    """CRC-32 of the file up to there."""
    position: Mapping[str, Json] = field(repr=False)


@frozen
class Found:
    """What a log says."""

    version: int | None
    """None: what it begins with cannot be read."""
    identity: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    inode: int = 0
    """Of the file that it was begun with."""
    marks: tuple[Mark, ...] = ()
    """In the order in which they were written."""


class ProgressLog:
    """A log that is written. Get one by `begin`.

    Attributes:
        last: The latest mark.
    """

    def __init__(self, path: Path, head: bytes, mode: int, last: Mark | None, compact_at: int) -> None:
        self.last = last
        self._path = path
        self._head = head
        self._mode = mode
        self._compact_at = compact_at
        self._size = 0
        self._descriptor = -1

    @classmethod
    def begin(
        cls, path: Path, identity: Mapping[str, str], inode: int, mode: int, last: Mark | None, compact_at: int
    ) -> Self:
        """Put a log in the place of what is there, durably, with one mark or none.

        Raises:
            OSError: It cannot be written; what was there is there.
        """
        head = _line({"version": VERSION, "identity": dict(identity), "inode": inode})
        log = cls(path, head, mode, last, compact_at)
        try:
            log._rewrite()
        except BaseException:  # whatever it was: no descriptor is left open
            log.close()
            raise
        return log

    def append(self, mark: Mark) -> None:
        """Write a mark down, behind the data that it speaks of.

        Raises:
            OSError: It cannot be written; what is there of it is passed over, and nothing may come behind it.
        """
        line = _mark_line(mark)
        _files.write_all(self._descriptor, line)
        self._size += len(line)
        self.last = mark

    def sync(self) -> None:
        """Make it durable, the data being so; where it has grown long, all but the latest mark goes.

        Raises:
            OSError: It is not; what was is.
        """
        os.fsync(self._descriptor)
        if self._size > self._compact_at:
            self._rewrite()

    def remove(self) -> None:
        """Take it away, if it is there still: where the file has its name, another run may have begun by now."""
        with suppress(OSError, ValueError):  # in nobody's way
            is_ours = _files.is_named(self._path, self._descriptor)
            self.close()
            if is_ours:
                _files.remove(self._path)

    def close(self) -> None:
        """Leave it. May be called again."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _rewrite(self) -> None:
        content = self._head + (b"" if self.last is None else _mark_line(self.last))
        new = self._path.with_name(f"{self._path.name}.new")
        _files.remove(new)  # of a run that died; who holds the lock on the file is alone
        flags = os.O_WRONLY | os.O_APPEND | _files.FLAGS
        descriptor = os.open(new, flags | os.O_CREAT | os.O_EXCL, self._mode)
        try:
            _files.write_all(descriptor, content)
            os.fsync(descriptor)
            if sys.platform == "win32":  # open files can be neither renamed nor replaced there
                self.close()
                os.close(descriptor)
                new.replace(self._path)
                descriptor = os.open(self._path, flags)
            else:
                new.replace(self._path)
        except BaseException:  # whatever it was: nothing is left lying about
            with suppress(OSError):
                os.close(descriptor)
            _files.remove(new)
            raise
        self.close()
        self._descriptor, self._size = descriptor, len(content)
        _files.sync_folder(self._path.parent)


def read(path: Path) -> Found | None:
    """What a log says; None: there is none.

    Raises:
        OSError: It cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _files.FLAGS)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        head, *lines = file.read().split(b"\n")[:-1] or [b""]
    said = _said(head)
    version, identity, inode = said.get("version"), said.get("identity"), said.get("inode")
    if not isinstance(version, int):
        return Found(None)
    if version != VERSION or not isinstance(identity, dict) or not isinstance(inode, int):
        return Found(version if version != VERSION else None)
    marks = (_mark(_said(line)) for line in lines)
    return Found(version, cast("dict[str, str]", identity), inode, tuple(mark for mark in marks if mark is not None))


def _line(content: Mapping[str, Json]) -> bytes:
    text = json.dumps(content, default=_plain, separators=(",", ":"), allow_nan=False).encode()
    return b"%b%b%d}\n" % (text[:-1], _SUM, zlib.crc32(text[:-1]))


def _mark_line(mark: Mark) -> bytes:
    return _line({"offset": mark.offset, "crc": mark.crc, "position": mark.position})


def _said(line: bytes) -> dict[str, Any]:
    """The content of a line; empty where it is not as it was written."""
    before, _, after = line.rpartition(_SUM)
    if after != b"%d}" % zlib.crc32(before):
        return {}
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _mark(said: dict[str, Any]) -> Mark | None:
    offset, crc, position = said.get("offset"), said.get("crc"), said.get("position")
    if isinstance(offset, int) and isinstance(crc, int) and isinstance(position, dict) and offset >= 0:
        return Mark(offset, crc, cast("dict[str, Json]", position))
    return None


def _plain(value: object) -> object:
    """Mappings and sequences that `json` does not know."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, Sequence):
        return list(cast("Sequence[object]", value))
    raise TypeError(f"{type(value).__name__} cannot stand in a position")
