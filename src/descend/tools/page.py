"""A comparison as one HTML file that needs nothing else: no network, no scripts but its own few lines.

It follows the reader's light or dark scheme, the pictures too: their colours are the page's own variables.
"""

from __future__ import annotations

import math
import re
from html import escape
from typing import TYPE_CHECKING

from . import plots
from .extras import MissingExtra
from .notebook import svg, table_html
from .pictures import style
from .records import Run, spell
from .report import Table

if TYPE_CHECKING:
    from .comparing.result import Comparison

PICTURES = (
    (
        "lr",
        "Loss against learning rate",
        "The whole answer in one picture: how good, at which rate, how sharply chosen.",
    ),
    ("curves", "The best runs", "The same runs against steps and against seconds of training."),
    ("heat", "Every rate that was tried", "Darker is better."),
)

CSS = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #222222; --soft: #666666; --pale: #b8b8b8;
  --line: #e6e6e6; --panel: #f6f7f9; --accent: #0072b2; --edge: #222222; @LIGHT@ }
@media screen and (prefers-color-scheme: dark) { :root { --ground: #16181c; --ink: #e6e6e6; --soft: #a3a9b3;
  --pale: #6b727d; --line: #32363e; --panel: #1f2228; --accent: #56b4e9; @DARK@ } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2.2rem 0 .2rem }
p.soft, .soft { color: var(--soft); margin: .1rem 0 .6rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0;
  font-size: 14px }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem .25rem 0 !important }
th { color: var(--soft); font-weight: 600 }
.sortable th { cursor: pointer } .sortable th:is(:hover, :focus-visible) { color: var(--accent) }
.sortable th[aria-sort=ascending]::after { content: " \\2191" }
.sortable th[aria-sort=descending]::after { content: " \\2193" }
td:last-child { font-family: ui-monospace, monospace }
.use { display: flex; gap: 1rem; align-items: center; background: var(--panel); border-left: 4px solid var(--accent);
  padding: .6rem .9rem; margin: 1rem 0 } .use code { flex: 1; font-size: .95rem; overflow-wrap: anywhere }
button { font: inherit; color: var(--ink); background: var(--ground); border: 1px solid var(--pale);
  border-radius: 4px; padding: .15rem .7rem; cursor: pointer }
pre { font: 13px/1.45 ui-monospace, monospace !important; color: var(--soft) !important; white-space: pre-wrap }
figure { margin: .3rem 0 } figure svg { max-width: 52rem } summary { cursor: pointer; color: var(--accent) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem }
dt { color: var(--soft) } dd { margin: 0 }
@media print { button { display: none } body { max-width: none }
  figure, tr { break-inside: avoid } h2 { break-after: avoid } }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.tabIndex = 0;
    head.addEventListener("keydown", event => { if (event.key === "Enter") head.click(); });
    head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const text = row => row.cells[column].textContent.trim();
      const number = row => parseFloat(row.cells[column].dataset.sort);
      const order = (a, b) => {
        const x = number(a), y = number(b);
        // What is no number (diverged, none) stays last, whichever way.
        if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
        const by = isNaN(x) ? text(a).localeCompare(text(b)) : x - y;
        return up ? by : -by;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "copied";
    } catch {  // there is no clipboard for pages that came over plain http: the line is selected instead
      getSelection().selectAllChildren(button.previousElementSibling);
    }
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(part => { part.open = true; }));
"""


def html(comparison: Comparison) -> str:
    """The report of a comparison as the text of one HTML file.

    Args:
        comparison: what `compare` returned, partial ones too.

    Returns:
        A page with the ranking, the line to paste, three pictures (none without matplotlib, and it says so), what to
        know about the result, and all runs.
    """
    from .comparing import tables

    conditions = comparison.conditions
    title = f"descend compare: {conditions.name}"
    table = tables.ranking(comparison, None)
    ranking = Table(table.title, table.header, table.rows, (), table.left)
    notes = _unwrapped([line for line in table.notes if not line.startswith("Use:")])
    use = tables.use_line(comparison.candidates, comparison.entries)
    parts = [
        f"<h1>{escape(conditions.name)}</h1>",
        f'<p class="soft">{escape(conditions.title)}</p>' if conditions.title else "",
        "<p><b>A partial result</b>: the comparison was interrupted.</p>" if comparison.interrupted else "",
        _use(use) if use else "<p>No run came to a finite loss.</p>",
        f'<div class="wide">{table_html(ranking, CLASS, _ranked_by(comparison, table.header))}</div>',
        f"<pre>{escape(notes)}</pre>" if notes else "",
        *_pictures(comparison),
        "<h2>Conditions</h2>",
        _conditions(comparison),
        f"<details><summary>All {len(comparison.runs)} runs</summary>",
        f'<div class="wide">{table_html(_runs(comparison.runs), CLASS, _run_values(comparison.runs))}</div></details>',
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_css()}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<script>{SCRIPT}</script>\n</body></html>\n"
    )


CLASS = 'class="sortable"'


def _use(line: str) -> str:
    return f'<div class="use"><code>{escape(line)}</code><button data-copy="{escape(line)}">copy</button></div>'


def _pictures(comparison: Comparison) -> list[str]:
    from . import pictures

    parts = []
    try:
        for kind, title, below in PICTURES:
            axes = pictures.draw(comparison, kind)
            figure = (axes[0] if kind == "curves" else axes).figure
            drawn = svg(figure, kind, ground="none")
            if kind == "heat":  # its stars stand on cells that are as pale in the dark: they keep their dark edge
                drawn = drawn.replace(f"stroke: {plots.INK}", "stroke: var(--edge)")
            drawn = _schemed(drawn)
            drawn = drawn.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
            parts.append(f'<h2>{title}</h2><p class="soft">{below}</p><figure>{drawn}</figure>')
    except MissingExtra as error:
        parts.append(f'<p class="soft">No pictures: {escape(str(error))}</p>')
    return parts


def _conditions(comparison: Comparison) -> str:
    conditions = comparison.conditions
    early = " and ".join(map(str, conditions.rungs[:-1])) or "no step"
    threads = "thread" if conditions.threads == 1 else "threads"
    rows = {
        "model": f"{conditions.parameters:,} parameters, {conditions.device}, {conditions.threads} {threads}",
        "batch": "all data at once" if conditions.batch is None else str(conditions.batch),
        "steps": f"{conditions.steps}; rates that fell behind were stopped at {early}",
        "seeds": f"{conditions.seeds}, from {conditions.seed}",
        "ranked by": conditions.objective,
        "schedule": conditions.schedule,
        "batched runs": "; ".join(f"{label}: {why}" for label, why in conditions.stacked.items()) or "none",
        "left out": "; ".join(conditions.cuts) or "nothing",
        "time": f"{comparison.seconds:.0f} s",
        "versions": ", ".join(f"{name} {version}" for name, version in conditions.versions.items()),
    }
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in rows.items()) + "</dl>"


def _runs(runs: tuple[Run, ...]) -> Table:
    header = ("optimizer", "learning rate", "seed", "steps", "loss", "metric", "seconds", "status", "message")
    rows = tuple(
        (
            run.optimizer,
            spell(run.lr),
            str(run.seed),
            str(run.steps),
            f"{run.loss:.4g}",
            "-" if run.metric is None else f"{run.metric:.4g}",
            f"{run.seconds:.2f}",
            run.status,
            run.message,
        )
        for run in runs
    )
    return Table("", header, rows, (), left=(0, 7, 8))


def _ranked_by(comparison: Comparison, header: tuple[str, ...]) -> list[list[float | None]]:
    """The numbers behind the cells of the ranking; None where there is none, or the cell is text."""
    conditions, rows = comparison.conditions, []
    for entry in comparison.entries:
        known = {
            "#": entry.rank,
            "best LR": entry.lr,
            conditions.objective: entry.loss,
            conditions.metric: entry.metric,
            "vs default": None if entry.default is None else entry.default[1],  # its loss, not its rate
            "LR window": entry.decades if min(entry.window) > 0 else None,
            "ms/step": entry.ms_per_step,
            f"s to {conditions.goal or 0.0:g}": entry.goal_seconds,
        }
        rows.append([_finite(known.get(name)) for name in header])
    return rows


def _run_values(runs: tuple[Run, ...]) -> list[list[float | None]]:
    return [
        [None, run.lr, run.seed, run.steps, _finite(run.loss), _finite(run.metric), run.seconds, None, None]
        for run in runs
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _unwrapped(notes: list[str]) -> str:
    """The notes with a line each: the browser wraps them as wide as its window is."""
    lines: list[str] = []
    for note in notes:
        if note.startswith("  ") and lines:
            lines[-1] += " " + note.strip()
        else:
            lines.append(note)
    return "\n".join(lines)


def _variables() -> dict[str, tuple[str, str, str]]:
    """By colour of the pictures: the page's variable for it, and its values on light and on dark ground."""
    found = {
        plots.INK: ("ink", plots.INK, "#e6e6e6"),
        style.GREY: ("soft", style.GREY, "#a3a9b3"),
        style.GRID: ("line", style.GRID, "#32363e"),
    }
    # Names beside curves are a darker shade of the curve's colour on light ground, and a lighter one on dark.
    for number, colour in enumerate(plots.COLOURS):
        found[plots.dark(colour)] = (f"name{number}", plots.dark(colour), _light(colour))
    return found


def _light(colour: str) -> str:
    return "#" + "".join(f"{int(255 - (255 - int(colour[k : k + 2], 16)) * 0.65):02x}" for k in (1, 3, 5))


def _css() -> str:
    names = [value for value in _variables().values() if value[0].startswith("name")]
    light = " ".join(f"--{name}: {value};" for name, value, _ in names)
    dark = " ".join(f"--{name}: {value};" for name, _, value in names)
    return CSS.replace("@LIGHT@", light).replace("@DARK@", dark)


def _schemed(drawn: str) -> str:
    """The SVG with the colours of text, ticks and grid as variables, which depend on the reader's scheme."""
    for colour, (name, _, _) in _variables().items():
        drawn = re.sub(rf"(fill|stroke): {colour}\b", rf"\1: var(--{name})", drawn, flags=re.IGNORECASE)
    return drawn
