"""Hyperparameters that are schedules: the same numbers as setting each value by hand, before each step.

What this file compares is exact: rates are the very floats that the schedule returns, parameters and state are the
same to the bit, whatever interrupts the training.
"""

import copy
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    RICHEST,
    Case,
    assert_same_bits,
    buffers,
    copies,
    every_engine,
    parameters,
    set_gradients,
    snapshot,
    train,
)
from cases_more import MORE
from torch import Tensor

import descend
from descend.schedules import Constant, Cosine, CosineRestarts, Exponential, Function, Linear, Schedule, Step

SHAPES = [(5, 3), (7,), (2, 2, 3)]
MATRICES = [(5, 3), (4, 4)]
N = 12
RATE = Cosine(0.05, 0.001, steps=7).warmup(3)
DECAY = Linear(0.1, 0.02, steps=9)

# For every class, schedules for whatever it has that is a number; a pair of betas may hold one.
EVERY: dict[str, dict[str, Any]] = {
    "SGD": dict(lr=RATE, momentum=Linear(0.5, 0.9, 9), dampening=Linear(0.3, 0.0, 5), weight_decay=DECAY),
    "Adam": dict(lr=RATE, betas=(Linear(0.8, 0.9, 9), 0.999), eps=Exponential(1e-4, 0.5), weight_decay=DECAY),
    "AdamW": dict(lr=RATE, betas=(0.9, Linear(0.9, 0.99, 9)), weight_decay=DECAY),
    "Adagrad": dict(lr=RATE, lr_decay=Linear(0.0, 0.1, 5), weight_decay=DECAY, initial_accumulator_value=Constant(0.1)),
    "RMSprop": dict(lr=RATE, alpha=Linear(0.9, 0.99, 9), momentum=Linear(0.5, 0.9, 9), weight_decay=DECAY),
    "Adadelta": dict(lr=RATE, rho=Linear(0.8, 0.95, 9), weight_decay=DECAY),
    "Adamax": dict(lr=RATE, betas=(Linear(0.8, 0.9, 9), Constant(0.999)), weight_decay=DECAY),
    "ASGD": dict(lr=RATE, lambd=Linear(1e-4, 1e-2, 9), alpha=Linear(0.7, 0.8, 5), weight_decay=DECAY),
    "NAdam": dict(lr=RATE, betas=[Linear(0.8, 0.9, 9), 0.999], momentum_decay=Linear(1e-3, 1e-2, 9)),
    "RAdam": dict(lr=RATE, betas=(Linear(0.8, 0.9, 9), 0.999), weight_decay=DECAY),
    "Rprop": dict(lr=RATE, etas=(Linear(0.4, 0.5, 5), 1.2)),
    "Adafactor": dict(lr=RATE, beta2_decay=Linear(-0.9, -0.7, 9), d=Linear(1.0, 2.0, 5), weight_decay=DECAY),
    "Muon": dict(lr=RATE, momentum=Linear(0.85, 0.95, 9), weight_decay=DECAY),
    "SparseAdam": dict(lr=RATE, betas=(Linear(0.8, 0.9, 9), 0.999), eps=Step(1e-4, 3)),
}
every_class = pytest.mark.parametrize("name", EVERY)


def at(option: Any, step: int) -> Any:
    if isinstance(option, (tuple, list)):
        return tuple(o(step) if isinstance(o, Schedule) else o for o in option)
    return option(step) if isinstance(option, Schedule) else option


def params_for(name: str, seed: int = 0) -> list[Any]:
    return parameters(MATRICES if name in ("Muon", "SparseAdam") else SHAPES, seed=seed)


def make(name: str, params: Any, **more: Any) -> Any:
    return getattr(descend, name)(params, **{**EVERY[name], **more})


def steps(optimizer: Any, params: list[Any], which: range) -> None:
    for step in which:
        set_gradients(params, step)
        if isinstance(optimizer, descend.SparseAdam):
            for p in params:
                p.grad = p.grad.to_sparse(1)
        optimizer.step()


def expected(name: str, start: list[Any], n: int = N, **more: Any) -> tuple[list[Any], Any]:
    """Trained with every value set by hand before each step."""
    params, options = copies(start), EVERY[name]
    optimizer = getattr(descend, name)(params, **{key: at(option, 0) for key, option in options.items()}, **more)
    for step in range(n):
        optimizer.param_groups[0].update({key: at(option, step) for key, option in options.items()})
        steps(optimizer, params, range(step, step + 1))
    return params, optimizer


