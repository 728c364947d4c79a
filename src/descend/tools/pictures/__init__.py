"""The pictures of the tools: each takes axes and returns them, needs no pyplot, and leaves no global state behind."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

from .. import plots
from ..plots import plain_svg
from .heat_map import heat
from .inputs import Compared
from .range_tests import range_test
from .rates import lr_curve
from .training_curves import curves

__all__ = ["KINDS", "curves", "draw", "heat", "lr_curve", "plain_svg", "range_test", "save"]

KINDS = ("lr", "curves", "heat")
_DRAWN = {"lr": lr_curve, "curves": curves, "heat": heat}


def draw(comparison: Compared, kind: str = "lr", file: str | PathLike[str] | None = None, ax: Any = None) -> Any:
    """Draw one picture of a comparison.

    Args:
        comparison: what `compare` returned.
        kind: "lr" (loss against learning rate), "curves" (loss against steps and seconds) or "heat".
        file: where to save it; the suffix chooses the format (.png, .svg, .pdf). None saves nothing.
        ax: matplotlib axes to draw into, two of them for "curves"; a figure of its own if None.

    Returns:
        The axes; two of them for "curves".

    Raises:
        ValueError: there is no such kind, or matplotlib cannot write a file of that suffix.
        MissingExtra: matplotlib is not installed.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if file is not None:
        plots.check_format(file)
    axes = _DRAWN[kind](comparison, ax)
    if file is not None:
        save((axes[0] if kind == "curves" else axes).figure, file)
    return axes


def save(figure: Any, file: str | PathLike[str]) -> None:
    """Write a figure to a file; an .svg keeps its text as text, and a white ground, on which its colours are chosen."""
    with plots.style(), plain_svg():
        figure.savefig(file, dpi=150, bbox_inches="tight", metadata={"Date": None} if _is_svg(file) else None)


def _is_svg(file: str | PathLike[str]) -> bool:
    return Path(fspath(file)).suffix.lower() == ".svg"
