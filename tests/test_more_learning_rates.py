"""A changed learning rate holds from the very next step: ASGD, which torch makes a step late, and Rprop, where torch
reads it only once. And what Rprop makes of signs that torch's product of gradients loses.

Each test shows torch's defect, too, so that it says so when torch has mended it. ASGD keeps eta and Rprop its first
learning rate in float32 (as torch does eta): 12 steps of up to 0.1 may add 12 x 0.1 x 6e-8.
"""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    assert_same_bits,
    assert_unchanged,
    buffers,
    copies,
    every_engine,
    parameters,
    ran_on,
    random,
    set_gradients,
    snapshot,
    train,
)
from oracle import Run
from oracle_more import asgd, rprop
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import lr_scheduler

import descend

RATES = [0.05, 0.05, 0.1, 0.1, 0.02, 0.0, 0.03, 0.07, 0.07, 0.001, 0.1, 0.1]
ASGD = dict(lambd=0.05, alpha=0.7, t0=4.0)
Make = Callable[..., Any]


def follow(make: Make, rates: list[float], start: Tensor, **options: Any) -> tuple[Any, list[Tensor]]:
    """Train on the gradients of `set_gradients` with one learning rate a step; the optimizer and the path."""
    p = Parameter(start.clone())
    optimizer, path = make([p], lr=rates[0], **options), []
    for step, lr in enumerate(rates):
        optimizer.param_groups[0]["lr"] = lr
        set_gradients([p], step)
        optimizer.step()
        path.append(p.detach().clone())
    return optimizer, path


def wanted(oracle: Callable[..., Run], rates: list[float], start: Tensor, **options: Any) -> list[Tensor]:
    gradients = []
    for step in range(len(rates)):
        p = start.clone()
        set_gradients([p], step)
        gradients.append(p.grad.tolist())
    return [torch.tensor(x, dtype=start.dtype) for x in oracle(start.tolist(), gradients, lr=rates, **options)[0]]


def largest_difference(a: list[Tensor], b: list[Tensor]) -> float:
    return max((x - y).abs().max().item() for x, y in zip(a, b, strict=True))


@every_engine
@pytest.mark.parametrize(("name", "oracle", "options"), [("ASGD", asgd, ASGD), ("Rprop", rprop, {})])
def test_a_changed_lr_holds_at_once(name: str, oracle: Any, options: dict[str, Any], engine: str) -> None:
    start = random(65, torch.float64)
    path = wanted(oracle, RATES, start, **options)
    optimizer, ours = follow(getattr(descend, name), RATES, start, engine=engine, **options)
    assert largest_difference(ours, path) < 7e-8
    assert set(ran_on(optimizer)) == {engine}
    _, theirs = follow(getattr(torch.optim, name), RATES, start, **options)
    assert largest_difference(theirs, path) > 0.01, "torch follows at once now: no longer a difference"


@every_engine
def test_asgd_keeps_the_numbers_of_the_next_step_as_torch_does(engine: str) -> None:
    """Its eta and mu are right for a learning rate that stays; so checkpoints go both ways."""
    start = random(5, torch.float64)
    ours, _ = follow(descend.ASGD, RATES, start, engine=engine, **ASGD)
    theirs, _ = follow(torch.optim.ASGD, RATES, start, **ASGD)
    mine, other = (o.state[o.param_groups[0]["params"][0]] for o in (ours, theirs))
    assert (mine["eta"], mine["mu"]) == (other["eta"], other["mu"])


@every_engine
@pytest.mark.parametrize("name", ["ASGD", "Rprop"])
def test_a_tensor_lr_changed_in_place(name: str, engine: str) -> None:
    runs = []
    for kind in (float, lambda lr: torch.tensor([lr], dtype=torch.float64)):
        params = parameters([65], torch.float64)
        lr = kind(RATES[0])
        optimizer = getattr(descend, name)(params, lr=lr, engine=engine)
        for step, rate in enumerate(RATES):
            if isinstance(lr, Tensor):
                lr.fill_(rate)
            else:
                optimizer.param_groups[0]["lr"] = rate
            train(optimizer, params, range(step, step + 1))
        runs.append(params)
    assert_same_bits(*runs)


# Rprop


@every_engine
def test_rprop_without_a_change_has_torch_s_state(engine: str) -> None:
    """And with one, torch's step sizes still: what changes is one number more, from then on."""
    for dtype in (torch.float64, torch.float32, torch.complex64):
        params = parameters([(3, 4), 65], dtype)
        twins = copies(params)
        ours, theirs = descend.Rprop(params, engine=engine), torch.optim.Rprop(twins)
        for step in range(10):
            for optimizer, who in ((ours, params), (theirs, twins)):
                train(optimizer, who, range(step, step + 1))
                if step == 5:
                    optimizer.param_groups[0]["lr"] = 0.003
        for p, q in zip(params, twins, strict=True):
            assert_same_bits(
                *([o.state[x][k] for k in ("step", "prev", "step_size")] for o, x in ((ours, p), (theirs, q)))
            )
            assert ours.state[p]["initial_lr"] == torch.tensor(0.01)


