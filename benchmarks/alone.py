"""Each row in a process of its own: what one leaves in memory changes what the next one costs."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from benchmarks.durable import durable_rows
from benchmarks.export import export_rows
from benchmarks.memory import memory_rows
from benchmarks.pairs import Measured
from benchmarks.rows import Place, Row
from benchmarks.startup import startup_rows
from benchmarks.work import call_rows


def all_rows() -> tuple[Row, ...]:
    """All of them, in the order of the table."""
    return tuple(Row(row.name, partial(_alone, row.name)) for row in _rows())


def _rows() -> tuple[Row, ...]:
    return (*call_rows(), *durable_rows(), *export_rows(), *startup_rows(), *memory_rows())


def _alone(name: str, place: Place) -> Measured:
    # Spawned: a fork would begin with all that this process holds. It stays on this one's core.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(_measured, name, place).result()


def _measured(name: str, place: Place) -> Measured:
    return next(row for row in _rows() if row.name == name).measure(place)
