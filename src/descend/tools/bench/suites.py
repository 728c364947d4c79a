"""`suite`: all benchmarks in one go, which is how the numbers of the README and the docs are made again.

`quick` trains the twins: are the numbers those of torch.optim, and how much shorter is a step? `full` also runs
`tools.compare` on every demo and asks which optimizer reaches the goal how soon, and how exactly its learning rate has
to be chosen.
"""

from __future__ import annotations

import csv
import io
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import report
from ..demos import DEMOS, find
from ..records import Entry, spell
from .lockstep import Twins, twins, workloads
from .profiles import TAUS, profile, ratios

if TYPE_CHECKING:
    from ..comparing.result import Comparison

SUITES = ("quick", "full")


@dataclass(frozen=True)
class Suite:
    """The result of `suite`; `print` shows it as tables.

    Attributes:
        name: `quick` or `full`.
        twins: each demo with its optimizers beside those of torch.optim.
        comparisons: by demo; empty in `quick`.
        interrupted: whether the user ended it before the last demo.
    """

    name: str
    twins: tuple[Twins, ...]
    comparisons: Mapping[str, Comparison]
    interrupted: bool = False

    def heading(self) -> str:
        """What was run, and with which versions."""
        versions = self.twins[0].environment
        return (
            f"descend bench --suite {self.name}\n"
            f"descend {versions['descend']}, torch {versions['torch']}, Python {versions['python']}\n"
            f"{machine()}"
        )

    def goal_seconds(self) -> dict[str, dict[str, float | None]]:
        """Seconds to the goal by demo and optimizer, each at its best learning rate; None where it was not reached."""
        return {
            demo: {entry.label: entry.goal_seconds for entry in comparison.entries}
            for demo, comparison in self.comparisons.items()
        }

    def tables(self) -> tuple[report.Table, ...]:
        """The step times of the twins; with comparisons also a table for each demo, and the performance profile."""
        times = report.Table(
            title="optimizer.step() in microseconds, beside torch.optim's",
            header=("demo, optimizer", "us", "torch us", "ratio", "diff"),
            rows=tuple(
                (
                    f"{each.workload.name.removeprefix('demo:')}, {row.label}",
                    f"{row.step_us:.1f}",
                    f"{row.torch_step_us:.1f}",
                    f"{row.ratio:.1f}x",
                    f"{row.max_difference:.0e}",
                )
                for each in self.twins
                for row in each.rows
            ),
            notes=(
                "diff: the largest difference of a weight to the one that torch.optim trained;",
                "a long training makes that of one rounding, between torch's own variants, too",
            ),
        )
        if not self.comparisons:
            return (times,)
        return (times, *(_goal_table(demo, c) for demo, c in self.comparisons.items()), self._profile_table())

    def _profile_table(self) -> report.Table:
        seconds = self.goal_seconds()
        shares = [profile(seconds, tau) for tau in TAUS]
        first_to_last = sorted(shares[0], key=lambda name: -sum(share[name] for share in shares))
        took_part = {name: sum(name in problem for problem in seconds.values()) for name in shares[0]}
        return report.Table(
            title="Share of the demos on which the goal was reached within so many times the fastest's seconds",
            header=("optimizer", "demos", *(f"{tau:g}x" for tau in TAUS)),
            rows=tuple(
                (name, f"{took_part[name]} of {len(seconds)}", *(f"{share[name]:.0%}" for share in shares))
                for name in first_to_last
            ),
            notes=("each at its best learning rate; a demo in which it took no part counts as not reached",),
        )

    def __str__(self) -> str:
        return report.plain(self.heading(), self.tables())

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values that JSON can hold."""
        seconds = self.goal_seconds()
        return {
            "suite": self.name,
            "interrupted": self.interrupted,
            "machine": machine(),
            "twins": [each.to_dict() for each in self.twins],
            "comparisons": report.finite(compare_rows(self.comparisons)),
            "profile": {f"{tau:g}": profile(seconds, tau) for tau in TAUS} if seconds else {},
        }

    def to_json(self, indent: int | None = 2) -> str:
        """The result as JSON text."""
        return report.json_text(self.to_dict(), indent)

    def to_markdown(self) -> str:
        """The tables in Markdown, with the command that makes them again."""
        title, *rest = self.heading().splitlines()
        return "\n\n".join([f"# `{title}`", *rest, *map(_markdown, self.tables())]) + "\n"

    def write(self, directory: str | PathLike[str]) -> tuple[Path, ...]:
        """Write bench.md, twins.csv and, where there are comparisons, compare.csv and profile.csv.

        Args:
            directory: made if it does not exist; its parent must.

        Returns:
            The files, in that order.

        Raises:
            OSError: one of them cannot be written.
        """
        out = Path(directory)
        out.mkdir(exist_ok=True)
        contents = {"bench.md": self.to_markdown(), "twins.csv": _csv(twin_rows(self.twins))}
        if self.comparisons:
            seconds = self.goal_seconds()
            points = sorted({1.0, *TAUS, *(r for found in ratios(seconds).values() for r in found.values() if r < 1e9)})
            shares = [
                {"optimizer": name, "tau": tau, "share": share}
                for tau in points
                for name, share in profile(seconds, tau).items()
            ]
            contents |= {"compare.csv": _csv(compare_rows(self.comparisons)), "profile.csv": _csv(shares)}
        for name, content in contents.items():
            (out / name).write_text(content, encoding="utf-8")
        return tuple(out / name for name in contents)


def suite(
    name: str = "quick",
    out: str | PathLike[str] | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    seed: int = 0,
    minutes: float = 5,
) -> Suite:
    """Run the benchmarks.

    Args:
        name: `"quick"`: the twins of line, digits and logistic, which takes under a minute. `"full"`: then also
            `tools.compare` on every demo, with the optimizers that the demo names.
        out: a directory to write tables in Markdown and CSV to; None writes nothing.
        progress: called with one line of text as each part ends.
        seed: of initial weights and of the order of batches.
        minutes: the most that one comparison of `full` may take.

    Returns:
        The result: `print(result)`, `result.twins`, `result.comparisons`, `result.to_json()`.

    Raises:
        ValueError: there is no suite of that name, or `seed` or `minutes` is out of range.
        MissingExtra: the data of a demo come from a library that is not installed; told before anything is trained.

    Example:
        >>> from descend.tools import bench
        >>> result = bench.suite("quick", out="results")  # doctest: +SKIP
    """
    if name not in SUITES:
        raise ValueError(f"name must be one of {', '.join(SUITES)}, got {name!r}")
    if not minutes > 0:
        raise ValueError(f"minutes must be positive, got {minutes}")
    tell = progress or (lambda line: None)
    demos = list(DEMOS) if name == "full" else []
    for demo in [*workloads(), *demos]:
        find(demo).setup()  # loads the data, once for the process
    beside = []
    for demo in workloads():
        tell(f"twins of {demo}")
        beside.append(twins(demo, seed=seed, progress=progress))
    comparisons: dict[str, Comparison] = {}
    interrupted = False
    for demo in demos:
        tell(f"compare {demo}")
        comparisons[demo] = found = _compare(demo, seed=seed, minutes=minutes, progress=None)
        for best in found.entries[:1]:
            tell(f"  {best.label} at {spell(best.lr)}: loss {best.loss:.4g}, {found.seconds:.0f} s")
        if found.interrupted:
            interrupted = True
            break
    result = Suite(name, tuple(beside), comparisons, interrupted)
    if out is not None:
        for file in result.write(out):
            tell(f"wrote {file}")
    return result


def machine() -> str:
    """What this runs on: `Linux x86_64, 4 cores`."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _compare(demo: str, **options: Any) -> Comparison:
    from .. import compare

    return compare(demo, **options)


