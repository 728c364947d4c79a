"""Every schedule against its closed form, written a second time here with NumPy; and what all schedules can do.

Values are held to 1e-12 of the largest value of the schedule, over 10,000 steps. That is the bound that is promised;
rounding alone makes about 1e-15 of it.
"""

import copy
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from descend import schedules
from descend.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Function,
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

STEPS = np.arange(10_000)
TOLERANCE = 1e-12


def reciprocal(step: float) -> float:
    return 0.1 / (1 + step / 100)


def share(t: np.ndarray, n: float) -> np.ndarray:
    return np.minimum(t / n, 1.0)


def with_restarts(t: np.ndarray, start: float, end: float, n: float, factor: float) -> np.ndarray:
    """SGDR as the paper says it: one period after the other."""
    values, begin, length = np.empty(len(t)), 0.0, float(n)
    for i, step in enumerate(t):
        while step >= begin + length:
            begin, length = begin + length, length * factor
        values[i] = end + (start - end) * (1 + math.cos(math.pi * (step - begin) / length)) / 2
    return values


def of_torch(make: Callable[..., Any], t: np.ndarray) -> np.ndarray:
    """The rates of a scheduler of torch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.0)
    scheduler, values = make(optimizer), []
    for _ in t:
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(values) < len(t):
            scheduler.step()
    return np.array(values)


def one_cycle(steps: int, **options: Any) -> Callable[[np.ndarray], np.ndarray]:
    make = torch.optim.lr_scheduler.OneCycleLR
    return lambda t: of_torch(lambda o: make(o, 0.4, total_steps=steps, cycle_momentum=False, **options), t)


def stable(t: np.ndarray, peak: float, w: int, s: int, d: int, end: float, left: Callable[[Any], Any]) -> np.ndarray:
    x = np.clip((t - w - s) / d, 0, 1)
    return np.where(t < w, peak * (t + 1) / w, end + (peak - end) * left(x))


FORMS: dict[str, tuple[Schedule, Callable[[np.ndarray], np.ndarray]]] = {
    "constant": (Constant(0.3), lambda t: np.full(len(t), 0.3)),
    "linear": (Linear(0.3, 0.01, 7000), lambda t: 0.3 + (0.01 - 0.3) * share(t, 7000)),
    "linear_up": (Linear(-1.0, 2.0, 333.5), lambda t: -1 + 3 * share(t, 333.5)),
    "cosine": (Cosine(1e-3, 0.0, 10_000), lambda t: 1e-3 * (1 + np.cos(np.pi * t / 10_000)) / 2),
    "cosine_up": (Cosine(0.85, 0.95, 6000), lambda t: 0.95 - 0.1 * (1 + np.cos(np.pi * share(t, 6000))) / 2),
    "polynomial": (Polynomial(0.1, 1e-4, 9000, 0.9), lambda t: 1e-4 + 0.0999 * (1 - share(t, 9000)) ** 0.9),
    "quadratic": (Polynomial(0.1, 0.0, 9000, power=2), lambda t: 0.1 * (1 - share(t, 9000)) ** 2),
    "exponential": (Exponential(0.1, 0.999), lambda t: 0.1 * np.exp(t * np.log(0.999))),
    "exponential_every": (Exponential(0.1, 0.5, every=1500), lambda t: 0.1 * np.exp2(-t / 1500)),
    "step": (Step(0.1, 3000, 0.2), lambda t: 0.1 * 0.2 ** np.floor(t / 3000)),
    "multi_step": (
        MultiStep(0.1, [8000, 2000, 2000, 0], 0.5),
        lambda t: 0.1 * 0.5 ** (1 + 2 * (t >= 2000) + 1 * (t >= 8000)),
    ),
    "inverse_sqrt": (
        InverseSqrt(1e-3, 400),
        lambda t: 1e-3 * 400**0.5 * np.minimum((t + 1.0) ** -0.5, (t + 1) * 400**-1.5),
    ),
    "one_cycle": (OneCycle(0.4, 10_000), one_cycle(10_000)),
    "one_cycle_linear": (
        OneCycle(0.4, 10_000, pct_start=0.1, anneal_strategy="linear", div_factor=10),
        one_cycle(10_000, pct_start=0.1, anneal_strategy="linear", div_factor=10),
    ),
    "one_cycle_three_phase": (
        OneCycle(0.4, 10_000, pct_start=0.25, three_phase=True, final_div_factor=100),
        one_cycle(10_000, pct_start=0.25, three_phase=True, final_div_factor=100),
    ),
    "restarts": (CosineRestarts(0.1, 1e-3, 700), lambda t: with_restarts(t, 0.1, 1e-3, 700, 1)),
    "restarts_longer": (CosineRestarts(0.1, 0.0, 10, factor=2), lambda t: with_restarts(t, 0.1, 0.0, 10, 2)),
    "restarts_fraction": (CosineRestarts(0.1, 0.0, 10, 1.5), lambda t: with_restarts(t, 0.1, 0.0, 10, 1.5)),
    "stable": (
        WarmupStableDecay(0.2, 500, 8000, 1000),
        lambda t: stable(t, 0.2, 500, 8000, 1000, 0.0, lambda x: 1 - x),
    ),
    "stable_cosine": (
        WarmupStableDecay(0.2, 500, 8000, 1000, end=0.01, decay="cosine"),
        lambda t: stable(t, 0.2, 500, 8000, 1000, 0.01, lambda x: (1 + np.cos(np.pi * x)) / 2),
    ),
    "stable_sqrt": (
        WarmupStableDecay(0.2, 500, 8000, 1000, end=0.01, decay="sqrt"),
        lambda t: stable(t, 0.2, 500, 8000, 1000, 0.01, lambda x: 1 - np.sqrt(x)),
    ),
    "function": (Function(reciprocal), lambda t: 0.1 / (1 + t / 100)),
    "piecewise": (
        Piecewise([0.1, Linear(0.1, 0.0, 2000), reciprocal], [3000, 6000]),
        lambda t: np.where(
            t < 3000,
            0.1,
            np.where(t < 6000, 0.1 * (1 - share(t - 3000, 2000)), 0.1 / (1 + np.maximum(t - 6000, 0) / 100)),
        ),
    ),
    "warmup": (
        Cosine(0.1, 0.0, 9000).warmup(500),
        lambda t: np.where(t < 500, 0.1 * (t + 1) / 500, 0.05 * (1 + np.cos(np.pi * share(t - 500, 9000)))),
    ),
    "product": (
        2 * Linear(1.0, 0.0, 8000) * Exponential(0.1, 0.9, 1000) * 0.5,
        lambda t: (1 - share(t, 8000)) * 0.1 * 0.9 ** (t / 1000),
    ),
}
SCHEDULES = {name: schedule for name, (schedule, _) in FORMS.items()}
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


@pytest.mark.parametrize("name", FORMS)
def test_ten_thousand_steps_of_the_closed_form(name: str) -> None:
    schedule, form = FORMS[name]
    expected = form(STEPS)
    found = np.array([schedule(int(step)) for step in STEPS])
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_every_name_is_held_against_a_form() -> None:
    covered = {type(schedule).__name__ for schedule in SCHEDULES.values()}
    made = {name for name in schedules.__all__ if isinstance(getattr(schedules, name), type)}
    assert made - covered == {"Schedule"}


@pytest.mark.parametrize(
    ("schedule", "last", "end"),
    [
        (Linear(0.3, 0.01, 700), 0.01, 700),
        (Cosine(0.3, 0.01, 700), 0.01, 700),
        (Polynomial(0.3, 0.01, 700, 3), 0.01, 700),
        (OneCycle(0.3, 700, div_factor=10, final_div_factor=10), 0.3 / 10 / 10, 699),
        (WarmupStableDecay(0.3, 100, 200, 400, end=0.01), 0.01, 700),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_last_value_is_met_exactly_and_held(schedule: Schedule, last: float, end: int) -> None:
    assert schedule(end - 1) != last
    assert schedule([end, end + 1, 10**9, 1e300]) == [last] * 4


def test_small_values_near_an_end_keep_their_digits() -> None:
    """(1 + cos) / 2 has 8 digits left one step before the end of 10,000; ours has all, as its Taylor series says."""
    x = math.pi / 2 / 10_000
    assert Cosine(1.0, 0.0, 10_000)(9_999) == pytest.approx((x - x**3 / 6 + x**5 / 120) ** 2, rel=1e-14)
    assert Polynomial(1.0, 0.0, 10_000, 3)(9_999) == pytest.approx(1e-12, rel=1e-14)


@pytest.mark.parametrize("cls", [Linear, Cosine, Polynomial])
def test_no_length_is_the_end_at_once(cls: type) -> None:
    assert cls(0.1, 0.02, 0)([0, 1, 5]) == [0.02] * 3


def test_one_cycle_at_its_edges() -> None:
    """Where torch's OneCycleLR divides by zero, or starts in the middle of nowhere."""
    assert OneCycle(1.0, 1)([0, 1]) == [1.0, 1 / 25 / 1e4]
    assert OneCycle(1.0, 10, pct_start=0.1)(0) == 1.0  # pct_start * steps == 1
    assert OneCycle(1.0, 10, pct_start=0)(0) == 1.0
    assert OneCycle(1.0, 10, pct_start=1)(9) == 1.0
    assert OneCycle(1.0, 2, pct_start=0.5, three_phase=True)([0, 1]) == [1.0, 1 / 25 / 1e4]


