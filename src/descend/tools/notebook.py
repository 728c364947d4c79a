"""Results in a notebook: a table and a picture as HTML without scripts, and one display that is updated in place."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from html import escape
from time import monotonic
from typing import TYPE_CHECKING, Any

from .extras import MissingExtra
from .pictures import plain_svg
from .records import spell
from .report import Table

if TYPE_CHECKING:
    from .comparing.result import Comparison
    from .finding.result import LearningRate

UPDATES = 2
"""A second, at most: a notebook sends each one to the browser."""

STYLE = "font-size: 13px; border-collapse: collapse; margin: 8px 0"
PRE = "font-size: 12px; line-height: 1.35; white-space: pre-wrap; background: transparent; color: inherit"


def comparison_html(comparison: Comparison) -> str:
    """The ranking and the curve of loss against learning rate; without matplotlib the ranking alone."""
    from .comparing import tables
    from .pictures import lr_curve

    heading = f"<pre style='{PRE}'>{escape(tables.heading(comparison))}</pre>"
    table = table_html(tables.ranking(comparison, None))
    return f"<div>{heading}{table}{_picture(lr_curve, comparison, 'lr')}</div>"


def learning_rate_html(found: LearningRate) -> str:
    """The answer, what each rule says, and the range test; without matplotlib without a picture."""
    from .pictures import range_test

    rules = Table(
        "",
        tuple(found.suggestions),
        (tuple("-" if rate is None else f"{rate:.3g}" for rate in found.suggestions.values()),),
        left=(),
    )
    line = f"<pre style='{PRE}'>{escape(found.constructor)}</pre>" if found.constructor else ""
    between = "" if found.interval is None else f", between {spell(found.interval[0])} and {spell(found.interval[1])}"
    answer = "" if found.lr is None else f"learning rate {spell(found.lr)}{between}, "
    said = f"<p><b>{escape(found.label)}</b>: {answer}{escape(found.confidence)}. {escape(found.reason)}</p>"
    return f"<div>{said}{line}{table_html(rules)}{_picture(range_test, found, 'range')}</div>"


def table_html(
    table: Table, attributes: str = f'style="{STYLE}"', values: Sequence[Sequence[float | None]] | None = None
) -> str:
    """A table of text as HTML, its notes below it.

    Args:
        table: what to show.
        attributes: of the table element.
        values: by row, the number behind each cell, by which a script can sort; None for a cell that is text.
    """

    def cells(row: Sequence[str], tag: str, numbers: Sequence[float | None] | None = None) -> str:
        sides = ("left" if place in table.left else "right" for place in range(len(row)))
        known = [None] * len(row) if numbers is None else numbers
        return "".join(
            f'<{tag} style="text-align: {side}; padding: 2px 10px 2px 0; white-space: pre"'
            f"{_sorted_by(number)}>{escape(cell)}</{tag}>"
            for cell, side, number in zip(row, sides, known, strict=True)
        )

    numbers = [None] * len(table.rows) if values is None else values
    rows = "".join(f"<tr>{cells(row, 'td', known)}</tr>" for row, known in zip(table.rows, numbers, strict=True))
    head = f"<thead><tr>{cells(table.header, 'th')}</tr></thead>"
    notes = f"<pre style='{PRE}'>{escape(chr(10).join(table.notes))}</pre>" if table.notes else ""
    return f"<table {attributes}>{head}<tbody>{rows}</tbody></table>{notes}"


def _sorted_by(number: float | None) -> str:
    return "" if number is None else f' data-sort="{number!r}"'


def _picture(draw: Any, result: Any, name: str) -> str:
    try:
        axes = draw(result)
    except MissingExtra:
        return ""
    # On a white ground, since a notebook does not tell whether it is dark.
    return f'<div style="background: white; max-width: 820px">{svg(axes.figure, f"nb-{name}-{id(result):x}")}</div>'


def svg(figure: Any, prefix: str, ground: str = "white") -> str:
    """A figure as an inline SVG element that is as wide as its place allows.

    Args:
        figure: of matplotlib.
        prefix: of all its ids, which must differ from those of other pictures in the page.
        ground: the colour behind it, or "none".
    """
    file = io.StringIO()
    if ground == "none":
        for axes in figure.axes:
            axes.set_facecolor("none")
    with plain_svg():
        figure.savefig(
            file, format="svg", bbox_inches="tight", facecolor=ground, metadata={"Date": None, "Creator": None}
        )
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Ids of what nothing refers to are for whoever works on the figure, and several artists may share one.
    used = {*re.findall(r'href="#([^"]*)"', text), *re.findall(r"url\(#([^)]*)\)", text)}
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    # A hundredth of a point is nothing, and digits are most of the file.
    text = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
    # A width in points would not shrink on a small screen; the view box keeps the proportions.
    tag, close, rest = text.partition(">")
    tag = re.sub(r' (width|height)="[^"]*"', "", tag)
    return f'{tag} style="width: 100%; height: auto"{close}{rest}'.strip()


def live() -> Live | None:
    """A display in the notebook that this runs in; None elsewhere, in IPython's terminal too."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from .extras import need

    return Live(need("IPython.display", "IPython", "showing progress in a notebook", extra=""))


class Live:
    """One output that is updated in place, at most twice a second.

    Args:
        display: the module IPython.display.
    """

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle: Any = None
        self._last = 0.0

    def text(self, text: str, now: bool = False) -> None:
        """Show lines of text.

        Args:
            text: what to show instead of what was there.
            now: even if that was just done.
        """
        if now or monotonic() - self._last >= 1 / UPDATES:
            self.table(f"<pre style='{PRE}'>{escape(text)}</pre>")

    def table(self, html: str) -> None:
        """Show HTML."""
        content = self._display.HTML(html)
        if self._handle is None:
            self._handle = self._display.display(content, display_id=True)
        else:
            self._handle.update(content)
        self._last = monotonic()
