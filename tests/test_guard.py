"""clip_grad_norm, clip_grad_value and nonfinite: torch's numbers, the same on every engine and number of threads.

torch's way is the measure: clip_grad_norm_ or clip_grad_value_ on the gradients, then a step of torch.optim. Tolerances
are those of plain steps (1e-6 relative in float32 after some steps, 1e-12 in float64): the clipping factor is the same
number but for the last bits.
"""

import copy
import math
import pickle
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from cases import (
    RICHEST,
    Case,
    assert_close,
    assert_same_bits,
    assert_unchanged,
    buffers,
    copies,
    every_case,
    every_engine,
    named,
    parameters,
    ran_on,
    set_gradients,
    snapshot,
    train,
)
from cases_more import RICHEST_MORE
from hypothesis import given, settings
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

import descend

SHAPES = [(3,), (1025,), (), (7, 5), (0, 2), (4097,)]
ALL = (*RICHEST, *RICHEST_MORE)
OPTIONS = [{"clip_grad_norm": 0.7}, {"clip_grad_value": 0.2}, {"clip_grad_norm": 0.7, "clip_grad_value": 0.2}]
NAN, INF = float("nan"), float("inf")
every_class = pytest.mark.parametrize("case", ALL, ids=str)


def exactly_clipped(params: list[Any], given: list[torch.Tensor], limit: float) -> None:
    """Replace gradients that torch has clipped, by a float32 norm, by those clipped by the exact one."""
    norm = math.sqrt(math.fsum(float(g.abs().double().square().sum()) for g in given))
    for p, g in zip(params, given, strict=True):
        exact = g * min(1.0, limit / (norm + 1e-6))
        assert torch.allclose(p.grad, exact, rtol=2e-6, atol=0)
        p.grad = exact


@every_case
@pytest.mark.parametrize("limit", [0.5, 1e3, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64], ids=str)
def test_clip_grad_norm_is_torchs_clipping_and_a_step(case: Case, limit: float, dtype: torch.dtype) -> None:
    ours = parameters(SHAPES, dtype)
    theirs = copies(ours)
    a, b = case.ours(ours, clip_grad_norm=limit, engine="cpu"), case.theirs(theirs)
    for t in range(6):
        set_gradients(ours, t)
        set_gradients(theirs, t)
        given = [p.grad.clone() for p in ours]
        clip_grad_norm_(theirs, limit)
        exactly_clipped(theirs, given, limit)
        a.step()
        b.step()
        assert_same_bits([p.grad for p in ours], given, "the gradient itself is not changed")
    assert_close(ours, theirs, 1e-12 if dtype == torch.float64 else 1e-6)


@every_class
@every_engine
def test_clip_grad_value_is_torchs_clipping_and_a_step(case: Case, engine: str) -> None:
    ours = parameters(SHAPES)
    theirs = copies(ours)
    a = case.ours(ours, clip_grad_value=0.3, clip_grad_norm=2.0, engine=engine)
    b = case.theirs(theirs)
    for t in range(6):
        set_gradients(ours, t)
        set_gradients(theirs, t)
        clip_grad_value_(theirs, 0.3)
        clip_grad_norm_(theirs, 2.0)
        a.step()
        b.step()
    if case.name.startswith(("ASGD", "Rprop")):  # torch follows the learning rate late; see test_more_learning_rates
        return
    assert_close(ours, theirs, 1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex128], ids=str
)
@every_class
def test_engines_agree(case: Case, dtype: torch.dtype, options: dict[str, float]) -> None:
    """Bit for bit but for the norm, whose last bits depend on the order of addition: it is one float64 number."""
    ours = parameters(SHAPES, dtype)
    twins = copies(ours)
    cpu, eager = (case.ours(named(p), engine=e, **options) for p, e in ((ours, "cpu"), (twins, "eager")))
    for t in range(5):
        for params, optimizer in ((ours, cpu), (twins, eager)):
            set_gradients(params, t)
            optimizer.step()
    limit = 1e-12 if dtype in (torch.float64, torch.complex128) else 2e-7 if dtype == torch.float32 else 2e-2
    if "clip_grad_norm" in options:
        assert_close(ours, twins, limit)
    else:
        assert_same_bits(ours, twins)
        assert_same_bits(buffers(cpu, ours), buffers(eager, twins))
    assert ran_on(cpu).keys() == {"cpu"}


