"""The plot of the curves as SVG: a panel for each, with the cost of a unit by the amount of work.

The background is transparent and the colours are of medium lightness, so that it is readable on light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from attrs import frozen

from benchmarks.curves import Curve, Point
from benchmarks.pairs import compute_spread

_WIDTH, _HEIGHT = 420, 320
"""The size of a panel."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 34, 64, 52
_INK = "#7d8895"
_TEXT = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"'


@frozen
class _Line:
    """One side of a curve."""

    label: str
    colour: str
    dashes: str
    values: Callable[[Point], Sequence[float]]


_LINES = (
    _Line("client", "#2f81f7", "", lambda point: point.client),
    _Line("by hand", "#d1772c", "6 4", lambda point: point.by_hand),
)


def draw_plot(curves: Sequence[Curve]) -> str:
    """Return the plot as SVG."""
    width = _WIDTH * len(curves)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}">',
        f'<g {_TEXT} font-size="12" fill="{_INK}">',
        "<title>CPU time of a unit by the amount of work: the client, and the same work by hand</title>",
    ]
    for number, curve in enumerate(curves):
        lines.append(f'<g transform="translate({number * _WIDTH} 0)">')
        lines.extend(_panel(curve))
        lines.append("</g>")
    return "\n".join([*lines, "</g></svg>"]) + "\n"


def _panel(curve: Curve) -> Iterator[str]:
    scale = _Scale.of(curve)
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    yield f'<text x="{_LEFT}" y="20" font-size="14" font-weight="600">CPU time of a {curve.unit}, µs</text>'
    yield from _legend()
    for value in scale.ticks:
        y = scale.y(value)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="{_INK}" stroke-opacity="{1 if value == 0 else 0.25}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    for point in curve.points:
        if math.log10(point.work).is_integer():
            x = scale.x(point.work)
            yield f'<path d="M{x:.1f} {bottom}v5" stroke="{_INK}"/>'
            yield f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{point.work:,}</text>'
    middle = (_LEFT + right) / 2
    yield f'<text x="{middle:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{curve.unit}s in one run</text>'
    for line in _LINES:
        yield from _draw_line(line, curve, scale)


def _legend() -> Iterator[str]:
    x = _LEFT
    for line in _LINES:
        yield f'<path d="M{x} 42h26" stroke="{line.colour}" stroke-width="2" stroke-dasharray="{line.dashes}"/>'
        yield f'<circle cx="{x + 13}" cy="42" r="3.5" fill="{line.colour}"/>'
        yield f'<text x="{x + 32}" y="46">{line.label}</text>'
        x += 48 + 7 * len(line.label)
    yield f'<text x="{x}" y="46">bars: 10th to 90th percentile</text>'


def _draw_line(line: _Line, curve: Curve, scale: _Scale) -> Iterator[str]:
    """Yield the medians, each with a bar from the 10th to the 90th percentile."""
    places: list[str] = []
    for point in curve.points:
        values = line.values(point)
        least, most = compute_spread(values)
        x, y = scale.x(point.work), scale.y(median(values))
        places.append(f"{x:.1f} {y:.1f}")
        bar = f"M{x:.1f} {scale.y(least):.1f}V{scale.y(most):.1f}"
        yield f'<path d="{bar}" stroke="{line.colour}" stroke-width="6" stroke-opacity="0.3"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.colour}"/>'
    dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
    yield f'<path d="M{"L".join(places)}" fill="none" stroke="{line.colour}" stroke-width="2"{dashes}/>'


@frozen
class _Scale:
    """The scales of a panel: logarithmic for the amount of work, linear from 0 for the cost."""

    first: float
    last: float
    ticks: tuple[float, ...]

    @classmethod
    def of(cls, curve: Curve) -> _Scale:
        works = [math.log10(point.work) for point in curve.points]
        highest = max(compute_spread(line.values(point))[1] for line in _LINES for point in curve.points)
        step = _step(highest)
        count = math.ceil(highest / step)
        return cls(works[0], max(works[-1], works[0] + 1), tuple(number * step for number in range(count + 1)))

    def x(self, work: int) -> float:
        part = (math.log10(work) - self.first) / (self.last - self.first)
        return _LEFT + 14 + part * (_WIDTH - _LEFT - _RIGHT - 28)

    def y(self, cost: float) -> float:
        bottom = _HEIGHT - _BOTTOM
        return bottom - cost / self.ticks[-1] * (bottom - _TOP)


def _step(highest: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, … that needs no more than six steps."""
    power = 10.0 ** math.floor(math.log10(highest / 6))
    return next(step for factor in (1, 2, 5, 10, 20) if (step := factor * power) * 6 >= highest)
