"""Adadelta, Adamax, ASGD, NAdam, RAdam, Rprop: the oracle, the rules and torch.optim, over the table in cases_more.py.

Tolerances as in test_oracle.py and test_torch.py: relative to max(|value|, 1), 1e-12 in float64; in float32 2e-6
against the oracle and 1e-6 against torch after 20 steps, one or two last bits a step.
"""

import copy
import dataclasses
import inspect
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    DTYPES,
    STEPS,
    Case,
    assert_close,
    assert_same_bits,
    assert_unchanged,
    buffers,
    copies,
    every_engine,
    parameters,
    random,
    set_gradients,
    snapshot,
    train,
)
from cases_more import LATE_IN_TORCH, MORE, assert_same_training, every_more, richest_more
from oracle_more import _f32
from torch import Tensor
from torch.nn import Parameter

from descend import rules

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12, torch.complex64: 1e-6, torch.complex128: 1e-12}


def as_floats(x: Tensor) -> list[float]:
    x = x.detach()
    return (torch.view_as_real(x).flatten() if x.is_complex() else x.flatten()).double().tolist()


def close(found: list[float], wanted: list[float], tolerance: float, what: str) -> None:
    assert_close(
        [torch.tensor(found, dtype=torch.float64)], [torch.tensor(wanted, dtype=torch.float64)], tolerance, what
    )


def gradients_of(start: Tensor, steps: int = STEPS) -> list[list[float]]:
    p, found = start.detach().clone(), []
    for step in range(steps):
        set_gradients([p], step)
        found.append(as_floats(p.grad))
    return found


# Oracle, rules


def assert_follows_oracle(case: Case, optimizer: Any, p: Tensor, tolerance: float) -> None:
    path, state = case.reference(as_floats(p), gradients_of(p))
    for step in range(STEPS):
        set_gradients([p], step)
        optimizer.step()
        close(as_floats(p), path[step], tolerance, f"step {step + 1}")
    assert set(state) == set(case.state_keys) - {"step"}
    for key, values in state.items():
        close(as_floats(optimizer.state[p][key]), values, tolerance, key)


@every_more
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_oracle_is_torch(case: Case, dtype: torch.dtype) -> None:
    (p,) = parameters([11], dtype)
    assert_follows_oracle(case, case.theirs([p]), p, 1e-12)


@every_more
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.complex128, 1e-12), (torch.float32, 2e-6), (torch.complex64, 2e-6)],
    ids=str,
)
def test_eager_is_oracle(case: Case, dtype: torch.dtype, tolerance: float) -> None:
    (p,) = parameters([11], dtype)
    assert_follows_oracle(case, case.ours([p], engine="eager"), p, tolerance)


@every_more
def test_rule_on_plain_floats_is_oracle(case: Case) -> None:
    """Update and scalars as ordinary Python functions; prologue and memory, kept in float32, are written out here."""
    hyper, rule, (p,) = case.hyper, case.rule, parameters([11], torch.float64)
    theta, gradients = as_floats(p), gradients_of(p)
    path, wanted = case.reference(theta, gradients)
    inputs = {name: hyper[name] for name in rule.inputs}
    memory = {name: _f32(hyper[first] if isinstance(first, str) else first) for name, first in rule.memory.items()}
    firsts = [hyper[b.init] if isinstance(b.init, str) else b.init for b in rule.buffers.values()]
    state = [list(firsts) for _ in theta]
    decay = hyper.get("weight_decay", 0)
    for t, gradient in enumerate(gradients, 1):
        scalars = rule.scalars(t, **inputs, **memory)
        memory = {name: _f32(scalars[name]) for name in memory}
        scalars = {name: scalars[name] for name in rule.scalar_names}
        for i, g in enumerate(gradient):
            g = -g if hyper["maximize"] else g
            if hyper.get("decoupled_weight_decay"):
                theta[i] *= 1 - hyper["lr"] * decay
            else:
                g = g + decay * theta[i]
            theta[i], *state[i] = rule.update(theta[i], g, *state[i], **scalars)
        close(theta, path[t - 1], 1e-12, f"step {t}")
    for k, name in enumerate(rule.buffers):
        close([row[k] for row in state], wanted[name], 1e-12, name)
    assert {name: [value] for name, value in memory.items()} == {name: wanted[name] for name in memory}