def test_a_norm_has_the_same_bits_for_any_number_of_threads() -> None:
    results = []
    for threads in (1, 2, 3, 4):
        torch.set_num_threads(threads)
        try:
            params = parameters([(300, 1000), (70_001,), (5,)])
            optimizer = descend.AdamW(params, clip_grad_norm=0.1, stats=True, engine="cpu")
            train(optimizer, params, 3)
            results.append(([p.detach().clone() for p in params], optimizer.stats()))
        finally:
            torch.set_num_threads(2)
    for params, stats in results[1:]:
        assert_same_bits(params, results[0][0])
        assert stats == results[0][1]


@given(
    st.lists(st.floats(-(2.0**50), 2.0**50, width=32), min_size=1, max_size=300),
    st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=60, deadline=None)
def test_the_norm_against_exact_addition(values: list[float], dtype: torch.dtype) -> None:
    """SGD with lr=1 moves a parameter by the clipped gradient: its norm is the limit, or the gradient's own."""
    p = Parameter(torch.zeros(len(values), dtype=dtype))
    p.grad = torch.tensor(values, dtype=dtype)
    exact = math.sqrt(math.fsum(x * x for x in p.grad.double().tolist()))
    optimizer = descend.SGD([p], lr=1.0, clip_grad_norm=1.0, stats=True, engine="cpu")
    optimizer.step()
    assert optimizer.stats().grad_norm == pytest.approx(exact, rel=1e-14, abs=0)
    factor = min(1.0, 1.0 / (exact + 1e-6))
    assert torch.allclose(p.detach(), -p.grad * factor, rtol=1e-6, atol=0)


def test_squares_beyond_float64() -> None:
    """torch's norm overflows here, and its step does nothing."""
    p = Parameter(torch.zeros(2, dtype=torch.float64))
    p.grad = torch.tensor([3e200, 4e200], dtype=torch.float64)
    for engine in ("cpu", "eager"):
        q = Parameter(p.detach().clone())
        q.grad = p.grad
        descend.SGD([q], lr=1.0, clip_grad_norm=1.0, nonfinite="raise", engine=engine).step()
        assert torch.allclose(q, torch.tensor([-0.6, -0.8], dtype=torch.float64), rtol=1e-12)


