"""Streams: whole rows, whoever reads, stops reading, or never did."""

from __future__ import annotations

import asyncio
import errno
import gzip
import io
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from campaigns_async.export import ExportWriteError
from campaigns_async.export._stream import StreamTarget
from campaigns_async.export._walk import Position

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its pipes are others")

ROW = b"a row of some length, and its end\n"


async def test_it_is_written_in_order_and_not_closed(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        file.write(b"before ")
        target = StreamTarget(file)
        await target.write(b"one ", 1, Position(done=1))
        assert (tmp_path / "out").read_bytes() == b"before one ", "it has gone out"
        await target.write(b"")
        await target.write(b"two ")
        await target.finish()
        await target.aclose()
        await target.aclose()
        assert file.tell() == 15
        file.write(b"after")
    assert (tmp_path / "out").read_bytes() == b"before one two after"


class Slow(io.RawIOBase):
    """Takes three bytes at a time."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.taken += bytes(data[:3])
        return len(data[:3])


class Silent:
    """Does not say how much it took; nor can it be flushed to any effect."""

    closed = False

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: Any) -> None:
        self.taken += bytes(data)

    def flush(self) -> None:
        return


async def test_whatever_takes_bytes_will_do(tmp_path: Path) -> None:
    slow, silent, memory = Slow(), Silent(), io.BytesIO()
    with gzip.open(tmp_path / "out.gz", "wb") as packed, tempfile.NamedTemporaryFile() as named:
        streams = [slow, silent, memory, packed, named, io.BufferedWriter(slow_too := Slow())]
        for stream in streams:
            target = StreamTarget(cast("BinaryIO", stream))
            await target.write(b"one, two")
            await target.write(b", three")
            await target.finish()
        named.seek(0)
        assert named.read() == b"one, two, three"
    assert gzip.decompress((tmp_path / "out.gz").read_bytes()) == b"one, two, three"
    assert {slow.taken, silent.taken, memory.getvalue(), slow_too.taken} == {b"one, two, three"}


@pytest.mark.parametrize("buffering", [0, -1])
async def test_a_pipe_that_nobody_reads_any_more(buffering: int) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=buffering) as stream:
        target = StreamTarget(stream)
        await target.write(ROW)
        assert os.read(reader, 100) == ROW
        os.close(reader)
        for _ in range(2):
            with pytest.raises(ExportWriteError, match="the reader of the output has closed it") as caught:
                await target.write(ROW)
            assert caught.value.errno == errno.EPIPE
        with pytest.raises(ExportWriteError, match="the reader of the output has closed it"):
            await target.finish()
        await target.aclose()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
@pytest.mark.parametrize("buffering", [0, -1])
async def test_a_full_disk(buffering: int) -> None:
    with Path("/dev/full").open("wb", buffering=buffering) as stream:
        target = StreamTarget(stream)
        with pytest.raises(ExportWriteError, match="the disk is full: make room, then export again") as caught:
            await target.write(ROW)
        assert caught.value.errno == errno.ENOSPC


async def test_a_stream_that_is_closed_says_so() -> None:
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(ExportWriteError, match="it is closed") as caught:
        await StreamTarget(stream).write(ROW)
    assert caught.value.errno == errno.EBADF
    with tempfile.TemporaryFile() as file:
        target = StreamTarget(file)
    with pytest.raises(ExportWriteError, match="it is closed"):
        await target.finish()


async def test_errors_of_a_stream_of_ones_own_pass() -> None:
    class Odd(Silent):
        def write(self, data: Any) -> None:
            raise ValueError("mine")

    target = StreamTarget(cast("BinaryIO", Odd()))
    with pytest.raises(ValueError, match="mine"):
        await target.write(ROW)
    with pytest.raises(ExportWriteError, match="an earlier write failed"):
        await target.write(ROW)


LIMITED = """
import asyncio, os, resource, signal, sys
from campaigns_async.export import ExportWriteError
from campaigns_async.export._stream import StreamTarget

async def main():
    target = StreamTarget(sys.stdout.buffer)
    for number in range(1000):
        try:
            await target.write(b"%08d rows\\n" % number * 100)
        except ExportWriteError as error:
            print(error.errno, number, error, file=sys.stderr)
            return 1

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (33_333, resource.RLIM_INFINITY))
sys.exit(asyncio.run(main()))
"""


@pytest.mark.parametrize("mode", ["wb", "ab"])
@pytest.mark.parametrize("flag", ["-u", "-B"])
@pytest.mark.slow
def test_a_file_that_may_not_grow_holds_whole_chunks_alone(tmp_path: Path, mode: str, flag: str) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"kept\n")
    with out.open(mode) as file:
        done = subprocess.run(
            [sys.executable, flag, "-c", LIMITED], stdout=file, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1, done.stderr
    number, chunks, text = done.stderr.strip().split(" ", 2)
    assert int(number) == errno.EFBIG
    assert text.startswith("the file has reached the size limit")
    assert int(chunks) == 23
    kept = b"kept\n" if mode == "ab" else b""
    assert out.read_bytes() == kept + b"".join(b"%08d rows\n" % each * 100 for each in range(int(chunks)))


async def test_what_stands_behind_the_place_where_it_is_written_is_not_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"0123456789" * 10)
    write = os.write

    def half(descriptor: int, data: Any) -> int:
        if bytes(data) == ROW[10:]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return write(descriptor, data[:10])

    with path.open("r+b", buffering=0) as stream, monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(ExportWriteError, match="the disk failed"):
            await StreamTarget(stream).write(ROW)
    assert path.stat().st_size == 100
    with path.open("ab") as stream, monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(ExportWriteError, match="the disk failed"):
            await StreamTarget(stream).write(ROW)
    assert path.stat().st_size == 100, "written at its end, the half row is gone"


async def test_what_others_wrote_behind_is_not_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    write = os.write

    def half(descriptor: int, data: Any) -> int:
        if bytes(data) == ROW[10:]:
            with path.open("ab") as others:
                others.write(b"another's row\n")
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return write(descriptor, data[:10])

    with path.open("ab") as stream, monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(ExportWriteError, match="the disk failed"):
            await StreamTarget(stream).write(ROW)
    assert path.read_bytes().endswith(b"another's row\n")


async def until_full(reader: int, writer: int) -> None:
    """Wait until whoever writes to the pipe has filled it."""
    import fcntl
    import select
    import termios

    while writer >= 0:
        if not select.select([], [writer], [], 0)[1]:
            return
        await asyncio.sleep(0.001)
    while True:
        waiting = int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), sys.byteorder)
        if waiting >= 65536 - 4096:
            return
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_cancelled_write_to_a_pipe_that_nobody_reads_is_given_up(blocking: bool) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    stream = os.fdopen(writer, "wb")
    target = StreamTarget(stream)
    task = asyncio.create_task(target.write(ROW * 10_000))
    await until_full(reader, writer)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ExportWriteError, match="was cancelled"):
        await target.write(ROW)
    with pytest.raises(ExportWriteError, match="was cancelled"):
        await target.finish()
    await target.aclose()
    os.close(reader)
    stream.close()


async def test_a_write_to_a_pipe_is_whole_however_slowly_it_is_read() -> None:
    reader, writer = os.pipe()
    data = os.urandom(300_000)
    with os.fdopen(writer, "wb") as stream:
        task = asyncio.create_task(StreamTarget(stream).write(data))
        await until_full(reader, writer)
        got = b""
        while len(got) < len(data):
            got += await asyncio.to_thread(os.read, reader, 1_000 + len(got) % 5_000)
        await task
    assert got == data
    os.close(reader)


async def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(writer, "wb") as stream:
        target = StreamTarget(stream)
        task = asyncio.create_task(target.write(ROW * 10_000))
        await until_full(reader, writer)
        got = b""
        while len(got) < len(ROW) * 10_000:
            got += await asyncio.to_thread(os.read, reader, 65536)
        await task
        assert got == ROW * 10_000
    os.close(reader)


async def test_a_cancelled_write_to_a_file_is_seen_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, let = threading.Event(), threading.Event()
    write = os.write

    def held(descriptor: int, data: Any) -> int:
        if bytes(data) == ROW:
            begun.set()
            assert let.wait(30)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", held)
    with (tmp_path / "out").open("wb") as stream:
        task = asyncio.create_task(StreamTarget(stream).write(ROW))
        assert await asyncio.to_thread(begun.wait, 30)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        let.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (tmp_path / "out").read_bytes() == ROW


STUCK = """
import asyncio, signal, sys
from campaigns_async.export._stream import StreamTarget

async def main():
    task = asyncio.ensure_future(StreamTarget(sys.stdout.buffer).write(b"row\\n" * 100_000))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    print("begun", file=sys.stderr, flush=True)
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled", file=sys.stderr, flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="knows how much its pipes hold")
async def test_a_process_ends_although_nobody_reads_what_it_writes() -> None:
    import signal

    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stderr is not None
            assert child.stderr.readline() == b"begun\n"
            await until_full(child.stdout.fileno(), -1)
            child.send_signal(signal.SIGINT)
            assert child.stderr.read() == b"cancelled\n"
            assert await asyncio.to_thread(child.wait, 30) == 0
        finally:
            child.kill()
