"""find_lr: the rules on curves made by hand, range tests, when there is no answer, and what is refused."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import descend
from descend import tools
from descend.tools.contenders import contenders
from descend.tools.finding import prodigy, range_test, rules
from descend.tools.finding.short_runs import ShortRun, best_rate
from descend.tools.problem import Problem

RATES = [10 ** (k / 10) for k in range(-60, 11)]  # 1e-6 to 10, ten a decade


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def data(count=4, size=16, seed=0, inputs=6):
    """Batches of a linear problem with noise."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randn(inputs, 1, generator=generator)
    xs = [torch.randn(size, inputs, generator=generator) for _ in range(count)]
    return [(x, x @ truth + 0.1 * torch.randn(size, 1, generator=generator)) for x in xs]


def net(inputs=6):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, 1))


quick = partial(tools.find_lr, steps=40, repeats=2, check=20, progress=None, threads=1)


# ------------------------------------------------------------------------------------------------------------ the rules


def test_lowest_skips_what_is_not_finite():
    assert rules.lowest([3.0, math.nan, 1.0, 2.0, -math.inf]) == 2
    assert rules.lowest([math.nan, math.inf]) is None


@pytest.mark.parametrize(
    ("loss", "best", "start", "expected"),
    [
        (4.1, 1.0, 2.0, True),
        (3.9, 1.0, 2.0, False),
        (math.nan, 1.0, 2.0, True),
        (-4.0, -5.0, -4.0, False),  # a log-likelihood back at its start
        (9.0, -5.0, -4.0, True),  # 13 above its start of -4, more than three times max(1, 4)
        (7.0, -5.0, -4.0, False),
    ],
)
def test_too_high(loss, best, start, expected):
    assert rules.too_high(loss, best, start) is expected


def test_smoothing_has_no_bias_at_the_start():
    assert rules.smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0], rel=1e-15)
    # After two: (0.02*0.98*1 + 0.02*3) / (1 - 0.98^2).
    assert rules.smoothed([1.0, 3.0])[1] == pytest.approx((0.0196 + 0.06) / 0.0396, rel=1e-14)


def test_fastai_leaves_out_the_first_tenth_the_last_five_and_what_follows_a_nan():
    losses = [1.0] * 50
    xs, ys = rules.fastai_curve(RATES[:50], losses, 100)
    assert xs[0] == RATES[10] and xs[-1] == RATES[44] and len(ys) == 35
    losses[30] = math.nan
    assert rules.fastai_curve(RATES[:50], losses, 100)[0][-1] == RATES[29]


def test_fastai_stops_at_four_times_the_best():
    losses = [1.0] * 40 + [1000.0] * 20  # the average is 20 at once: one point more, and then five are dropped
    xs, _ = rules.fastai_curve(RATES[:60], losses, 100)
    assert xs[-1] == RATES[40 - 5]


def test_valley_takes_the_middle_of_the_longest_fall():
    """A plateau of 10, a fall over 30 points, a rise; fastai's start is one before the chain."""
    losses = np.array([5.0] * 10 + [5 - k / 6 for k in range(1, 31)] + [6.0, 7.0])
    rates = np.array(RATES[: len(losses)])
    # The chain of 31 ends at 39, so it is said to start at 8; a third is 10.33, and half of that 5.17.
    assert rules.valley(rates, losses) == rates[8 + 10 + 5]


def test_steep_minimum_and_slide():
    losses = np.array([4.0, 4.0, 3.9, 3.0, 2.5, 2.4, 2.6])
    rates = np.array(RATES[:7])
    assert rules.steep(rates, losses) == rates[2]
    assert rules.minimum(rates, losses) == rates[5] / 10
    with pytest.raises(IndexError):
        rules.slide(rates, losses)
    long = np.concatenate([np.full(20, 3.0), np.linspace(3.0, 1.0, 20), np.linspace(1.2, 5.0, 8)])
    # From the right: until the slopes 15 points apart differ by no more than the threshold. Both are in the fall at
    # (33, 18) at the latest; the last pair that differs is the answer's left end.
    slope, right, left = np.gradient(long), -1, -16
    while abs(slope[right] - slope[left]) > 0.005:
        found, right, left = left, right - 1, left - 1
    assert rules.slide(np.array(RATES[:48]), long) == RATES[48 + found]


def test_lightning_differentiates_over_the_rate_and_starts_too_low():
    """Its average of a constant 1 begins at 0.02 / (1 - 0.98^2) = 0.505 and rises."""
    losses = [1.0] * 30 + [0.9, 0.7, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]
    curve, average = [], 0.0
    for step, loss in enumerate(losses, start=1):
        average = 0.98 * average + 0.02 * loss
        curve.append(average / (1 - 0.98 ** (step + 1)))
    assert curve[0] == pytest.approx(0.505, abs=1e-3)
    slopes = np.gradient(np.array(curve)[10:-1], np.array(RATES[:38])[10:-1])
    assert rules.lightning(RATES[:38], losses) == RATES[10 + int(np.argmin(slopes))]
    assert rules.lightning(RATES[:5], losses[:5]) is None


