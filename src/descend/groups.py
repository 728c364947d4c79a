"""Parameter groups that every trainer writes anew: no weight decay for norms, a rate per depth, options by name.

Each function takes a model and returns a plain list of group dicts, "params" as (name, parameter) pairs, for any
optimizer of descend or torch; look at it to see what went where. Three rules hold for all of them. A parameter that a
model holds twice (tied embeddings) stands in one group, under its first name. Frozen parameters are there too, as in
`model.parameters()`: they cost nothing until they are unfrozen. Groups without parameters are left out.
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

__all__ = ["by_name", "decay", "layerwise"]

Groups = list[dict[str, Any]]
_Named = list[tuple[str, nn.Parameter]]

_NORMS = (
    nn.modules.batchnorm._NormBase,  # of batches and instances
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.CrossMapLRN2d,
)
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_NORM_NAME = re.compile(r"norm(fp)?\d*d?$", re.IGNORECASE)  # LlamaRMSNorm, FrozenBatchNorm2d: norms by name only
_BLOCKS = 4  # from so many modules of one type on, a list of them is taken for a model's trunk


def decay(
    model: nn.Module, weight_decay: float, *, exempt: Iterable[type[nn.Module] | str] = (), **options: Any
) -> Groups:
    """Two groups: parameters that decay, and those that should not.

    Exempt are: all parameters of norms (torch's, and classes called "...Norm", "...Norm2d"), of embeddings, biases
    (parameters called "bias", "..._bias" or "bias_..."), whatever has fewer than two dimensions (scales, gains,
    temperatures), and what `exempt` names. A parameter held by several modules is exempt if one of them exempts it.
    Call it before a wrapper flattens the parameters into one (FSDP1).

    Args:
        model: any module.
        weight_decay: of the first group; the second one's is 0.
        exempt: module types, to exempt with all that is inside them, or patterns of parameter names such as
            "*.pos_embed".
        options: further options of both groups.

    Returns:
        The decaying group, then the other; only one if the other would be empty.

    Raises:
        ValueError: the model has no parameters, weight_decay is not a finite number >= 0, or a pattern matches nothing.

    Example:
        >>> import torch, descend
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
        >>> for group in descend.groups.decay(model, weight_decay=0.1):
        ...     print(group["weight_decay"], [name for name, _ in group["params"]])
        0.1 ['0.weight']
        0.0 ['0.bias', '1.weight', '1.bias']
        >>> optimizer = descend.AdamW(descend.groups.decay(model, weight_decay=0.1), lr=3e-4)
    """
    return _filled([{**group, **options} for group in _split(model, weight_decay, exempt)])


def layerwise(
    model: nn.Module,
    decay: float,
    *,
    lr: float,
    layers: Sequence[nn.Module] | None = None,
    weight_decay: float | None = None,
    **options: Any,
) -> Groups:
    """A learning rate for every depth: `lr` at the output, times `decay` for each layer further down.

    The trunk of a model is its list (ModuleList or Sequential) of four or more modules of one type, as of the blocks of
    a transformer, found by going again and again into the child that holds more than half of the model's elements. Each
    of these modules is a layer; everything that stands before them in `model.named_parameters()`, such as embeddings,
    is one more at the bottom, everything after them one more at the top. Without a trunk, the model's children are the
    layers.

    Args:
        model: any module whose parts are registered from input to output.
        decay: factor per layer, in (0, 1]; 0.65 to 0.9 is usual in fine-tuning.
        lr: rate of the topmost layer.
        layers: the layers from input to output, instead of those found.
        weight_decay: if given, each layer is two groups, as by :func:`decay`.
        options: further options of all groups.

    Returns:
        One group a layer (or two, with `weight_decay`), from input to output.

    Raises:
        ValueError: the model has no parameters, or a value is out of range.

    Example:
        >>> import torch, descend
        >>> model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(4)))
        >>> [group["lr"] for group in descend.groups.layerwise(model, decay=0.5, lr=0.8)]
        [0.1, 0.2, 0.4, 0.8]

    Source: Clark et al. 2020, arXiv:2003.10555, appendix A (ELECTRA); Howard & Ruder 2018, arXiv:1801.06146, section
    3.2.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"Invalid decay value: {decay} (decay must be 0 < decay <= 1)")
    depths = _depths(model, list(layers) if layers is not None else _layers(model))
    top = max(depths.values())
    split = _split(model, weight_decay, ()) if weight_decay is not None else [{"params": _named(model)}]
    return _filled(
        [
            {
                **group,
                "params": [(n, p) for n, p in group["params"] if depths[p] == depth],
                "lr": lr * decay ** (top - depth),
                **options,
            }
            for depth in range(top + 1)
            for group in split
        ]
    )


