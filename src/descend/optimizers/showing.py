"""`repr(optimizer)`: torch's text while it fits a screen; else the options in common, and a line per kind of group."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from .scheduling import described

if TYPE_CHECKING:
    from .base import Optimizer

_LINES = 40  # a screen
_WIDTH = 200  # characters of an option; parameter names are the one that grows
_ENDS = 12  # lines kept from the beginning and from the end where there are too many kinds of group
_ABSENT = object()


def show(optimizer: Optimizer) -> str:
    """See the top of this file; groups next to each other with equal options share a line."""
    following = described(optimizer)
    groups = [
        group | {key: f"{group[key]}, from {schedule}" for key, schedule in following.get(id(group), {}).items()}
        for group in optimizer.param_groups
    ]
    name = type(optimizer).__name__
    if sum(len(group) for group in groups) < _LINES:  # a line per option, and one per group in place of "params"
        lines = [f"{name} ("]
        for i, group in enumerate(groups):
            lines += [""] * (i > 0) + [f"Parameter Group {i}"]
            lines += [f"    {key}: {_short(key, group[key])}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"
    texts = [{k: _short(k, v) for k, v in group.items() if k not in ("params", "param_names")} for group in groups]
    keys = sorted({key for text in texts for key in text})
    common = [key for key in keys if all(text.get(key, _ABSENT) == texts[0].get(key) for text in texts)]
    lines = [f"{name} (", f"All {len(groups)} parameter groups: {_contents(groups)}"]
    lines += [f"    {key}: {texts[0][key]}" for key in common]
    differing = [key for key in keys if key not in common]
    if differing:
        kinds = [
            "Parameter Group" + _numbers([i for i, _ in members]) + ": " + ", ".join(f"{k}: {v}" for k, v in options)
            + f" ({_contents([groups[i] for i, _ in members])})"
            for options, members in (
                (options, list(members))
                for options, members in groupby(
                    enumerate(texts), lambda item: [(k, item[1][k]) for k in differing if k in item[1]]
                )
            )
        ]  # fmt: skip
        if len(kinds) > 2 * _ENDS:
            kinds[_ENDS:-_ENDS] = [f"... and {len(kinds) - 2 * _ENDS} more such lines ..."]
        lines += kinds
    return "\n".join(lines) + "\n)"


def _short(key: str, value: Any) -> str:
    text = str(value)
    if len(text) <= _WIDTH:
        return text
    if key == "param_names":
        return f"{str(value[:3])[:_WIDTH]} ... {len(value)} in all"
    return f"{text[:_WIDTH]}..."


def _numbers(numbers: list[int]) -> str:
    return f" {numbers[0]}" if len(numbers) == 1 else f"s {numbers[0]} to {numbers[-1]}"


def _contents(groups: list[dict[str, Any]]) -> str:
    params = [p for group in groups for p in group["params"]]
    tensors = f"{len(params):,} tensor{'' if len(params) == 1 else 's'}"
    return f"{tensors}, {sum(p.numel() for p in params):,} elements"
