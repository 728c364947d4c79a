"""What a state buffer can be kept as: frozen specs, with the torch reference of encoding and decoding.

A buffer of n elements is a tensor of codes, in the parameter's own shape and memory order, and, where blocks of 128
share a scale, a small tensor of block numbers. All zeros in both is a buffer of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from . import blocks, parameters, rounding

NAMES = ("float32", "bfloat16", "float16", "int8")


@dataclass(frozen=True)
class Format:
    """How a buffer is kept.

    Attributes:
        name: as the user writes it, one of NAMES.
        signed: whether the buffer may be negative.
        codes: dtype of what is kept for each element.
        words: how many numbers are kept for each block; 0: there are no blocks.
        word: their dtype.
    """

    name: str
    signed: bool
    codes: torch.dtype
    words: int = 0
    word: torch.dtype = torch.float32

    def nbytes(self, size: int) -> int:
        """Bytes of a buffer of so many elements."""
        return size * self.codes.itemsize + blocks.block_count(size) * self.words * self.word.itemsize

    def words_shape(self, size: int) -> tuple[int, ...]:
        """Shape of the tensor of block numbers for so many elements."""
        count = blocks.block_count(size)
        return (count,) if self.words == 1 else (count, self.words)

    def zeros(self, size: int) -> tuple[Tensor, Tensor | None]:
        """A flat buffer of zeros."""
        words = torch.zeros(self.words_shape(size), dtype=self.word) if self.words else None
        return torch.zeros(size, dtype=self.codes), words


def format_of(name: str, signed: bool) -> Format:
    """The format of a buffer.

    Args:
        name: one of NAMES.
        signed: whether the buffer may be negative.

    Raises:
        ValueError: there is no such format.
    """
    if name == "int8":
        return Format(name, True, torch.int8, 1) if signed else Format(name, False, torch.uint8, 3, torch.int16)
    if name == "float16":
        return Format(name, signed, torch.float16, 1)
    if name in ("float32", "bfloat16"):
        return Format(name, signed, getattr(torch, name))
    raise ValueError(f"state_dtype must be one of {', '.join(NAMES)}, not {name!r}")


def encode(kind: Format, x: Tensor, key: tuple[int, int] | None = None, first: int = 0) -> tuple[Tensor, Tensor | None]:
    """Codes and block numbers of a flat float32 tensor, in memory order.

    Args:
        kind: the format.
        x: the values.
        key: from `rounding.keys`, for unbiased rounding of int8 and bfloat16 buffers; None: to nearest.
        first: number of the tensor's first block in all parameters together.
    """
    if kind.name == "int8":
        dither = None
        if key is not None:
            dither = rounding.block_dither(blocks.block_count(x.numel()), blocks.BLOCK, key, first)
        return blocks.encode_signed(x, dither) if kind.signed else blocks.encode_log(x, dither)
    if kind.name == "float16":
        return blocks.encode_half(x, kind.signed)
    if kind.name == "bfloat16" and key is not None:
        return parameters.stochastic(x, kind.codes, parameters.random16(x.numel(), key, first)), None
    return x.to(kind.codes), None


def decode(kind: Format, codes: Tensor, words: Tensor | None) -> Tensor:
    """The float32 values of a flat buffer."""
    if words is None:
        return codes.to(torch.float32)
    if kind.name == "float16":
        return blocks.decode_half(codes, words)
    return blocks.decode_signed(codes, words) if kind.signed else blocks.decode_log(codes, words)
