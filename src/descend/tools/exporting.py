"""A comparison as files that other programs read: CSV, JSON, Markdown, TensorBoard events, a pandas data frame."""

from __future__ import annotations

import ast
import csv
import io
import json
import math
import re
import subprocess
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .extras import need
from .records import Candidate, Conditions, Run, candidate_from, conditions_from, to_plain

if TYPE_CHECKING:
    from .comparing.result import Comparison

FORMAT = 1
COLUMNS = (
    "optimizer",
    "lr",
    "seed",
    "origin",
    "status",
    "rung",
    "steps",
    "loss",
    "metric",
    "seconds",
    "ms_per_step",
    "rung_losses",
    "best_lr",
    "rank",
    "constructor",
    "message",
)
"""Of the CSV file and the data frame; all of them are there whatever was compared.

best_lr: whether the rate is the best one of its optimizer. rank: of the optimizer. rung_losses: separated by spaces.
"""


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A dict with the keys of COLUMNS for every run."""
    entries = {entry.label: entry for entry in comparison.entries}
    candidates = {candidate.label: candidate for candidate in comparison.candidates}
    return [
        {
            "optimizer": run.optimizer,
            "lr": run.lr,
            "seed": run.seed,
            "origin": run.origin,
            "status": run.status,
            "rung": run.rung,
            "steps": run.steps,
            "loss": run.loss,
            "metric": run.metric,
            "seconds": run.seconds,
            "ms_per_step": 1000 * run.seconds / run.steps if run.steps else math.nan,
            "rung_losses": " ".join(map(repr, run.rung_losses)),
            "best_lr": run.lr == entries[run.optimizer].lr,
            "rank": entries[run.optimizer].rank,
            "constructor": candidates[run.optimizer].constructor(run.lr),
            "message": run.message,
        }
        for run in comparison.runs
    ]


def csv_text(comparison: Comparison) -> str:
    """A line for every run; numbers with all their digits, `inf`, `nan`, and nothing for what is not there."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(comparison):
        writer.writerow({name: repr(value) if isinstance(value, float) else value for name, value in row.items()})
    return text.getvalue()


# --------------------------------------------------------------------------------------------------------------- JSON


def json_text(comparison: Comparison) -> str:
    """Everything as strict JSON, a run a line: numbers that are not finite are the words "inf", "-inf" and "nan"."""
    values: dict[str, Any] = {
        "kind": "descend comparison",
        "format": FORMAT,
        "git": comparison.conditions.versions.get("git") or git_revision(),
        "conditions": to_plain(comparison.conditions),
        "candidates": [to_plain(candidate) for candidate in comparison.candidates],
        "interrupted": comparison.interrupted,
        "seconds": comparison.seconds,
        "entries": [to_plain(entry) for entry in comparison.entries],
        "runs": [run.to_dict() for run in comparison.runs],
    }
    return "{\n" + ",\n".join(f"{_json(key)}: {_lines(value)}" for key, value in values.items()) + "\n}"


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _lines(value: Any) -> str:
    return "[\n" + ",\n".join(map(_json, value)) + "\n]" if isinstance(value, list) else _json(value)


Parts = tuple[Conditions, tuple[Candidate, ...], tuple[Run, ...], bool, float]


