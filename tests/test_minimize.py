"""descend.minimize: arrays and tensors in, scipy's field names out."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import Tensor

import descend


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def gradient(x: Any) -> Any:
    result = np.zeros_like(x)
    result[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    result[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return result


START = np.array([-1.2, 1.0, -0.5, 0.8])


def test_fields_are_scipys() -> None:
    ours = descend.minimize(rosenbrock, START)
    theirs = optimize.minimize(rosenbrock, START, jac=gradient, method="L-BFGS-B")
    assert set(vars(ours)) <= set(theirs) | {"njev"}
    assert ours.success and isinstance(ours.status, descend.Status) and ours.message == ours.status.value
    assert ours.fun <= theirs.fun and ours.nfev >= ours.nit > 0
    np.testing.assert_allclose(ours.x, np.ones(4), atol=1e-6)
    assert isinstance(ours.x, np.ndarray) and isinstance(ours.jac, np.ndarray) and abs(ours.jac).max() <= 1e-7
    np.testing.assert_array_equal(START, [-1.2, 1.0, -0.5, 0.8])


@pytest.mark.parametrize("form", ["autograd", "jac", "both"])
@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_gradients_come_from_autograd_or_the_user(form: str, kind: str) -> None:
    x0 = START if kind == "array" else torch.from_numpy(START)

    def slope(x: Any) -> Any:
        return gradient(x) if kind == "array" else torch.from_numpy(gradient(x.numpy()))

    if form == "autograd":
        found = descend.minimize(rosenbrock, x0)
    elif form == "jac":
        found = descend.minimize(rosenbrock, x0, jac=slope)
    else:
        found = descend.minimize(lambda x: (rosenbrock(x), slope(x)), x0, jac=True)
    assert found.success and type(found.x) is type(x0)
    assert float(abs(found.x - 1).max()) <= 1e-6


def test_bounds_are_kept_and_active_where_scipy_has_them() -> None:
    seen: list[Tensor] = []

    def recorded(x: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        return rosenbrock(x)

    lower, upper = np.array([-2.0, -2.0, -2.0, -2.0]), np.array([0.5, 3.0, 0.4, 3.0])
    ours = descend.minimize(recorded, START, bounds=(lower, upper))
    theirs = optimize.minimize(
        rosenbrock, START, jac=gradient, method="L-BFGS-B", bounds=list(zip(lower, upper, strict=True))
    )
    assert ours.success
    np.testing.assert_allclose(ours.fun, theirs.fun, rtol=1e-8)
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-5)
    points = torch.stack(seen).numpy()
    assert (points >= lower).all() and (points <= upper).all()


def test_an_infeasible_start_is_projected() -> None:
    found = descend.minimize(lambda x: ((x - 3) ** 2).sum(), [10.0, -10.0], bounds=(0, 2))
    assert found.x.tolist() == [2.0, 2.0] and found.success


def test_float32_stays_float32_and_shapes_stay() -> None:
    x0 = torch.full((2, 3), 4.0)
    found = descend.minimize(lambda x: ((x - 1) ** 2).sum(), x0)
    assert found.x.dtype == torch.float32 and found.x.shape == (2, 3) == found.jac.shape
    torch.testing.assert_close(found.x, torch.ones(2, 3), rtol=0, atol=1e-6)


def test_maximum_arguments_callback_and_limits() -> None:
    found = descend.minimize(lambda x, a: (-((x - a) ** 2)).sum(), [0.0], (2.5,), maximize=True)
    assert found.x[0] == pytest.approx(2.5, abs=1e-6) and found.fun == pytest.approx(0, abs=1e-12)
    points: list[Any] = []
    stopped = descend.minimize(rosenbrock, START, callback=lambda x: points.append(x) or len(points) == 3)
    assert stopped.status is descend.Status.CALLBACK and not stopped.success and len(points) == stopped.nit == 3
    assert all(isinstance(p, np.ndarray) for p in points)
    short = descend.minimize(rosenbrock, START, max_iter=2)
    assert short.status is descend.Status.MAX_ITER and short.nit == 2
    assert short.fun == pytest.approx(rosenbrock(short.x), rel=1e-12)
    np.testing.assert_allclose(short.jac, gradient(short.x), rtol=1e-9)


def test_nan_at_the_start_is_told() -> None:
    found = descend.minimize(lambda x: torch.log(x).sum(), [-1.0])
    assert found.status is descend.Status.NONFINITE and not found.success
    assert math.isnan(found.fun) and found.x.tolist() == [-1.0]


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "text"),
    [
        ((3, [1.0]), {}, TypeError, "fun must be"),
        ((lambda x: x.sum(), torch.tensor([1, 2])), {}, TypeError, "x0 must be of floating-point"),
        ((lambda x: x.sum(), []), {}, ValueError, "no elements"),
        ((lambda x: 1.0, [1.0]), {}, TypeError, "return a Tensor, or give jac"),
        ((lambda x: x.sum(), [1.0]), {"jac": 3}, TypeError, "jac must be"),
        ((lambda x: x.sum(), [1.0]), {"bounds": 3}, TypeError, "pair"),
        ((lambda x: x.sum(), [1.0]), {"line_search_fn": None}, ValueError, "needs a line search"),
        ((lambda x: x.sum(), [1.0]), {"max_iter": 0}, ValueError, "max_iter"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_bad_arguments_are_refused(arguments: Any, options: Any, kind: type, text: str) -> None:
    with pytest.raises(kind, match=text):
        descend.minimize(*arguments, **options)
