"""What the subcommands of `descend` share: exit codes, readers of numbers, complaints, and checks before the work."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

EXIT_OK, EXIT_NO_ANSWER, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def complain(message: str) -> int:
    """Print an error to stderr; returns the exit code for it."""
    print(f"descend: error: {message}", file=sys.stderr)
    return EXIT_USAGE


def whole(low: int, high: int) -> Callable[[str], int]:
    """What argparse calls to read a whole number of that range."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return read


def positive(text: str) -> float:
    """What argparse calls to read a positive, finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return value


def number(text: str) -> float:
    """What argparse calls to read a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}")
    return value


def unwritable(*files: str | Path | None) -> str:
    """Why one of the files cannot be written, as far as one can tell; empty if all can. None and "-" are no files."""
    for file in files:
        if file is None or str(file) == "-":
            continue
        folder = Path(file).parent
        if not folder.is_dir():
            return f"cannot write {str(file)!r}: there is no directory {str(folder)!r}"
        if Path(file).is_dir():
            return f"cannot write {str(file)!r}: it is a directory"
    return ""


def split_names(text: str) -> list[str]:
    """Names separated by commas, where commas inside brackets do not count: `sgd,adamw(betas=(0.9, 0.99))`."""
    names, depth, begin = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            names.append(text[begin:place])
            begin = place + 1
    return [name.strip() for name in (*names, text[begin:]) if name.strip()]