@every_engine
def test_rprop_keeps_a_key_more_only_after_a_change(engine: str) -> None:
    params = parameters([5, 6])
    optimizer = descend.Rprop(params, engine=engine)
    keys = ["step", "prev", "step_size"]
    train(optimizer, params, 3)
    optimizer.state_dict()
    assert all(list(optimizer.state[p]) == keys for p in params)
    optimizer.param_groups[0]["lr"] = 0.02
    train(optimizer, params, 1)
    assert all(set(optimizer.state[p]) == {*keys, "initial_lr"} for p in params)


@every_engine
def test_rprop_scales_with_the_schedule_to_0_and_back(engine: str) -> None:
    """Where the learning rate is 0 nothing moves; restarts find the step sizes as they were."""
    params = parameters([65], torch.float64)
    twins = copies(params)
    ours, reference = (descend.Rprop(ps, step_sizes=(1e-3, 50), engine=engine) for ps in (params, twins))
    train(ours, params, 3)
    train(reference, twins, 3)
    before = copies(params)
    for lr in (1e-5, 0.0):
        ours.param_groups[0]["lr"] = lr
        train(ours, params, range(3, 4))
    train(reference, twins, range(3, 4))
    train(reference, twins, range(3, 4))
    assert largest_difference(params, before) < 1e-4
    ours.param_groups[0]["lr"] = 0.01
    at = copies(params), copies(twins)
    train(ours, params, range(4, 5))
    train(reference, twins, range(4, 5))
    moved = [[p - q for p, q in zip(a, b, strict=True)] for a, b in ((params, at[0]), (twins, at[1]))]
    assert largest_difference(*moved) < 1e-8


@every_engine
def test_rprop_warms_up_from_0(engine: str) -> None:
    """Step sizes that began with a rate of 0 begin anew with the first other one; then the schedule scales them."""
    for kind in (float, torch.tensor):
        params = parameters([(3, 4), 5], torch.float64)
        optimizer = descend.Rprop(params, lr=kind(0.01), engine=engine)
        schedule = lr_scheduler.LambdaLR(optimizer, lambda t: t / 4)
        for step in range(4):
            before = copies(params)
            for p in params:
                p.grad = torch.ones_like(p)
            optimizer.step()
            schedule.step()
            moved = largest_difference(params, before)
            # by the lower bound at first, as torch; then t / 4 of 0.01, grown by 1.2 a step for a sign that stays
            assert moved == pytest.approx([1e-6, 0.0025 * 1.2, 0.005 * 1.2**2, 0.0075 * 1.2**3][step], rel=1e-6)


@every_engine
def test_rprop_in_bfloat16_follows_small_changes(engine: str) -> None:
    """A schedule that multiplies step sizes themselves by 0.999 would be rounded away there."""
    (p,) = parameters([64], torch.bfloat16)
    optimizer = descend.Rprop([p], lr=0.125, etas=(0.5, 1 + 1e-6), engine=engine)
    for _ in range(500):
        p.data.zero_()
        p.grad = torch.ones_like(p)
        optimizer.step()
        optimizer.param_groups[0]["lr"] *= 0.998
    assert p[0].item() == pytest.approx(-0.125 * 0.998**499, rel=2**-8)


@every_engine
def test_rprop_parameters_unfrozen_later_begin_with_the_rate_of_then(engine: str) -> None:
    params = parameters([5, 6], torch.float64)
    optimizer = descend.Rprop([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=0.1, engine=engine)
    train(optimizer, params, 2, lambda t, i: i == 1)
    for group in optimizer.param_groups:
        group["lr"] *= 0.1
    before = copies(params)
    train(optimizer, params, range(2, 3))
    assert (params[1] - before[1]).abs().max().item() == pytest.approx(0.05)
    assert optimizer.state[params[1]]["step_size"].max() == 0.05
    assert (params[0] - before[0]).abs().max() <= 0.1 * 0.1 * 1.2**2 + 1e-8


@every_engine
def test_rprop_parameters_unfrozen_while_the_rate_is_0(engine: str) -> None:
    """Nothing is in proportion to 0: they do not move, and count from the first other rate."""
    params = parameters([5, 6], torch.float64)
    optimizer = descend.Rprop(params, lr=0.1, engine=engine)
    for step, lr in enumerate((0.1, 0.0, 0.02, 0.04)):
        optimizer.param_groups[0]["lr"] = lr
        before = copies(params)
        for p in params[: 1 + (step > 0)]:
            p.grad = torch.ones_like(p)
        optimizer.step()
        moved = (params[1] - before[1]).abs().max().item()
        assert moved == pytest.approx([0, 0, 1.2e-6, 2 * 1.44e-6][step], rel=1e-6)


def through_a_file(optimizer: Any) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@every_engine
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64], ids=str)
@pytest.mark.parametrize("how", ["state_dict", "deepcopy", "pickle"])
@pytest.mark.parametrize("changed", ["never", "long before", "since the last step", "both"])
def test_rprop_resumes_exactly(changed: str, how: str, dtype: torch.dtype, engine: str) -> None:
    """Also where a scheduler has changed the rate between the last step and the checkpoint, as most loops do."""
    params = parameters([(3, 4), 65], dtype)
    old = descend.Rprop(params, lr=0.05, engine=engine)
    train(old, params, 3)
    if changed in ("long before", "both"):
        old.param_groups[0]["lr"] = 0.02
    train(old, params, range(3, 5))
    if changed in ("since the last step", "both"):
        old.param_groups[0]["lr"] = 0.03
    if how == "state_dict":
        resumed = copies(params)
        new = descend.Rprop(resumed, engine=engine)
        new.load_state_dict(through_a_file(old))
    else:
        new = copy.deepcopy(old) if how == "deepcopy" else pickle.loads(pickle.dumps(old))
        resumed = new.param_groups[0]["params"]
    for optimizer, who in ((old, params), (new, resumed)):
        train(optimizer, who, range(5, 7))
        optimizer.param_groups[0]["lr"] = 0.04
        train(optimizer, who, range(7, 9))
    assert_same_bits([*params, *buffers(old, params)], [*resumed, *buffers(new, resumed)])


