"""A parameter group resolved to what engines need: the inputs of scalars, and the prologue of weight decay and sign."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..engines.job import Row
from ..rules import Rule
from . import keeping
from .common import SHARED

if TYPE_CHECKING:
    from .base import Optimizer

# Options that act on the step outside the rule; those that a class does not have are at these values.
_AROUND = {
    "weight_decay": 0,
    "decoupled_weight_decay": False,
    "maximize": False,
    "differentiable": False,
    "capturable": False,
    "clip_grad_value": None,
    "state_dtype": None,
    "rounding": None,
    "master": None,
    "seed": 0,
}

_PLAIN = frozenset({float, int, bool, type(None)})


def plain(value: Any, keep_graph: bool = False) -> Any:
    """A hyperparameter as Python numbers; Tensors stay Tensors where a gradient may flow to them."""
    if isinstance(value, (tuple, list)):
        return tuple(plain(v, keep_graph) for v in value)
    if not isinstance(value, Tensor):
        return value
    return value.squeeze() if keep_graph else value.item()


def may_change_in_place(value: Any) -> bool:
    """Whether a value may become another one unseen by a comparison with itself."""
    return isinstance(value, (Tensor, list)) or (isinstance(value, tuple) and any(map(may_change_in_place, value)))


class Options:
    """The options of a group, or of several with equal ones: what the rule's scalars and the prologue are made of."""

    __slots__ = (
        "clip",
        "formats",
        "hyper",
        "inputs",
        "keep",
        "l2",
        "low",
        "moving",
        "present",
        "rounding",
        "scale",
        "seed",
    )

    def __init__(self, rule: Rule, group: Mapping[str, Any]) -> None:
        keep_graph = bool(group.get("differentiable"))
        hyper = {name: group[name] for name in rule.hyperparameters}
        around = {name: group.get(name, other) for name, other in _AROUND.items()}
        self.hyper = hyper
        self.moving = False  # whether an option may be changed in place, unseen by a comparison with itself
        for options in (hyper, around):
            for name, value in options.items():
                if type(value) not in _PLAIN:  # few are not, and a scheduled rate comes here at every step
                    self.moving |= may_change_in_place(value)
                    options[name] = plain(value, keep_graph)
        self.formats = keeping.formats(around["state_dtype"], rule.buffers)
        self.rounding: tuple[Any, Any] = around["rounding"], around["master"]
        self.low = bool(self.formats) or self.rounding != (None, None)
        self.seed: int = around["seed"]
        self.inputs = {name: hyper[name] for name in rule.inputs}
        self.present = rule.present(hyper)
        self.scale = -1.0 if around["maximize"] else 1.0
        self.clip = math.inf if around["clip_grad_value"] is None else float(around["clip_grad_value"])
        self.keep: Any = 1.0
        self.l2: Any = 0.0
        decay = around["weight_decay"]
        if isinstance(decay, Tensor) or decay != 0:
            if around["decoupled_weight_decay"]:
                self.keep = 1 - plain(group["lr"], keep_graph) * decay
            else:
                self.l2 = decay

    def shape(self) -> tuple[Any, ...]:
        """What kernels depend on."""
        return (
            self.present,
            self.formats,
            self.rounding,
            self.scale != 1,
            self.clip != math.inf,
            isinstance(self.keep, Tensor) or self.keep != 1,
            isinstance(self.l2, Tensor) or self.l2 != 0,
        )

    def fits(self, shape: tuple[Any, ...]) -> bool:
        """Whether kernels for options of that shape serve these, too: they take a decay of nothing as a number."""
        *same, keeps, decays = self.shape()
        *others, may_keep, may_decay = shape
        return same == others and keeps <= may_keep and decays <= may_decay

    def row(self, rule: Rule, number: int, t: int, memory: dict[str, float]) -> Row:
        """The scalars of group `number` at step t."""
        scalars = rule.scalars(t, **self.inputs, **memory)
        return Row([number], t, memory, scalars, self.scale, self.keep, self.l2, self.clip, seed=self.seed)


class Resolver:
    """Options of groups: checked, resolved, and shared between groups whose values are equal."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._known: dict[Any, Options] = {}

    def options(self, group: dict[str, Any], values: tuple[Any, ...]) -> Options:
        """The group's options.

        Args:
            group: a parameter group.
            values: what the reader reads from it.

        Raises:
            ValueError, TypeError: a value is not allowed.
        """
        try:
            known = self._known.get(values)
        except TypeError:  # betas in a list, for example
            known, values = None, (object(),)
        if known is None:
            self.optimizer._check_options(group)
            known = self._known[values] = Options(self.optimizer.rule, group)
        return known


def reader(rule: Rule, defaults: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Reads from a group every option that the step depends on, as one tuple."""
    return itemgetter(*dict.fromkeys(n for n in (*rule.hyperparameters, *_AROUND, *SHARED) if n in defaults))
