"""`load`: a comparison from its directory, finished or not, also while it is being made."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from ..records import Run, candidate_from, conditions_from
from .journal import Key, key_of, read
from .result import Comparison
from .search import ordered


def load(directory: str | PathLike[str]) -> Comparison:
    """Read the comparison that `compare(out=directory)` has written.

    Args:
        directory: the one that was given as `out`.

    Returns:
        What there is until now, with `.interrupted` set if it has not come to its end.

    Raises:
        FileNotFoundError: the directory holds no comparison.
        ValueError: the file is damaged, or from another version.

    Example:
        >>> import tempfile, torch
        >>> from descend import tools
        >>> model, loss_fn, data = torch.nn.Linear(1, 1), torch.nn.MSELoss(), [(torch.ones(4, 1), torch.ones(4, 1))]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = tools.compare(model, data, loss_fn, optimizers="sgd", steps=20, out=folder, progress=None)
        ...     read_again = tools.load(folder)
        >>> read_again.table() == made.table()
        True
    """
    lines = read(directory)
    if not lines:
        raise ValueError(f"{str(directory)!r} holds a comparison that has not begun: its first line is not complete")
    head, runs, stopped, seconds = lines[0], dict[Key, Run](), set[Key](), 0.0
    for line in lines:
        seconds = max(seconds, line.get("elapsed", 0.0))
        if line["kind"] == "runs":
            for run in map(Run.from_dict, line["runs"]):
                runs[key_of(run)] = run
        elif line["kind"] == "stopped":
            stopped.update((label, lr, seed) for label, lr, seed in line["runs"])
        elif line["kind"] == "conditions":
            head = line
    for key, run in runs.items():
        if key in stopped and run.status == "unfinished":
            runs[key] = replace(run, status="stopped")
    candidates = tuple(map(candidate_from, head["candidates"]))
    interrupted = lines[-1]["kind"] != "end" or bool(lines[-1]["interrupted"])
    return Comparison(
        conditions_from(head["conditions"]), candidates, ordered(runs.values(), candidates), interrupted, seconds
    )
