"""The text of a comparison: what was trained, the ranking as a table, the line to paste, and what to know about it.

A table that is wider than the terminal first shortens long labels, then leaves out columns, in the order of DROPPED.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from .. import blocks
from ..records import Candidate, Entry, Run, spell
from ..report import WIDTH, Painted, Table

if TYPE_CHECKING:
    from .result import Comparison

DROPPED = ("ms/step", "s to goal", "loss by LR", "metric", "vs default", "LR window")
"""Columns that are left out where the width does not suffice, the first ones first."""

SORTS = ("loss", "seconds", "lr", "label")
LABEL = 24  # characters of a label that are left where space is short
GAP = 2
AXIS = 24  # characters of a heat row; with more half-decades than that, a character is a decade

HEAT = ("#4aa8ff", "#5cb8c4", "#91cfae", "#cfe8a5", "#fee08b", "#fdae61", "#f46d43", "#d7191c")
"""From the best loss to the worst: blue and red, which most colour-blind people can tell apart."""


def heading(comparison: Comparison) -> str:
    """What was trained, and how: two or three lines."""
    conditions = comparison.conditions
    parts = [conditions.name, f"{conditions.parameters:,} parameters"]
    if conditions.batch is not None:
        parts.append(f"batch {conditions.batch}")
    parts.append(f"{conditions.device} ({conditions.threads} thread{'s' if conditions.threads != 1 else ''})")
    lines = ["descend compare  " + "  ".join(parts)]
    if conditions.title:
        lines.append(conditions.title)
    rungs = f" (rungs {'/'.join(map(str, conditions.rungs))})" if len(conditions.rungs) > 1 else ""
    seeds = f"{conditions.seeds} seed{'s' if conditions.seeds != 1 else ''}"
    how = [f"{conditions.steps} steps{rungs}", seeds, f"ranked by {conditions.objective}"]
    if conditions.schedule != "constant":
        how.append(f"{conditions.schedule} schedule")
    batched = [label for label, why in conditions.stacked.items() if why.startswith("yes")]
    if conditions.stacked:
        how.append(f"batched runs: {', '.join(batched) or 'no'}")
    return "\n".join([*lines, ", ".join(how)])


def in_order(entries: Sequence[Entry], sort: str = "loss") -> list[Entry]:
    """The rows by rank, or by something else.

    Args:
        entries: as ranked.
        sort: `loss` (the rank), `seconds` (to the goal, then those of a step), `lr`, `label`.

    Raises:
        ValueError: another word.
    """
    if sort not in SORTS:
        raise ValueError(f"sort must be one of {', '.join(SORTS)}, got {sort!r}")
    if sort == "seconds":
        return sorted(entries, key=lambda e: (e.goal_seconds is None, e.goal_seconds or 0.0, _last(e.ms_per_step)))
    if sort == "lr":
        return sorted(entries, key=lambda e: _last(e.lr))
    return sorted(entries, key=lambda e: e.label.lower()) if sort == "label" else list(entries)


def _last(value: float) -> float:
    return math.inf if value != value else value


def ranking(comparison: Comparison, width: int | None = WIDTH, sort: str = "loss") -> Table:
    """The ranking as a table, with the line to paste and the notes below.

    Args:
        comparison: the result.
        width: of the text; None for all columns, however wide.
        sort: as for `in_order`.
    """
    entries = in_order(comparison.entries, sort)
    columns = _columns(comparison, entries)
    shortened: dict[str, str] = {}
    if width is not None:
        shortened = _shorten(columns, entries, width)
        for name in DROPPED:
            if _width(columns) > width:
                columns.pop(name, None)
    names = list(columns)
    rows = tuple(zip(*(cells[1:] for cells in columns.values()), strict=True))
    left = tuple(place for place, name in enumerate(names) if name in ("rank", "optimizer", "LR window", "loss by LR"))
    below = notes(comparison, columns, width or WIDTH, shortened)
    return Table("", tuple(cells[0] for cells in columns.values()), rows, tuple(below), left)


Columns = dict[str, list[str]]
"""By name: the header, then the cells."""


def _columns(comparison: Comparison, entries: Sequence[Entry]) -> Columns:
    conditions = comparison.conditions
    columns: Columns = {
        "rank": ["#", *map(_rank, entries)],
        "optimizer": ["optimizer", *(entry.label for entry in entries)],
        "best LR": ["best LR", *(spell(entry.lr) if _found(entry) else "-" for entry in entries)],
        "loss": [conditions.objective, *map(loss_text, entries)],
    }
    if conditions.metric:
        metrics = ("-" if e.metric is None or e.metric != e.metric else f"{e.metric:.4g}" for e in entries)
        columns["metric"] = [conditions.metric, *metrics]
    columns["vs default"] = ["vs default", *map(_default, entries)]
    columns["LR window"] = ["LR window", *map(window_text, entries)]
    columns["ms/step"] = ["ms/step", *(_number(entry.ms_per_step) for entry in entries)]
    if conditions.goal is not None:
        columns["s to goal"] = [f"s to {conditions.goal:g}", *(_number(entry.goal_seconds) for entry in entries)]
    heat = heat_rows(entries, comparison.runs)
    if heat:
        columns["loss by LR"] = ["loss by LR", *heat]
    return columns


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    return sum(max(map(len, cells)) for cells in columns.values()) + GAP * (len(columns) - 1)


def _shorten(columns: Columns, entries: Sequence[Entry], width: int) -> dict[str, str]:
    """Cut long labels as far as is needed, if they stay different; returns the full labels by what is left of them."""
    over = _width(columns) - width
    longest = max(map(len, columns["optimizer"]))
    room = max(LABEL, longest - over)
    if over <= 0 or room >= longest:
        return {}
    short = [label if len(label) <= room else label[: room - 1] + "…" for label in columns["optimizer"][1:]]
    if len(set(short)) < len(short):
        return {}
    columns["optimizer"][1:] = short
    return {cut: entry.label for cut, entry in zip(short, entries, strict=True) if cut != entry.label}


# ------------------------------------------------------------------------------------------------------------- cells


def _found(entry: Entry) -> bool:
    return math.isfinite(entry.loss)


def _rank(entry: Entry) -> str:
    text = f"{entry.rank}{'=' if entry.tied else ''}"
    return Painted((text, "bold green")) if entry.rank == 1 and _found(entry) else text


def loss_text(entry: Entry) -> str:
    """`0.086 ±0.004`, with a digit more than the spread is sure of; without the spread for one seed."""
    if not _found(entry):
        return "diverged" if math.isinf(entry.loss) else "-"
    if not math.isfinite(entry.sd):
        return f"{entry.loss:.4g}"
    digits = 4
    if entry.sd > 0 and entry.loss:
        digits = math.floor(math.log10(abs(entry.loss))) - math.floor(math.log10(entry.sd)) + 2
    return f"{entry.loss:.{min(4, max(2, digits))}g} ±{entry.sd:.1g}"


def _default(entry: Entry) -> str:
    """What the constructor's default would have given."""
    if entry.default is None:
        return "-"
    rate, loss = entry.default
    if rate == entry.lr:
        return f"{spell(rate)}: best"
    ended = "diverged" if math.isinf(loss) else "failed" if loss != loss else f"{loss:.2g}"
    return f"{spell(rate)}: {ended}"