def read_json(text: str) -> Parts:
    """The parts of a comparison, from what `json_text` has written. Its ranking is made anew.

    Raises:
        ValueError: the text is no JSON, or no comparison, or one of another version.
    """
    values = json.loads(text)
    if not isinstance(values, dict) or values.get("kind") != "descend comparison":
        raise ValueError("this JSON holds no comparison of descend")
    if values.get("format") != FORMAT:
        raise ValueError(f"this comparison has format {values.get('format')!r}; this version of descend reads {FORMAT}")
    try:
        return (
            conditions_from(values["conditions"]),
            tuple(map(candidate_from, values["candidates"])),
            tuple(map(Run.from_dict, values["runs"])),
            bool(values["interrupted"]),
            float(values["seconds"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"this comparison is damaged: {error!r}") from error


def git_revision(directory: str | PathLike[str] = ".") -> str | None:
    """The commit of the directory's git repository, with `-dirty` if files differ from it; None if there is none."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=5, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    return commit and commit + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")


# ----------------------------------------------------------------------------------------------------------- Markdown


def markdown(comparison: Comparison) -> str:
    """The ranking as GitHub shows it: a table with all columns, the line to paste, the notes."""
    from .comparing import tables

    first, *others = tables.heading(comparison).splitlines()
    table = tables.ranking(comparison, width=None)
    lines = [f"### {_escaped(first)}", "", "  \n".join(map(_escaped, others)), ""]
    lines += [_cells(table.header), _cells([":--" if k in table.left else "--:" for k in range(len(table.header))])]
    # A row of blocks is code: proportional letters would take it apart.
    heat = table.header.index("loss by LR") if "loss by LR" in table.header else -1
    for row in table.rows:
        lines.append(_cells([f"`{cell}`" if k == heat else cell for k, cell in enumerate(row)]))
    use = tables.use_line(comparison.candidates, comparison.entries)
    if use is not None:
        lines += ["", "```python", f"optimizer = {use}" if _is_call(use) else f"# {use}", "```"]
    remarks = tables.remarks(comparison)
    lines += ["", *(f"- {_escaped(remark)}" for remark in remarks)] if remarks else []
    return "\n".join(lines) + "\n"


def _is_call(line: str) -> bool:
    """Whether a line builds one optimizer; others build two, or say in words what to do."""
    try:
        return isinstance(ast.parse(line, mode="eval").body, ast.Call)
    except SyntaxError:
        return False


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    """Bars would end a cell, asterisks and underscores would change the letters."""
    return text if text.startswith("`") else re.sub(r"([|*_<\\])", r"\\\1", text)


# ---------------------------------------------------------------------------------------------------------- TensorBoard


def tensorboard(comparison: Comparison, directory: str | PathLike[str]) -> None:
    """Write every run as TensorBoard reads it.

    Each run is one directory with its curves and its options: the HParams tab then shows the names that the Scalars tab
    shows, and no runs of its own. All runs have the same options and measures; where one lacks a value, it is nan.

    Raises:
        MissingExtra: tensorboard is not installed.
    """
    boards = need("torch.utils.tensorboard", "tensorboard", "writing events for TensorBoard", extra="")
    summary = need("torch.utils.tensorboard.summary", "tensorboard", "writing events for TensorBoard", extra="")
    metric = comparison.conditions.metric
    for run, name in zip(comparison.runs, run_names(comparison.runs), strict=True):
        with boards.SummaryWriter(str(Path(directory, name))) as writer:
            options = {"optimizer": run.optimizer, "lr": run.lr, "seed": run.seed, "origin": run.origin}
            measures = {"hparam/loss": run.loss, "hparam/seconds": run.seconds, "hparam/steps": float(run.steps)}
            if metric:
                measures[f"hparam/{metric}"] = math.nan if run.metric is None else run.metric
            # SummaryWriter.add_hparams would open a run of its own.
            for event in summary.hparams({**options, "status": run.status}, measures):
                writer.file_writer.add_summary(event)
            for tag, value in measures.items():
                writer.add_scalar(tag, value, run.steps)
            for point in run.curve:
                writer.add_scalar("loss/train", point.loss, point.step)
            for point in run.evaluations:
                writer.add_scalar("loss/val", point.loss, point.step)
                if point.metric is not None:
                    writer.add_scalar(f"metric/{metric}", point.metric, point.step)


def run_names(runs: Sequence[Run]) -> list[str]:
    """A path for each run, `AdamW/lr=3.2e-03/s0`, with as many digits as keep them apart.

    Example:
        >>> run_names([Run("SGD momentum=0.9", 0.1, 0), Run("AdamW", 0.00316, 1), Run("AdamW", 0.0032, 1)])
        ['SGD-momentum=0.9/lr=1.0e-01/s0', 'AdamW/lr=3.16e-03/s1', 'AdamW/lr=3.20e-03/s1']
    """
    labels: dict[str, str] = {}
    for run in runs:
        if run.optimizer not in labels:
            short = re.sub(r"[^A-Za-z0-9.=_+#]+", "-", run.optimizer).strip("-.") or "optimizer"
            while short in labels.values():
                short += "'"
            labels[run.optimizer] = short
    rates = {label: sorted({run.lr for run in runs if run.optimizer == label}) for label in labels}
    digits = {
        label: next((d for d in range(1, 17) if len({f"{lr:.{d}e}" for lr in tried}) == len(tried)), 17)
        for label, tried in rates.items()
    }
    return [f"{labels[run.optimizer]}/lr={run.lr:.{digits[run.optimizer]}e}/s{run.seed}" for run in runs]


def frame(comparison: Comparison) -> Any:
    """A data frame with a row for every run and the columns of COLUMNS.

    Raises:
        MissingExtra: pandas is not installed.
    """
    pandas = need("pandas", "pandas", "to_pandas()", extra="data")
    return pandas.DataFrame(rows(comparison), columns=list(COLUMNS))
