"""Who is right: the oracle against torch, the rules against the oracle, the eager engine against the oracle.

The oracle is plain float64 Python written from the papers, so a mistake in a rule cannot hide in a shared function.
Tolerances are relative to max(|value|, 1): 1e-12 in float64 (20 steps of about 20 operations, each 1.1e-16, with room
for the cancellation in centered RMSprop); 2e-6 in float32 (20 roundings of the parameter by half an ulp, 6e-8, give at
most 1.2e-6; the update's own roundings are scaled by the learning rate).
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import oracle
import pytest
import torch
from cases import CASES, STEPS, Case, assert_close, every_case, parameters, random, same_bits, set_gradients
from torch import Tensor

N = 11


def as_floats(x: Tensor) -> list[float]:
    x = x.detach()
    return (torch.view_as_real(x).flatten() if x.is_complex() else x.flatten()).double().tolist()


def reference(case: Case, start: Tensor, steps: int = STEPS) -> tuple[list[list[float]], dict[str, list[float]]]:
    """The oracle's run over the gradients of `set_gradients`."""
    p, gradients = start.detach().clone(), []
    for step in range(steps):
        set_gradients([p], step)
        gradients.append(as_floats(p.grad))
    return case.reference(as_floats(start), gradients)


def assert_floats_close(found: list[float], wanted: list[float], tolerance: float, what: str) -> None:
    assert_close(
        [torch.tensor(found, dtype=torch.float64)], [torch.tensor(wanted, dtype=torch.float64)], tolerance, what
    )


def assert_follows_oracle(case: Case, optimizer: Any, p: Tensor, tolerance: float) -> None:
    path, buffers = reference(case, p)
    for step in range(STEPS):
        set_gradients([p], step)
        optimizer.step()
        assert_floats_close(as_floats(p), path[step], tolerance, f"step {step + 1}")
    assert set(buffers) == set(case.buffers)
    for key, values in buffers.items():
        assert_floats_close(as_floats(optimizer.state[p][key]), values, tolerance, key)


@every_case
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_oracle_is_torch(case: Case, dtype: torch.dtype) -> None:
    (p,) = parameters([N], dtype)
    assert_follows_oracle(case, case.theirs([p]), p, 1e-12)


@every_case
def test_rule_on_plain_floats_is_oracle(case: Case) -> None:
    """Rule.update and Rule.scalars as ordinary Python functions; the engines' prologue is written out here."""
    hyper, (p,) = case.hyper, parameters([N], torch.float64)
    path, wanted = reference(case, p)
    theta, decay = as_floats(p), hyper["weight_decay"]
    decoupled = hyper.get("decoupled_weight_decay", case.cls.__name__ == "AdamW")
    wants = inspect.signature(case.rule.scalars).parameters
    start = hyper.get("initial_accumulator_value", 0.0)
    state = [[start if name in case.buffers else None for name in case.rule.buffers] for _ in theta]
    for t in range(1, STEPS + 1):
        set_gradients([p], t - 1)
        scalars = case.rule.scalars(t, **{k: v for k, v in hyper.items() if k in wants})
        for i, g in enumerate(as_floats(p.grad)):
            g = -g if hyper["maximize"] else g
            if decoupled:
                theta[i] *= 1 - hyper["lr"] * decay
            else:
                g = g + decay * theta[i]
            result = case.rule.update(theta[i], g, *state[i], **scalars)
            theta[i], *state[i] = result if isinstance(result, tuple) else (result,)
        assert_floats_close(theta, path[t - 1], 1e-12, f"step {t}")
    for k, name in enumerate(case.rule.buffers):
        found = [row[k] for row in state]
        if name in wanted:
            assert_floats_close(found, wanted[name], 1e-12, name)
        else:
            assert found == [None] * N


@every_case
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.complex128, 1e-12), (torch.float32, 2e-6), (torch.complex64, 2e-6)],
    ids=str,
)
def test_eager_is_oracle(case: Case, dtype: torch.dtype, tolerance: float) -> None:
    (p,) = parameters([N], dtype)
    assert_follows_oracle(case, case.ours([p], engine="eager"), p, tolerance)


