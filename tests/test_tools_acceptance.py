"""What every user's project may look like, given to `compare`: and afterwards everything is bit for bit as it was.

The kinds are those that other learning-rate finders are known to fail on. `find_lr` goes through the same list in
test_find_lr.py.
"""

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import descend
from descend import tools

MSE = nn.functional.mse_loss


def examples(n: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 4, generator=generator)
    return x, x.sum(1, keepdim=True) + 0.1 * torch.randn(n, 1, generator=generator)


class Two(nn.Module):
    """Two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(2, 1), nn.Linear(2, 1)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.left(a) + self.right(b)


class Tied(nn.Module):
    """One matrix used twice, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.decoder.weight = self.encoder.weight
        self.head = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.decoder(torch.tanh(self.encoder(x))))


class ThirdParty(torch.optim.Optimizer):
    """Signed gradients, as a library that knows nothing of descend would write them."""

    def __init__(self, params: Any, lr: float = 1e-2, decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.mul_(1 - group["lr"] * group["decay"]).sub_(group["lr"] * p.grad.sign())


def loader(batch: int = 8, **options: Any) -> DataLoader:
    return DataLoader(TensorDataset(*examples()), batch_size=batch, shuffle=True, **options)


def sequential(*more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), *more, nn.Tanh(), nn.Linear(8, 1))


def fine_tuned() -> nn.Module:
    """At its minimum already."""
    model = nn.Linear(4, 1)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.zero_()
    return model


def frozen() -> nn.Module:
    model = sequential()
    model[0].requires_grad_(False)
    return model


X, Y = examples()
TOKENS = torch.arange(32) % 7

# name: model, loader, keyword arguments of compare
PROBLEMS: dict[str, Callable[[], tuple[nn.Module, Any, dict[str, Any]]]] = {
    "tuple batches": lambda: (sequential(), loader(), {"loss_fn": MSE}),
    "dict batches": lambda: (
        sequential(),
        [{"x": X, "y": Y}],
        {"step": lambda model, batch: MSE(model(batch["x"]), batch["y"])},
    ),
    "two inputs": lambda: (Two(), [(X[:, :2], X[:, 2:], Y)], {"loss_fn": MSE}),
    "no loader": lambda: (sequential(), None, {"step": lambda model, batch: MSE(model(X), Y)}),
    "batch norm": lambda: (sequential(nn.BatchNorm1d(8)), loader(), {"loss_fn": MSE, "val": [(X, Y)]}),
    "dropout": lambda: (sequential(nn.Dropout(0.3)), loader(), {"loss_fn": MSE}),
    "tied weights": lambda: (Tied(), loader(), {"loss_fn": MSE}),
    "frozen part": lambda: (frozen(), loader(), {"loss_fn": MSE}),
    "fine-tuned": lambda: (fine_tuned(), loader(), {"loss_fn": MSE, "val": loader()}),
    "two batches": lambda: (sequential(), loader(16), {"loss_fn": MSE}),
    "one batch": lambda: (sequential(), loader(32), {"loss_fn": MSE}),
    "own generator": lambda: (
        sequential(),
        loader(generator=torch.Generator().manual_seed(3)),
        {"loss_fn": MSE, "val": loader()},
    ),
    "float64": lambda: (sequential().double(), [(X.double(), Y.double())], {"loss_fn": MSE}),
}


