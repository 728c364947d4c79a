"""`Comparison`: what `compare` returns and `load` reads. Print it, draw it, build the best optimizer, write files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

from torch import nn

from .. import exporting, report
from ..records import Candidate, Conditions, Entry, Run
from . import ranking, tables

File = str | PathLike[str]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Which optimizer, at which learning rate: the records of all runs, and what follows from them.

    Attributes:
        conditions: what was trained, and how.
        candidates: the optimizers that took part.
        runs: every run, in no particular order.
        interrupted: whether it was broken off; what there is until then is ranked as far as that goes.
        seconds: that it took.
        builders: by label, what builds the optimizer from parameters and a rate; empty if it was read from a file.

    Example:
        >>> from descend.tools import Candidate, Comparison, Conditions, Run
        >>> conditions = Conditions("line", "", 2, None, "cpu", 1, (10,), 1, 0, "train loss")
        >>> sgd = Candidate("SGD", "descend.SGD(model.parameters(), lr={lr})")
        >>> runs = [Run("SGD", lr, 0, rung=0, steps=10, loss=loss, rung_losses=(loss,))
        ...         for lr, loss in ((0.01, 0.5), (0.1, 0.25), (1.0, 0.75))]
        >>> result = Comparison(conditions, (sgd,), tuple(runs), interrupted=False, seconds=1.0)
        >>> result.best.lr, result.best.loss
        (0.1, 0.25)
        >>> print(result.constructor())
        descend.SGD(model.parameters(), lr=0.1)
    """

    conditions: Conditions
    candidates: tuple[Candidate, ...]
    runs: tuple[Run, ...]
    interrupted: bool
    seconds: float
    builders: Mapping[str, Callable[[Any, float], Any]] = field(default_factory=dict, compare=False)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The ranking, best first: `ranking.rank` says what everything means."""
        return ranking.rank(self.conditions, self.candidates, self.runs)

    @property
    def best(self) -> Entry:
        """The first row of the ranking; rows that share its rank are as good, as far as can be told.

        Raises:
            RuntimeError: no run came to a finite loss.
        """
        if tables.use_line(self.candidates, self.entries) is None:
            names = ", ".join(candidate.label for candidate in self.candidates)
            raise RuntimeError(f"no run of {names} came to a finite loss, so there is no best one")
        return self.entries[0]

    def entry(self, label: str | None = None) -> Entry:
        """An optimizer's row.

        Args:
            label: as in the table; None for the best one.

        Raises:
            ValueError: there is no such label, or no learning rate worked for it.
        """
        if label is None:
            return self.best
        for entry in self.entries:
            if entry.label == label:
                if entry.lr != entry.lr:
                    raise ValueError(f"no learning rate worked for {label!r}, so it cannot be built")
                return entry
        raise ValueError(f"label must be one of {', '.join(repr(e.label) for e in self.entries)}, got {label!r}")

    def build(self, model: nn.Module | Iterable[Any], label: str | None = None) -> Any:
        """An optimizer at the best rate found for it, for your model.

        Args:
            model: the model, or what an optimizer takes: parameters or parameter groups.
            label: which one, as in the table; None for the best one.

        Returns:
            The optimizer; a list of two where a model needs two (Muon and what it leaves to AdamW).

        Raises:
            RuntimeError: there is no best one, or the comparison was read from a file, which holds no code.
            ValueError: no optimizer has that label, or no rate worked for it.
        """
        entry = self.entry(label)
        if entry.label not in self.builders:
            raise RuntimeError(
                f"a comparison that was read from a file cannot build optimizers; write {self.constructor(entry.label)}"
            )
        parameters = model.parameters() if isinstance(model, nn.Module) else model
        return self.builders[entry.label](parameters, entry.lr)

    def constructor(self, label: str | None = None) -> str:
        """The line to paste: an optimizer at the best rate found for it.

        Args:
            label: which one, as in the table; None for the best one.

        Raises:
            RuntimeError: there is no best one.
            ValueError: no optimizer has that label, or no rate worked for it.
        """
        entry = self.entry(label)
        return next(c for c in self.candidates if c.label == entry.label).constructor(entry.lr)

    # -------------------------------------------------------------------------------------------------------- text

    def table(self, width: int = report.WIDTH, sort: str = "loss") -> str:
        """The ranking as plain text.

        Args:
            width: what it should fit into; columns are left out until it does.
            sort: rows by `loss` (their rank), `seconds`, `lr` or `label`.

        Raises:
            ValueError: `sort` is another word.
        """
        return report.plain(tables.heading(self), [tables.ranking(self, width, sort)])

    def __repr__(self) -> str:
        return self.table()

    def show(self, stream: TextIO, sort: str = "loss") -> None:
        """Print the ranking: with colours if `stream` is a terminal that has them, else as plain text.

        Args:
            stream: usually sys.stdout.
            sort: as for `table`.
        """
        width = report.width_of(stream)
        report.show(tables.heading(self), [tables.ranking(self, width, sort)], stream)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        from .. import notebook

        return notebook.comparison_html(self)

    # -------------------------------------------------------------------------------------------- pictures and files

    def plot(self, kind: str = "lr", file: File | None = None, ax: Any = None) -> Any:
        """Draw it.

        Args:
            kind: `lr` (the loss against the learning rate), `curves` (training at the best rates), `heat`.
            file: where to write the picture (.png, .svg, .pdf); None to write none.
            ax: matplotlib axes to draw into, two of them for `curves`; None for a new figure.

        Returns:
            The axes.

        Raises:
            ValueError: `kind` is another word, or the file's name ends in something that is no picture.
            MissingExtra: matplotlib is not installed.
        """
        from .. import pictures

        return pictures.draw(self, kind, file, ax)

    def to_html(self, file: File | None = None) -> str:
        """A report in one file, pictures included, which needs no network. Written to `file`, and returned."""
        from .. import page

        return _written(page.html(self), file)

    def to_csv(self, file: File | None = None) -> str:
        """A row for every run. Written to `file`, and returned."""
        return _written(exporting.csv_text(self), file)

    def to_json(self, file: File | None = None) -> str:
        """Everything, as strict JSON; `Comparison.from_json` reads it. Written to `file`, and returned."""
        return _written(exporting.json_text(self), file)

    def to_markdown(self, file: File | None = None) -> str:
        """The ranking for an issue or a README. Written to `file`, and returned."""
        return _written(exporting.markdown(self), file)

    def to_tensorboard(self, directory: File) -> None:
        """Write every run as TensorBoard reads it: curves, and its options for the HParams tab.

        Args:
            directory: a new one, or one for several comparisons; runs are called `AdamW/lr=3.2e-03/s0`.

        Raises:
            MissingExtra: tensorboard is not installed.
        """
        exporting.tensorboard(self, directory)

    def to_pandas(self) -> Any:
        """A data frame with a row for every run.

        Raises:
            MissingExtra: pandas is not installed.
        """
        return exporting.frame(self)

    @staticmethod
    def from_json(text: str) -> Comparison:
        """The comparison that `to_json` wrote; optimizers cannot be built from it, but `constructor` says how.

        Args:
            text: what is in the file.

        Raises:
            ValueError: it is no comparison, or damaged.
        """
        conditions, candidates, runs, interrupted, seconds = exporting.read_json(text)
        return Comparison(conditions, candidates, runs, interrupted, seconds)


def _written(text: str, file: File | None) -> str:
    if file is not None:
        # Line ends as they are: a CSV or JSON file is the same on every system.
        Path(file).write_bytes((text if text.endswith("\n") else text + "\n").encode())
    return text
