"""What torch's schedulers get wrong: each test shows torch at fault, and ours right.

`C1` to `C8` are the groups of known faults: resuming, composites, added groups, metrics, the one cycle, phases of no
length, false warnings and drift. `#1234` is an issue of pytorch/pytorch.
"""

import copy
import math
import warnings
from functools import partial
from typing import Any

import pytest
import torch
from lr_scheduler_cases import inverse, lrs, optimizer, shrinking
from torch.optim import lr_scheduler as theirs

import descend as optim
from descend import lr_scheduler as ours


def rates(scheduler: Any, steps: int, metrics: bool = False) -> list[float]:
    """The first group's rate of so many epochs."""
    found = []
    for _ in range(steps):
        found.append(lrs(scheduler.optimizer)[0])
        scheduler.optimizer.step()
        scheduler.step(*([1.0] if metrics else []))
    return found


# C1: resuming


@pytest.mark.parametrize(
    "build",
    [
        lambda m, o: m.LinearLR(o, 0.1, total_iters=20),
        lambda m, o: m.ConstantLR(o, 0.5, 20),
        lambda m, o: m.SequentialLR(o, [m.LinearLR(o, 0.1, total_iters=5), m.ExponentialLR(o, 0.9)], [5]),
    ],
    ids=["LinearLR", "ConstantLR", "SequentialLR"],
)
def test_c1_scheduler_built_on_a_loaded_optimizer(build: Any) -> None:
    """#60265, #119168: load the optimizer, build the scheduler, load the scheduler."""

    def resumed(module: Any) -> tuple[list[float], list[float]]:
        opt = optimizer()
        scheduler = build(module, opt)
        rates(scheduler, 8)
        states, expected = copy.deepcopy((opt.state_dict(), scheduler.state_dict())), lrs(opt)
        opt = optimizer()
        opt.load_state_dict(states[0])
        build(module, opt).load_state_dict(states[1])
        return lrs(opt), expected

    found, expected = resumed(theirs)
    assert found != pytest.approx(expected, rel=0.1)
    found, expected = resumed(ours)
    assert found == expected


def test_c1_scheduler_loaded_alone() -> None:
    """#65342: what get_last_lr() says is what the optimizer uses."""
    for module, right in ((theirs, False), (ours, True)):
        scheduler = module.ExponentialLR(optimizer(lr=1.0), 0.1)
        rates(scheduler, 3)
        resumed = module.ExponentialLR(optimizer(lr=1.0), 0.1)
        resumed.load_state_dict(scheduler.state_dict())
        assert (lrs(resumed.optimizer) == resumed.get_last_lr()) == right


# C2: composites


def nested(m: Any, o: Any) -> Any:
    inner = m.SequentialLR(o, [m.ConstantLR(o, 0.5, 99), m.ExponentialLR(o, 0.5)], [2])
    return m.SequentialLR(o, [m.LinearLR(o, 0.5, total_iters=2), inner], [3])


def chained_second(m: Any, o: Any) -> Any:
    inner = m.ChainedScheduler([m.ConstantLR(o, 0.5, 2), m.ExponentialLR(o, 0.5)])
    return m.SequentialLR(o, [m.LinearLR(o, 0.5, total_iters=2), inner], [3])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (nested, [0.5, 0.75, 1, 0.5, 0.5, 1, 0.5, 0.25]),
        (chained_second, [0.5, 0.75, 1, 0.5, 0.25, 0.25, 0.125, 0.0625]),
    ],
    ids=["SequentialLR", "ChainedScheduler"],
)
def test_c2_composites_inside_a_sequence(build: Any, expected: list[float]) -> None:
    with pytest.raises(NotImplementedError):
        rates(build(theirs, optimizer(lr=1.0)), 8)
    assert rates(build(ours, optimizer(lr=1.0)), 8) == expected


def test_c2_every_phase_starts_at_the_base_rate() -> None:
    def build(m: Any) -> Any:
        opt = optimizer(lr=1.0)
        return m.SequentialLR(opt, [m.ExponentialLR(opt, 0.5), m.MultiplicativeLR(opt, lambda k: 0.9)], [3])

    assert rates(build(theirs), 5)[3] == pytest.approx(0.25 * 0.9)
    assert rates(build(ours), 5) == pytest.approx([1, 0.5, 0.25, 1, 0.9])


