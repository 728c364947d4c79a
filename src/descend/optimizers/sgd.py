"""SGD, with and without momentum."""

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


class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum, dampening and Nesterov's form.

    .. math::
        b_t = \mu b_{t-1} + (1 - d)\, g_t, \quad b_1 = g_1; \qquad
        p_t = p_{t-1} - \gamma b_t, \quad \text{Nesterov: } p_t = p_{t-1} - \gamma (g_t + \mu b_t)

    with :math:`g_t` the gradient plus ``weight_decay`` times the parameter. Without momentum,
    :math:`p_t = p_{t-1} - \gamma g_t`.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor. Usual starts: 0.1 to 0.001,
            decayed.
        momentum: :math:`\mu` >= 0, usually 0.9.
        dampening: :math:`d`; must be 0 with ``nesterov``.
        weight_decay: L2 coefficient, a finite number >= 0.
        nesterov: look ahead by one momentum step.
        maximize: ascend instead.
        foreach: hint for torch's implementation; every launch is fused here.
        differentiable: let autograd record the step (eager engine).
        fused: hint as ``foreach``; also lets GradScaler leave unscaling to the optimizer.
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.
        RuntimeError: ``fused`` together with ``foreach`` or ``differentiable``.

    State: ``momentum_buffer``, like the parameter, if momentum is not 0.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.SGD([w], lr=0.1, momentum=0.9)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.8000, 1.6000])

    Source: Polyak 1964; Sutskever et al., ICML 2013, section 2 (the momentum of torch, which multiplies the rate last).
    """

    rule = rules.SGD
    _later_options: ClassVar[dict[str, Any]] = {**Optimizer._later_options, "nesterov": False, "fused": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-3,
        momentum: float | Schedule = 0,
        dampening: float | Schedule = 0,
        weight_decay: float | Tensor | Schedule = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        self._check_group(defaults)
        checks.hints(fused, foreach, differentiable)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid momentum value", "momentum", group["momentum"])
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"], tensor=True)
        checks.finite("Invalid dampening value", "dampening", group["dampening"])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "Nesterov momentum requires a momentum and zero dampening, "
                f"got momentum={group['momentum']}, dampening={group['dampening']}"
            )
