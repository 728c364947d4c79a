"""`descend watch PATH`: what a training or a comparison in another terminal is doing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from ..command_line import EXIT_INTERRUPTED, EXIT_NO_ANSWER, EXIT_OK, complain
from .following import Follower
from .records import Advice, Check
from .showing import line, summary
from .writing import CLEAR, is_terminal

RUNS = "runs.jsonl"  # of a comparison, in the directory given with --out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `descend watch` to argparse."""
    parser.description = (
        "Follow a training that writes a file with tools.watch(optimizer, out=FILE), or a comparison that was started "
        "with --out DIR: status lines, or the table so far. Ends when the other does; Ctrl-C ends it before."
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the file, or the directory")
    parser.add_argument("--once", action="store_true", help="print what is there and end")


def run(arguments: argparse.Namespace, stdout: TextIO, tell: Callable[[str], None]) -> int:
    """Carry out `descend watch`; returns the exit code."""
    path: Path = arguments.path
    if not path.exists():
        return complain(f"there is no {str(path)!r}")
    if path.is_dir():
        if not (path / RUNS).exists():
            return complain(f"{str(path)!r} holds no {RUNS}, so it is no directory of `descend compare --out`")
        path = path / RUNS
    try:
        first = next(iter(Follower(path).new()), None)
        if first is not None and first.get("kind") not in ("watch", "comparison"):
            return complain(f"{str(path)!r} was written neither by tools.watch nor by `descend compare --out`")
        if first is None and arguments.once:
            tell(f"{path}: nothing there yet")
            return EXIT_NO_ANSWER
        comparison = path.name == RUNS if first is None else first["kind"] == "comparison"
        follow = follow_comparison if comparison else follow_training
        return follow(path, stdout, arguments.once, tell)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def follow_training(path: Path, stdout: TextIO, once: bool, tell: Callable[[str], None]) -> int:
    """Status lines and advice; the summary at the end."""
    live = is_terminal(stdout)
    checks: list[Check] = []
    advice: list[Advice] = []
    steps = 0
    for records in Follower(path).batches(once):
        shown = []
        for record in records:
            if record["kind"] == "watch":
                checks, advice = [], []  # begun anew
            elif record["kind"] == "check":
                checks.append(Check.from_dict(record))
                steps = checks[-1].step
                shown.append(line(checks[-1], [a for a in advice if a.code in record["active"]]))
            elif record["kind"] == "advice":
                advice.append(Advice(*(record[key] for key in ("code", "step", "subject", "message"))))
                shown.append(f"! {advice[-1]}")
            elif record["kind"] == "end":
                steps = record["steps"]
        if not once:
            _put(stdout, shown, live)
    if live and not once:
        stdout.write(CLEAR)
    print(summary(steps, checks, advice), file=stdout)
    return EXIT_OK


def _put(stdout: TextIO, shown: list[str], live: bool) -> None:
    """On a terminal the status line is overwritten and advice stays; elsewhere each line stays."""
    if live:
        stays = "".join(CLEAR + text + "\n" for text in shown if text.startswith("!"))
        status = [text for text in shown if not text.startswith("!")][-1:]
        stdout.write(stays + "".join(CLEAR + text[:79] for text in status))
    else:
        stdout.write("".join(text + "\n" for text in shown))
    stdout.flush()


def follow_comparison(path: Path, stdout: TextIO, once: bool, tell: Callable[[str], None]) -> int:
    """The table of what has been trained so far, anew whenever there is more."""
    from ..comparing.saved import load

    printed = False
    runs = 0
    live = is_terminal(stdout)
    for records in Follower(path).batches(once):
        if not any(record["kind"] in ("runs", "end") for record in records):
            continue
        result: Any = load(path.parent)
        if not result.runs or (len(result.runs) == runs and records[-1]["kind"] != "end"):
            continue
        runs = len(result.runs)
        clear = "\x1b[H\x1b[2J" if live and not once else "\n" if printed else ""
        print(f"{clear}{result.table()}", file=stdout, flush=True)
        printed = True
    if not printed:
        tell(f"{path}: no run has ended yet")
        return EXIT_NO_ANSWER
    return EXIT_OK
