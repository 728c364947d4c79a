"""Resuming: the rates of an interrupted run are those of the uninterrupted one, exactly, however it is put together.

The matrix: every scheduler x interrupted at three places x every order of building and loading. A checkpoint goes
through torch.save and torch.load(weights_only=True), so floats are new objects and nothing but plain data survives.
"""

import copy
import io
from typing import Any

import pytest
import torch
from lr_scheduler_cases import CASES, Case, advance, lrs, optimizer
from torch.optim import lr_scheduler as theirs

import descend as optim
from descend import lr_scheduler as ours

ORDERS = {
    "optimizer, scheduler, load optimizer, load scheduler": "o s O S",
    "optimizer, scheduler, load scheduler, load optimizer": "o s S O",
    "optimizer, load optimizer, scheduler, load scheduler": "o O s S",
    "optimizer, scheduler, load scheduler": "o s S",
}
INTERRUPTED = (1, 35, 233)
AFTER = 60

COMPOSITES = [
    Case(
        "SequentialLR-in-SequentialLR",
        lambda m, o: m.SequentialLR(
            o,
            [
                m.ConstantLR(o, 0.1, 100),
                m.SequentialLR(o, [m.LinearLR(o, 0.2, total_iters=20), m.ExponentialLR(o, 0.99)], [30]),
                m.ChainedScheduler([m.StepLR(o, 7, 0.9), m.LinearLR(o, 0.5, total_iters=9)]),
            ],
            [20, 200],
        ),
    ),
    Case(
        "SequentialLR-with-OneCycleLR",
        lambda m, o: m.SequentialLR(o, [m.LinearLR(o, 0.1, total_iters=9), m.OneCycleLR(o, 0.7, 1000)], [40]),
    ),
    Case(
        "ChainedScheduler-with-ReduceLROnPlateau",
        lambda m, o: m.ChainedScheduler([m.ExponentialLR(o, 0.99), m.ReduceLROnPlateau(o, patience=2, factor=0.8)]),
        metrics=True,
    ),
    Case(
        "SequentialLR-with-ReduceLROnPlateau",
        lambda m, o: m.SequentialLR(o, [m.LinearLR(o, 0.1, total_iters=30), m.ReduceLROnPlateau(o, patience=2)], [40]),
        metrics=True,
    ),
    Case(
        "ChainedScheduler-with-a-floor",
        lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.5, 60), m.CosineAnnealingLR(o, 400, 1e-3)]),
    ),
    Case(
        "ChainedScheduler-with-0",
        lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.0, 60), m.ExponentialLR(o, 0.99)]),
    ),
]


