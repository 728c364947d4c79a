"""Many copies in one batched run: each ends as it does alone, and what cannot be batched is left to the loop."""

import functools
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

import descend
from descend.tools.comparing import stacked
from descend.tools.comparing.stack import Stack, members
from descend.tools.contenders import contenders
from descend.tools.problem import Problem
from descend.tools.trial import Trial

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
STEPS = 100


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batches(dtype: torch.dtype = torch.float32) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(16, 8, generator=generator, dtype=dtype), torch.randint(0, 5, (16,), generator=generator))
        for _ in range(6)
    ]


def mlp(*between: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), *between, nn.Linear(16, 5))


def frozen() -> nn.Module:
    model = mlp()
    model[0].weight.requires_grad_(False)
    return model


class Tied(nn.Module):
    """Two layers with one weight, and a parameter that takes part in nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 5)
        self.b.weight = self.a.weight
        self.unused = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.b(self.a(x).relu()))


class Words(nn.Module):
    def __init__(self, sparse: bool = False) -> None:
        super().__init__()
        self.words, self.norm, self.out = nn.Embedding(7, 8, sparse=sparse), nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.words((x.abs() * 3).long().clamp(max=6)).mean(1)))


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.conv(x.unsqueeze(1))).relu().flatten(1))


class Counting(nn.Module):
    """Carries a plain number from one forward pass to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.calls = mlp(), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.inner(x) / self.calls


class Deciding(nn.Module):
    """Reads a number off its activations."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp()

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        return y if y.mean().item() > -1e9 else -y


SGD = functools.partial(descend.SGD, momentum=0.9)
EXACT, ROUNDED = 0.0, 1e-5  # 1e-5 of the largest weight: 20 times what was measured


def problem_of(make: Callable[[], nn.Module], dtype: torch.dtype = torch.float32, **given: Any) -> Problem:
    torch.manual_seed(1)
    data = batches(dtype)
    return Problem(make().to(dtype), data, F.cross_entropy, val=data[:2], **given)


def trials_of(problem: Problem, optimizer: Any, rates: tuple[float, ...] = RATES, **given: Any) -> list[Trial]:
    (contender,) = contenders([optimizer], problem.model)
    return [Trial(problem, contender, lr, 0, total_steps=STEPS, **given) for lr in rates]


def compare(alone: list[Trial], together: list[Trial], weights: float) -> None:
    for a, b in zip(alone, together, strict=True):
        assert (a.status, a.step, a.updates) == (b.status, b.step, b.updates), b.message
        assert [p.step for p in a.evaluations] == [p.step for p in b.evaluations]
        for points in ("losses", "evaluations"):
            values = [[point.loss for point in getattr(trial, points)] for trial in (a, b)]
            torch.testing.assert_close(*map(torch.tensor, values), rtol=1e-4, atol=1e-6, equal_nan=True)
        for (name, x), y in zip(members(a.model).items(), members(b.model).values(), strict=True):
            difference = (x.double() - y.double()).abs().max()
            assert difference <= weights * x.double().abs().max(), name
        assert torch.equal(a._random.cpu, b._random.cpu)


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that reaches the loop is a failure."""
    original = Trial.run

    def run(trial: Trial, until: int, deadline: float | None = None) -> None:
        assert getattr(trial, "alone", False), "trained by the loop"
        original(trial, until, deadline)

    monkeypatch.setattr(Trial, "run", run)


def check(problem: Problem, optimizer: Any, weights: float, **given: Any) -> None:
    alone, together = trials_of(problem, optimizer, **given), trials_of(problem, optimizer, **given)
    for trial in alone:
        trial.alone = True  # type: ignore[attr-defined]
        for until in (40, STEPS):
            trial.run(until)
    for until in (40, STEPS):
        stacked.run(together, until)
    compare(alone, together, weights)


@pytest.mark.parametrize("optimizer", [SGD, descend.AdamW, descend.RMSprop, torch.optim.AdamW])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perceptron_gets_the_same_bits(no_loop: None, optimizer: Any, dtype: torch.dtype):
    check(problem_of(mlp, dtype), optimizer, EXACT)


@pytest.mark.parametrize(
    "make",
    [Tied, frozen, lambda: mlp(nn.Dropout(0.0)), lambda: mlp(nn.Dropout(0.3))],
    ids=["tied and unused", "frozen", "dropout 0", "dropout"],
)
def test_so_do_models_with_peculiarities(no_loop: None, make: Callable[[], nn.Module]):
    check(problem_of(make), functools.partial(descend.AdamW, weight_decay=0.1), EXACT)


