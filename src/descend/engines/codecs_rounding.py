"""Loads and stores of half-precision parameters that keep what rounding to nearest would lose, for generated kernels.

Stochastic rounding, a Kahan pair (bfloat16 and compensation) and a split master (bfloat16 and 16 more bits): element by
element, bit for bit the torch reference in `descend.storage.rounding`, in instructions that vectorise.

Random bits cost a hash per element: `random_bits(index, key_1, key_2)`, ten instructions of 32 bits. The keys come from
`rounding.keys(seed, step, stream)`, computed on the host; `load_key` reads one from a kernel's row of float64 scalars.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ..storage import rounding
from .codecs import (
    _COMPUTED,
    _FLOAT,
    _HALF,
    _I16,
    _I32,
    _I64,
    Apart,
    _bits,
    _call,
    _f,
    _f32,
    _i32,
    _i64,
    _make,
    _read,
    _void,
    _widen,
    _write,
)
from .intrinsics import _bf16_to_float, _float_to_bf16


def _random_bits(b: Any, index: Any, key_1: Any, key_2: Any) -> Any:
    x = b.add(b.trunc(index, _I32), key_1)
    x = b.mul(b.xor(x, b.lshr(x, _I32(16))), _I32(rounding.MULTIPLY_1))
    x = b.mul(b.add(b.xor(x, b.lshr(x, _I32(15))), key_2), _I32(rounding.MULTIPLY_2))
    return b.xor(x, b.lshr(x, _I32(15)))


def _load_key(b: Any, row: Any, word: Any) -> Any:
    place = b.gep(b.inttoptr(row, ir.DoubleType().as_pointer()), [word])
    return b.trunc(b.fptosi(b.load(place, align=8), _I64), _I32)


random_bits = _make(_i32, [_i64, _i32, _i32], _random_bits)
load_key = _make(_i32, [_i64, _i64], _load_key)
dither_key = _make(
    _i32,
    [_i32],
    lambda b, random: b.or_(b.and_(random, _I32(rounding.DITHER_BITS)), _I32(rounding.DITHER_ONE)),
)


def _stochastic_bfloat16(b: Any, x: Any, random: Any) -> Any:
    rounded = b.lshr(b.add(_bits(b, x), b.and_(random, _I32(0xFFFF))), _I32(16))
    return b.trunc(b.select(b.fcmp_unordered("uno", x, x), _I32(0x7FC0), rounded), _I16)


def _stochastic_float16(b: Any, x: Any, random: Any) -> Any:
    random = b.and_(random, _I32(0x1FFF))
    magnitude = _call(b, "llvm.fabs", x)
    coarse = b.bitcast(b.and_(b.add(_bits(b, magnitude), random), _I32(~0x1FFF & 0xFFFFFFFF)), _FLOAT)
    fraction = b.fmul(b.sitofp(random, _FLOAT), _f(2.0**-13))
    small = b.fcmp_ordered("<", magnitude, _f(2.0**-14))
    # Conversion of what does not fit an integer is undefined, so nothing but small values may reach it.
    count = b.fptosi(b.fadd(b.fmul(b.select(small, magnitude, _f(0.0)), _f(2.0**24)), fraction), _I32)
    fine = b.fmul(b.sitofp(count, _FLOAT), _f(2.0**-24))
    rounded = b.select(small, fine, coarse)
    finite = b.fcmp_ordered("<", magnitude, _f(float("inf")))
    return b.fptrunc(b.select(finite, _call(b, "llvm.copysign", rounded, x), x), _HALF)


def make_stochastic_store(stored: str, computed: str, apart: Apart | None = None) -> Any:
    """store(base, i, value, random): round up or down with the lowest bits of `random`, and write.

    Args:
        stored: "bfloat16" or "float16".
        computed: the kernel's compute dtype.
        apart: as for `make_codec`.
    """
    round_off = {"bfloat16": _stochastic_bfloat16, "float16": _stochastic_float16}[stored]

    def store(b: Any, base: Any, i: Any, value: Any, random: Any) -> None:
        _write(b, base, i, round_off(b, _widen(b, value, _FLOAT), random), apart)

    return _make(_void, [_i64, _i64, _COMPUTED[computed][1], _i32], store)


def make_kahan(apart: Apart | None = None, rest_apart: Apart | None = None) -> tuple[Any, Any]:
    """load(base, rest, i) and store(base, rest, i, value) of a bfloat16 number with its bfloat16 compensation.

    Args:
        apart: as for `make_codec`, of the numbers.
        rest_apart: of their compensation.
    """

    def load(b: Any, base: Any, rest: Any, i: Any) -> Any:
        high, low = _read(b, base, i, _I16, apart), _read(b, rest, i, _I16, rest_apart)
        return b.fadd(_bf16_to_float(b, high), _bf16_to_float(b, low))

    def store(b: Any, base: Any, rest: Any, i: Any, value: Any) -> None:
        high = _float_to_bf16(b, value)
        nearest = _bf16_to_float(b, high)
        finite = b.fcmp_ordered("<", _call(b, "llvm.fabs", nearest), _f(float("inf")))
        low = _bits(b, b.select(finite, b.fsub(value, nearest), _f(0.0)))
        odd = b.and_(b.lshr(low, _I32(16)), _I32(1))  # to nearest even; never NaN
        low = b.lshr(b.add(low, b.add(odd, _I32(0x7FFF))), _I32(16))
        _write(b, base, i, high, apart)
        _write(b, rest, i, b.trunc(low, _I16), rest_apart)

    return _make(_f32, [_i64] * 3, load), _make(_void, [_i64, _i64, _i64, _f32], store)


def make_split(apart: Apart | None = None, low_apart: Apart | None = None) -> tuple[Any, Any]:
    """load(base, low, i) and store(base, low, i, value) of an exact float32 number in two halves.

    Args:
        apart: as for `make_codec`, of the bfloat16 halves.
        low_apart: of the int16 halves.
    """

    def load(b: Any, base: Any, low: Any, i: Any) -> Any:
        top = b.shl(b.zext(_read(b, base, i, _I16, apart), _I32), _I32(16))
        return b.bitcast(b.add(top, b.sext(_read(b, low, i, _I16, low_apart), _I32)), _FLOAT)

    def store(b: Any, base: Any, low: Any, i: Any, value: Any) -> None:
        bits = _bits(b, value)
        nan = b.fcmp_unordered("uno", value, value)
        high = b.select(nan, _I32(0x7FC0), b.lshr(b.add(bits, _I32(0x8000)), _I32(16)))
        _write(b, base, i, b.trunc(high, _I16), apart)
        _write(b, low, i, b.trunc(bits, _I16), low_apart)

    return _make(_f32, [_i64] * 3, load), _make(_void, [_i64, _i64, _i64, _f32], store)