@pytest.mark.parametrize("factor", [1, 2, 3, 1.1, 1.5, 2.5])
@pytest.mark.parametrize("n", [1, 7, 100, 12.5])
def test_restarts_begin_where_the_period_before_ends(n: float, factor: float) -> None:
    schedule, begin, length = CosineRestarts(1.0, 0.0, n, factor), 0.0, float(n)
    for _ in range(40):
        assert schedule(begin + 1e-9 * length) == pytest.approx(1.0, abs=1e-9)
        assert schedule(begin + length / 2) == pytest.approx(0.5, abs=1e-9)
        assert schedule(begin + (1 - 1e-9) * length) == pytest.approx(0.0, abs=1e-9)
        begin, length = begin + length, length * factor


def test_what_is_too_large_is_infinite() -> None:
    assert Exponential(1.0, 2.0)(10_000) == math.inf
    assert Step(1.0, 1, 2.0)(10_000) == math.inf


@each_schedule
def test_arrays_hold_what_single_steps_return(schedule: Schedule) -> None:
    steps = [0, 1, 499, 500, 2999, 10**6]
    expected = [schedule(step) for step in steps]
    assert all(type(value) is float for value in expected)
    assert schedule(steps) == schedule(tuple(steps)) == expected
    assert schedule([1.5, 2]) == [schedule(1.5), schedule(2)]
    assert schedule(range(3)) == [schedule(0), schedule(1), schedule(2)]
    array = schedule(np.array(steps, dtype=np.int32).reshape(2, 3))
    assert array.dtype == np.float64 and array.shape == (2, 3) and array.reshape(-1).tolist() == expected
    tensor = schedule(torch.tensor(steps).reshape(3, 2))
    assert tensor.dtype == torch.float64 and tensor.shape == (3, 2) and tensor.reshape(-1).tolist() == expected
    assert schedule(torch.tensor(499)).shape == () and schedule(np.array(499)).shape == ()
    assert schedule(np.zeros((0, 2))).shape == (0, 2) and schedule([]) == []
    for one in (np.int64(499), np.float64(499), np.float32(499)):
        assert schedule(one) == schedule(499)