def assert_unchanged(optimizer: Any, before: tuple[list[Tensor], list[dict[Any, Any]], list[dict[str, Any]]]) -> None:
    """Parameters and state are what they were, to the bit; SparseAdam's step counts are integers."""
    now = snapshot(optimizer)
    assert_same_bits(now[0], before[0], "parameter")
    for state, was in zip(now[1], before[1], strict=True):
        assert list(state) == list(was)
        tensors = [key for key in was if isinstance(was[key], Tensor)]
        assert_same_bits([state[key] for key in tensors], [was[key] for key in tensors], f"state {tensors}")
        assert all(state[key] == was[key] for key in was if key not in tensors)


def test_every_optimizer_is_here() -> None:
    classes = [getattr(descend, name) for name in descend.__all__]
    names = {c.__name__ for c in classes if isinstance(c, type) and issubclass(c, descend.Optimizer)}
    assert names - {"Optimizer", "LBFGS"} == set(EVERY), "LBFGS: see test_scheduled_groups.py"


@every_class
@pytest.mark.parametrize("engine", ["auto", "eager"])
def test_the_same_as_values_set_by_hand(name: str, engine: str) -> None:
    start = params_for(name)
    by_hand, other = expected(name, start, engine=engine)
    params = copies(start)
    optimizer = make(name, params, engine=engine)
    group = optimizer.param_groups[0]
    for step in range(N):
        for key, option in EVERY[name].items():
            assert group[key] == at(option, step), f"{key} at step {step}"
            assert all(type(v) is float for v in (group[key] if isinstance(group[key], tuple) else [group[key]]))
        assert group["schedule_step"] == step
        steps(optimizer, params, range(step, step + 1))
    assert_same_bits(params, by_hand, name)
    tensors = [[v for v in buffers(o, p) if isinstance(v, Tensor)] for o, p in ((optimizer, params), (other, by_hand))]
    assert_same_bits(*tensors, f"{name} state")


@pytest.mark.parametrize("case", [*CASES, *MORE], ids=str)
def test_every_case_with_a_scheduled_rate(case: Case) -> None:
    params, twins = parameters(SHAPES), parameters(SHAPES)
    ours, by_hand = case.ours(params, lr=RATE), case.ours(twins, lr=0.5)
    for step in range(N):
        by_hand.param_groups[0]["lr"] = RATE(step)
        train(ours, params, range(step, step + 1))
        train(by_hand, twins, range(step, step + 1))
    assert_same_bits(params, twins, str(case))


# ------------------------------------------------------------------------------------------------------------- resume


@every_class
@pytest.mark.parametrize("at_step", [0, 1, 6])
@pytest.mark.parametrize("how", ["state_dict", "weights_only", "pickle", "deepcopy", "loaded_after_steps"])
def test_resumes_exactly(name: str, at_step: int, how: str) -> None:
    """Interrupted before the first step, after one, in the middle; also loading into an optimizer that has run."""
    start = params_for(name)
    whole = copies(start)
    optimizer = make(name, whole)
    steps(optimizer, whole, range(N))

    params = copies(start)
    first = make(name, params)
    steps(first, params, range(at_step))
    if how in ("pickle", "deepcopy"):
        pair = (first, params)
        second, again = pickle.loads(pickle.dumps(pair)) if how == "pickle" else copy.deepcopy(pair)
    else:
        again = copies(params)
        second = make(name, again)
        if how == "loaded_after_steps":
            steps(second, again, range(20, 24))
            with torch.no_grad():
                for p, q in zip(again, params, strict=True):
                    p.copy_(q)
        saved = first.state_dict()
        if how == "weights_only":
            file = io.BytesIO()
            torch.save(saved, file)
            file.seek(0)
            saved = torch.load(file, weights_only=True)
        second.load_state_dict(copy.deepcopy(saved))
    assert second.param_groups[0]["schedule_step"] == at_step
    assert second.param_groups[0]["lr"] == RATE(at_step)
    steps(second, again, range(at_step, N))
    assert_same_bits(again, whole, f"{name} {how} {at_step}")
    assert second.param_groups[0]["schedule_step"] == N


