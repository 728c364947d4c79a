"""The cpu engine against the eager engine: the same bits, whatever the dtype, size, layout and number of threads.

Both engines do the same IEEE operations in the rule's order, in float32 for the half types and float32, in float64 for
float64, and round once when they store. So the limit asserted here is equality of bits, tighter than the 2 ulp that the
design allows; a NaN equals a NaN. `explain()` has to say where each tensor ran, so that no test passes because
everything quietly went through eager. Layouts that the cpu engine refuses are compared with torch as well.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    CASES,
    DTYPES,
    RICHEST,
    Case,
    assert_close,
    assert_same_bits,
    buffers,
    copies,
    every_case,
    named,
    parameters,
    ran_on,
    random,
    richest_cases,
    same_bits,
    set_gradients,
    train,
)
from torch import Tensor
from torch.nn import Parameter

import descend

SIZES = (0, 1, 7, 63, 64, 65, 4097)
LARGE = 200_001
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def build(case: Case, params: list[Parameter], engine: str, **extra: Any) -> Any:
    return case.ours(named(params), engine=engine, **extra)


def assert_engines_agree(
    case: Case,
    params: list[Parameter],
    *,
    native: bool,
    step: Callable[[list[Any], int], None] = set_gradients,
    steps: int = 5,
) -> None:
    """Train copies of the parameters on both engines and compare every bit of parameters and state after each step."""
    # detach keeps strides and offset inside a base that the caller made; a clone for eager is laid out the same
    ours, reference = params, [Parameter(_same_layout(p)) for p in params]
    cpu, eager = build(case, ours, "cpu"), build(case, reference, "eager")
    for t in range(steps):
        for group in (ours, reference):
            step(group, t)
        cpu.step()
        eager.step()
        assert_same_bits(ours, reference, f"step {t + 1}: parameter")
    assert_same_bits(buffers(cpu, ours), buffers(eager, reference), "state")
    names = {f"p{i}" for i in range(len(params))}
    assert ran_on(eager) == {"eager": names}
    assert ran_on(cpu) == {"cpu" if native else "eager": names}
    for rows in cpu.explain().engines.values():
        assert all(reason for _, reason in rows), "explain() gives a reason for every tensor"


def _same_layout(p: Tensor) -> Tensor:
    """A copy with the shape, strides and storage offset of `p` in a storage of its own."""
    storage = torch.empty(0, dtype=p.dtype).set_(p.detach().untyped_storage().clone())
    return storage.as_strided(p.shape, p.stride(), p.storage_offset())


@every_case
@every_dtype
def test_all_sizes_and_a_scalar(case: Case, dtype: torch.dtype) -> None:
    shapes: list[Any] = [*SIZES, (), (3, 0, 2), (5, 7)]
    assert_engines_agree(case, parameters(shapes, dtype), native=True)


@every_dtype
@richest_cases
def test_a_large_tensor(case: Case, dtype: torch.dtype) -> None:
    assert_engines_agree(case, parameters([LARGE, 3], dtype), native=True, steps=2)


@richest_cases
def test_a_million_elements(case: Case) -> None:
    """From about a million elements on, the interpreter is not locked during the launch."""
    assert_engines_agree(case, parameters([1_050_001, 5], torch.float32), native=True, steps=2)


def test_thousands_of_tensors() -> None:
    """Of all small sizes, in many groups with options of their own, half of them without gradient at a time."""
    optimizers = []
    for engine in ("cpu", "eager"):
        params = [Parameter(torch.full((i % 9,), 0.01 * i)) for i in range(3000)]
        groups = [{"params": params[i : i + 50], "lr": 0.001 * (1 + i)} for i in range(0, 3000, 50)]
        optimizer = CASES[-1].ours(groups, engine=engine)
        for step in range(4):
            for i, p in enumerate(params):
                p.grad = torch.full_like(p, 0.5 - (i * step) % 7) if (i + step) % 2 else None
            optimizer.step()
        optimizers.append([*params, *buffers(optimizer, params)])
    assert_same_bits(*optimizers)


@richest_cases
def test_step_counts_in_float64(case: Case) -> None:
    """torch keeps `step` in the default dtype if that is float64."""
    torch.set_default_dtype(torch.float64)
    params = parameters([5, 70])
    twins = copies(params)
    assert_engines_agree(case, params, native=True)
    theirs = case.theirs(twins)
    train(theirs, twins, 1)
    ours = case.ours(params, engine="cpu")
    train(ours, params, 1)
    if "step" in case.state_keys:
        assert ours.state[params[0]]["step"].dtype == theirs.state[twins[0]]["step"].dtype == torch.float64


@every_case
def test_cpu_follows_torch(case: Case) -> None:
    """Not only each other: the cpu engine against torch in float64, mixed dtypes in one optimizer."""
    params = [p for dtype in DTYPES for p in parameters([65], dtype, seed=3)]
    twins = copies(params)
    ours = build(case, params, "cpu")
    train(ours, params, 10)
    train(case.theirs(twins), twins, 10)
    assert ran_on(ours) == {"cpu": {f"p{i}" for i in range(len(params))}}
    for dtype, tolerance in (
        (torch.float32, 1e-6),
        (torch.float64, 1e-12),
        (torch.complex64, 1e-6),
        (torch.complex128, 1e-12),
    ):
        i = DTYPES.index(dtype)
        assert_close([params[i]], [twins[i]], tolerance, str(dtype))


# Layouts: each makes a parameter, dense ones run natively, the others go through eager.

DENSE: dict[str, Callable[[torch.dtype], Tensor]] = {
    "contiguous": lambda dtype: random((6, 11), dtype),
    "transposed": lambda dtype: random((6, 11), dtype).t(),
    "permuted": lambda dtype: random((3, 4, 5), dtype).permute(2, 0, 1),
    "channels_last": lambda dtype: random((2, 3, 5, 4), dtype).to(memory_format=torch.channels_last),
    "offset": lambda dtype: random(70, dtype)[1:66],
    "offset-by-3": lambda dtype: random(70, dtype)[3:67].view(8, 8),
    "odd-strides-of-size-1": lambda dtype: random(12, dtype).as_strided((1, 12), (77, 1)),
}
SPARSELY_LAID: dict[str, Callable[[torch.dtype], Tensor]] = {
    "slice": lambda dtype: random(66, dtype)[::2],
    "columns": lambda dtype: random((6, 11), dtype)[:, 2:5],
    "offset-slice": lambda dtype: random(66, dtype)[1::2],
}


@every_dtype
@pytest.mark.parametrize("layout", [*DENSE, *SPARSELY_LAID])
def test_layouts(layout: str, dtype: torch.dtype) -> None:
    for case in (CASES[0], *RICHEST):  # plain SGD has no state whose layout could give the parameter's away
        p = Parameter(({**DENSE, **SPARSELY_LAID})[layout](dtype))
        owned = torch.zeros(p.untyped_storage().nbytes() // p.element_size(), dtype=torch.bool)
        owned.as_strided(p.shape, p.stride(), p.storage_offset()).fill_(True)
        whole = p.detach().as_strided(owned.shape, (1,), 0)
        before = whole.clone()
        twin = copies([p])[0]
        assert_engines_agree(case, [p], native=layout in DENSE, step=_same_layout_gradients)
        assert same_bits(whole[~owned], before[~owned]), "a step wrote to memory that the parameter does not own"
        if dtype in (torch.float32, torch.float64):
            optimizer = case.theirs([twin])
            for t in range(5):
                _same_layout_gradients([twin], t)
                optimizer.step()
            assert_close([p], [twin], 1e-6 if dtype == torch.float32 else 1e-12, layout)


def _same_layout_gradients(params: list[Any], step: int) -> None:
    """Gradients with the strides of their parameter, holes included, as autograd makes them for dense parameters."""
    for p in params:
        p.grad = _same_layout(p).copy_(random(p.shape, p.dtype, seed=step))


def _negated(g: Tensor) -> Tensor:
    """The same values behind a lazy negation, or conjugation, that only torch's operators know of."""
    return torch._neg_view(-g) if not g.is_complex() else g.conj().resolve_conj().conj()


