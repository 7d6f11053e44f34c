"""The state file of an unfinished export, `NAME.part.progress`, which is replaced so that it survives a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from attrs import frozen

from campaigns_async.export._walk import Count, Position
from campaigns_async.export.export_errors import ResumeError
from campaigns_async.values import Checkpoint

RESTART: Final = 'restart with unfinished="restart" (--restart)'
_VERSION: Final = 3
_LONGEST_NAME: Final = 40


class _Versioned(msgspec.Struct):
    version: int


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the state file: what identifies the export, and how far the part file is durable.

    Attributes:
        offset: Bytes of the part file that are durable.
        tail: The CRC-32 of the last of these bytes, which detects another file.
    """

    identity: dict[str, str]
    inode: int
    offset: Count
    tail: int
    rows: Count
    position: Position
    version: int = _VERSION

    @classmethod
    def decode(cls, data: bytes) -> State:
        with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            if msgspec.json.decode(data, type=_Versioned).version != _VERSION:
                raise ResumeError(f"the unfinished export was made by another version of this package: {RESTART}")
            state = msgspec.json.decode(data, type=cls)
            if _is_possible(state.position.checkpoint) and _is_possible(state.position.listing):
                return state
        raise ResumeError(f"the state of the unfinished export is damaged: {RESTART}")

    def check_identity(self, identity: Mapping[str, str]) -> None:
        """Raise an error if the unfinished export is not the one that resumes it: the names of the options that differ."""
        names = sorted(
            name if name.isidentifier() and len(name) <= _LONGEST_NAME else "others"
            for name in {*self.identity, *identity}
            if self.identity.get(name) != identity.get(name)
        )
        if names:
            raise ResumeError(
                f"the unfinished export is another one ({', '.join(dict.fromkeys(names))} "
                f"{'differs' if len(names) == 1 else 'differ'}): resume it with the options that it began with, or {RESTART}"
            )


def _is_possible(checkpoint: Checkpoint | None) -> bool:
    if checkpoint is None:
        return True
    counts = (checkpoint.offset, checkpoint.rows, checkpoint.total or 0)
    return min(checkpoint.page_size, checkpoint.page) >= 1 and min(counts) >= 0


@frozen
class StateFile:
    """The state file on the disk, and the mode to create it with."""

    path: Path
    mode: int

    def read(self) -> bytes | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def replace(self, data: bytes) -> None:
        """Replace the content completely or not at all. `sync_folder` makes the new content durable."""
        self.remove_new()
        descriptor = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self.mode)
        try:
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._new.replace(self.path)
        except BaseException:  # of any kind, so that no temporary file remains
            with suppress(OSError):
                self._new.unlink()
            raise

    def remove(self) -> None:
        """Remove the state file durably, because it does not describe the rows that are written from now on."""
        with suppress(FileNotFoundError):
            self.path.unlink()
            self.sync_folder()

    def remove_new(self) -> None:
        """Remove the temporary file of a run that was killed while it replaced the state file."""
        self._new.unlink(missing_ok=True)

    def sync_folder(self) -> None:
        """Make the names in the folder durable, if the file system can do so."""
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # file systems that cannot
                raise
        finally:
            os.close(descriptor)

    @property
    def _new(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")


def write_all(descriptor: int, data: bytes) -> None:
    """Write data to a file. One `os.write` may write only a part."""
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(descriptor, view[written:])