@every_more
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_types_round_the_oracle_once(case: Case, dtype: torch.dtype) -> None:
    """The first step is computed in float32 and rounded once: the oracle's value, or beside a tie its neighbour."""
    (p,) = parameters([257], dtype)
    start, gradients, options = as_floats(p), gradients_of(p, 1), {}
    if case.cls.__name__ == "Rprop":  # keeps its learning rate in a tensor of the parameter's dtype
        options["lr"] = torch.tensor(case.hyper["lr"]).to(dtype).item()
    path, _ = dataclasses.replace(case, kwargs={**case.kwargs, **options}).reference(start, gradients)
    set_gradients([p], 0)
    case.ours([p], engine="eager").step()
    exact = torch.tensor(path[0], dtype=torch.float64).to(dtype)
    ulps = (p.detach().view(torch.int16).int() - exact.view(torch.int16).int()).abs()
    assert ulps.max() <= 1
    assert (ulps == 0).float().mean() > 0.98


# torch.optim


@every_more
@every_engine
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_twenty_steps(case: Case, engine: str, dtype: torch.dtype) -> None:
    params = parameters([(7, 5), (5,), (2, 3, 3, 2), (), (0,)], dtype)
    twins = copies(params)
    ours, theirs = case.ours(params, engine=engine), case.theirs(twins)
    for step in range(STEPS):
        for who, optimizer in ((params, ours), (twins, theirs)):
            set_gradients(who, step)
            optimizer.step()
        assert_close(params, twins, TOLERANCE[dtype], f"step {step + 1}")
    assert_same_training(ours, theirs, params, twins, TOLERANCE[dtype])


@every_more
@every_engine
def test_groups_late_parameters_and_changing_options(case: Case, engine: str) -> None:
    """Three groups with options of their own, parameters unfrozen late, a group added late, options changed."""
    others: dict[str, Any] = dict(lr=0.02, weight_decay=0.3, betas=(0.8, 0.95), eps=1e-5, rho=0.8, etas=(0.6, 1.1))
    later: dict[str, Any] = dict(lr=0.013, weight_decay=0.2, betas=(0.5, 0.6), eps=1e-3, momentum_decay=0.1)
    later |= dict(maximize=not case.hyper["maximize"], decoupled_weight_decay=True, step_sizes=(1e-3, 0.3))
    if case.cls.__name__ in LATE_IN_TORCH:
        del later["lr"]

    def known(options: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in options.items() if key in case.hyper}

    def run(make: Callable[..., Any], **extra: Any) -> tuple[Any, list[Parameter]]:
        params = parameters([(3, 4), 5, 6, (2, 2), 7, 8, 9], torch.float64)
        third = dict(params=params[4:5], maximize=not case.hyper["maximize"])
        optimizer = make([dict(params=params[:2]), dict(params=params[2:4], **known(others)), third], **extra)
        for step in range(STEPS):
            if step == 12:
                optimizer.add_param_group(dict(params=params[5:], lr=0.001))
            if 4 <= step < 4 + len(known(later)):
                key = list(known(later))[step - 4]
                optimizer.param_groups[0][key] = later[key]
            set_gradients(params, step, lambda t, i: t < {1: 6, 3: 9}.get(i, 0))
            optimizer.step()
        return optimizer, params

    (ours, params), (theirs, twins) = run(case.ours, engine=engine), run(case.theirs)
    assert_same_training(ours, theirs, params, twins, 1e-12)


@every_more
@every_engine
def test_tensor_lr(case: Case, engine: str) -> None:
    """Of any one-element shape, changed in place where torch follows at once."""
    for shape in ((), (1,), (1, 1)):
        params = parameters([(3, 4), 5], torch.float64)
        twins = copies(params)
        rates = [torch.full(shape, 0.01, dtype=torch.float64) for _ in range(2)]
        ours, theirs = case.ours(params, lr=rates[0], engine=engine), case.theirs(twins, lr=rates[1])
        for step in range(6):
            for optimizer, who, lr in ((ours, params, rates[0]), (theirs, twins, rates[1])):
                set_gradients(who, step)
                if case.cls.__name__ not in LATE_IN_TORCH:
                    lr.fill_(0.01 / (step + 1))
                optimizer.step()
        assert ours.param_groups[0]["lr"] is rates[0]
        assert_close(params, twins, 1e-12)


