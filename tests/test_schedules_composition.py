"""Composition of schedules, on schedules and steps that hypothesis draws."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend import schedules
from descend.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseSqrt,
    Linear,
    MultiStep,
    OneCycle,
    Piecewise,
    Polynomial,
    Schedule,
    Step,
    WarmupStableDecay,
)

DECAYS = ["linear", "cosine", "sqrt"]
values = st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 4))
rates = st.floats(1e-6, 10)
lengths = st.one_of(st.integers(0, 300), st.floats(0, 300))
positive = st.one_of(st.integers(1, 300), st.floats(0.5, 300))
factors = st.floats(0, 1.1)
steps = st.one_of(st.integers(0, 2000), st.floats(0, 2000))

simple = st.one_of(
    st.builds(Constant, values),
    st.builds(Linear, values, values, lengths),
    st.builds(Cosine, values, values, lengths),
    st.builds(Polynomial, values, values, lengths, st.floats(0.1, 5)),
    st.builds(Exponential, values, factors, positive),
    st.builds(Step, values, positive, factors),
    st.builds(MultiStep, values, st.lists(lengths, max_size=5), factors),
    st.builds(InverseSqrt, values, positive),
    st.builds(OneCycle, rates, positive, st.floats(0, 1), st.floats(0.5, 100), st.floats(0.5, 100)),
    st.builds(OneCycle, rates, positive, st.floats(0, 0.5), three_phase=st.just(True)),
    st.builds(CosineRestarts, values, values, positive, st.floats(1, 4)),
    st.builds(WarmupStableDecay, values, lengths, lengths, lengths, values, st.sampled_from(DECAYS)),
)


def composed(inner: st.SearchStrategy[Schedule]) -> st.SearchStrategy[Schedule]:
    return st.one_of(
        st.builds(lambda a, b, n: a.then(b, after=n), inner, inner, lengths),
        st.builds(lambda a, n: a.warmup(n), inner, lengths),
        st.builds(lambda a, x: a * x, inner, values),
        st.builds(lambda a, b: a * b, inner, inner),
    )


any_schedule = st.recursive(simple, composed, max_leaves=5)


@given(any_schedule, any_schedule, lengths, steps)
def test_then_is_one_and_then_the_other(a: Schedule, b: Schedule, n: float, step: float) -> None:
    assert a.then(b, after=n)(step) == (a(step) if step < n else b(step - n))


@given(any_schedule, lengths, lengths, steps)
def test_a_later_then_ends_what_is_there(a: Schedule, n: float, m: float, step: float) -> None:
    """Also where it begins before the parts that it ends, which are dropped."""
    inner = a.then(2.0, after=n)
    chain = inner.then(3.0, after=m)
    assert chain(step) == (inner(step) if step < m else 3.0)
    assert isinstance(chain, Piecewise)


@given(any_schedule, st.integers(1, 300), steps)
def test_warmup_ramps_up_to_the_first_value(a: Schedule, n: int, step: float) -> None:
    warm, first = a.warmup(n), a(0)
    if step >= n:
        assert warm(step) == a(step - n)
    elif step <= n - 1:
        assert warm(step) == pytest.approx(first * (step + 1) / n, rel=1e-15)
    else:  # between the last step of the ramp and the first of the schedule
        assert warm(step) == first
    assert warm(n - 1) == first
    assert a.warmup(0) is a
    assert (warm(0) == 0) == (first == 0 or first / n == 0)


@given(any_schedule, any_schedule, values, steps)
def test_products(a: Schedule, b: Schedule, x: float, step: float) -> None:
    assert (a * x)(step) == (x * a)(step) == (np.float64(x) * a)(step) == a(step) * x
    assert (a * b)(step) == pytest.approx(a(step) * b(step), rel=1e-15)
    assert (a * b * x)(step) == pytest.approx(a(step) * b(step) * x, rel=1e-15)
    assert (a * (b * x))(step) == (a * b * x)(step)


@given(any_schedule, st.lists(steps, max_size=5))
def test_a_value_is_a_function_of_the_step_alone(a: Schedule, several: list[float]) -> None:
    expected = a(several)
    assert a(several[::-1]) == expected[::-1]
    assert pickle.loads(pickle.dumps(a))(several) == expected
    assert a(np.array(several, dtype=float)).tolist() == [a(float(step)) for step in several]


@given(any_schedule)
def test_what_is_printed_makes_the_same(a: Schedule) -> None:
    names: dict[str, Any] = {name: getattr(schedules, name) for name in schedules.__all__}
    same = eval(repr(a), {**names, "inf": float("inf")})
    assert same == a and hash(same) == hash(a) and repr(same) == repr(a)


@given(st.one_of(st.builds(Linear, values, values, positive), st.builds(Cosine, values, values, positive)), steps)
def test_on_the_way_values_are_between_the_ends(a: Any, step: float) -> None:
    slack = 1e-15 * max(abs(a.start), abs(a.end))
    assert min(a.start, a.end) - slack <= a(step) <= max(a.start, a.end) + slack
    assert a(0) == a.start and a(a.steps) == a.end


@given(st.floats(1e-4, 1), st.integers(1, 500), st.floats(1, 3), st.integers(0, 10**12))
def test_any_restart_is_found_at_once(start: float, n: int, factor: float, step: int) -> None:
    """The period that a step is in begins at or before it, and ends after it."""
    schedule = CosineRestarts(start, 0.0, n, factor)
    begin, length = schedule._period(step)
    assert begin <= step < begin + length
    assert 0 <= schedule(step) <= start
