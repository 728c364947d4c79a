"""Prodigy's estimate of Adam's learning rate (arXiv:2306.06101, algorithm 4), as a second opinion beside a range test.

It assumes nothing of the range test: a lower bound d on the distance from the start to the solution, grown from the
gradients while Adam trains with the rate d. Its author's advice is to take what d settles at as the rate of AdamW. It
says nothing about optimizers whose step is proportional to the gradient, such as SGD.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
START = 1e-6


class Prodigy:
    """The state of the algorithm for some parameters; `d` is the estimate.

    Args:
        parameters: to train, in place.
        d: what to start from; far below any answer, as it can only grow.
    """

    def __init__(self, parameters: Iterable[Tensor], d: float = START) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        self.d = d
        self._start = [p.detach().clone() for p in self.parameters]
        self._m, self._v, self._s = ([torch.zeros_like(p) for p in self._start] for _ in range(3))
        self._r = 0.0

    @torch.no_grad()
    def step(self) -> None:
        """One update from the gradients in `.grad`.

        r = √β₂·r + (1-√β₂)·d²·⟨g, x₀-x⟩,   s = √β₂·s + (1-√β₂)·d²·g
        m = β₁·m + (1-β₁)·d·g,              v = β₂·v + (1-β₂)·d²·g²
        x = x - d·m/(√v + d·ε),             d = max(d, r/‖s‖₁)
        """
        d, root = self.d, math.sqrt(BETA2)
        self._r *= root
        norm = 0.0
        for x, x0, m, v, s in zip(self.parameters, self._start, self._m, self._v, self._s, strict=True):
            if x.grad is None:
                s.mul_(root)
            else:
                g = x.grad.to_dense() if x.grad.layout is not torch.strided else x.grad
                self._r += (1 - root) * d * d * float(((x0 - x) * g).sum())
                s.mul_(root).add_(g, alpha=(1 - root) * d * d)
                m.mul_(BETA1).add_(g, alpha=(1 - BETA1) * d)
                v.mul_(BETA2).addcmul_(g, g, value=(1 - BETA2) * d * d)
                x.addcdiv_(m, v.sqrt().add_(d * EPS), value=-d)
            norm += float(s.abs().sum())
        if norm > 0 and math.isfinite(norm) and math.isfinite(self._r):
            self.d = max(d, self._r / norm)


def estimate(parameters: Iterable[Tensor], backward: Callable[[int], float], steps: int) -> float | None:
    """Train with Prodigy, and read its d at the end.

    Args:
        parameters: to train, in place.
        backward: leaves the gradients of the step of that number in `.grad`, and returns the loss.
        steps: how many.

    Returns:
        d; None if it never left its start, or if the loss was not finite.
    """
    prodigy = Prodigy(parameters)
    for i in range(steps):
        for p in prodigy.parameters:
            p.grad = None
        if not math.isfinite(backward(i)):
            return None
        prodigy.step()
    return prodigy.d if prodigy.d > START and math.isfinite(prodigy.d) else None
