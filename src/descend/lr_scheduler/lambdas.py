"""Schedulers that ask functions of the user: LambdaLR for the factor of an epoch, MultiplicativeLR for its change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import mul
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from . import checks, functions
from .base import LRScheduler, check_optimizer
from .closed import AbsoluteLR, ClosedLR
from .rates import Rate

Factor = Callable[[int], float]


def _one_each(owner: LRScheduler, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor]) -> list[Factor]:
    """A function for each group.

    Raises:
        TypeError: not a function.
        ValueError: another number of functions than groups.
    """
    check_optimizer(optimizer)
    number = len(optimizer.param_groups)
    found: list[Any] = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * number
    if len(found) != number:
        raise ValueError(f"Expected {number} lr_lambdas, but got {len(found)}")
    for function in found:
        if not callable(function):
            raise TypeError(
                f"lr_lambda should be a function, but got {type(function).__name__}. "
                + checks.text(owner, "lr_lambda", repr(function), "a function of the epoch, or a list of them")
            )
    return found


class _Lambdas(LRScheduler):
    """What both have in common: functions in the state, and for groups that are added."""

    lr_lambdas: list[Factor]
    _transient = LRScheduler._transient | {"lr_lambdas"}

    def _asked(self, k: int) -> list[float]:
        """What the functions say of epoch k; one that serves several groups is asked once."""
        first, *others = self.lr_lambdas
        factor = first(k)
        return [factor, *[factor if function is first else function(k) for function in others]]

    def _new_group(self, i: int, group: dict[str, Any]) -> None:
        """A group that is added follows the function that all others follow."""
        if len(self.lr_lambdas) > i:
            super()._new_group(i, group)
            return
        if any(function is not self.lr_lambdas[0] for function in self.lr_lambdas):
            raise ValueError(
                f"{type(self).__name__} has a function for each of {i} parameter groups; append one for the group that "
                "was added to `lr_lambdas`"
            )
        self.lr_lambdas.append(self.lr_lambdas[0])
        super()._new_group(i, group)

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        functions.put(state, "lr_lambdas", self.lr_lambdas)
        return state

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        state = dict(state_dict)
        found = functions.take(state, "lr_lambdas", self.lr_lambdas)
        if not keep_settings:
            self.lr_lambdas = found
        return super()._load(state, keep_settings)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "lr_lambdas": self.lr_lambdas}


class LambdaLR(_Lambdas, AbsoluteLR):
    r"""Sets the rates to the base rates times a function of the epoch: :math:`\eta_0 \lambda(k)`.

    Args:
        optimizer: of descend or of torch.optim.
        lr_lambda: a function of the epoch, or a list of one for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        TypeError: not a function.
        ValueError: another number of functions than groups.

    A state_dict holds callable objects as torch's does, and functions of modules, functools.partial included, by name.

    Example:
        >>> import torch
        >>> import descend as optim
        >>> optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    _transient = AbsoluteLR._transient | _Lambdas._transient

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        self.lr_lambdas = _one_each(self, optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def _rates(self, k: int) -> list[float]:
        every = zip(self.base_lrs, self._asked(k), strict=False)
        return [base * factor if type(base) is float else float(base) * factor for base, factor in every]

    def _move(self, group: dict[str, Any], k: int) -> float:
        group["lr"] = lr = float(self.base_lrs[0]) * self.lr_lambdas[0](k)
        return lr


class MultiplicativeLR(_Lambdas, ClosedLR):
    r"""Multiplies the rates of every epoch with a function of it: :math:`\eta_0 \prod_{j=1}^{k} \lambda(j)`.

    Args:
        optimizer: of descend or of torch.optim.
        lr_lambda: a function of the epoch, or a list of one for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        TypeError: not a function.
        ValueError: another number of functions than groups.

    Its closed form is the product itself, so it goes from rate to rate as torch's class does; but it starts at the base
    rate wherever a SequentialLR starts it, and remembers the exact rate where a Tensor holds a rounded one.
    """

    _transient = ClosedLR._transient | _Lambdas._transient
    _follows_settings = False
    _exact: dict[int, float]  # what Tensors hold, exactly

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        self.lr_lambdas = _one_each(self, optimizer, lr_lambda)
        self._exact = {}
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and write its rates. To be called after the optimizer's step.

        Args:
            epoch: deprecated, with torch's warning: the epoch to go to instead of the next one.
        """
        groups = self.optimizer.param_groups
        lr = groups[0]["lr"]
        if epoch is not None or type(lr) is not float or self._step_count < 2 or len(groups) != len(self._last_lr):
            self._step(epoch)
            return
        k = self.last_epoch + 1
        if len(groups) == 1:
            groups[0]["lr"] = lr = lr * self.lr_lambdas[0](k)
            self._last_lr = [lr]
        else:
            now = [group["lr"] for group in groups]
            if set(map(type, now)) != {float}:
                self._step(epoch)
                return
            self._last_lr = list(map(mul, now, self._asked(k)))
            for group, value in zip(groups, self._last_lr, strict=True):
                group["lr"] = value
        self.last_epoch = k
        self._step_count += 1

    def _next(self, k: int, anew: bool) -> list[float]:
        if not anew:
            return [self._now(i) * factor for i, factor in enumerate(self._asked(k))]
        values = list(map(float, self.base_lrs))
        for j in range(1, k + 1):
            values = [value * factor for value, factor in zip(values, self._asked(j), strict=False)]
        return values

    def _now(self, i: int) -> float:
        """The rate of group i, exactly if this scheduler wrote it."""
        if self._exact and i in self._exact and self._changed(i) is None:
            return self._exact[i]
        return float(self.optimizer.param_groups[i]["lr"])

    def _put(self, i: int, value: float) -> Rate:
        written = super()._put(i, value)
        if isinstance(written, Tensor):
            self._exact[i] = value
        return written

    def _start(self, k: int) -> list[float]:
        """At construction the rates stay, unless training goes on with rates that are the base rates yet."""
        now = [float(group["lr"]) for group in self.optimizer.param_groups]
        return self._next(k, True) if k and now == list(map(float, self.base_lrs)) else now