def by_name(model: nn.Module, rules: Mapping[str, Mapping[str, Any]]) -> Groups:
    """A group for every pattern of parameter names.

    A parameter belongs to the first pattern that matches one of its names; those that no pattern matches form the last
    group, without options of its own: the optimizer's defaults hold there.

    Args:
        model: any module.
        rules: pattern -> options. Patterns as of shells: `*`, `?`, `[abc]`; case matters; `*` matches dots too.

    Returns:
        The groups in the order of the patterns, the one of the rest last.

    Raises:
        ValueError: a pattern matches nothing, or only what earlier ones have taken; the message says what is close.

    Example:
        >>> import torch, descend
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
        >>> found = descend.groups.by_name(model, {"1.*": {"lr": 0.1}, "*.bias": {"momentum": 0.9}})
        >>> [[name for name, _ in group["params"]] for group in found]
        [['1.weight', '1.bias'], ['0.bias'], ['0.weight']]
        >>> optimizer = descend.SGD(found, lr=0.01)
    """
    names = _names(model)
    first = {p: known[0] for p, known in names.items()}
    taken: dict[nn.Parameter, str] = {}
    groups: Groups = []
    for pattern, options in rules.items():
        if "params" in options:
            raise ValueError(f"pattern {pattern!r}: 'params' is not an option; the pattern says which")
        matched = [p for p, known in names.items() if any(fnmatch.fnmatchcase(name, pattern) for name in known)]
        new = [p for p in matched if p not in taken]
        if not matched:
            raise _nothing(pattern, names)
        if not new:
            earlier = ", ".join(repr(q) for q in dict.fromkeys(taken[p] for p in matched))
            raise ValueError(f"pattern {pattern!r} matches only parameters that {earlier} has taken: put it first")
        taken.update(dict.fromkeys(new, pattern))
        groups.append({"params": [(first[p], p) for p in new], **options})
    groups.append({"params": [(name, p) for p, name in first.items() if p not in taken]})
    return _filled(groups)


def _nothing(pattern: str, names: Mapping[nn.Parameter, list[str]]) -> ValueError:
    known = [name for aliases in names.values() for name in aliases]
    close = difflib.get_close_matches(pattern, known, 3, 0.4)
    hint = f"the closest are {close}" if close else f"names look like {known[:3]}"
    return ValueError(f"pattern {pattern!r} matches no parameter of the model; {hint}")


def _names(model: nn.Module) -> dict[nn.Parameter, list[str]]:
    """All names of every parameter; of tied ones there are several."""
    names: dict[nn.Parameter, list[str]] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        names.setdefault(p, []).append(name)
    if not names:
        raise ValueError(f"{type(model).__name__} has no parameters")
    return names


def _named(model: nn.Module) -> _Named:
    return [(names[0], p) for p, names in _names(model).items()]


def _split(model: nn.Module, weight_decay: float, exempt: Iterable[type[nn.Module] | str]) -> Groups:
    """The two groups of `decay`, either of which may be empty."""
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ValueError(f"Invalid weight_decay value: {weight_decay} (weight_decay must be a finite number >= 0)")
    spared, named = _spared(model, exempt), _named(model)
    return [
        {"params": [(n, p) for n, p in named if p not in spared], "weight_decay": weight_decay},
        {"params": [(n, p) for n, p in named if p in spared], "weight_decay": 0.0},
    ]


def _filled(groups: Groups) -> Groups:
    return [group for group in groups if group["params"]]


def _spared(model: nn.Module, exempt: Iterable[type[nn.Module] | str]) -> set[nn.Parameter]:
    """Parameters that should not decay."""
    exempt = list(exempt)
    types = tuple(e for e in exempt if isinstance(e, type))
    names = _names(model)
    spared = {p for p in names if p.dim() < 2}
    for pattern in (e for e in exempt if isinstance(e, str)):
        matched = {p for p, known in names.items() if any(fnmatch.fnmatchcase(name, pattern) for name in known)}
        if not matched:
            raise _nothing(pattern, names)
        spared |= matched
    for module in model.modules():
        if isinstance(module, types):
            spared.update(module.parameters())
        whole = isinstance(module, (*_NORMS, *_EMBEDDINGS)) or _NORM_NAME.search(type(module).__name__)
        for name, p in module.named_parameters(recurse=False, remove_duplicate=False):
            if whole or name == "bias" or name.endswith("_bias") or name.startswith("bias_"):
                spared.add(p)
    return spared


def _elements(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _children(module: nn.Module) -> list[nn.Module]:
    return [child for child in module.children() if next(child.parameters(), None) is not None]


def _layers(model: nn.Module) -> list[nn.Module]:
    """The blocks of the trunk; without one, the children of the model or of the only child that it wraps."""
    half, module = _elements(model) / 2, model
    while True:
        children = _children(module)
        listed = isinstance(module, (nn.ModuleList, nn.Sequential))
        if listed and len(children) >= _BLOCKS and len({type(child) for child in children}) == 1:
            return children
        large = [child for child in children if _elements(child) > half]
        if not large:
            break
        module = large[0]
    module = model
    while len(_children(module)) == 1:
        module = _children(module)[0]
    return _children(module)


def _depths(model: nn.Module, layers: list[nn.Module]) -> dict[nn.Parameter, int]:
    """Depth of every parameter, 0 at the input, without gaps."""
    inside: dict[nn.Parameter, int] = {}
    for depth, layer in enumerate(layers):
        for p in layer.parameters():
            inside.setdefault(p, depth)
    params = [p for _, p in _named(model)]
    places = [i for i, p in enumerate(params) if p in inside]
    first = places[0] if places else len(params)
    raw = {p: inside.get(p, -1 if i < first else len(layers)) for i, p in enumerate(params)}
    number = {depth: i for i, depth in enumerate(sorted(set(raw.values())))}
    return {p: number[depth] for p, depth in raw.items()}
