"""CosineAnnealingWarmRestarts: half periods of a cosine, again and again."""

from __future__ import annotations

import math
from math import pi, sin
from typing import Any

from torch.optim import Optimizer

from . import checks, forms
from .closed import AbsoluteLR
from .rates import Rate

_RIGHT_ANGLE = pi / 2


class CosineAnnealingWarmRestarts(AbsoluteLR):
    r"""Lets the rates go down along half a period of a cosine, from the base rates towards `eta_min`, again and again.

    .. math:: \eta_\min + (\eta_0 - \eta_\min) \frac{1 + \cos(\pi\, T_\text{cur} / T_i)}{2}

    Args:
        optimizer: of descend or of torch.optim.
        T_0: epochs of the first period, > 0.
        T_mult: how much longer every period is than the one before, >= 1.
        eta_min: the rate that each period comes down to.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: an argument is not as above.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5.
    """

    _settings = ("T_0", "T_mult", "eta_min")
    _transient = AbsoluteLR._transient | {"_begun"}
    _begun: float  # the epoch at which the period of now has begun; not known before it was looked up

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        checks.whole(self, "T_0", T_0, 1, f"Expected positive integer T_0, but got {T_0}. ")
        checks.whole(self, "T_mult", T_mult, 1, f"Expected integer T_mult >= 1, but got {T_mult}. ")
        if not isinstance(eta_min, (float, int)) or not math.isfinite(eta_min):
            raise ValueError(
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}. "
                + checks.text(self, "eta_min", eta_min, "a finite number")
            )
        self.T_0 = int(T_0)
        self.T_i = self.T_0
        self.T_mult = int(T_mult)
        self.eta_min = eta_min
        self._begun = math.inf
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def _factor(self, k: float) -> float:
        """What is left of the height, at epoch k of all."""
        length = self.T_i
        at = k - self._begun
        if not 0 <= at < length:  # in another period
            at, length = forms.restart(k, self.T_0, self.T_mult)
            self.T_i = length
            self._begun = k - at
        self.T_cur = at
        root = sin(_RIGHT_ANGLE * ((length - at) / length))
        return root * root

    def _rates(self, k: float) -> list[float]:
        factor, low = self._factor(k), self.eta_min
        return [low + (float(base) - low) * factor for base in self.base_lrs]

    def _move(self, group: dict[str, Any], k: float) -> float:
        at = k - self._begun
        if 0 <= at < self.T_i:  # as `_factor`, whose call would cost as much as what it computes
            self.T_cur = at
            factor = sin(_RIGHT_ANGLE * ((self.T_i - at) / self.T_i))
            factor *= factor
        else:
            factor = self._factor(k)
        low = self.eta_min
        group["lr"] = lr = low + (float(self.base_lrs[0]) - low) * factor
        return lr

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch and write its rates. To be called after the optimizer's step.

        Args:
            epoch: the epoch to go to instead of the next one; fractions of it are allowed, as in torch.

        Raises:
            ValueError: it is negative.
        """
        if epoch is None:
            super().step()
            return
        self._update_lr(epoch)

    def _update_lr(self, epoch: Any = None) -> None:
        super()._update_lr(epoch)
        self.last_epoch = math.floor(self.last_epoch)

    def _load(self, state_dict: dict[str, Any], keep_settings: bool) -> list[Rate] | None:
        values = super()._load(state_dict, keep_settings)
        self._begun = math.inf
        if keep_settings:
            self.T_cur, self.T_i = forms.restart(max(self.last_epoch, 0), self.T_0, self.T_mult)
        return values