@every_case
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_types_round_the_oracle_once(case: Case, dtype: torch.dtype) -> None:
    """The first step of a half type is computed in float32 and rounded once: the oracle's value or its neighbour.

    A neighbour, because a float32 result may fall on the other side of a tie; never further.
    """
    p = parameters([257], dtype)[0]
    path, _ = reference(case, p, steps=1)
    optimizer = case.ours([p], engine="eager")
    set_gradients([p], 0)
    optimizer.step()
    exact = torch.tensor(path[0], dtype=torch.float64).to(dtype)
    ulps = (p.detach().view(torch.int16).int() - exact.view(torch.int16).int()).abs()
    assert ulps.max() <= 1
    assert (ulps == 0).float().mean() > 0.98  # neighbours only at ties


@every_case
def test_state_is_created_as_torch_creates_it(case: Case) -> None:
    """Keys in torch's order, dtypes, shapes, strides; the step count a float32 scalar."""
    for dtype in (torch.float32, torch.bfloat16, torch.complex64):
        p = torch.nn.Parameter(random((3, 4), dtype).t())
        q = torch.nn.Parameter(random((3, 4), dtype).t())
        ours, theirs = case.ours([p], engine="eager"), case.theirs([q])
        for optimizer, x in ((ours, p), (theirs, q)):
            x.grad = torch.empty_like(x).copy_(random((4, 3), dtype, seed=1))  # SGD keeps the strides of the gradient
            optimizer.step()
        assert tuple(ours.state[p]) == tuple(theirs.state[q]) == case.state_keys
        for key, value in theirs.state[q].items():
            mine = ours.state[p][key]
            assert (mine.dtype, mine.shape, mine.stride(), mine.device) == (
                value.dtype,
                value.shape,
                value.stride(),
                value.device,
            )


def test_lion_by_hand() -> None:
    """The one oracle without a torch twin, against two steps worked out by hand."""
    path, buffers = oracle.lion([1.0, -2.0], [[0.5, 0.0], [-4.0, 1.0]], lr=0.1, betas=(0.5, 0.75), weight_decay=0.1)
    # m after step 1: [.125, 0]; step 2: c = .5*.125 - 2 < 0 and .5 > 0
    assert path[0] == pytest.approx([1.0 - 0.1 * (1 + 0.1), -2.0 + 0.1 * 0.2])
    assert path[1] == pytest.approx([0.89 - 0.1 * (-1 + 0.089), -1.98 - 0.1 * (1 - 0.198)])
    assert buffers["exp_avg"] == pytest.approx([0.75 * 0.125 - 1.0, 0.25])


def test_every_class_is_in_the_table() -> None:
    """A new optimizer cannot be forgotten: every public class but the base has rows, and each switch of it is tried."""
    from cases_more import MORE

    import descend

    # These are no rules: their own tests hold them against torch.
    whole = {descend.Adafactor, descend.LBFGS, descend.Muon, descend.SparseAdam}
    table = (*CASES, *MORE)
    classes: Iterator[Callable[..., Any]] = (getattr(descend, name) for name in descend.__all__)
    public = {c for c in classes if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)} - {descend.Optimizer}
    assert public - whole == {case.cls for case in table}
    for cls in public - whole:
        rows = [case for case in table if case.cls is cls]
        ignored = {"lr", "foreach", "fused", "capturable", "differentiable"}
        tried = {key for case in rows for key in case.kwargs}
        wanted = {key for key in rows[0].hyper if key not in ignored}
        if cls.__name__ != "AdamW":  # shares Adam's rule, so Adam's rows try its betas and eps
            assert wanted <= tried | {"eps", "betas"}, cls


def test_same_bits_can_fail() -> None:
    a = random(5)
    assert same_bits(a, a.clone())
    assert not same_bits(a, a.clone().mul_(1 + 2**-23))
    assert not same_bits(torch.zeros(1), -torch.zeros(1))
    assert not same_bits(a, a.double())
    assert same_bits(torch.tensor([float("nan")]), -torch.tensor([float("nan")]))