@pytest.mark.parametrize("make", [Words, Conv, lambda: mlp(nn.BatchNorm1d(16))], ids=["words", "conv", "batch norm"])
def test_normalisation_convolution_and_embedding_differ_by_rounding(no_loop: None, make: Callable[[], nn.Module]):
    check(problem_of(make), SGD, ROUNDED)


def test_schedules_are_followed(no_loop: None):
    check(problem_of(mlp), descend.AdamW, EXACT, schedule="linear")


def test_storage_and_checkpoints_are_each_trials_own(no_loop: None):
    trials = trials_of(problem_of(mlp), descend.AdamW)
    before = [[t.data_ptr() for t in members(trial.model).values()] for trial in trials]
    stacked.run(trials, 5)
    assert before == [[t.data_ptr() for t in members(trial.model).values()] for trial in trials]
    (again,) = trials_of(trials[0].problem, descend.AdamW, RATES[:1])
    again.load_state_dict(trials[0].state_dict())
    again.alone = True  # type: ignore[attr-defined]
    again.run(20)
    stacked.run(trials, 20)
    compare([again], trials[:1], EXACT)
    assert all(0 < trial.seconds for trial in trials)


def test_a_copy_that_diverges_leaves_the_others_alone(no_loop: None):
    problem = Problem(mlp(), batches(), lambda y, t: F.mse_loss(y, F.one_hot(t, 5).float()))
    rates = (1e-2, 1e30, 1e-1)
    alone, together = trials_of(problem, torch.optim.SGD, rates), trials_of(problem, torch.optim.SGD, rates)
    for trial in alone:
        trial.alone = True  # type: ignore[attr-defined]
        trial.run(STEPS)
    stacked.run(together, STEPS)
    assert [trial.status for trial in together] == ["unfinished", "diverged", "unfinished"]
    assert [trial.step for trial in together] == [trial.step for trial in alone]
    assert together[1].message == alone[1].message
    compare(alone[::2], together[::2], ROUNDED)


