"""What the tools train: problems of every shape, the same data for every run, and nothing of the user's changed."""

import copy
import random
from collections import UserDict, namedtuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from descend.tools import isolation
from descend.tools.problem import Problem
from descend.tools.streams import Stream, map_tensors, size_of

CPU = torch.device("cpu")


def data(n: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, generator=generator), torch.randn(n, 1, generator=generator)


def loader(batch: int = 8, **options) -> DataLoader:
    return DataLoader(TensorDataset(*data()), batch_size=batch, shuffle=True, **options)


def random_state() -> tuple:
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002


# ---------------------------------------------------------------------------------------------------------- streams


def test_the_same_seed_gives_the_same_batches_in_any_order_of_asking():
    first, again = Stream(loader(), 3, CPU), Stream(loader(), 3, CPU)
    batches = [first.batch(k)[0] for k in range(10)]
    for k in (7, 0, 3, 9, 8, 1):
        assert torch.equal(again.batch(k)[0], batches[k])
    assert not torch.equal(Stream(loader(), 4, CPU).batch(0)[0], batches[0])
    epoch = torch.cat(batches[:3])
    assert torch.equal(epoch.sort(0).values, data()[0].sort(0).values), "an epoch has every example once"
    assert not torch.equal(torch.cat(batches[3:6]), epoch), "each epoch has an order of its own"


@pytest.mark.parametrize("limit", [0, 100, 500])
def test_batches_that_do_not_fit_into_memory_are_loaded_again(limit: int):
    kept, streamed = Stream(loader(), 3, CPU), Stream(loader(), 3, CPU, limit=limit)
    for k in (0, 1, 2, 3, 4, 5, 2, 0, 7, 4, 4):
        assert torch.equal(streamed.batch(k)[0], kept.batch(k)[0]), k


def test_random_numbers_of_loading_are_those_of_the_epoch_whatever_else_is_drawn():
    """Augmentation that draws from torch, numpy and Python, while the model draws in between."""

    class Noisy(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, k: int) -> torch.Tensor:
            return torch.tensor([k, torch.rand(()).item(), np.random.rand(), random.random()])  # noqa: NPY002

    calm = [Stream(DataLoader(Noisy(), 2, shuffle=True), 0, CPU).batch(k) for k in range(6)]
    disturbed = Stream(DataLoader(Noisy(), 2, shuffle=True), 0, CPU, limit=0)
    for k in range(6):
        isolation.seed_everything(k)
        before = random_state()
        batch = disturbed.batch(k)
        assert random_state() == before
        assert torch.equal(batch, calm[k])


def test_a_generator_of_the_loader_is_put_back():
    generator = torch.Generator().manual_seed(11)
    before = generator.get_state()
    with_own = loader(generator=generator)
    batches = [Stream(with_own, 1, CPU).batch(k)[0] for k in (0, 4)]
    assert torch.equal(generator.get_state(), before)
    assert all(torch.equal(Stream(with_own, 1, CPU).batch(k)[0], b) for k, b in zip((0, 4), batches, strict=True))


def test_a_model_that_writes_into_its_input_spoils_no_other_run():
    own = [(torch.ones(2, 3), torch.zeros(2, 1))]
    stream = Stream(DataLoader(TensorDataset(*data()), 8), 0, CPU)
    expected = stream.batch(1)[0].clone()
    stream.batch(1)[0].mul_(7)
    assert torch.equal(stream.batch(1)[0], expected)
    stream.batch(1)[0].mul_(7)
    assert torch.equal(stream.batch(1)[0], expected)
    assert Stream(own, 0, CPU).batch(5)[0] is own[0][0], "tensors that nobody writes into are not copied"


def test_an_empty_or_exhausted_loader_is_named():
    with pytest.raises(ValueError, match="an epoch of it has no batch"):
        Stream([], 0, CPU).batch(0)

    class Once:
        def __init__(self) -> None:
            self.left = 2

        def __iter__(self):
            while self.left:
                self.left -= 1
                yield torch.ones(1)

    with pytest.raises(ValueError, match="only its first epoch has batches"):
        Stream(Once(), 0, CPU).batch(2)


def test_batches_of_every_kind_are_mapped():
    Pair = namedtuple("Pair", "x y")
    batch = {"a": Pair(torch.ones(2), [torch.ones(3), "text"]), "b": (1, None)}
    doubled = map_tensors(batch, lambda t: 2 * t)
    assert doubled["a"].x.tolist() == [2, 2]
    assert doubled["a"].y[0].tolist() == [2, 2, 2]
    assert doubled["a"].y[1] == "text"
    assert doubled["b"] == (1, None)
    assert isinstance(map_tensors(UserDict(a=torch.ones(1)), torch.clone), UserDict)
    assert size_of({"scalar": torch.tensor(1.0), "x": torch.ones(5, 2)}) == 5
    assert size_of(None) is None


