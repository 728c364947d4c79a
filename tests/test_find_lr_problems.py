"""find_lr on every kind of model, data and optimizer; what it shows and writes; nothing of the user's is touched."""

import argparse
import copy
import csv
import io
import json
import math
import random
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

import descend
from descend import tools
from descend.tools.contenders import contenders
from descend.tools.finding import LearningRate, command
from descend.tools.finding.search import two_digits
from descend.tools.finding.short_runs import APART, ShortRun, best_rate, short_runs, vertex
from descend.tools.problem import Problem


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def points(count=64, inputs=6):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, inputs, generator=generator)
    return x, x @ torch.randn(inputs, 1, generator=generator) + 0.1 * torch.randn(count, 1, generator=generator)


def data(size=16):
    return list(zip(*(part.split(size) for part in points()), strict=True))


def net(*extra, inputs=6):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), *extra, nn.Tanh(), nn.Linear(8, 1))


quick = partial(tools.find_lr, steps=40, repeats=2, check=20, progress=None, threads=1)


# ------------------------------------------------------------------------------------------------ every kind of problem


class Dictionary(nn.Module):
    """As a Hugging Face model is called."""

    def __init__(self):
        super().__init__()
        self.net = net()

    def forward(self, inputs, labels):
        return SimpleNamespace(loss=mse_loss(self.net(inputs), labels))


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(3, 4)
        self.out = nn.Linear(4, 1)

    def forward(self, a, b):
        return self.out(torch.tanh(self.left(a) + self.right(b)))


