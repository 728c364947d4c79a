"""`descend lr` on the command line: its arguments, and what it does with them. stdout gets the result only."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TextIO

from ..blocks import fit
from ..command_line import EXIT_NO_ANSWER, EXIT_OK, complain, positive, unwritable, whole
from ..demos import listing
from ..extras import need
from ..quickref import TABLE
from ..sources import SourceError
from .range_test import LR_MAX, LR_MIN, STEPS
from .search import CHECK, REPEATS, find_lr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `descend lr` to argparse."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Find a learning rate for one optimizer: range tests say where it lies, short runs at constant rates\n"
        "around it which is best, and what other libraries' rules would have said is printed beside it."
    )
    parser.epilog = (
        f"optimizers: {', '.join(TABLE)}\n"
        "  with options: 'sgd(momentum=0.9, nesterov=True)'; torch's own: torch.Adam; any other: package.module:Class\n"
        f"demos:\n{listing()}\n\n"
        "exit codes: 0 a rate was found, 1 no answer, 2 wrong usage, 130 interrupted"
    )
    parser.add_argument("source", metavar="SOURCE", help="train.py:setup, package.module:setup or demo:NAME")
    parser.add_argument("--optimizer", metavar="NAME", default="adamw", help="default: adamw")
    parser.add_argument(
        "--steps", type=whole(20, 10**6), default=STEPS, metavar="N", help=f"of a range test; default: {STEPS}"
    )
    parser.add_argument(
        "--repeats", type=whole(1, 100), default=REPEATS, metavar="N", help=f"range tests; default: {REPEATS}"
    )
    parser.add_argument(
        "--check",
        type=whole(0, 10**6),
        default=CHECK,
        metavar="N",
        help=f"steps of a short run, 0: none; default: {CHECK}",
    )
    parser.add_argument("--min", type=positive, metavar="R", help=f"first rate of the range tests; default: {LR_MIN:g}")
    parser.add_argument("--max", type=positive, metavar="R", help=f"last rate of the range tests; default: {LR_MAX:g}")
    parser.add_argument("--seed", type=whole(0, 2**31 - 1), default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--threads", type=whole(1, 1024), metavar="N", help="of torch; default: the setup's, or torch's"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the curves (.png, .svg, .pdf)")
    parser.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write JSON; - or no FILE: to stdout")
    parser.add_argument("--csv", metavar="FILE", help="write the curves")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run(arguments: argparse.Namespace, stdout: TextIO, tell: Callable[[str], None]) -> int:
    """Find, print, and write what was asked for; returns the exit code."""
    reason = unwritable(arguments.plot, arguments.json, arguments.csv)
    if reason:
        return complain(reason)
    if arguments.plot is not None:
        need("matplotlib", "matplotlib", "--plot")
    try:
        found = find_lr(
            arguments.source,
            optimizer=arguments.optimizer,
            steps=arguments.steps,
            repeats=arguments.repeats,
            check=arguments.check,
            lr_min=arguments.min,
            lr_max=arguments.max,
            seed=arguments.seed,
            threads=arguments.threads,
            progress=None if arguments.quiet else "auto",
        )
    except SourceError:  # its own words, and the traceback of a setup that raised, are cli.py's
        raise
    except (ValueError, TypeError) as error:
        return complain(str(error))
    if arguments.json == "-":
        print(found.to_json(), file=stdout)
    else:
        print(fit(found.table(), getattr(stdout, "encoding", None)), file=stdout)
        if arguments.json is not None:
            found.to_json(arguments.json)
            tell(f"wrote {arguments.json}")
    if arguments.csv is not None:
        found.to_csv(arguments.csv)
        tell(f"wrote {arguments.csv}")
    if arguments.plot is not None:
        found.plot(arguments.plot)
        tell(f"wrote {arguments.plot}")
    return EXIT_OK if found.lr is not None else EXIT_NO_ANSWER
