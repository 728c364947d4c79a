"""Parameters of one device and dtype as one flat vector, and everything of length n that L-BFGS keeps for them.

A `Bucket` owns the vectors: the point, the trial point, direction and gradient, and the history W whose rows are
s_0, y_0, s_1, y_1, ... Its methods are a fixed number of torch calls each, however long the history and however many
evaluations. Numbers that decisions are taken on are gathered in one small tensor, `numbers`, so that a device is waited
for once per evaluation. Elements of complex parameters count as two real ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# What `numbers` begins with; products of W with the gradient follow.
SLOPE, CURVATURE, Y_Y, SMALLEST, LARGEST, D_D, SLOPE0, LOSS, HEAD = range(9)
_CPU = torch.device("cpu")


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of vectors for parameters of a dtype: at least float32."""
    return torch.float64 if dtype in (torch.float64, torch.complex128) else torch.float32


def real(tensor: Tensor) -> Tensor:
    """The tensor itself, or its real and imaginary parts side by side."""
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


class Bucket:
    """See the top of this file.

    Args:
        params: what it holds, in order.
        sign: 1 to minimise, -1 to maximise.
        scales: for each parameter, the share of a step that it takes (its learning rate over the largest); None: all 1.
    """

    def __init__(self, params: Sequence[Tensor], sign: float, scales: Sequence[float] | None) -> None:
        self.params = list(params)
        self.sign = sign
        self.device = params[0].device
        self.dtype = compute_dtype(params[0].dtype)
        self.views = [real(p.detach()) for p in params]
        self.sizes = [v.numel() for v in self.views]
        n = self.n = sum(self.sizes)
        new = self.new
        self.x, self.trial, self.grad_buffer = new(n), new(n), new(n)
        self.base = new(2, n)  # direction, gradient at x
        self.d, self.g0 = self.base.unbind(0)
        self.direction_row = self.base[:1]
        self.scale: Tensor | None = None
        if scales is not None:
            parts = [
                torch.full((size,), scale, dtype=self.dtype) for size, scale in zip(self.sizes, scales, strict=True)
            ]
            self.scale = torch.cat(parts).to(self.device)
        self.lower: Tensor | None = None
        self.upper: Tensor | None = None
        self.kept: Tensor | None = None  # gradient of a trial that a search may come back to
        self.best: Tensor | None = None  # the best point, while steps are taken that may lead uphill
        self.plain = len(params) == 1 and self.views[0].is_contiguous() and not params[0].is_complex()
        self.flat = self.views[0].view(-1) if self.plain else None
        self.x_parts, self.trial_parts, self.grad_parts = map(self._parts, (self.x, self.trial, self.grad_buffer))
        self.g = self.grad_buffer
        self.rows = 0
        self.allocate(1)
        self.read_parameters()

    def new(self, *shape: int) -> Tensor:
        """Zeros."""
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def _parts(self, flat: Tensor) -> list[Tensor]:
        return [part.view(v.shape) for part, v in zip(flat.split(self.sizes), self.views, strict=True)]

    # ------------------------------------------------------------------------------------------------------ history

    def allocate(self, slots: int, kept: Sequence[int] = ()) -> None:
        """Make room for pairs in so many slots; those in the slots `kept` move to the front."""
        history = self.new(2 * slots, self.n)
        if kept:
            index = [row for slot in kept for row in (2 * slot, 2 * slot + 1)]
            history[: len(index)] = self.history[torch.tensor(index, device=self.device)]
        self.adopt(history)

    def adopt(self, history: Tensor) -> None:
        """Use this tensor as the history."""
        self.history = history
        slots = history.shape[0] // 2
        self.row = history.unbind(0)
        self.numbers = self.new(HEAD + 2 * slots)
        self.host = self.numbers.numpy() if self.device == _CPU else None
        n = self.numbers
        self.out_slope, self.out_curvature = n[SLOPE : SLOPE + 1], n[CURVATURE : CURVATURE + 1]
        self.out_yy, self.out_smallest, self.out_largest = n[Y_Y], n[SMALLEST], n[LARGEST]
        self.out_direction = n[D_D : SLOPE0 + 1]
        self.coefficients = torch.zeros(2 * slots, dtype=self.dtype, pin_memory=self.device.type == "cuda")
        self.coefficients_host = self.coefficients.numpy()
        self.rows = 0

    def use(self, slots: int) -> None:
        """Work with the first `slots` slots."""
        if self.rows != 2 * slots:
            self.rows = rows = 2 * slots
            self.used = self.history[:rows]
            self.used_t = self.used.t()
            self.out_products = self.numbers[HEAD : HEAD + rows]
            self.coefficients_used = self.coefficients[:rows]

    # --------------------------------------------------------------------------------------------------- parameters

    def read_parameters(self) -> None:
        """Let x be the parameters' values."""
        torch._foreach_copy_(self.x_parts, self.views)

    def write_parameters(self) -> None:
        """The parameters become x."""
        torch._foreach_copy_(self.views, self.x_parts)

    def move(self, t: float) -> None:
        """The parameters become x + t d, within the bounds."""
        torch.add(self.x, self.d, alpha=t, out=self.trial)
        if self.lower is not None:
            torch.clamp(self.trial, self.lower, self.upper, out=self.trial)
        if self.flat is not None:
            self.flat.copy_(self.trial)
        else:
            torch._foreach_copy_(self.views, self.trial_parts)

    def arrive(self) -> None:
        """The trial point becomes x."""
        self.x, self.trial = self.trial, self.x
        self.x_parts, self.trial_parts = self.trial_parts, self.x_parts

    # ---------------------------------------------------------------------------------------------------- gradients

    def gather(self) -> None:
        """Let g become the gradient of what is minimised."""
        if self.plain:
            grad = self.params[0].grad
            if (
                grad is not None
                and grad.dtype is self.dtype
                and grad.layout is torch.strided
                and self.sign > 0
                and grad.is_contiguous()
            ):
                self.g = grad.detach().view(-1)
                return
        self.g = self.grad_buffer
        parts, grads = [], []
        for part, p in zip(self.grad_parts, self.params, strict=True):
            grad = p.grad
            if grad is None:
                part.zero_()
                continue
            if grad.layout is not torch.strided:
                grad = grad.to_dense()
            parts.append(part)
            grads.append(real(grad.detach()))
        if parts:
            torch._foreach_copy_(parts, grads)
        if self.sign < 0:
            self.g.neg_()

    def measure(self, slot: int) -> None:
        """At a trial: y into its slot, and all numbers, without waiting for the device."""
        g, y = self.g, self.row[2 * slot + 1]
        if self.scale is None:
            torch.sub(g, self.g0, out=y)
            torch.mv(self.direction_row, y, out=self.out_curvature)
            torch.dot(y, y, out=self.out_yy)
        else:  # the slot holds y times the scale, see history.py
            plain = g - self.g0
            torch.mv(self.direction_row, plain, out=self.out_curvature)
            torch.mul(plain, self.scale, out=y)
            torch.dot(plain, y, out=self.out_yy)
        torch.mv(self.direction_row, g, out=self.out_slope)
        torch.mv(self.used, g, out=self.out_products)
        torch.aminmax(g, out=(self.out_smallest, self.out_largest))

    def measure_base(self) -> None:
        """At the point itself: products with the history, and the largest element."""
        torch.mv(self.used, self.g, out=self.out_products)
        torch.aminmax(self.g, out=(self.out_smallest, self.out_largest))

    def pack(self, loss: Tensor) -> None:
        """The loss among the numbers, so that the device is waited for once."""
        self.numbers[LOSS].copy_(loss.detach().reshape(()))

    def measured(self) -> Any:
        """The numbers, on the host; here a device is waited for."""
        return self.host if self.host is not None else self.numbers.cpu().numpy()

    def adopt_gradient(self) -> None:
        """Let g become the gradient at x."""
        self.g0.copy_(self.g)

    def keep(self) -> None:
        """Remember this trial's gradient."""
        if self.kept is None:
            self.kept = self.new(self.n)
        self.kept.copy_(self.g)

    def recall(self, t: float, slot: int) -> None:
        """Go back to the trial that was kept."""
        assert self.kept is not None
        self.move(t)
        self.grad_buffer.copy_(self.kept)
        self.g = self.grad_buffer
        self.measure(slot)

    # --------------------------------------------------------------------------------------------------- directions

    def scaled_gradient(self) -> Tensor:
        """The gradient at x, times the scale if there is one."""
        return self.g0 if self.scale is None else self.g0 * self.scale

    def quasi_newton(self, gamma: float, coefficients: Any) -> None:
        """Set d to -gamma g + the history's rows times coefficients."""
        self.coefficients_host[: self.rows] = coefficients[: self.rows]
        if self.device == _CPU:
            device_side = self.coefficients_used
        else:
            device_side = self.coefficients_used.to(self.device, non_blocking=True)
        torch.addmv(self.scaled_gradient(), self.used_t, device_side, beta=-gamma, out=self.d)

    def steepest(self, gamma: float = 1.0) -> None:
        """Set d to -gamma g."""
        torch.mul(self.scaled_gradient(), -gamma, out=self.d)

    def measure_direction(self) -> None:
        """d.d and d.g into the numbers."""
        torch.mv(self.base, self.d, out=self.out_direction)

    def store_step(self, t: float, slot: int) -> None:
        """Write s = t d into its slot."""
        torch.mul(self.d, t, out=self.row[2 * slot])

    def versions(self) -> list[Any]:
        """What changes when somebody else writes to a parameter."""
        return [(p._version, p.data_ptr()) for p in self.params]

    def moved(self) -> bool:
        """Whether the parameters are elsewhere than x."""
        for part, view in zip(self.x_parts, self.views, strict=True):
            if not torch.equal(part.to(view.dtype), view):
                return True
        return False


def euclidean(vectors: Sequence[Tensor]) -> float:
    """The length of a vector in parts, without overflow."""
    largest = max((float(v.abs().max()) for v in vectors if v.numel()), default=0.0)
    if not 0 < largest < math.inf:
        return largest
    return largest * math.sqrt(sum(float((v / largest).double().square().sum()) for v in vectors))
