"""Typed memory access and the rule vocabulary for Numba kernels, as LLVM instructions.

Addresses are int64. A load converts a stored dtype to the compute dtype, a store rounds to nearest, ties to even.
No instruction carries a fast-math flag: every element gets the same bits wherever it stands in a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .layout import BLOCK, LINE

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_FLOAT, _DOUBLE = ir.FloatType(), ir.DoubleType()

Emit = Callable[[Any, Any], Any]


def _bf16_to_float(b: Any, bits: Any) -> Any:
    return b.bitcast(b.shl(b.zext(bits, _I32), _I32(16)), _FLOAT)


def _float_to_bf16(b: Any, value: Any) -> Any:
    bits = b.bitcast(value, _I32)
    odd = b.and_(b.lshr(bits, _I32(16)), _I32(1))
    rounded = b.lshr(b.add(bits, b.add(odd, _I32(0x7FFF))), _I32(16))
    return b.trunc(b.select(b.fcmp_unordered("uno", value, value), _I32(0x7FC0), rounded), _I16)


def _same(b: Any, value: Any) -> Any:
    return value


# stored dtype: (type in memory, its bytes, stored -> float, float -> stored)
STORED: dict[str, tuple[Any, int, Emit, Emit]] = {
    "float32": (_FLOAT, 4, _same, _same),
    "float64": (_DOUBLE, 8, _same, _same),
    "bfloat16": (_I16, 2, _bf16_to_float, _float_to_bf16),
    "float16": (
        ir.HalfType(),
        2,
        lambda b, half: b.fpext(half, _FLOAT),
        lambda b, value: b.fptrunc(value, ir.HalfType()),
    ),
}
_COMPUTED = {"float32": (_FLOAT, types.float32), "float64": (_DOUBLE, types.float64)}
ZERO = {"float32": numpy.float32(0), "float64": 0.0}


def place(builder: Any, base: Any, index: Any, kind: Any) -> Any:
    """A pointer to element `index` of the array of this LLVM type at an address."""
    return builder.gep(builder.inttoptr(base, kind.as_pointer()), [index])


def convert(builder: Any, value: Any, target: Any) -> Any:
    """Between float and double."""
    if value.type == target:
        return value
    return builder.fpext(value, target) if target == _DOUBLE else builder.fptrunc(value, target)


def make_load(stored: str, computed: str) -> Any:
    """load(base, i): element i of the array at address `base`, in the compute dtype."""
    kind, size, widen, _ = STORED[stored]
    target, numba_type = _COMPUTED[computed]

    @intrinsic
    def load(typing: Any, base: Any, index: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            raw = builder.load(place(builder, args[0], args[1], kind), align=size)
            return convert(builder, widen(builder, raw), target)

        return numba_type(types.int64, types.int64), emit

    return load


def make_store(stored: str, computed: str) -> Any:
    """store(base, i, value): round the value and write it to element i."""
    kind, size, _, narrow = STORED[stored]
    _, numba_type = _COMPUTED[computed]

    @intrinsic
    def store(typing: Any, base: Any, index: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = convert(builder, args[2], _DOUBLE if kind == _DOUBLE else _FLOAT)
            builder.store(narrow(builder, value), place(builder, args[0], args[1], kind), align=size)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, numba_type), emit

    return store


@intrinsic
def get(typing, base, index):
    """Word `index` after an address."""
    return types.int64(types.int64, types.int64), lambda c, b, s, a: b.load(place(b, a[0], a[1], _I64))


@intrinsic
def at(typing, base, field, index):
    """Word `index` of the column whose address stands in word `field` after `base`."""

    def emit(context, builder, signature, args):
        column = builder.load(place(builder, args[0], args[1], _I64))
        return builder.load(place(builder, column, args[2], _I64))

    return types.int64(types.int64, types.int64, types.int64), emit


@intrinsic
def put(typing, base, index, value):
    """Write word `index` after an address."""

    def emit(context, builder, signature, args):
        builder.store(args[2], place(builder, args[0], args[1], _I64))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@intrinsic
def prefetch(typing, address):
    """Ask for the cache line at an address, to be used soon; harmless whatever the address."""

    def emit(context, builder, signature, args):
        pointer = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, _I32, _I32, _I32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        for_reading, in_all_caches, data = _I32(0), _I32(3), _I32(1)
        builder.call(function, [pointer, for_reading, in_all_caches, data])
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def scratch(typing):
    """The address of memory for one block of elements of any dtype, on the stack, aligned as `stream` likes it."""

    def emit(context, builder, signature, args):
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(_DOUBLE, BLOCK))
            memory.align = LINE
        return builder.ptrtoint(memory, _I64)

    return types.int64(), emit


@intrinsic
def stream(typing, address, source, size):
    """Copy `size` bytes from scratch to memory, past the caches where both are aligned; `fence()` must follow."""

    def emit(context, builder, signature, args):
        target, source, size = args
        line = ir.VectorType(_FLOAT, LINE // 4)
        past = builder.module.add_metadata([_I32(1)])
        whole = builder.and_(builder.or_(target, size), _I64(LINE - 1))
        with builder.if_else(builder.icmp_signed("==", whole, _I64(0))) as (aligned, other):
            with aligned, cgutils.for_range(builder, builder.lshr(size, _I64(6)), intp=_I64) as loop:
                offset = builder.shl(loop.index, _I64(6))
                value = builder.load(place(builder, builder.add(source, offset), _I64(0), line), align=LINE)
                there = place(builder, builder.add(target, offset), _I64(0), line)
                builder.store(value, there, align=LINE).set_metadata("nontemporal", past)
            with other:
                byte = ir.IntType(8).as_pointer()
                cgutils.raw_memcpy(builder, builder.inttoptr(target, byte), builder.inttoptr(source, byte), size, 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@intrinsic
def fence(typing):
    """All that was written before can be seen by other threads before anything that is written after."""

    def emit(context, builder, signature, args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def call_kernel(typing, function, job, first, start, last, stop):
    """Call the kernel at an address: void(job, first tensor, its first element, last tensor, its end)."""

    def emit(context, builder, signature, args):
        kind = ir.FunctionType(ir.VoidType(), [_I64] * 5)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), emit


def _elementwise(arity: int, emit: Callable[..., Any]) -> Any:
    """An operation on `arity` floats of one type."""

    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit(builder, *args)

    def typed(*operands: Any) -> Any:
        kind = types.float64 if types.float64 in operands else types.float32
        return kind(*[kind] * len(operands)), make

    if arity == 1:
        return intrinsic(lambda typing, x: typed(x))
    return intrinsic(lambda typing, x, y: typed(x, y))


def _call(name: str) -> Callable[[Any, Any], Any]:
    def emit(b: Any, x: Any) -> Any:
        return b.call(b.module.declare_intrinsic(name, [x.type]), [x])

    return emit


def _sign(b: Any, x: Any) -> Any:
    zero = x.type(0.0)
    of_zero_or_nan = b.select(b.fcmp_ordered("ord", x, x), zero, x)
    below = b.select(b.fcmp_ordered("<", x, zero), x.type(-1.0), of_zero_or_nan)
    return b.select(b.fcmp_ordered(">", x, zero), x.type(1.0), below)


def _extreme(order: str) -> Callable[[Any, Any, Any], Any]:
    def emit(b: Any, x: Any, y: Any) -> Any:
        return b.select(b.or_(b.fcmp_ordered(order, x, y), b.fcmp_unordered("uno", x, x)), x, y)

    return emit


@intrinsic
def where(typing, condition, x, y):
    """X where the condition holds, else y."""
    kind = types.float64 if types.float64 in (x, y) else types.float32
    return kind(types.boolean, kind, kind), lambda c, b, s, a: b.select(a[0], a[1], a[2])


VOCABULARY = {
    "where": where,
    "sqrt": _elementwise(1, _call("llvm.sqrt")),
    "abs": _elementwise(1, _call("llvm.fabs")),
    "sign": _elementwise(1, _sign),
    "maximum": _elementwise(2, _extreme(">")),
    "minimum": _elementwise(2, _extreme("<")),
}
