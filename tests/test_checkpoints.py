"""state_dict and load_state_dict, in both directions with torch.optim, through files, by name, and what they refuse.

From torch to us and back, training continues within the tolerances of test_torch.py; from us to us, bit for bit.
"""

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    Case,
    assert_close,
    assert_same_bits,
    assert_unchanged,
    buffers,
    copies,
    every_case,
    every_engine,
    parameters,
    random,
    richest_cases,
    set_gradients,
    snapshot,
    train,
)
from torch import Tensor, nn
from torch.nn import Parameter

import descend

SHAPES = [(3, 4), 65, ()]


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """torch.save and a load that may build nothing but tensors and plain containers."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def groups(params: list[Parameter]) -> list[dict[str, Any]]:
    return [{"params": params[:1]}, {"params": params[1:], "lr": 0.02}]


@every_case
@every_engine
@pytest.mark.parametrize("direction", ["torch to ours", "ours to torch", "ours to ours"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64], ids=str)
def test_training_continues(case: Case, engine: str, direction: str, dtype: torch.dtype) -> None:
    source, _, target = direction.partition(" to ")
    make: dict[str, Callable[..., Any]] = {"torch": case.theirs, "ours": lambda ps: case.ours(ps, engine=engine)}
    params = parameters(SHAPES, dtype)
    old = make[source](groups(params))
    train(old, params, 5)
    resumed = copies(params)
    new = make[target](groups(resumed))
    new.load_state_dict(through_a_file(old.state_dict()))
    assert list(new.state_dict()["state"]) == list(old.state_dict()["state"])
    train(old, params, range(5, 10))
    train(new, resumed, range(5, 10))
    if direction == "ours to ours":
        assert_same_bits([*resumed, *buffers(new, resumed)], [*params, *buffers(old, params)])
    else:
        tolerance = 1e-12 if dtype == torch.float64 else 1e-6
        assert_close([*resumed, *buffers(new, resumed)], [*params, *buffers(old, params)], tolerance)


@every_case
def test_layout_of_a_checkpoint_is_torch_s(case: Case) -> None:
    """The same nesting, keys, order, types and dtypes, so that any tool that reads torch's reads ours."""
    states = []
    for make in (case.theirs, case.ours):
        params = parameters(SHAPES)
        optimizer = make(groups(params))
        train(optimizer, params, 3)
        states.append(optimizer.state_dict())
    theirs, ours = states
    assert list(ours) == list(theirs)
    assert ours["param_groups"] == theirs["param_groups"]
    assert list(ours["state"]) == list(theirs["state"])
    for key, state in theirs["state"].items():
        assert list(ours["state"][key]) == list(state)
        for name, value in state.items():
            mine = ours["state"][key][name]
            assert (type(mine), mine.dtype, mine.shape) == (type(value), value.dtype, value.shape)
        if "step" in state:
            assert ours["state"][key]["step"] == state["step"] == 3


@every_case
def test_untrained_optimizers_can_be_saved_and_loaded(case: Case) -> None:
    params = parameters(SHAPES)
    new = case.ours(groups(params))
    new.load_state_dict(case.ours(groups(parameters(SHAPES))).state_dict())
    twins = copies(params)
    theirs = case.theirs(groups(twins))
    new.load_state_dict(theirs.state_dict())
    train(new, params, 3)
    train(theirs, twins, 3)
    assert_close(params, twins, 1e-6)


@richest_cases
def test_loading_copies(case: Case) -> None:
    """No tensor is shared with the dict: training on one side moves nothing on the other, as it does in torch."""
    params = parameters(SHAPES)
    old = case.ours(params)
    train(old, params, 2)
    state = old.state_dict()
    new = case.ours(copies(params))
    new.load_state_dict(state)
    pointers = {t.data_ptr() for t in buffers(old, params) if t.numel()}
    assert not pointers & {t.data_ptr() for t in buffers(new, new.param_groups[0]["params"])}
    before = snapshot(old)
    train(new, new.param_groups[0]["params"], 3)
    assert_unchanged(old, before)
    assert state["param_groups"][0]["params"] == [0, 1, 2]  # the caller's dict is as it was