def state_of(model: nn.Module, data: Any) -> dict[str, Any]:
    """Everything that must not change, bit for bit."""
    generator = getattr(data, "generator", None)
    return {
        "weights and buffers": {name: tensor.clone() for name, tensor in model.state_dict(keep_vars=True).items()},
        "objects": [id(p) for p in model.parameters()],
        "gradients": [None if p.grad is None else (id(p.grad), p.grad.clone()) for p in model.parameters()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "python": random.getstate(),
        "generator": None if generator is None else generator.get_state(),
        "threads": torch.get_num_threads(),
        "grad mode": torch.is_grad_enabled(),
        "files": sorted(os.listdir()),
    }


def assert_same(before: Any, after: Any, path: str = "") -> None:
    if isinstance(before, dict):
        for key in before:
            assert_same(before[key], after[key], f"{path}/{key}")
    elif isinstance(before, (list, tuple)):
        assert len(before) == len(after), path
        for k, (a, b) in enumerate(zip(before, after, strict=True)):
            assert_same(a, b, f"{path}/{k}")
    elif isinstance(before, torch.Tensor):
        assert torch.equal(before, after), path
    else:
        assert before == after, path


@pytest.fixture(params=list(PROBLEMS))
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A user's model in the middle of something: gradients there, one part in eval mode, in a directory with a file."""
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("# the user's\n")
    torch.manual_seed(0)
    model, data, options = PROBLEMS[request.param]()
    for p in model.parameters():
        if p.requires_grad:
            p.grad = torch.full_like(p, 0.5)
    next(iter(model.modules())).train()
    list(model.modules())[-1].eval()
    return model, data, options


CANDIDATES = [
    "sgd",
    descend.AdamW,
    torch.optim.Adam,
    partial(ThirdParty, decay=0.1),
    "lbfgs(max_iter=4)",
]


def test_compare_works_and_leaves_everything_as_it_was(project):
    model, data, options = project
    own = descend.SGD([p for p in model.parameters() if p.requires_grad], lr=0.02, momentum=0.5)
    before = state_of(model, data)
    with torch.no_grad():  # as in the middle of somebody's evaluation
        result = tools.compare(
            model, data, optimizers=[*CANDIDATES, own], lrs=[1e-3, 1e-2], steps=20, progress=None, **options
        )
    assert_same(before, state_of(model, data))
    assert own.state == {}
    assert {entry.label for entry in result.entries} == {
        "SGD momentum=0.9", "AdamW", "torch.Adam", "ThirdParty decay=0.1",
        "LBFGS line_search_fn=strong_wolfe max_iter=4", "SGD (yours)",
    }  # fmt: skip
    assert all(run.status in ("finished", "stopped", "diverged") for run in result.runs), [
        r.message for r in result.runs
    ]
    built = result.build(model)
    trained = {id(p) for group in built.param_groups for p in group["params"]}
    assert {id(p) for p in model.parameters() if p.requires_grad} <= trained <= {id(p) for p in model.parameters()}
    assert built.param_groups[0]["lr"] == pytest.approx(result.best.lr)


@pytest.mark.parametrize("moment", [1, 7, 40, 90])
def test_ctrl_c_gives_what_there_is_and_leaves_everything_as_it_was(moment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model, data = sequential(nn.BatchNorm1d(8), nn.Dropout(0.2)), loader(generator=torch.Generator().manual_seed(3))
    calls = []

    def step(model: nn.Module, batch: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == moment:
            raise KeyboardInterrupt
        return MSE(model(batch[0]), batch[1])

    before = state_of(model, data)
    result = tools.compare(model, data, step=step, optimizers=["sgd", "adamw"], steps=30, progress=None)
    assert_same(before, state_of(model, data))
    assert result.interrupted
    assert "interrupted" in result.table()


def test_a_sparse_embedding():
    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.head = nn.Embedding(7, 4, sparse=True), nn.Linear(4, 1)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.head(self.embedding(tokens))

    result = tools.compare(
        Embedded, [(TOKENS, Y)], MSE, optimizers=["sgd", "adagrad"], lrs=[0.01, 0.1], steps=20, progress=None
    )
    assert {run.status for run in result.runs} <= {"finished", "stopped"}
    assert result.best.loss < result.runs[0].curve[0].loss


def test_instances_of_torch_s_optimizers_with_groups_of_their_own():
    model = sequential()
    own = torch.optim.AdamW([{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.03}], lr=0.01)
    result = tools.compare(model, loader(), MSE, optimizers=own, lrs=[0.001, 0.01], steps=20, progress=None)
    assert result.entries[0].label == "torch.AdamW (yours)"
    assert result.entries[0].default is not None
    assert result.entries[0].default[0] == 0.01


def test_one_optimizer_that_fails_does_not_end_the_comparison():
    result = tools.compare(
        sequential, loader(), MSE, optimizers=["sparseadam", "sgd"], lrs=[0.01], steps=10, progress=None
    )
    failed = [run for run in result.runs if run.optimizer == "SparseAdam"]
    assert {run.status for run in failed} == {"failed"}
    assert "dense gradients" in failed[0].message
    assert result.best.label == "SGD momentum=0.9"
    with pytest.raises(RuntimeError, match=r"every run failed.*dense gradients") as caught:
        tools.compare(sequential, loader(), MSE, optimizers="sparseadam", lrs=[0.01], steps=10, progress=None)
    assert "dense gradients" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps.*0"),
        ({"seeds": 0}, "seeds.*0"),
        ({"minutes": -1}, "minutes.*-1"),
        ({"lrs": [0.1, -1]}, "lrs.*-1"),
        ({"lrs": []}, "lrs"),
        ({"lrs": {"nobody": [0.1]}}, "nobody"),
        ({"schedule": "stairs"}, "schedule.*stairs"),
        ({"threads": 0}, "threads.*0"),
        ({"optimizers": "adamm"}, "adamm"),
        ({"goal": float("nan")}, "goal.*nan"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_trained(options, message):
    calls = []

    def step(model: nn.Module, batch: Any) -> torch.Tensor:
        calls.append(1)
        return MSE(model(batch[0]), batch[1])

    with pytest.raises((ValueError, TypeError), match=message):
        tools.compare(sequential, loader(), step=step, progress=None, **{"steps": 10, **options})
    assert calls == []
