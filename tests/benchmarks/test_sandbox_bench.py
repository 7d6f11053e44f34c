"""The sandbox's benchmark runs from end to end. Nothing here is timed."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest
from support.benchmarks import ROOT, load_benchmark, run_benchmark

from campaigns_async.sandbox._mobile_numbers import parse_mobile

bench = load_benchmark("sandbox")


@pytest.mark.slow
@pytest.mark.timeout(130)  # two subprocesses for each row, on a machine that has other things to do
def test_a_short_run_prints_every_row_and_writes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    done = run_benchmark("benchmarks.sandbox", "--quick", "--json", str(file))

    assert done.returncode == 0, done.stderr
    written = json.loads(file.read_text(encoding="utf-8"))
    found = {row["CPU, ms a request"]: row["found"] for row in written["listings"]}
    assert found == {
        "everything": 15_000,
        "equality": 2_143,
        "contains, any case": 100,
        "range of dates": 3_752,
        "either of two names": 2_143,
    }
    assert len(written["creates"]) == 4
    assert all(row["CPU, µs each"] > 0 for row in written["creates"])
    names = [*found, *(row["creates"] for row in written["creates"])]
    printed = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [name for name in printed if name in names] == names


def test_all_numbers_are_valid_and_differ_in_all_rows_but_the_last() -> None:
    *others, (_, repeated) = bench._numberings()

    for _, form in others:
        digits = {parse_mobile(form(person)) for person in range(1000)}
        assert len(digits) == 1000
        assert None not in digits
    assert len({parse_mobile(repeated(person)) for person in range(1000)}) == 10


def test_the_process_reports_its_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with bench.run_sandbox(3) as (url, cpu):
        first = cpu()
        assert 0 < first <= cpu()
        assert url.startswith("http://127.0.0.1:")


async def test_an_unexpected_status_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with bench.run_sandbox(3) as (url, _):
        async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {bench.KEY}"}) as session:
            page = await (await session.get("/api/Campaigns")).json()
        assert page["totalRecords"] == 3
        async with bench._connect(url) as (stream,):
            with pytest.raises(RuntimeError, match="status 404 rather than 200"):
                await bench._ask(stream, bench._request("GET", "/api/Campaigns/none"), 200)
