"""Kinds of kept tensors: what a parameter or a state buffer is in memory, and the torch reference of both ways.

A kind is the name of a dtype, kept to nearest, or one of

    "int8"           signed, blocks of 128 with a scale           "float16*", "float16+"      with a scale a block
    "uint8"          not negative, on a logarithmic grid          "bfloat16~", "float16~"     dithered
    "bfloat16|kahan", "float16|kahan", "bfloat16|split"           a parameter with a second tensor beside it

blocks.py and parameters.py say what they mean.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import parameters
from .formats import Format, decode, encode, format_of
from .parameters import in_memory_order

Key = tuple[int, int]


def kind_of(format: Format) -> str:
    """The kind of a buffer in this format."""
    if format.name == "int8":
        return "int8" if format.signed else "uint8"
    if format.name == "float16":
        return "float16*" if format.signed else "float16+"
    return "bfloat16~" if format.name == "bfloat16" else format.name


_BLOCKED = {
    kind_of(f): f for f in (format_of(name, signed) for name in ("int8", "float16") for signed in (True, False))
}


def is_dithered(kind: str) -> bool:
    """Whether random bits go into what is kept."""
    return kind in ("int8", "uint8") or kind.endswith("~")


def load_kept(kind: str, tensor: Tensor, words: Tensor | None, rest: Tensor | None = None) -> Tensor:
    """The float32 values, in the tensor's shape."""
    if "|" in kind:
        assert rest is not None
        return parameters.load_pair(kind.split("|")[1], tensor.detach().contiguous(), rest.contiguous())
    if words is None:
        return tensor.to(torch.float32)
    values = decode(_BLOCKED[kind], in_memory_order(tensor), words)
    result = torch.empty_like(tensor, dtype=torch.float32)
    in_memory_order(result).copy_(values)
    return result


def store_kept(
    kind: str,
    tensor: Tensor,
    words: Tensor | None,
    value: Tensor,
    key: Key = (0, 0),
    first: int = 0,
    rest: Tensor | None = None,
) -> None:
    """Write values to where a tensor of this kind is kept.

    Args:
        kind: see the top of this file.
        tensor: codes, or the parameter itself.
        words: block numbers, if the kind has them.
        value: what to write, of the tensor's shape.
        key: from `rounding.keys`, for kinds that are dithered.
        first: number of the tensor's first block in all parameters together.
        rest: what is kept beside a parameter.
    """
    if "|" in kind:
        assert rest is not None
        high, low = parameters.store_pair(kind.split("|")[1], value.to(torch.float32).contiguous(), tensor.dtype)
        tensor.copy_(high)
        rest.copy_(low)
        return
    dense = torch.empty_like(tensor, dtype=torch.float32, memory_format=torch.preserve_format).copy_(value)
    flat = in_memory_order(dense)
    if kind.endswith("~"):
        rounded = torch.empty_like(dense, dtype=tensor.dtype)
        random = parameters.random16(flat.numel(), key, first)
        in_memory_order(rounded).copy_(parameters.stochastic(flat, tensor.dtype, random))
        tensor.copy_(rounded)
        return
    codes, new_words = encode(_BLOCKED[kind], flat, key, first)
    assert words is not None and new_words is not None
    in_memory_order(tensor).copy_(codes)
    words.copy_(new_words)
