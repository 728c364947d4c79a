"""Norms, shares and cosines at a check: few calls of torch, as a check must cost no more than a fraction of a step.

What is measured lies side by side in two flat buffers, one for gradients and one for the values before the step, which
become the update after it: so a dot product or a count over a whole group is one call, and the norms of all gradients,
updates and parameters are one more. The buffers are float32 (float64 where a parameter is): half-precision gradients
are squared without overflow, and differences of half-precision values are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

import descend

from .records import over

HALF = (torch.float16, torch.bfloat16)
SAMPLE = 8192  # gradient elements that are looked at for zeros: a count of all takes as long as all norms together
EXACT = ("rounding", "master", "kahan_sum")  # options of a group that keep updates below half a unit in the last place


def real(tensor: Tensor) -> Tensor:
    """A dense, real view or copy of a tensor."""
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def name_of(group: Mapping[str, Any], number: int, i: int) -> str:
    """What the optimizer itself calls a parameter: its name if it was given one, else its place."""
    if "param_names" in group:
        return str(group["param_names"][i])
    return f"group {number}, parameter {i} {tuple(group['params'][i].shape)}"


class Part:
    """The parameters of one group on one device, and their places in the buffers."""

    def __init__(self, number: int, members: list[tuple[Tensor, str, str]]) -> None:
        self.number = number
        self.params = [p for p, *_ in members]
        self.names = [shown for _, shown, _ in members]
        self.keys = [own for *_, own in members]
        values = [real(p.detach()) for p in self.params]
        self.sizes = [value.numel() for value in values]
        dtype = torch.float64 if any(value.dtype == torch.float64 for value in values) else torch.float32
        self.grads, self.grad_views = self._buffer(values, dtype)
        self.moved, self.moved_views = self._buffer(values, dtype)
        matrices = [k for k, p in enumerate(self.params) if p.dim() > 1]
        self.ranked = matrices or list(range(len(values)))
        self.half = [k for k, p in enumerate(self.params) if p.dtype in HALF]
        self.plain = not any(p.is_complex() for p in self.params)
        self.present: list[int] = []  # which had a gradient at the last reading

    @staticmethod
    def _buffer(values: list[Tensor], dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
        whole = torch.empty(sum(value.numel() for value in values), dtype=dtype, device=values[0].device)
        pieces = whole.split([value.numel() for value in values])
        return whole, [piece.view(value.shape) for piece, value in zip(pieces, values, strict=True)]

    def values(self) -> list[Tensor]:
        """The parameters as they are now."""
        return self.params if self.plain else [real(p) for p in self.params]

    def read_gradients(self, scale: float = 1.0) -> None:
        """Copy the gradients, those that are missing as zeros."""
        found = [p.grad for p in self.params]
        self.present = [k for k, grad in enumerate(found) if grad is not None]
        if len(self.present) < len(found):
            self.grads.zero_()
        views = self.grad_views if len(self.present) == len(found) else [self.grad_views[k] for k in self.present]
        given = [grad for grad in found if grad is not None]
        if not self.plain or any(grad.layout != torch.strided for grad in given):
            given = [real(grad) for grad in given]
        torch._foreach_copy_(views, given)
        if scale != 1:
            self.grads.div_(scale)

    def keep_values(self) -> None:
        """Copy the parameters, before the step."""
        torch._foreach_copy_(self.moved_views, self.values())

    def subtract_values(self) -> None:
        """What was kept becomes minus the update, which is downhill times the rate."""
        torch._foreach_sub_(self.moved_views, self.values())

    def cosine(self) -> float | None:
        """Between the update that lies in the buffer and minus the gradients that lie in the other."""
        values = (
            torch.dot(self.grads, self.moved),
            torch.dot(self.grads, self.grads),
            torch.dot(self.moved, self.moved),
        )
        product, grad, moved = (float(value) for value in values)
        size = math.sqrt(grad) * math.sqrt(moved)
        return max(-1.0, min(1.0, product / size)) if size > 0 and math.isfinite(product) else None

    def nonzero(self) -> float:
        """How many gradient elements are not zero; in a large group a projection from a sample, spread evenly."""
        stride = -(-self.grads.numel() // SAMPLE)
        if stride == 1:
            return int(torch.count_nonzero(self.grads))
        sample = self.grads[::stride]
        return int(torch.count_nonzero(sample)) * self.grads.numel() / sample.numel()

    def slope(self) -> float:
        """Gradient times update: the change of the loss that a straight line would predict."""
        return -float(torch.dot(self.grads, self.moved))


class Measurer:
    """Measures an optimizer's steps.

    Args:
        optimizer: any.
        names: names of parameters by id; those of the optimizer fill in.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> None:
        self.optimizer, self.names = optimizer, names
        self.parts: list[Part] = []
        self._made_for: list[int] = []
        self._rates: list[float] = []
        self._skipped = 0
        self._grads_known = False
        self._start: dict[int, tuple[int, float]] = {}  # part by part: elements and squared norm
        self._stats = isinstance(optimizer, descend.Optimizer) and bool(optimizer.defaults.get("stats"))

    def start(self) -> set[str]:
        """At the first step, when gradients are there: keep the norms; returns who has no gradient, or a zero one."""
        self._lay_out()
        for k, part in enumerate(self.parts):
            norms = torch._foreach_norm(part.values(), 2, dtype=part.grads.dtype)
            self._start[k] = sum(part.sizes), math.fsum(float(norm) ** 2 for norm in norms)
        pairs = [(p.grad, name) for part in self.parts for p, name in zip(part.params, part.names, strict=True)]
        return {name for grad, name in pairs if grad is None or not real(grad).any()}

    def growth(self, groups: Iterable[Mapping[str, Any]]) -> float | None:
        """Norm of all parameters over that at the start, if they are the same."""
        groups = list(groups)
        elements, squares = (
            (math.fsum(column) for column in zip(*self._start.values(), strict=True)) if self._start else (0, 0)
        )
        if not squares or elements != sum(group["elements"] for group in groups):
            return None
        return math.hypot(*(group["param_norm"] for group in groups)) / math.sqrt(squares)

    def begin(self) -> None:
        """Before a step that is to be measured: keep the values."""
        self._lay_out()
        self._rates = [_rate(group) for group in self.optimizer.param_groups]
        self._skipped = getattr(self.optimizer, "skipped_steps", 0)
        self._grads_known = False
        for part in self.parts:
            part.keep_values()

    def read_gradients(self, needed: bool) -> None:
        """When the gradients of the step are there; not needed where the optimizer keeps statistics itself."""
        if needed or not self._stats:
            scale = getattr(self.optimizer, "grad_scale", None)  # torch.amp leaves unscaling to fused steps
            for part in self.parts:
                part.read_gradients(1.0 if scale is None else float(scale))
            self._grads_known = True

    def end(self) -> dict[int, dict[str, Any]]:
        """After the step: what the groups did, by number, as arguments of `Group`; the cosine comes later."""
        given: Any = None
        if self._stats and getattr(self.optimizer, "skipped_steps", 0) == self._skipped:
            try:
                given = self.optimizer.stats().parameters  # type: ignore[attr-defined]
            except RuntimeError:  # nothing had a gradient
                given = {}
            keyed = [(p, key) for part in self.parts for p, key in zip(part.params, part.keys, strict=True)]
            if not all(key in given or p.grad is None for p, key in keyed):
                given = None
        if given is None and not self._grads_known:
            self.read_gradients(needed=True)
        for part in self.parts:
            part.subtract_values()
        groups: dict[int, list[Rows]] = {}
        for part in self.parts:
            rows = from_statistics(part, given) if given is not None else computed(part)
            if rows.grad:
                groups.setdefault(part.number, []).append(rows)
        return {number: self._group(number, rows) for number, rows in groups.items()}

    def cosines(self) -> dict[int, float | None]:
        """By group number, when the gradients of the next step are there."""
        found: dict[int, float | None] = {}
        for part in sorted(self.parts, key=lambda part: -sum(part.sizes)):
            part.read_gradients()
            found.setdefault(part.number, part.cosine())
        return found

    def slope(self) -> float:
        """Gradient times update of the step that was measured last."""
        return math.fsum(part.slope() for part in self.parts)

    def _lay_out(self) -> None:
        """Make buffers, unless the parameters are those of the last time."""
        groups = self.optimizer.param_groups
        watched = [id(p) for group in groups for p in group["params"] if p.requires_grad]
        if watched == self._made_for:
            return
        members: dict[tuple[int, torch.device], list[tuple[Tensor, str, str]]] = {}
        for number, group in enumerate(groups):
            for i, p in enumerate(group["params"]):
                if p.requires_grad and p.numel() and p.layout == torch.strided:
                    own = name_of(group, number, i)
                    members.setdefault((number, p.device), []).append((p, self.names.get(id(p), own), own))
        self.parts = [Part(number, parameters) for (number, _), parameters in members.items()]
        keys = [key for part in self.parts for key in part.keys]
        self._stats = self._stats and len(set(keys)) == len(keys)
        self._made_for = watched

    def _group(self, number: int, parts: Iterable[Rows]) -> dict[str, Any]:
        parts = list(parts)
        elements = sum(rows.elements for rows in parts)
        ratios = [pair for rows in parts for pair in rows.ratios]
        lost = None
        if not any(self.optimizer.param_groups[number].get(option) for option in EXACT):
            counted = [rows.lost for rows in parts if rows.lost[1]]
            lost = sum(a for a, _ in counted) / sum(b for _, b in counted) if counted else None
        return dict(
            lr=self._rates[number],
            grad_norm=_norm(x for rows in parts for x in rows.grad),
            update_norm=_norm(x for rows in parts for x in rows.update),
            param_norm=_norm(x for rows in parts for x in rows.param),
            zero=sum(rows.zeros for rows in parts) / elements,
            nonfinite=sum(rows.nonfinite for rows in parts) / elements,
            elements=elements,
            largest=max(ratios, key=_second),
            smallest=min(ratios, key=_second),
            silent=tuple(name for rows in parts for name in rows.silent),
            lost=lost,
        )