@pytest.mark.parametrize("way", ["one launch", "two launches", "launch and eager", "whole tensors", "function"])
def test_sums_of_squares_that_overflow_only_together(way: str) -> None:
    """Each gradient's sum of squares is a float64 number, all of them together are not."""
    a, b = (Parameter(torch.zeros(2, 2, dtype=torch.float64)) for _ in range(2))
    if way == "launch and eager":
        b = Parameter(torch.zeros(2, 4, dtype=torch.float64)[:, ::2])
    a.grad, b.grad = (torch.full_like(p, 6e153).requires_grad_(False) for p in (a, b))
    norm = math.sqrt(8) * 6e153
    if way == "function":
        assert float(descend.clip_grad_norm_([a, b], 1.0)) == pytest.approx(norm, rel=1e-12)
        return
    cls: Any = descend.Adafactor if way == "whole tensors" else descend.SGD
    groups = [{"params": [a]}, {"params": [b]}]
    optimizer = cls(groups, lr=1.0, clip_grad_norm=1.0, nonfinite="raise", stats=True)
    if way == "two launches":  # another set of absent scalars is another kernel
        optimizer.param_groups[1]["momentum"] = 0.5
    optimizer.step()
    assert all(bool(p.isfinite().all()) for p in (a, b))
    if cls is descend.SGD:
        assert torch.allclose(a, torch.full_like(a, -6e153 / norm), rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------- nonfinite


@every_class
@every_engine
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_skipped_step_changes_nothing(case: Case, engine: str, bad: float) -> None:
    ours, twins = parameters(SHAPES), parameters(SHAPES)
    a, b = case.ours(ours, nonfinite="skip", engine=engine), case.ours(twins, engine=engine)
    for t in range(5):
        set_gradients(ours, t)
        if t in (0, 2, 3):
            good = ours[5].grad.clone()
            ours[5].grad[-1] = bad
            before = snapshot(a)
            a.step()
            assert_unchanged(a, before)
            ours[5].grad = good
        set_gradients(twins, t)
        a.step()
        b.step()
    assert a.skipped_steps == 3
    assert_same_bits(ours, twins)
    assert_same_bits(buffers(a, ours), buffers(b, twins))


@every_class
@every_engine
def test_raise_names_the_parameters(case: Case, engine: str) -> None:
    params = parameters(SHAPES)
    optimizer = case.ours(named(params), nonfinite="raise", engine=engine)
    train(optimizer, params, 2)
    params[1].grad[7] = NAN
    params[3].grad[0, 0] = INF
    before = snapshot(optimizer)
    with pytest.raises(RuntimeError, match=r"gradients of 2 parameters are NaN or infinite: p1, p3\. Nothing was"):
        optimizer.step()
    assert_unchanged(optimizer, before)
    assert optimizer.skipped_steps == 0


@every_engine
def test_by_default_nan_spreads_as_in_torch(engine: str) -> None:
    ours, theirs = parameters(SHAPES), parameters(SHAPES)
    for params in (ours, theirs):
        set_gradients(params, 0)
        params[1].grad[7] = NAN
    descend.AdamW(ours, clip_grad_norm=1.0, engine=engine).step()
    clip_grad_norm_(theirs, 1.0)
    torch.optim.AdamW(theirs).step()
    assert all(bool(p.isnan().all()) for p in ours)
    assert all(bool(p.isnan().all()) for p in theirs)


def test_skipped_and_scaled_steps_with_gradscaler() -> None:
    """Clipping acts on unscaled gradients, whichever of GradScaler's protocols is used."""
    for fused in (None, True):
        p, q = Parameter(torch.ones(4)), Parameter(torch.ones(4))
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        optimizer = descend.AdamW([p], lr=0.1, fused=fused, clip_grad_norm=0.5)
        plain = torch.optim.AdamW([q], lr=0.1)
        for t in range(3):
            x = torch.arange(4.0) + t
            scaler.scale((p * x).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            (q * x).sum().backward()
            clip_grad_norm_([q], 0.5)
            plain.step()
            plain.zero_grad()
        assert_close([p], [q], 1e-6)


# ------------------------------------------------------------------------------------------------- options and groups


def test_a_limit_that_changes_between_steps_is_followed() -> None:
    ours = parameters(SHAPES)
    theirs = copies(ours)
    a, b = descend.Adam(ours, clip_grad_norm=1.0, clip_grad_value=1.0), torch.optim.Adam(theirs)
    for t, (norm, value) in enumerate([(1.0, 1.0), (0.5, 1.0), (0.5, 0.1), (None, 0.1), (None, None), (2.0, None)]):
        a.param_groups[0].update(clip_grad_norm=norm, clip_grad_value=value)
        set_gradients(ours, t)
        set_gradients(theirs, t)
        if value is not None:
            clip_grad_value_(theirs, value)
        if norm is not None:
            clip_grad_norm_(theirs, norm)
        a.step()
        b.step()
    assert_close(ours, theirs, 1e-6)


def test_options_are_in_groups_and_checkpoints_only_when_used() -> None:
    p = Parameter(torch.ones(3))
    assert not {"clip_grad_norm", "nonfinite", "stats"} & descend.Adam([p]).param_groups[0].keys()
    optimizer = descend.Adam([p], clip_grad_norm=1.0)
    assert optimizer.param_groups[0]["clip_grad_norm"] == 1.0
    assert not {"clip_grad_value", "nonfinite", "stats"} & optimizer.param_groups[0].keys()
    p.grad = torch.ones(3)
    optimizer.step()
    torch.optim.Adam([p]).load_state_dict(optimizer.state_dict())
    other = descend.Adam([p])
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["clip_grad_norm"] == 1.0  # as a learning rate would be
    kept = descend.Adam([p], clip_grad_norm=3.0)
    kept.load_state_dict(torch.optim.Adam([p]).state_dict())
    assert kept.param_groups[0]["clip_grad_norm"] == 3.0


def test_copies_keep_the_options() -> None:
    p = Parameter(torch.ones(3))
    optimizer = descend.SGD([p], lr=1.0, clip_grad_norm=1.0, nonfinite="skip")
    p.grad = torch.full((3,), NAN)
    optimizer.step()
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert twin.skipped_steps == 1
        q = twin.param_groups[0]["params"][0]
        q.grad = torch.tensor([0.0, 3.0, 4.0])
        twin.step()
        assert torch.allclose(q, torch.tensor([1.0, 0.4, 0.2]), atol=1e-6)


def test_one_group_may_clip_values_alone() -> None:
    a, b = Parameter(torch.zeros(2)), Parameter(torch.zeros(2))
    optimizer = descend.SGD([{"params": [a], "clip_grad_value": 0.5}, {"params": [b]}], lr=1.0)
    a.grad, b.grad = torch.tensor([3.0, -0.1]), torch.tensor([3.0, -0.1])
    optimizer.step()
    assert a.tolist() == pytest.approx([-0.5, 0.1]) and b.tolist() == pytest.approx([-3.0, 0.1])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"clip_grad_norm": -1.0}, r"Invalid clip_grad_norm: -1.0 \(clip_grad_norm must be a finite number >= 0"),
        ({"clip_grad_norm": NAN}, "Invalid clip_grad_norm: nan"),
        ({"clip_grad_value": INF}, "Invalid clip_grad_value: inf"),
        ({"clip_grad_value": True}, "Invalid clip_grad_value: True"),
        ({"nonfinite": "ignore"}, "Invalid nonfinite: 'ignore' .*'propagate', 'skip', 'raise'"),
        ({"stats": 1}, "Invalid stats: 1"),
    ],
)
@pytest.mark.parametrize("name", ["SGD", "Adafactor"])
def test_bad_values_are_refused(name: str, options: dict[str, Any], text: str) -> None:
    p = Parameter(torch.ones(2, 2))
    with pytest.raises(ValueError, match=text):
        getattr(descend, name)([p], **options)
    optimizer = getattr(descend, name)([p], **{key: None if "clip" in key else descend_default(key) for key in options})
    optimizer.add_param_group({"params": [Parameter(torch.ones(2))]})
    with pytest.raises(ValueError, match=text):
        optimizer.add_param_group({"params": [Parameter(torch.ones(2))], **options})
    assert len(optimizer.param_groups) == 2


