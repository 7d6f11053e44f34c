"""A file that appears once it is complete: what is there before, at the end, and when an export is resumed."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import os
import re
import stat
import subprocess
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import export_seam
from support.made import client_of, rows

from campaigns_async import CampaignsClient, PermissionDeniedError
from campaigns_async.export import (
    ExportError,
    ExportInUseError,
    ExportSummary,
    ExportWriteError,
    ResumeError,
    UnfinishedExportError,
    export_campaigns,
)
from campaigns_async.sandbox import Sandbox

ALL = [f"c{number:03}" for number in range(95)]
FORMS = pytest.mark.parametrize("form", ["csv", pytest.param("parquet", marks=pytest.mark.slow)])
WHOLE = b'"id"\r\n' + b"".join(b'"%b"\r\n' % name.encode() for name in ALL)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(rows(95)) as made:
        yield made


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[CampaignsClient]:
    async with client_of(sandbox) as made:
        yield made


@pytest.fixture(autouse=True)
def _default_sync() -> Iterator[None]:
    yield
    export_seam.sync_every(5.0)


def part_of(path: Path) -> Path:
    return Path(f"{path}.part")


def state_of(path: Path) -> Path:
    return Path(f"{path}.part.progress")


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def alter(path: Path, **changed: Any) -> None:
    """Change the state of an unfinished export; None leaves a member out."""
    state = {**json.loads(state_of(path).read_bytes()), **changed}
    state_of(path).write_text(json.dumps({name: value for name, value in state.items() if value is not None}))


async def export(client: CampaignsClient, path: Path, unfinished: Any = "refuse", **options: Any) -> ExportSummary:
    options = {"page_size": 10, "fields": ["id"], "prefetch": 0, **options}
    return await export_campaigns(client, path, unfinished=unfinished, **options)


async def cut_off(client: CampaignsClient, sandbox: Sandbox, path: Path, page: int = 6, **options: Any) -> None:
    """Export until a page is refused."""
    stop = sandbox.fault(when=lambda request: request.query["page"] == str(page), times=1, status=403)
    with pytest.raises(PermissionDeniedError):
        await export(client, path, **options)
    assert stop.fired == 1


@pytest.mark.parametrize("old", [False, True])
async def test_a_file_appears_once_it_is_complete(
    old: bool, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path, seen = tmp_path / "out.csv", list[set[str]]()
    if old:
        path.write_bytes(b"old")

    def look(_: object) -> None:
        seen.append(names(tmp_path))
        assert not old or path.read_bytes() == b"old"

    await export(client, path, on_progress=look)
    there = {"out.csv.part", "out.csv.part.progress"} | ({"out.csv"} if old else set())
    assert all(each == there for each in seen)
    assert names(tmp_path) == {"out.csv"}
    assert path.read_bytes() == WHOLE


async def test_resumed_again_and_again_it_stays_where_it_is(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    before = part_of(path).read_bytes(), state_of(path).read_bytes()
    for _ in range(3):
        await cut_off(client, sandbox, path, unfinished="resume")
        assert (part_of(path).read_bytes(), state_of(path).read_bytes()) == before
    assert (await export(client, path, "resume")).resumed == 50
    assert path.read_bytes() == WHOLE


async def test_a_position_before_any_row_is_kept(tmp_path: Path, contacts: Any) -> None:
    from campaigns_async.export import export_contacts

    path = tmp_path / "out.csv"
    async with Sandbox(rows(30), {"c029": contacts(3)}) as sandbox, client_of(sandbox) as client:
        stop = sandbox.fault(when=lambda request: "c025" in request.path, times=1, status=403)
        with pytest.raises(PermissionDeniedError):
            await export_contacts(client, path, all_campaigns=True, parallel=1)
        assert (part_of(path).read_bytes(), state_of(path).exists(), stop.fired) == (b"", True, 1)
        asked = len(sandbox.requests)
        summary = await export_contacts(client, path, all_campaigns=True, unfinished="resume")
        again = {one.path.split("/")[3] for one in sandbox.requests[asked:] if one.operation == "contacts"}
    assert (summary.rows, summary.campaigns, again) == (3, 30, {f"c{number:03}" for number in range(25, 30)})


@FORMS
async def test_what_was_cut_off_is_not_restarted_unasked(
    form: Any, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    before = part_of(path).read_bytes(), state_of(path).read_bytes()
    with pytest.raises(UnfinishedExportError, match="--resume") as caught:
        await export(client, path, format=form)
    assert str(tmp_path) not in str(caught.value)
    assert (part_of(path).read_bytes(), state_of(path).read_bytes()) == before
    summary = await export(client, path, "restart", fields=["id", "sender"])
    assert (summary.resumed, summary.restarted, summary.rows) == (0, False, 95)
    assert names(tmp_path) == {"out.csv"}


async def test_names_of_a_strange_state_are_not_repeated(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    strange = {"\x1b[2J+447700900123": "1", "x" * 50: "2"}
    alter(path, identity={**json.loads(state_of(path).read_bytes())["identity"], **strange, "fields": "x"})
    with pytest.raises(ResumeError, match=r"another one \(fields, others differ\)"):
        await export(client, path, "resume")


# A part file and a state that do not belong together


@pytest.mark.parametrize(
    "damage", ["cut short", "emptied", "another file", "one byte at its end", "longer than it was and another"]
)
async def test_a_changed_or_foreign_part_file_is_refused_and_left_alone(
    damage: str, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    whole, state = part_of(path).read_bytes(), state_of(path).read_bytes()
    damaged = {
        "cut short": whole[:-1],
        "emptied": b"",
        "another file": b"precious".ljust(len(whole), b"!"),
        "one byte at its end": whole[:-4] + b"7" + whole[-3:],
        "longer than it was and another": b"precious" * len(whole),
    }[damage]
    assert damaged != whole
    part_of(path).write_bytes(damaged)
    with pytest.raises(ResumeError, match=r"\.part file was changed.*--restart"):
        await export(client, path, "resume")
    with pytest.raises(UnfinishedExportError):
        await export(client, path)
    assert (part_of(path).read_bytes(), state_of(path).read_bytes()) == (damaged, state)
    assert (await export(client, path, "restart")).rows == 95
    assert path.read_bytes() == WHOLE


async def test_what_follows_the_durable_rows_is_cut_off(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    with part_of(path).open("ab") as file:
        file.write(b'"c050"\r\n' * 1000 + b'"half a ro')
    assert (await export(client, path, "resume")).resumed == 50
    assert path.read_bytes() == WHOLE


@pytest.mark.parametrize(
    "changed",
    [
        {"version": None}, {"version": "2"}, {"offset": -1}, {"offset": "5"}, {"offset": None}, {"rows": -1}, {"rows": True},
        {"position": {}, "more": 1}, {"position": []}, {"position": {"done": -1}}, {"position": {"checkpoint": {"page": 1}}},
        {"identity": None}, {"identity": []}, {"identity": {"kind": 5}}, {"tail": None}, {"more": 5},
    ],
)  # fmt: skip
async def test_a_damaged_state_is_refused_and_left_alone(
    changed: dict[str, Any], tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    alter(path, **changed)
    before = part_of(path).read_bytes(), state_of(path).read_bytes()
    with pytest.raises(ResumeError, match=r"damaged.*--restart"):
        await export(client, path, "resume")
    assert (part_of(path).read_bytes(), state_of(path).read_bytes()) == before


@pytest.mark.parametrize("place", ["page", "page_size", "offset", "rows", "total"])
async def test_a_place_that_cannot_be_is_refused(
    place: str, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    position = json.loads(state_of(path).read_bytes())["position"]
    alter(path, position={**position, "checkpoint": {**position["checkpoint"], place: -1}})
    with pytest.raises(ResumeError, match=r"damaged.*--restart"):
        await export(client, path, "resume")


async def test_a_state_that_is_torn_anywhere_is_refused(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    whole = state_of(path).read_bytes()
    for torn in (
        b"",
        b"null",
        b"[" * 100_000,
        b"\xff",
        whole + b"{}",
        *(whole[:at] for at in range(1, len(whole), 37)),
    ):
        state_of(path).write_bytes(torn)
        with pytest.raises(ResumeError, match="damaged") as caught:
            await export(client, path, "resume")
        assert caught.value.__cause__ is None
    state_of(path).write_bytes(whole)
    assert (await export(client, path, "resume")).resumed == 50


async def test_a_state_of_another_version_is_refused(tmp_path: Path, client: CampaignsClient, sandbox: Sandbox) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    alter(path, version=99)
    with pytest.raises(ResumeError, match=r"another version.*--restart"):
        await export(client, path, "resume")


async def test_a_state_of_another_run_is_not_believed_of_a_file_just_created(tmp_path: Path, contacts: Any) -> None:
    from campaigns_async.export import export_contacts

    path = tmp_path / "out.csv"
    async with Sandbox(rows(9), {"c000": contacts(3)}) as sandbox, client_of(sandbox) as client:
        sandbox.fault(when=lambda request: "c003" in request.path, times=1, status=403)
        with pytest.raises(PermissionDeniedError):
            await export_contacts(client, path, ["c001", "c002", "c003", "c000"], parallel=1)
        assert json.loads(state_of(path).read_bytes())["offset"] == 0, "a position before any row"
        part_of(path).rename(path)
        part_of(path).touch()  # a new run died before it could remove the state
        asked = len(sandbox.requests)
        summary = await export_contacts(client, path, ["c001", "c002", "c003", "c000"], unfinished="resume")
        again = [request.path for request in sandbox.requests[asked:]]
    assert (summary.rows, summary.resumed, summary.restarted) == (3, 0, False)
    assert "/api/Campaigns/c001/Contacts" in again


async def test_it_can_be_resumed_in_another_folder(tmp_path: Path, client: CampaignsClient, sandbox: Sandbox) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    (there := tmp_path / "there").mkdir()
    for file in (part_of(path), state_of(path)):
        (there / file.name).write_bytes(file.read_bytes())
    assert (await export(client, there / "out.csv", "resume")).resumed == 50


# Leftovers


@FORMS
async def test_a_state_that_a_dying_run_left_beside_the_complete_file_is_in_nobodys_way(
    form: Any, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    part_of(path).rename(path)
    assert (await export(client, path, "resume")).already_complete
    state_of(path).write_bytes(b"whatever")
    assert (await export(client, path, format=form)).rows == 95
    assert names(tmp_path) == {"out.csv"}


@FORMS
async def test_an_old_file_is_not_taken_for_that_of_a_run_which_failed_at_once(
    form: Any, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"of yesterday")
    for unfinished in ("refuse", "refuse", "resume", "restart", "resume"):
        await cut_off(client, sandbox, path, page=1, unfinished=unfinished, format=form)
        assert (path.read_bytes(), part_of(path).read_bytes()) == (b"of yesterday", b"")
    summary = await export(client, path, "resume", format=form)
    assert (summary.already_complete, summary.restarted, summary.rows) == (False, False, 95)
    assert names(tmp_path) == {"out.csv"}


@FORMS
async def test_a_leftover_without_a_state_may_be_anybodys(
    form: Any, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    part_of(path).write_bytes(b"mine")
    with pytest.raises(UnfinishedExportError, match="--restart"):
        await export(client, path, format=form)
    assert (names(tmp_path), part_of(path).read_bytes()) == ({"out.csv.part"}, b"mine")
    assert not sandbox.requests


@pytest.mark.parametrize("unfinished", ["resume", "restart"])
async def test_a_leftover_without_a_state_is_replaced_when_asked(
    unfinished: str, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    part_of(path).write_bytes(b"something longer than what comes" * 100)
    summary = await export(client, path, unfinished)
    assert (summary.resumed, summary.restarted) == (0, unfinished == "resume")
    assert (path.read_bytes(), names(tmp_path)) == (WHOLE, {"out.csv"})


@pytest.mark.slow
async def test_parquet_leaves_nothing_that_cannot_be_used(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.parquet"
    await cut_off(client, sandbox, path)
    assert names(tmp_path) == set()


async def test_nothing_is_left_of_a_run_that_wrote_nothing(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    await cut_off(client, sandbox, tmp_path / "out.csv", page=1)
    assert names(tmp_path) == set()


async def test_gzip_is_a_member_a_write_and_can_be_resumed(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv.gz"
    await cut_off(client, sandbox, path)
    assert gzip.decompress(part_of(path).read_bytes()) == WHOLE[: 6 + 50 * 8]
    with part_of(path).open("ab") as file:
        file.write(zlib.compress(b"lost", 6, wbits=31)[:-3])
    assert (await export(client, path, "resume")).resumed == 50
    assert gzip.decompress(path.read_bytes()) == WHOLE
    assert b"\x1f\x8b\x08\x00\x00\x00\x00\x00" in path.read_bytes(), "without a time: the same rows are the same bytes"


# Other runs


async def test_two_names_of_one_file_are_one_export(tmp_path: Path, client: CampaignsClient, sandbox: Sandbox) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "out.csv")
    hold = asyncio.Event()
    sandbox.fault(operation="list", nth=2, hold=hold)
    first = asyncio.create_task(export(client, tmp_path / "out.csv"))
    await sandbox.wait_received(2)
    with pytest.raises(ExportInUseError):
        await export(client, tmp_path / "link.csv")
    hold.set()
    await first


async def test_a_link_stays_one_and_what_it_leads_to_is_written(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    (tmp_path / "data").mkdir()
    real, link = tmp_path / "data" / "real.csv", tmp_path / "out.csv"
    link.symlink_to(real)
    seen: set[str] = set()
    for _ in range(2):  # it leads to nothing, then to a file
        await export(client, link, on_progress=lambda _: seen.update(names(tmp_path / "data")))
        assert "real.csv.part" in seen, "on the disk of the complete file"
        assert link.is_symlink()
        assert real.read_bytes() == WHOLE
    assert (names(tmp_path / "data"), names(tmp_path)) == ({"real.csv"}, {"data", "out.csv"})


@pytest.mark.parametrize("instead", [None, b"another"])
async def test_what_was_put_in_its_place_is_not_taken_for_it(
    instead: bytes | None, tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"

    def take_away(progress: Any) -> None:
        if progress.rows == 95:
            part_of(path).unlink()
            if instead is not None:
                part_of(path).write_bytes(instead)

    with pytest.raises(ExportWriteError, match="removed or replaced"):
        await export(client, path, on_progress=take_away)
    assert not path.exists()
    assert instead is None or part_of(path).read_bytes() == instead


# Places


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
async def test_a_new_file_is_as_the_umask_says_and_a_replaced_one_as_it_was(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    path, seen = tmp_path / "out.csv", list[tuple[int, int]]()
    look = lambda _: seen.append((mode(part_of(path)), mode(state_of(path))))  # noqa: E731
    before = os.umask(0o027)
    try:
        await export(client, path, on_progress=look)
        assert {part for part, _ in seen} == {0o640}
        assert mode(path) == 0o640
        for given in (0o600, 0o664, 0o200):
            path.chmod(given)
            seen.clear()
            await export(client, path, on_progress=look)
            for part, state in seen:
                assert part & 0o077 == given & 0o077, "no more may read it while it is written"
                assert state & 0o077 & ~given == 0
            assert mode(path) == given
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("none/out.csv", errno.ENOENT, "folder does not exist: create it"),
        ("folder", errno.EISDIR, "the output is a folder"),
        ("folder/", errno.EISDIR, "the output is a folder"),
        ("file/out.csv", errno.ENOTDIR, "part of the path is not a folder"),
        ("loop", errno.ELOOP, "symbolic link"),
        ("dangling", errno.ENOENT, "folder does not exist"),
        ("n" * 238, errno.ENAMETOOLONG, "name is too long"),
        ("n" * 245, errno.ENAMETOOLONG, "name is too long"),
        ("n" * 300, errno.ENAMETOOLONG, "name is too long"),
        ("pipe", errno.EINVAL, "pipe or a device"),
        (os.devnull, errno.EINVAL, "device"),
        ("a\0b", errno.EINVAL, "NUL"),
        ("blocked", errno.EISDIR, "there is a folder of this name"),
    ],
)
async def test_where_no_file_can_be_it_says_so_and_what_to_do(
    tmp_path: Path, name: str, number: int, text: str, client: CampaignsClient, sandbox: Sandbox
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "none" / "there")
    (tmp_path / "blocked.part").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = names(tmp_path)
    form: Any = "csv"
    for unfinished in ("refuse", "resume", "restart"):
        with pytest.raises(ExportWriteError, match=text) as caught:
            await export(client, tmp_path / name, unfinished, format=form)
        assert caught.value.errno == number
        assert str(tmp_path) not in str(caught.value)
        assert "n" * 40 not in str(caught.value)
    assert names(tmp_path) == before
    assert not sandbox.requests


async def test_what_lies_in_the_way_is_neither_followed_nor_written(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    (tmp_path / "precious").write_bytes(b"precious")
    part_of(path).symlink_to(tmp_path / "precious")
    with pytest.raises(ExportWriteError, match="symbolic link"):
        await export(client, path, "restart")
    part_of(path).unlink()
    os.mkfifo(part_of(path))
    with pytest.raises(ExportError, match="remove it"):
        await export(client, path, "restart")
    part_of(path).unlink()
    for link in (state_of(path), Path(f"{state_of(path)}.new")):
        link.symlink_to(tmp_path / "precious")
    await export(client, path)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert names(tmp_path) == {"out.csv", "precious"}


async def test_a_state_that_is_a_folder_is_reported_before_anything_is_lost(
    tmp_path: Path, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    part_of(path).write_bytes(b"rows")
    state_of(path).mkdir()
    for unfinished in ("refuse", "resume", "restart"):
        with pytest.raises(ExportWriteError, match="there is a folder of this name"):
            await export(client, path, unfinished)
    assert part_of(path).read_bytes() == b"rows"
    assert names(tmp_path) == {"out.csv.part", "out.csv.part.progress"}


FORBIDDEN = """
import asyncio, concurrent.futures.thread, os, sys  # imported while Python may still be read
from campaigns_async import CampaignsClient
from campaigns_async.export import ExportWriteError, export_campaigns