def test_c2_building_a_one_cycle_for_later_does_not_change_the_warm_up() -> None:
    def build(m: Any) -> Any:
        opt = optimizer(lr=1.0)
        warmup = m.LinearLR(opt, 0.5, total_iters=4)
        return m.SequentialLR(opt, [warmup, m.OneCycleLR(opt, 0.25, 10)], [4])

    assert rates(build(theirs), 1) == pytest.approx([0.5 * 0.01])
    scheduler = build(ours)
    assert scheduler.optimizer.param_groups[0]["momentum"] == 0.9, "the cycle has not begun"
    assert rates(scheduler, 5) == pytest.approx([0.5, 0.625, 0.75, 0.875, 0.01])
    assert scheduler.optimizer.param_groups[0]["momentum"] < 0.95


@pytest.mark.parametrize("composite", ["SequentialLR", "ChainedScheduler"])
def test_c2_plateau_inside(composite: str) -> None:
    """#68978, #110761."""

    def build(m: Any) -> Any:
        opt = optimizer(lr=1.0)
        parts = [m.ConstantLR(opt, 0.5, 2), m.ReduceLROnPlateau(opt, patience=0, factor=0.5)]
        return m.SequentialLR(opt, parts, [2]) if composite == "SequentialLR" else m.ChainedScheduler(parts)

    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        build(theirs)
    scheduler = build(ours)
    expected = [0.5, 0.5, 1, 1, 0.5, 0.25] if composite == "SequentialLR" else [0.5, 0.5, 0.5, 0.25, 0.125, 0.0625]
    assert rates(scheduler, 6, metrics=True) == expected
    before = copy.deepcopy(scheduler.state_dict())
    with pytest.raises(TypeError, match="needs metrics"):
        scheduler.step()
    assert scheduler.state_dict() == before


def test_c2_a_factor_of_0_in_a_chain_comes_back() -> None:
    """C6 too: torch divides by the factor."""

    def build(m: Any) -> Any:
        opt = optimizer(lr=1.0)
        return m.ChainedScheduler([m.ConstantLR(opt, 0.0, 3), m.ExponentialLR(opt, 0.5)])

    with pytest.raises(ZeroDivisionError):
        rates(build(theirs), 5)
    assert rates(build(ours), 5) == [0, 0, 0, 0.125, 0.0625]


# C3: groups that are added


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda m, o: m.LambdaLR(o, lambda k: 1 / (1 + k)), 0.4 / 5),
        (lambda m, o: m.MultiplicativeLR(o, lambda k: 0.5), 0.2),
        (lambda m, o: m.CosineAnnealingWarmRestarts(o, 8), 0.4 * 0.5),
        (lambda m, o: m.OneCycleLR(o, 1.0, 11, pct_start=5 / 11), 1.0),
        (lambda m, o: m.CyclicLR(o, 0.1, 0.5, 4), 0.5),
        (lambda m, o: m.ChainedScheduler([m.LambdaLR(o, lambda k: 1 / (1 + k)), m.ExponentialLR(o, 0.5)]), 0.4 / 5 / 2),
    ],
    ids=["LambdaLR", "MultiplicativeLR", "CosineAnnealingWarmRestarts", "OneCycleLR", "CyclicLR", "ChainedScheduler"],
)
def test_c3_added_groups(build: Any, expected: float) -> None:
    """#104361, #62475, #53712."""

    def run(m: Any) -> list[float]:
        opt = optimizer(lr=0.2)
        scheduler = build(m, opt)
        rates(scheduler, 3)
        opt.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.4})
        rates(scheduler, 1)
        assert len(scheduler.get_last_lr()) == 2
        return lrs(opt)

    with pytest.raises((ValueError, KeyError)):
        run(theirs)
    assert run(ours)[1] == pytest.approx(expected)


