"""The quick reference: for every optimizer of the package where to start, when it fits, and what it costs.

One table, from which `descend table` prints, `compare` takes its options, rates and the row "quick reference", and the
documentation its pages. What can be read from the classes (torch's defaults, equations, bytes of state) is read from
them; the cost of a step is measured by benchmarks/quickref_cost.py, which writes quickref_cost.json beside this file.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

import torch

import descend

from .records import spell
from .report import Table, json_text, show

COST_FILE = Path(__file__).with_name("quickref_cost.json")


@dataclass(frozen=True)
class Reference:
    """What one should know of an optimizer before the first run.

    Attributes:
        name: on the command line: `adamw`.
        cls: the class's name in descend: `AdamW`.
        start_lrs: the usual learning rates, in the order to try them.
        fits: when to use it, in a sentence.
        tune: what to change first, and how far, in a sentence or two.
        source: where the rate and the options come from.
        options: what to construct it with beside the rate.
        rates: the only rates worth trying, where a grid makes no sense; None: a grid.
        state: bytes of state as a formula in words, where they are no multiple of the number of parameters; else empty.
    """

    name: str
    cls: str
    start_lrs: tuple[float, ...]
    fits: str
    tune: str
    source: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    rates: tuple[float, ...] | None = None
    state: str = ""

    @property
    def optimizer(self) -> type[torch.optim.Optimizer]:
        """The class itself."""
        found: type[torch.optim.Optimizer] = getattr(descend, self.cls)
        return found

    @property
    def start_lr(self) -> float:
        """The learning rate to begin with."""
        return self.start_lrs[0]

    @property
    def default_lr(self) -> float:
        """The constructor's default, which is torch's."""
        return float(inspect.signature(self.optimizer).parameters["lr"].default)

    @property
    def equation(self) -> str:
        """The update as plain text, as `explain()` has it."""
        return str(self.optimizer.rule.equation)  # type: ignore[attr-defined]  # of descend's classes


_ENTRIES = (
    Reference(
        "sgd",
        "SGD",
        start_lrs=(0.1, 0.01, 0.001),
        options={"momentum": 0.9},
        fits="Convolutional networks and whatever has time for tuning: with a decayed rate often the best end result.",
        tune="Begin with 0.1 and divide by 10 until the loss falls smoothly; decay the rate to the end of training. "
        "Without momentum the same rates times ten.",
        source="Rates: He et al. 2015, arXiv:1512.03385, section 3.4 (0.1, divided by 10 on plateaus); momentum 0.9: "
        "Sutskever et al., ICML 2013",
    ),
    Reference(
        "adagrad",
        "Adagrad",
        start_lrs=(0.01,),
        fits="Sparse features and matrix factorisation: rare features keep a large rate.",
        tune="Its rate falls by itself and never rises again: begin high, 0.1 where 0.01 is slow.",
        source="Duchi, Hazan & Singer, JMLR 12 (2011); the rate is torch's",
    ),
    Reference(
        "rmsprop",
        "RMSprop",
        start_lrs=(0.001,),
        fits="Recurrent networks and reinforcement learning: targets that move while one trains.",
        tune="Rates from 1e-4 to 1e-2; alpha=0.9 forgets faster than the default 0.99. torch's default rate is ten "
        "times the usual start.",
        source="Tieleman & Hinton 2012, lecture 6.5 (0.001)",
    ),
    Reference(
        "adam",
        "Adam",
        start_lrs=(0.001,),
        fits="The first try for almost anything: usually converges fast, with little tuning.",
        tune="Rates from 1e-4 to 1e-2. With weight decay use AdamW.",
        source="Kingma & Ba 2015, arXiv:1412.6980, Alg. 1 (0.001)",
    ),
    Reference(
        "adamw",
        "AdamW",
        start_lrs=(0.001, 0.0003),
        fits="Transformers, and the first try wherever weight decay matters.",
        tune="Rates from 1e-4 to 1e-2, with a warm-up for Transformers; 1e-5 to 5e-5 for fine-tuning. The decay of a "
        "step is lr times weight_decay: change both together.",
        source="Loshchilov & Hutter 2019, arXiv:1711.05101, Alg. 2 (0.001)",
    ),
    Reference(
        "adadelta",
        "Adadelta",
        start_lrs=(1.0,),
        fits="Where no rate is to be chosen: its steps have the units of the parameter. Slow to begin.",
        tune="Leave the rate at 1; a larger eps (1e-4) makes the first steps longer.",
        source="Zeiler 2012, arXiv:1212.5701, which has no rate: 1 is the paper's method",
    ),
    Reference(
        "adamax",
        "Adamax",
        start_lrs=(0.002,),
        fits="Gradients with rare large values, such as those of embeddings: no step exceeds the rate.",
        tune="As Adam, with about twice its rate.",
        source="Kingma & Ba 2015, arXiv:1412.6980, Alg. 2 (0.002)",
    ),
    Reference(
        "nadam",
        "NAdam",
        start_lrs=(0.002,),
        fits="As Adam, where the gradients are not too noisy: Nesterov's look ahead saves some steps.",
        tune="As Adam; momentum_decay seldom matters.",
        source="Dozat 2016, ICLR workshop (0.002)",
    ),
    Reference(
        "radam",
        "RAdam",
        start_lrs=(0.001,),
        fits="As Adam, where training breaks down in the first steps and a warm-up is not wanted.",
        tune="Adam's rates; leave out the warm-up.",
        source="Liu et al. 2020, arXiv:1908.03265; the rate is Adam's",
    ),
    Reference(
        "asgd",
        "ASGD",
        start_lrs=(0.01,),
        fits="Convex problems with noisy gradients: the mean of the iterates is better than the last of them.",
        tune="Set t0 to the step after which the loss no longer falls, and take the mean from state[p]['ax'].",
        source="Polyak & Juditsky 1992; Xu 2011, arXiv:1107.2490; the rate is torch's",
    ),
    Reference(
        "rprop",
        "Rprop",
        start_lrs=(0.01,),
        fits="Full batches without noise and small networks; never mini-batches.",
        tune="The rate is the first step only, and the steps adapt fast: 0.001 to 0.1 end alike.",
        source="Riedmiller & Braun 1993, ICNN; the rate is torch's",
    ),
    Reference(
        "sparseadam",
        "SparseAdam",
        start_lrs=(0.001,),
        fits="Large embeddings with sparse=True: a step costs what the rows of the batch cost.",
        tune="As Adam; rows that are seldom met like a larger rate, up to 0.01. Dense parameters need "
        "another optimizer.",
        source="Kingma & Ba 2015, arXiv:1412.6980, Alg. 1 (0.001)",
    ),
    Reference(
        "adafactor",
        "Adafactor",
        start_lrs=(0.01,),
        fits="Large Transformers when memory is short: a row and a column of state for each matrix.",
        tune="The rate is relative to the size of the parameters and falls as 1/sqrt(t) by itself: 0.01 is its upper "
        "bound in the paper, 0.003 to 0.03 are usual.",
        source="Shazeer & Stern 2018, arXiv:1804.04235, Alg. 5 (0.01)",
        state="4 (rows + columns) bytes a matrix, 4 a parameter for vectors",
    ),
    Reference(
        "muon",
        "Muon",
        start_lrs=(0.001,),
        options={"adjust_lr_fn": "match_rms_adamw"},
        fits="Weight matrices of hidden layers, beside AdamW for everything else: fewer steps for a dearer step.",
        tune="With adjust_lr_fn=\"match_rms_adamw\" AdamW's rates and decay hold for both; with torch's default the "
        "rate is about 0.02.",
        source="Liu et al. 2025, arXiv:2502.16982, section 2.2 (AdamW's rate); Jordan et al. 2024 (0.02)",
    ),
    Reference(
        "lbfgs",
        "LBFGS",
        start_lrs=(1.0,),
        options={"line_search_fn": "strong_wolfe"},
        rates=(1.0,),
        fits="Smooth problems on the full batch (fits, PINNs, logistic regression); no mini-batches.",
        tune="Leave the rate at 1, the line search finds the length of a step; raise max_iter, lower history_size if "
        "memory is short.",
        source="Nocedal & Wright 2006, section 7.2 (first trial step 1)",
        state="(2 history_size + 5) vectors as large as all parameters together, once the history is full",
    ),
)

TABLE: Mapping[str, Reference] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every optimizer of the package, by its name on the command line, in the order of the documentation."""


