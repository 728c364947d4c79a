"""Bad arguments are refused at construction: the message names the argument, its value and what is allowed."""

import re
from typing import Any

import pytest
import torch
from lr_scheduler_cases import lrs, optimizer
from torch.optim import lr_scheduler as theirs

import descend as optim
from descend import lr_scheduler as ours

NAN, INF = float("nan"), float("inf")

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("StepLR", {"step_size": 0}, "Invalid step_size of StepLR: 0 (step_size must be a whole number >= 1)"),
    ("StepLR", {"step_size": 2.5}, "Invalid step_size of StepLR: 2.5"),
    ("StepLR", {"step_size": 3, "gamma": -0.1}, "Invalid gamma of StepLR: -0.1 (gamma must be a finite number >= 0)"),
    ("StepLR", {"step_size": 3, "last_epoch": -2}, "Invalid last_epoch: -2"),
    ("MultiStepLR", {"milestones": [3, -1]}, "Invalid milestones[1] of MultiStepLR: -1 (milestones must be"),
    ("MultiStepLR", {"milestones": [3], "gamma": NAN}, "Invalid gamma of MultiStepLR: nan"),
    ("ConstantLR", {"factor": 1.5}, "expected to be between 0 and 1. Invalid factor of ConstantLR: 1.5"),
    ("ConstantLR", {"factor": NAN}, "Invalid factor of ConstantLR: nan (factor must be in [0, 1])"),
    ("ConstantLR", {"total_iters": -1}, "Invalid total_iters of ConstantLR: -1"),
    ("LinearLR", {"start_factor": 0.0}, "less or equal to 1. Invalid start_factor of LinearLR: 0.0"),
    ("LinearLR", {"end_factor": 1.1}, "Invalid end_factor of LinearLR: 1.1 (end_factor must be in [0, 1])"),
    ("LinearLR", {"total_iters": NAN}, "Invalid total_iters of LinearLR: nan"),
    ("ExponentialLR", {"gamma": INF}, "Invalid gamma of ExponentialLR: inf"),
    ("PolynomialLR", {"total_iters": 0}, "Invalid total_iters of PolynomialLR: 0 (total_iters must be"),
    ("PolynomialLR", {"power": -1.0}, "Invalid power of PolynomialLR: -1.0"),
    ("CosineAnnealingLR", {"T_max": 0}, "Invalid T_max of CosineAnnealingLR: 0 (T_max must be a number > 0)"),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": NAN}, "Invalid eta_min of CosineAnnealingLR: nan"),
    ("CosineAnnealingWarmRestarts", {"T_0": 0}, "Expected positive integer T_0, but got 0. Invalid T_0"),
    ("CosineAnnealingWarmRestarts", {"T_0": 1.5}, "Expected positive integer T_0, but got 1.5."),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 0}, "Expected integer T_mult >= 1, but got 0."),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "eta_min": "0"}, "Expected float or int eta_min, but got 0 of type"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [1, 2]}, "max_lr must have the same length as optimizer.param_groups."),
    ("CyclicLR", {"base_lr": -0.1, "max_lr": 1}, "Invalid base_lr[0] of CyclicLR: -0.1"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "mode": "x"}, "mode is invalid and scale_fn is None. Invalid mode"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "scale_mode": "x"}, "Invalid scale_mode of CyclicLR: 'x'"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "step_size_down": 0}, "Invalid step_size_down of CyclicLR: 0"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "max_momentum": 1.0}, "Invalid max_momentum[0] of CyclicLR: 1.0"),
    ("OneCycleLR", {"max_lr": 1.0}, "You must define either total_steps OR (epochs AND steps_per_epoch)"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 0}, "Expected positive integer total_steps, but got 0."),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 1, "steps_per_epoch": 1.5}, "Expected positive integer steps_per_epoch"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "pct_start": 1.1}, "Expected float between 0 and 1 pct_start"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "pct_start": 0.6, "three_phase": True}, "in [0, 0.5] with three"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "anneal_strategy": "x"}, "anneal_strategy must be one of 'cos'"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "div_factor": 0}, "Invalid div_factor of OneCycleLR: 0"),
    ("ReduceLROnPlateau", {"factor": 1.0}, "Factor should be < 1.0. Invalid factor of ReduceLROnPlateau: 1.0"),
    ("ReduceLROnPlateau", {"factor": -1}, "Invalid factor of ReduceLROnPlateau: -1 (factor must be in [0, 1))"),
    ("ReduceLROnPlateau", {"patience": -1}, "Invalid patience of ReduceLROnPlateau: -1"),
    ("ReduceLROnPlateau", {"mode": "x"}, "mode x is unknown! Invalid mode of ReduceLROnPlateau: 'x'"),
    ("ReduceLROnPlateau", {"threshold_mode": "x"}, "threshold mode x is unknown!"),
    ("ReduceLROnPlateau", {"min_lr": [0, 0]}, "expected 1 min_lrs, got 2"),
    ("ReduceLROnPlateau", {"min_lr": -1}, "Invalid min_lr[0] of ReduceLROnPlateau: -1"),
    ("LambdaLR", {"lr_lambda": [abs, abs]}, "Expected 1 lr_lambdas, but got 2"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), BAD, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(BAD)])
