"""`descend show DIR`: print a comparison that `descend compare --out DIR` has kept, or turn it into another form.

It may still be running: what there is until now is shown.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from .command_line import EXIT_NO_ANSWER, EXIT_OK, EXIT_USAGE, complain, unwritable
from .comparing import Comparison, load
from .comparing.tables import SORTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `descend show` to argparse."""
    parser.description = "Print a comparison that was kept with --out, finished or not, or turn it into another form."
    parser.add_argument("directory", metavar="DIR", help="what --out was; or a file that --json wrote")
    parser.add_argument("--sort", choices=SORTS, default="loss", help="rows of the table by; default: loss, the rank")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--md", action="store_true", help="print Markdown, for an issue or a README")
    form.add_argument("--csv", action="store_true", help="print a row for every run")
    form.add_argument("--json", action="store_true", help="print everything")
    parser.add_argument("--html", metavar="FILE", help="write the report, one file that needs no network")


def run(arguments: argparse.Namespace, stdout: TextIO, tell: Callable[[str], None]) -> int:
    """Read it, print it, and write the report if asked for; returns the exit code."""
    reason = unwritable(arguments.html)
    if reason:
        return complain(reason)
    try:
        comparison = read(arguments.directory)
    except (OSError, ValueError) as error:
        return complain(str(error))
    if arguments.md:
        stdout.write(comparison.to_markdown())
    elif arguments.csv:
        stdout.write(comparison.to_csv())
    elif arguments.json:
        stdout.write(comparison.to_json() + "\n")
    else:
        comparison.show(stdout, arguments.sort)
    if arguments.html is not None:
        try:
            comparison.to_html(arguments.html)
        except OSError as error:
            complain(f"cannot write {arguments.html!r}: {error.strerror}")
            return EXIT_USAGE
        tell(f"wrote {arguments.html}")
    return EXIT_OK if any(math.isfinite(entry.loss) for entry in comparison.entries) else EXIT_NO_ANSWER


def read(place: str) -> Comparison:
    """The comparison in a directory, or in a file that `to_json` has written.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or from another version.
    """
    if Path(place).suffix == ".json" and Path(place).is_file():
        return Comparison.from_json(Path(place).read_text(encoding="utf-8"))
    return load(place)
