"""Parameters that are updated together because they are alike, and how their tensors come together.

The counterpart of jobs and plans for optimizers that work on whole tensors: see whole.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor
from torch.optim.optimizer import _get_scalar_dtype

from ..storage import NATIVE
from .collecting import name_of

if TYPE_CHECKING:
    from .whole import WholeTensorOptimizer

_EXACT = (Tensor, torch.nn.Parameter)
_dtype_of, _on_cpu = attrgetter("dtype"), attrgetter("is_cpu")


@dataclass
class Batch:
    """Parameters with equal shapes, dtypes, device, options and step count.

    Attributes:
        options: of their groups, Tensors as plain numbers.
        t: number of this step, 1 for the first; 0 where the method does not count.
        params: the parameters; grads: their gradients; held: their state dicts.
        state: for every key of the method's state except numbers, in order, the tensors of all parameters.
    """

    options: dict[str, Any]
    t: int
    params: list[Tensor] = field(default_factory=list)
    grads: list[Tensor] = field(default_factory=list)
    held: list[Mapping[str, Any]] = field(default_factory=list)
    state: list[list[Tensor]] = field(default_factory=list)

    def split(self, most: int) -> Iterator[Batch]:
        """The same in batches of at most this many parameters."""
        for i in range(0, len(self.params), most):
            j = i + most
            yield Batch(self.options, self.t, self.params[i:j], self.grads[i:j], [], [s[i:j] for s in self.state])


def refuse_state(name: str, key: str, tensor: Tensor, size: torch.Size) -> NoReturn:
    """Raise because of state that is not as large as it has to be."""
    raise RuntimeError(
        f"{name}: state {key!r} has shape {tuple(tensor.shape)}, {tuple(size)} is needed; "
        "was the parameter replaced, or a checkpoint of another model loaded?"
    )


class Found:
    """What a step is to do, refused as a whole if any of it cannot be done; new state is kept aside until it is done.

    Args:
        optimizer: whose groups to go through.
    """

    def __init__(self, optimizer: WholeTensorOptimizer) -> None:
        self.optimizer = optimizer
        self.batches: dict[Any, Batch] = {}
        self.foreign: list[Any] = []  # keys of tensor subclasses' batches
        self.steps: list[Tensor] = []
        self.new_state: dict[Tensor, dict[str, Tensor]] = {}
        groups, held = optimizer.param_groups, optimizer.state
        counts, inference = bool(optimizer.rule.numbers), torch.is_inference_mode_enabled()
        for number, (group, options) in enumerate(zip(groups, optimizer._resolved(groups), strict=True)):
            params, same, again, exact = group["params"], id(options), 0, True
            times: Counter[int] | None = Counter() if len(set(map(id, params))) < len(params) else None
            for i, param in enumerate(params):
                grad = param.grad
                if grad is None:
                    continue
                shape, dtype, grad_dtype = param.shape, param.dtype, grad.dtype
                exact = type(param) in _EXACT and type(grad) in _EXACT
                if not (
                    exact
                    and grad.layout is torch.strided
                    and dtype in NATIVE
                    and 0 not in param.stride()
                    and grad.shape == shape
                    and not (param.is_inference() and not inference)
                ):
                    optimizer._refuse(group, param, grad, name_of(group, number, i))
                state = held.get(param) or self._begun(param, grad, {})
                if times is not None:  # a parameter that stands here several times is updated as often, in turn
                    again = times[id(param)]
                    times[id(param)] += 1
                t = 0
                if counts:
                    step = state["step"] if "step" in state else self._begun(param, grad, state)["step"]
                    self.steps.append(step)
                    t = int(step.item()) + 1 + again
                key = (same, t, shape, dtype, grad_dtype, param.device, again, None if exact else param)
                batch = self.batches.get(key)
                if batch is None:
                    batch = self.batches[key] = Batch(options, t)
                    if not exact:
                        self.foreign.append(key)
                batch.params.append(param)
                batch.grads.append(grad)
                batch.held.append(state)
        for batch in self.batches.values():
            self._check_state(batch)

    def _begun(self, param: Tensor, grad: Tensor, state: Mapping[str, Any]) -> dict[str, Tensor]:
        """The parameter's state with what is missing made; like the gradient, as in torch."""
        new = self.new_state.setdefault(param, {})
        for number in self.optimizer.rule.numbers:
            if number not in state and number not in new:
                new[number] = torch.tensor(0.0, dtype=_get_scalar_dtype())
        for name, size in self.optimizer._shapes(param.shape).items():
            if name not in state and name not in new:
                new[name] = torch.zeros_like(grad) if size == grad.shape else grad.new_zeros(size)
        return {**state, **new}

    def _check_state(self, batch: Batch) -> None:
        """Set the batch's state, with what is missing made; refuse tensors of a wrong shape."""
        for name, size in self.optimizer._shapes(batch.params[0].shape).items():
            try:
                tensors = [state[name] for state in batch.held]
            except KeyError:
                batch.held = list(map(self._begun, batch.params, batch.grads, batch.held))
                tensors = [state[name] for state in batch.held]
            for i, tensor in enumerate(tensors):
                if tensor.shape != size:
                    refuse_state(self._name(batch.params[i]), name, tensor, size)
            batch.state.append(tensors)

    def _name(self, param: Tensor) -> str:
        groups = enumerate(self.optimizer.param_groups)
        return next(name_of(g, n, i) for n, g in groups for i, p in enumerate(g["params"]) if p is param)

    def run(self) -> None:
        """Update everything.

        Tensor subclasses may lack an operation, which shows only when it is called: their new values are computed in
        copies before anything is written, so that a step that raises has changed nothing.
        """
        written: list[tuple[Tensor, Tensor]] = []
        for key in self.foreign:
            batch = self.batches.pop(key)
            copies = Batch(batch.options, batch.t, [p.clone() for p in batch.params], batch.grads)
            copies.state = [[s.clone() for s in tensors] for tensors in batch.state]
            self.optimizer._update(copies)
            for now, then in zip((batch.params, *batch.state), (copies.params, *copies.state), strict=True):
                written += zip(now, then, strict=True)
        for batch in self.batches.values():
            for part in batch.split(self.optimizer._most(batch.params[0])):
                self.optimizer._update(part)
        for target, value in written:
            target.copy_(value)
        if self.steps:  # a number would be wrapped anew for every step count; where some are elsewhere, it has to be
            if all(map(_on_cpu, self.steps)):
                torch._foreach_add_(self.steps, torch.tensor(1.0), alpha=1.0)
            else:
                torch._foreach_add_(self.steps, 1.0)


def gather(tensors: list[Tensor], dtype: torch.dtype) -> Tensor:
    """One tensor itself, several of one shape along a new leading dimension; a copy where that or dtype needs one."""
    return (torch.stack(tensors) if len(tensors) > 1 else tensors[0]).to(dtype)


def scatter(tensors: list[Tensor], values: Tensor) -> None:
    """Write values back to where `gather` took them, if they are a copy."""
    if len(tensors) == 1:
        if values is not tensors[0]:
            tensors[0].copy_(values)
    elif set(map(_dtype_of, tensors)) == {values.dtype}:
        torch.unbind_copy(values, out=tensors)  # faster than views and copies, but it converts nothing
    else:
        torch._foreach_copy_(tensors, values.unbind(0))
