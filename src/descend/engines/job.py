"""What an engine is asked to do: jobs (one parameter each) that share rows (equal options and step number each)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..storage import rounding


@dataclass(slots=True)
class Row:
    """The scalars of one group, or of several with equal options, at one step number.

    `members` are the groups' indices, `memory` is what the rule remembers from the step before, `scalars` are the
    rule's. The others are the prologue that every rule shares: `g <- scale g` (maximize), `g <- clamp(g, -clip, clip)`,
    `g <- factor g` (clipping by the norm), `p <- keep p` (decoupled weight decay), `g <- g + l2 p` (L2 weight decay).
    `seed` and `draw`, which is another number in every step, are for what is rounded at random.
    """

    members: list[int]
    t: int
    memory: dict[str, float]
    scalars: dict[str, Any]
    scale: float = 1.0
    keep: Any = 1.0
    l2: Any = 0.0
    clip: float = math.inf
    factor: float = 1.0
    seed: int = 0
    draw: int = 0

    def keys(self, stream: int) -> tuple[int, int]:
        """What random bits of this step are made from, for the parameter (stream 0) or a buffer."""
        return rounding.keys(self.seed, self.draw, stream)

    def numbers(self, names: tuple[str, ...]) -> tuple[list[float], list[float]]:
        """New values of the numbers kept per parameter, and those before the step.

        Args:
            names: of the rule's numbers; "step" is the step count.
        """
        if names == ("step",):
            return [self.t], [self.t - 1]
        new = [self.t if name == "step" else self.scalars[name] for name in names]
        return new, [self.t - 1 if name == "step" else self.memory[name] for name in names]


@dataclass(slots=True)
class Job:
    """One parameter to update: its gradient, its buffers (None: absent) and its numbers, in the rule's order.

    The rest is for low precision: how the parameter and each buffer are kept (`storage.kept`; empty: as their dtypes
    say), block numbers of buffers that have them, what is kept beside the parameter, and how many blocks of 128
    elements all parameters before this one have.
    """

    param: Tensor
    grad: Tensor
    buffers: tuple[Tensor | None, ...]
    numbers: tuple[Tensor, ...]
    row: Row
    name: str
    kinds: tuple[str | None, ...] = ()
    words: tuple[Tensor | None, ...] = ()
    rest: Tensor | None = None
    first_block: int = 0


@dataclass(frozen=True, slots=True)
class Guard:
    """What is asked of all gradients together, before anything is updated, and what is measured on the way.

    Attributes:
        clip_norm: gradients are scaled so that their common norm is at most this; None: they are not.
        nonfinite: what a gradient that is NaN or infinite does: "propagate", "skip" the step, or "raise".
        stats: keep sums for `optimizer.stats()`.
    """

    clip_norm: float | None = None
    nonfinite: str = "propagate"
    stats: bool = False

    @property
    def first_pass(self) -> bool:
        """Whether gradients are read once before the update."""
        return self.clip_norm is not None or self.nonfinite != "propagate"


NO_GUARD = Guard()
