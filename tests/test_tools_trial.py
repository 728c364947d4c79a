"""Optimizers of every kind, and training runs that can be stopped, kept and continued without changing a bit."""

import functools
import io
import math

import pytest
import torch
from torch import nn

import descend
from descend.tools.contenders import Contender, UnknownOptimizer, contenders
from descend.tools.problem import Problem
from descend.tools.records import Run
from descend.tools.trial import SCHEDULES, Trial

MSE = nn.functional.mse_loss


def batches(count: int = 6) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    x = [torch.randn(8, 3, generator=generator) for _ in range(count)]
    return [(b, b.sum(1, keepdim=True)) for b in x]


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 1))


def problem(**options) -> Problem:
    return Problem(net, batches(), MSE, **options)


def one(spec, model=None) -> Contender:
    (contender,) = contenders(spec, model)
    return contender


def trained(spec, steps: int = 12, lr: float = 0.05, seed: int = 0, **options) -> Trial:
    trial = Trial(problem(), one(spec), lr, seed, total_steps=steps, **options)
    trial.run(steps)
    return trial


# --------------------------------------------------------------------------------------------------------- contenders


@pytest.mark.parametrize(
    ("spec", "label", "line", "default", "table"),
    [
        ("sgd", "SGD momentum=0.9", "descend.SGD(model.parameters(), lr=0.05, momentum=0.9)", 1e-3, 0.1),
        ("AdamW", "AdamW", "descend.AdamW(model.parameters(), lr=0.05)", 1e-3, 1e-3),
        (
            "adamw(weight_decay=0.1)",
            "AdamW weight_decay=0.1",
            "descend.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)",
            1e-3,
            1e-3,
        ),
        ("torch.Adam", "torch.Adam", "torch.optim.Adam(model.parameters(), lr=0.05)", 1e-3, 1e-3),
        (descend.RMSprop, "RMSprop", "descend.RMSprop(model.parameters(), lr=0.05)", 1e-2, 1e-3),
        (torch.optim.SGD, "torch.SGD", "torch.optim.SGD(model.parameters(), lr=0.05)", 1e-3, 0.1),
        (
            functools.partial(descend.SGD, nesterov=True, momentum=0.8),
            "SGD nesterov=True momentum=0.8",
            "descend.SGD(model.parameters(), lr=0.05, nesterov=True, momentum=0.8)",
            1e-3,
            0.1,
        ),
        (
            functools.partial(torch.optim.Adam, lr=0.02),
            "torch.Adam",
            "torch.optim.Adam(model.parameters(), lr=0.05)",
            0.02,
            1e-3,
        ),
        ("torch.optim:Adamax", "torch.Adamax", "torch.optim.Adamax(model.parameters(), lr=0.05)", 2e-3, 2e-3),
    ],
)
def test_a_contender_builds_what_its_line_says(spec, label, line, default, table):
    contender = one(spec)
    assert contender.label == label
    assert contender.candidate.constructor(0.05) == line
    assert (contender.candidate.default_lr, contender.candidate.table_lr) == (default, table)
    model = nn.Linear(3, 1)
    (built,) = contender.build(model, 0.05)
    pasted = eval(line, {"descend": descend, "torch": torch, "model": model})
    assert type(built) is type(pasted)
    assert built.defaults == pasted.defaults
    assert [p for group in built.param_groups for p in group["params"]] == list(model.parameters())


def test_lbfgs_has_no_rate_to_choose_and_muon_shares_the_model_with_adamw():
    assert one("lbfgs").rates == (1.0,)
    assert one("torch.lbfgs").rates == (1.0,)
    assert one(descend.LBFGS).rates is None, "without a line search the rate is the length of a step"
    model = net()
    muon, adamw = one("muon").build(model, 0.01)
    assert {tuple(p.shape) for p in muon.param_groups[0]["params"]} == {(8, 3), (1, 8)}
    assert len(adamw.param_groups[0]["params"]) == 4
    assert (muon.param_groups[0]["lr"], adamw.param_groups[0]["lr"]) == (0.01, 0.01)


