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
"""Six of the eight of Okabe and Ito (2008), which people with any kind of colour blindness tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "<")
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
    """The context in which a figure must be built and saved: our style, whatever the user's own file says."""
    return _matplotlib("style").context(["default", STYLE])


def plain_svg() -> Any:
    """The context in which an SVG is the same each time it is written, and its text is text, to be found and copied."""
    return _matplotlib("style").context({"svg.fonttype": "none", "svg.hashsalt": "descend"})


def new_figure() -> Any:
    """An empty figure that lays itself out."""
    return _matplotlib("figure").Figure(layout="constrained")


def save(figure: Any, file: str | PathLike[str]) -> None:
    """Write the figure to a file; the suffix chooses the format."""
    figure.savefig(file, dpi=150)


def draw_curve(axes: Any, xs: Sequence[float], ys: Sequence[float], number: int) -> None:
    """Draw the curve of setting `number`; a marker of its own here and there tells it apart in a grey print, too."""
    every = max(1, len(xs) // 6)
    axes.plot(
        xs, ys, color=COLOURS[number % len(COLOURS)], linewidth=1.9, solid_joinstyle="round",
        marker=MARKERS[number % len(MARKERS)], markersize=6, markevery=(every // 2 + number % every, every),
        markeredgecolor="white", markeredgewidth=0.8,
    )  # fmt: skip


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
    """Move positions apart until neighbours are `gap` apart, each crowd centred where its members wanted to be.

    Args:
        positions: the wanted places, in any order; equal ones keep the order they are given in.
        gap: the smallest distance between two results.
        low: the lowest result allowed.
        high: the highest; the range must have room for all.
    """
    order = sorted(range(len(positions)), key=positions.__getitem__)
    crowds: list[tuple[float, int]] = []  # (centre, members), from the bottom up
    for k in order:
        crowds.append((positions[k], 1))
        while True:
            centre, members = crowds[-1]
            half = gap * (members - 1) / 2
            centre = min(max(centre, low + half), high - half)
            crowds[-1] = (centre, members)
            if len(crowds) == 1:
                break
            below, others = crowds[-2]
            if centre - half - (below + gap * (others - 1) / 2) >= gap * (1 - 1e-9):
                break
            crowds[-2:] = [((centre * members + below * others) / (members + others), members + others)]
    places = [centre + gap * (k - (members - 1) / 2) for centre, members in crowds for k in range(members)]
    result = [0.0] * len(positions)
    for place, k in zip(places, order, strict=True):
        result[k] = place
    return result


def label_ends(axes: Any, ends: Sequence[tuple[str, float]], x: float) -> None:
    """Name every curve to the right of the axes, at the height where it ends; a thin line leads there.

    Args:
        axes: with its limits already set, the right one at the end of the curves.
        ends: (label, last y) of curve 0, 1, ...
        x: the last x of the curves.
    """
    to_fraction = axes.transData + axes.transAxes.inverted()
    heights = [float(to_fraction.transform((x, y))[1]) for _, y in ends]
    for number, ((label, y), height) in enumerate(zip(ends, spread(heights, 0.062, 0.02, 0.98), strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot([x], [y], marker=MARKERS[number % len(MARKERS)], color=colour, markersize=7, clip_on=False, zorder=5)
        axes.annotate(
            label,
            xy=(x, y),
            xytext=(1.1, height),
            textcoords="axes fraction",
            va="center",
            color=dark(colour),
            arrowprops=_leader(colour, relpos=(0, 0.5), shrinkA=2, shrinkB=4),
        )


@dataclass(frozen=True)
class Path2D:
    """A path in the plane, in data coordinates, with the label of its end and the number that gives its style."""

    points: tuple[Point, ...]
    label: str
    number: int

    @property
    def length(self) -> float:
        """Along the path."""
        return sum(dist(a, b) for a, b in pairwise(self.points))

    @property
    def colour(self) -> str:
        """Of the setting."""
        return COLOURS[self.number % len(COLOURS)]


def draw_paths(axes: Any, paths: Sequence[Path2D]) -> None:
    """Draw paths from a common start, each with a dot per step and its own marker at the end.

    Paths that set out in the same direction would hide each other, so the shorter one is drawn above and wider: the
    stretch they share shows the shorter, the rest the longer, with the end marker between.
    """
    for rank, path in enumerate(sorted(paths, key=lambda path: -path.length)):
        xs, ys = zip(*path.points, strict=True)
        width = 1.0 + 1.8 * rank / max(1, len(paths) - 1)
        axes.plot(xs, ys, color=path.colour, linewidth=width, alpha=0.9, zorder=3 + rank, solid_joinstyle="round")
        axes.plot(xs[1:], ys[1:], ".", color=path.colour, markersize=width + 2.6, zorder=3 + rank)
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
    measure = _matplotlib("text").Text.get_window_extent  # of the text alone, without the line that leads to it
    taken: list[tuple[float, float, float, float]] = []
    halo = [_matplotlib("patheffects").withStroke(linewidth=3, foreground="white", alpha=0.85)]
    for text, point, colour in labels:
        artist = axes.annotate(
            text, xy=point, xytext=(0, 0), textcoords="offset points", ha="center", va="center", color=dark(colour),
            zorder=30, path_effects=halo, fontsize=11,
            arrowprops=_leader(colour, shrinkA=0, shrinkB=5),
        )  # fmt: skip
        box = measure(artist)
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


# Sideways and upwards, in halves of the label's own size: beside, above, below, then the corners, then in between.
_DIRECTIONS = (
    *((1, 0), (-1, 0), (0, 1), (0, -1)),
    *((1, 1), (1, -1), (-1, 1), (-1, -1)),
    *((0.5, 1), (-0.5, 1), (0.5, -1), (-0.5, -1)),
)


def _leader(colour: str, **ends: Any) -> dict[str, Any]:
    """The thin line from a label to what it names."""
    return {"arrowstyle": "-", "color": colour, "linewidth": 0.9, **ends}


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