def test_loading_in_mid_training_replaces_everything() -> None:
    """Options come from the checkpoint, as in torch; the plan made for the old state is not used again."""
    for engine in ("cpu", "eager"):
        params = parameters(SHAPES)
        optimizer = CASES[-1].ours(params, engine=engine)
        train(optimizer, params, 2)
        start, saved = copies(params), copy.deepcopy(optimizer.state_dict())
        optimizer.param_groups[0]["lr"] = 0.5
        train(optimizer, params, range(2, 5))
        first = copies(params)
        optimizer.load_state_dict(saved)
        assert optimizer.param_groups[0]["lr"] == CASES[-1].hyper["lr"]
        with torch.no_grad():
            for p, q in zip(params, start, strict=True):
                p.copy_(q)
        optimizer.param_groups[0]["lr"] = 0.5
        train(optimizer, params, range(2, 5))
        assert_same_bits(params, first, engine)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@every_engine
def test_loading_keeps_the_dtype_of_the_state(dtype: torch.dtype, engine: str) -> None:
    """Float32 state of a half parameter stays float32: torch rounds it to the parameter's dtype."""
    params = parameters(SHAPES, dtype)
    case = next(c for c in CASES if c.name == "Adam-plain")
    optimizer = case.ours(params, engine=engine)
    train(optimizer, params, 2)
    state = copy.deepcopy(optimizer.state_dict())
    for entry in state["state"].values():
        entry["exp_avg_sq"] = entry["exp_avg_sq"].float() * (1 + 2**-20)
    optimizer.load_state_dict(state)
    for p in params:
        assert optimizer.state[p]["exp_avg_sq"].dtype == torch.float32
        assert optimizer.state[p]["exp_avg"].dtype == dtype
        assert optimizer.state[p]["step"].dtype == torch.float32
    for i, p in enumerate(params):
        assert torch.equal(optimizer.state[p]["exp_avg_sq"], state["state"][i]["exp_avg_sq"])
    train(optimizer, params, range(2, 4))
    assert all(p.isfinite().all() for p in params)
    assert all(optimizer.state[p]["exp_avg_sq"].dtype == torch.float32 for p in params)


# By name


def named(order: list[str]) -> list[tuple[str, Parameter]]:
    """Parameters whose values and shapes belong to their names, not to their places."""
    sizes = {"stem.weight": (3, 4), "stem.bias": (4,), "head.weight": (4, 3), "head.bias": (4,)}
    return [(name, Parameter(random(sizes[name], seed=list(sizes).index(name)))) for name in order]


NAMES = ["stem.weight", "stem.bias", "head.weight", "head.bias"]


@richest_cases
@every_engine
@pytest.mark.parametrize("source", ["torch", "ours"])
def test_state_goes_to_the_parameter_of_its_name(case: Case, engine: str, source: str) -> None:
    """Another order on our side: torch hands the two biases each other's state without a word."""
    before, after = dict(named(NAMES)), dict(named(NAMES[::-1]))
    old = case.theirs(before.items()) if source == "torch" else case.ours(before.items(), engine=engine)
    new = case.ours(after.items(), engine=engine)
    for step in range(6):
        for i, name in enumerate(NAMES):
            for params in (before, after):
                params[name].grad = random(params[name].shape, seed=100 * step + i)
        old.step()
        if step == 2:
            new.load_state_dict(through_a_file(old.state_dict()))
            assert new.param_groups[0]["param_names"] == NAMES[::-1]
            with torch.no_grad():
                for name in NAMES:
                    after[name].copy_(before[name])
        elif step > 2:
            new.step()
    assert_close([after[name] for name in NAMES], [before[name] for name in NAMES], 1e-6)