@pytest.mark.parametrize("name", ["StepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "PolynomialLR"])
def test_c3_added_groups_where_torch_is_right(name: str) -> None:
    found = []
    for m in (theirs, ours):
        arguments = {
            "StepLR": (4, 0.5),
            "ExponentialLR": (0.9,),
            "CosineAnnealingLR": (20,),
            "LinearLR": (0.1, 1.0, 20),
        }
        opt = optimizer()
        scheduler = getattr(m, name)(opt, *arguments.get(name, (20, 2.0)))
        rates(scheduler, 3)
        opt.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.4})
        rates(scheduler, 9)
        found.append(lrs(opt))
    assert found[1] == pytest.approx(found[0], rel=1e-12)


def test_c3_groups_with_values_of_their_own_ask_for_the_new_one_s() -> None:
    opt = optimizer(groups=2)
    scheduler = ours.OneCycleLR(opt, [0.1, 0.2], 20)
    opt.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.4})
    opt.step()
    with pytest.raises(ValueError, match=r"max_lr for each parameter group: \[0.1, 0.2\]"):
        scheduler.step()
    opt.param_groups[2]["max_lr"] = 0.3
    scheduler.step()
    assert lrs(opt)[2] == pytest.approx(3 * lrs(opt)[0])


# C4: ReduceLROnPlateau


def test_c4_negative_metrics_that_get_worse_are_not_better() -> None:
    """#38622, #47513: with a threshold of 10 %, torch takes -9.1 for better than -10."""
    for m, reduced in ((theirs, False), (ours, True)):
        scheduler = m.ReduceLROnPlateau(optimizer(), patience=0, threshold=0.1)
        for metric in (-10.0, -9.1, -8.3):
            scheduler.step(metric)
        assert (lrs(scheduler.optimizer)[0] < 0.1) == reduced
        assert (scheduler.best == -10) == reduced


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_c4_better_means_better_by_the_threshold(mode: Any, threshold_mode: Any) -> None:
    for best in (5.0, -5.0, 0.0):
        margin = 0.1 * abs(best) if threshold_mode == "rel" else 0.1
        toward = -1 if mode == "min" else 1
        for far, better in ((1.01, True), (0.99, margin == 0), (-1.0, False)):
            scheduler = ours.ReduceLROnPlateau(optimizer(), mode, threshold=0.1, threshold_mode=threshold_mode)
            scheduler.step(best)
            scheduler.step(best + toward * far * (margin or 0.1))
            assert (scheduler.num_bad_epochs == 0) == better
    scheduler = ours.ReduceLROnPlateau(optimizer(), patience=0)
    for metric in (math.nan, math.inf, 1.0):
        scheduler.step(metric)
    assert (scheduler.best, lrs(scheduler.optimizer)) == (1.0, [pytest.approx(1e-3)])


def test_c4_small_rates_are_reduced_too() -> None:
    """#82859: the default eps is a share of the rate; any other is absolute, as in torch."""
    for m, expected in ((theirs, 5e-8), (ours, 4.5e-8)):
        scheduler = m.ReduceLROnPlateau(optimizer(lr=5e-8), patience=0, factor=0.9)
        rates(scheduler, 2, metrics=True)
        assert lrs(scheduler.optimizer) == [pytest.approx(expected, rel=1e-12)]
    scheduler = ours.ReduceLROnPlateau(optimizer(lr=5e-8), patience=0, factor=0.9, eps=1e-7)
    rates(scheduler, 2, metrics=True)
    assert lrs(scheduler.optimizer) == [5e-8]


# C5: OneCycleLR


def test_c5_a_cycle_that_starts_at_its_top() -> None:
    """#180187, #42447."""
    with pytest.raises(ZeroDivisionError):
        theirs.OneCycleLR(optimizer(), 1.0, 10, pct_start=0.1)
    assert lrs(theirs.OneCycleLR(optimizer(), 1.0, 1).optimizer) == [pytest.approx(0.04e-4)]
    assert lrs(theirs.OneCycleLR(optimizer(), 1.0, 10, pct_start=0.0).optimizer) == [pytest.approx(0.97, abs=0.01)]
    with pytest.raises(ValueError, match="Expected float between 0 and 1"):
        theirs.OneCycleLR(optimizer(), 1.0, 10, pct_start=0)
    for pct_start in (0.1, 0.0, 0, 0.05):
        found = rates(ours.OneCycleLR(optimizer(), 1.0, 10, pct_start=pct_start), 10)
        assert (found[0], found[9]) == (1.0, pytest.approx(0.04e-4))
        assert found == sorted(found, reverse=True)
    assert rates(ours.OneCycleLR(optimizer(), 1.0, 1), 1) == [1.0]