@each_schedule
def test_prints_compares_hashes_and_pickles(schedule: Schedule) -> None:
    names = {name: getattr(schedules, name) for name in schedules.__all__}
    same = copy.deepcopy(schedule) if "<function" in repr(schedule) else eval(repr(schedule), names)
    for other in (same, pickle.loads(pickle.dumps(schedule)), copy.deepcopy(schedule)):
        assert other == schedule and hash(other) == hash(schedule) and repr(other) == repr(schedule)
        assert other([0, 7, 5000]) == schedule([0, 7, 5000])
    assert schedule != schedule * 2 and schedule != Constant(77) and schedule != 0.3


def test_texts() -> None:
    assert repr(Cosine(1e-3, 0, steps=1e4).warmup(500)) == "Cosine(start=0.001, end=0.0, steps=10000).warmup(500)"
    assert repr(2 * Linear(1, 0, 5)) == "Linear(start=1.0, end=0.0, steps=5) * 2.0"
    assert (
        repr((Constant(1) * Step(1, 2)).then(0.1, after=3))
        == "(Constant(value=1.0) * Step(start=1.0, every=2, gamma=0.1)).then(0.1, after=3)"
    )
    assert repr(Piecewise([1], [])) == "Piecewise((Constant(value=1.0),), ())"


