"""The picture of a schedule. matplotlib is imported only when one is drawn, and no window or global state is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .base import Schedule

COLOUR = "#0072B2"
_POINTS = 1000  # more steps than this are thinned out
_FEW = 40  # up to this many steps are shown one by one


def draw(schedule: Schedule, steps: float, axes: Axes | None, label: str | None, file: Any) -> Axes:
    """See `Schedule.plot`."""
    if axes is None:
        axes = _new_axes()
    first = not axes.has_data()
    count = max(int(steps), 1) if 2 <= steps <= _POINTS else _POINTS
    xs = [steps * i / count for i in range(count + 1)] if count == _POINTS else [float(i) for i in range(count + 1)]
    ys = [schedule(x) for x in xs]
    (line,) = axes.plot(xs, ys, linewidth=1.9, solid_joinstyle="round", label=label)
    if count <= _FEW:
        line.set(marker="o", markersize=4)
    if first:
        line.set_color(COLOUR)
        _style(axes, min(ys), max(ys))
    if label is not None:
        axes.legend(frameon=False)
    if file is not None:
        figure: Any = axes.figure
        figure.savefig(file, dpi=150)
    return axes


def _new_axes() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f'drawing a schedule needs matplotlib, which cannot be imported ({error}): pip install "descend[tools]"'
        ) from error
    axes = Figure(figsize=(6.4, 3.2), layout="constrained").add_subplot()
    axes.set_ylabel("value")
    return axes


def _style(axes: Axes, low: float, high: float) -> None:
    """Of the first curve: a quiet frame, and the axis from 0 where that does not flatten the curve."""
    axes.set_xlabel("step")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#888888")
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)
    if 0 <= low < high / 2 or 0 < low == high:
        axes.set_ylim(bottom=0)
