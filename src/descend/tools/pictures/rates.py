"""The picture that answers the question: the loss at the end against the learning rate, a line for every optimizer.

At the top, a row of crosses for every optimizer that diverged somewhere. At the bottom, a lane for every optimizer: the
window of good rates as a bar, its default and the quick-reference value as dashes, the range test's suggestion as a
diamond. Lanes keep apart what would hide each other: many optimizers share a default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import plots
from ..records import Candidate, Entry, spell
from . import style
from .inputs import (
    Compared,
    RatePoint,
    candidate_of,
    conditions_text,
    found_best,
    numbers,
    rank_text,
    rate_points,
    short,
    spread_of,
)

LANE, CROSSES = 0.05, 0.03  # heights as shares of the axes; less if there are many


def lr_curve(comparison: Compared, ax: Any = None) -> Any:
    """Draw the final loss of every optimizer against the learning rate.

    Args:
        comparison: what `compare` returned.
        ax: matplotlib axes to draw into; a figure of its own if None.

    Returns:
        The axes; `.figure.savefig(...)` writes the picture.

    Raises:
        MissingExtra: matplotlib is not installed.

    Example:
        >>> axes = lr_curve(result)  # doctest: +SKIP
        >>> axes.figure.savefig("lr.png")  # doctest: +SKIP
    """
    with plots.style():
        axes = style.new_axes(8.2, 4.9)[0] if ax is None else ax
        style.dress(axes)
        number = numbers(comparison)
        rows = [(entry, number[entry.label], rate_points(comparison, entry)) for entry in comparison.entries]
        _limits(axes, comparison, rows)
        for rank, (entry, k, points) in reversed(list(enumerate(rows))):
            _curve(axes, entry, k, points, zorder=4 + (len(rows) - rank) / len(rows))
        _crosses(axes, rows)
        _lanes(axes, comparison, rows)
        style.title(axes, f"{_capital(comparison.conditions.objective)} by learning rate", _below(comparison))
        style.caption(axes.yaxis, comparison.conditions.objective)
        style.key(axes, _key(comparison, rows))
        style.name_lines(axes, [label for row in rows if (label := _label(*row))], _handle)
    return axes


Row = tuple[Entry, int, list[RatePoint]]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _below(comparison: Compared) -> str:
    return conditions_text(comparison.conditions) + (" (partial result)" if comparison.interrupted else "")


def _lane_height(count: int) -> float:
    return min(LANE, 0.3 / max(1, count))


def _limits(axes: Any, comparison: Compared, rows: Sequence[Row]) -> None:
    losses = [v for _, _, points in rows for p in points if math.isfinite(p.loss) for v in (p.loss, p.low, p.high)]
    rates = [p.lr for _, _, points in rows for p in points]
    # A mark beyond the rates that were tried widens the axis, if it is not far out.
    marks = [
        mark
        for entry, _, _ in rows
        for mark in _marks(candidate_of(comparison, entry.label)).values()
        if rates and min(rates) / 30 < mark < max(rates) * 30
    ]
    diverged = sum(any(p.loss == math.inf or p.loss != p.loss for p in points) for _, _, points in rows)
    below = _lane_height(len(rows)) * len(rows) + 0.06
    style.loss_axis(axes, losses, below=below, above=min(CROSSES * diverged, 0.2) + 0.05)
    style.rate_axis(axes, min(rates + marks, default=1e-4), max(rates + marks, default=1e-1))


def _marks(candidate: Candidate) -> dict[str, float]:
    """Where the default, the table's value and the range test's suggestion are, as far as there are any."""
    every = {"default": candidate.default_lr, "table": candidate.table_lr, "suggested": candidate.suggested_lr}
    return {name: rate for name, rate in every.items() if rate is not None and rate > 0}


def _curve(axes: Any, entry: Entry, number: int, points: Sequence[RatePoint], zorder: float) -> None:
    colour, finite = style.colour(number), [p for p in points if math.isfinite(p.loss)]
    # The whole shape, pale; what was trained to the end, bold and in one piece as long as rates are neighbours.
    axes.plot([p.lr for p in finite], [p.loss for p in finite], color=colour, linewidth=1.1, alpha=0.55, zorder=3)
    for stretch in _stretches(finite):
        xs, low, high = [p.lr for p in stretch], [p.low for p in stretch], [p.high for p in stretch]
        axes.fill_between(xs, low, high, color=colour, alpha=0.2, linewidth=0, zorder=2)
        axes.plot(xs, [p.loss for p in stretch], color=colour, linewidth=2.2, solid_capstyle="round", zorder=zorder)
        window = [p for p in stretch if entry.window[0] <= p.lr <= entry.window[1]]
        if len(window) > 1:
            axes.plot(
                [p.lr for p in window], [p.loss for p in window], color=colour, linewidth=9, alpha=0.25, zorder=2.5,
                solid_capstyle="round",
            )  # fmt: skip
    for full in (False, True):
        chosen = [p for p in finite if p.full == full and not (found_best(entry) and p.lr == entry.lr)]
        axes.plot(
            [p.lr for p in chosen], [p.loss for p in chosen], linestyle="none", marker=style.marker(number),
            markersize=6 if full else 5.5, color=colour, markerfacecolor=colour if full else "white",
            markeredgecolor="white" if full else style.PALE, markeredgewidth=0.8 if full else 1.2, zorder=zorder,
        )  # fmt: skip
    if found_best(entry):
        axes.plot(
            [entry.lr], [entry.loss], linestyle="none", marker="*", markersize=17, color=colour, zorder=zorder + 2,
            markeredgecolor="white", markeredgewidth=1.0, gid=f"best {number}",
        )  # fmt: skip


def _stretches(points: Sequence[RatePoint]) -> list[list[RatePoint]]:
    """Neighbouring points that were trained to the end."""
    found: list[list[RatePoint]] = [[]]
    for point in points:
        if point.full:
            found[-1].append(point)
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]


def _crosses(axes: Any, rows: Sequence[Row]) -> None:
    """A row at the top edge for every optimizer that diverged (cross) or failed (plus) somewhere."""
    wrong = [(k, points) for _, k, points in rows if any(not math.isfinite(p.loss) for p in points)]
    step = min(CROSSES, 0.2 / max(1, len(wrong)))
    for row, (k, points) in enumerate(wrong):
        for mark, name in (("x", "diverged"), ("+", "failed")):
            xs = [p.lr for p in points if (p.loss == math.inf if mark == "x" else p.loss != p.loss)]
            if xs:
                axes.plot(
                    xs, [0.985 - step * row] * len(xs), linestyle="none", marker=mark, markersize=6,
                    markeredgewidth=1.7, color=style.colour(k), transform=axes.get_xaxis_transform(), zorder=8,
                    gid=f"{name} {k}",
                )  # fmt: skip


def _lanes(axes: Any, comparison: Compared, rows: Sequence[Row]) -> None:
    height = _lane_height(len(rows))
    across = axes.get_xaxis_transform()  # x in data, y as a share of the axes
    low, high = axes.get_xlim()
    axes.plot([0, 1], [height * len(rows) + 0.012] * 2, color=style.PALE, linewidth=0.7, transform=axes.transAxes)
    hair = (high / low) ** 0.008  # a window of one point is still to be seen
    rectangle = style.matplotlib("patches").Rectangle
    for lane, (entry, k, _) in enumerate(rows):
        colour, middle = style.colour(k), height * (len(rows) - lane - 0.5) + 0.004
        if found_best(entry):
            left, right = entry.window[0] / hair, entry.window[1] * hair
            axes.add_patch(
                rectangle(
                    (left, middle - height * 0.3), right - left, height * 0.6, facecolor=colour, alpha=0.35,
                    linewidth=0, transform=across, gid=f"window {k}",
                )
            )  # fmt: skip
        for name, rate in _marks(candidate_of(comparison, entry.label)).items():
            if name == "suggested":
                axes.plot(
                    [rate], [middle], linestyle="none", marker="D", markersize=5, color=colour, transform=across,
                    markeredgecolor="white", markeredgewidth=0.8, zorder=6, gid=f"suggested {k}",
                )  # fmt: skip
            else:
                axes.plot(
                    [rate, rate], [middle - height * 0.48, middle + height * 0.48], color=plots.dark(colour),
                    linewidth=1.6, linestyle="-" if name == "default" else (0, (1.2, 1.0)), transform=across,
                    zorder=5, gid=f"{name} {k}",
                )  # fmt: skip


def _label(entry: Entry, number: int, points: Sequence[RatePoint]) -> style.Label | None:
    name = f"{rank_text(entry)} {entry.label}"
    finite = [p for p in points if math.isfinite(p.loss)]
    if found_best(entry):
        anchor = (finite[-1].lr, finite[-1].loss) if finite else (entry.lr, entry.loss)
        return style.Label(f"{name}\n{spell(entry.lr)} → {short(entry.loss)}{spread_of(entry)}", *anchor, number)
    return style.Label(f"{name}\nno rate worked", *(finite[-1].lr, finite[-1].loss), number) if finite else None


def _handle(number: int) -> Any:
    return style.sign(
        "", color=style.colour(number), marker=style.marker(number), linestyle="-", linewidth=2.2, markersize=6,
        markeredgecolor="white", markeredgewidth=0.8,
    )  # fmt: skip


def _key(comparison: Compared, rows: Sequence[Row]) -> list[Any]:
    """The signs that are in this picture."""
    every = [p for _, _, points in rows for p in points]
    marks = [_marks(candidate_of(comparison, entry.label)) for entry, _, _ in rows]
    best = [entry for entry, _, _ in rows if found_best(entry)]
    rungs = comparison.conditions.rungs
    early = f"stopped early ({' or '.join(map(str, rungs[:-1]))} steps)" if len(rungs) > 1 else "not trained to the end"
    signs = {
        "best": (bool(best), style.sign("best", marker="*", markersize=11)),
        "early": (
            any(math.isfinite(p.loss) and not p.full for p in every),
            style.sign(early, marker="o", markerfacecolor="white", markeredgecolor=style.PALE, markersize=5.5),
        ),
        "diverged": (any(p.loss == math.inf for p in every), style.sign("diverged", marker="x", markersize=6)),
        "failed": (any(p.loss != p.loss for p in every), style.sign("failed", marker="+", markersize=7)),
        "window": (bool(best), style.sign("as good as the best", linestyle="-", linewidth=6, alpha=0.45)),
        "default": (any("default" in m for m in marks), style.sign("default", marker="|", markersize=9)),
        "table": (
            any("table" in m for m in marks),
            style.sign("quick reference", marker=(2, 0, 0), markersize=9, fillstyle="none"),
        ),
        "suggested": (any("suggested" in m for m in marks), style.sign("range test", marker="D", markersize=5)),
    }
    return [artist for shown, artist in signs.values() if shown]
