"""What the pictures share: palette, line styles, labels that stand beside their curve and do not overlap.

Figures are built without pyplot, so a call leaves no window, no global state and no backend behind. matplotlib is
imported only when a picture is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import dist, hypot
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from .extras import need

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito (2008): eight colours that people with any kind of colour blindness tell apart; the six that show on white."""
DASHES = ("-", (0, (6, 1.5)), "-", (0, (3.5, 1.5)), "-", (0, (1.2, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P")
INK = "#222222"

STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.titlesize": 14,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

Point = tuple[float, float]


def _matplotlib(module: str) -> Any:
    return need(f"matplotlib.{module}", "matplotlib", "drawing the picture")


def check_format(file: str | PathLike[str]) -> None:
    """Find out before the work whether the picture can be written.

    Raises:
        MissingExtra: matplotlib is not installed.
        ValueError: matplotlib cannot write a file of that suffix.
    """
    formats = sorted(new_figure().canvas.get_supported_filetypes())
    suffix = Path(fspath(file)).suffix.lower().lstrip(".")
    if suffix not in formats:
        raise ValueError(f"cannot draw into {fspath(file)!r}: the suffix must be one of {', '.join(formats)}")


def style() -> Any:
    """The context in which a figure must be built and saved: our style on matplotlib's defaults, not the user's file."""
    return _matplotlib("style").context(["default", STYLE])


def new_figure() -> Any:
    """An empty figure that lays itself out."""
    return _matplotlib("figure").Figure(layout="constrained")


def save(figure: Any, file: str | PathLike[str]) -> None:
    """Write the figure to a file; the suffix chooses the format."""
    figure.savefig(file, dpi=150)


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of the setting `number`; the dashes also tell lines apart in a grey print."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "linewidth": 2.0,
        "solid_capstyle": "round",
    }


def dark(colour: str) -> str:
    """A darker shade of a palette colour, for text: yellow and pink are hard to read on white."""
    return "#" + "".join(f"{int(int(colour[k : k + 2], 16) * 0.68):02x}" for k in (1, 3, 5))


def plain_log_ticks(axis: Any) -> None:
    """Label a logarithmic axis 0.2, 0.5, 1, 2 instead of powers of ten."""
    ticker = _matplotlib("ticker")
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_formatter(ticker.NullFormatter())


def padded(values: Sequence[float], share: float) -> tuple[float, float]:
    """The range of the values, wider by `share` of itself at each end."""
    low, high = min(values), max(values)
    margin = (high - low) * share
    return low - margin, high + margin


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions apart, as little as their order allows, until neighbours are `gap` apart and all lie in the range."""
    order = sorted(range(len(positions)), key=positions.__getitem__)
    placed = [min(max(positions[k], low), high) for k in order]
    for k in range(1, len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + gap)
    ceiling = high
    for k in reversed(range(len(placed))):
        placed[k] = min(placed[k], ceiling)
        ceiling = placed[k] - gap
    result = [0.0] * len(positions)
    for position, k in zip(placed, order, strict=True):
        result[k] = position
    return result


def label_ends(axes: Any, ends: Sequence[tuple[str, float]], x: float) -> None:
    """Name every curve to the right of the axes, at the height where it ends; a thin line leads there.

    Args:
        axes: with its limits already set.
        ends: (label, last y) of curve 0, 1, ...
        x: the last x of the curves, which becomes the right limit of the axes.
    """
    axes.set_xlim(right=x)
    to_fraction = axes.transData + axes.transAxes.inverted()
    heights = [float(to_fraction.transform((x, y))[1]) for _, y in ends]
    for number, ((label, y), height) in enumerate(zip(ends, spread(heights, 0.06, 0.02, 0.98), strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot([x], [y], marker=MARKERS[number % len(MARKERS)], color=colour, clip_on=False, zorder=5)
        axes.annotate(
            label,
            xy=(x, y),
            xytext=(1.07, height),
            textcoords="axes fraction",
            va="center",
            color=dark(colour),
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 4},
        )


@dataclass(frozen=True)
class Path2D:
    """A path in the plane, in data coordinates, with the label of its end and the number that gives its style."""

    points: tuple[Point, ...]
    label: str
    number: int

    @property
    def length(self) -> float:
        return sum(dist(a, b) for a, b in pairwise(self.points))

    @property
    def colour(self) -> str:
        return COLOURS[self.number % len(COLOURS)]


def draw_paths(axes: Any, paths: Sequence[Path2D]) -> None:
    """Draw paths from a common start, each with a dot per step and its own marker at the end.

    Paths that set out in the same direction would hide each other; the longer one is drawn below and wider.
    """
    for rank, path in enumerate(sorted(paths, key=lambda path: -path.length)):
        xs, ys = zip(*path.points, strict=True)
        width = 1.4 + 1.5 * (len(paths) - 1 - rank) / max(1, len(paths) - 1)
        axes.plot(xs, ys, color=path.colour, linewidth=width, alpha=0.9, zorder=3 + rank, solid_joinstyle="round")
        axes.plot(xs[1:], ys[1:], ".", color=path.colour, markersize=width + 2.2, zorder=3 + rank)
        axes.plot(
            xs[-1:], ys[-1:], MARKERS[path.number % len(MARKERS)], color=path.colour, markersize=9,
            markeredgecolor="white", markeredgewidth=1.2, zorder=20,
        )  # fmt: skip


def label_points(axes: Any, labels: Sequence[tuple[str, Point, str]], avoid: Sequence[Path2D]) -> None:
    """Put a label near each point, where it covers no other label, no path and no edge, as far as that is possible.

    Args:
        axes: with limits and everything else already drawn: the figure is laid out here and must not change afterwards.
        labels: (text, point, colour), the most important first.
        avoid: paths that labels should not cover.
    """
    figure = axes.figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # keep the layout that the places below are chosen for
    to_pixels = axes.transData.transform
    # Points along every path, close enough that a label cannot lie between two of them.
    dots = [
        tuple(to_pixels((a[0] + (b[0] - a[0]) * k / 12, a[1] + (b[1] - a[1]) * k / 12)))
        for path in avoid
        for a, b in pairwise(path.points)
        for k in range(13)
    ] + [tuple(to_pixels(point)) for _, point, _ in labels for _ in range(60)]
    frame = axes.get_window_extent()
    point_size = figure.dpi / 72
    taken: list[tuple[float, float, float, float]] = []
    halo = [_matplotlib("patheffects").withStroke(linewidth=3, foreground="white", alpha=0.85)]
    for text, point, colour in labels:
        artist = axes.annotate(
            text, xy=point, xytext=(0, 0), textcoords="offset points", ha="center", va="center", color=dark(colour),
            zorder=30, path_effects=halo, fontsize=11,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 5},
        )  # fmt: skip
        box = artist.get_window_extent()
        x, y = to_pixels(point)
        best = None
        for reach in (1.0, 1.6, 2.4, 3.4, 4.6):
            for across, up in _DIRECTIONS:
                dx = across * (box.width / 2 + 7 * reach * point_size)
                dy = up * (box.height / 2 + 9 * reach * point_size)
                place = (x + dx - box.width / 2 - 3, y + dy - box.height / 2 - 2,
                         x + dx + box.width / 2 + 3, y + dy + box.height / 2 + 2)  # fmt: skip
                cost = (
                    1000.0 * (place[0] < frame.x0 or place[2] > frame.x1 or place[1] < frame.y0 or place[3] > frame.y1)
                    + 500.0 * sum(_overlap(place, other) for other in taken)
                    + 3.0 * sum(place[0] < px < place[2] and place[1] < py < place[3] for px, py in dots)
                    + hypot(dx, dy) / 12
                )
                if best is None or cost < best[0]:
                    best = (cost, dx / point_size, dy / point_size, place)
        assert best is not None
        artist.set_position(best[1:3])
        taken.append(best[3])


_DIRECTIONS = (
    (1, 0),
    (-1, 0),
    (0, 1),
    (0, -1),
    (1, 1),
    (1, -1),
    (-1, 1),
    (-1, -1),
    (0.5, 1),
    (-0.5, 1),
    (0.5, -1),
    (-0.5, -1),
)


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
