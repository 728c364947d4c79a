"""descend.lr_scheduler: torch's sequences, closed forms, and what trainers read.

Tolerances: 1e-12 relative against the closed form in float64 (10,000 epochs; a handful of roundings each, and where the
reference subtracts numbers close to each other, 1e-16 absolute beside it); 1e-9 against torch, whose recursion drifts.
"""

import copy
import inspect
import math
import pickle
import warnings
from typing import Any

import pytest
import torch
from lr_scheduler_cases import BASE, CASES, Case, advance, lrs, optimizer
from torch.optim import lr_scheduler as theirs
from torch.testing._internal.common_optimizers import optim_db

import descend as optim
from descend import lr_scheduler as ours

EPOCHS = 10_000


@pytest.mark.parametrize("case", [case for case in CASES if case.closed], ids=str)
def test_ten_thousand_epochs_are_the_closed_form(case: Case) -> None:
    opt = optimizer()
    scheduler = case.build(ours, opt)
    assert case.closed is not None
    opt.step()
    for k in range(EPOCHS):
        (lr,) = scheduler.get_last_lr()
        expected = case.closed(k, BASE)
        assert math.isclose(lr, expected, rel_tol=1e-12, abs_tol=1e-16), (k, lr, expected)
        assert opt.param_groups[0]["lr"] == lr
        scheduler.step()


@pytest.mark.parametrize("module", [optim, torch.optim], ids=["descend", "torch"])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_sequences_are_torch_s(case: Case, groups: int, module: Any) -> None:
    """Every group's rate, momentum, get_last_lr and epoch, for our optimizers and torch's."""
    a, b = optimizer(module, groups=groups), optimizer(torch.optim, groups=groups)
    mine, reference = case.build(ours, a), case.build(theirs, b)
    for _ in range(200):
        assert lrs(a) == pytest.approx(lrs(b), rel=1e-9, abs=1e-15)
        assert mine.get_last_lr() == lrs(a)
        assert [g["momentum"] for g in a.param_groups] == pytest.approx([g["momentum"] for g in b.param_groups])
        assert getattr(reference, "last_epoch", mine.last_epoch) == mine.last_epoch
        advance(case, mine, a)
        advance(case, reference, b)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tensor_rates_are_written_in_place_and_do_not_drift(case: Case) -> None:
    """The float32 Tensor holds, to its last bit, what the float run has: nothing accumulates in it."""
    lr = torch.tensor(BASE, dtype=torch.float64).float()
    a = optim.Adam([torch.nn.Parameter(torch.ones(2))], lr=lr)
    b = optim.Adam([torch.nn.Parameter(torch.ones(2))], lr=float(lr))
    tensor, plain = case.build(ours, a), case.build(ours, b)
    held = a.param_groups[0]["lr"]
    for _ in range(600):
        assert a.param_groups[0]["lr"] is held
        expected = torch.tensor(b.param_groups[0]["lr"])
        if case.metrics:  # it multiplies what it finds: a rounding of float32 for each of some ten reductions
            assert float(held) == pytest.approx(float(expected), rel=1e-5)
        else:
            assert torch.equal(held, expected)
        (last,) = tensor.get_last_lr()
        assert torch.equal(last, held) and last is not held
        advance(case, tensor, a)
        advance(case, plain, b)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_trainers_recognise_them(case: Case) -> None:
    opt = optimizer()
    scheduler, reference = case.build(ours, opt), case.build(theirs, optimizer(torch.optim))
    assert isinstance(scheduler, theirs.LRScheduler)
    assert isinstance(scheduler, theirs.ReduceLROnPlateau) == case.metrics
    assert scheduler.optimizer is opt
    public = {key for key in vars(reference) if not key.startswith("_")} | {"_last_lr", "last_epoch"}
    assert [key for key in public if not hasattr(scheduler, key)] == []


def test_names_and_signatures_are_torch_s() -> None:
    assert set(ours.__all__) == set(theirs.__all__)
    for name in ours.__all__:
        mine, reference = inspect.signature(getattr(ours, name)), inspect.signature(getattr(theirs, name))
        assert list(mine.parameters) == list(reference.parameters), name
        for key, parameter in reference.parameters.items():
            assert mine.parameters[key].default == parameter.default, (name, key)
    assert issubclass(ours._LRScheduler, ours.LRScheduler)
    assert optim.lr_scheduler is ours


INPUTS = [(info, i) for info in optim_db for i in range(len(info.scheduler_inputs or ()))]


@pytest.mark.parametrize(("info", "i"), INPUTS, ids=[f"{info.optim_cls.__name__}-{i}" for info, i in INPUTS])
def test_torch_s_own_scheduler_inputs(info: Any, i: int) -> None:
    """The lists of schedulers, stepped one after another on one optimizer, that torch tests its optimizers with."""

    def run(module: Any) -> list[list[float]]:
        opt = optimizer(module)
        built = []
        for make in info.scheduler_inputs[i]:
            cls = next(name for name in make.__code__.co_names if hasattr(theirs, name))
            scope = {**make.__globals__, cls: getattr(ours if module is optim else theirs, cls)}
            built.append(type(make)(make.__code__, scope)(opt))
        found = []
        for k in range(60):
            opt.step()
            for scheduler in built:
                scheduler.step(*([1.0 / (1 + k % 7)] if isinstance(scheduler, theirs.ReduceLROnPlateau) else []))
            found.append(lrs(opt))
        return found

    for a, b in zip(run(optim), run(torch.optim), strict=True):
        assert a == pytest.approx(b, rel=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    "how", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["deepcopy", "pickle"]
)
def test_copies_go_on_alike_and_alone(case: Case, how: Any) -> None:
    opt = optimizer()
    scheduler = case.build(ours, opt)
    for _ in range(25):
        advance(case, scheduler, opt)
    twin_opt, twin = how((opt, scheduler))
    assert twin.optimizer is twin_opt
    for _ in range(40):
        before = lrs(twin_opt)
        advance(case, scheduler, opt)
        assert lrs(twin_opt) == before
        advance(case, twin, twin_opt)
        assert lrs(opt) == lrs(twin_opt)


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR",
                                  "CosineAnnealingLR", "LambdaLR", "CyclicLR", "OneCycleLR"])  # fmt: skip
