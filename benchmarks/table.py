"""The table as Markdown, and all measurements as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from attrs import asdict

from benchmarks.goals import GOALS
from benchmarks.pairs import Measured, compute_spread

_HEADINGS = ("", "this", "against", "unit", "median (10th to 90th percentile)", "at most")


def format_table(rows: Sequence[Measured]) -> str:
    """Return the table of measurements, with the goal at the end of each line."""
    return format_markdown(_HEADINGS, map(_cells, rows))


def format_markdown(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    cells = [headings, *lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


def build_document(rows: Sequence[Measured], machine: Mapping[str, str | int]) -> dict[str, Any]:
    """Return all measurements as JSON-ready data."""
    return {"machine": dict(machine), "rows": [_entry(row) for row in rows]}


def format_ratio(values: Sequence[float]) -> str:
    """Return the median, followed by the percentiles."""
    least, most = compute_spread(values)
    return f"{median(values):.2f} ({least:.2f} to {most:.2f})"


def format_comparison(row: Measured, value: float) -> str:
    """Return a ratio, or a difference with its sign and unit."""
    return f"{value:+.1f} {row.unit}" if row.differs else f"{value:.2f}"


def _cells(row: Measured) -> tuple[str, ...]:
    least, most = row.spread
    found = f"{row.median:+.1f} ({least:+.1f} to {most:+.1f})" if row.differs else format_ratio(row.compared)
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
