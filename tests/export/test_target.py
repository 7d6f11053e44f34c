"""A file that appears when it is whole: what is there before, at the end, and when it is taken up again."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import re
import stat
import subprocess
import sys
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from campaigns_async import locking
from campaigns_async.errors import ConfigurationError
from campaigns_async.export import progress_log
from campaigns_async.export.errors import (
    ExportError,
    ExportInUseError,
    ExportWriteError,
    ResumeError,
    UnfinishedExportError,
)
from campaigns_async.export.part_file import PartFile
from campaigns_async.export.target import FileTarget

IDENTITY = {"kind": "contacts", "fields": "id,name", "filters": "0badcafe"}


async def opened(path: Path, unfinished: Any = "resume", **options: Any) -> FileTarget:
    options = {"identity": IDENTITY, "resumable": True, "gzip": False, **options}
    return await FileTarget.open(path, unfinished=unfinished, **options)


def part_of(path: Path) -> Path:
    return Path(f"{path}.part")


def log_of(path: Path) -> Path:
    return Path(f"{path}.part.progress")


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


async def cut_off(path: Path, *chunks: bytes, **options: Any) -> None:
    """An export that ends after so many writes, each with its number as the position."""
    target = await opened(path, "refuse", **options)
    for number, chunk in enumerate(chunks):
        await target.write(chunk, {"number": number})
    await target.aclose()


async def test_it_appears_when_it_is_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    target = await opened(path, "refuse")
    assert (target.resumed, target.started_over, target.already_whole) == (None, False, False)
    await target.write(b"one\n", {"number": 0})
    await target.write(b"", {"number": 1})
    await target.write(b"two\n", None)
    assert names(tmp_path) == {"out.csv.part", "out.csv.part.progress"}
    await target.finish()
    assert names(tmp_path) == {"out.csv"}
    await target.aclose()
    await target.aclose()
    assert path.read_bytes() == b"one\ntwo\n"


async def test_what_is_there_is_replaced_at_the_end_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"old")
    target = await opened(path, "refuse")
    await target.write(b"new", {})
    assert path.read_bytes() == b"old"
    await target.finish()
    await target.aclose()
    assert path.read_bytes() == b"new"


async def test_it_goes_on_behind_the_last_write_that_had_a_position(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    target = await opened(path, "refuse")
    await target.write(b"one\n", {"number": 0, "nested": {"ids": ["a", None, 1.5, True]}})
    await target.write(b"tail\n", None)
    await target.aclose()
    target = await opened(path)
    assert target.resumed == {"number": 0, "nested": {"ids": ["a", None, 1.5, True]}}
    assert not target.started_over
    await target.write(b"two\n", {"number": 1})
    await target.finish()
    await target.aclose()
    assert path.read_bytes() == b"one\ntwo\n"


async def test_a_position_before_any_row_is_kept_too(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    await cut_off(path, b"", b"")
    target = await opened(path)
    assert target.resumed == {"number": 1}
    await target.aclose()
    assert (await resumed(path)) == {"number": 1}


async def resumed(path: Path, **options: Any) -> Mapping[str, Any] | None:
    target = await opened(path, **options)
    await target.aclose()
    return target.resumed


async def test_resumed_again_and_again_it_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    await cut_off(path, b"one\n", b"two\n")
    for _ in range(3):
        assert (await resumed(path)) == {"number": 1}
    assert part_of(path).read_bytes() == b"one\ntwo\n"


async def test_what_was_cut_off_is_not_begun_anew_unasked(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    await cut_off(path, b"one\n")
    before = part_of(path).read_bytes(), log_of(path).read_bytes()
    for resumable in (True, False):
        with pytest.raises(UnfinishedExportError, match="--resume") as caught:
            await opened(path, "refuse", resumable=resumable)
        assert str(tmp_path) not in str(caught.value)
    assert (part_of(path).read_bytes(), log_of(path).read_bytes()) == before
    target = await opened(path, "restart", identity={"kind": "campaigns"})
    assert target.resumed is None
    assert not target.started_over
    await target.write(b"anew\n", {})
    await target.finish()
    assert path.read_bytes() == b"anew\n"


async def test_another_export_is_not_gone_on_with_and_it_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    await cut_off(path, b"one\n")
    before = part_of(path).read_bytes(), log_of(path).read_bytes()
    with pytest.raises(ResumeError, match=r"kind \(fields, server differ\).*--restart") as caught:
        await opened(path, identity={**IDENTITY, "fields": "id", "server": "https://elsewhere"})
    assert "elsewhere" not in str(caught.value)
    without = {name: IDENTITY[name] for name in ("kind", "fields")}
    with pytest.raises(ResumeError, match=r"\(filters differs\)"):
        await opened(path, identity=without)
    with pytest.raises(ResumeError, match=r"\(fields differs\)"):
        await opened(path, identity={**IDENTITY, "fields": "id"}, resumable=False)
    assert (part_of(path).read_bytes(), log_of(path).read_bytes()) == before
    assert (await resumed(path)) == {"number": 0}


async def test_names_of_a_strange_log_are_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    await cut_off(path, b"one\n", identity={"\x1b[2J+447700900123": "1", "x" * 50: "2"})
    with pytest.raises(ResumeError, match=r"\(fields, filters, kind, others differ\)"):
        await opened(path)


async def test_whole_already_there_is_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"whole")
    target = await opened(path)
    assert target.already_whole
    assert names(tmp_path) == {"out.csv"}
    with pytest.raises(ExportError, match="closed"):
        await target.write(b"more", None)
    with pytest.raises(ExportError, match="closed"):
        await target.finish()
    await target.aclose()
    assert path.read_bytes() == b"whole"


async def test_a_log_that_a_dying_run_left_beside_the_whole_file_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    await cut_off(path, b"one\n")
    part_of(path).rename(path)
    target = await opened(path)
    await target.aclose()
    assert target.already_whole
    for resumable in (True, False):
        log_of(path).write_bytes(b"whatever")
        target = await opened(path, "refuse", resumable=resumable)
        assert target.resumed is None
        await target.finish()
        assert names(tmp_path) == {"out.csv"}


@pytest.mark.parametrize("resumable", [True, False])
async def test_an_old_file_is_not_taken_for_that_of_a_run_which_failed_at_once(tmp_path: Path, resumable: bool) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"of yesterday")
    for unfinished in ("refuse", "refuse", "resume", "restart", "resume"):
        target = await opened(path, unfinished, resumable=resumable)
        assert not target.already_whole
        assert target.resumed is None
        await target.write(b"half", None)
        await target.aclose()
        assert part_of(path).read_bytes() == b""
    target = await opened(path, resumable=resumable)
    await target.write(b"of today", None)
    await target.finish()
    assert path.read_bytes() == b"of today"
    assert names(tmp_path) == {"out.csv"}


async def test_a_log_of_another_run_is_not_believed_of_a_file_just_made(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    await cut_off(path, b"", b"one\n")  # its first position is before any row
    part_of(path).rename(path)
    part_of(path).touch()  # a new run died before it could replace the log
    target = await opened(path)
    assert target.resumed is None
    await target.aclose()


@pytest.mark.parametrize("resumable", [True, False])
async def test_a_leftover_without_a_log_may_be_anybodys(tmp_path: Path, resumable: bool) -> None:
    path = tmp_path / "out.csv"
    part_of(path).write_bytes(b"mine")
    with pytest.raises(UnfinishedExportError, match="--restart"):
        await opened(path, "refuse", resumable=resumable)
    assert names(tmp_path) == {"out.csv.part"}
    assert part_of(path).read_bytes() == b"mine"


@pytest.mark.parametrize("unfinished", ["resume", "restart"])
async def test_a_leftover_without_a_log_is_begun_anew_when_asked(tmp_path: Path, unfinished: str) -> None:
    path = tmp_path / "out.csv"
    part_of(path).write_bytes(b"something longer than what comes")
    target = await opened(path, unfinished)
    assert (target.resumed, target.started_over) == (None, unfinished == "resume")
    await target.write(b"one\n", {})
    await target.finish()
    assert path.read_bytes() == b"one\n"
    assert names(tmp_path) == {"out.csv"}


@pytest.mark.parametrize("unfinished", ["resume", "restart"])
async def test_a_format_that_cannot_be_resumed_starts_over_and_says_so(tmp_path: Path, unfinished: str) -> None:
    path = tmp_path / "out.parquet"
    target = await opened(path, unfinished, resumable=False)
    await target.write(b"PAR1", {"number": 0})
    assert names(tmp_path) == {"out.parquet.part"}
    left = part_of(path).read_bytes()
    await target.aclose()
    assert names(tmp_path) == set(), "nothing of it can be used"
    part_of(path).write_bytes(left)  # killed
    target = await opened(path, unfinished, resumable=False)
    assert target.started_over == (unfinished == "resume")
    await target.write(b"P", None)
    await target.finish()
    assert path.read_bytes() == b"P"


async def test_nothing_is_left_of_a_run_that_wrote_nothing(tmp_path: Path) -> None:
    target = await opened(tmp_path / "out.csv", "refuse")
    await target.aclose()
    assert names(tmp_path) == set()
    target = await opened(tmp_path / "out.csv", "refuse")
    await target.write(b"one\n", None)
    await target.aclose()
    assert names(tmp_path) == set()


@pytest.mark.parametrize("unfinished", ["refuse", "resume", "restart"])
async def test_of_a_run_that_wrote_nothing_beside_an_old_file_an_empty_one_is_left(
    tmp_path: Path, unfinished: str
) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"old")
    await (await opened(path, "refuse")).aclose()
    assert names(tmp_path) == {"out.csv", "out.csv.part"}
    assert (path.read_bytes(), part_of(path).read_bytes()) == (b"old", b"")
    target = await opened(path, unfinished)
    assert (target.already_whole, target.resumed) == (False, None), "the old one is not what was to be written"
    await target.write(b"new\n", {})
    await target.finish()
    assert (path.read_bytes(), names(tmp_path)) == (b"new\n", {"out.csv"})


async def test_no_lock_is_left_where_the_file_cannot_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, descriptor: int) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        patched.setattr("campaigns_async.export._files.is_named", refuse)
        with pytest.raises(ExportWriteError, match="no permission"):
            await opened(path)
    assert not locking.held(str(part_of(path)))
    await (await opened(path)).aclose()


async def test_gzip_is_a_member_a_write_and_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "out.csv.gz"
    chunks = [os.urandom(300), b"", b"b" * 5000]
    await cut_off(path, *chunks, gzip=True)
    assert gzip.decompress(part_of(path).read_bytes()) == b"".join(chunks)
    with part_of(path).open("ab") as file:
        file.write(zlib.compress(b"lost", 6, wbits=31)[:-3])
    target = await opened(path, gzip=True)
    assert target.resumed == {"number": 2}
    await target.write(b"end", None)
    await target.finish()
    content = path.read_bytes()
    assert gzip.decompress(content) == b"".join(chunks) + b"end"
    assert content.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") == 3, "a member a write, without a time"


async def test_gzip_of_nothing_is_a_file_of_gzip(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson.gz"
    target = await opened(path, "refuse", gzip=True)
    await target.finish()
    assert path.stat().st_size > 0
    assert gzip.decompress(path.read_bytes()) == b""


@pytest.mark.parametrize("gz", [True, False])
async def test_an_undisturbed_run_writes_the_same_each_time(tmp_path: Path, gz: bool) -> None:
    found: set[bytes] = set()
    for name in ("a", "b"):
        target = await opened(tmp_path / name, "refuse", gzip=gz)
        for number in range(20):
            await target.write(b"%d," % number * 50, {"number": number})
        await target.finish()
        found.add((tmp_path / name).read_bytes())
    assert len(found) == 1


async def test_a_second_run_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    first = await opened(path, "refuse")
    await first.write(b"one\n", {"number": 0})
    for unfinished in ("refuse", "resume", "restart"):
        with pytest.raises(ExportInUseError, match="another run"):
            await opened(path, unfinished)
        with pytest.raises(ExportInUseError):
            await opened(path, unfinished, resumable=False)
    await first.write(b"two\n", {"number": 1})
    await first.finish()
    assert path.read_bytes() == b"one\ntwo\n"
    await (await opened(path, "refuse")).aclose()


async def test_two_names_of_one_file_are_one_export(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out.csv")
    first = await opened(tmp_path / "out.csv", "refuse")
    with pytest.raises(ExportInUseError):
        await opened(tmp_path / "link", "refuse")
    await first.aclose()


async def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    real = tmp_path / "data" / "real.csv"
    link = tmp_path / "out.csv"
    link.symlink_to(real)
    for content in (b"first", b"second"):  # it leads to nothing, then to a file
        target = await opened(link, "refuse")
        await target.write(content, {})
        assert names(tmp_path) == {"data", "out.csv"}
        assert "real.csv.part" in names(tmp_path / "data"), "on the disk where it is to be"
        await target.finish()
        assert link.is_symlink()
        assert real.read_bytes() == content
    assert names(tmp_path / "data") == {"real.csv"}


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
async def test_a_new_file_is_as_the_umask_says_and_a_replaced_one_as_it_was(tmp_path: Path) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0o027)
    try:
        path = tmp_path / "out.csv"
        target = await opened(path, "refuse")
        assert mode(part_of(path)) == 0o640
        await target.finish()
        assert mode(path) == 0o640
        for given in (0o600, 0o664, 0o200):
            path.chmod(given)
            target = await opened(path, "refuse")
            await target.write(b"private", {})
            assert mode(part_of(path)) & 0o077 == given & 0o077, "no more may read it while it is written"
            assert mode(log_of(path)) & 0o077 & ~given == 0
            await target.finish()
            assert mode(path) == given
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("none/out.csv", errno.ENOENT, "folder is not there: make it"),
        ("folder", errno.EISDIR, "name a file in it"),
        ("folder/", errno.EISDIR, "name a file in it"),
        ("file/out.csv", errno.ENOTDIR, "should be the folder"),
        ("loop", errno.ELOOP, "symbolic link"),
        ("dangling", errno.ENOENT, "folder is not there"),
        ("n" * 245, errno.ENAMETOOLONG, "name is too long"),
        ("n" * 300, errno.ENAMETOOLONG, "name is too long"),
        ("pipe", errno.EINVAL, "pipe or a device"),
        ("a\0b", errno.EINVAL, "NUL"),
        ("blocked", errno.EISDIR, "a folder is in the way"),
    ],
)
async def test_where_no_file_can_be_it_says_so_and_what_to_do(
    tmp_path: Path, name: str, number: int, text: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "none" / "there")
    (tmp_path / "blocked.part").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = names(tmp_path)
    for unfinished in ("refuse", "resume", "restart"):
        with pytest.raises(ExportWriteError, match=text) as caught:
            await opened(tmp_path / name, unfinished)
        assert caught.value.errno == number
        assert str(tmp_path) not in str(caught.value)
        assert "n" * 40 not in str(caught.value)
    assert names(tmp_path) == before


async def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(ExportWriteError, match="device"):
        await opened(Path(os.devnull), "restart")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert not Path(f"{os.devnull}.part").exists()


async def test_what_lies_in_the_way_is_neither_followed_nor_written(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    (tmp_path / "precious").write_bytes(b"precious")
    part_of(path).symlink_to(tmp_path / "precious")
    with pytest.raises(ExportWriteError, match="symbolic link"):
        await opened(path, "restart")
    part_of(path).unlink()
    os.mkfifo(part_of(path))
    with pytest.raises(ExportError, match="take it away"):
        await opened(path, "restart")
    part_of(path).unlink()
    for link in (log_of(path), Path(f"{log_of(path)}.new")):
        link.symlink_to(tmp_path / "precious")
    target = await opened(path, "refuse")
    await target.write(b"one\n", {})
    await target.finish()
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert names(tmp_path) == {"out.csv", "precious"}


async def test_a_log_that_is_a_folder_is_told_before_anything_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    part_of(path).write_bytes(b"rows")
    log_of(path).mkdir()
    for unfinished in ("refuse", "resume", "restart"):
        with pytest.raises(ExportWriteError, match="a folder is in the way"):
            await opened(path, unfinished)
    assert part_of(path).read_bytes() == b"rows"
    assert names(tmp_path) == {"out.csv.part", "out.csv.part.progress"}


FORBIDDEN = """
import asyncio, os, sys
from pathlib import Path
from campaigns_async.export.errors import ExportWriteError
from campaigns_async.export.target import FileTarget