def test_labels_differ_and_functions_have_names():
    def warm(params, lr):
        return descend.SGD(params, lr=lr)

    labels = [c.label for c in contenders(["adam", "adam", warm, lambda params, lr: descend.SGD(params, lr=lr)])]
    assert labels == ["Adam", "Adam #2", "warm", "optimizer 4"]


@pytest.mark.parametrize("cls", [descend.AdamW, torch.optim.AdamW])
def test_an_instance_lends_its_groups_options_and_ratios(cls):
    model = net()
    own = cls(
        [{"params": model[0].parameters(), "lr": 0.01}, {"params": model[4].parameters(), "lr": 0.03, "eps": 1e-6}],
        weight_decay=0.2,
    )
    torch.optim.lr_scheduler.StepLR(own, 1)  # leaves initial_lr in the groups
    contender = one(own, model)
    assert contender.candidate.default_lr == 0.01
    copied = Problem(model, batches(), MSE).new_model(0)
    (built,) = contender.build(copied, 0.1)
    assert [group["lr"] for group in built.param_groups] == pytest.approx([0.1, 0.3])
    assert [(group["eps"], group["weight_decay"]) for group in built.param_groups] == [(1e-8, 0.2), (1e-6, 0.2)]
    assert [set(group["params"]) for group in built.param_groups] == [
        set(copied[0].parameters()),
        set(copied[4].parameters()),
    ]
    assert all("initial_lr" not in group for group in built.param_groups)
    with pytest.raises(ValueError, match="a parameter of the AdamW that was given is no parameter of the model"):
        contenders(own, net())
    with pytest.raises(ValueError, match="needs the model that it was built for"):
        contenders(own)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("adamm", UnknownOptimizer, "unknown optimizer 'adamm'; the names are sgd, adagrad, rmsprop"),
        ("adam(0.9)", UnknownOptimizer, "options are given by name"),
        ("adam(eps=", UnknownOptimizer, "must look like"),
        ("nowhere.at.all:Adam", UnknownOptimizer, "No module named 'nowhere'"),
        ("torch.optim:Nothing", UnknownOptimizer, "no attribute 'Nothing'"),
        ("adam(epsilon=1)", TypeError, "Adam has no option 'epsilon'; it has lr, betas, eps"),
        (lambda: 0, TypeError, "takes|must build"),
        (3, TypeError, "optimizers must be names, classes.*got int: 3"),
        ([], ValueError, "there must be at least one"),
        (functools.partial(descend.SGD, [torch.ones(1)]), TypeError, "options by keyword"),
    ],
)
def test_what_is_no_optimizer_is_refused_by_name(spec, error, message):
    with pytest.raises(error, match=message):
        one(spec).build(nn.Linear(1, 1), 0.1)


