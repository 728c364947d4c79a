"""Blocks of 128 elements that share a scale: int8 for signed and for non-negative buffers, float16.

Blocks are consecutive elements in the order of memory; the last one may be shorter. A block with an infinity or NaN in
it is NaN as a whole from then on (in a non-negative buffer: its zeros stay): nothing that is not finite gets lost
quietly, and no value is left whose scale was made up. All zeros have scale 0, so fresh zero tensors are a valid state.

**signed**: the sign and the square root of |x| / (largest |x|) on an even grid of 127; one float32, the largest |x|,
exact. Relative L2 error 0.0068 for normal, 0.0074 for Laplace, 0.0075 for normal times lognormal(1), 0.0080 for
Student's t (3 degrees) values, where a linear grid has 0.0065, 0.0090, 0.0163, 0.0137 (bitsandbytes' dynamic map:
0.013); the smallest code is 1/16129 of the largest. Decoding is q |q| and two multiplications. Encoding needs the root
to half a code only: a bit trick with one Newton step (Kadlec 2010) is within 0.00065, a twelfth of a code, and costs
seven operations where the exact root would occupy the divider, which the rule itself keeps busy. A logarithmic grid
for log(1 + 15 |x|) has the same error and is three instructions shorter to encode, but ends at 1/470 of the largest; a
cube root would reach 1/2048383 at an error of 0.0086 to 0.0090, at twice the cost.

Codes below 32 are dithered: to nearest, a moment that only decays, by 0.9 a step, stands still from 10 codes down
(0.6 % of the largest), while its second moment goes on to 0; their ratio grows, and the parameter of a rare word or a
dead unit runs away. The errors are then 0.0068, 0.0075, 0.0083 and 0.0084; with all codes dithered, 0.0092 to 0.0110.
With a decay of 0.97 and more, codes above 32 may still stand.

**log**: non-negative values on an even grid over the float's bit pattern, 254 steps from the smallest positive value
of the block to the largest; code 0 is exactly zero, and nothing else is. A bit pattern is a logarithm, linear between
powers of two, for two integer operations. Kept for a block: the smallest value, rounded to 24 bits of its pattern, and
the step in 24 bits: three int16 words. Worst factor between sqrt(v) before and after at lognormal(2), a million values:
1.022 to nearest, 1.039 dithered.

Rounding to nearest is not enough for a moving average: with beta2 = 0.999 a step changes v by a thousandth and the grid
has steps of some hundredths, so what moves against the rest of its block stands still. Where the gradients of half of
each block fall by ten, sqrt(v) is 3.0 times too large after 3,000 steps (on average; 5.8 at worst). Dithered, it is
1.01 times (1.8): the expectation is exact, and values on the grid stay where they are with any dither. Digits, an MLP,
5 seeds, training loss after 1,500 steps of AdamW: float32 0.0123 (+- 0.0015), int8 dithered 0.0122, int8 to nearest
0.0113, bfloat16 to nearest 0.0148, bfloat16 with stochastically rounded v 0.0122.

**float16**: a power of two per block takes the largest value to [2**14, 2**15), so that a second moment of 1e-12 does
not become 0 and one of 1e6 not infinite; within a block non-negative values have at least the smallest float16.

What it costs (Xeon with AVX-512, 3.56 GHz, cycles per 16 elements in cache, benchmarks/codec_time.py): AdamW in float32
21, bfloat16 state 27, float16 state 28, int8 state 40. Of these, the root and the division of the rule take 23 of the
divider and 7 of the two vector ports; beside them an int8 step has 58 vector instructions: 13 for the rule, 6 and 5 to
decode, 12 and 9 to encode, 5 for the reductions. Memory alone takes 39 cycles for the 16 bytes an element (68 for
float32's 28), so any instruction more shows.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 128

MAGNITUDE, INFINITY = 0x7FFFFFFF, 0x7F800000  # bit patterns of float32
LARGEST = INFINITY - 1

# The signed grid: 127 squares; 1/16129 in float32 times 16129 is 1, so the largest value comes back exactly.
SQUARE = 1 / 16129
# r = 1/sqrt(y) from the bit pattern (ROOT - bits/2), and a Newton step: sqrt(y) = ROOT_SCALE y r (CURVE - y r r).
ROOT, CURVE, ROOT_SCALE = 0x5F1FFFF9, 2.38924456, 0.703952253
# y is scaled so that the root's last factor and the 127 are in it already.
SIGNED_TOP = (127 * ROOT_SCALE) ** 2
# Below this, 1/scale would overflow: the block is multiplied by 2**64 first, which is exact.
TINY, LIFT = 2.0**-100, 2.0**64
# Codes z below SMALL are dithered by 1 - z/512 of a code: values on the grid, which the root's error moves by less than
# z/1024, stay where they are, and nothing else does.
SMALL, NARROWER = 32.0, 1 / 512
ROUND = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer, which stands in the lowest bits

STEPS = 254  # of the logarithmic grid: codes 1 to 255
LARGEST_11_BITS = 0x7F7FE000  # the largest float32 with float16's 11 bits: the next one would be infinite
NAN_ORIGIN = 0x7FC000  # upper 24 bits of NaN


def blocks_of(x: Tensor) -> Tensor:
    """A flat tensor as rows of one block each, the last one filled up with zeros."""
    count = block_count(x.numel())
    rows = x.new_zeros(count * BLOCK)
    rows[: x.numel()] = x
    return rows.view(count, BLOCK)


def block_count(size: int) -> int:
    """Blocks of a tensor with so many elements."""
    return -(-size // BLOCK)


def _bits(x: Tensor) -> Tensor:
    """Bit patterns of float32 values, as int64 in [0, 2**32)."""
    return x.view(torch.int32).to(torch.int64) & 0xFFFFFFFF


def _float(bits: Tensor) -> Tensor:
    """float32 values of bit patterns below 2**31."""
    return bits.to(torch.int32).view(torch.float32)


def _largest(rows: Tensor) -> Tensor:
    """Bit pattern of the largest magnitude of each row; beyond INFINITY if there is a NaN."""
    if not rows.numel():
        return torch.zeros(rows.shape[0], 1, dtype=torch.int64)
    return (_bits(rows) & MAGNITUDE).amax(1, keepdim=True)


def encode_signed(x: Tensor, dither: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Codes (int8) and scales (float32, one a block) of a flat float32 tensor.

    Args:
        x: values.
        dither: from `rounding.block_dither`, for codes below SMALL; None: all to nearest.
    """
    rows = blocks_of(x)
    top = _largest(rows)
    scale = _float(top)
    low = scale < TINY
    y, divisor = torch.where(low, rows * LIFT, rows), torch.where(low, scale * LIFT, scale)
    factor = torch.where(top == 0, 0.0, torch.full_like(divisor, SIGNED_TOP) / divisor)
    y = y.abs() * factor
    r = _float(ROOT - (_bits(y) >> 1))
    t = y * r
    z = t * (CURVE - t * r)
    if dither is not None:
        z = z + torch.where(z < SMALL, (dither - 1.5) * (1.0 - z * NARROWER), 0.0)
    z = torch.copysign(z, rows) + ROUND
    codes = z.view(torch.int32).to(torch.int8)
    finite = top < INFINITY
    codes = torch.where(finite, codes, 0)
    return codes.view(-1)[: x.numel()], torch.where(finite, scale, torch.nan).view(-1)


