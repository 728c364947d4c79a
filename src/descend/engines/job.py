"""What an engine is asked to do: jobs (one parameter each) that share rows (one group and step number each)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(slots=True)
class Row:
    """The scalars of one group at one step number.

    `scalars` are the rule's; the other three are the prologue that every rule shares:
    `g <- scale g` (maximize, unscaling), `p <- keep p` (decoupled weight decay), `g <- g + l2 p` (L2 weight decay).
    """

    group: int
    t: int
    scalars: dict[str, Any]
    scale: float = 1.0
    keep: Any = 1.0
    l2: Any = 0.0

    @property
    def absent(self) -> tuple[bool, ...]:
        """Which scalars are None: a compiled kernel is built for one such pattern."""
        return tuple(value is None for value in self.scalars.values())


@dataclass(slots=True)
class Job:
    """One parameter to update: its gradient, its buffers in the rule's order (None: absent) and its step count."""

    param: Tensor
    grad: Tensor
    buffers: tuple[Tensor | None, ...]
    step: Tensor | None
    row: Row
    name: str
