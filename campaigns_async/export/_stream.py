"""Writes an export to a stream: standard output, a pipe, anything that takes bytes."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, Final, cast

from campaigns_async._threads import wait_to_end
from campaigns_async.export._walk import Position
from campaigns_async.export.export_errors import ExportWriteError, explain_os_error

if sys.platform != "win32":
    import fcntl
    import select

_POLL: Final = 200
"""Milliseconds between two looks whether the write to a pipe was cancelled."""


class StreamTarget:
    """A stream that is written to. Nothing of it can be resumed, and it is not closed.

    A cancelled write to a pipe stops, whether or not anybody reads the pipe. Any other write is waited for.

    Args:
        stream: Takes bytes; nothing else may write to it meanwhile.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._descriptor = _find_descriptor(stream)
        self._is_file = self._descriptor is not None and stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._began = False
        self._cancelled = threading.Event()
        self._failed: ExportWriteError | None = None

    async def write(self, data: bytes, rows: int = 0, position: Position | None = None) -> None:
        """Write rows.

        Args:
            data: Whole rows; may be empty.
            rows: Not used.
            position: Not used.

        Raises:
            ExportWriteError: The rows cannot be written.
        """
        await self._run(lambda: self._write(data))

    async def finish(self) -> None:
        """Flush the stream.

        Raises:
            ExportWriteError: It cannot be flushed.
        """
        await self._run(self._stream.flush)

    async def aclose(self) -> None:
        """Do nothing: the stream is its owner's to close."""

    async def _run(self, work: Callable[[], object]) -> None:
        if self._failed is not None:
            raise ExportWriteError(self._failed.message, errno=self._failed.errno)
        running = asyncio.ensure_future(asyncio.to_thread(self._keep_failure, work))
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            self._cancelled.set()
            with suppress(Exception):  # kept for the next write; the cancellation continues
                await wait_to_end(running)
            raise
        running.result()

    def _keep_failure(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError):
                self._failed = ExportWriteError("an earlier write failed: export again")
                if not self._stream.closed:
                    raise
                error = OSError(errno.EBADF, "it is closed")
            self._failed = explain_os_error(error, "export again")
            raise self._failed from None
        except BaseException:  # nobody knows how much was written
            self._failed = ExportWriteError("an earlier write failed: export again")
            raise

    def _write(self, data: bytes) -> None:
        if not self._began:
            self._stream.flush()  # what others wrote before comes first
            self._began = True
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
            # A stream that is not from `io` need not return how much it took: then it took all.
            took = cast("int | None", self._stream.write(data[written:]))
            if took is None and isinstance(self._stream, io.RawIOBase):
                raise BlockingIOError(errno.EAGAIN, "it does not wait for its reader")
            written += len(data) - written if took is None else took
        self._stream.flush()

    def _write_to_pipe(self, descriptor: int, data: memoryview) -> None:
        # Each piece is written once there is room for it: a write that blocks could not be cancelled.
        room = select.poll()
        room.register(descriptor, select.POLLOUT)
        written = 0
        while written < len(data):
            if self._cancelled.is_set():
                self._failed = ExportWriteError("an earlier write was cancelled: export again")
                return
            if room.poll(_POLL):
                with suppress(BlockingIOError):
                    written += os.write(descriptor, data[written : written + select.PIPE_BUF])


def _write_to_file(descriptor: int, data: memoryview) -> None:
    """Write all or nothing, as far as the disk allows."""
    written = 0
    before = _end_of(descriptor)
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except BaseException:  # of any kind: leave no half row
        if before is not None and written and _end_of(descriptor) == before + written:
            with suppress(OSError):
                os.ftruncate(descriptor, before)
                os.lseek(descriptor, before, os.SEEK_SET)
        raise


def _end_of(descriptor: int) -> int | None:
    """Return the size of a file that is written at its end; None for one where nothing may be cut off."""
    with suppress(OSError):
        size = os.fstat(descriptor).st_size
        appends = sys.platform != "win32" and bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)
        if appends or os.lseek(descriptor, 0, os.SEEK_CUR) == size:
            return size
    return None


def _find_descriptor(stream: Any) -> int | None:
    """Return the descriptor of a stream that adds nothing to the bytes, so that it can be written to directly.

    The stream's own lock is not held then, so that the process can end whatever happens to the write.
    """
    # Exactly these classes: others may do anything with the bytes.
    raw = stream.raw if type(stream) in {io.BufferedWriter, io.BufferedRandom} else stream
    if type(raw) is not io.FileIO or sys.platform == "win32":
        return None
    with suppress(ValueError, OSError):  # closed: the first write will say so
        descriptor: int = raw.fileno()
        return descriptor
    return None
