"""`descend bench` on the command line: its arguments, and what it does with them.

stdout gets the result and nothing else, stderr the progress and the complaints. Everything that can be wrong is
checked before the training, and files are written after the result is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from .. import plots
from ..command_line import EXIT_INTERRUPTED, EXIT_OK, complain, positive, unwritable, whole
from ..demos import DEMOS, UnknownDemo, listing
from ..extras import MissingExtra
from ..report import show
from .base import Workload
from .lockstep import find, twins, workloads
from .suites import SUITES, suite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `descend bench` to argparse.

    Args:
        parser: of the subcommand; it gets a description, the arguments, and the list of demos below them.
    """
    known = workloads()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Train a demo with several optimizers from the same start, each in lockstep with its twin from\n"
        "torch.optim, and print what they learned and how long their steps took. Or run a whole suite:\n"
        "quick has all of these demos, full compares optimizers on every demo as well."
    )
    parser.epilog = f"demos:\n{listing({name: DEMOS[name] for name in known})}"
    parser.add_argument("demo", nargs="?", metavar="demo:NAME", help="what to train, see below")
    parser.add_argument("--suite", choices=SUITES, help="run a whole suite instead")
    parser.add_argument("--out", metavar="DIR", help="a suite's tables in Markdown and CSV go here")
    parser.add_argument(
        "--minutes", type=positive, metavar="M", help="the most one comparison of --suite full may take; default: 5"
    )
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, metavar="N", help="default: 0")
    parser.add_argument("--epochs", type=whole(1, 10**6), metavar="N", help="of a demo; default: its own number")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="where to draw a demo's picture, or none (default: descend-line.png or the like, here)",
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write JSON to FILE, or with - or no FILE to stdout instead of the table",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run(arguments: argparse.Namespace, stdout: TextIO, tell: Callable[[str], None]) -> int:
    """Do what `descend bench` was asked for.

    Args:
        arguments: as `add_arguments` had them read.
        stdout: where the result goes.
        tell: prints a line of progress to stderr; not called with `--quiet`.

    Returns:
        The exit code: 0 done, 2 wrong usage or something to be installed first, 130 interrupted.
    """
    if arguments.demo is None and arguments.json in DEMOS:
        arguments.demo, arguments.json = arguments.json, "-"  # `bench --json demo:line`: argparse took it for the file
    say = (lambda line: None) if arguments.quiet else tell
    try:
        _check_combination(arguments)
        if arguments.suite is not None:
            return _run_suite(arguments, stdout, say)
        return _run_demo(find(arguments.demo), arguments, stdout, say)
    except (MissingExtra, UnknownDemo, _Wrong) as error:
        return complain(str(error))
    except BrokenPipeError:
        raise  # of stdout: no complaint, the reader has seen enough
    except OSError as error:
        return complain(f"cannot write {str(error.filename)!r}: {error.strerror}")


class _Wrong(Exception):
    """The user asked for something that cannot be done; the message says what."""


def _check_places(*files: str | Path | None) -> None:
    if reason := unwritable(*files):
        raise _Wrong(reason)


def _check_combination(arguments: argparse.Namespace) -> None:
    """A demo or a suite, and options of the other kind with neither."""
    if arguments.demo is None and arguments.suite is None:
        raise _Wrong(f"bench: which demo? One of {', '.join(workloads())}; or --suite quick, --suite full")
    if arguments.demo is not None and arguments.suite is not None:
        raise _Wrong(f"bench: either {arguments.demo} or --suite {arguments.suite}, not both")
    kind, options = ("a demo", ("epochs", "plot")) if arguments.suite is not None else ("a suite", ("out", "minutes"))
    for option in options:
        if getattr(arguments, option) not in (None, "none"):
            raise _Wrong(f"bench: --{option} goes with {kind}, got {getattr(arguments, option)!r}")


def _run_suite(arguments: argparse.Namespace, stdout: TextIO, say: Callable[[str], None]) -> int:
    existing = arguments.out is not None and Path(arguments.out).is_dir()
    _check_places(arguments.json, None if existing else arguments.out)
    if not existing and arguments.out is not None and Path(arguments.out).exists():
        raise _Wrong(f"cannot write {arguments.out!r}: it is no directory")
    limit = {} if arguments.minutes is None else {"minutes": arguments.minutes}
    result = suite(arguments.suite, progress=say, seed=arguments.seed, **limit)
    if arguments.json == "-":
        print(result.to_json(), file=stdout)
    else:
        show(result.heading(), result.tables(), stdout)
    stdout.flush()
    _write_json(arguments.json, result.to_json, say)
    if arguments.out is not None:
        for file in result.write(arguments.out):
            say(f"wrote {file}")
    return EXIT_INTERRUPTED if result.interrupted else EXIT_OK


def _run_demo(workload: Workload, arguments: argparse.Namespace, stdout: TextIO, say: Callable[[str], None]) -> int:
    default = f"descend-{workload.name.removeprefix('demo:')}.png"
    picture = None if arguments.plot == "none" else Path(arguments.plot or default)
    _check_places(arguments.json, picture)
    if picture is not None:
        try:
            plots.check_format(picture)
        except MissingExtra as error:
            print(f"descend: no picture: {error}", file=sys.stderr)
            picture = None
        except ValueError as error:
            raise _Wrong(str(error)) from None
    result = twins(workload, seed=arguments.seed, epochs=arguments.epochs, progress=say)
    if arguments.json == "-":
        print(result.to_json(), file=stdout)
    else:
        show(result.heading(), result.tables(), stdout)
    stdout.flush()
    _write_json(arguments.json, result.to_json, say)
    if picture is not None:
        result.plot(picture)
        say(f"wrote {picture}")
    return EXIT_OK


def _write_json(file: str | None, text: Callable[[], str], say: Callable[[str], None]) -> None:
    if file not in (None, "-"):
        Path(file).write_text(text() + "\n", encoding="utf-8")
        say(f"wrote {file}")