def descend_default(key: str) -> Any:
    return {"nonfinite": "propagate", "stats": False}[key]


def test_groups_must_agree_on_what_concerns_all_gradients() -> None:
    a, b = Parameter(torch.ones(2)), Parameter(torch.ones(2))
    a.grad = b.grad = torch.ones(2)
    optimizer = descend.SGD([{"params": [a], "clip_grad_norm": 1.0}, {"params": [b]}])
    before = snapshot(optimizer)
    with pytest.raises(
        ValueError, match=r"Invalid clip_grad_norm in group 1: None .* same in all groups, group 0 has 1.0"
    ):
        optimizer.step()
    assert_unchanged(optimizer, before)


def test_an_unknown_option_is_a_type_error() -> None:
    p = Parameter(torch.ones(2))
    with pytest.raises(
        TypeError, match=r"SGD\(\) got an unexpected keyword argument 'clip_grad_nrom': did you mean 'clip_grad_norm'"
    ):
        descend.SGD([p], clip_grad_nrom=1.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        descend.Adafactor([p], foo=1.0)
    with pytest.raises(ValueError, match="unknown key 'clip_grad_nrom': did you mean 'clip_grad_norm'"):
        descend.SGD([{"params": [p], "clip_grad_nrom": 1.0}])


def test_differing_launches_share_one_norm() -> None:
    """float32, float64 and an eager tensor in one optimizer are clipped by their common norm."""
    shapes = [(5,), (6,), (8,)]
    ours = parameters(shapes)
    ours[1] = Parameter(ours[1].detach().double())
    ours[2] = Parameter(ours[2].detach()[::2])
    theirs = copies(ours)
    a, b = descend.Adam(ours, clip_grad_norm=0.3), torch.optim.Adam(theirs)
    for t in range(4):
        set_gradients(ours, t)
        set_gradients(theirs, t)
        norm = math.sqrt(sum(float(p.grad.double().square().sum()) for p in theirs))
        for p in theirs:
            p.grad.mul_(min(1.0, 0.3 / (norm + 1e-6)))
        a.step()
        b.step()
    assert_close(ours, theirs, 1e-6)
    assert {engine: len(t) for engine, t in a.explain(quiet=True).engines.items()} == {"cpu": 2, "eager": 1}