class Tied(nn.Module):
    """A small language model whose output layer is its embedding."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(11, 8)
        self.out = nn.Linear(8, 11)
        self.out.weight = self.embedding.weight

    def forward(self, tokens):
        return self.out(self.embedding(tokens))


def tokens():
    values = torch.arange(64) % 11
    return [(values[k : k + 16], (values[k : k + 16] + 1) % 11) for k in range(0, 64, 16)]


def full_batch(model, batch):
    assert batch is None
    return mse_loss(model(points()[0]), points()[1])


PROBLEMS = {
    "list of batches": lambda: dict(source_or_model=net(), loader=data(), loss_fn=mse_loss),
    "data loader": lambda: dict(
        source_or_model=net(), loader=DataLoader(TensorDataset(*points()), 16, shuffle=True), loss_fn=mse_loss
    ),
    "factory": lambda: dict(source_or_model=net, loader=data(), loss_fn=mse_loss),
    "dict batches": lambda: dict(source_or_model=Dictionary(), loader=[{"inputs": x, "labels": y} for x, y in data()]),
    "two inputs": lambda: dict(
        source_or_model=TwoInputs(), loader=[(x[:, :3], x[:, 3:], y) for x, y in data()], loss_fn=mse_loss
    ),
    "no loader": lambda: dict(source_or_model=net(), step=full_batch),
    "batch norm": lambda: dict(source_or_model=net(nn.BatchNorm1d(8)), loader=data(), loss_fn=mse_loss),
    "dropout": lambda: dict(source_or_model=net(nn.Dropout(0.3)), loader=data(), loss_fn=mse_loss),
    "tied weights": lambda: dict(source_or_model=Tied(), loader=tokens(), loss_fn=cross_entropy),
    "sparse embedding": lambda: dict(
        source_or_model=nn.Sequential(nn.Embedding(11, 8, sparse=True), nn.Linear(8, 1)),
        loader=[(x, y[:, None].float() / 11) for x, y in tokens()],
        loss_fn=mse_loss,
        optimizer="adagrad",
    ),
    "two batches": lambda: dict(source_or_model=net(), loader=data(32), loss_fn=mse_loss),
    "one batch": lambda: dict(source_or_model=net(), loader=data(64), loss_fn=mse_loss),
    "held-out data": lambda: dict(source_or_model=net(), loader=data()[:2], loss_fn=mse_loss, val=data()[2:]),
    "frozen part": lambda: dict(source_or_model=frozen(), loader=data(), loss_fn=mse_loss),
    "double": lambda: dict(
        source_or_model=net().double(), loader=[(x.double(), y.double()) for x, y in data()], loss_fn=mse_loss
    ),
    "negative loss": lambda: dict(
        source_or_model=net(), loader=data(), step=lambda model, batch: mse_loss(model(batch[0]), batch[1]) - 10
    ),
    "derivatives in the loss": lambda: dict(source_or_model=net(inputs=1), step=smooth),
}


def frozen():
    model = net()
    model[0].requires_grad_(False)
    model[0].eval()
    return model


def smooth(model, batch):
    x = torch.linspace(-1, 1, 16)[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    return (slope - torch.cos(x)).square().mean()


@pytest.mark.parametrize("kind", PROBLEMS)
def test_every_kind_of_problem(kind):
    arguments = {"optimizer": "adamw", **PROBLEMS[kind]()}
    found = quick(arguments.pop("source_or_model"), **arguments)
    assert found.lr is not None and 1e-4 < found.lr < 10, found.reason
    assert found.interval[0] < found.lr < found.interval[1]
    assert found.confidence in ("good", "order of magnitude") and len(found.tests) == 2 and len(found.runs) >= 3
    assert found.objective == ("val loss" if kind == "held-out data" else "train loss")
    losses = [run.loss for run in found.runs]
    nearest = min(range(len(losses)), key=lambda k: abs(math.log(found.runs[k].lr / found.lr)))
    assert losses[nearest] == min(losses)


class ThirdParty(torch.optim.Optimizer):
    """Sign descent, as a package that knows nothing of this one would write it."""

    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(p.grad.sign(), alpha=group["lr"])


class SharpnessAware(torch.optim.SGD):
    """Climbs, evaluates again, and descends from where it was: needs its closure, which its signature hides."""

    @torch.no_grad()
    def step(self, closure=None):
        if closure is None:
            raise RuntimeError("closure required")
        params = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in params]).norm() + 1e-12
        climbs = [p.grad * (0.05 / norm) for p in params]
        for p, climb in zip(params, climbs, strict=True):
            p.add_(climb)
        loss = closure()
        for p, climb in zip(params, climbs, strict=True):
            p.sub_(climb)
        super().step()
        return loss


@pytest.mark.parametrize(
    "optimizer",
    [
        torch.optim.Adam,
        partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        descend.RMSprop,
        "lbfgs(max_iter=2)",
        "muon",
        ThirdParty,
        SharpnessAware,
        lambda params, lr: descend.AdamW(params, lr=lr, weight_decay=0.1),
    ],
    ids=["torch", "partial", "class", "lbfgs", "muon", "third party", "sam", "function"],
)
def test_every_kind_of_optimizer(optimizer):
    found = quick(net(), data(), mse_loss, optimizer=optimizer)
    assert found.lr is not None and 1e-5 < found.lr < 100
    model = net()
    built = found.build(model)
    optimizers = built if isinstance(built, list) else [built]
    assert {group["lr"] for one in optimizers for group in one.param_groups} == {found.lr}
    assert ("prodigy" in found.suggestions) == (optimizer is torch.optim.Adam)


def test_a_line_search_needs_no_test():
    found = quick(net(), data(), mse_loss, optimizer="lbfgs")
    assert (found.lr, found.interval, found.confidence, found.tests) == (1.0, None, "good", ())
    assert "descend.LBFGS(model.parameters(), lr=1, line_search_fn='strong_wolfe')" in str(found)


def test_a_setup_by_name():
    found = quick("demo:line", optimizer="sgd")
    assert found.name == "demo:line" and found.confidence == "good"
    # Least squares on 15 points with momentum: the best rates are the large ones that do not oscillate away.
    assert found.lr is not None and 1e-4 < found.lr < 1


# ----------------------------------------------------------------------------------------------------------- short runs


def runs_of(rates, losses, halves=None):
    halves = [math.nan] * len(rates) if halves is None else halves
    return tuple(ShortRun(*run) for run in zip(rates, losses, [10] * len(rates), halves, strict=True))


def test_the_vertex_of_a_parabola():
    rates = [0.01 * APART**k for k in range(3)]
    for place in (-0.45, -0.2, 0.0, 0.4):  # in half decades from the middle rate
        losses = [(k - 1 - place) ** 2 + 7 for k in range(3)]
        assert vertex(rates, losses) == pytest.approx(rates[1] * APART**place, rel=1e-9)
    assert vertex(rates, [1.0, 0.5, math.inf]) == rates[1]
    assert vertex(rates, [0.5, 1.0, 2.0]) == rates[0]


def test_a_best_rate_that_falls_is_lowered_once_more_on_held_out_data_only():
    rates = [0.01 * APART**k for k in range(4)]
    runs = runs_of(rates, [2.0, 1.0, 2.0, 5.0], [3.0, 2.9, 2.8, 2.9])
    # Best at rates[1] in the end, and around rates[2] at half time: a drift by more than 2, of which 2 is followed.
    assert best_rate(runs, held_out=True) == pytest.approx(rates[1] / 2, rel=1e-9)
    assert best_rate(runs, held_out=False) == pytest.approx(rates[1], rel=1e-9)
    assert best_rate(runs_of(rates, [2.0, 1.0, 2.0, 5.0]), held_out=True) == pytest.approx(rates[1], rel=1e-9)
    rising = runs_of(rates, [5.0, 2.0, 1.0, 2.0], [2.0, 1.0, 2.0, 5.0])
    assert best_rate(rising, held_out=True) == pytest.approx(rates[2], rel=1e-9)


@pytest.mark.parametrize("center", [1e-4, 5.0])
def test_short_runs_go_on_until_the_best_has_neighbours(center):
    problem = Problem(net(), data(), mse_loss)
    seen = []
    runs = short_runs(problem, contenders("sgd")[0], center, seed=0, steps=30, tell=seen.append)
    losses = [run.loss for run in runs]
    assert 0 < losses.index(min(losses)) < len(runs) - 1 and len(seen) == len(runs) > 3
    ratios = [b.lr / a.lr for a, b in pairwise(runs)]
    assert ratios == pytest.approx([APART] * len(ratios), rel=1e-9)


def test_without_short_runs_the_answer_is_an_order_of_magnitude():
    found = quick(net(), data(), mse_loss, check=0)
    assert found.confidence == "order of magnitude" and found.runs == ()
    middle = math.sqrt(math.prod(test.argmin for test in found.tests))
    assert found.lr == two_digits(middle / 4)
    low, high = (test.argmin for test in sorted(found.tests, key=lambda test: test.argmin))
    assert found.interval == (two_digits(low / 12), two_digits(high / 1.5))


# -------------------------------------------------------------------------------------------------- nothing is touched


def everything(model, optimizer, generator):
    """A copy of all that must stay as it is."""
    return copy.deepcopy(
        (
            model.state_dict(),
            [None if p.grad is None else p.grad for p in model.parameters()],
            [module.training for module in model.modules()],
            optimizer.state_dict(),
            torch.get_rng_state(),
            np.random.get_state(),  # noqa: NPY002 - the global generator is what must stay
            random.getstate(),
            generator.get_state(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
        )
    )


def a_session():
    """A user's model in mid-training: gradients, momentum, running statistics, a part in eval mode."""
    model = net(nn.BatchNorm1d(8), nn.Dropout(0.2))
    model[2].eval()
    generator = torch.Generator().manual_seed(5)
    loader = DataLoader(TensorDataset(*points()), 16, shuffle=True, generator=generator)
    optimizer = descend.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for x, y in loader:
        optimizer.zero_grad()
        mse_loss(model(x), y).backward()
        optimizer.step()
    return model, loader, optimizer, generator


