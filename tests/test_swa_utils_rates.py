"""SWALR and update_bn: torch's numbers where torch is right, and the cases in which it is not."""

import copy
import itertools
import math
import pickle

import pytest
import torch
import torch.optim.swa_utils as torch_swa
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import lr_scheduler as torch_schedulers

import descend
from descend import swa_utils

BOTH = pytest.mark.parametrize("library", [torch_swa, swa_utils], ids=["torch", "descend"])
OPTIMIZERS = pytest.mark.parametrize("optimizers", [torch.optim, descend], ids=["torch.optim", "descend"])


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.zeros(1))


def sgd(*rates: float, optimizers=descend) -> torch.optim.Optimizer:
    return optimizers.SGD([{"params": [parameter()], "lr": rate} for rate in rates], lr=0.1)


def step(optimizer: torch.optim.Optimizer, *schedulers: torch_schedulers.LRScheduler) -> list[float]:
    optimizer.step()
    for scheduler in schedulers:
        scheduler.step()
    return [float(group["lr"]) for group in optimizer.param_groups]


def closed(k: int, start: float, end: float, epochs: int, strategy: str) -> float:
    t = 1.0 if k >= epochs else k / epochs
    alpha = t if strategy == "linear" else (1 - math.cos(math.pi * t)) / 2
    return end + (start - end) * (1 - alpha)


# --------------------------------------------------------------------------------------------------------------- SWALR


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 7, 10_000])
def test_swalr_is_its_closed_form(strategy, epochs):
    optimizer = sgd(0.1, 1e-3)
    scheduler = swa_utils.SWALR(optimizer, [0.05, 0.2], epochs, strategy)
    assert scheduler.get_last_lr() == ([0.1, 1e-3] if epochs else [0.05, 0.2])
    for k in range(1, 10_050):
        scheduler.step() if k > 1 else step(optimizer, scheduler)
        if k < 20 or k % 97 == 0 or abs(k - 10_000) < 3:
            for rate, start, end in zip(scheduler.get_last_lr(), (0.1, 1e-3), (0.05, 0.2), strict=True):
                assert rate == pytest.approx(closed(k, start, end, epochs, strategy), rel=1e-12)


@OPTIMIZERS
@given(
    st.floats(1e-6, 1.0),
    st.floats(1e-6, 1.0),
    st.integers(0, 12),
    st.sampled_from(["cos", "linear"]),
    st.integers(0, 5),
)
def test_swalr_after_another_scheduler_is_torchs(optimizers, start, end, epochs, strategy, before):
    """It begins with the rate that it finds at its first step; torch's recursion drifts by some last places."""
    both = [sgd(start, optimizers=optimizers) for _ in range(2)]
    first = [torch_schedulers.ExponentialLR(optimizer, 0.9) for optimizer in both]
    second = [
        library.SWALR(optimizer, end, epochs, strategy)
        for library, optimizer in zip((torch_swa, swa_utils), both, strict=True)
    ]
    for k in range(20):
        schedulers = first if k < before else second
        (theirs,), (ours,) = map(step, both, schedulers)
        # relative to what is annealed: torch divides by 1 - alpha, which is 0.01 before the last of 12 epochs
        assert ours == pytest.approx(theirs, rel=1e-11, abs=1e-13 * max(start, end) * 100)


@OPTIMIZERS
@BOTH
def test_a_group_that_is_added_later_is_annealed(library, optimizers):
    optimizer = sgd(0.1, optimizers=optimizers)
    scheduler = library.SWALR(optimizer, 0.05, 4, "linear")
    step(optimizer, scheduler)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.1})
    if library is torch_swa:
        with pytest.raises(KeyError, match="swa_lr"):
            step(optimizer, scheduler)
        return
    optimizer.add_param_group({"params": [parameter()], "lr": 0.2, "swa_lr": 0.01})
    rates = [step(optimizer, scheduler) for _ in range(4)]
    # The rate that a group brings is the one of epoch 1, when a quarter of the way is done.
    expected = [(0.05 + 0.05 * left / 4, 0.05 + 0.05 * left / 3, 0.01 + 0.19 * left / 3) for left in (2, 1, 0, 0)]
    for found, wanted in zip(rates, expected, strict=True):
        assert found == pytest.approx(wanted, rel=1e-12)


def test_with_a_list_a_later_group_keeps_its_rate():
    optimizer = sgd(0.1)
    scheduler = swa_utils.SWALR(optimizer, [0.05], 2)
    step(optimizer, scheduler)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.3})
    assert [step(optimizer, scheduler)[1] for _ in range(3)] == pytest.approx([0.3] * 3, rel=1e-15)


