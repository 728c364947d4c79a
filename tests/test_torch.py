"""The public classes against torch.optim, driven side by side from the same start by the same gradients.

Errors are relative to max(|p|, 1). Float32: 1e-6 after 20 steps (torch contracts multiply and add where we do not, each
step may differ by the last bit: 20 x 6e-8). Float64: 1e-12. Tests run on both engines and compare the state too.
"""

import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    RICHEST,
    STEPS,
    Case,
    assert_close,
    assert_same_bits,
    buffers,
    copies,
    every_case,
    every_engine,
    parameters,
    random,
    richest_cases,
    set_gradients,
    train,
)
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import lr_scheduler

import descend

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12, torch.complex64: 1e-6, torch.complex128: 1e-12}
SHAPES = [(7, 5), (5,), (2, 3, 3, 2), (), (0,)]


def assert_same_training(
    ours: Any, theirs: Any, params: list[Parameter], twins: list[Parameter], tolerance: float | None = None
) -> None:
    """Parameters, state values, step counts and group options agree."""
    for p, q in zip(params, twins, strict=True):
        limit = tolerance or TOLERANCE[p.dtype]
        assert_close([p], [q], limit, "parameter")
        assert set(ours.state.get(p, {})) == set(theirs.state.get(q, {}))
        for key, value in theirs.state.get(q, {}).items():
            mine = ours.state[p][key]
            assert (mine.dtype, mine.shape) == (value.dtype, value.shape), key
            assert_close([mine], [value], 2 * limit, key)  # a momentum of ratios sums terms ten times its own size
    for group, other in zip(ours.param_groups, theirs.param_groups, strict=True):
        assert list(group) == list(other)
        for key in other:
            if key not in ("params", "param_names"):
                assert group[key] == other[key], key


@every_case
@every_engine
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_twenty_steps(case: Case, engine: str, dtype: torch.dtype) -> None:
    params = parameters(SHAPES, dtype)
    twins = copies(params)
    ours, theirs = case.ours(params, engine=engine), case.theirs(twins)
    for step in range(STEPS):
        for group in (params, twins):
            set_gradients(group, step)
        ours.step()
        theirs.step()
        assert_close(params, twins, TOLERANCE[dtype], f"step {step + 1}")
    assert_same_training(ours, theirs, params, twins)


@every_case
@every_engine
def test_groups_late_parameters_and_changing_lr(case: Case, engine: str) -> None:
    """Three groups with options of their own, parameters unfrozen late, lr changed on the way, a group added late."""

    def groups(params: list[Parameter]) -> list[dict[str, Any]]:
        second: dict[str, Any] = dict(params=params[2:4], lr=0.02, weight_decay=0.3)
        if "momentum" in case.hyper:
            second |= dict(momentum=0.7)
        if "betas" in case.hyper:
            second |= dict(betas=(0.8, 0.95), eps=1e-5)
        return [dict(params=params[:2]), second, dict(params=params[4:5], maximize=not case.hyper["maximize"])]

    params = parameters([(3, 4), 5, 6, (2, 2), 7, 8, 9])
    twins = copies(params)
    ours, theirs = case.ours(groups(params), engine=engine), case.theirs(groups(twins))
    late = {1: 6, 3: 9}
    for step in range(STEPS):
        if step == 12:
            for optimizer, who in ((ours, params), (theirs, twins)):
                optimizer.add_param_group(dict(params=who[5:], lr=0.001))
        for optimizer, who in ((ours, params), (theirs, twins)):
            set_gradients(who, step, lambda t, i: t < late.get(i, 0))
            optimizer.param_groups[1]["lr"] = 0.02 / (1 + step)
            optimizer.step()
    assert_same_training(ours, theirs, params, twins)