@pytest.mark.parametrize("case", RICHEST, ids=str)
def test_checkpoints_hold_plain_numbers_and_load_in_torch(case: Case) -> None:
    params, twins = parameters(SHAPES), parameters(SHAPES)
    ours = case.ours(params, lr=RATE, weight_decay=DECAY)
    train(ours, params, 5)
    saved = ours.state_dict()
    (group,) = saved["param_groups"]
    assert {type(v) for v in group.values()} <= {float, int, bool, type(None), tuple, list}
    theirs = case.theirs(twins)
    theirs.load_state_dict(saved)
    assert theirs.param_groups[0]["lr"] == RATE(5) and theirs.param_groups[0]["weight_decay"] == DECAY(5)
    unscheduled = case.ours(copies(params))
    unscheduled.load_state_dict(saved)
    assert "schedule_step" not in unscheduled.param_groups[0] and unscheduled.param_groups[0]["lr"] == RATE(5)


def test_a_checkpoint_of_torch_is_continued_from_the_steps_in_its_state() -> None:
    params, twins = parameters(SHAPES), parameters(SHAPES)
    theirs = torch.optim.Adam(params)
    train(theirs, params, 5)
    ours = descend.Adam(twins, lr=RATE)
    ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["schedule_step"] == 5 and ours.param_groups[0]["lr"] == RATE(5)
    train(ours, twins, range(5, 6))
    assert ours.param_groups[0]["lr"] == RATE(6)
    fresh = descend.Adam(twins, lr=RATE)
    fresh.load_state_dict(torch.optim.Adam(params).state_dict())
    assert fresh.param_groups[0]["schedule_step"] == 0


def test_a_checkpoint_without_any_count_warns() -> None:
    params = parameters(SHAPES)
    theirs = torch.optim.SGD(params, momentum=0.9)
    train(theirs, params, 5)
    ours = descend.SGD(parameters(SHAPES), lr=RATE, momentum=0.9)
    with pytest.warns(UserWarning, match="SGD does not count them: schedules begin at step 0.*'schedule_step'"):
        ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["schedule_step"] == 0
    saved = theirs.state_dict()
    saved["param_groups"][0]["schedule_step"] = 5
    ours.load_state_dict(saved)
    assert ours.param_groups[0]["lr"] == RATE(5)


@pytest.mark.parametrize("bad", [-1, 2.5, "5", None, True])
def test_a_bad_count_is_refused_and_nothing_changes(bad: Any) -> None:
    params = parameters(SHAPES)
    ours = descend.Adam(params, lr=RATE)
    train(ours, params, 3)
    saved, before = copy.deepcopy(ours.state_dict()), snapshot(ours)
    saved["param_groups"][0]["schedule_step"] = bad
    with pytest.raises(ValueError, match=r"Invalid schedule_step: .*must be an integer >= 0"):
        ours.load_state_dict(saved)
    assert_unchanged(ours, before)
    assert ours.param_groups[0]["schedule_step"] == 3


def test_a_checkpoint_at_a_step_without_a_value_is_refused() -> None:
    params = parameters(SHAPES)
    ours = descend.Adam(params, lr=Linear(0.1, -0.1, 10))
    train(ours, params, 2)
    saved, before = copy.deepcopy(ours.state_dict()), snapshot(ours)
    saved["param_groups"][0]["schedule_step"] = 8
    with pytest.raises(ValueError, match=r"Invalid learning rate: -0.06.*: lr is Linear\(.*\) at step 8"):
        ours.load_state_dict(saved)
    assert_unchanged(ours, before)
    train(ours, params, 1)


def test_the_schedule_of_the_code_wins_over_the_checkpoint() -> None:
    """Extending a run: another schedule goes on at the step of the checkpoint."""
    params = parameters(SHAPES)
    ours = descend.SGD(params, lr=Linear(0.1, 0.0, 10), weight_decay=0.01)
    train(ours, params, 8)
    longer = descend.SGD(params, lr=Linear(0.1, 0.0, 100), weight_decay=0.5)
    longer.load_state_dict(ours.state_dict())
    assert longer.param_groups[0]["lr"] == Linear(0.1, 0.0, 100)(8)
    assert longer.param_groups[0]["weight_decay"] == 0.01


# ------------------------------------------------------------------------------------------- which steps are counted


@every_engine
@pytest.mark.parametrize("fused", [False, True])
def test_a_step_skipped_by_grad_scaler_does_not_count(engine: str, fused: bool) -> None:
    """Both protocols: the scaler leaves the step out, or (fused=True) tells the optimizer to."""
    params, twins = parameters(SHAPES), parameters(SHAPES)
    ours = descend.Adam(params, lr=RATE, fused=fused, engine=engine)
    plain = descend.Adam(twins, lr=RATE, engine=engine)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    done = 0
    for attempt in range(10):
        overflow = attempt in (0, 3, 4)
        set_gradients(params, done)
        for p in params:
            p.grad = p.grad * scaler.get_scale() * (math.inf if overflow else 1.0)
            scaler.scale(p.sum())  # as in training: the scaler has seen a loss
        scaler.step(ours)
        scaler.update()
        done += not overflow
        assert ours.param_groups[0]["schedule_step"] == done
        assert ours.param_groups[0]["lr"] == RATE(done)
    train(plain, twins, done)
    assert_same_bits(params, twins)


