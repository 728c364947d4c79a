"""optimizer.stats(): norms, ratios and shares against sums in float64 over what the step was given and did.

The update that is measured is the one computed, before it is rounded to the parameter's dtype; in float32 it differs
from the difference of stored parameters by half an ulp of the parameter, so update norms are compared to 1e-6 of the
parameter's norm, everything else to 1e-12.
"""

import math
from typing import Any

import pytest
import torch
from cases import RICHEST, Case, copies, every_engine, named, parameters, set_gradients, train
from cases_more import RICHEST_MORE
from torch.nn import Parameter

import descend

SHAPES = [(3,), (1025,), (), (7, 5), (0, 2), (5000,)]
every_class = pytest.mark.parametrize("case", (*RICHEST, *RICHEST_MORE), ids=str)
NAN, INF = float("nan"), float("inf")


def norm(tensors: list[Any]) -> float:
    return math.sqrt(math.fsum(float(torch.view_as_real(t).double().square().sum() if t.is_complex() else t.double().square().sum()) for t in tensors))  # fmt: skip  # noqa: E501


@every_class
@every_engine
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64], ids=str)
def test_norms(case: Case, engine: str, dtype: torch.dtype) -> None:
    params = parameters(SHAPES, dtype)
    optimizer = case.ours(named(params), stats=True, clip_grad_norm=1.0, engine=engine)
    for t in range(4):
        set_gradients(params, t)
        before = [p.detach().clone() for p in params]
        optimizer.step()
        stats = optimizer.stats()
        each = stats.parameters
        assert list(each) == [f"p{i}" for i in range(len(params))]
        moved = [p.detach() - b for p, b in zip(params, before, strict=True)]
        assert stats.grad_norm == pytest.approx(norm([p.grad for p in params]), rel=1e-12)
        assert stats.param_norm == pytest.approx(norm([p.detach() for p in params]), rel=1e-6)
        assert stats.update_norm == pytest.approx(norm(moved), rel=1e-6, abs=1e-6 * stats.param_norm)
        assert stats.update_ratio == stats.update_norm / stats.param_norm
        assert stats.elements == sum(p.numel() for p in params) * (2 if dtype.is_complex else 1)
        for i, p in enumerate(params):
            own = each[f"p{i}"]
            assert own.grad_norm == pytest.approx(norm([p.grad]), rel=1e-12)
            assert own.param_norm == pytest.approx(norm([p.detach()]), rel=1e-6)
            assert own.update_norm == pytest.approx(norm([moved[i]]), rel=1e-6, abs=1e-6 * own.param_norm)


@every_engine
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_shares_of_zeros_and_of_what_is_not_finite(engine: str, dtype: torch.dtype) -> None:
    params = [Parameter(torch.ones(n, dtype=dtype)) for n in (1, 127, 1024, 1025, 3000)]
    for p in params:
        p.grad = torch.ones_like(p)
        p.grad[::3] = 0
        p.grad[::6] = -0.0
    params[3].grad[[0, 5, 1024]] = torch.tensor([NAN, INF, -INF], dtype=dtype)
    optimizer = descend.SGD(named(params), lr=0.1, stats=True, engine=engine)
    optimizer.step()
    stats = optimizer.stats()
    zeros = nonfinite = 0
    for i, p in enumerate(params):
        own = stats.parameters[f"p{i}"]
        assert own.zero_fraction == pytest.approx(float((p.grad == 0).sum()) / p.numel(), rel=1e-15)
        assert own.nonfinite_fraction == pytest.approx(float((~p.grad.isfinite()).sum()) / p.numel(), rel=1e-15)
        zeros += int((p.grad == 0).sum())
        nonfinite += int((~p.grad.isfinite()).sum())
    assert nonfinite == 3
    assert stats.zero_fraction == zeros / stats.elements
    assert stats.nonfinite_fraction == nonfinite / stats.elements
    assert math.isnan(stats.grad_norm)


def test_statistics_change_no_number() -> None:
    ours = parameters(SHAPES)
    twins = copies(ours)
    train(descend.AdamW(ours, stats=True), ours, 5)
    train(descend.AdamW(twins), twins, 5)
    assert all(torch.equal(p, q) for p, q in zip(ours, twins, strict=True))


@pytest.mark.parametrize("name", ["Adafactor", "Muon", "SparseAdam"])
def test_optimizers_of_whole_tensors(name: str) -> None:
    p, q = Parameter(torch.ones(4, 3)), Parameter(torch.full((4, 3), 2.0))
    optimizer = getattr(descend, name)([("p", p), ("q", q)], lr=0.1, stats=True, clip_grad_norm=0.5)
    plain = getattr(descend, name)([Parameter(p.detach().clone()), Parameter(q.detach().clone())], lr=0.1)
    p.grad = torch.zeros(4, 3)
    p.grad[1] = 3.0
    if name == "SparseAdam":
        p.grad = p.grad.to_sparse(1)
    given = p.grad
    optimizer.step()
    stats = optimizer.stats()
    assert p.grad is given and list(stats.parameters) == ["p"]
    assert stats.grad_norm == pytest.approx(math.sqrt(27), rel=1e-12)
    assert stats.zero_fraction == 9 / 12
    assert stats.update_norm == pytest.approx(norm([p.detach() - 1]), rel=1e-6)
    twin = plain.param_groups[0]["params"][0]
    twin.grad = given * (0.5 / (math.sqrt(27) + 1e-6))
    plain.step()
    assert torch.allclose(p, twin, rtol=1e-6)


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_optimizers_of_whole_tensors_skip_and_raise(name: str) -> None:
    p = Parameter(torch.ones(4, 3))
    optimizer = getattr(descend, name)([("p", p)], lr=0.1, nonfinite="skip")
    p.grad = torch.full((4, 3), NAN)
    optimizer.step()
    assert optimizer.skipped_steps == 1 and torch.equal(p, torch.ones(4, 3)) and not optimizer.state
    optimizer.param_groups[0]["nonfinite"] = "raise"
    with pytest.raises(RuntimeError, match=r"the gradient of 1 parameter is NaN or infinite: p\."):
        optimizer.step()


def test_nothing_to_tell() -> None:
    p = Parameter(torch.ones(3))
    with pytest.raises(RuntimeError, match="needs stats=True"):
        descend.SGD([p]).stats()
    optimizer = descend.SGD([p], lr=0.5, stats=True)
    with pytest.raises(RuntimeError, match="no step has updated anything yet"):
        optimizer.stats()
    p.grad = torch.tensor([0.0, 3.0, 4.0])
    optimizer.step()
    assert optimizer.stats().update_norm == pytest.approx(2.5, rel=1e-6)
    optimizer.param_groups[0]["stats"] = False
    optimizer.step()
    with pytest.raises(RuntimeError):
        optimizer.stats()


def test_a_parameter_of_zeros_has_no_ratio() -> None:
    p = Parameter(torch.zeros(3))
    p.grad = torch.zeros(3)
    optimizer = descend.SGD([p], lr=0.5, stats=True)
    optimizer.step()
    assert optimizer.stats().update_ratio == 0.0
    p = Parameter(torch.ones(1))
    p.grad = torch.ones(1)
    optimizer = descend.SGD([p], lr=1.0, stats=True)
    optimizer.step()
    assert optimizer.stats().update_ratio == INF