def test_names_across_groups() -> None:
    before, after = named(NAMES), named(NAMES)
    old = descend.Adam([{"params": before[:2]}, {"params": before[2:]}])
    train(old, [p for _, p in before], 2)
    new = descend.Adam([{"params": [after[1], after[0]]}, {"params": [after[3], after[2]]}])
    new.load_state_dict(old.state_dict())
    for (_, p), (_, q) in zip(before, after, strict=True):
        assert_same_bits(buffers(old, [p]), buffers(new, [q]))


def test_names_on_one_side_only_match_by_position() -> None:
    params, plain = named(NAMES), [p for _, p in named(NAMES)]
    old, new = descend.Adam(params), descend.Adam(plain)
    train(old, [p for _, p in params], 2)
    new.load_state_dict(old.state_dict())
    assert_same_bits(buffers(new, plain), buffers(old, [p for _, p in params]))
    again = descend.Adam(named(NAMES))
    again.load_state_dict(new.state_dict())
    assert again.param_groups[0]["param_names"] == NAMES


# Refusals: each with what is wrong, and nothing changed


def assert_refused(optimizer: Any, state: dict[str, Any], match: str) -> None:
    before = snapshot(optimizer)
    with pytest.raises(ValueError, match=match):
        optimizer.load_state_dict(state)
    assert_unchanged(optimizer, before)
    assert snapshot(optimizer)[2] == before[2], "group options"


@every_engine
def test_shapes_that_do_not_fit(engine: str) -> None:
    """torch loads them and fails at the next step, without a name."""
    old_params = parameters([(3, 4), 65])
    old = descend.Adam(old_params)
    train(old, old_params, 2)
    params = parameters([(3, 4), 66])
    new = descend.Adam(params, lr=0.5, engine=engine)
    train(new, params, 1)
    assert_refused(new, old.state_dict(), r"(?s)(?=.*65)(?=.*66)(?=.*(parameter 1|\b1\b))")
    wrong = named(NAMES)
    other = descend.Adam(
        [(name, Parameter(torch.zeros(7) if name == "head.bias" else p)) for name, p in wrong], engine=engine
    )
    right = descend.Adam(named(NAMES))
    train(right, right.param_groups[0]["params"], 1)
    assert_refused(other, right.state_dict(), r"(?s)(?=.*head\.bias)(?=.*\[?\(?4)(?=.*7)")


def test_groups_that_do_not_fit_are_refused_in_torch_s_words() -> None:
    for make_old in ([[3], [4]], [[3, 4, 5]]):
        messages = []
        for cls in (torch.optim.Adam, descend.Adam):
            old = cls([{"params": parameters(shapes)} for shapes in make_old])
            new = cls(parameters([3, 4]))
            with pytest.raises(ValueError, match="loaded state dict") as caught:
                new.load_state_dict(old.state_dict())
            messages.append(str(caught.value))
        assert messages[1].startswith(messages[0])


def test_a_state_of_another_optimizer_is_refused() -> None:
    """torch loads Adagrad's state into Adam and raises a bare KeyError at the next step."""
    params = parameters([3, 4])
    adagrad, adam = descend.Adagrad(params), descend.Adam(copies(params))
    train(adagrad, params, 2)
    assert_refused(adam, adagrad.state_dict(), "exp_avg")


def test_names_that_do_not_fit_are_refused() -> None:
    """Same number of parameters, same shapes, but a name that is not there: not a case for guessing."""
    old = descend.Adam(named(NAMES))
    train(old, old.param_groups[0]["params"], 1)
    renamed = [("neck" + name[4:] if name.startswith("stem") else name, p) for name, p in named(NAMES)]
    assert_refused(descend.Adam(renamed), old.state_dict(), r"(?s)(?=.*stem\.weight|.*neck\.weight)")


# Old checkpoints