def window_text(entry: Entry) -> str:
    """`0.032–0.1 0.5d`: rates and decades; dots where it may reach further."""
    low, high = entry.window
    if low != low:
        return "-"
    if len(entry.by_lr) == 1:
        return "one rate"
    below, above = ("…" if is_open else "" for is_open in entry.window_open)
    rates = f"{low:.2g}" if low == high else f"{low:.2g}–{high:.2g}"
    return f"{below}{rates}{above} {entry.decades:.1f}d"


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def axis(entries: Sequence[Entry]) -> tuple[int, int, int] | None:
    """The common axis of the heat rows in half-decades: first, last, how many a character is; None without rates."""
    places = [_place(lr) for entry in entries for lr, _, _ in entry.by_lr]
    if not places:
        return None
    return min(places), max(places), 1 if max(places) - min(places) < AXIS else 2


def _place(lr: float) -> int:
    return round(2 * math.log10(lr))


def heat_rows(entries: Sequence[Entry], runs: Sequence[Run]) -> list[str]:
    """The loss of every optimizer by learning rate, a character for half a decade, on one scale for all.

    Where several rates share a character, the one that was trained longest counts, then the better one.
    """
    span = axis(entries)
    if span is None:
        return []
    first, last, each = span
    cells = []
    for entry in entries:
        values: dict[int, tuple[int, float]] = {}
        for lr, loss, rung in entry.by_lr:
            at = (_place(lr) - first) // each
            known = values.get(at)
            if known is None or (-rung, _last(loss)) < (-known[0], _last(known[1])):
                values[at] = (rung, loss)
        cells.append([values.get(at, (0, math.nan))[1] for at in range((last - first) // each + 1)])
    low, high = heat_scale(entries, runs)
    return [_painted(row, low, high) for row in cells]


def heat_scale(entries: Sequence[Entry], runs: Sequence[Run]) -> tuple[float, float]:
    """The losses of the lowest and of the highest block: the best one, and the worst one below the start."""
    losses = [loss for entry in entries for _, loss, _ in entry.by_lr if math.isfinite(loss)]
    starts = [points[0].loss for run in runs for points in [run.evaluations or run.curve] if points]
    finite = [start for start in starts if math.isfinite(start)]
    low, high = min(losses, default=math.nan), max(losses, default=math.nan)
    return low, max(low, min(high, median(finite))) if finite else high


def _painted(values: Sequence[float], low: float, high: float) -> str:
    signs = blocks.row(values, low, high)
    parts = []
    for sign in signs:
        style = HEAT[blocks.BLOCKS.index(sign)] if sign in blocks.BLOCKS else "bold red"
        parts.append((sign, style))
    return Painted(*parts)


# ------------------------------------------------------------------------------------------------------------- notes


def notes(
    comparison: Comparison, columns: Mapping[str, Sequence[str]], width: int, shortened: Mapping[str, str]
) -> list[str]:
    """The lines below the table."""
    entries, lines = comparison.entries, []
    if any(entry.tied and _found(entry) for entry in entries):
        lines += _wrapped("=: ", "within noise of the first of its rank " + _noise(entries), width, "dim")
    legend = ["LR window: at most 10 % or 2 sd worse"] if "LR window" in columns else []
    if "loss by LR" in columns:
        legend.append(_axis_text(entries, comparison.runs))
    lines += _wrapped("", "; ".join(legend), width, "dim")
    lines += [_plain(f"{short} is {full}", "dim") for short, full in shortened.items()]
    use = use_line(comparison.candidates, entries)
    if use is not None:
        lines.append(Painted(("Use: ", ""), (use, "bold")))
    for text in remarks(comparison):
        lines += _wrapped("! ", text, width, "yellow")
    return lines


def _noise(entries: Sequence[Entry]) -> str:
    """How ties were told, by how many seeds the tied rows have."""
    single = [entry.sd != entry.sd for entry in entries if entry.tied and _found(entry)]
    rules = [] if all(single) else ["2 sd over paired seeds"]
    if any(single):
        rules.append("one seed: 5 %, or 2 sd of the last evaluations")
    return f"({'; '.join(rules)})"


def _axis_text(entries: Sequence[Entry], runs: Sequence[Run]) -> str:
    span = axis(entries)
    assert span is not None  # there is a column
    low, high = heat_scale(entries, runs)
    first, last, each = span
    rates = f"{spell(10 ** (first / 2))} to {spell(10 ** (last / 2))} in {'half-' if each == 1 else ''}decades"
    least, most = blocks.BLOCKS[0], blocks.BLOCKS[-1]
    return f"loss by LR: {rates}, {least} {low:.3g}, {most} {high:.3g} or more, {blocks.DIVERGED} diverged"


def use_line(candidates: Sequence[Candidate], entries: Sequence[Entry]) -> str | None:
    """The line that builds the best optimizer at its best rate; None if nothing was learned."""
    for entry in entries:
        if _found(entry):
            return next(c for c in candidates if c.label == entry.label).constructor(entry.lr)
    return None


def remarks(comparison: Comparison) -> list[str]:
    """What a user should know: of the whole first, then of each optimizer; what holds for several is said once."""
    found: list[str] = []
    if comparison.interrupted:
        found.append("interrupted: this is what there was until then")
    if use_line(comparison.candidates, comparison.entries) is None:
        found.append("no optimizer came to a finite loss")
    about: dict[str, list[str]] = {}
    for entry in comparison.entries:
        for note in entry.notes:
            about.setdefault(note, []).append(entry.label)
    every = len(comparison.entries)
    for note, labels in about.items():
        found.append(note if len(labels) == every > 1 else f"{', '.join(labels)}: {note}")
    return [*found, *(f"left out: {cut}" for cut in comparison.conditions.cuts)]


def _wrapped(sign: str, text: str, width: int, style: str) -> list[str]:
    lines = textwrap.wrap(text, max(20, width - len(sign)), break_long_words=False, break_on_hyphens=False)
    return [_plain((sign if not k else " " * len(sign)) + line, style) for k, line in enumerate(lines)]


def _plain(text: str, style: str) -> str:
    return Painted((text, style))
