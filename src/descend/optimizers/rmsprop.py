"""RMSprop."""

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


class RMSprop(Optimizer):
    r"""RMSprop: the gradient divided by a running root mean square of itself.

    .. math::
        v_t = \alpha v_{t-1} + (1-\alpha)\, g_t^2; \qquad p_t = p_{t-1} - \gamma \frac{g_t}{\sqrt{v_t} + \epsilon}

    with momentum :math:`b_t = \mu b_{t-1} + g_t / (\sqrt{v_t} + \epsilon)`, :math:`p_t = p_{t-1} - \gamma b_t`;
    centered: :math:`v_t - a_t^2` (at least 0) in place of :math:`v_t`, :math:`a_t` the running mean of the gradient.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor. 0.001 is a common start.
        alpha: smoothing constant :math:`\alpha` >= 0, usually 0.9 to 0.99.
        eps: :math:`\epsilon` >= 0, added to the root.
        weight_decay: L2 coefficient, a finite number >= 0.
        momentum: :math:`\mu` >= 0.
        centered: divide by the standard deviation instead.
        capturable: refused on CPU at the step, as in torch.
        foreach: hint for torch's implementation; every launch is fused here.
        maximize: ascend instead.
        differentiable: let autograd record the step (eager engine).
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.

    State: ``step``; ``square_avg``, and ``momentum_buffer`` and ``grad_avg`` if switched on, like the parameter.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.RMSprop([w], lr=0.01)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.9000, 1.9000])

    Source: Tieleman & Hinton 2012, lecture 6.5; centered: Graves 2013, arXiv:1308.0850, eq. 38-45.
    """

    rule = rules.RMSPROP
    _later_options: ClassVar[dict[str, Any]] = {
        **Optimizer._later_options,
        "momentum": 0,
        "centered": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-2,
        alpha: float | Schedule = 0.99,
        eps: float | Schedule = 1e-8,
        weight_decay: float | Schedule = 0,
        momentum: float | Schedule = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        self._check_group(defaults)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid epsilon value", "eps", group["eps"])
        checks.number("Invalid momentum value", "momentum", group["momentum"])
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"])
        checks.number("Invalid alpha value", "alpha", group["alpha"], most=1.0)