@every_engine
def test_initial_accumulator_value_of_a_group(engine: str) -> None:
    """torch accepts it in a group and uses the constructor's; ours holds, as every option of a group does."""
    params = parameters([5, 5])
    twins = copies(params)
    ours = descend.Adagrad(
        [{"params": params[:1]}, {"params": params[1:], "initial_accumulator_value": 2.0}], engine=engine
    )
    theirs = torch.optim.Adagrad(twins[:1]), torch.optim.Adagrad(twins[1:], initial_accumulator_value=2.0)
    for step in range(5):
        for group in (params, twins):
            set_gradients(group, step)
        for optimizer in (ours, *theirs):
            optimizer.step()
    assert_close(params, twins, 1e-6)


@every_case
@every_engine
def test_options_changed_on_the_way(case: Case, engine: str) -> None:
    """Whatever a user or a scheduler writes into a group holds from the next step on."""
    params = parameters([(3, 4), 65])
    twins = copies(params)
    ours, theirs = case.ours(params, engine=engine), case.theirs(twins)
    changes: dict[str, Any] = dict(lr=0.003, weight_decay=0.2, eps=1e-3, alpha=0.8, lr_decay=0.3, betas=(0.5, 0.6))
    changes |= dict(maximize=not case.hyper["maximize"], decoupled_weight_decay=True)
    if case.hyper.get("momentum"):
        changes |= dict(momentum=0.3)
    for key, value in changes.items():
        if key in case.hyper:
            for optimizer, who in ((ours, params), (theirs, twins)):
                train(optimizer, who, 2)
                optimizer.param_groups[0][key] = value
                train(optimizer, who, range(2, 4))
    assert_same_training(ours, theirs, params, twins, 2e-6)


@every_engine
def test_a_list_of_betas_edited_in_place(engine: str) -> None:
    params = parameters([(3, 4), 65])
    twins = copies(params)
    ours, theirs = descend.Adam(params, lr=0.01, engine=engine), torch.optim.Adam(twins, lr=0.01)
    for optimizer, who in ((ours, params), (theirs, twins)):
        optimizer.param_groups[0]["betas"] = [0.9, 0.99]
        train(optimizer, who, 4)
        optimizer.param_groups[0]["betas"][0] = 0.2
        train(optimizer, who, range(4, 8))
    assert_same_training(ours, theirs, params, twins)


@every_engine
def test_momentum_switched_on_off_and_on(engine: str) -> None:
    """torch starts a buffer with the gradient when there is none, keeps it while momentum is 0, and goes on with it."""
    params = parameters([(3, 4), 65])
    twins = copies(params)
    ours, theirs = descend.SGD(params, lr=0.1, engine=engine), torch.optim.SGD(twins, lr=0.1)
    for start, momentum, nesterov in (
        (0, 0.0, False),
        (2, 0.9, False),
        (4, 0.0, False),
        (6, 0.5, True),
        (8, 0.5, False),
    ):
        for optimizer, who in ((ours, params), (theirs, twins)):
            optimizer.param_groups[0].update(momentum=momentum, nesterov=nesterov)
            train(optimizer, who, range(start, start + 2))
    assert_same_training(ours, theirs, params, twins)


@every_case
@every_engine
def test_tensor_lr(case: Case, engine: str) -> None:
    """A Tensor lr of any 1-element shape, changed in place between steps, without the tensor ever being replaced."""
    for shape in ((), (1,), (1, 1)):
        params = parameters([(3, 4), 5], torch.float64)
        twins = copies(params)
        rates = [torch.full(shape, 0.01, dtype=torch.float64) for _ in range(2)]
        ours, theirs = case.ours(params, lr=rates[0], engine=engine), case.theirs(twins, lr=rates[1])
        for step in range(6):
            for optimizer, who, lr in ((ours, params, rates[0]), (theirs, twins, rates[1])):
                set_gradients(who, step)
                lr.fill_(0.01 / (step + 1))
                optimizer.step()
        assert ours.param_groups[0]["lr"] is rates[0]
        assert_close(params, twins, 1e-12)