@each_schedule
def test_nothing_can_be_changed(schedule: Schedule) -> None:
    with pytest.raises(FrozenInstanceError):
        schedule.start = 1.0  # type: ignore[attr-defined]


def opcodes(schedule: Schedule, step: float) -> int:
    """How many instructions of Python an evaluation takes."""
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        schedule.at(step)
    finally:
        sys.settrace(before)
    return count


@each_schedule
def test_the_work_does_not_grow_with_the_step(schedule: Schedule) -> None:
    """Instructions at any step up to 10^15 are no more than twice those near the beginning."""
    near = max(opcodes(schedule, step) for step in (0, 1, 600, 6001, 9001))
    assert near > 0
    assert max(opcodes(schedule, 10**e) for e in range(4, 16)) <= 2 * near


def test_the_work_grows_with_the_number_of_parts_at_most() -> None:
    many: Schedule = Constant(1.0)
    for k in range(1, 2000):
        many = many.then(Linear(1.0, 0.0, 10), after=10 * k)
    assert many(19_995) == 0.5
    assert opcodes(many, 19_995) <= 2 * opcodes(Constant(1.0).then(Linear(1.0, 0.0, 10), after=10), 15)
    product: Schedule = Constant(1.0)
    for _ in range(100):
        product = product * Linear(1.0, 0.5, 10)
    assert product(20) == 0.5**100
    assert opcodes(product, 20) <= 100 * opcodes(Linear(1.0, 0.5, 10) * Constant(1.0), 20)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Constant(math.nan), ValueError, r"Invalid value of Constant: nan \(value must be a finite number\)"),
    (
        lambda: Constant("0.1"),
        TypeError,
        r"Invalid value of Constant: '0.1' \(value must be a finite number, not str\)",
    ),
    (lambda: Constant(True), TypeError, "not bool"),
    (lambda: Constant(10**400), ValueError, "Invalid value of Constant"),
    (lambda: Linear(math.inf, 0, 5), ValueError, "Invalid start of Linear: inf"),
    (lambda: Linear(1, None, 5), TypeError, "Invalid end of Linear: None"),
    (lambda: Cosine(1, 0, -5), ValueError, r"Invalid steps of Cosine: -5 \(steps must be a number of steps >= 0\)"),
    (lambda: Cosine(1, 0, steps=math.nan), ValueError, "Invalid steps of Cosine: nan"),
    (lambda: Cosine(1, 0, steps=[5]), TypeError, r"Invalid steps of Cosine: \[5\]"),
    (lambda: Cosine(np.ones(2), 0, steps=5), TypeError, "Invalid start of Cosine"),
    (lambda: Polynomial(1, 0, 5, power=0), ValueError, r"power of Polynomial: 0 \(power must be a finite number > 0\)"),
    (lambda: Exponential(1, -0.5), ValueError, r"gamma of Exponential: -0.5 \(gamma must be a finite number >= 0\)"),
    (lambda: Exponential(1, 0.5, every=0), ValueError, r"every of Exponential: 0 \(every must be .* > 0\)"),
    (lambda: Step(1, 0), ValueError, "Invalid every of Step: 0"),
    (lambda: MultiStep(1, [5, -1]), ValueError, r"Invalid milestones\[1\] of MultiStep: -1"),
    (lambda: MultiStep(1, 5), TypeError, "Invalid milestones of MultiStep: 5"),
    (lambda: InverseSqrt(1, 0), ValueError, "Invalid warmup_steps of InverseSqrt: 0"),
    (lambda: OneCycle(1, 0), ValueError, "Invalid steps of OneCycle: 0"),
    (lambda: OneCycle(1, 9, pct_start=1.5), ValueError, r"pct_start of OneCycle: 1.5 \(.* in \[0, 1\]\)"),
    (lambda: OneCycle(1, 9, pct_start=0.6, three_phase=True), ValueError, r"in \[0, 0.5\]"),
    (lambda: OneCycle(1, 9, div_factor=0), ValueError, "Invalid div_factor of OneCycle: 0"),
    (lambda: OneCycle(1, 9, anneal_strategy="sin"), ValueError, "anneal_strategy must be 'cos' or 'linear'"),
    (lambda: CosineRestarts(1, 0, 5, factor=0.5), ValueError, "Invalid factor of CosineRestarts: 0.5"),
    (lambda: CosineRestarts(1, 0, 0), ValueError, "Invalid steps of CosineRestarts: 0"),
    (lambda: WarmupStableDecay(1, -1, 5, 5), ValueError, "Invalid warmup_steps of WarmupStableDecay: -1"),
    (lambda: WarmupStableDecay(1, 1, 5, 5, decay="exp"), ValueError, "decay must be 'linear' or 'cosine' or 'sqrt'"),
    (lambda: Piecewise([1, 2], [5, 6]), ValueError, r"milestones of Piecewise: \(5, 6\) \(there must be one fewer"),
    (lambda: Piecewise([1, 2, 3], [6, 5]), ValueError, "milestones must be in increasing order"),
    (lambda: Piecewise([1, "a"], [5]), TypeError, "Invalid schedule: 'a'"),
    (lambda: Function(0.1), TypeError, "Invalid function of Function: 0.1"),
    (lambda: Constant(1).warmup(-1), ValueError, r"Invalid warmup of Constant: -1"),
    (lambda: Constant(1).then(2, after=-1), ValueError, "Invalid after of Constant: -1"),
    (lambda: Constant(1).then("a", after=1), TypeError, "Invalid schedule: 'a'"),
    (lambda: Constant(1) * "a", TypeError, "multiply|unsupported operand"),
    (lambda: Constant(1) * math.nan, ValueError, "Invalid value of Constant: nan"),
    (lambda: Constant(1)(-1), ValueError, "Invalid step: -1"),
    (lambda: Constant(1)(math.nan), ValueError, "Invalid step: nan"),
    (lambda: Constant(1)([0, -1]), ValueError, "Invalid step: -1"),
    (lambda: Constant(1)("0"), TypeError, "Invalid step: '0'"),
    (lambda: Constant(1)(None), TypeError, "Invalid step: None"),
    (lambda: Function(lambda step: None)(3), TypeError, r"returned None at step 3, which is not a number"),
    (lambda: Constant(1).plot(0), ValueError, "Invalid plot of Constant: 0"),
    (lambda: schedules.Sine, AttributeError, "no attribute 'Sine'"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=[message[:40] for _, _, message in REFUSED])
