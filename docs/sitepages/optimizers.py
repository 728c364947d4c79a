"""The page of one optimizer: its docstring, its row of the quick reference, and how it did in a demo."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from descend.tools import quickref
from descend.tools.records import spell

from . import docstrings
from .charts import Line, chart

CURVES = Path(__file__).parents[1] / "curves.json"
TABLE_BEGIN, TABLE_END = "<!-- quickref -->", "<!-- /quickref -->"


@cache
def curves() -> dict[str, Any]:
    """What measure_curves.py wrote."""
    found: dict[str, Any] = json.loads(CURVES.read_text(encoding="utf-8"))
    return found


def link(name: str) -> str:
    """Where a public name is documented, seen from a page of an optimizer."""
    own = name.removeprefix("~").removeprefix("descend.")
    if own.lower() in quickref.TABLE and quickref.TABLE[own.lower()].cls == own:
        return f"{own.lower()}.md"
    return "../reference/optimizer.md" if own == "Optimizer" else ""


def page(reference: quickref.Reference) -> str:
    """The Markdown of a page."""
    found = docstrings.parts(reference.optimizer, link)
    facts = "".join(
        f"| {heading} | {docstrings.inline(text)} |\n" for heading, text in quickref.facts(reference).items()
    )
    pieces = [
        f"# {reference.cls}",
        found.summary,
        found.text,
        f"```python\n{quickref.call(reference)}\n```",
        f'<div class="facts" markdown>\n\n| | |\n|---|---|\n{facts}\n</div>',
        pictures(reference),
        f"## Signature\n\n{docstrings.signature(f'descend.{reference.cls}', reference.optimizer)}",
        *(f"## {heading}\n\n{text}" if heading else text for heading, text in found.sections),
    ]
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def pictures(reference: quickref.Reference) -> str:
    """Both charts for every demo that the optimizer was measured on, and what they show."""
    measured = {demo: data for demo, data in curves()["demos"].items() if reference.name in data["optimizers"]}
    found = ["## Measured"]
    for demo, data in measured.items():
        rate, step = charts(reference, data)
        own = data["optimizers"][reference.name]
        others = ", ".join(quickref.TABLE[name].cls for name in data["optimizers"] if name != reference.name)
        found += [
            f"`{demo}`: {data['title']}. {data['objective'].capitalize()}, {data['steps']} steps, "
            f"{data['seeds']} seeds. {verdict(reference, own)} Grey: {others}.",
            f'<div class="charts">{rate}{step}</div>',
        ]
    found.append(
        f"`{curves()['command']}`, on {curves()['machine']}. ★: best; ✕: diverged; "
        "hollow: stopped early, with the loss it had then."
    )
    return "\n\n".join(found)


def verdict(reference: quickref.Reference, own: dict[str, Any]) -> str:
    """A sentence on the best rate."""
    if own["loss"] is None:
        return "It diverged at every rate."
    if len(own["rates"]) == 1:
        return f"{own['loss']:.3g} at {spell(own['best'])}."
    return f"Best rate {spell(own['best'])}: {own['loss']:.3g}."


def charts(reference: quickref.Reference, data: dict[str, Any]) -> tuple[str, str]:
    """Loss against learning rate, and against step."""
    by_rate, by_step = [], []
    for name, found in data["optimizers"].items():
        own, cls = name == reference.name, quickref.TABLE[name].cls
        rates = tuple((lr, math.inf if loss is None else loss) for lr, loss, _ in found["rates"])
        stopped = frozenset(lr for lr, _, full in found["rates"] if not full)
        best = None if found["loss"] is None else (found["best"], found["loss"])
        if len(rates) > 1 or own:
            by_rate.append(Line(f"{cls}, best at {spell(found['best'])}", rates, own, best, stopped))
        if found["loss"] is not None or own:
            points = tuple((step, loss) for step, loss in found["curve"])
            by_step.append(Line(f"{cls} at {spell(found['best'])}", points, own))
    start, default = reference.start_lr, reference.default_lr
    marks = [("start, default", start)] if start == default else [("start", start), ("default", default)]
    title = data["objective"].capitalize()
    rate = chart(f"{title} by learning rate", "learning rate", by_rate, marks=marks)
    chosen, own_loss = (data["optimizers"][reference.name][key] for key in ("best", "loss"))
    return rate, chart(
        f"{title} at {spell(chosen)}" if own_loss is None else f"{title} at the best rate, {spell(chosen)}",
        "step",
        by_step,
        linear=True,
    )


def with_links(markdown: str) -> str:
    """The page of the quick reference with a link on every name of its table."""
    before, _, rest = markdown.partition(TABLE_BEGIN)
    _, _, after = rest.partition(TABLE_END)
    return f"{before}{quickref.markdown_table(link='{}.md')}{after}"
