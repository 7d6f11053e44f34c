"""The modules that an item enters are counted in every thread, and there are no more of them than were decided."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.benchmarks import ROOT, run_benchmark

CEILINGS = {"create": 19, "durable row": 36, "export row": 36}
"""Fewer for rows than in the first layout, which took 16, 38 and 46."""


def test_an_item_enters_no_more_modules_than_its_ceiling() -> None:
    done = run_benchmark("benchmarks.modules")

    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split("|") for line in done.stdout.splitlines()[2:]]
    counted = {name.strip(): int(modules) for name, modules in rows}
    assert counted.keys() == CEILINGS.keys()
    assert all(5 < modules <= CEILINGS[name] for name, modules in counted.items()), done.stdout


@pytest.mark.slow
def test_the_names_of_the_modules_are_printed_on_request() -> None:
    done = run_benchmark("benchmarks.modules", "--names")

    assert done.returncode == 0, done.stderr
    for name in CEILINGS:
        [names] = [line for line in done.stdout.splitlines() if line.startswith(f"{name}: ")]
        assert "_http/aiohttp_transport.py" in names


@pytest.mark.slow
def test_calls_count_in_every_thread_and_imports_do_not() -> None:
    code = """
import asyncio, importlib
from campaigns_async import events
from benchmarks.modules import Tracer
from campaigns_async.segments import segments
tracer = Tracer()
with tracer.trace():
    asyncio.run(asyncio.to_thread(segments, "text"))
    importlib.reload(events)
    tracer.files.add("/elsewhere/module.py")
print(tracer.modules())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "'segments.py'" in done.stdout
    assert "events.py" not in done.stdout
    assert "elsewhere" not in done.stdout
