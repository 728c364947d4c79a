"""Sums over blocks of elements for Numba kernels: squares in float64, and how many values are zero or not finite.

Sums are kept in LANES parts: element i of a block always goes to part i % LANES, and the parts are added in one order.
So a sum does not depend on threads, on the processor, or on how wide its vectors are.
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .intrinsics import place
from .layout import BLOCK

LANES = 16
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_REAL = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
_BITS = {"float32": (_I32, 0x7F800000), "float64": (_I64, 0x7FF0000000000000)}
_SUMS = ir.VectorType(ir.DoubleType(), LANES)
_COUNTS = ir.VectorType(_I32, LANES)


def _vectors(builder: Any, block: Any, computed: str) -> Any:
    """The elements of a block, LANES at a time."""
    kind = _REAL[computed]
    vector = ir.VectorType(kind, LANES)
    align = 4 if computed == "float32" else 8
    for i in range(BLOCK // LANES):
        yield builder.load(place(builder, block, _I64(i), vector), align=align)


def make_add_squares(computed: str) -> Any:
    """add_squares(sums, block): add the squares of a whole block to LANES doubles at an address."""

    @intrinsic
    def add_squares(typing: Any, sums: Any, block: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            at = place(builder, args[0], _I64(0), _SUMS)
            total = builder.load(at, align=8)
            for values in _vectors(builder, args[1], computed):
                wide = values if computed == "float64" else builder.fpext(values, _SUMS)
                total = builder.fadd(total, builder.fmul(wide, wide))
            builder.store(total, at, align=8)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), emit

    return add_squares


def make_count(computed: str, what: str) -> Any:
    """count(block): how many values of a whole block are zero (`what` is "zeros") or NaN or infinite ("nonfinite")."""
    kind, exponent = _BITS[computed]
    vector = ir.VectorType(kind, LANES)

    def constant(value: int) -> Any:
        return ir.Constant(vector, [value] * LANES)

    @intrinsic
    def count(typing: Any, block: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            total = ir.Constant(_COUNTS, [0] * LANES)
            for values in _vectors(builder, args[0], computed):
                bits = builder.bitcast(values, vector)
                if what == "zeros":
                    found = builder.icmp_unsigned("==", builder.shl(bits, constant(1)), constant(0))
                else:
                    found = builder.icmp_unsigned("==", builder.and_(bits, constant(exponent)), constant(exponent))
                total = builder.add(total, builder.zext(found, _COUNTS))
            parts = [builder.extract_element(total, _I32(i)) for i in range(LANES)]
            return builder.zext(functools.reduce(builder.add, parts), _I64)

        return types.int64(types.int64), emit

    return count


@intrinsic
def clear(typing, sums):
    """Set LANES doubles at an address to 0."""

    def emit(context, builder, signature, args):
        builder.store(ir.Constant(_SUMS, [0.0] * LANES), place(builder, args[0], _I64(0), _SUMS), align=8)
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def total(typing, sums):
    """The sum of LANES doubles at an address, halves first."""

    def emit(context, builder, signature, args):
        double = ir.DoubleType()
        parts = [builder.load(place(builder, args[0], _I64(i), double), align=8) for i in range(LANES)]
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [builder.fadd(a, b) for a, b in zip(parts[:half], parts[half:], strict=True)]
        return parts[0]

    return types.float64(types.int64), emit
