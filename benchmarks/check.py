"""The option `--check`: a row fails if it is above its bound in three measurements."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from benchmarks.goals import GOALS
from benchmarks.pairs import Measured
from benchmarks.rows import Place, Row
from benchmarks.table import format_comparison

_ATTEMPTS = 3


def measure_again(row: Row, place: Place, slack: float) -> Measured:
    """Return the first measurement that is within the bound, or the last of three."""
    found = row.measure(place)
    for _ in range(_ATTEMPTS - 1):
        if (words := _exceeds(found, slack)) is None:
            break
        print(f"{words}: measured again", file=sys.stderr, flush=True)
        found = row.measure(place)
    return found


def describe_failures(rows: Iterable[Measured], slack: float) -> list[str]:
    """Return a message for each row that is above its bound."""
    return [words for row in rows if (words := _exceeds(row, slack)) is not None]


def _exceeds(row: Measured, slack: float) -> str | None:
    goal = GOALS.get(row.name)
    if goal is None or row.median <= (bound := goal.fails_above * slack):
        return None
    return f"{row.name}: {format_comparison(row, row.median)} is above {format_comparison(row, bound)}"
