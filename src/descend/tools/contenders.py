"""The optimizers to try: from a name, a class, a partial, an instance or a function to something that can be built.

contenders(["sgd", torch.optim.Adam, partial(descend.SGD, momentum=0.9), "adamw(weight_decay=0.1)"], model)
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

import descend

from .quickref import TABLE
from .records import Candidate

Parameters = list[Any]  # of tensors, or of parameter groups
Maker = Callable[[Parameters, float], "Optimizer | Sequence[Optimizer]"]


class UnknownOptimizer(ValueError):
    """No optimizer has that name; the message lists the ones that exist."""


@dataclass(frozen=True)
class Contender:
    """An optimizer that can be built for a copy of the model at any learning rate.

    Attributes:
        candidate: label, constructor line and known rates, as data.
        make: builds it from parameters and a rate.
        name: the class's name, `SGD`.
        options: what it is built with beside the rate.
        rates: the only rates worth trying; None: a grid.
        instance: the optimizer whose groups are imitated; None where there is none.
        names: of the instance's parameters, group by group, in the model.
    """

    candidate: Candidate
    make: Maker
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] | None = None
    instance: Optimizer | None = None
    names: tuple[tuple[str, ...], ...] = ()

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.candidate.label

    def build(self, model: nn.Module, lr: float) -> list[Optimizer]:
        """The optimizer, or several that share a model (Muon and what it leaves to AdamW), for this copy of the model.

        Raises:
            TypeError: what was built is no optimizer.
        """
        if self.instance is None:
            parameters: Parameters = list(model.parameters())
        else:
            parameters = _groups_like(self.instance, self.names, dict(model.named_parameters()), lr)
        return as_list(self.make(parameters, lr), self.label)


def as_list(built: Any, label: str) -> list[Optimizer]:
    """One optimizer or several as a list.

    Raises:
        TypeError: it is neither.
    """
    several = list(built) if isinstance(built, (list, tuple)) else [built]
    for optimizer in several:
        # Wrappers of third parties need not be subclasses: what counts is that they behave as one.
        if not all(hasattr(optimizer, needed) for needed in ("step", "zero_grad", "param_groups")):
            raise TypeError(f"{label} must build an optimizer, got {type(optimizer).__name__}")
    return several


def contenders(specs: Any, model: Any = None) -> tuple[Contender, ...]:
    """What to try, in the order given, with labels that differ.

    Args:
        specs: one or several of: a name of the quick reference (`"adamw"`, with options `"adamw(weight_decay=0.1)"`),
            `"torch.Adam"`, `"package.module:Class"`, a class, a `functools.partial`, an optimizer instance of `model`,
            a function `(params, lr) -> optimizer`, a Contender.
        model: the user's own model, to which an instance's parameters belong.

    Raises:
        UnknownOptimizer: a name that is not known.
        TypeError: something else that is no optimizer.
        ValueError: there is none, or an instance belongs to another model.
    """
    if isinstance(specs, (str, type, functools.partial, Optimizer, Contender)) or not isinstance(specs, Iterable):
        specs = [specs]
    found = [_contender(spec, model, number) for number, spec in enumerate(specs, start=1)]
    if not found:
        raise ValueError("optimizers: there must be at least one")
    labels: dict[str, int] = {}
    result = []
    for one in found:
        count = labels[one.label] = labels.get(one.label, 0) + 1
        if count > 1:
            one = replace(one, candidate=replace(one.candidate, label=f"{one.label} #{count}"))
        result.append(one)
    return tuple(result)


def _contender(spec: Any, model: Any, number: int) -> Contender:
    if isinstance(spec, Contender):
        return spec
    if isinstance(spec, str):
        return _from_name(spec)
    if isinstance(spec, Optimizer):
        return _from_instance(spec, model)
    if isinstance(spec, functools.partial):
        if spec.args:
            raise TypeError(f"optimizers: give a partial's options by keyword, got {spec.args!r}")
        return _from_class(spec.func, dict(spec.keywords))
    if isinstance(spec, type):
        return _from_class(spec, {})
    if callable(spec):
        name = getattr(spec, "__name__", type(spec).__name__)
        name = f"optimizer {number}" if name == "<lambda>" else name
        line = f"{name}(model.parameters(), {{lr}})"
        return Contender(Candidate(name, line), spec, name)
    raise TypeError(
        "optimizers must be names, classes, partials, optimizers or functions (params, lr) -> optimizer, "
        f"got {type(spec).__name__}: {spec!r}"
    )


def _from_name(text: str) -> Contender:
    name, options = _parse(text)
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            cls: Any = functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
        except (ImportError, AttributeError) as error:
            raise UnknownOptimizer(f"optimizer {text!r}: {error}") from error
        return _from_class(cls, options)
    short = name.lower()
    for prefix in ("torch.optim.", "torch."):
        if short.startswith(prefix):
            known = {k.lower(): v for k, v in vars(torch.optim).items() if _is_optimizer(v)}
            if short.removeprefix(prefix) in known:
                reference = TABLE.get(short.removeprefix(prefix))
                return _from_class(
                    known[short.removeprefix(prefix)], {**(reference.options if reference else {}), **options}
                )
    reference = TABLE.get(short.removeprefix("descend."))
    if reference is None:
        raise UnknownOptimizer(
            f"unknown optimizer {text!r}; the names are {', '.join(TABLE)}; "
            "torch's are torch.Adam and so on, others package.module:Class"
        )
    if reference.name == "muon":
        return _muon({**reference.options, **options}, reference.start_lr)
    made = _from_class(reference.optimizer, {**reference.options, **options})
    return replace(made, rates=reference.rates if "lr" not in options else made.rates)


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    """`adamw(weight_decay=0.1)` as a name and its options, which must be literals."""
    name, bracket, rest = text.strip().partition("(")
    if not bracket:
        return name, {}
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("options are given by name")
        return name, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise UnknownOptimizer(
            f"optimizer {text!r} must look like adamw(weight_decay=0.1, eps=1e-6): {error}"
        ) from error


def _is_optimizer(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer


def _from_class(cls: Callable[..., Any], options: dict[str, Any]) -> Contender:
    """A class, or any function with the signature of one: `cls(params, lr=..., **options)`."""
    name = getattr(cls, "__name__", type(cls).__name__)
    options = dict(options)
    given = options.pop("lr", None)
    signature = _signature(cls)
    if signature is not None:
        takes_all = any(p.kind is p.VAR_KEYWORD for p in signature.values())
        unknown = [key for key in options if key not in signature]
        if unknown and not takes_all:
            raise TypeError(f"{name} has no option {unknown[0]!r}; it has {', '.join(list(signature)[1:])}")
        if "lr" not in signature and not takes_all:
            raise TypeError(f"{name} takes no learning rate (lr), so there is nothing to choose")
    default = given
    if default is None and signature is not None and "lr" in signature:
        default = signature["lr"].default
    own = cls.__module__.split(".")[0] == "descend" and hasattr(descend, name)
    torchs = _is_optimizer(cls) and not own and cls.__module__.startswith("torch.optim")
    prefix = "descend." if own else "torch.optim." if torchs else ""
    reference = TABLE.get(name.lower()) if own or torchs else None
    rest = "".join(f", {key}={value!r}" for key, value in options.items())
    candidate = Candidate(
        label=" ".join([("torch." if torchs else "") + name, *(f"{key}={value}" for key, value in options.items())]),
        line=f"{prefix}{name}(model.parameters(), lr={{lr}}{rest})",
        default_lr=float(default) if isinstance(default, (int, float)) and not isinstance(default, bool) else None,
        table_lr=None if reference is None else reference.start_lr,
    )
    searching = reference is not None and reference.rates is not None and options.get("line_search_fn") is not None
    return Contender(
        candidate,
        lambda params, lr: cls(params, lr=lr, **options),
        name,
        options,
        rates=reference.rates if searching and reference is not None else None,
    )


def _signature(cls: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(cls).parameters
    except (TypeError, ValueError):  # of some compiled classes
        return None


def _muon(options: dict[str, Any], start: float) -> Contender:
    """Muon for the matrices and AdamW, at the same rate, for everything else, as Muon is used."""
    rest = "".join(f", {key}={value!r}" for key, value in options.items())

    def make(params: Parameters, lr: float) -> list[Optimizer]:
        matrices = [p for p in params if p.ndim == 2]
        others = [p for p in params if p.ndim != 2]
        made: list[Optimizer] = [descend.Muon(matrices, lr=lr, **options)] if matrices else []
        return [*made, descend.AdamW(others, lr=lr)] if others else made

    line = (
        f"descend.Muon([p for p in model.parameters() if p.ndim == 2], lr={{lr}}{rest}) and "
        "descend.AdamW([p for p in model.parameters() if p.ndim != 2], lr={lr})"
    )
    default = inspect.signature(descend.Muon).parameters["lr"].default
    candidate = Candidate("Muon + AdamW", line, default_lr=float(default), table_lr=start)
    return Contender(candidate, make, "Muon", options)


def _from_instance(optimizer: Optimizer, model: Any) -> Contender:
    """Another optimizer of the same class, with the instance's groups: options, and ratios of their rates."""
    if not isinstance(model, nn.Module):
        raise ValueError("optimizers: an optimizer that is built already needs the model that it was built for")
    by_parameter = {parameter: name for name, parameter in model.named_parameters()}
    try:
        names = tuple(tuple(by_parameter[p] for p in group["params"]) for group in optimizer.param_groups)
    except KeyError:
        raise ValueError(
            f"optimizers: a parameter of the {type(optimizer).__name__} that was given is no parameter of the model"
        ) from None
    cls: Callable[..., Optimizer] = type(optimizer)
    name = type(optimizer).__name__
    signature = _signature(cls) or {}
    required = {key: value for key, value in optimizer.defaults.items() if key in signature and key != "lr"}
    if "engine" in signature:
        required["engine"] = getattr(optimizer, "_engine", "auto")
    first = float(optimizer.param_groups[0]["lr"])
    if not first > 0:
        raise ValueError(f"optimizers: the learning rate of the first group must be positive, got {first:g}")
    made = _from_class(cls, {})
    candidate = replace(
        made.candidate,
        label=f"{made.label} (yours)",
        line=f"{name}(...) as you built it, with its first group at lr={{lr}}",
        default_lr=first,
    )
    return Contender(
        candidate, lambda groups, lr: cls(groups, lr=lr, **required), name, required, None, optimizer, names
    )


def _groups_like(
    instance: Optimizer, names: tuple[tuple[str, ...], ...], parameters: Mapping[str, nn.Parameter], lr: float
) -> list[dict[str, Any]]:
    """The instance's groups over a copy's parameters: same options, rates in the same ratio, the first one at `lr`."""
    first = float(instance.param_groups[0]["lr"])
    groups = []
    for group, members in zip(instance.param_groups, names, strict=True):
        # Whatever a scheduler has left there (initial_lr) would be taken for the start of another one.
        options = {k: v for k, v in group.items() if k not in ("params", "param_names", "initial_lr")}
        options["lr"] = lr * float(group["lr"]) / first
        groups.append({**options, "params": [parameters[name] for name in members]})
    return groups
