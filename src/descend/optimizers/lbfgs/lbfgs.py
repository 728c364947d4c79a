"""L-BFGS: the class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ...schedules import Schedule
from ..base import Optimizer
from ..collecting import as_float, name_of
from ..hooks import hooked
from ..whole import Method
from . import fixed, robust, stored
from .arguments import bounds_of, check, check_same
from .assembly import build
from .result import LBFGSResult, Status
from .solver import Solver
from .trial import Options


class LBFGS(Optimizer):
    r"""L-BFGS: a quasi-Newton method for losses that are the same at every evaluation.

    .. math::
        x_{k+1} = x_k - t_k H_k g_k, \quad
        H_{k+1} = V_k^\top H_k V_k + \frac{s_k s_k^\top}{y_k^\top s_k}, \quad
        V_k = I - \frac{y_k s_k^\top}{y_k^\top s_k}, \quad
        s_k = x_{k+1} - x_k, \; y_k = g_{k+1} - g_k

    :math:`H_k` is rebuilt from the last `history_size` pairs, beginning with :math:`\gamma I`,
    :math:`\gamma = s^\top y / y^\top y` of the newest. All parameters are one vector. A closure evaluates the loss:

        optimizer = descend.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")
        optimizer.step(closure)
        print(optimizer.result.message)

    With a line search, parameters are never left where the loss is not finite, nor worse than the best point seen (but
    for rounding errors of the loss): a search that fails drops the history and tries the gradient, then gives up at the
    best point, and says so. A loss that is NaN or infinite at a trial makes the step shorter. Without one (None, as
    in torch), steps have the length `lr` and may diverge: prefer "strong_wolfe".

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups. Dtypes and devices may be mixed; float16 and bfloat16
            are computed in float32, with float32 history; complex parameters count as pairs of real ones; a missing
            gradient counts as zero, a sparse one is made dense.
        lr: first step length to try in units of the quasi-Newton step, a finite number >= 0 or a one-element Tensor.
            Where groups differ in it, a group's variables are scaled by the square root of its share of the largest.
        max_iter: most iterations in a call of `step`, >= 1.
        max_eval: most evaluations of the closure in a call, >= 1, never exceeded; None: 1.25 `max_iter`, with a line
            search at least `max_iter` + 4.
        tolerance_grad: stop when no element of the gradient is larger in size, nor larger than this share of the
            largest element met so far.
        tolerance_change: stop when the loss changes by less than this share of itself twice in a row. With
            line_search_fn=None both tolerances are absolute, as in torch.
        history_size: how many pairs are kept, >= 1; may be changed between steps. A pair costs twice the parameters'
            memory, once it is there.
        line_search_fn: None; "strong_wolfe" or "more_thuente": the search of Moré and Thuente with Hager and Zhang's
            approximate Wolfe conditions where rounding blurs the loss; "hager_zhang": theirs throughout.
        bounds: (lower, upper), each None, a number, a Tensor that fits the parameters, or a list with one of these for
            each parameter of the group. Needs a line search. The start is projected.
        maximize: maximise the loss.
        rtol: the share in both tests, in place of the tolerances themselves, which stay absolute for the gradient.
        reuse_eval: begin a step with loss and gradient of where the last one ended, instead of calling the closure
            again; only for closures that always return the same there.
        callback: called with a `descend.LBFGSResult` after every iteration; a true value stops. Not pickled.
        engine: "auto" or "eager": torch operations in either case.

    Attributes:
        result: the `descend.LBFGSResult` of the last step: status with a sentence, loss, gradient, counts.

    Raises:
        TypeError, ValueError: a value is not what it must be, at construction and when a group is added or changed.

    State, in that of the first parameter: ``func_evals``, ``n_iter``, ``history``, ``x``, ``vectors``, ``algebra``,
    ``scalars``. Resuming is exact. Checkpoints of torch.optim.LBFGS load; ``state_dict(format="torch")`` makes one.
    torch.amp.GradScaler refuses closures: scale inside the closure, or use bfloat16, which needs no scaling.

    Example:
        >>> import torch, descend
        >>> x = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
        >>> optimizer = descend.LBFGS([x], max_iter=100, line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        ...     loss.backward()
        ...     return loss
        >>> first = optimizer.step(closure)
        >>> optimizer.result.status.name, x.data
        ('CONVERGED_GRADIENT', tensor([1.0000, 1.0000], dtype=torch.float64))

    Source: Liu and Nocedal 1989, Math. Prog. 45, 503-528; Byrd, Nocedal and Schnabel 1994, Math. Prog. 63, 129-156 (the
    compact form); Moré and Thuente 1994, ACM TOMS 20, 286-307; Hager and Zhang 2005, SIAM J. Optim. 16, 170-192.
    """

    rule = Method(  # type: ignore[assignment]
        "s = x - x_prev, y = g - g_prev, the last history_size pairs;  x <- x - t H g, H from the pairs"
    )
    _later_options: ClassVar[dict[str, Any]] = {}
    _solver: Solver | None = None
    _callback: Callable[[LBFGSResult], Any] | None = None
    _layout: Any = None  # what the solver was made for
    _versions: Any = None  # of the parameters, when the last step ended
    _checked: Any = None
    result: LBFGSResult | None = None

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        *,
        bounds: tuple[Any, Any] | None = None,
        maximize: bool = False,
        rtol: float | None = None,
        reuse_eval: bool = False,
        callback: Callable[[LBFGSResult], Any] | None = None,
        engine: str = "auto",
    ) -> None:
        if engine == "cpu":
            raise ValueError(
                "Invalid engine: 'cpu' (LBFGS runs on torch's matrix and vector operations and has no native kernels: "
                "leave engine='auto')"
            )
        if callback is not None and not callable(callback):
            raise TypeError(f"Invalid callback: {callback!r} (callback must be a function of the result so far)")
        if max_eval is None and isinstance(max_iter, int):
            max_eval = max(max_iter * 5 // 4, max_iter + 4 if line_search_fn is not None else 1)
        defaults: dict[str, Any] = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        extra = {"bounds": bounds, "maximize": maximize, "rtol": rtol, "reuse_eval": reuse_eval}
        defaults.update({name: value for name, value in extra.items() if value is not None and value is not False})
        self._check_group(defaults)
        super().__init__(params, defaults, engine=engine)
        if callback is not None:
            self._callback = callback

    def _check_group(self, group: dict[str, Any]) -> None:
        check(group)
        if "params" in group:
            bounds_of(group, len(self.param_groups))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; its max_iter and the like must be those of the others, its lr and bounds may differ."""
        super().add_param_group(param_group)
        try:
            check_same(self.param_groups)
        except ValueError:
            self.param_groups.pop()
            raise

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._solver = self._checked = self.result = None

    # --------------------------------------------------------------------------------------------------------- step

    @torch._disable_dynamo
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimise until a tolerance, `max_iter` or `max_eval` is reached.

        Args:
            closure: sets the gradients to zero, evaluates the loss, calls backward, and returns the loss.

        Returns:
            What the closure returned first, before anything moved; what it came to is in `result`.

        Raises:
            ValueError: a group's option was set to a value that is not allowed.
            A closure that raises leaves the parameters at the best point of before.
        """
        if self._scheduled is not None:
            self._scheduled.settle(self)
        groups = self.param_groups
        self._check_changed()
        params = [p for group in groups for p in group["params"]]
        rates = [as_float(group["lr"]) for group in groups]
        with torch.set_grad_enabled(not params):  # with no parameters there is nothing to do but to evaluate
            loss = self._run(closure, params, rates) if params else closure()
        if self._scheduled is not None:
            self._scheduled.advance()
        return loss

    def _run(self, closure: Callable[[], Any], params: list[Tensor], rates: list[float]) -> Any:
        group = self.param_groups[0]
        fastest = max(rates)
        options = Options(
            lr=fastest,
            max_iter=group["max_iter"],
            max_eval=group["max_eval"],
            tolerance_grad=float(group["tolerance_grad"]),
            tolerance_change=float(group["tolerance_change"]),
            rtol=group.get("rtol"),
            history_size=group["history_size"],
            line_search_fn=group["line_search_fn"],
            reuse_eval=bool(group.get("reuse_eval", False)),
        )
        solver = self._ready(params, rates, options)
        solver.begin()
        try:
            loss, status = self._attempt(solver, options, closure)
        except BaseException:
            if not solver.pending:
                solver.stay()
            solver.known = False
            raise
        finally:
            self._versions = [bucket.versions() for bucket in solver.buckets]
            stored.keep(self.state[params[0]], solver)
        self.result = solver.result(status, loss_known=not solver.pending)
        return loss

    def _attempt(self, solver: Solver, options: Options, closure: Callable[[], Any]) -> tuple[Any, Status]:
        solver.as_torch = options.line_search_fn is None
        if options.reuse_eval and solver.known:
            loss = solver.last_loss
        else:
            was_pending = solver.pending
            loss = solver.evaluate_base(closure)
            if not solver.known:
                return loss, Status.NONFINITE_STEP if was_pending else Status.NONFINITE
        if options.lr == 0:
            return loss, Status.FROZEN
        method = fixed if options.line_search_fn is None else robust
        return loss, method.minimise(solver, options, closure, self._callback)

    def _ready(self, params: list[Tensor], rates: list[float], options: Options) -> Solver:
        """The solver, with the parameters' values at x."""
        fastest = max(rates)
        scaled = len(set(rates)) > 1
        problem = (
            [(id(p), p.shape, p.dtype) for p in params],
            [r / fastest for r in rates] if scaled else [],
            [(id(g.get("bounds")), g.get("maximize", False)) for g in self.param_groups],
        )
        layout = problem, [(p.device, p.data_ptr()) for p in params]
        solver = self._solver
        if solver is None or layout != self._layout:
            other = solver if self._layout is None or problem != self._layout[0] else None
            scales = [r / fastest for r in rates] if scaled else None
            solver = build(self.param_groups, scales, options.history_size)
            stored.restore(self.state[params[0]], solver, other)
            self._solver, self._layout, self._versions = solver, layout, None
        solver.history.resize(options.history_size)
        if self._versions != [bucket.versions() for bucket in solver.buckets]:
            solver.catch_up()
        return solver

    def _check_changed(self) -> None:
        """Check options that were written to a group."""
        values = [tuple(v for k, v in g.items() if k not in ("params", "param_names")) for g in self.param_groups]
        try:
            same = values == self._checked
        except RuntimeError:  # tensors among them
            same = False
        if not same:
            for group in self.param_groups:
                self._check_options(group)
            check_same(self.param_groups)
            self._checked = values

    # -------------------------------------------------------------------------------------------------------- state

    def _assigned(self) -> dict[str, list[tuple[str, str]]]:
        names = [name_of(g, number, i) for number, g in enumerate(self.param_groups) for i in range(len(g["params"]))]
        return {"eager": [(name, "one flat vector of all parameters") for name in names]}

    @torch._disable_dynamo
    def state_dict(self, *, format: str | None = None) -> dict[str, Any]:
        """The optimizer as plain containers and tensors; the tensors are the live ones.

        Args:
            format: "torch": as torch.optim.LBFGS lays it out, to be loaded there.

        Raises:
            ValueError: of several groups, devices or precisions, which torch cannot have.
        """
        if format not in (None, "torch"):
            raise ValueError(f"Invalid format: {format!r} (format must be None or 'torch')")
        state = super().state_dict()
        return state if format is None else stored.as_torch(state, self.param_groups[0]["history_size"])


LBFGS.step = hooked(LBFGS.step)  # type: ignore[method-assign]