@every_more
def test_state_is_created_as_torch_creates_it(case: Case) -> None:
    for dtype in DTYPES:
        p, q = (Parameter(random((3, 4), dtype).t()) for _ in range(2))
        ours, theirs = case.ours([p], engine="eager"), case.theirs([q])
        for optimizer, x in ((ours, p), (theirs, q)):
            x.grad = torch.empty_like(x).copy_(random((4, 3), dtype, seed=1))
            optimizer.step()
        assert tuple(ours.state[p]) == tuple(theirs.state[q]) == case.state_keys
        for key, value in theirs.state[q].items():
            mine = ours.state[p][key]
            assert (mine.dtype, mine.shape, mine.stride()) == (value.dtype, value.shape, value.stride()), key


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@every_more
@every_engine
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.bfloat16], ids=str)
def test_checkpoints_both_ways(case: Case, engine: str, dtype: torch.dtype) -> None:
    """torch to ours goes on as torch does; ours to torch as from torch's own; ours to ours bit for bit.

    Not "as ours went on" for ours to torch: it casts ASGD's and NAdam's numbers to the parameter's dtype.
    """

    def after_five(make: Callable[..., Any]) -> tuple[Any, list[Parameter]]:
        params = parameters([(3, 4), 65, ()], dtype)
        optimizer = make([{"params": params[:1]}, {"params": params[1:], "lr": 0.02}])
        train(optimizer, params, 5)
        return optimizer, params

    def resumed(make: Callable[..., Any], old: Any, old_params: list[Parameter]) -> list[Tensor]:
        params = copies(old_params)
        optimizer = make([{"params": params[:1]}, {"params": params[1:], "lr": 0.02}])
        optimizer.load_state_dict(through_a_file(old.state_dict()))
        assert optimizer.state_dict()["param_groups"] == old.state_dict()["param_groups"]
        train(optimizer, params, range(5, 10))
        return [*params, *(optimizer.state[p][key] for p in params for key in case.rule.buffers)]

    def mine(params: Any) -> Any:
        return case.ours(params, engine=engine)

    ours, theirs = after_five(mine), after_five(case.theirs)
    from_ours, from_theirs = resumed(case.theirs, *ours), resumed(case.theirs, *theirs)
    again, taken_over = resumed(mine, *ours), resumed(mine, *theirs)
    for optimizer, params in (ours, theirs):
        train(optimizer, params, range(5, 10))
    went_on, torch_went_on = (
        [*ps, *(o.state[p][k] for p in ps for k in case.rule.buffers)] for o, ps in (ours, theirs)
    )
    assert_same_bits(again, went_on)
    if dtype in TOLERANCE:
        assert_close(from_ours, from_theirs, TOLERANCE[dtype], "ours to torch")
        assert_close(taken_over, torch_went_on, TOLERANCE[dtype], "torch to ours")


@richest_more
def test_old_checkpoints_with_plain_numbers(case: Case) -> None:
    """Of torch before 1.12: step, eta, mu and mu_product as Python numbers, and without the options added since."""
    params = parameters([3, 4])
    old = case.theirs(params)
    train(old, params, 3)
    state = copy.deepcopy(old.state_dict())
    for entry in state["state"].values():
        for key in ("step", *case.rule.memory):
            entry[key] = entry[key].item()
    for group in state["param_groups"]:
        for key in ("foreach", "differentiable", "capturable"):
            del group[key]
    resumed = copies(params)
    new = case.ours(resumed)
    new.load_state_dict(state)
    assert {k: v for k, v in new.param_groups[0].items() if k != "params"} == {
        k: v for k, v in old.param_groups[0].items() if k != "params"
    }
    train(old, params, range(3, 6))
    train(new, resumed, range(3, 6))
    assert_close(resumed, params, 1e-6)


