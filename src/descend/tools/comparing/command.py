"""`descend compare` on the command line: its arguments, and what it does with them.

Everything that can be wrong is checked before the training. stdout gets the result and nothing else; with --out, what
is worth keeping is in that directory afterwards.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from ..command_line import (
    EXIT_INTERRUPTED,
    EXIT_NO_ANSWER,
    EXIT_OK,
    EXIT_USAGE,
    complain,
    number,
    positive,
    split_names,
    unwritable,
    whole,
)
from ..demos import listing
from ..extras import MissingExtra
from ..quickref import TABLE
from ..sources import SourceError
from ..trial import SCHEDULES
from .result import Comparison
from .search import NothingLearned, compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `descend compare` to argparse."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Train copies of a model with several optimizers, each at many learning rates, drop what falls behind,\n"
        "and print which optimizer and which rate fit, how far the rate may be off, and what the defaults cost."
    )
    parser.epilog = (
        f"optimizers: {', '.join(TABLE)}\n"
        "  with options: 'sgd(momentum=0.9, nesterov=True)'; torch's own: torch.Adam; any other: package.module:Class\n"
        f"demos:\n{listing()}\n\n"
        "exit codes: 0 done, 1 every run diverged, 2 wrong usage, 130 interrupted (--resume goes on)"
    )
    parser.add_argument("source", metavar="SOURCE", help="train.py:setup, package.module:setup or demo:NAME")
    parser.add_argument("--optimizers", metavar="A,B,..", help="default: the setup's own, or sgd,adamw,rmsprop")
    parser.add_argument("--lrs", metavar="R,R,..", help="rates to try with all of them; default: found out for each")
    parser.add_argument("--steps", type=whole(1, 10**9), metavar="N", help="of a full run; default: the setup's own")
    parser.add_argument("--minutes", type=positive, default=5.0, metavar="M", help="a hard limit; default: 5")
    parser.add_argument("--seeds", type=whole(1, 100), default=2, metavar="N", help="for the best rates; default: 2")
    parser.add_argument(
        "--seed", type=whole(0, 2**31 - 1), default=0, metavar="N", help="to derive them from; default: 0"
    )
    parser.add_argument("--goal", type=number, metavar="LOSS", help="time how soon each reaches this loss")
    parser.add_argument(
        "--schedule", choices=tuple(SCHEDULES), default="constant", help="of the rate; default: constant"
    )
    parser.add_argument(
        "--threads", type=whole(1, 1024), metavar="N", help="of torch; default: the setup's, or torch's"
    )
    parser.add_argument("--out", metavar="DIR", help="keep every run here, with tables, pictures and a report")
    going_on = parser.add_mutually_exclusive_group()
    going_on.add_argument("--resume", action="store_true", help="go on with what is in --out")
    going_on.add_argument("--fresh", action="store_true", help="delete what is in --out, and begin anew")
    parser.add_argument("--plot", metavar="FILE", help="draw loss against learning rate (.png, .svg, .pdf)")
    parser.add_argument("--html", metavar="FILE", help="write the report, one file that needs no network")
    parser.add_argument("--csv", metavar="FILE", help="write a row per run")
    parser.add_argument("--md", metavar="FILE", nargs="?", const="-", help="write Markdown; - or no FILE: to stdout")
    parser.add_argument("--json", metavar="FILE", nargs="?", const="-", help="write JSON; - or no FILE: to stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run(arguments: argparse.Namespace, stdout: TextIO, tell: Callable[[str], None]) -> int:
    """Compare, print, and write what was asked for; returns the exit code."""
    reason = unusable(arguments)
    if reason:
        return complain(reason)
    given = {name: value for name in ("steps", "goal", "threads") if (value := getattr(arguments, name)) is not None}
    if arguments.optimizers is not None:
        given["optimizers"] = split_names(arguments.optimizers)
    if arguments.lrs is not None:
        given["lrs"] = [float(rate) for rate in arguments.lrs.split(",")]
    try:
        result = compare(
            arguments.source,
            minutes=arguments.minutes,
            seeds=arguments.seeds,
            seed=arguments.seed,
            schedule=arguments.schedule,
            out=arguments.out,
            resume=arguments.resume,
            fresh=arguments.fresh,
            progress=None if arguments.quiet else "auto",
            **given,
        )
    except NothingLearned as error:
        complain(str(error))
        return EXIT_NO_ANSWER
    except SourceError:  # its own words, and the traceback of a setup that raised, are cli.py's
        raise
    except (ValueError, TypeError) as error:
        return complain(str(error))
    return present(result, arguments, stdout, tell)


def unusable(arguments: argparse.Namespace) -> str:
    """What is wrong with the arguments beyond what argparse sees; empty if nothing is."""
    if arguments.lrs is not None:
        try:
            for rate in arguments.lrs.split(","):
                positive(rate)
        except argparse.ArgumentTypeError as error:
            return f"--lrs: each rate {error}"
    if (arguments.resume or arguments.fresh) and arguments.out is None:
        return "--resume and --fresh need --out DIR, the directory of the comparison"
    if arguments.json == "-" and arguments.md == "-":
        return "--json and --md both write to stdout: give one of them a file"
    reason = unwritable(arguments.plot, arguments.html, arguments.csv, arguments.md, arguments.json)
    if reason:
        return reason
    if arguments.plot is not None:
        from .. import plots

        try:
            plots.check_format(arguments.plot)
        except ValueError as error:
            return str(error)
    return ""


def present(result: Comparison, arguments: argparse.Namespace, stdout: TextIO, tell: Callable[[str], None]) -> int:
    """Print the result and write the files; returns the exit code."""
    if arguments.json == "-":
        print(result.to_json(), file=stdout)
    elif arguments.md == "-":
        print(result.to_markdown(), file=stdout)
    else:
        result.show(stdout)
    stdout.flush()
    try:
        for file in written(result, arguments):
            tell(f"wrote {file}")
    except OSError as error:
        complain(f"cannot write {error.filename}: {error.strerror}")
        return EXIT_USAGE
    if result.interrupted:
        if arguments.out is not None:
            tell(f"interrupted; to go on: the same command with --resume (--out {arguments.out})")
        return EXIT_INTERRUPTED
    return EXIT_OK if any(run.status == "finished" for run in result.runs) else EXIT_NO_ANSWER


def written(result: Comparison, arguments: argparse.Namespace) -> list[Path]:
    """Write every file that was asked for, and with --out what is worth keeping; returns them."""
    done: list[Path] = []

    def write(file: str | Path | None, make: Callable[[Path], object]) -> None:
        if file is not None and str(file) != "-":
            make(Path(file))
            done.append(Path(file))

    write(arguments.plot, lambda file: result.plot("lr", file))
    write(arguments.html, result.to_html)
    write(arguments.csv, result.to_csv)
    write(arguments.md, result.to_markdown)
    write(arguments.json, result.to_json)
    if arguments.out is not None:
        folder = Path(arguments.out)
        write(folder / "results.csv", result.to_csv)
        try:
            write(folder / "lr.png", lambda file: result.plot("lr", file))
            write(folder / "curves.png", lambda file: result.plot("curves", file))
            write(folder / "report.html", result.to_html)
        except MissingExtra:  # without matplotlib there are no pictures; the numbers are there
            pass
    return done