GRADIENTS: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    # how the gradient lies in memory, given its values; whether its parameter can then run natively
    "expanded": (lambda g: g.flatten()[0].expand(g.shape), False),
    "transposed": (lambda g: g.t().contiguous().t(), False),
    "slice": (lambda g: torch.stack([g, g], dim=-1)[..., 0], False),
    "lazily negated or conjugated": (_negated, False),
    "offset": (lambda g: torch.cat([g.new_zeros(1), g.flatten()])[1:].view(g.shape), True),
    "shared with another parameter": (lambda g: g, True),
}


@every_dtype
@pytest.mark.parametrize("kind", GRADIENTS)
def test_gradient_layouts(kind: str, dtype: torch.dtype) -> None:
    lay, native = GRADIENTS[kind]

    def set_laid(params: list[Any], step: int) -> None:
        gradient = lay(random((6, 11), dtype, seed=step))
        for p in params:
            p.grad = gradient

    for case in RICHEST:
        params = parameters([(6, 11), (6, 11)], dtype)
        twins = copies(params)
        assert_engines_agree(case, params, native=native, step=set_laid)
        if dtype in (torch.float32, torch.float64):
            optimizer = case.theirs(twins)
            for t in range(5):
                set_laid(twins, t)
                optimizer.step()
            assert_close(params, twins, 1e-6 if dtype == torch.float32 else 1e-12, kind)