@every_engine
def test_tensor_betas_and_tensor_weight_decay(engine: str) -> None:
    params = parameters([(3, 4)], torch.float64)
    twins = copies(params)
    betas = torch.tensor([[0.8]], dtype=torch.float64), torch.tensor(0.9, dtype=torch.float64)
    ours, theirs = descend.Adam(params, betas=betas, engine=engine), torch.optim.Adam(twins, betas=betas)
    assert ours.defaults["betas"][0].shape == theirs.defaults["betas"][0].shape == ()
    train(ours, params, 5)
    train(theirs, twins, 5)
    assert_close(params, twins, 1e-12)
    decay = torch.tensor(0.1, dtype=torch.float64)
    ours2, theirs2 = descend.SGD(params, weight_decay=decay, engine=engine), torch.optim.SGD(twins, weight_decay=decay)
    train(ours2, params, 5)
    train(theirs2, twins, 5)
    assert_close(params, twins, 1e-12)


@every_case
@every_engine
def test_a_model_with_closures(case: Case, engine: str) -> None:
    """A real forward and backward through a closure; the loss that step() returns is the closure's."""

    def run(make: Callable[..., Any], **extra: Any) -> tuple[list[float], list[Parameter]]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).double()
        optimizer = make(model.parameters(), **extra)
        x, y = random((16, 4), torch.float64, 5), random((16, 2), torch.float64, 6)

        def closure() -> Tensor:
            optimizer.zero_grad(set_to_none=False)
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            return loss

        return [optimizer.step(closure).item() for _ in range(8)], list(model.parameters())

    (losses, ours), (wanted, theirs) = run(case.ours, engine=engine), run(case.theirs)
    assert losses == pytest.approx(wanted, rel=1e-11)
    assert_close(ours, theirs, 1e-12)


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3, gamma=0.5),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)], [4]
    ),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(
        o, 0.1, 12, cycle_momentum="betas" in o.defaults or "momentum" in o.defaults
    ),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.1, 3, cycle_momentum="betas" in o.defaults),
}


@richest_cases
@every_engine
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_torch_schedulers_drive_us(case: Case, engine: str, scheduler: str) -> None:
    params = parameters([(3, 4), 5], torch.float64)
    twins = copies(params)
    ours, theirs = case.ours(params, engine=engine), case.theirs(twins)
    schedules = SCHEDULERS[scheduler](ours), SCHEDULERS[scheduler](theirs)
    for step in range(11):
        for optimizer, who, schedule in ((ours, params, schedules[0]), (theirs, twins, schedules[1])):
            set_gradients(who, step)
            optimizer.step()
            schedule.step(*([1.0] if scheduler == "ReduceLROnPlateau" else []))
    assert_same_training(ours, theirs, params, twins)


@richest_cases
@every_engine
@pytest.mark.parametrize("overflows", [(), (0,), (0, 1, 4), (3,)], ids=str)
@pytest.mark.parametrize("fused", [None, True])
def test_grad_scaler(case: Case, engine: str, overflows: tuple[int, ...], fused: bool | None) -> None:
    """torch.amp.GradScaler on CPU: unscaling by itself, or handed to us with fused=True; skipped steps count nothing.

    torch's own fused SGD reads uninitialised memory when its first step is skipped, so the reference is
    always torch's for-loop, for which the scaler skips the step itself.
    """
    if fused and "fused" not in case.hyper:
        pytest.skip(f"torch's {case.cls.__name__} has no fused option")
    params = parameters([(3, 4), 65])
    twins = copies(params)
    hint = {} if fused is None else {"fused": fused}
    ours, theirs = case.ours(params, engine=engine, **hint), case.theirs(twins)
    scalers = [torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3) for _ in range(2)]
    for step in range(7):
        for optimizer, who, scaler in ((ours, params, scalers[0]), (theirs, twins, scalers[1])):
            optimizer.zero_grad()
            factor = random((), seed=step)
            loss = sum(
                ((p * random(p.shape, seed=50 * step + i)).sum() * factor for i, p in enumerate(who)), torch.zeros(())
            )
            scaler.scale(loss).backward()
            if step in overflows:
                who[-1].grad[3] = float("inf")
            scaler.step(optimizer)
            scaler.update()
    assert scalers[0].get_scale() == scalers[1].get_scale()
    assert_close(params, twins, 1e-6)
    for p, q in zip(params, twins, strict=True):
        for key, value in theirs.state[q].items():
            assert_close([ours.state[p][key]], [value], 1e-6, key)
    assert not hasattr(ours, "found_inf") and not hasattr(ours, "grad_scale")


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")  # torch's own Adagrad says so
@every_engine
@pytest.mark.parametrize("case", [c for c in CASES if c.sparse], ids=str)
def test_sparse_gradients(case: Case, engine: str) -> None:
    """An embedding with sparse=True, repeated indices included, beside a dense parameter."""

    def run(make: Callable[..., Any], **extra: Any) -> list[Parameter]:
        torch.manual_seed(0)
        embedding, dense = nn.Embedding(10, 3, sparse=True).double(), nn.Linear(3, 1).double()
        params = [*embedding.parameters(), *dense.parameters()]
        optimizer = make(params, **extra)
        for step in range(6):
            optimizer.zero_grad()
            rows = torch.tensor([step, 3, 3, 9 - step])
            (dense(embedding(rows)) ** 2).sum().backward()
            optimizer.step()
        return params

    assert_close(run(case.ours, engine=engine), run(case.theirs), 1e-12)


