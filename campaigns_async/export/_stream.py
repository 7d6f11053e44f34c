"""A stream that an export is written to: standard output, a pipe, or any object that takes bytes."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import io
import os
import select
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, ClassVar, Final, cast

from campaigns_async._threads import wait_to_end
from campaigns_async.export._walk import Position
from campaigns_async.export.export_errors import ExportWriteError, explain_os_error

_POLL: Final = 200
"""Milliseconds between two checks for a cancellation while a pipe is full."""


class StreamTarget:
    """A stream that is written to. An export to a stream cannot be resumed, and the stream is not closed.

    A write to a pipe can be cancelled, even if no process reads the pipe. Any other write ends before its cancellation.
    Nothing else may write to the stream during the export.
    """

    resumed: ClassVar[None] = None
    restarted: ClassVar[bool] = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._descriptor = _find_descriptor(stream)
        self._is_file = self._descriptor is not None and stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._has_begun = False
        self._cancelled = threading.Event()
        self._failure: ExportWriteError | None = None

    async def open(self) -> bool:
        """Return True: a stream is open already."""
        return True

    async def write(self, data: bytes, rows: int = 0, position: Position | None = None) -> None:
        """Write complete rows. Their number and position are not used."""
        await self._run(lambda: self._write(data))

    async def finish(self) -> None:
        """Flush the stream."""
        await self._run(self._stream.flush)

    async def aclose(self) -> None:
        """Keep the stream open: its owner closes it."""

    async def _run(self, work: Callable[[], object]) -> None:
        if self._failure is not None:
            raise ExportWriteError(self._failure.message, errno=self._failure.errno)
        running = asyncio.ensure_future(asyncio.to_thread(self._stop_on_failure, work))
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            self._cancelled.set()
            with suppress(Exception):  # the next write raises it
                await wait_to_end(running)
            raise
        running.result()

    def _stop_on_failure(self, work: Callable[[], object]) -> None:
        """Refuse all writes after a failure, so that no row follows an incomplete one."""
        # Kept if another error ends the work, because it is unknown then how much was written.
        self._failure = ExportWriteError("an earlier write failed: export again")
        try:
            work()
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError):
                if not self._stream.closed:
                    raise
                error = OSError(errno.EBADF, "it is closed")
            self._failure = explain_os_error(error, "export again")
            raise self._failure from None
        except ExportWriteError as error:
            self._failure = error
            raise
        self._failure = None

    def _write(self, data: bytes) -> None:
        if not self._has_begun:
            self._stream.flush()  # so that bytes that the owner wrote before are not written after the rows
            self._has_begun = True
        with memoryview(data) as view:
            if self._descriptor is None:
                self._write_to_stream(view)
            elif self._is_file:
                _write_to_file(self._descriptor, view)
            else:
                self._write_to_pipe(self._descriptor, view)

    def _write_to_stream(self, data: memoryview) -> None:
        written = 0
        while written < len(data):
            # A stream that is not from `io` may return None after writing all of the bytes.
            count = cast("int | None", self._stream.write(data[written:]))
            if count is None and isinstance(self._stream, io.RawIOBase):
                raise BlockingIOError(errno.EAGAIN, "it is non-blocking, and full")
            written += len(data) - written if count is None else count
        self._stream.flush()

    def _write_to_pipe(self, descriptor: int, data: memoryview) -> None:
        # Each piece is written once the pipe has room for it: a write that blocks could not be cancelled.
        room = select.poll()
        room.register(descriptor, select.POLLOUT)
        written = 0
        while written < len(data):
            if self._cancelled.is_set():
                raise ExportWriteError("an earlier write was cancelled: export again")
            if room.poll(_POLL):
                with suppress(BlockingIOError):
                    written += os.write(descriptor, data[written : written + select.PIPE_BUF])


def _write_to_file(descriptor: int, data: memoryview) -> None:
    """Write all of the data or nothing, as far as the disk allows."""
    written = 0
    before = _find_end(descriptor)
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except BaseException:  # of any kind, so that no incomplete row remains
        if before is not None and written and _find_end(descriptor) == before + written:
            with suppress(OSError):
                os.ftruncate(descriptor, before)
                os.lseek(descriptor, before, os.SEEK_SET)
        raise


def _find_end(descriptor: int) -> int | None:
    """Return the size of a file that is written at its end; None for a file that must not be truncated."""
    with suppress(OSError):
        size = os.fstat(descriptor).st_size
        appends = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND
        if appends or os.lseek(descriptor, 0, os.SEEK_CUR) == size:
            return size
    return None


def _find_descriptor(stream: Any) -> int | None:
    """Return the descriptor of a stream that writes bytes unchanged, so that the descriptor can be written to directly.

    A direct write does not hold the stream's own lock, so that the process can exit while the write blocks.
    """
    # Exactly these classes: a subclass may change the bytes.
    raw = stream.raw if type(stream) in {io.BufferedWriter, io.BufferedRandom} else stream
    if type(raw) is not io.FileIO:
        return None
    with suppress(ValueError, OSError):  # a closed stream: the first write raises the error
        descriptor: int = raw.fileno()
        return descriptor
    return None
