"""descend.LBFGS step by step: against torch.optim.LBFGS, an oracle of its direction, and by kind of parameter."""

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import descend
from descend.optimizers.lbfgs import flat
from descend.optimizers.lbfgs.flat import Bucket
from descend.optimizers.lbfgs.history import History

WOLFE = {"line_search_fn": "strong_wolfe"}


def rosenbrock(x: Tensor) -> Tensor:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def closure_of(optimizer: Any, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return closure


def leaf(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


# ------------------------------------------------------------------------------------------------------ against torch


def line(cls: Any, steps: int = 5, **options: Any) -> tuple[list[float], Tensor, int, int]:
    """The user's example: a line through 15 points, some calls of step(closure)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(0, 1, 15, dtype=torch.float64)[:, None]
    y = 3 * x + 2 + 0.1 * torch.randn(15, 1, generator=generator, dtype=torch.float64)
    weight, bias = torch.full((1, 1), 0.3, dtype=torch.float64).requires_grad_(), leaf(-0.2)
    optimizer = cls([weight, bias], **options)
    closure = closure_of(optimizer, lambda: torch.mean((x @ weight + bias - y) ** 2))
    losses = [optimizer.step(closure).item() for _ in range(steps)]
    state = optimizer.state[weight]
    return losses, torch.cat([weight.detach().view(-1), bias.detach()]), state["n_iter"], state["func_evals"]


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 1, "max_iter": 20},
        {"lr": 1, "max_iter": 3},
        {"lr": 1, "max_iter": 1},
        {"lr": 0.1, "max_iter": 4, "history_size": 2},
        {"lr": 0.5, "tolerance_grad": 1e-3, "tolerance_change": 1e-4},
    ],
    ids=str,
)
def test_fixed_steps_are_torchs(options: dict[str, Any]) -> None:
    ours, theirs = line(descend.LBFGS, **options), line(torch.optim.LBFGS, **options)
    # The compact form and the two-loop recursion are the same matrix; rounding apart.
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-10)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-8, atol=1e-10)
    assert ours[2:] == theirs[2:]  # iterations and evaluations


@pytest.fixture(scope="module")
def info() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's test helpers warn about what they cannot find
        from torch.testing._internal.common_optimizers import optim_db
    return next(i for i in optim_db if i.optim_cls is torch.optim.LBFGS)


def test_configurations_of_torch(info: Any) -> None:
    configurations = info.optim_inputs_func(device="cpu", dtype=torch.float32)
    assert len(configurations) >= 5
    for given_ in configurations:
        ends, firsts = [], []
        for cls in (descend.LBFGS, torch.optim.LBFGS):
            generator = torch.Generator().manual_seed(0)
            params = [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in ((5, 4), (3,))]
            optimizer = cls(params, **given_.kwargs)
            closure = closure_of(optimizer, lambda p=params: (torch.cosh(p[0] - 1) - 1).sum() + 3 * (p[1] ** 2).sum())
            firsts.append([optimizer.step(closure).item() for _ in range(4)])
            ends.append(torch.cat([p.detach().view(-1) for p in params]))
        assert firsts[0][0] == firsts[1][0]
        if given_.kwargs.get("line_search_fn") is None:
            torch.testing.assert_close(*ends, rtol=1e-7, atol=1e-9)
        else:  # another search, as good a minimum
            assert firsts[0][-1] <= firsts[1][-1] * 1.5 + 1e-12


def test_refusals_of_torch(info: Any) -> None:
    errors = info.optim_error_inputs_func("cpu", torch.float32)
    assert len(errors) >= 5
    for error in errors:
        given_ = error.optimizer_error_input
        params = given_.params if given_.params is not None else [torch.zeros(1, requires_grad=True)]
        if issubclass(error.error_type, Warning):
            with pytest.warns(error.error_type, match=error.error_regex):
                descend.LBFGS(params, **given_.kwargs)
            continue
        with pytest.raises(error.error_type) as caught:
            descend.LBFGS(params, **given_.kwargs)
        assert re.search(error.error_regex, str(caught.value)), given_.desc


# ---------------------------------------------------------------------------------------------------------- direction


def two_loop(g: Tensor, pairs: list[tuple[Tensor, Tensor]], scale: Tensor) -> Tensor:
    """-H g by the recursion of Nocedal 1980, H0 = gamma diag(scale)."""
    q, alphas = g.clone(), []
    for s, y in reversed(pairs):
        alphas.append(s.dot(q) / s.dot(y))
        q -= alphas[-1] * y
    s, y = pairs[-1]
    r = s.dot(y) / y.dot(scale * y) * scale * q
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        r += s * (alpha - y.dot(r) / s.dot(y))
    return -r


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scaled", [False, True])
def test_direction_is_that_of_the_two_loop_recursion(dtype: torch.dtype, scaled: bool) -> None:
    """Through growth of the ring, and long after the oldest pairs have been dropped."""
    n, m = 30, 12
    generator = torch.Generator().manual_seed(1)
    curvature = torch.logspace(-1, 1, n, dtype=torch.float64)
    params = [torch.zeros(10, dtype=dtype, requires_grad=True), torch.zeros(20, dtype=dtype, requires_grad=True)]
    scales = [1.0, 0.25] if scaled else None
    scale = torch.cat([torch.ones(10), torch.full((20,), 0.25 if scaled else 1.0)]).double()
    bucket = Bucket(params, 1.0, scales)
    history = History([bucket], m)
    pairs: list[tuple[Tensor, Tensor]] = []
    for count in range(40):
        s = torch.randn(n, generator=generator, dtype=torch.float64)
        y = curvature * s
        pairs = [*pairs, (s, y)][-m:]
        j = history.spare
        bucket.row[2 * j].copy_(s)
        bucket.row[2 * j + 1].copy_(y * scale)
        products = np.zeros(2 * history.slots)
        products[: bucket.rows] = (bucket.used.double() @ y).numpy()
        history.add(float(s @ y), float(y @ (scale * y)), float(s.norm()), products)
        history.make_room()
        g = torch.randn(n, generator=generator, dtype=torch.float64)
        bucket.g0.copy_(g)
        against = np.zeros(2 * history.slots)
        against[: bucket.rows] = (bucket.used.double() @ g).numpy()
        bucket.quasi_newton(history.gamma, history.solve(against))
        expected = two_loop(g, pairs, scale)
        # Rounding is amplified by the history's condition (about 100 here) and by cancellation within the sum.
        tolerance = (1e-10 if dtype == torch.float64 else 3e-4) * float(expected.norm())
        assert float((bucket.d.double() - expected).norm()) <= tolerance, count
    assert len(history.order) == m


# ------------------------------------------------------------------------------------------------- kinds of parameters


@pytest.mark.parametrize("search", ["strong_wolfe", "more_thuente", "hager_zhang"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_search_solves_rosenbrock(search: str, dtype: torch.dtype) -> None:
    x = leaf(-1.2, 1.0, -1.2, 1.0, dtype=dtype)
    optimizer = descend.LBFGS([x], max_iter=300, line_search_fn=search)
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
    assert optimizer.result.converged, optimizer.result
    torch.testing.assert_close(x.detach(), torch.ones_like(x), rtol=0, atol=1e-5 if dtype == torch.float64 else 1e-2)


def solve_least_squares(params: list[Tensor], loss: Callable[[], Tensor], **options: Any) -> descend.LBFGS:
    optimizer = descend.LBFGS(params, max_iter=100, **WOLFE, **options)
    optimizer.step(closure_of(optimizer, loss))
    return optimizer


def test_half_precision_parameters_keep_their_history_in_float32() -> None:
    x = torch.full((8,), 3.0, dtype=torch.bfloat16, requires_grad=True)
    target = torch.arange(8.0) / 8
    optimizer = solve_least_squares([x], lambda: torch.sum((x.float() - target) ** 2 * torch.arange(1.0, 9.0)))
    assert optimizer.state[x]["history"].dtype == torch.float32
    torch.testing.assert_close(x.detach().float(), target, rtol=0, atol=2**-8)  # half a unit of bfloat16 below 1


def test_mixed_dtypes_are_one_problem() -> None:
    a, b = torch.full((3,), 2.0, requires_grad=True), torch.full((4,), -1.0, dtype=torch.float64, requires_grad=True)
    solve_least_squares([a, b], lambda: (a.double().sum() - b.sum() - 1) ** 2 + (a.double() ** 2).sum() + (b**2).sum())
    residual = 1 / (1 + 7)  # a = r, b = -r with (1 - 7 r) = r
    torch.testing.assert_close(a.detach().double(), torch.full((3,), residual, dtype=torch.float64), rtol=0, atol=1e-4)
    torch.testing.assert_close(b.detach(), torch.full((4,), -residual, dtype=torch.float64), rtol=0, atol=1e-4)


def test_complex_parameters_count_as_two_real_ones() -> None:
    z = torch.tensor([3 + 1j, -2j], dtype=torch.complex128, requires_grad=True)
    goal = torch.tensor([1 - 2j, 0.5 + 0.25j], dtype=torch.complex128)
    solve_least_squares([z], lambda: torch.sum((z - goal).abs() ** 2 * torch.tensor([1.0, 50.0])))
    torch.testing.assert_close(z.detach(), goal, rtol=0, atol=1e-6)


def test_sparse_and_missing_gradients() -> None:
    table = torch.nn.Embedding(6, 2, sparse=True, dtype=torch.float64)
    idle = leaf(5.0)
    before = table.weight.detach().clone()
    solve_least_squares([table.weight, idle], lambda: (table(torch.tensor([1, 4])) - 2).pow(2).sum())
    after = table.weight.detach()
    torch.testing.assert_close(after[[1, 4]], torch.full((2, 2), 2.0, dtype=torch.float64), rtol=0, atol=1e-6)
    assert torch.equal(after[[0, 2, 3, 5]], before[[0, 2, 3, 5]])
    assert idle.item() == 5.0


def test_maximize_mirrors_minimising() -> None:
    ends = []
    for sign in (1.0, -1.0):
        x = leaf(-1.2, 1.0)
        optimizer = descend.LBFGS([x], max_iter=15, maximize=sign < 0, **WOLFE)
        optimizer.step(closure_of(optimizer, lambda x=x, sign=sign: sign * rosenbrock(x)))
        assert optimizer.result.loss == sign * float(rosenbrock(x.detach()))
        ends.append(x.detach())
    assert torch.equal(*ends)


def test_equal_groups_are_one_group_bit_for_bit() -> None:
    ends = []
    for split in (False, True):
        a, b = leaf(-1.2, 1.0), leaf(0.3, -0.7, 2.0)
        params = [{"params": [a]}, {"params": [b]}] if split else [a, b]
        optimizer = descend.LBFGS(params, max_iter=12, **WOLFE)
        optimizer.step(closure_of(optimizer, lambda a=a, b=b: rosenbrock(torch.cat([a, b]))))
        ends.append(torch.cat([a, b]).detach())
    assert torch.equal(*ends)


def test_learning_rates_of_groups_scale_their_variables() -> None:
    """The first step is along -lr g; a group with a rate of 0 stays; the minimum is the same."""
    a, b, c = leaf(4.0), leaf(4.0), leaf(4.0)
    groups = [{"params": [a], "lr": 1.0}, {"params": [b], "lr": 0.25}, {"params": [c], "lr": 0.0}]
    optimizer = descend.LBFGS(groups, max_iter=1, **WOLFE)
    closure = closure_of(optimizer, lambda: torch.sum(a**2 + b**2 + c**2))
    optimizer.step(closure)
    assert (4 - b.item()) / (4 - a.item()) == pytest.approx(0.25, rel=1e-12)
    for _ in range(20):
        optimizer.step(closure)
    assert abs(a.item()) < 1e-6 and abs(b.item()) < 1e-6 and c.item() == 4.0


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.integers(-20, 20), st.integers(0, 10))
def test_order_and_units_do_not_decide_where_it_ends(order: list[int], power: int, seed: int) -> None:
    """The minimum is found with variables in any order and the loss in any unit."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(6, generator=generator, dtype=torch.float64)
    goal = torch.arange(6, dtype=torch.float64)
    index = torch.tensor(order)
    x = start[index].clone().requires_grad_()
    weights = torch.logspace(-1, 1, 6, dtype=torch.float64)[index]
    optimizer = descend.LBFGS([x], max_iter=200, **WOLFE)
    optimizer.step(closure_of(optimizer, lambda: 2.0**power * (weights * (x - goal[index]) ** 2).sum()))
    torch.testing.assert_close(x.detach(), goal[index], rtol=0, atol=1e-5)
    assert optimizer.result.converged


# ------------------------------------------------------------------------------------------------ results and refusals


def test_nan_at_the_start_changes_nothing_and_is_told() -> None:
    for search in (None, "strong_wolfe"):
        x = leaf(1.0)
        optimizer = descend.LBFGS([x], line_search_fn=search)
        loss = optimizer.step(closure_of(optimizer, lambda x=x: (x * math.nan).sum()))
        assert math.isnan(loss.item()) and x.item() == 1.0
        assert optimizer.result.status is descend.Status.NONFINITE and "NaN" in optimizer.result.message


def test_fixed_steps_retreat_from_nan() -> None:
    x = leaf(0.9)
    optimizer = descend.LBFGS([x], lr=1, max_iter=50)
    optimizer.step(closure_of(optimizer, lambda: torch.sum(-torch.log(1 - x) - 3 * x)))
    assert math.isfinite(x.item()) and x.item() < 1
    wild = leaf(0.5)
    optimizer = descend.LBFGS([wild], lr=50, max_iter=4)
    optimizer.step(closure_of(optimizer, lambda: torch.sum(50 * wild - 2 * torch.sqrt(wild))))
    assert math.isfinite(wild.item()) and wild.item() >= 0 and optimizer.result.nonfinite_trials > 0


def test_status_of_limits_callback_and_zero_rate() -> None:
    def run(start: float = -1.2, **options: Any) -> tuple[Any, Tensor]:
        x = leaf(start, 1.0)
        optimizer = descend.LBFGS([x], **WOLFE, **options)
        optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
        return optimizer.result, x

    result, _ = run(max_iter=3)
    assert (result.status.name, result.n_iter, result.pairs) == ("MAX_ITER", 3, 3)
    result, _ = run(max_eval=4)
    assert (result.status.name, result.n_eval) == ("MAX_EVAL", 4)
    seen: list[float] = []
    result, _ = run(max_iter=50, callback=lambda r: seen.append(r.loss) or len(seen) == 5)
    assert (result.status.name, result.n_iter, len(seen)) == ("CALLBACK", 5, 5) and seen == sorted(seen, reverse=True)
    result, x = run(lr=0.0)
    assert result.status.name == "FROZEN" and x.tolist() == [-1.2, 1.0]
    result, _ = run(start=1.0)
    assert (result.status.name, result.n_eval) == ("CONVERGED_GRADIENT", 1)


def test_a_closure_that_raises_leaves_the_best_point() -> None:
    x = leaf(-1.2, 1.0)
    optimizer = descend.LBFGS([x], max_iter=50, **WOLFE)
    values: list[float] = []

    def loss() -> Tensor:
        if len(values) == 12:
            raise KeyboardInterrupt
        values.append(float(rosenbrock(x.detach())))
        return rosenbrock(x)

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure_of(optimizer, loss))
    assert float(rosenbrock(x.detach())) == min(values)
    values.clear()
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
    assert optimizer.result.converged


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"lr": -1}, ValueError, "Invalid learning rate"),
        ({"lr": math.nan}, ValueError, "Invalid learning rate"),
        ({"max_iter": -3}, ValueError, "max_iter must be an integer >= 1"),
        ({"max_iter": 2.5}, TypeError, "max_iter"),
        ({"max_eval": 0}, ValueError, "max_eval must be"),
        ({"history_size": 0}, ValueError, "history_size must be"),
        ({"tolerance_grad": -1e-3}, ValueError, "tolerance_grad"),
        ({"tolerance_change": math.nan}, ValueError, "tolerance_change"),
        ({"line_search_fn": "armijo"}, ValueError, "'strong_wolfe', 'more_thuente', 'hager_zhang'"),
        ({"bounds": (0, 1)}, ValueError, "bounds need a line search"),
        ({"bounds": (1, 0), **WOLFE}, ValueError, "lower bound is above"),
        ({"bounds": 3, **WOLFE}, TypeError, "must be a pair"),
        ({"bounds": (torch.zeros(3), None), **WOLFE}, ValueError, "does not fit a parameter"),
        ({"rtol": -1.0}, ValueError, "rtol"),
        ({"callback": 3}, TypeError, "callback"),
        ({"engine": "cpu"}, ValueError, "engine"),
        ({"reuse_eval": 1}, TypeError, "reuse_eval"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_at_construction(options: dict[str, Any], kind: type, text: str) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        descend.LBFGS([leaf(1.0, 2.0)], **options)


def test_groups_must_agree_on_the_solver() -> None:
    with pytest.raises(ValueError, match="max_iter concerns all parameters together"):
        descend.LBFGS([{"params": [leaf(1.0)]}, {"params": [leaf(1.0)], "max_iter": 7}])
    optimizer = descend.LBFGS([leaf(1.0)])
    optimizer.param_groups[0]["max_iter"] = -1
    with pytest.raises(ValueError, match="max_iter"):
        optimizer.step(lambda: torch.zeros(()))


def test_hooks_run_once_and_the_loss_is_the_first() -> None:
    x = leaf(-1.2, 1.0)
    optimizer = descend.LBFGS([x], **WOLFE)
    calls: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("pre"))
    optimizer.register_step_post_hook(lambda *_: calls.append("post"))
    assert optimizer.step(closure_of(optimizer, lambda: rosenbrock(x))).item() == pytest.approx(24.2)
    assert calls == ["pre", "post"]
    assert "one flat vector" in str(optimizer.explain(quiet=True))


def test_a_device_is_waited_for_once_per_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the path for other devices than the CPU: same bits, loss and all other numbers in one copy."""
    ends, waits = [], 0
    cpu = Tensor.cpu

    def counted(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        nonlocal waits
        waits += 1
        return cpu(self, *args, **kwargs)

    for elsewhere in (False, True):
        if elsewhere:
            monkeypatch.setattr(flat, "_CPU", torch.device("meta"))
            monkeypatch.setattr(Tensor, "cpu", counted)
        x = leaf(-1.2, 1.0)
        optimizer = descend.LBFGS([x], max_iter=25, **WOLFE)
        optimizer.step(closure_of(optimizer, lambda x=x: rosenbrock(x)))
        ends.append(x.detach().clone())
    assert torch.equal(*ends)
    assert waits == optimizer.result.n_eval