def decode_signed(codes: Tensor, scales: Tensor) -> Tensor:
    """The float32 values of codes and scales from `encode_signed`."""
    q = blocks_of(codes).to(torch.float32)
    return (q * q.abs() * SQUARE * scales[:, None]).view(-1)[: codes.numel()]


def encode_log(x: Tensor, dither: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Codes (uint8) and words (int16, three a block) of a flat float32 tensor without negative values.

    Args:
        x: values; a negative one (-0.0, too) counts as one that is not finite.
        dither: from `rounding.block_dither`; None: to nearest.
    """
    rows = blocks_of(x)
    bits = _bits(rows)
    top = bits.amax(1, keepdim=True) if rows.numel() else _largest(rows)
    low = ((bits - 1 & 0xFFFFFFFF).amin(1, keepdim=True) + 1 & 0xFFFFFFFF) if rows.numel() else top
    finite, span = top < INFINITY, top - low
    origin = torch.where(top > 0, (low + 128 >> 8).clamp(1, LARGEST >> 8), 0)
    origin = torch.where(finite, origin, NAN_ORIGIN)
    step = torch.minimum((span + STEPS // 2) // STEPS, (LARGEST - (origin << 8)).clamp(min=0) // STEPS)
    step = torch.where(finite, step, 0)
    wide = torch.full(span.shape, float(STEPS)) / span.to(torch.float32)
    inverse = torch.where(step > 0, wide, 0.0)
    distance = torch.where(finite, bits - low, 0).to(torch.float32)
    position = distance * inverse + (1.5 if dither is None else dither)
    codes = torch.where(bits == 0, 0, position.to(torch.int32)).to(torch.uint8)
    words = torch.cat([origin >> 8, (origin & 0xFF) << 8 | step >> 16, step & 0xFFFF], 1)
    words = (words - (words >> 15 << 16)).to(torch.int16)
    return codes.view(-1)[: x.numel()], words


def decode_log(codes: Tensor, words: Tensor) -> Tensor:
    """The float32 values of codes and words from `encode_log`."""
    w = words.to(torch.int64) & 0xFFFF
    origin, step = w[:, 0] << 8 | w[:, 1] >> 8, (w[:, 1] & 0xFF) << 16 | w[:, 2]
    count = blocks_of(codes).to(torch.int64)
    bits = (origin[:, None] << 8) + (count - 1) * step[:, None]
    return _float(torch.where(count == 0, 0, bits)).view(-1)[: codes.numel()]


def encode_half(x: Tensor, signed: bool) -> tuple[Tensor, Tensor]:
    """Codes (float16) and scales (float32 powers of two, one a block) of a flat float32 tensor."""
    rows = blocks_of(x)
    top = _largest(rows)
    finite = top < INFINITY
    # The exponent after rounding to float16's 11 bits, so that the largest value never reaches the next power.
    field = ((top.clamp(max=LARGEST_11_BITS) + 0x1000 >> 23) - 14).clamp(min=1)
    limit = _float(torch.tensor(LARGEST_11_BITS))
    codes = (rows.clamp(-limit, limit) * _float(254 - field << 23)).to(torch.float16)
    if not signed:
        codes = torch.where(rows > 0, codes.clamp(min=2.0**-24), codes)
    scale = torch.where(finite, _float(torch.where(top > 0, field << 23, 0)), torch.nan)
    return torch.where(finite, codes, 0.0).view(-1)[: x.numel()], scale.view(-1)


def decode_half(codes: Tensor, scales: Tensor) -> Tensor:
    """The float32 values of codes and scales from `encode_half`."""
    return (blocks_of(codes).to(torch.float32) * scales[:, None]).view(-1)[: codes.numel()]
