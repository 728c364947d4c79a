"""Adagrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from .. import rules
from ..schedules import Schedule
from . import checks
from .base import Optimizer
from .stepping import materialize

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .common import Common


class Adagrad(Optimizer):
    r"""Adagrad: each element's rate falls with the sum of its squared gradients.

    .. math::
        s_t = s_{t-1} + g_t^2; \qquad p_t = p_{t-1} - \frac{\gamma}{1 + (t-1)\,\eta} \frac{g_t}{\sqrt{s_t} + \epsilon}

    with :math:`g_t` the gradient plus ``weight_decay`` times the parameter.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor.
        lr_decay: :math:`\eta` >= 0.
        weight_decay: L2 coefficient, a finite number >= 0.
        initial_accumulator_value: :math:`s_0` >= 0; may differ between groups.
        eps: :math:`\epsilon` >= 0, added to the root.
        foreach: hint for torch's implementation; every launch is fused here.
        maximize: ascend instead.
        differentiable: let autograd record the step (eager engine).
        fused: hint as ``foreach``; also lets GradScaler leave unscaling to the optimizer.
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.
        RuntimeError: ``fused`` together with ``foreach`` or ``differentiable``.

    State: ``step``; ``sum``, like the parameter. Made by the first step, not by the constructor as in torch.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.Adagrad([w], lr=0.1)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.9000, 1.9000])

    Source: Duchi, Hazan & Singer, JMLR 12 (2011), section 1.1, diagonal form.
    """

    rule = rules.ADAGRAD
    _later_options: ClassVar[dict[str, Any]] = {**Optimizer._later_options, "fused": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-2,
        lr_decay: float | Schedule = 0,
        weight_decay: float | Schedule = 0,
        initial_accumulator_value: float | Schedule = 0,
        eps: float | Schedule = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        self._check_group(defaults)
        checks.hints(fused, foreach, differentiable)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid lr_decay value", "lr_decay", group["lr_decay"])
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"])
        initial = group["initial_accumulator_value"]
        checks.number("Invalid initial_accumulator_value value", "initial_accumulator_value", initial)
        checks.number("Invalid epsilon value", "eps", group["eps"])

    def share_memory(self) -> None:
        """Move the sums to shared memory, for training from several processes."""
        with torch.no_grad():
            materialize(self)
        for state in self.state.values():
            state["sum"].share_memory_()