@richest_more
def test_differentiable(case: Case) -> None:
    """Through three steps, to the start, to the gradients and to lr, against numerical differentiation.

    torch's Adamax and Rprop overwrite what autograd needs and fail after two; its Tensor lr fails in most classes.
    """

    def three_steps(start: Tensor, g: Tensor) -> Tensor:
        p = start.clone()
        optimizer = case.ours([p], differentiable=True)
        for step in range(3):
            p.grad = g * (1 + step)
            optimizer.step()
        return p

    start, g = (random(6, torch.float64, seed).requires_grad_() for seed in range(2))
    assert torch.autograd.gradcheck(three_steps, (start, g))


@every_more
def test_looks_like_torch(case: Case) -> None:
    """Signatures, defaults and group keys in torch's order; ours come after them and are keyword-only."""
    ours, theirs = case.ours(parameters([3, 4])), case.theirs(parameters([3, 4]))
    assert list(ours.defaults.items()) == list(theirs.defaults.items())
    assert [list(g) for g in ours.param_groups] == [list(g) for g in theirs.param_groups]
    assert len(ours.state) == len(theirs.state) == 0
    mine, wanted = (list(inspect.signature(cls).parameters.values()) for cls in (case.cls, case.torch_cls))
    assert [(p.name, p.default, p.kind) for p in mine[: len(wanted)]] == [(p.name, p.default, p.kind) for p in wanted]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in mine[len(wanted) :])
    for name in ("step", "state_dict", "load_state_dict", "add_param_group", "zero_grad"):
        mine, wanted = (list(inspect.signature(getattr(c, name)).parameters) for c in (case.cls, case.torch_cls))
        assert [parameter for parameter in mine if parameter != "format"] == wanted


@every_engine
@richest_more
def test_grad_scaler_skips_steps(case: Case, engine: str) -> None:
    """A step that overflows leaves parameters, state and counts as they are, the first one too."""
    params = parameters([(3, 4), 65])
    twins = copies(params)
    ours, theirs = case.ours(params, engine=engine), case.theirs(twins)
    scalers = [torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3) for _ in range(2)]
    for step in range(7):
        for optimizer, who, scaler in ((ours, params, scalers[0]), (theirs, twins, scalers[1])):
            set_gradients(who, step)
            factor = scaler.scale(torch.ones(()))
            for p in who:
                p.grad.mul_(factor)
            if step in (0, 3):
                who[-1].grad[3] = float("inf")
            scaler.step(optimizer)
            scaler.update()
    assert_same_training(ours, theirs, params, twins, 2e-6)


@every_engine
@richest_more
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_copies_go_on_alike(case: Case, engine: str, copied: Callable[[Any], Any]) -> None:
    params = parameters([(3, 4), 65])
    optimizer = case.ours(params, engine=engine)
    train(optimizer, params, 3)
    twin = copied(optimizer)
    twins = twin.param_groups[0]["params"]
    for who, other in ((optimizer, params), (twin, twins)):
        train(who, other, range(3, 6))
    assert_same_bits([*params, *buffers(optimizer, params)], [*twins, *buffers(twin, twins)])


@richest_more
def test_hints(case: Case) -> None:
    """foreach changes no number; capturable is refused on CPU, as torch does, before anything has moved."""
    reference = parameters([(3, 4), 5])
    train(case.ours(reference), reference, 3)
    for foreach in (True, False):
        params = parameters([(3, 4), 5])
        train(case.ours(params, foreach=foreach), params, 3)
        assert_same_bits(params, reference)
    params = parameters([3, 4])
    optimizer = case.ours(params, capturable=True)
    set_gradients(params, 0)
    before = snapshot(optimizer)
    with pytest.raises(AssertionError, match=r"If capturable=True, params.* must be on supported devices: \["):
        optimizer.step()
    assert_unchanged(optimizer, before)


def test_rules_are_exported() -> None:
    for case in MORE:
        assert getattr(rules, case.cls.__name__.upper()) is case.rule is case.cls.rule
