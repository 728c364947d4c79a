"""Averaged stochastic gradient descent."""

from __future__ import annotations

import math
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


class ASGD(Optimizer):
    r"""Averaged SGD: gradient descent with a falling rate, and beside it the mean of all parameters since step t0.

    .. math::
        \eta_t = \frac{\gamma}{(1 + \lambda \gamma (t-1))^\alpha}, \quad
        p_t = (1 - \lambda \eta_t)\, p_{t-1} - \eta_t g_t, \quad
        a_t = a_{t-1} + \mu_t (p_t - a_{t-1}), \quad \mu_t = \frac{1}{\max(1,\, t - 1 - t_0)}

    The mean is for the user to take, from ``optimizer.state[p]["ax"]``. A changed learning rate holds at once; torch's
    ASGD makes the next step with the old one.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor.
        lambd: decay :math:`\lambda` >= 0 of the parameter and of the rate.
        alpha: power :math:`\alpha` >= 0 of the rate's fall; 0.75 is the usual one.
        t0: step :math:`t_0` >= 0 from which parameters are averaged; infinite: never.
        weight_decay: L2 coefficient, a finite number >= 0.
        foreach: hint for torch's implementation; every launch is fused here.
        maximize: ascend instead.
        differentiable: let autograd record the step (eager engine).
        capturable: refused on CPU at the step, as in torch.
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.

    State: ``step``; ``eta`` and ``mu`` of the next step; ``ax`` (:math:`a`), like the parameter.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.ASGD([w], lr=0.1, lambd=0.0)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.8000, 1.6000])

    Source: Polyak & Juditsky 1992, SIAM J. Control Optim. 30(4); the schedule: Xu 2011, arXiv:1107.2490.
    """

    rule = rules.ASGD
    _later_options: ClassVar[dict[str, Any]] = {**Optimizer._later_options, "capturable": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-2,
        lambd: float | Schedule = 1e-4,
        alpha: float | Schedule = 0.75,
        t0: float | Schedule = 1e6,
        weight_decay: float | Schedule = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
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
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"])
        checks.number("Invalid lambd value", "lambd", group["lambd"])
        checks.number("Invalid alpha value", "alpha", group["alpha"])
        if group["t0"] != math.inf:
            checks.number("Invalid t0 value", "t0", group["t0"])