def state_bytes(reference: Reference) -> float:
    """Bytes of state for a float32 parameter, in a matrix of 1024 x 1024, counted without allocating anything."""
    matrix = torch.nn.Parameter(torch.empty(1024, 1024, device="meta"))
    state = descend.memory([matrix], reference.optimizer, **reference.options).state
    return round(state / matrix.numel(), 4)  # the step count is a number a tensor, not a parameter


@cache
def costs() -> dict[str, Any]:
    """What benchmarks/quickref_cost.py measured: `relative` by name (SGD with momentum is 1), `model`, `machine`."""
    found: dict[str, Any] = json.loads(COST_FILE.read_text(encoding="utf-8"))
    return found


def call(reference: Reference, lr: float | None = None) -> str:
    """The line to paste: `descend.SGD(model.parameters(), lr=0.1, momentum=0.9)`."""
    options = {"lr": reference.start_lr if lr is None else lr, **reference.options}
    given = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return f"descend.{reference.cls}(model.parameters(), {given})".replace("'", '"')


def find(name: str) -> Reference:
    """The entry of that name, in any case: `adamw`, `AdamW`.

    Raises:
        ValueError: there is none; the message has the names, and the one that was probably meant.
    """
    if name.lower() in TABLE:
        return TABLE[name.lower()]
    close = difflib.get_close_matches(name.lower(), TABLE, n=1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    raise ValueError(f"unknown optimizer {name!r}{meant}: one of {', '.join(TABLE)}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `descend table`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"one optimizer in full: {', '.join(TABLE)}")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--md", action="store_true", help="as Markdown")
    form.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace, stdout: TextIO, tell: Callable[[str], None]) -> int:
    """`descend table [NAME] [--md | --json]`: 0 when printed, 2 for a name that is not in the table."""
    try:
        chosen = [find(arguments.name)] if arguments.name else list(TABLE.values())
    except ValueError as error:
        tell(f"descend: error: {error}")
        return 2
    if arguments.json:
        values = [as_dict(reference) for reference in chosen]
        print(json_text(values[0] if arguments.name else values, indent=2), file=stdout)
    elif arguments.md:
        print(page(chosen[0], markdown=True) if arguments.name else markdown_table(), file=stdout)
    elif arguments.name:
        print(page(chosen[0]), file=stdout)
    else:
        show("Quick reference: where to start, and what it costs", [table()], stdout)
    return 0


