"""How parameters in half precision are kept so that small updates are not lost, and random bits for a whole tensor.

Three ways, named as the options are: "stochastic" rounding; "kahan", a second number of the same dtype that holds what
rounding dropped; "split", the 16 bits that a bfloat16 parameter lacks to its exact float32 value. This is the torch
reference; engines/rounded.py does the same in kernels, bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import rounding
from .blocks import BLOCK, block_count

# Random bits inside a block: multiples of the golden ratio in 32 bits, of which the upper 16 are used. They are spread
# more evenly than chance; where a block begins is a hash of its number, so for one element they are uniform over steps.
WEYL = 0x9E3779B1


def in_memory_order(tensor: Tensor) -> Tensor:
    """A dense tensor's elements as they lie in memory, as a view; complex ones as real numbers."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.as_strided((tensor.numel(),), (1,))


def random16(size: int, key: tuple[int, int], first: int) -> Tensor:
    """16 random bits, as int64, for each element of a tensor.

    Args:
        size: elements.
        key: from `rounding.keys`.
        first: number of the tensor's first block in all tensors together.
    """
    start = rounding.random_bits(torch.arange(first, first + block_count(size)), key)[:, None]
    return (((start + torch.arange(BLOCK)) * WEYL & 0xFFFFFFFF) >> 16).view(-1)[:size]


def stochastic(x: Tensor, dtype: torch.dtype, random: Tensor) -> Tensor:
    """Round float32 values to one of the two neighbours; `random`: from `random16`."""
    if dtype == torch.bfloat16:
        return rounding.stochastic_bfloat16(x, random)
    return rounding.stochastic_float16(x, random >> 3)


def rest_dtype(mode: str, parameter: torch.dtype) -> torch.dtype:
    """Of what is kept beside the parameter."""
    return torch.int16 if mode == "split" else parameter


def compensate(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A float32 value as the nearest number of a dtype and the nearest one to what that drops."""
    high = x.to(dtype)
    rest = x - high.to(torch.float32)
    return high, torch.where(high.isfinite(), rest, torch.zeros_like(rest)).to(dtype)


def load_pair(mode: str, high: Tensor, rest: Tensor) -> Tensor:
    """The float32 values of parameter and rest."""
    if mode == "split":
        return rounding.join(high, rest)
    return high.to(torch.float32) + rest.to(torch.float32)


def store_pair(mode: str, x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Parameter and rest of float32 values."""
    return rounding.split(x) if mode == "split" else compensate(x, dtype)
