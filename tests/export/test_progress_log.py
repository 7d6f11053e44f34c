"""The log of an export that was cut off: torn, spoiled, or of a file that is no longer what it was."""

from __future__ import annotations

import json
import os
import random
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from campaigns_async.export.errors import ResumeError
from campaigns_async.export.progress_log import Mark, ProgressLog, read
from campaigns_async.export.target import FileTarget

IDENTITY = {"kind": "campaigns"}
CHUNKS = [b"", b"id\r\n", b"a\r\nb\r\n", b"", b"c" * 40 + b"\r\n", b"d\r\n"]
ENDS = [sum(map(len, CHUNKS[: number + 1])) for number in range(len(CHUNKS))]
WHOLE = b"".join(CHUNKS)


async def opened(path: Path, unfinished: Any = "resume") -> FileTarget:
    return await FileTarget.open(path, identity=IDENTITY, resumable=True, unfinished=unfinished, gzip=False)


class Cut:
    """An export that was cut off behind all its writes; and what is made of it when it is changed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "out.csv"
        self.part = folder / "out.csv.part"
        self.log_path = folder / "out.csv.part.progress"
        self.content = b""
        self.log = b""

    async def make(self) -> None:
        target = await opened(self.path, "refuse")
        for number, chunk in enumerate(CHUNKS):
            await target.write(chunk, {"number": number, "name": "caf\u00e9"})
        await target.aclose()
        self.content, self.log = self.part.read_bytes(), self.log_path.read_bytes()
        assert self.content == WHOLE

    async def goes_on(self, *, content: bytes | None = None, log: bytes | None = None) -> int | None:
        """The number of the write that it goes on behind; None: from nothing. Checks that the file fits."""
        self.part.write_bytes(self.content if content is None else content)
        self.log_path.write_bytes(self.log if log is None else log)
        target = await opened(self.path)
        try:
            number = None if target.resumed is None else target.resumed["number"]
            assert number is None or isinstance(number, int)
            assert self.part.read_bytes() == (b"" if number is None else WHOLE[: ENDS[number]])
            return number
        finally:
            await target.aclose()

    @property
    def lines(self) -> list[bytes]:
        return self.log.splitlines(keepends=True)


@pytest.fixture
async def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cut:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power is cut here, and these are many
    made = Cut(tmp_path)
    await made.make()
    return made


def last_of(lines: int) -> int | None:
    """The number of the last write, of so many lines with the head."""
    return lines - 2 if lines > 1 else None


async def test_torn_at_any_byte_it_goes_on_behind_its_last_whole_line(cut: Cut) -> None:
    for size in range(len(cut.log) + 1):
        torn = cut.log[:size]
        if torn.count(b"\n"):
            assert await cut.goes_on(log=torn) == last_of(torn.count(b"\n"))
        else:
            with pytest.raises(ResumeError, match="damaged"):
                await cut.goes_on(log=torn)


async def test_what_stands_behind_a_torn_line_is_passed_over(cut: Cut) -> None:
    draw = random.Random(1)
    for junk in (b"\0" * 700, b"\n\n", b"{}\n", b"[1]\n", b"null\n", draw.randbytes(700), b"[" * 5000 + b"\n"):
        for size in range(len(cut.lines[0]), len(cut.log) + 1, 17):
            if cut.log[size : size + 1] == b"\n":  # whole, but for a line end that the junk may bring
                continue
            torn = cut.log[:size]
            assert await cut.goes_on(log=torn + junk) == last_of(torn.count(b"\n"))


async def test_with_any_byte_of_a_line_altered_that_line_is_passed_over(cut: Cut) -> None:
    head, *lines = cut.lines
    whole = read(cut.log_path)
    assert whole is not None
    for number, line in enumerate(lines):
        for at in range(len(line)):
            for altered in {ord("\n"), line[at] ^ 1} - {line[at]}:
                spoiled = line[:at] + bytes([altered]) + line[at + 1 :]
                cut.log_path.write_bytes(head + b"".join([*lines[:number], spoiled, *lines[number + 1 :]]))
                found = read(cut.log_path)
                assert found is not None
                # Where two lines run into one, the later goes too.
                lost = 2 if at == len(line) - 1 else 1
                assert found.marks == whole.marks[:number] + whole.marks[number + lost :]
        log = head + b"".join([*lines[:number], line.replace(b"crc", b"cRc"), *lines[number + 1 :]])
        assert await cut.goes_on(log=log) == (len(lines) - 1 if number < len(lines) - 1 else len(lines) - 2)


async def test_with_any_byte_of_the_head_altered_nothing_is_believed_and_nothing_changed(cut: Cut) -> None:
    head = cut.lines[0]
    for at in range(len(head)):
        spoiled = head[:at] + bytes([head[at] ^ 1]) + cut.log[at + 1 :]
        with pytest.raises(ResumeError, match="damaged"):
            await cut.goes_on(log=spoiled)
        assert cut.part.read_bytes() == WHOLE
        assert cut.log_path.read_bytes() == spoiled


async def test_a_log_that_another_version_wrote_is_left_alone(cut: Cut) -> None:
    said = json.loads(cut.lines[0])
    del said["sum"]
    for version in (0, 2, 10**30):
        text = json.dumps({**said, "version": version}, separators=(",", ":")).encode()[:-1]
        log = b'%b,"sum":%d}\n' % (text, zlib.crc32(text)) + b"".join(cut.lines[1:])
        with pytest.raises(ResumeError, match="another version"):
            await cut.goes_on(log=log)
        assert cut.log_path.read_bytes() == log


@pytest.mark.parametrize(
    "content", [{"version": 1}, {"version": "1"}, {"version": 1, "identity": [], "inode": 1}, {"version": None}]
)
async def test_a_head_that_says_something_else_is_damage(cut: Cut, content: dict[str, Any]) -> None:
    text = json.dumps(content, separators=(",", ":")).encode()[:-1]
    log = b'%b,"sum":%d}\n' % (text, zlib.crc32(text))
    with pytest.raises(ResumeError, match="damaged"):
        await cut.goes_on(log=log)


async def test_of_a_file_cut_at_any_byte_what_is_whole_is_kept(cut: Cut) -> None:
    for size in range(len(WHOLE) + 1):
        expected = max(number for number, end in enumerate(ENDS) if end <= size)
        assert await cut.goes_on(content=WHOLE[:size]) == expected


async def test_of_a_file_with_more_behind_it_that_goes(cut: Cut) -> None:
    for more in (b"x", b"\0" * 5000, WHOLE):
        assert await cut.goes_on(content=WHOLE + more) == len(CHUNKS) - 1


async def test_of_a_file_altered_at_any_byte_what_is_before_is_kept(cut: Cut) -> None:
    for at in range(len(WHOLE)):
        expected = max(number for number, end in enumerate(ENDS) if end <= at)
        for spoiled in (
            WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :],
            WHOLE[:at] + bytes(len(WHOLE) - at),
            WHOLE[:at] + bytes(len(WHOLE) - at + 600),
        ):
            assert await cut.goes_on(content=spoiled) == expected


async def test_where_the_first_rows_are_gone_it_begins_from_nothing(tmp_path: Path) -> None:
    cut = Cut(tmp_path)
    target = await opened(cut.path, "refuse")
    await target.write(b"first\n", {"number": 0})
    await target.write(b"second\n", {"number": 1})
    await target.aclose()
    cut.part.write_bytes(b"\0" * 13)
    target = await opened(cut.path)
    assert target.resumed is None
    assert target.started_over
    await target.write(b"anew\n", {"number": 0})
    await target.finish()
    assert cut.path.read_bytes() == b"anew\n"


async def test_marks_out_of_reach_are_no_marks(cut: Cut) -> None:
    def line(content: Mapping[str, Any]) -> bytes:
        text = json.dumps(content, separators=(",", ":")).encode()[:-1]
        return b'%b,"sum":%d}\n' % (text, zlib.crc32(text))

    strange: list[dict[str, Any]] = [
        {"offset": 10**30, "crc": 0, "position": {}},
        {"offset": -1, "crc": 0, "position": {}},
        {"offset": 0.0, "crc": 0, "position": {}},
        {"offset": 4, "crc": zlib.crc32(WHOLE[:4]), "position": [1]},
        {"offset": 4, "crc": 10**30, "position": {"number": 1}},
        {"offset": len(WHOLE), "crc": zlib.crc32(WHOLE)},
    ]
    assert await cut.goes_on(log=cut.lines[0] + b"".join(map(line, strange))) is None


@pytest.mark.parametrize("compact_at", [0, 1, 50, 137, 500, 10**6])
def test_compacted_at_any_size_the_latest_mark_is_there(tmp_path: Path, compact_at: int) -> None:
    path = tmp_path / "log"
    log = ProgressLog.begin(path, IDENTITY, 7, 0o600, None, compact_at)
    for number in range(40):
        mark = Mark(number * 10, number, {"number": number, "padding": "x" * number})
        log.append(mark)
        if number % 3 == 0:
            log.sync()
            size = path.stat().st_size
            log.sync()
            assert path.stat().st_size == size
        found = read(path)
        assert found is not None
        assert (found.version, found.identity, found.inode) == (1, IDENTITY, 7)
        assert found.marks[-1] == mark == log.last
        if compact_at == 10**6:
            assert len(found.marks) == number + 1
        elif compact_at == 0:
            assert len(found.marks) == 1 + number % 3
        assert [each.name for each in tmp_path.iterdir()] == ["log"]
    log.close()
    log.close()


def test_positions_of_any_json_come_back(tmp_path: Path) -> None:
    from types import MappingProxyType

    log = ProgressLog.begin(tmp_path / "log", IDENTITY, 7, 0o600, None, 10**6)
    position: dict[str, Any] = {
        "a": [None, True, -1, 2**80, 1.5, "\ud800", "\n\0\u2028\U0001f600", ',"sum":1}'],
        "": {"nested": {}},
    }
    log.append(Mark(0, 0, MappingProxyType({**position, "t": (1, MappingProxyType({}))})))
    log.close()
    found = read(tmp_path / "log")
    assert found is not None
    assert [mark.position for mark in found.marks] == [{**position, "t": [1, {}]}]
    assert (tmp_path / "log").read_bytes().isascii()


def test_a_log_is_ndjson(tmp_path: Path) -> None:
    log = ProgressLog.begin(tmp_path / "log", IDENTITY, 7, 0o600, Mark(3, 4, {"a": 1}), 10**6)
    log.close()
    head, mark = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert {name: head[name] for name in ("version", "identity", "inode")} == {
        "version": 1,
        "identity": IDENTITY,
        "inode": 7,
    }
    assert {name: mark[name] for name in ("offset", "crc", "position")} == {"offset": 3, "crc": 4, "position": {"a": 1}}


def test_where_there_is_none_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path / "log") is None


def test_no_position_stands_in_a_repr() -> None:
    assert "0770" not in repr(Mark(1, 2, {"filter": "0770"}))
