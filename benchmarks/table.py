"""The table as text, and all measurements for a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from attrs import asdict

from benchmarks.goals import GOALS
from benchmarks.pairs import Measured, spread

_HEADINGS = ("", "this", "against", "unit", "median (10th to 90th percentile)", "at most")


def table(rows: Sequence[Measured]) -> str:
    """One line a row, the goal at its end."""
    return as_table(_HEADINGS, map(_cells, rows))


def as_table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, so that it can be pasted."""
    cells = [headings, *lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


def document(rows: Sequence[Measured], machine: Mapping[str, str | int]) -> dict[str, Any]:
    """Everything that was measured, for a file."""
    return {"machine": dict(machine), "rows": [_entry(row) for row in rows]}


def ratio_text(values: Sequence[float]) -> str:
    """The median, and the spread behind it."""
    least, most = spread(values)
    return f"{median(values):.2f} ({least:.2f} to {most:.2f})"


def compared_text(row: Measured, value: float) -> str:
    """A ratio, or a difference with its sign and its unit."""
    return f"{value:+.1f} {row.unit}" if row.differs else f"{value:.2f}"


def _cells(row: Measured) -> tuple[str, ...]:
    least, most = row.spread
    found = f"{row.median:+.1f} ({least:+.1f} to {most:+.1f})" if row.differs else ratio_text(row.compared)
    goal = GOALS.get(row.name)
    return (
        f"{row.name} ({row.detail})",
        f"{median(row.ours):.1f}",
        f"{median(row.other):.1f}",
        row.unit,
        found,
        "" if goal is None else f"{goal.at_most:+.1f}" if row.differs else f"{goal.at_most:.2f}",
    )


def _entry(row: Measured) -> dict[str, Any]:
    goal = GOALS.get(row.name)
    return {
        **asdict(row),
        "median": row.median,
        "spread": row.spread,
        "at_most": None if goal is None else goal.at_most,
    }
