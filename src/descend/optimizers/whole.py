"""Optimizers whose update is not elementwise: they see whole tensors, many of one shape at a time.

A rule computes each element from its own past; Adafactor and Muon need norms, means and products of matrices. They
share the shell of the others (groups, hooks, checks, checkpoints); this file has what stands in for rule and engines:
parameters with equal shape, options and step count form a batch, and a batch is a few calls of torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar

import torch
from torch import Tensor

from . import common
from .base import Optimizer
from .batches import Batch, Found
from .collecting import name_of, refuse_parameter
from .guarding import guarded
from .preparing import only_prepares, prepare, prepared_state_forgotten
from .resolved import may_change_in_place, plain
from .stepping import commit


@dataclass(frozen=True)
class Method:
    """What the shell has to know of such an algorithm; the counterpart of a rule.

    Args:
        equation: the update equation, for `explain()`.
        numbers: state that is a number per parameter, kept as a Tensor.
    """

    equation: str
    numbers: tuple[str, ...] = ()
    buffers: Mapping[str, Any] = field(default_factory=dict, init=False)  # rules' buffers have the parameter's shape
    memory: Mapping[str, Any] = field(default_factory=dict, init=False)


class WholeTensorOptimizer(Optimizer):
    """Base of optimizers that work on whole tensors.

    Subclasses set `rule` to their `Method` and give `_shapes` and `_update`; `_check_group` and `_later_options` are as
    in every class. Values are computed in float32 for narrower parameters, in float64 for float64, and rounded when
    they are stored.
    """

    rule: ClassVar[Any]
    _layout: ClassVar[torch.layout] = torch.strided  # of gradients
    _refuses_layout: ClassVar[str] = ""  # torch's words, where they do not follow from the class name
    _known: dict[Any, dict[str, Any]]  # options of the step before, by their values

    def __init__(self, params: Any, defaults: dict[str, Any], *, engine: str = "auto", **options: Any) -> None:
        self._known = {}
        if engine == "cpu":
            raise ValueError(
                f"Invalid engine: 'cpu' ({type(self).__name__} runs on torch's matrix and reduction operations and has "
                "no native kernels: leave engine='auto')"
            )
        super().__init__(params, defaults, engine=engine, **options)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._known = {}
        super().__setstate__(state)

    def _check_options(self, group: dict[str, Any]) -> None:
        super()._check_options(group)
        for name in common.KEPT:
            if group.get(name) is not None:
                raise ValueError(
                    f"Invalid {name}: {group[name]!r} ({name} is for optimizers whose update is elementwise, "
                    f"{type(self).__name__}'s is not: leave it out)"
                )

    # ------------------------------------------------------------------------------------------ what a subclass gives

    def _shapes(self, shape: torch.Size) -> dict[str, torch.Size]:
        """Shapes of the state tensors (numbers left out) of a parameter of this shape, in torch's order."""
        raise NotImplementedError

    def _update(self, batch: Batch) -> None:
        """Write new values into the batch's parameters and state."""
        raise NotImplementedError

    def _most(self, param: Tensor) -> int:
        """How many parameters like this one make a batch."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------- the step

    def _step_anew(self) -> None:
        guarded(self, self._step_whole)

    def _step_whole(self) -> None:
        with torch.no_grad(), prepared_state_forgotten(self):
            found = Found(self)
            if not found.batches:
                return
            if only_prepares(self):
                prepare(self, found.new_state)
                return
            found.run()
            commit(self, found.new_state)
            if self._scheduled is not None:
                self._scheduled.advance()

    def _resolved(self, groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Every group's options as plain numbers, checked if they have changed; equal options are one object."""
        read, before, result = itemgetter(*self.defaults), self._known, []
        now: dict[Any, dict[str, Any]] = {}
        for group in groups:
            values: Any = read(group)
            try:
                options = now.get(values) or before.get(values)
            except TypeError:  # a list among them
                options = None
            if options is None:
                self._check_options(group)
                options = dict(zip(self.defaults, map(plain, values), strict=True))
            if not any(map(may_change_in_place, values)):
                now[values] = options
            result.append(options)
        self._known = now
        return result

    def _refuse(self, group: Mapping[str, Any], param: Tensor, grad: Tensor, name: str) -> None:
        """Raise where this parameter or this gradient cannot be used, before anything is written."""
        cls = type(self).__name__
        if param.is_complex():
            raise RuntimeError(f"{cls} does not support complex parameters ({name})")
        if grad.layout != self._layout:
            raise RuntimeError(f"{self._refuses_layout or f'{cls} does not support sparse gradients'} ({name})")
        refuse_parameter(param, name)
        if grad.shape != param.shape:
            raise RuntimeError(
                f"{name}: the gradient has shape {tuple(grad.shape)}, the parameter {tuple(param.shape)}"
            )

    # ------------------------------------------------------------------------------------------ what the shell asks

    def _expected_state(self, param: Tensor) -> tuple[Sequence[str], Mapping[str, torch.Size]]:
        shapes = self._shapes(param.shape)
        return list(shapes), shapes

    def _reason(self, count: int, shape: torch.Size) -> str:
        """How parameters of this shape are updated."""
        return f"operations of torch on {count} of shape {tuple(shape)} at once"

    def _assigned(self) -> dict[str, list[tuple[str, str]]]:
        alike: dict[Any, list[str]] = {}
        for number, group in enumerate(self.param_groups):
            for i, p in enumerate(group["params"]):
                alike.setdefault((p.shape, p.dtype, p.device), []).append(name_of(group, number, i))
        return {
            "eager": [
                (name, self._reason(len(names), shape)) for (shape, _, _), names in alike.items() for name in names
            ]
        }