def test_bad_arguments_are_refused_at_construction(
    make: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_schedule_of_ones_own() -> None:
    @dataclass(frozen=True)
    class Reciprocal(Schedule):
        start: float

        def at(self, step: float) -> float:
            return self.start / (1 + step)

    assert (Reciprocal(0.5).warmup(2) * 2)([0, 1, 2, 3]) == [0.5, 1.0, 1.0, 0.5]
    with pytest.raises(NotImplementedError):
        Schedule()(0)


def test_only_the_standard_library_is_loaded() -> None:
    """The folder alone, without the package around it, works without NumPy and torch."""
    folder = Path(schedules.__file__).parent
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('lone', {str(folder / '__init__.py')!r}, "
        f"submodule_search_locations=[{str(folder)!r}])\n"
        "sys.modules['lone'] = module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "print(module.Cosine(1.0, 0.0, 4).warmup(2).then(3, after=6)([0, 1, 2, 6]))\n"
        "print({'torch', 'numpy', 'matplotlib'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[0.5, 1.0, 1.0, 3.0]", "set()"]


def test_importing_descend_loads_only_the_base() -> None:
    code = (
        "import sys, descend; descend.Adam; "
        "print(sorted(name for name in sys.modules if name.startswith('descend.schedules')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['descend.schedules', 'descend.schedules.base']"
