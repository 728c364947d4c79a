r"""The history of L-BFGS in compact form (Byrd, Nocedal, Schnabel 1994, Math. Prog. 63, theorem 2.2).

.. math::
    H = \gamma\Lambda + [S\ \ \gamma\Lambda Y]
        \begin{bmatrix} R^{-T}(D + \gamma Y^T\Lambda Y)R^{-1} & -R^{-T} \\ -R^{-1} & 0 \end{bmatrix}
        \begin{bmatrix} S^T \\ \gamma Y^T\Lambda \end{bmatrix}

with R the upper triangle of S^T Y and D its diagonal. Lambda is the identity, or the scales of parameter groups with
different learning rates; the slots hold Lambda y then. Vectors are the buckets'; what is here is of the size of the
history, in float64 on the host. Its rows and columns are slots, in no order: an inverse triangle that loses its oldest
pair only loses a row and a column, and a slot that is not alive holds zeros.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .flat import Bucket

_FIRST_SLOTS = 8


class History:
    """The pairs of all buckets together.

    Args:
        buckets: with the vectors.
        size: how many pairs are kept at most.
    """

    def __init__(self, buckets: list[Bucket], size: int) -> None:
        self.buckets = buckets
        self.size = size
        self.order: list[int] = []  # slots from the oldest pair to the newest
        self.spare = 0  # the slot that trials write to
        self.gamma = 1.0
        self._allocate(min(size + 1, _FIRST_SLOTS), ())

    def _allocate(self, slots: int, kept: tuple[int, ...]) -> None:
        self.slots = slots
        self.algebra = torch.zeros(2 * slots + 2, slots, dtype=torch.float64)
        for bucket in self.buckets:
            bucket.allocate(slots, kept)
        self._view()

    def _view(self) -> None:
        everything = self.algebra.numpy()
        n = self.slots
        self.r_inverse, self.yy = everything[:n], everything[n : 2 * n]
        self.sy, self.step_length = everything[2 * n], everything[2 * n + 1]
        self.coefficients = np.zeros(2 * n)
        self.products = np.zeros(2 * n)  # of the history with the gradient at x
        self._use()

    def _use(self) -> None:
        used = max([self.spare, *self.order], default=0) + 1
        for bucket in self.buckets:
            bucket.use(used)

    def adopt(self, histories: list[Tensor], algebra: Tensor, order: list[int], spare: int, gamma: float) -> None:
        """Continue from stored tensors."""
        self.slots = algebra.shape[1]
        self.algebra = algebra
        self.order, self.spare, self.gamma = list(order), spare, gamma
        for bucket, history in zip(self.buckets, histories, strict=True):
            bucket.adopt(history)
        self._view()

    def resize(self, size: int) -> None:
        """Keep at most `size` pairs from now on, the newest of those there are."""
        if size != self.size:
            self.size = size
            self.order = self.order[-size:]
            self._move(min(size + 1, max(_FIRST_SLOTS, len(self.order) + 1)))

    def _move(self, slots: int) -> None:
        """Other tensors with so many slots, pairs in order from slot 0."""
        old = self.algebra.numpy()
        n, kept = self.slots, self.order
        r_inverse, yy, lines = old[:n], old[n : 2 * n], old[2 * n :]
        self.order = list(range(len(kept)))
        self.spare = len(kept)
        self._allocate(slots, tuple(kept))
        k = len(kept)
        self.r_inverse[:k, :k] = r_inverse[np.ix_(kept, kept)]
        self.yy[:k, :k] = yy[np.ix_(kept, kept)]
        self.sy[:k], self.step_length[:k] = lines[0, kept], lines[1, kept]

    def clear(self) -> None:
        """Forget all pairs."""
        self.algebra.zero_()
        self.order.clear()
        self.spare = 0
        self.gamma = 1.0
        self._use()

    def add(self, sy: float, yy: float, length: float, products: Any) -> bool:
        """Let the spare slot's rows become the newest pair, unless the numbers overflow.

        Args:
            sy: s.y, positive.
            yy: y.y (with the scale in between).
            length: of s.
            products: of the history with y.

        Returns:
            Whether it did.
        """
        j = self.spare
        with np.errstate(over="ignore", invalid="ignore"):
            column = self.r_inverse @ products[0::2] * (-1.0 / sy)
        if not math.isfinite(float(np.abs(column).sum()) + 1.0 / sy):
            return False
        self.r_inverse[:, j] = column
        self.r_inverse[j, j] = 1.0 / sy
        row = products[1::2] * (self.sy > 0)  # of slots that are alive
        self.yy[j] = row
        self.yy[:, j] = row
        self.yy[j, j] = yy
        self.sy[j], self.step_length[j] = sy, length
        self.gamma = sy / yy
        self.order.append(j)
        return True

    def make_room(self) -> None:
        """Choose the next spare slot: a new one, or that of the oldest pair."""
        if len(self.order) > self.size:
            self.spare = self.order.pop(0)
            self.r_inverse[self.spare] = 0.0
            self.r_inverse[:, self.spare] = 0.0
            self.yy[self.spare] = 0.0
            self.yy[:, self.spare] = 0.0
            self.sy[self.spare] = self.step_length[self.spare] = 0.0
            return
        if len(self.order) == self.slots:
            products = self.products
            order = self.order
            self._move(min(self.size + 1, 2 * self.slots))
            index = [row for slot in order for row in (2 * slot, 2 * slot + 1)]
            self.products[: len(index)] = products[index]
            return
        self.spare = len(self.order)
        self._use()

    def solve(self, products: Any) -> Any:
        """Coefficients of the history's rows in -H g, beside -gamma g.

        Args:
            products: of the history's rows with g; those of slots that are not alive do not matter.
        """
        gamma = self.gamma
        with np.errstate(over="ignore", invalid="ignore"):  # see Solver.direct
            u = self.r_inverse @ products[0::2]
            v = self.sy * u + gamma * (self.yy @ u - products[1::2])
            coefficients = self.coefficients
            coefficients[0::2] = -(v @ self.r_inverse)
            coefficients[1::2] = gamma * u
        return coefficients

    def middle(self) -> Any:
        """The 2m x 2m matrix in the middle of H, its rows and columns s_0, y_0, s_1, y_1, ... as the history's rows."""
        n, r = self.slots, self.r_inverse
        matrix = np.zeros((2 * n, 2 * n))
        matrix[0::2, 0::2] = r.T @ (np.diag(self.sy) + self.gamma * self.yy) @ r
        matrix[0::2, 1::2] = -r.T
        matrix[1::2, 0::2] = -r
        return matrix

    @property
    def span(self) -> float:
        """The length of the path that the pairs were seen on."""
        return math.fsum(self.step_length)
