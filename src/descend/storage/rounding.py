"""Random bits that depend on seed, step and element index only, and what rounds with them.

Rounding to nearest loses every update smaller than half the distance between neighbours: a bfloat16 parameter of size 1
stands still under updates below 0.002. Three ways out:

- stochastic rounding: up with a probability equal to the remainder, so that the expectation is exact;
- a compensation buffer (Kahan): what rounding dropped is kept in a second number (parameters.py);
- a split master: the 16 bits that the nearest bfloat16 number lacks to the exact float32 value, as int16.

Counter-based bits are the same on any thread count, engine and sharding, and leave torch's generators alone. The hash
is integer arithmetic in 32 bits (two multiplications), which every processor does for whole vectors. Everything is
written in operations that compiled engines repeat bit for bit. float32 values go in; shapes are kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MASK32, _MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

# Multipliers of the hash: C. Wellons' "lowbias32" (2018-2022), the least biased found for shifts 16, 15, 15.
MULTIPLY_1, MULTIPLY_2 = 0x21F0AAAD, 0x735A2D97

# Twelve bits below the leading bit of a float in [1, 2), and half of the lowest, which keeps a dither off its ends.
DITHER_BITS, DITHER_ONE = 0x7FF800, 0x3F800400


def spread(i: int) -> int:
    """What element i of a block of 128 adds (by exclusive or) to the dither of the block.

    The seven highest bits take each value once in a block, and still do after an exclusive or with any number.
    """
    return (i * 79 & 127) << 16


def _finish(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK64
    return x ^ (x >> 31)


def keys(seed: int, step: int, stream: int = 0) -> tuple[int, int]:
    """Two 32-bit keys of one step: Python integers, computed once per step and tensor (splitmix64, Steele et al. 2014).

    Args:
        seed: the user's.
        step: the step count.
        stream: keeps apart what must not share random bits: the number of the parameter, of the buffer.
    """
    x = _finish((seed + 0x9E3779B97F4A7C15) & _MASK64)
    x = _finish((x ^ step) + 0x9E3779B97F4A7C15 & _MASK64)
    x = _finish((x ^ stream) + 0x9E3779B97F4A7C15 & _MASK64)
    return x & _MASK32, x >> 32


def random_bits(index: Tensor, key: tuple[int, int]) -> Tensor:
    """32 random bits for each element index, as int64 in [0, 2**32).

    The second key enters between the two rounds: with one key only, the numbers of two steps would be one sequence,
    shifted. An index counts modulo 2**32.

    Args:
        index: int64 element indices in the whole (unsharded) tensor.
        key: from `keys`.
    """
    x = (index + key[0]) & _MASK32
    x = ((x ^ (x >> 16)) * MULTIPLY_1) & _MASK32
    x = ((x ^ (x >> 15)) + key[1]) & _MASK32
    x = (x * MULTIPLY_2) & _MASK32
    return x ^ (x >> 15)


def dither_key(random: Tensor) -> Tensor:
    """The dither of a block's first element, as a bit pattern, from the random bits of the block's number."""
    return random & DITHER_BITS | DITHER_ONE


def block_dither(blocks: int, size: int, key: tuple[int, int], first: int = 0) -> Tensor:
    """For each element of consecutive blocks a float32 in (1, 2): one hash a block, spread evenly inside.

    For one element it is uniform over steps, which is what unbiased rounding needs. Within a block the numbers are
    more even than chance would have them.

    Args:
        blocks: how many blocks.
        size: elements in a block, at most 128.
        key: from `keys`.
        first: number of the first block in the whole tensor.
    """
    start = dither_key(random_bits(torch.arange(first, first + blocks), key))[:, None]
    x = start ^ torch.tensor([spread(i) for i in range(size)])
    return x.to(torch.int32).view(torch.float32)


def _bits(x: Tensor) -> Tensor:
    """The bit pattern of float32 values, as int64 in [0, 2**32)."""
    return x.contiguous().view(torch.int32).to(torch.int64) & _MASK32


def _as_signed(x: Tensor, bits: int) -> Tensor:
    """Unsigned integers (int64) of so many bits as the signed ones of the same bit pattern."""
    return x - ((x >> (bits - 1)) << bits)


def _bfloat16(bits: Tensor) -> Tensor:
    return _as_signed(bits & 0xFFFF, 16).to(torch.int16).view(torch.bfloat16)


def _float32(bits: Tensor) -> Tensor:
    return _as_signed(bits & _MASK32, 32).to(torch.int32).view(torch.float32)


def stochastic_bfloat16(x: Tensor, random: Tensor) -> Tensor:
    """Round to one of the two neighbours in bfloat16, up with the probability of the remainder (16 random bits).

    What bfloat16 has stays as it is, infinities too; NaN becomes torch's NaN.

    Args:
        x: float32 values.
        random: integers of which the lowest 16 bits are used.
    """
    rounded = (_bits(x) + (random & 0xFFFF)) >> 16
    return _bfloat16(torch.where(x != x, 0x7FC0, rounded))


def stochastic_float16(x: Tensor, random: Tensor) -> Tensor:
    """Round to one of the two neighbours in float16, up with the probability of the remainder (13 random bits).

    Beyond 65504 comes infinity, as in rounding to nearest. Below 2**-14 neighbours are 2**-24 apart.

    Args:
        x: float32 values.
        random: integers of which the lowest 13 bits are used.
    """
    bits, random = _bits(x), random & 0x1FFF
    magnitude = _float32(bits & 0x7FFFFFFF)
    coarse = _float32((bits & 0x7FFFFFFF) + random & ~0x1FFF)
    count = (magnitude * 2.0**24 + random.to(torch.float32) * 2.0**-13).to(torch.int32)
    fine = count.to(torch.float32) * 2.0**-24
    rounded = torch.where(magnitude < 2.0**-14, fine, coarse)
    return torch.copysign(torch.where(x.isfinite(), rounded, x), x).to(torch.float16)


def split(x: Tensor) -> tuple[Tensor, Tensor]:
    """An exact float32 value as the nearest bfloat16 number and the 16 bits (int16) that it lacks.

    The bfloat16 half is what the model computes with, so it must be the nearest, as FlashOptim's is, and not the
    truncated one. The low half is the signed distance in bit patterns. Ties go away from zero: to even, both neighbours
    of a tie would have the same two halves. So the half differs from `x.to(torch.bfloat16)` at exact ties, and nowhere
    else. NaN stays NaN, its payload not.
    """
    bits = _bits(x)
    nan = x != x
    high = torch.where(nan, (bits >> 16) & 0x8000 | 0x7FC0, (bits + 0x8000) >> 16)
    low = torch.where(nan, torch.zeros_like(bits), _as_signed(bits & 0xFFFF, 16))
    return _bfloat16(high), low.to(torch.int16)


def join(high: Tensor, low: Tensor) -> Tensor:
    """The float32 value of which `split` made the two halves."""
    top = high.contiguous().view(torch.int16).to(torch.int64) << 16
    return _float32(top + low.to(torch.int64))
