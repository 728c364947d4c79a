"""Schedules and the rest of the shell: groups, hooks, texts, torch.compile, the fast path, checkpoints of trainers."""

import copy
import time
from typing import Any

import pytest
import torch
from cases import assert_same_bits, copies, every_engine, parameters, set_gradients, snapshot, train
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict

import descend
from descend.rules.ops import sign
from descend.schedules import Constant, Cosine, Function, Linear, Step

SHAPES = [(5, 3), (7,), (2, 2, 3)]
RATE = Cosine(0.05, 0.001, steps=7).warmup(3)
SLOW = Linear(0.01, 0.002, steps=8)


def two_groups(**options: Any) -> tuple[Any, list[Any]]:
    params = parameters(SHAPES)
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": SLOW}]
    return descend.AdamW(groups, **{"lr": RATE, **options}), params


# ------------------------------------------------------------------------------------------------------------- groups


@every_engine
def test_each_group_follows_its_own_schedule(engine: str) -> None:
    optimizer, params = two_groups(weight_decay=Linear(0.1, 0.0, 5), engine=engine)
    twins = copies(params)
    by_hand = descend.AdamW([{"params": twins[:1]}, {"params": twins[1:]}], engine=engine)
    for step in range(10):
        for group, rate in zip(by_hand.param_groups, (RATE, SLOW), strict=True):
            group.update(lr=rate(step), weight_decay=Linear(0.1, 0.0, 5)(step))
        train(optimizer, params, range(step, step + 1))
        train(by_hand, twins, range(step, step + 1))
        assert [g["lr"] for g in optimizer.param_groups] == [RATE(step + 1), SLOW(step + 1)]
    assert_same_bits(params, twins)


def test_only_groups_with_schedules_count() -> None:
    params = parameters(SHAPES)
    optimizer = descend.SGD([{"params": params[:1]}, {"params": params[1:], "lr": SLOW}], lr=0.1)
    assert ["schedule_step" in group for group in optimizer.param_groups] == [False, True]
    train(optimizer, params, 3)
    assert optimizer.param_groups[0]["lr"] == 0.1 and optimizer.param_groups[1]["schedule_step"] == 3
    loaded = descend.SGD([{"params": copies(params[:1])}, {"params": copies(params[1:]), "lr": SLOW}], lr=0.2)
    loaded.load_state_dict(optimizer.state_dict())
    assert "schedule_step" not in loaded.param_groups[0] and loaded.param_groups[1]["lr"] == SLOW(3)


def test_a_number_in_a_group_stands_against_a_default_schedule() -> None:
    params = parameters(SHAPES)
    optimizer = descend.SGD([{"params": params[:1], "lr": 0.3}, {"params": params[1:]}], lr=RATE)
    train(optimizer, params, 2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.3, RATE(2)]
    assert optimizer.defaults["lr"] == RATE(0), "a plain number, for whoever reads it"


def test_a_group_added_later_is_at_the_optimizer_s_step() -> None:
    optimizer, params = two_groups()
    train(optimizer, params, 4)
    late = parameters([(4,), (6,), (2,)], seed=50)
    optimizer.add_param_group({"params": [late[0]]})
    optimizer.add_param_group({"params": [late[1]], "schedule_step": 0})
    optimizer.add_param_group({"params": [late[2]], "lr": 0.7})
    given = {"params": parameters([(3,)], seed=60), "lr": SLOW, "betas": (0.5, Linear(0.5, 0.9, 10))}
    kept = dict(given)
    optimizer.add_param_group(given)
    assert given == kept, "the caller's dict is left alone"
    everything = [*params, *late, *given["params"]]
    for done in range(3):
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == [RATE(4 + done), SLOW(4 + done), RATE(4 + done), RATE(done), 0.7, SLOW(4 + done)]
        assert optimizer.param_groups[5]["betas"] == (0.5, Linear(0.5, 0.9, 10)(4 + done))
        train(optimizer, everything, range(done, done + 1))


