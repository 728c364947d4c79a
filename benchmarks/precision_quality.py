"""Loss after training with low-precision state and parameters: descend's AdamW against itself in float32.

Three problems: `digits`, an MLP on scikit-learn's digits; `characters`, a small causal transformer on the source of
Python's argparse; `factors`, a matrix of rank 8 recovered from noisy entries by two embeddings. Every run is repeated
for several seeds (initial weights, order of batches, and the optimizer's own seed). A difference is that of runs with
the same seed to the float32 run, averaged, in units of the standard deviation of the float32 runs over the seeds; its
uncertainty is the standard error of that average.

Two parts: `state` has float32 parameters and varies what the state is kept as; `parameters` has bfloat16 parameters,
activations and gradients, and a learning rate so small that rounding to nearest loses most updates.

    python benchmarks/precision_quality.py --seeds 5 --processes 2
"""

import argparse
import copy
import inspect
import math
import multiprocessing
import statistics
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from measure import machine, machine_line, markdown_table, names_from, save, save_json
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import descend
from descend.tools.demos.digits import load as load_digits

Data = tuple[Tensor, Tensor]


class Problem(NamedTuple):
    """What is trained.

    Attributes:
        model: a freshly initialised model; the caller has seeded torch.
        data: (inputs, targets) to train on and to validate on.
        loss: of outputs and targets, a mean.
        batch: examples of a step.
        lr: learning rate of part `state`, or None where the problem is not in it.
        steps: steps of part `state`.
        small_lr: learning rate of part `parameters`, or None where the problem is not in it.
        small_steps: steps of part `parameters`.
    """

    model: Callable[[], nn.Module]
    data: Callable[[], tuple[Data, Data]]
    loss: Callable[[Tensor, Tensor], Tensor]
    batch: int
    lr: float
    steps: int
    small_lr: float | None = None
    small_steps: int = 0