# -------------------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize("spec", ["sgd", "adamw", "rmsprop", "torch.Adam", "muon"])
def test_a_run_does_what_a_plain_loop_does(spec):
    """Same weights from the same seed, same order of data, same dropout: the same losses, bit for bit."""
    trial = trained(spec)
    source = problem()
    model = source.new_model(0)
    from descend.tools.isolation import derive, random_numbers_of

    with random_numbers_of(derive("run", 0)):
        optimizers = one(spec).build(model, 0.05)
        losses = []
        for k in range(12):
            x, y = source.stream(0).batch(k)
            loss = MSE(model(x), y)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            losses.append(loss.item())
    assert [point.loss for point in trial.losses] == losses
    assert [point.step for point in trial.losses] == list(range(1, 13))
    assert all(torch.equal(a, b) for a, b in zip(trial.model.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize("spec", ["sgd", "adamw", "torch.SGD", "lbfgs", "muon"])
@pytest.mark.parametrize("through_a_file", [False, True])
def test_stopping_and_continuing_changes_no_bit(spec, through_a_file):
    whole = trained(spec, 24)
    parts = Trial(problem(), one(spec), 0.05, 0, total_steps=24)
    other = Trial(problem(), one("adam"), 0.01, 0, total_steps=24)
    for until in (5, 11, 24):
        torch.rand(3)
        parts.run(until)
        other.run(until)  # takes turns, and draws dropout masks of its own
        if through_a_file:
            file = io.BytesIO()
            torch.save(parts.state_dict(), file)
            file.seek(0)
            parts = Trial(problem(), one(spec), 0.05, 0, total_steps=24)
            parts.load_state_dict(torch.load(file, weights_only=False))
    assert [(p.step, p.loss) for p in parts.losses] == [(p.step, p.loss) for p in whole.losses]
    assert all(torch.equal(a, whole.model.state_dict()[name]) for name, a in parts.model.state_dict().items()), (
        "weights and running statistics"
    )


def test_runs_of_a_seed_are_paired():
    slow, fast, other = trained("sgd", lr=1e-4), trained("sgd", lr=1e-3), trained("sgd", lr=1e-4, seed=1)
    assert slow.losses[0].loss == fast.losses[0].loss != other.losses[0].loss


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_schedules_scale_the_rate_of_every_group(schedule):
    model = net()
    own = descend.SGD([{"params": model[0].parameters()}, {"params": model[4].parameters(), "lr": 0.03}], lr=0.01)
    trial = Trial(Problem(model, batches(), MSE), one(own, model), 0.1, 0, total_steps=8, schedule=schedule)
    seen = []
    trial.optimizers[0].register_step_pre_hook(lambda o, *_: seen.append([g["lr"] for g in o.param_groups]))
    trial.run(8)
    expected = [SCHEDULES[schedule](k / 8) for k in range(8)]
    assert [rates[0] for rates in seen] == pytest.approx([0.1 * factor for factor in expected])
    assert [rates[1] for rates in seen] == pytest.approx([0.3 * factor for factor in expected])


def test_evaluations_count_for_optimizers_with_a_closure():
    trial = trained("lbfgs", 24, lr=1.0)
    assert trial.updates < len(trial.losses) + 1 <= trial.step
    assert trial.losses[-1].step == trial.step >= 24
    assert trial.losses[0].loss == trained("sgd", 1).losses[0].loss


class SharpnessAware(torch.optim.Optimizer):
    """After a gradient it climbs, asks for the gradient there, and steps from where it was: Foret et al. 2021."""

    def __init__(self, params, lr=0.1, rho=0.05):
        super().__init__(params, {"lr": lr, "rho": rho})

    def step(self, closure=None):
        assert closure is not None, "sharpness-aware minimisation needs a closure"
        moves = []
        for group in self.param_groups:
            for p in group["params"]:
                moves.append(group["rho"] * p.grad.sign())
                p.data.add_(moves[-1])
        closure()
        for group in self.param_groups:
            for p in group["params"]:
                p.data.sub_(moves.pop(0)).sub_(group["lr"] * p.grad)


def test_an_optimizer_that_says_its_closure_is_optional_and_needs_it():
    trial = trained(SharpnessAware)
    assert trial.status == "unfinished"
    assert (trial.step, trial.updates) == (12, 6), "two gradients a step"
    assert trial.losses[-1].loss < trial.losses[0].loss


def test_the_training_mode_of_schedule_free_optimizers_is_asked_for():
    modes = []

    class ScheduleFree(descend.SGD):
        def eval(self):
            modes.append("eval")

        def train(self):
            modes.append("train")

    trial = Trial(problem(val=batches(1)), one(ScheduleFree), 0.1, 0, total_steps=10)
    trial.run(10)
    assert modes == ["eval", "train"] * (len(trial.evaluations) - 1)


# --------------------------------------------------------------------------------------------- bad ends, and the record


def test_divergence_is_seen_and_ends_the_run():
    exploded = trained("sgd", 200, lr=1e6)
    assert exploded.status == "diverged"
    assert "the loss was" in exploded.message
    assert exploded.close_rung(0) == math.inf
    assert exploded.record().loss == math.inf
    steps = exploded.step
    exploded.run(200)
    assert exploded.step == steps

    rising = Trial(Problem(nn.Linear(3, 1), batches(), MSE), one(descend.SGD), 1.06, 0, total_steps=100)
    rising.run(100)
    assert rising.status == "diverged"
    assert "rose to" in rising.message


def test_one_batch_that_is_harder_than_the_first_is_no_divergence():
    """Seen: with a training loss of single batches, every second run "ended above its start" after 3 steps."""
    x, y = batches(1)[0]
    easy, hard = (x, y), (x, y + 2)
    trial = Trial(Problem(nn.Linear(3, 1), [easy, hard], MSE), one("sgd"), 1e-6, 0, total_steps=20)
    trial.run(2)
    assert trial.losses[1].loss > 1.5 * trial.losses[0].loss
    assert math.isfinite(trial.close_rung(0))
    assert trial.status == "unfinished"


def test_nan_at_step_70_ends_the_run_there():
    calls = []

    def poisoned(out, target):
        calls.append(1)
        return MSE(out, target) * (math.nan if len(calls) == 70 else 1)

    trial = Trial(Problem(nn.Linear(3, 1), batches(), poisoned), one("adam"), 1e-3, 0, total_steps=100)
    trial.run(100)
    assert (trial.status, trial.step, trial.message) == ("diverged", 70, "the loss was nan at step 70")


def test_what_raises_is_kept_as_a_message():
    trial = trained("sparseadam")
    assert trial.status == "failed"
    assert "SparseAdam does not support dense gradients" in trial.message
    assert math.isnan(trial.record().loss)

    def broken(params, lr):
        raise RuntimeError("no such device")

    trial = trained(broken)
    assert (trial.status, trial.message.partition(" (")[0]) == ("failed", "RuntimeError: no such device")


def test_interrupts_come_through_and_leave_random_numbers_alone():
    def interrupted(out, target):
        raise KeyboardInterrupt

    before = torch.get_rng_state()
    trial = Trial(Problem(net, batches(), interrupted), one("sgd"), 0.1, 0, total_steps=5)
    with pytest.raises(KeyboardInterrupt):
        trial.run(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_objective_is_the_mean_of_the_last_tenth():
    trial = trained("sgd", 40)
    last = [p.loss for p in trial.losses if p.step > 36]
    assert len(last) == 4
    assert trial.close_rung(0) == pytest.approx(math.fsum(last) / 4)

    held_out = Trial(problem(val=batches(2)), one("sgd"), 0.05, 0, total_steps=60)
    held_out.run(60)
    assert [p.step for p in held_out.evaluations] == [0, *range(6, 55, 6), 56, 58, 60]
    assert held_out.close_rung(1) == pytest.approx(math.fsum(p.loss for p in held_out.evaluations[-3:]) / 3)
    assert held_out.evaluations[-1].loss == held_out.problem.evaluate(held_out.model)[0]


def test_a_deadline_stops_before_the_next_step():
    trial = Trial(problem(), one("sgd"), 0.1, 0, total_steps=5)
    trial.run(5, deadline=0.0)
    assert trial.step == 0
    assert trial.record("unfinished").status == "unfinished"


def test_records_survive_json_whatever_their_numbers():
    import json

    trial = trained("sgd", 300, lr=0.01)
    trial.close_rung(0)
    for run in (trial.record("finished"), trained("sgd", 20, lr=1e8).record(), trained("sparseadam").record()):
        again = Run.from_dict(json.loads(json.dumps(run.to_dict(), allow_nan=False)))
        assert repr(again) == repr(run)
        assert len(again.curve) <= 200
    assert trial.record().curve[-1] == trial.losses[-1]


@pytest.mark.parametrize(
    ("lr", "schedule", "message"), [(0, "constant", "lr must be"), (1, "step", "schedule must be one")]
)
def test_bad_rates_and_schedules_are_refused(lr, schedule, message):
    with pytest.raises(ValueError, match=message):
        Trial(problem(), one("sgd"), lr, 0, total_steps=5, schedule=schedule)
