"""Adam and AdamW: one rule, two kinds of weight decay."""

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

_TENSOR_FOREACH = "as a Tensor is not supported for capturable=False and foreach=True: leave foreach=None"


class Adam(Optimizer):
    r"""Adam: steps of about the size of the learning rate, whatever the scale of the gradient.

    .. math::
        m_t = \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \quad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2, \quad
        p_t = p_{t-1} - \gamma \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon}

    with :math:`g_t` the gradient plus ``weight_decay`` times the parameter; amsgrad: the largest :math:`v` so far.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor. 0.001 is a common start.
        betas: :math:`(\beta_1, \beta_2)`, each in [0, 1): two numbers or two one-element Tensors.
        eps: :math:`\epsilon` >= 0, added to the root.
        weight_decay: L2 coefficient, a finite number >= 0.
        amsgrad: divide by the root of the largest second moment so far.
        foreach: hint for torch's implementation; every launch is fused here.
        maximize: ascend instead.
        capturable: refused on CPU at the step, as in torch.
        differentiable: let autograd record the step (eager engine).
        fused: hint as ``foreach``; also lets GradScaler leave unscaling to the optimizer.
        decoupled_weight_decay: decay as AdamW does.
        common: ``engine``, ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.
        RuntimeError: ``fused`` together with ``foreach`` or ``differentiable``.

    State: ``step``; ``exp_avg``, ``exp_avg_sq`` and, with amsgrad, ``max_exp_avg_sq``, like the parameter.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.Adam([w], lr=0.1)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.9000, 1.9000])

    Source: Kingma & Ba 2015, arXiv:1412.6980, Alg. 1; Reddi, Kale & Kumar 2018, arXiv:1904.09237 (amsgrad).
    """

    rule = rules.ADAM
    _refuses_sparse = "Adam does not support sparse gradients, please consider SparseAdam instead"
    _later_options: ClassVar[dict[str, Any]] = {
        **Optimizer._later_options,
        "amsgrad": False,
        "capturable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-3,
        betas: tuple[float | Tensor | Schedule, float | Tensor | Schedule] = (0.9, 0.999),
        eps: float | Schedule = 1e-8,
        weight_decay: float | Schedule = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        if foreach and not capturable and isinstance(lr, Tensor):
            raise ValueError(f"lr {_TENSOR_FOREACH}")
        self._check_group(defaults)
        defaults["betas"] = tuple(b.squeeze() if isinstance(b, Tensor) else b for b in betas)
        if foreach and not capturable and isinstance(betas[0], Tensor):
            raise ValueError(f"betas[0] {_TENSOR_FOREACH}")
        checks.hints(fused, foreach, differentiable)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Invalid learning rate", "lr", group["lr"], tensor=True)
        checks.number("Invalid epsilon value", "eps", group["eps"])
        checks.betas(group["betas"])
        checks.number("Invalid weight_decay value", "weight_decay", group["weight_decay"], tensor=True)


class AdamW(Adam):
    r"""Adam with decoupled weight decay: the decay does not pass through the moments.

    .. math::
        p_t = (1 - \gamma \lambda)\, p_{t-1} - \gamma \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon}

    with :math:`m_t, v_t` as in :class:`Adam`, of the gradient alone.

    Args:
        params: parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: learning rate :math:`\gamma`, a finite number >= 0 or a one-element Tensor.
        betas: :math:`(\beta_1, \beta_2)`, each in [0, 1): two numbers or two one-element Tensors.
        eps: :math:`\epsilon` >= 0, added to the root.
        weight_decay: :math:`\lambda`, a finite number >= 0; the share of a parameter lost per step is lr times this.
        amsgrad: divide by the root of the largest second moment so far.
        maximize, foreach, capturable, differentiable, fused, common: as in :class:`Adam`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.
        RuntimeError: ``fused`` together with ``foreach`` or ``differentiable``.

    State: as :class:`Adam`.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.AdamW([w], lr=0.1, weight_decay=0.1)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.8900, 1.8800])

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101, Alg. 2 (with the rate folded into the decay, as torch does).
    """

    _later_options: ClassVar[dict[str, Any]] = {**Adam._later_options, "decoupled_weight_decay": True}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-3,
        betas: tuple[float | Tensor | Schedule, float | Tensor | Schedule] = (0.9, 0.999),
        eps: float | Schedule = 1e-8,
        weight_decay: float | Schedule = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
            **common,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True  # whatever kind of Adam the checkpoint is of