def test_a_first_scheduled_group_is_at_the_step_that_the_state_has_counted() -> None:
    params = parameters(SHAPES)
    adam, sgd = descend.Adam(params[:1], lr=0.1), descend.SGD(params[1:2], lr=0.1)
    for optimizer, first, step in ((adam, params[0], 5), (sgd, params[1], 0)):
        for i in range(5):
            train(optimizer, [first], range(i, i + 1))
        optimizer.add_param_group({"params": parameters([(2,)], seed=70), "lr": RATE})
        assert optimizer.param_groups[1]["schedule_step"] == step


def test_a_refused_group_leaves_no_trace() -> None:
    optimizer, params = two_groups()
    train(optimizer, params, 2)
    for bad in ({"lr": Constant(-1)}, {"schedule_step": -1}, {"schedule_step": 1.5}, {"maximize": Constant(1)}):
        with pytest.raises((ValueError, TypeError), match=r"lr is Constant|Invalid schedule_step|cannot be a schedule"):
            optimizer.add_param_group({"params": parameters([(3,)], seed=70), **bad})
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": params[:1], "lr": SLOW})
    assert len(optimizer.param_groups) == 2
    train(copy.deepcopy(optimizer), [], 1)
    train(optimizer, params, range(2, 3))
    optimizer.add_param_group({"params": parameters([(3,)], seed=70), "lr": 0.1})
    again = copy.deepcopy(optimizer)
    for o in (optimizer, again):
        everything = [p for group in o.param_groups for p in group["params"]]
        train(o, everything, range(3, 5))
        assert [group["lr"] for group in o.param_groups] == [RATE(5), SLOW(5), 0.1]


def test_groups_may_be_moved_removed_and_copied() -> None:
    optimizer, params = two_groups()
    train(optimizer, params, 2)
    optimizer.param_groups.reverse()
    train(optimizer, params, 1)
    assert [group["lr"] for group in optimizer.param_groups] == [SLOW(3), RATE(3)]
    optimizer.param_groups = [dict(group) for group in optimizer.param_groups]
    train(optimizer, params, 1)
    assert [group["lr"] for group in optimizer.param_groups] == [SLOW(4), RATE(4)]
    del optimizer.param_groups[0]
    train(optimizer, params, 1)
    assert [group["lr"] for group in optimizer.param_groups] == [RATE(5)]
    saved = optimizer.state_dict()
    other = descend.AdamW(copies(params[:1]), lr=RATE)
    other.load_state_dict(saved)
    assert other.param_groups[0]["schedule_step"] == 5


def test_a_group_from_elsewhere_is_refused() -> None:
    optimizer, params = two_groups()
    train(optimizer, params, 1)
    other = descend.AdamW(parameters([(4,)], seed=80), lr=RATE)
    optimizer.param_groups.append(other.param_groups[0])
    before = snapshot(optimizer)
    for _ in range(2):
        with pytest.raises(ValueError, match="parameter group 2 has the key 'schedule_step', but its schedules are"):
            train(optimizer, params, range(1, 2))
        assert_same_bits(snapshot(optimizer)[0], before[0])
        assert "schedule_step" in repr(optimizer)
    del optimizer.param_groups[2]
    train(optimizer, params, range(1, 2))
    assert optimizer.param_groups[0]["schedule_step"] == 2


def test_many_groups_are_made_in_linear_time() -> None:
    params = [torch.nn.Parameter(torch.zeros(1)) for _ in range(4000)]

    def seconds(n: int) -> float:
        best = 1e9
        for _ in range(3):
            start = time.perf_counter()
            descend.AdamW([{"params": [p]} for p in params[:n]], lr=RATE)
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(4000) < 10 * seconds(1000), "4 times if linear, 16 times if quadratic"


def test_a_step_number_set_by_hand_moves_the_schedules() -> None:
    optimizer, params = two_groups()
    twins = copies(params)
    by_hand = descend.AdamW([{"params": twins[:1], "lr": RATE(6)}, {"params": twins[1:], "lr": SLOW(0)}])
    optimizer.param_groups[0]["schedule_step"] = 6
    train(optimizer, params, 1)
    train(by_hand, twins, 1)
    assert_same_bits(params, twins)
    assert [group["lr"] for group in optimizer.param_groups] == [RATE(7), SLOW(1)]
    before = snapshot(optimizer)
    for bad in (-3, 0.5, None):
        optimizer.param_groups[0]["schedule_step"] = bad
        with pytest.raises(ValueError, match=f"Invalid schedule_step: {bad}"):
            train(optimizer, params, 1)
        assert_same_bits(snapshot(optimizer)[0], before[0])
    optimizer.param_groups[0].update(schedule_step=3, lr=0.123)
    with pytest.raises(ValueError, match=rf"lr was set to 0.123, .* which is {RATE(3)} at step 3"):
        train(optimizer, params, 1)
    assert_same_bits(snapshot(optimizer)[0], before[0])


