"""NAdam."""

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


class NAdam(Optimizer):
    r"""NAdam: Adam that looks one step of its momentum ahead, as Nesterov's method does.

    .. math::
        \mu_t = \beta_1 (1 - \tfrac{1}{2}\, 0.96^{t \psi}), \quad \hat m_t =
        \frac{\mu_{t+1} m_t}{1 - \prod_{i=1}^{t+1} \mu_i} + \frac{(1-\mu_t)\, g_t}{1 - \prod_{i=1}^{t} \mu_i}, \quad
        p_t = p_{t-1} - \gamma \frac{\hat m_t}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon}

    with :math:`m_t, v_t` as in :class:`descend.Adam`.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor. 0.002 is the paper's.
        betas: :math:`(\beta_1, \beta_2)`, each in [0, 1).
        eps: :math:`\epsilon` >= 0, added to the root.
        weight_decay: coefficient of the decay, a finite number >= 0.
        momentum_decay: :math:`\psi` >= 0, how fast the momentum rises from :math:`\beta_1 / 2` to :math:`\beta_1`.
        decoupled_weight_decay: decay as :class:`descend.AdamW` does, not as L2 penalty.
        foreach: hint for torch's implementation; every launch is fused here.
        maximize: ascend instead.
        capturable: refused on CPU at the step, as in torch.
        differentiable: let autograd record the step (eager engine).
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.

    State: ``step`` and ``mu_product`` (:math:`\prod \mu_i`); ``exp_avg``, ``exp_avg_sq``, like the parameter.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.NAdam([w], lr=0.1)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.8944, 1.8944])

    Source: Dozat 2016, "Incorporating Nesterov Momentum into Adam", ICLR workshop, Alg. 2.
    """

    rule = rules.NADAM
    _later_options: ClassVar[dict[str, Any]] = {
        **Optimizer._later_options,
        "capturable": False,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 2e-3,
        betas: tuple[float | Schedule, float | Schedule] = (0.9, 0.999),
        eps: float | Schedule = 1e-8,
        weight_decay: float | Schedule = 0,
        momentum_decay: float | Schedule = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        self._check_group(defaults)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid epsilon value", "eps", group["eps"])
        checks.betas(group["betas"])
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"])
        checks.number("Invalid momentum_decay value", "momentum_decay", group["momentum_decay"])