def test_swa_lr_of_a_group_may_be_changed():
    """As in torch: from the rate of now to another end."""
    both = [sgd(0.1) for _ in range(2)]
    schedulers = [lib.SWALR(o, 0.05, 6) for lib, o in zip((torch_swa, swa_utils), both, strict=True)]
    for k in range(10):
        if k == 3:
            for optimizer in both:
                optimizer.param_groups[0]["swa_lr"] = 0.01
        (theirs,), (ours,) = map(step, both, schedulers)
        assert ours == pytest.approx(theirs, rel=1e-12)


ORDERS = list(itertools.permutations(["optimizer", "build", "load"]))


@pytest.mark.parametrize("order", [o for o in ORDERS if o.index("build") < o.index("load")], ids="-".join)
@pytest.mark.parametrize("interrupted", [0, 3, 9])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
@OPTIMIZERS
def test_a_run_resumes_exactly_in_any_order(optimizers, strategy, interrupted, order):
    """In the middle of a schedule that anneals from the rate another one has left."""

    def build(optimizer):
        return torch_schedulers.ExponentialLR(optimizer, 0.9), swa_utils.SWALR(optimizer, 0.03, 5, strategy)

    optimizer = sgd(0.1, 0.2, optimizers=optimizers)
    first, second = build(optimizer)
    for k in range(4 + interrupted):
        step(optimizer, first if k < 4 else second)
    saved = copy.deepcopy([optimizer.state_dict(), second.state_dict()])
    expected = [step(optimizer, second) for _ in range(6)]

    resumed = sgd(0.1, 0.2, optimizers=optimizers)
    for action in order:
        if action == "optimizer":
            resumed.load_state_dict(saved[0])
        elif action == "build":
            scheduler = swa_utils.SWALR(resumed, 0.03, 5, strategy)
        else:
            scheduler.load_state_dict(saved[1])
    assert [step(resumed, scheduler) for _ in range(6)] == expected


@pytest.mark.parametrize("interrupted", [0, 2, 8])
def test_state_dicts_load_both_ways(interrupted):
    both = [sgd(0.1) for _ in range(2)]
    schedulers = [lib.SWALR(o, 0.05, 6) for lib, o in zip((torch_swa, swa_utils), both, strict=True)]
    for _ in range(interrupted):
        list(map(step, both, schedulers))
    within = {"_get_lr_called_within_step"}  # says nothing between two steps
    assert set(schedulers[0].state_dict()) - within <= set(schedulers[1].state_dict())
    saved = [
        pickle.loads(pickle.dumps((o.state_dict(), s.state_dict()))) for o, s in zip(both, schedulers, strict=True)
    ]
    expected = [step(both[0], schedulers[0]) for _ in range(8)]
    for library, (of_optimizer, of_scheduler) in zip((swa_utils, torch_swa), saved, strict=True):  # crosswise
        optimizer = sgd(0.1)
        scheduler = library.SWALR(optimizer, 0.05, 6)
        optimizer.load_state_dict(of_optimizer)
        scheduler.load_state_dict(of_scheduler)
        for wanted in expected:
            assert step(optimizer, scheduler) == pytest.approx(wanted, rel=1e-12)


def test_swalr_is_a_scheduler_for_trainers_and_pickles():
    optimizer = sgd(0.1)
    scheduler = swa_utils.SWALR(optimizer, 0.05)
    assert isinstance(scheduler, torch_schedulers.LRScheduler)
    assert (scheduler.anneal_epochs, scheduler.anneal_func(0.5)) == (10, pytest.approx(0.5))
    restored = pickle.loads(pickle.dumps(scheduler))
    assert step(restored.optimizer, restored) == step(optimizer, scheduler)


@pytest.mark.parametrize("composites", [torch_schedulers, descend.lr_scheduler], ids=["torch", "descend"])
@pytest.mark.parametrize("name", ["SequentialLR", "ChainedScheduler"])
def test_in_a_composite_it_begins_with_the_rate_it_finds(composites, name):
    def rates(library, composites):
        optimizer = sgd(0.1)
        both = [torch_schedulers.ExponentialLR(optimizer, 0.9), library.SWALR(optimizer, 0.03, 4)]
        if name == "SequentialLR":
            scheduler = composites.SequentialLR(optimizer, both, [3])
        else:
            scheduler = composites.ChainedScheduler(both, optimizer)
        return [rate for _ in range(9) for rate in step(optimizer, scheduler)]

    assert rates(swa_utils, composites) == pytest.approx(rates(torch_swa, torch_schedulers), rel=1e-12)