# ---------------------------------------------------------------------------------------------------------- problems


def test_losses_of_every_kind_of_batch():
    x, y = data()
    model = nn.Linear(3, 1)
    expected = nn.functional.mse_loss(model(x), y).item()

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = copy.deepcopy(model)

        def forward(self, left, right):
            return self.inner(torch.cat([left, right], 1))

    class HuggingFace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = copy.deepcopy(model)

        def forward(self, inputs, labels):
            return {"loss": nn.functional.mse_loss(self.inner(inputs), labels), "logits": None}

    mse = nn.functional.mse_loss
    for problem in (
        Problem(model, [(x, y)], mse),
        Problem(Two(), [(x[:, :1], x[:, 1:], y)], mse),
        Problem(HuggingFace(), [{"inputs": x, "labels": y}]),
        Problem(model, [{"x": x, "y": y}], step=lambda m, b: mse(m(b["x"]), b["y"])),
        Problem(model, step=lambda m, b: mse(m(x), y)),
        Problem(lambda: copy.deepcopy(model), [(x, y)], mse),
    ):
        copied = problem.new_model(0)
        assert problem.loss(copied, problem.stream(0).batch(0)).item() == pytest.approx(expected, rel=1e-6)
        assert problem.parameters == 4


def test_held_out_loss_and_metric_are_means_over_examples_in_eval_mode():
    x, y = data()
    model = nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1), nn.Dropout(0.5))
    ragged = [(x[:16], y[:16]), (x[16:], y[16:])]
    problem = Problem(model, ragged, nn.functional.mse_loss, val=ragged, metric=lambda out, t: (out - t).abs().mean())
    copied = problem.new_model(0)
    before, random_before = copy.deepcopy(copied.state_dict()), random_state()
    loss, metric = problem.evaluate(copied)
    assert random_state() == random_before
    assert copied.training
    assert all(module.training for module in copied.modules())
    assert all(torch.equal(v, copied.state_dict()[k]) for k, v in before.items())
    outputs = model.eval()(x)
    assert loss == pytest.approx(nn.functional.mse_loss(outputs, y).item(), rel=1e-6)
    assert metric == pytest.approx((outputs - y).abs().mean().item(), rel=1e-6)
    assert problem.evaluate(copied) == (loss, metric)


def test_held_out_losses_with_derivatives_inside():
    """A physics-informed loss needs a graph where evaluation usually has none."""
    x = torch.linspace(0, 1, 5)[:, None]

    def residual(model, batch):
        points = batch.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(points).sum(), points, create_graph=True)
        return (slope**2).mean()

    problem = Problem(nn.Linear(1, 1), [x], step=residual, val=[x])
    model = problem.new_model(0)
    expected = model.weight.item() ** 2
    assert problem.evaluate(model)[0] == pytest.approx(expected, rel=1e-6)
    by_function = Problem(nn.Linear(1, 1), [x], step=residual, val=lambda m: m.weight.item(), metric=lambda m, b: 7)
    assert by_function.evaluate(by_function.new_model(0)) == (pytest.approx(by_function.model.weight.item()), 7.0)


def test_a_factory_gives_weights_by_seed_and_draws_nothing_outside():
    problem = Problem(lambda: nn.Linear(3, 1), [data()], nn.functional.mse_loss)
    before = random_state()
    first, second, again = (problem.new_model(seed) for seed in (0, 1, 0))
    assert random_state() == before
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, second.weight)


def test_modes_of_the_model_are_kept_but_training_is_on():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[1].eval()
    assert not Problem(model, [data()], nn.functional.mse_loss).new_model(0)[1].training
    model.eval()
    assert Problem(model, [data()], nn.functional.mse_loss).new_model(0)[1].training


def test_fingerprints_tell_weights_and_data_apart():
    x, y = data()
    model = nn.Linear(3, 1)
    print_of = lambda m, b: Problem(m, b, nn.functional.mse_loss).fingerprint()  # noqa: E731
    first = print_of(model, [(x, y)])
    assert first == print_of(copy.deepcopy(model), [(x.clone(), y)])
    assert first != print_of(model, [(x + 1, y)])
    with torch.no_grad():
        model.bias += 1
    assert first != print_of(model, [(x, y)])


