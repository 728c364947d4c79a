"""Two small charts as inline SVG: loss against learning rate, and loss against step, one optimizer before the others.

Colours come from stylesheets/site.css, so that a chart follows the reader's light or dark theme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 26, 40  # margins of the plot inside the picture

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One optimizer's points, in the order of x.

    Attributes:
        name: what a reader sees who points at it.
        points: (x, y); a loss that is not finite counts as diverged and is drawn at the upper edge.
        own: whether it is the one that the page is about.
        best: a point to mark.
        hollow: x of the points from runs that were stopped early; the line passes them by.
    """

    name: str
    points: tuple[Point, ...]
    own: bool = False
    best: Point | None = None
    hollow: frozenset[float] = frozenset()


@dataclass(frozen=True)
class Axis:
    """Values to places on the picture; logarithmic unless told otherwise."""

    low: float
    high: float
    start: float
    end: float
    linear: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; what lies beyond an end is drawn at it."""
        scale: Callable[[float], float] = float if self.linear else math.log10
        low, high = scale(self.low), scale(self.high)
        share = (scale(max(value, self.low)) - low) / (high - low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Four to eight round values."""
        if self.linear:
            step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if (self.high - self.low) / s <= 6)
            return [step * k for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        every = 1 + (last - first) // 7
        decades = [10.0**k for k in range(first, last + 1, every)]
        if len(decades) > 2:
            return decades
        finer = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
        return [value for value in finer if self.low <= value <= self.high]


def chart(
    title: str, x_title: str, lines: Sequence[Line], *, marks: Sequence[tuple[str, float]] = (), linear: bool = False
) -> str:
    """A chart as one line of SVG.

    Args:
        title: above the plot, and what a screen reader says.
        x_title: below it.
        lines: those of the others first, so that the page's own lies on top.
        marks: (label, x) of vertical lines.
        linear: whether x is; y is logarithmic.
    """
    shown = [point for line in lines for point in line.points if line.own or point[0] not in line.hollow]
    xs = [x for x, _ in shown] + [x for _, x in marks]
    ys = [y for _, y in shown if 0 < y < math.inf]
    start = [line.points[0][1] for line in lines if linear]
    top = 1.3 * min(max(ys), 2 * max(start) if start else max(ys))
    x = Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT, linear)
    y = Axis(max(min(ys) / 1.3, 1e-16), top, HEIGHT - BOTTOM, TOP)
    parts = [f'<text class="title" x="{LEFT}" y="15">{escape(title)}</text>']
    for value in y.ticks():
        parts.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>')
        place = f'x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end"'
        parts.append(f'<text class="tick" {place}>{_short(value)}</text>')
    for value in x.ticks():
        parts.append(f'<path class="grid" d="M{x(value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        place = f'x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 16}"'
        parts.append(f'<text class="tick" {place} text-anchor="middle">{_short(value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="tick" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_title)}</text>')
    for line in sorted(lines, key=lambda line: line.own):
        parts += _line(line, x, y, dots=not linear)
    for level, (label, value) in enumerate(marks):
        anchor, dx = ("end", -4) if x(value) > WIDTH - 120 else ("start", 4)
        parts.append(f'<path class="mark" d="M{x(value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        place = f'x="{x(value) + dx:.1f}" y="{TOP + 14 + 15 * level}" text-anchor="{anchor}"'
        parts.append(f'<text class="label" {place}>{escape(label)}</text>')
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg class="chart" {size} role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _line(line: Line, x: Axis, y: Axis, dots: bool) -> list[str]:
    kind = "own" if line.own else "other"
    finite = [(a, b) for a, b in line.points if b < math.inf and a not in line.hollow]
    places = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in finite)
    parts = [f'<polyline class="{kind}" points="{places}"><title>{escape(line.name)}</title></polyline>']
    if not line.own:
        return parts
    for a, b in line.points:
        if b == math.inf:
            parts.append(f'<text class="cross" x="{x(a):.1f}" y="{TOP + 4}" text-anchor="middle">✕</text>')
        elif dots:
            hollow = " hollow" if a in line.hollow else ""
            parts.append(f'<circle class="dot{hollow}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3"/>')
    if line.best:
        a, b = line.best
        parts.append(f'<text class="star" x="{x(a):.1f}" y="{y(b) + 6:.1f}" text-anchor="middle">★</text>')
    return parts


def _short(value: float) -> str:
    """0.001 as 0.001, 1e-5 as 10⁻⁵."""
    if value == 0 or 1e-3 <= value < 1e4:
        return f"{value:g}"
    exponent = round(math.log10(value))
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