@pytest.mark.parametrize("name", ["AdamW", "Muon"])
def test_a_step_left_out_because_of_nan_does_not_count(name: str) -> None:
    params = params_for(name)
    ours = make(name, params, nonfinite="skip")
    for good in range(4):
        steps(ours, params, range(good, good + 1))
        params[0].grad.fill_(math.nan)
        ours.step()
        assert ours.skipped_steps == good + 1
        assert ours.param_groups[0]["schedule_step"] == good + 1 and ours.param_groups[0]["lr"] == RATE(good + 1)


@pytest.mark.parametrize("name", ["AdamW", "Muon", "Adafactor", "Rprop"])
def test_a_step_that_raises_does_not_count(name: str) -> None:
    params = params_for(name)
    ours = make(name, params, nonfinite="raise")
    steps(ours, params, range(2))

    def refused(match: str, closure: Any = None) -> None:
        before = snapshot(ours)
        with pytest.raises((RuntimeError, ZeroDivisionError), match=match):
            ours.step(closure)
        assert_unchanged(ours, before)
        assert ours.param_groups[0]["schedule_step"] == 2 and ours.param_groups[0]["lr"] == RATE(2)

    refused("division", lambda: 1 / 0)
    params[0].grad.fill_(math.nan)
    refused("nan|NaN|finite")
    params[0].grad = torch.ones_like(params[0]).to_sparse()
    refused("sparse")
    steps(ours, params, range(2, 3))
    assert ours.param_groups[0]["schedule_step"] == 3


def test_a_step_without_gradients_does_not_count() -> None:
    params = parameters(SHAPES)
    ours = descend.Adam(params, lr=RATE)
    ours.step()
    train(ours, params, 1)
    ours.zero_grad()
    ours.step()
    assert ours.param_groups[0]["schedule_step"] == 1 and int(ours.state[params[0]]["step"]) == 1


def test_a_step_that_only_makes_state_does_not_count() -> None:
    """torch.distributed.checkpoint sets gradients and rates to 0, steps, and puts them back."""
    params, twins = parameters(SHAPES), parameters(SHAPES)
    ours, plain = descend.Adam(params, lr=RATE), descend.Adam(twins, lr=RATE)
    group = ours.param_groups[0]
    for p in params:
        p.grad = torch.zeros_like(p)
    rate, group["lr"] = group["lr"], 0.0
    ours.step()
    group["lr"] = rate
    assert group["schedule_step"] == 0 and ours.state[params[0]]
    train(ours, params, 4)
    train(plain, twins, 4)
    assert_same_bits(params, twins)


# -------------------------------------------------------------------------------------- what is not silently accepted


@pytest.mark.parametrize("name", ["AdamW", "SGD", "Rprop", "Muon", "SparseAdam"])
def test_a_value_set_by_hand_is_refused(name: str) -> None:
    params = params_for(name)
    ours = make(name, params)
    steps(ours, params, range(2))
    kept = ours.param_groups[0]["lr"]
    ours.param_groups[0]["lr"] = 0.5
    before = snapshot(ours)
    with pytest.raises(ValueError, match=r"parameter group 0: lr was set to 0.5, by hand .* follows Cosine\(.* step 2"):
        steps(ours, params, range(2, 3))
    assert_unchanged(ours, before)
    ours.param_groups[0]["lr"] = kept
    steps(ours, params, range(2, 3))
    assert ours.param_groups[0]["lr"] == RATE(3)


def test_a_scheduler_of_torch_on_a_scheduled_rate_is_refused() -> None:
    params = parameters(SHAPES)
    ours = descend.Adam(params, lr=RATE)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(ours, 0.5)
    train(ours, params, 1)
    scheduler.step()
    with pytest.raises(ValueError, match="by hand or by an lr_scheduler"):
        ours.step()


def test_a_scheduler_of_torch_on_what_is_not_scheduled() -> None:
    params = parameters(SHAPES)
    ours = descend.Adam(params, lr=0.1, weight_decay=DECAY)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(ours, 0.5)
    for step in range(3):
        assert ours.param_groups[0]["lr"] == 0.1 * 0.5**step and ours.param_groups[0]["weight_decay"] == DECAY(step)
        train(ours, params, 1)
        scheduler.step()


