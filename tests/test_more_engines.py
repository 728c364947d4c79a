"""Adadelta, Adamax, ASGD, NAdam, RAdam, Rprop on the cpu engine: the eager engine's bits, for every dtype and layout.

explain() has to say where each tensor ran, so that nothing passes because everything went through eager.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import (
    DTYPES,
    Case,
    assert_close,
    assert_same_bits,
    buffers,
    copies,
    named,
    parameters,
    ran_on,
    random,
    set_gradients,
    train,
)
from cases_more import LATE_IN_TORCH, RICHEST_MORE, every_more, richest_more
from changes import CHANGES
from torch import Tensor
from torch.nn import Parameter

SIZES = (0, 1, 7, 63, 64, 65, 4097)
NAN, INF = float("nan"), float("inf")
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12, torch.complex64: 1e-6, torch.complex128: 1e-12}
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def assert_engines_agree(case: Case, params: list[Any], step: Callable[..., None], native: bool, steps: int) -> None:
    twins = [Parameter(_same_layout(p)) for p in params]
    cpu, eager = case.ours(named(params), engine="cpu"), case.ours(named(twins), engine="eager")
    for t in range(steps):
        for who, optimizer in ((params, cpu), (twins, eager)):
            step(who, t)
            optimizer.step()
        assert_same_bits(params, twins, f"step {t + 1}: parameter")
    assert_same_bits(buffers(cpu, params), buffers(eager, twins), "state")
    names = {f"p{i}" for i in range(len(params))}
    assert ran_on(cpu) == {"cpu" if native else "eager": names}
    assert ran_on(eager) == {"eager": names}


def _same_layout(p: Tensor) -> Tensor:
    storage = torch.empty(0, dtype=p.dtype).set_(p.detach().untyped_storage().clone())
    return storage.as_strided(p.shape, p.stride(), p.storage_offset())


@every_more
@every_dtype
def test_engines_agree_on_all_sizes(case: Case, dtype: torch.dtype) -> None:
    assert_engines_agree(case, parameters([*SIZES, (), (3, 0, 2), (5, 7)], dtype), set_gradients, True, 8)


LAYOUTS: dict[str, tuple[Callable[[torch.dtype], Tensor], bool]] = {
    "transposed": (lambda dtype: random((6, 11), dtype).t(), True),
    "channels_last": (lambda dtype: random((2, 3, 5, 4), dtype).to(memory_format=torch.channels_last), True),
    "offset": (lambda dtype: random(70, dtype)[1:66], True),
    "slice": (lambda dtype: random(66, dtype)[::2], False),
    "columns": (lambda dtype: random((6, 11), dtype)[:, 2:5], False),
}


def _gradients_laid_out_alike(params: list[Any], step: int) -> None:
    for p in params:
        p.grad = _same_layout(p).copy_(random(p.shape, p.dtype, seed=step))


@every_dtype
def test_engines_agree_on_what_goes_past_the_caches(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """ASGD's average is only written at first: whole, partial and misaligned blocks, written by one thread and two."""
    from descend.engines import cpu, launch, source

    monkeypatch.setattr(cpu, "BEYOND_CACHES", 0)
    monkeypatch.setattr(launch, "SHARE", 1000)
    case = next(case for case in RICHEST_MORE if "asgd" in str(case).lower())
    sizes = [*SIZES, 128, 4096, 3 * 4096 + 64]
    params = [*parameters(sizes, dtype), Parameter(random(4101, dtype)[1:])]
    assert_engines_agree(case, params, set_gradients, True, 6)
    written = []
    original = source.kernel_source
    monkeypatch.setattr(source, "kernel_source", lambda variant: written.append(original(variant)) or written[-1])
    source.kernel.cache_clear()
    assert_engines_agree(case, parameters([4096], dtype), set_gradients, True, 3)
    assert any("stream(at_ax" in text and "load" in text for text in written)