def test_a_tensor_rate_is_written_in_place():
    rate = torch.tensor(0.1)
    optimizer = descend.SGD([parameter()], lr=rate)
    scheduler = swa_utils.SWALR(optimizer, 0.05, 2, "linear")
    assert step(optimizer, scheduler) == pytest.approx([0.075], rel=1e-6)  # float32
    assert optimizer.param_groups[0]["lr"] is rate


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(swa_lr=[0.1, 0.2]), "swa_lr must have the same length as optimizer.param_groups"),
        (dict(swa_lr=0.1, anneal_strategy="exp"), "anneal_strategy must be one of 'cos' or 'linear', instead got exp"),
        (dict(swa_lr=0.1, anneal_epochs=-1), "anneal_epochs must be equal or greater than 0, got -1"),
        (dict(swa_lr=0.1, anneal_epochs=1.5), "anneal_epochs must be equal or greater than 0, got 1.5"),
        (dict(swa_lr=-0.1), "Invalid swa_lr: -0.1"),
        (dict(swa_lr=math.nan), "Invalid swa_lr: nan"),
    ],
)
def test_bad_arguments_are_refused_and_nothing_is_written(arguments, message):
    optimizer = sgd(0.1)
    with pytest.raises(ValueError, match=message):
        swa_utils.SWALR(optimizer, **arguments)
    assert "swa_lr" not in optimizer.param_groups[0]
    with pytest.raises(TypeError, match="is not an Optimizer"):
        swa_utils.SWALR(parameter(), 0.1)


# ----------------------------------------------------------------------------------------------------------- update_bn


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.3), nn.Linear(4, 2), nn.BatchNorm1d(2))


def settings(model: nn.Module) -> list[tuple[object, ...]]:
    return [(m.training, getattr(m, "momentum", None)) for m in model.modules()]


@pytest.mark.parametrize("as_list", [False, True])
def test_update_bn_is_torchs(as_list):
    model = network().eval()
    other = copy.deepcopy(model)
    batches = [torch.randn(8, 3) for _ in range(5)]
    before = settings(model)
    for library, net in ((swa_utils, model), (torch_swa, other)):
        library.update_bn([[b, 0] for b in batches] if as_list else iter(batches), net, device="cpu")
    assert settings(model) == before
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    first = torch.stack([model[0](batch).mean(0) for batch in batches]).mean(0)
    torch.testing.assert_close(model[1].running_mean, first.detach(), rtol=1e-5, atol=1e-6)


def failing():
    yield torch.randn(8, 3)
    raise OSError("the disk is gone")


@pytest.mark.parametrize("fails_in", ["loader", "model"])
@BOTH
def test_update_bn_that_raises_restores_modes_momenta_and_statistics(library, fails_in):
    model = network().eval()
    model[3].train()
    modes, statistics = settings(model), copy.deepcopy(model.state_dict())
    loader = failing() if fails_in == "loader" else [torch.randn(8, 3), torch.randn(8, 7)]
    with pytest.raises((OSError, RuntimeError)):
        library.update_bn(loader, model)
    kept = settings(model) == modes
    same = all(torch.equal(statistics[key], value) for key, value in model.state_dict().items())
    assert (kept, same) == ((True, True) if library is swa_utils else (False, False))


@BOTH
def test_update_bn_leaves_each_module_in_its_own_mode(library):
    """torch puts all of them in the root's: a frozen layer in a training model is not frozen any more."""
    model = network().train()
    model[1].eval()
    library.update_bn([torch.randn(8, 3)], model)
    assert model[1].training == (library is torch_swa)
    assert model[3].training


@BOTH
def test_update_bn_without_data_warns_and_changes_nothing(library):
    model = network()
    model(torch.randn(8, 3))
    before = copy.deepcopy(model.state_dict())
    if library is torch_swa:
        library.update_bn(iter([]), model)
        assert not model[1].running_mean.any()
        return
    with pytest.warns(UserWarning, match="the loader gave no batch"):
        library.update_bn(iter([]), model)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_update_bn_takes_layers_without_statistics_and_models_without_layers():
    model = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), nn.BatchNorm1d(3))
    swa_utils.update_bn([torch.randn(8, 3) + 5], model)
    assert model[0].running_mean is None
    assert int(model[1].num_batches_tracked) == 1

    def untouched():
        raise AssertionError("nobody needs the data")
        yield

    swa_utils.update_bn(untouched(), nn.Linear(3, 3))