def test_step_to_an_epoch_warns_and_goes_there(name: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    a, b = optimizer(), optimizer(torch.optim)
    mine, reference = case.build(ours, a), case.build(theirs, b)
    a.step(), b.step()
    for epoch in (7, 3, 900, 0):
        with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step"):
            mine.step(epoch)
        with pytest.warns(UserWarning):
            reference.step(epoch)
        assert mine.last_epoch == epoch
        assert lrs(a) == pytest.approx(lrs(b), rel=1e-9, abs=1e-15)
    mine.step(), reference.step()
    assert case.closed is not None
    assert lrs(a) == [pytest.approx(case.closed(1, BASE), rel=1e-12)]


def test_warm_restarts_take_fractions_of_epochs_without_a_warning() -> None:
    a, b = optimizer(), optimizer(torch.optim)
    mine, reference = (m.CosineAnnealingWarmRestarts(o, 4, 2) for m, o in ((ours, a), (theirs, b)))
    for epoch in (0.5, 1.25, 3.75, 4, 11.5, 12.25, 2.0):
        mine.step(epoch), reference.step(epoch)
        assert lrs(a) == pytest.approx(lrs(b), rel=1e-12)
        assert (mine.last_epoch, mine.T_cur, mine.T_i) == (
            reference.last_epoch,
            pytest.approx(reference.T_cur),
            reference.T_i,
        )
    with pytest.raises(ValueError, match="Expected non-negative epoch, but got -1"):
        mine.step(-1)


class HalfThenStop(ours.LRScheduler):
    def get_lr(self) -> list[float]:
        return [base * (0.5 if self.last_epoch < 3 else 0.0) for base in self.base_lrs]


class Doubled(ours.CosineAnnealingLR):
    def get_lr(self) -> list[float]:
        return [2 * base for base in self.base_lrs] if self.last_epoch == 5 else super().get_lr()


def test_subclasses_of_users_decide() -> None:
    opt = optimizer()
    scheduler: Any = HalfThenStop(opt)
    found = [lrs(opt)[0]]
    for _ in range(3):
        opt.step()
        scheduler.step()
        found += scheduler.get_last_lr()
    assert found == [0.05, 0.05, 0.05, 0.0]
    opt = optimizer()
    scheduler = Doubled(opt, 100)
    for k in range(1, 8):
        opt.step()
        scheduler.step()
        if k == 5:
            assert lrs(opt) == [0.2]
    expected = 0.2 * (1 + math.cos(0.07 * math.pi)) / (1 + math.cos(0.05 * math.pi))  # scaled from what it became
    assert lrs(opt)[0] == pytest.approx(expected)
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        ours.StepLR(optimizer(), 3).get_lr()


def test_the_user_may_change_the_rate_or_the_settings_on_the_way() -> None:
    """A rate that is written by hand is scaled from there on, as torch does; settings hold from the next epoch."""
    a, b = optimizer(), optimizer(torch.optim)
    pairs = [(ours.CosineAnnealingLR(a, 50, 1e-3), a), (theirs.CosineAnnealingLR(b, 50, 1e-3), b)]
    for k in range(40):
        for scheduler, opt in pairs:
            opt.step()
            scheduler.step()
            if k in (5, 17):
                opt.param_groups[0]["lr"] *= 0.3
        assert lrs(a) == pytest.approx(lrs(b), rel=1e-10)
    scheduler = ours.StepLR(optimizer(), 5, 0.1)
    scheduler.optimizer.step()
    scheduler.gamma = 0.5
    for _ in range(5):
        scheduler.step()
    assert scheduler.get_last_lr() == [0.05]


def test_torch_s_composites_take_our_schedulers_and_ours_take_torch_s() -> None:
    for outer, inner in ((theirs, ours), (ours, theirs)):
        opt, reference = optimizer(), optimizer()
        parts = [inner.LinearLR(opt, 0.1, total_iters=4), inner.ExponentialLR(opt, 0.9)]
        scheduler = outer.SequentialLR(opt, parts, [6])
        expected = ours.SequentialLR(
            reference, [ours.LinearLR(reference, 0.1, total_iters=4), ours.ExponentialLR(reference, 0.9)], [6]
        )
        for _ in range(12):
            assert lrs(opt) == pytest.approx(lrs(reference), rel=1e-12)
            opt.step(), reference.step()
            scheduler.step(), expected.step()


def test_nothing_warns_in_a_plain_loop() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case in CASES:
            opt = optimizer()
            scheduler = case.build(ours, opt)
            for _ in range(5):
                advance(case, scheduler, opt)
