"""The range test: loss against a learning rate that grows with every step, and what each rule reads from it."""

from __future__ import annotations

import math
from typing import Any

from .. import plots
from ..records import spell
from . import style
from .inputs import Found, interval_text

DIVERGED = 4.0
"""Losses are drawn up to so many times the first one: beyond is the divergence, whose height says nothing."""


def range_test(found: Found, ax: Any = None) -> Any:
    """Draw the range tests of a learning rate that was found.

    Bold: the loss of the fixed probe batch after each step. Thin grey: the training loss of each step's batch. The
    shaded band is the interval, ticks at the top are the rules, the red zone is where a test broke off.

    Args:
        found: what `find_lr` returned.
        ax: matplotlib axes to draw into; a figure of its own if None.

    Returns:
        The axes.

    Raises:
        MissingExtra: matplotlib is not installed.

    Example:
        >>> axes = range_test(found)  # doctest: +SKIP
    """
    with plots.style():
        axes = style.new_axes(8.2, 4.7)[0] if ax is None else ax
        style.dress(axes)
        tests = [test for test in found.tests if test.rates]
        rates = [rate for test in tests for rate in test.rates] or [1e-6, 1.0]
        first = next((p for test in tests for p in test.probe if math.isfinite(p)), 1.0)
        ceiling = first + (DIVERGED - 1) * abs(first)
        probes = [p for test in tests for p in test.probe if math.isfinite(p)]
        style.loss_axis(axes, [min(p, ceiling) for p in probes], below=0.06, above=0.24)
        reach = found.interval or (max(rates), max(rates))
        style.rate_axis(axes, min(*rates, reach[0]), max(*rates, reach[1]))
        for test in tests:
            _thin(axes, test.rates, test.losses, color=style.PALE, linewidth=0.8, zorder=2, gid="training loss")
            _thin(axes, test.rates, test.probe, color=style.colour(0), linewidth=2.0, zorder=4, gid="probe loss")
        broken = [test.rates[-1] for test in tests if test.stop]
        if broken:
            axes.axvspan(min(broken), axes.get_xlim()[1], color=style.RED, alpha=0.08, linewidth=0, gid="diverged")
        if found.interval is not None:
            axes.axvspan(*found.interval, color=style.colour(2), alpha=0.16, linewidth=0, gid="interval")
        if found.lr is not None:
            axes.axvline(found.lr, color=style.colour(2), linewidth=1.8, zorder=5, gid="suggestion")
        _rules(axes, found)
        style.title(axes, f"Range test of {found.label}", _verdict(found))
        style.caption(axes.yaxis, "loss")
        style.key(axes, _key(bool(broken), found))
    return axes


def _thin(axes: Any, rates: Any, losses: Any, **look: Any) -> None:
    axes.plot(list(rates)[: len(losses)], list(losses), **look)


def _verdict(found: Found) -> str:
    if found.lr is None:
        return found.confidence
    where = f", {interval_text(*found.interval)}" if found.interval is not None else ""
    return f"{spell(found.lr)}{where} ({found.confidence})"


def _rules(axes: Any, found: Found) -> None:
    """A tick at the top edge for every rule, with its name; names of neighbours stand in rows of their own."""
    low, high = axes.get_xlim()
    inside = sorted(
        (rate, name) for name, rate in found.suggestions.items() if rate is not None and low <= rate <= high
    )
    across = axes.get_xaxis_transform()
    ends: list[float] = []  # by row, how far to the right its last name reaches, as a share of the width
    for rate, name in inside:
        place = math.log(rate / low) / math.log(high / low)
        half = 0.0065 * len(name) + 0.012
        row = next((k for k, end in enumerate(ends) if place - half > end), len(ends))
        ends[row : row + 1] = [place + half]
        top = 0.985 - 0.055 * row
        axes.plot(
            [rate, rate], [top - 0.05, 0.76], color=style.GREY, linewidth=0.7, transform=across, gid=f"rule {name}"
        )
        axes.text(
            rate, top, name, ha="center", va="top", fontsize=8, color=plots.INK, transform=across,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}, zorder=6,
        )  # fmt: skip


def _key(broken: bool, found: Found) -> list[Any]:
    signs = [
        style.sign("probe batch, after each step", linestyle="-", color=style.colour(0), linewidth=2.0),
        style.sign("training batch", linestyle="-", color=style.PALE, linewidth=1.0),
    ]
    if found.interval is not None:
        signs.append(style.sign("interval", linestyle="-", color=style.colour(2), linewidth=6, alpha=0.3))
    if broken:
        signs.append(style.sign("broke off", linestyle="-", color=style.RED, linewidth=6, alpha=0.2))
    return signs
