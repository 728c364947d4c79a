"""descend.LBFGS between steps: resuming, copies, torch's checkpoints, and what others change meanwhile."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import descend

WOLFE = {"line_search_fn": "strong_wolfe"}


def rosenbrock(x: Tensor) -> Tensor:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def start(n: int = 10, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.linspace(-1.2, 1.4, n, dtype=dtype).requires_grad_()


def closure_of(optimizer: Any, x: Tensor, counts: list[int] | None = None) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        if counts is not None:
            counts.append(1)
        optimizer.zero_grad()
        value = rosenbrock(x)
        value.backward()
        return value

    return closure


def saved_and_loaded(state_dict: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def by_checkpoint(optimizer: Any, x: Tensor, **options: Any) -> tuple[Any, Tensor]:
    y = x.detach().clone().requires_grad_()
    other = descend.LBFGS([y], **options)
    other.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    return other, y


def by_deepcopy(optimizer: Any, x: Tensor, **options: Any) -> tuple[Any, Tensor]:
    other = copy.deepcopy(optimizer)
    return other, other.param_groups[0]["params"][0]


def by_pickle(optimizer: Any, x: Tensor, **options: Any) -> tuple[Any, Tensor]:
    other = pickle.loads(pickle.dumps(optimizer))
    return other, other.param_groups[0]["params"][0]


@pytest.mark.parametrize("copied", [by_checkpoint, by_deepcopy, by_pickle])
@pytest.mark.parametrize(
    "options",
    [
        {"max_iter": 4, "history_size": 5, **WOLFE},
        {"max_iter": 7, **WOLFE},
        {"max_iter": 1, "lr": 0.05, "history_size": 3},
        {"max_iter": 4, "lr": 0.05},
        {"max_iter": 3, "bounds": (-1.5, 0.9), **WOLFE},
        {"max_iter": 3, "reuse_eval": True, **WOLFE},
    ],
    ids=str,
)
def test_resuming_is_exact(copied: Any, options: dict[str, Any]) -> None:
    x = start()
    optimizer = descend.LBFGS([x], **options)
    for _ in range(4):
        optimizer.step(closure_of(optimizer, x))
    other, y = copied(optimizer, x, **options)
    for _ in range(4):
        a = optimizer.step(closure_of(optimizer, x))
        b = other.step(closure_of(other, y))
        assert a.item() == b.item() and torch.equal(x.detach(), y.detach())
    mine, theirs = optimizer.state[x], other.state[y]
    assert mine["n_iter"] == theirs["n_iter"] and torch.equal(mine["algebra"], theirs["algebra"])


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_checkpoints_of_torch_continue_here(search: str | None) -> None:
    """Without a search the continuation is torch's own; with one it begins with torch's pairs."""
    options = {"max_iter": 4, "lr": 0.05 if search is None else 1, "line_search_fn": search}
    x = start()
    theirs = torch.optim.LBFGS([x], **options)
    for _ in range(3):
        theirs.step(closure_of(theirs, x))
    y = x.detach().clone().requires_grad_()
    ours = descend.LBFGS([y], **options)
    ours.load_state_dict(saved_and_loaded(theirs.state_dict()))
    for _ in range(3):
        theirs.step(closure_of(theirs, x))
        ours.step(closure_of(ours, y))
    assert ours.state[y]["n_iter"] > 12
    if search is None:  # rounding, amplified over 12 steps in a curved valley
        assert ours.state[y]["n_iter"] == theirs.state[x]["n_iter"] == 24
        torch.testing.assert_close(y.detach(), x.detach(), rtol=1e-7, atol=1e-9)
    else:
        assert ours.result.pairs >= 12
        assert float(rosenbrock(y.detach())) <= 1.5 * float(rosenbrock(x.detach()))


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_torch_continues_from_here(search: str | None) -> None:
    options = {"max_iter": 4, "lr": 0.05 if search is None else 1, "line_search_fn": search}
    x = start()
    ours = descend.LBFGS([x], **options)
    for _ in range(3):
        ours.step(closure_of(ours, x))
    y = x.detach().clone().requires_grad_()
    theirs = torch.optim.LBFGS([y], **options)
    theirs.load_state_dict(saved_and_loaded(ours.state_dict(format="torch")))
    assert set(theirs.state[y]) >= {"d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss"}
    for _ in range(2):
        ours.step(closure_of(ours, x))
        theirs.step(closure_of(theirs, y))
    if search is None:
        torch.testing.assert_close(y.detach(), x.detach(), rtol=1e-7, atol=1e-9)
    assert len(theirs.state[y]["old_dirs"]) == 19  # torch forms the pair of its last move at the next step


def test_state_of_other_parameters_is_refused() -> None:
    x = start()
    optimizer = descend.LBFGS([x], max_iter=3, **WOLFE)
    optimizer.step(closure_of(optimizer, x))
    y = start(7)
    other = descend.LBFGS([y], max_iter=3, **WOLFE)
    other.load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match=r"10.*elements were saved.*7"):
        other.step(closure_of(other, y))
    assert torch.equal(y.detach(), start(7).detach())


def test_history_size_may_change() -> None:
    x = start()
    optimizer = descend.LBFGS([x], max_iter=6, history_size=8, **WOLFE)
    for size, pairs in ((8, 6), (8, 8), (3, 3), (12, 9), (1, 1), (40, 7)):
        optimizer.param_groups[0]["history_size"] = size
        optimizer.step(closure_of(optimizer, x))
        assert optimizer.result.pairs == pairs


def test_moved_parameters_are_noticed() -> None:
    x = start(2)
    optimizer = descend.LBFGS([x], max_iter=5, **WOLFE)
    optimizer.step(closure_of(optimizer, x))
    pairs = optimizer.result.pairs
    with torch.no_grad():
        x.copy_(x.clone())  # a write that changes nothing
    optimizer.step(closure_of(optimizer, x))
    assert optimizer.result.resets == 0 and optimizer.result.pairs == pairs + 5
    with torch.no_grad():
        x.add_(1e-6)  # near: the history is kept
    optimizer.step(closure_of(optimizer, x))
    assert optimizer._solver is not None and len(optimizer._solver.history.order) > pairs + 5
    with torch.no_grad():
        x.add_(50.0)  # farther than all of its steps together
    before = float(rosenbrock(x.detach()))
    optimizer.step(closure_of(optimizer, x))
    assert optimizer.result.pairs <= 5 and float(rosenbrock(x.detach())) < before


def test_reuse_eval_saves_the_first_evaluation_of_a_step() -> None:
    for reuse, extra in ((False, 6), (True, 1)):
        x, counts = start(), []
        optimizer = descend.LBFGS([x], max_iter=3, max_eval=40, reuse_eval=reuse, **WOLFE)
        trials = 0
        for _ in range(6):
            optimizer.step(closure_of(optimizer, x, counts))
            trials += optimizer.result.n_eval
        assert trials == len(counts)
        single, y = [], start()
        whole = descend.LBFGS([y], max_iter=18, max_eval=400, **WOLFE)
        whole.step(closure_of(whole, y, single))
        assert len(counts) == len(single) + extra - 1
        assert torch.equal(x.detach(), y.detach())
        with torch.no_grad():
            x.add_(0.1)  # elsewhere: the closure is called again
        optimizer.step(closure_of(optimizer, x, counts))
        assert optimizer.result.n_eval >= 4


def test_a_group_added_later_takes_part() -> None:
    x, y = start(), start(4)
    optimizer = descend.LBFGS([x], max_iter=5, **WOLFE)
    optimizer.step(closure_of(optimizer, x))
    optimizer.add_param_group({"params": [y]})
    optimizer.param_groups[0]["max_iter"] = optimizer.param_groups[1]["max_iter"] = 300
    optimizer.param_groups[0]["max_eval"] = optimizer.param_groups[1]["max_eval"] = 400

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = rosenbrock(x) + rosenbrock(y)
        value.backward()
        return value

    optimizer.step(closure)
    assert optimizer.result.converged and float(rosenbrock(y.detach())) < 1e-8 + 4
    assert optimizer.state[x]["n_iter"] == 5 + optimizer.result.n_iter


def test_other_storage_for_the_same_parameters_keeps_the_history() -> None:
    """As after `module.to(device)`, which gives parameters other memory; the method goes on bit for bit."""
    ends = []
    for moved in (False, True):
        x = start()
        optimizer = descend.LBFGS([x], max_iter=5, **WOLFE)
        optimizer.step(closure_of(optimizer, x))
        if moved:
            x.data = x.data.clone()
            optimizer.to("cpu")
        optimizer.step(closure_of(optimizer, x))
        assert optimizer.result.pairs == 10 and optimizer.state[x]["n_iter"] == 10
        ends.append(x.detach().clone())
    assert torch.equal(*ends)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_memory_counts_a_full_history(dtype: torch.dtype) -> None:
    x, y = (torch.nn.Parameter(torch.linspace(-1.2, 2.0, n, dtype=dtype)) for n in (50, 21))
    optimizer = descend.LBFGS([x, y], line_search_fn="strong_wolfe", history_size=5, max_iter=100)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (1 - x[:-1]).square().sum() + 100 * (x[1:] - x[:-1] ** 2).square().sum() + (y**4).sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    held = [v for v in optimizer.state[x].values() if isinstance(v, torch.Tensor)]
    assert optimizer.memory().state == sum(v.numel() * v.element_size() for v in held)
