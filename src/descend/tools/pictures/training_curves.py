"""The training itself: loss against steps and against seconds, side by side, since a step has its price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .. import plots
from ..records import Entry, Point, Run, spell
from . import style
from .inputs import Compared, conditions_text, found_best, numbers, runs_at, short

FEW_POINTS = 30


def curves(comparison: Compared, axes: Any = None) -> tuple[Any, Any]:
    """Draw the best run of every optimizer, and in grey the runs that were given up.

    Args:
        comparison: what `compare` returned.
        axes: two matplotlib axes, for steps and for seconds; a figure of their own if None.

    Returns:
        Both axes.

    Raises:
        MissingExtra: matplotlib is not installed.
        ValueError: `axes` are not two.

    Example:
        >>> left, right = curves(result)  # doctest: +SKIP
    """
    with plots.style():
        left, right = style.new_axes(11.4, 4.6, columns=2) if axes is None else _two(axes)
        number = numbers(comparison)
        best = [(entry, number[entry.label], best_run(comparison, entry)) for entry in comparison.entries]
        shown = [(entry, k, points(run)) for entry, k, run in best if run is not None and points(run)]
        chosen = {id(run) for _, _, run in best}
        given_up = [points(run) for run in comparison.runs if id(run) not in chosen and run.seed == 0]
        for draw, seconds in ((left, False), (right, True)):
            style.dress(draw)
            _limits(draw, [p for _, _, ps in shown for p in ps], seconds)
            for ps in given_up:
                if len(ps) > 1:
                    draw.plot(*_xy(ps, seconds), color=style.PALE, linewidth=0.8, alpha=0.5, zorder=2, gid="given up")
            for rank, (_, k, ps) in reversed(list(enumerate(shown))):
                _line(draw, ps, k, seconds, zorder=4 + (len(shown) - rank) / max(1, len(shown)))
            _goal(draw, comparison.conditions.goal)
            style.caption(draw.xaxis, "seconds of training" if seconds else "steps (evaluations of loss and gradient)")
        below = conditions_text(comparison.conditions) + (" (partial result)" if comparison.interrupted else "")
        style.title(left, f"{comparison.conditions.objective.capitalize()} at the best rates", below)
        style.caption(left.yaxis, comparison.conditions.objective)
        style.key(left, _key(given_up, comparison.conditions.goal))
        labels = [
            style.Label(f"{entry.label}\nlr {spell(entry.lr)} → {short(ps[-1].loss)}", *_end(right, ps), k)
            for entry, k, ps in shown
        ]
        style.name_lines(right, labels, _handle)
    return left, right


def best_run(comparison: Compared, entry: Entry) -> Run | None:
    """The run of the first seed at the best rate; None if the optimizer has none."""
    runs = runs_at(comparison, entry, entry.lr) if found_best(entry) else []
    return runs[0] if runs else None


def points(run: Run) -> list[Point]:
    """What is drawn of a run: the loss on held-out data, or else the training loss, averaged over neighbours."""
    found = list(run.evaluations) or smoothed(run.curve)
    return [p for p in found if math.isfinite(p.loss)]


def smoothed(curve: Sequence[Point]) -> list[Point]:
    """Means over a thirtieth of the points: single batches are noisy; a short curve as it is."""
    if len(curve) <= FEW_POINTS:
        return list(curve)
    bounds = [round(k * len(curve) / FEW_POINTS) for k in range(FEW_POINTS + 1)]
    parts = [curve[a:b] for a, b in pairwise(bounds)]
    return [Point(part[-1].step, part[-1].seconds, math.fsum(p.loss for p in part) / len(part)) for part in parts]


def _two(axes: Any) -> tuple[Any, Any]:
    found = list(axes.flat) if hasattr(axes, "flat") else list(axes)
    if len(found) != 2:
        raise ValueError(f"axes must be two, for steps and for seconds; got {len(found)}")
    return found[0], found[1]


def _xy(ps: Sequence[Point], seconds: bool) -> tuple[list[float], list[float]]:
    return [p.seconds if seconds else float(p.step) for p in ps], [p.loss for p in ps]


def _limits(axes: Any, ps: Sequence[Point], seconds: bool) -> None:
    style.loss_axis(axes, [p.loss for p in ps])
    longest = max(_xy(ps, seconds)[0], default=1.0) or 1.0
    axes.set_xlim(0, longest * 1.02)
    style.linear_ticks(axes.xaxis)


def _line(axes: Any, ps: Sequence[Point], number: int, seconds: bool, zorder: float) -> None:
    every = max(1, len(ps) // 5)
    axes.plot(
        *_xy(ps, seconds), color=style.colour(number), linewidth=2.2, solid_joinstyle="round", zorder=zorder,
        marker=style.marker(number), markevery=(min(len(ps) - 1, every // 2 + number % every), every), markersize=6,
        markeredgecolor="white", markeredgewidth=0.8, gid=f"curve {number}",
    )  # fmt: skip


def _end(axes: Any, ps: Sequence[Point]) -> tuple[float, float]:
    return min(ps[-1].seconds, axes.get_xlim()[1]), ps[-1].loss


def _goal(axes: Any, goal: float | None) -> None:
    if goal is not None:
        axes.axhline(goal, color=plots.INK, linewidth=1.0, linestyle=(0, (4, 2)), zorder=3, gid="goal")


def _key(given_up: Sequence[Sequence[Point]], goal: float | None) -> list[Any]:
    signs = []
    if any(len(ps) > 1 for ps in given_up):
        signs.append(style.sign("other rates", linestyle="-", color=style.PALE, linewidth=1.2))
    if goal is not None:
        signs.append(style.sign(f"goal {goal:g}", linestyle=(0, (4, 2)), color=plots.INK, linewidth=1.0))
    return signs


def _handle(number: int) -> Any:
    return style.sign("", color=style.colour(number), marker=style.marker(number), linestyle="-", linewidth=2.2)
