"""SparseAdam: Adam on the rows that a sparse gradient holds, and on no others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ..schedules import Schedule
from ..storage import compute_dtype
from . import checks
from .batches import refuse_state
from .collecting import name_of
from .whole import Method, WholeTensorOptimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .common import Common


class SparseAdam(WholeTensorOptimizer):
    r"""Adam for sparse gradients, such as those of ``nn.Embedding(sparse=True)``.

    .. math::
        m_t = \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \quad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2, \quad
        p_t = p_{t-1} - \gamma \frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t} \frac{m_t}{\sqrt{v_t} + \epsilon}

    for the elements that the gradient holds; all others keep parameter and moments. :math:`t` counts steps of the
    whole parameter.

    Args:
        params: dense, real parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number > 0 or a one-element Tensor; schedules may set it to 0.
        betas: :math:`(\beta_1, \beta_2)`, each in [0, 1).
        eps: :math:`\epsilon` > 0, added to the root.
        maximize: ascend instead.
        common: ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite; a sparse or complex parameter. At construction and when a
            group is added.
        RuntimeError: a step finds a dense gradient.

    State: ``step``, a Python integer; ``exp_avg``, ``exp_avg_sq``, like the parameter.

    Example:
        >>> import torch, descend
        >>> table = torch.nn.Embedding(3, 1, sparse=True)
        >>> _ = torch.nn.init.ones_(table.weight)
        >>> optimizer = descend.SparseAdam(table.parameters(), lr=0.1)
        >>> table(torch.tensor([2])).sum().backward(); optimizer.step(); table.weight.data.flatten()
        tensor([1.0000, 1.0000, 0.9000])

    Source: Kingma & Ba 2015, arXiv:1412.6980, Alg. 1, with the order of operations at the end of section 2.
    """

    rule = Method(
        "m <- m + (1 - beta1) (g - m), v <- v + (1 - beta2) (g^2 - v), where g has values;\n"
        "there p <- p - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps)"
    )
    _layout = torch.sparse_coo
    _refuses_layout = "SparseAdam does not support dense gradients, please consider Adam instead"
    _later_options: ClassVar[dict[str, Any]] = {"maximize": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-3,
        betas: tuple[float | Schedule, float | Schedule] = (0.9, 0.999),
        eps: float | Schedule = 1e-8,
        maximize: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize}
        self._check_group(defaults)
        if lr == 0:
            raise ValueError(f"Invalid learning rate: {lr} (lr must be a finite number > 0)")
        super().__init__(params, defaults, **common)
        self._refuse_parameters(0)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid epsilon value", "eps", group["eps"])
        if group["eps"] == 0:
            raise ValueError(f"Invalid epsilon value: {group['eps']} (eps must be a finite number > 0)")
        checks.betas(group["betas"])

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group; see :meth:`descend.Optimizer.add_param_group`."""
        super().add_param_group(param_group)
        if self._seen is None:  # the constructor looks at all groups together
            try:
                self._refuse_parameters(len(self.param_groups) - 1)
            except ValueError:
                self.param_groups.pop()
                raise

    def _refuse_parameters(self, first: int) -> None:
        """Refuse sparse and complex parameters of the groups from this one on."""
        at = [(i, j, p) for i, g in enumerate(self.param_groups) for j, p in enumerate(g["params"]) if i >= first]
        sparse = [[i, j] for i, j, p in at if p.layout != torch.strided]
        if sparse:
            raise ValueError(f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors")
        of_complex = [[i, j] for i, j, p in at if p.is_complex()]
        if of_complex:
            raise ValueError(f"Complex params at indices {of_complex}: SparseAdam does not support complex parameters")

    def _shapes(self, shape: torch.Size) -> dict[str, torch.Size]:
        return {"exp_avg": shape, "exp_avg_sq": shape}

    def _reason(self, count: int, shape: torch.Size) -> str:
        return "operations of torch on the rows of each gradient"

    @torch.no_grad()
    def _step_whole(self) -> None:
        jobs: list[tuple[dict[str, Any], Tensor, Tensor, dict[str, Any]]] = []
        for number, (group, options) in enumerate(
            zip(self.param_groups, self._resolved(self.param_groups), strict=True)
        ):
            for i, param in enumerate(group["params"]):
                grad = param.grad
                if grad is not None:
                    name = name_of(group, number, i)
                    self._refuse(group, param, grad, name)
                    state = self.state.get(param) or {"step": 0}
                    for key in ("exp_avg", "exp_avg_sq"):
                        if key in state and state[key].shape != param.shape:
                            refuse_state(name, key, state[key], param.shape)
                    jobs.append((options, param, grad, state))
        for options, param, grad, state in jobs:
            state = self.state[param] or state  # of a parameter that stands in a group twice, the second time
            for key in ("exp_avg", "exp_avg_sq"):
                if key not in state:
                    state[key] = torch.zeros_like(param, memory_format=torch.preserve_format, requires_grad=False)
            state["step"] += 1
            _update_rows(param, grad, state, options)
            self.state[param] = state
        if jobs and self._scheduled is not None:
            self._scheduled.advance()


def _update_rows(param: Tensor, grad: Tensor, state: dict[str, Any], options: dict[str, Any]) -> None:
    """Adam where the gradient has values; operations and their order are torch's, and so are the numbers."""
    dtype = compute_dtype(param.dtype)
    grad = grad.to(dtype).coalesce()  # the update is not linear: what was given twice has to be added first
    rows, g = tuple(grad.indices()), grad.values()
    if g.numel() == 0:
        return
    if not rows:  # a sparse tensor without sparse dimensions holds one value, or none: the whole
        g = g.squeeze(0)
    (beta1, beta2), t = options["betas"], state["step"]
    g = -g if options["maximize"] else g
    exp_avg, exp_avg_sq = state["exp_avg"][rows].to(dtype), state["exp_avg_sq"][rows].to(dtype)
    exp_avg = (g - exp_avg).mul_(1 - beta1).add_(exp_avg)
    exp_avg_sq = g.pow(2).sub_(exp_avg_sq).mul_(1 - beta2).add_(exp_avg_sq)
    step_size = options["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)
    change = -step_size * (exp_avg / exp_avg_sq.sqrt().add_(options["eps"]))
    new = param[rows].to(dtype).add_(change)
    for target, value in ((param, new), (state["exp_avg"], exp_avg), (state["exp_avg_sq"], exp_avg_sq)):
        target[rows] = value.to(target.dtype)
