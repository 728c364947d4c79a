"""How these pictures look: figure and axes, logarithmic axes with plain numbers, labels in the margin, the key below.

Whatever is drawn into a user's own axes is styled by hand and not through rcParams, so that the rest of the user's
figure stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from .. import plots
from ..extras import need

GREY, PALE, GRID, RED = "#777777", "#B8B8B8", "#E6E6E6", "#C62828"
FEW = 5
"""Up to so many lines are named directly; more have a legend."""


def matplotlib(module: str) -> Any:
    """A module of matplotlib.

    Raises:
        MissingExtra: it is not installed.
    """
    return need(f"matplotlib.{module}", "matplotlib", "drawing the picture")


def colour(number: int) -> str:
    """Of candidate `number`."""
    return plots.COLOURS[number % len(plots.COLOURS)]


def marker(number: int) -> str:
    """Of candidate `number`: colour and marker together are different for the first 36."""
    return plots.MARKERS[(number + number // len(plots.COLOURS)) % len(plots.MARKERS)]


def new_axes(width: float, height: float, columns: int = 1) -> list[Any]:
    """Axes side by side in a figure of their own, in inches."""
    figure = plots.new_figure()
    figure.set_size_inches(width, height)
    return list(figure.subplots(1, columns, squeeze=False, sharey=True)[0])


def lays_itself_out(axes: Any) -> bool:
    """Whether the figure makes room for what stands outside of its axes."""
    return axes.figure.get_layout_engine() is not None


def dress(axes: Any) -> None:
    """Two spines, a pale grid behind everything, small ticks."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GREY)
    axes.set_axisbelow(True)
    axes.grid(True, which="major", color=GRID, linewidth=0.8)
    axes.tick_params(which="both", color=GREY, labelcolor=plots.INK, labelsize=9.5, length=3)
    axes.tick_params(which="minor", length=0)


def title(axes: Any, text: str, below: str = "") -> None:
    """A bold line at the top left, and a small grey one under it."""
    axes.set_title(text, loc="left", fontsize=12, fontweight="bold", color=plots.INK, pad=24 if below else 8)
    if below:
        axes.annotate(
            below, xy=(0, 1), xycoords="axes fraction", xytext=(0, 8), textcoords="offset points", fontsize=9.5,
            color=GREY, va="bottom",
        )  # fmt: skip


def caption(axis: Any, text: str) -> None:
    """The name of an axis."""
    axis.set_label_text(text, fontsize=10.5, color=plots.INK)


def plain_number(value: float, _position: int | None = None) -> str:
    """A tick: 0.01 and 1000 as they are, beyond that 1e-4 (and not 1e-04)."""
    text = f"{value:g}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.3g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def log_ticks(axis: Any, low: float, high: float) -> None:
    """Ticks for a logarithmic axis of that range: powers of ten, or finer where there are too few of them."""
    ticker = matplotlib("ticker")
    decades = math.log10(high / low)
    if decades >= 2.5:
        locator = ticker.LogLocator(numticks=12)
    elif decades >= 0.8:
        locator = ticker.LogLocator(subs=(1.0, 2.0, 5.0), numticks=12)
    else:
        locator = ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    axis.set_major_locator(locator)
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(plain_number))


def linear_ticks(axis: Any) -> None:
    """Ticks for a linear axis, as plain numbers."""
    ticker = matplotlib("ticker")
    axis.set_major_locator(ticker.MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(ticker.FuncFormatter(plain_number))


def rate_axis(axes: Any, low: float, high: float) -> None:
    """Make x a logarithmic axis of learning rates with some room at both ends; one rate alone stands in the middle."""
    room = max((high / low) ** 0.04, 1.12) if high > low else 10**0.75
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    log_ticks(axes.xaxis, low / room, high * room)
    caption(axes.xaxis, "learning rate")


def loss_axis(axes: Any, losses: Sequence[float], below: float = 0.05, above: float = 0.05, log: bool = True) -> None:
    """Make y an axis that holds the losses and leaves shares of its height free below and above them.

    Args:
        axes: what to set.
        losses: finite; may be empty.
        below: share of the height.
        above: share of the height.
        log: logarithmic if all losses are positive.
    """
    values = list(losses) or [0.0, 1.0]
    low, high = min(values), max(values)
    logarithmic = log and low > 0
    if logarithmic:
        low, high = math.log10(low), math.log10(high)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.1, high + 0.1
    unit = (high - low) / (1 - below - above)
    low, high = low - unit * below, high + unit * above
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(10**low, 10**high)
        log_ticks(axes.yaxis, 10**low, 10**high)
    else:
        axes.set_yscale("linear")
        axes.set_ylim(low, high)
        linear_ticks(axes.yaxis)


@dataclass(frozen=True)
class Label:
    """The name of a line: the text, where it points to in data coordinates, the line's number."""

    text: str
    x: float
    y: float
    number: int


def name_lines(axes: Any, labels: Sequence[Label], handle: Callable[[int], Any]) -> None:
    """Name the lines in the right margin, none over another, each with a thin line to its curve; or in a legend.

    The legend is for more than `FEW` lines, and for a user's figure that makes no room in its margins.

    Args:
        axes: with everything drawn and its limits set.
        labels: of the lines.
        handle: makes the artist that stands for a line in the legend.
    """
    if not labels:
        return
    room = lays_itself_out(axes)
    if len(labels) > FEW or not room:
        place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)} if room else {"loc": "best"}
        names = [fill(label.text, 30) for label in labels]
        legend = axes.legend(
            [handle(label.number) for label in labels], names, frameon=not room, fontsize=9, labelspacing=0.7,
            handlelength=2.2, labelcolor=plots.INK, **place,
        )  # fmt: skip
        axes.add_artist(legend)  # a second legend, the key, must not replace it
        return
    texts = [
        axes.annotate(
            "\n".join(fill(line, 34) for line in label.text.splitlines()), xy=(label.x, label.y), xytext=(1.05, 0.5),
            textcoords="axes fraction", va="center", fontsize=9.5, color=plots.dark(colour(label.number)),
            linespacing=1.15, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour(label.number), "linewidth": 0.9, "alpha": 0.8,
                        "relpos": (0, 0.5), "shrinkA": 2, "shrinkB": 4},
        )
        for label in labels
    ]  # fmt: skip
    axes.figure.draw_without_rendering()  # fixes the height of the axes, which the places below are shares of
    frame, measure = axes.get_window_extent(), matplotlib("text").Text.get_window_extent
    gap = 1.15 * max(measure(text).height for text in texts) / frame.height
    high = max(1 - gap / 2, gap * len(labels))
    to_fraction = axes.transData + axes.transAxes.inverted()
    wanted = [float(to_fraction.transform((label.x, label.y))[1]) for label in labels]
    for text, y in zip(texts, plots.spread(wanted, gap, min(gap / 2, high), high), strict=True):
        text.set_position((1.05, y))


def key(axes: Any, handles: Sequence[Any]) -> None:
    """Explain the signs of a picture, in small print below it."""
    if handles:
        axes.legend(
            handles=list(handles), loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=4, frameon=False,
            fontsize=8.5, labelcolor=GREY, handletextpad=0.5, columnspacing=1.6, handlelength=1.6,
        )  # fmt: skip


def sign(label: str, **look: Any) -> Any:
    """An entry of the key: a marker or a line."""
    return matplotlib("lines").Line2D([], [], **{"linestyle": "none", "color": GREY, "label": label, **look})
