"""ReduceLROnPlateau: the rate is reduced where a metric has stopped improving."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, SupportsFloat

from torch.optim import Optimizer
from torch.optim import lr_scheduler as torch_schedulers

from . import checks, rates
from .base import EPOCH_DEPRECATION_WARNING, LRScheduler, check_optimizer
from .rates import Rate

_DEFAULT_EPS = 1e-8


class ReduceLROnPlateau(LRScheduler, torch_schedulers.ReduceLROnPlateau):
    """Scales the rates by `factor` when a metric has not improved for more than `patience` epochs.

    Args:
        optimizer: of descend or of torch.optim.
        mode: "min": a smaller metric is better; "max": a larger one.
        factor: in [0, 1).
        patience: epochs without improvement that are let pass, >= 0.
        threshold: how much better a metric must be to count as better, >= 0.
        threshold_mode: "rel": by the threshold's share of the best metric's size, whatever its sign; "abs": by itself.
        cooldown: epochs after a reduction that are not counted, >= 0.
        min_lr: smallest rate, a number or one for each group, >= 0.
        eps: a reduction by no more than this is left out. The default is relative to the rate, so that small rates are
            reduced too; any other value is absolute, as in torch.

    Raises:
        ValueError: an argument is not as above.

    Example:
        >>> import torch
        >>> import descend as optim
        >>> optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.1]
    """

    _transient = LRScheduler._transient | {"_bar"}
    _settings = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lrs", "eps")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = _DEFAULT_EPS,
    ) -> None:
        check_optimizer(optimizer)
        if not 0 <= factor < 1:
            raise ValueError("Factor should be < 1.0. " + checks.text(self, "factor", factor, "in [0, 1)"))
        number = len(optimizer.param_groups)
        if isinstance(min_lr, (list, tuple)) and len(min_lr) != number:
            raise ValueError(f"expected {number} min_lrs, got {len(min_lr)}")
        self.factor = factor
        self.optimizer = optimizer
        self.default_min_lr: float | None = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * number
        checks.numbers(self, "min_lr", self.min_lrs, "a finite number >= 0", lambda value: value >= 0)
        for name, value in (("patience", patience), ("cooldown", cooldown)):
            checks.number(self, name, value, "a number of epochs >= 0", lambda value: value >= 0)
        for name, share in (("threshold", threshold), ("eps", eps)):
            checks.number(self, name, share, "a finite number >= 0", lambda value: value >= 0)
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self.base_lrs = [rates.copied(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
        self._last_lr = rates.of_groups(optimizer, "lr")
        self._init_is_better(mode, threshold, threshold_mode)
        self._reset()

    def _init_is_better(self, mode: Any, threshold: Any, threshold_mode: Any) -> None:
        checks.choice(self, "mode", mode, ("min", "max"), f"mode {mode} is unknown! ")
        words = f"threshold mode {threshold_mode} is unknown! "
        checks.choice(self, "threshold_mode", threshold_mode, ("rel", "abs"), words)
        self.mode_worse: float = math.inf if mode == "min" else -math.inf
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self._bar = (None, 0.0)

    def _reset(self) -> None:
        """Forget all metrics."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether metrics are not counted, because the rates have been reduced a short while ago."""
        return self.cooldown_counter > 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take in the metric of an epoch, and reduce the rates if it has not improved for too long.

        Args:
            metrics: a number, or a Tensor of one element.
            epoch: deprecated, with torch's warning: the number of the epoch.
        """
        current = metrics if type(metrics) is float else float(metrics)
        if epoch is None:
            self.last_epoch += 1
        else:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
            self.last_epoch = epoch
        best, bar = self._bar
        if best is not self.best:
            bar = self._raise_bar()
        if (current < bar) if self.mode == "min" else (current > bar):
            self.best = current
            bad = 0
        else:
            bad = self.num_bad_epochs + 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            bad = 0
        if bad > self.patience:
            self._reduce_lr(self.last_epoch)
            self.cooldown_counter = self.cooldown
            bad = 0
        self.num_bad_epochs = bad
        groups = self.optimizer.param_groups
        if len(groups) != 1 or groups[0]["lr"] is not self._last_lr[0]:
            self._last_lr = rates.of_groups(self.optimizer, "lr")

    _bar: tuple[object, float]  # the best metric, and what a better one must get past

    def _raise_bar(self) -> float:
        best, margin = self.best, self.threshold
        sign = -1.0 if self.mode == "min" else 1.0
        if best == self.mode_worse:  # the first one: shares of infinity are not a number
            bar = best
        elif self.threshold_mode == "rel":  # as torch computes it, where the best is positive
            bar = best * (1.0 + (sign if best >= 0 else -sign) * margin)
        else:
            bar = best + sign * margin
        self._bar = best, bar
        return bar

    def _is_better(self, a: float, best: float) -> bool:
        """Whether metric a is better than the best one by more than the threshold."""
        self.best, kept = best, self.best
        bar = self._raise_bar()
        self.best, self._bar = kept, (None, 0.0)
        return a < bar if self.mode == "min" else a > bar

    def _reduce_lr(self, epoch: int) -> None:
        self._take_in_new_groups()
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, least)
            if old - new > (self.eps * old if self.eps == _DEFAULT_EPS else self.eps):
                rates.put(group, "lr", new)

    def _take_in_new_groups(self) -> None:
        groups = self.optimizer.param_groups
        if len(self.min_lrs) < len(groups):
            least = self.min_lrs[0] if self.default_min_lr is None else self.default_min_lr
            if self.default_min_lr is None and any(value != least for value in self.min_lrs):
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when "
                    f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}), usually due to a new param group "
                    "being added to the optimizer. Please modify the `min_lrs` field to match the length of the "
                    "`optimizer` param groups."
                )
            self.min_lrs += [least] * (len(groups) - len(self.min_lrs))

    def _update_lr(self, epoch: int | None = None) -> None:
        """Begin anew with the base rates: what a SequentialLR asks for at a milestone."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=False):
            rates.put(group, "lr", base)
        self.last_epoch = epoch or 0
        self._reset()
        self._last_lr = rates.of_groups(self.optimizer, "lr")

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        values = super()._load(state_dict, keep_settings)
        self._init_is_better(self.mode, self.threshold, self.threshold_mode)
        return values