@richest_cases
def test_a_step_that_is_a_plain_number(case: Case) -> None:
    """Checkpoints of torch before 1.12 hold `step` as int."""
    if "step" not in case.state_keys:
        pytest.skip("no step in the state")
    params = parameters(SHAPES)
    old = case.theirs(params)
    train(old, params, 3)
    state = copy.deepcopy(old.state_dict())
    for entry in state["state"].values():
        entry["step"] = int(entry["step"])
    resumed = copies(params)
    new = case.ours(resumed)
    new.load_state_dict(state)
    assert all(isinstance(new.state[p]["step"], Tensor) and new.state[p]["step"] == 3 for p in resumed)
    train(old, params, range(3, 6))
    train(new, resumed, range(3, 6))
    assert_close(resumed, params, 1e-6)


@richest_cases
def test_options_missing_from_an_old_checkpoint(case: Case) -> None:
    """What torch added over the years gets the value that torch's own loader gives it."""
    later = (
        "maximize",
        "foreach",
        "differentiable",
        "fused",
        "capturable",
        "decoupled_weight_decay",
        "nesterov",
        "centered",
    )
    params = parameters(SHAPES)
    plain = next(c for c in CASES if c.cls is case.cls)
    old = plain.theirs(params)
    train(old, params, 2)
    state = copy.deepcopy(old.state_dict())
    for group in state["param_groups"]:
        for key in later:
            group.pop(key, None)
    twins, resumed = copies(params), copies(params)
    theirs, ours = plain.theirs(twins), plain.ours(resumed)
    theirs.load_state_dict(copy.deepcopy(state))
    ours.load_state_dict(state)
    mine, wanted = ours.param_groups[0], theirs.param_groups[0]
    # torch gives SGD's `fused` False here and None in its constructor: both mean the same
    assert {k: v or None for k, v in mine.items() if k != "params"} == {
        k: v or None for k, v in wanted.items() if k != "params"
    }
    train(theirs, twins, range(2, 4))
    train(ours, resumed, range(2, 4))
    assert_close(resumed, twins, 1e-6)


def test_adamw_decouples_whatever_the_checkpoint_says() -> None:
    """An AdamW checkpoint of torch before 2.7 has no such key; an Adam checkpoint says False."""
    for cls in (torch.optim.AdamW, descend.AdamW):
        old = torch.optim.Adam(parameters([3]))
        new = cls(parameters([3]))
        new.load_state_dict(old.state_dict())
        assert new.param_groups[0]["decoupled_weight_decay"] is True


def test_switches_turned_on_after_training() -> None:
    """amsgrad or momentum enabled in a trained optimizer: the missing buffer is created (torch: KeyError)."""
    for engine in ("cpu", "eager"):
        params = parameters(SHAPES)
        adam, rms = descend.Adam(params, engine=engine), descend.RMSprop(params, engine=engine)
        for optimizer, key, value in ((adam, "amsgrad", True), (rms, "momentum", 0.9)):
            train(optimizer, params, 2)
            optimizer.param_groups[0][key] = value
            train(optimizer, params, 2)
        assert all("max_exp_avg_sq" in adam.state[p] and "momentum_buffer" in rms.state[p] for p in params)


def test_a_checkpoint_is_a_live_view_as_in_torch() -> None:
    """state_dict() hands out the state itself; saving at once costs no copy, keeping it needs copy.deepcopy."""
    params = parameters([3])
    optimizer = descend.Adam(params)
    train(optimizer, params, 1)
    assert optimizer.state_dict()["state"][0]["exp_avg"] is optimizer.state[params[0]]["exp_avg"]


def test_distributed_checkpoint_helpers_accept_us() -> None:
    """torch.distributed.checkpoint renames state by parameter; it insists on torch's class and layout."""
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict

    model = nn.Linear(3, 2)
    optimizer = descend.AdamW(model.parameters())
    set_gradients(list(model.parameters()), 0)
    optimizer.step()
    state = get_optimizer_state_dict(model, optimizer)
    assert set(state["state"]) == {"weight", "bias"}
    new = descend.AdamW(model.parameters())
    set_optimizer_state_dict(model, new, state)
    assert_same_bits(buffers(new, model.parameters()), buffers(optimizer, model.parameters()))
