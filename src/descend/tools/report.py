"""A result as text: aligned plain tables, the same tables through rich on a terminal, and JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO


@dataclass(frozen=True)
class Table:
    """A table of finished cells: the first column is text, the others are numbers and line up on the right.

    Attributes:
        title: the line above it.
        header: one name per column.
        rows: the cells, already formatted.
        notes: lines below it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def plain(heading: str, tables: Sequence[Table]) -> str:
    """The tables as plain ASCII text, which any pipe, log file and issue can hold."""
    return "\n\n".join([heading, *map(_plain_table, tables)])


def _plain_table(table: Table) -> str:
    lines = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    cells = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in lines
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([table.title, *(line.rstrip() for line in (cells[0], rule, *cells[1:])), *table.notes])


def wants_rich(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that may be given colours: see https://no-color.org for NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show(heading: str, tables: Sequence[Table], stream: TextIO) -> None:
    """Write the tables to `stream`: through rich if it is a terminal and rich is installed, else as plain text."""
    if wants_rich(stream):
        try:
            from rich.console import Console
        except ImportError:
            pass
        else:
            _show_rich(heading, tables, Console(file=stream, highlight=False))
            return
    print(plain(heading, tables), file=stream)


def _show_rich(heading: str, tables: Sequence[Table], console: Any) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    first, *others = heading.splitlines()
    console.print(Text(first, style="bold"))
    for line in others:
        console.print(Text(line, style="dim"))
    for table in tables:
        drawn = RichTable(
            title=Text(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        for position, name in enumerate(table.header):
            drawn.add_column(Text(name), justify="right" if position else "left", style=None if position else "cyan")
        for row in table.rows:
            drawn.add_row(*map(Text, row))
        console.print()
        console.print(drawn)
        for note in table.notes:
            console.print(Text(note, style="dim"))


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