class Interrupting:
    """A loss that is interrupted at its nth evaluation."""

    def __init__(self, at):
        self.at, self.calls = at, 0

    def __call__(self, outputs, targets):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return mse_loss(outputs, targets)


def test_nothing_is_touched():
    model, loader, optimizer, generator = a_session()
    before = everything(model, optimizer, generator)
    found = quick(model, loader, mse_loss, optimizer=optimizer)
    assert found.label == "SGD (yours)"
    assert_untouched(before, everything(model, optimizer, generator))


@pytest.mark.parametrize("at", [1, 2, 7, 60, 130, 170])
def test_nothing_is_touched_when_it_is_interrupted(at):
    """In the first probe, a range test, the second one, the short runs."""
    model, loader, optimizer, generator = a_session()
    before = everything(model, optimizer, generator)
    with pytest.raises(KeyboardInterrupt):
        quick(model, loader, Interrupting(at), optimizer=optimizer)
    assert_untouched(before, everything(model, optimizer, generator))


def assert_untouched(before, after):
    for one, other in zip(before, after, strict=True):
        if isinstance(one, (dict, torch.Tensor)) or (isinstance(one, list) and isinstance(one[0], torch.Tensor)):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
        else:
            assert repr(one) == repr(other)


# -------------------------------------------------------------------------------------------------- shown and written


