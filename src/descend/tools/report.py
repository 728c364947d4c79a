"""A result as text: aligned plain tables, the same tables through rich on a terminal, and JSON."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from . import blocks

WIDTH = 120  # of tables that go into pipes and files


class Painted(str):
    """Text with colours for terminals that have them; everywhere else it is the text.

    Args:
        parts: pieces of text, each with what rich calls a style: `("0.1", "bold green")`.
    """

    parts: tuple[tuple[str, str], ...]

    def __new__(cls, *parts: tuple[str, str]) -> Painted:
        """Put the pieces together."""
        made = super().__new__(cls, "".join(text for text, _ in parts))
        made.parts = parts
        return made


@dataclass(frozen=True)
class Table:
    """A table of finished cells: the first column is text, the others are numbers and line up on the right.

    Attributes:
        title: the line above it; empty for none.
        header: one name per column.
        rows: the cells, already formatted.
        notes: lines below it.
        left: the columns that line up on the left, counted from 0.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    left: tuple[int, ...] = (0,)


def plain(heading: str, tables: Sequence[Table]) -> str:
    """The tables as plain text, which any pipe, log file and issue can hold."""
    return "\n\n".join([heading, *map(_plain_table, tables)])


def _plain_table(table: Table) -> str:
    lines = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        "  ".join(
            cell.ljust(width) if column in table.left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    rule = "  ".join("-" * width for width in widths)
    title = [table.title] if table.title else []
    return "\n".join([*title, aligned[0], rule, *aligned[1:], *table.notes])


def wants_rich(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that may be given colours: see https://no-color.org for NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int:
    """How wide a table may be: as the terminal, less the space that rich leaves at its end; WIDTH if there is none."""
    if not stream.isatty():
        return WIDTH
    return _columns() - (1 if blocks.fit("±", stream.encoding) == "±" else 6)  # signs become two or three letters


def _columns() -> int:
    return max(40, shutil.get_terminal_size((WIDTH, 24)).columns)


def show(heading: str, tables: Sequence[Table], stream: TextIO) -> None:
    """Write the tables to `stream`: through rich if it is a terminal and rich is installed, else as plain text."""
    if wants_rich(stream):
        try:
            from rich.console import Console
        except ImportError:
            pass
        else:
            _show_rich(heading, tables, Console(file=stream, highlight=False, width=_columns()))
            return
    print(blocks.fit(plain(heading, tables), stream.encoding), file=stream)


def _show_rich(heading: str, tables: Sequence[Table], console: Any) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    def text(line: str, style: str = "") -> Any:
        parts = line.parts if isinstance(line, Painted) else ((line, style),)
        return Text.assemble(*((blocks.fit(part, console.encoding), colour) for part, colour in parts))

    first, *others = heading.splitlines()
    console.print(text(first, "bold"))
    for line in others:
        console.print(text(line, "dim"))
    for table in tables:
        title = text(table.title) if table.title else None
        drawn = RichTable(
            title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0),
            show_edge=bool(table.title),
        )  # fmt: skip
        for position, name in enumerate(table.header):
            drawn.add_column(
                text(name),
                justify="left" if position in table.left else "right",
                style=None if position else "cyan",
                no_wrap=not table.title,
            )
        for row in table.rows:
            drawn.add_row(*map(text, row))
        console.print()
        console.print(drawn)
        for note in table.notes:
            # Painted notes are as wide as they should be: a line to paste must come through in one piece.
            console.print(text(note, "dim"), soft_wrap=isinstance(note, Painted))


def finite(value: Any) -> Any:
    """`value` with every float that is not finite replaced by None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(value: Any, indent: int | None) -> str:
    """`value` as strict JSON."""
    return json.dumps(value, indent=indent, allow_nan=False)