async def main():
    for name in sys.argv[2:]:
        try:
            await FileTarget.open(
                Path(name), identity={}, resumable=True, unfinished="refuse", gzip=False
            )
        except ExportWriteError as error:
            print(error.errno, error)
        else:
            print("opened")

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
async def test_without_permission_it_says_so(tmp_path: Path) -> None:
    """As nobody, where the tests are run by root, who may do all."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to nobody
        folder = Path(name)
        folder.chmod(0o755)
        closed, shut, others, readable = folder / "closed", folder / "shut", folder / "others", folder / "open"
        for each, mode in ((closed, 0o555), (shut, 0o000), (others, 0o777), (readable, 0o777)):
            each.mkdir()
            each.chmod(mode)
        (others / "out.csv").touch()
        (others / "out.csv").chmod(0o444)  # a folder that lets it be replaced, a file that does not
        (readable / "out.csv.part").touch()
        (readable / "out.csv.part").chmod(0o444)
        places = [str(each / "out.csv") for each in (closed, shut, others, readable)]
        done = subprocess.run(
            [sys.executable, "-c", FORBIDDEN, "65534", *places], capture_output=True, text=True, check=True
        )
        shut.chmod(0o700)
    for line in done.stdout.splitlines():
        assert line.startswith(f"{errno.EACCES} there is no permission to write there: "), line
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "the disk is full: make room, then resume: what was written is kept"),
        (errno.EDQUOT, "the disk quota is used up: make room, then resume"),
        (errno.EIO, "the disk failed: when that is mended, then resume"),
        (
            errno.ESTALE,
            re.escape(f"the output cannot be written ({os.strerror(errno.ESTALE)}): when that is mended, then resume"),
        ),
    ],
)
async def test_a_write_that_fails_keeps_what_was_written_and_nothing_comes_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str
) -> None:
    path = tmp_path / "out.csv"
    target = await opened(path, "refuse")
    await target.write(b"one\n", {"number": 0})
    write = os.write

    def failing(descriptor: int, data: Any) -> int:
        if bytes(data) == b"o\n":
            raise OSError(number, os.strerror(number))
        return write(descriptor, data[:2])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", failing)
        with pytest.raises(ExportWriteError, match=text) as caught:
            await target.write(b"two\n"[:2] + b"o\n", {"number": 1})
    assert caught.value.errno == number
    assert part_of(path).read_bytes() == b"one\n", "no half row, and room again"
    for again in (target.write(b"three\n", {"number": 2}), target.finish()):
        with pytest.raises(ExportWriteError, match=text):
            await again
    await target.aclose()
    await target.aclose()
    assert not path.exists()
    assert (await resumed(path)) == {"number": 0}


async def test_a_write_that_fails_before_anything_is_kept_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = await opened(tmp_path / "out.csv", "refuse")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(ExportWriteError, match="make room, then export again"):
            await target.write(b"one\n", {})
    await target.aclose()
    assert names(tmp_path) == set()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(ExportWriteError, match="make room, then try again"):
            await opened(tmp_path / "out.csv", "refuse")
    assert names(tmp_path) == set()


async def test_a_position_that_cannot_be_written_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    target = await opened(path, "refuse")
    await target.write(b"one\n", {"number": 0})
    bad: Any = {"number": object()}
    with pytest.raises(TypeError, match="cannot stand in a position"):
        await target.write(b"two\n", bad)
    with pytest.raises(ExportWriteError, match="an earlier write failed"):
        await target.finish()
    await target.aclose()
    assert (await resumed(path)) == {"number": 0}


@pytest.mark.parametrize("call", ["fsync", "replace"])
async def test_an_end_that_fails_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "out.csv"
    target = await opened(path, "refuse")
    await target.write(b"one\n", {"number": 0})

    def failing(*arguments: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        with pytest.raises(ExportWriteError, match="the disk failed"):
            await target.finish()
        await target.aclose()
    assert not path.exists()
    target = await opened(path)
    assert target.resumed == {"number": 0}
    await target.finish()
    assert path.read_bytes() == b"one\n"
    assert names(tmp_path) == {"out.csv"}


@pytest.mark.parametrize("instead", [None, b"another"])
async def test_what_was_put_in_its_place_is_not_taken_for_it(tmp_path: Path, instead: bytes | None) -> None:
    path = tmp_path / "out.csv"
    target = await opened(path, "refuse")
    await target.write(b"one\n", {})
    part_of(path).unlink()
    if instead is not None:
        part_of(path).write_bytes(instead)
    with pytest.raises(ExportWriteError, match="taken away meanwhile"):
        await target.finish()
    await target.aclose()
    assert not path.exists()
    if instead is not None:
        assert part_of(path).read_bytes() == instead


async def test_it_can_be_gone_on_with_in_another_folder(tmp_path: Path) -> None:
    await cut_off(tmp_path / "out.csv", b"one\n", b"two\n")
    (there := tmp_path / "there").mkdir()
    for file in (part_of(tmp_path / "out.csv"), log_of(tmp_path / "out.csv")):
        (there / file.name).write_bytes(file.read_bytes())
    assert (await resumed(there / "out.csv")) == {"number": 1}


class Held:
    """Work of a part file that begins, and ends when it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.begun = threading.Event()
        self.let = threading.Event()
        real = getattr(PartFile, name)

        def held(*arguments: Any, **options: Any) -> Any:
            self.begun.set()
            assert self.let.wait(30)
            return real(*arguments, **options)

        monkeypatch.setattr(PartFile, name, held)

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