def test_rprop_s_checkpoint_after_a_change_loads_into_torch() -> None:
    params = parameters([5, 6], torch.float64)
    old = descend.Rprop(params)
    train(old, params, 2)
    old.param_groups[0]["lr"] = 0.02
    train(old, params, 1)
    twins = copies(params)
    theirs = torch.optim.Rprop(twins)
    theirs.load_state_dict(through_a_file(old))
    train(theirs, twins, 2)
    again = descend.Rprop(params)
    again.load_state_dict(through_a_file(theirs))
    train(again, params, 2)
    assert all(p.isfinite().all() for p in (*params, *twins))


@every_engine
@pytest.mark.parametrize("bad", [float("nan"), -1.0, "0.1"])
def test_rprop_refuses_a_bad_rate_as_ever(bad: Any, engine: str) -> None:
    """Looking at the rate writes nothing, and saving is allowed with any."""
    params = parameters([5])
    optimizer = descend.Rprop(params, engine=engine)
    for change in (None, 0.02):
        train(optimizer, params, 2)
        optimizer.param_groups[0]["lr"] = bad
        before = snapshot(optimizer)
        with pytest.raises((TypeError, ValueError), match="Invalid learning rate"):
            optimizer.step()
        optimizer.state_dict()
        assert_unchanged(optimizer, before)
        optimizer.param_groups[0]["lr"] = change or 0.01


@every_engine
def test_rprop_under_torch_s_schedulers_and_compile(engine: str) -> None:
    torch.manual_seed(0)
    losses = []
    for compiled in (False, True):
        model = nn.Linear(4, 1).double()
        with torch.no_grad():
            for p in model.parameters():
                p.fill_(0.5)
        optimizer = descend.Rprop(model.parameters(), lr=0.05, engine=engine)
        schedule = lr_scheduler.CosineAnnealingLR(optimizer, 10)
        x, y = random((32, 4), torch.float64, 1), random((32, 1), torch.float64, 2)
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        for _ in range(10):
            loss = ((model(x) - y) ** 2).mean()
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            step()
            schedule.step()
    assert losses[:10] == losses[10:]
    assert losses[9] < losses[0]


def test_rprop_hooks_run_once() -> None:
    (p,) = parameters([3])
    optimizer, calls = descend.Rprop([p]), []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append("post"))
    train(optimizer, [p], 2)
    assert calls == ["pre", "post"] * 2


@every_engine
@pytest.mark.parametrize(
    ("dtype", "scale"), [(torch.float32, 1e-25), (torch.float16, 1e-4), (torch.bfloat16, 1e-25)], ids=str
)
def test_rprop_sees_the_signs_of_small_gradients(dtype: torch.dtype, scale: float, engine: str) -> None:
    """torch multiplies two gradients in their own dtype to see whether the sign has changed; a product of 0 says no."""
    found = []
    for make in (lambda ps: descend.Rprop(ps, lr=0.125, engine=engine), lambda ps: torch.optim.Rprop(ps, lr=0.125)):
        p = Parameter(torch.zeros(8, dtype=dtype))
        optimizer = make([p])
        for sign in (1, 1, -1):
            p.grad = torch.full_like(p, sign * scale)
            optimizer.step()
        found.append(optimizer.state[p]["step_size"][0].item())
    assert found[0] == pytest.approx(0.125 * 1.2 * 0.5, rel=1e-2)
    assert found[1] == 0.125, "torch sees them now: no longer a difference"


def test_rprop_shows_a_nan_gradient() -> None:
    """torch.sign(nan) is 0, so torch's Rprop goes on as if nothing were wrong; every other optimizer shows NaN."""
    for make, shown in ((descend.Rprop, True), (torch.optim.Rprop, False)):
        p = Parameter(torch.zeros(4))
        p.grad = torch.tensor([1.0, float("nan"), -1.0, 0.0])
        make([p]).step()
        assert p.isnan().tolist() == [False, shown, False, False]
