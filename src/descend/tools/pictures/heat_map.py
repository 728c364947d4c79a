"""Optimizers by learning rates, a cell each: how good it got, at a glance."""

from __future__ import annotations

import math
from typing import Any

from .. import plots
from ..blocks import levels
from ..records import spell
from . import style
from .inputs import Compared, conditions_text, found_best, rate_points, short

SHADES = ("#F7FBFF", "#DEEBF7", "#C6DBEF", "#9ECAE1", "#6BAED6", "#4292C6", "#2171B5", "#08519C")
"""ColorBrewer's sequential blues: darker is better here, and grey prints keep the order."""


ON_PALE = "#1b1e23"
"""Numbers in cells: not the ink of the page, which is light on dark ground, where the cells stay as they are."""


def heat(comparison: Compared, ax: Any = None) -> Any:
    """Draw a heat map of the loss: a row for every optimizer, best first, a column for every rate that was tried.

    Darker is better; a cross is a rate that diverged, a plus one that failed, a star the best of its row. A small grey
    dot marks cells that were not trained to the end.

    Args:
        comparison: what `compare` returned.
        ax: matplotlib axes to draw into; a figure of its own if None.

    Returns:
        The axes.

    Raises:
        MissingExtra: matplotlib is not installed.

    Example:
        >>> axes = heat(result)  # doctest: +SKIP
    """
    entries = list(comparison.entries)
    points = [rate_points(comparison, entry) for entry in entries]
    rates = sorted({p.lr for row in points for p in row})
    with plots.style():
        axes = style.new_axes(1.8 + 0.56 * max(4, len(rates)), 1.5 + 0.5 * len(entries))[0] if ax is None else ax
        style.dress(axes)
        axes.grid(False)
        losses = [p.loss for row in points for p in row]
        shade = dict(zip(losses, levels(losses), strict=True))
        for place, (entry, row) in enumerate(zip(entries, points, strict=True)):
            for p in row:
                _cell(axes, rates.index(p.lr), place, p.loss, shade[p.loss] if math.isfinite(p.loss) else 1.0, p.full)
            if found_best(entry) and entry.lr in rates:
                x = rates.index(entry.lr)
                axes.plot(
                    [x - 0.33], [place - 0.27], linestyle="none", marker="*", markersize=8, color="#F0E442",
                    markeredgecolor=plots.INK, markeredgewidth=0.6, zorder=5, gid=f"best {place}",
                )  # fmt: skip
        axes.set_xlim(-0.5, max(0.5, len(rates) - 0.5))
        axes.set_ylim(max(0.5, len(entries) - 0.5), -0.5)
        axes.set_xticks(range(len(rates)), [spell(rate) for rate in rates], rotation=45, ha="right")
        axes.set_yticks(range(len(entries)), [entry.label for entry in entries])
        for spine in axes.spines.values():
            spine.set_visible(False)
        below = conditions_text(comparison.conditions) + ", darker is better"
        style.title(axes, f"{comparison.conditions.objective.capitalize()} by optimizer and learning rate", below)
        style.caption(axes.xaxis, "learning rate")
    return axes


def _cell(axes: Any, x: int, y: int, loss: float, level: float, full: bool) -> None:
    rectangle = style.matplotlib("patches").Rectangle
    finite = math.isfinite(loss)
    shade = SHADES[min(len(SHADES) - 1, int((1 - level) * len(SHADES)))] if finite else "#F2F2F2"
    axes.add_patch(rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=shade, edgecolor="none", gid=f"cell {x} {y}"))
    if not finite:
        sign, colour = ("×", style.RED) if loss == math.inf else ("+", style.GREY)
        axes.text(x, y, sign, ha="center", va="center", fontsize=12, color=colour)
        return
    dark = SHADES.index(shade) >= 4
    axes.text(x, y, short(loss), ha="center", va="center", fontsize=7.5, color="white" if dark else ON_PALE)
    if not full:
        axes.plot(
            [x + 0.36], [y + 0.3], marker=".", markersize=4, color=style.PALE if dark else style.GREY, gid="early"
        )
