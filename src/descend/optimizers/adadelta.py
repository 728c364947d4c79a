"""Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from .. import rules
from ..schedules import Schedule
from . import checks
from .base import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .common import Common


class Adadelta(Optimizer):
    r"""Adadelta: steps in the units of the parameter, from running means of squared gradients and squared steps.

    .. math::
        v_t = \rho v_{t-1} + (1-\rho)\, g_t^2, \quad
        \Delta_t = \sqrt{\frac{u_{t-1} + \epsilon}{v_t + \epsilon}}\, g_t, \quad
        u_t = \rho u_{t-1} + (1-\rho)\, \Delta_t^2, \quad p_t = p_{t-1} - \gamma \Delta_t

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor. 1 is the paper's method.
        rho: smoothing constant :math:`\rho` in [0, 1], usually 0.9 to 0.99.
        eps: :math:`\epsilon` >= 0, added under both roots; it sets the size of the first steps.
        weight_decay: L2 coefficient, a finite number >= 0.
        foreach: hint for torch's implementation; every launch is fused here.
        capturable: refused on CPU at the step, as in torch.
        maximize: ascend instead.
        differentiable: let autograd record the step (eager engine).
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.

    State: ``step``; ``square_avg`` (:math:`v`) and ``acc_delta`` (:math:`u`), like the parameter.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.Adadelta([w], eps=1e-3)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.9001, 1.9000])

    Source: Zeiler 2012, arXiv:1212.5701, Alg. 1.
    """

    rule = rules.ADADELTA
    _later_options: ClassVar[dict[str, Any]] = {**Optimizer._later_options, "capturable": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1.0,
        rho: float | Schedule = 0.9,
        eps: float | Schedule = 1e-6,
        weight_decay: float | Schedule = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        self._check_group(defaults)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid rho value", "rho", group["rho"], most=1.0)
        checks.number("Invalid epsilon value", "eps", group["eps"])
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"])