def saved(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def new_optimizer(tensor: bool) -> Any:
    lr = torch.tensor(0.1) if tensor else 0.1
    params = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": lr * i if i else lr} for i in (1, 3)]
    return optim.Adam(params, lr=lr)


def run(case: Case, scheduler: Any, opt: Any, steps: int) -> list[Any]:
    found = []
    for _ in range(steps):
        advance(case, scheduler, opt)
        found.append(
            (
                lrs(opt),
                list(map(float, scheduler.get_last_lr())),
                [g.get("betas", g.get("momentum")) for g in opt.param_groups],
            )
        )
    return found


@pytest.mark.parametrize("tensor", [False, True], ids=["float", "Tensor"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", [*CASES, *COMPOSITES], ids=str)
def test_resume_matrix(case: Case, order: str, tensor: bool) -> None:
    for place in INTERRUPTED:
        opt = new_optimizer(tensor)
        scheduler = case.build(ours, opt)
        run(case, scheduler, opt, place)
        checkpoint = saved({"O": opt.state_dict(), "S": scheduler.state_dict()})
        held = lrs(opt)
        expected = run(case, scheduler, opt, AFTER)
        for what in ORDERS[order].split():
            if what == "o":
                opt = new_optimizer(tensor)
            elif what == "s":
                scheduler = case.build(ours, opt)
            else:
                (opt if what == "O" else scheduler).load_state_dict(copy.deepcopy(checkpoint[what]))
        assert lrs(opt) == held, "the rates in force, before the next step"
        assert run(case, scheduler, opt, AFTER) == expected


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name not in ("ChainedScheduler", "ReduceLROnPlateau")], ids=str
)
def test_resume_by_last_epoch_alone(case: Case) -> None:
    """torch's other way: load the optimizer, and tell a new scheduler the last epoch that is over."""
    for place in INTERRUPTED:
        opt = optimizer()
        scheduler = case.build(ours, opt)
        run(case, scheduler, opt, place)
        resumed = optimizer()
        resumed.load_state_dict(saved(opt.state_dict()))
        again = case.build(_Resuming(place - 1), resumed)
        for _ in range(AFTER):
            assert lrs(resumed) == pytest.approx(lrs(opt), rel=1e-12, abs=1e-16)
            advance(case, scheduler, opt)
            advance(case, again, resumed)


class _Resuming:
    """The module, with `last_epoch` for every scheduler that is built."""

    def __init__(self, last_epoch: int) -> None:
        self.last_epoch = last_epoch

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: getattr(ours, name)(*args, **kwargs, last_epoch=self.last_epoch)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_states_load_both_ways(case: Case, groups: int) -> None:
    """ours -> torch and torch -> ours, in the middle of a run; 1e-9 for the drift of torch's recursion."""
    for source, target in ((ours, theirs), (theirs, ours)):
        opt = optimizer(torch.optim, groups=groups)
        scheduler = case.build(source, opt)
        for _ in range(77):
            advance(case, scheduler, opt)
        resumed = optimizer(torch.optim, groups=groups)
        again = case.build(target, resumed)
        resumed.load_state_dict(saved(opt.state_dict()))
        state = scheduler.state_dict()
        before = copy.deepcopy({key: value for key, value in state.items() if "lambda" not in key})
        again.load_state_dict(state)
        if target is ours:  # torch's CyclicLR takes an entry out of the caller's state
            assert {key: value for key, value in state.items() if "lambda" not in key} == before, "not modified"
        for _ in range(AFTER):
            assert lrs(resumed) == pytest.approx(lrs(opt), rel=1e-9, abs=1e-15)
            assert again.get_last_lr() == lrs(resumed)
            advance(case, scheduler, opt)
            advance(case, again, resumed)


@pytest.mark.parametrize("first", ["scheduler", "plateau"])
def test_independent_schedulers_on_one_optimizer_resume_in_any_order(first: str) -> None:
    def build() -> tuple[Any, dict[str, Any]]:
        opt = optimizer()
        return opt, {"scheduler": ours.ExponentialLR(opt, 0.97), "plateau": ours.ReduceLROnPlateau(opt, patience=1)}

    def step(opt: Any, both: dict[str, Any]) -> list[float]:
        opt.step()
        both["scheduler"].step()
        both["plateau"].step(1.0)
        return lrs(opt)

    opt, both = build()
    for _ in range(8):
        step(opt, both)
    states = saved({key: scheduler.state_dict() for key, scheduler in both.items()})
    opt2, both2 = build()
    for key in sorted(both2, key=lambda key: key != first):
        both2[key].load_state_dict(states[key])
    for _ in range(20):
        assert lrs(opt2) == lrs(opt)
        step(opt, both), step(opt2, both2)


def test_a_state_is_a_copy() -> None:
    opt = new_optimizer(tensor=True)
    scheduler = ours.SequentialLR(opt, [ours.StepLR(opt, 3), ours.CosineAnnealingLR(opt, 9)], [2])
    state = scheduler.state_dict()
    before = copy.deepcopy(state)
    for _ in range(5):
        opt.step()
        scheduler.step()
    assert state["_schedulers"] == before["_schedulers"]
    assert float(state["_last_lr"][0]) == float(before["_last_lr"][0])


def test_new_settings_are_kept_if_asked_for_and_named_if_not() -> None:
    def build(total: int) -> Any:
        return ours.OneCycleLR(optimizer(), 0.5, total)

    scheduler = build(10)
    for _ in range(6):
        scheduler.optimizer.step()
        scheduler.step()
    state = saved(scheduler.state_dict())
    longer = build(100)
    with pytest.warns(UserWarning, match="checkpoint replaces total_steps 100 by 10"):
        longer.load_state_dict(state)
    assert longer.total_steps == 10
    longer, fresh = build(100), build(100)
    longer.load_state_dict(state, keep_settings=True)
    for _ in range(6):
        fresh.optimizer.step()
        fresh.step()
    for _ in range(90):
        assert lrs(longer.optimizer) == lrs(fresh.optimizer)
        longer.step(), fresh.step()


def test_keep_settings_of_a_decay_follows_the_new_one() -> None:
    def build(n: int, gamma: float) -> Any:
        opt = optimizer()
        return ours.SequentialLR(opt, [ours.LinearLR(opt, 0.1, total_iters=n), ours.ExponentialLR(opt, gamma)], [n])

    scheduler, other = build(5, 0.9), build(5, 0.99)
    for _ in range(20):
        scheduler.optimizer.step(), other.optimizer.step()
        scheduler.step(), other.step()
    resumed = build(5, 0.99)
    resumed.load_state_dict(saved(scheduler.state_dict()), keep_settings=True)
    for _ in range(10):
        assert lrs(resumed.optimizer) == lrs(other.optimizer) == resumed.get_last_lr()
        resumed.step(), other.step()