async def cancelled(task: asyncio.Task[Any], held: Held) -> None:
    """Cancel it, again and again; it ends when the work does."""
    await held.until_begun()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done(), "the disk still works for it"
    held.let.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_write_is_seen_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.csv"
    target = await opened(path, "refuse")
    held = Held(monkeypatch, "write")
    await cancelled(asyncio.create_task(target.write(b"one\n", {"number": 0})), held)
    assert part_of(path).read_bytes() == b"one\n"
    await target.aclose()
    assert (await resumed(path)) == {"number": 0}


async def test_a_cancelled_opening_leaves_no_lock_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.csv"
    await cut_off(path, b"one\n")
    held = Held(monkeypatch, "last_fitting")
    await cancelled(asyncio.create_task(opened(path)), held)
    assert (await resumed(path)) == {"number": 0}


async def test_a_cancelled_end_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.csv"
    target = await opened(path, "refuse")
    await target.write(b"one\n", {})
    held = Held(monkeypatch, "publish")
    await cancelled(asyncio.create_task(target.finish()), held)
    await target.aclose()
    assert path.read_bytes() == b"one\n"
    assert names(tmp_path) == {"out.csv"}


async def test_no_thread_and_no_descriptor_outlives_it(tmp_path: Path) -> None:
    async def once(number: int) -> None:
        path = tmp_path / str(number)
        await cut_off(path, b"one\n")
        with pytest.raises(UnfinishedExportError):
            await opened(path, "refuse")
        with pytest.raises(ResumeError):
            await opened(path, identity={})
        target = await opened(path, sync_every=0.0)
        await target.write(b"two\n", {})
        await target.finish()
        with pytest.raises(ExportWriteError):
            await opened(tmp_path / "none" / "out.csv")

    await once(0)
    before = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
    for number in range(1, 6):
        await once(number)
    if sys.platform == "linux":
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    for thread in threading.enumerate():
        if thread.name.startswith("campaigns-export"):
            thread.join(10)
            assert not thread.is_alive()


