"""The benchmarks run from end to end. Nothing here is timed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.benchmarks import ROOT, run_benchmark

ROWS = (
    "create, one at a time",
    "create, 64 in flight",
    "create, 64 in flight, no `async with` by hand",
    "create_many, 64 in flight",
    "list",
    "contacts",
    "list, by the converter",
    "contacts, by the converter",
    "build",
    "durable send, a server that answers at once",
    "durable send, a server that takes 20 ms",
    "export to NDJSON",
    "export to CSV",
    "export to Parquet",
    "memory, export to NDJSON",
    "memory, export to CSV",
    "memory, export to Parquet",
    "import",
    "memory, contacts",
    "memory, create_many",
    "growth, contacts",
)

WITHOUT_GOAL = {
    "create, 64 in flight, no `async with` by hand",
    "list, by the converter",
    "contacts, by the converter",
    "build",
    "export to CSV",
    "export to Parquet",
}


def names(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    return [line.split("|")[1].split(" (")[0].strip() for line in lines[1:]]


@pytest.mark.slow
@pytest.mark.timeout(130)  # a dozen subprocesses, on a machine that has other things to do
def test_a_short_run_prints_every_row_and_writes_the_files(tmp_path: Path) -> None:
    json_file, svg_file = tmp_path / "measured.json", tmp_path / "drawn.svg"
    done = run_benchmark("benchmarks", "--tiny", "--json", str(json_file), "--plot", str(svg_file))

    assert names(done) == list(ROWS)
    measured = json.loads(json_file.read_text(encoding="utf-8"))
    assert [row["name"] for row in measured["rows"]] == list(ROWS)
    for row in measured["rows"]:
        assert len(row["ours"]) == len(row["other"]) > 0
        assert row["spread"][0] <= row["median"] <= row["spread"][1]
        assert (row["at_most"] is None) == (row["name"] in WITHOUT_GOAL)
    assert [[point["work"] for point in curve["points"]] for curve in measured["curves"]] == [[1_000], [1_000]]
    drawing = ET.fromstring(svg_file.read_bytes())  # noqa: S314 - written by the run above
    texts = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"CPU time of a create, µs", "CPU time of a row, µs", "client", "by hand"} <= set(texts)


@pytest.mark.slow
def test_the_option_only_selects_rows() -> None:
    assert names(run_benchmark("benchmarks", "--tiny", "--only", "list")) == ["list", "list, by the converter"]


@pytest.mark.slow
@pytest.mark.parametrize("slack", ["1000", "0.001"])
def test_check_fails_above_the_bound_and_names_the_row(slack: str) -> None:
    done = run_benchmark("benchmarks", "--tiny", "--only", "list", "--check", "--slack", slack)

    again = done.stderr.count("measured again")
    assert (done.returncode, again) == ((0, 0) if slack == "1000" else (1, 2)), done.stderr
    assert ("list: " in done.stderr.splitlines()[-1]) == (done.returncode == 1)
    assert "| list (10 a page) " in done.stdout


def test_every_goal_belongs_to_a_row_and_is_not_above_its_bound() -> None:
    code = "import json; from benchmarks.goals import GOALS; from attrs import asdict; "
    code += "print(json.dumps({name: asdict(goal) for name, goal in GOALS.items()}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    goals = json.loads(done.stdout)

    assert set(goals) == set(ROWS) - WITHOUT_GOAL
    assert all(goal["at_most"] <= goal["fails_above"] for goal in goals.values())


@pytest.mark.slow
def test_a_small_plan_is_sent_planned_and_resumed(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    done = run_benchmark("benchmarks.planning", "--share", "0.002", "--rounds", "1", "--json", str(file))

    assert done.returncode == 0, done.stderr
    sent, dry, planned, resumed = json.loads(file.read_text(encoding="utf-8")).values()
    assert min(sent["ratio"], dry["ratio"], planned["seconds"], resumed["seconds"]) > 0
    assert resumed["peak_mb"] > 0


@pytest.mark.slow
def test_prefetch_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    done = run_benchmark("benchmarks.prefetch", "--quick", "--json", str(file))

    assert done.returncode == 0, done.stderr
    assert all(min(row["pages_a_second"]) > 0 for row in json.loads(file.read_text(encoding="utf-8")))


@pytest.fixture
def answerer_port() -> Iterator[int]:
    """Run an answerer with two pages of three rows, and yield its port."""
    command = [sys.executable, "-I", str(ROOT / "benchmarks" / "answerer.py"), "2", "3", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()
    assert process.returncode == 0


async def test_the_answerer_accepts_pipelined_requests_in_any_pieces(answerer_port: int) -> None:
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