def _goal_table(demo: str, comparison: Comparison) -> report.Table:
    """One row per optimizer at its best learning rate: how far it came, how soon, how wide the window is."""
    conditions = comparison.conditions
    goal = "" if conditions.goal is None else f", goal {conditions.goal:g}"
    seeds = "1 seed" if conditions.seeds == 1 else f"{conditions.seeds} seeds"
    metric = [conditions.metric] if conditions.metric else []
    return report.Table(
        title=f"{demo}: {conditions.steps} steps, {seeds}, {conditions.objective}{goal}",
        header=(
            "optimizer",
            "best lr",
            "loss",
            *metric,
            "steps to goal",
            "s to goal",
            "lr window",
            "decades",
            "ms/step",
        ),
        rows=tuple(
            (
                entry.label,
                spell(entry.lr),
                f"{entry.loss:.4g}",
                *(_or_dash(entry.metric, ".4g") for _ in metric),
                _or_dash(entry.goal_steps, ".0f"),
                _or_dash(entry.goal_seconds, ".3g"),
                _window(entry),
                f"{entry.decades:.1f}",
                f"{entry.ms_per_step:.2f}",
            )
            for entry in comparison.entries
        ),
        notes=tuple(f"left out for want of time: {cut}" for cut in conditions.cuts),
    )


def _window(entry: Entry) -> str:
    """The rates whose loss is near the best; < and > where it may reach beyond the rates that were tried."""
    low, high = entry.window
    below, above = entry.window_open
    return f"{'<' * below}{spell(low)} - {'>' * above}{spell(high)}"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def twin_rows(results: tuple[Twins, ...]) -> list[dict[str, Any]]:
    """One row per demo and optimizer."""
    return [
        {
            "demo": each.workload.name,
            "optimizer": row.label,
            "step_us": row.step_us,
            "torch_step_us": row.torch_step_us,
            "ratio": row.ratio,
            "max_difference": row.max_difference,
            **{f"final_{name}": value for name, value in row.final.items() if name == "loss"},
        }
        for each in results
        for row in each.rows
    ]


def compare_rows(comparisons: Mapping[str, Comparison]) -> list[dict[str, Any]]:
    """One row per demo and optimizer, each at its best learning rate; None where a goal was not reached."""
    times = {demo: {e.label: e.goal_seconds for e in c.entries} for demo, c in comparisons.items()}
    relative = ratios(times)
    return [
        {
            "demo": demo,
            "goal": comparison.conditions.goal,
            "rank": entry.rank,
            "optimizer": entry.label,
            "lr": entry.lr,
            "loss": entry.loss,
            "sd": entry.sd,
            "metric": entry.metric,
            "goal_steps": entry.goal_steps,
            "goal_seconds": entry.goal_seconds,
            "times_the_fastest": None if entry.goal_seconds is None else relative[demo][entry.label],
            "window_low": entry.window[0],
            "window_high": entry.window[1],
            "window_decades": entry.decades,
            "ms_per_step": entry.ms_per_step,
        }
        for demo, comparison in comparisons.items()
        for entry in comparison.entries
    ]


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _markdown(table: report.Table) -> str:
    """A table in Markdown: the first column to the left, the numbers to the right."""
    rule = ("---", *["---:"] * (len(table.header) - 1))
    lines = ["| " + " | ".join(cells) + " |" for cells in (table.header, rule, *table.rows)]
    return "\n\n".join([f"## {table.title}", "\n".join(lines), *table.notes])