def test_a_schedule_put_into_a_group_is_refused() -> None:
    params = parameters(SHAPES)
    for ours in (descend.SGD(params, lr=0.1), descend.SGD(params, lr=0.1, weight_decay=DECAY)):
        train(ours, params, 2)
        ours.param_groups[0]["lr"] = RATE
        before = snapshot(ours)
        with pytest.raises(TypeError, match="Schedules are given to the constructor or to add_param_group"):
            ours.step()
        assert_unchanged(ours, before)


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: dict(lr=Constant(-1)), ValueError, r"learning rate: -1.0 .*: lr is Constant\(value=-1.0\) at step 0"),
    (lambda: dict(lr=Function(lambda step: math.nan)), ValueError, "Invalid learning rate: nan .*: lr is Function"),
    (lambda: dict(betas=(Constant(1.0), 0.9)), ValueError, r"parameter at index 0: 1.0 .*: betas is \(Constant"),
    (lambda: dict(betas=(Constant(0.9),)), ValueError, "Invalid betas"),
    (lambda: dict(lr=Function(lambda step: 1 / step)), ValueError, "lr = Function.*at step 0: ZeroDivisionError"),
    (lambda: dict(lr=lambda step: 0.1), TypeError, r"got function: wrap it in descend.schedules.Function\)"),
    (lambda: dict(amsgrad=Constant(1)), TypeError, r"amsgrad cannot be a schedule, got Constant\(value=1.0\)"),
    (lambda: dict(foreach=Constant(1)), TypeError, "foreach cannot be a schedule"),
    (lambda: dict(nonfinite=Constant(1)), TypeError, "nonfinite cannot be a schedule"),
    (lambda: dict(clip_grad_norm=Constant(-1)), ValueError, "clip_grad_norm: -1.0.*: clip_grad_norm is Constant"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=[message[:30] for _, _, message in BAD])
@pytest.mark.parametrize("per_group", [False, True])
def test_bad_schedules_are_refused_at_construction(
    options: Callable[[], dict[str, Any]], error: type[Exception], message: str, per_group: bool
) -> None:
    with pytest.raises(error, match=message):
        if per_group:
            descend.Adam([{"params": parameters(SHAPES), **options()}])
        else:
            descend.Adam(parameters(SHAPES), **options())


@every_class
def test_a_bad_value_later_is_refused_before_anything_changes(name: str) -> None:
    params = params_for(name)
    optimizer = make(name, params, lr=Linear(0.1, -0.1, 4))
    steps(optimizer, params, range(3))
    before = snapshot(optimizer)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"-0.05.*: lr is Linear\(start=0.1, end=-0.1, steps=4\) at step 3"):
            steps(optimizer, params, range(3, 4))
        assert_unchanged(optimizer, before)
        assert optimizer.param_groups[0]["schedule_step"] == 3


def test_a_schedule_that_raises_is_refused_at_the_step_that_needs_it() -> None:
    """Not before: a list of rates, one for each step, is enough for as many steps."""
    rates, params = [0.1, 0.2, 0.3], parameters(SHAPES)
    ours = descend.SGD(params, lr=Function(lambda step: rates[int(step)]), momentum=Linear(0.5, 0.9, 3))
    train(ours, params, 3)
    before = snapshot(ours)
    with pytest.raises(ValueError, match=r"lr = Function\(.*\) cannot be evaluated at step 3: IndexError"):
        ours.step()
    assert_unchanged(ours, before)
    rates.append(0.4)
    train(ours, params, 1)
    assert ours.param_groups[0]["schedule_step"] == 4


def test_a_rate_that_is_a_tensor_stays_one() -> None:
    params = parameters(SHAPES)
    ours = descend.Adam(params, lr=torch.tensor(0.1), weight_decay=DECAY)
    train(ours, params, 2)
    assert isinstance(ours.param_groups[0]["lr"], Tensor)


def test_restarts_in_a_group() -> None:
    params = parameters(SHAPES)
    ours = descend.SGD([{"params": params, "lr": CosineRestarts(0.1, 0.0, 3)}])
    seen = []
    for _ in range(7):
        seen.append(ours.param_groups[0]["lr"])
        train(ours, params, 1)
    assert seen[0] == seen[3] == seen[6] == 0.1 and seen[1] == seen[4]
