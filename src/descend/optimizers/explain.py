"""`optimizer.explain()`: which engine runs which tensors and why, bytes of state, and the equation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..engines import cpu
from ..engines.plan import choose
from .collecting import Collection
from .common import guard

if TYPE_CHECKING:
    from .base import Optimizer

_NAMED = 8  # parameters listed by name per engine and reason


@dataclass(frozen=True, repr=False)
class Explanation:
    """What `optimizer.explain()` says, as data.

    Attributes:
        optimizer: class name.
        equation: the rule's update equation.
        engines: for each engine, (parameter name, reason) of what it runs.
        state_bytes: bytes of state held now.
        traffic: bytes read and written in a step for each element of the parameters.
        hints: what foreach and fused mean here, if they were given.
    """

    optimizer: str
    equation: str
    engines: dict[str, list[tuple[str, str]]]
    state_bytes: int
    traffic: float
    hints: str

    def __str__(self) -> str:
        lines = [f"{self.optimizer}: {self.equation}"]
        for engine, tensors in self.engines.items():
            reasons: dict[str, list[str]] = {}
            for name, reason in tensors:
                reasons.setdefault(reason, []).append(name)
            for reason, names in reasons.items():
                shown = ", ".join(names[:_NAMED]) + (f", and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
                lines.append(f"  {engine}: {len(names)} tensors ({reason}): {shown}")
        lines.append(f"  state: {self.state_bytes:,} bytes; a step moves {self.traffic:.1f} bytes a parameter element")
        return "\n".join(lines + ([f"  {self.hints}"] if self.hints else []))

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(tensors)} tensors on {engine}" for engine, tensors in self.engines.items())
        return f"<Explanation of {self.optimizer}: {counts}, {self.state_bytes:,} bytes of state>"


def assigned(optimizer: Optimizer) -> dict[str, list[tuple[str, str]]]:
    """For each engine, (parameter name, reason); a parameter without a gradient as if it had one of its own layout."""
    with torch.no_grad():
        found = Collection(optimizer, with_idle=True)
        reasons = choose(found.jobs, optimizer._only_eager())
    buckets: dict[Any, list[int]] = {}
    for i, (job, reason) in enumerate(zip(found.jobs, reasons, strict=True)):
        if not reason:
            buckets.setdefault(cpu.variant_key(optimizer.rule, job), []).append(i)
    for bucket in buckets.values():  # a kernel that cannot be compiled is noticed when it is asked for
        failure = cpu.kernel_failure(optimizer.rule, [found.jobs[i] for i in bucket], guard(optimizer.param_groups))
        for i in bucket:
            reasons[i] = failure
    engines: dict[str, list[tuple[str, str]]] = {}
    for job, reason in zip(found.jobs, reasons, strict=True):
        why = reason or "one launch for all of " + "/".join(
            dict.fromkeys(map(cpu.name_of, (job.param.dtype, job.grad.dtype)))
        )
        engines.setdefault("eager" if reason else "cpu", []).append((job.name, why))
    return engines


def _traffic(optimizer: Optimizer) -> float:
    """Bytes a step reads and writes for an element: the gradient, and all else twice; a first pass reads it again."""
    memory, first = optimizer.memory(), guard(optimizer.param_groups).first_pass
    elements = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    numbers = sum(len(group["params"]) for group in optimizer.param_groups) * len(optimizer.rule.numbers) * 4
    moved = 2 * (memory.parameters + memory.state - numbers) + (2 if first else 1) * memory.gradients
    return moved / max(1, elements)


def explain(optimizer: Optimizer) -> Explanation:
    """Look at every parameter as the next step would."""
    held = [v for state in optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
    hinted = {k: g[k] for g in optimizer.param_groups for k in ("foreach", "fused") if g.get(k) is not None}
    return Explanation(
        optimizer=type(optimizer).__name__,
        equation=optimizer.rule.equation,
        engines=optimizer._assigned(),
        state_bytes=sum(t.numel() * t.element_size() for t in held),
        traffic=_traffic(optimizer),
        hints=", ".join(f"{k}={v}" for k, v in hinted.items()) + " chooses nothing here: every launch is fused"
        if hinted
        else "",
    )