def test_a_failing_optimizer_is_the_end_of_its_own_trial_only():
    class Failing(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            super().step(closure)
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 3 and self.param_groups[0]["lr"] == RATES[1]:
                raise RuntimeError("no more")

    trials = trials_of(problem_of(mlp), Failing)
    stacked.run(trials, 10)
    assert [trial.status for trial in trials] == ["unfinished", "failed", "unfinished", "unfinished"]
    assert [trial.step for trial in trials] == [10, 2, 10, 10]
    assert "no more" in trials[1].message


def test_an_interruption_leaves_every_trial_ready_to_go_on():
    class Interrupted(torch.optim.SGD):
        armed = True

        def step(self, closure: Any = None) -> None:
            self.calls = getattr(self, "calls", 0) + 1
            if Interrupted.armed and self.calls == 4 and self.param_groups[0]["lr"] == RATES[2]:
                Interrupted.armed = False
                raise KeyboardInterrupt
            super().step(closure)

    problem = problem_of(mlp)
    together = trials_of(problem, Interrupted)
    before = [[t.data_ptr() for t in members(trial.model).values()] for trial in together]
    random_numbers = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        stacked.run(together, 10)
    assert torch.equal(random_numbers, torch.get_rng_state())
    assert before == [[t.data_ptr() for t in members(trial.model).values()] for trial in together]
    assert [trial.step for trial in together] == [4, 4, 3, 3]
    assert [len(trial.losses) for trial in together] == [trial.updates for trial in together] == [4, 4, 3, 3]
    assert [trial.status for trial in together] == ["unfinished"] * 4
    stacked.run(together, 10)
    alone = trials_of(problem, Interrupted)
    for trial in alone:
        trial.run(10)
    compare(alone, together, EXACT)


def test_the_loop_goes_on_where_the_batched_run_cannot():
    problem = problem_of(Deciding)
    alone, together = trials_of(problem, descend.AdamW), trials_of(problem, descend.AdamW)
    for trial in alone:
        trial.run(30)
    stacked.run(together, 30)
    compare(alone, together, EXACT)


def test_a_deadline_that_is_over_begins_no_step():
    trials = trials_of(problem_of(mlp), SGD)
    stacked.run(trials, 10, deadline=0.0)
    assert [trial.step for trial in trials] == [0] * len(trials)


class Sharp(torch.optim.SGD):
    """Declares its closure optional, and needs it."""

    def step(self, closure: Any = None) -> Any:
        if closure is None:
            raise TypeError("a closure is needed")
        closure()
        return super().step()


class Noisy(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        torch.randn(1)
        return super().step()


def test_an_optimizer_that_turns_out_to_want_a_closure_starts_again_alone():
    problem = problem_of(mlp)
    alone, together = trials_of(problem, Sharp), trials_of(problem, Sharp)
    for trial in alone:
        trial.run(8)
    stacked.run(together, 8)
    compare(alone, together, EXACT)


@pytest.mark.parametrize(
    ("make", "optimizer", "reason"),
    [
        (mlp, descend.LBFGS, "no: step(closure)"),
        (mlp, Sharp, "no: step(closure)"),
        (mlp, Noisy, "no: the optimizer draws random numbers"),
        (Deciding, SGD, "no: vmap cannot run it (RuntimeError: "),
        (Counting, SGD, "no: the forward pass changes calls"),
        (lambda: Words(sparse=True), torch.optim.SGD, "no: sparse gradients"),
        (lambda: nn.Sequential(spectral_norm(nn.Linear(8, 8)), nn.Linear(8, 5)), SGD, "no: vmap cannot run it ("),
        (lambda: nn.Sequential(nn.Linear(8, 40_000), nn.Linear(40_000, 5)), SGD, "no: the loop is as fast from "),
    ],
)
def test_what_stands_against_it_is_said(make: Callable[[], nn.Module], optimizer: Any, reason: str):
    problem = problem_of(make)
    worth, why = stacked.worth_it(problem, trials_of(problem, optimizer))
    assert not worth
    assert why.startswith(reason)


def test_other_results_stand_against_it(monkeypatch: pytest.MonkeyPatch):
    problem = problem_of(mlp)
    original = Stack.gradients
    monkeypatch.setattr(Stack, "gradients", lambda stack, batch: [1.001 * loss for loss in original(stack, batch)])
    assert "in a batched run" in stacked.worth_it(problem, trials_of(problem, SGD))[1]


@pytest.mark.parametrize("make", [mlp, Conv, lambda: mlp(nn.Dropout(0.3))], ids=["mlp", "conv", "dropout"])
def test_the_clock_decides_about_the_rest(make: Callable[[], nn.Module]):
    problem = problem_of(make)
    worth, why = stacked.worth_it(problem, trials_of(problem, descend.AdamW))
    assert why.endswith("x)") == (not worth)
    assert why.endswith("x") if worth else why.startswith("no: the loop is ")


@pytest.mark.parametrize(("speed", "answer"), [(2.61, (True, "2.6x")), (0.8, (False, "no: the loop is faster (0.8x)"))])
def test_its_answer_is_in_words(monkeypatch: pytest.MonkeyPatch, speed: float, answer: tuple[bool, str]):
    monkeypatch.setattr(stacked, "_speed", lambda problem, trials: speed)
    problem = problem_of(mlp)
    assert stacked.worth_it(problem, trials_of(problem, SGD)) == answer


@pytest.mark.parametrize("begun", [0, 3])
def test_asking_and_running_leave_everything_else_untouched(begun: int):
    problem = problem_of(Conv)
    asked, unasked = trials_of(problem, descend.AdamW), trials_of(problem, descend.AdamW)
    for trial in [*asked, *unasked]:
        trial.run(begun)
    weights = [p.clone() for p in problem.model.parameters()]  # type: ignore[union-attr]
    drawn, python = torch.get_rng_state(), random.getstate()
    stacked.worth_it(problem, asked)
    assert [trial.step for trial in asked] == [begun] * len(asked)
    compare(unasked, asked, EXACT)
    stacked.run(asked, begun + 5)
    stacked.run(unasked, begun + 5)
    compare(unasked, asked, EXACT)
    assert torch.equal(drawn, torch.get_rng_state())
    assert python == random.getstate()
    for before, parameter in zip(weights, problem.model.parameters(), strict=True):  # type: ignore[union-attr]
        assert torch.equal(before, parameter)
        assert parameter.grad is None


def test_a_loss_of_another_model_is_still_refused_after_asking():
    model = mlp()
    problem = Problem(model, batches(), step=lambda copy, batch: F.cross_entropy(model(batch[0]), batch[1]))
    trials = trials_of(problem, SGD)
    worth, why = stacked.worth_it(problem, trials)
    assert not worth
    assert "not with the one that it is given" in why
    assert all(parameter.grad is None for parameter in model.parameters())
    stacked.run(trials, 5)
    assert trials[0].status == "failed"
