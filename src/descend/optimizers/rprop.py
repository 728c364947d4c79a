"""Rprop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from .. import rules
from ..rules import Rule
from ..schedules import Schedule
from . import checks
from .base import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .common import Common


class Rprop(Optimizer):
    r"""Resilient propagation: a step size for every element, which only the signs of its gradients change.

    .. math::
        s_t = \begin{cases} \min(\eta^+ s_{t-1}, s_{\max}) & g_{t-1} g_t > 0 \\
        \max(\eta^- s_{t-1}, s_{\min}),\ g_t \leftarrow 0 & g_{t-1} g_t < 0 \\ s_{t-1} & \text{else} \end{cases},
        \qquad p_t = p_{t-1} - \frac{\gamma_t}{\gamma_0}\, s_t \operatorname{sign}(g_t), \qquad s_0 = \gamma_0

    For full batches: noise in a gradient's sign is taken for a change of direction. Step sizes begin with the learning
    rate, and every change of it scales all steps from then on; torch's Rprop reads it only once.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor: the first step.
        etas: :math:`(\eta^-, \eta^+)`, factors of a step size after a change of sign and without one: 0 < a < 1 < b.
        step_sizes: (smallest, largest) step size for the learning rate at the start; the largest may be infinite.
        capturable: refused on CPU at the step, as in torch.
        foreach: hint for torch's implementation; every launch is fused here.
        maximize: ascend instead.
        differentiable: let autograd record the step (eager engine).
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.

    State: ``step``; ``prev`` (the gradient before) and ``step_size`` (:math:`s`), like the parameter; ``initial_lr``
    (:math:`\gamma_0`) once the learning rate has changed.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.Rprop([w], lr=0.1)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.9000, 1.9000])

    Source: Riedmiller & Braun 1993, ICNN, in the variant iRprop- of Igel & Huesken 2000, NC.
    """

    rule = rules.RPROP
    _later_options: ClassVar[dict[str, Any]] = {**Optimizer._later_options, "capturable": False}
    _rates: list[tuple[Any, int]] | None = None  # (lr, number of parameters) of every group at the last look
    _began: dict[Tensor, float]  # the lr with which a parameter's step sizes began

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-2,
        etas: tuple[float | Schedule, float | Schedule] = (0.5, 1.2),
        step_sizes: tuple[float | Schedule, float | Schedule] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        self._check_group(defaults)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        etas, sizes = group["etas"], group["step_sizes"]
        for name, pair in (("etas", etas), ("step_sizes", sizes)):
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and all(hasattr(v, "__float__") for v in pair)):
                raise ValueError(f"Invalid {name}: {pair!r} ({name} must be a pair of numbers)")
        if not 0.0 < etas[0] < 1.0 < etas[1] < math.inf:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]} (etas must be 0 < etaminus < 1 < etaplus)")
        if not 0.0 <= sizes[0] <= sizes[1] or sizes[0] == math.inf:
            raise ValueError(
                f"Invalid step_sizes: {sizes[0]}, {sizes[1]} (step_sizes must be 0 <= smallest <= largest)"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; see :meth:`descend.Optimizer.step`."""
        self._notice_lr(stepping=True)
        return super().step(closure)

    def state_dict(self, *, format: str | None = None) -> dict[str, Any]:
        """Everything that a checkpoint needs; see :meth:`descend.Optimizer.state_dict`."""
        self._notice_lr()
        return super().state_dict(format=format)

    def __getstate__(self) -> dict[str, Any]:
        self._notice_lr()
        return super().__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        following = any(isinstance(held, dict) and "initial_lr" in held for held in state["state"].values())
        self._use(rules.RPROP_FOLLOWING if following else rules.RPROP)
        super().__setstate__(state)

    def _use(self, rule: Rule) -> None:
        self.rule = rule  # type: ignore[misc]  # of this optimizer
        self._rates = self._repeater = None
        self._began = {}

    @torch._disable_dynamo
    def _notice_lr(self, stepping: bool = False) -> None:
        """See whether a learning rate has changed since the state of its parameters began; then they remember it.

        Until then the state is torch's, and so are the numbers.
        """
        if stepping and self._scheduled is not None:
            self._scheduled.settle(self)
        if self.rule is rules.RPROP_FOLLOWING:
            return
        groups = self.param_groups
        rates = [(_number(group["lr"]), len(group["params"])) for group in groups]
        if rates == self._rates:
            return
        try:
            for group in groups:
                self._check_group(group)
        except (TypeError, ValueError):
            return  # the step says what is wrong
        before, began, changed = self._began if self._rates else {}, {}, False
        for group, (lr, _) in zip(groups, rates, strict=True):
            for p in group["params"]:
                state = self.state.get(p)
                began[p] = before.get(p, lr) if state else lr
                if state and began[p] != lr and (not began[p] or state["step"] == 0):
                    if lr:  # no size is in proportion to 0, and none has been used before the first step
                        _begin(state["step_size"], lr)
                    began[p] = lr
                changed |= began[p] != lr
        if changed:
            self._use(rules.RPROP_FOLLOWING)
            for p, lr in began.items():
                if self.state.get(p):
                    self.state[p]["initial_lr"] = torch.full_like(self.state[p]["step"], lr)
        else:
            self._rates, self._began = rates, began


def _number(lr: float | Tensor) -> Any:
    if not isinstance(lr, Tensor):
        return lr
    return lr.item() if lr.numel() == 1 else math.nan


def _begin(step_size: Tensor, lr: float) -> None:
    with torch.no_grad():
        (torch.view_as_real(step_size) if step_size.is_complex() else step_size).fill_(lr)
