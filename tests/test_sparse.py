"""Sparse gradients: SGD, Adagrad and SparseAdam against torch.optim, and that only the rows present are touched.

The three make the same floating-point operations on the same values as torch, so numbers are held to 1e-6 in
float32 and 1e-12 in float64 (relative to max(|p|, 1), six steps), and SparseAdam's to the bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import assert_close, assert_same_bits, assert_unchanged, copies, every_engine, parameters, random, snapshot
from torch import Tensor, nn
from torch.nn import Parameter

import descend

pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # torch's own say so

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": dict(lr=0.1),
    "SGD-maximize": dict(lr=0.1, maximize=True),
    "SGD-momentum": dict(lr=0.1, momentum=0.9),
    "SGD-nesterov": dict(lr=0.1, momentum=0.9, nesterov=True),
    "SGD-dampening": dict(lr=0.1, momentum=0.9, dampening=0.5),
    "Adagrad": dict(lr=0.1),
    "Adagrad-decay": dict(lr=0.1, lr_decay=0.2, initial_accumulator_value=0.3),
    "Adagrad-maximize": dict(lr=0.1, maximize=True),
    "SparseAdam": dict(lr=0.1),
    "SparseAdam-maximize": dict(lr=0.1, betas=(0.5, 0.9), eps=1e-4, maximize=True),
}
by_rows = [name for name in OPTIMIZERS if "momentum" not in OPTIMIZERS[name]]
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def make(package: Any, name: str, params: Any, **extra: Any) -> Any:
    return getattr(package, name.split("-", maxsplit=1)[0])(params, **OPTIMIZERS[name], **extra)


def sparse(rows: list[Any], values: Tensor, shape: Any) -> Tensor:
    """A gradient with these rows, not coalesced."""
    indices = torch.tensor(rows, dtype=torch.int64)
    indices = indices if indices.ndim == 2 else indices.unsqueeze(0)
    return torch.sparse_coo_tensor(indices, values, shape, check_invariants=True)


def some_rows(step: int, dtype: torch.dtype) -> Tensor:
    """Row 4 twice, one row of its own for each step."""
    return sparse([4, step, 4], random((3, 5), dtype, seed=step), (9, 5))


def of_elements(step: int, dtype: torch.dtype) -> Tensor:
    """Single elements of a matrix, one of them twice."""
    return sparse([[0, 2, 0], [step % 4, 1, step % 4]], random(3, dtype, seed=step), (3, 4))


def of_matrices(step: int, dtype: torch.dtype) -> Tensor:
    """Two sparse dimensions and two dense ones."""
    return sparse([[0, 1], [step % 3, 2]], random((2, 2, 2), dtype, seed=step), (2, 3, 2, 2))


def sometimes_empty(step: int, dtype: torch.dtype) -> Tensor:
    """Nothing at all in every other step, the first included."""
    return sparse([4] * (step % 2), random((step % 2, 5), dtype, seed=step), (9, 5))


def of_a_vector(step: int, dtype: torch.dtype) -> Tensor:
    return sparse([step, step, 6], random(3, dtype, seed=step), (7,))


GRADIENTS = (some_rows, of_elements, of_matrices, sometimes_empty, of_a_vector)


def run(package: Any, name: str, gradient: Callable[..., Tensor], dtype: torch.dtype, **extra: Any) -> Any:
    p = Parameter(random(gradient(0, dtype).shape, dtype, seed=77))
    optimizer = make(package, name, [p], **extra)
    for step in range(6):
        p.grad = gradient(step, dtype)
        optimizer.step()
    return p, optimizer


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("gradient", GRADIENTS, ids=lambda g: g.__name__)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_numbers_are_torch_s(name: str, gradient: Callable[..., Tensor], dtype: torch.dtype) -> None:
    (p, ours), (q, theirs) = run(descend, name, gradient, dtype), run(torch.optim, name, gradient, dtype)
    assert_close([p], [q], TOLERANCE[dtype])
    assert list(ours.state[p]) == list(theirs.state[q])
    for key, value in theirs.state[q].items():
        mine = ours.state[p][key]
        assert type(mine) is type(value)
        if isinstance(value, Tensor):
            # torch keeps SGD's first momentum sparse, and with it what is not there yet
            assert_close([mine], [value.to_dense() if value.is_sparse else value], 2 * TOLERANCE[dtype], key)
        else:
            assert mine == value
    if name.startswith("SparseAdam"):
        assert_same_bits([p, ours.state[p]["exp_avg_sq"]], [q, theirs.state[q]["exp_avg_sq"]])


@every_engine
@pytest.mark.parametrize("name", by_rows)
def test_only_the_rows_present_are_touched(name: str, engine: str) -> None:
    """Rows that are left out may hold anything, even NaN, and keep every bit of it; so do their buffers."""
    p = Parameter(random((9, 5), seed=1))
    p.data[7] = torch.nan
    optimizer = make(descend, name, [p], **({} if name.startswith("SparseAdam") else dict(engine=engine)))
    p.grad = some_rows(2, torch.float32)
    optimizer.step()
    for value in optimizer.state[p].values():
        if isinstance(value, Tensor) and value.shape == p.shape:
            value[[0, 1, 7]] = torch.nan

    now = [p.detach(), *(v for v in optimizer.state[p].values() if isinstance(v, Tensor) and v.shape == p.shape)]
    before = [t.clone() for t in now]
    p.grad = some_rows(3, torch.float32)
    optimizer.step()
    left_out = [0, 1, 2, 5, 6, 7, 8]
    assert_same_bits([t[left_out] for t in now], [t[left_out] for t in before])
    for t, was in zip(now, before, strict=True):
        assert (t[[3, 4]] != was[[3, 4]]).any(dim=1).all()
        assert t[[3, 4]].isfinite().all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_embedding_is_trained(name: str) -> None:
    """Gradients from autograd, indices repeated within a batch."""

    def train(package: Any) -> list[Parameter]:
        torch.manual_seed(0)
        table = nn.Embedding(12, 4, sparse=True).double()
        optimizer = make(package, name, table.parameters())
        for step in range(6):
            optimizer.zero_grad()
            (table(torch.tensor([step, 3, 3, 11 - step])) ** 2).sum().backward()
            optimizer.step()
        return list(table.parameters())

    assert_close(train(descend), train(torch.optim), 1e-12)


@pytest.mark.parametrize("name", ["SGD", "SGD-momentum", "Adagrad"])
def test_sparse_and_dense_steps_may_alternate(name: str) -> None:
    """torch's SGD with momentum needs the dense step first: its buffer takes the layout of the first gradient."""

    def train(package: Any) -> Parameter:
        p = Parameter(random((9, 5), torch.float64))
        optimizer = make(package, name, [p])
        for step in range(6):
            p.grad = some_rows(step, torch.float64) if step % 2 else random((9, 5), torch.float64, seed=step)
            optimizer.step()
        return p

    assert_close([train(descend)], [train(torch.optim)], 1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", by_rows)
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    """One step stays within the rounding of what is stored of the same step in float32; none is NaN."""
    p = Parameter(random((9, 5), dtype, seed=1))
    q = Parameter(p.detach().float())
    for x in (p, q):
        x.grad = some_rows(2, dtype).to(x.dtype)  # a row twice: the sum is not rounded either
        make(descend, name, [x]).step()
    assert_same_bits([p.detach()], [q.detach().to(dtype)])


@every_engine
@pytest.mark.parametrize("cls", ["SGD", "Adagrad"])
def test_weight_decay_is_refused(cls: str, engine: str) -> None:
    """It would touch the other rows; torch's Adagrad says so, its SGD speaks of something else."""
    params = parameters([(9, 5), 3])
    optimizer = getattr(descend, cls)([("table", params[0]), ("bias", params[1])], weight_decay=0.1, engine=engine)
    params[0].grad, params[1].grad = some_rows(1, torch.float32), torch.ones(3)
    before = snapshot(optimizer)
    with pytest.raises(RuntimeError, match=r"weight_decay option is not compatible with sparse gradients.*table"):
        optimizer.step()
    assert_unchanged(optimizer, before)


@pytest.mark.parametrize("name", ["SGD", "SGD-momentum", "Adagrad", "SparseAdam"])
def test_grad_scaler(name: str) -> None:
    """Unscaled as torch does it; a step with an infinite gradient leaves everything as it was."""

    def train(package: Any) -> tuple[Any, Parameter, float]:
        p = Parameter(random((9, 5), seed=3))
        optimizer = make(package, name, [p])
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        for step in range(5):
            scaler.scale(torch.ones(()))  # a scaler makes its scale when it is first used
            p.grad = some_rows(step, torch.float32) * 8.0 * (torch.inf if step == 2 else 1.0)
            before = p.detach().clone()
            scaler.step(optimizer)
            scaler.update(8.0)
            assert torch.equal(p, before) == (step == 2)
        return optimizer, p, scaler.get_scale()

    (ours, p, scale), (theirs, q, other) = train(descend), train(torch.optim)
    assert scale == other
    assert_close([p], [q], 1e-6)
    if "step" in theirs.state[q]:
        assert float(ours.state[p]["step"]) == float(theirs.state[q]["step"])


def test_sparse_adam_refusals() -> None:
    dense, table = parameters([(3, 2), (3, 2)])
    with pytest.raises(ValueError, match=r"Sparse params at indices \[\[0, 1\]\]: SparseAdam requires dense"):
        descend.SparseAdam([dense, Parameter(torch.eye(3).to_sparse())])
    with pytest.raises(ValueError, match=r"Complex params at indices \[\[0, 0\], \[1, 0\]\]"):
        descend.SparseAdam(
            [dict(params=parameters([2], torch.complex64)), dict(params=parameters([2], torch.complex64))]
        )
    optimizer = descend.SparseAdam([("dense", dense), ("table", table)])
    with pytest.raises(ValueError, match=r"Complex params at indices \[\[1, 0\]\]"):
        optimizer.add_param_group(dict(params=[("other", parameters([2], torch.complex64)[0])]))
    assert len(optimizer.param_groups) == 1
    table.grad, dense.grad = sparse([1], torch.ones(1, 2), (3, 2)), torch.ones(3, 2)
    before = snapshot(optimizer)
    with pytest.raises(RuntimeError, match=r"SparseAdam does not support dense gradients, please .* \(dense\)"):
        optimizer.step()
    assert_unchanged(optimizer, before)


@pytest.mark.parametrize(
    "options", [dict(lr=0.0), dict(lr=torch.tensor(0.0)), dict(lr=-1.0), dict(eps=0.0), dict(betas=(0.9, 1.0))], ids=str
)
def test_sparse_adam_validates_as_torch(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Invalid") as theirs:
        torch.optim.SparseAdam(parameters([2]), **options)
    with pytest.raises(ValueError, match="Invalid") as ours:
        descend.SparseAdam(parameters([2]), **options)
    assert str(ours.value).startswith(str(theirs.value))


def test_sparse_adam_s_rate_may_be_scheduled_to_nothing() -> None:
    p = parameters([(9, 5)])[0]
    (q,) = copies([p])
    for x, package in ((p, descend), (q, torch.optim)):
        optimizer = package.SparseAdam([x])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns that a schedule is used before the first step
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: min(t / 3, 1.0))
        for step in range(5):
            x.grad = some_rows(step, torch.float32)
            optimizer.step()
            schedule.step()
    assert_same_bits([p], [q])