@pytest.fixture(scope="module")
def found():
    return quick(net(), data(), mse_loss, name="train.py:setup")


def test_the_text(found):
    text = str(found)
    assert text.startswith("AdamW  train.py:setup  65 parameters  batch 16  cpu\n")
    assert text.endswith(f"Use:  descend.AdamW(model.parameters(), lr={found.lr:.3g})")
    curve = next(line for line in text.splitlines() if "█" in line)
    assert len(curve.split("  ")[0]) == 60 and "×" in curve
    for name in ("probe", "valley", "slide", "min/10", "steep", "lightning", "torch-lr-finder", "prodigy"):
        assert name in text
    assert "\x1b" not in text and all(len(line) < 130 for line in text.splitlines())


def test_json_and_csv(found, tmp_path):
    read = json.loads(found.to_json(tmp_path / "found.json"))
    assert json.loads((tmp_path / "found.json").read_text()) == read
    assert read["lr"] == found.lr and read["constructor"] == found.constructor and "builder" not in read
    assert read["tests"][0]["rates"] == list(found.tests[0].rates)
    rows = list(csv.DictReader(io.StringIO(found.to_csv(tmp_path / "found.csv"))))
    tests = [row for row in rows if row["kind"] == "test"]
    assert len(tests) == sum(len(test.rates) for test in found.tests)
    assert float(tests[3]["probe_loss"]) == found.tests[0].probe[3]
    assert [float(row["lr"]) for row in rows if row["kind"] == "run"] == [run.lr for run in found.runs]
    assert (tmp_path / "found.csv").read_text() == found.to_csv()
    bare = LearningRate("AdamW", "AdamW(lr={lr})", 0.1, None, "good", "", {})
    with pytest.raises(ValueError, match="cannot build"):
        bare.build([])


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    out, told = io.StringIO(), []
    code = command.run(parser.parse_args([*arguments, "--quiet"]), out, told.append)
    return code, out.getvalue(), told


def test_the_command_line(tmp_path, capsys):
    options = ("--steps", "40", "--repeats", "1", "--check", "20")
    code, out, told = run("demo:line", "--optimizer", "sgd", *options, "--csv", str(tmp_path / "a.csv"))
    assert code == 0 and "Use:  descend.SGD(" in out and told == [f"wrote {tmp_path / 'a.csv'}"]
    code, out, _ = run("demo:line", "--optimizer", "sgd", *options, "--json")
    assert code == 0 and json.loads(out)["name"] == "demo:line"
    assert run("demo:line", "--optimizer", "rprop", *options)[0] == 2
    assert "first step only" in capsys.readouterr().err
    code, out, _ = run("demo:line", "--optimizer", "sgd", *options, "--min", "1e-12", "--max", "1e-11", "--check", "0")
    assert code == 1 and "no answer: run compare()" in out
    assert run("demo:line", "--json", str(tmp_path / "nowhere" / "a.json"))[0] == 2


def test_progress_goes_to_a_function_line_by_line():
    lines = []
    tools.find_lr(net(), data(), mse_loss, steps=40, repeats=2, check=20, threads=1, progress=lines.append)
    assert [line.partition(":")[0] for line in lines[:2]] == ["range test 1/2", "range test 2/2"]
    assert all("20 steps at" in line and ("train loss" in line or "diverged" in line) for line in lines[2:])
