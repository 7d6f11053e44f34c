"""The goal of each row, and the bound above which `--check` fails.

A goal is the target on a quiet machine, with `python -m benchmarks`. A bound is higher, so that a busy machine and
`--quick` stay below it, and lower than the figure that the row has when its fast path is lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Goal:
    """A target and a bound, as a ratio or, for memory, in MB."""

    at_most: float
    fails_above: float


GOALS: Mapping[str, Goal] = {
    "create, one at a time": Goal(at_most=1.05, fails_above=1.6),
    "create, 64 in flight": Goal(at_most=1.05, fails_above=1.6),
    "create_many, 64 in flight": Goal(at_most=1.10, fails_above=1.8),
    "list": Goal(at_most=1.6, fails_above=1.8),
    "contacts": Goal(at_most=1.6, fails_above=1.8),
    "durable send, a server that answers at once": Goal(at_most=1.5, fails_above=2.8),
    "durable send, a server that takes 20 ms": Goal(at_most=1.1, fails_above=2.0),
    "export to NDJSON": Goal(at_most=1.5, fails_above=2.0),
    "memory, export to NDJSON": Goal(at_most=60.0, fails_above=60.0),
    "memory, export to CSV": Goal(at_most=60.0, fails_above=60.0),
    "memory, export to Parquet": Goal(at_most=150.0, fails_above=150.0),
    "import": Goal(at_most=1.30, fails_above=1.7),
    "memory, contacts": Goal(at_most=5.0, fails_above=8.0),
    "memory, create_many": Goal(at_most=5.0, fails_above=8.0),
    "growth, contacts": Goal(at_most=1.05, fails_above=1.6),
}
"""The goals by the names of the rows. A row without a goal is only for comparison."""
