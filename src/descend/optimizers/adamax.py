"""Adamax."""

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


class Adamax(Optimizer):
    r"""Adamax: Adam with the largest recent gradient in place of the root mean square, so that no step exceeds lr.

    .. math::
        m_t = \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \quad u_t = \max(\beta_2 u_{t-1},\, |g_t| + \epsilon), \quad
        p_t = p_{t-1} - \frac{\gamma}{1-\beta_1^t} \frac{m_t}{u_t}

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor. 0.002 is the paper's.
        betas: :math:`(\beta_1, \beta_2)`, each in [0, 1).
        eps: :math:`\epsilon` >= 0, added to the gradient's absolute value.
        weight_decay: L2 coefficient, a finite number >= 0.
        foreach: hint for torch's implementation; every launch is fused here.
        maximize: ascend instead.
        differentiable: let autograd record the step (eager engine).
        capturable: refused on CPU at the step, as in torch.
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.

    State: ``step``; ``exp_avg`` (:math:`m`) and ``exp_inf`` (:math:`u`), like the parameter.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.Adamax([w], lr=0.1)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.9000, 1.9000])

    Source: Kingma & Ba 2015, arXiv:1412.6980, Alg. 2.
    """

    rule = rules.ADAMAX
    _later_options: ClassVar[dict[str, Any]] = {**Optimizer._later_options, "capturable": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 2e-3,
        betas: tuple[float | Schedule, float | Schedule] = (0.9, 0.999),
        eps: float | Schedule = 1e-8,
        weight_decay: float | Schedule = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        self._check_group(defaults)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid epsilon value", "eps", group["eps"])
        checks.betas(group["betas"])
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"])