@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
@richest_more
def test_engines_agree_on_layouts(case: Case, layout: str, dtype: torch.dtype) -> None:
    make, native = LAYOUTS[layout]
    p = Parameter(make(dtype))
    twin = copies([p])[0]
    assert_engines_agree(case, [p], _gradients_laid_out_alike, native, 4)
    if dtype in TOLERANCE:
        theirs = case.theirs([twin])
        for t in range(4):
            twin.grad = random(twin.shape, dtype, seed=t)
            theirs.step()
        assert_close([p], [twin], TOLERANCE[dtype], layout)


@every_dtype
@richest_more
def test_thread_counts_give_the_same_bits(case: Case, dtype: torch.dtype) -> None:
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        params = parameters([70_001, *([33] * 20)], dtype)
        optimizer = case.ours(named(params), engine="cpu")
        train(optimizer, params, 2)
        assert list(ran_on(optimizer)) == ["cpu"]
        results.append([*params, *buffers(optimizer, params)])
    assert_same_bits(*results)


@every_more
def test_engines_agree_on_special_values(case: Case) -> None:
    """NaN, infinities, signed zeros and subnormal numbers; a NaN gradient always shows in the parameter."""
    values = torch.tensor([0.0, -0.0, NAN, INF, -INF, 1e-45, -3e-39, 3e38, 1e-20, 1.0])
    params = [Parameter(values.repeat_interleave(10)), Parameter(torch.linspace(-1, 1, 100))]
    twins = copies(params)
    cpu, eager = case.ours(params, engine="cpu"), case.ours(twins, engine="eager")
    for t in range(8):  # RAdam rectifies from the sixth on
        for who, optimizer in ((params, cpu), (twins, eager)):
            for p in who:
                p.grad = values.roll(t).repeat(10)
            optimizer.step()
        assert_same_bits(params, twins, f"step {t + 1}")
    assert_same_bits(buffers(cpu, params), buffers(eager, twins), "state")
    assert params[1].isnan().view(10, 10)[:, 2].all()


@every_more
def test_missing_gradients(case: Case) -> None:
    """Each parameter counts its own steps; ASGD and NAdam keep their own numbers, too."""

    def missing(step: int, i: int) -> bool:
        return (step + i) % 3 == 0 or (i == 3 and step < 4)

    runs = []
    for make in (
        lambda ps: case.ours(ps, engine="cpu"),
        lambda ps: case.ours(ps, engine="eager"),
        case.theirs,
    ):
        params = parameters([5, 64, 3, 130])
        optimizer = make(params)
        train(optimizer, params, 12, missing)
        runs.append((params, buffers(optimizer, params)))
    (params, state), (eager, eager_state), (twins, theirs) = runs
    assert_same_bits([*params, *state], [*eager, *eager_state])
    assert_close([*params, *state], [*twins, *theirs], 1e-6)


@richest_more
@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_a_change_between_steps(case: Case, change: Callable[[Any], None]) -> None:
    """Both engines follow it bit for bit, and torch's numbers, where torch does what it was told."""
    runs = []
    for make in (
        lambda ps: case.ours(ps, engine="cpu"),
        lambda ps: case.ours(ps, engine="eager"),
        case.theirs,
    ):
        optimizer = make(parameters([(2, 3, 4, 5), (33,), (8, 9), (33,)]))
        for step in range(6):
            params = [p for group in optimizer.param_groups for p in group["params"]]
            set_gradients(params, step)
            if step in (2, 3):
                change(optimizer)
            optimizer.step()
        params = [p for group in optimizer.param_groups for p in group["params"]]
        runs.append([t for p in params for t in (p, *(v for _, v in sorted(optimizer.state[p].items())))])
    ours, eager, theirs = runs
    assert_same_bits(ours, eager, change.__name__)
    # torch's ASGD goes by numbers of the step before, whatever has become of step count, options and state since
    late = case.cls.__name__ in LATE_IN_TORCH and change.__name__ in ("change_lr", "move_to_a_new_group")
    if not late and not (
        case.cls.__name__ == "ASGD" and ("step" in change.__name__ or change.__name__ == "edit_buffers")
    ):
        assert_close(ours, theirs, 2e-6, change.__name__)