class Rows:
    """What was measured of the parameters of a part; each list has a value for each parameter with a gradient."""

    def __init__(self, part: Part, present: list[int], norms: tuple[list[float], list[float], list[float]]) -> None:
        self.grad, self.update, self.param = norms
        self.elements = sum(part.sizes[k] for k in present)
        place = {k: j for j, k in enumerate(present)}
        ranked = [k for k in part.ranked if k in place] or present
        self.ratios = [(part.names[k], over(self.update[place[k]], self.param[place[k]])) for k in ranked]
        self.silent = [part.names[k] for k in range(len(part.params)) if k not in place or not self.grad[place[k]]]
        self.zeros = self.nonfinite = 0.0
        self.lost = (0, 0)
        if part.half:
            kept = [
                (part.moved_views[k] == 0) & real(g).ne(0) for k in part.half if (g := part.params[k].grad) is not None
            ]
            of = [int(real(g).count_nonzero()) for k in part.half if (g := part.params[k].grad) is not None]
            self.lost = (sum(int(x.count_nonzero()) for x in kept), sum(of))


def computed(part: Part) -> Rows:
    """From the buffers, when they hold the gradients and the update."""
    present = part.present
    if not present:
        return Rows(part, [], ([], [], []))
    values = part.values()
    wanted = [
        *(part.grad_views[k] for k in present),
        *(part.moved_views[k] for k in present),
        *(values[k] for k in present),
    ]
    found = torch.stack(torch._foreach_norm(wanted, 2, dtype=part.grads.dtype)).tolist()
    n = len(present)
    rows = Rows(part, present, (found[:n], found[n : 2 * n], found[2 * n :]))
    rows.zeros = max(0.0, rows.elements - part.nonzero())
    if not math.isfinite(sum(rows.grad)):
        rows.nonfinite = int(part.grads.numel() - part.grads.isfinite().sum())
    return rows


def from_statistics(part: Part, given: Mapping[str, Any]) -> Rows:
    """From what `optimizer.stats()` said."""
    present = [k for k, key in enumerate(part.keys) if key in given]
    each = [given[part.keys[k]] for k in present]
    norms = ([s.grad_norm for s in each], [s.update_norm for s in each], [s.param_norm for s in each])
    rows = Rows(part, present, norms)
    rows.zeros = sum(s.zero_fraction * s.elements for s in each)
    rows.nonfinite = sum(s.nonfinite_fraction * s.elements for s in each)
    return rows


def _norm(norms: Iterable[float]) -> float:
    return math.hypot(*norms)


_second: Callable[[tuple[str, float]], float] = lambda pair: pair[1]  # noqa: E731


def _rate(group: Mapping[str, Any]) -> float:
    """The learning rate; nan where an optimizer has none, or one that is no number."""
    try:
        return float(group["lr"])
    except (KeyError, TypeError, ValueError):
        return math.nan
