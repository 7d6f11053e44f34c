"""Writes an export to a file, which appears under its name only when it is whole."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from campaigns_async import checks
from campaigns_async.export import _files, progress_log
from campaigns_async.export._files import Place, writing
from campaigns_async.export._unfinished import Opened, open_files
from campaigns_async.export.errors import ExportError, ExportWriteError
from campaigns_async.export.options import UNFINISHED, Unfinished
from campaigns_async.export.ports import Json
from campaigns_async.export.progress_log import Mark
from campaigns_async.threads import ThreadWriter, Writer, to_its_end

_LEVEL: Final = 6
_GZIP: Final = 31
"""zlib's word for gzip; it puts no time into the header."""


class FileTarget:
    """A file. Get one by `open`.

    Until it is whole it is written to `NAME.part`; how far it is stands in `NAME.part.progress`. A process that is
    killed loses at most the write under way, a power cut `sync_every` seconds besides.

    Attributes:
        resumed: The position that a cut-off export goes on from; None: this one begins.
        started_over: A cut-off export was to be resumed and could not be: it was begun anew.
        already_whole: It was to be resumed, and is whole; nothing can be written.
    """

    def __init__(
        self, opened: Opened | None, writer: Writer, *, gzip: bool, sync_every: float, clock: Callable[[], float]
    ) -> None:
        self.resumed: Mapping[str, Json] | None = (
            None if opened is None or opened.mark is None else opened.mark.position
        )
        self.started_over: bool = opened is not None and opened.started_over
        self.already_whole: bool = opened is None
        self._opened = opened
        self._writer = writer
        self._gzip = gzip
        self._sync_every = sync_every
        self._clock = clock
        self._synced_at = clock()
        self._failed: ExportWriteError | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        identity: Mapping[str, str],
        resumable: bool,
        unfinished: Unfinished,
        gzip: bool,
        sync_every: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Open a file, and see what is there of it.

        Args:
            path: Of the file; a link is followed, and kept.
            identity: By their names, the options that a resumed export must have in common with this one.
            resumable: Whether the format can be resumed.
            unfinished: What to do about a cut-off export.
            gzip: Whether to compress, each write to a gzip member of its own.
            sync_every: Seconds, from 0, between two moments that survive a power cut.
            clock: Monotonic seconds.

        Raises:
            UnfinishedExportError: A cut-off export lies there, and `unfinished` is `refuse`.
            ResumeError: It is another one, or damaged. It was left as it is.
            ExportInUseError: Another run writes the file.
            ExportWriteError: The file cannot be written: a folder, none to be in, no permission, a full disk.
            ExportError: It cannot be locked, or something is in the way.
            ConfigurationError: `sync_every` or `unfinished` is none.
        """
        checks.check_seconds("sync_every", sync_every, ge=0.0)
        checks.check_choice("unfinished", unfinished, UNFINISHED)
        writer = ThreadWriter("campaigns-export")
        made: list[Self] = []

        def work() -> None:
            with writing(_files.ONCE_MORE):
                opened = open_files(
                    Place.of(path),
                    identity=identity,
                    resumable=resumable,
                    unfinished=unfinished,
                    compact_at=progress_log.COMPACT_AT,
                )
            made.append(cls(opened, writer, gzip=gzip, sync_every=sync_every, clock=clock))

        try:
            await to_its_end(writer.run(work))
        except asyncio.CancelledError:
            for target in made:  # it holds the lock
                await target.aclose()
            raise
        finally:
            if not made:
                writer.close()
        return made[0]

    async def write(self, data: bytes, position: Mapping[str, Json] | None) -> None:
        """See `Target.write`. Cancelled, it is written all the same, and the cancellation goes on then."""
        await to_its_end(self._writer.run(lambda: self._write(self._live(), data, position)))

    async def finish(self) -> None:
        """See `Target.finish`. Cancelled, it appears all the same."""
        await to_its_end(self._writer.run(lambda: self._finish(self._live())))
        self._writer.close()

    async def aclose(self) -> None:
        """See `Target.aclose`. Where nothing can be resumed, nothing is left; beside an old file, an empty `NAME.part`."""
        if self._opened is None:
            self._writer.close()
            return
        try:
            await to_its_end(self._writer.run(self._close))
        finally:
            self._writer.close()

    def _live(self) -> Opened:
        if self._failed is not None:
            raise ExportWriteError(self._failed.message, errno=self._failed.errno)
        if self._opened is None:
            raise ExportError("the output is closed")
        return self._opened

    def _write(self, opened: Opened, data: bytes, position: Mapping[str, Json] | None) -> None:
        part, log = opened.part, opened.log
        with self._failing(opened):
            if data:
                part.write(self._packed(data))
            if position is not None and log is not None:
                log.append(Mark(part.offset, part.crc, position))
            if self._clock() - self._synced_at >= self._sync_every:
                self._sync(opened)

    def _sync(self, opened: Opened) -> None:
        opened.part.sync()  # first: the log must not know of more than the file holds
        if opened.log is not None:
            opened.log.sync()
        self._synced_at = self._clock()

    def _finish(self, opened: Opened) -> None:
        with self._failing(opened):
            if self._gzip and not opened.part.offset:
                opened.part.write(self._packed(b""))  # no file of gzip is empty
            if opened.place.mode is not None:
                opened.part.give_mode(opened.place.mode)
            opened.part.sync()
            opened.part.publish(opened.place.real)
            _files.sync_folder(opened.place.real.parent)
        if opened.log is not None:
            opened.log.remove()
        self._opened = None

    def _close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is None:
            return
        can_go_on = _can_go_on(opened)
        if can_go_on and opened.part.is_locked:  # not renamed already
            with suppress(OSError, ValueError):  # what is written is there; only a power cut could take it
                self._sync(opened)
        if not can_go_on and opened.part.is_locked:
            self._leave_nothing(opened)
        if opened.log is not None:
            opened.log.close()
        opened.part.release()

    def _leave_nothing(self, opened: Opened) -> None:
        if opened.log is not None:
            opened.log.remove()
        if opened.place.mode is not None:
            # Were there nothing beside the old file, a run that is to resume this one would take that for the new.
            with suppress(OSError):
                opened.part.cut(None)
            return
        opened.part.remove()

    @contextmanager
    def _failing(self, opened: Opened) -> Generator[None]:
        """After whatever goes wrong here nothing more is written, and nothing appears under the output's name."""
        try:
            with writing(_files.GO_ON if _can_go_on(opened) else _files.AGAIN):
                yield
        except ExportWriteError as error:
            self._failed = error
            raise
        except BaseException:  # whatever it was, see above
            self._failed = ExportWriteError("an earlier write failed: export again, or resume")
            raise

    def _packed(self, data: bytes) -> bytes:
        return zlib.compress(data, _LEVEL, wbits=_GZIP) if self._gzip else data


def _can_go_on(opened: Opened) -> bool:
    return opened.log is not None and opened.log.last is not None
