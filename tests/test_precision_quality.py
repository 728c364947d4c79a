"""Training with low-precision state and parameters reaches the loss of float32, in the small.

benchmarks/precision_quality.py does the same with five seeds and longer; docs/precision.md has its numbers. Runs with
one seed have the same weights and batches, so what is left of their difference is what low precision does. It is
compared with NOISE, the standard deviation of the training loss of float32 runs of that length over five seeds.
"""

import sys
from functools import cache
from pathlib import Path

import pytest
import torch

import descend

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from precision_quality import FLOAT32, PARAMETERS, Run, train  # noqa: E402

# (part, problem, steps)
NOISE = {
    ("state", "digits", 400): 0.0015,
    ("state", "factors", 1000): 0.00004,
    ("state", "characters", 60): 0.030,
    ("parameters", "digits", 1000): 0.014,
    ("parameters", "characters", 60): 0.049,
}


@pytest.fixture(autouse=True)
def _one_thread(_seeded_and_two_threads: None) -> None:
    """Matrices are small here: a second thread costs more than it gains. The other fixture undoes this."""
    torch.set_num_threads(1)


@cache
def loss_of_float32(part: str, problem: str, steps: int, seed: int) -> float:
    return train(Run(part, problem, FLOAT32, seed), steps).training


def difference(part: str, problem: str, steps: int, setting: str, seed: int = 0) -> float:
    """Training loss of a setting above that of float32, in NOISE."""
    found = train(Run(part, problem, setting, seed), steps).training
    return (found - loss_of_float32(part, problem, steps, seed)) / NOISE[part, problem, steps]


@pytest.mark.parametrize(
    ("problem", "steps", "seeds"), [("digits", 400, 3), ("factors", 1000, 2), ("characters", 60, 1)]
)
def test_int8_state_reaches_the_loss_of_float32(problem: str, steps: int, seeds: int) -> None:
    found = [difference("state", problem, steps, "int8 state", seed) for seed in range(seeds)]
    assert abs(sum(found) / seeds) <= 1, f"{found}: more than another seed would do"


@pytest.mark.parametrize(("problem", "steps", "lost"), [("digits", 1000, 20), ("characters", 60, 2)])
def test_bfloat16_parameters_reach_the_loss_of_float32_where_plain_ones_stall(
    problem: str, steps: int, lost: float
) -> None:
    """The learning rate is so small that rounding to nearest loses most updates."""
    found = {s: difference("parameters", problem, steps, s) for s in PARAMETERS if s.endswith("int8 state")}
    assert found.pop("plain, int8 state") > lost
    assert found.keys() == {f"{way}, int8 state" for way in ("stochastic", "kahan", "split master")}
    assert all(abs(value) <= 1 for value in found.values()), found


@pytest.mark.parametrize("state_dtype", ["bfloat16", "float16", "int8"])
def test_what_gets_no_gradient_any_more_stays_where_it_is(state_dtype: str) -> None:
    """exp_avg must vanish before exp_avg_sq does, or their ratio grows without end: to nearest, int8 moved by 0.01."""
    w = torch.nn.Parameter(torch.zeros(16, 8))  # one block
    optimizer = descend.AdamW([w], lr=1e-3, weight_decay=0.0, state_dtype=state_dtype)
    then = w
    for t in range(3000):
        w.grad = torch.randn(16, 8)
        if t >= 10:
            w.grad[0] = 0
        optimizer.step()
        if t == 300:
            then = w.detach().clone()
    assert then[0].abs().max() > 1e-3
    assert (w[0] - then[0]).abs().max() < 1e-5  # a hundredth of one step
