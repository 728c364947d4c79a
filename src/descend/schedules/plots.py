"""The picture of a schedule. matplotlib is imported only when one is drawn, and no window or global state is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .base import Schedule

COLOUR = "#0072B2"
_POINTS = 1000


def draw(schedule: Schedule, steps: float, axes: Axes | None, label: str | None, file: Any) -> Axes:
    """See `Schedule.plot`.

    Whole steps are drawn as long as there are not too many; more are thinned out, evenly.
    """
    if axes is None:
        axes = _new_axes()
    count = int(min(steps, _POINTS))
    whole = steps <= _POINTS
    xs = [float(i) for i in range(count + 1)] if whole and count > 1 else [steps * i / _POINTS for i in range(_POINTS)]
    colour = None if axes.lines else COLOUR  # None: the next one of the axes
    axes.plot(xs, [schedule(x) for x in xs], linewidth=1.9, solid_joinstyle="round", label=label, color=colour)
    axes.set_xlabel("step")
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
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylabel("value")
    return axes
