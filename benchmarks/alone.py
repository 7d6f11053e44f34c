"""All rows, each measured in a process of its own: what a row leaves in memory changes the cost of the next."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from benchmarks.durable import list_durable_rows
from benchmarks.export import list_export_rows
from benchmarks.memory import list_memory_rows
from benchmarks.pairs import Measured
from benchmarks.rows import Place, Row
from benchmarks.startup import list_startup_rows
from benchmarks.work import list_call_rows


def list_all_rows() -> tuple[Row, ...]:
    """Return all rows, in the order of the table."""
    return tuple(Row(row.name, partial(_measure_alone, row.name)) for row in _rows())


def _rows() -> tuple[Row, ...]:
    return (*list_call_rows(), *list_durable_rows(), *list_export_rows(), *list_startup_rows(), *list_memory_rows())


def _measure_alone(name: str, place: Place) -> Measured:
    # Spawned: a fork would start with this process's memory. The new process inherits the core.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(_measure_row, name, place).result()


def _measure_row(name: str, place: Place) -> Measured:
    return next(row for row in _rows() if row.name == name).measure(place)
