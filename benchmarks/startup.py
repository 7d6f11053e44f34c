"""The row about importing the client, against importing its dependencies, in whole processes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from benchmarks.pairs import Measured
from benchmarks.rows import Place, Row

_OURS = "from campaigns_async import CampaignsClient"
_OTHER = "import aiohttp, attrs, cattrs, tenacity"


def list_startup_rows() -> tuple[Row, ...]:
    """Return the one row."""
    return (Row("import", _measure),)


def _measure(place: Place) -> Measured:
    costs: dict[str, list[float]] = {_OURS: [], _OTHER: []}
    for turn in range(place.size.imports + 1):
        for code in (_OURS, _OTHER) if turn % 2 else (_OTHER, _OURS):
            cost = _cpu_ms(code)
            if turn:  # the first pair writes the bytecode
                costs[code].append(cost)
    detail = "CampaignsClient against aiohttp, attrs, cattrs and tenacity"
    return Measured("import", detail, "ms CPU a process", tuple(costs[_OURS]), tuple(costs[_OTHER]))


def _cpu_ms(code: str) -> float:
    # An installed package has bytecode. Without it, only the checkout would be compiled each time.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = _of_children()
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
    return (_of_children() - began) * 1000


def _of_children() -> float:
    """Return the CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