def test_torch_lr_finder_takes_the_steepest_step_and_runs_past_a_nan():
    losses = [2.0] * 20 + [1.0] * 10 + [50.0] * 30
    curve = [2.0]
    for loss in losses[1:]:
        curve.append(0.05 * loss + 0.95 * curve[-1])
        if curve[-1] > 5 * min(curve):
            break
    inner = np.array(curve)[10:-5]
    assert rules.torch_lr_finder(RATES[:60], losses) == RATES[10 + int(np.argmin(np.gradient(inner)))]
    with_nan = [1.0] * 30 + [math.nan] * 20
    assert rules.torch_lr_finder(RATES[:50], with_nan) is not None  # numpy's argmin takes the NaN, as the original does


def test_classic_names_every_rule_and_survives_short_curves():
    assert tuple(rules.classic(RATES[:3], [1.0, 0.9, 0.8], 100)) == rules.RULES
    assert set(rules.classic(RATES[:3], [1.0, 0.9, 0.8], 100).values()) == {None}
    full = rules.classic(RATES, [2 - 1.5 * math.exp(-(((k - 50) / 8) ** 2)) for k in range(71)], 71)
    assert all(value is not None and 0 < value <= 10 for value in full.values())


def test_prodigy_by_hand_and_on_a_problem_whose_distance_is_known():
    """f = |x - 3|_1 / 4 from 0: the gradient has a constant sign, so d may not pass 3, and comes near it."""
    x = torch.zeros(4, requires_grad=True)
    found = prodigy.Prodigy([x])
    x.grad = torch.full((4,), -0.25)
    found.step()
    # m = 0.1 d g, v = 0.001 d^2 g^2: the first step is 0.1/sqrt(0.001) times d, but for eps. d stays: x was at x0.
    assert found.d == 1e-6
    torch.testing.assert_close(x.detach(), torch.full((4,), 0.1 / math.sqrt(0.001) * 1e-6), rtol=1e-5, atol=0)
    y = torch.zeros(4, requires_grad=True)

    def backward(step):
        loss = (y - 3).abs().mean()
        loss.backward()
        return loss.item()

    estimate = prodigy.estimate([y], backward, 100)
    assert estimate is not None and 0.3 < estimate <= 3.0
    still = torch.zeros(2, requires_grad=True)
    assert prodigy.estimate([still], lambda step: (still * 0).sum().backward() or 0.0, 20) is None
    assert prodigy.estimate([still], lambda step: math.nan, 20) is None


# -------------------------------------------------------------------------------------------------------- range tests


def ranged(optimizer="sgd", model=None, batches=None, **options):
    problem = Problem(model or net(), batches or data(), mse_loss)
    return range_test(problem, contenders(optimizer)[0], **options)


def test_a_range_test_raises_the_rate_exponentially_and_reads_the_probe():
    test = ranged(steps=50, lr_min=1e-5, lr_max=10.0)
    assert len(test.rates) == len(test.losses) == len(test.probe)
    assert test.rates[0] == 1e-5
    ratios = [b / a for a, b in zip(test.rates, test.rates[1:], strict=False)]
    assert ratios == pytest.approx([1e6 ** (1 / 49)] * len(ratios), rel=1e-9)
    assert test.argmin == test.rates[int(np.nanargmin(test.probe))]
    assert test.stop in ("4x best", "diverged") and test.rates[-1] > test.argmin and test.descent > 0.5
    assert all(test.probe[k] <= 4 * min(test.start, *test.probe[: k + 1]) for k in range(len(test.probe) - 1))


def test_a_range_test_goes_on_while_the_loss_falls():
    test = ranged(steps=40, lr_min=1e-5, lr_max=1e-3)
    assert test.rates[-1] > 5e-3 and test.argmin is not None


def test_a_test_is_the_same_for_the_same_seed_and_another_for_another():
    first, again, other = (ranged(steps=30, seed=seed, model=net) for seed in (0, 0, 1))
    assert first == again and first != other


@pytest.mark.parametrize("where", ["loss", "weights"])
def test_nan_at_step_70(where):
    """The loss, or the weights, become NaN at step 70: the test stops there, and the suggestion is left of it."""
    calls = []

    def step(model, batch):
        loss = mse_loss(model(batch[0]), batch[1])
        if not torch.is_grad_enabled():
            return loss
        calls.append(1)
        if len(calls) > 70 and where == "weights":
            with torch.no_grad():
                model[0].weight.fill_(math.nan)
        return loss * math.nan if len(calls) > 70 else loss

    problem = Problem(net(), data(), step=step)
    calls.clear()
    test = range_test(problem, contenders("adamw")[0], steps=100, lr_min=1e-5, lr_max=1e-1)
    assert test.stop == "diverged" and len(test.rates) == 71 and math.isnan(test.probe[-1])
    assert test.argmin is not None and test.argmin < test.rates[70]


