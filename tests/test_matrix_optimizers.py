"""Adafactor, Muon and SparseAdam, which are no rules, against torch.optim: numbers, state, refusals, checkpoints.

Tolerances: Adafactor and SparseAdam 1e-6 in float32 and 1e-12 in float64, relative to max(|value|, 1), over 10 steps.
Muon orthogonalises in bfloat16, here and in torch, so that a different order of summation in a matrix product may move
an update by some units of bfloat16's last place, 2^-8 of an update: 10 steps of lr 1e-3 stay within 1e-4.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import pytest
import torch
from cases import assert_close, parameters, random
from torch import Tensor
from torch.nn import Parameter

import descend

CLASSES = ("Adafactor", "Muon", "SparseAdam")
TOLERANCE = {"Adafactor": (1e-6, 1e-12), "Muon": (1e-4, 1e-4), "SparseAdam": (1e-6, 1e-12)}
each = pytest.mark.parametrize("name", CLASSES)


@pytest.fixture(scope="module")
def optim_db() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_optimizers import optim_db as table
    return {info.optim_cls.__name__: info for info in table}


def start(name: str, dtype: torch.dtype) -> list[Parameter]:
    shapes: list[tuple[int, ...]] = [(9, 3), (9, 3)]
    if name != "SparseAdam":
        shapes = [(7, 5), (7, 5), (3,), (2, 3, 4)] if name == "Adafactor" else [(6, 4), (4, 6), (6, 4)]
    return [Parameter(random(shape, dtype, seed=i)) for i, shape in enumerate(shapes)]


def set_gradients(name: str, params: list[Parameter], step: int) -> None:
    for i, p in enumerate(params):
        grad = random(p.shape, p.dtype, seed=100 * step + i)
        if name == "SparseAdam":
            rows = torch.tensor([[0, 4, 4, step % 9]])  # uncoalesced: row 4 twice
            grad = torch.sparse_coo_tensor(rows, grad[:4], p.shape, check_invariants=True)
        p.grad = grad


def pair(name: str, dtype: torch.dtype, **options: Any) -> tuple[Any, Any, list[Parameter], list[Parameter]]:
    ours, theirs = start(name, dtype), start(name, dtype)
    return getattr(descend, name)(ours, **options), getattr(torch.optim, name)(theirs, **options), ours, theirs


def train(name: str, optimizer: Any, params: list[Parameter], first: int, last: int) -> None:
    for step in range(first, last):
        set_gradients(name, params, step)
        optimizer.step()


def assert_same(name: str, ours: Any, theirs: Any, params: list[Parameter], twins: list[Parameter]) -> None:
    tolerance = TOLERANCE[name][params[0].dtype == torch.float64]
    if isinstance(theirs.param_groups[0]["lr"], Tensor):
        tolerance = max(tolerance, 1e-9)  # torch computes the step size in the Tensor's float32; a step is 1e-3
    assert_close(params, twins, tolerance, "parameter")
    assert list(ours.param_groups[0]) == list(theirs.param_groups[0])
    for p, q in zip(params, twins, strict=True):
        mine, torchs = ours.state[p], theirs.state[q]
        assert list(mine) == list(torchs)
        for key, value in torchs.items():
            if isinstance(value, Tensor):
                assert mine[key].dtype == value.dtype and mine[key].shape == value.shape, key
                assert_close([mine[key].double()], [value.double()], max(tolerance, 1e-6 * (name == "Muon")), key)
            else:
                assert mine[key] == value


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_configuration_of_torch(optim_db: dict[str, Any], name: str, dtype: torch.dtype) -> None:
    configurations = optim_db[name].optim_inputs_func(device="cpu", dtype=dtype)
    assert len(configurations) >= 4
    for given in configurations:
        ours, theirs, params, twins = pair(name, dtype, **given.kwargs)
        train(name, ours, params, 0, 10)
        train(name, theirs, twins, 0, 10)
        assert_same(name, ours, theirs, params, twins)


@each
def test_every_refusal_of_torch(optim_db: dict[str, Any], name: str) -> None:
    errors = optim_db[name].optim_error_inputs_func("cpu", torch.float32)
    assert len(errors) >= 9
    for error in errors:
        given = error.optimizer_error_input
        params = given.params if given.params is not None else parameters([(1, 1)])
        if issubclass(error.error_type, Warning):
            with pytest.warns(error.error_type, match=error.error_regex):
                getattr(descend, name)(params, **given.kwargs)
            continue
        with pytest.raises(error.error_type) as caught, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's table gives plain tensors, which descend warns about
            optimizer = getattr(descend, name)(params, **given.kwargs)
            if error.error_on.name == "STEP_ERROR":
                optimizer.step()
        assert re.search(error.error_regex, str(caught.value)), given.desc


@each
def test_checkpoints_go_both_ways(name: str) -> None:
    ours, theirs, params, twins = pair(name, torch.float32)
    train(name, ours, params, 0, 3)
    train(name, theirs, twins, 0, 3)
    file = io.BytesIO()
    torch.save((ours.state_dict(), theirs.state_dict()), file)
    file.seek(0)
    from_ours, from_theirs = torch.load(file, weights_only=True)
    resumed, torchs = getattr(descend, name)(params), getattr(torch.optim, name)(twins)
    resumed.load_state_dict(from_theirs)
    torchs.load_state_dict(from_ours)
    train(name, resumed, params, 3, 8)
    train(name, torchs, twins, 3, 8)
    assert_same(name, resumed, torchs, params, twins)


@each
def test_groups_late_parameters_and_a_changing_rate(name: str) -> None:
    def run(cls: Any) -> tuple[Any, list[Parameter]]:
        params = start(name, torch.float64)
        optimizer = cls([{"params": params[:1], "lr": 0.02}, {"params": params[1:]}])
        for step in range(6):
            set_gradients(name, params, step)
            if step < 2:
                params[-1].grad = None
            if step == 4:
                optimizer.param_groups[1]["lr"] = 0.005
            optimizer.step()
        return optimizer, params

    (ours, params), (theirs, twins) = run(getattr(descend, name)), run(getattr(torch.optim, name))
    assert_same(name, ours, theirs, params, twins)


@each
def test_a_step_that_raises_has_changed_nothing(name: str) -> None:
    ours, _, params, _ = pair(name, torch.float32)
    train(name, ours, params, 0, 2)
    before = [(p.detach().clone(), {k: torch.as_tensor(v).clone() for k, v in ours.state[p].items()}) for p in params]
    set_gradients(name, params, 2)
    params[-1].grad = random(params[-1].shape, torch.float32)
    if name != "SparseAdam":
        params[-1].grad = params[-1].grad.to_sparse()
    with pytest.raises(RuntimeError):
        ours.step()
    for p, (value, state) in zip(params, before, strict=True):
        assert torch.equal(p, value)
        assert all(torch.equal(torch.as_tensor(ours.state[p][key]), was) for key, was in state.items())


def test_muon_leaves_its_buffer_alone() -> None:
    """torch without Nesterov divides the momentum buffer of a bfloat16 parameter in place (torch_optim A7)."""
    buffers = {}
    for dtype in (torch.bfloat16, torch.float32):
        p = Parameter(random((8, 6), torch.float32).to(dtype))
        optimizer = descend.Muon([p], nesterov=False)
        for step in range(5):
            p.grad = random((8, 6), torch.float32, seed=step).to(torch.bfloat16).to(dtype)
            optimizer.step()
        buffers[dtype] = optimizer.state[p]["momentum_buffer"].float()
    assert_close([buffers[torch.bfloat16]], [buffers[torch.float32]], 2**-7)


def test_muon_flattens_only_when_asked() -> None:
    kernel = random((6, 2, 3, 3), torch.float32)
    with pytest.raises(ValueError, match="Muon only supports 2D parameters"):
        descend.Muon([Parameter(kernel.clone())])
    whole, matrix = Parameter(kernel.clone()), Parameter(kernel.clone().flatten(1))
    grad = random((6, 2, 3, 3), torch.float32, seed=7)
    whole.grad, matrix.grad = grad, grad.flatten(1)
    descend.Muon([whole], flatten=True).step()
    descend.Muon([matrix]).step()
    assert torch.equal(whole.flatten(1), matrix)


def test_adafactor_takes_eps_from_each_parameter_s_dtype() -> None:
    """torch takes it from the first parameter of the call, so a bfloat16 one first all but stops a float32 one (A8)."""

    def moved(*dtypes: torch.dtype) -> float:
        params = [Parameter(torch.zeros(4, 4, dtype=dtype)) for dtype in dtypes]
        for p in params:
            p.grad = torch.full_like(p, 1e-6)
        descend.Adafactor(params, lr=1.0).step()
        return params[-1].abs().max().item()

    assert moved(torch.bfloat16, torch.float32) == moved(torch.float32)


def test_sparse_adam_touches_only_the_rows_present() -> None:
    p = Parameter(random((9, 3), torch.float32))
    before = p.detach().clone()
    p.grad = torch.sparse_coo_tensor(torch.tensor([[1, 7]]), torch.ones(2, 3), (9, 3), check_invariants=True)
    descend.SparseAdam([p]).step()
    assert (p != before).any(dim=1).nonzero().flatten().tolist() == [1, 7]
