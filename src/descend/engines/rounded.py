"""Loads and stores of half-precision values that lose nothing on average: descend.storage.parameters, in kernels."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ..storage import parameters, rounding
from .codecs import Apart, _call, _f, _f32, _i32, _i64, _make, _read, _void, _write
from .intrinsics import STORED, convert

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_FLOAT, _DOUBLE = ir.FloatType(), ir.DoubleType()


def block_start() -> Any:
    """An intrinsic: 32 random bits of a block from its number and two keys, those of `rounding.random_bits`."""

    def emit(b: Any, number: Any, key1: Any, key2: Any) -> Any:
        x = b.add(b.trunc(number, _I32), b.trunc(key1, _I32))
        x = b.mul(b.xor(x, b.lshr(x, _I32(16))), _I32(rounding.MULTIPLY_1))
        x = b.add(b.xor(x, b.lshr(x, _I32(15))), b.trunc(key2, _I32))
        x = b.mul(x, _I32(rounding.MULTIPLY_2))
        return b.xor(x, b.lshr(x, _I32(15)))

    return _make(_i32, [_i64, _i64, _i64], emit)


def dither() -> Any:
    """An intrinsic: `rounding.dither_key` of a block's random bits."""
    return _make(_i32, [_i32], lambda b, x: b.or_(b.and_(x, _I32(rounding.DITHER_BITS)), _I32(rounding.DITHER_ONE)))


def nothing() -> Any:
    """An intrinsic: no code."""
    return _make(_void, [], lambda b: None)


def whole() -> Any:
    """An intrinsic: word i of a row, which holds a whole number, as an integer."""

    def emit(b: Any, row: Any, i: Any) -> Any:
        return b.fptosi(_read(b, row, i, _DOUBLE), _I64)

    return _make(_i64, [_i64, _i64], emit)


def _random16(b: Any, i: Any, start: Any) -> Any:
    x = b.mul(b.add(b.trunc(i, _I32), start), _I32(parameters.WEYL))
    return b.lshr(x, _I32(16))


def _stochastic_bfloat16(b: Any, x: Any, random: Any) -> Any:
    rounded = b.lshr(b.add(b.bitcast(x, _I32), random), _I32(16))
    return b.trunc(b.select(b.fcmp_unordered("uno", x, x), _I32(0x7FC0), rounded), _I16)


def _stochastic_float16(b: Any, x: Any, random: Any) -> Any:
    random = b.lshr(random, _I32(3))
    bits = b.and_(b.bitcast(x, _I32), _I32(0x7FFFFFFF))
    magnitude = b.bitcast(bits, _FLOAT)
    coarse = b.bitcast(b.and_(b.add(bits, random), _I32(~0x1FFF)), _FLOAT)
    small = b.fcmp_ordered("<", magnitude, _f(2.0**-14))
    limited = b.select(small, magnitude, _f(0.0))
    part = b.fmul(b.sitofp(random, _FLOAT), _f(2.0**-13))
    count = b.fptosi(b.fadd(b.fmul(limited, _f(2.0**24)), part), _I32)
    fine = b.fmul(b.sitofp(count, _FLOAT), _f(2.0**-24))
    rounded = b.select(small, fine, coarse)
    finite = b.icmp_unsigned("<", bits, _I32(0x7F800000))
    value = _call(b, "llvm.copysign", b.select(finite, rounded, x), x)
    return b.fptrunc(value, ir.HalfType())


def make_store_dithered(stored: str, computed: str, apart: Apart | None) -> Any:
    """store(codes, i, value, start): round to one of the two neighbours; start: from block_start, i in the block."""
    narrow = {"bfloat16": _stochastic_bfloat16, "float16": _stochastic_float16}[stored]

    def emit(b: Any, base: Any, i: Any, value: Any, start: Any) -> None:
        _write(b, base, i, narrow(b, convert(b, value, _FLOAT), _random16(b, i, start)), apart)

    return _make(_void, [_i64, _i64, _value(computed), _i32], emit)


def make_load_pair(mode: str, stored: str, apart: Apart | None, rest_apart: Apart | None) -> Any:
    """load(high, rest, i): the float32 value of a parameter and what is kept beside it."""
    kind, _, widen, _ = STORED[stored]

    def emit(b: Any, high: Any, rest: Any, i: Any) -> Any:
        if mode == "split":
            top = b.shl(b.zext(_read(b, high, i, _I16, apart), _I32), _I32(16))
            return b.bitcast(b.add(top, b.sext(_read(b, rest, i, _I16, rest_apart), _I32)), _FLOAT)
        values = (widen(b, _read(b, *place)) for place in ((high, i, kind, apart), (rest, i, kind, rest_apart)))
        return b.fadd(*values)

    return _make(_f32, [_i64, _i64, _i64], emit)


def make_store_pair(mode: str, stored: str, apart: Apart | None, rest_apart: Apart | None) -> Any:
    """store(high, rest, i, value)."""
    _, _, widen, narrow = STORED[stored]

    def split(b: Any, x: Any) -> tuple[Any, Any]:
        bits, nan = b.bitcast(x, _I32), b.fcmp_unordered("uno", x, x)
        quiet = b.or_(b.and_(b.lshr(bits, _I32(16)), _I32(0x8000)), _I32(0x7FC0))
        high = b.select(nan, quiet, b.lshr(b.add(bits, _I32(0x8000)), _I32(16)))
        return b.trunc(high, _I16), b.trunc(b.select(nan, _I32(0), bits), _I16)

    def kahan(b: Any, x: Any) -> tuple[Any, Any]:
        high = narrow(b, x)
        wide = widen(b, high)
        finite = b.icmp_unsigned("<", b.and_(b.bitcast(wide, _I32), _I32(0x7FFFFFFF)), _I32(0x7F800000))
        return high, narrow(b, b.select(finite, b.fsub(x, wide), _f(0.0)))

    def emit(b: Any, high_at: Any, rest_at: Any, i: Any, value: Any) -> None:
        high, rest = (split if mode == "split" else kahan)(b, value)
        _write(b, high_at, i, high, apart)
        _write(b, rest_at, i, rest, rest_apart)

    return _make(_void, [_i64, _i64, _i64, _f32], emit)


def make_load(stored: str, computed: str, apart: Apart | None) -> Any:
    """load(base, i), as in intrinsics.py, for memory that overlaps nothing else named in `apart`."""
    kind, _, widen, _ = STORED[stored]
    target = _DOUBLE if computed == "float64" else _FLOAT

    def emit(b: Any, base: Any, i: Any) -> Any:
        return convert(b, widen(b, _read(b, base, i, kind, apart)), target)

    return _make(_value(computed), [_i64, _i64], emit)


def make_store(stored: str, computed: str, apart: Apart | None) -> Any:
    """store(base, i, value), as in intrinsics.py, for memory that overlaps nothing else named in `apart`."""
    kind, _, _, narrow = STORED[stored]

    def emit(b: Any, base: Any, i: Any, value: Any) -> None:
        value = convert(b, value, _DOUBLE if kind == _DOUBLE else _FLOAT)
        _write(b, base, i, narrow(b, value), apart)

    return _make(_void, [_i64, _i64, _value(computed)], emit)


def _value(computed: str) -> Any:
    from numba import types

    return {"float32": types.float32, "float64": types.float64}[computed]