# torch's own table of configurations and of refusals, which ships inside torch


@pytest.fixture(scope="module")
def optim_db() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's test helpers warn about what they cannot find
        from torch.testing._internal.common_optimizers import (
            optim_db as table,  # needs expecttest, as torch's own tests do
        )
    return {info.optim_cls.__name__: info for info in table}


@every_engine
@pytest.mark.parametrize("cls", [c.cls for c in RICHEST], ids=lambda c: c.__name__)
def test_configurations_of_torch(optim_db: dict[str, Any], cls: Any, engine: str) -> None:
    info = optim_db[cls.__name__]
    configurations = info.optim_inputs_func(device="cpu", dtype=torch.float32)
    assert len(configurations) >= 5
    for given in configurations:
        for hint in ({}, {"foreach": True}, {"foreach": False}, {"fused": True}):
            if "fused" in hint and not info.supports_fused_on:
                continue
            if "foreach" in hint and isinstance(given.kwargs.get("lr"), Tensor) and cls.__name__.startswith("Adam"):
                continue
            params = parameters([(5, 4), 3])
            twins = copies(params)
            ours = cls(params, **given.kwargs, **hint, engine=engine)
            theirs = info.optim_cls(twins, **given.kwargs, **hint)
            train(ours, params, 10)
            train(theirs, twins, 10)
            assert_same_training(ours, theirs, params, twins)


@pytest.mark.parametrize("cls", [c.cls for c in RICHEST], ids=lambda c: c.__name__)
def test_refusals_of_torch(optim_db: dict[str, Any], cls: Any) -> None:
    errors = optim_db[cls.__name__].optim_error_inputs_func("cpu", torch.float32)
    assert len(errors) >= 7
    for error in errors:
        given = error.optimizer_error_input
        params = given.params if given.params is not None else parameters([(1, 1)])
        if issubclass(error.error_type, Warning):
            with pytest.warns(error.error_type, match=error.error_regex):
                cls(params, **given.kwargs)
            continue
        with pytest.raises(error.error_type) as caught:
            optimizer = cls(params, **given.kwargs)
            if error.error_on.name == "STEP_ERROR":
                optimizer.step()
        assert re.search(error.error_regex, str(caught.value)), given.desc


@every_case
def test_engines_train_a_network_to_the_same_bits(case: Case) -> None:
    """A convolutional network end to end, gradients from autograd with whatever strides it chooses."""

    def run(engine: str) -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
        optimizer = case.ours(model.parameters(), engine=engine)
        x, y = random((8, 2, 6, 6), seed=1), torch.arange(8) % 3
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        return [*model.parameters(), *buffers(optimizer, model.parameters())]

    assert_same_bits(run("cpu"), run("eager"))