def test_c5_the_end_of_the_cycle() -> None:
    """The step after the last batch finds the rate at its end, not below 0."""
    for m, right in ((theirs, False), (ours, True)):
        scheduler = m.OneCycleLR(optimizer(), 1.0, 10, anneal_strategy="linear")
        rates(scheduler, 10)
        assert (lrs(scheduler.optimizer) == [pytest.approx(0.04e-4)]) == right
        assert (lrs(scheduler.optimizer)[0] < 0) != right
        with pytest.raises(ValueError, match=r"Tried to step 11 times\. The specified number of total steps is 10"):
            scheduler.step()
    assert (scheduler.last_epoch, scheduler._step_count) == (10, 11), "the refused step has changed nothing"


@pytest.mark.parametrize("build", [lambda m, o: m.OneCycleLR(o, 1.0, 9), lambda m, o: m.CyclicLR(o, 0.1, 1.0)])
def test_c5_momentum_that_nobody_asked_for_is_said(build: Any) -> None:
    build(theirs, optimizer(momentum=0.0))
    with pytest.warns(UserWarning, match="sets the optimizer's momentum, which is 0, to 0.9"):
        build(ours, optimizer(momentum=0.0))


# C6: phases of no length


def test_c6_zero_length() -> None:
    """#169107: a warm-up of no epochs is over."""
    for build in (lambda m, o: m.LinearLR(o, total_iters=0), lambda m, o: m.ConstantLR(o, total_iters=0)):
        assert rates(build(theirs, optimizer(lr=0.3)), 3) == pytest.approx([0.1, 0.1, 0.1])
        assert rates(build(ours, optimizer(lr=0.3)), 3) == [0.3, 0.3, 0.3]
    opt = optimizer(lr=0.3)
    parts = [ours.LinearLR(opt, 0.1, total_iters=0), ours.StepLR(opt, 9), ours.ExponentialLR(opt, 0.5)]
    assert rates(ours.SequentialLR(opt, parts, [0, 0]), 3) == [0.3, 0.15, 0.075]