def test_bad_arguments(name: str, arguments: dict[str, Any], message: str) -> None:
    opt = optimizer()
    before = {key: value for key, value in opt.param_groups[0].items() if key != "params"}
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(ours, name)(opt, **arguments)
    after = {key: value for key, value in opt.param_groups[0].items() if key != "params"}
    assert {key: after[key] for key in before} == before, "a refused construction changes no option"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StepLR", {"step_size": "3"}),
        ("LambdaLR", {"lr_lambda": 0.5}),
        ("MultiplicativeLR", {"lr_lambda": 0.5}),
        ("ExponentialLR", {"gamma": None}),
        ("MultiStepLR", {"milestones": "ab"}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1, "scale_fn": 3}),
    ],
)
def test_wrong_types(name: str, arguments: dict[str, Any]) -> None:
    (argument,) = list(arguments)[-1:]
    with pytest.raises(TypeError, match=argument):
        getattr(ours, name)(optimizer(), **arguments)


@pytest.mark.parametrize("name", [name for name in ours.__all__ if name not in ("ChainedScheduler", "LRScheduler")])
def test_not_an_optimizer(name: str) -> None:
    arguments = {
        "LambdaLR": [abs],
        "MultiplicativeLR": [abs],
        "StepLR": [3],
        "MultiStepLR": [[3]],
        "ExponentialLR": [0.9],
        "CosineAnnealingLR": [5],
        "CosineAnnealingWarmRestarts": [5],
        "CyclicLR": [0.1, 0.2],
        "OneCycleLR": [0.1, 5],
        "SequentialLR": [[ours.StepLR(optimizer(), 3)], []],
    }
    with pytest.raises(TypeError, match="list is not an Optimizer"):
        getattr(ours, name)([], *arguments.get(name, []))


def test_composites_refuse_what_does_not_fit() -> None:
    opt = optimizer()
    parts = [ours.StepLR(opt, 3), ours.ExponentialLR(opt, 0.9)]
    for milestones, message in (([], "one more than the number of milestone"), ([-1], "Invalid milestones[0]")):
        with pytest.raises(ValueError, match=re.escape(message)):
            ours.SequentialLR(opt, parts, milestones)
    with pytest.raises(ValueError, match=r"Invalid milestones of SequentialLR: \[5, 3\] .* in increasing order"):
        ours.SequentialLR(opt, [*parts, parts[0]], [5, 3])
    for build in (lambda s: ours.SequentialLR(opt, s, [3][: len(s) - 1]), ours.ChainedScheduler):
        with pytest.raises(ValueError, match="expects at least one scheduler"):
            build([])
        with pytest.raises(ValueError, match="all schedulers to belong to the same optimizer"):
            build([parts[0], ours.StepLR(optimizer(), 3)])
        with pytest.raises(TypeError, match="at index 1 should have `optimizer` as its attribute"):
            build([parts[0], 3])


def test_resuming_without_initial_rates_and_cycling_what_is_not_there() -> None:
    with pytest.raises(KeyError, match=r"param 'initial_lr' is not specified in param_groups\[0\]"):
        ours.StepLR(optimizer(), 3, last_epoch=5)
    for build in (lambda o: ours.OneCycleLR(o, 1.0, 9), lambda o: ours.CyclicLR(o, 0.1, 1.0)):
        with pytest.raises(ValueError, match="must support momentum or beta1 with `cycle_momentum` option enabled"):
            build(optim.Adagrad([torch.nn.Parameter(torch.ones(1))]))


def test_a_negative_epoch_is_refused_and_changes_nothing() -> None:
    """#168223: torch's PolynomialLR goes above its base rate."""
    scheduler = ours.PolynomialLR(optimizer(), 5)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="Expected non-negative epoch, but got -3"):
        scheduler.step(-3)
    assert (scheduler.last_epoch, scheduler._step_count, lrs(scheduler.optimizer)) == (0, 1, [0.1])
    reference = theirs.PolynomialLR(optimizer(torch.optim), 5)
    with pytest.warns(UserWarning):
        reference.step(-3)
    assert lrs(reference.optimizer)[0] > 0.1
