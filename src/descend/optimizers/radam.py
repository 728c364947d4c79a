"""RAdam."""

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


class RAdam(Optimizer):
    r"""Rectified Adam: steps shrink while the second moment rests on few gradients, which makes warm-up unnecessary.

    .. math::
        p_t = p_{t-1} - \gamma \frac{m_t}{1-\beta_1^t}\, r_t \frac{\sqrt{1-\beta_2^t}}{\sqrt{v_t} + \epsilon}, \quad
        r_t = \sqrt{\frac{(\rho_t-4)(\rho_t-2)\rho_\infty}{(\rho_\infty-4)(\rho_\infty-2)\rho_t}}, \quad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1-\beta_2^t}, \quad \rho_\infty = \frac{2}{1-\beta_2} - 1

    with :math:`m_t, v_t` as in :class:`descend.Adam`; while :math:`\rho_t \le 5`, for :math:`\beta_2 = 0.999` in the
    first five steps, :math:`p_t = p_{t-1} - \gamma\, m_t / (1-\beta_1^t)`.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor.
        betas: :math:`(\beta_1, \beta_2)`, each in [0, 1).
        eps: :math:`\epsilon` >= 0, added to the root.
        weight_decay: coefficient of the decay, a finite number >= 0.
        decoupled_weight_decay: decay as :class:`descend.AdamW` does, not as L2 penalty.
        foreach: hint for torch's implementation; every launch is fused here.
        maximize: ascend instead.
        capturable: refused on CPU at the step, as in torch.
        differentiable: let autograd record the step (eager engine).
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.

    State: ``step``; ``exp_avg`` and ``exp_avg_sq``, like the parameter.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.RAdam([w], lr=0.1)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.8000, 1.6000])

    Source: Liu et al. 2020, arXiv:1908.03265, Alg. 2; rectified from a length of 5 on, as torch has it, not 4.
    """

    rule = rules.RADAM
    _later_options: ClassVar[dict[str, Any]] = {
        **Optimizer._later_options,
        "capturable": False,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-3,
        betas: tuple[float | Schedule, float | Schedule] = (0.9, 0.999),
        eps: float | Schedule = 1e-8,
        weight_decay: float | Schedule = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        self._check_group(defaults)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid epsilon value", "eps", group["eps"])
        checks.betas(group["betas"])
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"])