@pytest.mark.parametrize(
    "build",
    [
        lambda m, o: m.CosineAnnealingLR(o, 0),
        lambda m, o: m.StepLR(o, 0),
        lambda m, o: m.CyclicLR(o, 0.1, 0.2, 0),
    ],
    ids=["T_max", "step_size", "step_size_up"],
)
def test_c6_zero_is_refused_at_construction(build: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        rates(build(theirs, optimizer()), 2)
    with pytest.raises(ValueError, match=r"Invalid (T_max|step_size|step_size_up) of \w+: 0 \(.* must be "):
        build(ours, optimizer())


# C8: warnings, lambdas, drift


def skipped_step(m: Any, zero: bool) -> None:
    """The first loop of a training with a GradScaler, whose first gradients overflow."""
    p = torch.nn.Parameter(torch.ones(2))
    opt = optim.SGD([p], lr=0.1)
    scheduler = m.ExponentialLR(opt, 0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**100)
    for _ in range(2):
        opt.zero_grad()
        scaler.scale((p * 1e30).sum()).backward()
        scaler.step(opt)
        scaler.update()
        if zero:
            opt.zero_grad()
        scheduler.step()


@pytest.mark.parametrize("zero", [False, True])
def test_c8_no_warning_after_a_skipped_step(zero: bool) -> None:
    """#44511, #55585."""
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        skipped_step(theirs, zero)
    skipped_step(ours, zero)  # warnings are errors


@pytest.mark.parametrize("module", [optim, torch.optim], ids=["descend", "torch"])
def test_c8_no_warning_when_the_step_was_taken_out_before(module: Any) -> None:
    """A training loop, or a hook of a parameter, that holds the bound method from before the scheduler was built."""
    for m in (theirs, ours):
        opt = optimizer(module)
        step = opt.step
        scheduler = m.ExponentialLR(opt, 0.9)
        step()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            scheduler.step()
        assert len(caught) == (1 if m is theirs else 0)


def test_c8_the_true_warning_remains_and_comes_once() -> None:
    for module in (optim, torch.optim):
        scheduler = ours.ExponentialLR(optimizer(module), 0.9)
        with pytest.warns(UserWarning, match="Detected call of `lr_scheduler.step\\(\\)` before `optimizer.step"):
            scheduler.step()
        scheduler.step()
        assert not scheduler.optimizer._optimizer_step_post_hooks


def test_c8_the_watch_leaves_after_the_first_step() -> None:
    scheduler = ours.ExponentialLR(optimizer(), 0.9)
    assert scheduler.optimizer._optimizer_step_post_hooks
    scheduler.optimizer.step()
    assert not scheduler.optimizer._optimizer_step_post_hooks
    assert "step" not in vars(scheduler.optimizer), "nothing is replaced on the instance"


def test_c8_lambdas_are_kept_where_they_can_be_written_down() -> None:
    for m, kept in ((theirs, False), (ours, True)):
        for function in (inverse, partial(shrinking, by=0.25)):
            state = m.LambdaLR(optimizer(lr=1.0), function).state_dict()
            resumed = m.LambdaLR(optimizer(lr=1.0), lambda k: 1.0)
            resumed.load_state_dict(state)
            assert (rates(resumed, 3)[2] == function(2)) == kept
    with_lambda = ours.LambdaLR(optimizer(), lambda k: 1.0)
    with_lambda.load_state_dict(ours.LambdaLR(optimizer(), lambda k: 0.5).state_dict())
    assert rates(with_lambda, 2) == [0.05, 0.1], "a lambda has no name: the constructor's stays, as in torch"


def test_c8_float32_tensors_do_not_drift() -> None:
    """20,000 epochs; torch is off by 1e-5 and more, ours by the one rounding to float32."""
    drift = []
    for m in (theirs, ours):
        lr = torch.tensor(0.1)
        opt = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], lr=lr)
        scheduler = m.ExponentialLR(opt, 0.9999)
        opt.step()
        for _ in range(20_000):
            scheduler.step()
        drift.append(abs(lrs(opt)[0] / (float(lr) * 0.9999**20_000) - 1) if m is ours else lrs(opt)[0])
    exact = float(torch.tensor(0.1)) * 0.9999**20_000
    assert abs(drift[0] / exact - 1) > 1e-4
    assert lrs(opt)[0] == pytest.approx(exact, rel=6e-8)


def test_a_scheduler_stepped_in_a_chain_and_then_alone_goes_on_from_what_is_there() -> None:
    opt = optimizer(lr=1.0)
    decay = ours.ExponentialLR(opt, 0.5)
    chain = ours.ChainedScheduler([decay, ours.StepLR(opt, 2, 0.1)])
    assert rates(chain, 2) == [1.0, 0.5]
    for scheduler, expected in ((decay, 0.0125), (chain, 0.00625), (decay, 0.003125)):
        scheduler.step()
        assert lrs(opt) == [pytest.approx(expected, rel=1e-15)]


def test_our_composites_inside_torch_s() -> None:
    opt = optimizer(lr=1.0)
    first = ours.SequentialLR(opt, [ours.ConstantLR(opt, 0.5, 9), ours.ExponentialLR(opt, 0.5)], [2])
    scheduler = theirs.SequentialLR(opt, [first, ours.ChainedScheduler([ours.ExponentialLR(opt, 0.9)])], [4])
    assert rates(scheduler, 7) == pytest.approx([0.5, 0.5, 1, 0.5, 1, 0.9, 0.81])


def test_a_step_that_a_backward_hook_takes_counts() -> None:
    """A step from inside the backward pass, through the class and not the instance, as optimizers in backward do."""
    p = torch.nn.Parameter(torch.ones(2))
    opt = optim.SGD([p], lr=0.1)
    scheduler = ours.ExponentialLR(opt, 0.9)
    p.register_post_accumulate_grad_hook(lambda _: type(opt).step(opt))
    p.sum().backward()
    scheduler.step()  # warnings are errors
    assert lrs(opt) == [pytest.approx(0.09)]