async def main():
    async with CampaignsClient("http://127.0.0.1:9", "key") as client:
        for name in sys.argv[2:]:
            try:
                await export_campaigns(client, name)
            except ExportWriteError as error:
                print(error.errno, error)

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
async def test_without_permission_it_says_so() -> None:
    """As nobody, if the tests are run by root, who may do everything."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to nobody
        folder = Path(name)
        folder.chmod(0o755)
        closed, shut, others, readable = folder / "closed", folder / "shut", folder / "others", folder / "open"
        for each, mode in ((closed, 0o555), (shut, 0o000), (others, 0o777), (readable, 0o777)):
            each.mkdir()
            each.chmod(mode)
        (others / "out.csv").touch()
        (others / "out.csv").chmod(0o444)  # a folder that lets the file be replaced, a file that does not
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


# Writes that fail


class Failing:
    """Fails the writes of a part file from some size on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path, number: int, size: int) -> None:
        self.real = os.write
        self.part, self.number, self.size = part_of(path), number, size
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: Any) -> int:
        if self.part.exists() and os.path.samestat(os.fstat(descriptor), self.part.stat()):
            room = self.size - self.part.stat().st_size
            if room <= 0:
                raise OSError(self.number, os.strerror(self.number))
            data = data[:room]
        return self.real(descriptor, data)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "the disk is full: make room, then resume: the rows written so far are kept"),
        (errno.EDQUOT, "the disk quota is used up: make room, then resume"),
        (errno.EIO, "the disk failed: solve that, then resume"),
        (errno.ESTALE, re.escape(f"the output cannot be written ({os.strerror(errno.ESTALE)}): solve that")),
    ],
)
async def test_a_write_that_fails_keeps_what_was_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    text: str,
    client: CampaignsClient,
    sandbox: Sandbox,
) -> None:
    path = tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        Failing(patched, path, number, 6 + 33 * 8 + 3)
        with pytest.raises(ExportWriteError, match=text) as caught:
            await export(client, path)
    assert caught.value.errno == number
    kept = (part_of(path).stat().st_size - 6) // 8
    assert part_of(path).read_bytes() == WHOLE[: 6 + kept * 8], "no half row, and room again"
    assert kept in {20, 30}, "pages that came together are written together, or not at all"
    assert not path.exists()
    assert (await export(client, path, "resume")).resumed == kept
    assert path.read_bytes() == WHOLE


