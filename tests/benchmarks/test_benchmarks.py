"""The benchmarks run from end to end. Nothing here is timed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = (
    "create, 1 in flight",
    "create, 64 in flight",
    "create_many, 64 in flight",
    "list, 100 a page",
    "contacts, 100 a page",
    "build what create takes",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


def test_shortened_run_prints_every_row_and_writes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    done = run("--quick", "--rounds", "2", "--json", str(file))

    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].split(" (")[0].strip() for line in lines[1:]] == list(ROWS)
    measured = json.loads(file.read_text(encoding="utf-8"))
    assert [row["name"] for row in measured["rows"]] == list(ROWS)
    for row in measured["rows"]:
        assert len(row["client"]) == len(row["by_hand"]) == 2
        assert row["cpu_ratio"] > 0
        assert row["wall_ratio"] > 0


def test_only_some_rows() -> None:
    done = run("--quick", "--rounds", "1", "--only", "contacts")

    assert done.returncode == 0, done.stderr
    assert "contacts, 100 a page" in done.stdout
    assert "create" not in done.stdout


def test_no_rounds_are_refused() -> None:
    done = run("--rounds", "0")

    assert done.returncode == 2
    assert "--rounds must be at least 1" in done.stderr


@pytest.fixture
def answerer_port() -> Iterator[int]:
    """The port of an answerer with two pages of three rows, which ends with the test."""
    command = [sys.executable, "-I", str(ROOT / "benchmarks" / "answerer.py"), "2", "3"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()
    assert process.returncode == 0


async def test_answerer_takes_pipelined_requests_however_they_are_cut(answerer_port: int) -> None:
    post = b"POST /api/Campaigns HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
    page = b"GET /api/Campaigns?pageSize=3&page=2 HTTP/1.1\r\nHost: x\r\n\r\n"
    other = b"GET /api/Campaigns?pageSize=4&page=2 HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = post + page + other + post
    reader, writer = await asyncio.open_connection("127.0.0.1", answerer_port)

    for cut in range(0, len(sent), 50):
        writer.write(sent[cut : cut + 50])
        await writer.drain()
        await asyncio.sleep(0)

    async with asyncio.timeout(10):
        first, second, third, fourth = [await answer(reader) for _ in range(4)]
    writer.close()
    await writer.wait_closed()
    assert [first[0], second[0], third[0], fourth[0]] == [201, 200, 404, 201]
    assert json.loads(first[1]) != json.loads(fourth[1])
    listed = json.loads(second[1])
    assert (listed["pageIndex"], listed["totalPages"], listed["totalRecords"], len(listed["items"])) == (2, 2, 6, 3)


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line for line in head.split("\r\n") if line.startswith("Content-Length:"))
    return int(head.split()[1]), await reader.readexactly(int(length.partition(":")[2]))
