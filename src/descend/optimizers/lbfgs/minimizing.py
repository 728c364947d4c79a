"""`minimize`: L-BFGS as a function, for a vector or an array instead of a module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .lbfgs import LBFGS
from .result import LBFGSResult, Status


@dataclass(frozen=True)
class MinimizeResult:
    """What `minimize` found, with the field names of scipy.optimize.OptimizeResult.

    Attributes:
        x: the best point; a NumPy array if `x0` was one, else a Tensor.
        fun: the value there.
        jac: the gradient there, like `x`.
        nit: iterations.
        nfev, njev: evaluations of value and gradient, which are one.
        success: whether it converged.
        status: why it stopped, a `descend.Status`.
        message: the same as a sentence.
    """

    x: Any
    fun: float
    jac: Any
    nit: int
    nfev: int
    njev: int
    success: bool
    status: Status
    message: str


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    *,
    jac: Callable[..., Any] | bool | None = None,
    bounds: tuple[Any, Any] | None = None,
    tol: float | None = None,
    tolerance_grad: float = 1e-7,
    tolerance_change: float = 1e-9,
    max_iter: int = 15000,
    max_eval: int | None = None,
    history_size: int = 100,
    line_search_fn: str = "strong_wolfe",
    maximize: bool = False,
    callback: Callable[[Any], Any] | None = None,
) -> MinimizeResult:
    """Minimise a function of a vector by L-BFGS; the method is that of `descend.LBFGS`.

    Args:
        fun: called as ``fun(x, *args)``. Without `jac` it gets x as a Tensor that requires a gradient, and returns a
            Tensor with the value, which autograd differentiates; with `jac` it gets x like `x0`, Tensor or array.
        x0: where to begin, of any shape: a floating Tensor, a NumPy array or a list of numbers; not changed.
        args: further arguments of `fun` and `jac`.
        jac: ``jac(x, *args)`` returns the gradient; True: `fun` returns value and gradient; None: autograd.
        bounds: (lower, upper): each None, a number, or like `x0`.
        tol: both tolerances at once.
        tolerance_grad: as in `descend.LBFGS`.
        tolerance_change: as in `descend.LBFGS`; relative to the value.
        max_iter: most iterations.
        max_eval: most evaluations; None: 1.25 `max_iter`.
        history_size: how many pairs are kept.
        line_search_fn: "strong_wolfe", "more_thuente" or "hager_zhang".
        maximize: look for a maximum.
        callback: called with x after each iteration; a true value stops.

    Raises:
        TypeError, ValueError: an argument is not what it must be.

    Example:
        >>> import numpy as np, descend
        >>> def rosenbrock(x):
        ...     return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        >>> found = descend.minimize(rosenbrock, np.array([-1.2, 1.0]))
        >>> found.success, found.x.round(6)
        (True, array([1., 1.]))

    Source: see :class:`descend.LBFGS`; the fields are those of scipy.optimize.OptimizeResult.
    """
    import numpy as np

    if not callable(fun):
        raise TypeError(f"Invalid fun: {fun!r} (fun must be a function of x)")
    if not (jac is None or isinstance(jac, bool) or callable(jac)):
        raise TypeError(f"Invalid jac: {jac!r} (jac must be a function of x, True, False or None)")
    if line_search_fn is None:
        raise ValueError("Invalid line_search_fn: None (minimize needs a line search; LBFGS can do without)")
    as_tensor = isinstance(x0, Tensor)
    if as_tensor:
        x = x0.detach().clone()
    else:
        array = np.asarray(x0)
        x = torch.tensor(array if array.dtype.kind in "fc" else array.astype(np.float64))
    if not x.is_floating_point():
        raise TypeError(f"Invalid x0: of {x.dtype} (x0 must be of floating-point numbers)")
    if x.numel() == 0:
        raise ValueError("Invalid x0: it has no elements")
    x.requires_grad_()
    if tol is not None:
        tolerance_grad = tolerance_change = tol
    sides: tuple[Any, Any] | None = None
    if bounds is not None:
        if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
            raise TypeError(f"Invalid bounds: {bounds!r} (bounds must be a pair: lower, upper)")
        lower, upper = (
            side if side is None or isinstance(side, (int, float)) else torch.as_tensor(side).to(x) for side in bounds
        )
        sides = lower, upper

    def like(tensor: Tensor) -> Any:
        return tensor.detach().clone() if as_tensor else tensor.detach().cpu().numpy().copy()

    best: dict[str, Any] = {}  # by what the optimizer minimises

    def closure() -> Any:
        x.grad = None
        if jac is None or jac is False:
            value = fun(x, *args)
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"fun returned {type(value).__name__}, which has no gradient: return a Tensor, or give jac"
                )
            value.backward()
            if x.grad is None:
                x.grad = torch.zeros_like(x)
        else:
            point = x.detach() if as_tensor else x.detach().cpu().numpy().copy()
            value, gradient = fun(point, *args) if jac is True else (fun(point, *args), jac(point, *args))
            x.grad = torch.as_tensor(gradient, dtype=x.dtype, device=x.device).reshape(x.shape).clone()
        value = value.detach() if isinstance(value, Tensor) else value
        number = -float(value) if maximize else float(value)
        if "number" not in best or number < best["number"]:
            best.update(number=number, value=float(value), gradient=x.grad.detach().clone(), x=x.detach().clone())
        return value

    def after(_: LBFGSResult) -> Any:
        assert callback is not None
        return callback(like(x))

    optimizer = LBFGS(
        [x],
        max_iter=max_iter,
        max_eval=max_eval,
        tolerance_grad=tolerance_grad,
        tolerance_change=tolerance_change,
        history_size=history_size,
        line_search_fn=line_search_fn,
        bounds=sides,
        maximize=maximize,
        callback=None if callback is None else after,
    )
    optimizer.step(closure)
    result = optimizer.result
    assert result is not None
    at_best = "x" in best and bool(torch.equal(best["x"], x.detach()))
    if not at_best:  # the lowest value seen is not where it ended: another one as low, or NaN from the start
        best["value"] = result.loss
        with torch.enable_grad():
            before = x.detach().clone()
            best.pop("number", None)
            closure()
            assert torch.equal(before, x.detach())
    return MinimizeResult(
        x=like(x),
        fun=float(best["value"]),
        jac=like(best["gradient"]),
        nit=result.n_iter,
        nfev=result.n_eval + (not at_best),
        njev=result.n_eval + (not at_best),
        success=result.converged,
        status=result.status,
        message=result.message,
    )
