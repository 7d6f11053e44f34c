"""Writes an export to a stream: standard output, a pipe, whatever takes bytes."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Final, TypeVar, cast

from attrs import frozen

from campaigns_async import checks
from campaigns_async.export import _files
from campaigns_async.export.errors import ExportWriteError
from campaigns_async.export.ports import Json
from campaigns_async.threads import to_its_end

if sys.platform != "win32":
    import fcntl
    import select

T = TypeVar("T")
_NO_WAIT: Final = "it does not wait for its reader"
_POLL: Final = 200
"""Milliseconds between two looks at whether anybody still waits, where a pipe does not block."""


class StreamTarget:
    """A stream. Nothing of it can be resumed, and it is not closed.

    Args:
        stream: Takes bytes; nothing else may write to it meanwhile.
        patience: Seconds, from 0, that a cancelled write is waited for, before it is left to whoever may read on.
            A file is always written to the end of the chunk.

    Raises:
        ConfigurationError: `patience` is none.
    """

    def __init__(self, stream: BinaryIO, *, patience: float = 1.0) -> None:
        self._stream = stream
        self._patience = checks.check_seconds("patience", patience, ge=0.0)
        self._plain = _plain(stream)
        self._began = False
        self._is_stuck = False
        self._failed: ExportWriteError | None = None

    async def write(self, data: bytes, position: Mapping[str, Json] | None) -> None:
        """See `Target.write`."""
        await self._run(lambda: self._write(data))

    async def finish(self) -> None:
        """See `Target.finish`. What was written has gone out."""
        await self._run(self._flush)

    async def aclose(self) -> None:
        """See `Target.aclose`."""

    async def _run(self, work: Callable[[], None]) -> None:
        if self._failed is not None:
            raise ExportWriteError(self._failed.message, errno=self._failed.errno)
        if self._is_stuck:
            raise ExportWriteError("an earlier write has not ended: nobody reads the output", errno=errno.EAGAIN)
        running = _in_a_thread(lambda: self._keeping_failure(work))
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            await self._part_from(running)
            raise
        running.result()

    async def _part_from(self, running: asyncio.Future[None]) -> None:
        """The write was cancelled: see its end, unless it may never come."""
        running.add_done_callback(lambda done: done.exception())  # looked at, so that nobody complains of it
        try:
            if self._plain is not None and self._plain.is_file:
                with suppress(Exception):  # kept, for the next write; the cancellation goes on
                    await to_its_end(running)
            else:
                await asyncio.wait([running], timeout=self._patience)
        finally:
            self._is_stuck = not running.done()

    def _keeping_failure(self, work: Callable[[], None]) -> None:
        try:
            with _files.writing(_files.AGAIN):
                try:
                    work()
                except ValueError:
                    if not self._stream.closed:
                        raise
                    raise OSError(errno.EBADF, "it is closed") from None
        except ExportWriteError as error:
            self._failed = error
            raise
        except BaseException:  # whatever it was: how much went out is not known
            self._failed = ExportWriteError("an earlier write failed: export again")
            raise

    def _write(self, data: bytes) -> None:
        if not self._began:
            self._flush()  # what was written before us comes before us
            self._began = True
        if self._plain is not None:
            self._plain.write(data, lambda: self._is_stuck)
            return
        with memoryview(data) as view:
            written = 0
            while written < len(view):
                # Streams that are made of others need not say how much they took: then it is all.
                took = cast("int | None", self._stream.write(view[written:]))
                if took is None and isinstance(self._stream, io.RawIOBase):
                    raise BlockingIOError(errno.EAGAIN, _NO_WAIT)
                written += len(view) - written if took is None else took
        self._flush()

    def _flush(self) -> None:
        self._stream.flush()


@frozen
class _Plain:
    """What stands behind a stream that adds nothing to the bytes, so that they can be written without it.

    Its own lock is not held then: a process may end while a write to a pipe that nobody reads still hangs in it.
    """

    descriptor: int
    is_file: bool

    def write(self, data: bytes, given_up: Callable[[], bool]) -> None:
        """Write it all. A file gets all or nothing, as far as its disk lets."""
        written = 0
        before = self._end() if self.is_file else None
        try:
            with memoryview(data) as view:
                while written < len(view):
                    try:
                        written += os.write(self.descriptor, view[written:])
                    except BlockingIOError:
                        if given_up():
                            return
                        _wait_for_room(self.descriptor)
        except BaseException:  # whatever it was: no half row
            if before is not None and written and self._end() == before + written:
                with suppress(OSError):
                    os.ftruncate(self.descriptor, before)
                    os.lseek(self.descriptor, before, os.SEEK_SET)
            raise

    def _end(self) -> int | None:
        """Bytes in the file, where it is written at its end; None: somewhere else, and nothing may be cut off."""
        with suppress(OSError):
            size = os.fstat(self.descriptor).st_size
            if _appends(self.descriptor) or os.lseek(self.descriptor, 0, os.SEEK_CUR) == size:
                return size
        return None


def _plain(stream: Any) -> _Plain | None:
    # Exactly these classes: others may do anything with what they are given.
    raw = stream.raw if type(stream) in {io.BufferedWriter, io.BufferedRandom} else stream
    if type(raw) is not io.FileIO:
        return None
    with suppress(ValueError, OSError):  # closed: the first write will say so
        descriptor: int = raw.fileno()
        return _Plain(descriptor, stat.S_ISREG(os.fstat(descriptor).st_mode))
    return None


def _appends(descriptor: int) -> bool:
    return sys.platform != "win32" and bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


def _wait_for_room(descriptor: int) -> None:
    if sys.platform == "win32":  # pipes there do block
        raise BlockingIOError(errno.EAGAIN, _NO_WAIT)
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    room.poll(_POLL)


def _in_a_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Run it in a thread that the process does not wait for as it ends: what nobody reads would keep it for ever."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def end(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(cast("T", result))
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # whatever it was: it belongs to who waits
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(end, result, error)

    threading.Thread(target=run, name="campaigns-export-stream", daemon=True).start()
    return future
