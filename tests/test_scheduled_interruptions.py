"""Training with schedules, interrupted in any order that hypothesis draws: the numbers of a training that is not."""

import copy
import math
import pickle
from typing import Any

import pytest
import torch
from cases import assert_same_bits, buffers, copies, parameters, set_gradients, train
from hypothesis import given
from hypothesis import strategies as st

import descend
from descend.schedules import Cosine, CosineRestarts, Linear

SHAPES = [(4, 2), (5,), (3,)]


def make(params: list[Any]) -> Any:
    groups = [
        {"params": params[:1]},
        {"params": params[1:2], "lr": CosineRestarts(0.1, 0.01, 3), "betas": (Linear(0.8, 0.9, 6), 0.99)},
        {"params": params[2:], "lr": 0.02, "weight_decay": 0.0},
    ]
    return descend.AdamW(groups, lr=Cosine(0.1, 0.0, 9).warmup(2), weight_decay=Linear(0.1, 0.0, 5), nonfinite="skip")


def params_of(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def skipped(optimizer: Any) -> Any:
    for p in params_of(optimizer):
        p.grad = torch.full_like(p, math.nan)
    optimizer.step()
    return optimizer


def refused(optimizer: Any) -> Any:
    kept = optimizer.param_groups[0]["lr"]
    optimizer.param_groups[0]["lr"] = 0.77
    set_gradients(params_of(optimizer), 77)
    with pytest.raises(ValueError, match="by hand"):
        optimizer.step()
    optimizer.param_groups[0]["lr"] = kept
    return optimizer


def raised(optimizer: Any) -> Any:
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    return optimizer


def idle(optimizer: Any) -> Any:
    optimizer.zero_grad()
    optimizer.step()
    return optimizer


def loaded(optimizer: Any) -> Any:
    other = make(copies(params_of(optimizer)))
    other.load_state_dict(optimizer.state_dict())
    return other


def loaded_after_steps(optimizer: Any) -> Any:
    other = make(copies(params_of(optimizer)))
    train(other, params_of(other), 2)
    with torch.no_grad():
        for p, q in zip(params_of(other), params_of(optimizer), strict=True):
            p.copy_(q)
    other.load_state_dict(optimizer.state_dict())
    return other


def reloaded(optimizer: Any) -> Any:
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return optimizer


def pickled(optimizer: Any) -> Any:
    return pickle.loads(pickle.dumps(optimizer))


def with_copied_groups(optimizer: Any) -> Any:
    optimizer.param_groups = [dict(group) for group in optimizer.param_groups]
    return optimizer


def through_torch(optimizer: Any) -> Any:
    """A checkpoint that torch.optim has loaded and saved; it casts state to the parameters' dtype, which it has."""
    groups = [{"params": group["params"]} for group in optimizer.param_groups]
    theirs = torch.optim.AdamW(groups)
    theirs.load_state_dict(optimizer.state_dict())
    other = make(copies(params_of(optimizer)))
    other.load_state_dict(theirs.state_dict())
    return other


def printed(optimizer: Any) -> Any:
    assert repr(optimizer) and optimizer.explain(quiet=True)
    return optimizer


EVENTS = (
    skipped, refused, raised, idle, loaded, loaded_after_steps, reloaded, pickled, copy.deepcopy, with_copied_groups,
    through_torch, printed,
)  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(EVENTS), max_size=3), min_size=4, max_size=12))
def test_nothing_that_happens_between_two_steps_changes_them(between: list[list[Any]]) -> None:
    whole = parameters(SHAPES)
    expected = make(whole)
    train(expected, whole, len(between))

    optimizer = make(parameters(SHAPES))
    for step, events in enumerate(between):
        for event in events:
            optimizer = event(optimizer)
        assert [group.get("schedule_step", step) for group in optimizer.param_groups] == [step] * 3
        train(optimizer, params_of(optimizer), range(step, step + 1))
    assert_same_bits(params_of(optimizer), whole)
    assert_same_bits(buffers(optimizer, params_of(optimizer)), buffers(expected, whole))
    ours, theirs = (
        [{k: v for k, v in group.items() if k != "params"} for group in o.param_groups] for o in (optimizer, expected)
    )
    assert ours == theirs
