"""descend.clip_grad_norm_: torch.nn.utils.clip_grad_norm_ with an exact norm, in place, and nothing written in vain.

torch adds squares in float32, or in the half type itself: its norms are compared to the precision of that.
"""

import math

import hypothesis.strategies as st
import pytest
import torch
from cases import assert_same_bits, parameters, set_gradients
from hypothesis import given, settings
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_ as torch_clip

import descend

SHAPES = [(3,), (1025,), (), (7, 5), (0, 2), (4097,)]
CLOSE = {torch.float32: 1e-6, torch.float64: 1e-12, torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.complex64: 1e-6}
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("limit", [0.0, 0.5, 3.0, 1e4])
def test_like_torch(dtype: torch.dtype, limit: float) -> None:
    ours, theirs = parameters(SHAPES, dtype), parameters(SHAPES, dtype)
    for params in (ours, theirs):
        set_gradients(params, 1)
        params[0].grad = None
    a, b = descend.clip_grad_norm_(ours, limit), torch_clip(theirs, limit)
    assert float(a) == pytest.approx(float(b), rel=CLOSE[dtype])
    assert ours[0].grad is None
    for p, q in zip(ours[1:], theirs[1:], strict=True):
        assert torch.allclose(p.grad, q.grad, rtol=2 * CLOSE[dtype], atol=2.0**-24 if dtype == torch.float16 else 0.0)


@given(st.lists(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), max_size=200), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_norm_is_exact(values: list[list[float]]) -> None:
    params = [Parameter(torch.zeros(len(v))) for v in values]
    for p, v in zip(params, values, strict=True):
        p.grad = torch.tensor(v)
    exact = math.sqrt(math.fsum(x * x for v in values for x in v))
    assert float(descend.clip_grad_norm_(params, 1.0)) == pytest.approx(exact, rel=2e-7)
    after = math.sqrt(math.fsum(float(p.grad.double().square().sum()) for p in params))
    assert after == pytest.approx(min(exact, exact / (exact + 1e-6)), rel=1e-6)


def test_a_small_norm_writes_nothing() -> None:
    p = Parameter(torch.zeros(3))
    p.grad = torch.tensor([3.0, 4.0, 0.0])
    version, bits = p.grad._version, p.grad.clone()
    assert float(descend.clip_grad_norm_(p, 5.1)) == 5.0
    assert p.grad._version == version
    assert_same_bits([p.grad], [bits])
    descend.clip_grad_norm_(p, 1.0)
    assert p.grad._version > version


def test_gradients_that_are_not_finite() -> None:
    for bad in (NAN, INF):
        p = Parameter(torch.zeros(3))
        p.grad = torch.tensor([1.0, bad, 2.0])
        before = p.grad.clone()
        with pytest.raises(
            RuntimeError, match=r"The total norm of order 2\.0 for gradients from `parameters` is non-finite"
        ):
            descend.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
        assert_same_bits([p.grad], [before])
        q = Parameter(torch.zeros(3))
        q.grad = before.clone()
        a, b = descend.clip_grad_norm_([p], 1.0), torch_clip([q], 1.0)
        assert_same_bits([a], [b])
        assert_same_bits([p.grad], [q.grad])


@pytest.mark.parametrize(
    "kind", ["slice", "overlap", "channels_last", "shared", "complex", "vmap-free subclass", "order"]
)
def test_what_native_code_does_not_take(kind: str) -> None:
    """Left to torch, or done natively where layout does not matter; the numbers are the same."""

    class Sub(torch.Tensor):
        pass

    order = 2.0
    make = {
        "slice": lambda: torch.arange(8.0)[::2].clone().as_strided((4,), (1,)),
        "overlap": lambda: torch.arange(4.0).clone(),
        "channels_last": lambda: torch.arange(24.0).view(1, 2, 3, 4).clone().to(memory_format=torch.channels_last),
        "shared": lambda: torch.arange(4.0),
        "complex": lambda: torch.arange(4.0).to(torch.complex64) * (1 + 2j),
        "vmap-free subclass": lambda: torch.arange(4.0).as_subclass(Sub),
        "order": lambda: torch.arange(4.0),
    }[kind]
    norms = []
    for clip in (descend.clip_grad_norm_, torch_clip):
        grads = [make(), make()]
        if kind == "shared":
            grads[1] = grads[0][:]
        if kind == "order":
            order = 1.0
        params = [Parameter(torch.zeros(g.shape, dtype=g.dtype)) for g in grads]
        for p, g in zip(params, grads, strict=True):
            p.grad = g
        norms.append((float(clip(params, 1.0, order)), [p.grad.clone() for p in params]))
    assert norms[0][0] == pytest.approx(norms[1][0], rel=1e-6)
    for g, h in zip(norms[0][1], norms[1][1], strict=True):
        assert torch.allclose(torch.Tensor(g) if kind.startswith("vmap") else g, h, rtol=2e-6)


def test_no_gradients_and_a_generator() -> None:
    assert float(descend.clip_grad_norm_([Parameter(torch.ones(2))], 1.0)) == 0.0
    model = torch.nn.Linear(3, 2)
    model(torch.ones(1, 3)).sum().backward()
    twin = torch.nn.Linear(3, 2)
    twin.load_state_dict(model.state_dict())
    twin(torch.ones(1, 3)).sum().backward()
    assert float(descend.clip_grad_norm_(model.parameters(), 0.1)) == pytest.approx(
        float(torch_clip(twin.parameters(), 0.1))
    )
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert p.grad is not None and q.grad is not None and torch.allclose(p.grad, q.grad, rtol=1e-6)
