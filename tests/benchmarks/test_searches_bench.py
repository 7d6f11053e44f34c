"""The benchmark of searches runs from end to end. Nothing here is timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.benchmarks import run_benchmark


@pytest.mark.slow
@pytest.mark.timeout(130)
def test_a_short_run_prints_every_figure_and_writes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    done = run_benchmark("benchmarks.searches", "--quick", "--json", str(file))

    assert done.returncode == 0, done.stderr
    measured = json.loads(file.read_text(encoding="utf-8"))
    assert len(done.stdout.splitlines()) == len(measured)
    assert all(value > 0 for value in measured.values())
    # 30 pages of 100 campaigns, and the count before them; then the contacts of ten campaigns and of the create's own.
    assert measured["preflight: requests"] >= 31
    assert measured["look: requests for contacts"] == 11