@pytest.mark.skipif(not hasattr(Tensor, "grad_dtype"), reason="this torch keeps gradients in the parameter's dtype")
@pytest.mark.parametrize("grad_dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_gradients_of_another_dtype(dtype: torch.dtype, grad_dtype: torch.dtype) -> None:
    """torch.optim fails on them; here the value is converted to the type of computation."""

    def set_wide(params: list[Any], step: int) -> None:
        for i, p in enumerate(params):
            p.grad_dtype = grad_dtype
            p.grad = random(p.shape, grad_dtype, seed=10 * step + i)

    for case in RICHEST:
        params = parameters([65, 3], dtype)
        exact = [Parameter(p.detach().double()) for p in params]
        cpu, eager, reference = copies(params), copies(params), case.theirs(exact)
        engines = build(case, cpu, "cpu"), build(case, eager, "eager")
        for t in range(3):
            for group in (cpu, eager):
                set_wide(group, t)
            for p, q in zip(exact, cpu, strict=True):
                p.grad = q.grad.double()
            for optimizer in (*engines, reference):
                optimizer.step()
        assert_same_bits(cpu, eager, f"{case}")
        assert_same_bits(buffers(engines[0], cpu), buffers(engines[1], eager), f"{case}: state")
        # against torch fed float64: three storages of half an ulp, and state rounded to the same dtype
        tolerance = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 2e-2, torch.float16: 2e-3}[dtype]
        assert_close([p.detach().double() for p in cpu], exact, tolerance, f"{case}")


@every_case
def test_missing_gradients(case: Case) -> None:
    """Parameters without gradient are left alone, keep their own step count, and may get their first gradient late."""
    shapes = [5, 64, 3, 130]

    def missing(step: int, i: int) -> bool:
        return (step + i) % 3 == 0 or (i == 3 and step < 4)

    params = parameters(shapes)
    eager, twins = copies(params), copies(params)
    ours, reference, theirs = case.ours(params, engine="cpu"), case.ours(eager, engine="eager"), case.theirs(twins)
    for step in range(9):
        before = [p.detach().clone() for p in params]
        for group in (params, eager, twins):
            set_gradients(group, step, missing)
        for optimizer in (ours, reference, theirs):
            optimizer.step()
        still = [i for i in range(4) if missing(step, i)]
        assert_same_bits([params[i] for i in still], [before[i] for i in still], "a parameter without gradient moved")
    assert_same_bits(params, eager)
    assert_close(params, twins, 1e-6)
    for p, q in zip(params, twins, strict=True):
        assert set(ours.state[p]) == set(theirs.state[q])
        if "step" in case.state_keys:
            assert ours.state[p]["step"] == theirs.state[q]["step"]


@every_case
def test_step_without_any_gradient(case: Case) -> None:
    params = parameters([3, 4])
    before = copies(params)
    optimizer = case.ours(params, engine="cpu")
    optimizer.step()
    assert_same_bits(params, before)


# Memory shared between parameters: torch updates one parameter after the other, and so must every engine.


@every_case
def test_parameters_sharing_memory(case: Case) -> None:
    def run(make: Callable[..., Any], **extra: Any) -> Tensor:
        base = random(5000, torch.float64)
        params = [Parameter(base[:3000]), Parameter(base[2000:]), Parameter(base[:3000])]
        optimizer = make(params, **extra)
        train(optimizer, params, 4)
        return base

    assert_same_bits([run(case.ours, engine="cpu")], [run(case.ours, engine="eager")])
    assert_close([run(case.ours, engine="cpu")], [run(case.theirs)], 1e-12)


