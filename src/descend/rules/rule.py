"""`Rule` and `Buffer`: an optimization algorithm as data.

A rule is the pure elementwise function of an algorithm, the scalars it needs and the buffers it keeps. Everything else
(kernels, precision, weight decay, groups, checkpoints) is built around rules once, for all.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .check import RuleError, check


@dataclass(frozen=True)
class Buffer:
    """One tensor of state per parameter, of the parameter's shape.

    Args:
        when: the hyperparameter that switches the buffer on (`"amsgrad"`, `"momentum"`); None: always there.
        signed: False if values are never negative (second moments); storage may use it.
        init: initial value, a number or the name of a hyperparameter.
    """

    when: str | None = None
    signed: bool = True
    init: float | str = 0.0


@dataclass(frozen=True, eq=False)
class Rule:
    """An optimization algorithm, written once.

    Args:
        update: `(p, g, *buffers, *, **scalars) -> (p, *buffers)`, elementwise and pure: parameter, gradient, one
            argument per declared buffer, then keyword-only scalars. An absent buffer or scalar is None, and
            `if buffer is not None:` is resolved when a kernel is built. Only `+ - * /`, comparisons and the vocabulary
            sqrt, abs, sign, where, maximum, minimum; no literals and no arithmetic on scalars alone. Its docstring is
            the update equation.
        scalars: `(t, *, **hyperparameters) -> dict`, called once per group and step with the step number t = 1, 2, ...;
            plain arithmetic in float64. None means that the scalar is absent.
        buffers: the buffers in the order of the arguments, by torch's state names.
        counts_steps: keep `state["step"]`. If False, t is 1 in the step that makes a parameter's buffers, and 2 after.
        memory: numbers that each parameter keeps from step to step beside the count, with their initial values (a
            number or the name of a hyperparameter). `scalars` takes them by keyword and returns their new values.
        sparse: None refuses sparse gradients. Otherwise buffers that change only where the gradient is not zero: with
            no other buffer present a sparse gradient updates the rows it holds; else it is made dense.

    Raises:
        RuleError: `update` leaves the rule language; the message names file and line.

    Example:
        >>> from descend.rules import Buffer, Rule
        >>> def heavy_ball(p, g, momentum_buffer, *, lr, mu):
        ...     momentum_buffer = mu * momentum_buffer + g
        ...     return p - lr * momentum_buffer, momentum_buffer
        >>> Rule(heavy_ball, lambda t, *, lr, mu: dict(lr=lr, mu=mu), dict(momentum_buffer=Buffer())).name
        'heavy_ball'
    """

    update: Callable[..., Any]
    scalars: Callable[..., dict[str, Any]]
    buffers: Mapping[str, Buffer] = field(default_factory=dict)
    counts_steps: bool = True
    memory: Mapping[str, float | str] = field(default_factory=dict)
    sparse: tuple[str, ...] | None = None
    name: str = field(init=False)
    tree: ast.FunctionDef = field(init=False, repr=False)
    scalar_names: tuple[str, ...] = field(init=False, repr=False)
    numbers: tuple[str, ...] = field(init=False, repr=False)
    inputs: tuple[str, ...] = field(init=False, repr=False)
    hyperparameters: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:  # a frozen dataclass fills its derived fields this way
            object.__setattr__(self, name, value)

        put("buffers", MappingProxyType(dict(self.buffers)))
        put("tree", check(self.update, tuple(self.buffers)))
        put("name", self.update.__name__)
        put("scalar_names", tuple(a.arg for a in self.tree.args.kwonlyargs))
        parameters = inspect.signature(self.scalars).parameters.values()
        put("memory", MappingProxyType(dict(self.memory)))
        put("numbers", (*(["step"] if self.counts_steps else []), *self.memory))
        keywords = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
        put("inputs", tuple(name for name in keywords if name not in self.memory))
        if not any(p.kind is not inspect.Parameter.KEYWORD_ONLY and p.name == "t" for p in parameters):
            raise RuleError(
                f"scalars of {self.name}: the first argument is the step number t, hyperparameters are keyword-only"
            )
        named = [name for b in self.buffers.values() for name in (b.when, b.init) if isinstance(name, str)]
        named += [name for name in self.memory.values() if isinstance(name, str)]
        put("hyperparameters", tuple(dict.fromkeys((*self.inputs, *named))))

    @property
    def equation(self) -> str:
        """The update equation: the docstring of `update`."""
        return inspect.getdoc(self.update) or "(no docstring)"

    def present(self, hyper: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the buffers that these hyperparameters switch on."""
        return tuple(name for name, buffer in self.buffers.items() if buffer.when is None or hyper[buffer.when])
