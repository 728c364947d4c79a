"""Hypothesis draws what nobody thought of: shapes, strides, dtypes, options, missing gradients, groups, interference.

Two properties: the cpu engine gives the bits of the eager engine, and in float64 both give torch's numbers. The
limit against torch is 1e-9 of max(|p|, 1), looser than the 1e-12 elsewhere, because options are drawn so that a
denominator may be as small as eps = 1e-10 on a gradient that is a difference of rounded terms.
"""

from typing import Any

import torch
from cases import CASES, DTYPES, Case, assert_close, assert_same_bits, buffers, ran_on, random
from changes import CHANGES, all_params
from hypothesis import assume, event, given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import Parameter

sizes = st.one_of(st.integers(0, 9), st.sampled_from([63, 64, 65, 127, 1000, 4097]))
shapes = st.one_of(st.lists(st.integers(0, 7), max_size=4).map(tuple), sizes.map(lambda n: (n,)))
layouts = st.sampled_from(["contiguous", "permuted", "strided", "offset"])
seeds = st.integers(0, 2**16)


def lay_out(x: Tensor, layout: str, seed: int) -> Tensor:
    """The same values at other places in memory."""
    if layout == "permuted":
        order = torch.randperm(x.dim(), generator=torch.Generator().manual_seed(seed)).tolist()
        return x.permute(order).contiguous().permute([order.index(d) for d in range(x.dim())])
    if layout == "strided":
        return torch.stack([x, torch.full_like(x, 77.0), x], dim=-1)[..., 0]
    if layout == "offset":
        return torch.cat([x.new_zeros(3), x.flatten()])[3:].view(x.shape)
    return x


@st.composite
def options(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    """The case's own options, with some of them drawn anew."""
    rate = st.floats(1e-4, 0.5)
    drawn: dict[str, st.SearchStrategy[Any]] = {
        "lr": rate,
        "weight_decay": st.one_of(st.just(0.0), rate),
        "maximize": st.booleans(),
        "eps": st.sampled_from([1e-10, 1e-8, 1e-3]),
        "alpha": st.floats(0.1, 0.999),
        "betas": st.tuples(st.floats(0.0, 0.999), st.floats(0.0, 0.999)),
        "momentum": st.floats(0.01, 0.99) if case.hyper.get("momentum") else st.just(0.0),
        "dampening": st.just(0.0) if case.hyper.get("nesterov") else st.floats(0.0, 0.9),
        "lr_decay": st.floats(0.0, 1.0),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(set(drawn) & set(case.hyper)))))
    return {key: draw(drawn[key]) for key in sorted(chosen)}


class Problem:
    """Groups of parameters that can be built again, and their gradients at any step."""

    def __init__(
        self, specs: list[list[tuple[tuple[int, ...], str, torch.dtype, int]]], chosen: list[dict[str, Any]]
    ) -> None:
        self.specs, self.options = specs, chosen

    def groups(self) -> list[dict[str, Any]]:
        built = []
        for specs, chosen in zip(self.specs, self.options, strict=True):
            params = [Parameter(lay_out(random(s, dtype, seed), layout, seed)) for s, layout, dtype, seed in specs]
            built.append({"params": params, **chosen})
        return built

    def set_gradients(self, optimizer: Any, step: int, mask: int) -> None:
        """Bit i of the mask: parameter i has none. Every third step the gradient lies otherwise than its parameter."""
        for i, p in enumerate(all_params(optimizer)):
            g = random(p.shape, p.dtype, seed=97 * step + i)
            p.grad = None if mask >> i & 1 else (torch.empty_like(p).copy_(g) if step % 3 else g)


@st.composite
def problems(draw: st.DrawFn, case: Case, dtypes: Any) -> Problem:
    specs = st.lists(st.tuples(shapes, layouts, dtypes, seeds), min_size=1, max_size=4)
    count = draw(st.integers(1, 3))
    return Problem([draw(specs) for _ in range(count)], [draw(options(case)) for _ in range(count)])


masks = st.lists(st.integers(0, 255) | st.just(0), min_size=1, max_size=6)


def result(optimizer: Any) -> list[Tensor]:
    """Parameters and state, but for the state that torch's Adagrad makes of parameters that never had a gradient."""
    trained = [p for p in all_params(optimizer) if optimizer.state.get(p, {}).get("step", 1) != 0]
    return [*all_params(optimizer), *buffers(optimizer, trained)]


@given(st.data(), st.sampled_from(CASES), masks)
def test_cpu_gives_the_bits_of_eager(data: st.DataObject, case: Case, missing: list[int]) -> None:
    problem = data.draw(problems(case, st.sampled_from(DTYPES)))
    cpu, eager = (case.ours(problem.groups(), engine=engine) for engine in ("cpu", "eager"))
    for step, mask in enumerate(missing):
        for optimizer in (cpu, eager):
            problem.set_gradients(optimizer, step, mask)
            optimizer.step()
    assert_same_bits(result(cpu), result(eager), case.name)
    event("native and eager" if len(ran_on(cpu)) == 2 else "one engine")


@given(st.data(), st.sampled_from(CASES), masks)
def test_both_engines_give_torch_s_numbers(data: st.DataObject, case: Case, missing: list[int]) -> None:
    problem = data.draw(problems(case, st.sampled_from([torch.float64, torch.complex128])))
    cpu, eager, theirs = (
        make(problem.groups())
        for make in (lambda g: case.ours(g, engine="cpu"), lambda g: case.ours(g, engine="eager"), case.theirs)
    )
    for step, mask in enumerate(missing):
        for optimizer in (cpu, eager, theirs):
            problem.set_gradients(optimizer, step, mask)
            optimizer.step()
    wanted = result(theirs)
    assume(
        all(t.isfinite().all() for t in wanted)
    )  # torch's centered RMSprop takes roots of rounded, negative variances
    assert_close(result(eager), wanted, 1e-9, case.name)
    assert_close(result(cpu), wanted, 1e-9, case.name)


interference = st.lists(st.one_of(st.none(), st.sampled_from(CHANGES)), min_size=2, max_size=9)


@given(st.sampled_from(CASES), interference, st.integers(0, 15))
def test_any_sequence_of_changes_between_steps(case: Case, changes: list[Any], mask: int) -> None:
    """The changes of changes.py in any order and number: nothing stale that the cpu engine remembers is ever used."""
    runs = []
    for engine in ("cpu", "eager"):
        optimizer = case.ours([Parameter(random(s)) for s in ((2, 3, 4, 5), (33,), (8, 9), (33,))], engine=engine)
        for step, change in enumerate(changes):
            params = all_params(optimizer)
            for i, p in enumerate(params):
                p.grad = None if step % 3 == 2 and mask >> i & 1 else random(p.shape, p.dtype, seed=97 * step + i)
            if change is not None and len(params) > 1:
                change(optimizer)
            optimizer.step()
        runs.append(result(optimizer))
    assert_same_bits(*runs, case.name)