def _rates(reference: Reference) -> str:
    return ", ".join(spell(lr) for lr in reference.start_lrs)


def _options(reference: Reference) -> str:
    return ", ".join(f"{key}={value}" for key, value in reference.options.items())


def _bytes(reference: Reference) -> str:
    return f"{state_bytes(reference):.3g}" + ("*" if reference.state else "")


def _cells(reference: Reference) -> tuple[str, ...]:
    cost = costs()["relative"][reference.name]
    return (
        reference.name,
        _rates(reference),
        spell(reference.default_lr),
        _bytes(reference),
        f"{cost:.2g}x" if cost < 10 else f"{cost:.0f}x",
        _options(reference),
    )


HEADER = ("optimizer", "start lr", "torch's lr", "state", "step cost", "options to start with")


def notes() -> list[str]:
    """What the columns mean."""
    return [
        "state: bytes for each float32 parameter; step cost: time of a step of a 670,000 parameter MLP, as a multiple "
        f"of sgd's (for scale, forward and backward pass at batch 64: {costs()['model']:.2g}x). Measured on "
        f"{costs()['machine']}",
        *(f"* {entry.name}: {entry.state}" for entry in TABLE.values() if entry.state),
    ]


def table() -> Table:
    """The whole quick reference."""
    fits = tuple(f"{entry.name:<11} {entry.fits}" for entry in TABLE.values())
    rows = tuple(_cells(reference) for reference in TABLE.values())
    wrapped = [line for note in notes() for line in _wrap(note)]
    return Table("", HEADER, rows, (*wrapped, "", "When it fits", *fits, "", "descend table NAME has more on each."))


