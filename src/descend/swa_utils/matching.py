"""Which tensor of the model is averaged into which: by name, and refused where names or shapes do not fit."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from itertools import chain
from operator import is_, itemgetter
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import Module

# What wrappers put between a module and the names of what it holds: torch.compile, FSDP, activation checkpointing.
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_LISTED = 8  # names in a message


class Pair(NamedTuple):
    """A tensor of the averaged module and the model's that belongs to it."""

    name: str
    averaged: Tensor
    model: Tensor


def _unwrapped(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same without the names of wrappers (DataParallel's is a leading "module"); unchanged if that is ambiguous."""
    result = {}
    for name, tensor in named.items():
        words = [word for word in name.split(".") if word not in _WRAPPERS]
        while len(words) > 1 and words[0] == "module":
            words = words[1:]
        result[".".join(words)] = tensor
    return result if len(result) == len(named) else named


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return ", ".join(listed[:_LISTED]) + more


def match(averaged: Module, model: Module, kind: str) -> list[Pair]:
    """Pairs of tensors by name, each averaged tensor once.

    Args:
        averaged: the averaged module.
        model: the model, perhaps in a wrapper (DistributedDataParallel, torch.compile).
        kind: "parameters" or "buffers".

    Raises:
        ValueError: names or shapes differ, or two names share a tensor in the average only; the message lists them.
    """
    ours, theirs = (dict(getattr(module, f"named_{kind}")(remove_duplicate=False)) for module in (averaged, model))
    own_names = list(ours)
    if ours.keys() != theirs.keys():
        ours, theirs = _unwrapped(ours), _unwrapped(theirs)
    wrong = []
    if only := ours.keys() - theirs.keys():
        wrong.append(f"{kind} of the average that the model lacks: {_some(n for n in ours if n in only)}")
    if only := theirs.keys() - ours.keys():
        wrong.append(f"{kind} of the model that the average lacks: {_some(n for n in theirs if n in only)}")
    pairs: dict[int, Pair] = {}
    for own_name, (name, tensor) in zip(own_names, ours.items(), strict=True):
        other = theirs.get(name)
        if other is None:
            continue
        if tensor.shape != other.shape:
            wrong.append(f"{name} has shape {tuple(tensor.shape)} in the average, {tuple(other.shape)} in the model")
        pair = pairs.setdefault(id(tensor), Pair(own_name, tensor, other))
        if pair.model is not other:
            wrong.append(f"{pair.name} and {name} are one tensor in the average, but two in the model")
    if wrong:
        raise ValueError(
            f"The model does not match the averaged one, so nothing was averaged. {'; '.join(wrong[:_LISTED])}"
        )
    return list(pairs.values())


_TABLES = ("_parameters", "_buffers", "_modules")


class Snapshot:
    """What a module tree holds, to see later at little cost whether it still holds the same objects.

    Args:
        root: the tree. It is not kept alive: once it is gone, so is this.
        gone: called then.
    """

    def __init__(self, root: Module, gone: Callable[[], None]) -> None:
        def forget(_: object) -> None:
            for kept in (self._spaces, self._known, self._full, self._empty, self._held):
                kept.clear()
            gone()

        self._root = weakref.ref(root, forget)
        # A module's attributes: `_parameters` might be replaced as well as what is in it.
        self._spaces = [vars(module) for module in root.modules()]
        self._known: list[Any] = [space.get(table) for space in self._spaces for table in _TABLES]
        self._usable = all(isinstance(table, dict) for table in self._known)  # not so in TorchScript
        self._full: list[Any] = [table for table in self._known if table] if self._usable else []
        self._empty: list[Any] = [table for table in self._known if not table]
        self._held: list[Any] = list(chain.from_iterable(map(dict.values, self._full)))

    def holds(self, root: Module) -> bool:
        """Whether this is a picture of `root` as it is now."""
        return (
            self._root() is root
            and self._usable
            and not any(self._empty)
            and sum(map(len, self._full)) == len(self._held)
            and all(map(is_, chain.from_iterable(map(itemgetter(*_TABLES), self._spaces)), self._known))
            and all(map(is_, chain.from_iterable(map(dict.values, self._full)), self._held))
        )