def test_two_hundred_groups_share_one_schedule() -> None:
    """It is evaluated once for all of them, and rows of equal options stay shared."""
    calls = []

    def rate(step: float) -> float:
        calls.append(step)
        return 0.1 / (1 + step)

    params = parameters([(3,)] * 200)
    optimizer = descend.AdamW([{"params": [p]} for p in params], lr=Function(rate))
    del calls[:]
    train(optimizer, params, 5)
    assert calls == [1, 2, 3, 4, 5]
    assert {group["lr"] for group in optimizer.param_groups} == {rate(5)}


# -------------------------------------------------------------------------------------------------------- fast path


def test_scheduled_options_stay_on_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first step nothing is planned or compiled anew, however options move."""
    params = parameters(SHAPES)
    optimizer = descend.AdamW(
        params, lr=RATE, weight_decay=Linear(0.1, 0.0, 40), betas=(Linear(0.8, 0.9, 30), 0.99), eps=Step(1e-3, 2)
    )
    train(optimizer, params, 1)
    repeater = optimizer._repeater
    assert repeater is not None

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("planned anew")

    monkeypatch.setattr(type(optimizer), "_step_anew", fail)  # all plans are made there, and all kernels asked for
    train(optimizer, params, range(1, 60))
    assert optimizer._repeater is repeater


@every_engine
@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float32), (torch.float32, torch.float64)], ids=str)
def test_a_decay_that_comes_and_goes(engine: str, dtypes: tuple[torch.dtype, torch.dtype]) -> None:
    """Kernels differ by whether there is any decay: each group has its own, which vanish and come back."""
    params = [*parameters([(5, 3)], dtypes[0]), *parameters([(7,)], dtypes[1])]
    twins = copies(params)
    decays = Linear(0.1, 0.0, 3).then(Linear(0.0, 0.2, 2), after=6), Linear(0.0, 0.1, 2).then(0, after=4)
    groups = [{"params": [p], "weight_decay": d} for p, d in zip(params, decays, strict=True)]
    optimizer = descend.AdamW(groups, lr=Linear(0.1, 0.0, 9).then(0.1, after=11), engine=engine)
    saved: dict[str, Any] = {}
    for step in range(14):
        train(optimizer, params, range(step, step + 1))
        rate = Linear(0.1, 0.0, 9).then(0.1, after=11)(step)
        fresh = descend.AdamW(
            [{"params": [p], "weight_decay": d(step)} for p, d in zip(twins, decays, strict=True)],
            lr=rate, engine=engine,
        )  # fmt: skip
        if saved:
            fresh.load_state_dict(saved)
            for group, d in zip(fresh.param_groups, decays, strict=True):
                group.update(lr=rate, weight_decay=d(step))
        train(fresh, twins, range(step, step + 1))
        saved = fresh.state_dict()
        assert_same_bits(params, twins, f"step {step}")


def test_an_optimizer_without_schedules_knows_nothing_of_them() -> None:
    params = parameters(SHAPES)
    optimizer = descend.AdamW(params)
    train(optimizer, params, 2)
    assert "_scheduled" not in vars(optimizer) and "_scheduled" not in optimizer.__getstate__()
    assert "schedule_step" not in optimizer.param_groups[0]


# ----------------------------------------------------------------------------------------------------------- the shell


def test_hooks_see_the_step_s_values_before_and_the_next_ones_after() -> None:
    optimizer, params = two_groups()
    seen: list[tuple[str, float]] = []
    optimizer.register_step_pre_hook(lambda o, *_: seen.append(("before", o.param_groups[0]["lr"])))
    optimizer.register_step_post_hook(lambda o, *_: seen.append(("after", o.param_groups[0]["lr"])))
    train(optimizer, params, 2)
    assert seen == [("before", RATE(0)), ("after", RATE(1)), ("before", RATE(1)), ("after", RATE(2))]


def test_closures() -> None:
    params, twins = parameters(SHAPES), parameters(SHAPES)
    optimizer, other = descend.AdamW(params, lr=RATE), descend.AdamW(twins, lr=RATE)
    for step in range(4):
        rates = []

        def closure(step: int = step, rates: list[float] = rates) -> float:
            set_gradients(params, step)
            rates.append(optimizer.param_groups[0]["lr"])
            return 1.5

        assert optimizer.step(closure) == 1.5 and rates == [RATE(step)]
    train(other, twins, 4)
    assert_same_bits(params, twins)


def test_repr_and_explain() -> None:
    optimizer, params = two_groups()
    train(optimizer, params, 2)
    text = repr(optimizer)
    assert f"lr: {RATE(2)}, from Cosine(start=0.05, end=0.001, steps=7).warmup(3)" in text
    assert f"lr: {SLOW(2)}, from Linear(start=0.01, end=0.002, steps=8)" in text
    assert "schedule_step: 2" in text
    assert {name for name, _ in optimizer.explain(quiet=True).engines["cpu"]} == {
        "group 0, parameter 0 (5, 3)",
        "group 1, parameter 0 (7,)",
        "group 1, parameter 1 (2, 2, 3)",
    }
    many = descend.SGD([{"params": [p]} for p in parameters([(2,)] * 50)], lr=RATE)
    assert "from Cosine(start=0.05" in repr(many)


def test_under_torch_compile() -> None:
    params, twins = parameters(SHAPES), parameters(SHAPES)
    optimizer, plain = descend.AdamW(params, lr=RATE), descend.AdamW(twins, lr=RATE)
    compiled = torch.compile(optimizer.step, backend="eager")
    for step in range(7):
        set_gradients(params, step)
        with torch._dynamo.config.patch(error_on_recompile=step >= 3):
            compiled()
        assert optimizer.param_groups[0]["lr"] == RATE(step + 1)
    torch._dynamo.reset()
    train(plain, twins, 7)
    assert_same_bits(params, twins)


def test_rprop_under_torch_compile() -> None:
    params, twins = parameters(SHAPES), parameters(SHAPES)
    optimizer, plain = descend.Rprop(params, lr=RATE), descend.Rprop(twins, lr=RATE)
    compiled = torch.compile(optimizer.step, backend="eager")
    for step in range(4):
        set_gradients(params, step)
        compiled()
    torch._dynamo.reset()
    train(plain, twins, 4)
    assert_same_bits(params, twins)


def test_state_dicts_of_distributed_checkpoints() -> None:
    """They make state with a step of rate 0, rename parameters, and load what another optimizer saved."""
    whole, model, other = (torch.nn.Linear(4, 3) for _ in range(3))
    for m in (model, other):
        m.load_state_dict(whole.state_dict())
    one, first, second = (descend.AdamW(m.parameters(), lr=RATE, weight_decay=SLOW) for m in (whole, model, other))
    train(one, list(whole.parameters()), 8)
    train(first, list(model.parameters()), 3)
    saved = get_optimizer_state_dict(model, first)
    other.load_state_dict(model.state_dict())
    set_optimizer_state_dict(other, second, saved)
    assert second.param_groups[0]["schedule_step"] == 3 and second.param_groups[0]["lr"] == RATE(3)
    train(second, list(other.parameters()), range(3, 8))
    assert_same_bits(other.parameters(), whole.parameters())


def test_state_swapped_in_and_out() -> None:
    params, others = parameters(SHAPES), parameters(SHAPES, seed=9)
    optimizer, ahead = descend.AdamW(params, lr=RATE), descend.AdamW(others, lr=RATE)
    train(optimizer, params, 1)
    train(ahead, others, 4)
    names = {f"p{i}": p for i, p in enumerate(copies(others))}
    with descend.swap_in_optimizer_params_and_state(optimizer, names, copy.deepcopy(ahead.state_dict())):
        train(optimizer, list(names.values()), range(4, 5))
        assert optimizer.param_groups[0]["lr"] == RATE(5)
    train(ahead, others, range(4, 5))
    assert_same_bits(names.values(), others)
    train(optimizer, params, range(1, 2))
    assert optimizer.param_groups[0]["schedule_step"] == 2 and optimizer.param_groups[0]["lr"] == RATE(2)


def test_an_optimizer_of_ones_own_rule() -> None:
    def lion(p: Any, g: Any, exp_avg: Any, *, lr: Any, w1: Any, w2: Any) -> Any:
        """Lion (Chen et al. 2023, arXiv:2302.06675, Alg. 2)."""
        p = p - lr * sign(exp_avg + w1 * (g - exp_avg))
        return p, exp_avg + w2 * (g - exp_avg)

    def scalars(t: int, *, lr: float, betas: Any) -> dict[str, float]:
        return dict(lr=lr, w1=1 - betas[0], w2=1 - betas[1])

    rule = descend.Rule(lion, scalars, dict(exp_avg=descend.Buffer()))
    made = descend.define(rule, name="Lion", lr=1e-4, betas=(0.9, 0.99), decoupled_weight_decay=True)
    params, twins = parameters(SHAPES), parameters(SHAPES)
    optimizer, by_hand = made(params, lr=RATE, betas=(Linear(0.8, 0.9, 5), 0.99)), made(twins)
    for step in range(6):
        by_hand.param_groups[0].update(lr=RATE(step), betas=(Linear(0.8, 0.9, 5)(step), 0.99))
        train(by_hand, twins, range(step, step + 1))
    train(optimizer, params, 6)
    assert_same_bits(params, twins)


def test_clipping_follows_a_schedule() -> None:
    params, twins = parameters(SHAPES), parameters(SHAPES)
    limit = Linear(1.0, 0.1, 5)
    optimizer, by_hand = descend.SGD(params, clip_grad_norm=limit), descend.SGD(twins, clip_grad_norm=1.0)
    for step in range(7):
        by_hand.param_groups[0]["clip_grad_norm"] = limit(step)
        train(by_hand, twins, range(step, step + 1))
    train(optimizer, params, 7)
    assert_same_bits(params, twins)


def test_lbfgs_with_a_schedule() -> None:
    """It follows, resumes and refuses as the others; that its numbers resume exactly is shown in its own tests."""
    rate = Linear(1.0, 0.5, 4)

    def run(optimizer: Any, param: torch.nn.Parameter, which: range) -> None:
        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = ((param - torch.tensor([1.0, -2.0, 0.5, 3.0])) ** 4).sum()
            loss.backward()
            return loss

        for step in which:
            assert optimizer.param_groups[0]["lr"] == rate(step)
            optimizer.step(closure)
        assert optimizer.param_groups[0]["schedule_step"] == which.stop

    (first,) = parameters([(4,)])
    optimizer = descend.LBFGS([first], lr=rate, max_iter=3)
    run(optimizer, first, range(2))
    (second,) = copies([first])
    resumed = descend.LBFGS([second], lr=rate, max_iter=3)
    resumed.load_state_dict(optimizer.state_dict())
    run(resumed, second, range(2, 5))
    optimizer.param_groups[0]["lr"] = 0.9
    with pytest.raises(ValueError, match=r"lr was set to 0.9, by hand"):
        optimizer.step(lambda: torch.zeros(()))


@pytest.mark.parametrize(
    "options", [dict(state_dtype=torch.bfloat16), dict(state_dtype="int8"), dict(master="split")], ids=str
)
def test_with_state_in_low_precision(options: dict[str, Any]) -> None:
    dtype = torch.bfloat16 if "master" in options else torch.float32
    params, twins = (parameters([(64, 64), (512,)], dtype) for _ in range(2))
    optimizer, by_hand = descend.AdamW(params, lr=RATE, **options), descend.AdamW(twins, lr=0.5, **options)
    for step in range(6):
        by_hand.param_groups[0]["lr"] = RATE(step)
        train(by_hand, twins, range(step, step + 1))
        train(optimizer, params, range(step, step + 1))
    assert_same_bits(params, twins)
    assert optimizer.param_groups[0]["schedule_step"] == 6


def test_an_error_about_something_else_does_not_blame_a_schedule() -> None:
    with pytest.raises(ValueError, match="Invalid nonfinite: 'no'") as caught:
        descend.AdamW(parameters(SHAPES), lr=RATE, nonfinite="no")
    assert "Cosine" not in str(caught.value)