async def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="sync_every"):
        await opened(tmp_path / "out.csv", sync_every=-1.0)
    with pytest.raises(ConfigurationError, match="unfinished"):
        await opened(tmp_path / "out.csv", "anyhow")
    assert names(tmp_path) == set()


async def test_it_is_synced_every_few_seconds_the_rows_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, now, synced = tmp_path / "out.csv", 0.0, list[str]()
    target = await opened(path, "refuse", sync_every=5.0, clock=lambda: now)
    fsync = os.fsync
    inodes = {part_of(path).stat().st_ino: "part", log_of(path).stat().st_ino: "log"}

    def noted(descriptor: int) -> None:
        synced.append(inodes[os.fstat(descriptor).st_ino])
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    for second, expected in ((4.9, 0), (5.0, 1), (9.9, 1), (10.0, 2), (11.0, 2)):
        now = second
        await target.write(b"x", {"at": second})
        assert synced == ["part", "log"] * expected
    await target.aclose()
    assert synced == ["part", "log"] * 3, "and when it is cut off in good order"


async def test_a_long_log_is_compacted_as_it_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_log, "COMPACT_AT", 2000)
    path, now = tmp_path / "out.csv", 0.0
    target = await opened(path, "refuse", clock=lambda: now)
    sizes = list[int]()
    for number in range(300):
        now += 0.5
        await target.write(b"%d\n" % number, {"number": number, "padding": "p" * 50})
        sizes.append(log_of(path).stat().st_size)
    assert max(sizes) < 4000
    assert sum(later < earlier for earlier, later in zip(sizes, sizes[1:], strict=False)) > 10
    await target.aclose()
    assert (await resumed(path)) == {"number": 299, "padding": "p" * 50}
    assert part_of(path).read_bytes() == b"".join(b"%d\n" % number for number in range(300))
    assert names(tmp_path) == {"out.csv.part", "out.csv.part.progress"}