def mlp() -> nn.Module:
    """64-128-128-10, as `descend compare demo:digits` trains it."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


CONTEXT, WIDTH, HEADS, LAYERS = 32, 64, 4, 2
CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))  # anything else counts as a space
VALIDATION_SHARE = 10  # the last tenth of the text is held out


class Block(nn.Module):
    """Attention and a feed-forward layer, each added to its normalised input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) to the same."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4)
        # In bfloat16 on a CPU, scaled_dot_product_attention takes twice the time of all the rest.
        later = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1)
        scores = (q @ k.transpose(2, 3) / (WIDTH // HEADS) ** 0.5).masked_fill(later, -torch.inf)
        mixed = scores.softmax(3) @ v
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        added: Tensor = self.down(nn.functional.gelu(self.up(self.norm2(x))))
        return x + added


class CharacterModel(nn.Module):
    """A transformer of two blocks that predicts each next character."""

    def __init__(self) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(len(CHARACTERS), WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(CHARACTERS))

    def forward(self, text: Tensor) -> Tensor:
        """(batch, time) of character numbers to (batch * time, characters)."""
        x = self.characters(text) + self.places.weight
        outputs: Tensor = self.head(self.norm(self.blocks(x)))
        return outputs.flatten(0, 1)


@lru_cache(maxsize=1)
def text() -> tuple[Data, Data]:
    """Pieces of CONTEXT characters of argparse's source, and what follows each character of them."""
    known = {c: i for i, c in enumerate(CHARACTERS)}
    codes = torch.tensor([known.get(c, known[" "]) for c in inspect.getsource(argparse)])
    starts = torch.arange(0, len(codes) - CONTEXT - 1, CONTEXT // 2)
    pieces = codes[starts[:, None] + torch.arange(CONTEXT + 1)]
    cut = len(pieces) - len(pieces) // VALIDATION_SHARE
    # The piece before the cut overlaps the one after it.
    train, held_out = pieces[: cut - 1], pieces[cut:]
    return (train[:, :-1], train[:, 1:]), (held_out[:, :-1], held_out[:, 1:])


ROWS, COLUMNS, RANK, NOISE, KNOWN = 400, 300, 8, 0.1, 0.3


class Factors(nn.Module):
    """Two embeddings; an entry is the product of its row's and its column's vector."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.columns = nn.Embedding(ROWS, RANK), nn.Embedding(COLUMNS, RANK)
        for table in (self.rows, self.columns):
            nn.init.normal_(table.weight, std=0.3)

    def forward(self, entries: Tensor) -> Tensor:
        """(batch, 2) of row and column to (batch,)."""
        products: Tensor = self.rows(entries[:, 0]) * self.columns(entries[:, 1])
        return products.sum(1)


@lru_cache(maxsize=1)
def entries() -> tuple[Data, Data]:
    """Known entries of a noisy matrix of rank 8 with unit variance, and as many others; the same for each seed."""
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(ROWS, RANK, generator=generator)
    matrix = left @ torch.randn(RANK, COLUMNS, generator=generator) / RANK**0.5
    matrix += NOISE * torch.randn(ROWS, COLUMNS, generator=generator)
    count = int(KNOWN * ROWS * COLUMNS)
    order = torch.randperm(ROWS * COLUMNS, generator=generator)
    places = torch.stack([order // COLUMNS, order % COLUMNS], 1)
    values = matrix.flatten()[order]
    known, others = slice(0, count), slice(count, 2 * count)
    return (places[known], values[known]), (places[others], values[others])


def next_character(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of (batch * time, characters) with (batch, time)."""
    return cross_entropy(outputs, targets.flatten())


PROBLEMS = {
    "digits": Problem(mlp, load_digits, cross_entropy, 64, 1e-3, 1500, 1e-4, 4000),
    "characters": Problem(CharacterModel, text, next_character, 32, 2e-3, 800, 2e-4, 1000),
    "factors": Problem(Factors, entries, mse_loss, 1024, 1e-2, 2000),
}

FLOAT32 = "float32"
# Name: dtype of parameters, options. The first of each part is what the others are compared with.
STATE: dict[str, tuple[torch.dtype, dict[str, Any]]] = {
    FLOAT32: (torch.float32, {}),
    "bfloat16 state": (torch.float32, {"state_dtype": "bfloat16"}),
    "float16 state": (torch.float32, {"state_dtype": "float16"}),
    "int8 state": (torch.float32, {"state_dtype": "int8"}),
}
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stochastic": {"rounding": "stochastic"},
    "kahan": {"rounding": "kahan"},
    "split master": {"master": "split"},
}
PARAMETERS: dict[str, tuple[torch.dtype, dict[str, Any]]] = {FLOAT32: (torch.float32, {})} | {
    f"{way}, {state} state": (torch.bfloat16, {**options, "state_dtype": state})
    for way, options in WAYS.items()
    for state in ("float32", "int8")
}
PARTS = {"state": STATE, "parameters": PARAMETERS}


class Run(NamedTuple):
    """One training."""

    part: str
    problem: str
    setting: str
    seed: int


class Losses(NamedTuple):
    """Over all training data and over all held-out data, computed in float32 from the parameters as they are."""

    training: float
    validation: float


@torch.no_grad()
def losses(model: nn.Module, problem: Problem) -> Losses:
    """Of a model as it is now."""
    wide = copy.deepcopy(model).float()

    def mean(inputs: Tensor, targets: Tensor) -> float:
        parts = zip(torch.split(inputs, 128), torch.split(targets, 128), strict=True)
        return sum(problem.loss(wide(x), y).item() * len(x) for x, y in parts) / len(inputs)

    train, held_out = problem.data()
    return Losses(mean(*train), mean(*held_out))


def train(run: Run, steps: int | None = None) -> Losses:
    """Trains once, on one thread; the same batches and initial weights for every setting of a seed."""
    problem, (dtype, options) = PROBLEMS[run.problem], PARTS[run.part][run.setting]
    lr = problem.lr if run.part == "state" else problem.small_lr
    steps = steps or (problem.steps if run.part == "state" else problem.small_steps)
    assert lr is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        model = problem.model().to(dtype)
    inputs, targets = problem.data()[0]
    generator = torch.Generator().manual_seed(1000 + run.seed)
    optimizer = descend.AdamW(model.parameters(), lr=lr, seed=run.seed, **options)
    for _ in range(steps):
        chosen = torch.randint(len(inputs), (problem.batch,), generator=generator)
        x = inputs[chosen]
        outputs = model(x.to(dtype) if x.is_floating_point() else x)
        optimizer.zero_grad()
        torch.autograd.backward(problem.loss(outputs.float(), targets[chosen]))
        optimizer.step()
    return losses(model, problem)


@dataclass(frozen=True)
class Result:
    """All seeds of one setting of one problem; differences are to float32, in its standard deviations over the seeds.

    Attributes:
        part: "state" or "parameters".
        problem: one of PROBLEMS.
        setting: one of PARTS[part].
        losses: (training, validation) for each seed.
        mean: over the seeds, of the training and of the validation loss.
        deviation: standard deviation over the seeds, of both.
        difference: mean over the seeds of the difference to float32 with the same seed, of both.
        uncertainty: standard error of `difference`, of both.
    """

    part: str
    problem: str
    setting: str
    losses: list[Losses]
    mean: Losses
    deviation: Losses
    difference: Losses
    uncertainty: Losses


def result(part: str, problem: str, setting: str, found: list[Losses], reference: list[Losses]) -> Result:
    """Puts the seeds of one setting together."""
    columns = []
    for ours, theirs in zip(zip(*found, strict=True), zip(*reference, strict=True), strict=True):
        noise = statistics.stdev(theirs)
        differences = [(a - b) / noise for a, b in zip(ours, theirs, strict=True)]
        error = statistics.stdev(differences) / len(differences) ** 0.5
        columns.append((statistics.mean(ours), statistics.stdev(ours), statistics.mean(differences), error))
    return Result(part, problem, setting, found, *(Losses(*values) for values in zip(*columns, strict=True)))


HEADER = ["problem", "kept as", "training loss", "difference", "validation loss", "difference"]


def table_row(found: Result) -> list[str]:
    """One line of the Markdown table; losses to the second digit of their deviation."""
    row = [found.problem, found.setting]
    for k in range(2):
        digits = max(0, 1 - math.floor(math.log10(found.deviation[k] or 1.0)))
        row.append(f"{found.mean[k]:.{digits}f} ± {found.deviation[k]:.{digits}f}")
        row.append("" if found.setting == FLOAT32 else f"{found.difference[k]:+.2f} ± {found.uncertainty[k]:.2f}")
    return row


def all_runs(parts: Iterable[str], problems: Iterable[str], seeds: int) -> list[Run]:
    """Every training there is to do; those that take long first."""
    runs = [
        Run(part, problem, setting, seed)
        for part in parts
        for problem in problems
        if part == "state" or PROBLEMS[problem].small_lr is not None
        for setting in PARTS[part]
        for seed in range(seeds)
    ]
    return sorted(runs, key=lambda run: run.problem != "characters")


def results(found: dict[Run, Losses], seeds: int) -> list[Result]:
    """In the order of the tables."""
    groups = [(part, problem) for part in PARTS for problem in PROBLEMS]
    listed = []
    for part, problem in groups:
        by_setting = {
            setting: [found[Run(part, problem, setting, seed)] for seed in range(seeds)]
            for setting in PARTS[part]
            if Run(part, problem, setting, 0) in found
        }
        listed += [result(part, problem, s, values, by_setting[FLOAT32]) for s, values in by_setting.items()]
    return listed


def main() -> None:
    """Runs the chosen parts and problems, prints the tables, and writes the files asked for."""
    parser = argparse.ArgumentParser(description="Loss after training with low-precision state and parameters.")
    parser.add_argument("--parts", type=names_from(PARTS), default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--problems", type=names_from(PROBLEMS), default=list(PROBLEMS), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=5, help="at least 2 (default: 5)")
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time, a thread each (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all losses and the machine to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to FILE")
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds must be at least 2: one seed has no deviation")

    torch.set_num_threads(1)  # as in the processes
    runs, found = all_runs(arguments.parts, arguments.problems, arguments.seeds), {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, context, torch.set_num_threads, (1,)) as pool:
        for run, value in zip(runs, pool.map(train, runs), strict=True):
            found[run] = value
            print(f"{len(found)}/{len(runs)} {run} {value}", file=sys.stderr, flush=True)

    listed, info = results(found, arguments.seeds), machine()
    tables = [
        markdown_table(HEADER, [table_row(r) for r in listed if r.part == part])
        for part in PARTS
        if part in arguments.parts
    ]
    text = "\n\n".join([*tables, machine_line(info)]) + "\n"
    print(text)
    save_json(arguments.json, info, [asdict(r) for r in listed])
    save(arguments.markdown, text)


if __name__ == "__main__":
    main()