def test_a_loss_that_reaches_for_the_original_model_is_refused_and_its_gradients_put_back():
    """It would train a copy with gradients of another model: every rate would look the same."""
    model = nn.Linear(3, 1)
    x, y = data()
    model.weight.grad = torch.full((1, 3), 5.0)
    grad = model.weight.grad
    problem = Problem(model, [(x, y)], lambda out, t: nn.functional.mse_loss(out, t) + model.weight.square().sum())
    for _ in range(2):  # seen: the second run was let through, and left its gradients in the user's model
        with pytest.raises(ValueError, match=r"loss_fn computes with the model that it was written next to"):
            problem.backward(problem.new_model(0), (x, y))
    assert model.weight.grad is grad
    assert grad.tolist() == [[5.0, 5.0, 5.0]]
    assert model.bias.grad is None

    problem = Problem(model, [(x, y)], step=lambda m, b: torch.ones((), requires_grad=True) * 2)
    with pytest.raises(ValueError, match="step: the loss depends on no parameter"):
        problem.backward(problem.new_model(0), (x, y))


class Uncopyable(nn.Linear):
    def __deepcopy__(self, memo):
        raise RuntimeError("no copies")


MSE = nn.functional.mse_loss


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3, [data()], MSE), {}, TypeError, "model must be a torch.nn.Module or a function that makes one, got int"),
        ((lambda: 3, [data()], MSE), {}, TypeError, "the function must return a torch.nn.Module, got int"),
        ((nn.ReLU(), [data()], MSE), {}, ValueError, "none of its parameters requires a gradient"),
        ((nn.LazyLinear(1), [data()], MSE), {}, ValueError, "without a shape yet: run one batch"),
        (
            (Uncopyable(3, 1), [data()], MSE),
            {},
            ValueError,
            r"cannot be copied \(RuntimeError: no copies\).*model=lambda",
        ),
        ((nn.Linear(3, 1), 7, MSE), {}, TypeError, "loader must be batches that can be iterated, or None; got int"),
        ((nn.Linear(3, 1), iter([data()]), MSE), {}, TypeError, r"loader is an iterator \(list_iterator\)"),
        ((nn.Linear(3, 1), [data()], MSE), {"val": iter([1])}, TypeError, "val is an iterator"),
        ((nn.Linear(3, 1), [data()], "mse"), {}, TypeError, "loss_fn must be a function, got str"),
        ((nn.Linear(3, 1), [data()], MSE), {"step": MSE}, ValueError, "loss_fn and step: give one of them"),
        ((nn.Linear(3, 1),), {"loss_fn": MSE}, ValueError, "loader is None.*pass step="),
        (
            (nn.Linear(3, 1), [data()], MSE),
            {"metric": MSE},
            ValueError,
            "metric is measured on held-out data: pass val",
        ),
    ],
)
def test_what_cannot_work_is_refused_by_name(arguments, options, error, message):
    with pytest.raises(error, match=message):
        Problem(*arguments, **options)


def test_batches_and_losses_that_cannot_work_are_refused_by_name():
    x, y = data()
    wrong = Problem(nn.Linear(3, 1), [x], MSE)
    with pytest.raises(
        ValueError, match=r"batches must be \(inputs, targets\).*got a Tensor: for any other kind pass step"
    ):
        wrong.loss(wrong.new_model(0), x)
    several = Problem(nn.Linear(3, 1), [(x, y)], nn.MSELoss(reduction="none"))
    with pytest.raises(TypeError, match=r"loss_fn must return a scalar tensor, got a tensor of shape \(24, 1\)"):
        several.loss(several.new_model(0), (x, y))
    silent = Problem(nn.Linear(3, 1), [{"input": x}])
    with pytest.raises(ValueError, match="has no loss: pass step"):
        silent.loss(silent.new_model(0), {"input": x})


# -------------------------------------------------------------------------------------------------------- isolation


def test_whatever_happens_inside_random_numbers_threads_and_modes_are_as_before():
    generator = torch.Generator().manual_seed(5)
    own, state, threads = loader(generator=generator), generator.get_state(), torch.get_num_threads()
    before = random_state()
    with pytest.raises(KeyboardInterrupt), torch.no_grad():
        with isolation.untouched(own, threads=1):
            assert torch.is_grad_enabled()
            assert torch.get_num_threads() == 1
            isolation.seed_everything(1)
            next(iter(own))
            raise KeyboardInterrupt
    assert random_state() == before
    assert torch.equal(generator.get_state(), state)
    assert torch.get_num_threads() == threads


def test_derived_seeds_are_the_same_in_every_process():
    assert isolation.derive("data", 0, 1) == 0xBB19FF0A
    assert len({isolation.derive("data", a, b) for a in range(30) for b in range(30)}) == 900