@every_case
def test_the_same_parameter_twice_in_a_group(case: Case) -> None:
    """torch warns and updates it twice per step."""

    def run(make: Callable[..., Any], **extra: Any) -> tuple[Parameter, Any]:
        (p,) = parameters([100], torch.float64)
        with pytest.warns(UserWarning, match="duplicate parameters"):
            optimizer = make([p, p], **extra)
        train(optimizer, [p], 4)
        return p, optimizer.state[p].get("step")

    (ours, steps), (eager, _), (theirs, wanted) = (
        run(case.ours, engine="cpu"),
        run(case.ours, engine="eager"),
        run(case.theirs),
    )
    assert_same_bits([ours], [eager])
    assert_close([ours], [theirs], 1e-12)
    assert steps == wanted


@richest_cases
@pytest.mark.parametrize("size", [300, LARGE])
def test_gradient_in_the_memory_of_parameters(case: Case, size: int) -> None:
    """p.grad may be p itself, a shifted view of it, or another parameter that the same step updates before.

    Values stay away from 0, where a parameter that is its own gradient turns with its last bits.
    """

    def run(make: Callable[..., Any], **extra: Any) -> list[Tensor]:
        flat, *values = (1 + random(size + 1, torch.float64, seed).abs() for seed in range(3))
        params = [*(Parameter(v[:size]) for v in values), Parameter(flat[1:])]
        optimizer = make(params, **extra)
        for step in range(4):
            set_gradients(params, step)
            if step != 1:  # found when a plan is made, and when a plan that was made before no longer fits
                params[0].grad, params[1].grad, params[2].grad = params[0].detach(), params[0].detach(), flat[:-1]
            optimizer.step()
        return [*params, flat]

    ours, eager = run(case.ours, engine="cpu"), run(case.ours, engine="eager")
    assert_same_bits(ours, eager)
    if case.cls is not descend.AdamW:  # torch decays the parameter first, and with it the gradient that it is
        assert_close(ours[:2], run(case.theirs)[:2], 1e-12)


# Threads and position


@every_dtype
def test_thread_counts_give_the_same_bits(dtype: torch.dtype) -> None:
    shapes = [LARGE, *([33] * 40), 70_000, 1]
    for case in (c for c in RICHEST if "centered" in c.name or "amsgrad" in c.name or "SGD" in c.name):
        results = []
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            params = parameters(shapes, dtype)
            optimizer = build(case, params, "cpu")
            train(optimizer, params, 2)
            assert list(ran_on(optimizer)) == ["cpu"]
            results.append([*params, *buffers(optimizer, params)])
        assert_same_bits(results[1], results[0], "2 threads")
        assert_same_bits(results[2], results[0], "4 threads")


@every_case
def test_position_does_not_matter(case: Case) -> None:
    """The same value gets the same bits in a vector body, a scalar tail, any chunk, any alignment, any thread."""
    torch.set_num_threads(4)
    flat = torch.full((LARGE + 1,), 0.7310585)
    params = [Parameter(flat[1:]), Parameter(torch.full((1,), 0.7310585)), Parameter(torch.full((29,), 0.7310585))]
    optimizer = case.ours(params, engine="cpu")
    for step in range(4):
        for p in params:
            p.grad = torch.full_like(p, (0.3, -1.7, 0.01, 2.9)[step])
        optimizer.step()
    values = torch.cat([p.detach() for p in params])
    assert (values.view(torch.int32) == values.view(torch.int32)[0]).all()
    assert flat[0] == torch.tensor(0.7310585)


@richest_cases
def test_special_values(case: Case) -> None:
    """NaN, infinities, signed zeros and subnormal numbers, in gradients and parameters, as IEEE and eager have them."""
    values = torch.tensor([0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-45, -3e-39, 3e38, 1e-20, 1.0])
    params = [Parameter(values.repeat_interleave(10)), Parameter(torch.linspace(-1, 1, 100))]
    reference = copies(params)
    cpu, eager = case.ours(params, engine="cpu"), case.ours(reference, engine="eager")
    for t in range(3):
        for group in (params, reference):
            for p in group:
                p.grad = values.roll(t).repeat(10)
        cpu.step()
        eager.step()
        assert_same_bits(params, reference, f"step {t + 1}")
    assert_same_bits(buffers(cpu, params), buffers(eager, reference), "state")