async def test_a_write_that_fails_before_anything_is_kept_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: CampaignsClient, sandbox: Sandbox
) -> None:
    with monkeypatch.context() as patched:
        Failing(patched, tmp_path / "out.csv", errno.ENOSPC, 0)
        with pytest.raises(ExportWriteError, match="make room, then export again"):
            await export(client, tmp_path / "out.csv")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("call", ["fsync", "replace"])
async def test_an_end_that_fails_can_be_resumed(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    real, is_last = getattr(os, call), list[bool]()

    def failing(*arguments: Any) -> None:
        if is_last and (call == "fsync" or Path(arguments[1]) == path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(*arguments)

    def note(progress: Any) -> None:
        if progress.rows == 95:
            is_last.append(True)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        with pytest.raises(ExportWriteError, match="the disk failed"):
            await export(client, path, on_progress=note)
    assert not path.exists()
    assert (await export(client, path, "resume")).resumed == (95 if call == "replace" else 10)
    assert (path.read_bytes(), names(tmp_path)) == (WHOLE, {"out.csv"})


# Cancellation


class Held:
    """A function of `os` that is held for a file of this name until it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, function: str, path: Path) -> None:
        self.begun = threading.Event()
        self.release = threading.Event()
        real = getattr(os, function)

        def hold_once(first: Any, *more: Any, **options: Any) -> Any:
            is_ours = path in (first, *more) if not isinstance(first, int) else self._is_open(path, first)
            if is_ours and not self.begun.is_set():
                self.begun.set()
                assert self.release.wait(30)
            return real(first, *more, **options)

        monkeypatch.setattr(os, function, hold_once)

    @staticmethod
    def _is_open(path: Path, descriptor: int) -> bool:
        return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


async def cancel_and_release(task: asyncio.Task[Any], held: Held) -> None:
    """Cancel an export again and again; it ends when the operation under way does."""
    assert await asyncio.to_thread(held.begun.wait, 30)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done(), "the disk still works for it"
    held.release.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_write_is_seen_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        held = Held(patched, "write", part_of(path))
        await cancel_and_release(asyncio.create_task(export(client, path)), held)
    assert part_of(path).read_bytes() == WHOLE[: 6 + 10 * 8]
    assert (await export(client, path, "resume")).resumed == 10


async def test_a_cancelled_opening_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    await cut_off(client, sandbox, path)
    with monkeypatch.context() as patched:
        held = Held(patched, "ftruncate", part_of(path))
        await cancel_and_release(asyncio.create_task(export(client, path, "resume")), held)
    assert (await export(client, path, "resume")).resumed == 50


async def test_a_cancelled_end_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path = tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        held = Held(patched, "replace", path)
        await cancel_and_release(asyncio.create_task(export(client, path)), held)
    assert (path.read_bytes(), names(tmp_path)) == (WHOLE, {"out.csv"})


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
async def test_no_descriptor_outlives_an_export(tmp_path: Path, client: CampaignsClient, sandbox: Sandbox) -> None:
    async def once(number: int) -> None:
        path = tmp_path / f"{number}.csv"
        await cut_off(client, sandbox, path)
        with pytest.raises(UnfinishedExportError):
            await export(client, path)
        with pytest.raises(ResumeError):
            await export(client, path, "resume", fields=["sender"])
        await export(client, path, "resume")
        with pytest.raises(ExportWriteError):
            await export(client, tmp_path / "none" / "out.csv")

    await once(0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(1, 6):
        await once(number)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_it_is_made_durable_every_few_seconds_the_rows_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: CampaignsClient, sandbox: Sandbox
) -> None:
    path, now, synced = tmp_path / "out.csv", 0.0, list[str]()
    export_seam.sync_every(3.0, lambda: now)
    fsync = os.fsync

    def note_and_sync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        kinds = {"part": part_of(path), "state": Path(f"{state_of(path)}.new"), "folder": tmp_path}
        synced.extend(kind for kind, at in kinds.items() if at.exists() and os.path.samestat(found, at.stat()))
        fsync(descriptor)

    def tick(_: object) -> None:
        nonlocal now
        counts.append(len(synced))
        now += 1.0

    monkeypatch.setattr(os, "fsync", note_and_sync)
    counts: list[int] = []
    await cut_off(client, sandbox, path, page=10, on_progress=tick)
    once = ["part", "state", "folder"]
    assert counts == [3 * (1 + number // 3) for number in range(len(counts))]
    assert len(counts) > 3  # under load, one write takes several pages
    at_the_end = len(counts) % 3 != 1
    assert synced == once * (-(-len(counts) // 3) + at_the_end), "and when it is cut off in good order"
