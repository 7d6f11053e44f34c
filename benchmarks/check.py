"""What `--check` does: a row that is above its bound is measured again before it is called failed."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from benchmarks.goals import GOALS
from benchmarks.pairs import Measured
from benchmarks.rows import Place, Row
from benchmarks.table import compared_text

_ATTEMPTS = 3


def measured_again(row: Row, place: Place, slack: float) -> Measured:
    """The first measurement that is within the bound, or the last of three."""
    found = row.measure(place)
    for _ in range(_ATTEMPTS - 1):
        if (words := _exceeds(found, slack)) is None:
            break
        print(f"{words}: measured again", file=sys.stderr, flush=True)
        found = row.measure(place)
    return found


def failures(rows: Iterable[Measured], slack: float) -> list[str]:
    """What to say of each row that is above its bound."""
    return [words for row in rows if (words := _exceeds(row, slack)) is not None]


def _exceeds(row: Measured, slack: float) -> str | None:
    goal = GOALS.get(row.name)
    if goal is None or row.median <= (bound := goal.fails_above * slack):
        return None
    return f"{row.name}: {compared_text(row, row.median)} is above {compared_text(row, bound)}"
