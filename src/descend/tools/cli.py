"""The command `descend`: which optimizer and which learning rate, from a shell.

stdout carries the result only, stderr the progress and the complaints, so a pipe gets nothing but the result.
Exit codes: 0 done, 1 no answer (all runs diverged, no rate found), 2 wrong usage or something that has to be installed
first, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

import descend

from .command_line import EXIT_INTERRUPTED, EXIT_OK, complain
from .contenders import UnknownOptimizer
from .extras import MissingExtra
from .sources import SetupFailed, SourceError

COMMANDS = {
    "lr": (".finding.command", "find a learning rate for one optimizer, in seconds"),
    "compare": (".comparing.command", "compare optimizers and learning rates on your model, in minutes"),
    "show": (".showing", "print a comparison that was kept with --out, or turn it into a file"),
    "watch": (".watching.command", "follow a comparison or a training that is running elsewhere"),
    "table": (".quickref", "the quick reference: where to start with which optimizer"),
    "bench": (".bench.command", "train the demos, each optimizer beside its twin from torch.optim"),
}
"""Where each command's `add_arguments(parser)` and `run(arguments, stdout, tell)` are, and what it does."""


def parser() -> argparse.ArgumentParser:
    """The command line's grammar and help."""
    main = argparse.ArgumentParser(
        prog="descend",
        description="Tools of descend, the optimizers of torch.optim done again.",
        epilog="examples:\n"
        "  descend compare demo:digits                   which optimizer, which rate, on a built-in problem\n"
        "  descend compare train.py:setup --out runs/a   the same on yours: setup() returns model, loader, loss_fn\n"
        "  descend lr train.py:setup --optimizer adamw   a learning rate in seconds\n"
        "  descend table                                 where to start without measuring\n"
        "  descend bench demo:line                       the same numbers as torch.optim's, and how much faster\n\n"
        "exit codes: 0 done, 1 no answer, 2 wrong usage, 130 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, add_help=False)
        command.add_argument("rest", nargs=argparse.REMAINDER)
    commands.add_parser("version", help="print versions and which engine is usable")
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = dispatch(given)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\ndescend: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; without this the interpreter complains again while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def dispatch(given: list[str]) -> int:
    """Find the command, let it read its own arguments, and run it; what users can mend becomes a message."""
    if not given or given[0] not in COMMANDS:
        parser().parse_args(given)  # version, help or a complaint
        return run_version()
    module: Any = import_module(COMMANDS[given[0]][0], __package__)
    grammar = argparse.ArgumentParser(prog=f"descend {given[0]}")
    module.add_arguments(grammar)
    chosen = grammar.parse_args(given[1:])
    try:
        return int(module.run(chosen, sys.stdout, teller(getattr(chosen, "quiet", False))))
    except SetupFailed as error:
        traceback.print_exception(error.__cause__, file=sys.stderr)  # of the user's own function
        return complain(str(error))
    except (MissingExtra, SourceError, UnknownOptimizer) as error:
        return complain(str(error))


def teller(quiet: bool) -> Callable[[str], None]:
    """What prints a line of progress."""

    def tell(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    return tell


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
