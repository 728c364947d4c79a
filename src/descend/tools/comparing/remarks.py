"""What a user should know about a row of the ranking, in words: edges, divergence, drift, runs that are missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..records import Run, spell

if TYPE_CHECKING:
    from .ranking import Row

DRIFT = 2.0
"""A best rate that was so many times larger or smaller at an earlier rung is worth a note."""

NEAR = 10.0
"""So is divergence within this factor of the best rate."""


def notes(
    row: Row, window: tuple[float, float], window_open: tuple[bool, bool], drift: Sequence[float]
) -> tuple[str, ...]:
    """The notes of a row.

    Args:
        row: an optimizer and its runs.
        window: its lowest and highest rate.
        window_open: whether it may reach beyond them.
        drift: the best rate at the end of each rung.
    """
    found = [_partial(row), _no_answer(row), _nothing_learned(row)]
    if row.best is not None:
        found += [_seeds(row), _edge(row, row.best), _one_point(row, row.best, window, window_open)]
        found += [_divergence(row, row.best), _drift(row, row.best, drift)]
    return tuple(note for note in [*found, *_incomplete(row)] if note)


def times(factor: float) -> str:
    """A factor as one says it: `3.2x`, `10x`."""
    return f"{factor:.2g}x" if factor < 9.95 else f"{factor:.0f}x"


def _partial(row: Row) -> str:
    if row.level == len(row.conditions.rungs) - 1 or row.best is None:
        return ""
    steps = row.conditions.rungs[row.level]
    return f"ranked after {steps} of {row.conditions.steps} steps: not every optimizer has come further"


def _no_answer(row: Row) -> str:
    if row.best is not None:
        return ""
    if not row.runs:
        return "not trained"
    if all(run.status == "failed" for run in row.runs):
        return ""  # what failed is said anyway
    if not math.isinf(row.loss):
        return "no run has come to the end of a rung"
    early = any(run.status == "stopped" for run in row.runs)
    return "every run diverged" + (" that was not stopped early" if early else "")


def _nothing_learned(row: Row) -> str:
    starts = [points[0].loss for run in row.best_runs for points in [run.evaluations or run.curve] if len(points) > 1]
    if not starts or not row.loss >= min(starts):
        return ""
    return f"nothing learned: the loss is not below its start of {min(starts):.3g}"


def _seeds(row: Row) -> str:
    count = len(row.best_losses)
    if count < row.conditions.seeds:
        return f"{count} of {row.conditions.seeds} seeds"
    return "one seed only: differences within 5 % count as ties" if count == 1 else ""


def _edge(row: Row, best: float) -> str:
    """The best of several rates is the last one in its direction."""
    tried = {run.lr for run in row.runs if run.rung >= 0 or run.status in ("diverged", "failed")}
    if len(tried) < 2 or min(tried) < best < max(tried):
        return ""
    way, other = ("largest", "larger") if best == max(tried) else ("smallest", "smaller")
    return f"the best rate is the {way} that was tried: a {other} one may be better"


def _one_point(row: Row, best: float, window: tuple[float, float], window_open: tuple[bool, bool]) -> str:
    beside = [max(lr / best, best / lr) for lr in row.losses if lr != best]
    if window[0] != window[1] or any(window_open) or not beside:
        return ""
    return f"window is one grid point: a rate {times(min(beside))} off is outside"


def _divergence(row: Row, best: float) -> str:
    diverged = {run.lr for run in row.runs if run.status == "diverged"}
    above, below = [lr for lr in diverged if lr > best], [lr for lr in diverged if lr < best]
    found = []
    if above and min(above) <= NEAR * best * (1 + 1e-9):
        found.append(f"diverges from {spell(min(above))} on ({times(min(above) / best)} the best rate)")
    if below and max(below) * NEAR * (1 + 1e-9) >= best:
        found.append(f"diverged at {spell(max(below))}, below the best rate")
    return "; ".join(found)


def _drift(row: Row, best: float, drift: Sequence[float]) -> str:
    """Best rates of earlier rungs that differ: what is best depends on how long one trains."""
    moved: dict[str, list[str]] = {}
    for rung, lr in enumerate(drift[:-1]):
        factor = max(lr / best, best / lr)
        if factor >= DRIFT:
            way = f"{times(factor)} {'larger' if lr > best else 'smaller'}"
            moved.setdefault(way, []).append(f"{100 * row.conditions.rungs[rung] / row.conditions.steps:.0f} %")
    parts = [f"{way} at {' and '.join(shares)}" for way, shares in moved.items()]
    return f"the best rate was {', '.join(parts)} of the steps: it may move on in longer training" if parts else ""


def _incomplete(row: Row) -> list[str]:
    """Runs that time or an error ended."""
    found = []
    unfinished = sum(run.status == "unfinished" for run in row.runs)
    if unfinished:
        found.append(f"{unfinished} run{'s' if unfinished > 1 else ''} unfinished")
    failed = [run for run in row.runs if run.status == "failed"]
    if failed:
        count = "every run" if len(failed) == len(row.runs) else f"{len(failed)} run{'s' if len(failed) > 1 else ''}"
        found.append(f"{count} failed, first at {spell(failed[0].lr)}: {_short(failed[0])}")
    return found


def _short(run: Run, most: int = 120) -> str:
    """A message in one line that is not too long."""
    line = " ".join(run.message.split()) or "no message"
    return line if len(line) <= most else line[: most - 3] + "..."