def markdown_table(link: str = "") -> str:
    """The quick reference in Markdown; with a link, such as `{}.md`, on every name."""
    lines = [["optimizer", "start with", *HEADER[2:5], "when it fits"], ["---", "---", "---:", "---:", "---:", "---"]]
    for reference in TABLE.values():
        name, rates, *cells, options = _cells(reference)
        name = f"[{name}]({link.format(name)})" if link else name
        begin = f"{rates}, `{options}`" if options else rates
        lines.append([name, begin, *(cell.replace("*", "\\*") for cell in cells), reference.fits])
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([rows, *(note.replace("*", "\\*") for note in notes())])


def as_dict(reference: Reference) -> dict[str, Any]:
    """An entry as plain values."""
    return {
        "name": reference.name,
        "class": reference.cls,
        "call": call(reference),
        "start_lrs": list(reference.start_lrs),
        "default_lr": reference.default_lr,
        "options": dict(reference.options),
        "fixed_rates": reference.rates and list(reference.rates),
        "fits": reference.fits,
        "tune": reference.tune,
        "equation": reference.equation,
        "state_bytes": state_bytes(reference),
        "state_formula": reference.state,
        "step_relative_to_sgd": costs()["relative"][reference.name],
        "measured_on": costs()["machine"],
        "source": reference.source,
    }


def facts(reference: Reference) -> dict[str, str]:
    """What there is to say about an optimizer, a line of text for each heading."""
    cost = costs()["relative"][reference.name]
    memory = reference.state or f"{state_bytes(reference):.3g} bytes of state for each float32 parameter"
    against = "SGD on the same sparse gradient" if reference.name == "sparseadam" else "SGD with momentum"
    measured = f"{cost:.3g} times a step of {against}, on {costs()['machine']}"
    fixed = "" if reference.rates is None else ": no other is worth trying"
    return {
        "when it fits": reference.fits,
        "start with": f"lr {_rates(reference)}{fixed}" + (f"; {_options(reference)}" if reference.options else ""),
        "torch's default": f"lr {spell(reference.default_lr)}",
        "how to tune": reference.tune,
        "memory": memory,
        "cost": measured if reference.name != "sgd" else "the unit in which the cost of the others is given",
        "source": reference.source,
    }


def _wrap(text: str, indent: int = 0) -> list[str]:
    """Lines of at most 100 characters; names and numbers such as 1e-4 stay whole."""
    return textwrap.wrap(text, 100, subsequent_indent=" " * indent, break_on_hyphens=False)


def page(reference: Reference, markdown: bool = False) -> str:
    """Everything about one optimizer as text: the line to paste, the equation, and the facts."""
    summary, _, _ = (inspect.getdoc(reference.optimizer) or "").partition("\n\n")
    if markdown:
        rows = "\n".join(f"- **{heading}**: {text}" for heading, text in facts(reference).items())
        code = f"```python\n{call(reference)}\n```"
        return f"# {reference.cls}\n\n{summary}\n\n{code}\n\n```text\n{reference.equation}\n```\n\n{rows}"
    title = summary if summary.split()[0].endswith(":") else f"{reference.cls}: {summary}"
    lines = [" ".join(title.split()), "", call(reference), ""]
    lines += [f"  {line}" for line in reference.equation.splitlines()]
    width = max(map(len, facts(reference)))
    for heading, text in facts(reference).items():
        lines += ["", *_wrap(f"{heading:<{width}}  {text}", width + 2)]
    return "\n".join(lines)