def test_groups_keep_the_ratios_of_their_rates():
    model = net()
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.3}, {"params": model[2].parameters(), "lr": 0.03, "momentum": 0.5}]
    )
    seen = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            seen.append((*(group["lr"] for group in self.param_groups), self.param_groups[1]["momentum"]))
            return super().step(closure)

    optimizer.__class__ = Spy
    (contender,) = contenders(optimizer, model)
    range_test(Problem(model, data(), mse_loss), contender, steps=30)
    assert len(seen) >= 20
    assert all(second == pytest.approx(first / 10, rel=1e-9) and m == 0.5 for first, second, m in seen)
    assert seen[0][0] == pytest.approx(1e-6) and seen[-1][0] > 0.01


def test_a_rate_that_is_a_tensor_stays_that_tensor():
    def build(params, lr):
        return torch.optim.Adam(params, lr=torch.tensor(lr), foreach=False, capturable=False)

    assert ranged(build, steps=30).argmin is not None


# --------------------------------------------------------------------------------------------------- no answer, errors


def test_a_trained_model_has_no_descent():
    model, batches = nn.Linear(6, 1), data()
    x, y = torch.cat([b[0] for b in batches]), torch.cat([b[1] for b in batches])
    with torch.no_grad():  # the least-squares solution itself
        solution = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], 1), y).solution
        model.weight.copy_(solution[:6].T)
        model.bias.copy_(solution[6])
    found = quick(model, batches, mse_loss)
    assert (found.lr, found.interval, found.confidence) == (None, None, "no answer: run compare()")
    assert "no descent" in found.reason and "trained already" in str(found)
    with pytest.raises(ValueError, match="no learning rate"):
        found.build(model)


def test_a_range_that_is_too_high_is_lowered_by_itself():
    """The loss is a million times steeper than usual: at 1e-6 everything is lost, 1e-10 is where it learns."""
    found = quick(net(), data(), step=lambda model, batch: 1e6 * mse_loss(model(batch[0]), batch[1]), optimizer="sgd")
    assert found.lr is not None and found.lr < 1e-6


def test_short_runs_that_all_diverge_are_no_answer():
    assert best_rate((ShortRun(0.1, math.inf, 5), ShortRun(0.3, math.inf, 5)), True) is None
    models = []

    def step(model, batch):
        """NaN for every model after the first two, which the range tests train."""
        if not any(model is known for known in models):
            models.append(model)
        return mse_loss(model(batch[0]), batch[1]) * (math.nan if model in models[2:] else 1.0)

    found = quick(net(), data(), step=step, optimizer="sgd")
    assert found.lr is None and "Short runs at all of 9 rates" in found.reason and len(found.runs) == 9


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("rprop", "first step only"),
        (lambda params, lr: torch.optim.SGD(params, lr=descend.schedules.cosine(100, 0.1)), "float|schedule|lr"),
        (["sgd", "adamw"], "takes one, got 2"),
    ],
)
def test_optimizers_without_a_rate_to_find_are_refused(optimizer, message):
    with pytest.raises((ValueError, TypeError, AttributeError), match=message):
        quick(net(), data(), mse_loss, optimizer=optimizer)


class Estimating(torch.optim.Optimizer):
    """As Prodigy's groups look."""

    def __init__(self, params, lr=1.0, d0=1e-6):
        super().__init__(params, {"lr": lr, "d0": d0})

    def step(self, closure=None):
        raise AssertionError("never called")


class Decaying(torch.optim.SGD):
    """Halves its rate in every step."""

    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            group["lr"] /= 2


@pytest.mark.parametrize(
    ("cls", "message"), [(Estimating, "estimates its learning rate itself"), (Decaying, "sets its")]
)
def test_optimizers_with_a_mind_of_their_own_are_refused(cls, message):
    with pytest.raises(ValueError, match=message):
        quick(net(), data(), mse_loss, optimizer=cls)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 5}, "steps must be a whole number of at least 20, got 5"),
        ({"repeats": 0}, "repeats"),
        ({"check": 3}, "check must be 0, for no short runs, or at least 10 steps, got 3"),
        ({"lr_min": -1.0}, "lr_min must be a positive number, got -1.0"),
        ({"lr_min": 1.0, "lr_max": 0.1}, "lr_min must be below lr_max, got 1 and 0.1"),
        ({"seed": 1.5}, "seed"),
        ({"threads": 0}, "threads"),
    ],
)
def test_arguments_are_checked_before_anything_is_run(options, message):
    with pytest.raises(ValueError, match=message):
        tools.find_lr(net(), data(), mse_loss, progress=None, **options)
