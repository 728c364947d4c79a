"""The command `descend`: `descend compare demo:line`, `descend version`.

stdout carries the result only, stderr the progress and the complaints, so a pipe gets nothing but the result.
Exit codes: 0 done, 2 wrong usage or something that has to be installed first, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import descend

from . import plots
from .comparison import compare
from .extras import MissingExtra
from .report import show
from .workloads import WORKLOADS, UnknownWorkload, find

EXIT_OK, EXIT_USAGE, EXIT_INTERRUPTED = 0, 2, 130


def parser() -> argparse.ArgumentParser:
    """The command line's grammar and help."""
    main = argparse.ArgumentParser(
        prog="descend",
        description="Tools of descend, the optimizers of torch.optim done again.",
        epilog="examples:\n"
        "  descend compare demo:line                     table on the screen, picture in descend-line.png\n"
        "  descend compare demo:digits --plot none       no picture\n"
        "  descend compare demo:line --json | jq .rows   the result as JSON\n"
        "  descend version                               versions, and which engine runs here\n\n"
        "exit codes: 0 done, 2 wrong usage, 130 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main.add_subparsers(dest="command", metavar="COMMAND", required=True)

    known = "\n".join(f"  {workload.name:<13}  {workload.title}" for workload in WORKLOADS.values())
    comparing = commands.add_parser(
        "compare",
        help="train one model with several optimizers, each beside its twin from torch.optim",
        description="Train one model with several optimizers from the same start, each beside its twin from\n"
        "torch.optim, and print what they learned and how long their steps took.",
        epilog=f"workloads:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    comparing.add_argument("workload", nargs="?", metavar="WORKLOAD", help="what to train, see below")
    comparing.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, metavar="N", help="default: 0")
    comparing.add_argument("--epochs", type=whole(1, 10**6), metavar="N", help="default: the workload's own")
    comparing.add_argument(
        "--plot",
        metavar="FILE",
        help="where to draw the picture, or none (default: descend-line.png or the like, here)",
    )
    comparing.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write JSON to FILE, or with - or no FILE to stdout instead of the table",
    )
    comparing.add_argument("--quiet", action="store_true", help="no progress on stderr")

    commands.add_parser("version", help="print versions and which engine is usable")
    return main


def whole(low: int, high: int) -> Callable[[str], int]:
    """What argparse calls to read a whole number of that range."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    grammar = parser()
    try:
        chosen = grammar.parse_args(arguments)
        code = run_compare(chosen, grammar) if chosen.command == "compare" else run_version()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\ndescend: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; without this the interpreter complains again while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def complain(message: str) -> int:
    """Print an error to stderr; returns the exit code for it."""
    print(f"descend: error: {message}", file=sys.stderr)
    return EXIT_USAGE


def run_compare(chosen: argparse.Namespace, grammar: argparse.ArgumentParser) -> int:
    """`descend compare`: check everything that can be wrong, train, and only then write."""
    if chosen.workload is None and chosen.json in WORKLOADS:
        chosen.workload, chosen.json = chosen.json, "-"  # `compare --json demo:line`: argparse took it for the file
    if chosen.workload is None:
        grammar.error(f"compare: which workload? One of {', '.join(WORKLOADS)}")
    try:
        workload = find(chosen.workload)
    except UnknownWorkload as error:
        return complain(str(error))

    default = f"descend-{workload.name.removeprefix('demo:')}.png"
    picture = None if chosen.plot == "none" else Path(chosen.plot or default)
    for file in filter(None, (picture, None if chosen.json in (None, "-") else Path(chosen.json))):
        if not file.parent.is_dir():
            return complain(f"cannot write {str(file)!r}: there is no directory {str(file.parent)!r}")
    if picture is not None:
        try:
            plots.check_format(picture)
        except MissingExtra as error:
            print(f"descend: no picture: {error}", file=sys.stderr)
            picture = None
        except ValueError as error:
            return complain(str(error))

    def tell(line: str) -> None:
        if not chosen.quiet:
            print(line, file=sys.stderr, flush=True)

    try:
        result = compare(workload, seed=chosen.seed, epochs=chosen.epochs, progress=tell)
    except MissingExtra as error:
        return complain(str(error))
    if chosen.json == "-":
        print(result.to_json())
    else:
        show(result.heading(), result.tables(), sys.stdout)
    sys.stdout.flush()
    try:
        if chosen.json not in (None, "-"):
            Path(chosen.json).write_text(result.to_json() + "\n", encoding="utf-8")
            tell(f"wrote {chosen.json}")
        if picture is not None:
            result.plot(picture)
            tell(f"wrote {picture}")
    except OSError as error:
        return complain(f"cannot write {error.filename}: {error.strerror}")
    return EXIT_OK


def run_version() -> int:
    """`descend version`."""
    try:
        numba = version("numba")
    except PackageNotFoundError:
        numba = "not installed"
    lines = {
        "descend": descend.__version__,
        "torch": torch.__version__,
        "numba": numba,
        "python": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
        "engine": usable_engine(),
    }
    for name, value in lines.items():
        print(f"{name:<8} {value}")
    return EXIT_OK


def usable_engine() -> str:
    """Which engine runs an ordinary float32 parameter here, found out by taking one step with it."""
    parameter = torch.nn.Parameter(torch.ones(1))
    parameter.grad = torch.ones(1)
    try:
        descend.SGD([parameter], lr=0.1, engine="cpu").step()
    except RuntimeError as error:
        return f"eager ({error})"
    return "cpu"
